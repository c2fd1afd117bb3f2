"""R from its measured terms: the formula of SPARC B.1.3, and nothing else.

`rescore` is what the scoring stage itself uses, so that sweeps and what-if questions with other
weights give exactly what a re-run would give.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.model.arrays import F64, Bool
from pipeline.model.options import option
from pipeline.model.score import ScoreTerms

_PAPER = "SPARC table 5"


@dataclass(frozen=True)
class ScoresOptions:
    """Options of the reliability score; the fields say themselves what they are."""

    interact_exponent: float = option(
        0.6, "Exponent of m_in in A.", low=0.0, high=4.0, source=_PAPER
    )
    non_interact_exponent: float = option(
        0.2, "Exponent of m_out + noise floor in A.", low=0.0, high=4.0, source=_PAPER
    )
    noise_floor: float = option(
        1.0,
        "Motion that tracking noise makes; added to m_out.",
        unit="px/s",
        low=0.001,
        high=1000.0,
        source=_PAPER,
    )
    motion_weight: float = option(
        0.5, "Weight of the normalised motion A~ in R.", low=0.0, high=5.0, source=_PAPER
    )
    detector_base_weight: float = option(
        0.75, "Weight of the detector where proximity is 0.", low=0.0, high=5.0, source=_PAPER
    )
    adaptive_slope: float = option(
        0.15,
        "How much weight the detector loses as the normalised proximity goes to 1.",
        low=0.0,
        high=5.0,
        source=_PAPER,
    )
    proximity_weight: float = option(
        0.3, "Weight of the normalised proximity P~ in R.", low=0.0, high=5.0, source=_PAPER
    )
    sphere_radius_scale: float = option(
        8.0,
        "Radius of the gripper sphere in multiples of the local gripper scale.",
        low=0.1,
        high=100.0,
        source=_PAPER,
    )
    overlap_onset: float = option(
        0.3, "Overlap with the robot that costs nothing.", low=0.0, high=0.99, source=_PAPER
    )
    penalty_scale: float = option(
        1.45, "Penalty of full overlap without relief.", low=0.0, high=10.0, source=_PAPER
    )
    depth_attenuation: float = option(
        0.85,
        "Share of the penalty that full depth relief takes away.",
        low=0.0,
        high=1.0,
        source=_PAPER,
    )
    full_overlap_spike: float = option(
        0.20, "Extra penalty of (nearly) full overlap.", low=0.0, high=10.0, source=_PAPER
    )
    full_overlap_threshold: float = option(
        0.98, "Overlap from which the extra penalty counts.", low=0.0, high=1.0, source=_PAPER
    )
    depth_relief_low: float = option(
        0.05,
        "Depth gap between gripper and candidate at which relief begins.",
        unit="m",
        low=0.0,
        high=10.0,
        source=_PAPER,
    )
    depth_relief_high: float = option(
        0.25,
        "Depth gap at which relief is complete.",
        unit="m",
        low=0.001,
        high=10.0,
        source=_PAPER,
    )
    smoothing_window: int = option(
        3,
        "Moving mean over the motion curve. The paper says a short window.",
        unit="transitions",
        low=1,
        high=99,
    )
    object_size_mix: float = option(
        0.25,
        "Share of the candidates' size in the sphere's radius. The paper mixes it in, but its "
        "formula is lost.",
        low=0.0,
        high=1.0,
    )
    radius_cap: float = option(
        0.25,
        "Largest radius of the 2D circle as a share of the shorter side of the picture, so that it "
        "cannot cover the whole of it.",
        low=0.01,
        high=2.0,
    )
    proximity_frames: str = option(
        "valid",
        "valid: proximity averages over all frames with a gripper reference and a visible point, "
        "as published. interaction: only those of them in which the object is held.",
        choices=("valid", "interaction"),
    )
    overlap_approach_frames: int = option(
        4,
        "Frames spread over the approach at which overlap is measured, beside the keyframe and the "
        "end of the first grasp.",
        unit="frames",
        low=0,
        high=100,
    )
    overlap_share: float = option(
        1.0 / 3.0,
        "Overlap is the mean of this share of the keyframes with the strongest overlaps.",
        low=0.01,
        high=1.0,
    )
    neutral_motion: float = option(
        0.5,
        "A~ where candidates cannot be compared by motion (one candidate, or no spread) although "
        "something moved: neither for nor against.",
        low=0.0,
        high=1.0,
    )
    near_tie_margin: float = option(
        0.05,
        "Difference of R under which the two best candidates are a near tie.",
        low=0.0,
        high=5.0,
    )
    robot_overlap_warning: float = option(
        0.7,
        "Overlap of the winner from which the robot itself may have been chosen.",
        low=0.0,
        high=1.0,
    )


def motion_signal(motion_in: F64, motion_out: F64, options: ScoresOptions) -> F64:
    """A = m_in^0.6 / (m_out + noise floor)^0.2."""
    signal: F64 = np.power(np.maximum(motion_in, 0.0), options.interact_exponent) / np.power(
        np.maximum(motion_out, 0.0) + options.noise_floor, options.non_interact_exponent
    )
    # 0^0 is 1 in NumPy; without motion there is no evidence whatever the exponent.
    return np.where(motion_in > 0, signal, 0.0)


def depth_relief(gap: F64, options: ScoresOptions) -> F64:
    """Relief 0..1 as the depth gap goes from the low to the high bound; 0 where it is unknown."""
    width = max(options.depth_relief_high - options.depth_relief_low, 1e-9)
    relief: F64 = np.clip((np.nan_to_num(gap) - options.depth_relief_low) / width, 0.0, 1.0)
    return relief


def robot_penalty(overlap: F64, relief: F64, options: ScoresOptions) -> F64:
    """Pi = 1.45 * (max(0, o - 0.3) / 0.7)^2 * (1 - 0.85 * relief) + (0.20 if o >= 0.98)."""
    excess = np.maximum(0.0, overlap - options.overlap_onset) / (1.0 - options.overlap_onset)
    quadratic = options.penalty_scale * excess**2 * (1.0 - options.depth_attenuation * relief)
    penalty: F64 = quadratic + options.full_overlap_spike * (
        overlap >= options.full_overlap_threshold
    )
    return penalty


def has_spread(values: F64) -> bool:
    """True if the values can be min-max normalised."""
    if len(values) < 2:
        return False
    return bool(np.ptp(values) > 1e-6 * max(1.0, float(np.abs(values).max())))


def normalise(values: F64, tracked: Bool, without_spread: F64) -> F64:
    """Min-max normalise over the tracked candidates of the clip.

    Min-max is not defined for one candidate or for equal values; then each takes
    `without_spread`, a value that does not pretend that one candidate beat another. Candidates
    without scored points have no evidence: they get 0 and do not set the range.

    Args:
        values: (K,) float64.
        tracked: (K,) bool, candidates with scored points.
        without_spread: (K,) float64.
    """
    if has_spread(values[tracked]):
        low, high = values[tracked].min(), values[tracked].max()
        normalised = np.clip((values - low) / (high - low), 0.0, 1.0)
    else:
        normalised = without_spread
    result: F64 = np.where(tracked, normalised, 0.0)
    return result


@dataclass(frozen=True, slots=True)
class MeasuredTerms:
    """What was measured of all K candidates of one clip, as columns.

    Attributes:
        detector: (K,) float64, D.
        motion_in: (K,) float64, m_in in px/s.
        motion_out: (K,) float64, m_out in px/s.
        proximity: (K,) float64, P.
        overlap: (K,) float64, o.
        relief: (K,) float64, depth relief 0..1.
        tracked: (K,) bool, candidates with scored points.
    """

    detector: F64
    motion_in: F64
    motion_out: F64
    proximity: F64
    overlap: F64
    relief: F64
    tracked: Bool

    @classmethod
    def of(cls, terms: Sequence[ScoreTerms]) -> MeasuredTerms:
        """Take them from scored candidates."""

        def column(name: str) -> F64:
            return np.array([getattr(t, name) for t in terms], np.float64)

        return cls(
            detector=column("detector"),
            motion_in=column("motion_in"),
            motion_out=column("motion_out"),
            proximity=column("proximity"),
            overlap=column("overlap"),
            relief=column("relief"),
            tracked=column("points") > 0,
        )


@dataclass(frozen=True, slots=True)
class ComputedTerms:
    """What follows from the measured terms and the options, as columns.

    Attributes:
        motion: (K,) float64, A.
        motion_normalised: (K,) float64, A~.
        proximity_normalised: (K,) float64, P~.
        detector_weight: (K,) float64, w_D(P~).
        penalty: (K,) float64, Pi.
        score: (K,) float64, R.
    """

    motion: F64
    motion_normalised: F64
    proximity_normalised: F64
    detector_weight: F64
    penalty: F64
    score: F64


def compute(terms: MeasuredTerms, options: ScoresOptions) -> ComputedTerms:
    """Compute A, both normalisations, the penalty and R of at least one candidate.

    Where there is no spread: A~ is `neutral_motion` if something moved faster than the noise
    floor, else 0; P~ is P itself, which is a share already.
    """
    motion = motion_signal(terms.motion_in, terms.motion_out, options)
    neutral = np.where(terms.motion_in > options.noise_floor, options.neutral_motion, 0.0)
    motion_normalised = normalise(motion, terms.tracked, neutral)
    proximity_normalised = normalise(
        terms.proximity, terms.tracked, np.clip(terms.proximity, 0.0, 1.0)
    )
    weight = options.detector_base_weight - options.adaptive_slope * proximity_normalised
    penalty = robot_penalty(terms.overlap, terms.relief, options)
    score = (
        options.motion_weight * motion_normalised
        + weight * terms.detector
        + options.proximity_weight * proximity_normalised
        - penalty
    )
    return ComputedTerms(motion, motion_normalised, proximity_normalised, weight, penalty, score)


def rescore(terms: Sequence[ScoreTerms], options: ScoresOptions) -> tuple[ScoreTerms, ...]:
    """Compute A, both normalisations, the penalty and R again from the measured terms.

    Uses `detector`, `motion_in`, `motion_out`, `proximity`, `overlap`, `relief` and `points` of
    each entry; options that shape the measurement itself (radius, windows, relief bounds) have no
    effect. Without spread see `compute`.

    Args:
        terms: All candidates of one clip.
        options: Weights and exponents to use.

    Returns:
        New terms in the same order.
    """
    if not terms:
        return ()
    now = compute(MeasuredTerms.of(terms), options)
    return tuple(
        replace(
            t,
            motion=float(now.motion[i]),
            motion_normalised=float(now.motion_normalised[i]),
            proximity_normalised=float(now.proximity_normalised[i]),
            penalty=float(now.penalty[i]),
            detector_weight=float(now.detector_weight[i]),
            score=float(now.score[i]),
            motion_weight=options.motion_weight,
            proximity_weight=options.proximity_weight,
        )
        for i, t in enumerate(terms)
    )
