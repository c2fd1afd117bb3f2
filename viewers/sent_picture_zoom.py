"""One picture of a request alone: fitted, zoomed, panned; its cells can be clicked."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QWheelEvent
from PySide6.QtWidgets import QWidget

from pipeline.model.candidate import Box
from pipeline.model.picture import ArrayPicture
from viewers.cell_marks import (
    CellChoice,
    cell_text,
    line_height,
    paint_numbers,
    paint_outlines,
    rows_of,
)
from viewers.frame_canvas import FrameCanvas
from viewers.frame_header import HEADER_HEIGHT, HeaderText, paint_header
from viewers.sent_cells import Cell, cell_at
from viewers.sent_picture import SentPictureView

_DRAG = 6
"""Logical pixels from which a press becomes a pan."""


class SentPictureZoom(FrameCanvas):
    """A picture alone: fitted, zoomed by the wheel, panned by a drag.

    Signals:
        cellChosen: Index of the cell that was clicked.
        left: Back to the list: a double click, or the wheel when the whole picture is in sight.
    """

    cellChosen = Signal(int)
    left = Signal()
    _cells: tuple[Cell, ...] = ()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("One picture as it was sent")
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._title = ""
        self._choice = CellChoice()
        self._press: QPointF | None = None

    # Setters; none of them emits.

    def set_view(self, title: str, view: SentPictureView) -> None:
        """Show the picture of the list whole."""
        self._title, self._cells = title, view.cells
        rgb = None if view.found is None else view.found.rgb
        self._set_picture(None if rgb is None else ArrayPicture(rgb))
        self._choice = CellChoice(frame=self._choice.frame)
        self.fit()

    def set_choice(self, choice: CellChoice) -> None:
        """Let other cells stand out."""
        self._choice = replace(choice, hovered=self._choice.hovered)
        self.update()

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Its frames."""
        return self._cells

    def cell_rect(self, index: int) -> QRectF:
        """Where a cell lies in the widget."""
        x0, y0, x1, y1 = self._view.box_to_view(self._cells[index].box)
        return QRectF(x0, y0, x1 - x0, y1 - y0)

    def _area(self) -> Box:
        bottom = rows_of(self._cells) * line_height(self.font())
        return 0.0, float(HEADER_HEIGHT), float(self.width()), float(self.height()) - bottom

    # Painting.

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint header, picture and numbers."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), self._ground())
        self._paint_picture(painter)
        painter.setFont(self.font())
        x0, y0, x1, y1 = self._area()
        painter.save()
        painter.setClipRect(QRectF(x0, y0, x1 - x0, y1 - y0))
        paint_outlines(painter, self._cells, self._view, self._choice, self.palette())
        painter.restore()
        bottom = min(self._view.box_to_view((0, 0, *self.image_size))[3], y1)
        room = QRectF(0, bottom, self.width(), self.height() - y1)
        paint_numbers(
            painter, self._cells, self._view, room, self._choice, self.palette(), self.font()
        )
        paint_header(painter, self.width(), self._header(), self.palette(), self.font())
        painter.end()

    def _header(self) -> HeaderText:
        over = self._choice.hovered if self._choice.hovered >= 0 else self._choice.current
        about = cell_text(self._cells[over]) if 0 <= over < len(self._cells) else ""
        zoom = f"{self._view.scale * self.devicePixelRatioF() * 100:.0f} %"
        return HeaderText(camera=self._title, frame=about, hint="Esc: back", zoom=zoom)

    # Mouse.

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom at the cursor; away from a whole picture means back."""
        if event.angleDelta().y() < 0 and not self._can_pan():
            event.accept()
            self.left.emit()
        else:
            super().wheelEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin a click or a pan."""
        if event.button() is Qt.MouseButton.LeftButton:
            self._press = event.position()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Pan, or let the cell under the mouse stand out."""
        position = event.position()
        if self._press is not None and (position - self._press).manhattanLength() > _DRAG:
            self._begin_pan(self._press)
            self._press = None
        if not self._go_on_panning(event):
            cell = cell_at(self._cells, *self._view.to_image(position.x(), position.y()))
            self._choice = replace(self._choice, hovered=-1 if cell is None else cell.index)
            self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Finish a pan, or go to the frame that was clicked."""
        self._pan_from = None
        self.unsetCursor()
        press, self._press = self._press, None
        if press is not None:
            cell = cell_at(self._cells, *self._view.to_image(press.x(), press.y()))
            if cell is not None:
                self.cellChosen.emit(cell.index)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Back to the list."""
        if event.button() is Qt.MouseButton.LeftButton:
            self.left.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Keys are the viewer's that holds it."""
        event.ignore()
