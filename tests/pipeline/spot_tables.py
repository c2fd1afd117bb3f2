"""Annotation tables for spot checks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.annotations.table import AnnotationTable
from pipeline.model.annotation import Annotation

CAMERA = "observation.images.front"


def annotation(episode: int, score: float | None, **changes: object) -> Annotation:
    """One prediction with a box."""
    values: dict[str, object] = {
        "episode_index": episode,
        "subtask_index": 0,
        "arm": "left" if episode % 2 else "right",
        "camera": CAMERA,
        "instruction": f"Pick up thing {episode}.",
        "object": f"thing {episode}",
        "start_box": (10.0, 10.0, 30.0, 30.0),
        "target_box": None,
        "score": score,
        "phases": (),
        "caption": "",
        "warnings": ("near_tie",) if episode % 5 == 0 else (),
        "terms": {},
        "keyframe": 4,
        "dataset": "toy",
        "task": ("pick_and_place", "open")[episode % 3 == 0],
        "winner": 0,
    }
    return Annotation.model_validate(values | changes)


def table(count: int, seed: int = 0, first: int = 0) -> AnnotationTable:
    """Episodes with random R."""
    scores = np.random.default_rng(seed).normal(1.0, 0.3, first + count)[first:]
    return AnnotationTable.of(
        [annotation(first + i, round(float(s), 4)) for i, s in enumerate(scores)]
    )


def of(annotations: Sequence[Annotation]) -> AnnotationTable:
    """A table of these."""
    return AnnotationTable.of(annotations)
