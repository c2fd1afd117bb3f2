"""What the timeline shows, and the lanes, markers and words made of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.model.consistency import Consistency
from pipeline.model.phases import PhasesResult
from pipeline.model.score import ScoresResult
from pipeline.model.subtask import Subtask, SubtasksResult
from widgets.frame_axis import format_seconds
from widgets.timeline_consistency import ConsistencyLane
from widgets.timeline_lanes import Lane, TruthLane
from widgets.timeline_phase_lanes import GripperLane, PhaseLane, phase_label
from widgets.timeline_task_lanes import CandidateLane, SubtaskLane

_MOTION_TIP = (
    "Motion m(t) of each candidate: median displacement of its visible points per transition, "
    "smoothed, in px/s (SPARC 3.3). Gaps: no point visible.\n"
    "Thick: the winner. On a halo: the selected one. Shaded: transitions that count as "
    "interaction."
)
_PROXIMITY_TIP = (
    "Proximity of each candidate: share 0..1 of its visible points inside the sphere around the "
    "gripper reference (SPARC 3.3). Its mean over valid frames is P."
)


@dataclass(frozen=True, slots=True)
class Marker:
    """A frame that matters.

    Attributes:
        frame: Which.
        shape: `keyframe`, `contact` or `target`.
        text: What it is, for the tool tip.
    """

    frame: int
    shape: str
    text: str


@dataclass(frozen=True)
class Content:
    """Everything that was set; replaced as a whole on every change.

    Attributes:
        length: Frames of the episode.
        fps: Frames per second.
        phases: Stage 1a.
        subtasks: Stage 1b.
        scores: Stage 3 of the open subtask.
        keyframe: Frame of the proposals.
        truth: True contact spans [start, end).
        subtask: Open subtask, -1 for none.
        selected: Selected candidate, -1 for none.
        consistency: Residuals of the 3D points of the open subtask, None without 3D.
    """

    length: int = 0
    fps: float = 30.0
    phases: PhasesResult | None = None
    subtasks: SubtasksResult | None = None
    scores: ScoresResult | None = None
    keyframe: int | None = None
    truth: tuple[tuple[int, int], ...] = ()
    subtask: int = -1
    selected: int = -1
    consistency: Consistency | None = None

    @property
    def shown_candidate(self) -> int:
        """The selected candidate, else the winner; -1 for none."""
        winner = self.scores.winner if self.scores is not None else -1
        return self.selected if self.selected >= 0 else winner

    @property
    def open_subtask(self) -> Subtask | None:
        """The open subtask."""
        tasks = self.subtasks.subtasks if self.subtasks else ()
        return next((t for t in tasks if t.index == self.subtask), None)

    def lanes(self) -> list[Lane]:
        """Lanes from top to bottom; what has no data has no lane."""
        lanes: list[Lane] = []
        arms = self.phases.arms if self.phases else ()
        for arm in arms:
            several = len(arms) > 1
            active = several and self.phases is not None and arm.arm == self.phases.active_arm
            title = arm.arm if several else "gripper"
            lanes.append(GripperLane(arm, title, active, self.phases, self.fps))
            if arm.phases:
                title = f"{arm.arm} phases" if several else "phases"
                lanes.append(PhaseLane(arm, title, active, self.phases, self.fps))
        if self.truth:
            lanes.append(TruthLane(self.truth))
        if self.subtasks and self.subtasks.subtasks:
            lanes.append(SubtaskLane(self.subtasks.subtasks, self.subtask))
        lanes.extend(self._candidate_lanes())
        if self.consistency is not None and len(self.consistency.frames):
            lanes.append(ConsistencyLane(self.consistency, self.shown_candidate))
        return lanes

    def _candidate_lanes(self) -> list[Lane]:
        scores = self.scores
        if scores is None or not scores.terms or not len(scores.frames):
            return []
        at = scores.frames.astype(np.float64) + 0.5
        lanes: list[CandidateLane] = []
        if np.isfinite(scores.motion).any():
            top = nice_top(float(np.nanmax(scores.motion)))
            between = (at[:-1] + at[1:]) / 2
            lanes.append(
                CandidateLane(
                    "motion", _MOTION_TIP, scores, scores.motion, between, (0.0, top), "px/s"
                )
            )
        if np.isfinite(scores.proximity).any():
            lanes.append(
                CandidateLane("proximity", _PROXIMITY_TIP, scores, scores.proximity, at, (0.0, 1.0))
            )
        for lane in lanes:
            lane.selected = self.selected
        return list(lanes)

    def markers(self) -> list[Marker]:
        """Keyframe, first contact and release of the open subtask."""
        found: list[Marker] = []
        if self.keyframe is not None:
            text = f"keyframe {self.keyframe}: the candidates were found here"
            found.append(Marker(self.keyframe, "keyframe", text))
        task = self.open_subtask
        if task is not None and task.interaction:
            start, end = task.interaction[0][0], task.interaction[-1][1]
            found.append(Marker(start, "contact", f"contact {start}: the object is held from here"))
            found.append(Marker(end, "target", f"target {end}: the object is let go here"))
        return found

    def hint(self) -> str:
        """What an empty timeline says."""
        if self.length <= 0:
            return "No episode is open. Open a dataset and choose an episode to see its signals."
        if self.phases is None:
            return "No phases yet. Run the phases stage to see the gripper signal."
        if not self.phases.arms:
            if self.phases.problems:
                return self.phases.problems[0].message
            return "This episode has no gripper signal. Choose its channels in the Stages panel."
        return ""

    def readout(self, frame: int, lanes: Sequence[Lane]) -> str:
        """One line about a frame: time, openings, phases, motion of the winner."""
        if self.length <= 0:
            return ""
        parts = [f"frame {frame}", format_seconds(frame / self.fps)]
        several = self.phases is not None and len(self.phases.arms) > 1
        for lane in lanes:
            if isinstance(lane, GripperLane):
                opening = lane.opening(frame)
                value = "unknown" if math.isnan(opening) else f"{opening:.2f}"
                parts.append(f"{lane.arm.arm if several else 'opening'} {value}")
            elif isinstance(lane, PhaseLane):
                phase = lane.phase(frame)
                if phase is not None:
                    parts[-1] += f" {phase_label(phase.name)}"
            elif isinstance(lane, CandidateLane):
                text = self._candidate_readout(lane, frame)
                if text:
                    parts.append(text)
            elif isinstance(lane, ConsistencyLane):
                residual = lane.value_at(frame)
                if not math.isnan(residual):
                    parts.append(f"3D residual #{lane.candidate} {residual:.1f} px")
        return "  ·  ".join(parts)

    def _candidate_readout(self, lane: CandidateLane, frame: int) -> str:
        values = []
        for mark, candidate in (("★", lane.scores.winner), ("", self.selected)):
            if candidate < 0 or (not mark and candidate == lane.scores.winner):
                continue
            value = lane.value_at(candidate, frame)
            digits = 1 if lane.unit else 2
            shown = "unknown" if math.isnan(value) else f"{value:.{digits}f}"
            values.append(f"{mark}#{candidate} {shown}")
        frames = lane.scores.frames
        if not values or not frames[0] <= frame <= frames[-1]:
            return ""
        return f"{lane.title} {', '.join(values)}{f' {lane.unit}' if lane.unit else ''}"


def nice_top(value: float) -> float:
    """The next round number above a value: 1, 1.5, 2, 3, 4, 5, 6, 8 times a power of ten."""
    if not math.isfinite(value) or value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next((m * power for m in (1, 1.5, 2, 3, 4, 5, 6, 8) if m * power >= value), 10 * power)
