"""Annotations of a made-up dataset: every field differs between records."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.annotations.parquet import TERM_NAMES
from pipeline.annotations.reading import ReadAnnotations
from pipeline.model.annotation import Annotation, CandidateRecord, PhaseRecord
from pipeline.model.candidate import Box


def single(value: float) -> float:
    """The nearest float32, which files and tables keep unchanged."""
    return float(np.float32(value))


def box(values: Sequence[float]) -> Box:
    """A box of float32 numbers."""
    x0, y0, x1, y1 = (single(v) for v in values)
    return (x0, y0, x1, y1)


def candidate(number: int, seed: int = 0, **changes: Any) -> CandidateRecord:
    """A candidate with plausible terms."""
    rng = np.random.default_rng((seed, number))
    x, y = rng.uniform(0, 500, 2)
    w, h = rng.uniform(10, 100, 2)
    values: dict[str, Any] = {
        "id": number,
        "box": box((x, y, x + w, y + h)),
        "label": ("red cube", "gripper", "")[number % 3],
        "motion_in": single(rng.uniform(0, 200)),
        "motion_out": single(rng.uniform(0, 50)),
        "mean_motion": single(rng.uniform(0, 90)),
        "points": int(rng.integers(1, 60)),
    }
    for name in ("detector", "path_length", "proximity", "overlap", "relief"):
        values[name] = single(rng.uniform(0, 1))
    return CandidateRecord(**(values | changes))


def record(episode: int, subtask: int = 0, count: int = 3, **changes: Any) -> Annotation:
    """An annotation whose candidate number 1 wins (the last one if there are fewer)."""
    seed = 1000 * episode + subtask
    rng = np.random.default_rng(seed)
    candidates = tuple(candidate(k, seed) for k in range(count))
    winner = candidates[min(1, count - 1)] if candidates else None
    values: dict[str, Any] = {
        "episode_index": episode,
        "subtask_index": subtask,
        "arm": ("left", "right")[episode % 2],
        "camera": "front",
        "instruction": f"Put the cube {episode} in the bowl.",
        "object": "red cube" if episode % 2 else "",
        "start_box": winner.box if winner else None,
        "target_box": box((1, 2, 3, 4)) if subtask else None,
        "score": float(rng.uniform(0, 1.3)) if winner else None,
        "phases": (PhaseRecord(name="grasp", arm="left", start=0, end=5 + episode),),
        "caption": f"Zażółć gęślą jaźń 🤖 {episode}",
        "warnings": (("near_tie", "no_geometry"), (), ("no_geometry",))[episode % 3],
        "terms": {n: float(rng.uniform(0, 9)) for n in TERM_NAMES} if winner else {},
        "keyframe": 3 * episode,
        "runner_up": float(rng.uniform(0, 1)) if count > 1 else None,
        "dataset": "toys",
        "task": "pick_and_place",
        "winner": winner.id if winner else -1,
        "chosen_by": "person" if episode % 5 == 4 else "score",
        "candidates": candidates,
    }
    return Annotation(**(values | changes))


def records(episodes: int, subtasks: int = 2) -> list[Annotation]:
    """A dataset; some annotations have no candidate at all."""
    return [
        record(e, s, count=(3, 1, 0, 5)[(e + s) % 4])
        for e in range(episodes)
        for s in range(subtasks)
    ]


def write_lines(path: Path, annotations: Sequence[Annotation]) -> Path:
    """Write prediction lines as `annotate` does."""
    text = "".join(a.model_dump_json() + "\n" for a in annotations)
    path.write_text(text, encoding="utf-8")
    return path


def assert_equal(one: Any, other: Any, name: str = "") -> None:
    """Two tables are equal, type by type."""
    for item in dataclasses.fields(one):
        a, b, place = getattr(one, item.name), getattr(other, item.name), f"{name}.{item.name}"
        if dataclasses.is_dataclass(a):
            assert_equal(a, b, place)
        elif isinstance(a, np.ndarray):
            assert a.dtype == b.dtype, place
            np.testing.assert_array_equal(a, b, err_msg=place)
        else:
            assert a == b, place


def only(problems: ReadAnnotations, code: str) -> str:
    """The message of the only problem, which has this code."""
    (problem,) = problems.problems
    assert problem.code == code
    return problem.message
