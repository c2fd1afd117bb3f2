"""Stage 2c: points of each candidate through the clip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pipeline.backends.tracking.protocol import PointTracks, Tracker, TrackingRequest
from pipeline.model.arrays import F32, I32, U8, Bool
from pipeline.model.candidate import MasksResult, ProposalsResult, TracksResult
from pipeline.model.demonstration import Demonstration
from pipeline.model.edits import Edit
from pipeline.model.options import option
from pipeline.model.problem import Problem
from pipeline.model.subtask import Subtask, SubtasksResult
from pipeline.stages.backend_options import BackendOptions, with_backend
from pipeline.stages.stage import Scope, Stage, StageContext, StageInputs


@dataclass(frozen=True)
class TracksOptions(BackendOptions):
    """Options of the tracks."""

    backend: str = option(
        "lucas_kanade", "Tracker. `lucas_kanade` needs no model.", capability="tracking"
    )
    track_fps: float = option(
        6.0,
        "Rate at which tracks are recorded and scored.",
        unit="frames/s",
        low=1.0,
        high=60.0,
        source="SPARC B.2: sub-sampled to 6 fps",
    )
    bridge_fps: float = option(
        15.0,
        "Rate at which the embedded tracker walks between recorded frames: it cannot take large "
        "steps. Trackers with a memory ignore it.",
        unit="frames/s",
        low=1.0,
        high=60.0,
    )
    max_points: int = option(60, "Largest number of points per candidate.", low=8, high=200)
    min_points: int = option(40, "Points that a grid fills up to.", low=4, high=200)
    min_visible_share: float = option(
        0.3,
        "Points visible in a smaller share of the frames are not scored.",
        unit="share",
        low=0.0,
        high=1.0,
    )


class TracksStage(Stage[TracksOptions, TracksResult]):
    """Samples points in the masks and follows them over the clip."""

    name: ClassVar[str] = "tracks"
    title: ClassVar[str] = "Tracks"
    version: ClassVar[int] = 1
    scope: ClassVar[Scope] = Scope.SUBTASK
    inputs: ClassVar[tuple[str, ...]] = ("subtasks", "proposals", "masks")
    options_type: ClassVar[type] = TracksOptions
    result_type: ClassVar[type] = TracksResult
    capability: ClassVar[str] = "tracking"

    def run(
        self,
        demonstration: Demonstration,
        inputs: StageInputs,
        options: TracksOptions,
        edits: tuple[Edit, ...],
        context: StageContext,
    ) -> TracksResult:
        """Track. Raises DataError `no_backend` or Cancelled."""
        subtask = inputs.get(SubtasksResult).subtasks[inputs.subtask]
        proposals, masks = inputs.get(ProposalsResult), inputs.get(MasksResult)
        start, end = subtask.start, min(subtask.end, demonstration.length)
        frames = frames_at(start, end, demonstration.fps, options.track_fps)
        steps = frames_at(start, end, demonstration.fps, options.bridge_fps)
        steps = np.unique(np.concatenate([frames, steps, [masks.keyframe]])).astype(np.int32)

        def frame_at(index: int) -> U8:
            return context.reader.frame(proposals.camera, index)

        context.progress(0.0, "choosing points")
        shapes = masks.masks
        points, candidate = sample_points(
            frame_at(masks.keyframe), shapes, options.min_points, options.max_points
        )
        request = TrackingRequest(
            frame_at=frame_at,
            frames=frames,
            steps=steps,
            keyframe=masks.keyframe,
            points=points,
            candidate=candidate,
            masks=shapes,
            interaction=interaction_frames(subtask, frames),
        )

        def track(tracker: Tracker) -> PointTracks:
            return tracker.track(request, context.progress)

        tracked, backend, fallen = with_backend(self.capability, options, track)
        share = tracked.visible.mean(axis=0) if len(frames) else np.zeros(len(points))
        context.progress(1.0, "tracks done")
        return TracksResult(
            frames=frames,
            fps=min(options.track_fps, demonstration.fps),
            points=tracked.points,
            visible=tracked.visible,
            candidate=candidate,
            kept=share >= options.min_visible_share,
            boxes=tracked.boxes,
            backend=backend,
            problems=(*fallen, *tracked.problems, *_problems(frames)),
        )


def interaction_frames(subtask: Subtask, frames: I32) -> Bool:
    """Which frames lie in an interaction span, (F,) bool."""
    inside = np.zeros(len(frames), np.bool_)
    for start, end in subtask.interaction:
        inside |= (frames >= start) & (frames < end)
    return inside


def frames_at(start: int, end: int, fps: float, rate: float) -> I32:
    """Frames of [start, end) at `rate` per second, with the first and the last one; (F,) int32."""
    if end <= start:
        return np.zeros(0, np.int32)
    count = max(2, round((end - 1 - start) / fps * min(rate, fps)) + 1)
    return np.unique(np.round(np.linspace(start, end - 1, count)).astype(np.int32))


def sample_points(image: U8, masks: Bool, fewest: int, most: int) -> tuple[F32, I32]:
    """Corners inside each mask, filled up with a grid, so that plain objects have points too.

    Args:
        image: (H, W, 3) uint8 RGB.
        masks: (K, H, W) bool.
        fewest: Points the grid fills up to.
        most: Largest number per candidate.

    Returns:
        (N, 2) float32 pixels and (N,) int32 candidate ids.
    """
    import cv2

    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    points: list[F32] = []
    owners: list[I32] = []
    for k, mask in enumerate(masks):
        inner = cv2.erode(mask.astype(np.uint8), kernel)
        if inner.sum() < 0.3 * mask.sum():
            inner = mask.astype(np.uint8)
        area = int(inner.sum())
        if area == 0:
            continue
        gap = max(2.0, 0.6 * float(np.sqrt(area / most)))
        corners = cv2.goodFeaturesToTrack(gray, most * 2 // 3, 0.02, gap, mask=inner, blockSize=5)
        own = np.zeros((0, 2), np.float32)
        if corners is not None:
            own = np.asarray(corners[:, 0], np.float32)
        wanted = min(most, max(fewest, len(own) + most // 3)) - len(own)
        own = np.concatenate([own, _grid(np.asarray(inner > 0), wanted, own)])
        points.append(own.astype(np.float32))
        owners.append(np.full(len(own), k, np.int32))
    if not points:
        return np.zeros((0, 2), np.float32), np.zeros(0, np.int32)
    return np.concatenate(points), np.concatenate(owners)


def _grid(mask: Bool, wanted: int, taken: F32) -> F32:
    """Up to `wanted` evenly spread pixels of a mask, away from `taken`."""
    rows, columns = np.nonzero(mask)
    if wanted <= 0 or len(rows) == 0:
        return np.zeros((0, 2), np.float32)
    step = max(1, int(np.sqrt(len(rows) / wanted)))
    on = ((rows - rows.min()) % step == step // 2) & ((columns - columns.min()) % step == step // 2)
    spots = np.stack([columns[on], rows[on]], axis=1).astype(np.float32)
    if len(taken) and len(spots):
        apart = np.linalg.norm(spots[:, None] - taken[None], axis=2).min(axis=1)
        spots = spots[apart >= 0.5 * step] if (apart >= 0.5 * step).any() else spots
    pick = np.linspace(0, len(spots) - 1, min(wanted, len(spots))).astype(np.int64)
    return spots[np.unique(pick)] if len(spots) else spots


def _problems(frames: I32) -> tuple[Problem, ...]:
    if len(frames) < 4:
        return (
            Problem(
                "short_clip",
                f"The clip has only {len(frames)} tracked frames, too few to compare motion in and "
                "outside of the interaction.",
            ),
        )
    return ()
