"""Reliability scores with every term that went into them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.model.arrays import F32, I32, Bool, expect_shape
from pipeline.model.candidate import Box, Proposal
from pipeline.model.problem import Problem


@dataclass(frozen=True, slots=True)
class ScoreTerms:
    """R of one candidate and its terms (spec, stage 3).

    Attributes:
        candidate: Candidate id.
        detector: D.
        motion_in: m_in, px/s.
        motion_out: m_out, px/s.
        motion: A = m_in^0.6 / (m_out + floor)^0.2.
        motion_normalised: A~ in 0..1 over the candidates of the clip.
        proximity: P in 0..1.
        proximity_normalised: P~ in 0..1.
        overlap: o in 0..1.
        relief: Depth relief 0..1 (0 without geometry).
        penalty: Pi.
        detector_weight: w_D(P~).
        score: R.
        points: Number of points that were scored.
        motion_weight: Weight of A~ that was used.
        proximity_weight: Weight of P~ that was used.
    """

    candidate: int
    detector: float
    motion_in: float
    motion_out: float
    motion: float
    motion_normalised: float
    proximity: float
    proximity_normalised: float
    overlap: float
    relief: float
    penalty: float
    detector_weight: float
    score: float
    points: int
    motion_weight: float = 0.5
    proximity_weight: float = 0.3

    @property
    def contributions(self) -> tuple[tuple[str, float], ...]:
        """What each cue adds to R, in the order of the formula; the values sum to R."""
        return (
            ("motion", self.motion_weight * self.motion_normalised),
            ("detector", self.detector_weight * self.detector),
            ("proximity", self.proximity_weight * self.proximity_normalised),
            ("robot overlap", -self.penalty),
        )


@dataclass(frozen=True, slots=True)
class ScoresResult:
    """Stage 3.

    Attributes:
        terms: One entry per candidate, by candidate id.
        winner: Candidate id with the highest R, or the one a person chose; -1 if none.
        chosen_by: `score` or `person`.
        frames: (F,) int32, tracked frames.
        motion: (K, F-1) float32, m_i(t) in px/s, smoothed; NaN where unknown.
        proximity: (K, F) float32, share of points inside the sphere; NaN where unknown.
        overlap: (K, F) float32, share of points on the robot mask; NaN where unknown.
        interaction: (F-1,) bool, transitions that count as interaction.
        radius: (F,) float32, sphere radius, metres or pixels.
        form: `3d` or `2d`.
        problems: `near_tie`, `no_geometry`, `robot_won`, `one_candidate`, ...
    """

    terms: tuple[ScoreTerms, ...]
    winner: int
    chosen_by: str
    frames: I32
    motion: F32
    proximity: F32
    overlap: F32
    interaction: Bool
    radius: F32
    form: str
    problems: tuple[Problem, ...] = ()

    def __post_init__(self) -> None:
        k, f = len(self.terms), len(self.frames)
        expect_shape("motion", self.motion, (k, max(f - 1, 0)))
        expect_shape("proximity", self.proximity, (k, f))
        expect_shape("overlap", self.overlap, (k, f))

    @property
    def ranking(self) -> tuple[int, ...]:
        """Candidate ids by falling R; ties by falling D, then by id."""
        order = sorted(self.terms, key=lambda t: (-t.score, -t.detector, t.candidate))
        return tuple(t.candidate for t in order)

    def of(self, candidate: int) -> ScoreTerms:
        """Return the terms of a candidate; KeyError if there is none."""
        for terms in self.terms:
            if terms.candidate == candidate:
                return terms
        raise KeyError(candidate)


@dataclass(frozen=True, slots=True)
class TargetResult:
    """Where the object ended up.

    Attributes:
        candidates: Target proposals that were considered.
        support: (M,) float32, share of the winner's final visible points inside each target.
        density: (M,) float32, support / sqrt(area), the ranking value; NaN if too small.
        winner: Index into `candidates`, -1 if none.
        box: Box of the target, or None.
        object_end_box: Box of the object at the end of the clip, or None.
        method: `tracked`, `detected`, `object_end` or `none`.
        problems: Findings.
    """

    candidates: tuple[Proposal, ...]
    support: F32
    density: F32
    winner: int
    box: Box | None
    object_end_box: Box | None
    method: str
    problems: tuple[Problem, ...] = ()


def box_iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes, 0..1."""
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    inter = width * height
    union = box_area(a) + box_area(b) - inter
    return inter / union if union > 0 else 0.0


def box_area(box: Box) -> float:
    """Area in square pixels."""
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def as_box(values: F32 | tuple[float, ...] | list[float]) -> Box:
    """Make a Box of four numbers; ValueError unless they are finite."""
    x0, y0, x1, y1 = (float(v) for v in values)
    if not np.isfinite([x0, y0, x1, y1]).all():
        raise ValueError(f"box: expected four finite numbers, got {values}")
    return (x0, y0, x1, y1)
