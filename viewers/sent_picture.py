"""One picture of a request: in the list of parts, and alone with zoom."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QHelpEvent,
    QImage,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QWheelEvent,
)
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from pipeline.model.drafting import PartKind, SentPart
from viewers.cell_marks import (
    CellChoice,
    cell_text,
    line_height,
    paint_numbers,
    paint_outlines,
    rows_of,
)
from viewers.frame_header import HEADER_HEIGHT
from viewers.sent_cells import Cell, cell_at, cells_of
from viewers.sent_pictures import DecodedPart
from viewers.view_transform import ViewTransform

MOST_SCALE = 1.0
"""In the list a picture is never larger than it was sent."""
_HINT = "Click: go to this frame. Double click or Enter: this picture alone."


def shown_cells(
    part: SentPart, found: DecodedPart | None, aspect: float | None
) -> tuple[Cell, ...]:
    """Cells in the picture as decoded: its bytes count, not what is said about their size."""
    if part.kind is not PartKind.IMAGE:
        return ()
    if found is None or found.rgb is None:
        return cells_of(part, aspect)
    height, width = found.rgb.shape[:2]
    return cells_of(replace(part, width=int(width), height=int(height)), aspect)


class SentPictureView(QWidget):
    """A picture at the width of the list, with the numbers of its frames below.

    Signals:
        cellChosen: Index of the cell that was clicked.
        zoomAsked: The user wants to see this picture alone.
    """

    cellChosen = Signal(int)
    zoomAsked = Signal()

    def __init__(
        self, part: SentPart, name: str, aspect: float | None, parent: QWidget | None = None
    ) -> None:
        """Show a part that is being decoded.

        Args:
            part: A picture or a video.
            name: For people who do not see it.
            aspect: Width by height of the camera's frames, None if not known.
            parent: Owner.
        """
        super().__init__(parent)
        self._part = part
        self._aspect = aspect
        self._found: DecodedPart | None = None
        self._image = QImage()
        self._scaled = QImage()
        self._cells = shown_cells(part, None, aspect)
        self._choice = CellChoice()
        self._name = name
        self.setMouseTracking(True)
        self.setAccessibleName(name)
        policy = QSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    # Setters; none of them emits.

    def set_decoded(self, found: DecodedPart) -> None:
        """Show the picture, or why it cannot be shown."""
        self._found, self._scaled = found, QImage()
        self._cells = shown_cells(self._part, found, self._aspect)
        if found.rgb is not None:
            rgb = np.ascontiguousarray(found.rgb)
            height, width = rgb.shape[:2]
            # Copied: the image would not keep the array alive.
            self._image = QImage(
                rgb.data, width, height, 3 * width, QImage.Format.Format_RGB888
            ).copy()
        self.setAccessibleDescription(found.problem)
        self.updateGeometry()
        self.update()

    def set_choice(self, choice: CellChoice) -> None:
        """Let other cells stand out; the one under the mouse stays."""
        choice = replace(choice, hovered=self._choice.hovered)
        if choice != self._choice:
            self._choice = choice
            self.update()

    # What it shows.

    @property
    def part(self) -> SentPart:
        """The part."""
        return self._part

    @property
    def found(self) -> DecodedPart | None:
        """The part as decoded, None before that."""
        return self._found

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Its frames."""
        return self._cells

    def cell_rect(self, index: int) -> QRectF:
        """Where a cell lies in the widget."""
        x0, y0, x1, y1 = self._view().box_to_view(self._cells[index].box)
        return QRectF(x0, y0, x1 - x0, y1 - y0)

    # Geometry.

    def sizeHint(self) -> QSize:
        """As sent."""
        width = self._size()[0]
        return QSize(width, self.heightForWidth(width))

    def minimumSizeHint(self) -> QSize:
        """Still a picture."""
        return QSize(120, 60)

    def hasHeightForWidth(self) -> bool:  # noqa: N802 - Qt's name
        """The picture keeps its shape."""
        return True

    def heightForWidth(self, width: int) -> int:  # noqa: N802 - Qt's name
        """Height of picture and numbers."""
        wide, high = self._size()
        scale = min(width / wide, MOST_SCALE)
        return round(high * scale + self._numbers_height())

    def _size(self) -> tuple[int, int]:
        if not self._image.isNull():
            return self._image.width(), self._image.height()
        if self._found is not None:
            return 320, 3 * HEADER_HEIGHT
        return max(self._part.width, 1) or 320, max(self._part.height, 1)

    def _numbers_height(self) -> float:
        return rows_of(self._cells) * line_height(self.font())

    def _view(self) -> ViewTransform:
        wide, high = self._size()
        room = max(self.height() - self._numbers_height(), 1.0)
        scale = min(self.width() / wide, room / high, MOST_SCALE)
        return ViewTransform(max(scale, 1e-6))

    # Painting.

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the picture, the numbers, and what stands out."""
        painter = QPainter(self)
        painter.setFont(self.font())
        if self._image.isNull():
            self._paint_message(painter)
            return
        view, ratio = self._view(), self.devicePixelRatioF()
        wide = max(round(self._image.width() * view.scale * ratio), 1)
        high = max(round(self._image.height() * view.scale * ratio), 1)
        if (self._scaled.width(), self._scaled.height()) != (wide, high):
            self._scaled = self._image.scaled(
                wide,
                high,
                Qt.AspectRatioMode.IgnoreAspectRatio,
                Qt.TransformationMode.SmoothTransformation,
            )
            self._scaled.setDevicePixelRatio(ratio)
        painter.drawImage(QPointF(0, 0), self._scaled)
        bottom = high / ratio
        room = QRectF(0, bottom, self.width(), self._numbers_height())
        paint_numbers(painter, self._cells, view, room, self._choice, self.palette(), self.font())
        paint_outlines(painter, self._cells, view, self._choice, self.palette())

    def _paint_message(self, painter: QPainter) -> None:
        painter.setPen(self.palette().color(QPalette.ColorRole.PlaceholderText))
        text = "being decoded …" if self._found is None else self._found.problem
        flags = Qt.AlignmentFlag.AlignLeft | Qt.TextFlag.TextWordWrap
        painter.drawText(QRectF(self.rect()), flags, text)

    # Mouse.

    def _cell_at(self, position: QPointF) -> Cell | None:
        return cell_at(self._cells, *self._view().to_image(position.x(), position.y()))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Go to the frame of a cell."""
        cell = self._cell_at(event.position())
        if event.button() is Qt.MouseButton.LeftButton and cell is not None:
            self.cellChosen.emit(cell.index)
        else:
            super().mousePressEvent(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Show the picture alone."""
        if event.button() is Qt.MouseButton.LeftButton and not self._image.isNull():
            self.zoomAsked.emit()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Let the cell under the mouse stand out."""
        cell = self._cell_at(event.position())
        self._hover(-1 if cell is None else cell.index)

    def leaveEvent(self, event: QEvent) -> None:
        """No cell is under the mouse."""
        self._hover(-1)
        super().leaveEvent(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """With Ctrl show the picture alone; otherwise the list scrolls."""
        with_ctrl = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
        if with_ctrl and event.angleDelta().y() > 0 and not self._image.isNull():
            event.accept()
            self.zoomAsked.emit()
        else:
            super().wheelEvent(event)

    def event(self, event: QEvent) -> bool:
        """Say which frame, and which part of it, lies under the mouse."""
        if event.type() is QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            cell = self._cell_at(QPointF(event.pos()))
            QToolTip.showText(
                event.globalPos(), "" if cell is None else f"{cell_text(cell)}\n{_HINT}", self
            )
            return True
        return super().event(event)

    def _hover(self, index: int) -> None:
        if index != self._choice.hovered:
            self._choice = replace(self._choice, hovered=index)
            self.setCursor(
                Qt.CursorShape.ArrowCursor if index < 0 else Qt.CursorShape.PointingHandCursor
            )
            self.update()
