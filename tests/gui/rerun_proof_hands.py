"""Hands and eyes for sessions with the real embedded viewer: they use it as a person would.

They know the panel's public side, the page's `viewerHandle`, and Rerun's own protocol; nothing of
our bridge, which is what is being proved.
"""

from __future__ import annotations

import base64
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from PySide6.QtCore import QEventLoop, QPoint, Qt, QTimer
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

from pipeline.model.arrays import U8
from viewers.rerun_viewer import RerunPanel, ViewerState

PLAYING = 2
"""`PlayState` of Rerun's protocol."""
LONG = 60.0
"""Seconds; a wait that takes longer is a failure. On an idle machine it takes one of them."""
SPY = """
if (!window.heard) {
  window.heard = [];
  const transport = qt.webChannelTransport, send = transport.send.bind(transport);
  transport.send = line => {
    const said = JSON.parse(line);
    if (said.method === "fromViewer") {
      const event = JSON.parse(said.args[0]);
      delete event.data;  // Answers of the viewer may be long.
      window.heard.push([performance.timeOrigin + performance.now(), event]);
    }
    send(line);
  };
}
0
"""
"""Keeps what the page tells the window, with the time (ms since 1970) of each."""
ASK = """
(() => {
  const number = window.asked = (window.asked || 0) + 1;
  window.answers = window.answers || {};
  const bytes = Uint8Array.from(atob("REQUEST"), c => c.charCodeAt(0));
  viewerHandle.viewer_control(bytes).then(answer => {
    let text = "";
    for (const byte of answer) text += String.fromCharCode(byte);
    window.answers[number] = [true, btoa(text)];
  }, error => { window.answers[number] = [false, String((error && error.message) || error)]; });
  return number;
})()
"""
TAKE = """
(() => {
  const answer = (window.answers || {})[NUMBER];
  if (answer) delete window.answers[NUMBER];
  return answer ? JSON.stringify(answer) : "";
})()
"""


class RefusedError(Exception):
    """The viewer refused a request."""


def varint(value: int) -> bytes:
    """A number as protobuf writes it."""
    found = bytearray()
    while True:
        low, value = value & 127, value >> 7
        found.append(low | 128 if value else low)
        if not value:
            return bytes(found)


def nested(field: int, data: bytes = b"") -> bytes:
    """A field that holds a message or a string."""
    return varint(field << 3 | 2) + varint(len(data)) + data


def fields(data: bytes) -> list[tuple[int, Any]]:
    """Split a protobuf message into (field, int or bytes)."""
    found, at = [], 0

    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        key = number()
        if key & 7 == 0:
            found.append((key >> 3, number()))
        else:
            size = number()
            found.append((key >> 3, data[at : at + size]))
            at += size
    return found


def one(data: bytes, *path: int) -> Any:
    """What lies at a path of fields (the first of each); None if it is not there."""
    found: Any = data
    for field in path:
        if found is None:
            return None
        found = next((value for number, value in fields(found) if number == field), None)
    return found


@dataclass(frozen=True)
class ShownView:
    """A view of the viewer's layout.

    Attributes:
        key: Its id.
        kind: `3D`, `2D`, `TimeSeries`, ...
        name: Its title.
    """

    key: str
    kind: str
    name: str


@dataclass(frozen=True)
class ViewerFacts:
    """What the viewer itself reports.

    Attributes:
        recordings: Open recordings.
        frame: Its cursor, None where there is none.
        playing: True while it plays.
        timeline: The timeline that the cursor is on.
        views: Views of its layout.
        loading: What it still loads.
    """

    recordings: tuple[str, ...]
    frame: int | None
    playing: bool
    timeline: str
    views: tuple[ShownView, ...]
    loading: tuple[str, ...]


class Hands:
    """Uses one panel and looks at it."""

    def __init__(self, panel: RerunPanel) -> None:
        self.panel = panel
        self.events: list[tuple[str, Any]] = []
        for name in (
            *("frameChanged", "timeChanged", "playingChanged", "loopChanged"),
            *("entitySelected", "readyChanged", "layoutChanged"),
        ):
            signal = getattr(panel, name, None)
            if signal is not None:
                signal.connect(lambda *values, name=name: self._note(name, values))

    def _note(self, name: str, values: tuple[Any, ...]) -> None:
        self.events.append((name, values[0] if len(values) == 1 else list(values)))

    def of(self, name: str) -> list[Any]:
        """Values that one of the panel's signals carried."""
        return [value for event, value in self.events if event == name]

    # -- waiting

    def spin(self, milliseconds: int) -> None:
        """Run the event loop for a while."""
        loop = QEventLoop()
        timer = QTimer(singleShot=True, timerType=Qt.TimerType.PreciseTimer)
        timer.timeout.connect(loop.quit)
        timer.start(milliseconds)
        loop.exec()

    def wait(self, done: Callable[[], bool], what: str, seconds: float = LONG) -> None:
        """Run the event loop until `done`.

        Raises:
            TimeoutError: If it was not done in time.
        """
        end = time.monotonic() + seconds
        while not done():
            if time.monotonic() > end:
                raise TimeoutError(f"{what}: not within {seconds} s; {self.events[-12:]}")
            self.spin(10)

    def ready(self) -> None:
        """Wait until the recording is shown."""
        self.wait(
            lambda: self.panel.state in (ViewerState.READY, ViewerState.FAILED), "viewer ready"
        )
        if self.panel.state is ViewerState.FAILED:
            raise TimeoutError(f"the viewer failed: {self.panel.message}")
        self.script(SPY)

    # -- the page

    @property
    def view(self) -> QWidget:
        """The web view."""
        from PySide6.QtWebEngineWidgets import QWebEngineView

        found = self.panel.findChild(QWebEngineView)
        if not isinstance(found, QWebEngineView):
            raise TimeoutError("the panel shows no web view")
        return found

    def script(self, source: str) -> Any:
        """Run JavaScript in the page and return its value."""
        answer: list[Any] = []
        loop = QEventLoop()

        def take(value: Any) -> None:
            answer.append(value)
            loop.quit()

        self.view.page().runJavaScript(source, 0, take)  # type: ignore[attr-defined]
        QTimer.singleShot(int(1e3 * LONG), loop, loop.quit)
        if not answer:
            loop.exec()
        if not answer:
            raise TimeoutError("the page did not answer")
        return answer[0]

    def ask(self, request: bytes) -> bytes:
        """Send a `ViewerControlRequest` as the page would, and return the answer's contents.

        Raises:
            RefusedError: The viewer's own words.
        """
        number = self.script(ASK.replace("REQUEST", base64.b64encode(request).decode()))
        said: list[str] = []

        def there() -> bool:
            said[:] = [self.script(TAKE.replace("NUMBER", str(int(number))))]
            return bool(said[0])

        self.wait(there, "answer of the viewer")
        good, text = json.loads(said[0])
        if not good:
            raise RefusedError(text)
        answer = base64.b64decode(text)
        return fields(answer)[0][1] if answer else b""

    def facts(self) -> ViewerFacts:
        """Ask the viewer what it shows."""
        state = self.ask(nested(3))
        parts = fields(state)
        recordings = [value for number, value in parts if number == 3]
        shown = next(
            (r for r in recordings if one(r, 1) == one(state, 2)),
            recordings[0] if recordings else b"",
        )
        cursor = one(shown, 3)
        views = tuple(
            ShownView(*((one(value, i) or b"").decode() for i in (1, 2, 3)))
            for number, value in parts
            if number == 5
        )
        return ViewerFacts(
            recordings=tuple(one(r, 1).decode() for r in recordings),
            frame=None if cursor is None else int(one(cursor, 3, 1) or 0),
            playing=one(shown, 5) == PLAYING,
            timeline="" if cursor is None else (one(cursor, 1, 1) or b"").decode(),
            views=views,
            loading=tuple((one(v, 1) or b"").decode() for n, v in parts if n == 7),
        )

    def at(self, frame: int, *, playing: bool = False) -> ViewerFacts:
        """Wait until the viewer itself says that it is at a frame."""
        last: list[ViewerFacts] = []

        def there() -> bool:
            last[:] = [self.facts()]
            return last[0].frame == frame and last[0].playing == playing

        try:
            self.wait(there, f"viewer at frame {frame}")
        except TimeoutError as error:
            raise TimeoutError(f"{error}; it says {last}") from error
        return last[0]

    def move_viewer(self, frame: int, *, playing: bool | None = None) -> None:
        """Move the viewer's own cursor as its user would; the window is not asked."""
        request = nested(2, nested(1, b"frame")) + nested(3, varint(1 << 3) + varint(frame))
        if playing is not None:
            request += varint(5 << 3) + varint(PLAYING if playing else 1)
        self.ask(nested(6, request))

    def blueprint(self) -> dict[str, Any]:
        """The viewer's layout."""
        answer = self.ask(nested(12, nested(2)))
        found: dict[str, Any] = json.loads(one(answer, 2) or b"{}")
        return found

    def change_blueprint(self, changes: dict[str, Any]) -> None:
        """Change parts of the layout, as the user does in the viewer."""
        data = json.dumps(changes).encode()
        self.ask(nested(14, nested(2, data) + varint(5 << 3) + varint(2) + nested(3)))

    def loop(self) -> tuple[str, int, int] | None:
        """The viewer's loop: mode, first, last; None where none was ever set."""
        panel = self.blueprint().get("/time_panel", {}).get("TimePanelBlueprint", {})
        mode, span = panel.get("loop_mode"), panel.get("time_selection")
        if mode is None or span is None:
            return None
        return str(mode), int(span["min"]), int(span["max"])

    def heard(self, kind: str = "", *, forget: bool = False) -> list[dict[str, Any]]:
        """What the page told the window since the last time it was to forget it.

        Each event also has `at`, milliseconds since 1970.
        """
        lines = json.loads(self.script("JSON.stringify(window.heard || [])"))
        if forget:
            self.script("window.heard = [], 0")
        events = [{"at": at, **event} for at, event in lines]
        return [event for event in events if kind in ("", event.get("type"))]

    def time_told(self) -> float:
        """Time that the viewer announced last, while it was spied on; -1 before any."""
        found = self.script(
            "(window.heard || []).map(e => e[1]).filter(e => e.type === 'time_update')"
            ".map(e => e.time).pop() ?? -1"
        )
        return float(found)

    # -- eyes

    def picture(self) -> U8:
        """What is on the screen in the panel's place, RGB (H, W, 3)."""
        grabbed = self.panel.screen().grabWindow(self.panel.winId()).toImage()
        image = grabbed.convertToFormat(QImage.Format.Format_RGB888)
        rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
        return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()

    def screenshot(self, view: str = "") -> U8:
        """The viewer's own screenshot, of one view by its id or of all of it, RGB (H, W, 3)."""
        answer = self.ask(nested(5, nested(1, view.encode()) if view else b""))
        data = np.frombuffer(one(answer, 1) or b"", np.uint8)
        decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
        return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8)

    def place_of(self, view: str) -> tuple[int, int, int, int]:
        """Where a view is in the viewer's picture: x, y, width, height."""
        part, whole = self.screenshot(view), self.screenshot()
        score = cv2.matchTemplate(whole, part, cv2.TM_SQDIFF)
        _, _, (x, y), _ = cv2.minMaxLoc(score)
        return x, y, part.shape[1], part.shape[0]

    def shown(self, kind: str) -> ShownView:
        """A view of a kind that can be seen now, not a tab behind another."""
        for view in self.facts().views:
            if view.kind == kind:
                try:
                    self.screenshot(view.key)
                except RefusedError:
                    continue
                return view
        raise TimeoutError(f"no {kind} view is on show")

    # -- hands

    def hover(self, x: int, y: int) -> None:
        """Move the mouse there; Rerun needs to see it move before it takes a click."""
        target = self.view.focusProxy()
        for step in (2, 1, 0):
            QTest.mouseMove(target, QPoint(x + step, y))
            self.spin(60)

    def click(self, x: int, y: int) -> None:
        """Click at a place of the page."""
        self.hover(x, y)
        self.spin(150)  # What lies under the mouse is known one picture later.
        QTest.mouseClick(
            self.view.focusProxy(),
            Qt.MouseButton.LeftButton,
            Qt.KeyboardModifier.NoModifier,
            QPoint(x, y),
        )


def matching(picture: U8, color: tuple[int, int, int], degrees: float = 7.0) -> np.ndarray:
    """Where a picture has the hue of a colour, whatever its brightness. (H, W) bool."""
    hsv = cv2.cvtColor(picture, cv2.COLOR_RGB2HSV).astype(np.float32)
    wanted = float(cv2.cvtColor(np.array([[color]], np.uint8), cv2.COLOR_RGB2HSV)[0, 0, 0])
    far = np.abs(hsv[..., 0] - wanted)
    far = np.minimum(far, 180 - far)
    return (far <= degrees / 2) & (hsv[..., 1] > 130) & (hsv[..., 2] > 55)


def densest(found: np.ndarray, side: int = 9) -> tuple[int, int] | None:
    """The pixel (x, y) of `found` with most others around it; None if there is none."""
    if not found.any():
        return None
    dense = cv2.boxFilter(found.astype(np.float32), -1, (side, side), normalize=False)
    dense[~found] = -1
    y, x = np.unravel_index(int(dense.argmax()), dense.shape)
    return int(x), int(y)


def centroid(found: np.ndarray) -> tuple[float, float]:
    """Median column and row of what was found (NaN without any)."""
    rows, columns = np.nonzero(found)
    if not len(rows):
        return float("nan"), float("nan")
    return float(np.median(columns)), float(np.median(rows))


def report(run: Callable[[dict[str, Any]], None]) -> None:
    """Run a session and print what it found as one line of JSON; waits that fail are `error`."""
    found: dict[str, Any] = {}
    try:
        run(found)
    except (TimeoutError, RefusedError) as error:
        found["error"] = f"{type(error).__name__}: {error}"
    sys.stdout.write(f"\nREPORT {json.dumps(found)}\n")
    sys.stdout.flush()


def application() -> QApplication:
    """The application, as `demoscope` makes it."""
    from app.window_run import make_application

    made = make_application()
    made.setQuitOnLastWindowClosed(False)
    return made
