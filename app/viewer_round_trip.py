"""The embedded 3D viewer tried out, in a process of its own; `app.viewer_check` starts it.

Whatever is wrong with a machine's graphics, Chromium or Qt may end the process that finds out.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from app.process_sockets import listening_addresses, process_tree
from app.viewer_check import STEP_S, ViewerCheck, readable_renderer

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from PySide6.QtGui import QImage

    from viewers.rerun_viewer import RerunPanel

log = logging.getLogger(__name__)

SIZE = (480, 320)
"""Pixels of the window; enough for a picture, drawn in software in 0.1 s."""
OPENING_S = 45.0
"""Software rendering on a busy machine needs up to 30 s for the first picture."""
FRAME = 7
"""A frame of the second half of the check's recording."""
NEAR = 24
"""Largest difference, of 255, between a colour and what is drawn of it."""
SHARE = 0.05
"""Least share of the picture's pixels in the recording's colour."""
CHANGED_SHARE = 0.0005
"""Least share of pixels by which a selection's outline changes the picture."""
_RENDERER = """(() => {
  const gl = document.createElement('canvas').getContext('webgl2');
  if (!gl) { return ''; }
  const info = gl.getExtension('WEBGL_debug_renderer_info');
  return String(gl.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
})()"""


class StepError(Exception):
    """The viewer did not do what it should; its text is the sentence."""


def main(connection: Connection, output: str, environment: dict[str, str | None]) -> None:
    """Try the viewer out and send a `ViewerCheck`. The target of the process.

    Args:
        connection: Where the result goes.
        output: File that takes what Qt and Chromium print; they print why they cannot start.
        environment: Variables to set before Qt starts, None to unset one.
    """
    if hasattr(os, "setsid"):
        os.setsid()  # so that all of it can be ended at once, Chromium's processes too
    with Path(output).open("ab") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    for name, value in environment.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value
    connection.send(run())
    connection.close()


def run() -> ViewerCheck:
    """Try the viewer out. Starts an application: for a process of its own."""
    started = time.monotonic()
    try:
        from PySide6.QtWidgets import QApplication

        from viewers.web_engine import prepare_application

        prepare_application()
        application = QApplication(sys.argv[:1])
        application.setQuitOnLastWindowClosed(False)
        found = _Trip().run()
    except ImportError as error:
        found = ViewerCheck(problem=f"Qt could not be loaded: {error}")
    except StepError as error:
        found = ViewerCheck(problem=str(error))
    return replace(found, seconds=round(time.monotonic() - started, 2))


class _Trip:
    """The steps."""

    def __init__(self) -> None:
        from PySide6.QtCore import Qt

        from viewers.rerun_viewer import RerunPanel

        self.panel: RerunPanel = RerunPanel()
        # Seen for some seconds on the user's screen: out of the way, and it takes no keys.
        self.panel.setWindowFlags(
            Qt.WindowType.Tool
            | Qt.WindowType.FramelessWindowHint
            | Qt.WindowType.WindowDoesNotAcceptFocus
        )
        self.panel.setAttribute(Qt.WidgetAttribute.WA_ShowWithoutActivating)
        self.panel.setWindowTitle("Demoscope examines the 3D viewer")
        self.panel.resize(*SIZE)

    def run(self) -> ViewerCheck:
        """All steps in turn."""
        from viewers.check_recording import EARLY, ENTITY, LATE, check_recording
        from viewers.rerun_viewer import ViewerState
        from viewers.web_engine import needs_software_gl, why_unavailable

        reason = why_unavailable()
        if reason:
            raise StepError(reason)
        panel = self.panel
        try:
            panel.show()
            panel.set_recording(check_recording())
            ended = (ViewerState.READY, ViewerState.FAILED)
            self.wait(lambda: panel.state in ended, OPENING_S, "show a recording")
            if panel.state is ViewerState.FAILED:
                raise StepError(panel.message)
            self.picture_of(EARLY, "draw a picture")
            frame_ms = self.go_to(FRAME)
            plain = self.picture_of(LATE, "draw the picture of another frame")
            selection = self.selects(ENTITY, plain)
            renderer = self.renderer()
            addresses = listening_addresses(process_tree(os.getpid()))
        finally:
            panel.shutdown()
        return ViewerCheck(
            frame_ms=frame_ms,
            picture=True,
            selection=selection,
            renderer=readable_renderer(renderer),
            full_renderer=renderer,
            software=needs_software_gl() or "SwiftShader" in renderer or "llvmpipe" in renderer,
            addresses=addresses,
        )

    def go_to(self, frame: int) -> float:
        """Set the time and read it back; milliseconds from the one to the other."""
        at: list[int] = []
        started = time.monotonic()
        self.panel.set_frame(frame)

        def ask() -> None:
            self.panel.ask_state(lambda report: take(report.frame if report is not None else -1))

        def take(seen: int) -> None:
            at.append(seen)
            if seen != frame and time.monotonic() - started < STEP_S:
                ask()

        ask()
        self.wait(lambda: bool(at) and at[-1] == frame, STEP_S, f"go to frame {frame}")
        return round((time.monotonic() - started) * 1e3, 1)

    def picture(self) -> QImage:
        """What the viewer draws; a null image if it gives none."""
        from PySide6.QtGui import QImage

        answers: list[bytes | None] = []
        self.panel.take_screenshot(answers.append)
        self.wait(lambda: bool(answers), STEP_S, "hand over its picture")
        return QImage.fromData(answers[0] or b"").convertToFormat(QImage.Format.Format_RGB888)

    def picture_of(self, color: tuple[int, int, int], what: str) -> QImage:
        """The picture, once enough of it has `color`."""
        deadline = time.monotonic() + STEP_S
        while True:
            image = self.picture()
            if share_of(image, color) >= SHARE:
                return image
            if time.monotonic() > deadline:
                why = "it gives no picture" if image.isNull() else "its colour is missing"
                raise StepError(f"The 3D viewer did not {what}: {why}.")

    def selects(self, entity: str, plain: QImage) -> bool:
        """True if selecting the entity outlines something."""
        self.panel.set_selection(entity)
        deadline = time.monotonic() + STEP_S
        while time.monotonic() < deadline:
            if changed_share(plain, self.picture()) >= CHANGED_SHARE:
                return True
        return False

    def renderer(self) -> str:
        """What WebGL says it draws with."""
        from PySide6.QtWebEngineWidgets import QWebEngineView

        view = self.panel.findChild(QWebEngineView)
        answers: list[object] = []
        if view is None:
            return ""
        view.page().runJavaScript(_RENDERER, 0, answers.append)
        self.wait(lambda: bool(answers), STEP_S, "name its renderer")
        return str(answers[0] or "")

    def wait(self, done: Callable[[], bool], seconds: float, what: str) -> None:
        """Run the event loop until `done`; StepError after `seconds`."""
        from PySide6.QtCore import QEventLoop, QTimer

        loop = QEventLoop()
        look = QTimer(interval=2)
        end = time.monotonic() + seconds
        look.timeout.connect(lambda: loop.quit() if done() or time.monotonic() > end else None)
        look.start()
        if not done():
            loop.exec()
        look.stop()
        if not done():
            raise StepError(f"The 3D viewer did not {what} within {seconds:.0f} s.")


def share_of(image: QImage, color: tuple[int, int, int]) -> float:
    """Share of pixels near `color`, 0 to 1; 0 of a null image."""
    import numpy as np

    if image.isNull():
        return 0.0
    far = np.abs(_pixels(image).astype(int) - np.array(color)).max(axis=2)
    return float((far <= NEAR).mean())


def changed_share(before: QImage, after: QImage) -> float:
    """Share of pixels that differ, 0 to 1; 0 if the sizes do."""
    import numpy as np

    if before.size() != after.size():
        return 0.0
    far = np.abs(_pixels(before).astype(int) - _pixels(after).astype(int)).max(axis=2)
    return float((far > NEAR).mean())


def _pixels(image: QImage):  # type: ignore[no-untyped-def]
    """(H, W, 3) uint8 of an RGB888 image."""
    import numpy as np

    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3)
