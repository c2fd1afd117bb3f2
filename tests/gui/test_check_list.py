"""Checks as a list: outcome in word and icon, evidence asked and left, words underlined."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QApplication, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from pipeline.model.checks import ChecksResult, Outcome
from pipeline.model.problem import Problem
from tests.gui import caption_examples as examples
from widgets.check_list import CheckList, underlined
from widgets.theme import apply_theme, colors


@pytest.fixture
def checks(qtbot: QtBot) -> CheckList:
    made = CheckList()
    qtbot.addWidget(made)
    made.resize(360, 300)
    made.set_checks(examples.checks(), examples.CAPTION)
    made.show()
    return made


def middle(checks: CheckList, row: int) -> QPoint:
    view = checks.view
    return view.visualRect(view.model().index(row, 0)).center()


def test_every_check_says_its_outcome_in_words(checks: CheckList) -> None:
    assert checks.summary == "1 pass · 1 fail · 1 unknown"
    model = checks.view.model()
    spoken = [
        model.index(k, 0).data(Qt.ItemDataRole.AccessibleTextRole) for k in range(model.rowCount())
    ]
    assert spoken[0].startswith("fail: the object is green. its mask is blue")
    assert spoken[1].startswith("pass: ")
    assert spoken[2].startswith("unknown: ")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_outcomes_differ_in_shape_not_only_in_colour(checks: CheckList, theme: str) -> None:
    app = QApplication.instance()
    assert isinstance(app, QApplication)
    apply_theme(app, theme)
    picture = checks.view.viewport().grab().toImage()
    base = colors(checks.palette()).base
    shapes = set()
    for row in range(3):
        rect = checks.view.visualRect(checks.view.model().index(row, 0))
        ink = tuple(
            picture.pixelColor(rect.left() + 8 + x, rect.top() + 4 + y).name() != base
            for y in range(16)
            for x in range(16)
        )
        assert any(ink)
        shapes.add(ink)
    assert len(shapes) == 3


def test_a_click_asks_for_the_evidence(qtbot: QtBot, checks: CheckList) -> None:
    with qtbot.waitSignal(checks.evidenceAsked) as asked:
        qtbot.mouseClick(checks.view.viewport(), Qt.MouseButton.LeftButton, pos=middle(checks, 1))
    assert asked.args == [examples.checks().constraints[1].evidence]
    assert checks.chosen == examples.checks().constraints[1]


def test_what_failed_comes_first(qtbot: QtBot, checks: CheckList) -> None:
    failed, *others = examples.checks().constraints
    checks.set_checks(ChecksResult(examples.CAPTION, (*others, failed)))
    checks.choose(0)
    assert checks.chosen == failed
    checks.choose(1)
    assert checks.chosen == others[0]


def test_a_failure_is_told_once(checks: CheckList) -> None:
    failed = examples.checks().constraints[0]
    again = Problem("caption_contradicted", f"“{failed.claim}” is contradicted: {failed.why}")
    other = Problem("checks_no_masks", "There are no masks.")
    checks.set_checks(replace(examples.checks(), problems=(again, other)), examples.CAPTION)
    assert failed.why not in checks.summary
    assert other.message in checks.summary


class Around(QWidget):
    """Notes the keys that its child leaves over."""

    def __init__(self) -> None:
        super().__init__()
        self.left_over: list[int] = []

    def keyPressEvent(self, event: QKeyEvent) -> None:
        self.left_over.append(event.key())


def test_escape_without_a_choice_is_left_to_others(qtbot: QtBot) -> None:
    around, checks = Around(), CheckList()
    qtbot.addWidget(around)
    QVBoxLayout(around).addWidget(checks)
    checks.set_checks(examples.checks(), examples.CAPTION)
    around.show()
    checks.choose(0)
    qtbot.keyClick(checks.view, Qt.Key.Key_Escape)
    assert around.left_over == []
    qtbot.keyClick(checks.view, Qt.Key.Key_Escape)
    assert around.left_over == [Qt.Key.Key_Escape]


def test_a_second_click_and_escape_leave_it(qtbot: QtBot, checks: CheckList) -> None:
    viewport = checks.view.viewport()
    for leave in ("click", "escape"):
        qtbot.mouseClick(viewport, Qt.MouseButton.LeftButton, pos=middle(checks, 0))
        with qtbot.waitSignal(checks.evidenceLeft) as left:
            if leave == "click":
                qtbot.mouseClick(viewport, Qt.MouseButton.LeftButton, pos=middle(checks, 0))
            else:
                qtbot.keyClick(checks.view, Qt.Key.Key_Escape)
        assert left.args == [True]
        assert checks.chosen is None


def test_arrow_keys_go_through_the_checks(qtbot: QtBot, checks: CheckList) -> None:
    asked: list[object] = []
    checks.evidenceAsked.connect(asked.append)
    checks.setFocus()
    assert asked == []
    for key in (Qt.Key.Key_Down, Qt.Key.Key_Down, Qt.Key.Key_Down, Qt.Key.Key_Up):
        qtbot.keyClick(checks.view, key)
    wanted = [c.evidence for c in examples.checks().constraints]
    assert asked == [wanted[0], wanted[1], wanted[2], wanted[1]]


def test_the_words_concerned_are_underlined(checks: CheckList) -> None:
    assert "underline" not in checks.caption_html
    checks.choose(0)
    assert "text-decoration:underline" in checks.caption_html
    assert ">green</span> cube" in checks.caption_html
    checks.leave()
    assert "underline" not in checks.caption_html


def test_words_that_are_not_there_underline_nothing() -> None:
    assert underlined("Put <it> down.", "cube", "#ff0000") == "Put &lt;it&gt; down."
    assert underlined("Put it.", "", "#ff0000") == "Put it."
    assert underlined("Put it.", "PUT", "#ff0000").startswith("<span")


def test_hiding_the_list_leaves_the_evidence(qtbot: QtBot, checks: CheckList) -> None:
    checks.choose(1)
    with qtbot.waitSignal(checks.evidenceLeft) as left:
        checks.hide()
    assert left.args == [False]


def test_equal_results_keep_the_choice_and_setters_are_silent(
    qtbot: QtBot, checks: CheckList
) -> None:
    checks.choose(1)
    told: list[object] = []
    checks.evidenceAsked.connect(told.append)
    checks.evidenceLeft.connect(told.append)
    checks.set_checks(examples.checks(), examples.CAPTION)
    assert checks.chosen is not None
    checks.set_checks(examples.checks("Another one."), "Another one.")
    assert checks.chosen is None
    assert told == []


def test_checks_of_another_caption_say_so(checks: CheckList) -> None:
    checks.set_checks(examples.checks(), "Stack the cube.")
    assert "has changed since" in checks.summary


def test_nothing_to_test_says_why(checks: CheckList) -> None:
    problem = Problem("caption_not_understood", "“Frobnicate” is no verb of the vocabulary.")
    checks.set_checks(ChecksResult("Frobnicate.", (), (problem,)), "Frobnicate.")
    assert checks.summary.startswith("Nothing in this caption can be tested.")
    assert problem.message in checks.summary


def test_without_results_it_says_what_to_do(checks: CheckList) -> None:
    checks.set_checks(None)
    assert checks._stack.currentIndex() == 0


def test_long_sentences_wrap(qtbot: QtBot, checks: CheckList) -> None:
    long = replace(examples.checks().constraints[0], why="word " * 80)
    checks.set_checks(ChecksResult("x", (long,)), "x")
    model = checks.view.model()
    qtbot.waitUntil(lambda: checks.view.visualRect(model.index(0, 0)).height() > 80)
    assert long.outcome is Outcome.FAIL
