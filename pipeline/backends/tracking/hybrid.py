"""Points rank the candidates by motion, SAM 2 re-checks those that matter (SPARC B.1.2).

A point tracker says how everything moves, but a point that slipped onto the hand goes on moving
with it. SAM 2 knows where an object is, but is slow for many objects. So the points of all
candidates are tracked first, and only the few that move most like a handled object are followed by
SAM 2 too: points outside of its mask count as hidden.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from pipeline.backends.backend import ModelBackend, ModelSettings, Progress
from pipeline.backends.segmentation.sam2_propagation import propagate_masks
from pipeline.backends.tracking.alltracker import AllTracker
from pipeline.backends.tracking.checkout import find_checkout
from pipeline.backends.tracking.clip import box_corners, carried_boxes, inside
from pipeline.backends.tracking.cotracker import CoTracker
from pipeline.backends.tracking.lucas_kanade import LucasKanadeTracker
from pipeline.backends.tracking.protocol import PointTracks, TrackingRequest
from pipeline.backends.tracking.sam2_video import Sam2Video
from pipeline.backends.weights import Weights
from pipeline.model.arrays import F32, I32, U8, Bool, unpack_masks
from pipeline.model.problem import Problem, Severity

RECHECKED = 5
"""Candidates that SAM 2 follows: the right one is among the five that move most in all but a few
clips, and its memory costs as much per object as a point tracker costs for all (our choice)."""
MOTION_FLOOR = 1.0
"""Pixels per tracked frame of motion outside of the interaction that cost nothing: jitter."""
MARGIN, MARGIN_SHARE = 3.0, 0.1
"""A mask is widened by so many pixels and this share of the root of its area: points lie up to an
edge that SAM 2 draws a little differently in each frame."""
CONFIDENT = (0.25, 4.0)
"""Areas, as multiples of that at the keyframe, in which SAM 2's mask counts. A smaller one is what
looks out behind a hand, a larger one leaked; nothing is concluded from either."""
WHOLE = 0.6
"""From this multiple on the mask shows the whole object, and its box is the candidate's."""
HELD_FRAMES = 3
"""Tracked frames in a row with most points outside that make a disagreement worth a warning."""
POINTS_SHARE = 0.6
"""Share of the progress bar that the points have."""
AUTOMATIC: tuple[type[Any], ...] = (AllTracker, CoTracker, LucasKanadeTracker)
"""Point trackers, the first usable one is taken: as in the paper, then the other model, then the
embedded one, which always is."""


class HybridTracker(ModelBackend):
    """Point tracks whose best candidates SAM 2 confirmed.

    The option `weights` holds two texts with a semicolon between, `POINTS;SAM2`, either may be
    empty: for the points a clone or checkpoint of AllTracker or CoTracker, or the name of a point
    tracker (`alltracker`, `cotracker`, `lucas_kanade`), empty for the first usable one; for SAM 2
    what `sam2_video` takes. Without a semicolon it is that of the points.

    Attributes:
        points: The point tracker.
        sam2: Names SAM 2's weights.
        rechecked: How many candidates SAM 2 follows.
    """

    name: ClassVar[str] = "hybrid"
    title: ClassVar[str] = "Points, re-checked by SAM 2.1"
    licence: ClassVar[str] = "Apache-2.0 (SAM 2.1), and that of the point tracker"
    packages: ClassVar[tuple[str, ...]] = ("torch", "transformers")

    def __init__(self) -> None:
        super().__init__()
        self.rechecked = RECHECKED
        self.sam2 = Sam2Video()
        self.configure(ModelSettings())

    def configure(self, settings: ModelSettings) -> None:
        """Take the settings, one part of `weights` for each of the two."""
        self.settings = settings
        points, _, sam2 = (part.strip() for part in settings.weights.partition(";"))
        self.sam2.configure(replace(settings, weights=sam2))
        self.points = _point_tracker(points, settings)

    def available(self) -> str | None:
        """Return None if both parts can be used, else one sentence."""
        for part, tracker in (("SAM 2", self.sam2), ("the points", self.points)):
            reason = tracker.available()
            if reason is not None:
                return f"for {part}: {reason}"
        return None

    def downloads(self) -> tuple[Weights, ...]:
        """What can be fetched for both parts."""
        return (*self.sam2.downloads(), *getattr(self.points, "downloads", tuple)())

    def load(self) -> None:
        """Load both as for use. Raises DataError."""
        self.sam2.load()
        if isinstance(self.points, ModelBackend):
            self.points.load()

    def identity(self) -> str:
        """Names and contents of both parts, and how many candidates are re-checked."""
        points = self.points
        first = points.identity() if isinstance(points, ModelBackend) else points.name
        return f"{self.name}:{first}+{self.sam2.identity()}+{self.rechecked}"

    def track(self, request: TrackingRequest, progress: Progress) -> PointTracks:
        """Follow the points, then re-check the best candidates.

        Raises DataError `bad_weights`, `out_of_memory`, `no_device`, or Cancelled.
        """
        tracks: PointTracks = self.points.track(
            request, lambda share, what: progress(POINTS_SHARE * share, what)
        )
        best = ranked(request, tracks)[: self.rechecked]
        if len(best) == 0 or len(request.frames) == 0:
            return tracks
        packed = propagate_masks(
            self.sam2,
            request.frame_at,
            request.frames,
            request.keyframe,
            request.masks[best],
            lambda share, what: progress(POINTS_SHARE + (1 - POINTS_SHARE) * share, what),
        )
        return confirmed(request, tracks, best, packed, self.points.name)


def _point_tracker(text: str, settings: ModelSettings) -> Any:
    """Choose the tracker of the points by what the user named."""
    if not text:
        for kind in AUTOMATIC:
            tracker = _made(kind, settings, "")
            if tracker.available() is None:
                return tracker
    for kind in AUTOMATIC:
        if text == kind.name:
            return _made(kind, settings, "")
    for model in (AllTracker, CoTracker):
        found = find_checkout(model.repository, text)
        # A checkpoint far from its clone is told by its name.
        if found.named or (found.checkpoint and text.endswith(model.repository.checkpoint)):
            return _made(model, settings, text)
    return _made(AllTracker, settings, text)  # says what is wrong with the text


def _made(kind: type[Any], settings: ModelSettings, weights: str) -> Any:
    tracker = kind()
    if isinstance(tracker, ModelBackend):
        tracker.configure(replace(settings, weights=weights))
    return tracker


def ranked(request: TrackingRequest, tracks: PointTracks) -> I32:
    """Candidates with points, the one that moves most like a handled object first.

    Mean displacement in the interaction over that outside of it (plus `MOTION_FLOOR`); without an
    interaction the mean displacement alone.

    Args:
        request: Candidates and interaction.
        tracks: Points and visibility.

    Returns:
        (k,) int32 indices.
    """
    candidates = np.unique(request.candidate)
    moved = np.linalg.norm(np.diff(tracks.points, axis=0), axis=2)
    moved = np.where(tracks.visible[1:] & tracks.visible[:-1], moved, np.nan)
    held = request.interaction[1:] & request.interaction[:-1]
    if not held.any():
        held = np.ones(len(held), np.bool_)
    scores = [
        _mean(moved[held][:, own]) / (_mean(moved[~held][:, own]) + MOTION_FLOOR)
        for own in (request.candidate == k for k in candidates)
    ]
    order = np.argsort(-np.array(scores), kind="stable")
    return np.asarray(candidates[order], np.int32)


def _mean(values: F32) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else 0.0


def confirmed(
    request: TrackingRequest, tracks: PointTracks, best: I32, packed: U8, by: str
) -> PointTracks:
    """Hide points outside of SAM 2's masks and take over its boxes.

    Args:
        request: Points, candidates and masks.
        tracks: Of the point tracker.
        best: (n,) candidates that were followed.
        packed: (F, n, ceil(H*W/8)) uint8, their masks.
        by: Name of the point tracker.

    Returns:
        The tracks; problems say what changed.
    """
    import cv2

    _, height, width = request.masks.shape
    visible, boxes = tracks.visible.copy(), tracks.boxes.copy()
    within = inside(tracks.points, width, height)
    spots = np.round(np.where(within[..., None], tracks.points, 0)).astype(np.int64)
    problems = list(tracks.problems)
    hidden = looks = 0
    for n, k in enumerate(best.tolist()):
        own = np.flatnonzero(request.candidate == k)
        area = max(1, int(request.masks[k].sum()))
        radius = int(np.ceil(MARGIN + MARGIN_SHARE * np.sqrt(area)))
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
        lost = np.zeros(len(request.frames))
        sure: dict[int, F32] = {}
        for i in range(len(request.frames)):
            mask: Bool = unpack_masks(packed[i, n : n + 1], height, width)[0]
            share = float(mask.sum()) / area
            if not CONFIDENT[0] <= share <= CONFIDENT[1]:
                continue
            wide = cv2.dilate(mask.astype(np.uint8), kernel) > 0
            outside = visible[i, own] & ~wide[spots[i, own, 1], spots[i, own, 0]]
            looks += int(visible[i, own].sum())
            hidden += int(outside.sum())
            lost[i] = outside.sum() / max(1, int(visible[i, own].sum()))
            visible[i, own[outside]] = False
            corners = box_corners(mask)
            if share >= WHOLE and corners is not None:
                sure[i] = np.concatenate([corners[0], corners[2]]).astype(np.float32)
        if (lost > 0).any():
            boxes[:, k] = carried_boxes(_only(request, k), tracks.points, visible)[:, k]
        for i, box in sure.items():
            boxes[i, k] = box
        start = _first_run(lost > 0.5)
        if start is not None:
            frame = int(request.frames[start])
            problems.append(
                Problem(
                    "trackers_disagree",
                    f"SAM 2 sees candidate {k} elsewhere than most of its points ({by}) from frame "
                    f"{frame} on, {int((lost > 0.5).sum())} frames in all; the points outside are "
                    "hidden there. See which of the two is right.",
                    frame=frame,
                    candidate=k,
                )
            )
    names = ", ".join(str(k) for k in sorted(best.tolist()))
    problems.append(
        Problem(
            "tracks_rechecked",
            f"SAM 2 re-checked candidates {names}, those that move most ({by}): {hidden} of "
            f"{looks} visible positions lay outside of its masks and count as hidden.",
            Severity.INFO,
        )
    )
    return PointTracks(tracks.points, visible, boxes, tuple(problems))


def _only(request: TrackingRequest, k: int) -> TrackingRequest:
    """The request with every other mask empty: only this box is carried."""
    masks = np.zeros_like(request.masks)
    masks[k] = request.masks[k]
    return replace(request, masks=masks)


def _first_run(flags: Bool) -> int | None:
    run = 0
    for i, flag in enumerate(flags):
        run = run + 1 if flag else 0
        if run == HELD_FRAMES:
            return i - HELD_FRAMES + 1
    return None
