"""Words of models, servers and other people are shown as they are, never as markup."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QTreeWidget, QWidget
from pytestqt.qtbot import QtBot

from app.banner import Banner
from pipeline.model.caption import CaptionResult, Verdict
from pipeline.model.caption_fields import CaptionFields
from tests.gui import caption_examples as examples
from viewers.exchange_header import ExchangeHeader
from widgets.caption_card import CaptionCard
from widgets.caption_history import CaptionHistory, HistoryEntry, HistoryKind
from widgets.caption_text import CaptionText
from widgets.token_view import TokenAnswer, TokenView

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")
EVIL = '<img src="file:///etc/hostname">'
PLAIN, RICH = Qt.TextFormat.PlainText, Qt.TextFormat.RichText


def assert_harmless(widget: QWidget) -> None:
    """No label and no tool tip of a widget reads `EVIL` as markup."""
    labels = [w for w in widget.findChildren(QLabel) if "img" in w.text()]
    assert labels
    for label in labels:
        assert label.textFormat() is PLAIN or EVIL not in label.text()
    for inner in (widget, *widget.findChildren(QWidget)):
        assert EVIL not in inner.toolTip()


def test_a_failure(qtbot: QtBot) -> None:
    parent = QWidget()
    qtbot.addWidget(parent)
    banner = Banner(parent)
    banner.show_failure(f"the server says {EVIL}", "")
    assert_harmless(banner)


def test_a_caption_and_who_judged_it(qtbot: QtBot) -> None:
    view = CaptionText()
    qtbot.addWidget(view)
    fields = CaptionFields("put", EVIL)
    caption = CaptionResult(EVIL, f"{EVIL} put", fields, (), Verdict.ACCEPTED, EVIL)
    card = CaptionCard(0, annotator=EVIL, critique=EVIL, critic=EVIL, review=EVIL)
    view.set_caption(caption, card)
    assert_harmless(view)


def test_the_history(qtbot: QtBot) -> None:
    view = CaptionHistory()
    qtbot.addWidget(view)
    view.set_entries((HistoryEntry("14:05", EVIL, EVIL, HistoryKind.CRITIQUE, EVIL),))
    tree = view.findChild(QTreeWidget)
    assert tree is not None
    item = tree.topLevelItem(0)
    assert item is not None
    assert "&lt;img" in item.toolTip(2)
    assert EVIL not in item.toolTip(2)
    assert_harmless(view)


def test_what_a_server_calls_its_model(qtbot: QtBot) -> None:
    version = examples.version()
    assert version.exchange is not None
    reply = replace(version.exchange.reply, model=EVIL, request_id=EVIL)
    exchange = replace(version.exchange, reply=reply)
    header = ExchangeHeader()
    qtbot.addWidget(header)
    header.set_versions((replace(version, model=EVIL, exchange=exchange),))
    assert_harmless(header)


def test_a_word_that_another_answer_has(qtbot: QtBot) -> None:
    def answer(word: str) -> TokenAnswer:
        text = examples.ANSWER.replace("green", word)
        caption = examples.CAPTION.replace("green", word)
        tokens = examples.tokens(text, word, "green")
        return TokenAnswer("an answer", caption, tokens, "")

    view = TokenView()
    qtbot.addWidget(view)
    view.set_answers([answer("green"), answer("<b>red</b>")])
    view.compare_with(1)
    tips = [cell.tip for cell in view.flow.cells]
    assert any("red" in tip for tip in tips)
    assert not any("<b>red" in tip for tip in tips)
