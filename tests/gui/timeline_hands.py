"""A timeline of the example clip, hands to move it, and a record of what it emits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from tests.gui import example_clip as clip
from widgets.timeline import Timeline

NO = Qt.KeyboardModifier.NoModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier
CTRL = Qt.KeyboardModifier.ControlModifier


class Heard:
    """Records every signal of a timeline."""

    def __init__(self, timeline: Timeline) -> None:
        self.calls: list[tuple[Any, ...]] = []
        for name in (
            "frameChosen",
            "rangeSelected",
            "thresholdsChanged",
            "thresholdsCommitted",
            "boundaryMoved",
            "phaseSplit",
            "phasesMerged",
            "phaseNamed",
            "subtaskClicked",
        ):
            getattr(timeline, name).connect(self._recorder(name))

    def _recorder(self, name: str) -> Callable[..., None]:
        return lambda *args: self.calls.append((name, *args))

    def of(self, name: str) -> list[tuple[Any, ...]]:
        return [call[1:] for call in self.calls if call[0] == name]


def shown_timeline(qtbot: QtBot) -> Timeline:
    widget = Timeline()
    qtbot.addWidget(widget)
    widget.resize(1014, 340)
    widget.set_episode(clip.LENGTH, clip.FPS)
    widget.set_phases(clip.phases())
    widget.set_subtasks(clip.subtasks())
    widget.set_subtask(0)
    widget.set_scores(clip.scores(), 53)
    widget.show()
    qtbot.waitExposed(widget)
    return widget


def send(
    widget: Timeline,
    kind: QEvent.Type,
    x: float,
    y: float,
    modifiers: Qt.KeyboardModifier = NO,
    held: bool = True,
) -> None:
    left = Qt.MouseButton.LeftButton
    button = Qt.MouseButton.NoButton if kind is QEvent.Type.MouseMove else left
    buttons = left if held else Qt.MouseButton.NoButton
    point = QPointF(x, y)
    QApplication.sendEvent(
        widget, QMouseEvent(kind, point, widget.mapToGlobal(point), button, buttons, modifiers)
    )


def drag(
    widget: Timeline,
    start: tuple[float, float],
    end: tuple[float, float],
    modifiers: Qt.KeyboardModifier = NO,
    release: bool = True,
) -> None:
    send(widget, QEvent.Type.MouseButtonPress, *start, modifiers)
    for share in (0.25, 0.5, 0.75, 1.0):
        x, y = (a + (b - a) * share for a, b in zip(start, end, strict=True))
        send(widget, QEvent.Type.MouseMove, x, y, modifiers)
    if release:
        send(widget, QEvent.Type.MouseButtonRelease, *end, modifiers, held=False)


def wheel(
    widget: Timeline, notches: float, x: float = 500, modifiers: Qt.KeyboardModifier = NO
) -> None:
    point = QPointF(x, 100)
    QApplication.sendEvent(
        widget,
        QWheelEvent(
            point,
            widget.mapToGlobal(point),
            QPoint(),
            QPoint(0, int(120 * notches)),
            Qt.MouseButton.NoButton,
            modifiers,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        ),
    )


def lane_of(widget: Timeline, kind: type) -> Any:
    return next(lane for lane in widget.lanes if isinstance(lane, kind))
