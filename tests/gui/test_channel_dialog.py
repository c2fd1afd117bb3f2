"""The channel mapping in the window: takes effect, is remembered, can be undone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from app.channel_dialog import ChannelDialog
from app.main_window import MainWindow
from app.window_run import make_window
from pipeline.model.edits import SetChannels, SetMotion
from pipeline.stages.phases import channels_in_force
from tests.datasets import SAMPLE

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")


@pytest.fixture
def window(qtbot: QtBot, tmp_path: Path) -> Iterator[MainWindow]:
    """A window on a copy of the sample; nothing is computed."""
    root = tmp_path / "sample"
    shutil.copytree(SAMPLE, root)
    made = make_window("dark", settings_file=tmp_path / "settings.ini")
    qtbot.addWidget(made)
    made.control.jobs.run = lambda *_, **__: None  # type: ignore[method-assign]
    with qtbot.waitSignal(made.control.episodeOpened, timeout=20_000):
        made.control.open_dataset(str(root), 4)
    yield made
    made.close()


def dialog_of(window: MainWindow) -> ChannelDialog:
    window.handlers.run("channels")
    found = window.findChildren(ChannelDialog)
    return found[-1]


def in_force(window: MainWindow) -> dict[str, tuple[str, ...]]:
    session = window.control.document.session
    assert session.demonstration is not None
    return {g.arm: g.names for g in channels_in_force(session.demonstration, session.edits, [])}


def test_use_takes_effect_is_remembered_and_undone(qtbot: QtBot, window: MainWindow) -> None:
    dialog = dialog_of(window)
    assert not dialog.isModal()
    assert [c.arm for c in dialog.mapping.draft] == ["left", "right"]
    before = in_force(window)
    edits = (
        SetChannels(arm="right", signal="state", indices=(), closed_is="low", removed=True),
        SetMotion(arm="left", signal="state", indices=(8, 9)),
    )
    dialog.mapping.mappingChosen.emit(edits)
    assert list(in_force(window)) == ["left"]
    assert [(c.arm, c.motion) for c in dialog.mapping.draft] == [("left", (8, 9))]
    control = window.control
    assert control.commands.edits_of(0) == edits, "they hold for every episode"
    control.undo()
    assert dialog.mapping.draft[0].motion == tuple(range(8, 14))
    control.undo()
    assert in_force(window) == before
    assert [c.arm for c in dialog.mapping.draft] == ["left", "right"]


def test_the_cursor_is_followed(qtbot: QtBot, window: MainWindow) -> None:
    dialog = dialog_of(window)
    window.control.seek(17, "test")
    assert dialog.mapping.findChildren(type(dialog.mapping._plot))[0]._frame == 17


def test_a_preset_is_saved_and_offered(
    qtbot: QtBot, window: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEMOSCOPE_CONFIG_DIR", str(tmp_path / "config"))
    dialog = dialog_of(window)
    said: list[str] = []
    window.control.said.connect(said.append)
    demonstration = window.control.document.session.demonstration
    assert demonstration is not None
    choice = dialog.mapping.draft[0]
    grippers, motions = (choice.channels(demonstration),), (choice.moves(demonstration),)
    dialog.save_as("Two of us", demonstration.robot_type, grippers, motions)
    saved = json.loads((tmp_path / "config" / "robots" / "two-of-us.json").read_text())
    assert saved["presets"][0]["name"] == "Two of us"
    assert "Two of us" in said[-1]
    box = dialog.mapping._preset
    assert any(box.itemText(i).startswith("Two of us") for i in range(box.count()))


def test_opening_it_again_leaves_one(qtbot: QtBot, window: MainWindow) -> None:
    dialog_of(window)
    second = dialog_of(window)
    second.close()
    window.handlers.run("channels")
    qtbot.waitUntil(lambda: len(window.findChildren(ChannelDialog)) == 1)
