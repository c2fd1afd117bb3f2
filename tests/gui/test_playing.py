"""Playing: speed, directions, loops, what is told; and the cameras and settings of the window."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from app.main_window import MainWindow
from app.playback import LoopRange, Playback, PlayRate
from app.settings import PICTURE_BYTES, PICTURE_VARIABLE, picture_bytes
from app.window_run import make_window
from tests.datasets import SAMPLE

TWO_CAMERAS = 4
"""Episode of the sample that two cameras saw."""


@pytest.fixture
def playback(qtbot: QtBot) -> Iterator[Playback]:
    made = Playback()
    yield made
    made.stop()


def played(qtbot: QtBot, playback: Playback, *, paint: bool = True, **how) -> list[int]:
    """Frames that come until the end."""
    frames: list[int] = []
    playback.frameDue.connect(frames.append)
    if paint:
        playback.frameDue.connect(playback.note_painted)
    with qtbot.waitSignal(playback.finished, timeout=5000):
        playback.play(**how)
    return frames


def test_forwards_to_the_end(qtbot: QtBot, playback: Playback) -> None:
    frames = played(qtbot, playback, frame=3, fps=50.0, span=(0, 12), loop=False)
    assert frames[0] == 3
    assert frames[-1] == 11
    assert all(a < b for a, b in pairwise(frames))
    assert not playback.playing
    assert playback.speed == 0


def test_backwards_to_the_start(qtbot: QtBot, playback: Playback) -> None:
    frames = played(qtbot, playback, frame=9, fps=50.0, span=(0, 12), loop=False, speed=-2)
    assert frames[0] == 9
    assert frames[-1] == 0
    assert all(a > b for a, b in pairwise(frames))


@pytest.mark.parametrize(("frame", "speed", "first"), [(11, 1, 0), (0, -1, 11), (40, 1, 0)])
def test_at_the_end_it_begins_again(playback: Playback, frame: int, speed: int, first: int) -> None:
    frames: list[int] = []
    playback.frameDue.connect(frames.append)
    playback.play(frame, 30.0, (0, 12), loop=False, speed=speed)
    assert frames == [first]


def test_a_range_is_repeated(qtbot: QtBot, playback: Playback) -> None:
    frames: list[int] = []
    playback.frameDue.connect(frames.append)
    playback.play(6, 200.0, (5, 9), loop=True)
    qtbot.waitUntil(lambda: len(frames) > 12, timeout=5000)
    assert set(frames) <= {5, 6, 7, 8}
    assert any(b < a for a, b in pairwise(frames))


def test_every_frame_waits_for_the_painting(qtbot: QtBot, playback: Playback) -> None:
    playback.every_frame = True
    frames: list[int] = []
    playback.frameDue.connect(frames.append)
    playback.play(0, 1000.0, (0, 30), loop=False)
    qtbot.waitUntil(lambda: frames[-1] == 1, timeout=5000)
    qtbot.wait(60)
    assert frames[-1] == 1  # Frame 1 was never painted, in real time it would be over.
    playback.frameDue.connect(playback.note_painted)
    with qtbot.waitSignal(playback.finished, timeout=5000):
        playback.note_painted(1)
    assert frames == list(range(30))
    assert playback.rate.dropped == 0


def test_what_is_passed_over_is_counted(qtbot: QtBot, playback: Playback) -> None:
    told: list[PlayRate | None] = []
    playback.measured.connect(told.append)
    playback.play(0, 1.0, (0, 100), loop=False)
    for frame in (1, 2, 5, 6):
        playback.note_painted(frame)
    assert playback.rate.dropped == 2
    assert playback.rate.target == 1.0
    qtbot.waitUntil(lambda: bool(told), timeout=5000)
    assert "2 dropped" in str(told[0])
    playback.stop()
    assert told[-1] is None


def test_rates_in_words() -> None:
    assert str(PlayRate(30.0, 29.96, 0, 1)) == "30.0 of 30 fps, 0 dropped"
    assert str(PlayRate(60.0, 58.0, 3, -2)) == "58.0 of 60 fps (−2×), 3 dropped"


def test_ranges() -> None:
    assert LoopRange().span(100) == (0, 100)
    assert LoopRange(10, 20).span(100) == (10, 21)
    assert LoopRange(10, 200).span(100) == (10, 100)
    assert LoopRange(-5, 20).span(100) == (0, 21)  # the 3D viewer's range may begin before 0
    assert LoopRange(10, 20).from_frame(30) == LoopRange(30, None)
    assert LoopRange(10, 20).to_frame(5) == LoopRange(None, 5)


def test_memory_for_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "settings.ini"
    monkeypatch.delenv(PICTURE_VARIABLE, raising=False)
    assert picture_bytes(file) == PICTURE_BYTES
    file.write_text("[General]\ntheme=dark\npicture_mib=256\n\n[layout]\nx=@ByteArray(%1)\n")
    assert picture_bytes(file) == 256 << 20
    monkeypatch.setenv(PICTURE_VARIABLE, "1024")
    assert picture_bytes(file) == 1024 << 20
    monkeypatch.setenv(PICTURE_VARIABLE, "1")
    assert picture_bytes(file) == 16 << 20
    for odd in ("much", "nan", "inf"):
        monkeypatch.setenv(PICTURE_VARIABLE, odd)
        assert picture_bytes(file) == PICTURE_BYTES


# -- in the window -----------------------------------------------------------------------------


def opened(qtbot: QtBot, settings: Path) -> MainWindow:
    """The window on an episode of two cameras, without running the pipeline."""
    window = make_window("dark", settings_file=settings)
    window.resize(1280, 800)
    qtbot.addWidget(window)
    window.show()
    # Shortcuts go to the active window only.
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow, timeout=5000)
    window.control.auto_run = False
    with qtbot.waitSignal(window.control.episodeOpened, timeout=10_000):
        window.control.open_dataset(str(SAMPLE), TWO_CAMERAS)
    viewer = window.panels.frame.viewer
    qtbot.waitUntil(lambda: viewer.image_size != (0, 0), timeout=5000)
    return window


@pytest.fixture
def window(qtbot: QtBot, tmp_path: Path) -> Iterator[MainWindow]:
    made = opened(qtbot, tmp_path / "settings.ini")
    yield made
    made.close()


def test_speed_keys(qtbot: QtBot, window: MainWindow) -> None:
    viewer, playback = window.panels.frame.viewer, window.control.playback
    viewer.setFocus()
    speeds = []
    for key in (Qt.Key.Key_L, Qt.Key.Key_L, Qt.Key.Key_J, Qt.Key.Key_J, Qt.Key.Key_K):
        qtbot.keyClick(viewer, key)
        speeds.append(playback.speed)
    assert speeds == [1, 2, -1, -2, 0]
    assert not window.control.document.session.playing
    for _ in range(5):
        qtbot.keyClick(viewer, Qt.Key.Key_L)
    assert playback.speed == 8


def test_marked_range_is_played_round(qtbot: QtBot, window: MainWindow) -> None:
    viewer, control = window.panels.frame.viewer, window.control
    viewer.setFocus()
    control.seek(10)
    qtbot.keyClick(viewer, Qt.Key.Key_I)
    control.seek(14)
    qtbot.keyClick(viewer, Qt.Key.Key_O)
    assert control.player.loop == LoopRange(10, 14)
    assert window.panels.timeline.loop_range == (10, 15)
    frames: list[int] = []
    control.playback.frameDue.connect(frames.append)
    qtbot.keyClick(viewer, Qt.Key.Key_L)
    qtbot.waitUntil(lambda: any(b < a for a, b in pairwise(frames)), timeout=5000)
    assert set(frames) <= set(range(10, 15))
    qtbot.keyClick(viewer, Qt.Key.Key_Backslash)
    qtbot.waitUntil(lambda: frames[-1] > 15, timeout=5000)
    assert window.panels.timeline.loop_range is None


def test_a_range_dragged_on_the_timeline_is_played_round(window: MainWindow) -> None:
    player, timeline = window.control.player, window.panels.timeline
    timeline.rangeSelected.emit(4, 9)
    assert player.loop == LoopRange(4, 8)
    assert timeline.loop_range == (4, 9)
    timeline.rangeSelected.emit(6, 6)
    assert not player.is_looped
    assert timeline.loop_range is None


def test_the_status_bar_tells_how_playing_goes(qtbot: QtBot, window: MainWindow) -> None:
    told: list[PlayRate | None] = []
    window.control.playback.measured.connect(told.append)
    window.control.player.play(1)
    qtbot.waitUntil(lambda: len(told) >= 2, timeout=5000)
    assert told[-1] is not None
    assert told[-1].target == 20.0
    assert told[-1].shown > 0.0  # How fast is a matter of the machine.
    labels = [w.text() for w in window.statusBar().children() if hasattr(w, "text")]
    assert any("of 20 fps" in text for text in labels)
    window.control.player.stop()
    labels = [w.text() for w in window.statusBar().children() if hasattr(w, "text")]
    assert not any("fps" in text for text in labels)


def test_all_cameras_go_in_step_and_are_remembered(
    qtbot: QtBot, window: MainWindow, tmp_path: Path
) -> None:
    panel, control = window.panels.frame, window.control
    panel.viewer.setFocus()
    qtbot.keyClick(panel.viewer, Qt.Key.Key_V, Qt.KeyboardModifier.ShiftModifier)
    (tile,) = panel.grid.tiles
    qtbot.waitUntil(lambda: tile.image_size == (640, 480), timeout=5000)
    for frame in (30, 100, 7):
        control.seek(frame)
        qtbot.waitUntil(lambda f=frame: tile.image_frame == f, timeout=5000)
        assert panel.viewer.image_frame == frame
    qtbot.keyClick(panel.viewer, Qt.Key.Key_V)
    assert control.document.session.camera == panel.camera == tile.camera
    assert panel.viewer.picture is not None
    window.close()
    again = opened(qtbot, tmp_path / "settings.ini")
    assert again.control.all_cameras
    assert len(again.panels.frame.grid.tiles) == 1
    assert again.table.actions["all_cameras"].isChecked()
    again.close()


def test_another_camera_by_its_tab(qtbot: QtBot, window: MainWindow) -> None:
    panel = window.panels.frame
    before = panel.viewer.picture
    first, second = (c.key for c in window.control.document.session.demonstration.cameras)
    assert panel.camera == first
    panel.viewer.setFocus()
    qtbot.keyClick(panel.viewer, Qt.Key.Key_V)
    qtbot.waitUntil(lambda: panel.viewer.picture is not before, timeout=5000)
    assert panel.camera == second
    assert panel.grid.tiles == ()
