"""The page that runs the embedded viewer: its files, its server, its web view.

Nothing of Rerun or QtWebEngine is loaded until `start`. The viewer runs in Chromium's own renderer
process; if that dies, `failed` says so and the window stays.
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QFile, QIODevice, QObject, QUrl, Signal, Slot
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QWidget

from viewers.rerun_assets import ViewerAssets, ViewerUnavailableError, viewer_assets
from viewers.web_engine import (
    WebView,
    configure_environment,
    make_view,
    needs_software_gl,
    why_unavailable,
)

if TYPE_CHECKING:
    from PySide6.QtWebEngineCore import QWebEnginePage

    from viewers.rerun_server import AssetServer

log = logging.getLogger(__name__)

BACKGROUNDS = {"dark": "#1c1c1c", "light": "#ffffff"}
"""Behind the viewer until it draws, by theme."""
_PAGE = Path(__file__).resolve().parents[1] / "resources" / "rerun"
_PAGE_FILES = {
    "page.html": "text/html; charset=utf-8",
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
}
_CHANNEL_SCRIPT = ":/qtwebchannel/qwebchannel.js"


class _AssetsJob(QObject):
    """Gets the viewer's files in a thread; outlives the page if it must."""

    found = Signal(object)
    failed = Signal(str)

    def start(self) -> None:
        threading.Thread(target=self._run, name="rerun assets", daemon=True).start()

    def _run(self) -> None:
        try:
            self.found.emit(viewer_assets())
        except ViewerUnavailableError as error:
            self.failed.emit(str(error))


class RerunPage(QObject):
    """Starts and ends the viewer's page, and serves it recordings.

    Signals:
        made: (QWidget) The web view exists and loads the page.
        failed: (sentence, worth retrying) There is no page, or no longer.
    """

    made = Signal(QWidget)
    failed = Signal(str, bool)

    def __init__(self, parent: QWidget, channel: QObject) -> None:
        super().__init__(parent)
        self._widget = parent
        self._channel = channel
        self._theme = "dark"
        self._job: _AssetsJob | None = None
        self._server: AssetServer | None = None
        self._web: WebView | None = None
        self._recordings = 0
        self._is_shut_down = False

    @property
    def view(self) -> QWidget | None:
        """The web view, None before it is made and after it is dropped."""
        return None if self._web is None else self._web.view

    @property
    def port(self) -> int:
        """Port of the server on 127.0.0.1, 0 while there is none."""
        return 0 if self._server is None else self._server.port

    def set_theme(self, name: str) -> None:
        """Set the background to that of `dark` or `light`."""
        self._theme = name
        if self._web is not None:
            self._web.view.page().setBackgroundColor(QColor(BACKGROUNDS[name]))

    def start(self) -> None:
        """Begin to make the web view, unless there is one or it is being made."""
        if self._is_shut_down or self._web is not None or self._job is not None:
            return
        reason = why_unavailable()
        if reason:
            self.failed.emit(reason, False)
            return
        self._job = _AssetsJob()
        self._job.found.connect(self._on_assets)
        self._job.failed.connect(self._on_no_assets)
        self._job.start()

    def put_recording(self, recording: Path | bytes) -> str:
        """Serve a recording, in place of the one before, and return its address."""
        from viewers.rerun_server import Asset

        if self._server is None:
            return ""
        self._server.remove(f"recording-{self._recordings}.rrd")
        self._recordings += 1
        name = f"recording-{self._recordings}.rrd"
        return self._server.put(name, Asset(recording, "application/octet-stream"))

    def remove_recording(self) -> None:
        """Serve no recording, so that its bytes are let go of."""
        if self._server is not None:
            self._server.remove(f"recording-{self._recordings}.rrd")

    def drop(self, *, at_once: bool = False) -> None:
        """Let go of the web view. Not `at_once` from a slot of one of the page's own signals."""
        if self._web is None:
            return
        web, self._web = self._web, None
        web.view.hide()
        web.view.page().renderProcessTerminated.disconnect(self._on_renderer_gone)
        if at_once:
            web.delete()
        else:
            web.delete_later()

    def shutdown(self) -> None:
        """End the page and its server for good. May be repeated."""
        self._is_shut_down = True
        self.drop(at_once=True)
        if self._server is not None:
            self._server.close()
            self._server = None

    @Slot(str)
    def _on_no_assets(self, sentence: str) -> None:
        self._job = None
        self.failed.emit(sentence, True)

    @Slot(object)
    def _on_assets(self, assets: ViewerAssets) -> None:
        self._job = None
        if self._is_shut_down or self._web is not None:
            return
        script = QFile(_CHANNEL_SCRIPT)
        configure_environment()
        from PySide6.QtWebChannel import QWebChannel  # brings the script's resource

        if not script.open(QIODevice.OpenModeFlag.ReadOnly):
            self.failed.emit("The 3D viewer needs QtWebChannel, which is not complete.", True)
            return
        server = self._serve(assets, bytes(script.readAll().data()))
        self._web = make_view(self._widget, server.authority)
        view, page = self._web.view, self._web.view.page()
        page.setBackgroundColor(QColor(BACKGROUNDS[self._theme]))
        page.renderProcessTerminated.connect(self._on_renderer_gone)
        channel = QWebChannel(page)
        channel.registerObject("bridge", self._channel)
        page.setWebChannel(channel)
        self.made.emit(view)
        calm = "&calm" if needs_software_gl() else ""
        view.load(QUrl(f"{server.url('page.html')}?theme={self._theme}{calm}"))

    def _serve(self, assets: ViewerAssets, channel_script: bytes) -> AssetServer:
        """Serve the page and all it needs."""
        from viewers.rerun_server import Asset, AssetServer

        if self._server is None:
            self._server = AssetServer()
        server = self._server
        server.put("re_viewer.js", Asset(assets.script, "text/javascript", immutable=True))
        server.put("re_viewer_bg.wasm", Asset(assets.module, "application/wasm", immutable=True))
        server.put("qwebchannel.js", Asset(channel_script, "text/javascript"))
        for name, media_type in _PAGE_FILES.items():
            server.put(name, Asset(_PAGE / name, media_type))
        return server

    def _on_renderer_gone(
        self, status: QWebEnginePage.RenderProcessTerminationStatus, code: int
    ) -> None:
        self.failed.emit(
            f"The 3D viewer's process ended (code {code}); nothing else is affected.", True
        )
