"""Words by probability: grounds, alternatives, two answers side by side, why there are none."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QComboBox
from pytestqt.qtbot import QtBot

from pipeline.model.drafting import CaptionVersion
from tests.gui import caption_examples as examples
from widgets.theme import apply_theme
from widgets.token_view import EMPTY, TokenAnswer, TokenView, answer_of
from widgets.word_flow import STEPS, ground


def other_version() -> CaptionVersion:
    """The same sentence with `blue`."""
    version = examples.version()
    assert version.exchange is not None
    answer = examples.ANSWER.replace("green", "blue")
    reply = replace(
        version.exchange.reply, text=answer, tokens=examples.tokens(answer, "blue", "green")
    )
    return replace(
        version,
        text=examples.CAPTION.replace("green", "blue"),
        exchange=replace(version.exchange, reply=reply),
    )


@pytest.fixture
def view(qtbot: QtBot) -> TokenView:
    made = TokenView()
    qtbot.addWidget(made)
    made.resize(480, 360)
    made.set_answers([answer_of("draft", examples.version())])
    made.show()
    return made


def test_the_words_of_the_caption_have_their_probabilities(view: TokenView) -> None:
    cells = view.flow.cells
    assert " ".join(c.text for c in cells) == examples.CAPTION
    assert [c.probability for c in cells] == pytest.approx(
        [0.98, 0.98, 0.51, 0.98, 0.98, 0.98, 0.98], abs=1e-6
    )
    assert cells[2].lines == ("0.51",)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_what_is_less_sure_stands_out(view: TokenView, theme: str) -> None:
    app = QApplication.instance()
    assert isinstance(app, QApplication)
    apply_theme(app, theme)
    picture = view.flow.grab().toImage()

    def corner(number: int) -> tuple[int, int, int]:
        rect = view.flow.rect_of(number)
        color = picture.pixelColor(int(rect.left() + 4), int(rect.bottom() - 4))
        return color.red(), color.green(), color.blue()

    sure, unsure = corner(3), corner(2)
    assert corner(0) == sure
    assert unsure[0] - unsure[2] > sure[0] - sure[2] + 40


def test_the_colour_is_fuller_the_less_sure() -> None:
    alphas = [ground(p).alpha() for p in (0.99, 0.9, 0.6, 0.1, 0.0)]
    assert alphas == sorted(alphas)
    assert alphas[-1] == alphas[-2]
    assert len({alpha for _, alpha in STEPS}) == len(STEPS)


def test_pointing_at_a_word_shows_what_else_it_might_have_been(
    qtbot: QtBot, view: TokenView
) -> None:
    qtbot.mouseMove(view.flow, view.flow.rect_of(2).center().toPoint())
    qtbot.waitUntil(lambda: view.flow.current == 2)
    rows = view.bars.rows
    assert [word for word, _ in rows] == ["green", "blue", "teal"]
    assert [p for _, p in rows] == pytest.approx([0.51, 0.47, 0.01], abs=1e-3)
    assert "probability 0.510" in view.about
    assert "entropy" in view.about
    assert "not listed 0.010" in view.bars.accessibleDescription()


def test_arrow_keys_go_from_word_to_word(qtbot: QtBot, view: TokenView) -> None:
    view.setFocus()
    assert view.flow.hasFocus()
    assert view.flow.current == 0
    qtbot.keyClick(view.flow, Qt.Key.Key_Right)
    qtbot.keyClick(view.flow, Qt.Key.Key_Right)
    assert view.flow.current == 2
    assert "“green”" in view.about
    qtbot.keyClick(view.flow, Qt.Key.Key_End)
    assert view.flow.current == 6
    qtbot.keyClick(view.flow, Qt.Key.Key_Right)
    assert view.flow.current == 6
    qtbot.keyClick(view.flow, Qt.Key.Key_Home)
    assert view.flow.current == 0


def test_words_wrap_in_a_narrow_panel(qtbot: QtBot, view: TokenView) -> None:
    view.resize(180, 360)
    qtbot.waitUntil(lambda: len({view.flow.rect_of(k).top() for k in range(7)}) > 1)
    assert all(view.flow.rect_of(k).right() <= view.flow.width() + 1 for k in range(7))
    view.setFocus()
    here = view.flow.rect_of(0).top()
    qtbot.keyClick(view.flow, Qt.Key.Key_Down)
    assert view.flow.rect_of(view.flow.current).top() > here


def test_a_second_answer_stands_beside_it(view: TokenView) -> None:
    view.set_answers([answer_of("draft", examples.version()), answer_of("again", other_version())])
    assert view.flow.cells[2].text == "blue"
    assert view.flow.cells[2].lines == ("0.51",)
    view.compare_with(0)
    cell = view.flow.cells[2]
    assert cell.lines[1] == "green"
    assert cell.lines[2].startswith("KL 0.0")
    assert cell.differs
    assert not view.flow.cells[0].differs
    assert view.flow.cells[0].lines[2] == "KL 0.00"


def test_more_different_models_diverge_more(view: TokenView) -> None:
    sure = other_version()
    assert sure.exchange is not None
    blue = "blue"
    tokens = tuple(
        replace(t, logprob=-0.01, alternatives=((" blue", -0.01), (" green", -6.0)))
        if t.token.strip() == blue
        else t
        for t in sure.exchange.reply.tokens
    )
    reply = replace(sure.exchange.reply, tokens=tokens)
    sure = replace(sure, exchange=replace(sure.exchange, reply=reply))
    view.set_answers([answer_of("sure", sure), answer_of("draft", examples.version())])
    view.compare_with(0)
    assert float(view.flow.cells[2].lines[2].removeprefix("KL ")) > 0.5


def test_the_whole_answer_can_be_shown(view: TokenView) -> None:
    view._whole.setChecked(True)
    assert " ".join(c.text for c in view.flow.cells) == examples.ANSWER


def test_a_caption_that_is_not_in_the_answer_shows_all_of_it(view: TokenView) -> None:
    view.set_answers([TokenAnswer("x", "Fold the towel.", examples.tokens())])
    assert "does not stand in the answer" in view.note
    assert " ".join(c.text for c in view.flow.cells) == examples.ANSWER


@pytest.mark.parametrize(
    ("version", "reason"),
    [
        (examples.offline_version(), "offline drafter has no probabilities"),
        (examples.version(with_tokens=False), "gave no log-probabilities for gemini-2.5-flash"),
        (replace(examples.version(), exchange=None), "is not kept"),
    ],
)
def test_without_probabilities_it_says_why(
    view: TokenView, version: CaptionVersion, reason: str
) -> None:
    view.set_answers([answer_of("draft", version)])
    assert reason in view.note
    assert view.flow.cells == ()
    assert not view.flow.isVisible()


def test_a_server_that_dropped_the_option_is_named(view: TokenView) -> None:
    version = examples.version(with_tokens=False)
    assert version.exchange is not None
    reply = replace(version.exchange.reply, dropped=("logprobs",))
    dropped = replace(version, exchange=replace(version.exchange, reply=reply))
    assert "does not take the option" in answer_of("draft", dropped).reason


def test_without_an_answer_it_says_what_to_do(view: TokenView) -> None:
    view.set_answers([])
    assert view._stack.currentIndex() == 0
    assert "Run the stages" in EMPTY


def test_one_answer_has_nothing_to_choose(view: TokenView) -> None:
    assert not any(box.isVisible() for box in view.findChildren(QComboBox))
