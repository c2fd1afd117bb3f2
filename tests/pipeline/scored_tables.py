"""Annotations with measured candidates, and the plain float64 reference of their scores."""

from __future__ import annotations

import numpy as np

from pipeline.model.annotation import Annotation, CandidateRecord
from pipeline.model.score import ScoreTerms
from pipeline.scoring.formula import ScoresOptions, rescore


def candidate(number: int, **values: float) -> CandidateRecord:
    """Measured terms as they come out of a file: float32."""
    terms = {
        "detector": 0.5,
        "motion_in": 10.0,
        "motion_out": 2.0,
        "proximity": 0.5,
        "overlap": 0.0,
        "relief": 0.0,
    } | values
    points = int(terms.pop("points", 5))
    kept = {name: float(np.float32(value)) for name, value in terms.items()}
    return CandidateRecord(id=number, box=(0, 0, 1, 1), points=points, **kept)


def annotation(candidates: list[CandidateRecord], **values: object) -> Annotation:
    fields: dict[str, object] = {
        "episode_index": 0,
        "subtask_index": 0,
        "arm": "right",
        "camera": "top",
        "instruction": "",
        "object": "",
        "start_box": None,
        "target_box": None,
        "score": None,
        "phases": (),
        "caption": "",
        "warnings": (),
        "terms": {},
        "keyframe": 0,
        "candidates": tuple(candidates),
    }
    return Annotation.model_validate(fields | values)


def reference(record: Annotation, options: ScoresOptions) -> tuple[list[float], list[int]]:
    """R of every candidate in float64, and their numbers from the best to the worst."""
    terms = [
        ScoreTerms(
            candidate=c.id,
            detector=c.detector,
            motion_in=c.motion_in,
            motion_out=c.motion_out,
            motion=0,
            motion_normalised=0,
            proximity=c.proximity,
            proximity_normalised=0,
            overlap=c.overlap,
            relief=c.relief,
            penalty=0,
            detector_weight=0,
            score=0,
            points=c.points,
        )
        for c in record.candidates
    ]
    scored = rescore(terms, options)
    order = sorted(range(len(scored)), key=lambda k: (-scored[k].score, -scored[k].detector, k))
    return [t.score for t in scored], order


def random_record(rng: np.random.Generator) -> Annotation:
    count = int(rng.integers(0, 13))
    coarse = rng.random() < 0.3  # few values: ties

    def draw(high: float) -> float:
        return float(rng.integers(0, 3) / 2 * high) if coarse else float(rng.random() * high)

    records = [
        candidate(
            k,
            detector=draw(1),
            motion_in=draw(200),
            motion_out=draw(50),
            proximity=draw(1),
            overlap=draw(1),
            relief=draw(1),
            points=int(rng.integers(0, 4)),
        )
        for k in range(count)
    ]
    if count and rng.random() < 0.1:
        return annotation(records, winner=int(rng.integers(0, count)), chosen_by="person")
    return annotation(records)
