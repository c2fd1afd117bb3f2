"""The risk-coverage curve with its band, the threshold and the target in it."""

from __future__ import annotations

import math

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF
from PySide6.QtWidgets import QWidget

from pipeline.evaluation.intervals_of_curves import CurveBand
from pipeline.evaluation.rescoring import FastCurve
from pipeline.model.arrays import F64, Array
from widgets.curation.threshold_plot import ThresholdPlot, ticks
from widgets.fields import tip
from widgets.theme import colors

_FIRST = 0.02
"""Coverage from which on the axis must show everything: the first few items jump to 1."""
_LEAST_RISK = 0.05
"""The axis shows at least this much: a flat curve near 0 must not look like a mountain."""
_WHAT = (
    "Coverage: share of the judged annotations that the threshold keeps. Risk: share of wrong ones "
    "among these, 1 - precision (docs/evaluation.md; SPARC section 4)."
)


class RiskCurve(ThresholdPlot):
    """Risk over coverage; the marker is the same threshold as in the histogram."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Risk-coverage curve", parent)
        self._curve: FastCurve | None = None
        self._ascending: Array = np.zeros(0, np.float32)
        self._band: CurveBand | None = None
        self._band_is_old = False
        self._resamples = 0
        self._target: float | None = None
        self._hint = ""
        self._top = _LEAST_RISK
        self._line: tuple[F64, F64] | None = None

    # -- setters -----------------------------------------------------------------------------

    def set_curve(self, curve: FastCurve | None, hint: str = "") -> None:
        """Show a curve; without judged items the hint says what is missing."""
        self._curve, self._hint, self._line = curve, hint, None
        self._ascending = (
            np.zeros(0, np.float32)
            if curve is None
            else np.ascontiguousarray(curve.thresholds[::-1])
        )
        self._band_is_old = True
        self.data_changed()

    def set_band(self, band: CurveBand | None, resamples: int = 0) -> None:
        """Show the bootstrap band that belongs to the curve; None while it is computed."""
        self._band, self._resamples, self._band_is_old = band, resamples, False
        self._line = None
        self.data_changed()

    def set_target(self, precision: float | None) -> None:
        """Show the wanted precision; None for none."""
        if precision != self._target:
            self._target = precision
            self.data_changed()

    @property
    def band(self) -> CurveBand | None:
        """The band on show, None if it is not there or belongs to an older curve."""
        return None if self._band_is_old else self._band

    @property
    def has_curve(self) -> bool:
        """True if anything is judged."""
        return self._curve is not None and self._curve.known > 0 and len(self._curve.kept) > 0

    # -- geometry ----------------------------------------------------------------------------

    def _place(self, threshold: float) -> int:
        below = int(np.searchsorted(self._ascending, np.float32(threshold)))
        return len(self._ascending) - below - 1

    def x_of(self, threshold: float) -> float:
        """Pixel of the coverage that a threshold has."""
        rect, curve = self.plot_rect(), self._curve
        if curve is None or not curve.known:
            return rect.left()
        place = self._place(threshold)
        kept = int(curve.kept[place]) if place >= 0 else 0
        return rect.left() + rect.width() * kept / curve.known

    def threshold_at(self, x: float) -> float | None:
        """The threshold whose coverage is nearest to a pixel's."""
        rect, curve = self.plot_rect(), self._curve
        if curve is None or not self.has_curve:
            return None
        wanted = (x - rect.left()) / max(rect.width(), 1.0) * curve.known
        place = int(np.searchsorted(curve.kept, wanted))
        place = min(place, len(curve.kept) - 1)
        if place > 0 and wanted - curve.kept[place - 1] < curve.kept[place] - wanted:
            place -= 1
        return float(curve.thresholds[place])

    def toward_left(self) -> int:
        """To the left less is kept."""
        return -1

    def explain(self, where: QPointF) -> str:
        """The point of the curve at the pointer's coverage."""
        curve, rect = self._curve, self.plot_rect()
        threshold = self.threshold_at(where.x())
        if curve is None or threshold is None or not rect.contains(where):
            return tip("Risk and coverage", _WHAT)
        place = self._place(threshold)
        kept, errors = int(curve.kept[place]), int(curve.errors[place])
        risk = errors / kept if kept else math.nan
        band = self.band
        words = ""
        if band is not None and len(band.coverage):
            at = int(np.abs(band.coverage - kept / curve.known).argmin())
            if math.isfinite(band.low[at]):
                words = (
                    f"Band there: {band.low[at]:.3f} to {band.high[at]:.3f}, pointwise 95 %, "
                    f"bootstrap over episodes, {self._resamples} resamples."
                )
        return tip(
            f"R ≥ {threshold:.4g}",
            f"Coverage {kept / curve.known:.3f} ({kept:,} of {curve.known:,} judged)",
            f"Risk {risk:.4f} ({errors:,} wrong), precision {1 - risk:.4f}",
            words,
            f"AURC {curve.aurc:.4f} (mean risk over all coverages), E-AURC {curve.e_aurc:.4f}.",
            _WHAT,
        )

    # -- painting ----------------------------------------------------------------------------

    def _reduced(self, width: int) -> tuple[F64, F64]:
        """Coverage and risk, at most one point of the curve per pixel column."""
        curve = self._curve
        if curve is None:
            return np.zeros(0), np.zeros(0)
        first = int(np.searchsorted(curve.kept, 1))
        last = len(curve.kept) - 1
        places = np.arange(first, last + 1)
        if len(places) > 2 * width:
            columns = np.linspace(1, curve.kept[last], width)
            places = np.unique(np.minimum(np.searchsorted(curve.kept, columns), last))
        kept = curve.kept[places]
        return kept / curve.known, curve.errors[places] / kept

    def paint_data(self, painter: QPainter, rect: QRectF) -> None:
        """Band, curve, target."""
        curve, theme = self._curve, colors(self.palette())
        if curve is None or not self.has_curve:
            self.paint_hint(painter, rect, self._hint)
            return
        if self._line is None:
            self._line = self._reduced(max(int(rect.width()), 16))
        x, y = self._line
        band = self._band
        highest = _highest(x, y)
        if band is not None:
            highest = max(highest, _highest(band.coverage, band.high))
        if self._target is not None:
            highest = max(highest, 1.15 * (1 - self._target))
        top = 1.08 * min(1.0, highest)
        bottom, tall = rect.bottom(), rect.height()
        xs = [(rect.left() + rect.width() * t / 100, f"{t} %") for t in range(0, 101, 20)]
        levels = (round(v, 6) for v in ticks(0, 100 * top, 4))
        ys = [(bottom - tall * v / 100 / top, f"{v:.4g} %") for v in levels if v <= 100]
        names = ("coverage: share of the judged ones kept", "risk = 1 - precision")
        self.paint_axes(painter, rect, xs, ys, names)
        painter.save()
        painter.setClipRect(rect)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        color = QColor(theme.accent)
        if band is not None:
            good = np.isfinite(band.low) & np.isfinite(band.high)
            upper = _points(rect, band.coverage[good], band.high[good], top)
            lower = _points(rect, band.coverage[good], band.low[good], top)
            pale = QColor(color)
            pale.setAlpha(28 if self._band_is_old else 56)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(pale)
            painter.drawPolygon(QPolygonF([*upper, *reversed(lower)]))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(color, 1.5))
        painter.drawPolyline(QPolygonF(_points(rect, x, y, top)))
        painter.restore()
        if self._target is not None:
            level = bottom - tall * (1 - self._target) / top
            painter.setPen(QPen(QColor(theme.warning), 1, Qt.PenStyle.DashLine))
            painter.drawLine(QPointF(rect.left(), level), QPointF(rect.right(), level))
            text = f"target precision {self._target:g}"
            painter.drawText(QPointF(rect.left() + 4, level - 3), text)


def _highest(coverage: F64, risk: F64) -> float:
    """Highest risk that the axis must show."""
    late = risk[coverage >= _FIRST] if (coverage >= _FIRST).any() else risk
    return float(np.fmax.reduce(late, initial=_LEAST_RISK))


def _points(rect: QRectF, x: F64, y: F64, top: float) -> list[QPointF]:
    px = rect.left() + rect.width() * x
    py = rect.bottom() - rect.height() * y / top
    return [QPointF(a, b) for a, b in zip(px.tolist(), py.tolist(), strict=True)]
