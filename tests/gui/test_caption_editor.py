"""The editor of a caption."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PySide6.QtCore import QMimeData, Qt
from PySide6.QtWidgets import QLabel, QLineEdit, QPlainTextEdit, QPushButton
from pytestqt.qtbot import QtBot

from pipeline.model.caption import CaptionFields, CaptionResult, Verdict
from pipeline.model.problem import Problem
from pipeline.model.subtask import ActionType, Subtask
from widgets.caption_editor import CaptionEditor, HistoryLine

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")

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


@pytest.fixture
def editor(qtbot: QtBot) -> CaptionEditor:
    made = CaptionEditor()
    qtbot.addWidget(made)
    made.resize(420, 300)
    made.set_caption(CAPTION, SUBTASK)
    made.show()
    return made


def labels(editor: CaptionEditor) -> list[str]:
    return [w.text() for w in editor.findChildren(QLabel) if w.isVisible()]


def button(editor: CaptionEditor, word: str) -> QPushButton:
    return next(b for b in editor.findChildren(QPushButton) if b.text().startswith(word))


def sentence(editor: CaptionEditor) -> QPlainTextEdit:
    found = editor.findChild(QPlainTextEdit)
    assert found is not None
    return found


def names(editor: CaptionEditor) -> list[QLineEdit]:
    return [w for w in editor.findChildren(QLineEdit) if w.accessibleName().endswith("name")]


def test_shows_text_fields_verdict_and_drafter(editor: CaptionEditor) -> None:
    shown = labels(editor)
    for text in (CAPTION.text, "put", "in", "bowl", "right", "not reviewed", "drafted by offline"):
        assert text in shown
    corrected = replace(CAPTION, text=RED, verdict=Verdict.CORRECTED)
    editor.set_caption(corrected, SUBTASK)
    shown = labels(editor)
    assert RED in shown
    assert f"Draft: {CAPTION.draft}" in shown
    assert "corrected" in shown


def test_fields_carry_their_evidence_and_doubts(editor: CaptionEditor) -> None:
    verb, thing = (
        next(w for w in editor.findChildren(QLabel) if w.accessibleName() == n and n)
        for n in ("Verb", "Object")
    )
    assert "Evidence: instruction" in verb.toolTip()
    assert "median colour of the mask" in thing.toolTip()
    assert "caption_color_differs: The instruction says red." in thing.toolTip()
    assert thing.text() == "⚠ orange cube"
    assert verb.text() == "put"


def test_verdict_buttons_name_their_keys(editor: CaptionEditor, qtbot: QtBot) -> None:
    assert button(editor, "Accept").text() == "Accept  (Enter)"
    with qtbot.waitSignal(editor.accepted):
        qtbot.mouseClick(button(editor, "Accept"), Qt.MouseButton.LeftButton)
    with qtbot.waitSignal(editor.rejected):
        qtbot.mouseClick(button(editor, "Reject"), Qt.MouseButton.LeftButton)


@pytest.mark.parametrize(
    "modifier", [Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ControlModifier]
)
def test_enter_commits_the_correction(
    editor: CaptionEditor, qtbot: QtBot, modifier: Qt.KeyboardModifier
) -> None:
    qtbot.mouseClick(button(editor, "Correct"), Qt.MouseButton.LeftButton)
    field = sentence(editor)
    assert editor.editing
    assert field.isVisible()
    assert field.toPlainText() == CAPTION.text
    field.selectAll()
    qtbot.keyClicks(field, RED)
    with qtbot.waitSignal(editor.corrected) as caught:
        qtbot.keyClick(field, Qt.Key.Key_Return, modifier)
    assert caught.args == [RED]
    assert not editor.editing


def test_escape_leaves_and_emits_nothing(editor: CaptionEditor, qtbot: QtBot) -> None:
    editor.begin_edit()
    qtbot.keyClicks(sentence(editor), "x")
    with qtbot.assertNotEmitted(editor.corrected):
        qtbot.keyClick(sentence(editor), Qt.Key.Key_Escape)
    assert not editor.editing
    assert CAPTION.text in labels(editor)


def test_empty_and_unchanged_corrections(editor: CaptionEditor, qtbot: QtBot) -> None:
    with qtbot.assertNotEmitted(editor.corrected):
        editor.begin_edit()
        sentence(editor).setPlainText("   ")
        qtbot.keyClick(sentence(editor), Qt.Key.Key_Return)
        assert editor.editing
        assert any("needs a sentence" in t for t in labels(editor))
        sentence(editor).setPlainText(CAPTION.text)
        qtbot.keyClick(sentence(editor), Qt.Key.Key_Return)
    assert not editor.editing


def test_pasted_lines_become_one_sentence(editor: CaptionEditor) -> None:
    editor.begin_edit()
    pasted = QMimeData()
    pasted.setText("Put the red\n cube   in the bowl.\n")
    sentence(editor).insertFromMimeData(pasted)
    assert sentence(editor).toPlainText() == RED


def test_a_result_that_arrives_keeps_what_is_typed(editor: CaptionEditor) -> None:
    editor.begin_edit()
    sentence(editor).setPlainText(RED)
    editor.set_caption(replace(CAPTION, drafter="gemini"), SUBTASK)
    assert editor.editing
    assert sentence(editor).toPlainText() == RED


def test_a_correction_waits_while_another_subtask_is_shown(editor: CaptionEditor) -> None:
    editor.begin_edit()
    sentence(editor).setPlainText(RED)
    other = replace(SUBTASK, index=1, start=200, end=300)
    editor.set_caption(replace(CAPTION, text="Close the drawer."), other)
    assert not editor.editing
    assert any("is kept" in t for t in labels(editor))
    editor.begin_edit()
    assert sentence(editor).toPlainText() == "Close the drawer."
    editor.leave_edit()
    editor.set_caption(CAPTION, SUBTASK)
    editor.begin_edit()
    assert sentence(editor).toPlainText() == RED


def test_renaming(editor: CaptionEditor, qtbot: QtBot) -> None:
    thing, target = names(editor)
    assert (thing.text(), target.text()) == ("red cube", "bowl")
    with qtbot.assertNotEmitted(editor.renamed):
        qtbot.keyClick(thing, Qt.Key.Key_Return)
        qtbot.keyClicks(thing, " x")
        qtbot.keyClick(thing, Qt.Key.Key_Escape)
        assert thing.text() == "red cube"
        thing.clear()
        qtbot.keyClick(thing, Qt.Key.Key_Return)
    assert any("needs a name" in t for t in labels(editor))
    thing.clear()
    qtbot.keyClicks(thing, "orange  block ")
    with qtbot.waitSignal(editor.renamed) as caught:
        qtbot.keyClick(thing, Qt.Key.Key_Return)
    assert caught.args == ["orange block", "bowl"]


def test_setters_emit_nothing(editor: CaptionEditor, qtbot: QtBot) -> None:
    with (
        qtbot.assertNotEmitted(editor.accepted),
        qtbot.assertNotEmitted(editor.corrected),
        qtbot.assertNotEmitted(editor.renamed),
    ):
        editor.set_caption(None, None)
        editor.set_caption(CAPTION, SUBTASK)
        editor.set_history((HistoryLine("14:02", "anna", "corrected"),))
        editor.set_message("Drafted offline.")
    assert "Drafted offline." in labels(editor)
    assert "14:02  anna  corrected" in labels(editor)


def test_without_a_caption_it_says_what_to_do(editor: CaptionEditor) -> None:
    editor.set_caption(None, SUBTASK)
    assert any(t.startswith("No caption yet.") for t in labels(editor))
    editor.begin_edit()
    assert not editor.editing
    assert not button(editor, "Accept").isEnabled()
    assert "no caption yet" in button(editor, "Accept").toolTip()


def test_long_sentences_wrap(editor: CaptionEditor) -> None:
    long = "Stack the green gelatin packet on top of the violet packet " * 3
    editor.set_caption(replace(CAPTION, text=long), SUBTASK)
    shown = next(w for w in editor.findChildren(QLabel) if w.text() == long)
    assert shown.width() <= editor.width()
    assert shown.heightForWidth(shown.width()) > 2 * shown.fontMetrics().height()


def test_space_presses_no_button(editor: CaptionEditor) -> None:
    for shown in editor.findChildren(QPushButton):
        assert shown.focusPolicy() is Qt.FocusPolicy.NoFocus
