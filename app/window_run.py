"""Starts the Qt application and shows the window."""

from __future__ import annotations

import builtins
import gc
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from app.terminal import fail

if TYPE_CHECKING:
    from PySide6.QtCore import QtMsgType
    from PySide6.QtWidgets import QApplication

    from app.main_window import MainWindow


log = logging.getLogger(__name__)

_STARTED_MS = 3000
"""The window is on show and the first episode in it; then unused memory is looked for again."""
_LEVELS = {
    "QtDebugMsg": logging.DEBUG,
    "QtInfoMsg": logging.INFO,
    "QtWarningMsg": logging.WARNING,
    "QtCriticalMsg": logging.ERROR,
    "QtFatalMsg": logging.CRITICAL,
}


def has_display() -> bool:
    """True if a window can be shown here."""
    named = bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    return named or sys.platform in ("darwin", "win32")


def make_application() -> QApplication:
    """The one QApplication, with its name, for the window and the offscreen commands."""
    from PySide6.QtCore import qInstallMessageHandler

    _import_plainly()
    from PySide6.QtWidgets import QApplication

    from viewers.web_engine import prepare_application

    application = QApplication.instance()
    if isinstance(application, QApplication):
        return application
    prepare_application()
    qInstallMessageHandler(_log_qt)
    application = QApplication(["demoscope"])
    application.setApplicationName("Demoscope")
    application.setDesktopFileName("demoscope")
    return application


def _import_plainly() -> None:
    """Put Python's own `__import__` back, which PySide replaces.

    PySide's reads the source of every module that is imported, to know whether it may hold `from
    __feature__ import snake_case`. Nobody writes that here, it takes a tenth of the start, and the
    sources stay in memory.
    """
    original = getattr(builtins, "__orig_import__", None)
    if original is not None:
        builtins.__import__ = original


def _log_qt(kind: QtMsgType, _: object, text: str) -> None:
    """Send Qt's messages to our log, so that a terminal shows them only when asked (-v)."""
    # The offscreen platform says this at every show; nobody can do anything about it.
    if "propagateSizeHints" not in text:
        log.log(_LEVELS.get(kind.name, logging.WARNING), "Qt: %s", text)


def make_window(theme: str | None = None, *, settings_file: Path | None = None) -> MainWindow:
    """Make the window, not shown yet.

    Args:
        theme: `dark`, `light` or `system`; None for what was used last.
        settings_file: Where settings are kept; None for the user's own.
    """
    from PySide6.QtCore import QSettings

    from app.main_window import MainWindow
    from app.session_control import SessionControl
    from app.settings import paths

    folders = paths()
    file = settings_file or folders.settings
    settings = QSettings(str(file), QSettings.Format.IniFormat)
    window = MainWindow(SessionControl(folders), settings)
    window.set_theme(theme or str(settings.value("theme", "system")))
    return window


def open_window(path: str | None, episode: int | None, theme: str | None = None) -> int:
    """Show the window until it is closed.

    Args:
        path: Dataset to open, None for none.
        episode: Its episode, None for the first that is present.
        theme: `dark`, `light` or `system`; None for what was used last.

    Returns:
        The exit code of the program.
    """
    if not has_display() and os.environ.get("QT_QPA_PLATFORM", "") not in ("offscreen", "minimal"):
        return fail(
            "there is no display; use “demoscope demo --offscreen”, “annotate” or “screenshot”"
        )
    # A start makes hundreds of thousands of objects and drops few: looking through them again and
    # again while they are made finds nothing and takes a tenth of the start.
    gc.disable()
    from PySide6.QtCore import QTimer

    application = make_application()
    window = make_window(theme)
    window.show()
    if os.environ.get("DEMOSCOPE_TIMING"):
        from app.timing import Timing

        Timing(window)
    if path:
        QTimer.singleShot(0, lambda: window.control.open_dataset(path, episode))
    QTimer.singleShot(400, window.control.jobs.warm_up)
    QTimer.singleShot(_STARTED_MS, _collect_again)
    return application.exec()


def _collect_again() -> None:
    """Look for unused objects from now on, but never among those of the start, which stay.

    The few that became unused until now stay, too: to look for them would hold up the window.
    """
    gc.freeze()
    gc.enable()
