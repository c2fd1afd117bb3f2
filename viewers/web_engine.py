"""Setting up QtWebEngine for one purpose: show our own page and nothing else.

QtWebEngine (Chromium, about 200 MB) is loaded on first use, never when this module is imported.
"""

from __future__ import annotations

import logging
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import shiboken6
from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QWidget

if TYPE_CHECKING:
    from PySide6.QtWebEngineCore import QWebEngineProfile, QWebEngineUrlRequestInterceptor
    from PySide6.QtWebEngineWidgets import QWebEngineView

log = logging.getLogger(__name__)

FLAGS = "QTWEBENGINE_CHROMIUM_FLAGS"
SOFTWARE_GL = (
    "--ignore-gpu-blocklist --disable-gpu-compositing --enable-unsafe-swiftshader "
    "--use-gl=angle --use-angle=swiftshader"
)
_HEADLESS = {"offscreen", "minimal", "vnc"}
"""Platforms on which Chromium gets no OpenGL; it would abort the process rather than say so."""


def prepare_application() -> None:
    """Set what QtWebEngine needs before the QApplication exists. Call it from `main`; cheap."""
    QCoreApplication.setAttribute(Qt.ApplicationAttribute.AA_ShareOpenGLContexts)


def why_unavailable() -> str:
    """Say in one sentence why no web view can be shown in this process; empty if one can."""
    platform = QGuiApplication.platformName()
    if platform in _HEADLESS:
        return f"The 3D viewer needs a display; Qt runs on the platform “{platform}”, without one."
    if not QCoreApplication.testAttribute(Qt.ApplicationAttribute.AA_ShareOpenGLContexts):
        return "The 3D viewer was not prepared at start (shared OpenGL contexts are off)."
    try:
        import PySide6.QtWebEngineWidgets  # noqa: F401
    except ImportError as error:
        return f"The 3D viewer needs QtWebEngine, which could not be loaded: {error}."
    return ""


def configure_environment() -> None:
    """Set Chromium's switches; it reads them once, when the first profile is made."""
    if sys.platform != "linux":
        return
    if os.geteuid() == 0:
        # Chromium's sandbox refuses to run as root, as one is in containers. An ordinary user
        # keeps the sandbox.
        os.environ.setdefault("QTWEBENGINE_DISABLE_SANDBOX", "1")
    if os.environ.get(FLAGS) is None and needs_software_gl():
        log.info("no graphics card: the 3D viewer draws in software")
        os.environ[FLAGS] = SOFTWARE_GL


def needs_software_gl() -> bool:
    """True if DEMOSCOPE_SOFTWARE_GL=1, or on Linux if there is no graphics device."""
    wish = os.environ.get("DEMOSCOPE_SOFTWARE_GL")
    if wish is not None:
        return wish == "1"
    if sys.platform != "linux":
        return False
    return not any(Path("/dev/dri").glob("renderD*")) and not Path("/dev/nvidia0").exists()


def confine_composition(parent: QWidget) -> None:
    """Keep a web view in `parent` from slowing down the painting of the rest of its window.

    Qt composes a native window that holds a web view with OpenGL, all of it at every change. In
    software that costs a frame step 50 ms. As a native window of its own the parent alone pays.
    Only on X11, where child windows are cheap and this was measured.
    """
    if QGuiApplication.platformName() == "xcb":
        parent.setAttribute(Qt.WidgetAttribute.WA_DontCreateNativeAncestors)
        parent.setAttribute(Qt.WidgetAttribute.WA_NativeWindow)


@dataclass(frozen=True)
class WebView:
    """A web view and what must live as long as it does.

    Attributes:
        view: The widget; its page goes with it.
        profile: Must outlive the page.
        gate: Blocks requests; the profile does not keep it alive.
    """

    view: QWebEngineView
    profile: QWebEngineProfile
    gate: QWebEngineUrlRequestInterceptor

    def delete(self) -> None:
        """Delete all of it now. Not from a slot of one of the page's own signals."""
        shiboken6.delete(self.view)
        shiboken6.delete(self.profile)

    def delete_later(self) -> None:
        """Delete all of it when the event loop runs again."""
        gate, profile = self.gate, self.profile

        def drop_gate() -> None:
            if shiboken6.isValid(gate):  # at the end of the program it may go first
                gate.deleteLater()

        profile.destroyed.connect(drop_gate)
        self.view.page().destroyed.connect(profile.deleteLater)
        self.view.deleteLater()


def make_view(parent: QWidget, authority: str) -> WebView:
    """Make a web view that reaches only `http://<authority>/` and keeps nothing on disk.

    Args:
        parent: Owner of view and profile; the view is made first so that it goes first.
        authority: `127.0.0.1:<port>` of our own server.
    """
    from PySide6.QtCore import QUrl
    from PySide6.QtWebEngineCore import (
        QWebEnginePage,
        QWebEngineProfile,
        QWebEngineSettings,
        QWebEngineUrlRequestInfo,
        QWebEngineUrlRequestInterceptor,
    )
    from PySide6.QtWebEngineWidgets import QWebEngineView

    def is_ours(url: QUrl) -> bool:
        if url.scheme() in ("blob", "data"):
            return True
        return url.scheme() == "http" and url.authority() == authority

    class Gate(QWebEngineUrlRequestInterceptor):
        def interceptRequest(self, info: QWebEngineUrlRequestInfo) -> None:  # noqa: N802
            if not is_ours(info.requestUrl()):
                log.info("blocked a request of the 3D viewer to %s", info.requestUrl().host())
                info.block(True)

    class Page(QWebEnginePage):
        def acceptNavigationRequest(  # noqa: N802
            self,
            url: QUrl | str,
            kind: QWebEnginePage.NavigationType,
            is_main_frame: bool,
        ) -> bool:
            return is_ours(QUrl(url))

        def javaScriptConsoleMessage(
            self,
            level: QWebEnginePage.JavaScriptConsoleMessageLevel,
            message: str,
            line: int,
            source: str,
        ) -> None:
            log.debug("page, line %d: %.500s", line, message)

    confine_composition(parent)
    view = QWebEngineView(parent)
    profile = QWebEngineProfile(parent)  # without a name: nothing is stored
    gate = Gate()
    profile.setUrlRequestInterceptor(gate)
    page = Page(profile, view)
    view.setPage(page)
    view.setContextMenuPolicy(Qt.ContextMenuPolicy.NoContextMenu)  # the viewer has its own
    settings = page.settings()
    attributes = QWebEngineSettings.WebAttribute
    settings.setAttribute(attributes.LocalContentCanAccessRemoteUrls, False)
    settings.setAttribute(attributes.LocalContentCanAccessFileUrls, False)
    settings.setAttribute(attributes.PluginsEnabled, False)
    settings.setAttribute(attributes.JavascriptCanAccessClipboard, True)
    return WebView(view, profile, gate)
