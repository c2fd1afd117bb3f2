"""Gripper phases and everything the phase detector looked at."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from pipeline.model.arrays import F32
from pipeline.model.problem import Problem


class PhaseName(StrEnum):
    """Names of the phases (SPARC 3.1 and B.1.1).

    `grasp` is the approach up to the closure, `interact` the closed span, `release` what
    follows the opening; a closure shorter than d_min is a `grasp_failure`.
    """

    GRASP = "grasp"
    INTERACT = "interact"
    RELEASE = "release"
    GRASP_FAILURE = "grasp_failure"


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase of one arm.

    Attributes:
        name: What happens.
        arm: Which arm.
        start: First frame, with the forward offset applied.
        end: One past the last frame, with the forward offset applied.
        cycle: Number of the grasp - interact - release cycle, from 0, per arm.
        measured_start: First frame before the offset was applied.
        measured_end: One past the last frame before the offset was applied.
    """

    name: PhaseName
    arm: str
    start: int
    end: int
    cycle: int
    measured_start: int
    measured_end: int

    @property
    def length(self) -> int:
        """Frames."""
        return self.end - self.start

    def moved(self, *, start: int | None = None, end: int | None = None) -> Phase:
        """Return this phase with other boundaries (a person's edit)."""
        return replace(
            self,
            start=self.start if start is None else start,
            end=self.end if end is None else end,
        )


@dataclass(frozen=True, slots=True)
class Closure:
    """A span in which the gripper counted as closed, and what became of it.

    Attributes:
        start: First closed frame.
        end: One past the last.
        verdict: `interact`, `failure`, `closed_at_start` or `too_short`.
    """

    start: int
    end: int
    verdict: str


@dataclass(frozen=True, slots=True)
class ArmPhases:
    """What was found for one arm.

    Attributes:
        arm: Which arm.
        opening: (T,) float32, normalised opening, 0 closed .. 1 open.
        raw_low: Value of the combined channel that maps to 0 (closed).
        raw_high: Value of the combined channel that maps to 1 (open).
        close_below: tau - delta.
        open_above: tau + delta.
        closures: All candidate closures of pass 1.
        d_min: Minimum valid duration in frames.
        coarse: True if the signal has almost no range (the whole episode is one span).
        activity: Range of the raw signal relative to its channel's plausible range, 0..1.
        phases: By time.
        rule: Which rule made the phases, `published` or `local_drop`.
        second_opinion: Closures of the local-drop rule, whether used or not.
    """

    arm: str
    opening: F32
    raw_low: float
    raw_high: float
    close_below: float
    open_above: float
    closures: tuple[Closure, ...]
    d_min: int
    coarse: bool
    activity: float
    phases: tuple[Phase, ...]
    rule: str = "published"
    second_opinion: tuple[Closure, ...] = ()


@dataclass(frozen=True, slots=True)
class PhasesResult:
    """Stage 1a.

    Attributes:
        arms: One entry per arm.
        active_arm: The arm whose gripper signal is active most, or empty.
        merged: Phases of all active arms by time.
        problems: `flat_gripper`, `no_gripper`, `closed_at_start`, `grasp_failure`, ...
    """

    arms: tuple[ArmPhases, ...]
    active_arm: str
    merged: tuple[Phase, ...]
    problems: tuple[Problem, ...] = ()
