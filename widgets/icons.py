"""Small one-colour icons, drawn from shapes on a 16 x 16 grid.

Drawn instead of shipped: they take the colour of the palette, are sharp at any scale, and the
whole set is readable below.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPen, QPixmap, QPolygonF

SIZE = 16
"""Logical pixels of an icon."""

_WHITE = 0xFFFFFFFF
Points = tuple[tuple[float, float], ...]


class Glyph(StrEnum):
    """What can be drawn."""

    TICK = "tick"
    DISC_TICK = "disc_tick"
    DOT = "dot"
    RING = "ring"
    ABSENT = "absent"
    HALF = "half"
    CROSS = "cross"
    TRIANGLE = "triangle"
    INFO = "info"
    DOTS = "dots"
    PLAY = "play"
    PAUSE = "pause"
    PREVIOUS = "previous"
    NEXT = "next"
    STOP = "stop"
    RUN_FROM = "run_from"
    RESET = "reset"
    REDO = "redo"
    COPY = "copy"
    FOLDER = "folder"
    SEARCH = "search"
    PENCIL = "pencil"
    HELP = "help"


@dataclass(frozen=True)
class _Line:
    """A stroked polyline."""

    points: Points


@dataclass(frozen=True)
class _Shape:
    """A filled polygon; `hole` shapes are cut out of what is there."""

    points: Points
    hole: bool = False


@dataclass(frozen=True)
class _Circle:
    """A ring or a disc."""

    x: float
    y: float
    radius: float
    filled: bool = False
    hole: bool = False


@dataclass(frozen=True)
class _Arc:
    """A stroked arc, or a filled pie; degrees, counter-clockwise from three o'clock."""

    x: float
    y: float
    radius: float
    start: float
    span: float
    filled: bool = False


@dataclass(frozen=True)
class _CutLine:
    """A line cut out of what is there."""

    points: Points


_Part = _Line | _Shape | _Circle | _Arc | _CutLine

_SHAPES: dict[Glyph, tuple[_Part, ...]] = {
    Glyph.TICK: (_Line(((3, 8.5), (6.5, 12), (13, 4.5))),),
    Glyph.DISC_TICK: (
        _Circle(8, 8, 6.5, filled=True),
        _CutLine(((5, 8.3), (7.2, 10.5), (11.2, 5.8))),
    ),
    Glyph.DOT: (_Circle(8, 8, 4, filled=True),),
    Glyph.RING: (_Circle(8, 8, 4.2),),
    Glyph.ABSENT: (_Circle(8, 8, 5), _Line(((4.5, 11.5), (11.5, 4.5)))),
    Glyph.HALF: (_Circle(8, 8, 5), _Arc(8, 8, 5, 90, 180, filled=True)),
    Glyph.CROSS: (_Line(((4, 4), (12, 12))), _Line(((12, 4), (4, 12)))),
    Glyph.TRIANGLE: (
        _Shape(((8, 1.8), (14.8, 14), (1.2, 14))),
        _CutLine(((8, 6.4), (8, 9.6))),
        _Circle(8, 11.8, 0.95, filled=True, hole=True),
    ),
    Glyph.INFO: (
        _Circle(8, 8, 6.5, filled=True),
        _CutLine(((8, 7.4), (8, 11.4))),
        _Circle(8, 4.9, 0.95, filled=True, hole=True),
    ),
    Glyph.DOTS: tuple(_Circle(x, 8, 1.3, filled=True) for x in (3.5, 8, 12.5)),
    Glyph.PLAY: (_Shape(((4.5, 2.8), (13, 8), (4.5, 13.2))),),
    Glyph.PAUSE: (
        _Shape(((4, 3), (6.8, 3), (6.8, 13), (4, 13))),
        _Shape(((9.2, 3), (12, 3), (12, 13), (9.2, 13))),
    ),
    Glyph.PREVIOUS: (_Line(((4, 3.5), (4, 12.5))), _Shape(((12.5, 3.2), (12.5, 12.8), (5.8, 8)))),
    Glyph.NEXT: (_Line(((12, 3.5), (12, 12.5))), _Shape(((3.5, 3.2), (3.5, 12.8), (10.2, 8)))),
    Glyph.STOP: (_Shape(((4, 4), (12, 4), (12, 12), (4, 12))),),
    Glyph.RUN_FROM: (_Line(((3, 3), (3, 13))), _Shape(((6, 3.4), (13.5, 8), (6, 12.6)))),
    Glyph.RESET: (_Arc(8, 8.6, 4.9, -130, 270), _Shape(((1.4, 3.4), (6.9, 4.2), (2.8, 8.2)))),
    Glyph.REDO: (_Arc(8, 8.6, 4.9, 40, 270), _Shape(((14.6, 3.4), (9.1, 4.2), (13.2, 8.2)))),
    Glyph.COPY: (
        _Line(((5.5, 5.5), (13, 5.5), (13, 13.5), (5.5, 13.5), (5.5, 5.5))),
        _Line(((3, 10.5), (3, 2.8), (10, 2.8))),
    ),
    Glyph.FOLDER: (_Line(((2, 13), (2, 3.5), (6.5, 3.5), (8, 5.5), (14, 5.5), (14, 13), (2, 13))),),
    Glyph.SEARCH: (_Circle(6.8, 6.8, 4), _Line(((9.8, 9.8), (13.5, 13.5)))),
    Glyph.PENCIL: (
        _Line(((3, 13), (3.6, 10), (10.8, 2.8), (13.2, 5.2), (6, 12.4), (3, 13))),
        _Line(((9, 4.6), (11.4, 7))),
    ),
    Glyph.HELP: (
        _Arc(8, 6, 3, -60, 240),
        _Line(((8.8, 8.7), (8, 9.6), (8, 10.6))),
        _Circle(8, 13.2, 0.9, filled=True),
    ),
}


def paint_glyph(painter: QPainter, glyph: Glyph, rect: QRectF, color: QColor) -> None:
    """Paint a glyph into a square of a transparent device (holes are cut out of it)."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.translate(rect.topLeft())
    painter.scale(rect.width() / SIZE, rect.height() / SIZE)
    pen = QPen(
        color, 1.5, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin
    )
    source_over = QPainter.CompositionMode.CompositionMode_SourceOver
    clear = QPainter.CompositionMode.CompositionMode_DestinationOut
    for part in _SHAPES[glyph]:
        cuts = isinstance(part, _CutLine) or getattr(part, "hole", False)
        filled = isinstance(part, _Shape) or getattr(part, "filled", False)
        painter.setCompositionMode(clear if cuts else source_over)
        painter.setPen(Qt.PenStyle.NoPen if filled else pen)
        painter.setBrush(color if filled else Qt.BrushStyle.NoBrush)
        match part:
            case _Line(points) | _CutLine(points):
                painter.drawPolyline(QPolygonF([QPointF(x, y) for x, y in points]))
            case _Shape(points):
                painter.drawPolygon(QPolygonF([QPointF(x, y) for x, y in points]))
            case _Circle(x, y, radius):
                painter.drawEllipse(QPointF(x, y), radius, radius)
            case _Arc(x, y, radius, start, span):
                box = QRectF(x - radius, y - radius, 2 * radius, 2 * radius)
                draw = painter.drawPie if filled else painter.drawArc
                draw(box, round(16 * start), round(16 * span))
    painter.restore()


@lru_cache(maxsize=256)
def _pixmap(glyph: Glyph, rgba: int, ratio: int) -> QPixmap:
    pixmap = QPixmap(SIZE * ratio, SIZE * ratio)
    pixmap.setDevicePixelRatio(ratio)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    paint_glyph(painter, glyph, QRectF(0, 0, SIZE, SIZE), QColor.fromRgba(rgba))
    painter.end()
    return pixmap


@lru_cache(maxsize=256)
def _icon(glyph: Glyph, rgba: int) -> QIcon:
    made = QIcon()
    for ratio in (1, 2, 3):
        made.addPixmap(_pixmap(glyph, rgba, ratio))
        # Both themes have white text on selected rows.
        made.addPixmap(_pixmap(glyph, _WHITE, ratio), QIcon.Mode.Selected)
    return made


def icon(glyph: Glyph, color: QColor) -> QIcon:
    """Return a glyph in a colour, sharp at 100 %, 200 % and 300 % scaling."""
    return _icon(glyph, color.rgba())


def pixmap(glyph: Glyph, color: QColor, ratio: float = 1.0) -> QPixmap:
    """Return a glyph as a 16 x 16 picture for a screen of this device pixel ratio."""
    return _pixmap(glyph, color.rgba(), max(1, min(3, round(ratio + 0.25))))
