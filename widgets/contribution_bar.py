"""The bar of what each cue adds to R: geometry, painting and legend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QBrush, QColor, QFontMetrics, QPainter, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from pipeline.model.palette import TERMS
from pipeline.model.score import ScoreTerms
from widgets.theme import GRID, scaled

PENALTY = "robot overlap"
_DEEPEST = 0.6


@dataclass(frozen=True, slots=True)
class Segment:
    """One part of a bar.

    Attributes:
        name: As in `ScoreTerms.contributions`.
        value: What it adds to R.
        left: Pixel.
        right: Pixel.
        cut: It is longer than the room, and cut on the left.
    """

    name: str
    value: float
    left: float
    right: float
    cut: bool = False


@dataclass(frozen=True, slots=True)
class BarScale:
    """One scale for all bars, so that lengths compare between rows.

    Attributes:
        low: Largest sum of negative parts, at most 0, and at most 0.6 of `high`: a candidate on
            the robot would squeeze all others; its bar is cut and marked instead.
        high: Largest sum of positive parts.
    """

    low: float
    high: float

    @classmethod
    def over(cls, terms: Sequence[ScoreTerms]) -> BarScale:
        """The scale that holds every candidate."""
        lows, highs = [0.0], [1e-6]
        for term in terms:
            values = [v for _, v in term.contributions]
            lows.append(sum(v for v in values if v < 0))
            highs.append(sum(v for v in values if v > 0))
        return cls(max(min(lows), -_DEEPEST * max(highs)), max(highs))

    def x(self, value: float, left: float, width: float) -> float:
        """Pixel of a value."""
        return left + (value - self.low) / (self.high - self.low) * width

    def segments(
        self, contributions: Sequence[tuple[str, float]], left: float, width: float
    ) -> tuple[Segment, ...]:
        """Stack positive parts to the right of zero and negative ones to the left.

        Args:
            contributions: Names and values, in the order of the formula.
            left: Left end of the bar's room in pixels.
            width: Its width in pixels.

        Returns:
            Parts whose widths are proportional to their values, unless cut; zeros are left out.
        """
        up = down = 0.0
        found = []
        for name, value in contributions:
            if value > 0:
                ends = (up, up := up + value)
            elif value < 0:
                ends = (down + value, down)
                down += value
            else:
                continue
            start = self.x(max(ends[0], self.low), left, width)
            cut = ends[0] < self.low - 1e-9
            found.append(Segment(name, value, start, self.x(ends[1], left, width), cut))
        return tuple(found)


def paint_bar(
    painter: QPainter,
    box: QRectF,
    terms: ScoreTerms,
    scale: BarScale,
    palette: QPalette,
) -> None:
    """Paint the bar of a candidate with a line at zero and a notch at R."""
    for part in scale.segments(terms.contributions, box.left(), box.width()):
        area = QRectF(part.left, box.top(), part.right - part.left, box.height())
        color = QColor(*TERMS[part.name])
        painter.fillRect(area, color)
        if part.name == PENALTY:
            # Told apart without colour, too.
            hatch = QBrush(palette.color(QPalette.ColorRole.Base), Qt.BrushStyle.BDiagPattern)
            painter.fillRect(area, hatch)
        if part.cut:
            _paint_cut(painter, area, palette.color(QPalette.ColorRole.Base))
    ink = palette.color(QPalette.ColorRole.Text)
    zero = scale.x(0.0, box.left(), box.width())
    painter.fillRect(QRectF(zero - 0.5, box.top() - 3, 1, box.height() + 6), ink)
    if terms.penalty > 0 and terms.score > scale.low:
        end = scale.x(terms.score, box.left(), box.width())
        painter.fillRect(QRectF(end - 1, box.top() - 2, 2, box.height() + 4), ink)


def _paint_cut(painter: QPainter, area: QRectF, ground: QColor) -> None:
    """Two slanted gaps: the bar goes on."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(ground, 2.0))
    for x in (area.left() + 5, area.left() + 10):
        painter.drawLine(QPointF(x - 2, area.bottom() + 1), QPointF(x + 2, area.top() - 1))
    painter.restore()


TERM_TIPS = {
    "motion": "Motion: weight × Ã. Moves during the interaction and rests otherwise.",
    "detector": "Detector: w_D(P̃) × D. The box looks like the named object.",
    "proximity": "Proximity: weight × P̃. Close to the gripper.",
    PENALTY: "Robot overlap: −Π. Its points lie on the robot, so it may be the robot itself.",
}


class TermLegend(QWidget):
    """Which colour is which cue, on one line."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFont(scaled(self.font(), 0.9))
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Legend of the bars: " + ", ".join(TERMS))
        lines = "".join(f"<br>{escape(t)}" for t in TERM_TIPS.values())
        self.setToolTip(
            f"<qt><b>Parts of R</b>{lines}<br>The notch marks R; a bar with two gaps goes on.</qt>"
        )

    def sizeHint(self) -> QSize:
        """One line."""
        metrics = QFontMetrics(self.font())
        width = sum(metrics.horizontalAdvance(name) + 4 * GRID for name in TERMS)
        return QSize(width, metrics.height() + GRID)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Chips and names."""
        painter = QPainter(self)
        metrics = painter.fontMetrics()
        x, middle = float(GRID), self.height() / 2
        for name, rgb in TERMS.items():
            chip = QRectF(x, middle - 5, 10, 10)
            painter.fillRect(chip, QColor(*rgb))
            if name == PENALTY:
                base = self.palette().color(QPalette.ColorRole.Base)
                painter.fillRect(chip, QBrush(base, Qt.BrushStyle.BDiagPattern))
            x += 15
            painter.setPen(self.palette().color(QPalette.ColorRole.PlaceholderText))
            painter.drawText(QRectF(x, 0, 200, self.height()), Qt.AlignmentFlag.AlignVCenter, name)
            x += metrics.horizontalAdvance(name) + 2 * GRID
        painter.end()
