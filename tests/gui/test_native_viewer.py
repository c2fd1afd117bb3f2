"""Rerun's own viewer beside the window: played by the test, and the real program, headless."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from pytestqt.qtbot import QtBot

from app.process_sockets import process_tree
from tests.gui.rerun_session import listening_addresses
from tests.rerun_scenes import scene
from viewers.native_client import CallError, NativeState, ViewerClientCalls, state_of
from viewers.native_program import NativeViewerError, RerunProgram
from viewers.native_viewer import NativeViewer
from viewers.rerun_log import recording_bytes

POINTS = "/world/candidates/1/points"


class FakeProgram:
    """A process that is not one."""

    def __init__(self, folder: Path, refusal: str = "") -> None:
        self.folder = folder
        self.folder.mkdir()
        self.url = "rerun+http://127.0.0.1:1/proxy"
        self.pid = 1
        self.refusal = refusal
        self.sentence = ""
        self.is_alive = False
        self.is_removed = False

    def start(self, cancelled: Callable[[], bool]) -> None:
        if self.refusal:
            raise NativeViewerError(self.refusal)
        self.is_alive = True

    def ending(self) -> str:
        return self.sentence

    def kill(self) -> None:
        self.is_alive = False

    def remove(self) -> None:
        self.is_alive = False
        shutil.rmtree(self.folder)
        self.is_removed = True


class FakeClient:
    """A viewer as the calls know it. `hold` keeps the next calls waiting."""

    def __init__(self) -> None:
        self.program: FakeProgram | None = None
        self.calls: list[tuple[Any, ...]] = []
        self.threads: set[threading.Thread] = set()
        self.free = threading.Event()
        self.free.set()
        self.inside = threading.Event()
        self.stores: dict[str, NativeState] = {}
        self.contents: dict[str, bytes] = {}
        self.refuses: set[str] = set()
        self.stale = 0
        self.asked = 0

    def _call(self, *call: Any) -> None:
        self.threads.add(threading.current_thread())
        self.inside.set()
        self.free.wait(10)
        self.inside.clear()
        if self.program is not None and not self.program.is_alive:
            raise CallError("transport error")
        if call[0] != "state":
            self.calls.append(call)
        if call[0] in self.refuses:
            raise CallError("deadline has elapsed")

    def open(self, path: Path) -> str:
        self._call("open", path.name)
        store = f"Recording:a:{path.stem}"
        self.contents[store] = path.read_bytes()
        self.stores[store] = NativeState(0, True, False, True)
        return store

    def close(self, store: str) -> None:
        self._call("close", store)
        del self.stores[store]

    def set_time(self, store: str, frame: int, playing: bool) -> None:
        self._call("time", frame, playing)
        self.stores[store] = NativeState(frame, playing, True, False)

    def select(self, entity: str, instance: int) -> None:
        self._call("select", entity, instance)

    def state(self, store: str) -> NativeState | None:
        self._call("state")
        self.asked += 1
        found = self.stores.get(store)
        if found is not None and not found.arrived:
            self.stores[store] = NativeState(7, True, True, False)
        if self.stale:
            self.stale -= 1
            return NativeState(3, False, True, False)
        return found

    def of(self, name: str) -> list[tuple[Any, ...]]:
        return [call[1:] for call in self.calls if call[0] == name]

    def now(self, **fields: Any) -> None:
        """The user does something in the viewer."""
        store = list(self.stores)[-1]
        old = self.stores[store]
        self.stores[store] = NativeState(
            fields.get("frame", old.frame), fields.get("playing", old.playing), True, False
        )


class Bench:
    """A viewer, its client, and what it emitted."""

    def __init__(self, qtbot: QtBot, folder: Path, refusal: str = "") -> None:
        self.qtbot = qtbot
        self.client = FakeClient()
        self.programs: list[FakeProgram] = []
        self.events: list[tuple[Any, ...]] = []

        def make(options: Sequence[str]) -> RerunProgram:
            program = FakeProgram(folder / f"program-{len(self.programs)}", refusal)
            self.programs.append(program)
            return program  # type: ignore[return-value]

        def connect(url: str) -> FakeClient:
            self.client.program = self.programs[-1]
            return self.client

        self.viewer = NativeViewer(connect=connect, program=make)
        for name in ("frameChanged", "playingChanged", "opened", "ended"):
            signal_ = getattr(self.viewer, name)
            signal_.connect(lambda *values, name=name: self.events.append((name, *values)))

    def open(self, recording: Path | bytes = b"first", frame: int = 40) -> None:
        with self.qtbot.waitSignal(self.viewer.opened):
            self.viewer.open(recording, frame)

    def polled(self, times: int = 6) -> None:
        """Wait until the viewer was asked some more times, and the answers have arrived."""
        until = self.client.asked + times
        self.qtbot.waitUntil(lambda: self.client.asked >= until)

    def close(self) -> None:
        self.client.free.set()
        if self.viewer.is_open:
            with self.qtbot.waitSignal(self.viewer.ended):
                self.viewer.close()


@pytest.fixture
def bench(qtbot: QtBot, tmp_path: Path) -> Any:
    bench = Bench(qtbot, tmp_path)
    yield bench
    bench.close()
    assert all(program.is_removed for program in bench.programs)


def test_a_recording_opens_paused_at_the_frame(bench: Bench) -> None:
    bench.open(frame=40)
    bench.polled()
    assert bench.client.of("time")[-1] == (40, False)
    assert list(bench.client.contents.values()) == [b"first"]
    assert bench.events == [("opened",)]  # it began to play by itself, at frame 7


def test_the_window_never_waits_and_the_newest_wins(bench: Bench) -> None:
    bench.open()
    bench.client.calls.clear()
    bench.client.free.clear()
    bench.qtbot.waitUntil(bench.client.inside.is_set)
    for frame in range(50, 91):
        bench.viewer.set_frame(frame)
        bench.viewer.set_selection(POINTS, frame)
    bench.client.free.set()
    bench.qtbot.waitUntil(lambda: bool(bench.client.of("select")))
    assert bench.client.of("time") == [(90, False)]
    assert bench.client.of("select") == [(POINTS, 90)]
    bench.polled()
    assert bench.events == [("opened",)]
    assert threading.main_thread() not in bench.client.threads


def test_answers_from_before_an_order_are_no_moves(bench: Bench) -> None:
    bench.open()
    bench.client.stale = 2
    bench.viewer.set_frame(60)
    bench.polled()
    assert bench.events == [("opened",)]
    assert bench.viewer.frame == 60


def test_the_viewers_own_move_is_told_once(bench: Bench) -> None:
    bench.open()
    bench.polled(1)
    bench.client.calls.clear()
    with bench.qtbot.waitSignal(bench.viewer.frameChanged) as moved:
        bench.client.now(frame=17)
    assert moved.args == [17]
    bench.viewer.set_frame(17)  # the window follows
    bench.polled()
    assert bench.events == [("opened",), ("frameChanged", 17)]
    assert bench.client.of("time") == []


def test_playing_in_the_viewer_is_told_and_not_disturbed(bench: Bench) -> None:
    bench.open()
    bench.polled(1)
    bench.client.calls.clear()
    with bench.qtbot.waitSignal(bench.viewer.frameChanged):
        bench.client.now(frame=44, playing=True)
    bench.client.now(frame=46)
    bench.qtbot.waitUntil(lambda: bench.viewer.frame == 46)
    bench.viewer.set_frame(44)  # handed back late
    bench.polled(2)
    assert bench.client.of("time") == []
    told = [("playingChanged", True), ("frameChanged", 44), ("frameChanged", 46)]
    assert bench.events[1:] == told
    bench.viewer.set_playing(False)
    bench.polled()
    assert bench.client.of("time") == [(46, False)]
    assert bench.events[1:] == told


def test_playing_by_order_moves_time_but_is_not_announced(bench: Bench) -> None:
    bench.open()
    bench.viewer.set_playing(True)
    bench.qtbot.waitUntil(lambda: bench.client.of("time")[-1] == (40, True))
    with bench.qtbot.waitSignal(bench.viewer.frameChanged):
        bench.client.now(frame=43)
    assert ("playingChanged", True) not in bench.events


def test_another_recording_replaces_the_first_in_the_same_window(bench: Bench) -> None:
    bench.open(b"first")
    first = bench.programs[0].folder / "recording-1.rrd"
    assert first.read_bytes() == b"first"
    bench.open(b"second", 9)
    bench.polled()
    names = [call[0] for call in bench.client.calls if call[0] in ("open", "close")]
    assert names == ["open", "open", "close"]  # the layout is kept by one that is still open
    assert list(bench.client.stores) == ["Recording:a:recording-2"]
    assert bench.client.of("time")[-1] == (9, False)
    assert not first.exists()
    assert len(bench.programs) == 1


def test_a_file_that_changed_is_read_again(bench: Bench, tmp_path: Path) -> None:
    file = tmp_path / "a.rrd"
    file.write_bytes(b"old")
    bench.open(file)
    file.write_bytes(b"new")
    bench.open(file)
    names = [call[0] for call in bench.client.calls if call[0] in ("open", "close")]
    assert names == ["open", "close", "open"]
    assert list(bench.client.contents.values()) == [b"new"]
    assert file.exists()  # it is the user's


def test_a_window_that_does_not_draw_is_not_gone(bench: Bench) -> None:
    bench.open()
    bench.client.refuses = {"time"}
    bench.viewer.set_frame(50)
    bench.qtbot.waitUntil(lambda: (50, False) in bench.client.of("time"))
    bench.client.refuses = set()
    shown = bench.client.stores
    bench.qtbot.waitUntil(lambda: [state.frame for state in shown.values()] == [50])
    bench.polled()
    assert bench.viewer.is_open
    assert bench.events == [("opened",)]


def test_a_recording_that_the_user_closed_is_not_asked_for_again(bench: Bench) -> None:
    bench.open()
    bench.client.stores.clear()
    bench.client.refuses = {"time"}
    bench.viewer.set_frame(50)
    bench.qtbot.waitUntil(lambda: bench.client.of("time")[-1] == (50, False))
    bench.client.refuses = set()
    bench.viewer.set_frame(51)
    bench.open(b"second", 6)
    assert (51, False) not in bench.client.of("time")
    assert bench.events == [("opened",), ("opened",)]


@pytest.mark.parametrize("sentence", ["", "Rerun's own viewer was ended by SIGSEGV."])
def test_the_end_of_the_program_is_one_sentence(bench: Bench, sentence: str) -> None:
    bench.open()
    bench.programs[0].sentence = sentence
    with bench.qtbot.waitSignal(bench.viewer.ended) as ended:
        bench.programs[0].is_alive = False
    assert ended.args == [sentence]
    assert not bench.viewer.is_open
    bench.viewer.set_frame(3)  # survived
    bench.viewer.set_selection(POINTS)
    bench.open(b"again", 3)
    assert len(bench.programs) == 2


def test_a_recording_that_cannot_be_read_is_one_sentence(bench: Bench) -> None:
    bench.client.refuses = {"open"}
    with bench.qtbot.waitSignal(bench.viewer.ended) as ended:
        bench.viewer.open(b"nonsense", 0)
    assert ended.args == ["Rerun's own viewer could not open the recording; the log says more."]


def test_closing_during_a_call_ends_it(bench: Bench) -> None:
    bench.open()
    bench.client.free.clear()
    bench.qtbot.waitUntil(bench.client.inside.is_set)
    bench.viewer.close()
    bench.viewer.close()
    assert not bench.viewer.is_open
    with bench.qtbot.waitSignal(bench.viewer.ended) as ended:
        bench.client.free.set()
    assert ended.args == [""]


def test_closed_and_opened_again_at_once_stays_open(bench: Bench) -> None:
    bench.open()
    bench.viewer.close()
    bench.open(b"second", 5)
    bench.qtbot.waitUntil(lambda: bench.programs[0].is_removed)
    bench.polled()
    assert bench.viewer.is_open
    assert bench.events == [("opened",), ("opened",)]


def test_a_program_that_does_not_start_says_why(qtbot: QtBot, tmp_path: Path) -> None:
    bench = Bench(qtbot, tmp_path, "No display.")
    with qtbot.waitSignal(bench.viewer.ended) as ended:
        bench.viewer.open(b"first", 0)
    assert ended.args == ["No display."]
    assert not bench.viewer.is_open


def test_numbers_that_are_nought_are_left_out_by_protobuf() -> None:
    line = {"timeline": {"name": "frame"}}
    recording = {"store_id": "s", "timelines": [line], "current_time": {**line, "time": {}}}
    assert state_of({"recordings": [recording]}, "s") == NativeState(0, False, True, False)
    assert state_of({"recordings": [recording]}, "another") is None
    recording["current_time"] = {"timeline": {"name": "log_time"}, "time": {"time": 5}}
    recording["play_state"] = "PLAY_STATE_PLAYING"
    assert state_of({"recordings": [recording]}, "s") == NativeState(None, True, True, False)


# -- the real program --------------------------------------------------------------------------


@pytest.mark.display
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_the_real_program_follows(qtbot: QtBot, tmp_path: Path) -> None:
    clients: list[ViewerClientCalls] = []

    def connect(url: str) -> ViewerClientCalls:
        clients.append(ViewerClientCalls(url))
        return clients[-1]

    viewer = NativeViewer(options=("--headless", "--window-size", "480x360"), connect=connect)
    events: list[tuple[Any, ...]] = []
    for name in ("frameChanged", "playingChanged", "opened", "ended"):
        signal_ = getattr(viewer, name)
        signal_.connect(lambda *values, name=name: events.append((name, *values)))
    with qtbot.waitSignal(viewer.opened, timeout=60_000):
        viewer.open(recording_bytes(scene()), 50)
    pid = viewer.pid
    assert pid is not None
    assert set(listening_addresses(process_tree(pid))) == {"0100007F"}
    folder = next(iter(viewer._follower.program.folder.glob("*.rrd"))).parent
    assert folder.stat().st_mode & 0o077 == 0
    assert not any(folder.rglob("analytics*"))  # neither settings nor statistics

    ours = viewer._follower

    def state() -> NativeState:
        found = clients[0].state(ours._store)
        assert found is not None
        return found

    assert state().frame == 50
    assert not state().playing
    for frame in range(60, 101, 2):
        viewer.set_frame(frame)
    viewer.set_selection(POINTS, 3)
    qtbot.waitUntil(lambda: state().frame == 100, timeout=20_000)
    assert events == [("opened",)]

    # The user moves the cursor in the viewer, and plays there.
    with qtbot.waitSignal(viewer.frameChanged, timeout=20_000) as moved:
        clients[0].set_time(ours._store, 31, False)
    assert moved.args == [31]
    with qtbot.waitSignal(viewer.playingChanged, timeout=20_000):
        clients[0].set_time(ours._store, 31, True)
    qtbot.waitUntil(lambda: viewer.frame > 33, timeout=20_000)
    viewer.set_playing(False)
    viewer.set_frame(12)
    qtbot.waitUntil(lambda: state() == NativeState(12, False, True, False), timeout=20_000)

    with qtbot.waitSignal(viewer.opened, timeout=20_000):
        viewer.open(recording_bytes(scene(geometry=False)), 20)
    assert state().frame == 20
    raw = clients[0]._client.get_state()
    assert [recording.store_id for recording in raw.recordings] == [ours._store]
    errors = [e.message for e in clients[0]._client.get_logs() if e.level == "ERROR"]
    assert errors == []

    # It crashes; another one; the window closes.
    with qtbot.waitSignal(viewer.ended, timeout=20_000) as ended:
        os.kill(viewer.pid or 0, signal.SIGSEGV)
    assert ended.args == ["Rerun's own viewer was ended by SIGSEGV."]
    assert not folder.exists()
    with qtbot.waitSignal(viewer.opened, timeout=60_000):
        viewer.open(recording_bytes(scene()), 7)
    second, folder = viewer.pid, viewer._follower.program.folder
    # Nothing is selected, by an entity that the recording lacks; that is no error.
    viewer.set_selection("")
    viewer.set_frame(8)
    qtbot.waitUntil(lambda: clients[1].state(viewer._follower._store).frame == 8, timeout=20_000)
    with qtbot.waitSignal(viewer.ended, timeout=20_000) as ended:
        viewer.close()
    assert ended.args == [""]
    assert not folder.exists()
    assert second is not None
    assert not Path(f"/proc/{second}").exists()

    # The user closes its window.
    with qtbot.waitSignal(viewer.opened, timeout=60_000):
        viewer.open(recording_bytes(scene()), 7)
    with qtbot.waitSignal(viewer.ended, timeout=20_000) as ended:
        clients[2]._client.run_command("ui.quit")
    assert ended.args == [""]
