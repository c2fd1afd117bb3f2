"""Key press to painted frame in the real window: `python -m tests.benchmarks step`.

Offscreen and under Xvfb, on the sample's episode 0 and, where it is present, on a real episode;
results are there, so that overlays are painted. Steps come at the pace of a held key. Also: how
long showing each change of the document takes while a job delivers its results (from the cache),
and the longest time for which the event loop stood still meanwhile.
"""

from __future__ import annotations

import math
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from PySide6.QtCore import QEvent, QEventLoop, QObject, Qt, QTimer, Signal
from PySide6.QtTest import QTest

from app.main_window import MainWindow
from app.window_run import make_application, make_window
from pipeline.document import Changes, Part
from tests.benchmarks.display import virtual_display
from tests.benchmarks.table import header, row, write
from tests.datasets import SAMPLE, shared_data

FORWARD, BACK, SEEKS = 300, 100, 50
KEY_REPEAT = 33  # ms
PATIENCE = 240_000  # ms; the first run on a dataset computes its results
FRAME = 16.0  # ms


class PaintWatch(QObject):
    """Tells when the frame viewer has painted the frame waited for.

    Signals:
        painted: After the paint event and the transfer to the screen.
    """

    painted = Signal()
    _seen = Signal()

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._viewer = window.panels.frame.viewer
        self._viewer.installEventFilter(self)
        self.wanted = -1
        self._seen.connect(self.painted, Qt.ConnectionType.QueuedConnection)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() is QEvent.Type.Paint and self._viewer.image_frame == self.wanted:
            self.wanted = -1
            self._seen.emit()
        return False


def spin(milliseconds: int) -> None:
    """Run the event loop for a while."""
    loop = QEventLoop()
    QTimer.singleShot(max(0, milliseconds), loop.quit)
    loop.exec()


def until(signal: object, act: Callable[[], object], patience: int = 5000) -> float:
    """Act and run the event loop until a signal comes; seconds that took."""
    loop = QEventLoop()
    signal.connect(loop.quit)  # type: ignore[attr-defined]
    QTimer.singleShot(patience, loop, lambda: loop.exit(1))
    start = time.perf_counter()
    act()
    if loop.exec() != 0:
        raise RuntimeError(f"nothing came within {patience / 1000:.0f} s")
    return time.perf_counter() - start


def steps(window: MainWindow, watch: PaintWatch, key: Qt.Key, count: int) -> list[float]:
    """Press an arrow key at the pace of key repeat."""
    document, viewer = window.control.document, window.panels.frame.viewer
    demonstration = document.session.demonstration
    assert demonstration is not None
    delta = 1 if key is Qt.Key.Key_Right else -1
    times: list[float] = []
    while len(times) < count:
        wanted = document.session.frame + delta
        if not 0 <= wanted < demonstration.length:
            watch.wanted = 0 if delta > 0 else demonstration.length - 1
            until(watch.painted, partial(window.control.seek, watch.wanted))
            spin(500)
            continue
        watch.wanted = wanted
        taken = until(watch.painted, lambda: QTest.keyClick(viewer, key))
        times.append(taken)
        spin(round(KEY_REPEAT - 1e3 * taken))
    return times


def seeks(window: MainWindow, watch: PaintWatch, count: int) -> list[float]:
    """Go to frames anywhere."""
    demonstration = window.control.document.session.demonstration
    assert demonstration is not None
    dice = random.Random(0)  # noqa: S311
    times = []
    for frame in (dice.randrange(demonstration.length) for _ in range(count)):
        if frame != window.control.document.session.frame:
            watch.wanted = frame
            times.append(until(watch.painted, partial(window.control.seek, frame)))
            spin(150)
    return times


class Refreshes:
    """Times of `Views.refresh` by what changed, and gaps of the event loop."""

    def __init__(self, window: MainWindow) -> None:
        self.times: dict[str, list[float]] = {}
        self.gaps: list[float] = []
        self._views = window.views
        changed = window.control.bridge.changed
        changed.disconnect(window.views.refresh)
        changed.connect(self._refresh)
        self._last = 0.0
        self._beat = QTimer(window)
        self._beat.setTimerType(Qt.TimerType.PreciseTimer)
        self._beat.timeout.connect(self._tick)

    def begin(self) -> None:
        self.times.clear()
        self.gaps.clear()
        self._last = time.perf_counter()
        self._beat.start(2)

    def end(self) -> None:
        self._beat.stop()

    def _tick(self) -> None:
        now = time.perf_counter()
        self.gaps.append(now - self._last - 0.002)
        self._last = now

    def _refresh(self, changes: Changes) -> None:
        start = time.perf_counter()
        self._views.refresh(changes)
        name = "+".join(str(p.name).lower() for p in Part if p in changes.parts)
        key = f"{name} {changes.stage}".strip()
        self.times.setdefault(key, []).append(time.perf_counter() - start)


def measure(title: str, dataset: Path, episode: int) -> None:
    """All measurements on one episode in this process."""
    with tempfile.TemporaryDirectory() as home:
        os.environ["DEMOSCOPE_DATA_DIR"] = str(Path(home) / "data")
        application = make_application()
        window = make_window("dark", settings_file=Path(home) / "settings.ini")
        window.resize(1920, 1040)
        window.show()
        window.activateWindow()
        control = window.control
        refreshes, watch = Refreshes(window), PaintWatch(window)
        until(
            control.jobEnded, lambda: control.open_dataset(str(dataset), episode), PATIENCE
        )  # Computed, or from the cache.
        spin(3000)  # The 3D view is built meanwhile.
        refreshes.begin()
        until(control.jobEnded, lambda: control.open_dataset(str(dataset), episode), PATIENCE)
        spin(1000)
        refreshes.end()
        spin(1000)
        # Without a window manager nobody else gives the window its keys.
        window.activateWindow()
        window.panels.frame.viewer.setFocus()
        spin(100)
        header(f"{title}, {application.platformName()}", "PySide6", "av", "numpy")
        row("Right, held", steps(window, watch, Qt.Key.Key_Right, FORWARD), FRAME)
        row("Left, held", steps(window, watch, Qt.Key.Key_Left, BACK), FRAME)
        row("seek anywhere", seeks(window, watch, SEEKS))
        write("  while results arrive, longest first:")
        ranked = sorted(refreshes.times.items(), key=lambda pair: -max(pair[1]))
        for name, times in ranked[:8]:
            row(f"  {name}", times, FRAME)
        late = sorted(refreshes.gaps)[-5:]
        write(f"  event loop stood still: {', '.join(f'{1e3 * g:.0f}' for g in late[::-1])} ms")
        total = math.fsum(t for times in refreshes.times.values() for t in times)
        write(f"  all changes together: {1e3 * total:.0f} ms")
        window.close()


def cases() -> list[tuple[str, Path, int]]:
    """Episodes to measure."""
    real = shared_data("g1_pick_bottle")
    found = [("sample episode 0", SAMPLE, 0)]
    return found + ([("g1_pick_bottle episode 1", real, 1)] if real is not None else [])


def main() -> None:
    """Measure each case on each platform in a process of its own."""
    with virtual_display() as display:
        for platform in ("offscreen", "xcb"):
            if platform == "xcb" and not display:
                write("step: Xvfb is missing, only offscreen is measured")
                continue
            environment = os.environ | {"QT_QPA_PLATFORM": platform, "DISPLAY": display}
            for number in range(len(cases())):
                command = [sys.executable, "-m", __spec__.name, str(number)]
                subprocess.run(command, env=environment, check=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(*cases()[int(sys.argv[1])])
    else:
        main()
