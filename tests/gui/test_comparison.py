"""Comparing runs in the window: both pictures, the candidate table, and what is kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from pytestqt.qtbot import QtBot

from app.main_window import MainWindow
from pipeline.evaluation.comparison import Kind
from tests.gui import overlay_examples as example
from tests.gui.test_main_window import open_episode, session, wait_done
from viewers.frame_panel import FramePanel
from widgets.candidate_model import COMPARED, ROW_ROLE, CandidateRow, Column


def rows(window: MainWindow) -> list[CandidateRow]:
    model = window.panels.candidates.view.model()
    return [model.index(i, 0).data(ROW_ROLE) for i in range(model.rowCount())]


def change_option(window: MainWindow, stage: str, **values: object) -> None:
    options = session(window).options[stage]
    window.control.set_options(stage, replace(options, **values))


def test_before_and_after_in_the_window(qtbot: QtBot, window: MainWindow, sample: Path) -> None:
    actions, panels = window.table.actions, window.panels
    assert not actions["compare"].isEnabled()
    assert "run with other options" in actions["compare"].toolTip()
    open_episode(qtbot, window, sample, 0)
    assert session(window).before is None
    first = session(window).result("proposals")
    change_option(window, "proposals", max_candidates=3)
    wait_done(qtbot, window, window.control.run)
    assert len(session(window).result("proposals").candidates) == 3
    assert actions["compare"].isEnabled()
    view = panels.candidates.view
    assert all(view.isColumnHidden(c) for c in COMPARED)
    actions["compare"].trigger()
    assert session(window).comparing
    before = panels.frame.before
    assert before.isVisible()
    assert panels.frame.viewer.header.camera == "now"
    assert before.header.camera == "before"
    assert before.header.hint == "proposals.max_candidates 20 → 3"
    assert not any(view.isColumnHidden(c) for c in COMPARED)
    # Every candidate of both runs is one row: the best three, and what vanished.
    found = rows(window)
    gone = [r for r in found if r.gone]
    assert len(found) == len(first.candidates)
    assert len(gone) == len(first.candidates) - 3
    assert {r.change.kind for r in found if not r.gone} == {Kind.SAME}
    assert {r.proposal.id for r in found} == set(range(len(first.candidates)))
    # A row that vanished can be selected: only the picture of the run before has it.
    panels.candidates.candidateSelected.emit(gone[0].proposal.id)
    assert session(window).candidate == gone[0].proposal.id
    assert (
        "vanished"
        in panels.candidates.view.model()
        .index(3, Column.WAS)
        .data(Qt.ItemDataRole.ToolTipRole)
        .casefold()
    )
    # Back: the columns and the second picture go.
    actions["compare"].trigger()
    assert before.isHidden()
    assert all(view.isColumnHidden(c) for c in COMPARED)
    assert len(rows(window)) == 3
    # Pinned: a later run is compared with this one, not with the one before it.
    actions["pin_run"].trigger()
    change_option(window, "scores", motion_weight=0.1)
    wait_done(qtbot, window, window.control.run)
    change_option(window, "scores", motion_weight=0.9)
    wait_done(qtbot, window, window.control.run)
    actions["compare"].trigger()
    assert before.header.hint == "scores.motion_weight 0.5 → 0.9"
    actions["pin_run"].trigger()
    change_option(window, "scores", motion_weight=0.2)
    wait_done(qtbot, window, window.control.run)
    assert before.header.hint == "scores.motion_weight 0.9 → 0.2"
    # Another episode has no run before.
    open_episode(qtbot, window, sample, 1)
    assert not session(window).comparing
    assert before.isHidden()
    assert not actions["compare"].isEnabled()


@pytest.fixture
def panel(qtbot: QtBot) -> FramePanel:
    made = FramePanel()
    made.resize(800, 400)
    qtbot.addWidget(made)
    made.show()
    made.set_cameras(("observation.images.top",), "observation.images.top")
    made.viewer.set_image(example.GREY, example.KEYFRAME)
    made.set_frame(example.KEYFRAME)
    made.viewer.set_overlays(example.overlays())
    made.set_before(example.overlays(), "masks.backend grabcut → sam2")
    return made


def test_both_pictures_show_the_same_part(qtbot: QtBot, panel: FramePanel) -> None:
    viewer, before = panel.viewer, panel.before
    assert before.width() == pytest.approx(viewer.width(), abs=3)
    assert before.image_size == viewer.image_size
    viewer.zoom_by(3.0)
    assert before.view_transform.scale == pytest.approx(viewer.view_transform.scale)
    middle = before.view_transform.to_image(before.width() / 2, before.height() / 2)
    assert middle == pytest.approx(
        viewer.view_transform.to_image(viewer.width() / 2, viewer.height() / 2), abs=1.0
    )
    # And the other way round.
    before.zoom_by(0.5)
    before.steered.emit()
    assert viewer.view_transform.scale == pytest.approx(before.view_transform.scale)
    viewer.fit()
    assert before.is_fitted


def test_a_click_on_the_run_before_selects_there(qtbot: QtBot, panel: FramePanel) -> None:
    x, y = panel.before.view_transform.to_view(115, 80)
    with qtbot.waitSignal(panel.beforeClicked) as clicked:
        qtbot.mouseClick(panel.before, Qt.MouseButton.LeftButton, pos=QPoint(round(x), round(y)))
    assert clicked.args == [2]


def test_without_a_run_before_there_is_one_picture(panel: FramePanel) -> None:
    panel.set_before(None, "")
    assert panel.before.isHidden()
    assert panel.viewer.header.camera == "top"
