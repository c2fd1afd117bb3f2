"""Hands and eyes for tests of the viewer of what a model saw."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPoint, QSize
from PySide6.QtWidgets import QApplication, QLabel, QWidget
from pytestqt.qtbot import QtBot

from pipeline.model.drafting import CaptionVersion
from viewers.collage_viewer import CollageViewer
from viewers.sent_picture import SentPictureView


def shown(qtbot: QtBot, *versions: CaptionVersion, width: int = 640) -> CollageViewer:
    viewer = CollageViewer()
    qtbot.addWidget(viewer)
    viewer.resize(width, 720)
    viewer.set_versions(versions)
    viewer.show()
    qtbot.waitUntil(lambda: viewer.is_ready, timeout=60_000)
    settle(viewer)
    return viewer


def settle(viewer: CollageViewer) -> None:
    """Lay out what has just arrived: a busy machine may do it between two looks."""
    sizes: list[QSize] = []
    while sizes != (now := [view.size() for view in viewer.views]):
        sizes = now
        QApplication.sendPostedEvents(None, QEvent.Type.LayoutRequest.value)


def view_of(viewer: CollageViewer, role: str) -> SentPictureView:
    return next(v for v in viewer.views if v.part.role == role)


def texts_of(widget: QWidget) -> str:
    return "\n".join(label.text() for label in widget.findChildren(QLabel) if label.isVisible())


def middle(view: SentPictureView, index: int) -> QPoint:
    return view.cell_rect(index).center().toPoint()


def color_at(widget: QWidget, point: QPoint) -> tuple[int, int, int]:
    color = widget.grab().toImage().pixelColor(point)
    return color.red(), color.green(), color.blue()


def near(a: tuple[int, int, int], b: tuple[int, int, int]) -> bool:
    return all(abs(x - y) <= 12 for x, y in zip(a, b, strict=True))
