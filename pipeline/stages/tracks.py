"""Stage 2c: points of each candidate through the clip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pipeline.backends.devices import placement_of
from pipeline.backends.tracking.crop import (
    Crop,
    box_of_mask,
    crop_around,
    cropped,
    left_crop,
    uncropped,
)
from pipeline.backends.tracking.protocol import PointTracks, Tracker, TrackingRequest
from pipeline.model.arrays import I32, U8, Bool
from pipeline.model.candidate import MasksResult, ProposalsResult, TracksResult
from pipeline.model.demonstration import Demonstration
from pipeline.model.edits import Edit
from pipeline.model.options import option
from pipeline.model.problem import Problem
from pipeline.model.subtask import Subtask, SubtasksResult
from pipeline.stages.backend_options import BackendOptions, with_backend
from pipeline.stages.stage import Scope, Stage, StageContext, StageInputs
from pipeline.stages.track_appearance import appearance_of
from pipeline.stages.track_identity import IdentityLimits, switches
from pipeline.stages.track_points import sample_points

TRACKING_SHARE = 0.9
"""Share of the progress bar that tracking itself has; the rest looks at identities."""


@dataclass(frozen=True)
class TracksOptions(BackendOptions):
    """Options of the tracks."""

    backend: str = option(
        "lucas_kanade", "Tracker. `lucas_kanade` needs no model.", capability="tracking"
    )
    weights: str = option(
        "",
        "Weights of the model: a file, a folder or a Hub id; for cotracker and alltracker the "
        "folder of the cloned repository, or a checkpoint in or beside it; for hybrid two of these "
        "with a semicolon between, POINTS;SAM2. Empty: what is found in the usual places. Their "
        "content decides whether results are computed again, not this text.",
        keyed=False,
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
    crop: str = option(
        "auto",
        "Track inside a part of the picture: the union of the boxes of candidates and targets. "
        "Models scale what they get to a fixed size, so small things of a wide view gain by it. "
        "auto: if the part is small enough and the tracker gains; on: always; off: never. "
        "Coordinates are those of the whole picture anyway.",
        choices=("auto", "on", "off"),
        source="SPARC B.1.2: crop around the union of object and target boxes",
    )
    crop_margin: float = option(
        0.25,
        "Margin of that part on each side, as a share of the union's longer side: what is lifted "
        "or carried in a curve should stay inside.",
        unit="share",
        low=0.0,
        high=2.0,
    )
    crop_below: float = option(
        0.4,
        "With crop=auto: largest share of the picture that the part may have. Above, the gain in "
        "resolution is less than 1.6 and the risk to lose something at an edge remains.",
        unit="share",
        low=0.05,
        high=1.0,
    )
    switch_similarity: float = option(
        0.45,
        "A track whose colours are less like those at the keyframe, three looks in a row, gets "
        "the warning identity_switch. 1: equal sets of colours; 0: none in common. Good tracks of "
        "the sample and of a real dataset stay above 0.58, a change to another colour gives less "
        "than 0.2.",
        unit="0..1",
        low=0.0,
        high=1.0,
    )
    twin_similarity: float = option(
        0.8,
        "Two candidates of about one size whose colours are so alike count as twins: if they meet "
        "and part, the tracks may have been exchanged, which gets the warning identity_switch.",
        unit="0..1",
        low=0.0,
        high=1.0,
    )


class TracksStage(Stage[TracksOptions, TracksResult]):
    """Samples points in the masks and follows them over the clip."""

    name: ClassVar[str] = "tracks"
    title: ClassVar[str] = "Tracks"
    version: ClassVar[int] = 2
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

        height, width = masks.height, masks.width
        boxes = [p.box for p in (*proposals.candidates, *proposals.targets)]
        boxes += [b for b in map(box_of_mask, shapes) if b is not None]
        part = crop_around(boxes, width, height, options.crop_margin)

        def track(tracker: Tracker) -> tuple[PointTracks, Crop | None, str]:
            crop = _chosen(part, options, tracker, width * height)
            if crop is None:
                return tracker.track(request, tracking), None, placement_of(tracker)
            found = uncropped(tracker.track(cropped(request, crop), tracking), crop)
            return found, crop, placement_of(tracker)

        def tracking(done: float, what: str) -> None:
            context.progress(TRACKING_SHARE * done, what)

        def looking(done: float, what: str) -> None:
            context.progress(TRACKING_SHARE + (1.0 - TRACKING_SHARE) * done, what)

        (tracked, crop, placement), backend, fallen = with_backend(self.capability, options, track)
        appearance, alike = appearance_of(request, tracked, frame_at, looking)
        limits = IdentityLimits(options.switch_similarity, options.twin_similarity)
        problems = (
            *fallen,
            *tracked.problems,
            *switches(request, tracked.boxes, appearance, alike, limits),
            *_problems(frames),
        )
        if crop is not None:
            problems += _lost_at_edges(left_crop(tracked, request, crop, width, height))
        share = tracked.visible.mean(axis=0) if len(frames) else np.zeros(len(points))
        context.progress(1.0, "tracks done")
        return TracksResult(
            frames=frames,
            placement=placement,
            fps=min(options.track_fps, demonstration.fps),
            points=tracked.points,
            visible=tracked.visible,
            candidate=candidate,
            kept=share >= options.min_visible_share,
            boxes=tracked.boxes,
            backend=backend,
            problems=problems,
            appearance=appearance,
            crop=None if crop is None else crop.box,
        )


def _chosen(part: Crop | None, options: TracksOptions, tracker: Tracker, area: int) -> Crop | None:
    """The part to track in, None for the whole picture."""
    if part is None or options.crop == "off":
        return None
    if options.crop == "on":
        return part
    gains = getattr(tracker, "gains_from_crop", True)
    return part if gains and part.area < options.crop_below * area else None


def _lost_at_edges(left: dict[int, int]) -> tuple[Problem, ...]:
    return tuple(
        Problem(
            "left_crop",
            f"Candidate {k} leaves the cropped part of the picture at frame {frame}, where "
            "nothing can be tracked; raise the crop margin or set crop=off.",
            frame=frame,
            candidate=k,
        )
        for k, frame in left.items()
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
