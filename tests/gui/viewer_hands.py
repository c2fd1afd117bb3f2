"""A frame viewer with the example overlays, and hands and eyes to try it."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QImage, QKeyEvent, QWheelEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from tests.gui.overlay_examples import GREY, HEIGHT, KEYFRAME, WIDTH, overlays
from viewers.frame_header import HEADER_HEIGHT
from viewers.frame_viewer import FrameViewer
from viewers.overlays import OverlayVisibility

LEFT = Qt.MouseButton.LeftButton


def only(*names: str, opacity: float = 1.0) -> OverlayVisibility:
    fields = ("masks", "boxes", "tracks", "labels", "gripper", "robot", "target", "truth")
    return OverlayVisibility(*[field in names for field in fields], opacity=opacity)


def shown_viewer(qtbot: QtBot) -> FrameViewer:
    widget = FrameViewer()
    qtbot.addWidget(widget)
    widget.resize(4 * WIDTH, 4 * HEIGHT + HEADER_HEIGHT)
    widget.set_camera("observation.images.top")
    show_frame(widget, KEYFRAME)
    widget.set_overlays(overlays())
    widget.show()
    qtbot.waitExposed(widget)
    return widget


def show_frame(widget: FrameViewer, frame: int) -> None:
    widget.set_frame(frame)
    widget.set_image(GREY, frame)


def array_of(image: QImage) -> np.ndarray:
    image = image.convertToFormat(QImage.Format.Format_RGB32)
    data = np.frombuffer(image.constBits(), np.uint8)
    return data.reshape(image.height(), image.width(), 4)[:, :, 2::-1].astype(int)


def picture(widget: FrameViewer) -> np.ndarray:
    return array_of(widget.grab().toImage())


def count(pixels: np.ndarray, color: tuple[int, int, int], slack: int = 3) -> int:
    return int((np.abs(pixels - np.array(color)).max(axis=2) <= slack).sum())


def patch(widget: FrameViewer, box: tuple[float, ...], margin: int = 4) -> np.ndarray:
    x0, y0, x1, y1 = widget.view_transform.box_to_view(box)  # type: ignore[arg-type]
    pixels = picture(widget)
    return pixels[
        max(int(y0) - margin, 0) : int(y1) + margin, max(int(x0) - margin, 0) : int(x1) + margin
    ]


def at(widget: FrameViewer, x: float, y: float) -> QPoint:
    return QPointF(*widget.view_transform.to_view(x, y)).toPoint()


def drag(qtbot: QtBot, widget: FrameViewer, start: QPoint, end: QPoint) -> None:
    qtbot.mousePress(widget, LEFT, pos=start)
    qtbot.mouseMove(widget, (start + end) / 2)
    qtbot.mouseMove(widget, end)
    qtbot.mouseRelease(widget, LEFT, pos=end)


def wheel(
    widget: FrameViewer,
    position: QPoint,
    delta: int,
    modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier,
) -> None:
    event = QWheelEvent(
        QPointF(position),
        widget.mapToGlobal(QPointF(position)),
        QPoint(),
        QPoint(0, delta),
        Qt.MouseButton.NoButton,
        modifiers,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(widget, event)


def press_arrow(
    widget: FrameViewer,
    key: Qt.Key,
    modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.ControlModifier,
) -> bool:
    """Press an arrow with Ctrl held, as the window system does; True if the viewer takes it."""
    override = QKeyEvent(QKeyEvent.Type.ShortcutOverride, key, modifiers)
    override.ignore()
    QApplication.sendEvent(widget, override)
    QApplication.sendEvent(widget, QKeyEvent(QKeyEvent.Type.KeyPress, key, modifiers))
    return override.isAccepted()


def release_ctrl(widget: FrameViewer) -> None:
    none = Qt.KeyboardModifier.NoModifier
    QApplication.sendEvent(widget, QKeyEvent(QKeyEvent.Type.KeyRelease, Qt.Key.Key_Control, none))
