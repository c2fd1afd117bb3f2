"""Columns of a recording, and the shapes that all parts of it share.

Every entity is sent once, as columns over time, and is emptied after its last frame: Rerun shows
the latest value, so that without it boxes would stand still beyond the clip.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from pipeline.model.arrays import F32, F64, I32, Bool, unpack_masks
from pipeline.model.candidate import Box, MasksResult
from pipeline.model.palette import candidate_color
from pipeline.model.problem import Cancelled
from viewers.rerun_inputs import TIMELINE, RerunInputs

if TYPE_CHECKING:
    import rerun as rr

Rgba: TypeAlias = tuple[int, int, int, int]
FAINT = 150
"""Opacity 0..255 of candidates that did not win."""


def candidate_paint(candidate: int, winner: int) -> Rgba:
    """Colour of the palette; candidates that lost against a winner (-1: none) are fainter."""
    return (*candidate_color(candidate), 255 if winner in (-1, candidate) else FAINT)


def on_screen(points: float) -> float:
    """A radius in points of the screen, however far away (Rerun's encoding: negative)."""
    return -points


@dataclass(frozen=True)
class Scene:
    """Where columns go.

    Attributes:
        inputs: What is logged.
        recording: Where to.
        cancelled: True as soon as nobody wants it any more.
    """

    inputs: RerunInputs
    recording: rr.RecordingStream
    cancelled: Callable[[], bool] | None = None

    def check(self) -> None:
        """Raise Cancelled if nobody wants the recording any more. Called often."""
        if self.cancelled is not None and self.cancelled():
            raise Cancelled

    def index(self, frames: Iterable[int] | I32) -> list[rr.TimeColumn]:
        """Time columns of these frames."""
        import rerun as rr

        rows = np.asarray(frames if isinstance(frames, np.ndarray) else list(frames), np.int64)
        columns = [rr.TimeColumn(TIMELINE, sequence=rows)]
        if self.inputs.real_time:
            known = np.clip(rows, 0, self.inputs.demonstration.length - 1)
            seconds = self.inputs.demonstration.timestamps[known]
            columns.append(rr.TimeColumn("time", duration=seconds))
        return columns

    def fixed(self, entity: str, *values: rr.AsComponents) -> None:
        """Log values that hold at all times."""
        # As a chunk of its own, at once: `log` collects rows and sends them when it likes, so that
        # an opening viewer draws points in made-up colours until the right ones arrive.
        batches = [batch for value in values for batch in value.as_component_batches()]
        columns = [batch.partition([len(batch.as_arrow_array())]) for batch in batches]
        self.recording.send_columns(entity, [], columns)

    def rows(
        self,
        entity: str,
        frames: Sequence[int] | I32,
        lengths: Sequence[int] | I32,
        columns: Any,
        until: int | None = None,
    ) -> None:
        """Send one row per frame of `lengths[i]` instances each, then an empty row.

        Args:
            entity: Entity path.
            frames: (F,) frames, ascending.
            lengths: (F,) number of instances per frame.
            columns: `Archetype.columns(...)` of all instances, flat.
            until: Frame of the empty row; None puts it one step after the last. The timeline
                never grows beyond the episode: there, no empty row is needed.
        """
        self.check()
        if len(frames) == 0 or not np.any(lengths):
            return
        times = [int(f) for f in frames]
        counts = [int(n) for n in lengths]
        end = times[-1] + _step(times) if until is None else until
        if end < self.inputs.demonstration.length:
            times.append(end)
            counts.append(0)
        self.recording.send_columns(entity, self.index(times), columns.partition(counts))


def _step(frames: Sequence[int]) -> int:
    """Typical distance of frames, at least 1."""
    return max(1, int(np.median(np.diff(frames)))) if len(frames) > 1 else 1


def log_boxes(
    scene: Scene,
    entity: str,
    boxes: dict[int, Box],
    label: str,
    color: Rgba,
    width: float,
    until: int | None = None,
    named: bool = True,
) -> None:
    """Log one box per frame; a box that is not finite is an empty row.

    Args:
        scene: Where to.
        entity: Entity path.
        boxes: Box in pixels by frame.
        label: Written on the box.
        color: RGBA.
        width: Line width in points of the screen (half of it is the radius).
        until: Frame from which on there is no box; None: one step after the last.
        named: Show the label at once, not only under the pointer.
    """
    import rerun as rr

    if not boxes:
        return
    frames = sorted(boxes)
    corners = np.asarray([boxes[frame] for frame in frames], np.float32)
    known = np.isfinite(corners).all(axis=1)
    low, high = corners[known, :2], corners[known, 2:]
    radius = on_screen(width / 2.0)
    scene.fixed(
        entity,
        rr.Boxes2D.from_fields(
            colors=[color], radii=radius, labels=[label], show_labels=named, draw_order=30.0
        ),
    )
    columns = rr.Boxes2D.columns(centers=(low + high) / 2.0, half_sizes=(high - low) / 2.0)
    scene.rows(entity, frames, np.asarray(known, np.int32), columns, until)


def log_strips(
    scene: Scene,
    entity: str,
    frames: Sequence[int] | I32,
    lengths: Sequence[int] | I32,
    strips: list[F32],
    color: Rgba,
    width: float,
    until: int | None = None,
) -> None:
    """Log line strips (each (n, 2) pixels or (n, 3) metres), `lengths[i]` of them at frame i."""
    import pyarrow as pa
    import rerun as rr

    if not strips:
        return
    flat = strips[0].shape[1] == 2
    archetype = rr.LineStrips2D if flat else rr.LineStrips3D
    radius = on_screen(width / 2.0)
    scene.fixed(entity, archetype.from_fields(colors=[color], radii=radius))
    # Rerun makes an Arrow array of each strip, which takes seconds for a clip; one of all does not.
    batch = rr.components.LineStrip2DBatch if flat else rr.components.LineStrip3DBatch
    kind = batch._ARROW_DATATYPE
    points = np.concatenate(strips).astype(np.float32, copy=False).reshape(-1)
    inner = pa.FixedSizeListArray.from_arrays(points, type=kind.value_type)
    ends = np.cumsum([0, *(len(strip) for strip in strips)], dtype=np.int32)
    packed = pa.ListArray.from_arrays(ends, inner, type=kind)
    scene.rows(entity, frames, lengths, archetype.columns(strips=packed), until)


def one_mask(masks: MasksResult, candidate: int) -> Bool:
    """Mask (H, W) bool of one candidate; unpacking all of them takes as many times longer."""
    packed = masks.packed[candidate : candidate + 1]
    return np.asarray(unpack_masks(packed, masks.height, masks.width)[0], np.bool_)


def outlines(mask: Bool, scale: F64) -> list[F32]:
    """Closed outlines of a mask in pixels of the frame, simplified to a pixel."""
    import cv2

    found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    strips = []
    for contour in found:
        line = cv2.approxPolyDP(contour, 1.0, True)[:, 0].astype(np.float32)
        if len(line) > 2:
            strips.append(((np.vstack([line, line[:1]]) + 0.5) * scale).astype(np.float32))
    return strips
