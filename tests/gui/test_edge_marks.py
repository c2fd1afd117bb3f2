"""Points on depth edges are hollow dots in the picture."""

from __future__ import annotations

import numpy as np
from PySide6.QtGui import QColor, QImage, QPainter
from pytestqt.qtbot import QtBot

from pipeline.model.candidate import TracksResult
from pipeline.model.palette import candidate_color
from viewers.edge_marks import RADIUS, paint_edge_marks
from viewers.view_transform import ViewTransform

GROUND = QColor(60, 60, 60)


def tracks() -> TracksResult:
    """Four points in a row, the last of another candidate, at two tracked frames."""
    points = np.array([[20, 20], [40, 20], [60, 20], [80, 20]], np.float32)
    return TracksResult(
        frames=np.array([0, 5], np.int32),
        fps=6.0,
        points=np.stack([points, points]),
        visible=np.ones((2, 4), np.bool_),
        candidate=np.array([2, 2, 2, 3], np.int32),
        kept=np.ones(4, np.bool_),
        boxes=np.zeros((2, 4, 4), np.float32),
        backend="made up",
    )


def painted(on_edge: np.ndarray, frame: int = 0, candidate: int = 2) -> QImage:
    image = QImage(100, 40, QImage.Format.Format_RGB32)
    image.fill(GROUND)
    painter = QPainter(image)
    paint_edge_marks(painter, tracks(), on_edge, frame, 5.0, ViewTransform(), candidate)
    painter.end()
    return image


def colored(image: QImage, x: float, y: float) -> bool:
    """True if the ring's colour outweighs ground and casing at a place."""
    wanted, pixel = QColor(*candidate_color(2)), image.pixelColor(int(x), int(y))
    off = [abs(a - b) for a, b in zip(wanted.getRgb()[:3], pixel.getRgb()[:3], strict=True)]  # type: ignore[index]
    return max(off) < 90


def test_only_points_on_edges_of_the_candidate_get_a_hollow_dot(qtbot: QtBot) -> None:
    on_edge = np.array([[True, False, True, True], [False, True, False, False]])
    image = painted(on_edge)
    for x, marked in ((20, True), (40, False), (60, True), (80, False)):
        assert colored(image, x + 0.5 + RADIUS, 20.5) == marked
        assert colored(image, x + 0.5 - RADIUS, 20.5) == marked
        assert image.pixelColor(x, 20) == GROUND  # hollow
    later = painted(on_edge, frame=5)
    assert [colored(later, x + 0.5 + RADIUS, 20.5) for x in (20, 40, 60)] == [False, True, False]


def test_nothing_is_painted_without_flags_or_outside_of_the_clip(qtbot: QtBot) -> None:
    blank = painted(np.zeros((2, 4), np.bool_))
    assert painted(np.zeros((0, 0), np.bool_)) == blank
    assert painted(np.ones((2, 4), np.bool_), frame=60) == blank
    assert painted(np.ones((2, 4), np.bool_), candidate=7) == blank
