"""Cost of an evaluation with its intervals: `python -m tests.benchmarks evaluation`.

At the size of IA-Bench (1,256 demonstrations) a thousand resamples of all figures and of the curve
must take well under a second.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from pipeline.evaluation.intervals_of_curves import Bootstrap, selective_intervals
from pipeline.evaluation.reliability import cross_validated, reliability_bins
from pipeline.evaluation.selective import summarise_selective
from tests.benchmarks.table import header, row

GOAL = 1000.0  # ms
SIZES = (1256, 20_000)
GRID = np.linspace(0.01, 1.0, 100)


def timed(act: Callable[[], object], count: int) -> list[float]:
    """Seconds of each of several calls, after one for warming up."""
    act()
    times = []
    for _ in range(count):
        start = time.perf_counter()
        act()
        times.append(time.perf_counter() - start)
    return times


def main() -> None:
    """Print the table."""
    header("Evaluation", "numpy", "scipy")
    for size in SIZES:
        rng = np.random.default_rng(0)
        scores = rng.normal(size=size)
        right = rng.random(size) < 1 / (1 + np.exp(-2 * scores - 1))
        episodes = np.arange(size) // 2
        goal = GOAL if size == SIZES[0] else None
        few = 10 if size == SIZES[0] else 3

        def figures(
            s: np.ndarray = scores, r: np.ndarray = right, e: np.ndarray | None = None
        ) -> object:
            return selective_intervals(s, r, clusters=e, coverages=GRID, settings=Bootstrap())

        def by_episode(e: np.ndarray = episodes, whole: Callable[..., object] = figures) -> object:
            return whole(e=e)

        row(f"{size:,}: figures", timed(lambda s=scores, r=right: summarise_selective(s, r), few))
        row(f"{size:,}: 1,000 resamples of items", timed(figures, few), goal)
        row(f"{size:,}: 1,000 resamples of episodes", timed(by_episode, few), goal)
        row(f"{size:,}: reliability", timed(lambda s=scores, r=right: reliability_bins(s, r), few))
        row(
            f"{size:,}: calibration, 5-fold",
            timed(lambda s=scores, r=right: cross_validated(s, r), few),
        )


if __name__ == "__main__":
    main()
