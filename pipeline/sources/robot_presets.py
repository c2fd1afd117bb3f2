"""Presets of known robots: which channels are grippers, which end is closed, which tell motion.

They are data (`resources/robots/*.json`), each with its source; people add their own in
`robots/` of the configuration folder. A file is read with pydantic, and one that cannot be used
is a sentence in `problems`, never a failure.
"""

from __future__ import annotations

import logging
import os
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipeline.model.demonstration import ClosedIs, Combine, GripperChannels, MotionKind
from pipeline.model.problem import DataError
from pipeline.model.whole_file import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pipeline.model.demonstration import MotionChannels

log = logging.getLogger(__name__)

VERSION = 1
"""Of the files; a newer one is refused with a sentence."""
CONFIG_DIR_VARIABLE = "DEMOSCOPE_CONFIG_DIR"
APP = "demoscope"
_MOST_BYTES = 1 << 20
_MOST_FILES = 200
_MODEL = ConfigDict(frozen=True, extra="forbid", defer_build=True)
_MOST_STARS = 6
"""More wildcards in one pattern could make matching slow."""


def _few_stars(pattern: str) -> str:
    if pattern.count("*") > _MOST_STARS or "[" in pattern:
        raise ValueError(f"pattern {pattern!r}: at most {_MOST_STARS} `*`, and no `[`")
    return pattern


class _Channels(BaseModel):
    """Columns of one signal, by patterns of their names or by their places.

    Attributes:
        signal: The array.
        channels: Names with `*` and `?`; upper and lower case differ. `a|b` takes b where there
            is no a. Each must be found.
        indices: Columns, for robots whose channels have no telling names.
        size: Number of columns the signal must have if indices are given.
    """

    model_config = _MODEL
    signal: Literal["state", "action"] = "state"
    channels: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] = ()
    indices: tuple[Annotated[int, Field(ge=0)], ...] = ()
    size: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _either(self) -> Self:
        if bool(self.channels) == bool(self.indices):
            raise ValueError("give either channels (names) or indices (places)")
        if self.indices and self.size <= max(self.indices):
            raise ValueError("indices need the size of their signal, which must hold them")
        for pattern in self.channels:
            _few_stars(pattern)
        return self

    def columns(self, names: Sequence[str]) -> tuple[int, ...]:
        """Columns that fit, ascending; empty if a pattern finds none."""
        if self.indices:
            return self.indices if len(names) == self.size else ()
        found: set[int] = set()
        for pattern in self.channels:
            fitting = _first_fitting(pattern, names)
            if not fitting:
                return ()
            found.update(fitting)
        return tuple(sorted(found))


def _first_fitting(pattern: str, names: Sequence[str]) -> list[int]:
    """Columns that the first alternative with any finds."""
    for part in pattern.split("|"):
        fitting = [i for i, name in enumerate(names) if fnmatchcase(name, part)]
        if fitting:
            return fitting
    return []


class Motion(_Channels):
    """Channels by whose rate the arm counts as moving.

    Attributes:
        kind: What they measure.
    """

    kind: MotionKind = MotionKind.JOINT


class ArmPreset(_Channels):
    """Gripper of one arm.

    Attributes:
        arm: `left`, `right` or `arm`.
        closed: Which end is closed; None if robots of this type differ: then it is inferred.
        combine: How several columns become one.
        percentiles: Percentiles (low, high) taken as the ends, None: those of the stage's options.
        unit: Of the channels, for people.
        motion: Motion channels of this arm, None: chosen by names.
    """

    arm: str = Field(min_length=1, max_length=40)
    closed: ClosedIs | None
    combine: Combine = Combine.MEAN
    percentiles: tuple[float, float] | None = None
    unit: str = ""
    motion: Motion | None = None

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if self.percentiles is not None and not (
            0 <= self.percentiles[0] < self.percentiles[1] <= 100
        ):
            raise ValueError("percentiles must rise, from 0 to 100")
        return self


class RobotPreset(BaseModel):
    """One robot, as some toolchain records it.

    Attributes:
        name: For people.
        robot_types: Patterns of the metadata's robot type, lower case.
        arms: Its grippers.
        source: Where this is known from: repository and file, manual, paper.
        by_names: May be chosen by the names of the channels alone.
    """

    model_config = _MODEL
    name: str = Field(min_length=1, max_length=120)
    robot_types: tuple[str, ...] = ()
    arms: tuple[ArmPreset, ...] = Field(min_length=1, max_length=16)
    source: str = Field(min_length=1)
    by_names: bool = False

    @model_validator(mode="after")
    def _sound(self) -> Self:
        for pattern in self.robot_types:
            _few_stars(pattern)
        if len({a.arm for a in self.arms}) != len(self.arms):
            raise ValueError("two entries for one arm")
        return self


class _File(BaseModel):
    model_config = _MODEL
    version: Literal[1]
    presets: tuple[RobotPreset, ...]


@dataclass(frozen=True, slots=True)
class Presets:
    """All presets at hand.

    Attributes:
        presets: Those of the user first.
        problems: One sentence per file that cannot be used.
    """

    presets: tuple[RobotPreset, ...]
    problems: tuple[str, ...]


def user_folder() -> Path:
    """Where people's own presets lie."""
    given = os.environ.get(CONFIG_DIR_VARIABLE)
    if given:
        return Path(given).expanduser() / "robots"
    # lazy: tests and containers name their folder
    import platformdirs

    return Path(platformdirs.user_config_dir(APP)) / "robots"


def shipped_folder() -> Path:
    """Where our own presets lie."""
    import resources

    return Path(resources.__file__).parent / "robots"


def load_presets() -> Presets:
    """Read all presets; those of the user win over ours of the same name. Files are read once."""
    presets: dict[str, RobotPreset] = {}
    problems = []
    for folder in (user_folder(), shipped_folder()):
        for path in _files(folder):
            try:
                stamp = path.stat()
                found = _read(path, stamp.st_mtime_ns, stamp.st_size)
            except (DataError, OSError) as error:
                problems.append(str(error))
                log.warning("robot preset: %s", error)
                continue
            for preset in found:
                presets.setdefault(preset.name, preset)
    return Presets(tuple(presets.values()), tuple(problems))


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(p for p in folder.glob("*.json") if p.is_file())[:_MOST_FILES]
    except OSError as error:
        log.warning("robot presets: %s", error)
        return []


@lru_cache(maxsize=2 * _MOST_FILES)
def _read(path: Path, changed: int, size: int) -> tuple[RobotPreset, ...]:
    """Presets of a file; `changed` and `size` make sure that an edited one is read again."""
    if size > _MOST_BYTES:
        raise DataError("bad_preset", f"{path}: {size} bytes, more than a preset can need")
    try:
        return _File.model_validate_json(path.read_bytes()).presets
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        where = f" at {place}" if place else ""
        raise DataError("bad_preset", f"{path}{where}: {first['msg']}") from error


def save_preset(preset: RobotPreset) -> Path:
    """Save a preset of the user; one of the same name is replaced.

    Raises:
        DataError: `bad_preset` if the folder cannot be written.
    """
    folder = user_folder()
    stem = re.sub(r"[^a-z0-9]+", "-", preset.name.lower()).strip("-") or "robot"
    path = folder / f"{stem}.json"
    text = _File(version=1, presets=(preset,)).model_dump_json(indent=2, exclude_defaults=False)
    try:
        write_whole(path, f"{text}\n".encode())
    except OSError as error:
        raise DataError("bad_preset", f"{path}: {error.strerror or error}") from error
    return path


def preset_of(
    name: str,
    robot_type: str,
    grippers: Iterable[GripperChannels],
    motions: Iterable[MotionChannels],
) -> RobotPreset:
    """Make a preset of a mapping.

    Args:
        name: For people.
        robot_type: Of the dataset; the preset is found by it. May be empty.
        grippers: Gripper channels per arm, at least one.
        motions: Motion channels of these arms.

    Raises:
        DataError: `bad_preset` if the mapping cannot be one (names with wildcards are fine).
    """
    moving = {m.arm: m for m in motions if m.indices}
    arms = []
    try:
        for gripper in grippers:
            motion = moving.get(gripper.arm)
            arms.append(
                ArmPreset(
                    arm=gripper.arm,
                    signal="action" if gripper.signal == "action" else "state",
                    channels=tuple(_literal(n) for n in gripper.names),
                    closed=gripper.closed_is,
                    combine=gripper.combine,
                    percentiles=gripper.percentiles,
                    motion=None
                    if motion is None
                    else Motion(
                        signal="action" if motion.signal == "action" else "state",
                        channels=tuple(_literal(n) for n in motion.names),
                        kind=motion.kind,
                    ),
                )
            )
        return RobotPreset(
            name=name,
            robot_types=(_literal(_plain_type(robot_type)),) if robot_type else (),
            arms=tuple(arms),
            source="saved from the channel mapping",
            by_names=True,
        )
    except ValidationError as error:
        first = error.errors()[0]["msg"]
        raise DataError("bad_preset", f"this mapping cannot be a preset: {first}") from error


def _plain_type(robot_type: str) -> str:
    """A robot type in lower case with `_` between its words."""
    return re.sub(r"[\s\-]+", "_", robot_type.strip().lower())


def _literal(name: str) -> str:
    """A pattern without wildcards: `?` stands for signs that would be some."""
    return re.sub(r"[\[\]*|]", "?", name)


def grippers_by(
    preset: RobotPreset, state_names: Sequence[str], action_names: Sequence[str]
) -> tuple[GripperChannels, ...]:
    """Gripper channels of the arms of a preset that these channels have; empty if none."""
    found = []
    for arm in preset.arms:
        names = state_names if arm.signal == "state" else action_names
        columns = arm.columns(names)
        if not columns:
            continue
        found.append(
            GripperChannels(
                arm=arm.arm,
                signal=arm.signal,
                indices=columns,
                names=tuple(names[i] for i in columns),
                closed_is=arm.closed or ClosedIs.LOW,
                origin="preset" if arm.closed else "guessed",
                reason=f"preset “{preset.name}”",
                combine=arm.combine,
                percentiles=arm.percentiles,
            )
        )
    return tuple(found)


def matching_presets(
    presets: Sequence[RobotPreset],
    state_names: Sequence[str],
    action_names: Sequence[str],
    robot_type: str,
    must_cover: Sequence[str] = (),
) -> tuple[tuple[RobotPreset, str], ...]:
    """Presets that fit a dataset, best first, each with why.

    Args:
        presets: All that may be chosen.
        state_names: Names of the state's channels.
        action_names: Names of the action's channels.
        robot_type: As in the metadata.
        must_cover: Names that look like grippers: a preset chosen by names alone must know all of
            their arms, or an arm would be lost.
    """
    wanted = _plain_type(robot_type)
    by_type, by_names = [], []
    for preset in presets:
        grippers = grippers_by(preset, state_names, action_names)
        if not grippers:
            continue
        if wanted and any(fnmatchcase(wanted, _plain_type(p)) for p in preset.robot_types):
            by_type.append((len(grippers), preset, f"the robot type is {robot_type}"))
        elif preset.by_names and len(grippers) == len(preset.arms):
            known = {n for g in grippers for n in g.names}
            if all(name in known for name in must_cover):
                by_names.append((len(known), preset, "by the names of its channels"))
    ranked = sorted(by_type, key=lambda found: -found[0]) + sorted(by_names, key=lambda f: -f[0])
    return tuple((preset, why) for _, preset, why in ranked)
