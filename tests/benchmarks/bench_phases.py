"""Cost of the phases: `python -m tests.benchmarks phases`.

The stage on signals of several lengths (10,000 frames must stay under 5 ms), as time on the clock
and as processor time of its thread, which other programs do not lengthen. In the real window,
offscreen: a drag of a threshold, from the mouse event over the phases to the painted timeline, and
a phase split until the new ones are painted. Both must stay under a frame (16 ms).
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication

from app.window_run import make_application, make_window
from pipeline.engine.cache import StageOutcome
from pipeline.model.demonstration import Demonstration
from pipeline.model.edits import EPISODE_SCOPE, SplitPhase
from pipeline.model.phases import PhaseName
from pipeline.stages.phases import PhasesOptions
from tests.benchmarks.table import header, row
from tests.pipeline.phase_signals import demo, run
from widgets.timeline import Timeline
from widgets.timeline_phase_lanes import GripperLane

STAGE_GOAL, FRAME = 5.0, 16.0  # ms
LENGTHS = (450, 10_000, 100_000)


def signal(length: int, seed: int = 0) -> np.ndarray:
    """Twenty or more closures with noise, some short, some re-opening for a frame."""
    rng = np.random.default_rng(seed)
    wave = 0.5 + 0.5 * np.sin(np.arange(length) / 80)
    values = wave + rng.normal(0, 0.02, length)
    for frame in rng.integers(0, length, length // 500):
        values[frame : frame + rng.integers(1, 9)] = rng.choice([0.1, 0.9])
    return values


def timed(
    act: Callable[[], object], count: int = 80, clock: Callable[[], float] = time.perf_counter
) -> list[float]:
    """Seconds of each of several calls, after a few for warming up."""
    for _ in range(5):
        act()
    times = []
    for _ in range(count):
        start = clock()
        act()
        times.append(clock() - start)
    return times


def stage() -> None:
    """The stage alone."""
    header("phases stage, one arm and two", "numpy")
    for length in LENGTHS:
        goal = STAGE_GOAL if length == 10_000 else None
        for arms, name in ((1, ""), (2, ", two arms")):
            episode = demo(*(signal(length, seed) for seed in range(arms)))
            judged = goal if arms == 1 else None
            count = 80 if length < LENGTHS[-1] else 10
            act = partial(run, episode)
            row(f"{length} frames{name}, clock", timed(act, count))
            row(f"{length} frames{name}, processor", timed(act, count, time.thread_time), judged)


def paint(timeline: Timeline) -> None:
    """Paint what is dirty now instead of when the loop comes round."""
    QApplication.sendEvent(timeline, QEvent(QEvent.Type.UpdateRequest))


def mouse(timeline: Timeline, kind: QEvent.Type, x: float, y: float) -> None:
    """Send a mouse event with the left button."""
    left = Qt.MouseButton.LeftButton
    button = Qt.MouseButton.NoButton if kind is QEvent.Type.MouseMove else left
    point = QPointF(x, y)
    event = QMouseEvent(
        kind, point, timeline.mapToGlobal(point), button, left, Qt.KeyboardModifier.NoModifier
    )
    QApplication.sendEvent(timeline, event)


def window_slots(demonstration: Demonstration) -> None:
    """A threshold dragged up and down, and a phase split again and again, in the real window."""
    with tempfile.TemporaryDirectory() as home:
        os.environ["DEMOSCOPE_DATA_DIR"] = str(Path(home) / "data")
        window = make_window("dark", settings_file=Path(home) / "settings.ini")
        window.resize(1920, 1040)
        window.show()
        control, timeline = window.control, window.panels.timeline
        document = control.document
        document.open_episode(demonstration, ())
        timeline.set_phases(run(demonstration))
        QApplication.processEvents()
        lane = next(one for one in timeline.lanes if isinstance(one, GripperLane))
        x = timeline.axis.middle(demonstration.length // 2)
        mouse(timeline, QEvent.Type.MouseButtonPress, x, lane.y(0.55))
        turn = [0]

        def drag() -> None:
            turn[0] += 1
            lane = next(one for one in timeline.lanes if isinstance(one, GripperLane))
            level = 0.2 + 0.3 * abs((turn[0] % 20) / 10 - 1)
            mouse(timeline, QEvent.Type.MouseMove, x, lane.y(level))
            paint(timeline)

        name = f"{demonstration.length} frames"
        row(f"{name}: threshold drag, painted", timed(drag), FRAME)
        row(f"{name}: the same, processor", timed(drag, clock=time.thread_time))
        timeline.thresholdsCommitted.disconnect()  # no job is wanted here
        mouse(timeline, QEvent.Type.MouseButtonRelease, x, lane.y(0.4))
        key = document.key("phases", EPISODE_SCOPE)
        phases = run(demonstration, PhasesOptions())
        document.put_result(StageOutcome("phases", EPISODE_SCOPE, key, phases, 0.0))
        control.run = lambda *_, **__: None  # type: ignore[method-assign]
        longest = max(phases.merged, key=lambda p: p.length)
        cuts = iter(range(longest.start + 1, longest.end))

        def split() -> None:
            document.set_edits(
                (
                    SplitPhase(
                        arm="arm",
                        frame=next(cuts),
                        was=longest.name,
                        before=longest.name,
                        after=PhaseName.RELEASE,
                    ),
                )
            )
            paint(timeline)

        row(f"{name}: split, painted", timed(split, 40), FRAME)
        row(f"{name}: the same, processor", timed(split, 40, time.thread_time))
        window.close()


def main() -> None:
    """Measure and print both tables."""
    stage()
    make_application()
    header("in the window, 1920x1040, offscreen", "PySide6", "numpy")
    for length in LENGTHS[:2]:
        window_slots(replace(demo(signal(length)), fps=30.0))


if __name__ == "__main__":
    main()
