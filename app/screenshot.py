"""`demoscope screenshot`: the real window, drawn offscreen at a given episode and frame."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from app.cli import fail, say

_TIMEOUT_MS = 300_000


def screenshot(
    dataset: str, episode: int, frame: int, out: Path, size: tuple[int, int], theme: str
) -> int:
    """Run the pipeline on an episode, draw the window and save it.

    Args:
        dataset: Dataset folder.
        episode: Episode index.
        frame: Cursor.
        out: PNG file.
        size: Width and height in pixels.
        theme: `dark` or `light`.

    Returns:
        0, or 1 after one sentence.
    """
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from app.window_run import make_application, make_window

    make_application()
    with tempfile.TemporaryDirectory() as folder:
        window = make_window(theme, settings_file=Path(folder) / "settings.ini")
        window.resize(*size)
        window.arrange()
        window.show()
        failures: list[str] = []
        window.control.failed.connect(lambda text, _: failures.append(text))
        window.control.auto_run = True
        window.control.open_dataset(dataset, episode)
        ended: list[str] = []
        window.control.jobEnded.connect(ended.append)
        _wait(lambda: bool(ended) or (bool(failures) and not window.control.jobs.busy))
        if window.control.document.session.demonstration is None:
            window.close()
            return fail(failures[0] if failures else "the episode could not be opened")
        window.control.seek(frame, "screenshot")
        viewer = window.frame_panel.viewer
        _wait(lambda: viewer.image_frame == window.control.document.session.frame, 5000)
        _wait(lambda: window.control.background.idle, 20_000)
        out.parent.mkdir(parents=True, exist_ok=True)
        saved = window.grab().save(str(out))
        window.close()
    if not saved:
        return fail(f"{out} could not be written")
    say(str(out))
    return 0


def _wait(done: Callable[[], bool], timeout: int = _TIMEOUT_MS) -> None:
    """Run the event loop until `done` or the time is over."""
    from PySide6.QtCore import QEventLoop, QTimer

    loop = QEventLoop()
    poll = QTimer()
    poll.timeout.connect(lambda: loop.quit() if done() else None)
    poll.start(20)
    QTimer.singleShot(timeout, loop.quit)
    if not done():
        loop.exec()
    poll.stop()
