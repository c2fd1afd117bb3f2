"""Playing and dragging through the real window: `python -m tests.benchmarks play`.

Time from the moment a frame is wanted until it is painted, with all cameras of the episode on
show: playing at 30 Hz forwards and backwards, and dragging the cursor to and fro at 60 Hz. Each
begins cold: a new reader, and its first picture shown. The sample's results are there, so that its
overlays are painted too. CPU is the 95th percentile of the GUI thread's own work on a frame, which
other programs on the machine do not disturb. Hits are frames that were in memory when they were
wanted; "over 33" are frames that came later than a thirtieth of a second, or never because newer
ones overtook them (goal: none). The event loop's longest standstill tells of slots.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
from PySide6.QtCore import QEvent, QObject, Qt, QTimer, Signal

from app.main_window import MainWindow
from app.settings import PICTURE_VARIABLE
from app.window_run import make_application, make_window
from tests.benchmarks.bench_step import PATIENCE, spin, until
from tests.benchmarks.clips import write_clip
from tests.benchmarks.table import conditions, write
from tests.datasets import SAMPLE, shared_data

LATE = 0.033
SECONDS = 8.0
DRAG_HZ = 60
SETTLE = 4000
"""Milliseconds after opening, for the examination of the dataset."""


class Watch(QObject):
    """When each frame was wanted and when it was painted.

    Signals:
        painted: The picture wanted last is on the screen.
    """

    painted = Signal()
    _drawn = Signal(int)

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._control = window.control
        self._viewer = window.panels.frame.viewer
        self._viewer.installEventFilter(self)
        self._drawn.connect(self._on_drawn, Qt.ConnectionType.QueuedConnection)
        self._wanted: dict[int, tuple[float, float]] = {}
        self._last = -1
        self._beat = QTimer(self, interval=2)
        self._beat.setTimerType(Qt.TimerType.PreciseTimer)
        self._beat.timeout.connect(self._tick)
        self.begin()
        player = self._control.player
        player.playback.frameDue.disconnect(player._on_frame_due)
        player.playback.frameDue.connect(lambda frame: self.want(frame, player._on_frame_due))

    def begin(self) -> None:
        self._wanted.clear()
        self.times: list[float] = []
        self.works: list[float] = []
        self.never = self.hits = self.count = 0
        self.standstill = 0.0
        self._tock = time.perf_counter()
        self._beat.start()

    def want(self, frame: int, act: Callable[[int], object]) -> None:
        if frame == self._control.document.session.frame:
            return  # It is on the screen, nothing will be painted.
        self._last = frame
        self.count += 1
        self._wanted[frame] = time.perf_counter(), time.thread_time()
        told: list[object] = []
        connection = self._control.loader.loaded.connect(told.append)
        act(frame)
        self._control.loader.loaded.disconnect(connection)
        self.hits += bool(told)

    def end(self) -> None:
        self._beat.stop()
        self.never += len(self._wanted)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() is QEvent.Type.Paint:
            self._drawn.emit(self._viewer.image_frame)
        return False

    def _on_drawn(self, frame: int) -> None:
        start = self._wanted.pop(frame, None)
        if start is not None:
            self.times.append(time.perf_counter() - start[0])
            self.works.append(time.thread_time() - start[1])
            older = [f for f, t in self._wanted.items() if t[0] < start[0]]
            self.never += len(older)
            for each in older:
                del self._wanted[each]
        if frame == self._last:
            self.painted.emit()

    def _tick(self) -> None:
        now = time.perf_counter()
        self.standstill = max(self.standstill, now - self._tock)
        self._tock = now


def report(name: str, watch: Watch) -> None:
    ms = 1e3 * np.array(watch.times or [np.nan])
    late = int((ms > 1e3 * LATE).sum()) + watch.never
    p50, p95 = np.percentile(ms, [50, 95])
    work = 1e3 * np.array(watch.works or [np.nan])
    write(
        f"  {name:32}{p50:8.1f}{p95:8.1f}{ms.max():8.1f}{np.percentile(work, 95):7.1f}"
        f"{100 * watch.hits / max(1, watch.count):7.0f} %{late:9d} of {watch.count:<5d}"
        f"{1e3 * watch.standstill:8.0f}"
    )


def play(window: MainWindow, watch: Watch, speed: int) -> None:
    control = window.control
    demonstration = control.document.session.demonstration
    assert demonstration is not None
    if speed < 0:
        watch.want(demonstration.length - 1, control.seek)
        spin(50)
    watch.begin()
    control.player.play(speed)
    spin(round(1e3 * min(SECONDS, demonstration.length / demonstration.fps)))
    control.player.stop()
    spin(100)
    watch.end()


def drag(window: MainWindow, watch: Watch) -> None:
    """Forth over the whole episode in 2 s and back in 2 s, as a hand would: eased."""
    control = window.control
    demonstration = control.document.session.demonstration
    assert demonstration is not None
    turn = 0.5 - 0.5 * np.cos(np.linspace(0, 2 * np.pi, 4 * DRAG_HZ))
    places = np.round(turn * (demonstration.length - 1)).astype(int)
    watch.begin()
    start = time.perf_counter()
    for number, place in enumerate(places):
        watch.want(int(place), lambda f: control.seek(f, "timeline"))
        spin(round(1e3 * (start + (number + 1) / DRAG_HZ - time.perf_counter())))
    spin(200)
    watch.end()


def measure(title: str, dataset: Path, episode: int, mib: int, *, results: bool) -> None:
    """All measurements on one episode; the window is made anew for its memory setting."""
    os.environ[PICTURE_VARIABLE] = str(mib)
    with tempfile.TemporaryDirectory() as home:
        os.environ["DEMOSCOPE_DATA_DIR"] = str(Path(home) / "data")
        window = make_window("dark", settings_file=Path(home) / "settings.ini")
        window.resize(1920, 1040)
        window.show()
        control = window.control
        window.panels.frame.choose_all_cameras(True)
        control.auto_run = results
        there = control.jobEnded if results else control.episodeOpened
        until(there, lambda: control.open_dataset(str(dataset), episode), PATIENCE)
        spin(SETTLE)
        watch = Watch(window)
        write(f"{title}, {mib} MiB, load {os.getloadavg()[0]:.1f}")
        for name, act in (
            ("play forwards 30 Hz, cold", lambda: play(window, watch, 1)),
            ("play backwards 30 Hz, cold", lambda: play(window, watch, -1)),
            ("drag there and back 60 Hz, cold", lambda: drag(window, watch)),
            ("drag again", lambda: drag(window, watch)),
        ):
            if "cold" in name:
                forget_pictures(window)
            act()
            report(name, watch)
        window.close()


def forget_pictures(window: MainWindow) -> None:
    """Start with another reader; results stay, so that overlays are painted as before."""
    control = window.control
    demonstration = control.document.session.demonstration
    assert control.source is not None
    assert demonstration is not None
    control.seek(0)
    control.loader.open(control.source, demonstration)
    until(control.loader.loaded, control._request_frames, 30_000)


def main() -> None:
    """Measure all cases in this process."""
    make_application()
    write(conditions("PySide6", "av", "numpy"))
    head = f"  {'ms from wanted to painted':32}{'p50':>8}{'p95':>8}{'max':>8}{'CPU':>7}{'hits':>9}"
    write(f"{head}{'over 33 ms':>18}{'standstill':>11}")
    with tempfile.TemporaryDirectory() as folder:
        one, two, four = (write_clip(Path(folder) / str(n), n) for n in (1, 2, 4))
        measure("sample episode 0, 1 camera", SAMPLE, 0, 512, results=True)
        measure("sample episode 4, 2 cameras", SAMPLE, 4, 512, results=True)
        real = shared_data("g1_pick_bottle")
        if real is not None:
            measure("g1_pick_bottle episode 1, 1 camera", real, 1, 512, results=False)
        measure("20 s, H.264, GOP 250, 1 camera", one, 0, 512, results=False)
        measure("20 s, H.264, GOP 250, 2 cameras", two, 0, 768, results=False)
        # What follows does not fit in memory: only the surroundings of the cursor are kept, and a
        # drag over the whole clip in 2 s asks for more frames than can be decoded meanwhile.
        measure("20 s, H.264, GOP 250, 2 cameras", two, 0, 512, results=False)
        measure("20 s, H.264, GOP 250, 4 cameras", four, 0, 512, results=False)
        measure("20 s, H.264, GOP 250, 2 cameras", two, 0, 128, results=False)


if __name__ == "__main__":
    main()
