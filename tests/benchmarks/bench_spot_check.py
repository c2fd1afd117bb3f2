"""Coverage of the spot check's intervals and its stopping rule: `python -m tests.benchmarks
spot_check`. Each line simulates 2,000 datasets (exact sums where it says so). Then the time from a
key to the next item on the screen, on the sample dataset.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy.stats import beta

from pipeline.annotations.judgements import Judgements
from pipeline.annotations.table import AnnotationTable
from pipeline.curation.data import CurationData
from pipeline.review.spot_check import SpotCheck
from pipeline.review.spot_intervals import LEVEL
from pipeline.review.spot_plan import LEAST_ANSWERS, SEQUENTIAL, SpotPlan
from pipeline.review.spot_result import summarise
from pipeline.scoring.formula import ScoresOptions
from pipeline.sources.detect import open_dataset
from tests.benchmarks.table import conditions, header, row, write
from tests.datasets import SAMPLE
from tests.pipeline.spot_scenarios import (
    DATASETS,
    FIXED,
    VARIED,
    WEAKEST,
    Scenario,
    coverage,
    stopping,
)
from tests.pipeline.spot_tables import annotation


def intervals() -> None:
    """Coverage of both intervals; Wilson's with continuity correction."""
    write(f"coverage of the 95 % intervals, {DATASETS:,} datasets a line")
    write(f"  {'':50}{'Wilson':>8}{'Cl.-P.':>8}{'width W':>9}{'width C':>9}")
    for title, scenarios in (
        ("the same in every dataset", FIXED),
        ("varied", VARIED),
        ("the same, weakest known", (WEAKEST,)),
    ):
        write(f" precision {title}")
        for scenario in scenarios:
            found = coverage(scenario)
            write(
                f"  {scenario.name:50}{found.wilson:8.3f}{found.exact:8.3f}"
                f"{found.wilson_width:9.3f}{found.exact_width:9.3f}"
            )


def designs(
    title: str, count: int, largest: int, most: int, unsure: float, datasets: int = 1000
) -> None:
    """Coverage over random designs: strata, sizes, samples and precisions at random.

    Args:
        title: For people.
        count: Number of designs.
        largest: Annotations of a stratum at most, 6 at least.
        most: Judged of a stratum at most, 2 at least.
        unsure: Share that cannot be told.
        datasets: Simulated for each.
    """
    rng = np.random.default_rng(99)
    found: list[tuple[float, float, float]] = []
    worst, lowest = None, 1.0
    for number in range(count):
        height = int(rng.integers(1, 8))
        sizes = np.exp(rng.uniform(np.log(6), np.log(largest), height)).astype(int)
        wanted = np.exp(rng.uniform(np.log(2), np.log(most), height)).astype(int)
        errors = (1 - rng.choice([0.6, 0.8, 0.9, 0.95, 0.98])) * rng.exponential(1, height)
        scenario = Scenario(
            "",
            tuple(float(s) for s in sizes),
            tuple(int(n) for n in np.minimum(np.maximum(wanted, 2), sizes)),
            tuple(float(p) for p in np.clip(1 - errors, 0, 1)),
            unsure=unsure,
        )
        one = coverage(scenario, number, datasets)
        width = one.wilson_width / one.exact_width if one.exact_width else 1.0
        found.append((one.wilson, one.exact, width))
        if min(one.wilson, one.exact) < lowest:
            lowest, worst = min(one.wilson, one.exact), scenario
    values = np.array(found)
    for name, own in zip(("Wilson", "Cl.-P."), values.T, strict=False):
        write(
            f"  {title + ', ' + name:48}{own.min():8.3f}{np.quantile(own, 0.05):8.3f}"
            f"{own.mean():8.3f}{(own < 0.93).mean():8.3f}"
        )
    shares = values[:, 2]
    write(f"  {'':4}width of Wilson / Cl.-P.: mean {shares.mean():.3f}, most {shares.max():.3f}")
    if worst is not None:
        precision = " ".join(f"{p:.2f}" for p in worst.low)
        write(
            f"  {'':4}least with sizes {' '.join(f'{s:.0f}' for s in worst.sizes)}, "
            f"judged {' '.join(map(str, worst.drawn))}, precision {precision}"
        )


def exact_stopping(wanted: float, least: int, level: float) -> tuple[float, float, float]:
    """One stratum, endless population: smallest coverage over p, where, and mean answers at 0.9.

    Sums over all ways (answers, right ones) to the stop, as Frey (2010) does.
    """
    precision = np.linspace(0.5, 0.995, 100)
    ways = np.ones((100, 1))
    covered, answers = np.zeros(100), np.zeros(100)
    tail = (1 - level) / 2
    n = 0
    while ways.sum() > 1e-9:
        n += 1
        grown = np.zeros((100, n + 1))
        grown[:, :-1] += ways * (1 - precision)[:, None]
        grown[:, 1:] += ways * precision[:, None]
        ways = grown
        if n < least:
            continue
        k = np.arange(n + 1)
        with np.errstate(invalid="ignore"):
            low = np.where(k > 0, beta.ppf(tail, k, n - k + 1), 0.0)
            high = np.where(k < n, beta.ppf(1 - tail, k + 1, n - k), 1.0)
        stops = (high - low) / 2 <= wanted
        inside = (low <= precision[:, None]) & (precision[:, None] <= high)
        covered += (ways * stops * inside).sum(axis=1)
        answers += (ways * stops).sum(axis=1) * n
        ways = ways * ~stops
    worst = int(covered.argmin())
    return float(covered[worst]), float(precision[worst]), float(answers[80])


def answering() -> None:
    """Milliseconds from a key to the painted next item, pictures included."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from PySide6.QtCore import QEventLoop, Qt, QTimer
    from PySide6.QtTest import QTest
    from PySide6.QtWidgets import QApplication

    from app.spot_check_page import SpotCheckPage
    from pipeline.evaluation.ground_truth import read_ground_truth

    app = QApplication.instance() or QApplication([])
    truth = read_ground_truth(SAMPLE)
    found = [
        annotation(
            t.episode_index,
            1.0 + t.keyframe / 1000,
            subtask_index=t.subtask_index,
            camera=t.camera,
            keyframe=t.keyframe,
            start_box=t.start_box,
        )
        for t in truth
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "annotations.jsonl"
        path.write_text("".join(a.model_dump_json() + "\n" for a in found))
        nothing = Judgements.nothing(len(found))
        data = CurationData(
            AnnotationTable.of(found), path, None, Path(folder), nothing, nothing, ScoresOptions()
        )
        check = SpotCheck.begin(data.folder, data.table, path, SpotPlan(size=9), "bench")
        page = SpotCheckPage()
        page.resize(1280, 720)
        page.show()
        page.set_source(open_dataset(str(SAMPLE)))
        page.set_data(data)
        page.open_check(check.path, "bench")

        def wait(milliseconds: int) -> None:
            loop = QEventLoop()
            QTimer.singleShot(milliseconds, loop.quit)
            loop.exec()

        times, computed, shown, missing = [], [], [], 0
        for _ in range(len(check.items) - 1):
            wait(1500)  # a person looks
            start = time.perf_counter()
            QTest.keyClick(page.review, Qt.Key.Key_Y)
            page.review.repaint()
            times.append(time.perf_counter() - start)
            ready = page.review.large.image is not None and page.review.crop.image is not None
            missing += not ready
            check = SpotCheck(check.path)
            start = time.perf_counter()
            result = summarise(check.snapshot(), "bench")
            computed.append(time.perf_counter() - start)
            start = time.perf_counter()
            page.result.set_result(result, None)
            shown.append(time.perf_counter() - start)
        header("an answer, 640x480 AV1, 1280x720", "PySide6", "av")
        row("key to the next item, painted", times, 50.0)
        write(f"  pictures that were not ready in time: {missing} of {len(times)}")
        row("live result, in the background", computed, 50.0)
        row("live result, on the GUI thread", shown, 16.0)
        page.close_page()
    del app


def main() -> None:
    """Print the tables."""
    write(conditions("numpy", "scipy"))
    intervals()
    write()
    write("coverage over random designs of 1 to 7 strata, 1,000 datasets each")
    write(f"  {'':48}{'least':>8}{'5 %':>8}{'mean':>8}{'< 93 %':>8}")
    designs("150, all can be told", 150, 20_000, 120, 0.0)
    designs("150, a tenth cannot", 150, 20_000, 120, 0.1)
    designs("300 of strata 6-30 by 2-6, all told", 300, 30, 6, 0.0)
    designs("300 of strata 6-30 by 2-6, a tenth not", 300, 30, 6, 0.1)
    designs("300 of strata 6-30 by 2-6, 3 tenths not", 300, 30, 6, 0.3)
    write()
    write(
        "stopping rule, looked at after every answer: smallest coverage over p 0.5 to 0.995 (exact)"
    )
    write(
        f"  {'half-width':>10}{'least':>8}{'level':>8}{'coverage':>10}{'at p':>8}{'n at 0.9':>10}"
    )
    for wanted in (0.03, 0.05, 0.08, 0.1):
        for least, level in ((1, LEVEL), (LEAST_ANSWERS, LEVEL), (LEAST_ANSWERS, SEQUENTIAL)):
            worst, at, answers = exact_stopping(wanted, least, level)
            write(f"  {wanted:10g}{least:8d}{level:8g}{worst:10.4f}{at:8.3f}{answers:10.1f}")
    write()
    write(f"stopping rule over strata, {DATASETS:,} datasets a line, level {SEQUENTIAL:g}")
    for sizes, precision, wanted in (
        ((2000,), (0.82,), 0.08),
        ((1000, 3000), (0.7, 0.92), 0.08),
        ((1000, 3000), (0.9, 0.98), 0.05),
        ((300, 500, 1200), (0.8, 0.9, 1.0), 0.06),
        ((250, 250, 250, 250), (0.6, 0.8, 0.95, 0.99), 0.05),
    ):
        found = stopping(sizes, precision, wanted, SEQUENTIAL, least=LEAST_ANSWERS)
        write(
            f"  N {sizes}, p {precision}, ± {wanted:g}: coverage {found.coverage:.3f}, "
            f"{found.answers:.0f} answers, reached {100 * found.reached:.0f} %"
        )
    write()
    answering()


if __name__ == "__main__":
    main()
