"""The result of measuring recipes in the window: pictures, numbers, the wrong captions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtCore import QPoint, QRectF, Qt
from PySide6.QtGui import QColor, QImage
from PySide6.QtWidgets import QApplication, QLabel, QPushButton
from pytestqt.qtbot import QtBot

from pipeline.evaluation.caption_rubric import Failure
from pipeline.model.palette import BETTER, FAILURES, WORSE
from tests.pipeline.recipe_examples import measured
from widgets.caption_evaluation import CaptionEvaluation
from widgets.theme import ThemeMode, apply_theme

TWO = measured({"hand-collage": 0.6, "frames": 0.4})
FOUR = measured({"hand-collage": 0.6, "frames": 0.5, "video": 0.3, "hand-collage-pro": 0.62})


@pytest.fixture
def view(qtbot: QtBot) -> CaptionEvaluation:
    made = CaptionEvaluation()
    made.resize(900, 760)
    qtbot.addWidget(made)
    made.show()
    return made


@pytest.fixture(params=["dark", "light"])
def theme(request: pytest.FixtureRequest, qapp: QApplication) -> Iterator[str]:
    apply_theme(qapp, request.param)
    yield request.param
    apply_theme(qapp, ThemeMode.DARK)


def near(image: QImage, rect: QRectF, color: tuple[int, int, int]) -> int:
    """Pixels in a rectangle that are about a colour."""
    wanted, found = QColor(*color), 0
    for x in range(int(rect.left()) + 1, int(rect.right())):
        for y in range(int(rect.top()) + 1, int(rect.bottom())):
            seen = image.pixelColor(x, y)
            distance = abs(seen.red() - wanted.red()) + abs(seen.green() - wanted.green())
            found += distance + abs(seen.blue() - wanted.blue()) < 60
    return found


def test_without_a_result_it_says_what_to_do(view: CaptionEvaluation) -> None:
    texts = [label.text() for label in view.findChildren(QLabel) if label.isVisible()]
    assert any("captions evaluate" in text for text in texts)
    view.set_evaluation(TWO)
    assert view.rates.isVisible()
    view.set_evaluation(None)
    assert not view.rates.isVisible()
    assert view.evaluation is None


def test_bars_and_intervals_are_painted(view: CaptionEvaluation, theme: str) -> None:
    view.set_evaluation(TWO)
    image = view.rates.grab().toImage()
    ratio = image.devicePixelRatio()
    assert ratio == 1.0
    for row, figures in enumerate(TWO.figures):
        for failure, part in view.rates.segments(row):
            count = next(f.count for f in figures.failures if f.failure is failure)
            assert (part.width() > 0) == (count > 0)
            if failure is Failure.WRONG_VERB:
                assert near(image, part, FAILURES["wrong_verb"]) > 0.5 * part.width()
        left, width = view.rates.axis()
        middle = view.rates.row_rect(row).center().y()
        dot = image.pixelColor(int(left + width * figures.rate), int(middle))
        assert dot == view.palette().windowText().color()
    worse, better = view.changes.bars(0)
    image = view.changes.grab().toImage()
    change = TWO.comparisons[0].verbs[0]
    assert (near(image, worse, WORSE) > 0) == (change.regressions > 0)
    assert (near(image, better, BETTER) > 0) == (change.improvements > 0)


def test_bars_have_one_scale(view: CaptionEvaluation) -> None:
    view.set_evaluation(FOUR)
    per_failure = {
        round(part.width() / f.count, 6)
        for row, figures in enumerate(FOUR.figures)
        for f, (_, part) in zip(figures.failures, view.rates.segments(row), strict=True)
        if f.count
    }
    assert len(per_failure) == 1


def test_another_recipe_is_compared(view: CaptionEvaluation, qtbot: QtBot) -> None:
    view.set_evaluation(FOUR)
    assert view.choice.count() == 3
    before = view.changes.grab().toImage()
    view.choice.setCurrentIndex(1)
    view.choice.activated.emit(1)
    assert "video" in view.difference.text()
    assert view.changes.grab().toImage() != before
    assert "Newcombe" in view.difference.toolTip()
    view.set_evaluation(TWO)
    assert not view.choice.isVisible()
    assert view.changes.isVisible()


def test_one_recipe_has_no_comparison(view: CaptionEvaluation) -> None:
    view.set_evaluation(measured({"offline": 0.8}, 9))
    assert not view.changes.isVisible()
    assert not view.difference.isVisible()
    assert "offline" in view.headline.text()


def test_a_difference_that_chance_explains_is_said_to_be_one(view: CaptionEvaluation) -> None:
    view.set_evaluation(measured({"a": 0.6, "b": 0.6}, 10))
    assert view.headline.text() == (
        "No recipe differs from the first one by more than chance explains."
    )


def test_a_wrong_caption_can_be_looked_at(view: CaptionEvaluation, qtbot: QtBot) -> None:
    view.set_evaluation(TWO)
    wrong = [row for row in TWO.rows if not row.right]
    assert view.wrong.count() == len(wrong)
    with qtbot.waitSignal(view.captionChosen) as caught:
        where = view.wrong.visualItemRect(view.wrong.item(2)).center()
        qtbot.mouseClick(view.wrong.viewport(), Qt.MouseButton.LeftButton, pos=where)
    assert caught.args == [wrong[2]]


def test_every_row_has_a_tip(view: CaptionEvaluation) -> None:
    view.set_evaluation(FOUR)
    for row in range(-1, len(FOUR.figures)):
        assert len(view.rates.tip_of(row)) > 40
    assert "Wilson" in view.rates.tip_of(-1)
    for row in range(-1, len(FOUR.comparisons[0].verbs)):
        assert len(view.changes.tip_of(row)) > 20


def test_the_files_are_asked_for_and_space_presses_nothing(
    view: CaptionEvaluation, qtbot: QtBot
) -> None:
    view.set_evaluation(TWO)
    with qtbot.waitSignal(view.reportWanted):
        qtbot.mouseClick(view.report, Qt.MouseButton.LeftButton)
    with qtbot.waitSignal(view.dataWanted):
        qtbot.mouseClick(view.data, Qt.MouseButton.LeftButton)
    for button in view.findChildren(QPushButton):
        assert button.focusPolicy() is Qt.FocusPolicy.NoFocus


@pytest.mark.parametrize("width", [380, 420, 1600])
def test_it_fits(view: CaptionEvaluation, width: int) -> None:
    view.resize(width, 700)
    view.set_evaluation(FOUR)
    for part in (view.rates, view.changes, view.legend, view.wrong, view.notes):
        edge = part.mapTo(view, QPoint(part.width(), 0)).x()
        assert edge <= view.width()
    left, room = view.rates.failure_room()
    for row in range(len(FOUR.figures)):
        assert view.rates.segments(row)[-1][1].right() <= left + room + 1
