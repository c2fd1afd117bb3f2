"""`demoscope screenshot`: the real window, drawn offscreen at a given episode and frame."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.annotate_command import parse_settings
from app.rrd_source import is_export, open_export
from app.terminal import fail, note, progress, say
from pipeline.annotate import standard_graph
from pipeline.sources.hub.dataset import open_anything

if TYPE_CHECKING:
    from PySide6.QtGui import QPixmap

    from app.main_window import MainWindow
    from viewers.rerun_protocol import ViewerReport
    from viewers.rerun_viewer import RerunPanel

_RUN_MS = 300_000
"""How long the pipeline may take; afterwards the picture shows what is there."""


_VIEWER_MS = 60_000
_SETTLE_MS = 3000
"""The 3D viewer says when it is ready, not when its last picture is drawn."""


def screenshot(
    dataset: str,
    episode: int,
    frame: int,
    out: Path,
    size: tuple[int, int],
    theme: str,
    *,
    with_3d: bool = False,
    compare: tuple[str, ...] = (),
) -> int:
    """Run the pipeline on an episode, draw the window and save it.

    Args:
        dataset: Dataset folder.
        episode: Episode index.
        frame: Cursor, clamped to the episode.
        out: PNG file.
        size: Width and height in pixels.
        theme: `dark` or `light`.
        with_3d: Show the window on the display, so that the 3D viewer is in the picture; without,
            nothing is shown and the 3D panel says that it needs a display.
        compare: Options `STAGE.OPTION=VALUE` of a second run; both runs are shown side by side.

    Returns:
        0, or 1 after one sentence.

    Raises:
        DataError: The dataset or the episode cannot be opened.
        OSError: The file cannot be written.
        ValueError: An option of `compare` does not exist.
    """
    # Before Qt starts: what cannot be opened is said at once.
    found = open_export(dataset) if is_export(dataset) else open_anything(dataset, progress)
    found.open(episode)
    changed = parse_settings(list(compare), standard_graph()) if compare else {}
    out.parent.mkdir(parents=True, exist_ok=True)
    from app.window_run import has_display

    if not with_3d:
        # A desktop may set another platform for all programs; this one must not need a display.
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
    elif not has_display():
        return fail("--with-3d needs a display")

    with tempfile.TemporaryDirectory() as folder, shown_window(theme, size, Path(folder)) as window:
        control = window.control
        failures: list[str] = []
        control.failed.connect(lambda text, _: failures.append(text))
        opened: list[bool] = []
        control.episodeOpened.connect(lambda: opened.append(True))
        control.auto_run = True
        control.open_dataset(dataset, episode)

        def settled() -> bool:
            # Running starts in the call that opens the episode, unless it has no pictures.
            if opened:
                return not control.jobs.busy
            return bool(failures) and control.background.idle

        in_time = wait_until(settled, _RUN_MS)
        if not opened:
            return fail(failures[0] if failures else "the episode could not be opened")
        if not in_time:
            failures.append("not all stages are done; the picture shows what is there")
        if changed and in_time and not failures and not _run_again(window, changed):
            failures.append("the second run is not done; the picture shows what is there")
        for text in failures:
            note(text)
        control.seek(frame, "screenshot")
        demonstration = control.document.session.demonstration
        if demonstration is not None and demonstration.cameras:
            viewer = window.panels.frame.viewer
            wait_until(lambda: viewer.image_frame == control.document.session.frame, 5000)
        wait_until(lambda: control.background.idle, 20_000)
        window.resize(*size)
        picture = _picture_with_3d(window) if with_3d else window.grab()
    if (picture.width(), picture.height()) != size:
        needed = f"{picture.width()}x{picture.height()}"
        return fail(f"--size: the window needs at least {needed}, got {size[0]}x{size[1]}")
    if not picture.save(str(out), "PNG"):
        return fail(f"{out}: cannot be written")
    say(str(out))
    return 0


@contextmanager
def shown_window(theme: str, size: tuple[int, int], folder: Path) -> Iterator[MainWindow]:
    """The window as it comes, on show while the block lasts; for pictures.

    Args:
        theme: `dark`, `light` or `system`.
        size: Width and height, pixels.
        folder: Of its settings, instead of the user's own.
    """
    from app.window_run import make_application, make_window

    make_application()
    window = make_window(theme, settings_file=folder / "settings.ini")
    try:
        window.resize(*size)
        window.arrange()
        window.show()
        yield window
    finally:
        window.close()


def _run_again(window: MainWindow, options: dict[str, Any]) -> bool:
    """Run with other options and compare; whether it was done in time."""
    control = window.control
    for stage, values in options.items():
        if values != control.document.session.options[stage]:
            control.set_options(stage, values)
    control.run()
    done = wait_until(lambda: not control.jobs.busy, _RUN_MS)
    window.table.actions["compare"].trigger()
    return done


def _picture_with_3d(window: MainWindow) -> QPixmap:
    """Grab the window's pixels from the screen once the 3D viewer has drawn."""
    from viewers.rerun_viewer import ViewerState

    ready = wait_until(lambda: window.panels.rerun.state is ViewerState.READY, _VIEWER_MS)
    if not ready:
        note(f"the 3D viewer is not in the picture: {window.panels.rerun.message}")
    window.panels.rerun.set_frame(window.control.document.session.frame)
    if ready and not all_arrived(window.panels.rerun):
        note("the 3D viewer is still loading; the picture shows what is there")
    wait_until(lambda: False, _SETTLE_MS)
    return window.screen().grabWindow(window.winId())


def all_arrived(viewer: RerunPanel) -> bool:
    """Wait until the viewer has all of the recording, which it shows as it comes."""
    reports: list[ViewerReport | None] = []
    asked = [0]

    def arrived() -> bool:
        newest = reports[-1] if reports else None
        if newest is not None and newest.recordings and not newest.loading:
            return True
        if len(reports) == asked[0]:
            asked[0] += 1
            viewer.ask_state(reports.append)
        return False

    return wait_until(arrived, _VIEWER_MS)


def wait_until(done: Callable[[], bool], timeout: int) -> bool:
    """Run the event loop until `done` or for `timeout` milliseconds; whether it is done."""
    from PySide6.QtCore import QEventLoop, QTimer

    if done():
        return True
    loop = QEventLoop()
    poll = QTimer()
    poll.timeout.connect(lambda: loop.quit() if done() else None)
    poll.start(20)
    # A child of the loop, so that it cannot fire into a later one.
    end = QTimer(loop)
    end.setSingleShot(True)
    end.timeout.connect(loop.quit)
    end.start(timeout)
    loop.exec()
    poll.stop()
    return done()
