"""Prediction lines as other weights make them: winners, scores and terms by these weights."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from pipeline.annotations.parquet import TERM_NAMES
from pipeline.annotations.table import MEASURED, AnnotationTable
from pipeline.model.arrays import F32, F64, Array, Bool
from pipeline.scoring.formula import ComputedTerms, MeasuredTerms, ScoresOptions, compute

_ROWS_AT_ONCE = 2048


def rescored_lines(
    table: AnnotationTable, winners: Array, scores: Array, options: ScoresOptions
) -> Iterator[dict[str, Any]]:
    """The annotations as JSON objects, in the order of the table; all fields but `phases`.

    Args:
        table: Annotations.
        winners: (N,) int, number of the winner within its annotation, -1 for none.
        scores: (N,) float, R of the winner, NaN if there is none.
        options: Weights and exponents with which both were found.

    Yields:
        Fields of `Annotation`. Rows without candidates keep their box and their score.
    """
    for start in range(0, len(table), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        part = table.take(np.arange(len(table))[rows])
        yield from _lines(part, winners[rows], scores[rows], options)


def _lines(
    table: AnnotationTable, winners: Array, scores: Array, options: ScoresOptions
) -> Iterator[dict[str, Any]]:
    columns = table.candidates
    listed: dict[str, list[Any]] = {
        name: shortest(getattr(columns, name)).tolist() for name in MEASURED
    }
    listed |= {"id": columns.id.tolist(), "points": columns.points.tolist()}
    boxes: list[list[float]] = shortest(columns.box).tolist()
    labels = columns.label
    start_boxes = shortest(table.start_box).tolist()
    target_boxes = shortest(table.target_box).tolist()
    given_boxes: Bool = np.logical_and.reduce(np.isfinite(columns.box), axis=1)
    for row in range(len(table)):
        own = columns.rows_of(row)
        candidates = [
            {
                "id": listed["id"][k],
                "box": boxes[k],
                "label": labels[k],
                **{name: listed[name][k] for name in (*MEASURED, "points")},
            }
            for k in range(own.start, own.stop)
            if given_boxes[k]
        ]
        winner, score = int(winners[row]), float(scores[row])
        line = {
            "episode_index": int(table.episode[row]),
            "subtask_index": int(table.subtask[row]),
            "arm": table.arm[row],
            "camera": table.camera[row],
            "instruction": table.instruction[row],
            "object": table.object[row],
            "start_box": _box(start_boxes[row]),
            "target_box": _box(target_boxes[row]),
            "score": score if math.isfinite(score) else None,
            "phases": [],
            "caption": table.caption[row],
            "warnings": list(table.warnings[row]),
            "terms": {},
            "keyframe": int(table.keyframe[row]),
            "runner_up": _number(float(table.runner_up[row])),
            "dataset": table.dataset[row],
            "task": table.task[row],
            "winner": int(table.winner[row]),
            "chosen_by": "person" if table.by_person[row] else "score",
            "candidates": candidates,
        }
        count = own.stop - own.start
        if 0 <= winner < count:
            now = _computed(table, own, options)
            others = np.delete(now.score, winner)
            line["runner_up"] = float(others.max()) if len(others) else None
            line["winner"] = listed["id"][own.start + winner]
            line["start_box"] = _box(boxes[own.start + winner])
            line["terms"] = _terms(table, own.start + winner, now, winner, options)
        yield line


def _computed(table: AnnotationTable, own: slice, options: ScoresOptions) -> ComputedTerms:
    columns = table.candidates

    def column(name: str) -> F64:
        values: F64 = getattr(columns, name)[own].astype(np.float64)
        return values

    measured = MeasuredTerms(
        detector=column("detector"),
        motion_in=column("motion_in"),
        motion_out=column("motion_out"),
        proximity=column("proximity"),
        overlap=column("overlap"),
        relief=column("relief"),
        tracked=columns.points[own] > 0,
    )
    return compute(measured, options)


def _terms(
    table: AnnotationTable, place: int, now: ComputedTerms, winner: int, options: ScoresOptions
) -> dict[str, float]:
    """Terms of the winner under the names of `ScoreTerms`."""
    columns = table.candidates
    weights = {
        "motion_weight": options.motion_weight,
        "proximity_weight": options.proximity_weight,
    }
    terms = {}
    for name in TERM_NAMES:
        if name in weights:
            terms[name] = weights[name]
        elif name in ComputedTerms.__dataclass_fields__:
            terms[name] = float(getattr(now, name)[winner])
        else:
            terms[name] = float(getattr(columns, name)[place])
    return terms


def shortest(values: F32) -> F64:
    """Each float32 as the float64 of the shortest decimal number that means the same float32.

    0.9755 instead of 0.9754999876022339, so that lines read like those of `annotate`.
    """
    wide = values.astype(np.float64)
    found = wide.copy()
    with np.errstate(all="ignore"):
        magnitude = np.floor(np.log10(np.abs(wide)))
        for digits in (9, 8, 7, 6, 5):
            scale = 10.0 ** (digits - 1 - magnitude)
            rounded = np.rint(wide * scale) / scale
            same = rounded.astype(np.float32) == values
            found = np.where(same, rounded, found)
    return found


def _box(values: list[float]) -> list[float] | None:
    return values if all(math.isfinite(v) for v in values) else None


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
