"""The embedded viewer: without a display, and the real one under Xvfb (marked `display`)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytestqt.qtbot import QtBot

from viewers.rerun_viewer import EMPTY_TEXT, RerunPanel, ViewerState

SESSION = Path(__file__).with_name("rerun_session.py")


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
        cwd=SESSION.parents[2],
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
    assert panel._native.isVisible()
    assert not panel._reload.isVisible()
    panel.clear()
    assert not panel._native.isVisible()
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
    with qtbot.assertNotEmitted(panel.frameChanged), qtbot.assertNotEmitted(panel.playingChanged):
        panel.set_frame(7)
        panel.set_playing(True)
    assert panel.frame == 7
    with pytest.raises(ValueError, match="dark or light"):
        panel.set_theme("pink")


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    """A virtual screen."""
    program = shutil.which("Xvfb")
    if program is None:
        pytest.skip("Xvfb is not installed")
    read, write = os.pipe()
    command = [program, "-displayfd", str(write), "-screen", "0", "900x700x24", "-nolisten", "tcp"]
    server = subprocess.Popen(
        command, pass_fds=[write], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    os.close(write)
    try:
        with os.fdopen(read) as answer:
            number = answer.readline().strip()
        assert number, "Xvfb did not start"
        yield f":{number}"
    finally:
        server.terminate()
        server.wait(timeout=10)


@pytest.fixture(scope="module")
def report(display: str) -> dict[str, Any]:
    """What one session with the real viewer reported (about 20 s)."""
    done = subprocess.run(
        [sys.executable, str(SESSION)],
        env={**os.environ, "DISPLAY": display, "QT_QPA_PLATFORM": "xcb"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("REPORT ")]
    assert lines, f"exit {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    found: dict[str, Any] = json.loads(lines[0].removeprefix("REPORT "))
    assert "error" not in found, found
    found["exit"] = done.returncode
    found["stderr"] = done.stderr
    return found


@pytest.mark.display
class TestRealViewer:
    def test_opens_paused_at_the_frame_of_the_window(self, report: dict[str, Any]) -> None:
        assert report["loading"] == "Loading the 3D viewer…"
        assert report["opened_at"] == [50]
        assert report["events_while_opening"] == [["readyChanged", True]]

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
        assert report["selected"].startswith(("/camera/cam_high", "/world/"))

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
