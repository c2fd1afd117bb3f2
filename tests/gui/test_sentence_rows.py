"""Rows of sentences: what both lists of them rely on."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QModelIndex, QRect, Qt
from PySide6.QtGui import QFontMetrics, QGuiApplication, QImage
from PySide6.QtWidgets import QListView
from pytestqt.qtbot import QtBot

from pipeline.model.problem import Problem, Severity
from widgets.icons import SIZE, Glyph
from widgets.problem_list import ProblemList
from widgets.sentence_rows import SentenceRow, SentenceView
from widgets.theme import GRID

LONG = "A sentence that a narrow list wraps over several lines, and a wide one over fewer of them."


def row(word: str = "", sentence: str = LONG, aside: str = "") -> SentenceRow:
    return SentenceRow(Glyph.HELP, None, "title", sentence, word, aside, copied="copied")


def shown(qtbot: QtBot, *rows: SentenceRow, words: tuple[str, ...] = ()) -> SentenceView:
    view = SentenceView("Rows", (Qt.Key.Key_Down,), words=words)
    qtbot.addWidget(view)
    view.resize(400, 300)
    view.show_rows(rows)
    view.show()
    return view


def picture(view: SentenceView, number: int) -> QImage:
    return view.viewport().grab(view.visualRect(view.model().index(number, 0))).toImage()


def inked_columns(image: QImage, area: QRect) -> list[int]:
    paper = image.pixelColor(0, 0)
    return [
        x
        for x in range(area.left(), area.right() + 1)
        if any(image.pixelColor(x, y) != paper for y in range(area.top(), area.bottom() + 1))
    ]


def test_a_row_is_as_high_as_its_wrapped_sentence(qtbot: QtBot) -> None:
    view = shown(qtbot, row(), row(sentence="Short."))
    long, short = (view.visualRect(view.model().index(k, 0)).height() for k in range(2))
    assert long > short
    view.resize(160, 300)
    qtbot.waitUntil(lambda: view.visualRect(view.model().index(0, 0)).height() > long)


def test_titles_stand_below_each_other_behind_words_of_any_length(qtbot: QtBot) -> None:
    words = ("no", "undecided")
    view = shown(qtbot, row("no", " "), row("undecided", " "), words=words)
    bold = view.font()
    bold.setBold(True)
    behind = 2 * GRID + SIZE + QFontMetrics(bold).horizontalAdvance("undecided") + 1
    images = [picture(view, number) for number in range(2)]
    # Behind the longest word they differ in nothing: the same title at the same place.
    titles = [image.copy(behind, 0, image.width() - behind, image.height()) for image in images]
    assert titles[0] == titles[1]
    assert inked_columns(titles[0], titles[0].rect())


def test_the_aside_stands_at_the_right_end(qtbot: QtBot) -> None:
    view = shown(qtbot, row(sentence=" "), row(sentence=" ", aside="frame 7"))
    last = []
    for number in range(2):
        image = picture(view, number)
        last.append(max(inked_columns(image, image.rect())))
    assert last[0] < image.width() / 2
    assert image.width() - 16 < last[1] <= image.width() - 8


def test_other_rows_take_the_choice_away_silently(qtbot: QtBot) -> None:
    view = shown(qtbot, row(), row())
    view.setCurrentIndex(view.model().index(1, 0))
    with qtbot.assertNotEmitted(view.selectionModel().selectionChanged):
        view.show_rows([row()])
    assert view.selectedIndexes() == []
    assert view.model().rowCount() == 1


def test_letters_choose_nothing_and_copying_copies(qtbot: QtBot) -> None:
    view = shown(qtbot, row(), row())
    view.setCurrentIndex(view.model().index(1, 0))
    qtbot.keyClicks(view, "c")
    assert view.currentIndex().row() == 1
    qtbot.keyClick(view, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text() == "copied"


@pytest.fixture
def problems(qtbot: QtBot) -> ProblemList:
    made = ProblemList()
    qtbot.addWidget(made)
    made.set_problems((Problem("near_tie", LONG, Severity.INFO), Problem("flat", LONG, frame=7)))
    made.show()
    return made


def test_problems_say_code_frame_and_sentence(problems: ProblemList) -> None:
    view = problems.findChild(QListView)
    assert view is not None
    gravest = view.model().index(0, 0)
    assert gravest.data(Qt.ItemDataRole.AccessibleTextRole) == f"warning, flat: {LONG}"
    assert "Frame 7. Click to go there." in gravest.data(Qt.ItemDataRole.ToolTipRole)


def test_a_row_that_is_gone_activates_nothing(qtbot: QtBot, problems: ProblemList) -> None:
    view = problems.findChild(QListView)
    assert view is not None
    problems.problemActivated.connect(lambda _problem: problems.set_problems(()))
    with qtbot.waitSignal(problems.problemActivated):
        view.clicked.emit(view.model().index(1, 0))
    # Styles that activate by a single click send this one after it; its row has gone.
    with qtbot.assertNotEmitted(problems.problemActivated):
        view.activated.emit(QModelIndex())
