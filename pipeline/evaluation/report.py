"""An evaluation as text, in the layout of the paper's table, as JSON, and its curve as CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from pipeline.evaluation.evaluation import Evaluation, ShareFigures
from pipeline.evaluation.figures import GOOD_IOU, MethodFigures
from pipeline.evaluation.intervals_of_curves import Interval
from pipeline.evaluation.selective import OperatingPoint

VERSION = 1
"""Of the JSON: grows when a key changes its meaning or goes; a new key does not count."""
_TITLES = ("accuracy", "Cov@90", "Cov@95", "AURC", "E-AURC", "mean IoU", "IoU>=.5")
MOST_GROUPS = 30
"""Groups that the text shows, the largest ones."""
_LONGEST = 44
_WIDE = 12
"""Characters of a figure: an interval such as `.779–1.000` fits in."""


# -- text ------------------------------------------------------------------------------------


def method_table(methods: Sequence[MethodFigures], title: str = "method") -> list[str]:
    """Lines of the paper's table, with mean IoU and the share of IoU >= 0.5 beside accuracy.

    Args:
        methods: The lines; each is followed by its intervals where there are any.
        title: Of the first column.
    """
    names = [_short(m.method) for m in methods]
    first = max((len(name) for name in (title, *names)), default=0)
    first = max(first, 26)
    head = f"{title:{first}} {'n':>5}" + "".join(f"{t:>{_WIDE}}" for t in _TITLES)
    lines = [head]
    for m, name in zip(methods, names, strict=True):
        ranking, matches = m.ranking, m.matches
        values = (
            m.accuracy,
            ranking.cov_90,
            ranking.cov_95,
            ranking.aurc,
            ranking.e_aurc,
            matches.mean_iou,
            matches.share_iou_50,
        )
        cells = "".join(f"{_number(value):>{_WIDE}}" for value in values)
        lines.append(f"{name:{first}} {matches.count:5}{cells}")
        intervals = (
            m.accuracy_interval,
            m.cov_intervals.get(0.90),
            m.cov_intervals.get(0.95),
            m.aurc_interval,
            m.e_aurc_interval,
            m.mean_iou_interval,
            m.share_interval,
        )
        cells = "".join(f"{_range(interval):>{_WIDE}}" for interval in intervals)
        if cells.strip():
            lines.append(f"{'':{first}} {'':5}{cells}".rstrip())
    return lines


def text(evaluation: Evaluation, columns: Sequence[str] = ()) -> str:
    """The whole report for people.

    Args:
        evaluation: The evaluation.
        columns: Columns whose groups are shown; every usual one with several groups if empty.
    """
    blocks = [
        _about(evaluation),
        method_table(evaluation.methods),
        *_groups(evaluation, columns),
        _points(evaluation.full),
        _reliability(evaluation),
        _rest(evaluation),
        _notes(evaluation),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block)


def _about(evaluation: Evaluation) -> list[str]:
    pairing, match = evaluation.pairing, evaluation.settings.match
    episodes = len(np.unique(pairing.episodes))
    scored = evaluation.full.ranking.scored
    lines = [
        f"{_count(len(pairing), 'true subtask')} in {_count(episodes, 'episode')}: "
        f"{pairing.predicted} predicted, {scored} with a score; every one counts.",
    ]
    if pairing.unused:
        lines.append(f"Not used: {_count(pairing.unused, 'prediction')} without ground truth.")
    if pairing.other_camera:
        lines.append(
            f"{_count(pairing.other_camera, 'prediction')} in another camera than the ground "
            "truth: counted as not predicted."
        )
    if pairing.without_box:
        lines.append(
            f"Left out: {_count(pairing.without_box, 'line')} of ground truth without start_box."
        )
    if evaluation.by_person:
        lines.append(f"A person chose the winner of {_count(evaluation.by_person, 'prediction')}.")
    lines.append(
        f"Right: IoU >= {match.iou_match:g}, or IoU >= {match.containment_iou:g} and one box holds "
        f"{_percent(match.containment_fraction)} of the other."
    )
    return lines


def _groups(evaluation: Evaluation, columns: Sequence[str]) -> list[list[str]]:
    wanted = columns or [c for c, groups in evaluation.groups.items() if len(groups) > 1]
    blocks = []
    for column in wanted:
        groups = evaluation.groups[column]
        lines = method_table(groups[:MOST_GROUPS], f"full score, by {column}")
        if len(groups) > MOST_GROUPS:
            lines.append(f"… and {_count(len(groups) - MOST_GROUPS, 'smaller group')}: see --json")
        blocks.append(lines)
    return blocks


def _points(full: MethodFigures) -> list[str]:
    lines = ["precision wanted      threshold       kept  coverage  precision"]
    for p, point in full.points.items():
        if not point.kept:
            lines.append(f"{p:<16.4g} no threshold reaches it")
            continue
        lines.append(
            f"{p:<16.4g} R >= {point.threshold:9.4f} {point.kept:10} {point.coverage:9.3f} "
            f"{point.precision:10.3f}  {_range(full.point_intervals.get(p))}".rstrip()
        )
    return lines


def _reliability(evaluation: Evaluation) -> list[str]:
    bins, calibration = evaluation.reliability, evaluation.calibration
    if not len(bins):
        return []
    lines = [f"{'R':>17} {'n':>6} {'right':>6} {'accuracy':>9}  Wilson 95 %"]
    lines += [
        f"{low:8.3f}–{high:8.3f} {count:6} {right:6} {share:9.3f}  {_range(Interval(lower, upper))}"
        for low, high, count, right, share, lower, upper in zip(
            bins.low,
            bins.high,
            bins.count,
            bins.right,
            bins.accuracy,
            bins.lower,
            bins.upper,
            strict=True,
        )
    ]
    if calibration.folds:
        lines.append(
            f"R as a probability (isotonic, {calibration.folds}-fold): ECE {calibration.ece:.3f}, "
            f"Brier {calibration.brier:.3f}"
        )
    return lines


def _rest(evaluation: Evaluation) -> list[str]:
    lines = []
    if evaluation.target.count:
        lines.append(f"target accuracy               {_share(evaluation.target)}")
    if evaluation.recall is not None:
        lines.append(
            f"a candidate with IoU >= {GOOD_IOU:g}     {_share(evaluation.recall)}; "
            f"mean IoU of the best {evaluation.best_iou:.3f}"
        )
    return lines


def _notes(evaluation: Evaluation) -> list[str]:
    bootstrap, by_episode = evaluation.settings.bootstrap, evaluation.settings.by_episode
    lines = []
    if len(evaluation.methods) == 1:
        lines.append("Without candidates in the predictions there are no baselines.")
    if evaluation.deviating:
        lines.append(
            f"R of {_count(evaluation.deviating, 'prediction')} is not what the kept terms give: "
            "made with options that the file does not name, so baselines use other weights than R."
        )
    unit = "episodes" if by_episode else "subtasks"
    if bootstrap.resamples:
        lines.append(
            f"Intervals: {_percent(bootstrap.level)}; shares Wilson, else bootstrap over {unit} "
            f"({bootstrap.resamples} resamples, seed {bootstrap.seed}); none where all are right "
            "or all wrong."
        )
    lines.append("Thresholds were chosen on the items that they are judged by.")
    return lines


def _short(name: str) -> str:
    name = " ".join(name.split())
    return name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…"


def _percent(share: float) -> str:
    return f"{100 * share:g} %"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _share(figures: ShareFigures) -> str:
    found = f"{figures.share:.3f} ({figures.right} of {figures.count})"
    interval = _range(figures.interval)
    return f"{found} {interval}" if interval else found


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"


def _range(interval: Interval | None) -> str:
    if interval is None or math.isnan(interval.low):
        return ""
    low, high = (f"{v:.3f}".removeprefix("0") for v in (interval.low, interval.high))
    return f"{low}–{high}"


# -- JSON ------------------------------------------------------------------------------------


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """The same for programs; the shape is part of our interface: see docs/evaluation.md.

    Numbers that are not known (NaN) are None.
    """
    settings, pairing = evaluation.settings, evaluation.pairing
    bins, calibration = evaluation.reliability, evaluation.calibration
    return {
        "version": VERSION,
        "settings": {
            "match": asdict(settings.match),
            "bootstrap": asdict(settings.bootstrap),
            "resampled": "episodes" if settings.by_episode else "subtasks",
        },
        "predictions": {
            "count": evaluation.predictions,
            "used": pairing.predicted,
            "without_truth": pairing.unused,
            "other_camera": pairing.other_camera,
            "chosen_by_person": evaluation.by_person,
            "deviating_scores": evaluation.deviating,
        },
        "truth": {
            "subtasks": len(pairing),
            "episodes": len(np.unique(pairing.episodes)),
            "without_start_box": pairing.without_box,
        },
        "methods": [_method(m) for m in evaluation.methods],
        "groups": {
            column: [_method(m, "group") for m in groups]
            for column, groups in evaluation.groups.items()
        },
        "target": _share_json(evaluation.target),
        "candidates": None
        if evaluation.recall is None
        else _share_json(evaluation.recall) | {"mean_best_iou": _plain(evaluation.best_iou)},
        "curve": [
            dict(zip(_CURVE, (_plain(v) for v in row), strict=True)) for row in _curve(evaluation)
        ],
        "reliability": {
            "bins": [
                {
                    "low": _plain(bins.low[i]),
                    "high": _plain(bins.high[i]),
                    "mean": _plain(bins.mean[i]),
                    "count": int(bins.count[i]),
                    "right": int(bins.right[i]),
                    "accuracy": _plain(bins.accuracy[i]),
                    "interval": [_plain(bins.lower[i]), _plain(bins.upper[i])],
                }
                for i in range(len(bins))
            ],
            "unscored": bins.unscored,
            "ece": _plain(calibration.ece),
            "brier": _plain(calibration.brier),
            "folds": calibration.folds,
        },
    }


_CURVE = ("threshold", "kept", "coverage", "risk", "low", "high")


def _curve(evaluation: Evaluation) -> list[tuple[float, ...]]:
    curve, band = evaluation.curve, evaluation.band
    at = np.searchsorted(curve.coverage, band.coverage)
    return [
        (float(curve.threshold[i]), int(curve.kept[i]), float(c), float(r), float(low), float(high))
        for i, c, r, low, high in zip(
            at.tolist(), band.coverage, band.risk, band.low, band.high, strict=True
        )
    ]


def curve_csv(evaluation: Evaluation) -> str:
    """The curve of the full score, best first, at most `CURVE_POINTS` points.

    Columns: threshold, kept, coverage, risk, low and high (pointwise band, empty if unknown).
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_CURVE)
    for row in _curve(evaluation):
        writer.writerow(["" if isinstance(v, float) and math.isnan(v) else v for v in row])
    return out.getvalue()


def _method(m: MethodFigures, name: str = "method") -> dict[str, Any]:
    return {
        name: m.method,
        "count": m.matches.count,
        "correct": m.matches.correct,
        "scored": m.ranking.scored,
        "accuracy": _value(m.accuracy, m.accuracy_interval),
        "mean_iou": _value(m.matches.mean_iou, m.mean_iou_interval),
        "share_iou_50": _value(m.matches.share_iou_50, m.share_interval),
        "aurc": _value(m.ranking.aurc, m.aurc_interval),
        "e_aurc": _value(m.ranking.e_aurc, m.e_aurc_interval),
        "coverage_at": [
            {"precision": p}
            | _value(point.coverage, m.cov_intervals.get(p))
            | _kept(point, m.point_intervals.get(p))
            for p, point in m.points.items()
        ],
    }


def _kept(point: OperatingPoint, interval: Interval | None) -> dict[str, Any]:
    return {
        "threshold": _plain(point.threshold),
        "kept": point.kept,
        "correct": point.correct,
        "kept_accuracy": _value(point.precision, interval),
    }


def _value(value: float, interval: Interval | None) -> dict[str, Any]:
    found = None
    if interval is not None and not math.isnan(interval.low):
        found = [_plain(interval.low), _plain(interval.high)]
    return {"value": _plain(value), "interval": found}


def _share_json(figures: ShareFigures) -> dict[str, Any]:
    return {"count": figures.count, "correct": figures.right} | _value(
        figures.share, figures.interval
    )


def _plain(value: float) -> float | int | None:
    if isinstance(value, int):
        return value
    number = float(value)
    return number if math.isfinite(number) else None
