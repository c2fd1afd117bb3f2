"""Backends in the window: the list of models, downloads in a process of their own."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QApplication, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from app.model_work import ModelWork
from app.models_dialog import ModelsDialog
from app.window_run import make_window
from pipeline.backends import licences
from pipeline.backends.catalogue import (
    State,
)
from pipeline.backends.process import Order
from tests.datasets import SAMPLE
from tests.gui.model_survey import MISSING, SURVEY, choose
from tests.hub_server import Hub, serve
from tests.plugins import install
from widgets.model_panel import ModelPanel
from widgets.model_table import Column
from widgets.options_form import OptionsForm
from widgets.stage_table import StageTable
from widgets.theme import apply_theme

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")
LONG = 60_000


# -- the list ------------------------------------------------------------------------------------


@pytest.fixture
def panel(qtbot: QtBot) -> ModelPanel:
    made = ModelPanel()
    qtbot.addWidget(made)
    made.resize(1000, 600)
    made.show()
    made.set_survey(SURVEY)
    return made


def button(panel: QWidget, text: str) -> QPushButton:
    return next(b for b in panel.findChildren(QPushButton) if b.text() == text)


def cell(panel: ModelPanel, row: int, column: Column) -> str:
    model = panel.table.shown
    return str(model.data(model.index(row, column)))


def test_the_list_says_what_each_backend_is(panel: ModelPanel) -> None:
    assert [cell(panel, 1, c) for c in Column] == [
        "detection",
        "llmdet",
        "LLMDet (Swin-T)",
        "weights missing",
        "model",
        "Apache-2.0",
        "690",
        "cuda:0, bfloat16",
    ]
    assert cell(panel, 0, Column.DEVICE) == "cpu"
    model = panel.table.shown
    for column in Column:
        about = model.headerData(column, Qt.Orientation.Horizontal, Qt.ItemDataRole.ToolTipRole)
        assert len(str(about)) > 30, column


def test_buttons_do_what_the_selected_backend_needs(qtbot: QtBot, panel: ModelPanel) -> None:
    panel.select("detection", "regions")
    assert not button(panel, "Download").isEnabled()
    assert "nothing to download" in button(panel, "Download").toolTip()
    assert not button(panel, "Verify").isEnabled()
    panel.select("detection", "llmdet")
    assert MISSING[4:] in panel.text()
    assert "690 MB" in button(panel, "Download").toolTip()
    with qtbot.waitSignal(panel.fetchRequested) as wanted:
        button(panel, "Download").click()
    assert wanted.args == ["detection", "llmdet"]
    panel.select("tracking", "cotracker")
    assert "Not for commercial use." in panel.text()
    assert not button(panel, "Download").isEnabled()
    assert "Accept its licence first" in button(panel, "Download").toolTip()
    with qtbot.waitSignal(panel.licenceAccepted) as accepted:
        button(panel, "Accept licence").click()
    assert accepted.args == ["tracking", "cotracker"]
    with qtbot.waitSignal(panel.verifyRequested):
        button(panel, "Verify").click()
    button(panel, "Copy").click()
    assert "Not for commercial use." in QApplication.clipboard().text()


def test_while_something_is_under_way_only_cancelling_is_possible(
    qtbot: QtBot, panel: ModelPanel
) -> None:
    panel.select("detection", "llmdet")
    panel.set_busy("Fetching llmdet")
    panel.set_progress(0.25, "model.safetensors: 172.5 of 690.0 MB")
    assert not button(panel, "Download").isEnabled()
    assert "Fetching llmdet" in button(panel, "Download").toolTip()
    with qtbot.waitSignal(panel.cancelRequested):
        button(panel, "Cancel").click()
    panel.set_busy("")
    panel.set_verdict("llmdet: fetched.", well=True)
    assert button(panel, "Download").isEnabled()
    assert panel.text().endswith("llmdet: fetched.")


def test_enter_and_space_press_no_button(qtbot: QtBot, work: ModelWork) -> None:
    parent = QWidget()
    qtbot.addWidget(parent)
    dialog = ModelsDialog(work, parent)
    dialog.panel.set_survey(SURVEY)
    dialog.panel.select("tracking", "cotracker")
    dialog.show()
    heard: list[object] = []
    dialog.panel.licenceAccepted.connect(lambda *args: heard.append(args))
    dialog.panel.verifyRequested.connect(lambda *args: heard.append(args))
    for key in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
        qtbot.keyClick(dialog.panel.table, key)
        qtbot.keyClick(dialog, key)
    assert heard == []
    assert not licences.accepted("cotracker")


def test_selecting_by_hand_and_a_new_survey_keep_the_place(qtbot: QtBot, panel: ModelPanel) -> None:
    table = panel.table
    row = table.visualRect(table.shown.index(2, 1)).center()
    with qtbot.waitSignal(table.backendSelected) as selected:
        qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(row))
    assert selected.args == ["detection", "bright"]
    panel.set_survey(dataclasses.replace(SURVEY, entries=SURVEY.entries[1:]))
    assert table.selected is not None
    assert table.selected.card.name == "bright"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_state_is_told_by_shape_and_readable_in_both_themes(
    qtbot: QtBot, panel: ModelPanel, theme: str
) -> None:
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    apply_theme(application, theme)
    model = panel.table.shown
    pictures = []
    for row in (0, 1, 3):
        made = model.data(model.index(row, Column.STATE), Qt.ItemDataRole.DecorationRole)
        pictures.append(made.pixmap(16).toImage())
    assert pictures[0] != pictures[1] != pictures[2]
    shot = panel.grab().toImage()
    corner = shot.pixelColor(shot.width() - 4, shot.height() - 4).lightness()
    assert (corner > 128) == (theme == "light")
    apply_theme(application, "dark")


# -- processes -----------------------------------------------------------------------------------

TOY = """
import os

from pipeline.backends.backend import ModelBackend
from pipeline.backends.weights import Weights


class Toy(ModelBackend):
    name, title, licence, packages = "toy", "Toy", "CC-BY-NC-4.0", ("json",)
    notice = "For research only."
    weights = Weights("lab/toy", ("config.json", "model.safetensors"), "CC-BY-NC-4.0", 3)


class Crash(ModelBackend):
    name, title, licence, packages = "crash", "Crash", "MIT", ("json",)
    weights = Weights("lab/toy", ("config.json",), "MIT", 1)

    def load(self):
        os._exit(9)
"""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    pytest.importorskip("huggingface_hub")
    tensors = pytest.importorskip("safetensors.numpy")
    folder = tmp_path / "hub"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    tensors.save_file({"w": np.arange(500_000, dtype=np.float32)}, folder / "model.safetensors")
    site = install(tmp_path / "site", "toys", TOY, "detection toy Toy", "detection crash Crash")
    monkeypatch.delitem(sys.modules, "toys", raising=False)
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DEMOSCOPE_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.delenv("DEMOSCOPE_MODELS_DIR", raising=False)
    with serve({}, models={"lab/toy": folder}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        yield hub


@pytest.fixture
def work(qtbot: QtBot) -> Iterator[ModelWork]:
    made = ModelWork()
    yield made
    made.close()


def finish(qtbot: QtBot, work: ModelWork, order: Order) -> tuple[bool, str]:
    with qtbot.waitSignal(work.ended, timeout=LONG) as ended:
        work.start(order)
    assert ended.args[0] == order
    return ended.args[1], ended.args[2]


def test_a_model_is_accepted_fetched_and_verified_in_the_window(
    qtbot: QtBot, server: Hub, work: ModelWork
) -> None:
    parent = QWidget()
    qtbot.addWidget(parent)
    dialog = ModelsDialog(work, parent)
    dialog.show()
    dialog.show_backend("detection", "toy")
    with qtbot.waitSignal(work.surveyed, timeout=LONG):
        work.look(devices=False)
    panel = dialog.panel
    assert panel.table.selected is not None
    assert panel.table.selected.card.name == "toy"
    assert panel.table.selected.state is State.WEIGHTS
    assert not button(panel, "Download").isEnabled()
    with qtbot.waitSignal(work.surveyed, timeout=LONG):
        button(panel, "Accept licence").click()
    assert licences.accepted("toy", "CC-BY-NC-4.0")
    shares: list[float] = []
    work.progressed.connect(lambda share, _what: shares.append(share))
    qtbot.waitUntil(lambda: button(panel, "Download").isEnabled(), timeout=LONG)
    with qtbot.waitSignal(work.ended, timeout=LONG) as ended:
        button(panel, "Download").click()
        assert button(panel, "Cancel").isEnabled()
    assert ended.args[1], ended.args[2]
    assert "all checksums right" in panel.text()
    assert shares
    qtbot.waitUntil(
        lambda: panel.table.selected.state is State.READY,  # type: ignore[union-attr]
        timeout=LONG,
    )
    well, sentence = finish(qtbot, work, Order("verify", "detection", "toy"))
    assert well
    assert "2 of 2 checksums known and right; loads." in sentence


def test_failures_are_sentences_and_the_window_goes_on(
    qtbot: QtBot, server: Hub, work: ModelWork
) -> None:
    well, sentence = finish(qtbot, work, Order("fetch", "detection", "toy"))
    assert not well
    assert "For research only." in sentence
    well, sentence = finish(qtbot, work, Order("fetch", "detection", "nobody"))
    assert not well
    assert "no detection backend “nobody”" in sentence
    assert finish(qtbot, work, Order("fetch", "detection", "crash"))[0]
    well, sentence = finish(qtbot, work, Order("verify", "detection", "crash"))
    assert not well
    assert "killed" in sentence


def test_a_cancelled_task_ends_at_once(qtbot: QtBot, server: Hub, work: ModelWork) -> None:
    order = Order("fetch", "detection", "crash")
    work.start(order)
    with qtbot.waitSignal(work.ended, timeout=500) as ended:
        work.cancel()
    assert ended.args == [order, False, ""]
    assert work.order is None
    assert finish(qtbot, work, order)[0], "the next one is not disturbed"


# -- the whole window ----------------------------------------------------------------------------


FULL = """
class Full:
    name, licence = "full", "MIT"

    def available(self):
        return None

    def detect(self, request, progress):
        raise RuntimeError("CUDA error: out of memory")


class Smaller(Full):
    name = "smaller"

    def detect(self, request, progress):
        return ()
"""


def test_missing_weights_and_a_full_device_fail_their_stage_and_nothing_else(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = ("detection full Full", "detection smaller Smaller")
    monkeypatch.syspath_prepend(str(install(tmp_path / "site", "full_things", FULL, *points)))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "empty"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    window = make_window("dark", settings_file=tmp_path / "settings.ini")
    window.resize(1280, 800)
    qtbot.addWidget(window)
    window.show()
    control, stages = window.control, window.panels.stages
    control.auto_run = False
    with qtbot.waitSignal(control.episodeOpened, timeout=LONG):
        control.open_dataset(str(SAMPLE), 0)
    table = stages.findChild(StageTable)
    form = stages.findChild(OptionsForm)
    assert table is not None
    assert form is not None
    place = [r.name for r in stages.rows].index("proposals")
    index = table.model().index(place, 0)
    table.scrollTo(index)
    spot = table.visualRect(index).center()
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=spot)
    choose(form, "backend", "llmdet")
    with qtbot.waitSignal(control.jobEnded, timeout=LONG) as ended:
        control.run(up_to="proposals")
    assert ended.args == ["failed"]
    row = next(r for r in stages.rows if r.name == "proposals")
    assert row.code == "no_backend"
    assert "demoscope models download llmdet" in row.error
    for name in ("phases", "subtasks"):
        assert control.document.is_fresh(name), "earlier results stay"
    assert button(stages, "Models…").isVisible()
    with qtbot.waitSignal(window.handlers.models.work.surveyed, timeout=LONG):
        button(stages, "Models…").click()
    dialog = window.handlers.models.dialog
    assert dialog is not None
    assert dialog.isVisible()
    assert dialog.panel.table.selected is not None
    assert dialog.panel.table.selected.card.name == "llmdet"
    # The form knows now, too. A device that runs full: nothing is lost, and the next run works.
    dialog.close()
    choose(form, "backend", "full")
    with qtbot.waitSignal(control.jobEnded, timeout=LONG) as ended:
        control.run(up_to="proposals")
    assert ended.args == ["failed"]
    row = next(r for r in stages.rows if r.name == "proposals")
    assert row.code == "out_of_memory"
    assert "the GPU ran out of memory while the detection backend “full” ran" in row.error
    assert row.error[4:] in window.panels.banner.text
    assert window.isVisible()
    for name in ("phases", "subtasks"):
        assert control.document.is_fresh(name), "earlier results stay"
    choose(form, "backend", "smaller")
    with qtbot.waitSignal(control.jobEnded, timeout=LONG) as ended:
        control.run(up_to="proposals")
    assert ended.args == ["done"]
    assert control.document.is_fresh("proposals")
    window.close()
