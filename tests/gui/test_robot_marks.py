"""Pointing at the robot: in the viewer, and in the real window with the real worker."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtWidgets import QFileDialog
from pytestqt.qtbot import QtBot

from app.main_window import MainWindow
from pipeline.model.edits import MarkRobot, PaintRobot
from tests.datasets import SAMPLE
from tests.gui.overlay_examples import KEYFRAME
from tests.gui.test_main_window import open_episode, session, wait_done
from tests.gui.viewer_hands import at, picture, shown_viewer
from viewers.frame_viewer import FrameViewer
from viewers.marking_canvas import RobotMark
from viewers.overlays import OverlayVisibility

LEFT, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton


@pytest.fixture
def viewer(qtbot: QtBot) -> FrameViewer:
    return shown_viewer(qtbot)


def test_both_buttons_mark_and_the_tool_stays(qtbot: QtBot, viewer: FrameViewer) -> None:
    told: list[RobotMark] = []
    viewer.robotMarked.connect(told.append)
    viewer.set_tool("mark")
    with qtbot.assertNotEmitted(viewer.candidateClicked):
        qtbot.mouseClick(viewer, LEFT, pos=at(viewer, 50, 40))
        qtbot.mouseClick(viewer, RIGHT, pos=at(viewer, 90, 60))
        qtbot.mouseClick(viewer, LEFT, pos=at(viewer, -5, 40))
    assert [(m.frame, m.inside) for m in told] == [(KEYFRAME, True), (KEYFRAME, False)]
    assert (told[0].x, told[0].y) == pytest.approx((50, 40), abs=0.5)
    assert viewer.tool == "mark"
    with qtbot.waitSignal(viewer.toolChanged) as changed:
        qtbot.keyClick(viewer, Qt.Key.Key_Escape)
    assert changed.args == ["select"]


def test_nothing_is_marked_on_another_camera(qtbot: QtBot, viewer: FrameViewer) -> None:
    viewer.set_tool("mark")
    viewer.set_camera("observation.images.wrist")
    with qtbot.assertNotEmitted(viewer.robotMarked):
        qtbot.mouseClick(viewer, LEFT, pos=at(viewer, 50, 40))
    assert viewer.header.hint == "the robot is looked for on top"


def test_marks_are_seen_at_their_frame_only(viewer: FrameViewer) -> None:
    plain = picture(viewer)
    viewer.set_robot_marks((RobotMark(KEYFRAME, 120.0, 20.0, True),))
    marked = picture(viewer)
    x, y = at(viewer, 120, 20).toTuple()
    changed = np.abs(marked.astype(int) - plain).sum(axis=2) > 30
    rows, columns = np.nonzero(changed)
    assert len(rows) > 40
    assert np.hypot(columns - x, rows - y).max() < 12
    viewer.set_robot_marks((RobotMark(KEYFRAME, 120.0, 20.0, False),))
    assert (picture(viewer) != marked).any()
    viewer.set_robot_marks((RobotMark(KEYFRAME + 1, 120.0, 20.0, True),))
    assert (picture(viewer) == plain).all()
    viewer.set_robot_marks((RobotMark(KEYFRAME, 120.0, 20.0, True),))
    viewer.set_visibility(replace(OverlayVisibility(), robot=False))
    hidden = picture(viewer)
    viewer.set_robot_marks(())
    assert (picture(viewer) == hidden).all()


def test_clicks_and_imported_masks_are_corrections_of_the_robot(
    qtbot: QtBot, window: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = tmp_path / "sample"
    shutil.copytree(SAMPLE, sample)
    open_episode(qtbot, window, sample, 0)
    viewer = window.panels.frame.viewer
    before = session(window).result("robot")
    row = len(before.frames) // 2
    frame = int(before.frames[row])
    window.control.seek(frame)
    qtbot.waitUntil(lambda: viewer.image_frame == frame, timeout=5000)
    window.table.actions["mark_robot"].trigger()
    assert viewer.tool == "mark"
    x, y = (float(v) for v in before.reference[row])
    place = QPointF(*viewer.view_transform.to_view(x, y)).toPoint()
    wait_done(qtbot, window, lambda: qtbot.mouseClick(viewer, LEFT, pos=place))
    (edit,) = session(window).edits
    assert isinstance(edit, MarkRobot)
    assert (edit.frame, edit.inside) == (frame, True)
    assert edit.point == pytest.approx((x, y), abs=2)
    after = session(window).result("robot")
    assert "robot_grown" in [p.code for p in after.problems]
    assert session(window).result("proposals") is not None
    window.table.actions["mark_robot"].trigger()
    assert viewer.tool == "select"

    files = [tmp_path / "wrong.npy", tmp_path / "right.npy"]
    np.save(files[0], np.ones((3, 3), bool))
    mask = np.zeros((before.height, before.width), np.bool_)
    mask[:60, 100:140] = True
    np.save(files[1], mask)
    names = iter(str(file) for file in files)
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (next(names), ""))
    with qtbot.waitSignal(window.control.failed) as failed:
        window.table.actions["import_robot_mask"].trigger()
    assert "has 3x3 pixels" in failed.args[0]
    wait_done(qtbot, window, lambda: window.table.actions["import_robot_mask"].trigger())
    assert [type(e) for e in session(window).edits] == [MarkRobot, PaintRobot]
    assert (session(window).result("robot").mask(row) == mask).all()

    def undo() -> None:
        window.table.actions["undo"].trigger()
        window.table.actions["undo"].trigger()

    wait_done(qtbot, window, undo)
    assert session(window).edits == ()
    assert (session(window).result("robot").packed == before.packed).all()
