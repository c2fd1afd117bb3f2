"""Correcting boxes and masks in the real window, on the sample dataset, with the real worker."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QGuiApplication, QImage, QKeyEvent
from PySide6.QtWidgets import QApplication, QFileDialog
from pytestqt.qtbot import QtBot

from app.main_window import MainWindow
from app.picture_actions import file_name, write_png
from pipeline.model.edits import FixBox, PaintMask
from tests.gui.test_main_window import open_episode, session, wait_done

LEFT, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton


def states(window: MainWindow) -> dict[str, str]:
    return {row.name: row.state.value for row in window.panels.stages.rows}


def at(window: MainWindow, x: float, y: float) -> QPoint:
    return QPointF(*window.panels.frame.viewer.view_transform.to_view(x, y)).toPoint()


def at_keyframe(qtbot: QtBot, window: MainWindow) -> None:
    viewer = window.panels.frame.viewer
    keyframe = session(window).result("proposals").keyframe
    qtbot.waitUntil(lambda: viewer.image_frame == keyframe, timeout=5000)


def stroke(qtbot: QtBot, window: MainWindow, button: Qt.MouseButton, *points: QPoint) -> None:
    viewer = window.panels.frame.viewer
    qtbot.mousePress(viewer, button, pos=points[0])
    for point in points[1:]:
        qtbot.mouseMove(viewer, point)
    qtbot.mouseRelease(viewer, button, pos=points[-1])


def undo(qtbot: QtBot, window: MainWindow, times: int) -> None:
    def press() -> None:
        for _ in range(times):
            window.table.actions["undo"].trigger()

    wait_done(qtbot, window, press)


def test_a_painted_mask_turns_stages_stale_runs_and_can_be_undone(
    qtbot: QtBot, window: MainWindow, sample: Path
) -> None:
    open_episode(qtbot, window, sample, 0)
    viewer = window.panels.frame.viewer
    viewer.setFocus()
    window.control.seek(3)
    winner = session(window).candidate
    before = session(window).result("masks").masks[winner]
    proposals = session(window).result("proposals")
    qtbot.keyClick(viewer, Qt.Key.Key_P)
    assert viewer.tool == "paint"
    at_keyframe(qtbot, window)
    x, y = 40.0, 40.0
    assert not before[40, 40]
    seen: list[dict[str, str]] = []
    window.control.bridge.changed.connect(lambda _: seen.append(states(window)))
    wait_done(
        qtbot,
        window,
        lambda: stroke(qtbot, window, LEFT, at(window, x, y), at(window, x + 20, y)),
    )
    first = seen[0]
    assert first["proposals"] == "fresh"
    assert all(first[name] == "stale" for name in ("masks", "tracks", "scores", "captions"))
    assert all(state == "fresh" for state in states(window).values())
    assert window.control.commands.can_undo() == f"paint mask of candidate #{winner}"
    painted = session(window).result("masks").masks[winner]
    assert painted[40, 40:60].all()
    assert (painted & before).sum() == before.sum()
    assert session(window).result("proposals") is proposals
    # Erasing with the right button is another edit of the same slot.
    stroke(qtbot, window, RIGHT, at(window, x, y), at(window, x + 20, y))
    edits = session(window).edits
    assert [type(e) for e in edits] == [PaintMask]
    assert not viewer.header.hint.startswith("masks")
    # It survives reopening, and the older one comes back before the empty store does.
    window.control.auto_run = False
    with qtbot.waitSignal(window.control.episodeOpened, timeout=10_000):
        window.control.open_dataset(str(sample), 0)
    assert session(window).edits == edits
    window.control.undo()
    wait_done(qtbot, window, window.control.run)
    assert (session(window).result("masks").masks[winner] == painted).all()
    wait_done(qtbot, window, lambda: window.table.actions["undo"].trigger())
    assert (session(window).result("masks").masks[winner] == before).all()
    assert session(window).edits == ()


def test_strokes_in_a_row_build_on_each_other_before_results_come(
    qtbot: QtBot, window: MainWindow, sample: Path
) -> None:
    open_episode(qtbot, window, sample, 0)
    qtbot.keyClick(window.panels.frame.viewer, Qt.Key.Key_P)
    at_keyframe(qtbot, window)
    candidate = session(window).candidate

    def scribble() -> None:
        for row in (20.0, 60.0, 100.0):
            stroke(qtbot, window, LEFT, at(window, 30, row), at(window, 50, row))

    scribble()
    # The masks are enough; nobody waits for the tracks.
    qtbot.waitUntil(lambda: window.control.document.is_fresh("masks"), timeout=60_000)
    mask = session(window).result("masks").masks[candidate]
    assert all(mask[row, 30:50].all() for row in (20, 60, 100))
    undo(qtbot, window, 3)
    assert session(window).edits == ()


def test_an_emptied_mask_runs_through_and_is_painted_anew(
    qtbot: QtBot, window: MainWindow, sample: Path
) -> None:
    open_episode(qtbot, window, sample, 0)
    viewer = window.panels.frame.viewer
    candidate = session(window).candidate
    nothing = np.zeros_like(session(window).result("masks").masks[candidate])
    wait_done(qtbot, window, lambda: viewer.maskPainted.emit(candidate, nothing))
    assert not session(window).result("masks").masks[candidate].any()
    assert window.panels.banner.text == ""
    window.control.document.select_candidate(candidate)
    window.intents.brush("paint")
    at_keyframe(qtbot, window)
    point = at(window, 50, 50)
    stroke(qtbot, window, LEFT, point, point)
    qtbot.waitUntil(lambda: window.control.document.is_fresh("masks"), timeout=60_000)
    mask = session(window).result("masks").masks[candidate]
    assert mask[50, 50]
    assert 0 < mask.sum() < 500
    undo(qtbot, window, 2)
    assert session(window).edits == ()


def test_ctrl_and_arrows_move_the_box_as_one_edit(
    qtbot: QtBot, window: MainWindow, sample: Path
) -> None:
    open_episode(qtbot, window, sample, 0)
    window.table.actions["keyframe"].trigger()
    at_keyframe(qtbot, window)
    viewer = window.panels.frame.viewer
    viewer.setFocus()
    candidate = session(window).candidate
    box = session(window).result("proposals").candidates[candidate].box
    frame = session(window).frame
    ctrl, none = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.NoModifier
    for _ in range(3):
        # Not `keyClick`: it would press and release Ctrl each time.
        press = QKeyEvent(QKeyEvent.Type.KeyPress, Qt.Key.Key_Right, ctrl)
        QApplication.sendEvent(viewer, press)
    assert session(window).frame == frame
    assert session(window).edits == ()
    release = QKeyEvent(QKeyEvent.Type.KeyRelease, Qt.Key.Key_Control, none)
    QApplication.sendEvent(viewer, release)
    assert states(window)["proposals"] == "stale"
    (edit,) = session(window).edits
    assert isinstance(edit, FixBox)
    assert edit.box == pytest.approx((box[0] + 3, box[1], box[2] + 3, box[3]))
    wait_done(qtbot, window, lambda: window.table.actions["undo"].trigger())
    assert session(window).edits == ()


def test_isolating_by_key(qtbot: QtBot, window: MainWindow, sample: Path) -> None:
    open_episode(qtbot, window, sample, 0)
    window.table.actions["keyframe"].trigger()
    at_keyframe(qtbot, window)
    viewer = window.panels.frame.viewer
    viewer.setFocus()
    candidate = session(window).candidate
    qtbot.keyClick(viewer, Qt.Key.Key_H, Qt.KeyboardModifier.ShiftModifier)
    assert viewer.header.hint == f"only #{candidate} shown"
    qtbot.keyClick(viewer, Qt.Key.Key_2)
    assert viewer.header.hint == f"only #{session(window).candidate} shown"
    assert session(window).candidate != candidate
    # Hiding everything and showing it again keeps the isolation.
    qtbot.keyClick(viewer, Qt.Key.Key_H)
    assert viewer.header.hint == "overlays hidden"
    qtbot.keyClick(viewer, Qt.Key.Key_H)
    assert "only" in viewer.header.hint
    qtbot.keyClick(viewer, Qt.Key.Key_H, Qt.KeyboardModifier.ShiftModifier)
    assert viewer.header.hint == ""
    qtbot.keyClick(viewer, Qt.Key.Key_H, Qt.KeyboardModifier.ControlModifier)
    assert viewer.header.hint == f"#{session(window).candidate} hidden"


def test_pixel_and_depth_in_the_status_bar(
    qtbot: QtBot, window: MainWindow, sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_episode(qtbot, window, sample, 0)
    viewer = window.panels.frame.viewer
    shown: list[str] = []
    monkeypatch.setattr(window.panels.status._pixel, "setText", shown.append)
    qtbot.mouseMove(viewer, at(window, 30.5, 30.5))
    x, y = (int(n) for n in re.findall(r"[xy] (\d+)", shown[0]))
    assert abs(x - 30) <= 1
    assert abs(y - 30) <= 1
    color = viewer.grab_picture().pixelColor(x, y)
    assert f"rgb {color.red()} {color.green()} {color.blue()}" in shown[0]
    camera = session(window).demonstration.camera(session(window).camera)
    if camera.depth_key is None:
        assert "depth" not in shown[0]
    else:
        assert "depth –" in shown[0]
        qtbot.waitUntil(lambda: " m" in shown[-1], timeout=5000)


def test_export_and_copy(
    qtbot: QtBot,
    window: MainWindow,
    sample: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    open_episode(qtbot, window, sample, 0)
    window.table.actions["keyframe"].trigger()
    at_keyframe(qtbot, window)
    viewer = window.panels.frame.viewer
    asked: list[str] = []

    def ask(parent: object, title: str, name: str, kinds: str) -> tuple[str, str]:
        asked.append(name)
        return str(tmp_path / name), kinds

    monkeypatch.setattr(QFileDialog, "getSaveFileName", ask)
    window.table.actions["export_picture"].trigger()
    camera = session(window).camera.removeprefix("observation.images.")
    assert asked == [f"sample_ep0_f{session(window).frame}_{camera}.png"]
    written = QImage(str(tmp_path / asked[0]))
    assert (written.width(), written.height()) == viewer.image_size
    window.table.actions["export_view"].trigger()
    seen = QImage(str(tmp_path / asked[0]))
    width = round(viewer.image_size[0] * viewer.view_transform.scale * viewer.devicePixelRatioF())
    assert seen.width() == pytest.approx(width, abs=1)
    viewer.setFocus()
    qtbot.keyClick(viewer, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().image().size() == written.size()
    assert [p.name for p in tmp_path.glob("*.png")] == [asked[0]]


def test_pictures_are_whole_or_not_there(tmp_path: Path) -> None:
    image = QImage(8, 8, QImage.Format.Format_RGB32)
    image.fill(0)
    assert write_png(image, str(tmp_path / "nowhere" / "a.png")) != ""
    target = tmp_path / "a.png"
    target.write_bytes(b"old")
    assert write_png(QImage(), str(target)) != ""
    assert target.read_bytes() == b"old"
    assert write_png(image, str(target)) == ""
    assert QImage(str(target)).width() == 8


def test_names_of_pictures_suit_any_file_system() -> None:
    from pipeline.document import Session

    assert file_name(Session(camera="observation.images.a/b c"), 7) == "picture_f7_a-b-c.png"
