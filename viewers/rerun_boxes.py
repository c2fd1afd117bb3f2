"""Boxes in 3D: where the seen points of something are, without those that went astray."""

from __future__ import annotations

import numpy as np

from pipeline.model.arrays import F32, I64, Bool
from viewers.rerun_scene import Rgba, Scene, on_screen

FENCE = 3.0
"""Interquartile ranges beyond the quartiles at which a point is far out (Tukey's outer fence)."""
ROOM = 0.02
"""Metres that are added to the fence, so that flat things keep their points (our choice)."""
FEWEST = 4
"""Points without which there is no box (our choice: a plane and one more)."""


def ordered(points: F32, seen: Bool) -> tuple[F32, I64]:
    """Sort the coordinates of each axis, seen points first.

    Args:
        points: (F, n, d) float32.
        seen: (F, n) bool.

    Returns:
        (F, d, n) float32, ascending, NaN from the number of seen points on; (F,) that number.
    """
    # NaN is sorted behind all numbers. The last axis is the one that numpy sorts fast.
    values = np.where(seen[:, None], points.transpose(0, 2, 1), np.float32(np.nan))
    values.sort(axis=2)
    return values, seen.sum(axis=1)


def middles(values: F32, number: I64) -> F32:
    """(F, d) medians of `ordered` coordinates, NaN where there is none."""
    if not values.shape[2]:
        return np.full(values.shape[:2], np.nan, np.float32)
    low, high = (
        _pick(values, np.clip(place, 0, None))[..., 0] for place in ((number - 1) // 2, number // 2)
    )
    return np.asarray((low + high) / 2.0, np.float32)


def extents(values: F32, number: I64) -> F32:
    """Robust extent of a cloud along the axes, for many frames at once.

    Per axis the smallest and largest coordinate within Tukey's outer fences (3 interquartile
    ranges beyond the quartiles, and 2 cm): one point that slipped onto the wall behind does not
    blow the box up, all points of a compact object are inside. The axes are those of the
    coordinates: the box does not turn with the object.

    Args:
        values: (F, 3, n) float32 metres, `ordered`.
        number: (F,) number of points that are seen.

    Returns:
        (F, 2, 3) float32, lower and upper corner; NaN where fewer than four points are seen.
    """
    count = values.shape[2]
    result = np.full((len(values), 2, 3), np.nan, np.float32)
    enough = np.flatnonzero(number >= FEWEST)
    if not enough.size:
        return result
    values, number = values[enough], number[enough]
    low, high = (
        _pick(values, np.rint((number - 1) * share).astype(np.int64)) for share in (0.25, 0.75)
    )
    reach = np.float32(FENCE) * (high - low) + np.float32(ROOM)
    inside = (values >= low - reach) & (values <= high + reach)
    for side, place in enumerate(
        (inside.argmax(axis=2), count - 1 - inside[..., ::-1].argmax(axis=2))
    ):
        result[enough, side] = np.take_along_axis(values, place[..., None], 2)[..., 0]
    return result


def _pick(values: F32, place: I64) -> F32:
    """(F, d, 1), the coordinate at a place that is the same for all axes of a frame."""
    wide = np.broadcast_to(place[:, None, None], (len(values), values.shape[1], 1))
    return np.take_along_axis(values, wide, 2)


def log_boxes_3d(
    scene: Scene,
    entity: str,
    frames: list[int],
    corners: F32,
    label: str,
    color: Rgba,
    width: float,
    until: int | None = None,
    named: bool = True,
) -> None:
    """Log one box per frame; one that is not finite is an empty row.

    Args:
        scene: Where to.
        entity: Entity path.
        frames: F frames, ascending.
        corners: (F, 2, 3) float32 metres of the world, as `extents` gives them.
        label: Written on the box.
        color: RGBA.
        width: Line width in points of the screen.
        until: Frame from which on there is no box; None: one step after the last.
        named: Show the label at once, not only under the pointer.
    """
    import rerun as rr

    known = np.isfinite(corners).all(axis=(1, 2))
    if not known.any():
        return
    low, high = corners[known, 0], corners[known, 1]
    fixed = rr.Boxes3D.from_fields(
        colors=[color],
        radii=on_screen(width / 2.0),
        labels=[label],
        show_labels=named,
        fill_mode=rr.components.FillMode.MajorWireframe,
    )
    scene.fixed(entity, fixed)
    columns = rr.Boxes3D.columns(centers=(low + high) / 2.0, half_sizes=(high - low) / 2.0)
    scene.rows(entity, frames, np.asarray(known, np.int32), columns, until)
