"""Figures of several datasets in one table, beside those of an earlier run."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path


@dataclass(frozen=True)
class DatasetFigures:
    """What is compared between two runs.

    Attributes:
        subtasks: Number of true subtasks.
        recall: Share of subtasks with a candidate on the object (IoU 0.5).
        best_iou: Mean IoU of the best candidate.
        accuracy: Share of subtasks whose winner is correct (SPARC table 5).
        mean_iou: Mean IoU of the winner, 0 where there is none.
        share_iou_50: Share of winners with IoU >= 0.5.
        detector_accuracy: Accuracy of the candidate with the largest D.
    """

    subtasks: int
    recall: float
    best_iou: float
    accuracy: float
    mean_iou: float
    share_iou_50: float
    detector_accuracy: float


_TITLES = {
    "recall": "recall",
    "best_iou": "best IoU",
    "accuracy": "accuracy",
    "mean_iou": "mean IoU",
    "share_iou_50": "IoU>=.5",
    "detector_accuracy": "D alone",
}


def pooled(figures: Sequence[DatasetFigures]) -> DatasetFigures:
    """Means over all subtasks of several datasets."""
    total = sum(f.subtasks for f in figures)

    def mean(name: str) -> float:
        weighted = [getattr(f, name) * f.subtasks for f in figures]
        return sum(weighted) / total if total else math.nan

    return DatasetFigures(total, **{name: mean(name) for name in _TITLES})


def comparison(
    now: Mapping[str, DatasetFigures], before: Mapping[str, DatasetFigures] | None = None
) -> str:
    """One line per dataset; with earlier figures `before -> now` where they differ.

    Args:
        now: By dataset name.
        before: The same of an earlier run; datasets that only one of them has stand alone.
    """
    wide = 16 if before else 9
    lines = [f"{'dataset':24} {'n':>4} " + " ".join(f"{t:>{wide}}" for t in _TITLES.values())]
    rows = dict(now)
    if len(rows) > 1:
        rows["all"] = pooled(list(now.values()))
    earlier = dict(before or {})
    if now.keys() <= earlier.keys():
        earlier["all"] = pooled([earlier[name] for name in now])
    for name, figures in rows.items():
        old = earlier.get(name)
        cells = []
        for field in _TITLES:
            value, was = getattr(figures, field), getattr(old, field, None)
            text = f"{value:.3f}"
            if was is not None and f"{was:.3f}" != text:
                text = f"{was:.3f} -> {text}"
            cells.append(f"{text:>{wide}}")
        count = str(figures.subtasks)
        if old is not None and old.subtasks != figures.subtasks:
            count = f"{old.subtasks}->{count}"
        lines.append(f"{name:24} {count:>4} " + " ".join(cells))
    return "\n".join(lines)


def as_plain(figures: Mapping[str, DatasetFigures]) -> dict[str, dict[str, float]]:
    """For JSON."""
    return {name: asdict(f) for name, f in figures.items()}


def read_earlier(path: Path) -> dict[str, DatasetFigures]:
    """Figures that an earlier run wrote.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is not what `tools/accuracy.py --json` writes.
    """
    content = json.loads(path.read_text(encoding="utf-8"))
    names = {f.name for f in fields(DatasetFigures)}
    try:
        summary = content["summary"]
        return {k: DatasetFigures(**{n: v[n] for n in names}) for k, v in summary.items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} was not written by tools/accuracy.py --json") from error
