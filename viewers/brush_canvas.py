"""A picture on which the selected candidate's mask is painted and erased."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, Signal
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QWidget

from pipeline.model.arrays import Bool
from pipeline.model.candidate import Box
from pipeline.model.picture import Picture
from viewers import tool_marks
from viewers.brush_tool import Stroke, start_radius, stepped
from viewers.marking_canvas import MarkingCanvas
from viewers.overlay_painter import PaintedMask
from viewers.overlays import OverlayData

PAINT = "paint"
ERASE = "erase"
"""Names of the tools that are brushes."""


class BrushCanvas(MarkingCanvas):
    """Paints strokes, at the keyframe, and tells of the masks that they make.

    Signals:
        maskPainted: Candidate id and its new mask (H, W) bool, when a stroke has ended.
    """

    maskPainted = Signal(int, object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._radius = 0.0
        self._stroke: Stroke | None = None
        self._painted: Stroke | None = None

    # Setters; none of them emits.

    def set_picture(self, picture: Picture | None, frame: int) -> None:
        """Show a picture.

        Args:
            picture: None shows the message instead.
            frame: Frame of the episode that it is.
        """
        if frame != self._image_frame:
            self._stroke = None
        super().set_picture(picture, frame)

    def set_overlays(self, data: OverlayData | None) -> None:
        """Show other results. The winner becomes that of their scores."""
        old, self._painted = self._data, None
        stroke = self._stroke
        if stroke is not None and (
            old is None or data is None or data.proposals is not old.proposals
        ):
            # A stroke goes on if its candidate is still the same.
            candidate = stroke.candidate
            if _box_of(old, candidate) != _box_of(data, candidate):
                self._stroke = None
        super().set_overlays(data)

    def resize_brush(self, steps: int) -> None:
        """Make the brush larger (`steps` > 0) or smaller."""
        self._radius = stepped(self.brush_radius, steps)
        self.update()

    @property
    def brush_radius(self) -> float:
        """Radius of the brush in image pixels."""
        return self._radius or start_radius(self.image_size)

    def _brush(self) -> str:
        """The brush in hand, `PAINT` or `ERASE`; empty for none: other tools are not ours."""
        return ""

    # Painting on screen.

    def _painted_mask(self) -> PaintedMask | None:
        stroke = self._stroke or self._painted
        if stroke is not None:
            return PaintedMask(stroke.candidate, stroke.mask, stroke.revision)
        if not self._brush() or self._data is None or self._reason_not_to_paint():
            return None
        candidate = self._emphasis.selected
        return PaintedMask(candidate, self._data.unpacked_masks[candidate], 0)

    def _brush_hint(self) -> str:
        reason = self._reason_not_to_paint()
        if reason:
            return reason
        return f"{self._brush()} #{self._emphasis.selected}, radius {self.brush_radius:g} px"

    def _paint_brush(self, painter: QPainter, at: QPointF) -> None:
        """Paint the ring of the brush around the mouse."""
        radius = self.brush_radius * self._view.scale
        stroke = self._stroke
        erases = stroke.erases if stroke is not None else self._brush() == ERASE
        if not self._reason_not_to_paint():
            tool_marks.paint_brush(painter, at, radius, erases)

    # Strokes.

    def _reason_not_to_paint(self) -> str:
        """Why the brush can do nothing here, empty if it can."""
        data = self._data
        if data is None or data.masks is None:
            return "no masks to paint yet"
        if not self._is_own_camera():
            return f"masks are on {data.proposals.camera.removeprefix('observation.images.')}"
        if self._image_frame != data.keyframe:
            return f"masks are painted at keyframe {data.keyframe}"
        if (data.masks.width, data.masks.height) != self.image_size:
            return f"masks are {data.masks.width}x{data.masks.height}, unlike the picture"
        if self._emphasis.selected not in data.by_id:
            return "select a candidate to paint"
        return ""

    def _begin_stroke(self, position: QPointF, inverse: bool) -> None:
        data, candidate = self._data, self._emphasis.selected
        if self._stroke is not None or data is None or self._reason_not_to_paint():
            return
        if not self._is_on_picture(position):
            return
        before = self._painted
        base: Bool = data.unpacked_masks[candidate]
        if before is not None and before.candidate == candidate:
            base = before.mask
        at = self._view.to_image(position.x(), position.y())
        erases = (self._brush() == ERASE) != inverse
        self._stroke = Stroke.begin(candidate, base, erases, at, self.brush_radius)

    def _finish_stroke(self, stroke: Stroke) -> None:
        self._stroke = None
        self.update()
        if stroke.revision:
            # It stays in sight until overlays that contain it arrive.
            self._painted = stroke
            self.maskPainted.emit(stroke.candidate, np.array(stroke.mask))


def _box_of(data: OverlayData | None, candidate: int) -> Box | None:
    found = data.by_id.get(candidate) if data is not None else None
    return found.box if found is not None else None
