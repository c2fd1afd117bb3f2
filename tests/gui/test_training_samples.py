"""The window for training samples and the people who made them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PySide6.QtCore import QDate, Qt
from pytestqt.qtbot import QtBot

from app.captions_export import FORMATS
from app.cli import build_parser
from app.main_window import MainWindow
from app.training_samples import TrainingSamplesDialog, words
from tests.broken_datasets import snapshot
from tests.datasets import write_v2
from tests.reviewed_dataset import BLUE, GREEN, write_reviewed
from widgets.training_samples import SampleChoice, TrainingSamples

SECONDS = 1000


@pytest.fixture
def reviewed(tmp_path: Path) -> Path:
    return write_reviewed(tmp_path / "v2")


def shown(qtbot: QtBot, window: MainWindow, root: Path) -> TrainingSamplesDialog:
    window.control.auto_run = False
    with qtbot.waitSignal(window.control.episodeOpened, timeout=30 * SECONDS):
        window.control.open_dataset(str(root), 0)
    window.table.actions["training_samples"].trigger()
    dialog = window.findChild(TrainingSamplesDialog)
    assert dialog is not None
    return dialog


def counts(qtbot: QtBot, dialog: TrainingSamplesDialog, text: str) -> None:
    qtbot.waitUntil(lambda: text in dialog.view.counts.text(), timeout=30 * SECONDS)


def test_counts_follow_the_choice_and_people_are_shown(
    qtbot: QtBot, window: MainWindow, reviewed: Path
) -> None:
    dialog = shown(qtbot, window, reviewed)
    view = dialog.view
    counts(qtbot, dialog, "1 sample of 2 captions")
    assert [view.people.item(y, 0).text() for y in range(2)] == ["ann", "eve"]
    assert [view.people.item(0, x).text() for x in (1, 2, 3)] == ["2", "1", "100%"]
    view.everything.click()
    counts(qtbot, dialog, "2 samples")
    view.format.setCurrentIndex(view.format.findData("yes-no"))
    counts(qtbot, dialog, "3 samples")  # yes and no of the one, no of the other
    view.agreed.click()
    counts(qtbot, dialog, "2 samples")
    view.until_on.click()
    view.until.setDate(QDate(2020, 1, 1))
    counts(qtbot, dialog, "0 samples")
    assert not view.export.isEnabled()
    assert "No caption fits" in view.export.toolTip()


def test_export_writes_what_the_command_line_writes(
    qtbot: QtBot, window: MainWindow, reviewed: Path, tmp_path: Path
) -> None:
    before = snapshot(reviewed)
    dialog = shown(qtbot, window, reviewed)
    counts(qtbot, dialog, "1 sample")
    out = tmp_path / "pairs.jsonl"
    dialog.export(SampleChoice(form="preferences"), out)
    assert dialog.is_running
    assert not dialog.view.export.isEnabled()
    qtbot.waitUntil(lambda: not dialog.is_running, timeout=120 * SECONDS)
    assert "1 sample" in dialog.view.message.text()
    (row,) = [json.loads(line) for line in out.read_text().split("\n") if line]
    assert (row["rejected"], row["chosen"]) == (BLUE, GREEN)
    assert snapshot(reviewed) == before


def test_cancel_writes_nothing(
    qtbot: QtBot, window: MainWindow, reviewed: Path, tmp_path: Path
) -> None:
    dialog = shown(qtbot, window, reviewed)
    counts(qtbot, dialog, "1 sample")
    out = tmp_path / "captions.jsonl"
    out.write_text("mine\n")
    dialog.export(SampleChoice(), out)
    qtbot.mouseClick(dialog.view.cancel, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not dialog.is_running, timeout=30 * SECONDS)
    assert "nothing was written" in dialog.view.message.text()
    assert out.read_text() == "mine\n"


def test_a_failure_is_one_sentence(
    qtbot: QtBot, window: MainWindow, reviewed: Path, tmp_path: Path
) -> None:
    dialog = shown(qtbot, window, reviewed)
    counts(qtbot, dialog, "1 sample")
    dialog.export(SampleChoice(), tmp_path)
    qtbot.waitUntil(lambda: not dialog.is_running, timeout=120 * SECONDS)
    assert dialog.view.message.text() == f"{tmp_path} is a folder"


def test_without_reviews_it_says_what_to_do(
    qtbot: QtBot, window: MainWindow, tmp_path: Path
) -> None:
    dialog = shown(qtbot, window, write_v2(tmp_path / "fresh"))
    counts(qtbot, dialog, "Nobody has judged a caption")
    assert not dialog.view.export.isEnabled()


def test_every_choice_is_an_argument_of_the_command() -> None:
    choice = SampleChoice(
        "critiques", True, True, -0.5, "-ann b", "2026-01-02", "2026-02-03", "hand-collage"
    )
    found = build_parser().parse_args(words(choice, "-set", Path("o.json"), Path("-out.jsonl")))
    assert (found.format, found.all, found.agreed) == ("critiques", True, True)
    assert (found.min_score, found.person, found.recipe) == (-0.5, ["-ann b"], ["hand-collage"])
    assert (str(found.since), str(found.until)) == ("2026-01-02", "2026-02-03")
    assert (found.dataset, str(found.out)) == ("-set", "-out.jsonl")


def test_the_view_offers_the_formats_of_the_command(qtbot: QtBot) -> None:
    view = TrainingSamples()
    qtbot.addWidget(view)
    names = [view.format.itemData(i) for i in range(view.format.count())]
    assert tuple(names) == FORMATS


def test_setters_emit_nothing_and_keep_the_person(qtbot: QtBot) -> None:
    view = TrainingSamples()
    qtbot.addWidget(view)
    heard: list[object] = []
    view.choiceChanged.connect(heard.append)
    view.set_people([], ["ann", "bob"])
    view.set_counts("0 samples")
    view.set_running(True)
    view.set_running(False)
    assert heard == []
    view.person.setCurrentIndex(2)
    assert heard[-1] == SampleChoice(person="bob")
    view.set_people([], ["bob", "cid"])
    assert view.choice.person == "bob"
    assert len(heard) == 1
