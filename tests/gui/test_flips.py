"""What would flip it: the list, and the whole way from a row to the results it promised."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from app.decision import first_phase_of
from app.main_window import MainWindow
from pipeline.evaluation.what_if import Flips
from pipeline.evaluation.what_if_changes import BoundaryChange, OptionChange
from pipeline.model.edits import Edit, MoveBoundary
from pipeline.model.problem import DataError
from pipeline.scoring.formula import ScoresOptions
from tests.gui import example_clip as clip
from tests.gui import explained_clip as example
from tests.gui.test_main_window import open_episode, session, wait_done
from widgets.flip_list import FlipList
from widgets.flip_model import Column
from widgets.score_breakdown import FLIPS

FOUND = example.flips()


@pytest.fixture
def panel(qtbot: QtBot) -> FlipList:
    widget = FlipList()
    qtbot.addWidget(widget)
    widget.resize(420, 300)
    widget.set_flips(FOUND, example.NAMES)
    widget.show()
    qtbot.waitExposed(widget)
    return widget


def heard(panel: FlipList) -> list[tuple[Any, ...]]:
    calls: list[tuple[Any, ...]] = []
    panel.optionTried.connect(lambda *args: calls.append(("option", *args)))
    panel.boundaryTried.connect(lambda *args: calls.append(("boundary", *args)))
    return calls


def cells(panel: FlipList, row: int) -> list[str]:
    return [str(panel.model.index(row, column).data()) for column in Column]


def row_of(panel: FlipList, kind: type) -> int:
    changes = [f.change for f in panel.flips]
    return next(i for i, change in enumerate(changes) if isinstance(change, kind))


def test_rows_are_sorted_and_say_what_how_far_and_who(panel: FlipList) -> None:
    assert panel.flips == FOUND.flips
    efforts = [f.effort for f in panel.flips]
    assert efforts == sorted(efforts)
    for row, flip in enumerate(panel.flips):
        what, values, far, winner, kind = cells(panel, row)
        assert what == flip.change.words
        assert values.startswith(f"{flip.from_value} → ")
        assert far.startswith("+" if flip.is_larger else "−")
        assert (winner, kind) == (f"#{flip.new_winner}", flip.kind.value)
        tip = panel.model.index(row, 0).data(Qt.ItemDataRole.ToolTipRole)
        assert example.NAMES[flip.new_winner] in tip
    assert panel.sentence.text().startswith("The decision flips to #1 if")
    assert panel.sentence.text() in panel.text()


def test_another_candidate_has_its_own_list(panel: FlipList) -> None:
    panel.set_candidate(1)
    assert panel.flips == FOUND.to(1)
    assert panel.sentence.text().startswith("#1 wins if")
    panel.set_candidate(FOUND.winner)
    assert panel.flips == FOUND.flips


def test_what_cannot_is_one_row_until_it_is_asked_for(panel: FlipList, qtbot: QtBot) -> None:
    last = panel.model.rowCount() - 1
    assert "others that cannot flip it alone" in cells(panel, last)[0]
    where = panel.row_rect(last).center()
    panel.table.scrollTo(panel.model.index(last, 0))
    where = panel.row_rect(last).center()
    qtbot.mouseClick(panel.table.viewport(), Qt.MouseButton.LeftButton, pos=where)
    names = {row.trial.change.name for row in panel.model.rows if row.trial is not None}
    assert names == {t.change.name for t in FOUND.trials}
    tips = [
        panel.model.index(i, 0).data(Qt.ItemDataRole.ToolTipRole)
        for i, row in enumerate(panel.model.rows)
        if row.flip is None and row.trial is not None
    ]
    assert any("None found from 0 to 4 in steps of 0.02." in tip for tip in tips)
    assert any("(exact)" in tip for tip in tips)
    panel.try_row(panel.model.rowCount() - 1)
    assert panel.model.rowCount() - 1 == last


def test_enter_and_the_button_try_an_option(panel: FlipList, qtbot: QtBot) -> None:
    calls = heard(panel)
    row = row_of(panel, OptionChange)
    flip = panel.flips[row]
    panel.table.selectRow(row)
    qtbot.keyClick(panel.table, Qt.Key.Key_Return)
    assert calls == [("option", "scores", flip.change.name, flip.short_value)]
    qtbot.mouseClick(panel.attempt, Qt.MouseButton.LeftButton)
    assert len(calls) == 2
    # The space bar plays the video.
    qtbot.keyClick(panel.table, Qt.Key.Key_Space)
    assert len(calls) == 2
    assert panel.attempt.focusPolicy() is Qt.FocusPolicy.NoFocus


def test_a_boundary_says_what_stays(panel: FlipList) -> None:
    calls = heard(panel)
    row = row_of(panel, BoundaryChange)
    flip = panel.flips[row]
    panel.table.selectRow(row)
    assert panel.note.isVisible()
    assert "same keyframe, boxes and tracks" in panel.note.text()
    panel.try_row(row)
    change = flip.change
    assert isinstance(change, BoundaryChange)
    assert calls == [("boundary", change.arm, change.index, flip.to_value)]


def test_hovering_a_row_tells_its_term(panel: FlipList, qtbot: QtBot) -> None:
    terms: list[str] = []
    panel.termHovered.connect(terms.append)
    qtbot.mouseMove(panel.table.viewport(), panel.row_rect(0).center())
    panel.table._hover(-1)
    assert terms == [panel.flips[0].change.term, ""]


def test_narrow_panels_drop_columns(panel: FlipList, qtbot: QtBot) -> None:
    hidden = panel.table.isColumnHidden
    assert not hidden(Column.FAR)
    panel.resize(336, 170)
    qtbot.waitUntil(lambda: hidden(Column.FAR) and hidden(Column.KIND))
    shown = sum(panel.table.columnWidth(c) for c in Column if not hidden(c))
    assert shown <= panel.table.viewport().width()
    assert panel.table.columnWidth(Column.WHAT) > 100
    panel.resize(700, 300)
    qtbot.waitUntil(lambda: not hidden(Column.KIND))


def test_states_in_words(panel: FlipList) -> None:
    panel.set_progress(0.4, "noise floor")
    assert panel.bar.isVisible()
    assert "noise floor" in panel.message
    panel.set_message("The search for flips failed: no disk")
    assert not panel.bar.isVisible()
    assert "failed" in panel.message
    assert panel.text() == ""
    panel.set_message("")
    assert "Run the scores stage" in panel.message
    panel.set_flips(FOUND, example.NAMES)
    assert panel.message == ""


def test_a_near_tie_is_a_chip(panel: FlipList) -> None:
    assert not panel.chips.isVisible()
    tie: Flips = replace(FOUND, near_tie=True, margin=0.01)
    panel.set_flips(tie, example.NAMES)
    assert panel.chips.isVisible()
    assert panel.sentence.text().startswith("Near tie: #0 leads #1 by 0.010 only.")


def test_nothing_flips_it(panel: FlipList) -> None:
    none = replace(FOUND, flips=(), roads=tuple((c, ()) for c, _ in FOUND.roads))
    panel.set_flips(none, example.NAMES)
    assert panel.flips == ()
    assert not panel.attempt.isEnabled()
    assert "No single change" in panel.sentence.text()
    assert "settings that cannot flip it alone" in cells(panel, 0)[0]


# In the window ------------------------------------------------------------------------------


def show_flips(qtbot: QtBot, window: MainWindow) -> FlipList:
    """Bring the page to the front and wait for its list."""
    breakdown = window.panels.breakdown
    window._docks["why"].raise_()
    breakdown.show_page(FLIPS)
    qtbot.waitUntil(lambda: breakdown.isVisible(), timeout=5000)
    qtbot.waitUntil(lambda: breakdown.flips.message == "", timeout=30_000)
    return breakdown.flips


def test_trying_a_row_keeps_its_promise(qtbot: QtBot, window: MainWindow, sample: Path) -> None:
    open_episode(qtbot, window, sample, 0)
    flips = show_flips(qtbot, window)
    first = session(window).result("scores").winner
    row = row_of(flips, OptionChange)
    flip = flips.flips[row]
    assert isinstance(flip.change, OptionChange)
    wait_done(qtbot, window, lambda: flips.try_row(row))
    now = session(window)
    assert now.result("scores").winner == flip.new_winner
    assert getattr(now.options["scores"], flip.change.name) == flip.short_value
    # Both runs are shown, and one press goes back.
    assert now.comparing
    assert window.panels.frame.before.isVisible()
    assert flips.back.isVisible()
    wait_done(qtbot, window, lambda: qtbot.mouseClick(flips.back, Qt.MouseButton.LeftButton))
    now = session(window)
    assert now.options["scores"] == ScoresOptions()
    assert now.result("scores").winner == first
    assert not now.comparing
    assert not flips.back.isVisible()


def test_evidence_truth_and_hover_in_the_window(
    qtbot: QtBot, window: MainWindow, sample: Path
) -> None:
    open_episode(qtbot, window, sample, 0)
    panels = window.panels
    qtbot.waitUntil(lambda: "m_in = mean speed" in panels.breakdown.text(), timeout=10_000)
    assert "matches the ground truth" in panels.breakdown.text()
    usual = panels.timeline.grab().toImage()
    hint = panels.frame.viewer.header.hint
    for term in ("motion", "detector", "proximity", "overlap"):
        panels.breakdown.termHovered.emit(term)
        assert panels.frame.viewer.header.hint.startswith(term)
        assert panels.timeline.grab().toImage() != usual
    panels.breakdown.termHovered.emit("")
    assert panels.frame.viewer.header.hint == hint
    assert panels.timeline.grab().toImage() == usual
    panels.breakdown.frameChosen.emit(33)
    assert session(window).frame == 33


def test_options_that_were_not_run_yet_are_said(
    qtbot: QtBot, window: MainWindow, sample: Path
) -> None:
    open_episode(qtbot, window, sample, 0)
    flips = show_flips(qtbot, window)
    options = session(window).options["scores"]
    window.control.set_options("scores", replace(options, motion_weight=0.4))
    assert "older than the settings" in flips.message
    window.control.set_options("scores", options)
    qtbot.waitUntil(lambda: flips.message == "", timeout=30_000)


def test_a_failed_search_is_said(
    qtbot: QtBot, window: MainWindow, sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> Flips:
        raise DataError("gone", "the tracks are gone")

    monkeypatch.setattr("app.explanation.flips_of", broken)
    open_episode(qtbot, window, sample, 0)
    breakdown = window.panels.breakdown
    window._docks["why"].raise_()
    breakdown.show_page(FLIPS)
    qtbot.waitUntil(lambda: "the tracks are gone" in breakdown.flips.message, timeout=10_000)


def test_a_boundary_becomes_a_correction(
    window: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    decided: list[Edit] = []
    undone: list[bool] = []
    monkeypatch.setattr(window.control, "decide", decided.append)
    monkeypatch.setattr(window.control, "undo", lambda: undone.append(True))
    breakdown = window.panels.breakdown
    breakdown.boundaryTried.emit("right", 1, 84)
    assert decided == [MoveBoundary(arm="right", index=1, frame=84)]
    assert not breakdown.flips.back.isHidden()
    breakdown.backWanted.emit()
    assert undone == [True]


def test_boundaries_are_numbered_as_the_arm_numbers_them() -> None:
    phases = clip.phases()
    first, second = clip.subtasks().subtasks
    assert first_phase_of(first, phases) == 0
    assert first_phase_of(second, phases) == 3
    assert first_phase_of(second, None) == 0
