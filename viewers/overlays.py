"""What lies on top of a frame: the results of the stages, asked by frame and by pixel."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from pipeline.model.arrays import F32, I32, Bool
from pipeline.model.candidate import Box, MasksResult, Proposal, ProposalsResult, TracksResult
from pipeline.model.geometry import LiftingResult, RobotResult
from pipeline.model.score import ScoresResult, TargetResult, as_box, box_area, box_iou

KEYFRAME_REACH = 2
"""Masks and detected boxes are shown this many frames around their frame (our choice: a tenth
of a second at 20 to 30 fps, in which a held object moves less than its own outline)."""


SAME_THING = 0.3
"""Least IoU of a box that was detected again and one that points carried, to be the same thing (our
choice: lower than between two detections, as carried boxes keep their size)."""


class TruthBox(NamedTuple):
    """A human box to compare with.

    Attributes:
        frame: Frame of the episode.
        box: Pixels of the original frame.
        name: What it shows.
    """

    frame: int
    box: Box
    name: str


LAYERS = ("masks", "boxes", "tracks", "labels", "gripper", "robot", "target", "truth")
"""Kinds of overlays that can be shown and hidden, fields of `OverlayVisibility`."""


@dataclass(frozen=True, slots=True)
class OverlayVisibility:
    """Which overlays are drawn.

    Attributes:
        masks: Candidate masks around the keyframe.
        boxes: Candidate boxes.
        tracks: Tails of the tracked points.
        labels: Rank, name and R of the candidates.
        gripper: Gripper reference and its sphere.
        robot: Robot mask, and the detector's boxes of robot and gripper.
        target: Target box.
        truth: Human boxes.
        opacity: 0..1, of mask fillings and of the robot's hatching.
        tail: Length of the tails in tracked frames.
        selected: False hides the selected candidate, to see what lies below.
        others: False hides all candidates but the selected one (isolates it).
    """

    masks: bool = True
    boxes: bool = True
    tracks: bool = True
    labels: bool = True
    gripper: bool = True
    robot: bool = True
    target: bool = True
    truth: bool = True
    opacity: float = 0.6
    tail: int = 12
    selected: bool = True
    others: bool = True

    def only(self, *layers: str) -> OverlayVisibility:
        """The same with just these of `LAYERS` drawn; opacity, tails and isolation stay."""
        return replace(self, **{name: name in layers for name in LAYERS})

    def hidden(self, candidates: Iterable[int], selected: int) -> frozenset[int]:
        """Candidates that are not drawn. Without a selected one among them all are drawn."""
        every = frozenset(candidates)
        if selected not in every:
            return frozenset()
        rest = every - {selected}
        return (frozenset() if self.others else rest) | (
            frozenset() if self.selected else frozenset({selected})
        )

    @property
    def all_hidden(self) -> bool:
        """True if nothing is drawn (labels alone draw nothing)."""
        return not any(getattr(self, name) for name in LAYERS if name != "labels")


@dataclass(frozen=True, eq=False)
class OverlayData:
    """The results behind the overlays of one subtask.

    Row k of every per-candidate array belongs to the candidate with id k. Results that are
    missing are None: their overlays are not drawn. What is derived from them is computed once,
    at first use, and lives as long as this object.

    Attributes:
        proposals: Boxes of the candidates at the keyframe; names the camera.
        masks: Their masks at the keyframe.
        tracks: Their points and carried boxes through the clip.
        robot: Robot mask and gripper reference.
        scores: R of the candidates, winner and sphere radius.
        target: Where the object ended up.
        truth: Human boxes of this episode and camera.
        lifting: 3D positions of the points, told with a point.
    """

    proposals: ProposalsResult
    masks: MasksResult | None = None
    tracks: TracksResult | None = None
    robot: RobotResult | None = None
    scores: ScoresResult | None = None
    target: TargetResult | None = None
    truth: tuple[TruthBox, ...] = ()
    lifting: LiftingResult | None = None

    @property
    def keyframe(self) -> int:
        """Frame at which the candidates were proposed."""
        return self.proposals.keyframe

    def is_near_keyframe(self, frame: int) -> bool:
        """True where the masks of the keyframe are still shown."""
        return abs(frame - self.keyframe) <= KEYFRAME_REACH

    @cached_property
    def by_id(self) -> dict[int, Proposal]:
        """Candidates by id."""
        return {proposal.id: proposal for proposal in self.proposals.candidates}

    @cached_property
    def ranking(self) -> tuple[int, ...]:
        """Candidate ids, best first; by D where there are no scores yet."""
        if self.scores is not None:
            return tuple(k for k in self.scores.ranking if k in self.by_id)
        return tuple(proposal.id for proposal in self.proposals.candidates)

    @cached_property
    def ranks(self) -> dict[int, int]:
        """Rank from 1 by candidate id."""
        return {candidate: rank for rank, candidate in enumerate(self.ranking, start=1)}

    @property
    def winner(self) -> int:
        """Winner according to the scores, -1 if there is none."""
        return self.scores.winner if self.scores is not None else -1

    @cached_property
    def unpacked_masks(self) -> Bool:
        """(K, H, W) bool; (0, 0, 0) without masks."""
        if self.masks is None:
            return np.zeros((0, 0, 0), np.bool_)
        return self.masks.masks

    @cached_property
    def mask_areas(self) -> I32:
        """(K,) int32, pixels of each mask."""
        areas: I32 = self.unpacked_masks.sum(axis=(1, 2), dtype=np.int32)
        return areas

    @cached_property
    def step(self) -> float:
        """Frames of the episode between two tracked frames, at least 1."""
        frames = _tracked_frames(self)
        return float(max(np.median(np.diff(frames)), 1)) if len(frames) > 1 else 1.0

    def boxes_at(self, frame: int) -> dict[int, Box]:
        """Boxes of the candidates in `frame`, by id; lost or unknown ones are absent.

        At the keyframe the detected boxes, elsewhere those carried by the tracks, interpolated
        linearly between tracked frames (our choice).
        """
        if frame == self.keyframe or (self.tracks is None and self.is_near_keyframe(frame)):
            return {proposal.id: proposal.box for proposal in self.proposals.candidates}
        if self.tracks is None or len(self.tracks.frames) == 0:
            return {}
        rows = interpolated(self.tracks.frames, self.tracks.boxes, frame, self.step)
        known = set(np.flatnonzero(np.isfinite(rows).all(axis=1)).tolist())
        return {k: as_box(rows[k]) for k in self.by_id if k in known}

    def reference_at(self, frame: int) -> tuple[float, float] | None:
        """Gripper reference in pixels, interpolated; None where it is unknown."""
        if self.robot is None or len(self.robot.frames) == 0:
            return None
        x, y = interpolated(self.robot.frames, self.robot.reference, frame, self.step)
        return (float(x), float(y)) if np.isfinite(x) and np.isfinite(y) else None

    def radius_at(self, frame: int) -> float | None:
        """Radius of the proximity sphere in pixels; None in the 3D form or where unknown."""
        if self.scores is None or self.scores.form != "2d" or len(self.scores.frames) == 0:
            return None
        radius = float(interpolated(self.scores.frames, self.scores.radius, frame, self.step))
        return radius if np.isfinite(radius) and radius > 0 else None

    def robot_row(self, frame: int) -> int | None:
        """Row of the robot mask nearest to `frame`; None if none is within one tracking step."""
        if self.robot is None or len(self.robot.frames) == 0:
            return None
        distance = np.abs(self.robot.frames.astype(np.int64) - frame)
        row = int(distance.argmin())
        return row if distance[row] <= self.step else None

    def truth_at(self, frame: int) -> tuple[TruthBox, ...]:
        """Human boxes of this frame or a few frames around it."""
        return tuple(truth for truth in self.truth if abs(truth.frame - frame) <= KEYFRAME_REACH)

    def robot_boxes_at(self, frame: int) -> tuple[Proposal, ...]:
        """Boxes of the robot that the detector found in this frame or a few frames around it."""
        return tuple(p for p in self.proposals.robot if abs(p.frame - frame) <= KEYFRAME_REACH)

    @cached_property
    def again(self) -> dict[int, tuple[int, ...]]:
        """Per candidate, further frames on which its phrase was detected again near its track.

        Near is an overlap (IoU) of at least SAME_THING with the box that its points carry there.
        """
        found: dict[int, set[int]] = {k: set() for k in self.by_id}
        for proposal in self.proposals.again:
            for k, box in self.boxes_at(proposal.frame).items():
                same = proposal.label == self.by_id[k].label
                if same and box_iou(box, proposal.box) >= SAME_THING:
                    found[k].add(proposal.frame)
        return {k: tuple(sorted(frames)) for k, frames in found.items()}

    def is_on_robot(self, frame: int, x: int, y: int) -> bool:
        """True if pixel (x, y) belongs to the robot's mask."""
        row = self.robot_row(frame)
        if row is None or self.robot is None:
            return False
        if not (0 <= x < self.robot.width and 0 <= y < self.robot.height):
            return False
        byte, bit = divmod(y * self.robot.width + x, 8)
        return bool(self.robot.packed[row, byte] >> (7 - bit) & 1)

    def masks_at(self, frame: int, x: float, y: float) -> tuple[int, ...]:
        """Candidates whose mask covers image point (x, y), the smaller mask first."""
        if self.masks is None or not self.is_near_keyframe(frame):
            return ()
        column, row = int(np.floor(x)), int(np.floor(y))
        if not (0 <= column < self.masks.width and 0 <= row < self.masks.height):
            return ()
        inside = np.flatnonzero(self.unpacked_masks[:, row, column])
        areas = self.mask_areas
        found = sorted((int(k) for k in inside), key=lambda k: int(areas[k]))
        return tuple(k for k in found if k in self.by_id)

    def candidates_at(
        self,
        frame: int,
        x: float,
        y: float,
        slack: float = 0.0,
        masks: bool = True,
        boxes: bool = True,
        hidden: frozenset[int] = frozenset(),
    ) -> tuple[int, ...]:
        """Candidates under image point (x, y), the one a click means first.

        Masks come first, the smaller before the larger, then boxes, smallest first.

        Args:
            frame: Frame that is shown.
            x: Image x in pixels.
            y: Image y in pixels.
            slack: Pixels by which boxes are widened, so that thin ones can be hit.
            masks: False leaves the masks out (they are hidden).
            boxes: False leaves the boxes out.
            hidden: Candidates that are not drawn.
        """
        found = list(self.masks_at(frame, x, y)) if masks else []
        around = [
            (box_area(box), k)
            for k, box in (self.boxes_at(frame) if boxes else {}).items()
            if box[0] - slack <= x < box[2] + slack and box[1] - slack <= y < box[3] + slack
        ]
        found += [k for _, k in sorted(around) if k not in found]
        return tuple(k for k in found if k in self.by_id and k not in hidden)

    def label_of(self, candidate: int) -> str:
        """Rank, name and R, e.g. `1  red cube  R 0.93`; D where there is no R yet."""
        proposal = self.by_id[candidate]
        name = proposal.label or f"candidate {candidate}"
        if self.scores is None or candidate not in self.ranks:
            return f"{name}  D {proposal.score:.2f}"
        score = self.scores.of(candidate).score
        return f"{self.ranks[candidate]}  {name}  R {score:.2f}"


def interpolated(frames: I32, values: F32, frame: int, step: float) -> F32:
    """Interpolate rows of `values` (F, ...) linearly at `frame`.

    Where only one of the two neighbours is known, it stands in for half a step; further away
    the value is unknown. The same holds before the first and after the last row, for one step.

    Args:
        frames: (F,) int32, ascending, F >= 1.
        values: (F, ...) float32, NaN = unknown.
        frame: Frame of the episode.
        step: Usual distance of two rows in frames.

    Returns:
        (...) float32, NaN = unknown.
    """
    after = int(np.searchsorted(frames, frame))
    unknown: F32 = np.full(values.shape[1:], np.nan, np.float32)
    if after == len(frames) or (after == 0 and frames[0] != frame):
        row = min(after, len(frames) - 1)
        near = abs(float(frames[row]) - frame) <= step
        return np.asarray(values[row], np.float32) if near else unknown
    if frames[after] == frame:
        return np.asarray(values[after], np.float32)
    before = after - 1
    share = np.float32((frame - frames[before]) / (frames[after] - frames[before]))
    mixed = values[before] * (1 - share) + values[after] * share
    nearer = values[before] if share <= 0.5 else values[after]
    return np.asarray(np.where(np.isfinite(mixed), mixed, nearer), np.float32)


def _tracked_frames(data: OverlayData) -> I32:
    for result in (data.tracks, data.robot, data.scores):
        if result is not None and len(result.frames) > 1:
            return result.frames
    return np.zeros(0, np.int32)
