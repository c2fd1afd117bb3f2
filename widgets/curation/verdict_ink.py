"""How right, wrong and unknown look: by filling and symbol, not by colour alone."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QBrush, QColor, QFontMetricsF, QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import QSizePolicy, QWidget

from pipeline.curation.threshold import Verdict
from widgets.fields import tip
from widgets.theme import GRID, ROW_HEIGHT, colors

SYMBOLS = {Verdict.RIGHT: "✓", Verdict.WRONG: "✗", Verdict.UNKNOWN: "?"}
WORDS = {
    Verdict.RIGHT: "right: the winner's box is the object",
    Verdict.WRONG: "wrong: the winner's box is something else",
    Verdict.UNKNOWN: "not judged: neither ground truth nor a person says anything about this box",
}
_NAMES = {Verdict.RIGHT: "right", Verdict.WRONG: "wrong", Verdict.UNKNOWN: "not judged"}


def verdict_color(verdict: Verdict, palette: QPalette) -> QColor:
    """Colour of a verdict, good for text."""
    theme = colors(palette)
    return QColor(
        {Verdict.RIGHT: theme.ok, Verdict.WRONG: theme.error, Verdict.UNKNOWN: theme.muted}[verdict]
    )


def fill_verdict(painter: QPainter, rect: QRectF, verdict: Verdict, palette: QPalette) -> None:
    """Fill a bar: right is solid, wrong is hatched, unknown is pale with an outline."""
    if rect.height() <= 0 or rect.width() <= 0:
        return
    color = verdict_color(verdict, palette)
    if verdict is Verdict.RIGHT:
        painter.fillRect(rect, color)
        return
    pale = QColor(color)
    pale.setAlpha(70 if verdict is Verdict.WRONG else 60)
    painter.fillRect(rect, pale)
    if verdict is Verdict.WRONG:
        painter.fillRect(rect, QBrush(color, Qt.BrushStyle.BDiagPattern))
    if rect.height() >= 2:
        painter.setPen(color)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(rect.adjusted(0.5, 0.5, -0.5, -0.5))


class VerdictLegend(QWidget):
    """What the fillings mean."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Legend: right, wrong, not judged")
        self.setToolTip(
            tip("Fillings", *(f"{SYMBOLS[v]} {w[0].upper()}{w[1:]}." for v, w in WORDS.items()))
        )
        self.setSizePolicy(QSizePolicy.Policy.Minimum, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        """Three boxes with their names."""
        metrics = QFontMetricsF(self.font())
        names = sum(metrics.horizontalAdvance(f"{SYMBOLS[v]} {n}") for v, n in _NAMES.items())
        return QSize(round(names + 3 * (3 * GRID + 10)), ROW_HEIGHT)

    def minimumSizeHint(self) -> QSize:
        """All of it."""
        return self.sizeHint()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Boxes and names."""
        painter = QPainter(self)
        metrics, x = QFontMetricsF(self.font()), 1.0
        for verdict, name in _NAMES.items():
            fill_verdict(
                painter, QRectF(x, (self.height() - 11) / 2, 15, 11), verdict, self.palette()
            )
            text = f"{SYMBOLS[verdict]} {name}"
            painter.setPen(self.palette().color(QPalette.ColorRole.PlaceholderText))
            width = metrics.horizontalAdvance(text)
            where = QRectF(x + 20, 0, width + 2, self.height())
            painter.drawText(where, Qt.AlignmentFlag.AlignVCenter, text)
            x += 20 + width + 1.5 * GRID
        painter.end()
