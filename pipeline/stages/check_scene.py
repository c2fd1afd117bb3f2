"""What the tests of a caption look at: the evidence of one subtask, gathered once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from pipeline.model.arrays import F32, F64, U8, Bool
from pipeline.model.candidate import Box, MasksResult, Proposal, ProposalsResult, TracksResult
from pipeline.model.checks import Constraint, Outcome
from pipeline.model.colors import color_distance, color_words
from pipeline.model.demonstration import Demonstration
from pipeline.model.geometry import LiftingResult, RobotResult
from pipeline.model.phases import PhaseName, PhasesResult
from pipeline.model.score import ScoresResult, TargetResult, box_area, box_iou
from pipeline.model.subtask import Subtask, SubtasksResult
from pipeline.stages.check_motion import Motion, motion_of, turn_of
from pipeline.stages.check_options import ChecksOptions
from pipeline.stages.stage import StageInputs

_DOUBTS = ("near_tie", "robot_won", "no_motion", "no_interaction", "no_candidates")
"""Findings of the scores by which the winner may be the wrong one."""
SAME = 0.5
"""IoU from which two boxes are of one thing."""
_LOWER = 0.4
"""Share of the end box, from its bottom, that rests in or on something."""


@dataclass
class Scene:
    """The evidence of one subtask.

    Attributes:
        subtask: The subtask.
        phases: Gripper phases of all arms.
        proposals: Candidates.
        masks: Their masks at the keyframe.
        tracks: Their tracks.
        lifting: 3D of the tracks.
        robot: Where the robot is.
        scores: Who won, and how surely.
        target: Where the object ended up.
        options: Limits.
        picture: Reads the keyframe, (H, W, 3) uint8 RGB; only asked where masks do not suffice.
        cuts: Frames at which the record says that the episode is cut: 0 for a missing beginning,
            the last one for a missing end.
    """

    subtask: Subtask
    phases: PhasesResult
    proposals: ProposalsResult
    masks: MasksResult
    tracks: TracksResult
    lifting: LiftingResult
    robot: RobotResult
    scores: ScoresResult
    target: TargetResult
    options: ChecksOptions
    picture: Callable[[], U8]
    cuts: tuple[int, ...] = ()

    @cached_property
    def winner(self) -> Proposal | None:
        """The chosen object."""
        found = (p for p in self.proposals.candidates if p.id == self.scores.winner)
        return next(found, None)

    @cached_property
    def doubt(self) -> str:
        """Why the winner may be the wrong one, empty if nothing says so or a person chose it.

        A finding of the scores; or that the gripper signal has no grasp: then nobody knows when
        the object should move, and of 15 such choices on BridgeData 7 were wrong.
        """
        if self.scores.chosen_by == "person":
            return ""
        codes = [p.code for p in self.scores.problems]
        unknown = "" if self.gripper_known else "no grasp in the gripper signal"
        return next((c for c in _DOUBTS if c in codes), unknown)

    @cached_property
    def cut(self) -> str:
        """Why the recording does not show the action from start to end, empty if it may.

        By what the record says of itself: a recording that says nothing is taken as whole. A
        missing end matters unless the gripper lets go before it, a missing beginning unless it
        approaches first.
        """
        start, end = self.subtask.start, self.subtask.end
        for frame in self.cuts:
            if frame <= 0:
                approaches = bool(self.held) and self.held[0][0] > start
                if start <= 0 and not approaches:
                    return "the beginning of the recording is missing"
            elif start < frame < end - 1:
                return f"the recording is cut at frame {frame}"
            elif start < frame < end and not (self.held and self.released):
                return "the end of the recording is missing"
        return ""

    @cached_property
    def motion(self) -> Motion | None:
        """How the winner moved."""
        if self.winner is None:
            return None
        return motion_of(self.tracks, self.lifting, self.winner.id, self.held)

    @property
    def held(self) -> tuple[tuple[int, int], ...]:
        """Spans in which the gripper holds something; none where the phases are one span."""
        return self.subtask.interaction if self.gripper_known else ()

    @cached_property
    def gripper_known(self) -> bool:
        """Whether the phases of the arm come from a gripper signal that has a grasp."""
        arms = [a for a in self.phases.arms if a.arm == self.subtask.arm]
        return any(not a.coarse for a in arms or self.phases.arms)

    @property
    def released(self) -> bool:
        """Whether a release follows the last closed span."""
        names = [p.name for p in self.subtask.phases]
        if PhaseName.INTERACT not in names:
            return False
        last = len(names) - 1 - names[::-1].index(PhaseName.INTERACT)
        return PhaseName.RELEASE in names[last + 1 :]

    @cached_property
    def shapes(self) -> Bool:
        """Masks (K, H, W) of the candidates, in their order."""
        return self.masks.masks

    def color(self, candidate: int) -> F32 | None:
        """Median CIELAB of a candidate's mask, (3,); None if it has no mask."""
        for row, proposal in enumerate(self.proposals.candidates):
            if proposal.id == candidate and row < len(self.masks.colors):
                lab: F32 = self.masks.colors[row]
                return lab if np.isfinite(lab).all() else None
        return None

    def color_distances(self, candidate: int) -> F64 | None:
        """ΔE of a candidate's colour to every word of `color_words`, (W,); None without a mask."""
        for row, proposal in enumerate(self.proposals.candidates):
            if proposal.id == candidate and row < len(self._distances):
                found: F64 = self._distances[row]
                return found if np.isfinite(found).all() else None
        return None

    @cached_property
    def _distances(self) -> F64:
        """(K, W) float64, all at once: one at a time takes as long for each as for all."""
        columns = [color_distance(w.name, self.masks.colors) for w in color_words()]
        distances: F64 = np.stack(columns, axis=1)
        return distances

    def casts(self, candidate: int) -> F64:
        """(C, W) ΔE of a candidate's colour to every word, as it is and under casts of the light.

        The casts are `color_cast` long and go in eight directions of the a*b* plane.
        """
        color = self.color(candidate)
        if color is None:
            return np.zeros((0, len(color_words())))
        if candidate not in self._casts:
            angles = np.arange(8) * (np.pi / 4)
            ring = np.stack([np.zeros(8), np.cos(angles), np.sin(angles)], axis=1)
            shifted = color + self.options.color_cast * np.vstack([np.zeros((1, 3)), ring])
            columns = [color_distance(w.name, shifted) for w in color_words()]
            self._casts[candidate] = np.stack(columns, axis=1)
        return self._casts[candidate]

    @cached_property
    def _casts(self) -> dict[int, F64]:
        return {}

    @cached_property
    def turn(self) -> tuple[float, int]:
        """Largest turn of the winner's points in the picture, degrees, and its frame."""
        return turn_of(self.tracks, self.scores.winner)

    def shape(self, candidate: int) -> Bool | None:
        """Mask (H, W) of a candidate, None if it has none."""
        for row, proposal in enumerate(self.proposals.candidates):
            if proposal.id == candidate and row < self.masks.count:
                mask: Bool = self.shapes[row]
                return mask
        return None

    @cached_property
    def others(self) -> tuple[Proposal, ...]:
        """Candidates that are neither the winner (nor a part of it), the robot nor the ground."""
        if self.winner is None:
            return self.proposals.candidates
        robot = self._robot()
        most = self.options.largest_thing * self.masks.height * self.masks.width
        kept = []
        for row, proposal in enumerate(self.proposals.candidates):
            own = box_iou(proposal.box, self.winner.box) >= SAME or inside(
                proposal.box, self.winner.box
            )
            if proposal.id == self.winner.id or own or row >= self.masks.count:
                continue
            mask = self.shapes[row]
            area = int(mask.sum())
            on_robot = robot is not None and area and (mask & robot).sum() > area / 2
            if 0 < area <= most and not on_robot:
                kept.append(proposal)
        return tuple(kept)

    def _robot(self) -> Bool | None:
        if not len(self.robot.frames) or not len(self.robot.packed):
            return None
        row = int(np.abs(self.robot.frames.astype(np.int64) - self.masks.keyframe).argmin())
        mask = self.robot.mask(row)
        return mask if mask.shape == (self.masks.height, self.masks.width) else None

    @cached_property
    def bearers(self) -> tuple[tuple[Proposal, float], ...]:
        """Things in or on which the object ends, with the share of its lower part they cover.

        A thing is a candidate that stood there before contact: its mask at the keyframe covers
        the lower part of the object's end box. The tightest comes first.
        """
        motion = self.motion
        if motion is None or not motion.trusted or not motion.seen_to_end:
            return ()
        x0, y0, x1, y1 = motion.end_box
        rows = slice(max(round(y1 - _LOWER * (y1 - y0)), 0), max(round(y1), 0))
        columns = slice(max(round(x0), 0), max(round(x1), 0))
        found = []
        for proposal in self.others:
            mask = self.shape(proposal.id)
            part = mask[rows, columns] if mask is not None else None
            if mask is None or part is None or not part.size:
                continue
            share = float(part.mean())
            large = float(mask.sum()) >= _LOWER * box_area(motion.end_box)
            if share >= self.options.bears and large:
                found.append((proposal, share, int(mask.sum())))
        found.sort(key=lambda f: f[2])
        return tuple((p, share) for p, share, _ in found)


def inside(inner: Box, outer: Box) -> bool:
    """Whether more than 80 % of `inner` lies in `outer`."""
    width = min(inner[2], outer[2]) - max(inner[0], outer[0])
    height = min(inner[3], outer[3]) - max(inner[1], outer[1])
    return max(width, 0.0) * max(height, 0.0) > 0.8 * box_area(inner)


def gap(a: Box, b: Box) -> float:
    """Shortest distance between two boxes, pixels; 0 if they touch."""
    dx = max(a[0] - b[2], b[0] - a[2], 0.0)
    dy = max(a[1] - b[3], b[1] - a[3], 0.0)
    return float(np.hypot(dx, dy))


def softened(constraint: Constraint, scene: Scene) -> Constraint:
    """A contradiction that rests on a doubtful choice of the object is none."""
    if constraint.outcome is not Outcome.FAIL or not scene.doubt:
        return constraint
    why = f"{constraint.why[:-1]}; but the choice of the object is doubtful ({scene.doubt})."
    return replace(constraint, outcome=Outcome.UNKNOWN, why=why)


def unfinished(constraint: Constraint, scene: Scene, stands: Outcome | None = None) -> Constraint:
    """What a cut recording shows is no answer, unless what is missing cannot change it.

    Args:
        constraint: As tested on what there is.
        scene: The evidence.
        stands: The outcome that holds however it went on: what was lifted once was lifted.
    """
    if not scene.cut or constraint.outcome in (stands, Outcome.UNKNOWN):
        return constraint
    why = f"{constraint.why[:-1]}; but {scene.cut}."
    return replace(constraint, outcome=Outcome.UNKNOWN, why=why)


def scene_of(
    demonstration: Demonstration,
    inputs: StageInputs,
    options: ChecksOptions,
    picture: Callable[[], U8],
) -> Scene:
    """Gather the evidence of the subtask."""
    cuts = [p.frame for p in demonstration.problems if p.code == "episode_cut"]
    return Scene(
        subtask=inputs.get(SubtasksResult).subtasks[inputs.subtask],
        phases=inputs.get(PhasesResult),
        proposals=inputs.get(ProposalsResult),
        masks=inputs.get(MasksResult),
        tracks=inputs.get(TracksResult),
        lifting=inputs.get(LiftingResult),
        robot=inputs.get(RobotResult),
        scores=inputs.get(ScoresResult),
        target=inputs.get(TargetResult),
        options=options,
        picture=picture,
        cuts=tuple(frame for frame in cuts if frame is not None),
    )
