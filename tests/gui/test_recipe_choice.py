"""Drafting again: what is asked for, the estimate before it, the captions word by word."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QLineEdit, QPushButton, QScrollArea
from pytestqt.qtbot import QtBot

from pipeline.model.recipe import Recipe
from widgets.backend_choice import Choice
from widgets.recipe_choice import DraftChoice, NamedCaption, RecipeChoice

RECIPES = (
    Recipe("hand-collage", title="Hand collage", about="The default.", rate=0.61),
    Recipe("frames", title="Frames only", model="gemini-2.5-flash"),
)


@pytest.fixture
def form(qtbot: QtBot) -> RecipeChoice:
    made = RecipeChoice()
    qtbot.addWidget(made)
    made.resize(360, 420)
    made.set_backends((Choice("offline"), Choice("gemini"), Choice("openai_compatible", "", "no")))
    made.set_recipes(RECIPES)
    made.show()
    return made


def box(form: RecipeChoice, name: str) -> QComboBox:
    return next(b for b in form.findChildren(QComboBox) if b.accessibleName() == name)


def button(form: RecipeChoice, text: str) -> QPushButton:
    return next(b for b in form.findChildren(QPushButton) if b.text() == text)


def choose(form: RecipeChoice, name: str, text: str) -> None:
    combo = box(form, name)
    combo.setCurrentText(text)
    combo.activated.emit(combo.currentIndex())


def test_offline_asks_only_for_the_backend(form: RecipeChoice) -> None:
    assert form.choice == DraftChoice("offline")
    assert not box(form, "Recipe").isVisible()
    assert not button(form, "Show what would be sent").isEnabled()


def test_a_change_asks_for_an_estimate(qtbot: QtBot, form: RecipeChoice) -> None:
    with qtbot.waitSignal(form.estimateAsked) as asked:
        choose(form, "Backend", "gemini")
    assert asked.args == [DraftChoice("gemini")]
    assert box(form, "Recipe").isVisible()
    form.set_estimate("1 request, about 3,456 tokens in, 80 out, no price known.")
    assert "no price known" in form.estimate
    with qtbot.waitSignal(form.estimateAsked) as asked:
        choose(form, "Recipe", "Frames only")
    assert asked.args == [DraftChoice("gemini", "frames")]
    assert form.estimate == ""


def test_typing_a_model_asks_when_it_pauses(qtbot: QtBot, form: RecipeChoice) -> None:
    choose(form, "Backend", "gemini")
    line = next(e for e in form.findChildren(QLineEdit) if e.accessibleName() == "Model")
    with qtbot.waitSignal(form.estimateAsked) as asked:
        qtbot.keyClicks(line, "m-1")
    assert asked.args == [DraftChoice("gemini", "", "m-1")]
    with qtbot.waitSignal(form.draftAsked) as wanted:
        qtbot.keyClick(line, Qt.Key.Key_Return)
    assert wanted.args == [DraftChoice("gemini", "", "m-1")]


def test_showing_the_form_asks_for_the_estimate(qtbot: QtBot, form: RecipeChoice) -> None:
    form.hide()
    form.set_choice(DraftChoice("gemini"))
    with qtbot.waitSignal(form.estimateAsked) as asked:
        form.show()
    assert asked.args == [DraftChoice("gemini")]
    form.set_estimate("1 request")
    with qtbot.waitSignal(form.estimateAsked):
        form.renew_estimate()
    assert form.estimate == ""


def test_drafting_hands_the_choice_over(qtbot: QtBot, form: RecipeChoice) -> None:
    choose(form, "Backend", "gemini")
    choose(form, "Recipe", "Hand collage")
    with qtbot.waitSignal(form.draftAsked) as asked:
        button(form, "Draft again").click()
    assert asked.args == [DraftChoice("gemini", "hand-collage")]
    with qtbot.waitSignal(form.previewAsked) as asked:
        button(form, "Show what would be sent").click()
    assert asked.args == [DraftChoice("gemini", "hand-collage")]


def test_setters_emit_nothing(form: RecipeChoice) -> None:
    told: list[object] = []
    for signal in (form.estimateAsked, form.draftAsked, form.previewAsked):
        signal.connect(told.append)
    form.set_choice(DraftChoice("gemini", "frames", "m", "http://127.0.0.1:1/v1"))
    assert form.choice == DraftChoice("gemini", "frames", "m", "http://127.0.0.1:1/v1")
    form.set_choice(DraftChoice("offline"))
    form.set_recipes(RECIPES[:1])
    form.set_estimate("x")
    assert told == []


def test_a_recipe_that_is_gone_is_still_named(form: RecipeChoice) -> None:
    form.set_choice(DraftChoice("gemini", "mine"))
    assert form.choice.recipe == "mine"


def test_what_may_not_be_done_says_why(form: RecipeChoice) -> None:
    form.set_allowed("an export can only be looked at")
    draft = button(form, "Draft again")
    assert not draft.isEnabled()
    assert draft.toolTip() == "an export can only be looked at"


def test_backends_that_cannot_be_used_are_greyed(form: RecipeChoice) -> None:
    backend = box(form, "Backend")
    model = backend.model()
    flags = [model.flags(model.index(k, 0)) for k in range(3)]
    enabled = [bool(f & Qt.ItemFlag.ItemIsEnabled) for f in flags]
    assert enabled == [True, True, False]


def test_the_last_two_captions_are_compared(form: RecipeChoice) -> None:
    form.set_captions([NamedCaption("draft", "Put the cube.")])
    assert not form.difference.isVisible()
    form.set_captions(
        [
            NamedCaption("run before", "Move the cube."),
            NamedCaption("draft", "Put the blue cube."),
            NamedCaption("revision 1", "Put the green cube."),
        ]
    )
    assert form.difference.isVisible()
    assert (form.difference.before, form.difference.sentence) == (
        "Put the blue cube.",
        "Put the green cube.",
    )
    assert form.difference.accessibleDescription() == "removed blue, added green"
    choose(form, "Compare", "run before")
    assert form.difference.before == "Move the cube."


def test_two_captions_offline_need_no_scrolling_in_the_small_dock(
    qtbot: QtBot, form: RecipeChoice
) -> None:
    form.resize(415, 147)
    scroll = form.findChild(QScrollArea)
    assert scroll is not None
    form.set_captions((NamedCaption("draft (offline)", "Put the green cup on the plate."),))
    assert not box(form, "Compare").isVisible()
    form.set_captions(
        (
            NamedCaption("draft (offline)", "Put the green cup on the plate."),
            NamedCaption("revision 1 (offline)", "Put the blue mug on the plate."),
        )
    )
    assert box(form, "Compare").isVisible()
    qtbot.waitUntil(lambda: form.difference.visibleRegion().boundingRect().height() > 10)
    bar = scroll.verticalScrollBar()
    qtbot.waitUntil(lambda: bar.maximum() == 0)
