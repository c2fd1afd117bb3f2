"""What an examination of an episode says, as values that can be kept and sent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pipeline.model.demonstration import ClosedIs
from pipeline.model.problem import Problem, Severity


class Exactness(StrEnum):
    """How well pictures and table agree in time, from best to worst."""

    EXACT = "exact"
    HALF_FRAME = "within half a frame"
    OFF = "off"
    DRIFT = "drift"
    UNKNOWN = "unknown"


_RANK = {entry: i for i, entry in enumerate((Exactness.UNKNOWN, *list(Exactness)[:4]))}


@dataclass(frozen=True, slots=True)
class CameraTiming:
    """How one camera's pictures agree with the table.

    Attributes:
        camera: Its key.
        exactness: The badge.
        worst_ms: Largest distance between a row and its picture, milliseconds; for drift, what
            the offset grew by.
        frame: Row of that distance.
        pictures: Pictures that the file holds of this episode.
    """

    camera: str
    exactness: Exactness
    worst_ms: float = 0.0
    frame: int = 0
    pictures: int = 0

    @property
    def text(self) -> str:
        """The badge in words."""
        if self.exactness is Exactness.OFF:
            return f"off by {self.worst_ms:.0f} ms at frame {self.frame}"
        if self.exactness is Exactness.DRIFT:
            return f"drifts by {self.worst_ms:.0f} ms"
        return self.exactness.value


@dataclass(frozen=True, slots=True)
class GripperRange:
    """How far one arm's gripper moved.

    Attributes:
        arm: As in `GripperChannels`.
        closed_is: Closed end in force.
        low: Smallest value of each channel, the dataset's unit.
        high: Largest value of each channel.
        evidence: Closed end that this episode shows by itself (a command beyond what the fingers
            reach); None if it shows none.
    """

    arm: str
    closed_is: ClosedIs
    low: tuple[float, ...]
    high: tuple[float, ...]
    evidence: ClosedIs | None = None


@dataclass(frozen=True, slots=True)
class EpisodeHealth:
    """What an examination found.

    Attributes:
        episode: Episode index.
        problems: Findings beyond those of `EpisodeInfo.problems`, the gravest first.
        timings: One entry for each camera that could be read.
        content: Hash of state and action, empty if there are none.
        frames: Rows of the table, 0 if it could not be opened.
        real_fps: Rows per second of the timestamps, 0 if unknown.
        grippers: One entry per arm.
        files: Files that hold the episode, absolute; empty if the source does not say.
    """

    episode: int
    problems: tuple[Problem, ...] = ()
    timings: tuple[CameraTiming, ...] = ()
    content: str = ""
    frames: int = 0
    real_fps: float = 0.0
    grippers: tuple[GripperRange, ...] = ()
    files: tuple[str, ...] = ()

    @property
    def timing(self) -> CameraTiming | None:
        """The camera that agrees worst with the table, None if none could be read."""
        return max(self.timings, key=lambda t: (_RANK[t.exactness], abs(t.worst_ms)), default=None)

    def as_dict(self) -> dict[str, Any]:
        """Make a JSON object; `from_dict` reads it."""
        return {
            "episode": self.episode,
            "problems": [plain(p) for p in self.problems],
            "timings": [
                [t.camera, t.exactness.value, t.worst_ms, t.frame, t.pictures] for t in self.timings
            ],
            "content": self.content,
            "frames": self.frames,
            "real_fps": self.real_fps,
            "grippers": [
                [g.arm, g.closed_is.value, g.low, g.high, g.evidence.value if g.evidence else None]
                for g in self.grippers
            ],
            "files": list(self.files),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> EpisodeHealth:
        """Read what `as_dict` made. Raises KeyError, ValueError or TypeError for anything else."""
        return cls(
            episode=int(data["episode"]),
            problems=tuple(problem_from(p) for p in data["problems"]),
            timings=tuple(
                CameraTiming(str(name), Exactness(badge), float(worst), int(frame), int(count))
                for name, badge, worst, frame, count in data["timings"]
            ),
            content=str(data["content"]),
            frames=int(data["frames"]),
            real_fps=float(data["real_fps"]),
            grippers=tuple(
                GripperRange(
                    str(arm),
                    ClosedIs(closed),
                    tuple(map(float, low)),
                    tuple(map(float, high)),
                    ClosedIs(evidence) if evidence else None,
                )
                for arm, closed, low, high, evidence in data["grippers"]
            ),
            files=tuple(map(str, data["files"])),
        )


def plain(problem: Problem) -> dict[str, Any]:
    """A problem as a JSON object."""
    return {
        "code": problem.code,
        "message": problem.message,
        "severity": problem.severity.value,
        "frame": problem.frame,
    }


def problem_from(data: dict[str, Any]) -> Problem:
    """Read what `plain` made. Raises KeyError, ValueError or TypeError for anything else."""
    frame = data["frame"]
    return Problem(
        str(data["code"]),
        str(data["message"]),
        Severity(data["severity"]),
        None if frame is None else int(frame),
    )


GRAVITY = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}
"""Sort key: the gravest first."""


def gravest_first(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Each finding once, the gravest first."""
    unique = {(p.code, p.message): p for p in problems}
    return tuple(sorted(unique.values(), key=lambda p: GRAVITY[p.severity]))
