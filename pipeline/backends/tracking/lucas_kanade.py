"""Embedded tracker: pyramidal Lucas-Kanade with a rigid consensus per candidate. *(our choice)*

Plain Lucas-Kanade fails in three ways that matter here: points of plain objects have no texture to
hold on to, an arm that passes drags resting points along, and lost points stay lost. So each step

1. flows all points forward and back; a point counts if it returns and its colour is still its own;
2. fits one similarity transform per candidate to the points that count (RANSAC);
3. weighs two hypotheses by how many points keep their colour: the candidate followed the fit, or it
   stayed where it was and something passed in front; if neither holds it is hidden and waits;
4. moves all points of the candidate by the fit where their own flow disagrees, so that points
   without texture follow the object;
5. looks for a candidate that has been hidden for a while with its picture from the keyframe;
6. at the frames to report, takes out what errors have added up since the keyframe (`anchor`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pipeline.backends.backend import Progress
from pipeline.backends.tracking.anchor import corrected, cut_anchors
from pipeline.backends.tracking.clip import BackwardFrames, box_corners, moved_box
from pipeline.backends.tracking.protocol import PointTracks, TrackingRequest, no_boxes
from pipeline.backends.tracking.similarity import (
    FIT_ERROR,
    MIN_SUPPORT,
    chained,
    fit_similarity,
    transformed,
)
from pipeline.backends.tracking.templates import Template, cut_templates, find_again, search_picture
from pipeline.model.arrays import F32, F64, I32, U8, Bool

WINDOW = (21, 21)
LEVELS = 3
RETURN_ERROR = 1.5
"""A point must return within this many pixels after forward and backward flow."""
SHADES = ((1.0, 15.0), (0.88, 11.0), (0.77, 11.0))
"""Cube roots of the darkening by a shadow, with the CIELAB difference (lightness halved) up to
which a point still shows its own colour."""
HELD_SHARE = 0.2
"""Share of points that must keep their colour, else the candidate is hidden."""
BACK_SHARE = 0.6
"""Share of points that must show their colour where a hidden candidate was."""
FOUND_SHARE = 0.45
"""The same where a search found it."""


@dataclass
class _View:
    """One frame, prepared."""

    rgb: U8
    gray: U8
    lab: U8

    @cached_property
    def small(self) -> F32:
        """Half-resolution picture for searches."""
        return search_picture(self.rgb)

    @property
    def size(self) -> tuple[int, int]:
        height, width = self.lab.shape[:2]
        return width, height


def _view(rgb: U8) -> _View:
    import cv2

    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    lab8 = cv2.cvtColor(cv2.blur(rgb, (5, 5)), cv2.COLOR_RGB2LAB)
    return _View(rgb, np.asarray(gray, np.uint8), np.asarray(lab8, np.uint8))


def _sample(view: _View, points: F32) -> F32:
    """Blurred colour at points (N, 2): (N, 3) float32, lightness halved; NaN outside."""
    width, height = view.size
    finite = np.isfinite(points).all(axis=1)
    x = np.round(np.where(finite, points[:, 0], -1)).astype(np.int64)
    y = np.round(np.where(finite, points[:, 1], -1)).astype(np.int64)
    inside = (x >= 0) & (y >= 0) & (x < width) & (y < height)
    colors = np.full((len(points), 3), np.nan, np.float32)
    lab = view.lab[y[inside], x[inside]].astype(np.float32)
    lab[:, 1:] -= 128.0
    lab[:, 0] *= 0.5 * 100.0 / 255.0
    colors[inside] = lab
    return colors


@dataclass
class _State:
    """Where everything is in one direction of the walk."""

    points: F32
    seen: Bool
    hidden: list[int]
    transform: list[F64]


class LucasKanadeTracker:
    """Tracker without a model; see the module's text."""

    name = "lucas_kanade"
    licence = "Apache-2.0 (OpenCV)"
    gains_from_crop = False  # It works at the resolution of the picture.

    def available(self) -> str | None:
        """Always available."""
        return None

    def track(self, request: TrackingRequest, progress: Progress) -> PointTracks:
        """Follow the points from the keyframe to both ends of the clip."""
        frames, steps = request.frames, request.steps
        count = len(request.masks)
        tracks = PointTracks(
            points=np.full((len(frames), len(request.points), 2), np.nan, np.float32),
            visible=np.zeros((len(frames), len(request.points)), np.bool_),
            boxes=no_boxes(len(frames), count),
        )
        if len(frames) == 0 or len(request.points) == 0:
            return tracks
        import cv2

        cv2.setRNGSeed(0)
        start = _view(request.frame_at(request.keyframe))
        walk = _Walk(request, start)
        row = {int(f): i for i, f in enumerate(frames)}
        total = max(1, len(steps))
        done = 0

        def record(frame: int, state: _State) -> None:
            if frame in row:
                i = row[frame]
                tracks.points[i] = state.points
                tracks.visible[i] = state.seen
                tracks.boxes[i] = walk.boxes(state)

        record(request.keyframe, walk.first())

        def reading(_: float, what: str) -> None:
            progress(done / total, what)

        later = [int(s) for s in steps if s > request.keyframe]
        earlier = [int(s) for s in steps if s < request.keyframe]
        for order, fetch in (
            (later, request.frame_at),
            (earlier[::-1], BackwardFrames(request.frame_at, earlier, reading)),
        ):
            state, before = walk.first(), start
            for frame in order:
                progress(done / total, f"tracking frame {frame}")
                now = _view(fetch(frame))
                state = walk.step(state, before, now)
                if frame in row:
                    walk.anchor(state, now)
                record(frame, state)
                before, done = now, done + 1
        return tracks


class _Walk:
    """Steps the candidates of one request from frame to frame."""

    def __init__(self, request: TrackingRequest, start: _View) -> None:
        self.origin = request.points.astype(np.float32)
        self.candidate: I32 = request.candidate
        self.groups = [
            np.flatnonzero(request.candidate == k).astype(np.int32)
            for k in range(len(request.masks))
        ]
        self.color = _sample(start, self.origin)
        self.templates: list[Template | None] = cut_templates(start.rgb, request.masks)
        self.corners = [box_corners(m) for m in request.masks]
        self.anchors = cut_anchors(start.gray, request.masks)

    def first(self) -> _State:
        return _State(
            self.origin.copy(),
            np.ones(len(self.origin), np.bool_),
            [0] * len(self.groups),
            [np.eye(2, 3) for _ in self.groups],
        )

    def boxes(self, state: _State) -> F32:
        """Boxes of all candidates (K, 4), NaN while hidden."""
        boxes = np.full((len(self.groups), 4), np.nan, np.float32)
        for k, corners in enumerate(self.corners):
            if corners is None or state.hidden[k]:
                continue
            boxes[k] = moved_box(corners, state.transform[k])
        return boxes

    def anchor(self, state: _State, now: _View) -> None:
        """Take out of a state what errors have added up since the keyframe."""
        for k, group in enumerate(self.groups):
            anchor = self.anchors[k]
            if anchor is None or state.hidden[k] or not state.seen[group].any():
                continue
            found = corrected(
                anchor,
                now.gray,
                state.transform[k],
                self.origin[group],
                state.points[group],
                state.seen[group],
            )
            if found is not None:
                state.points[group] = found.points
                state.transform[k] = found.transform
        state.seen &= _inside(state.points, now.size)

    def step(self, state: _State, before: _View, now: _View) -> _State:
        """Move everything from one frame to the next."""
        import cv2

        old = state.points
        options = {"winSize": WINDOW, "maxLevel": LEVELS}
        new, ok, _ = cv2.calcOpticalFlowPyrLK(  # type: ignore[call-overload]
            before.gray, now.gray, old[:, None], None, **options
        )
        back, ok_back, _ = cv2.calcOpticalFlowPyrLK(  # type: ignore[call-overload]
            now.gray, before.gray, new, None, **options
        )
        new, back = new[:, 0], back[:, 0]
        returned = (ok[:, 0] > 0) & (ok_back[:, 0] > 0)
        returned &= np.linalg.norm(back - old, axis=1) < RETURN_ERROR
        new_fits = _fits(_sample(now, new), self.color)
        stay_fits = _fits(_sample(now, old), self.color)
        points, seen = old.copy(), np.zeros(len(old), np.bool_)
        hidden, transforms = list(state.hidden), list(state.transform)
        for k, group in enumerate(self.groups):
            if len(group) == 0:
                continue
            if state.hidden[k]:
                self._wait(k, group, state, now, points, seen, hidden, transforms, stay_fits)
                continue
            good = group[(returned & new_fits & state.seen)[group]]
            if len(good) < MIN_SUPPORT:
                good = group[(returned & new_fits)[group]]
            fit = fit_similarity(old[good], new[good])
            moved = None if fit is None else transformed(fit, old[group])
            held = 0.0
            if moved is not None:
                fits = _fits(_sample(now, moved), self.color[group])
                held = float(fits.mean())
            stayed = float(stay_fits[group].mean())
            shift = (
                0.0
                if moved is None
                else float(np.median(np.linalg.norm(moved - old[group], axis=1)))
            )
            if (
                moved is not None
                and fit is not None
                and held >= HELD_SHARE
                and (held >= stayed - 0.1 or shift < 0.5)
            ):
                close = np.linalg.norm(new[group] - moved, axis=1) < FIT_ERROR
                own = close & returned[group] & new_fits[group]
                points[group] = np.where(own[:, None], new[group], moved)
                seen[group] = fits
                transforms[k] = chained(fit, state.transform[k])
            elif stayed >= HELD_SHARE:
                seen[group] = stay_fits[group]
            else:
                hidden[k] = 1
        seen &= _inside(points, now.size)
        return _State(points, seen, hidden, transforms)

    def _wait(
        self,
        k: int,
        group: I32,
        state: _State,
        now: _View,
        points: F32,
        seen: Bool,
        hidden: list[int],
        transforms: list[F64],
        stay_fits: Bool,
    ) -> None:
        """A hidden candidate: it shows up where it was last or at first, or it is searched."""
        stayed = float(stay_fits[group].mean())
        first_fits = _fits(_sample(now, self.origin[group]), self.color[group])
        first = float(first_fits.mean())
        if max(stayed, first) >= BACK_SHARE:
            hidden[k] = 0
            seen[group] = stay_fits[group]
            if first > stayed:  # What hid it had dragged its points along.
                seen[group], points[group] = first_fits, self.origin[group]
                transforms[k] = np.eye(2, 3)
            return
        hidden[k] += 1
        template = self.templates[k]
        if template is None or hidden[k] % 2 == 1:
            return
        centre = np.median(state.points[group], axis=0)
        reach = min(60.0 + 25.0 * hidden[k], 0.6 * max(now.size))
        found = find_again(template, now.small, centre, reach)
        if found is None:
            return
        transform = np.array([[1.0, 0.0, found[0]], [0.0, 1.0, found[1]]])
        moved = transformed(transform, self.origin[group])
        fits = _fits(_sample(now, moved), self.color[group])
        if float(fits.mean()) < FOUND_SHARE:
            return
        hidden[k] = 0
        points[group], seen[group] = moved, fits
        transforms[k] = transform


def _fits(colors: F32, own: F32) -> Bool:
    """Whether points show their own colour, lit or in shadow: (N,) bool.

    Darkening light by s scales L* + 16, a* and b* by the cube root of s.
    """
    black = np.array([8.0, 0.0, 0.0], np.float32)  # L* + 16 halved
    fits = np.zeros(len(own), np.bool_)
    with np.errstate(invalid="ignore"):
        for shade, tolerance in SHADES:
            shaded = (own + black) * np.float32(shade) - black
            fits |= np.linalg.norm(colors - shaded, axis=1) < tolerance
    return fits


def _inside(points: F32, size: tuple[int, int]) -> Bool:
    width, height = size
    x, y = points[:, 0], points[:, 1]
    return np.asarray((x >= 0) & (y >= 0) & (x < width) & (y < height), dtype=np.bool_)
