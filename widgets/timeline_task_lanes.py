"""Lanes of the open subtask: subtasks themselves, and motion and proximity per candidate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPen

from pipeline.model.palette import PHASES, candidate_color
from pipeline.model.phases import PhaseName
from pipeline.model.score import ScoresResult
from pipeline.model.subtask import Subtask
from widgets.frame_axis import FrameAxis
from widgets.timeline_ink import Ink, mixed
from widgets.timeline_lanes import CurveLane, Lane, block_text, draw_lines


class SubtaskLane(Lane):
    """Subtasks with the names of their objects; overlapping ones stack."""

    def __init__(self, subtasks: Sequence[Subtask], current: int) -> None:
        super().__init__(
            "subtasks",
            "Subtasks: one interaction with one object, widened by approach and release "
            "(SPARC 3.1). Darker: the object is held.\nClick one to open it.",
        )
        self.subtasks = tuple(subtasks)
        self.current = current
        self._rows: dict[int, int] = {}
        ends: list[int] = []
        for task in self.subtasks:
            row = next((r for r, end in enumerate(ends) if end <= task.start), len(ends))
            ends[row : row + 1] = [task.end]
            self._rows[task.index] = row
        self._depth = max(len(ends), 1)
        self.fixed = 4.0 + 19.0 * self._depth

    def box(self, task: Subtask, axis: FrameAxis) -> QRectF:
        """Where a subtask is drawn."""
        height = (self.rect.height() - 4) / self._depth
        left, right = axis.x(task.start), axis.x(task.end)
        top = self.rect.top() + 2 + self._rows[task.index] * height
        return QRectF(left + 0.5, top + 0.5, max(right - left - 1, 2), height - 2)

    def task_at(self, point: QPointF, axis: FrameAxis) -> int:
        """Index of the subtask under a point, -1 if there is none."""
        hits = (t.index for t in self.subtasks if self.box(t, axis).contains(point))
        return next(hits, -1)

    def paint(self, painter: QPainter, axis: FrameAxis, ink: Ink) -> None:
        """Blocks; the open one has an accent edge."""
        plot = self.plot(axis)
        for task in self.subtasks:
            box = self.box(task, axis)
            if box.right() < plot.left() or box.left() > plot.right():
                continue
            chosen = task.index == self.current
            shade = mixed(ink.accent, ink.base, 0.16 if chosen else 0.06)
            painter.fillRect(box, shade)
            for start, end in task.interaction:
                held = QRectF(axis.x(start), box.top(), axis.x(end) - axis.x(start), box.height())
                painter.fillRect(held & box, mixed(ink.accent, ink.base, 0.34 if chosen else 0.16))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(ink.accent if chosen else ink.border, 2.0 if chosen else 1.0))
            painter.drawRect(box)
            name = task.object_name or "object not named"
            if task.target_name:
                name += f" → {task.target_name}"
            block_text(painter, box, f"{task.index + 1}  {name}", plot, ink)


class CandidateLane(CurveLane):
    """One curve per candidate of the open subtask: motion in px/s or proximity 0..1.

    Attributes:
        selected: Candidate id that is highlighted, -1 for none.
    """

    def __init__(
        self,
        title: str,
        tip: str,
        scores: ScoresResult,
        values: NDArray[Any],
        positions: NDArray[Any],
        span: tuple[float, float],
        unit: str = "",
    ) -> None:
        super().__init__(title, tip)
        self.scores = scores
        self.selected = -1
        self.span = span
        self.unit = unit
        self.weight = 3.0 if unit else 1.6
        self._values = values
        self._positions = positions
        self._held = interaction_spans(scores)

    def scale(self) -> tuple[str, str]:
        """Zero and the top of the scale, with unit."""
        return ("0", f"{self.span[1]:g}{' ' if self.unit else ''}{self.unit}")

    def paint(self, painter: QPainter, axis: FrameAxis, ink: Ink) -> None:
        """Interaction shaded, the others thin, the winner thick, the selected one on a halo."""
        plot = self.plot(axis)
        held = QColor(*PHASES[PhaseName.INTERACT])
        held.setAlpha(34)
        for start, end in self._held:
            left, right = axis.x(start + 0.5), axis.x(end + 0.5)
            painter.fillRect(QRectF(left, plot.top(), right - left, plot.height()), held)
        ids = [t.candidate for t in self.scores.terms]
        order = sorted(
            range(len(ids)), key=lambda k: (ids[k] == self.selected, ids[k] == self.scores.winner)
        )
        for k in order:
            lines, dense = self._lines(axis, self._positions, self._values[k])
            color = ink.curve(candidate_color(ids[k]))
            if ids[k] == self.selected:
                draw_lines(painter, lines, dense, ink.base, 4.0)
            special = ids[k] in (self.selected, self.scores.winner)
            width = 2.6 if ids[k] == self.scores.winner else 2.0 if special else 1.0
            if not special:
                color.setAlpha(190)
            draw_lines(painter, lines, dense, color, width)
            if special and lines:
                self._paint_label(painter, ids[k], lines[-1][-1], plot, color, ink)

    def paint_alone(self, painter: QPainter, axis: FrameAxis, ink: Ink, candidate: int) -> None:
        """Paint one curve over the others, which fade."""
        plot = self.plot(axis)
        veil = QColor(ink.base)
        veil.setAlpha(190)
        painter.fillRect(plot, veil)
        ids = [t.candidate for t in self.scores.terms]
        if candidate in ids:
            lines, dense = self._lines(axis, self._positions, self._values[ids.index(candidate)])
            draw_lines(painter, lines, dense, ink.curve(candidate_color(candidate)), 2.6)

    def _paint_label(
        self,
        painter: QPainter,
        candidate: int,
        end: NDArray[np.float64],
        plot: QRectF,
        color: QColor,
        ink: Ink,
    ) -> None:
        metrics = QFontMetricsF(ink.small)
        winner = candidate == self.scores.winner
        text = f"★ #{candidate}" if winner else f"#{candidate}"
        # Beside each other, so that two curves that end together do not hide each other.
        x = float(end[0]) + (5 if winner else metrics.horizontalAdvance("★ #00") + 8)
        if x + metrics.horizontalAdvance(text) > plot.right():
            return
        half = metrics.height() / 2
        y = min(max(float(end[1]), plot.top() + half), plot.bottom() - half)
        painter.setFont(ink.small)
        painter.setPen(color)
        painter.drawText(QPointF(x, y + metrics.ascent() - half), text)

    def value_at(self, candidate: int, frame: int) -> float:
        """Value of a candidate's sample nearest to a frame; NaN outside the clip."""
        ids = [t.candidate for t in self.scores.terms]
        if candidate not in ids or not len(self._positions):
            return float("nan")
        frames = self.scores.frames
        if not frames[0] <= frame <= frames[-1]:
            return float("nan")
        nearest = int(np.abs(self._positions - (frame + 0.5)).argmin())
        return float(self._values[ids.index(candidate)][nearest])


def interaction_spans(scores: ScoresResult) -> list[tuple[int, int]]:
    """Frames (first, last) between which consecutive transitions count as interaction."""
    spans: list[tuple[int, int]] = []
    for i in np.flatnonzero(scores.interaction):
        start, end = int(scores.frames[i]), int(scores.frames[i + 1])
        if spans and spans[-1][1] == start:
            start = spans.pop()[0]
        spans.append((start, end))
    return spans
