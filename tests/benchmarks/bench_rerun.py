"""The embedded 3D viewer, on software rendering: `python -m tests.benchmarks rerun`.

Parts: `steps`, `scrub`, `back` (latency, the panel alone at two sizes), `window` (the real window
at 1280x800 on the sample: latency, opening, painting of the frame viewer beside it, standstills of
the GUI thread) and `memory` (50 recordings in a row). `python -m tests.benchmarks.bench_rerun PART
...` measures only those.

Latency is from `set_frame` until the viewer itself says it is there: the page notes when its
events come, by the clock that Python reads too. `drawn` is two pictures of the browser later.
"""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Qt, QTimer

from app.main_window import MainWindow
from app.window_run import make_window
from tests.benchmarks.bench_step import PATIENCE, PaintWatch, steps, until
from tests.benchmarks.display import virtual_display
from tests.benchmarks.table import conditions, header, row, write
from tests.datasets import SAMPLE
from tests.gui.rerun_proof_hands import Hands, application
from tests.gui.rerun_proof_memory import Census
from tests.gui.rerun_proof_session import move
from tests.rerun_scenes import scene
from viewers.rerun_inputs import RerunInputs
from viewers.rerun_log import recording_bytes
from viewers.rerun_viewer import MEMORY_LIMIT, RerunPanel

SIZES = ((480, 400), (900, 700))
COUNT = 120
SCRUB_HZ, SCRUB_SECONDS = 30, 8
OPENINGS = 50
LATENCY_GOAL, OPEN_GOAL, STALL = 50.0, 3000.0, 16.0  # ms
HERE = "--here"
DRAWN = """
window.drawn = 0;
requestAnimationFrame(() => requestAnimationFrame(() => { window.drawn = 1; })); 0
"""


class Stalls(QObject):
    """How long the GUI thread did not come back to its event loop, and how much of it was work.

    The rest of a standstill it waited for a core: on few cores the viewer's drawing takes them.
    """

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._beat = QTimer(self, interval=1, timerType=Qt.TimerType.PreciseTimer)
        self._beat.timeout.connect(self._tick)
        self.gaps: list[tuple[float, float]] = []
        self._last = (0.0, 0.0)

    def begin(self) -> None:
        """Start counting."""
        self.gaps = []
        self._last = (time.perf_counter(), time.thread_time())
        self._beat.start()

    def end(self) -> str:
        """Stop, and say how it was."""
        self._beat.stop()
        told = []
        for what, values in zip(("wall", "own work"), zip(*self.gaps, strict=True), strict=True):
            long = sorted((1e3 * v for v in values if 1e3 * v > STALL), reverse=True)
            worst = ", ".join(f"{v:.0f}" for v in long[:5]) or "none"
            told.append(f"{len(long)} by {what} ({worst})")
        return f"standstills over {STALL:g} ms: {'; '.join(told)}"

    def _tick(self) -> None:
        now = (time.perf_counter(), time.thread_time())
        self.gaps.append((now[0] - self._last[0] - 0.001, now[1] - self._last[1]))
        self._last = now


def now_ms() -> float:
    """Milliseconds since 1970, as the page counts them."""
    return 1e3 * time.time()


def realistic(candidates: int = 6, points: int = 120) -> RerunInputs:
    """20 s at 30 Hz with 120 pictures: some MiB once recorded."""
    return scene(length=600, candidates=candidates, points=points, pictures=120)


def opened(inputs: RerunInputs, size: tuple[int, int]) -> Hands:
    """A panel of its own that shows a recording."""
    application()
    panel = RerunPanel()
    panel.resize(*size)
    hands = Hands(panel)
    panel.show()
    data = recording_bytes(inputs)
    start = time.perf_counter()
    panel.set_recording(data)
    hands.ready()
    hands.at(0)
    drawn(hands)
    write(
        f"{size[0]}x{size[1]}, a recording of {len(data) / 2**20:.1f} MiB; cold opening "
        f"{time.perf_counter() - start:.2f} s"
    )
    hands.spin(1500)
    return hands


def drawn(hands: Hands) -> None:
    """Wait until the browser has drawn."""
    hands.script(DRAWN)
    hands.wait(lambda: hands.script("window.drawn") == 1, "a picture")


def arrivals(hands: Hands) -> dict[int, float]:
    """When the viewer said, for the first time each, that it was at a frame (ms since 1970)."""
    found: dict[int, float] = {}
    for event in hands.heard("time_update"):
        found.setdefault(int(event["time"]), event["at"])
    return found


def step_latency(hands: Hands, set_frame: object, gap: int, count: int = COUNT) -> list[float]:
    """Single steps, each after a rest; seconds."""
    hands.heard(forget=True)
    wanted: dict[int, float] = {}
    for i in range(count):
        frame = 20 + i
        wanted[frame] = now_ms()
        set_frame(frame)  # type: ignore[operator]
        hands.spin(gap)
    hands.spin(500)
    there = arrivals(hands)
    missing = [frame for frame in wanted if frame not in there]
    if missing:
        write(f"  NEVER SHOWN: {missing[:10]}")
    return [(there[f] - at) / 1e3 for f, at in wanted.items() if f in there]


def scrub(hands: Hands, set_frame: object) -> tuple[list[float], float, float]:
    """Frames at the pace of a hand.

    Returns:
        How old each frame was when the viewer showed it (s), how many it showed per second, and
        how long after the last one was wanted it came (s).
    """
    hands.heard(forget=True)
    wanted: dict[int, float] = {}
    start = time.perf_counter()
    for i in range(SCRUB_HZ * SCRUB_SECONDS):
        frame = 20 + i
        wanted[frame] = now_ms()
        set_frame(frame)  # type: ignore[operator]
        rest = start + (i + 1) / SCRUB_HZ - time.perf_counter()
        hands.spin(max(1, round(1e3 * rest)))
    hands.spin(1500)
    there = arrivals(hands)
    ages = [(at - wanted[f]) / 1e3 for f, at in there.items() if f in wanted]
    last = max(wanted)
    return ages, len(ages) / SCRUB_SECONDS, (there[last] - wanted[last]) / 1e3


def panel_part(part: str) -> None:
    """Latencies of the panel alone."""
    for size in SIZES:
        hands = opened(realistic(), size)
        stalls = Stalls(hands.panel)
        if part == "steps":
            header("set_frame until the viewer is there, single steps", "PySide6", "rerun-sdk")
            row("after 250 ms of rest", step_latency(hands, hands.panel.set_frame, 250), 50.0)
            row("after 100 ms of rest", step_latency(hands, hands.panel.set_frame, 100), 50.0)
        elif part == "scrub":
            header(f"scrubbing at {SCRUB_HZ}/s", "PySide6", "rerun-sdk")
            stalls.begin()
            ages, shown, last = scrub(hands, hands.panel.set_frame)
            row("age of the frames that were shown", ages)
            write(f"  {shown:.1f} shown per second; the last came after {1e3 * last:.0f} ms")
            write(f"  {stalls.end()}")
        else:
            header("the viewer's user moves until Qt's signal", "PySide6", "rerun-sdk")
            row("after 250 ms of rest", back_latency(hands))
        hands.panel.shutdown()


def back_latency(hands: Hands) -> list[float]:
    """From the user's move in the page until `frameChanged`; seconds."""
    came: dict[int, float] = {}
    connection = hands.panel.frameChanged.connect(lambda f: came.setdefault(f, now_ms()))
    began: dict[int, float] = {}
    for i in range(COUNT):
        frame = 300 + i
        stamp = "performance.timeOrigin + performance.now()"
        began[frame] = float(hands.script(f"(({move(frame)}), {stamp})"))
        hands.spin(250)
    hands.panel.frameChanged.disconnect(connection)
    return [(came[f] - at) / 1e3 for f, at in began.items() if f in came]


# -- the window ------------------------------------------------------------------------------


def window_part() -> None:
    """The real window on the sample at 1280x800."""
    application()
    with tempfile.TemporaryDirectory() as home:
        os.environ["DEMOSCOPE_DATA_DIR"] = str(Path(home) / "data")
        window = make_window("dark", settings_file=Path(home) / "settings.ini")
        window.resize(1280, 800)
        window.arrange()
        window.show()
        control = window.control
        for episode in (1, 0):  # Computed now, or from the cache.
            until(control.jobEnded, partial(control.open_dataset, str(SAMPLE), episode), PATIENCE)
        hands = Hands(window.panels.rerun)
        hands.ready()
        hands.spin(5000)  # The examination of the dataset.
        size = hands.panel.size()
        header(f"window 1280x800 on the sample, panel {size.width()}x{size.height()}", "PySide6")
        stalls = Stalls(window)
        stalls.begin()
        hands.spin(5000)
        write(f"  at rest: {stalls.end()}")
        window_openings(window, hands)
        hands.script("window.heard = [], 0")
        seek = partial(control.seek, initiator="bench")
        row("step until the viewer is there", step_latency(hands, seek, 250), LATENCY_GOAL)
        stalls.begin()
        ages, shown, last = scrub_in(hands, window)
        row(f"age while scrubbing at {SCRUB_HZ}/s", ages)
        write(f"  {shown:.1f} shown per second; the last came after {1e3 * last:.0f} ms")
        write(f"  {stalls.end()}")
        painting(window, hands)
        window.close()


def window_openings(window: MainWindow, hands: Hands) -> None:
    """From opening an episode in the window until its 3D view is drawn."""
    times: list[float] = []
    given: list[float] = []
    told: list[str] = []
    stalls = Stalls(window)
    control = window.control
    stalls.begin()
    for i in range(6):
        before = hands.facts().recordings
        start = time.perf_counter()
        until(control.jobEnded, partial(control.open_episode, (i + 1) % 2), PATIENCE)
        given.append(time.perf_counter() - start)
        hands.wait(
            lambda b=before: len(now := hands.facts().recordings) == 1 and now != b,
            "the new recording",
        )
        hands.at(control.document.session.frame)
        drawn(hands)
        times.append(time.perf_counter() - start)
        hands.spin(1000)
    told.append(stalls.end())
    row("results from the cache are there", given)
    row("opening an episode until its 3D view is drawn", times, OPEN_GOAL)
    write(f"  {told[0]}")


def scrub_in(hands: Hands, window: MainWindow) -> tuple[list[float], float, float]:
    """Scrubbing to and fro within the episode, which is shorter than the made-up one."""
    demonstration = window.control.document.session.demonstration
    assert demonstration is not None
    last = demonstration.length - 1
    hands.heard(forget=True)
    ages: list[float] = []
    wanted: list[tuple[float, int]] = []
    start = time.perf_counter()
    for i in range(SCRUB_HZ * SCRUB_SECONDS):
        frame = abs((i % (2 * last)) - last)
        wanted.append((now_ms(), frame))
        window.control.seek(frame, "bench")
        rest = start + (i + 1) / SCRUB_HZ - time.perf_counter()
        hands.spin(max(1, round(1e3 * rest)))
    hands.spin(1500)
    shown = [(event["at"], int(event["time"])) for event in hands.heard("time_update")]
    for at, frame in shown:
        asked = [when for when, f in wanted if f == frame and when <= at]
        if asked:
            ages.append((at - asked[-1]) / 1e3)
    end = [at for at, frame in shown if frame == wanted[-1][1] and at >= wanted[-1][0]]
    late = (end[0] - wanted[-1][0]) / 1e3 if end else float("nan")
    return ages, len(shown) / SCRUB_SECONDS, late


def painting(window: MainWindow, hands: Hands) -> None:
    """Key to painted frame of the frame viewer, with the 3D view following and without it."""
    watch = PaintWatch(window)
    window.activateWindow()
    window.panels.frame.viewer.setFocus()
    hands.spin(300)
    row("frame painted, Right held, 3D follows", steps(window, watch, Qt.Key.Key_Right, 150), STALL)
    dock = window.panels.rerun.parentWidget()
    assert dock is not None
    dock.hide()
    hands.spin(1000)
    window.panels.frame.viewer.setFocus()
    row("frame painted, Right held, 3D hidden", steps(window, watch, Qt.Key.Key_Right, 150), STALL)


# -- memory ----------------------------------------------------------------------------------


def memory_part() -> None:
    """Recordings of some MiB, one after the other."""
    first = realistic(12, 400)
    hands = opened(first, SIZES[0])
    census, times = Census(hands), []
    write(f"{OPENINGS} recordings in a row, {conditions('rerun-sdk', 'PySide6')}")
    write(f"  {'':>4}{'MiB':>8}{'own':>9}{'renderer':>10}{'others':>8}{'threads':>9}{'files':>7}")
    rows = []
    for i in range(OPENINGS):
        reference = dataclasses.replace(first.demonstration.ref, episode=i)
        episode = dataclasses.replace(first.demonstration, ref=reference)
        data = recording_bytes(dataclasses.replace(first, demonstration=episode))
        before = hands.facts().recordings
        hands.panel.set_frame(i)
        start = time.perf_counter()
        hands.panel.set_recording(data)
        hands.wait(lambda b=before: len(now := hands.facts().recordings) == 1 and now != b, "alone")
        hands.at(i)
        drawn(hands)
        times.append(time.perf_counter() - start)
        found = census.row(len(data))
        rows.append(found)
        if i in (0, 1, 2, 4, 9) or i % 10 == 9:
            write(
                f"  {i + 1:4}{found['size']:8.2f}{found['own']:9.1f}{found['renderer']:10.1f}"
                f"{found['others']:8.1f}{found['threads']:9}{found['files']:7}"
            )
    # Allocators settle in the first half; whatever is kept takes its own size at least.
    half, last = rows[OPENINGS // 2], rows[-1]
    opened_since = OPENINGS - 1 - OPENINGS // 2
    parts = {n: (last[n] - half[n]) / opened_since for n in ("own", "renderer", "others")}
    verdict = "bounded" if sum(parts.values()) < last["size"] / 2 else "GROWS"
    each = ", ".join(f"{name} {grown:+.2f}" for name, grown in parts.items())
    write(
        f"  second half, MiB per recording of {last['size']:.1f} MiB: {each}: {verdict}; "
        f"a viewer over {MEMORY_LIMIT >> 20} MiB is replaced, it has {last['module']:.0f}"
    )
    write(f"  {'ms':44}{'median':>9}{'min':>9}{'p95':>9}{'max':>9}    n")
    row("set_recording until drawn, warm", times, OPEN_GOAL)
    hands.panel.clear()
    hands.wait(lambda: hands.facts().recordings == (), "nothing open")
    found = census.row(0)
    write(
        f"  closed: own {found['own']:.1f}, renderer {found['renderer']:.1f} MiB, "
        f"{found['threads']} threads"
    )
    hands.panel.shutdown()


PARTS = {
    **{name: partial(panel_part, name) for name in ("steps", "scrub", "back")},
    "window": window_part,
    "memory": memory_part,
}


def main(parts: list[str]) -> None:
    """Each part in a process of its own, on a virtual screen."""
    with virtual_display("1280x900") as display:
        if not display:
            write("rerun: Xvfb is missing, nothing is measured")
            return
        environment = os.environ | {"QT_QPA_PLATFORM": "xcb", "DISPLAY": display}
        for part in parts or PARTS:
            command = [sys.executable, "-m", __spec__.name, HERE, part]
            subprocess.run(command, env=environment, check=True)


if __name__ == "__main__":
    if HERE in sys.argv:
        PARTS[sys.argv[-1]]()
    else:
        main(sys.argv[1:])
