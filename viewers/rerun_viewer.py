"""The embedded Rerun viewer: a panel that shows a recording and keeps time with the window.

Nothing of Rerun or QtWebEngine is loaded until a recording is to be seen. The viewer runs in
Chromium's own renderer process; if it dies, the panel says so and the window stays.
"""

from __future__ import annotations

import logging
import tempfile
import threading
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QFile, QIODevice, QObject, QProcess, Qt, QTimer, QUrl, Signal, Slot
from PySide6.QtGui import QColor, QHideEvent, QShowEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QPushButton,
    QStackedLayout,
    QVBoxLayout,
    QWidget,
)

from viewers.rerun_assets import (
    ViewerAssets,
    ViewerUnavailableError,
    rerun_executable,
    viewer_assets,
)
from viewers.rerun_bridge import RerunBridge
from viewers.web_engine import (
    WebView,
    configure_environment,
    make_view,
    needs_software_gl,
    why_unavailable,
)

if TYPE_CHECKING:
    from PySide6.QtWebEngineCore import QWebEnginePage

    from viewers.rerun_emphasis import Emphasis
    from viewers.rerun_server import AssetServer

log = logging.getLogger(__name__)

EMPTY_TEXT = "Run the pipeline to see 3D"
LOADING_TEXT = "Loading the 3D viewer…"
READY_TIMEOUT_MS = 60_000
"""Software rendering on a busy machine needs up to 30 s for the first picture."""
PANELS = {"top": "hidden", "blueprint": "hidden", "selection": "hidden", "time": "collapsed"}
"""Rerun's own panels: our timeline is beside it; the time panel stays as one line."""
_BACKGROUNDS = {"dark": "#1c1c1c", "light": "#ffffff"}
_PAGE = Path(__file__).resolve().parents[1] / "resources" / "rerun" / "page.html"


class ViewerState(StrEnum):
    """What the panel shows."""

    EMPTY = "empty"
    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"


class _AssetsJob(QObject):
    """Gets the viewer's files in a thread; outlives the panel if it must."""

    found = Signal(object)
    failed = Signal(str)

    def start(self) -> None:
        threading.Thread(target=self._run, name="rerun assets", daemon=True).start()

    def _run(self) -> None:
        try:
            self.found.emit(viewer_assets())
        except ViewerUnavailableError as error:
            self.failed.emit(str(error))


class RerunPanel(QWidget):
    """Shows a Rerun recording inside the window.

    Signals:
        frameChanged: (frame) The user moved the viewer's own time cursor, or it plays.
        entitySelected: (entity path) The user selected an entity, e.g.
            `/world/candidates/3/points`.
        playingChanged: (playing) Playback was started or stopped in the viewer.
        readyChanged: (ready) The viewer shows the recording, or no longer does.
    """

    frameChanged = Signal(int)
    entitySelected = Signal(str)
    playingChanged = Signal(bool)
    readyChanged = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("3D viewer")
        self._state = ViewerState.EMPTY
        self._theme = "dark"
        self._recording: Path | bytes | None = None
        self._recordings = 0
        self._server: AssetServer | None = None
        self._job: _AssetsJob | None = None
        self._web: WebView | None = None
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        self._is_shut_down = False
        self._is_ready = False
        self._emphasis: Emphasis | None = None

        self._bridge = RerunBridge(self)
        self._bridge.frameChanged.connect(self.frameChanged)
        self._bridge.playingChanged.connect(self.playingChanged)
        self._bridge.entitySelected.connect(self.entitySelected)
        self._bridge.loaded.connect(self._on_loaded)
        self._bridge.opened.connect(self._on_opened)
        self._bridge.failed.connect(self._on_failed)
        self._overdue = QTimer(self, singleShot=True, interval=READY_TIMEOUT_MS)
        self._overdue.timeout.connect(self._on_overdue)

        self._message = QLabel(EMPTY_TEXT, alignment=Qt.AlignmentFlag.AlignCenter, wordWrap=True)
        self._message.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._message.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._reload = QPushButton("Reload")
        self._reload.setToolTip("Start the embedded 3D viewer again.")
        self._reload.clicked.connect(self.reload)
        self._native = QPushButton("Open in the native viewer")
        self._native.setToolTip("Show this recording in Rerun's own window, apart from this one.")
        self._native.clicked.connect(self.open_native)
        buttons = QHBoxLayout()
        buttons.addStretch()
        for button in (self._reload, self._native):
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # the space bar is for playback
            button.hide()
            buttons.addWidget(button)
        buttons.addStretch()
        placeholder = QWidget()
        column = QVBoxLayout(placeholder)
        column.setContentsMargins(16, 16, 16, 16)
        column.setSpacing(8)
        column.addStretch()
        column.addWidget(self._message)
        column.addLayout(buttons)
        column.addStretch()
        self._stack = QStackedLayout(self)
        self._stack.addWidget(placeholder)

    # -- what the window sets

    @property
    def state(self) -> ViewerState:
        """What the panel shows."""
        return self._state

    @property
    def message(self) -> str:
        """The sentence that is shown in place of the viewer."""
        return self._message.text()

    @property
    def frame(self) -> int:
        """Frame that is shown, or will be once the viewer is ready."""
        return self._bridge.frame

    def set_recording(self, recording: Path | str | bytes) -> None:
        """Show a recording (an .rrd file, or its bytes), paused at the current frame.

        Starts the viewer if it is not running; while the panel is hidden, waits with that.
        """
        self._recording = recording if isinstance(recording, bytes) else Path(recording)
        if self._web is not None and self._bridge.is_ready:
            self._open()
        elif self._state is ViewerState.FAILED:
            self._native.show()
        else:
            self._show(ViewerState.LOADING, LOADING_TEXT)
            self._start_if_visible()

    def clear(self, reason: str = EMPTY_TEXT) -> None:
        """Show no recording but `reason`; the viewer stays loaded for the next one."""
        self._recording = None
        self._overdue.stop()
        self._bridge.close_recording()
        if self._state is ViewerState.FAILED:
            self._native.hide()
        else:
            self._show(ViewerState.EMPTY, reason)

    def set_frame(self, frame: int) -> None:
        """Go to a frame of the episode; of several in a row the newest wins. Emits nothing."""
        self._bridge.set_frame(frame)

    def set_playing(self, playing: bool) -> None:
        """Start or stop the viewer's own playback. Emits nothing, though playback moves time."""
        self._bridge.set_playing(playing)

    def set_emphasis(self, emphasis: Emphasis | None) -> None:
        """Let the entities of a term stand out; None: as they were. Emits nothing."""
        before, self._emphasis = self._emphasis, emphasis
        recording = self._bridge.recording
        if emphasis != before and recording is not None:
            from viewers.rerun_emphasis import emphasis_bytes

            self._bridge.add(emphasis_bytes(*recording, before, emphasis))

    def set_theme(self, name: str) -> None:
        """Set `dark` or `light`; takes effect at once.

        Raises:
            ValueError: Another name.
        """
        if name not in _BACKGROUNDS:
            raise ValueError(f"theme: expected dark or light, got {name!r}")
        self._theme = name
        if self._web is not None:
            self._web.view.page().setBackgroundColor(QColor(_BACKGROUNDS[name]))
        if self._bridge.is_ready:
            self._bridge.set_theme(name)

    @Slot()
    def reload(self) -> None:
        """Start the viewer afresh, with the same recording and frame."""
        self._drop_view()
        if self._recording is None:
            self._show(ViewerState.EMPTY, EMPTY_TEXT)
        else:
            self._show(ViewerState.LOADING, LOADING_TEXT)
            self._start_if_visible()

    @Slot()
    def open_native(self) -> bool:
        """Open the recording in Rerun's own program, a window apart. Returns False if it cannot."""
        program = rerun_executable()
        if self._recording is None or program is None:
            self._message.setText("Rerun's own viewer is not installed (the `rerun` program).")
            return False
        path = self._recording
        if isinstance(path, bytes):
            if self._scratch is None:
                self._scratch = tempfile.TemporaryDirectory(prefix="demoscope-")
            file = Path(self._scratch.name) / "recording.rrd"
            file.write_bytes(path)
            path = file
        arguments = [str(path), "--bind", "127.0.0.1", "--port", "auto"]
        started, _ = QProcess.startDetached(str(program), arguments, "")
        return started

    def shutdown(self) -> None:
        """End the viewer and its server; the panel cannot be used afterwards. May be repeated."""
        self._is_shut_down = True
        self._drop_view(at_once=True)
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._scratch is not None:
            self._scratch.cleanup()
            self._scratch = None

    # -- starting

    def showEvent(self, event: QShowEvent) -> None:
        """Start the viewer if a recording waits for it."""
        super().showEvent(event)
        if self._state is ViewerState.LOADING:
            self._start_if_visible()

    def hideEvent(self, event: QHideEvent) -> None:
        """A hidden page draws no frame: stop counting how long it takes."""
        super().hideEvent(event)
        self._overdue.stop()

    def _start_if_visible(self) -> None:
        if self._is_shut_down or not self.isVisible():
            return
        if self._web is not None:
            self._overdue.start()
            return
        if self._job is not None:
            return
        reason = why_unavailable()
        if reason:
            self._on_failed(reason, worth_retrying=False)
            return
        self._job = _AssetsJob()
        self._job.found.connect(self._on_assets)
        self._job.failed.connect(self._on_failed)
        self._job.start()

    @Slot(object)
    def _on_assets(self, assets: ViewerAssets) -> None:
        self._job = None
        if self._is_shut_down or self._web is not None or self._recording is None:
            return
        from viewers.rerun_server import Asset, AssetServer

        if self._server is None:
            self._server = AssetServer()
        server = self._server
        server.put("re_viewer.js", Asset(assets.script, "text/javascript", immutable=True))
        server.put("re_viewer_bg.wasm", Asset(assets.module, "application/wasm", immutable=True))
        page_url = server.put("page.html", Asset(_PAGE, "text/html; charset=utf-8"))

        configure_environment()
        self._bridge.set_calm(needs_software_gl())
        from PySide6.QtWebChannel import QWebChannel

        script = QFile(":/qtwebchannel/qwebchannel.js")
        if not script.open(QIODevice.OpenModeFlag.ReadOnly):
            self._on_failed("The 3D viewer needs QtWebChannel, which is not complete.")
            return
        server.put("qwebchannel.js", Asset(bytes(script.readAll().data()), "text/javascript"))
        self._web = make_view(self, server.authority)
        view, page = self._web.view, self._web.view.page()
        page.setBackgroundColor(QColor(_BACKGROUNDS[self._theme]))
        page.renderProcessTerminated.connect(self._on_renderer_gone)
        channel = QWebChannel(page)
        channel.registerObject("bridge", self._bridge)
        page.setWebChannel(channel)
        # It draws only while it is visible, so it waits behind the message, not hidden.
        self._stack.addWidget(view)
        self._stack.setStackingMode(QStackedLayout.StackingMode.StackAll)
        self._stack.setCurrentIndex(0)
        self._overdue.start()
        view.load(QUrl(f"{page_url}?theme={self._theme}"))

    def _open(self) -> None:
        from viewers.rerun_server import Asset

        if self._server is None or self._recording is None:
            return
        self._emphasis = None
        self._server.remove(f"recording-{self._recordings}.rrd")
        self._recordings += 1
        name = f"recording-{self._recordings}.rrd"
        self._bridge.open(
            self._server.put(name, Asset(self._recording, "application/octet-stream"))
        )
        self._overdue.start()

    def _drop_view(self, *, at_once: bool = False) -> None:
        """Let go of the web view. Not `at_once` from a slot of one of the page's own signals."""
        self._overdue.stop()
        self._bridge.reset()
        self._set_ready(False)
        if self._web is None:
            return
        web, self._web = self._web, None
        self._stack.setStackingMode(QStackedLayout.StackingMode.StackOne)
        self._stack.setCurrentIndex(0)
        self._stack.removeWidget(web.view)
        web.view.hide()
        web.view.page().renderProcessTerminated.disconnect(self._on_renderer_gone)
        if at_once:
            web.delete()
        else:
            web.delete_later()

    # -- what the viewer says

    @Slot()
    def _on_loaded(self) -> None:
        self._bridge.set_panel_states(PANELS)
        self._bridge.set_theme(self._theme)
        self._open()

    @Slot()
    def _on_opened(self) -> None:
        self._overdue.stop()
        if self._recording is not None:
            self._show(ViewerState.READY, "")

    @Slot(str)
    def _on_failed(self, sentence: str, *, worth_retrying: bool = True) -> None:
        self._job = None
        log.log(logging.WARNING if worth_retrying else logging.INFO, "3D viewer: %s", sentence)
        self._drop_view()
        self._show(ViewerState.FAILED, sentence or "The 3D viewer stopped.")
        self._reload.setVisible(worth_retrying)
        self._native.setVisible(self._recording is not None)

    def _on_renderer_gone(
        self, status: QWebEnginePage.RenderProcessTerminationStatus, code: int
    ) -> None:
        self._on_failed(f"The 3D viewer's process ended (code {code}); nothing else is affected.")

    @Slot()
    def _on_overdue(self) -> None:
        seconds = READY_TIMEOUT_MS // 1000
        self._on_failed(f"The 3D viewer did not answer within {seconds} s.")

    def _show(self, state: ViewerState, text: str) -> None:
        self._state = state
        self._message.setText(text)
        self._reload.hide()
        self._native.hide()
        ready = state is ViewerState.READY
        if self._web is not None:
            mode = QStackedLayout.StackingMode
            self._stack.setStackingMode(mode.StackOne if ready else mode.StackAll)
            self._stack.setCurrentIndex(1 if ready else 0)
        self._set_ready(ready)

    def _set_ready(self, ready: bool) -> None:
        if ready != self._is_ready:
            self._is_ready = ready
            self.readyChanged.emit(ready)
