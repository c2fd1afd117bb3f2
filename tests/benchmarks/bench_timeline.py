"""Cost of the timeline with long episodes: `python -m tests.benchmarks timeline`.

Prints median and 95th percentile in milliseconds of a cursor step (set_frame and its repaint), a
full redraw, and an interactive zoom. A step must stay under 1 ms, a redraw under a frame (16 ms).
Compare only numbers of one run.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable
from itertools import pairwise

import numpy as np

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QEvent
from PySide6.QtWidgets import QApplication

from pipeline.model.phases import ArmPhases, Phase, PhaseName, PhasesResult
from pipeline.model.score import ScoresResult, ScoreTerms
from tests.benchmarks.table import conditions, write
from widgets.timeline import Timeline

WIDTH, HEIGHT, REPEATS = 1400, 320, 60


def phases(length: int) -> PhasesResult:
    """A noisy signal with fifty cycles and some gaps."""
    rng = np.random.default_rng(0)
    signal = 0.6 + 0.35 * np.sin(np.linspace(0, 100 * np.pi, length))
    signal = np.clip(signal + rng.normal(0, 0.02, length), 0, 1).astype(np.float32)
    signal[length // 3 : length // 3 + length // 100] = np.nan
    bounds = np.linspace(0, length, 151).astype(int)
    names = (PhaseName.GRASP, PhaseName.INTERACT, PhaseName.RELEASE)
    found = tuple(
        Phase(names[i % 3], "arm", int(a), int(b), i // 3, int(a), int(b))
        for i, (a, b) in enumerate(pairwise(bounds))
    )
    arm = ArmPhases("arm", signal, 0, 1, 0.55, 0.65, (), 7, False, 1.0, found)
    return PhasesResult((arm,), "arm", found)


def scores(length: int, candidates: int = 12) -> ScoresResult:
    """Every candidate tracked at a fifth of the frame rate."""
    rng = np.random.default_rng(1)
    frames = np.arange(0, length, 5, dtype=np.int32)
    steps = len(frames) - 1
    terms = tuple(
        ScoreTerms(k, 0.5, 9, 1, 2, 0.5, 0.5, 0.5, 0, 0, 0, 0.7, 1 - k / 20, 40)
        for k in range(candidates)
    )
    motion = rng.gamma(2, 20, (candidates, steps)).astype(np.float32)
    share = rng.random((candidates, steps + 1)).astype(np.float32)
    held = (np.arange(steps) // 200) % 2 == 0
    radius = np.ones(steps + 1, np.float32)
    return ScoresResult(terms, 0, "score", frames, motion, share, share, held, radius, "2d")


def measured(action: Callable[[int], None]) -> str:
    """Median and 95th percentile in milliseconds."""
    times = []
    for i in range(REPEATS):
        start = time.perf_counter()
        action(i)
        times.append((time.perf_counter() - start) * 1000)
    return f"{statistics.median(times):7.3f} {statistics.quantiles(times, n=20)[-1]:7.3f}"


def main() -> None:
    """Measure and print a table."""
    app = QApplication.instance() or QApplication([])
    out = sys.stdout
    write(conditions("PySide6", "numpy"))
    out.write(f"{'':34} median     p95  ms, {WIDTH}x{HEIGHT}\n")
    for length in (450, 10_000, 100_000):
        timeline = Timeline()
        timeline.resize(WIDTH, HEIGHT)
        timeline.set_episode(length, 30.0)
        timeline.set_phases(phases(length))
        timeline.set_scores(scores(length), length // 7)
        timeline.show()
        app.processEvents()

        def flush(timeline: Timeline = timeline) -> None:
            # Paints what is dirty now instead of when the loop comes round.
            QApplication.sendEvent(timeline, QEvent(QEvent.Type.UpdateRequest))

        def step(i: int, timeline: Timeline = timeline, length: int = length) -> None:
            timeline.set_frame((i * 7919) % length)
            flush(timeline)

        def redraw(i: int, timeline: Timeline = timeline) -> None:
            timeline.set_selected(i % 12)
            flush(timeline)

        def zoom(i: int, timeline: Timeline = timeline) -> None:
            timeline.zoom(0.8 if i % 20 < 10 else 1.25)
            flush(timeline)

        for name, action in (("cursor step", step), ("full redraw", redraw), ("zoom", zoom)):
            out.write(f"{length:7d} frames  {name:16} {measured(action)}\n")
            timeline.reset_view()
            flush()
        timeline.close()


if __name__ == "__main__":
    main()
