"""The page Captions: set up, estimated before anything is sent, measured beside the window."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QSettings, Qt
from PySide6.QtWidgets import QFileDialog, QPushButton
from pytestqt.qtbot import QtBot

from app.caption_evaluation_page import CaptionEvaluationPage
from app.curation_window import CurationWindow
from app.settings import paths
from pipeline.annotate import annotate_episode, standard_graph
from pipeline.backends.captioning.reply_store import ReplyStore
from pipeline.engine.cache import ResultCache
from pipeline.model.caption import Verdict
from pipeline.model.edits import JudgeCaption
from pipeline.review.store import ReviewStore
from pipeline.sources.detect import open_dataset
from tests.datasets import SAMPLE, write_v2
from tests.language_server import Hang, LanguageServer, caption_answer, language_server
from tests.pipeline.language_asking import KEY
from tests.pipeline.recipe_examples import measured

PATIENCE = 60_000
"""Milliseconds; starting a process takes one or two seconds."""
LEFT = Qt.MouseButton.LeftButton
RIGHT = {
    0: "Put the red cube in the bowl.",
    1: "Stack the blue cube on top of the plate.",
}
TWO = measured({"hand-collage": 0.6, "frames": 0.4})


@pytest.fixture(scope="module")
def reviewed(tmp_path_factory: pytest.TempPathFactory, _own_folders: Path) -> Path:
    """A copy of the sample with two corrected captions; the stages before captions are kept."""
    root = tmp_path_factory.mktemp("reviewed") / "sample"
    shutil.copytree(SAMPLE, root)
    store = ReviewStore.open(root, who="me")
    for episode, text in RIGHT.items():
        edit = JudgeCaption(subtask=0, verdict=Verdict.CORRECTED, draft="x", text=text)
        store.append(episode, edit)
    store.close()
    source, graph = open_dataset(root), standard_graph()
    cache = ResultCache(_own_folders / "cache" / "results")
    for episode in RIGHT:
        annotate_episode(source, episode, graph=graph, cache=cache)
    return root


@pytest.fixture
def page(qtbot: QtBot, results_cache: Path) -> Iterator[CaptionEvaluationPage]:
    made = CaptionEvaluationPage(results_cache)
    qtbot.addWidget(made)
    made.resize(1280, 760)
    made.show()
    yield made
    made.close_page()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[LanguageServer]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("DEMOSCOPE_CACHE_DIR", str(tmp_path / "cache"))
    for name in ("GEMINI_API_KEY", "GOOGLE_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    with language_server(KEY) as found:
        found.answer = caption_answer()
        yield found


def settled(qtbot: QtBot, page: CaptionEvaluationPage) -> None:
    qtbot.waitUntil(lambda: page.idle, timeout=PATIENCE)


def opened(qtbot: QtBot, page: CaptionEvaluationPage, root: Path) -> None:
    page.set_dataset(root, {})
    settled(qtbot, page)


def choose(page: CaptionEvaluationPage, row: int, recipe: str) -> None:
    """As a person does: another entry of a row."""
    choice = page.setup.rows.rows[row][0]
    choice.setCurrentIndex(choice.findData(recipe))
    choice.activated.emit(choice.currentIndex())


def ask(qtbot: QtBot, page: CaptionEvaluationPage, server: LanguageServer, episodes: str) -> None:
    """Offline against frames on the local server."""
    setup = page.setup
    setup.episodes.setText(episodes)
    choose(page, 1, "frames")
    setup.server.choice.setCurrentIndex(setup.server.choice.findData("openai_compatible"))
    setup.server.address.setText(server.url)
    setup.server.model.setText("served-model")
    setup.server.choice.activated.emit(setup.server.choice.currentIndex())
    settled(qtbot, page)
    assert setup.start.isEnabled(), setup.problem or setup.estimate.text()


def test_without_a_dataset_it_says_what_to_do(page: CaptionEvaluationPage) -> None:
    assert not page.setup.isVisible()
    page.start()
    assert page.idle


def test_offline_against_offline_needs_no_network(
    qtbot: QtBot, page: CaptionEvaluationPage, reviewed: Path
) -> None:
    opened(qtbot, page, reviewed)
    setup = page.setup
    assert setup.references.text() == "2 captions; review store: 0 accepted, 2 corrected"
    assert setup.estimate.text() == "Will take: 2 subtasks with a reference; no requests."
    assert not setup.server.choice.isVisible()
    shares: list[float] = []
    page.measuring.progressed.connect(lambda share, _what: shares.append(share))
    qtbot.mouseClick(setup.start, LEFT)
    assert page.measuring.running
    assert not setup.start.isEnabled()
    settled(qtbot, page)
    found = page.result.evaluation
    assert found is not None, setup.told.text()
    assert [f.recipe for f in found.figures] == ["offline", "offline-no-color"]
    assert [f.acceptable for f in found.figures] == [1, 1]
    assert found.spent == "no requests"
    assert shares == sorted(shares)
    assert page.result.rates.isVisible()
    item = page.result.wrong.item(0)
    with qtbot.waitSignal(page.annotationActivated) as chosen:
        where = page.result.wrong.visualItemRect(item).center()
        qtbot.mouseClick(page.result.wrong.viewport(), LEFT, pos=where)
    assert chosen.args == [1, 0]


def test_recipes_are_estimated_then_measured_on_a_server(
    qtbot: QtBot, page: CaptionEvaluationPage, reviewed: Path, server: LanguageServer
) -> None:
    opened(qtbot, page, reviewed)
    ask(qtbot, page, server, "")
    assert "2 requests" in page.setup.estimate.text()
    assert "price not known" in page.setup.estimate.text()
    assert not server.requests, "an estimate sends nothing"
    page.start()
    settled(qtbot, page)
    found = page.result.evaluation
    assert found is not None, page.setup.told.text()
    assert {f.recipe: f.acceptable for f in found.figures} == {"offline": 1, "frames": 1}
    assert len(server.requests) == 2
    assert "no requests; 2 kept answers" in page.setup.estimate.text()


def test_a_worker_that_dies_costs_nothing_that_was_answered(
    qtbot: QtBot, page: CaptionEvaluationPage, reviewed: Path, server: LanguageServer
) -> None:
    opened(qtbot, page, reviewed)
    ask(qtbot, page, server, "")
    server.script.extend([lambda _: None, Hang()])
    page.start()
    replies = ReplyStore().folder / "replies"
    qtbot.waitUntil(
        lambda: len(server.requests) == 2 and any(replies.rglob("*.json")), timeout=PATIENCE
    )
    assert page.measuring.pid is not None
    os.kill(page.measuring.pid, signal.SIGKILL)
    settled(qtbot, page)
    assert "ended unexpectedly" in page.setup.told.text()
    assert "kept" in page.setup.told.text()
    assert page.result.evaluation is None
    assert "1 request," in page.setup.estimate.text()
    assert page.setup.estimate.text().endswith("1 kept answer.")
    page.start()
    settled(qtbot, page)
    assert page.result.evaluation is not None, page.setup.told.text()
    assert len(server.requests) == 3


def test_cancelling_keeps_the_window_and_goes_on_later(
    qtbot: QtBot, page: CaptionEvaluationPage, reviewed: Path, server: LanguageServer
) -> None:
    opened(qtbot, page, reviewed)
    ask(qtbot, page, server, "0")
    server.script.append(Hang())
    page.start()
    assert not page.setup.episodes.isEnabled()
    qtbot.waitUntil(lambda: len(server.requests) == 1, timeout=PATIENCE)
    qtbot.mouseClick(page.setup.cancel, LEFT)
    settled(qtbot, page)
    assert page.setup.told.text().startswith("Cancelled")
    assert page.result.evaluation is None
    assert page.setup.episodes.isEnabled()
    assert page.setup.start.isEnabled()


def test_another_dataset_stops_what_runs_and_says_so(
    qtbot: QtBot, page: CaptionEvaluationPage, reviewed: Path, tmp_path: Path
) -> None:
    opened(qtbot, page, reviewed)
    page.start()
    assert page.measuring.running
    opened(qtbot, page, write_v2(tmp_path / "other"))
    assert not page.measuring.running
    assert "another dataset" in page.setup.told.text()
    assert page.result.evaluation is None


def test_without_a_key_or_an_address_it_says_so(
    qtbot: QtBot, page: CaptionEvaluationPage, reviewed: Path, server: LanguageServer
) -> None:
    opened(qtbot, page, reviewed)
    setup = page.setup
    choose(page, 1, "frames")
    assert setup.server.name == "openai_compatible", "Gemini has no key here"
    assert "give its address." in setup.server.reason.text()
    setup.server.choice.setCurrentIndex(setup.server.choice.findData("gemini"))
    setup.server.choice.activated.emit(setup.server.choice.currentIndex())
    assert "GEMINI_API_KEY" in setup.server.reason.text()
    assert not setup.start.isEnabled()
    assert "GEMINI_API_KEY" in setup.start.toolTip()
    settled(qtbot, page)
    choose(page, 1, "offline-no-color")
    settled(qtbot, page)
    assert not setup.server.reason.isVisible()
    assert setup.start.isEnabled()


def test_nothing_reviewed_says_what_to_do(
    qtbot: QtBot, page: CaptionEvaluationPage, tmp_path: Path
) -> None:
    root = write_v2(tmp_path / "fresh")
    opened(qtbot, page, root)
    assert "review some in the main window" in page.setup.references.text()
    assert not page.setup.start.isEnabled()
    file = tmp_path / "right.jsonl"
    file.write_text(json.dumps({"episode_index": 0, "caption": RIGHT[0]}) + "\n")
    page.take_references(file)
    settled(qtbot, page)
    assert page.setup.references.text() == "1 caption; file right.jsonl"
    assert page.setup.start.isEnabled()
    file.write_text("no JSON\n")
    page.look_again()
    settled(qtbot, page)
    assert "line 1" in page.setup.references.text()
    qtbot.mouseClick(page.setup.use_reviews, LEFT)
    settled(qtbot, page)
    assert "review some" in page.setup.references.text()


def test_episodes_are_limited_and_wrong_ones_named(
    qtbot: QtBot, page: CaptionEvaluationPage, reviewed: Path
) -> None:
    opened(qtbot, page, reviewed)
    for text, said in (("1", "1 caption;"), ("x", "Episodes: expected numbers"), ("2", "leave")):
        page.setup.episodes.setText(text)
        page.look_again()
        settled(qtbot, page)
        assert said in page.setup.references.text()
        assert page.setup.start.isEnabled() == (text == "1")


def test_a_recipe_that_is_gone_and_one_chosen_twice(
    qtbot: QtBot,
    page: CaptionEvaluationPage,
    reviewed: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DEMOSCOPE_CONFIG_DIR", str(tmp_path))
    (tmp_path / "recipes").mkdir()
    own = tmp_path / "recipes" / "mine.toml"
    own.write_text('version = 1\ntitle = "Mine"\nrepresentation = "frames"\n')
    opened(qtbot, page, reviewed)
    choose(page, 1, "mine")
    settled(qtbot, page)
    assert page.setup.rows.names == ("offline", "mine")
    own.unlink()
    page.look_again()
    settled(qtbot, page)
    assert "“mine” is not here any more" in page.setup.trouble.text()
    assert not page.setup.start.isEnabled()
    choose(page, 1, "offline")
    assert "chosen twice" in page.setup.trouble.text()
    settled(qtbot, page)


def test_rows_are_added_and_removed(page: CaptionEvaluationPage, qtbot: QtBot) -> None:
    rows = page.setup.rows
    qtbot.mouseClick(rows.more, LEFT)
    assert len(rows.names) == 3
    assert len(set(rows.names)) >= 2
    rows.set_names(["hand-collage", "hand-collage@gemini-2.5-pro", "offline"])
    assert rows.names == ("hand-collage", "hand-collage@gemini-2.5-pro", "offline")
    assert rows.asks_server


def test_report_and_data_are_written(
    qtbot: QtBot, page: CaptionEvaluationPage, reviewed: Path, tmp_path: Path
) -> None:
    opened(qtbot, page, reviewed)
    page.result.set_evaluation(TWO)
    for button, name in ((page.result.report, "page.html"), (page.result.data, "data.json")):
        qtbot.mouseClick(button, LEFT)
        dialog = next(d for d in page.findChildren(QFileDialog) if d.isVisible())
        dialog.fileSelected.emit(str(tmp_path / name))
        dialog.close()
        settled(qtbot, page)
        assert name in page.setup.told.text()
    assert "hand-collage" in (tmp_path / "page.html").read_text("utf-8")
    assert json.loads((tmp_path / "data.json").read_text("utf-8"))
    page.write(tmp_path / "no" / "folder.json")
    settled(qtbot, page)
    assert "is not written" in page.setup.told.text()


def test_the_page_of_the_window(qtbot: QtBot, reviewed: Path, tmp_path: Path) -> None:
    settings = QSettings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat)
    window = CurationWindow(settings, paths())
    qtbot.addWidget(window)
    window.show()
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    window.set_dataset(open_dataset(reviewed).info, {})
    qtbot.keyClick(window, Qt.Key.Key_6, Qt.KeyboardModifier.ControlModifier)
    page = window.captions
    assert page.isVisible()
    settled(qtbot, page)
    assert page.setup.start.isEnabled()
    for button in page.findChildren(QPushButton):
        assert button.focusPolicy() is Qt.FocusPolicy.NoFocus
        assert button.toolTip()
    with qtbot.waitSignal(window.annotationActivated) as chosen:
        page.result.captionChosen.emit(TWO.rows[5])
    assert chosen.args == [2, 1]
    window.set_dataset(None, {})
    assert not page.setup.isVisible()
    window.shutdown()
