"""The line above a frame: camera, frame number, what is special about it, zoom."""

from __future__ import annotations

import math
from dataclasses import dataclass

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPalette, QPixmap

HEADER_HEIGHT = 24
"""Logical pixels."""
_PAD = 8.0
_NARROW = 240
"""Logical pixels; below, the zoom is left out, and below a quarter of it a note is only marked."""
NOTE_COLOR = QColor(230, 159, 0)
"""Ground of the note, legible with dark ink on light and dark windows alike."""
NOTE_INK = QColor(24, 24, 24)


@dataclass(frozen=True, slots=True)
class HeaderText:
    """What the header says.

    Attributes:
        camera: Short name of the camera, may be empty.
        frame: E.g. `frame 123`.
        badge: Filled mark, e.g. `keyframe`; empty for none.
        hint: Remark, e.g. `overlays hidden`; empty for none.
        zoom: E.g. `138 %`.
        note: What is wrong with the picture, e.g. `frame 121 is damaged; 120 is shown`.
    """

    camera: str = ""
    frame: str = ""
    badge: str = ""
    hint: str = ""
    zoom: str = ""
    note: str = ""


class HeaderPainter:
    """Paints the header from a picture that is remade only when something of it changes."""

    def __init__(self) -> None:
        self._key: tuple[object, ...] = ()
        self._picture = QPixmap()

    def paint(
        self,
        painter: QPainter,
        width: int,
        text: HeaderText,
        palette: QPalette,
        font: QFont,
        ratio: float,
    ) -> None:
        """Paint the header over the full `width`, at `ratio` device pixels per logical pixel."""
        key = (width, text, palette.cacheKey(), font.key(), ratio)
        if key != self._key:
            self._key = key
            self._picture = QPixmap(math.ceil(width * ratio), math.ceil(HEADER_HEIGHT * ratio))
            self._picture.setDevicePixelRatio(ratio)
            inner = QPainter(self._picture)
            paint_header(inner, width, text, palette, font)
            inner.end()
        painter.drawPixmap(0, 0, self._picture)


def paint_header(
    painter: QPainter, width: float, text: HeaderText, palette: QPalette, font: QFont
) -> None:
    """Paint the header over the full `width`; what does not fit is elided or left out."""
    rect = QRectF(0, 0, width, HEADER_HEIGHT)
    painter.fillRect(rect, palette.color(QPalette.ColorRole.Window))
    measure = QFontMetricsF(font)
    painter.setFont(font)
    strong = palette.color(QPalette.ColorRole.WindowText)
    quiet = palette.color(QPalette.ColorRole.PlaceholderText)
    middle = Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextSingleLine
    right = width - _PAD
    if text.zoom and width >= _NARROW:
        room = measure.horizontalAdvance("0000 %")
        painter.setPen(quiet)
        painter.drawText(
            QRectF(right - room, 0, room, HEADER_HEIGHT),
            middle | Qt.AlignmentFlag.AlignRight,
            text.zoom,
        )
        right -= room + _PAD
    left = _PAD
    for part, color in ((text.camera, strong), (text.frame, strong)):
        if not part or right - left < 24:
            continue
        shown = measure.elidedText(part, Qt.TextElideMode.ElideMiddle, right - left)
        if part == text.frame and text.camera and shown != part:
            continue  # A number with a hole in it says nothing.
        painter.setPen(color)
        room = measure.horizontalAdvance(shown)
        painter.drawText(QRectF(left, 0, room + 1, HEADER_HEIGHT), middle, shown)
        left += room + 2 * _PAD
    if text.badge:
        room = measure.horizontalAdvance(text.badge) + 2 * _PAD
        if room <= right - left:
            ground = palette.color(QPalette.ColorRole.Highlight)
            ink = palette.color(QPalette.ColorRole.HighlightedText)
            left += _paint_pill(painter, left, text.badge, ground, ink) + _PAD
    if text.note and right - left > 20:
        room = right - left - 2 * _PAD
        shown = measure.elidedText(text.note, Qt.TextElideMode.ElideRight, room)
        if room < _NARROW / 4:
            shown = "!"
        _paint_pill(painter, left, shown, NOTE_COLOR, NOTE_INK)
        return
    if text.hint and right - left > 40:
        painter.setPen(strong)
        shown = measure.elidedText(text.hint, Qt.TextElideMode.ElideRight, right - left)
        painter.drawText(QRectF(left, 0, right - left, HEADER_HEIGHT), middle, shown)


def _paint_pill(painter: QPainter, left: float, text: str, ground: QColor, ink: QColor) -> float:
    """Paint a filled mark and return its width."""
    room = QFontMetricsF(painter.font()).horizontalAdvance(text) + 2 * _PAD
    pill = QRectF(left, 3, room, HEADER_HEIGHT - 6)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(ground)
    painter.drawRoundedRect(pill, pill.height() / 2, pill.height() / 2)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
    painter.setPen(ink)
    flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextSingleLine
    painter.drawText(pill, flags, text)
    return room
