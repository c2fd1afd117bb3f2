"""What the timeline shows: lanes over one frame axis, without any input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from PySide6.QtCore import QEvent, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QFocusEvent, QPainter, QPaintEvent, QPixmap, QRegion, QResizeEvent
from PySide6.QtWidgets import QWidget

from pipeline.model.consistency import Consistency
from pipeline.model.phases import PhasesResult
from pipeline.model.score import ScoresResult
from pipeline.model.subtask import SubtasksResult
from widgets.frame_axis import FrameAxis
from widgets.timeline_consistency import ConsistencyLane
from widgets.timeline_content import Content
from widgets.timeline_gestures import BoundaryGrab, Grab, ThresholdGrab, Thresholds
from widgets.timeline_ink import Ink
from widgets.timeline_lanes import GUTTER, LEAST_HEIGHT, Lane, height_per_weight
from widgets.timeline_paint import Overlay, paint_overlay, paint_static
from widgets.timeline_task_lanes import CandidateLane
from widgets.timeline_term import TermMark

RULER = 22
"""Pixels of the axis on top."""
_READOUT = 20
_RIGHT = 10
_GAP = 2.0


class TimelineView(QWidget):
    """Lanes of one episode over a shared axis in frames.

    What does not move with the cursor is kept in a picture, so that a step repaints two narrow
    strips and the bottom line. Setters emit nothing.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Timeline")
        self.setAccessibleDescription("Gripper signal, phases, subtasks and motion over frames")
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self._content = Content()
        self._lanes: list[Lane] = []
        self._axis = FrameAxis()
        self._frame = 0
        self._message = ""
        self._range: tuple[int, int] | None = None
        self._hover: int | None = None
        self._thresholds: Thresholds | None = None
        self._boundary: BoundaryGrab | None = None
        self._grab: Grab | None = None
        self._ink = Ink.of(self.palette(), self.font())
        self._static: QPixmap | None = None
        self._term: TermMark | None = None

    # Values in -----------------------------------------------------------------------------

    def set_episode(self, length: int, fps: float) -> None:
        """Start another episode: everything else is cleared and the whole of it is shown.

        Args:
            length: Frames; 0 if none is open.
            fps: Frames per second.
        """
        self._content = Content(length=max(length, 0), fps=fps if fps > 0 else 30.0)
        self._frame, self._range, self._hover = 0, None, None
        self._grab, self._thresholds, self._boundary = None, None, None
        self._axis = replace(self._axis, length=self._content.length, fps=self._content.fps).whole()
        self._rebuild()

    def set_phases(self, phases: PhasesResult | None) -> None:
        """Show stage 1a. A drag in progress goes on."""
        self._content = replace(self._content, phases=phases)
        if not isinstance(self._grab, ThresholdGrab):
            self._thresholds = None
        if not isinstance(self._grab, BoundaryGrab):
            self._boundary = None
        self._rebuild()

    def set_subtasks(self, subtasks: SubtasksResult | None) -> None:
        """Show stage 1b."""
        self._content = replace(self._content, subtasks=subtasks)
        self._rebuild()

    def set_subtask(self, index: int) -> None:
        """Mark the open subtask; -1 for none."""
        if index != self._content.subtask:
            self._content = replace(self._content, subtask=index)
            self._rebuild()

    def set_scores(self, scores: ScoresResult | None, keyframe: int | None) -> None:
        """Show stage 3 of the open subtask and the keyframe of its candidates."""
        self._term = None
        self._content = replace(self._content, scores=scores, keyframe=keyframe)
        self._rebuild()

    def set_selected(self, candidate: int) -> None:
        """Highlight a candidate's curves; -1 for none."""
        if candidate != self._content.selected:
            self._content = replace(self._content, selected=candidate)
            for lane in self._lanes:
                if isinstance(lane, CandidateLane):
                    lane.selected = candidate
                elif isinstance(lane, ConsistencyLane):
                    lane.set_candidate(self._content.shown_candidate)
            self._show(self._axis)

    def set_consistency(self, consistency: Consistency | None) -> None:
        """Show residuals of the 3D points of the open subtask; None hides their lane."""
        if consistency is not self._content.consistency:
            self._content = replace(self._content, consistency=consistency)
            self._rebuild()

    def set_truth(self, spans: Sequence[tuple[int, int]]) -> None:
        """Show true contact spans [start, end) in frames; empty hides the lane."""
        self._content = replace(self._content, truth=tuple(spans))
        self._rebuild()

    def set_term(self, mark: TermMark | None) -> None:
        """Show what a term of the score counted, or nothing of it."""
        if mark != self._term:
            self._term = mark
            self.update()

    def set_range(self, span: tuple[int, int] | None) -> None:
        """Show a loop range [start, end), or none."""
        self._range = span
        self.update()

    @property
    def loop_range(self) -> tuple[int, int] | None:
        """The loop range on show, [start, end)."""
        return self._range

    def set_message(self, message: str) -> None:
        """Say something: large where nothing is shown, else in the bottom line; empty clears."""
        self._message = message
        self.update()

    def set_frame(self, frame: int) -> None:
        """Move the cursor; turns the page if the frame is not shown."""
        frame = min(max(frame, 0), max(self._content.length - 1, 0))
        if frame == self._frame:
            return
        dirty = self._cursor_region(self._frame)
        self._frame = frame
        axis = self._axis.revealing(frame)
        if axis is self._axis:
            self.update(dirty | self._cursor_region(frame))
        else:
            self._show(axis)

    # Geometry, for the window and for tests -------------------------------------------------

    @property
    def axis(self) -> FrameAxis:
        """The x axis as shown."""
        return self._axis

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """Lanes as shown, from top to bottom."""
        return tuple(self._lanes)

    @property
    def frame(self) -> int:
        """Frame of the cursor."""
        return self._frame

    @property
    def hint(self) -> str:
        """What an empty timeline says; empty where there are lanes."""
        return "" if self._lanes else self._message or self._content.hint()

    @property
    def kept_picture(self) -> QPixmap | None:
        """What is not painted again when only the cursor moves."""
        return self._static

    def readout(self, frame: int) -> str:
        """The bottom line for a frame."""
        return self._content.readout(frame, self._lanes)

    def reset_view(self) -> None:
        """Show the whole episode."""
        self._show(self._axis.whole())

    def zoom(self, factor: float) -> None:
        """Show `factor` times as many frames around the cursor."""
        self._show(self._axis.zoomed(factor, self._axis.middle(self._frame)))

    def sizeHint(self) -> QSize:
        """Room for one arm and the candidates."""
        return QSize(900, 300)

    def minimumSizeHint(self) -> QSize:
        """As small as all lanes remain readable."""
        return QSize(320, max(150, self._least_height()))

    # Layout and painting --------------------------------------------------------------------

    def _rebuild(self) -> None:
        self._lanes = self._content.lanes()
        self.updateGeometry()
        self._arrange()

    def _least_height(self) -> int:
        """Height under which lanes would run into the readout."""
        lanes = sum((lane.fixed or LEAST_HEIGHT) + _GAP for lane in self._lanes)
        return RULER + _READOUT + round(lanes)

    def _arrange(self) -> None:
        room = self.height() - RULER - _READOUT - _GAP * len(self._lanes)
        share = height_per_weight(self._lanes, room)
        top = float(RULER)
        for lane in self._lanes:
            height = lane.fixed or max(lane.weight * share, LEAST_HEIGHT)
            lane.rect = QRectF(0, top, self.width(), round(height))
            top += round(height) + _GAP
        width = max(self.width() - GUTTER - _RIGHT, 1)
        self._show(replace(self._axis, left=float(GUTTER), width=float(width)))

    def _show(self, axis: FrameAxis) -> None:
        self._axis = axis
        self._static = None
        self.update()

    def _cursor_region(self, frame: int) -> QRegion:
        x = int(self._axis.middle(frame))
        half = max(int(self._axis.per_frame / 2) + 2, 4)
        line = QRegion(QRect(x - half, 0, 2 * half + 1, self.height()))
        tag = QRect(x - 36, 0, 73, RULER)
        return line | tag | self._readout_rect()

    def _readout_rect(self) -> QRect:
        return QRect(0, self.height() - _READOUT, self.width(), _READOUT)

    def _overlay(self) -> Overlay:
        frame = self._frame if self._hover is None else self._hover
        return Overlay(
            frame=self._frame if self._content.length else None,
            hover=self._hover,
            span=self._range,
            thresholds=self._thresholds,
            boundary=self._boundary,
            hint=self.hint,
            readout=self.readout(frame) if self._lanes else "",
            message=self._message if self._lanes else "",
            term=self._term,
        )

    def paintEvent(self, event: QPaintEvent) -> None:
        """Copy the kept picture and paint what moves on top."""
        ratio = self.devicePixelRatioF()
        if self._static is None or self._static.devicePixelRatioF() != ratio:
            size = self.size() * ratio
            self._static = QPixmap(size)
            self._static.setDevicePixelRatio(ratio)
            canvas = QPainter(self._static)
            lanes, markers = self._lanes, self._content.markers()
            paint_static(canvas, self.size(), RULER, lanes, markers, self._axis, self._ink)
            canvas.end()
        painter = QPainter(self)
        painter.drawPixmap(0, 0, self._static)  # Qt clips to what is to be repainted
        overlay, readout = self._overlay(), self._readout_rect()
        paint_overlay(
            painter, self.size(), RULER, readout, overlay, self._lanes, self._axis, self._ink
        )
        if self.hasFocus():
            painter.setPen(self._ink.accent)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        painter.end()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Share the height among the lanes."""
        self._arrange()
        super().resizeEvent(event)

    def changeEvent(self, event: QEvent) -> None:
        """Follow theme and font."""
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.FontChange) and hasattr(
            self, "_static"
        ):
            self._ink = Ink.of(self.palette(), self.font())
            self._static = None
            self.update()
        super().changeEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Show the focus."""
        self.update()
        super().focusInEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Hide the focus."""
        self.update()
        super().focusOutEvent(event)
