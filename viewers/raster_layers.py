"""Overlays made of pixels: masks, the robot's hatching, tails of points.

Each layer is drawn by OpenCV at the resolution of the screen (crisp at any zoom), covers only
what it needs, and is kept until the view or its contents change, so that a repaint costs one
blit. Pixels are premultiplied ARGB32.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QImage

from pipeline.model.arrays import U8, Bool
from pipeline.model.palette import ROBOT, Rgb, candidate_color
from viewers.overlays import OverlayData
from viewers.view_transform import ViewTransform

NEAREST_FROM = 3.0
"""From this many screen pixels per image pixel on, pixels are shown as squares."""
HATCH_PERIOD = 9
"""Distance of the robot's hatching lines, logical pixels along x."""

U32 = NDArray[np.uint32]
Span = tuple[int, int, int, int]
"""x0, y0, x1, y1 in device pixels, x1 and y1 exclusive."""


@dataclass(frozen=True, slots=True)
class DeviceView:
    """A view transform in device pixels, together with the part of the screen it fills.

    Attributes:
        scale: Device pixels per image pixel.
        dx: Device x of the image's left edge.
        dy: Device y of the image's top edge.
        clip: Visible device pixels.
        ratio: Device pixels per logical pixel.
    """

    scale: float
    dx: float
    dy: float
    clip: Span
    ratio: float

    @classmethod
    def of(
        cls,
        view: ViewTransform,
        area: tuple[float, float, float, float],
        image: tuple[int, int],
        ratio: float,
    ) -> DeviceView:
        """Combine a transform with the visible `area` (logical pixels) of the widget."""
        scale, dx, dy = view.scale * ratio, view.dx * ratio, view.dy * ratio
        clip = (
            max(int(np.floor(area[0] * ratio)), int(np.floor(dx))),
            max(int(np.floor(area[1] * ratio)), int(np.floor(dy))),
            min(int(np.ceil(area[2] * ratio)), int(np.ceil(dx + image[0] * scale))),
            min(int(np.ceil(area[3] * ratio)), int(np.ceil(dy + image[1] * scale))),
        )
        return cls(scale, dx, dy, clip, ratio)

    def visible(self, x0: float, y0: float, x1: float, y1: float, margin: int = 2) -> Span | None:
        """Device pixels of an image box that can be seen, or None."""
        span = (
            max(int(np.floor(x0 * self.scale + self.dx)) - margin, self.clip[0]),
            max(int(np.floor(y0 * self.scale + self.dy)) - margin, self.clip[1]),
            min(int(np.ceil(x1 * self.scale + self.dx)) + margin, self.clip[2]),
            min(int(np.ceil(y1 * self.scale + self.dy)) + margin, self.clip[3]),
        )
        return span if span[2] > span[0] and span[3] > span[1] else None


@dataclass(frozen=True, slots=True, eq=False)
class RasterLayer:
    """A picture at a place.

    Attributes:
        image: Premultiplied ARGB32 that shares its memory with `pixels`.
        pixels: (H, W) uint32.
        x: Left edge, device pixels.
        y: Top edge, device pixels.
    """

    image: QImage
    pixels: U32
    x: int
    y: int


class LayerCache:
    """The most recent layers by what they show.

    Args:
        capacity: Layers that are kept; one view needs three.
    """

    def __init__(self, capacity: int = 6) -> None:
        self._capacity = capacity
        self._layers: OrderedDict[Hashable, RasterLayer | None] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], RasterLayer | None]) -> RasterLayer | None:
        """Return the layer of `key`, made by `make` if it is not there."""
        if key in self._layers:
            self._layers.move_to_end(key)
            return self._layers[key]
        layer = make()
        self._layers[key] = layer
        while len(self._layers) > self._capacity:
            self._layers.popitem(last=False)
        return layer

    def clear(self) -> None:
        """Forget all layers."""
        self._layers.clear()


def layer_of(pixels: U32, span: Span, ratio: float) -> RasterLayer:
    """Wrap pixels (H, W) uint32, contiguous, in an image without copying them."""
    height, width = pixels.shape
    image = QImage(pixels.data, width, height, 4 * width, QImage.Format.Format_ARGB32_Premultiplied)
    image.setDevicePixelRatio(ratio)
    return RasterLayer(image, pixels, span[0], span[1])


def premultiplied(color: Rgb, alpha: float) -> int:
    """Pack a colour with opacity 0..1 as premultiplied 0xAARRGGBB."""
    a = round(255 * min(max(alpha, 0.0), 1.0))
    r, g, b = (c * a // 255 for c in color)
    return a << 24 | r << 16 | g << 8 | b


def channels_of(packed: int) -> tuple[int, int, int, int]:
    """Split a packed pixel into the channel order in which it lies in memory, for OpenCV."""
    a, r, g, b = (packed >> shift & 255 for shift in (24, 16, 8, 0))
    return (b, g, r, a) if sys.byteorder == "little" else (a, r, g, b)


def on_screen(mask: Bool, view: DeviceView, span: Span) -> U8:
    """Resample a mask (H, W) to the device pixels of `span`; returns 0 or 1, uint8."""
    import cv2

    scale = 1 / view.scale
    matrix = np.array(
        [
            [scale, 0, (span[0] + 0.5 - view.dx) * scale - 0.5],
            [0, scale, (span[1] + 0.5 - view.dy) * scale - 0.5],
        ]
    )
    squares = view.scale >= NEAREST_FROM
    warped = cv2.warpAffine(
        mask.view(np.uint8) * np.uint8(255),
        matrix,
        (span[2] - span[0], span[3] - span[1]),
        flags=(cv2.INTER_NEAREST if squares else cv2.INTER_LINEAR) | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(0,),
    )
    return (np.asarray(warped) >= 128).view(np.uint8)


def mask_layer(
    data: OverlayData,
    view: DeviceView,
    opacity: float,
    winner: int,
    hidden: frozenset[int] = frozenset(),
) -> RasterLayer | None:
    """Draw all candidate masks but those `hidden`.

    Smaller masks lie on larger ones; the winner's outline is twice as thick.
    """
    masks, areas = data.unpacked_masks, data.mask_areas
    known = [k for k in data.by_id if k < len(masks) and areas[k] > 0 and k not in hidden]
    known.sort(key=lambda k: -int(areas[k]))
    return shapes_layer({k: masks[k] for k in known}, view, opacity, winner)


def shapes_layer(
    shapes: Mapping[int, Bool], view: DeviceView, opacity: float, winner: int
) -> RasterLayer | None:
    """Draw masks in the order given: filling at 70 % of `opacity`, outline in full.

    Args:
        shapes: (H, W) bool, not empty, by candidate.
        view: Where the picture lies.
        opacity: 0..1.
        winner: Candidate with a thick outline, -1 for none.
    """
    import cv2

    if not shapes:
        return None
    boxes = {k: _bounds(mask) for k, mask in shapes.items()}
    union = view.visible(
        min(b[0] for b in boxes.values()),
        min(b[1] for b in boxes.values()),
        max(b[2] for b in boxes.values()),
        max(b[3] for b in boxes.values()),
        margin=4,
    )
    if union is None:
        return None
    pixels: U32 = np.zeros((union[3] - union[1], union[2] - union[0]), np.uint32)
    canvas = pixels.view(np.uint8).reshape(*pixels.shape, 4)
    outlines: list[tuple[int, list[U8], tuple[int, int]]] = []
    for k, mask in shapes.items():
        span = view.visible(*boxes[k])
        if span is None:
            continue
        height, width = mask.shape
        # One pixel more on every side, so that resampling sees where the mask ends.
        x0, y0 = max(boxes[k][0] - 1, 0), max(boxes[k][1] - 1, 0)
        x1, y1 = min(boxes[k][2] + 1, width), min(boxes[k][3] + 1, height)
        part = DeviceView(
            view.scale,
            view.dx + x0 * view.scale,
            view.dy + y0 * view.scale,
            view.clip,
            view.ratio,
        )
        shown = on_screen(np.ascontiguousarray(mask[y0:y1, x0:x1]), part, span)
        left, top = span[0] - union[0], span[1] - union[1]
        room = pixels[top : top + shown.shape[0], left : left + shown.shape[1]]
        fill = np.uint32(premultiplied(candidate_color(k), 0.7 * opacity))
        np.copyto(room, fill, where=shown.view(np.bool_))
        contours, _ = cv2.findContours(shown, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        outlines.append((k, list(contours), (left, top)))  # type: ignore[arg-type]
    thin = max(1, round(view.ratio))
    for k, contours_of, offset in sorted(outlines, key=lambda item: item[0] == winner):
        color = channels_of(premultiplied(candidate_color(k), 1.0))
        width_of = 2 * thin if k == winner else thin
        cv2.drawContours(canvas, contours_of, -1, color, width_of, cv2.LINE_AA, offset=offset)
    return layer_of(pixels, union, view.ratio)


def brushed_layer(
    mask: Bool, candidate: int, view: DeviceView, opacity: float
) -> RasterLayer | None:
    """Draw one mask while it is painted: filling and a plain outline inside of it.

    However ragged the mask is, this takes the same time; contours do not.
    """
    import cv2

    if not mask.any():
        return None
    span = view.visible(*_bounds(mask))
    if span is None:
        return None
    shown = on_screen(mask, view, span)
    side = 1 + 2 * max(1, round(view.ratio))
    inner = cv2.erode(shown, np.ones((side, side), np.uint8), borderValue=(1,))
    # 0 outside, 1 outline, 2 inside.
    inks = np.array(
        [
            0,
            premultiplied(candidate_color(candidate), 1.0),
            premultiplied(candidate_color(candidate), 0.7 * opacity),
        ],
        np.uint32,
    )
    return layer_of(inks[cv2.add(shown, inner)], span, view.ratio)


def robot_layer(data: OverlayData, row: int, view: DeviceView) -> RasterLayer | None:
    """Hatch the robot mask of one tracked frame in grey: light and dark lines on a veil."""
    if data.robot is None:
        return None
    mask = data.robot.mask(row)
    if not mask.any():
        return None
    span = view.visible(*_bounds(mask))
    if span is None:
        return None
    shown = on_screen(mask, view, span)
    height, width = shown.shape
    period = max(4, round(HATCH_PERIOD * view.ratio))
    line = max(1, round(view.ratio * 1.5))
    tile: U32 = np.full(period, premultiplied(ROBOT, 0.35), np.uint32)
    tile[:line] = premultiplied((225, 225, 232), 0.9)
    tile[line : 2 * line] = premultiplied((40, 40, 46), 0.75)
    # Row y of the pattern is the row above moved by one: a sliding window on one long row. It
    # is anchored to the image, so that it does not crawl while panning.
    start = round(span[0] - view.dx + span[1] - view.dy) % period
    long_row = np.resize(np.roll(tile, -start), width + height)
    pattern = np.lib.stride_tricks.sliding_window_view(long_row, width)[:height]
    pixels: U32 = np.zeros((height, width), np.uint32)
    np.copyto(pixels, pattern, where=shown.view(np.bool_))
    return layer_of(pixels, span, view.ratio)


def _bounds(mask: Bool) -> Span:
    columns = np.flatnonzero(mask.any(axis=0))
    rows = np.flatnonzero(mask.any(axis=1))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
