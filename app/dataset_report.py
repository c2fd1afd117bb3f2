"""`demoscope info`: what a dataset holds, for people and machines."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from app.saved_reviews import saved_reviews
from app.terminal import note, say
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
from pipeline.sources.detect import open_dataset

_OPEN_AT_MOST = 200
"""Present episodes that are opened to find problems of their content."""


@dataclass(frozen=True, slots=True)
class DatasetReport:
    """What a dataset holds, with what people remembered about it.

    Attributes:
        info: What the metadata says.
        grippers: Channels in force: guessed, or set by a person.
        problems: Problems by episode index, those of the content included where it was opened.
    """

    info: DatasetInfo
    grippers: tuple[GripperChannels, ...]
    problems: dict[int, tuple[Problem, ...]]

    def as_dict(self) -> dict[str, Any]:
        """Make the JSON object of `info --json`; the shape is part of our interface."""
        info = self.info
        return {
            "format": info.format,
            "version": info.version,
            "fps": info.fps,
            "robot_type": info.robot_type,
            "cameras": list(info.cameras),
            "gripper": {
                g.arm: {
                    "channels": list(g.names),
                    "signal": g.signal,
                    "closed_is": g.closed_is.value,
                    "origin": g.origin,
                    "reason": g.reason,
                }
                for g in self.grippers
            },
            "problems": _plain(info.problems),
            "episodes": [
                {
                    "index": e.index,
                    "length": e.length,
                    "instruction": e.instruction,
                    "present": e.present,
                    "problems": _plain(self.problems[e.index]),
                }
                for e in info.episodes
            ],
        }

    def lines(self) -> list[str]:
        """Make the text for people."""
        info = self.info
        lines = [
            info.path,
            f"  format    {info.format} {info.version} ({info.reason})",
            f"  robot     {info.robot_type or 'not said'}, {info.fps:g} fps",
            f"  cameras   {', '.join(info.cameras) or 'none'}",
        ]
        for gripper in self.grippers:
            names = ", ".join(gripper.names)
            where = f"{gripper.arm}: {gripper.signal} {names}"
            lines.append(f"  gripper   {where}; closed is {gripper.closed_is}")
            lines.append(f"            ({gripper.reason})")
        if not self.grippers:
            lines.append("  gripper   none found")
        present = [e for e in info.episodes if e.present]
        lines.append(f"  episodes  {len(present)} of {len(info.episodes)} on disk")
        lines += [f"  {p.severity.value:9} {p.code}: {p.message}" for p in info.problems]
        for episode in present:
            lines.append(f"    {episode.index:6}  {episode.length:6} frames  {episode.instruction}")
            lines += [f"            {p.code}: {p.message}" for p in self.problems[episode.index]]
        return lines + self._absent()

    def _absent(self) -> list[str]:
        """Why episodes are absent: each kind of reason once, with its count."""
        found: dict[str, list[str]] = {}
        for episode in self.info.episodes:
            if not episode.present:
                for problem in self.problems[episode.index]:
                    found.setdefault(problem.code, []).append(problem.message)
        return [
            f"    not on disk  {code}: {messages[0]}"
            + (f" (and {len(messages) - 1} more)" if len(messages) > 1 else "")
            for code, messages in found.items()
        ]


def report(path: str, *, as_json: bool) -> int:
    """Print the report. Raises DataError if the dataset cannot be opened."""
    found = examine(open_dataset(path))
    if as_json:
        say(json.dumps(found.as_dict(), indent=2, ensure_ascii=False))
    else:
        say("\n".join(found.lines()))
    return 0


def examine(source: DatasetSource) -> DatasetReport:
    """Look at a dataset's metadata, at the content of its first 200 present episodes and at what
    people remembered. Leaves no file behind.
    """
    info = source.info
    left = _OPEN_AT_MOST
    first: Demonstration | None = None
    problems: dict[int, tuple[Problem, ...]] = {}
    for episode in info.episodes:
        problems[episode.index] = episode.problems
        if episode.present and left > 0:
            left -= 1
            opened, problems[episode.index] = _with_content(source, episode)
            first = first or opened
    return DatasetReport(info, _grippers(info, first), problems)


def _with_content(
    source: DatasetSource, episode: EpisodeInfo
) -> tuple[Demonstration | None, tuple[Problem, ...]]:
    """The opened episode, and problems of metadata and content, each once."""
    opened = None
    try:
        opened = source.open(episode.index)
        found = opened.problems
    except DataError as error:
        found = (error.as_problem(),)
    unique = {(p.code, p.message): p for p in (*episode.problems, *found)}
    return opened, tuple(unique.values())


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
