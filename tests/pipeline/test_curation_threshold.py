"""What a threshold keeps, against plain loops over the annotations."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from pipeline.annotations.judgements import Judgements
from pipeline.curation.data import CurationData
from pipeline.curation.draft import Draft, draft_of
from pipeline.curation.operating_points import Basis
from pipeline.curation.population import ALL, PopulationFilter
from pipeline.curation.threshold import Reference, ThresholdStudy, Verdict
from pipeline.evaluation.rescoring import ScoreWeights
from pipeline.scoring.formula import ScoresOptions
from tests.pipeline.curation_tables import random_data

PUBLISHED = ScoreWeights.of(ScoresOptions())


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> CurationData:
    return random_data(400, tmp_path_factory.mktemp("study"))


def known_right(data: CurationData, row: int, winner: int) -> bool | None:
    """Plain reading of the bits; None if nobody knows."""
    bit = 1 << winner
    if not int(data.both.known[row]) & bit:
        return None
    return bool(int(data.both.right[row]) & bit)


def plain(study: ThresholdStudy, threshold: float, rows: list[int]) -> tuple[int, int, int]:
    """Kept, judged, right, counted one by one."""
    kept = judged = right = 0
    for row in rows:
        if study.rescored.score[row] >= np.float32(threshold):
            kept += 1
            said = known_right(study.data, row, int(study.rescored.winner[row]))
            judged += said is not None
            right += said is True
    return kept, judged, right


@given(place=st.floats(-0.2, 1.2), motion=st.floats(0, 2), task=st.sampled_from([None, "push"]))
def test_counts_equal_a_plain_loop(
    data: CurationData, place: float, motion: float, task: str | None
) -> None:
    study = ThresholdStudy(data)
    study.set_weights(replace(PUBLISHED, motion=motion))
    study.set_filter(PopulationFilter(task=task))
    low, high = study.span
    threshold = low + place * (high - low)
    rows = [n for n in range(len(data.table)) if task in (None, data.table.task[n])]
    kept = study.keeps(threshold)
    assert (kept.kept, kept.judged, kept.right) == plain(study, threshold, rows)
    assert kept.total == len(rows)
    if kept.judged:
        wanted = binomtest(kept.right, kept.judged).proportion_ci(method="wilson")
        assert (kept.interval.low, kept.interval.high) == pytest.approx(tuple(wanted))
    else:
        assert math.isnan(kept.precision)
    shown = study.histogram(low, high, 13)
    assert int((shown.right + shown.wrong + shown.unknown).sum()) == len(rows)
    scores = study.rescored.score[rows]
    inside = (scores >= np.float32(shown.edges[4])) & (scores < np.float32(shown.edges[5]))
    assert shown.right[4] + shown.wrong[4] + shown.unknown[4] == inside.sum()


def test_target_keeps_most_with_the_wanted_precision(data: CurationData) -> None:
    study = ThresholdStudy(data)
    for wanted in (0.7, 0.85, 0.9):
        found = study.target(wanted)
        assert found.threshold is not None
        here = study.keeps(found.threshold)
        assert here.precision >= wanted - 1e-12
        for lower in study.curve.thresholds[study.curve.thresholds < found.threshold]:
            assert study.keeps(float(lower)).precision < wanted


def test_target_that_cannot_be_met_says_so(data: CurationData) -> None:
    rows = np.arange(len(data.table))
    wrong = Judgements(np.zeros_like(data.truth.right), data.truth.known)
    study = ThresholdStudy(replace(data, truth=wrong))
    found = study.target(0.5)
    assert found.threshold is None
    assert found.best == 0.0
    assert len(rows) == study.total
    study.set_basis(Basis.PEOPLE)
    assert math.isnan(study.target(0.5).best)


def test_steps_move_by_items_and_reach_both_ends(data: CurationData) -> None:
    study = ThresholdStudy(data)
    start = study.keeping(100)
    assert study.keeps(start).kept == 100
    assert study.keeps(study.stepped(start, 1)).kept == 101
    assert study.keeps(study.stepped(start, -1)).kept == 99
    assert study.keeps(study.stepped(start, -40)).kept == 60
    assert study.keeps(study.stepped(start, 1000)).kept == len(data.table)
    assert study.keeps(study.stepped(start, -1000)).kept == 0
    assert study.keeps(study.stepped(study.keeping(0), 1)).kept == 1


def test_movers_are_what_one_keeps_and_the_other_does_not(data: CurationData) -> None:
    study = ThresholdStudy(data)
    before = study.rescored.score.copy()
    winners = study.rescored.winner.copy()
    study.set_reference(Reference("before", study.keeping(200), PUBLISHED))
    old = before >= np.float32(study.reference.threshold)
    study.set_weights(replace(PUBLISHED, motion=0.0, detector=1.2))
    threshold = study.keeping(150)
    new = study.rescored.score >= np.float32(threshold)
    movers = study.movers(threshold, most=20)
    assert movers.enter == int((new & ~old).sum())
    assert movers.leave == int((old & ~new).sum())
    assert movers.change == int((old & new & (winners != study.rescored.winner)).sum())
    assert movers.leave
    assert movers.change
    distance = np.abs(study.rescored.score - np.float32(threshold))
    wanted = sorted(np.flatnonzero(old & ~new), key=lambda n: distance[n])[:20]
    assert list(movers.leaving) == wanted
    row = int(movers.changed[0])
    shown = study.mover(row)
    assert shown.winner_changed
    own = data.table.candidates.rows_of(row)
    box = data.table.candidates.box[own.start + study.rescored.winner[row]]
    assert shown.box == pytest.approx(tuple(box))
    said = known_right(data, row, int(study.rescored.winner[row]))
    assert shown.verdict is {None: Verdict.UNKNOWN, True: Verdict.RIGHT, False: Verdict.WRONG}[said]


def test_bootstrap_items_are_the_judged_ones(data: CurationData) -> None:
    study = ThresholdStudy(data)
    study.set_filter(PopulationFilter(arm="left", without_code="near_tie"))
    scores, right, clusters = study.judged_items()
    assert len(scores) == study.curve.known == len(clusters)
    assert int(right.sum()) == study.curve.right
    assert study.total == len(study.population_rows())
    taken = study.restricted(data)
    assert {taken.table.arm[n] for n in range(len(taken.table))} == {"left"}
    assert not taken.table.warnings.rows("near_tie").any()


def test_nothing_known_and_nothing_at_all(tmp_path: Path) -> None:
    study = ThresholdStudy(random_data(30, tmp_path, judged=0.0))
    kept = study.keeps(study.span[0])
    assert (kept.kept, kept.judged) == (30, 0)
    assert math.isnan(kept.interval.low)
    assert study.target(0.9).threshold is None
    study.set_filter(PopulationFilter(task="no such task"))
    assert study.keeps(0.5).kept == 0
    assert study.stepped(0.5, 1) == 0.5
    assert study.movers(0.5).leave == 0
    assert int(study.histogram(0, 1, 10).right.sum()) == 0


def test_filters_say_themselves() -> None:
    assert ALL.text() == ""
    assert PopulationFilter(task="push", without_code="x").text() == "task push, without x"


def test_drafts_come_back_and_broken_ones_do_not() -> None:
    draft = Draft(1.25, replace(PUBLISHED, spike=0.0), 0.95, Basis.TRUTH)
    assert draft_of(draft.text()) == draft
    for text in ("", "[]", "{}", '{"threshold": NaN}', draft.text().replace("truth", "nobody")):
        assert draft_of(text) is None
