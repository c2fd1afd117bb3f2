"""The result of a spot check for programs, and the command that draws its sample again."""

from __future__ import annotations

import json
import math
import shlex
from pathlib import Path
from typing import Any

from pipeline.review.spot_check import SpotCheck
from pipeline.review.spot_intervals import Interval
from pipeline.review.spot_plan import LEAST_ANSWERS, Keep, SpotPlan
from pipeline.review.spot_records import SpotItem, Verdict
from pipeline.review.spot_result import Counts, SpotResult, summarise

REPORT_VERSION = 2
"""1: `wilson` without continuity correction."""


def report_data(check: SpotCheck, result: SpotResult | None = None) -> dict[str, Any]:
    """Make the JSON object; the shape is part of our interface (docs/spot-check.md).

    Args:
        check: The spot check.
        result: What it says, if it is known already.
    """
    found = result or summarise(check)
    header = check.header
    threshold = check.plan.population.threshold
    return {
        "version": REPORT_VERSION,
        "id": header.id,
        "began": header.at,
        "began_by": header.who,
        "dataset": header.dataset,
        "annotations": header.file.model_dump(),
        "population": {
            "text": check.plan.population.text(),
            "size": sum(s.population for s in found.strata),
        },
        "plan": check.plan.model_dump(mode="json"),
        "seed": check.plan.seed,
        "sampled": len(check.items),
        "confidence": 0.95,
        "computed_at": found.level,
        "counts": _counts(found.counts),
        "precision": _number(found.overall.precision),
        "wilson_continuity_corrected": _interval(found.overall.wilson),
        "clopper_pearson": _interval(found.overall.exact),
        "unsure": {
            "rule": "left out",
            "if_all_wrong": _number(found.bounds.all_wrong),
            "if_all_right": _number(found.bounds.all_right),
            "interval": _interval(found.bounds.interval),
        },
        "stop": {
            "state": found.stop.state.value,
            "half_width_wanted": found.stop.wanted,
            "half_width": _number(found.overall.exact.half_width),
            "least_answers": LEAST_ANSWERS if found.stop.wanted is not None else None,
            "more_expected": found.stop.more,
        },
        "strata": [
            {
                "name": s.name,
                "population": s.population,
                "sampled": s.sampled,
                "counts": _counts(s.counts),
                "precision": _number(s.estimate.precision),
                "wilson_continuity_corrected": _interval(s.estimate.wilson),
                "clopper_pearson": _interval(s.estimate.exact),
            }
            for s in found.strata
        ],
        "reviewers": [{"name": n, "counts": _counts(c)} for n, c in found.reviewers],
        "agreement": [
            {
                "reviewers": [a.first, a.second],
                "both": a.both,
                "equal": a.equal,
                "kappa": _number(a.kappa),
            }
            for a in found.agreement
        ],
        "disagreements": {
            "threshold": threshold,
            "kept_but_wrong": [list(i.key) for i in found.kept_wrong],
            "dropped_but_right": [list(i.key) for i in found.dropped_right],
        },
        "items": [_item(check, i) for i in check.items],
        "command": command_of(check.plan),
    }


def write_json(check: SpotCheck, path: Path) -> None:
    """Write the JSON. Raises OSError."""
    text = json.dumps(report_data(check), indent=2, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def command_of(plan: SpotPlan, path: str = "PATH") -> str:
    """The command that draws the same sample from the same annotations."""
    parts = ["demoscope", "spot-check", "sample", path]
    population = plan.population
    for option, values in (
        ("--dataset-name", population.datasets),
        ("--task", population.tasks),
        ("--camera", population.cameras),
        ("--arm", population.arms),
        ("--with-code", population.with_codes),
        ("--without-code", population.without_codes),
        ("--cut", tuple(c.value for c in plan.cuts) or ("none",)),
    ):
        for value in values:
            parts += [option, value]
    numbers: tuple[tuple[str, float | int | None], ...] = (
        ("--least", population.least),
        ("--most", population.most),
        ("--threshold", population.threshold),
        ("--bins", plan.bins),
        ("--size", plan.size),
        ("--half-width", plan.half_width),
        ("--expected", plan.expected),
        ("--seed", plan.seed),
    )
    for option, number in numbers:
        if number is not None:
            parts += [option, repr(number)]
    if population.keep is not Keep.ALL:
        parts += ["--keep", population.keep.value]
    parts += ["--allocation", plan.allocation.value]
    return " ".join(parts[:4] + [shlex.quote(p) for p in parts[4:]])


def _item(check: SpotCheck, item: SpotItem) -> dict[str, Any]:
    verdict = check.verdict(item.number)
    threshold = check.plan.population.threshold
    return {
        "dataset": item.dataset,
        "episode_index": item.episode,
        "subtask_index": item.subtask,
        "stratum": check.strata[item.stratum].name,
        "camera": item.camera,
        "keyframe": item.frame,
        "box": list(item.box),
        "score": item.score,
        "kept": item.kept(threshold),
        "verdict": None if verdict is None else verdict.value,
        "answers": [
            {
                "who": a.who,
                "at": a.at,
                "verdict": a.verdict.value,
                "seconds": a.seconds,
                "true_box": None if a.true_box is None else list(a.true_box),
                "reason": a.reason,
            }
            for who in check.reviewers
            if (a := check.answers(who).get(item.number)) is not None
        ],
    }


def _counts(counts: Counts) -> dict[str, int]:
    return {
        Verdict.RIGHT.value: counts.right,
        Verdict.WRONG.value: counts.wrong,
        Verdict.UNSURE.value: counts.unsure,
    }


def _interval(interval: Interval) -> list[float]:
    return [interval.low, interval.high]


def _number(value: float) -> float | None:
    """JSON knows no NaN."""
    return value if math.isfinite(value) else None
