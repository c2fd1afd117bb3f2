"""Histogram of R by what is known about the winners, with the threshold in it."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import QWidget

from pipeline.curation.threshold import Histogram, Verdict
from widgets.curation.threshold_plot import ThresholdPlot, ticks
from widgets.curation.verdict_ink import fill_verdict
from widgets.fields import tip
from widgets.theme import colors

_WHAT = (
    "Reliability R of the winner of each annotation (SPARC equation 1; no unit), by whether the "
    "winner is right: solid = right, hatched = wrong, pale = not judged."
)


class ScoreHistogram(ThresholdPlot):
    """Stacked bars: right below wrong below not judged. What is dropped is dimmed."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Histogram of the reliability", parent)
        self._histogram: Histogram | None = None

    def set_histogram(self, histogram: Histogram | None) -> None:
        """Show counts."""
        self._histogram = histogram
        self.data_changed()

    @property
    def histogram(self) -> Histogram | None:
        """What is shown."""
        return self._histogram

    def x_of(self, threshold: float) -> float:
        """Pixel of R."""
        rect, (low, high) = self.plot_rect(), self._ends()
        return rect.left() + rect.width() * (threshold - low) / (high - low)

    def threshold_at(self, x: float) -> float | None:
        """R at a pixel."""
        rect, (low, high) = self.plot_rect(), self._ends()
        if self._histogram is None:
            return None
        return low + (high - low) * (x - rect.left()) / max(rect.width(), 1.0)

    def toward_left(self) -> int:
        """R falls to the left: more is kept."""
        return 1

    def explain(self, where: QPointF) -> str:
        """Counts of the bar under the pointer."""
        shown, rect = self._histogram, self.plot_rect()
        if shown is None or not rect.contains(where):
            return tip("Histogram of R", _WHAT)
        bins = len(shown.right)
        k = min(int((where.x() - rect.left()) / rect.width() * bins), bins - 1)
        counts = f"{shown.right[k]:,} right, {shown.wrong[k]:,} wrong, "
        unscored = f"{shown.unscored:,} annotations have no score and are in no bar."
        return tip(
            f"R {shown.edges[k]:.4g} to {shown.edges[k + 1]:.4g}",
            counts + f"{shown.unknown[k]:,} not judged",
            _WHAT,
            unscored if shown.unscored else "",
            "Drag: threshold. Arrow keys: by one annotation; with Shift: by 1 % of them.",
        )

    def _ends(self) -> tuple[float, float]:
        if self._histogram is None:
            return 0.0, 1.0
        return float(self._histogram.edges[0]), float(self._histogram.edges[-1])

    def paint_data(self, painter: QPainter, rect: QRectF) -> None:
        """Bars over ticks."""
        shown, (low, high) = self._histogram, self._ends()
        if shown is None:
            return
        total = shown.right + shown.wrong + shown.unknown
        top = max(int(total.max(initial=0)), 1)
        scale = rect.height() / (1.06 * top)
        xs = [(self.x_of(t), f"{t:g}") for t in (round(v, 10) for v in ticks(low, high, 10))]
        ys = [
            (rect.bottom() - t * scale, f"{t:,.0f}")
            for t in ticks(0, top, 4)
            if t == round(t) and t
        ]
        self.paint_axes(painter, rect, xs, ys, ("reliability R", "annotations per bin"))
        layers = (
            (Verdict.RIGHT, shown.right),
            (Verdict.WRONG, shown.wrong),
            (Verdict.UNKNOWN, shown.unknown),
        )
        edges = rect.left() + rect.width() * np.linspace(0, 1, len(total) + 1)
        gap = 1.0 if edges[1] - edges[0] > 4 else 0.0
        for k in np.flatnonzero(total):
            bottom, left = rect.bottom(), float(edges[k])
            for verdict, counts in layers:
                tall = float(counts[k]) * scale
                if counts[k]:
                    tall = max(tall, 1.0)  # a single wrong one must be seen
                    bar = QRectF(left, bottom - tall, float(edges[k + 1]) - left - gap, tall)
                    fill_verdict(painter, bar, verdict, self.palette())
                    bottom -= tall

    def paint_over(self, painter: QPainter, rect: QRectF) -> None:
        """Dim what is dropped."""
        if self._threshold is not None:
            x = min(max(self.x_of(self._threshold), rect.left()), rect.right())
            veil = QColor(colors(self.palette()).base)
            veil.setAlpha(150)
            painter.fillRect(QRectF(rect.left(), rect.top(), x - rect.left(), rect.height()), veil)
