"""Tails of the tracked points: where each point was during the last moments."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pipeline.model.arrays import F32, F64, I32, U8, Array, Bool
from pipeline.model.candidate import TracksResult
from pipeline.model.palette import candidate_color
from viewers.raster_layers import (
    U32,
    DeviceView,
    RasterLayer,
    Span,
    channels_of,
    layer_of,
    premultiplied,
)

_SHIFT = 4
_REACH = 2.0
"""Logical pixels by which a dot reaches beyond its point; lines stay within that."""


@dataclass(frozen=True, slots=True, eq=False)
class TailTable:
    """Kept points by candidate, laid out so that a tail is one contiguous piece.

    Attributes:
        frames: (F,) int32, tracked frames.
        points: (N, F, 2) float32, image coordinates of pixel corners; 0 where not visible.
        visible: (N, F) bool, visible and finite.
        candidate: (N,) int32, ascending.
        extents: (F, G, 4) float32, least x, y, -x and -y of a group's visible points, inf without
            any: the corners of its box, the second with its sign turned.
        groups: Candidate, first and last + 1 of its points, by candidate.
        inks: Colour of each group for OpenCV.
        unbroken: True if every point is visible in every frame.
        colors: (N,) uint32, premultiplied colour of each point's candidate.
        step: Frames of the episode between two tracked frames.
    """

    frames: I32
    points: F32
    visible: Bool
    candidate: I32
    extents: F32
    groups: tuple[tuple[int, int, int], ...]
    inks: tuple[tuple[int, int, int, int], ...]
    unbroken: bool
    colors: U32
    step: float

    @classmethod
    def of(cls, tracks: TracksResult, step: float) -> TailTable:
        """Sort the kept points of `tracks` by candidate."""
        kept = np.flatnonzero(tracks.kept)
        kept = kept[np.argsort(tracks.candidate[kept], kind="stable")]
        points = tracks.points[:, kept].transpose(1, 0, 2)
        visible = tracks.visible[:, kept].T & np.isfinite(points).all(axis=2)
        # Tracked points name pixel centres: centre of pixel 0 is 0.5 from the image's edge.
        moved = np.where(visible[:, :, None], points + np.float32(0.5), np.float32(0))
        shown = visible[:, :, None]
        candidate = tracks.candidate[kept]
        starts = np.flatnonzero(np.diff(candidate, prepend=-1)).tolist()
        ends = [*starts[1:], len(candidate)] if starts else []
        return cls(
            tracks.frames,
            np.ascontiguousarray(moved, np.float32),
            np.ascontiguousarray(visible),
            candidate,
            _extents(np.where(shown, np.concatenate([moved, -moved], axis=2), np.inf), starts),
            tuple(
                (int(candidate[start]), start, end) for start, end in zip(starts, ends, strict=True)
            ),
            tuple(
                channels_of(premultiplied(candidate_color(int(candidate[start])), 1.0))
                for start in starts
            ),
            bool(visible.all()),
            np.array([premultiplied(candidate_color(int(k)), 1.0) for k in candidate], np.uint32),
            step,
        )

    def rows(self, frame: int, length: int) -> slice:
        """Tracked frames of the tails that end at `frame`; empty outside the tracked clip."""
        after = bisect_right(self.frames, frame)  # faster than searchsorted for one number
        if after == 0:
            return slice(0, int(len(self.frames) > 0 and self.frames[0] - frame <= self.step))
        if frame - self.frames[after - 1] > self.step:
            return slice(0, 0)
        return slice(max(0, after - length), after)

    def head(self, frame: int, rows: slice, points: Array, first: int = 0) -> tuple[Array, Bool]:
        """Points in `frame` itself, interpolated linearly between tracked frames.

        Args:
            frame: Frame of the episode.
            rows: Rows of the tails that end there, from `rows`; not empty.
            points: (N, >= F - first, 2), in any coordinates.
            first: Row of the table that is the first of `points`.

        Returns:
            (N, 2) in those coordinates and (N,) bool.
        """
        after, last = rows.stop, rows.stop - 1
        if after == len(self.frames) or frame <= self.frames[last]:
            return points[:, last - first], self.visible[:, last]
        share = np.float32((frame - self.frames[last]) / (self.frames[after] - self.frames[last]))
        mixed = points[:, last - first] * (1 - share) + points[:, after - first] * share
        seen = self.visible[:, last] & self.visible[:, after]
        return mixed.astype(points.dtype, copy=False), seen

    def spans(
        self, rows: slice, view: DeviceView, hidden: frozenset[int] = frozenset()
    ) -> tuple[Span, ...]:
        """Device pixels that the tails of `rows` need: apart from each other, few and small."""
        # One row more: an interpolated head lies between the last row and the next.
        reach = slice(rows.start, rows.stop + 1 if rows.stop else 0)
        least = self.extents[reach].min(axis=0, initial=np.inf)
        # As `DeviceView.visible`, for all groups and both corners at once.
        margin = math.ceil(_REACH * view.ratio) + 2
        corner = np.array([view.dx, view.dy, -view.dx, -view.dy], np.float32)
        x0, y0, x1, y1 = view.clip
        found = np.floor(least * view.scale + corner) - margin
        np.maximum(found, (x0, y0, -x1, -y1), out=found)
        first, last = found[:, :2], -found[:, 2:]
        seen = (last > first).all(axis=1)
        if hidden:
            seen &= [candidate not in hidden for candidate, _, _ in self.groups]
        corners = np.concatenate([first[seen], last[seen]], axis=1).astype(np.int64)
        return _merged([(x0, y0, x1, y1) for x0, y0, x1, y1 in corners.tolist()])

    def draw_lines(
        self, pixels: U32, points: I32, visible: Bool, hidden: frozenset[int] = frozenset()
    ) -> None:
        """Draw a line through the points of each track, grouped by candidate colour.

        Lines are one device pixel wide: OpenCV draws wider ones five times slower.

        Args:
            pixels: (H, W) uint32; what the view's clip covers.
            points: (N, L, 2) int32, from `fixed_point`.
            visible: (N, L) bool; lines break where a point is not visible.
            hidden: Candidates that are left out.
        """
        import cv2

        if points.shape[1] < 2:
            return
        canvas = _channels(pixels)
        whole = None if self.unbroken else np.logical_and.reduce(visible, axis=1)
        for (candidate, start, end), ink in zip(self.groups, self.inks, strict=True):
            if candidate in hidden:
                continue
            curves = points[start:end]
            if whole is None:
                lines = list(curves)
            else:
                full = whole[start:end]
                lines = list(curves[full]) + _pairs(curves[~full], visible[start:end][~full])
            cv2.polylines(canvas, lines, False, ink, 1, cv2.LINE_8, _SHIFT)

    def draw_dots(self, pixels: U32, points: I32, visible: Bool, ratio: float) -> None:
        """Set a small dot with a dark rim at each visible point (N, 2), from `fixed_point`."""
        height, width = pixels.shape
        rim, dot = round(_REACH * ratio), round(ratio)
        heads = points >> _SHIFT
        x, y = heads[:, 0], heads[:, 1]
        inside = visible & (x >= rim) & (y >= rim) & (x < width - rim) & (y < height - rim)
        if not inside.any():
            return
        center = y[inside].astype(np.int64) * width + x[inside]
        color = self.colors[inside]
        flat = pixels.reshape(-1)
        rim_of, dot_of = _dot(rim, dot, width)
        flat[np.add.outer(rim_of, center)] = premultiplied((0, 0, 0), 0.7)
        flat[np.add.outer(dot_of, center)] = color


@dataclass(frozen=True, slots=True)
class Tails:
    """Tails as pixels.

    Attributes:
        layer: Picture of the whole clip of the view, defined inside `parts` only; None without.
        parts: x0, y0, x1, y1 in pixels of the layer; they do not overlap.
    """

    layer: RasterLayer | None
    parts: tuple[Span, ...]


class TailCanvas:
    """Draws tails; its memory serves the next frame, since fresh memory costs as much as lines."""

    def __init__(self, table: TailTable) -> None:
        self._table = table
        self._pixels: U32 = np.zeros((0, 0), np.uint32)
        self._spans_key: tuple[int, int, DeviceView, frozenset[int]] | None = None
        self._spans: tuple[Span, ...] = ()
        self._key: tuple[int, int, DeviceView, frozenset[int]] | None = None
        self._tails = Tails(None, ())
        self._view: DeviceView | None = None
        self._points: I32 | None = None

    def tails(
        self, frame: int, length: int, view: DeviceView, hidden: frozenset[int] = frozenset()
    ) -> Tails:
        """Return the tails at `frame`; valid until the next call.

        Args:
            frame: Frame of the episode.
            length: Length of the tails in tracked frames.
            view: Where the picture lies; its clip is not empty.
            hidden: Candidates whose points are left out.
        """
        key = (frame, length, view, hidden)
        if key != self._key:
            self._key = key
            self._tails = self._make(frame, length, view, hidden)
        return self._tails

    def _in_view(self, view: DeviceView) -> I32 | None:
        """All points (N, F, 2) int32 in `view`, from the second call with the same view on.

        While zooming no view comes twice; while playing it stays.
        """
        if view != self._view:
            self._view, self._points = view, None
        elif self._points is None:
            self._points = fixed_point(self._table.points, view)
        return self._points

    def _make(self, frame: int, length: int, view: DeviceView, hidden: frozenset[int]) -> Tails:
        import cv2

        table = self._table
        rows = table.rows(frame, length)
        spans_key = (rows.start, rows.stop, view, hidden)
        if spans_key != self._spans_key:
            self._spans_key, self._spans = spans_key, table.spans(rows, view, hidden)
        spans = self._spans
        if not spans:
            return Tails(None, ())
        left, top, right, bottom = view.clip
        if self._pixels.shape != (bottom - top, right - left):
            self._pixels = np.zeros((bottom - top, right - left), np.uint32)
        parts = tuple((x0 - left, y0 - top, x1 - left, y1 - top) for x0, y0, x1, y1 in spans)
        rooms = [self._pixels[y0:y1, x0:x1] for x0, y0, x1, y1 in parts]
        for room in rooms:
            room.fill(0)
        every = self._in_view(view)
        # Without them only the rows that are drawn, and the next for the head, are mapped.
        first = 0 if every is not None else rows.start
        if every is None:
            every = fixed_point(table.points[:, first : rows.stop + 1], view)
        points, visible = every[:, rows.start - first : rows.stop - first], table.visible[:, rows]
        head, seen = points[:, -1], visible[:, -1]
        if frame > table.frames[rows.stop - 1]:
            head, seen = table.head(frame, rows, every, first)
            points = np.concatenate([points, head[:, None]], axis=1)
            visible = np.concatenate([visible, seen[:, None]], axis=1)
        if hidden:
            seen = seen & np.isin(table.candidate, tuple(hidden), invert=True)
        table.draw_lines(self._pixels, points, visible, hidden)
        # All lines are made wider at once.
        side = 1 + max(1, round(view.ratio))
        kernel = np.ones((side, side), np.uint8)
        canvas = _channels(self._pixels)
        for x0, y0, x1, y1 in parts:
            part = canvas[y0:y1, x0:x1]
            cv2.dilate(part, kernel, dst=part)
        table.draw_dots(self._pixels, head, seen, view.ratio)
        return Tails(layer_of(self._pixels, view.clip, view.ratio), parts)


def _merged(spans: list[Span]) -> tuple[Span, ...]:
    """Join spans that overlap, until none do."""
    apart: list[Span] = []
    for span in spans:
        grown = span
        while True:
            hits = [s for s in apart if _touch(s, grown)]
            if not hits:
                break
            apart = [s for s in apart if s not in hits]
            group = [*hits, grown]
            grown = (
                min(s[0] for s in group),
                min(s[1] for s in group),
                max(s[2] for s in group),
                max(s[3] for s in group),
            )
        apart.append(grown)
    return tuple(apart)


def _touch(a: Span, b: Span) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _extents(points: F64, starts: list[int]) -> F32:
    """Least values (F, G, 4) float32 of the groups of points (N, F, 4) that begin at `starts`."""
    if not starts:
        return np.zeros((points.shape[1], 0, 4), np.float32)
    least = np.minimum.reduceat(points, starts, axis=0)
    return np.ascontiguousarray(least.transpose(1, 0, 2), np.float32)


def _channels(pixels: U32) -> U8:
    """The same memory as (H, W, 4) uint8."""
    return pixels.view(np.uint8).reshape(*pixels.shape, 4)


def fixed_point(points: F32, view: DeviceView) -> I32:
    """Map image coordinates (..., 2) to OpenCV's fixed-point pixels, counted from centres."""
    unit = np.float32(1 << _SHIFT)
    left, top = view.clip[:2]
    corner = np.array([view.dx - left - 0.5, view.dy - top - 0.5], np.float32) * unit
    return (points * (np.float32(view.scale) * unit) + corner).astype(np.int32)


@lru_cache(maxsize=8)
def _dot(rim: int, dot: int, width: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Offsets of a dot's rim (corners cut) and of its inside in a picture of this width."""
    reach = np.arange(-rim, rim + 1)
    dy, dx = np.meshgrid(reach, reach, indexing="ij")
    offsets: NDArray[np.int64] = dy * width + dx
    inside = np.maximum(np.abs(dx), np.abs(dy)) <= dot
    around = (np.abs(dx) + np.abs(dy) < 2 * rim) & ~inside
    return offsets[around], offsets[inside]


def _pairs(curves: I32, visible: Bool) -> list[I32]:
    """Split curves (M, L, 2) with gaps into their visible segments, each (2, 2)."""
    joined = visible[:, :-1] & visible[:, 1:]
    return list(np.stack([curves[:, :-1][joined], curves[:, 1:][joined]], axis=1))
