"""File > Export the 3D recording: beside the GUI thread, with progress and cancel."""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QProgressDialog, QPushButton
from pytestqt.qtbot import QtBot

from app.export_formats import FORMATS
from app.main_window import MainWindow
from app.rrd_source import open_export
from pipeline.model.options import with_option
from pipeline.model.problem import Cancelled
from tests.datasets import write_v2

SECONDS = 1000


@pytest.fixture
def opened(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> MainWindow:
    with qtbot.waitSignal(window.control.jobEnded, timeout=120 * SECONDS) as blocker:
        window.control.open_dataset(str(write_v2(tmp_path / "v2")), 0)
    assert blocker.args == ["done"]
    qtbot.waitUntil(lambda: window.control.background.idle, timeout=30 * SECONDS)
    return window


def choose(monkeypatch: pytest.MonkeyPatch, path: Path | str) -> list[tuple[str, str]]:
    """Answer the file dialog; its title and the proposed name."""
    asked: list[tuple[str, str]] = []

    def answer(_parent: object, title: str, name: str, _kinds: str) -> tuple[str, str]:
        asked.append((title, name))
        return str(path), ""

    monkeypatch.setattr("app.export_actions.QFileDialog.getSaveFileName", answer)
    return asked


def test_it_writes_what_is_on_show(
    qtbot: QtBot, opened: MainWindow, tmp_path: Path, monkeypatch
) -> None:
    target = tmp_path / "mine.rrd"
    target.write_bytes(b"older")
    asked = choose(monkeypatch, target)
    exports = opened.handlers.exports
    with qtbot.waitSignal(exports.finished, timeout=60 * SECONDS) as blocker:
        opened.table.actions["export_recording"].trigger()
    assert blocker.args == [str(target)]
    assert asked == [("Export the 3D recording", "v2-episode-000000-subtask-1.rrd")]
    assert "written to" in opened.statusBar().currentMessage()
    session = opened.control.document.session
    recorded = open_export(str(target)).recorded
    stages = opened.control.document.graph.stages
    assert {o.stage: o.key for o in recorded.outcomes} == {
        stage.name: session.outcome(stage.name).key for stage in stages
    }
    assert recorded.options == dict(session.options)
    assert not opened.findChildren(QProgressDialog) or exports._dialog is None


def test_nothing_is_exported_that_does_not_belong_together(
    qtbot: QtBot, opened: MainWindow, tmp_path: Path, monkeypatch
) -> None:
    exports, control = opened.handlers.exports, opened.control
    asked = choose(monkeypatch, tmp_path / "mine.rrd")
    options = control.document.session.options["scores"]
    control.set_options("scores", with_option(options, "noise_floor", 7.0))
    assert "run (Ctrl+R) before the export" in exports.why_not()
    opened.table.actions["export_recording"].trigger()
    assert asked == []
    assert "belong to other options" in opened.panels.banner.text
    control.set_options("scores", options)
    assert exports.why_not() == ""
    choose(monkeypatch, "")
    opened.table.actions["export_recording"].trigger()
    assert exports._dialog is None


def test_cancel_leaves_no_file(qtbot: QtBot, opened: MainWindow, tmp_path: Path) -> None:
    exports, control = opened.handlers.exports, opened.control
    begun = threading.Event()

    def slow(*_: object, progress, cancelled, **__: object) -> bytes:  # type: ignore[no-untyped-def]
        progress(0.5, "pictures")
        begun.set()
        while not cancelled():
            threading.Event().wait(0.005)
        raise Cancelled

    form = dataclasses.replace(FORMATS["rrd"], write=slow)
    target = tmp_path / "mine.rrd"
    exports.export(target, form)
    qtbot.waitUntil(begun.is_set, timeout=10 * SECONDS)
    dialog = exports._dialog
    assert dialog is not None
    assert not dialog.isModal()
    qtbot.waitUntil(lambda: dialog.value() == 50, timeout=10 * SECONDS)
    assert "pictures" in dialog.labelText()
    button = dialog.findChild(QPushButton)
    assert button.focusPolicy() is Qt.FocusPolicy.NoFocus
    qtbot.waitUntil(dialog.isVisible, timeout=10 * SECONDS)
    with qtbot.waitSignal(exports.finished, timeout=10 * SECONDS) as blocker:
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert blocker.args == [""]
    assert not target.exists()
    assert exports._dialog is None
    assert opened.panels.banner.isHidden()
    # The window can be closed in the middle of one.
    begun.clear()
    exports.export(target, form)
    qtbot.waitUntil(begun.is_set, timeout=10 * SECONDS)
    opened.close()
    assert control.background.idle
    assert not target.exists()


def test_what_cannot_be_written_is_said(qtbot: QtBot, opened: MainWindow, tmp_path: Path) -> None:
    exports = opened.handlers.exports
    file = tmp_path / "file"
    file.write_text("")
    form = dataclasses.replace(FORMATS["rrd"], write=lambda *_, **__: b"content")
    with qtbot.waitSignal(exports.finished, timeout=10 * SECONDS) as blocker:
        exports.export(file / "mine.rrd", form)
    assert blocker.args == [""]
    assert "Nothing was exported to mine.rrd: " in opened.panels.banner.text
