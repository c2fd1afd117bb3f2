"""The embedded viewer: without a display, and the real one under Xvfb (marked `display`)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QObject, Signal
from pytestqt.qtbot import QtBot

from tests.gui.rerun_proof_runner import run_session
from viewers.rerun_viewer import EMPTY_TEXT, STARTING_TEXT, RerunPanel, ViewerState


def test_the_empty_panel_says_what_to_do(qtbot: QtBot) -> None:
    panel = RerunPanel()
    qtbot.addWidget(panel)
    assert panel.state is ViewerState.EMPTY
    assert panel.message == EMPTY_TEXT


def test_making_a_panel_loads_no_browser() -> None:
    code = (
        "import sys; from PySide6.QtWidgets import QApplication; app = QApplication([]);"
        "from viewers.rerun_viewer import RerunPanel; panel = RerunPanel(); panel.shutdown();"
        "heavy = [m for m in sys.modules if 'WebEngine' in m or m in ('rerun', 'cv2', 'pyarrow')];"
        "sys.exit(', '.join(heavy) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).resolve().parents[2],
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.qt_log_ignore("propagateSizeHints")  # the offscreen platform, of any window
def test_without_a_display_one_sentence_says_so(qtbot: QtBot) -> None:
    panel = RerunPanel()
    qtbot.addWidget(panel)
    with qtbot.waitExposed(panel):
        panel.show()
    panel.set_recording(b"not looked at")
    assert panel.state is ViewerState.FAILED
    assert "needs a display" in panel.message
    assert panel._placeholder.native.isVisible()
    assert not panel._placeholder.reload.isVisible()
    panel.clear()
    assert not panel._placeholder.native.isVisible()
    panel.shutdown()


def test_a_hidden_panel_starts_nothing(qtbot: QtBot) -> None:
    panel = RerunPanel()
    qtbot.addWidget(panel)
    panel.set_recording(b"not looked at")
    assert panel.state is ViewerState.LOADING
    panel.clear()
    assert panel.state is ViewerState.EMPTY


def test_setters_emit_nothing(qtbot: QtBot) -> None:
    panel = RerunPanel()
    qtbot.addWidget(panel)
    emitted: list[str] = []
    for name in ("frameChanged", "timeChanged", "playingChanged", "layoutChanged", "readyChanged"):
        getattr(panel, name).connect(lambda _, name=name: emitted.append(name))
    for name in ("entitySelected", "loopChanged"):
        getattr(panel, name).connect(lambda a, b, name=name: emitted.append(name))
    panel.set_frame(7)
    panel.set_playing(True)
    panel.set_loop(3, 9)
    panel.set_loop(None, None)
    panel.set_selection("/world/candidates/1/points", 4)
    panel.set_selection("")
    panel.set_layout("{}")
    panel.set_layout("")
    panel.set_theme("light")
    panel.set_emphasis(None)
    assert emitted == []
    assert panel.frame == 7
    assert panel.current_layout == ""
    with pytest.raises(ValueError, match="dark or light"):
        panel.set_theme("pink")


def test_without_a_viewer_there_is_no_state(qtbot: QtBot) -> None:
    panel = RerunPanel()
    qtbot.addWidget(panel)
    got: list[Any] = []
    panel.ask_state(got.append)
    panel.take_screenshot(got.append)
    assert got == [None, None]


def test_a_slot_with_one_argument_gets_the_entity(qtbot: QtBot) -> None:
    panel = RerunPanel()
    qtbot.addWidget(panel)
    got: list[str] = []

    def slot(entity: str) -> None:
        got.append(entity)

    panel.entitySelected.connect(slot)
    panel.entitySelected.emit("/world/x", 3)
    assert got == ["/world/x"]


class FakeNative(QObject):
    """Stands for `viewers.native_viewer.NativeViewer`."""

    frameChanged = Signal(int)
    playingChanged = Signal(bool)
    opened = Signal()
    ended = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.calls: list[tuple[Any, ...]] = []
        self.is_open = False

    def open(self, recording: Path | bytes, frame: int) -> None:
        self.calls.append(("open", recording, frame))
        self.is_open = True
        self.opened.emit()

    def set_frame(self, frame: int) -> None:
        self.calls.append(("frame", frame))

    def set_playing(self, playing: bool) -> None:
        self.calls.append(("playing", playing))

    def set_selection(self, entity: str, instance: int = -1) -> None:
        self.calls.append(("selection", entity, instance))

    def close(self) -> None:
        self.is_open = False
        self.ended.emit("")


@pytest.fixture
def native(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> tuple[RerunPanel, FakeNative]:
    """A panel whose recording is also open in Rerun's own window."""
    import viewers.native_viewer

    monkeypatch.setattr(viewers.native_viewer, "NativeViewer", FakeNative)
    panel = RerunPanel()
    qtbot.addWidget(panel)
    panel.set_frame(5)
    panel.set_selection("/world/x", 2)
    panel.set_recording(b"one")
    panel.open_native()
    viewer = panel._native._viewer
    assert isinstance(viewer, FakeNative)
    return panel, viewer


def test_the_native_viewer_follows_and_is_followed(native: tuple[RerunPanel, FakeNative]) -> None:
    panel, viewer = native
    assert viewer.calls == [("open", b"one", 5), ("selection", "/world/x", 2)]
    assert panel._banner.isVisibleTo(panel)
    viewer.calls.clear()
    frames: list[int] = []
    panel.frameChanged.connect(frames.append)
    panel.set_frame(6)
    panel.set_frame(6)
    panel.set_selection("/world/y")
    panel.set_playing(True)
    assert viewer.calls == [("frame", 6), ("selection", "/world/y", -1), ("playing", True)]
    assert frames == []
    viewer.calls.clear()
    viewer.frameChanged.emit(9)
    panel.set_frame(9)  # the window follows
    assert (frames, panel.frame, viewer.calls) == ([9], 9, [])
    panel.set_recording(b"two")
    assert viewer.calls == [("open", b"two", 9), ("selection", "/world/y", -1)]


def test_the_native_viewer_is_closed(native: tuple[RerunPanel, FakeNative]) -> None:
    panel, viewer = native
    viewer.close()
    assert not panel._banner.isVisibleTo(panel)
    viewer.calls.clear()
    panel.set_frame(8)
    assert viewer.calls == []
    viewer.ended.emit("The native viewer could not be started.")
    assert panel._banner.text() == "The native viewer could not be started."
    panel.set_recording(b"another")
    assert panel._banner.isHidden()
    panel.shutdown()


def test_that_the_native_viewer_starts_is_said(
    native: tuple[RerunPanel, FakeNative], monkeypatch: pytest.MonkeyPatch
) -> None:
    panel, viewer = native
    viewer.is_open = False
    monkeypatch.setattr(viewer, "open", lambda *_: None)  # it takes its time
    panel.open_native()
    assert panel._banner.text() == STARTING_TEXT
    assert not panel._banner.isHidden()
    viewer.opened.emit()
    assert panel._banner.text() != STARTING_TEXT
    panel.shutdown()


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    """What one session with the real viewer reported (about 20 s)."""
    return run_session("rerun_session.py", screen="900x700")


@pytest.mark.display
class TestRealViewer:
    def test_opens_paused_at_the_frame_of_the_window(self, report: dict[str, Any]) -> None:
        assert report["loading"] == "Loading the 3D viewer…"
        assert report["opened_at"] == [50]
        assert report["events_while_opening"] == [["readyChanged", True]]

    def test_a_selection_of_the_window_is_the_viewers(self, report: dict[str, Any]) -> None:
        heard = report["selection_heard"]
        assert heard[-1] == ["/world/candidates/1/points", 3]
        assert len(heard) <= 3  # of four the newest counts
        assert report["selection_seen"]
        # An entity that is not there does no harm, and nothing can be selected.
        assert report["deselection_heard"] == [["/world/not/there", None], []]
        assert report["events_of_selecting"] == []
        assert report["selection_panel"] == "Hidden"

    def test_a_click_on_a_point_selects_it_in_the_window(self, report: dict[str, Any]) -> None:
        entity, instance = report["clicked_point"]
        assert entity == "/world/candidates/2/points"
        assert 0 <= instance < 40
        assert report["answers_to_click"] == []

    def test_a_loop_goes_both_ways(self, report: dict[str, Any]) -> None:
        assert report["loop_set"] == ["Selection", {"min": 30, "max": 60}]
        assert report["events_of_looping"] == []
        first, last = report["loop_dragged"]
        assert first == 30
        assert last > 60
        assert report["loop_ended"] == [[None, None]]

    def test_a_layout_is_kept(self, report: dict[str, Any]) -> None:
        assert report["layout_changed"]
        assert report["layout_kept"]
        assert report["events_with_kept_layout"] == []
        assert report["kept_at"] == [70]
        assert report["own_again"]
        assert report["layout_set"]
        assert report["layout_reset"]
        assert report["layout_after_reload"]

    def test_of_ten_recordings_the_newest_stays(self, report: dict[str, Any]) -> None:
        assert report["open_after_ten"] == 1
        assert report["events_of_ten"] == []

    def test_says_what_it_shows(self, report: dict[str, Any]) -> None:
        frame, playing, timeline, loading = report["state"]
        assert (frame, playing, timeline, loading) == (70, False, "frame", [])
        assert report["views"] >= 4
        assert report["screenshot"] == [900, 700]

    def test_runs_nothing_that_is_written_into_its_page(self, report: dict[str, Any]) -> None:
        assert not report["inline_script_ran"]
        assert not report["eval_ran"]

    def test_a_hovered_term_stands_out_and_leaving_ends_it(self, report: dict[str, Any]) -> None:
        (usual, motion, proximity, left) = report["emphasis"]
        assert motion[0] > usual[0] + 500
        assert motion[1] < 50
        assert proximity[1] > usual[1] + 500
        assert proximity[0] < 50
        assert left == usual
        assert report["after_emphasis"] == [[50], []]

    def test_the_newest_frame_wins_and_nothing_comes_back(self, report: dict[str, Any]) -> None:
        assert report["scrubbed_to"] == [100]
        assert report["events_while_scrubbing"] == []

    def test_a_click_in_its_time_line_moves_the_window(self, report: dict[str, Any]) -> None:
        assert 0 < report["clicked_to"] < 100
        assert report["after_click"] == [report["clicked_to"]]
        assert report["events_after_answer"] == []

    def test_a_click_in_a_view_selects_an_entity(self, report: dict[str, Any]) -> None:
        assert report["selected"][0].startswith(("/camera/cam_high", "/world/"))

    def test_playback(self, report: dict[str, Any]) -> None:
        played = report["played"]
        assert played == sorted(set(played))
        assert report["playing_events_of_window"] == []
        assert report["stopped"]

    def test_listens_on_loopback_only(self, report: dict[str, Any]) -> None:
        assert report["listening"]
        assert set(report["listening"]) == {"0100007F"}  # 127.0.0.1 in /proc/net/tcp

    def test_reaches_nothing_but_its_own_server(self, report: dict[str, Any]) -> None:
        assert report["fetched"] == "no"
        assert report["hits_elsewhere"] == 0

    def test_the_theme_changes_live(self, report: dict[str, Any]) -> None:
        dark, light = report["brightness"]
        assert dark < 80
        assert light > 160

    def test_another_recording_replaces_the_first(self, report: dict[str, Any]) -> None:
        assert report["second"] == [20]

    def test_a_crash_is_one_sentence_and_reload_goes_on(self, report: dict[str, Any]) -> None:
        assert "process ended" in report["crash_message"]
        assert report["crash_events"] == [["readyChanged", False]]
        assert report["buttons"] == [True, True]
        assert report["reloaded_at"] == [20]

    def test_shuts_down_cleanly(self, report: dict[str, Any]) -> None:
        assert report["cleared"] == ["empty", EMPTY_TEXT]
        assert report["exit"] == 0
        assert not report["port_open_after_shutdown"]
        assert report["threads_left"] == []
        assert "Release of profile" not in report["stderr"]
