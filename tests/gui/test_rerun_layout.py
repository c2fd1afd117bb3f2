"""How the user arranges the 3D viewer is written when it rests, and comes back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from app.background import Background
from app.layout_store import LayoutStore
from app.rerun_layout import RerunLayout
from tests.gui.recording_panel import RecordingPanel, recording_panel


@pytest.fixture
def store(tmp_path: Path) -> LayoutStore:
    return LayoutStore(tmp_path / "layouts")


@pytest.fixture
def panel() -> Iterator[RecordingPanel]:
    with recording_panel() as made:
        yield made


@pytest.fixture
def background(qtbot: QtBot) -> Iterator[Background]:
    made = Background()
    yield made
    made.close()


@pytest.fixture
def layouts(panel: RecordingPanel, store: LayoutStore, background: Background) -> RerunLayout:
    made = RerunLayout(panel, store, background, panel)
    made._rest.setInterval(0)
    return made


def test_the_newest_is_written_when_it_rests(
    qtbot: QtBot, layouts: RerunLayout, panel: RecordingPanel, store: LayoutStore
) -> None:
    layouts.note_shown("a", "3d")
    for number in range(20):
        panel.layoutChanged.emit(f"layout {number}")
    assert layouts.kept("a", "3d") == "layout 19"  # also before it is on disk
    qtbot.waitUntil(lambda: store.load("a", "3d") == "layout 19", timeout=5000)
    qtbot.waitUntil(lambda: not layouts._unsaved, timeout=5000)
    assert layouts.kept("a", "3d") == "layout 19"
    assert panel.taken() == []


def test_each_recording_has_its_own(
    qtbot: QtBot, layouts: RerunLayout, panel: RecordingPanel, store: LayoutStore
) -> None:
    layouts.note_shown("a", "3d")
    panel.layoutChanged.emit("of 3d")
    layouts.note_shown("a", "2d")
    panel.layoutChanged.emit("of 2d")
    layouts.note_closed()
    panel.layoutChanged.emit("of nobody")
    qtbot.waitUntil(lambda: store.load("a", "2d") == "of 2d", timeout=5000)
    assert store.load("a", "3d") == "of 3d"


def test_resetting_forgets_what_waits_and_what_is_kept(
    qtbot: QtBot,
    layouts: RerunLayout,
    panel: RecordingPanel,
    store: LayoutStore,
    background: Background,
) -> None:
    store.save("a", "2d", "old")
    store.save("b", "3d", "of another")
    layouts._rest.setInterval(60_000)
    layouts.note_shown("a", "3d")
    panel.layoutChanged.emit("new")
    layouts.reset("a")
    assert panel.taken() == [("layout", "")]
    qtbot.waitUntil(lambda: background.idle, timeout=5000)
    assert layouts.kept("a", "3d") == layouts.kept("a", "2d") == ""
    assert layouts.kept("b", "3d") == "of another"


def test_closing_keeps_what_waits(
    layouts: RerunLayout, panel: RecordingPanel, store: LayoutStore, background: Background
) -> None:
    layouts._rest.setInterval(60_000)
    layouts.note_shown("a", "3d")
    panel.layoutChanged.emit("the last")
    layouts.close()
    background.close()
    assert store.load("a", "3d") == "the last"
