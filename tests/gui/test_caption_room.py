"""Captions, names and scripts of any length in the small dock of a 1280x800 window."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QLabel, QLineEdit, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from pipeline.model.caption import CaptionFields, CaptionResult, Verdict
from pipeline.model.caption_fields import CaptionField
from pipeline.model.drafting import CaptionVersion
from tests.gui.test_caption_editor import ANSWERED, CAPTION, CARD, REVISED, SUBTASK
from widgets.caption_editor import CaptionEditor
from widgets.caption_fields_form import CaptionFieldsForm
from widgets.completed_line import CompletedLine
from widgets.critique_form import CritiqueForm
from widgets.disagreement_form import DisagreementForm
from widgets.elided_label import ElidedLabel, isolated

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")
F = CaptionField
SIZE = (415, 147)
"""Room below the tabs of the dock at 1280x800."""
LONG = (
    "Pick up the very small matte dark-green ceramic espresso cup with the chipped handle from the "
    "left rear corner of the wooden kitchen counter and carefully place it upside down on the "
    "second shelf of the white drying rack behind the blue bowl."
)
PARTS = CaptionFields(
    "place",
    "very small matte dark-green ceramic espresso cup with the chipped handle",
    "upside down on",
    "second shelf of the white drying rack behind the blue bowl",
    "right",
    "left rear corner of the wooden kitchen counter",
)
WORDY = replace(CAPTION, text=LONG, draft=LONG, fields=PARTS, problems=())
MODEL = "gemini-9.5-flash-preview-native-thinking-08-2026"
PERSON = "Maximiliane von Hohenstaufen-Oppenheim"


@pytest.fixture
def editor(qtbot: QtBot) -> CaptionEditor:
    made = CaptionEditor()
    qtbot.addWidget(made)
    made.resize(*SIZE)
    made.show()
    qtbot.waitExposed(made)
    return made


def cut(editor: CaptionEditor) -> list[str]:
    """What lies beyond the right edge of the editor."""
    edge = editor.width()
    shown = [w for kind in (QLabel, QPushButton, QLineEdit) for w in editor.findChildren(kind)]
    return [
        w.text()
        for w in shown
        if w.isVisible() and w.mapTo(editor, QPoint(w.width(), 0)).x() > edge
    ]


@pytest.mark.parametrize(
    ("caption", "card"),
    [
        (WORDY, CARD),
        (replace(WORDY, verdict=Verdict.ACCEPTED), replace(CARD, annotator=PERSON)),
        (
            replace(WORDY, versions=(CaptionVersion(LONG, PARTS, "gemini", MODEL),)),
            replace(ANSWERED, before=LONG.replace("green", "red"), critic=PERSON),
        ),
        (replace(REVISED, verdict=Verdict.CORRECTED), replace(ANSWERED, annotator=2 * PERSON)),
    ],
)
def test_nothing_is_cut_at_the_right_edge(
    editor: CaptionEditor, caption: CaptionResult, card
) -> None:
    editor.set_caption(caption, SUBTASK, card)
    editor.grab()
    assert cut(editor) == []


def test_a_name_that_is_too_long_ends_in_dots_and_is_in_the_tooltip(editor: CaptionEditor) -> None:
    caption = replace(REVISED, versions=(CaptionVersion(LONG, PARTS, "gemini", MODEL),))
    editor.set_caption(
        replace(caption, verdict=Verdict.ACCEPTED), SUBTASK, replace(CARD, annotator=PERSON)
    )
    editor.grab()
    badge = next(w for w in editor.findChildren(ElidedLabel) if PERSON in w.text())
    writer = next(w for w in editor.findChildren(ElidedLabel) if MODEL in w.text())
    assert badge.shown == f"accepted by {PERSON}"  # people count more than models
    assert writer.shown.endswith("…")
    assert PERSON in badge.toolTip()
    assert MODEL in writer.toolTip()


def test_short_parts_stay_in_one_row_and_do_not_wrap(editor: CaptionEditor, qtbot: QtBot) -> None:
    def tops() -> set[int]:
        editor.grab()
        values = [w for w in editor.findChildren(QLabel) if w.accessibleName() in _NAMES]
        shown = [w for w in values if w.isVisible()]
        return {w.mapTo(editor, QPoint(0, 0)).y() for w in shown}

    editor.set_caption(CAPTION, SUBTASK, CARD)
    single = next(w for w in editor.findChildren(QLabel) if w.accessibleName() == "Relation")
    editor.set_caption(
        replace(CAPTION, fields=replace(CAPTION.fields, arm="")), SUBTASK, replace(CARD)
    )
    qtbot.waitUntil(lambda: len(tops()) == 1)
    # A mark of doubt makes the name longer; there is room for it.
    marked = next(w for w in editor.findChildren(QLabel) if w.accessibleName() == "Object")
    assert marked.text().startswith("⚠")
    assert marked.height() < 1.5 * single.height()
    editor.set_caption(replace(WORDY, fields=replace(PARTS, arm="", source="")), SUBTASK, CARD)
    qtbot.waitUntil(lambda: len(tops()) == 2)


_NAMES = frozenset({"Verb", "Object", "Relation", "Destination", "Source", "Arm"})


def test_long_values_are_read_from_their_beginning(editor: CaptionEditor, qtbot: QtBot) -> None:
    editor.set_caption(WORDY, SUBTASK, CARD)
    editor.begin_edit()
    lines = {w.accessibleName(): w for w in editor.correction.findChildren(CompletedLine)}
    assert lines["Object"].cursorPosition() == 0
    lines["Object"].setFocus()
    qtbot.keyClicks(lines["Object"], PARTS.object_name)
    assert lines["Object"].cursorPosition() == len(PARTS.object_name)
    lines["Relation"].setFocus()
    assert lines["Object"].cursorPosition() == 0


def test_what_is_asked_about_a_long_caption_takes_two_lines(
    editor: CaptionEditor, qtbot: QtBot
) -> None:
    editor.set_caption(WORDY, SUBTASK, CARD)
    editor.begin_critique()
    editor.critique.toggles.switch(F.OBJECT)
    editor.critique.toggles.switch(F.DESTINATION)
    editor.grab()
    title = next(w for w in editor.findChildren(QLabel) if w.text().startswith("What is wrong"))
    assert title.height() <= 2 * title.fontMetrics().lineSpacing() + 2
    assert title.text().endswith("…”")
    assert LONG in title.toolTip()
    qtbot.waitUntil(lambda: is_in_sight(editor.critique.text))


def test_the_advice_is_read_without_scrolling(editor: CaptionEditor, qtbot: QtBot) -> None:
    editor.set_caption(CAPTION, SUBTASK, CARD)
    editor.begin_critique()
    for field in (F.OBJECT, F.DESTINATION):
        editor.critique.toggles.switch(field)
    editor.grab()
    advice = next(
        w for w in editor.findChildren(QLabel) if w.accessibleName() == "Advice on the critique"
    )
    assert "destination" in advice.text()
    qtbot.waitUntil(lambda: advice.height() >= advice.heightForWidth(advice.width()))
    qtbot.waitUntil(lambda: is_in_sight(advice))


def is_in_sight(widget: QWidget) -> bool:
    return widget.visibleRegion().boundingRect().height() == widget.height()


def test_a_script_from_right_to_left_stays_below_its_title(editor: CaptionEditor) -> None:
    arabic = replace(
        CAPTION,
        text="ضع المكعب البرتقالي في الوعاء.",
        draft="ضع المكعب البرتقالي في الوعاء.",
        fields=CaptionFields("ضع", "المكعب البرتقالي", "في", "الوعاء"),
        problems=(),
    )
    editor.set_caption(arabic, SUBTASK, CARD)
    value = next(w for w in editor.findChildren(QLabel) if w.accessibleName() == "Object")
    image = value.grab().toImage()
    ground = image.pixelColor(image.width() - 1, image.height() - 1)
    inked = [
        x
        for x in range(image.width())
        if any(image.pixelColor(x, y) != ground for y in range(image.height()))
    ]
    assert inked[0] < 4
    assert isolated("Put it.") == "Put it."
    assert isolated(arabic.text)[1:-1] == arabic.text  # invisible marks around it


def test_a_reviewer_who_leaves_goes_on_where_it_was(editor: CaptionEditor, qtbot: QtBot) -> None:
    card = replace(ANSWERED, refines="", reviewing=True, annotator="anna")
    editor.set_caption(replace(REVISED, verdict=Verdict.ACCEPTED), SUBTASK, card)
    editor.begin_disagreement()
    qtbot.keyClick(editor.disagreement.errors, Qt.Key.Key_D)
    editor.disagreement.note.setPlainText("look at the end")
    qtbot.keyClick(editor.disagreement.note, Qt.Key.Key_Escape)
    assert not editor.editing
    assert "X goes on" in editor.message
    editor.begin_disagreement()
    with qtbot.waitSignal(editor.disagreed) as caught:
        qtbot.keyClick(editor.disagreement.note, Qt.Key.Key_Return)
    assert caught.args == [(F.DESTINATION,), (), "look at the end"]
    editor.begin_disagreement()
    assert editor.disagreement.state().errors == ()


def test_forms_are_made_while_nobody_waits(editor: CaptionEditor, qtbot: QtBot) -> None:
    def forms() -> list[str]:
        kinds = (CaptionFieldsForm, CritiqueForm, DisagreementForm)
        return [k.__name__ for k in kinds if editor.findChildren(k)]

    assert forms() == []
    editor.set_caption(CAPTION, SUBTASK, CARD)
    assert forms() == []
    qtbot.waitUntil(lambda: forms() == ["CaptionFieldsForm", "CritiqueForm"])
    assert not editor.editing
    editor.set_caption(CAPTION, SUBTASK, replace(CARD, reviewing=True))
    qtbot.waitUntil(lambda: "DisagreementForm" in forms())
