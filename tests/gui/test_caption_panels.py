"""History, primitives and tabs beside the caption."""

from __future__ import annotations

from typing import Literal

import pytest
from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QImage, qGray
from PySide6.QtWidgets import (
    QApplication,
    QLabel,
    QLineEdit,
    QListWidget,
    QToolButton,
    QTreeWidget,
    QWidget,
)
from pytestqt.qtbot import QtBot

from app.caption_entries import history_entries
from pipeline.model.caption import Verdict
from pipeline.model.caption_fields import CaptionField, CaptionFields
from pipeline.model.drafting import CaptionVersion
from pipeline.model.edits import CritiqueCaption, JudgeCaption, ReviewCaption, TagCaption
from pipeline.review.caption_story import version_record
from pipeline.review.store import ReviewStore
from widgets.caption_history import CaptionHistory, HistoryEntry, HistoryKind
from widgets.caption_tabs import CaptionTabs
from widgets.primitives_panel import PrimitivesPanel
from widgets.theme import apply_theme

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")
KEY = Qt.Key
DRAFT = CaptionVersion("Put the red cube in the bowl.", CaptionFields("put", "red cube"), "offline")
REVISION = CaptionVersion(
    "Stack the red cube on top of the bowl.",
    CaptionFields("stack", "red cube"),
    "gemini",
    "gemini-2.5-pro",
    "hand-crop@1a2b",
    critique="c1",
)
ENTRIES = (
    HistoryEntry("14:05", "anna", "caption accepted", HistoryKind.VERDICT, REVISION.text),
    HistoryEntry(
        "14:04", "gemini", "revision 1", HistoryKind.VERSION, REVISION.text, DRAFT.text, "By it."
    ),
    HistoryEntry("14:03", "anna", "critique: verb", HistoryKind.CRITIQUE, "Stack.", in_force=False),
    HistoryEntry("", "offline", "draft", HistoryKind.VERSION, DRAFT.text),
)


@pytest.fixture
def history(qtbot: QtBot) -> CaptionHistory:
    made = CaptionHistory()
    qtbot.addWidget(made)
    made.resize(418, 190)
    made.show()
    return made


def test_a_chosen_version_shows_what_it_changed(history: CaptionHistory) -> None:
    history.set_entries(ENTRIES)
    assert history.shown.sentence == REVISION.text
    assert history.shown.before == ""
    history.choose(1)
    assert "added Stack" in history.shown.accessibleDescription()
    assert "By it." in history.note
    history.choose(2)
    assert history.note.startswith("Undone.")
    rows = history.findChild(QTreeWidget)
    assert rows is not None
    assert rows.topLevelItem(2).font(2).strikeOut()
    assert not rows.topLevelItem(1).font(2).strikeOut()


def test_without_entries_it_says_what_to_do(history: CaptionHistory) -> None:
    history.set_entries(())
    assert any("Run the stages" in w.text() for w in history.findChildren(QLabel) if w.isVisible())


def test_esc_leaves_the_history(history: CaptionHistory, qtbot: QtBot) -> None:
    history.set_entries(ENTRIES)
    rows = history.findChild(QTreeWidget)
    assert rows is not None
    with qtbot.waitSignal(history.left):
        qtbot.keyClick(rows, KEY.Key_Escape)


def test_history_is_made_of_all_events_and_versions(tmp_path) -> None:
    (tmp_path / "data").mkdir()
    store = ReviewStore.open(tmp_path / "data", who="anna")
    critique = CritiqueCaption(
        subtask=0, uid="c1", about=DRAFT.text, fields=(CaptionField.VERB,), text="Stack."
    )
    store.append(3, critique)
    store.record(3, 0, version_record(DRAFT))  # Written a moment later, it was there before.
    store.append(3, TagCaption(subtask=0, tags=(("verb", "stack"),)))
    store.append(3, JudgeCaption(subtask=0, verdict=Verdict.REJECTED, draft=DRAFT.text, text=""))
    store.undo(3)
    store.append(
        3,
        ReviewCaption(
            subtask=0, of="bert", caption="x", agrees=False, errors=(CaptionField.VERB,), note="no"
        ),
    )
    store.append(3, JudgeCaption(subtask=1, verdict=Verdict.ACCEPTED, draft="a", text="a"))
    found = history_entries(store.history(3), 0, (DRAFT, REVISION))
    store.close()
    assert [(e.who, e.what, e.in_force) for e in reversed(found)] == [
        ("offline", "draft", True),
        ("anna", "critique: verb", True),
        ("gemini", "revision 1", True),
        ("anna", "tag primitives", True),
        ("anna", "caption rejected", False),
        ("anna", "undo: caption rejected", True),
        ("anna", "disagree with the caption", True),
    ]
    by_what = {e.what: e for e in found}
    assert by_what["revision 1"].before == DRAFT.text
    assert "hand-crop@1a2b" in by_what["revision 1"].written_by
    assert by_what["disagree with the caption"].text == "disagrees; wrong: verb; no"
    # Without the result, what was recorded is still there.
    alone = history_entries((), 0, ())
    assert alone == ()


# -- primitives ----------------------------------------------------------------------------


@pytest.fixture
def panel(qtbot: QtBot) -> PrimitivesPanel:
    made = PrimitivesPanel()
    qtbot.addWidget(made)
    made.resize(418, 190)
    made.show()
    qtbot.waitExposed(made)
    return made


def test_definition_and_rule_of_a_word(panel: PrimitivesPanel) -> None:
    panel.begin(CaptionField.VERB, "stack")
    assert "<b>stack</b>" in panel.definition
    assert "on top of another specific item" in panel.definition
    assert "flat surface: put" in panel.definition
    panel.begin(CaptionField.DESTINATION, "white plate")
    assert "<b>destination</b>" in panel.definition
    panel.begin(CaptionField.RELATION, "beside")
    assert "Relation" in panel.definition


def test_the_word_at_hand_stands_among_its_neighbours(panel: PrimitivesPanel, qtbot: QtBot) -> None:
    panel.resize(415, 147)
    panel.show()
    qtbot.waitExposed(panel)
    rows = panel.findChild(QListWidget)
    assert rows is not None
    panel.begin(CaptionField.VERB, "put")
    row, height = rows.visualItemRect(rows.currentItem()), rows.viewport().height()
    assert row.top() > row.height()
    assert row.bottom() < height - row.height()


def test_tags_by_keyboard(panel: PrimitivesPanel, qtbot: QtBot) -> None:
    panel.begin(CaptionField.VERB, "put")
    line = panel.focusProxy()
    assert isinstance(line, QWidget)
    with qtbot.waitSignal(panel.tagged) as caught:
        qtbot.keyClick(line, KEY.Key_Return)
    assert caught.args == [(("verb", "put"),)]
    qtbot.keyClicks(line, "verb stack")
    with qtbot.waitSignal(panel.tagged) as caught:
        qtbot.keyClick(line, KEY.Key_Return)
    assert caught.args == [(("verb", "stack"),)]  # There is one verb.
    qtbot.keyClick(line, KEY.Key_Escape)
    qtbot.keyClicks(line, "colour red")
    qtbot.keyClick(line, KEY.Key_Return)
    qtbot.keyClick(line, KEY.Key_Escape)
    qtbot.keyClicks(line, "colour green")
    qtbot.keyClick(line, KEY.Key_Return)
    assert panel.tags == (("verb", "stack"), ("color", "red"), ("color", "green"))
    qtbot.keyClick(line, KEY.Key_Return)  # Again: no more.
    assert panel.tags == (("verb", "stack"), ("color", "red"))
    qtbot.keyClick(line, KEY.Key_Escape)
    with qtbot.waitSignal(panel.left):
        qtbot.keyClick(line, KEY.Key_Escape)


def test_free_tags_ask_for_their_value(panel: PrimitivesPanel, qtbot: QtBot) -> None:
    panel.set_names(("red cube", "green cup"))
    panel.begin(CaptionField.OBJECT, "red cube")
    line = panel.focusProxy()
    assert isinstance(line, QWidget)
    with qtbot.assertNotEmitted(panel.tagged):
        qtbot.keyClick(line, KEY.Key_Return)
    value = panel._value
    assert value.hasFocus()
    qtbot.keyClicks(value, "green")
    qtbot.keyClick(value, KEY.Key_Down)
    qtbot.keyClick(value, KEY.Key_Return)
    with qtbot.waitSignal(panel.tagged) as caught:
        qtbot.keyClick(value, KEY.Key_Return)
    assert caught.args == [(("object", "green cup"),)]
    assert line.hasFocus()


def test_setters_of_tags_emit_nothing_and_read_only_takes_nothing(
    panel: PrimitivesPanel, qtbot: QtBot
) -> None:
    panel.begin(CaptionField.VERB, "put")
    with qtbot.assertNotEmitted(panel.tagged):
        panel.set_tags((("verb", "stack"),))
        panel.set_read_only("An export is read-only.")
        qtbot.keyClick(panel.focusProxy(), KEY.Key_Return)
    assert panel.tags == (("verb", "stack"),)


# -- tabs ----------------------------------------------------------------------------------

TITLES = {
    "caption": "Caption",
    "saw": "Model saw",
    "checks": "Checks",
    "words": "Words",
    "history": "History",
    "tags": "Tags",
    "again": "Draft again",
}


def test_tabs_have_names_and_an_order(qtbot: QtBot) -> None:
    tabs = CaptionTabs()
    qtbot.addWidget(tabs)
    for name in ("caption", "history", "tags", "saw", "again", "checks"):
        tabs.add(name, name.title(), QWidget())
    assert tabs.names == ("caption", "saw", "checks", "history", "tags", "again")
    assert tabs.shown == "caption"
    with qtbot.waitSignal(tabs.tabShown) as caught:
        tabs.show_tab("history")
    assert caught.args == ["history"]
    with pytest.raises(KeyError):
        tabs.show_tab("nothing")


def titles_in_sight(tabs: CaptionTabs) -> list[str]:
    """Titles of tabs that are seen whole, as no arrow lies over them."""
    bar = tabs.tabBar()
    arrows = [b.x() for b in bar.findChildren(QToolButton) if b.isVisible()]
    end = min([bar.width(), *arrows])
    return [bar.tabText(k) for k in range(bar.count()) if bar.tabRect(k).right() < end]


def test_titles_become_short_where_they_do_not_fit(qtbot: QtBot) -> None:
    tabs = CaptionTabs()
    qtbot.addWidget(tabs)
    for name, title in TITLES.items():
        tabs.add(name, title, QWidget())
    tabs.set_title("again", "Draft again", "Redraft")
    tabs.set_title("saw", "Model saw", "Saw")
    tabs.resize(900, 150)
    tabs.show()
    assert titles_in_sight(tabs) == list(TITLES.values())
    # In full they just fit: what failed must not push the last one out of sight.
    tabs.resize(tabs.tabBar().sizeHint().width(), 150)
    assert titles_in_sight(tabs) == list(TITLES.values())
    for failed in (1, 12):
        tabs.set_title("checks", f"Checks: {failed} failed", f"Checks ✕{failed}")
        seen = titles_in_sight(tabs)
        assert len(seen) == len(TITLES), seen
        assert f"Checks ✕{failed}" in seen
    assert "Redraft" in titles_in_sight(tabs)
    tabs.set_title("checks", "Checks")
    assert titles_in_sight(tabs) == list(TITLES.values())
    # As much room as there may be: in full again.
    tabs.set_title("checks", "Checks: 12 failed", "Checks ✕12")
    tabs.resize(900, 150)
    assert "Checks: 12 failed" in titles_in_sight(tabs)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_tab_on_show_stands_out(
    qtbot: QtBot, qapp: QApplication, theme: Literal["dark", "light"]
) -> None:
    tabs = CaptionTabs()
    qtbot.addWidget(tabs)
    for name in ("caption", "words", "tags"):
        tabs.add(name, "MMM", QWidget())
    tabs.resize(400, 120)
    apply_theme(qapp, theme)
    try:
        tabs.show()
        tabs.show_tab("words")
        image = tabs.tabBar().grab().toImage()
        rects = [tabs.tabBar().tabRect(k) for k in range(3)]
        contrasts = [spread(image, rect) for rect in rects]
    finally:
        apply_theme(qapp, "dark")
    assert contrasts[1] > 1.2 * contrasts[0] == 1.2 * contrasts[2]


def spread(image: QImage, rect: QRect) -> int:
    """Lightness between the darkest and the lightest pixel of the title in a tab."""
    inner = rect.adjusted(8, 6, -8, -6)
    tones = [
        qGray(image.pixel(x, y))
        for x in range(inner.left(), inner.right())
        for y in range(inner.top(), inner.bottom())
    ]
    return max(tones) - min(tones)


def test_esc_that_nobody_needs_leaves_a_tab(qtbot: QtBot) -> None:
    tabs = CaptionTabs()
    qtbot.addWidget(tabs)
    line = QLineEdit()
    tabs.add("caption", "Caption", QWidget())
    tabs.add("again", "Again", line)
    tabs.show()
    qtbot.waitExposed(tabs)
    with qtbot.assertNotEmitted(tabs.left, wait=0):
        qtbot.keyClick(tabs, KEY.Key_Escape)  # the caption's own Esc is the window's
    tabs.show_tab("again")
    with qtbot.waitSignal(tabs.left):
        qtbot.keyClick(line, KEY.Key_Escape)
