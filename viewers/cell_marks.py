"""What is drawn around and below the cells of a sent picture; nothing lies on its pixels."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPalette, QPen

from viewers.sent_cells import Cell
from viewers.view_transform import ViewTransform

_CASING = QColor(0, 0, 0, 170)


@dataclass(frozen=True, slots=True)
class CellChoice:
    """Which cells stand out.

    Attributes:
        current: Chosen by click or key, -1 for none.
        hovered: Under the mouse, -1 for none.
        frame: Cursor of the window; cells that show it are marked below the picture.
    """

    current: int = -1
    hovered: int = -1
    frame: int = -1


def rows_of(cells: tuple[Cell, ...]) -> int:
    """Rows of a grid."""
    return len({cell.box[1] for cell in cells})


def line_height(font: QFont) -> float:
    """Height of one row of frame numbers, logical pixels."""
    return QFontMetricsF(font).height() + 2.0


def paint_numbers(
    painter: QPainter,
    cells: tuple[Cell, ...],
    view: ViewTransform,
    room: QRectF,
    choice: CellChoice,
    palette: QPalette,
    font: QFont,
) -> None:
    """Write the frame numbers into `room` as a grid below that of the cells."""
    painter.save()
    painter.setClipRect(room)
    high = line_height(font)
    tops = sorted({cell.box[1] for cell in cells})
    quiet = palette.color(QPalette.ColorRole.PlaceholderText)
    strong = palette.color(QPalette.ColorRole.WindowText)
    accent = palette.color(QPalette.ColorRole.Accent)
    bold = QFont(font)
    bold.setBold(True)
    for cell in cells:
        left, _, right, _ = view.box_to_view(cell.box)
        place = QRectF(left, room.top() + tops.index(cell.box[1]) * high, right - left, high)
        here = cell.frame == choice.frame
        marked = cell.index in (choice.current, choice.hovered)
        painter.setFont(bold if here or marked else font)
        painter.setPen(accent if here else strong if marked else quiet)
        # The shape says it, too: colour alone says nothing to many.
        text = f"▸{cell.frame}" if here else str(cell.frame)
        painter.drawText(place, Qt.AlignmentFlag.AlignCenter, text)
    painter.restore()


def paint_outlines(
    painter: QPainter,
    cells: tuple[Cell, ...],
    view: ViewTransform,
    choice: CellChoice,
    palette: QPalette,
) -> None:
    """Draw frames around the chosen cell and the one under the mouse."""
    painter.save()
    painter.setBrush(Qt.BrushStyle.NoBrush)
    accent = palette.color(QPalette.ColorRole.Accent)
    for index, pen in (
        (choice.hovered, QPen(QColor(255, 255, 255), 1.0, Qt.PenStyle.DashLine)),
        (choice.current, QPen(accent, 2.0)),
    ):
        if not 0 <= index < len(cells):
            continue
        x0, y0, x1, y1 = view.box_to_view(cells[index].box)
        rect = QRectF(x0 + 1, y0 + 1, x1 - x0 - 2, y1 - y0 - 2)
        painter.setPen(QPen(_CASING, pen.widthF() + 2.0))
        painter.drawRect(rect)
        painter.setPen(pen)
        painter.drawRect(rect)
    painter.restore()


def cell_text(cell: Cell) -> str:
    """One line about a cell, for the tool tip and the header."""
    if cell.seen is None:
        return f"frame {cell.frame}"
    x0, y0, x1, y1 = cell.seen
    return f"frame {cell.frame}, part ({x0:.0f}, {y0:.0f}) – ({x1:.0f}, {y1:.0f}) px of the camera"
