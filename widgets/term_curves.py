"""Motion, proximity and robot overlap over time, of a candidate beside its rival."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QEvent, QLineF, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFontMetricsF,
    QHelpEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
)
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from pipeline.evaluation.term_evidence import TermEvidence
from pipeline.model.arrays import F32, F64
from pipeline.model.palette import PHASES, TERMS, candidate_color
from pipeline.model.phases import PhaseName
from pipeline.model.score import ScoreTerms
from widgets.fields import tip
from widgets.frame_axis import FrameAxis
from widgets.polylines import envelope, lines_of, runs
from widgets.score_formula import number
from widgets.theme import GRID, HALF_GRID
from widgets.timeline_content import nice_top
from widgets.timeline_ink import Ink
from widgets.timeline_lanes import draw_lines

_TITLE = 17.0
_LEAST = 26
_SCALE = 30.0
_BESIDE = 860
"""Width from which the plots stand side by side."""
_TERMS = ("motion", "proximity", "overlap")
_TIPS = {
    "motion": (
        "Motion m(t)",
        "Median displacement of the visible points per transition, smoothed, px/s. Shaded: "
        "transitions whose middle lies in an interaction; their mean is m_in, that of the others "
        "m_out (dashed). A = m_in^0.6 / (m_out + 1)^0.2 (SPARC 3.3).",
    ),
    "proximity": (
        "Proximity",
        "Share of the visible points inside the sphere around the gripper, 0..1. P (dashed) is "
        "its mean over the frames that count; those that do not are shaded (SPARC 3.3).",
    ),
    "overlap": (
        "Robot overlap",
        "Share of the visible points on the robot mask, 0..1. It is judged at the keyframes with "
        "a dot: keyframe, end of the first grasp, and frames of the approach. o (dashed) is the "
        "mean of the strongest of them, the filled dots (our reading of SPARC B.1.3).",
    ),
}


@dataclass(frozen=True, slots=True)
class Plot:
    """One small chart as laid out.

    Attributes:
        term: `motion`, `proximity` or `overlap`.
        box: All of it.
        room: Where curves are.
        top: Value at the upper edge; the lower is 0.
    """

    term: str
    box: QRectF
    room: QRectF
    top: float

    def y(self, value: float) -> float:
        """Pixel of a value."""
        return self.room.bottom() - min(value / self.top, 1.0) * self.room.height()


class TermCurves(QWidget):
    """Three charts over the frames of the clip.

    Signals:
        frameChosen: Frame that was clicked.
        termHovered: Term of the chart under the mouse, or empty.
    """

    frameChosen = Signal(int)
    termHovered = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Terms over time")
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._evidence: TermEvidence | None = None
        self._first: ScoreTerms | None = None
        self._second: ScoreTerms | None = None
        self._frame = 0
        self._hovered = ""
        self._ink = Ink.of(self.palette(), self.font())

    # Values in -----------------------------------------------------------------------------

    def set_evidence(self, evidence: TermEvidence | None) -> None:
        """Show the curves of a clip."""
        self._evidence = evidence
        self.update()

    def set_pair(self, first: ScoreTerms | None, second: ScoreTerms | None) -> None:
        """Choose the candidate and its rival; None leaves one out."""
        self._first, self._second = first, second
        self.update()

    def set_frame(self, frame: int) -> None:
        """Move the cursor."""
        if frame != self._frame:
            self._frame = frame
            self.update()

    def set_hovered(self, term: str) -> None:
        """Highlight a chart."""
        if term != self._hovered:
            self._hovered = term
            self.update()

    # What it shows --------------------------------------------------------------------------

    def plots(self) -> tuple[Plot, ...]:
        """The charts as laid out; none without curves."""
        evidence, first = self._evidence, self._first
        if evidence is None or first is None or evidence.row_of(first.candidate) < 0:
            return ()
        shown = [t.candidate for t in (first, self._second) if t is not None]
        rows = [r for r in (evidence.row_of(c) for c in shown) if r >= 0]
        fastest = evidence.motion[rows]
        most = float(np.nanmax(fastest)) if np.isfinite(fastest).any() else 1.0
        tops = {"motion": nice_top(most), "proximity": 1.0, "overlap": 1.0}
        beside = self.width() >= _BESIDE
        found = []
        for i, term in enumerate(_TERMS):
            if beside:
                width = (self.width() - 2 * 2 * GRID) / 3
                box = QRectF(i * (width + 2 * GRID), 0, width, self.height())
            else:
                height = (self.height() - 2 * HALF_GRID) / 3
                box = QRectF(0, i * (height + HALF_GRID), self.width(), height)
            room = box.adjusted(_SCALE, _TITLE, -HALF_GRID, -3)
            found.append(Plot(term, box, room, tops[term]))
        return tuple(found)

    def axis(self, plot: Plot) -> FrameAxis:
        """Frames of the clip over the width of a chart."""
        frames = self._evidence.frames if self._evidence is not None else np.zeros(0, np.int32)
        first, last = (int(frames[0]), int(frames[-1]) + 1) if len(frames) else (0, 1)
        return FrameAxis(last, 1.0, plot.room.left(), plot.room.width(), float(first), float(last))

    def values_text(self, term: str, terms: ScoreTerms, *, short: bool = False) -> str:
        """What a term was measured as, e.g. `#0  m_in 61.0  m_out 2.1`."""
        who = f"#{terms.candidate}"
        if term == "motion":
            names = ("", "") if short else ("m_in ", "m_out ")
            values = number(terms.motion_in, 1), number(terms.motion_out, 1)
            return f"{who}  {names[0]}{values[0]}  {names[1]}{values[1]}"
        symbol, value = ("P", terms.proximity) if term == "proximity" else ("o", terms.overlap)
        return f"{who}  {'' if short else symbol + ' '}{number(value)}"

    def sizeHint(self) -> QSize:
        """Three charts."""
        return QSize(420, round(3 * (_TITLE + 60)))

    def minimumSizeHint(self) -> QSize:
        """As small as a course can still be told."""
        least = round(_TITLE) + _LEAST
        return QSize(240, least if self.width() >= _BESIDE else 3 * least + 2 * HALF_GRID)

    # Painting -------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the charts."""
        evidence, first = self._evidence, self._first
        plots = self.plots()
        if evidence is None or first is None or not plots:
            return
        painter = QPainter(self)
        for plot in plots:
            axis = self.axis(plot)
            self._paint_ground(painter, plot, axis, evidence, first.candidate)
            painter.save()
            painter.setClipRect(plot.room.adjusted(-3, -3, 3, 3))
            for terms in (self._second, first):
                if terms is not None and evidence.row_of(terms.candidate) >= 0:
                    self._paint_curve(painter, plot, axis, evidence, terms, terms is first)
            painter.restore()
            self._paint_words(painter, plot, first)
            x = axis.middle(self._frame)
            if axis.first <= self._frame < axis.last:
                painter.fillRect(
                    QRectF(x - 0.5, plot.room.top(), 1.5, plot.room.height()), self._ink.accent
                )
        painter.end()

    def _paint_ground(
        self,
        painter: QPainter,
        plot: Plot,
        axis: FrameAxis,
        evidence: TermEvidence,
        candidate: int,
    ) -> None:
        ink, room = self._ink, plot.room
        painter.fillRect(room, ink.base)
        if plot.term == self._hovered:
            painter.fillRect(room, ink.tint(_color(plot.term), 0.16))
        frames = evidence.frames.astype(np.float64)
        shade = QColor(*PHASES[PhaseName.INTERACT])
        shade.setAlpha(40)
        if plot.term == "motion":
            spans = [(frames[a], frames[b]) for a, b in runs(evidence.interaction)]
        elif plot.term == "proximity":
            shade = QColor(ink.muted)
            shade.setAlpha(46)
            missing = ~evidence.proximity_counted(candidate)
            spans = [(frames[a] - 0.5, frames[b - 1] + 0.5) for a, b in runs(missing)]
        else:
            spans = []
        for start, end in spans:
            left = max(axis.x(float(start) + 0.5), room.left())
            right = min(axis.x(float(end) + 0.5), room.right())
            painter.fillRect(QRectF(left, room.top(), right - left, room.height()), shade)
        painter.setPen(QPen(ink.border, 1.0))
        painter.drawLine(QLineF(room.left(), room.bottom(), room.right(), room.bottom()))

    def _paint_curve(
        self,
        painter: QPainter,
        plot: Plot,
        axis: FrameAxis,
        evidence: TermEvidence,
        terms: ScoreTerms,
        leads: bool,
    ) -> None:
        row = evidence.row_of(terms.candidate)
        values, at = _curve(plot.term, evidence, row)
        color = self._ink.curve(candidate_color(terms.candidate))
        x = axis.left + (at - axis.first) * axis.per_frame
        curve = envelope(x, values, axis.width)
        lines = lines_of(curve, plot.room.top(), plot.room.bottom(), (0.0, plot.top))
        draw_lines(painter, lines, curve.dense, color, 2.0 if leads else 1.0)
        if leads:
            self._paint_means(painter, plot, axis, evidence, terms, color)
        if plot.term == "overlap":
            self._paint_keyframes(painter, plot, axis, evidence, terms.candidate, color, leads)

    def _paint_means(
        self,
        painter: QPainter,
        plot: Plot,
        axis: FrameAxis,
        evidence: TermEvidence,
        terms: ScoreTerms,
        color: QColor,
    ) -> None:
        painter.setPen(QPen(color, 1.0, Qt.PenStyle.DashLine))
        if plot.term != "motion":
            y = plot.y(terms.proximity if plot.term == "proximity" else terms.overlap)
            painter.drawLine(QLineF(plot.room.left(), y, plot.room.right(), y))
            return
        frames = evidence.frames
        for held, mean in ((True, terms.motion_in), (False, terms.motion_out)):
            y = plot.y(mean)
            for a, b in runs(evidence.interaction == held):
                painter.drawLine(
                    QLineF(axis.middle(int(frames[a])), y, axis.middle(int(frames[b])), y)
                )

    def _paint_keyframes(
        self,
        painter: QPainter,
        plot: Plot,
        axis: FrameAxis,
        evidence: TermEvidence,
        candidate: int,
        color: QColor,
        leads: bool,
    ) -> None:
        curve = evidence.overlap[evidence.row_of(candidate)]
        counted = evidence.overlap_counted(candidate)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for row in evidence.overlap_known(candidate):
            x, y = axis.middle(int(evidence.frames[row])), plot.y(float(curve[row]))
            if leads:
                painter.setPen(QPen(self._ink.border, 1.0, Qt.PenStyle.DotLine))
                painter.drawLine(QLineF(x, plot.room.top(), x, plot.room.bottom()))
            painter.setPen(QPen(color, 1.5))
            painter.setBrush(color if row in counted else self._ink.base)
            radius = 3.5 if leads else 2.5
            painter.drawEllipse(QPointF(x, y), radius, radius)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)

    def _paint_words(self, painter: QPainter, plot: Plot, first: ScoreTerms) -> None:
        ink, box = self._ink, plot.box
        painter.setFont(ink.small)
        metrics = QFontMetricsF(ink.small)
        middle = Qt.AlignmentFlag.AlignVCenter
        line = QRectF(box.left(), box.top(), box.width() - HALF_GRID, _TITLE)
        painter.fillRect(
            QRectF(line.left(), line.center().y() - 4, 8, 8), QColor(*_color(plot.term))
        )
        painter.setPen(ink.text)
        unit = ", px/s" if plot.term == "motion" else ""
        title = f"{'robot ' if plot.term == 'overlap' else ''}{plot.term}{unit}"
        painter.drawText(line.adjusted(12, 0, 0, 0), middle, title)
        right = line.right()
        room = line.width() - 12 - metrics.horizontalAdvance(title) - GRID
        texts = [(first, self.values_text(plot.term, first))]
        if self._second is not None:
            texts.insert(0, (self._second, self.values_text(plot.term, self._second, short=True)))
        if sum(metrics.horizontalAdvance(t) + 13 + 1.5 * GRID for _, t in texts) > room:
            texts = texts[-1:]  # The tip tells the rival's.
        for terms, text in texts:
            width = metrics.horizontalAdvance(text)
            painter.setPen(ink.text if terms is first else ink.muted)
            painter.drawText(QRectF(right - width, line.top(), width + 1, _TITLE), middle, text)
            mark = QRectF(
                right - width - 13, line.center().y() - 1, 10, 3 if terms is first else 1.5
            )
            painter.fillRect(mark, ink.curve(candidate_color(terms.candidate)))
            right -= width + 13 + 1.5 * GRID
        painter.setPen(ink.muted)
        scale = QRectF(box.left(), plot.room.top() - 2, _SCALE - 5, plot.room.height() + 4)
        painter.drawText(
            scale, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignTop, f"{plot.top:g}"
        )
        painter.drawText(scale, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignBottom, "0")

    # Mouse ----------------------------------------------------------------------------------

    def plot_at(self, point: QPointF) -> Plot | None:
        """The chart under a point."""
        return next((p for p in self.plots() if p.box.contains(point)), None)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Go to the frame that was clicked."""
        plot = self.plot_at(event.position())
        if plot is None or event.button() is not Qt.MouseButton.LeftButton:
            super().mousePressEvent(event)
            return
        axis = self.axis(plot)
        frame = axis.frame_at(event.position().x())
        self.frameChosen.emit(max(frame, int(axis.first)))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Tell which chart lies under the mouse."""
        plot = self.plot_at(event.position())
        self._hover(plot.term if plot is not None else "")

    def leaveEvent(self, event: QEvent) -> None:
        """No chart."""
        self._hover("")
        super().leaveEvent(event)

    def event(self, event: QEvent) -> bool:
        """Explain a chart."""
        if event.type() is QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            plot = self.plot_at(QPointF(event.pos()))
            text = "" if plot is None else self.tip_at(plot, event.pos().x())
            QToolTip.showText(event.globalPos(), text, self)
            return True
        return super().event(event)

    def tip_at(self, plot: Plot, x: float) -> str:
        """What a chart shows, and its values at a pixel."""
        evidence = self._evidence
        title, about = _TIPS[plot.term]
        lines = [about]
        frame = self.axis(plot).frame_at(x)
        row = evidence.nearest_row(frame) if evidence is not None else -1
        if evidence is not None and row >= 0:
            for terms in (self._first, self._second):
                known = evidence.row_of(terms.candidate) if terms is not None else -1
                if terms is not None and known >= 0:
                    lines.append(_counted(plot.term, evidence, terms.candidate))
                    values = _curve(plot.term, evidence, known)[0]
                    value = values[min(row, len(values) - 1)] if len(values) else np.nan
                    shown = "unknown" if np.isnan(value) else number(float(value), 2)
                    at = int(evidence.frames[row])
                    lines.append(f"#{terms.candidate} at frame {at}: {shown}")
        return tip(title, *lines)

    def changeEvent(self, event: QEvent) -> None:
        """Follow theme and font."""
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.FontChange) and hasattr(
            self, "_ink"
        ):
            self._ink = Ink.of(self.palette(), self.font())
            self.update()
        super().changeEvent(event)

    def _hover(self, term: str) -> None:
        if term != self._hovered:
            self.set_hovered(term)
            self.termHovered.emit(term)


def _color(term: str) -> tuple[int, int, int]:
    return TERMS["robot overlap" if term == "overlap" else term]


def _curve(term: str, evidence: TermEvidence, row: int) -> tuple[F32, F64]:
    """Values of a candidate and their frame positions."""
    at = evidence.frames.astype(np.float64) + 0.5
    if term == "motion":
        return evidence.motion[row], (at[:-1] + at[1:]) / 2
    return (evidence.proximity if term == "proximity" else evidence.overlap)[row], at


def _counted(term: str, evidence: TermEvidence, candidate: int) -> str:
    """How many frames or transitions a term counted."""
    if term == "motion":
        held, rest = evidence.motion_transitions(candidate)
        return f"#{candidate}: m_in over {held} transitions, m_out over {rest}."
    if term == "proximity":
        counted = int(evidence.proximity_counted(candidate).sum())
        return f"#{candidate}: P over {counted} of {len(evidence.frames)} tracked frames."
    known, used = evidence.overlap_known(candidate), evidence.overlap_counted(candidate)
    frames = ", ".join(str(int(evidence.frames[r])) for r in used) or "none"
    return f"#{candidate}: o over frames {frames}, {len(used)} of {len(known)} keyframes."
