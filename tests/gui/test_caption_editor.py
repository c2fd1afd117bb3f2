"""The editor of a caption and its forms."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PySide6.QtCore import QMimeData, Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QApplication, QLabel, QLineEdit, QPushButton
from pytestqt.qtbot import QtBot

from pipeline.model.caption import CaptionFields, CaptionResult, Verdict
from pipeline.model.caption_fields import CaptionField
from pipeline.model.drafting import CaptionVersion
from pipeline.model.problem import Problem
from pipeline.model.subtask import ActionType, Subtask
from widgets.caption_card import CaptionCard
from widgets.caption_editor import CaptionEditor
from widgets.completed_line import CompletedLine
from widgets.critique_form import CritiqueText
from widgets.theme import apply_theme

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")
KEY, CONTROL, ALT = (
    Qt.Key,
    Qt.KeyboardModifier.ControlModifier,
    Qt.KeyboardModifier.AltModifier,
)
F = CaptionField
SUBTASK = Subtask(
    index=0,
    arm="right",
    instruction="Put the red cube in the bowl.",
    verb="put",
    object_name="red cube",
    colors=("red",),
    target_name="bowl",
    relation="in",
    source_name="",
    action=ActionType.PICK_AND_PLACE,
    phases=(),
    start=10,
    end=200,
)
CAPTION = CaptionResult(
    text="Put the orange cube in the bowl.",
    draft="Put the orange cube in the bowl.",
    fields=CaptionFields("put", "orange cube", "in", "bowl", "right"),
    evidence=(("verb", "instruction"), ("object", "median colour of the mask")),
    verdict=None,
    drafter="offline",
    problems=(Problem("caption_color_differs", "The instruction says red."),),
)
RED = "Put the red cube in the bowl."
CARD = CaptionCard(
    episode=3,
    verbs=("put", "pull", "stack"),
    relations=("in", "on", "on top of"),
    names=("red cube", "green cup", "bowl"),
)
REVISED = replace(
    CAPTION,
    text=RED,
    draft=RED,
    fields=replace(CAPTION.fields, object_name="red cube"),
    problems=(),
    versions=(
        CaptionVersion(CAPTION.text, CAPTION.fields, "offline"),
        CaptionVersion(RED, CAPTION.fields, "gemini", "gemini-2.5-pro", critique="c1"),
    ),
)
ANSWERED = replace(
    CARD,
    before=CAPTION.text,
    critique="Object should be “red cube”, not “orange cube”.",
    critic="anna",
    refines="c1",
    flagged=(F.OBJECT,),
    corrections=((F.OBJECT, "red cube"),),
)


@pytest.fixture
def editor(qtbot: QtBot) -> CaptionEditor:
    made = CaptionEditor()
    qtbot.addWidget(made)
    made.resize(418, 190)
    made.set_caption(CAPTION, SUBTASK, CARD)
    made.show()
    qtbot.waitExposed(made)
    return made


def labels(editor: CaptionEditor) -> list[str]:
    return [w.text() for w in editor.findChildren(QLabel) if w.isVisible()]


def button(editor: CaptionEditor, word: str) -> QPushButton:
    found = [b for b in editor.findChildren(QPushButton) if b.text().startswith(word)]
    return next((b for b in found if b.isVisible()), found[0])


def names(editor: CaptionEditor) -> list[QLineEdit]:
    return [w for w in editor.findChildren(QLineEdit) if w.accessibleName().endswith("name")]


def line(editor: CaptionEditor, name: str) -> CompletedLine:
    return next(w for w in editor.findChildren(CompletedLine) if w.accessibleName() == name)


def here() -> CompletedLine:
    focused = QApplication.focusWidget()
    assert isinstance(focused, CompletedLine)
    return focused


# -- reading -------------------------------------------------------------------------------


def test_shows_text_fields_verdict_and_drafter(editor: CaptionEditor) -> None:
    shown = labels(editor)
    for text in (CAPTION.text, "put", "in", "bowl", "right", "not reviewed", "drafted by offline"):
        assert text in shown
    assert "Source" not in shown  # There is none.
    editor.set_caption(replace(CAPTION, text=RED, verdict=Verdict.CORRECTED), SUBTASK, CARD)
    assert editor.text.sentence.sentence == RED
    assert editor.text.sentence.before == CAPTION.draft
    assert "corrected" in labels(editor)


def test_fields_carry_their_evidence_and_doubts(editor: CaptionEditor) -> None:
    verb, thing = (
        next(w for w in editor.text.findChildren(QLabel) if w.accessibleName() == n)
        for n in ("Verb", "Object")
    )
    assert "Evidence: instruction" in verb.toolTip()
    assert "median colour of the mask" in thing.toolTip()
    assert "caption_color_differs: The instruction says red." in thing.toolTip()
    assert thing.text() == "⚠ orange cube"
    assert verb.text() == "put"


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_a_revision_shows_what_changed_by_more_than_colour(
    editor: CaptionEditor, qapp: QApplication, theme: str
) -> None:
    apply_theme(qapp, theme)
    editor.set_caption(REVISED, SUBTASK, ANSWERED)
    diff = editor.text.sentence
    assert diff.accessibleDescription() == "removed orange, added red"
    assert "line-through" in diff.text()
    assert "underline" in diff.text()
    image = editor.grab().toImage()
    pixels = {image.pixel(x, y) for x in range(image.width()) for y in range(80)}
    seen = [QColor(p) for p in pixels]
    hues = {c.hslHue() for c in seen if c.hslSaturation() > 90}
    assert any(h < 20 or h > 340 for h in hues), "nothing is red"
    assert any(120 < h < 170 for h in hues), "nothing is green"
    shown = labels(editor)
    assert "revised, to be accepted" in shown
    assert "revision 1 by gemini-2.5-pro" in shown
    assert f"Critique by anna: {ANSWERED.critique}" in shown
    assert button(editor, "Refine").isVisible()


def test_it_says_what_the_drafter_could_not_use(editor: CaptionEditor) -> None:
    problem = Problem("critique_not_understood", "Give the right value of a part.")
    editor.set_caption(replace(REVISED, problems=(problem,)), SUBTASK, ANSWERED)
    assert any("⚠ Give the right value of a part." in t for t in labels(editor))


def test_the_common_flow_needs_no_scrolling(editor: CaptionEditor) -> None:
    for caption, card in ((CAPTION, CARD), (REVISED, ANSWERED)):
        editor.set_caption(caption, SUBTASK, card)
        QApplication.sendPostedEvents()
        for name in ("Accept", "Correct", "Reject", "Skip"):
            shown = button(editor, name)
            bottom = shown.mapTo(editor, shown.rect().bottomRight())
            assert editor.rect().contains(bottom), name


def test_verdict_buttons_name_their_keys(editor: CaptionEditor, qtbot: QtBot) -> None:
    assert button(editor, "Accept").text() == "Accept  ⏎"
    for word, signal in (
        ("Accept", editor.accepted),
        ("Reject", editor.rejected),
        ("Skip", editor.skipped),
    ):
        with qtbot.waitSignal(signal):
            qtbot.mouseClick(button(editor, word), Qt.MouseButton.LeftButton)


def test_a_pending_revision_cannot_be_judged(editor: CaptionEditor) -> None:
    editor.set_caption(CAPTION, SUBTASK, replace(CARD, pending=True, critique="It is red."))
    assert "being revised" in labels(editor)
    assert not button(editor, "Accept").isEnabled()
    assert "on its way" in button(editor, "Accept").toolTip()
    assert button(editor, "Skip").isEnabled()


def test_setters_emit_nothing(editor: CaptionEditor, qtbot: QtBot) -> None:
    with (
        qtbot.assertNotEmitted(editor.accepted),
        qtbot.assertNotEmitted(editor.corrected),
        qtbot.assertNotEmitted(editor.criticised),
        qtbot.assertNotEmitted(editor.renamed),
    ):
        editor.set_caption(None, None)
        editor.set_caption(CAPTION, SUBTASK, CARD)
        editor.begin_critique()
        editor.leave_edit()
        editor.set_message("Drafted offline.")
    assert "Drafted offline." in labels(editor)


def test_without_a_caption_it_says_what_to_do(editor: CaptionEditor) -> None:
    editor.set_caption(None, SUBTASK)
    assert any(t.startswith("No caption yet.") for t in labels(editor))
    editor.begin_edit()
    editor.begin_critique()
    assert not editor.editing
    assert not button(editor, "Accept").isEnabled()
    assert "no caption yet" in button(editor, "Accept").toolTip()


def test_long_sentences_wrap(editor: CaptionEditor) -> None:
    long = "Stack the green gelatin packet on top of the violet packet " * 3
    editor.set_caption(replace(CAPTION, text=long, draft=long), SUBTASK, CARD)
    shown = editor.text.sentence
    assert shown.width() <= editor.width()
    assert shown.heightForWidth(shown.width()) > 2 * shown.fontMetrics().height()


def test_space_presses_no_button(editor: CaptionEditor) -> None:
    for shown in editor.findChildren(QPushButton):
        assert shown.focusPolicy() is Qt.FocusPolicy.NoFocus


def test_renaming(editor: CaptionEditor, qtbot: QtBot) -> None:
    thing, target = names(editor)
    assert (thing.text(), target.text()) == ("red cube", "bowl")
    with qtbot.assertNotEmitted(editor.renamed):
        qtbot.keyClick(thing, KEY.Key_Return)
        qtbot.keyClicks(thing, " x")
        qtbot.keyClick(thing, KEY.Key_Escape)
        assert thing.text() == "red cube"
        thing.clear()
        qtbot.keyClick(thing, KEY.Key_Return)
    assert any("needs a name" in t for t in labels(editor))
    thing.clear()
    qtbot.keyClicks(thing, "orange  block ")
    with qtbot.waitSignal(editor.renamed) as caught:
        qtbot.keyClick(thing, KEY.Key_Return)
    assert caught.args == ["orange block", "bowl"]


# -- correcting ----------------------------------------------------------------------------


def test_parts_rebuild_the_sentence_and_enter_commits(editor: CaptionEditor, qtbot: QtBot) -> None:
    editor.begin_edit()
    assert here() is line(editor, "Verb")
    qtbot.keyClicks(here(), "st")
    assert here().proposals == ("stack",)
    qtbot.keyClick(here(), KEY.Key_Tab)
    assert line(editor, "Verb").text() == "stack"
    qtbot.keyClicks(here(), "red cube")
    sentence = editor.correction.findChild(type(editor.critique.text))
    assert sentence.toPlainText() == "Stack the red cube in the bowl."
    with qtbot.waitSignal(editor.corrected) as caught:
        qtbot.keyClick(here(), KEY.Key_Return)
    assert caught.args == ["Stack the red cube in the bowl."]
    assert not editor.editing


def test_proposals_are_chosen_by_arrows_and_enter_takes_them(
    editor: CaptionEditor, qtbot: QtBot
) -> None:
    editor.begin_edit()
    thing = line(editor, "Object")
    thing.setFocus()
    qtbot.keyClicks(thing, "c")
    assert thing.proposals == ("red cube", "green cup")
    qtbot.keyClick(thing, KEY.Key_Down)
    qtbot.keyClick(thing, KEY.Key_Down)
    with qtbot.assertNotEmitted(editor.corrected):
        qtbot.keyClick(thing, KEY.Key_Return)
    assert thing.text() == "green cup"
    assert thing.proposals == ()
    qtbot.keyClicks(thing, "x")
    qtbot.keyClick(thing, KEY.Key_Down)
    qtbot.keyClick(thing, KEY.Key_Escape)  # The proposals go first.
    assert editor.editing
    qtbot.keyClick(thing, KEY.Key_Escape)
    assert not editor.editing


def test_free_text_wins_over_the_parts(editor: CaptionEditor, qtbot: QtBot) -> None:
    editor.begin_edit()
    sentence = editor.correction.findChild(type(editor.critique.text))
    sentence.setFocus()
    sentence.selectAll()
    qtbot.keyClicks(sentence, "Drop it all.")
    verb = line(editor, "Verb")
    verb.setFocus()
    qtbot.keyClicks(verb, "stack")
    assert sentence.toPlainText() == "Drop it all."
    with qtbot.waitSignal(editor.corrected) as caught:
        qtbot.keyClick(sentence, KEY.Key_Return, CONTROL)
    assert caught.args == ["Drop it all."]


def test_empty_and_unchanged_corrections(editor: CaptionEditor, qtbot: QtBot) -> None:
    sentence = editor.correction.findChild(type(editor.critique.text))
    with qtbot.assertNotEmitted(editor.corrected):
        editor.begin_edit()
        sentence.setPlainText("   ")
        qtbot.keyClick(sentence, KEY.Key_Return)
        assert editor.editing
        assert any("needs a sentence" in t for t in labels(editor))
        sentence.setPlainText(CAPTION.text)
        qtbot.keyClick(sentence, KEY.Key_Return)
    assert not editor.editing


def test_pasted_lines_become_one_sentence(editor: CaptionEditor) -> None:
    editor.begin_edit()
    sentence = editor.correction.findChild(type(editor.critique.text))
    sentence.selectAll()
    pasted = QMimeData()
    pasted.setText("Put the red\n cube   in the bowl.\n")
    sentence.insertFromMimeData(pasted)
    assert sentence.toPlainText() == RED


def test_a_result_that_arrives_keeps_what_is_typed(editor: CaptionEditor, qtbot: QtBot) -> None:
    editor.begin_edit()
    qtbot.keyClicks(here(), "stack")
    editor.set_caption(replace(CAPTION, drafter="gemini"), SUBTASK, CARD)
    assert editor.editing
    assert here().text() == "stack"


def test_what_is_typed_waits_while_another_caption_is_shown(
    editor: CaptionEditor, qtbot: QtBot
) -> None:
    editor.begin_edit()
    qtbot.keyClicks(here(), "stack")
    for other, card in (
        (replace(SUBTASK, index=1, start=200, end=300), CARD),
        (SUBTASK, replace(CARD, episode=4)),
    ):
        editor.set_caption(replace(CAPTION, text="Close the drawer."), other, card)
        assert not editor.editing
        editor.begin_edit()
        assert line(editor, "Verb").text() == "put"
        editor.leave_edit()
    editor.set_caption(CAPTION, SUBTASK, CARD)
    editor.begin_edit()
    assert line(editor, "Verb").text() == "stack"
    editor.leave_edit()
    assert "is kept" in editor.message


# -- criticising ---------------------------------------------------------------------------


def test_a_critique_is_a_few_keys(editor: CaptionEditor, qtbot: QtBot) -> None:
    editor.begin_critique()
    qtbot.keyClick(editor.critique.toggles, KEY.Key_O)
    assert here().accessibleName() == "Right object"
    qtbot.keyClicks(here(), "red cube")
    with qtbot.waitSignal(editor.criticised) as caught:
        qtbot.keyClick(here(), KEY.Key_Return, CONTROL)
    assert caught.args == [
        CritiqueText(
            (F.OBJECT,),
            "Object should be “red cube”, not “orange cube”.",
            ((F.OBJECT, "red cube"),),
        )
    ]
    assert not editor.editing


def test_advice_is_live_and_never_holds_back(editor: CaptionEditor, qtbot: QtBot) -> None:
    editor.begin_critique()
    form = editor.critique
    advice = next(w for w in form.findChildren(QLabel) if w.accessibleName().startswith("Advice"))
    assert "what is wrong" in advice.text()
    qtbot.keyClick(form.toggles, KEY.Key_T)
    assert QApplication.focusWidget() is form.text
    qtbot.keyClicks(form.text, "this is wrong")
    assert advice.text().startswith("⚠ constructive?")
    qtbot.keyClick(form.text, KEY.Key_1, ALT)
    assert form.toggles.fields() == (F.VERB,)
    assert "what the verb should be" in advice.text()
    qtbot.keyClicks(here(), "stack")
    assert "color differs" in advice.text()  # The machine doubts the object.
    qtbot.keyClick(here(), KEY.Key_2, ALT)
    qtbot.keyClicks(here(), "red cube")
    assert advice.text().startswith("✓")
    form.toggles.set_fields(())
    form.text.setPlainText("this is wrong")
    with qtbot.waitSignal(editor.criticised) as caught:
        qtbot.keyClick(form.text, KEY.Key_Return, CONTROL)
    assert caught.args[0].text == "this is wrong"


def test_an_empty_critique_is_not_sent(editor: CaptionEditor, qtbot: QtBot) -> None:
    editor.begin_critique()
    with qtbot.assertNotEmitted(editor.criticised):
        qtbot.keyClick(editor.critique.toggles, KEY.Key_Return, CONTROL)
    assert editor.editing


def test_c_refines_what_is_answered(editor: CaptionEditor, qtbot: QtBot) -> None:
    editor.set_caption(REVISED, SUBTASK, ANSWERED)
    editor.begin_critique()
    state = editor.critique.state()
    assert state.fields == (F.OBJECT,)
    assert state.corrections == ((F.OBJECT, "red cube"),)
    assert state.text == ""  # What was made of the right values is made again.
    right = line(editor, "Right object")
    right.setFocus()
    qtbot.keyClicks(right, "crimson cube")
    with qtbot.waitSignal(editor.criticised) as caught:
        qtbot.keyClick(right, KEY.Key_Return, CONTROL)
    assert caught.args[0].refines == "c1"
    assert caught.args[0].text == "Object should be “crimson cube”, not “orange cube”."
    editor.begin_critique(again=True)
    assert editor.critique.state() == CritiqueText()


def test_a_critique_that_is_left_waits(editor: CaptionEditor, qtbot: QtBot) -> None:
    editor.begin_critique()
    qtbot.keyClick(editor.critique.toggles, KEY.Key_D)
    qtbot.keyClicks(here(), "box")
    editor.set_caption(CAPTION, SUBTASK, replace(CARD, episode=5))
    editor.begin_critique()
    assert editor.critique.state() == CritiqueText()
    editor.leave_edit()
    editor.set_caption(CAPTION, SUBTASK, CARD)
    editor.begin_critique()
    assert editor.critique.state().corrections == ((F.DESTINATION, "box"),)


# -- reviewing -----------------------------------------------------------------------------


def test_a_reviewer_agrees_or_says_what_is_wrong(editor: CaptionEditor, qtbot: QtBot) -> None:
    accepted = replace(REVISED, verdict=Verdict.ACCEPTED)
    editor.set_caption(
        accepted, SUBTASK, replace(ANSWERED, refines="", reviewing=True, annotator="anna")
    )
    assert "accepted by anna" in labels(editor)
    assert not button(editor, "Accept").isVisible()
    assert button(editor, "Agree").isEnabled()
    with qtbot.waitSignal(editor.agreed):
        qtbot.mouseClick(button(editor, "Agree"), Qt.MouseButton.LeftButton)
    with qtbot.waitSignal(editor.clipWanted):
        qtbot.mouseClick(button(editor, "Play"), Qt.MouseButton.LeftButton)
    editor.begin_critique()
    assert not editor.editing
    editor.begin_disagreement()
    form = editor.disagreement
    with qtbot.assertNotEmitted(editor.disagreed):
        qtbot.keyClick(form.errors, KEY.Key_Return)
    qtbot.keyClick(form.errors, KEY.Key_V)
    qtbot.keyClick(form.alarms, KEY.Key_1)  # The verb was not flagged.
    qtbot.keyClick(form.alarms, KEY.Key_2)
    form.note.setPlainText("look at the end")
    with qtbot.waitSignal(editor.disagreed) as caught:
        qtbot.keyClick(form.note, KEY.Key_Return)
    assert caught.args == [(F.VERB,), (F.OBJECT,), "look at the end"]


def test_what_nobody_judged_cannot_be_reviewed(editor: CaptionEditor) -> None:
    editor.set_caption(CAPTION, SUBTASK, replace(CARD, reviewing=True))
    for word in ("Agree", "Disagree"):
        assert not button(editor, word).isEnabled()
        assert "Nobody judged" in button(editor, word).toolTip()
    assert button(editor, "Skip").isEnabled()
