"""Gripper phases and everything the phase detector looked at."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
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

    @property
    def words(self) -> str:
        """For people."""
        return self.value.replace("_", " ")


def natural_split(name: PhaseName, *, coarse: bool = False) -> tuple[PhaseName, PhaseName]:
    """Names of the parts of a split phase if nobody says otherwise: what mostly comes next.

    Args:
        name: Of the phase.
        coarse: True if it is the one span of an episode without phases, which begins with an
            approach.
    """
    if coarse:
        return PhaseName.GRASP, PhaseName.INTERACT
    following = {
        PhaseName.GRASP: PhaseName.INTERACT,
        PhaseName.INTERACT: PhaseName.RELEASE,
        PhaseName.RELEASE: PhaseName.GRASP,
        PhaseName.GRASP_FAILURE: PhaseName.GRASP,
    }
    return name, following[name]


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
        made: True if a person made its start by splitting a phase.
    """

    name: PhaseName
    arm: str
    start: int
    end: int
    cycle: int
    measured_start: int
    measured_end: int
    made: bool = False

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

    Two closures are equal if span and verdict are: how it came about does not enter.

    Attributes:
        start: First closed frame.
        end: One past the last.
        verdict: `interact`, `failure`, `closed_at_start` or `too_short`.
        dropped_by: Pass that dropped it, 1 (collects candidates) or 2 (judges them); 0: kept.
        reason: Why it was kept or dropped, one sentence.
        reopenings: Spans [start, end) inside it that were over the opening threshold but too short
            for a transition.
    """

    start: int
    end: int
    verdict: str
    dropped_by: int = field(default=0, compare=False)
    reason: str = field(default="", compare=False)
    reopenings: tuple[tuple[int, int], ...] = field(default=(), compare=False)

    @property
    def length(self) -> int:
        """Duration d, frames."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class MinimumDuration:
    """How d_min came about: max(floor, factor * min(median, budget / attempts)).

    Attributes:
        frames: d_min, frames.
        decided_by: Which term it is: `floor`, `median` or `budget`.
        median: Median duration of the candidate closures, frames; 0 without candidates.
        budget: Expected interaction budget B of the trajectory, frames.
        attempts: Number K of candidate closures.
        factor: Share c of the typical duration.
        floor: Smallest d_min, frames.
    """

    frames: int
    decided_by: str
    median: float
    budget: float
    attempts: int
    factor: float
    floor: int

    @property
    def per_attempt(self) -> float:
        """B / K, frames; infinite without attempts."""
        return self.budget / self.attempts if self.attempts else float("inf")

    @property
    def formula(self) -> str:
        """The formula with its numbers and the term that decided, one sentence."""
        if not self.attempts:
            return f"d_min = {self.frames} frames: the floor, as there is no candidate closure."
        return (
            f"d_min = max({self.floor}, {self.factor:g} · min(median {self.median:g}, "
            f"B / K = {self.budget:.4g} / {self.attempts} = {self.per_attempt:.4g})) "
            f"= {self.frames} frames: the {_TERMS[self.decided_by]} decides."
        )


_TERMS = {"floor": "floor", "median": "median duration", "budget": "budget per attempt"}


@dataclass(frozen=True, slots=True)
class Repair:
    """Frames between two closures that changed hands, before the forward offset.

    Attributes:
        kind: `borrowed` (a grasp took them from the release before it) or `early_release` (a
            release gave up its last frames because the gripper closed again).
        start: First of these frames.
        end: One past the last; for an early release where its nominal length would have ended.
        cycle: Cycle of the release.
        reason: What was done and why, one sentence.
    """

    kind: str
    start: int
    end: int
    cycle: int
    reason: str

    @property
    def length(self) -> int:
        """Frames."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Boundary:
    """One boundary of an arm's phases, as measured and as used.

    Attributes:
        index: Between phases `index` and `index + 1`; -1 is the first start.
        frame: Where it is: first frame of the phase after it.
        measured: Where the signal has it, before the forward offset.
        found: Where the rules put it, None for one that a person made.
        by_hand: True if a person moved or made it.
    """

    index: int
    frame: int
    measured: int
    found: int | None
    by_hand: bool


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
        closures: All closures of pass 1, with what pass 2 says of them.
        d_min: Minimum valid duration in frames.
        coarse: True if the whole episode is one span: the signal has almost no range, or nothing
            in it counts as a grasp. Phases that a person made of it are not coarse any more.
        activity: Range of the raw signal relative to its channel's plausible range, 0..1.
        phases: By time, with a person's edits.
        rule: Which rule made the phases, `published` or `local_drop`.
        second_opinion: Closures of the local-drop rule, whether used or not.
        minimum: How d_min came about, None where nothing was looked for.
        repairs: What was repaired between closures, by time.
        found: Phases as the rules have them, without edits.
        noise: Standard deviation of the noise from frame to frame, as a share of the range.
        coarse_reason: Why `coarse` is set, one sentence.
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
    minimum: MinimumDuration | None = None
    repairs: tuple[Repair, ...] = ()
    found: tuple[Phase, ...] = ()
    noise: float = 0.0
    coarse_reason: str = ""

    @property
    def boundaries(self) -> tuple[Boundary, ...]:
        """Boundaries that can be moved, by time: the first start and all between two phases."""
        known = {p.measured_start: p.start for p in self.found}
        listed = []
        for i, phase in enumerate(self.phases):
            found = None if phase.made else known.get(phase.measured_start, phase.start)
            by_hand = found != phase.start
            listed.append(Boundary(i - 1, phase.start, phase.measured_start, found, by_hand))
        return tuple(listed)


@dataclass(frozen=True, slots=True)
class PhasesResult:
    """Stage 1a.

    Attributes:
        arms: One entry per arm.
        active_arm: The arm whose gripper signal is active most, or empty.
        merged: Phases of all active arms by time.
        problems: `flat_gripper`, `no_gripper`, `closed_at_start`, `grasp_failure`, ...
        active_reason: Why that arm is the active one, one sentence.
    """

    arms: tuple[ArmPhases, ...]
    active_arm: str
    merged: tuple[Phase, ...]
    problems: tuple[Problem, ...] = ()
    active_reason: str = ""
