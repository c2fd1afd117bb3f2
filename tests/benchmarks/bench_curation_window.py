"""The threshold page while it is used: `python -m tests.benchmarks curation_window`.

Each time is from the event (a mouse move in a plot, a step of a slider) until everything is painted
again. Goals: 16 ms at 100,000 annotations of 12 candidates, 100 ms at 1,000,000. Compare only
numbers of one run.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication, QWidget

from pipeline.annotations.judgements import Judgements
from pipeline.curation.data import CurationData
from pipeline.curation.population import PopulationFilter
from pipeline.curation.threshold import ThresholdStudy
from pipeline.evaluation.intervals_of_curves import wilson
from pipeline.evaluation.rescoring import warm_up
from tests.benchmarks.bench_curation import OPTIONS, judgements_of, table_of
from tests.benchmarks.table import header, row, write
from widgets.curation.threshold_page import ThresholdPage

REPEATS = 40
SIZES = {100_000: 16.0, 1_000_000: 100.0}


def data_of(count: int) -> CurationData:
    """Random annotations; ground truth knows half of them."""
    rng = np.random.default_rng(2)
    table = table_of(count, rng)
    truth = judgements_of(table, rng)
    known = np.where(rng.random(count) < 0.5, truth.known, 0).astype(np.uint32)
    folder = Path("benchmark")
    return CurationData(
        table=table,
        path=folder / "annotations.jsonl",
        dataset=None,
        folder=folder,
        truth=Judgements(truth.right & known, known),
        people=Judgements.nothing(count),
        options=OPTIONS,
    )


def drag(plot: QWidget, k: int) -> None:
    """The k-th event of a drag through the middle of a plot."""
    x = plot.width() * (0.3 + 0.4 * k / REPEATS)
    where, button = QPointF(x, plot.height() / 2), Qt.MouseButton.LeftButton
    kind = QEvent.Type.MouseMove if k else QEvent.Type.MouseButtonPress
    none = Qt.KeyboardModifier.NoModifier
    event = QMouseEvent(kind, where, plot.mapToGlobal(where), button, button, none)
    QApplication.sendEvent(plot, event)


def timed(act: Callable[[int], object]) -> list[float]:
    """Seconds of each call, until everything is painted."""
    times = []
    for k in range(REPEATS):
        start = time.perf_counter()
        act(k)
        QApplication.processEvents()
        times.append(time.perf_counter() - start)
    return times


def measure(count: int, goal: float) -> None:
    """One size."""
    start = time.perf_counter()
    study = ThresholdStudy(data_of(count))
    write(f"made in {time.perf_counter() - start:.1f} s")
    page = ThresholdPage()
    page.resize(1280, 740)
    page.show()
    page.set_study(study)
    page.set_threshold(study.keeping(count // 2))
    QApplication.processEvents()
    slider = page.weights.sliders["motion"]

    def slide(k: int) -> None:
        slider.setValue(30 + k)

    header(f"{count:,} annotations, 1280x740", "PySide6", "numpy", "numba")
    row("threshold dragged in the histogram", timed(lambda k: drag(page.histogram, k)), goal)
    row("threshold dragged in the curve", timed(lambda k: drag(page.curve, k)), goal)
    row("weight slider", timed(slide), goal)
    page.controls.target.setValue(0.8)
    row("weight slider with a target", timed(slide), goal)
    page.controls.target.setValue(0.0)
    study.set_filter(PopulationFilter(dataset=study.data.table.dataset[0]))
    row("weight slider with a filter", timed(slide), goal)
    weights, (low, high) = study.weights, study.span
    row("  of it: scores and curve", timed(lambda _: study.set_weights(weights)))
    row("  of it: who enters and leaves", timed(lambda _: study.movers(page.threshold)))
    row("  of it: counts and interval", timed(lambda _: study.keeps(page.threshold)))
    row("  of it: histogram", timed(lambda _: study.histogram(low, high, 60)))
    row("  of it: painting", timed(lambda _: page.repaint()))
    page.close()
    page.deleteLater()


def main() -> None:
    """Measure and print a table for each size."""
    QApplication.instance() or QApplication([])
    warm_up()
    wilson(1, 2)  # loads scipy.stats, as the window does while it reads
    for count, goal in SIZES.items():
        measure(count, goal)


if __name__ == "__main__":
    main()
