"""Drives the real embedded viewer on a display and prints what happened, as one line of JSON.

Run by test_rerun_viewer.py under Xvfb: pytest itself runs offscreen, and a Qt process cannot
change its platform.
"""

from __future__ import annotations

import base64
import http.server
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from PySide6.QtCore import QEventLoop, QPoint, QTimer  # noqa: E402
from PySide6.QtWidgets import QApplication  # noqa: E402

from app.process_sockets import held_files, process_tree  # noqa: E402
from tests.gui import rerun_link_steps as links  # noqa: E402
from tests.rerun_scenes import scene  # noqa: E402
from viewers.rerun_emphasis import Emphasis  # noqa: E402
from viewers.rerun_inputs import camera_path  # noqa: E402
from viewers.rerun_log import recording_bytes  # noqa: E402
from viewers.rerun_protocol import fields, time_request  # noqa: E402
from viewers.rerun_viewer import RerunPanel  # noqa: E402
from viewers.web_engine import prepare_application  # noqa: E402

STATE = "btoa(String.fromCharCode(...viewerHandle.viewer_state()))"
"""Rerun's GetViewerStateResponse; protobuf arrives as base64."""


def current_times(state: bytes) -> list[int]:
    """Current time of each open recording (field 3: recordings; there, 3: timeline and time)."""
    times = []
    for number, recording in fields(state):
        if number == 3:
            for part, current in fields(recording):
                if part == 3:
                    times += [
                        dict(fields(value)).get(1, 0) for n, value in fields(current) if n == 3
                    ]
    return times


def listening_addresses(pids: Iterable[int]) -> list[str]:
    """Local addresses (hexadecimal, as in /proc/net/tcp) on which these processes listen."""
    inodes = held_files(pids)
    addresses = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        if not Path(table).exists():
            continue
        for line in Path(table).read_text().splitlines()[1:]:
            columns = line.split()
            if columns[3] == "0A" and f"socket:[{columns[9]}]" in inodes:
                addresses.append(columns[1].split(":")[0])
    return addresses


PATIENCE = 4
"""Times as long as a quiet machine would need: a wait ends with its condition, not with this."""


class Session:
    """A panel, what it emitted, and a way to wait."""

    def __init__(self) -> None:
        self.panel = RerunPanel()
        self.events: list[tuple[str, Any]] = []
        self.raw: list[str] = []
        take = self.panel._bridge.take_line
        self.panel._bridge.channel._take = lambda line: (self.raw.append(line), take(line))
        for name in (
            *("frameChanged", "timeChanged", "playingChanged", "readyChanged", "layoutChanged"),
        ):
            signal_ = getattr(self.panel, name)
            signal_.connect(lambda value, name=name: self.events.append((name, value)))
        for name in ("entitySelected", "loopChanged"):
            signal_ = getattr(self.panel, name)
            signal_.connect(lambda a, b, name=name: self.events.append((name, [a, b])))

    @property
    def view(self) -> Any:
        """The web view."""
        return self.panel._page.view

    def wait(self, done: Callable[[], bool], seconds: float, what: str) -> None:
        """Run the event loop until `done`; other work on the machine gets its share of time."""
        seconds *= PATIENCE
        loop = QEventLoop()
        poll, end = QTimer(interval=50), time.monotonic() + seconds
        poll.timeout.connect(lambda: (done() or time.monotonic() > end) and loop.quit())
        poll.start()
        loop.exec()
        poll.stop()
        if not done():
            raise TimeoutError(f"{what}: not within {seconds} s; events {self.events[-20:]}")

    def pause(self, milliseconds: int) -> None:
        """Let the viewer draw for a while."""
        loop = QEventLoop()
        QTimer.singleShot(milliseconds, loop.quit)
        loop.exec()

    def script(self, source: str) -> Any:
        """Run JavaScript in the page and return its value."""
        answer: list[Any] = []
        self.view.page().runJavaScript(source, 0, answer.append)
        self.wait(lambda: bool(answer), 10, "script")
        return answer[0]

    def times(self) -> list[int]:
        return current_times(base64.b64decode(self.script(STATE)))

    def settle(self, frame: int) -> None:
        """Wait until the viewer itself reports `frame`."""
        self.wait(lambda: self.times() == [frame], 10, f"viewer at frame {frame}")

    def of(self, name: str) -> list[Any]:
        return [value for event, value in self.events if event == name]

    def selections(self) -> list[list[Any]]:
        """Selections that the viewer told of, whoever made them: [entity, instance] or []."""
        events = [json.loads(line) for line in self.raw if '"selection_change"' in line]
        return [
            [v for i in event["items"] for v in (i.get("entity_path"), i.get("instance_id"))]
            for event in events
        ]

    def colored(self) -> list[int]:
        """Pixels on the screen in the strong colours of motion and of proximity."""
        image = self.panel.screen().grabWindow(self.panel.winId()).toImage()
        counts = [0, 0]
        wanted = [Emphasis(term, 1, 1, "", True).color for term in ("motion", "proximity")]
        for y in range(image.height()):
            for x in range(image.width()):
                found = image.pixelColor(x, y)
                for i, (r, g, b, _) in enumerate(wanted):
                    far = (abs(found.red() - r), abs(found.green() - g), abs(found.blue() - b))
                    counts[i] += max(far) <= 12
        return counts

    def colored_when(self, done: Callable[[list[int]], bool]) -> list[int]:
        """`colored` as soon as it fulfils `done`, or as it is after 40 s."""
        end = time.monotonic() + 40
        while True:
            self.pause(300)
            seen = self.colored()
            if done(seen) or time.monotonic() > end:
                return seen

    def brightness(self) -> float:
        """Mean of the green channel of what is on the screen."""
        image = self.panel.screen().grabWindow(self.panel.winId()).toImage()
        step = max(1, image.width() // 50)
        points = [
            (x, y) for x in range(0, image.width(), step) for y in range(0, image.height(), step)
        ]
        return sum(image.pixelColor(x, y).green() for x, y in points) / len(points)


class Counter(http.server.BaseHTTPRequestHandler):
    """Another server on this machine that the page must not reach."""

    hits = 0

    def do_GET(self) -> None:
        Counter.hits += 1
        self.send_response(200)
        self.send_header("Access-Control-Allow-Origin", "*")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


def run(report: dict[str, Any]) -> None:
    session, app = Session(), QApplication.instance()
    panel = session.panel
    panel.resize(900, 700)
    panel.show()
    panel.set_frame(50)
    panel.set_recording(recording_bytes(scene()))
    report["loading"] = panel.message
    started = time.monotonic()
    session.wait(lambda: session.of("readyChanged") == [True], 90, "ready")
    report["seconds_to_ready"] = time.monotonic() - started
    session.settle(50)
    report["opened_at"] = session.times()
    report["events_while_opening"] = session.events[:]
    report["listening"] = listening_addresses(process_tree(os.getpid()))

    # A term of the score is hovered, another one, and left.
    session.events.clear()
    usual = session.colored_when(lambda seen: max(seen) < 50)
    looks = []
    expected: dict[str, Callable[[list[int]], bool]] = {
        "motion": lambda seen: seen[0] > usual[0] + 500 and seen[1] < 50,
        "proximity": lambda seen: seen[1] > usual[1] + 500 and seen[0] < 50,
        "": lambda seen: seen == usual,
    }
    for term, done in expected.items():
        emphasis = Emphasis(term, 1, 1, camera_path(scene().camera_model), True) if term else None
        panel.set_emphasis(emphasis)
        looks.append(session.colored_when(done))
    report["emphasis"] = [usual, *looks]
    report["after_emphasis"] = [session.times(), session.events[:]]

    # The window scrubs: the newest wins, nothing comes back.
    session.events.clear()
    for frame in range(60, 101, 2):
        panel.set_frame(frame)
        app.processEvents()  # as fast as a mouse moves
    session.settle(100)
    session.pause(300)
    report["scrubbed_to"] = session.times()
    report["events_while_scrubbing"] = session.events[:]

    # The user clicks into the viewer's own time line, the bar at the bottom.
    session.events.clear()
    links.click(session, QPoint(431, links.TIME_LINE_Y))
    session.wait(lambda: bool(session.of("frameChanged")), 10, "click in the time line")
    session.pause(300)
    report["clicked_to"] = session.of("frameChanged")[-1]
    report["after_click"] = session.times()
    # The window follows and tells the panel what it knows already: no second round.
    session.events.clear()
    panel.set_frame(report["clicked_to"])
    session.pause(300)
    report["events_after_answer"] = session.events[:]

    # The user clicks at an object in the picture (3D view).
    session.events.clear()
    links.click(session, QPoint(450, 200))
    session.wait(lambda: bool(session.of("entitySelected")), 10, "click in the view")
    report["selected"] = session.of("entitySelected")[-1]

    # Playback, told by the window, then by the viewer itself.
    panel.set_frame(0)
    session.settle(0)
    session.events.clear()
    panel.set_playing(True)
    session.wait(lambda: len(session.of("frameChanged")) > 4, 10, "playback")
    panel.set_playing(False)
    session.pause(500)
    report["played"] = session.of("frameChanged")
    report["playing_events_of_window"] = session.of("playingChanged")
    stopped = session.times()
    session.pause(300)
    report["stopped"] = session.times() == stopped
    session.events.clear()
    session.script(
        f"viewerHandle.viewer_control(Uint8Array.from({list(time_request(5, playing=True))})), 0"
    )
    session.wait(lambda: session.of("playingChanged") == [True], 10, "viewer's own playback")
    panel.set_playing(False)
    session.pause(500)

    links.select_both_ways(session, report)
    links.loop_both_ways(session, report)
    links.layout_both_ways(session, report)
    links.look(session, report)
    links.switch_quickly(session, report)
    links.page_policy(session, report)

    # Theme, live.
    panel.set_theme("dark")
    session.wait(lambda: session.brightness() < 80, 20, "dark theme")
    dark = session.brightness()
    panel.set_theme("light")
    session.wait(lambda: session.brightness() > 160, 20, "light theme")
    report["brightness"] = [dark, session.brightness()]

    # The page reaches nothing but its own server.
    other = http.server.HTTPServer(("127.0.0.1", 0), Counter)
    threading.Thread(target=other.serve_forever, daemon=True).start()
    session.script(
        "window.fetched = 'waiting';"
        f"fetch('http://127.0.0.1:{other.server_port}/').then("
        "() => { window.fetched = 'yes'; }, () => { window.fetched = 'no'; }); 0"
    )
    session.wait(lambda: session.script("window.fetched") != "waiting", 10, "fetch")
    report["fetched"] = session.script("window.fetched")
    report["hits_elsewhere"] = Counter.hits
    other.shutdown()
    other.server_close()

    # Another recording replaces the first; the viewer keeps only that one.
    panel.set_frame(20)
    opened: list[bool] = []
    panel._bridge.opened.connect(lambda: opened.append(True))
    panel.set_recording(recording_bytes(scene(geometry=False)))
    session.wait(lambda: bool(opened), 20, "second recording")
    session.settle(20)
    report["second"] = session.times()
    links.click(session, links.SECOND_TAB)
    session.wait(lambda: bool(session.of("layoutChanged")), 15, "another tab")
    kept = panel.current_layout

    # The renderer dies: one sentence, and the same again after Reload.
    session.events.clear()
    os.kill(session.view.page().renderProcessPid(), signal.SIGKILL)
    session.wait(lambda: panel.state == "failed", 10, "crash noticed")
    report["crash_message"] = panel.message
    report["crash_events"] = session.events[:]
    report["buttons"] = [
        panel._placeholder.reload.isVisible(),
        panel._placeholder.native.isVisible(),
    ]
    panel.reload()
    session.wait(lambda: panel.state == "ready", 60, "ready again")
    session.settle(20)
    report["reloaded_at"] = session.times()
    links.settled(session, "the layout after a reload")
    report["layout_after_reload"] = panel.current_layout == kept

    panel.clear()
    report["cleared"] = [str(panel.state), panel.message]
    port = panel._page.port
    panel.shutdown()
    panel.shutdown()
    with socket.socket() as probe:
        report["port_open_after_shutdown"] = probe.connect_ex(("127.0.0.1", port)) == 0
    report["threads_left"] = [t.name for t in threading.enumerate() if "rerun" in t.name]


def main() -> None:
    prepare_application()
    app = QApplication(sys.argv[:1])
    app.setQuitOnLastWindowClosed(False)
    report: dict[str, Any] = {}
    try:
        run(report)
    except TimeoutError as error:
        report["error"] = str(error)
    sys.stdout.write(f"\nREPORT {json.dumps(report)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
