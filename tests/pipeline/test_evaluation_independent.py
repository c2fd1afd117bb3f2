"""Our evaluation against the independent one on a thousand random cases."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any

import pytest

from pipeline.annotations.table import AnnotationTable
from pipeline.evaluation.evaluation import EvaluationSettings, evaluate
from pipeline.evaluation.figures import full_outcome, method_figures, target_flags
from pipeline.evaluation.ground_truth import TrueSubtask
from pipeline.evaluation.intervals_of_curves import Bootstrap
from pipeline.evaluation.pairing import pair_by_index
from pipeline.evaluation.selective import risk_coverage_curve
from pipeline.model.annotation import Annotation
from pipeline.scoring.formula import ScoresOptions
from tests.pipeline import independent_evaluation as independent

CASES = 1000
NONE = Bootstrap(0)
EXACT = 1e-12

Line = dict[str, Any]


def annotation(**values: Any) -> Annotation:
    defaults: Line = {
        "episode_index": 0, "subtask_index": 0, "arm": "arm", "camera": "", "instruction": "",
        "object": "", "start_box": None, "target_box": None, "score": None, "phases": (),
        "caption": "", "warnings": (), "terms": {}, "keyframe": 0,
    }  # fmt: skip
    return Annotation(**defaults | values)


def random_box(dice: random.Random) -> list[int]:
    """Small whole numbers: IoU of exactly 0.1, 0.4, 0.5 and shares of 0.8 do happen."""
    x, y = dice.randrange(4), dice.randrange(4)
    return [x, y, x + dice.randint(1, 6), y + dice.randint(1, 6)]


def random_case(seed: int) -> tuple[list[Line], list[Line]]:
    """Predictions and truth: ties, missing scores, boxes, predictions; all right; all wrong."""
    dice = random.Random(seed)  # noqa: S311 - cases, not secrets
    count = dice.choice([1, 1, 2, 3, 5, 8, 13, 21])
    kind = dice.choice(["mixed", "mixed", "mixed", "right", "wrong", "unscored"])
    levels = dice.choice([1, 2, 3, 5, 1000])
    predictions, truth = [], []
    for number in range(count):
        where = {"episode_index": number // 2, "subtask_index": number % 2}
        true = where | {"start_box": random_box(dice), "target_box": None}
        if dice.random() < 0.5:
            true["target_box"] = random_box(dice)
        truth.append(true)
        if kind == "mixed" and number and dice.random() < 0.15:
            continue
        box: list[int] | None = random_box(dice)
        if kind == "right" or (kind == "mixed" and dice.random() < 0.4):
            box = list(true["start_box"])
        elif kind == "wrong":
            box = [100, 100, 110, 110]
        elif dice.random() < 0.1:
            box = None
        score = dice.randrange(levels) / 4 - 0.5
        missing = kind == "unscored" or dice.random() < 0.1
        predictions.append(
            where
            | {
                "start_box": box,
                "target_box": random_box(dice) if dice.random() < 0.8 else None,
                "score": None if missing else score,
            }
        )
    if dice.random() < 0.2:
        predictions.append(
            {"episode_index": 99, "subtask_index": 0, "start_box": [0, 0, 1, 1],
             "target_box": None, "score": 9.0}
        )  # fmt: skip
    if count > 1 and dice.random() < 0.2:
        truth.append({"episode_index": 77, "subtask_index": 0, "start_box": None})
    dice.shuffle(predictions)
    return predictions, truth


@pytest.mark.parametrize("block", range(10))
def test_equal_to_the_independent_implementation(block: int) -> None:
    size = CASES // 10
    for seed in range(block * size, (block + 1) * size):
        predictions, truth = random_case(seed)
        items = independent.scored_items(predictions, truth)
        table = AnnotationTable.of([annotation(**line) for line in predictions])
        pairing = pair_by_index(table, [TrueSubtask(**line) for line in truth])
        outcome = full_outcome(table, pairing)
        figures = method_figures(outcome, settings=NONE, precisions=(0.5, 1.0))
        assert [bool(r) for r in outcome.right] == [right for _, right in items], seed
        assert figures.accuracy == pytest.approx(float(independent.accuracy(items)), abs=EXACT)
        for p, coverage in (
            (Fraction(90, 100), figures.ranking.cov_90),
            (Fraction(95, 100), figures.ranking.cov_95),
            (Fraction(1, 2), figures.points[0.5].coverage),
            (Fraction(1), figures.points[1.0].coverage),
        ):
            expected = float(independent.coverage_at(items, p))
            assert coverage == pytest.approx(expected, abs=EXACT), seed
        assert figures.ranking.aurc == pytest.approx(float(independent.aurc(items)), abs=EXACT)
        assert figures.ranking.e_aurc == pytest.approx(float(independent.e_aurc(items)), abs=EXACT)
        curve = risk_coverage_curve(outcome.score, outcome.right)
        points = list(zip(curve.threshold, curve.kept, curve.coverage, curve.risk, strict=True))
        assert points == [tuple(map(float, p)) for p in independent.curve(items)], seed
        overlap = independent.ious(predictions, truth)
        assert figures.matches.mean_iou == pytest.approx(float(sum(overlap)) / len(overlap))
        half = sum(1 for value in overlap if value >= Fraction(1, 2))
        assert figures.matches.share_iou_50 == pytest.approx(half / len(overlap))
        targets, _ = target_flags(table, pairing)
        assert [bool(t) for t in targets] == independent.targets(predictions, truth), seed


def test_cases_hold_what_they_should() -> None:
    """A thousand easy cases would prove nothing."""
    found = [independent.scored_items(*random_case(seed)) for seed in range(CASES)]
    scores = [[s for s, _ in items if s is not None] for items in found]
    assert sum(len(set(s)) < len(s) for s in scores) > 300
    assert sum(not s for s in scores) > 100
    assert sum(any(s is None for s, _ in items) for items in found) > 300
    assert sum(all(right for _, right in items) for items in found) > 100
    assert sum(not any(right for _, right in items) for items in found) > 100
    assert sum(len(items) == 1 for items in found) > 100


def test_whole_evaluation_has_the_same_figures() -> None:
    for seed in range(0, CASES, 50):
        predictions, truth = random_case(seed)
        table = AnnotationTable.of([annotation(**line) for line in predictions])
        pairing = pair_by_index(table, [TrueSubtask(**line) for line in truth])
        found = evaluate(table, pairing, ScoresOptions(), EvaluationSettings(bootstrap=NONE))
        items = independent.scored_items(predictions, truth)
        assert found.full.ranking.aurc == pytest.approx(float(independent.aurc(items)))
        assert sum(g.matches.correct for g in found.groups["arm"]) == sum(r for _, r in items)
        assert found.band.risk == pytest.approx([float(p[3]) for p in independent.curve(items)])
