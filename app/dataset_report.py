"""`demoscope info`: what a dataset holds and how healthy it is, for people and machines."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from app.arguments import named_episode, split_path
from app.terminal import note, progress, say
from pipeline.health.dataset import DatasetHealth
from pipeline.health.examination import examine_opened
from pipeline.health.values import EpisodeHealth, gravest_first, plain
from pipeline.model.demonstration import (
    DatasetInfo,
    DatasetSource,
    Demonstration,
    EpisodeInfo,
    GripperChannels,
)
from pipeline.model.edits import Edit, SetChannels
from pipeline.model.problem import DataError, Problem
from pipeline.review.events import DATASET_WIDE
from pipeline.review.saved import saved_reviews
from pipeline.sources.detect import open_dataset
from pipeline.sources.hub.dataset import local_place

_OPEN_AT_MOST = 200
"""Present episodes that are opened to find problems of their content."""


@dataclass(frozen=True, slots=True)
class DatasetReport:
    """What a dataset holds, with what people remembered about it.

    Attributes:
        info: What the metadata says.
        grippers: Channels in force: guessed, or set by a person.
        problems: Problems by episode index: of the metadata, and of opening it where it was.
        health: What examinations say, by episode index.
        together: The examined episodes compared with each other.
        episode: Episode that the given path names, None if it names none.
    """

    info: DatasetInfo
    grippers: tuple[GripperChannels, ...]
    problems: Mapping[int, tuple[Problem, ...]]
    health: Mapping[int, EpisodeHealth]
    together: DatasetHealth
    episode: int | None = None

    def findings(self, episode: EpisodeInfo) -> tuple[Problem, ...]:
        """All that is known to be wrong or odd about an episode, the gravest first."""
        compared = self.together.problems_of(episode.index)
        return gravest_first((*self.problems.get(episode.index, ()), *compared))

    def as_dict(self) -> dict[str, Any]:
        """Make the JSON object of `info --json`; the shape is part of our interface."""
        info = self.info
        return {
            "format": info.format,
            "version": info.version,
            "fps": info.fps,
            "robot_type": info.robot_type,
            "cameras": list(info.cameras),
            "found": list(info.found),
            "ignored": list(info.ignored),
            "episode": self.episode,
            "gripper": {
                g.arm: {
                    "channels": list(g.names),
                    "signal": g.signal,
                    "closed_is": g.closed_is.value,
                    "combine": g.combine.value,
                    "percentiles": list(g.percentiles) if g.percentiles else None,
                    "origin": g.origin,
                    "reason": g.reason,
                }
                for g in self.grippers
            },
            "problems": _plain(info.problems),
            "health": {
                "examined": self.together.examined,
                "problems": [plain(p) for p in self.together.problems],
                "episodes_by_code": self.together.counts(),
                "episodes_by_timing": self.together.exactness,
            },
            "episodes": [
                {
                    "index": e.index,
                    "name": e.name,
                    "length": e.length,
                    "instruction": e.instruction,
                    "present": e.present,
                    "problems": _plain(self.problems.get(e.index, e.problems)),
                    "health": self._health_of(e),
                }
                for e in info.episodes
            ],
        }

    def _health_of(self, episode: EpisodeInfo) -> dict[str, Any] | None:
        health = self.health.get(episode.index)
        if health is None:
            return None
        return health_dict(health) | {"problems": [plain(p) for p in self.findings(episode)]}

    def lines(self) -> list[str]:
        """Make the text for people."""
        info = self.info
        lines = [
            info.path,
            f"  format    {info.format} {info.version} ({info.reason})",
            f"  robot     {info.robot_type or 'not said'}, {info.fps:g} fps",
            f"  cameras   {', '.join(info.cameras) or 'none'}",
        ]
        lines += [f"  found     {phrase}" for phrase in info.found]
        lines += [f"  ignored   {phrase}" for phrase in info.ignored]
        for gripper in self.grippers:
            names = ", ".join(gripper.names)
            where = f"{gripper.arm}: {gripper.signal} {names}"
            several = f", {gripper.combine} of them" if len(gripper.names) > 1 else ""
            ends = gripper.percentiles
            own = f", ends at {ends[0]:g} % and {ends[1]:g} %" if ends else ""
            lines.append(f"  gripper   {where}; closed is {gripper.closed_is}{several}{own}")
            lines.append(f"            ({gripper.reason})")
        if not self.grippers:
            lines.append("  gripper   none found")
        if self.episode is not None:
            lines.append(f"  given     a part of episode {self.episode}")
        present = [e for e in info.episodes if e.present]
        lines.append(f"  episodes  {len(present)} of {len(info.episodes)} on disk")
        exactness = ", ".join(f"{name} {n}" for name, n in self.together.exactness.items())
        if exactness:
            lines.append(f"  timing    {exactness} (episodes; pictures against the table)")
        problems = (*info.problems, *self.together.problems)
        lines += [f"  {p.severity.value:9} {p.code}: {p.message}" for p in problems]
        for episode in present:
            lines.append(f"    {episode.index:6}  {episode.length:6} frames  {episode.instruction}")
            lines += [
                f"            {p.severity.value:7} {p.code}: {p.message}"
                for p in self.findings(episode)
            ]
        return lines + self._absent()

    def _absent(self) -> list[str]:
        """Why episodes are absent: each kind of reason once, with its count."""
        found: dict[str, list[str]] = {}
        for episode in self.info.episodes:
            if not episode.present:
                for problem in episode.problems:
                    found.setdefault(problem.code, []).append(problem.message)
        return [
            f"    not on disk  {code}: {messages[0]}"
            + (f" (and {len(messages) - 1} more)" if len(messages) > 1 else "")
            for code, messages in found.items()
        ]


def health_dict(health: EpisodeHealth) -> dict[str, Any]:
    """Figures of an examination as a JSON object; the shape is part of our interface."""
    return {
        "frames": health.frames,
        "real_fps": health.real_fps or None,
        "timing": [
            {
                "camera": t.camera,
                "exactness": t.exactness.value,
                "text": t.text,
                "worst_ms": round(t.worst_ms, 3),
                "frame": t.frame,
                "pictures": t.pictures,
            }
            for t in health.timings
        ],
        "gripper_range": {
            g.arm: [[_number(a), _number(b)] for a, b in zip(g.low, g.high, strict=True)]
            for g in health.grippers
        },
        "content": health.content,
    }


def _number(value: float) -> float | None:
    """JSON knows no NaN."""
    return value if math.isfinite(value) else None


def report(path: str, *, as_json: bool) -> int:
    """Print the report of PATH or PATH#EPISODE. Raises DataError if it cannot be opened."""
    place, episode = split_path(path)
    place = local_place(place, progress)
    source = open_dataset(place)
    found = examine(source, named_episode(place) if episode is None else episode)
    if as_json:
        say(json.dumps(found.as_dict(), indent=2, ensure_ascii=False))
    else:
        say("\n".join(found.lines()))
    return 0


def examine(source: DatasetSource, episode: int | None = None) -> DatasetReport:
    """Look at a dataset's metadata, at the content of its first 200 present episodes and at what
    people remembered. Leaves no file behind.

    Args:
        source: The dataset.
        episode: An episode that is looked at in any case.

    Raises:
        DataError: `no_such_episode`.
    """
    info = source.info
    left = _OPEN_AT_MOST
    first: Demonstration | None = None
    problems: dict[int, tuple[Problem, ...]] = {}
    health: dict[int, EpisodeHealth] = {}
    together = DatasetHealth(info)
    there = episode is None
    for entry in info.episodes:
        there |= entry.index == episode
        if entry.problems:
            problems[entry.index] = entry.problems
        if entry.present and (left > 0 or entry.index == episode):
            left -= 1
            opened, problems[entry.index], health[entry.index] = _with_content(source, entry)
            together.add(health[entry.index])
            first = first or opened
    if not there:
        raise DataError("no_such_episode", f"{info.name} has no episode {episode}")
    together.compare()
    return DatasetReport(info, _grippers(info, first), problems, health, together, episode)


def _with_content(
    source: DatasetSource, episode: EpisodeInfo
) -> tuple[Demonstration | None, tuple[Problem, ...], EpisodeHealth]:
    """The opened episode, problems of metadata and opening, each once, and its examination."""
    opened = None
    try:
        opened = source.open(episode.index)
        found = opened.problems
        health = examine_opened(source, episode, opened)
    except DataError as error:
        found = (error.as_problem(),)
        health = EpisodeHealth(episode.index, found)
    unique = {(p.code, p.message): p for p in (*episode.problems, *found)}
    return opened, tuple(unique.values()), health


def _grippers(info: DatasetInfo, first: Demonstration | None) -> tuple[GripperChannels, ...]:
    """Gripper channels with those that a person set, which hold for the whole dataset."""
    edits: tuple[Edit, ...] = ()
    try:
        with saved_reviews(info.path) as store:
            if store is not None:
                edits = store.edits(DATASET_WIDE)
    except DataError as error:
        note(f"human corrections are not used: {error}")
    edits = tuple(e for e in edits if isinstance(e, SetChannels))
    if not edits or first is None:
        return info.grippers
    from pipeline.stages.phases import channels_in_force

    problems: list[Problem] = []
    channels = channels_in_force(replace(first, grippers=info.grippers), edits, problems)
    for problem in problems:
        note(problem.message)
    return channels


def _plain(problems: tuple[Problem, ...]) -> list[dict[str, str]]:
    return [{"code": p.code, "message": p.message} for p in problems]
