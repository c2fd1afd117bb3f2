"""Simpler ways to choose, on the same candidates (SPARC table 1).

Baselines take the results of the stages and say which candidate they would choose and how sure
they are. The ladder adds the paper's ideas one by one. Where the paper gives no formula for a
rung, its weights are those of the full score (our choice).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.model.arrays import F64, Bool
from pipeline.model.candidate import ProposalsResult, TracksResult
from pipeline.model.options import option
from pipeline.model.score import ScoresResult


@dataclass(frozen=True)
class BaselineOptions:
    """Options of the baselines and of the ladder."""

    motion_weight: float = option(
        0.5, "Weight of normalised motion.", low=0.0, high=5.0, source="SPARC table 5"
    )
    detector_weight: float = option(
        0.75, "Weight of the detector.", low=0.0, high=5.0, source="SPARC table 5"
    )
    adaptive_slope: float = option(
        0.15,
        "Detector weight lost as proximity goes to 1.",
        low=0.0,
        high=5.0,
        source="SPARC table 5",
    )
    proximity_weight: float = option(
        0.3, "Weight of normalised proximity.", low=0.0, high=5.0, source="SPARC table 5"
    )
    hard_overlap: float = option(
        0.7,
        "The hard robot filter drops candidates that overlap the robot at least this much. The "
        "paper's value is lost.",
        low=0.0,
        high=1.0,
    )
    min_length: float = option(
        0.05,
        "FSD keeps a detection only if its track is at least this long, as a share of the "
        "picture's diagonal. The paper's thresholds are unpublished.",
        low=0.0,
        high=10.0,
    )


DEFAULTS = BaselineOptions()


@dataclass(frozen=True, slots=True)
class Choice:
    """What a rule chose.

    Attributes:
        candidate: Candidate id, -1 if the rule abstains or there is none.
        score: How sure it is, any unit; None if it abstains.
    """

    candidate: int
    score: float | None


ABSTAINED = Choice(-1, None)


@dataclass(frozen=True, slots=True)
class Cues:
    """Cues of all candidates as arrays over K, by the order of `ids`.

    Attributes:
        ids: Candidate ids.
        detector: D.
        mean_motion: Mean displacement over the whole clip, px/s; 0 where unknown.
        phase_motion: A~ of the full score.
        proximity: P~ of the full score.
        overlap: o.
        full: R.
    """

    ids: tuple[int, ...]
    detector: F64
    mean_motion: F64
    phase_motion: F64
    proximity: F64
    overlap: F64
    full: F64

    @classmethod
    def of(cls, scores: ScoresResult) -> Cues:
        """Collect the cues of a scored clip."""
        terms = scores.terms

        def column(name: str) -> F64:
            return np.array([getattr(t, name) for t in terms], np.float64)

        return cls(
            ids=tuple(t.candidate for t in terms),
            detector=column("detector"),
            mean_motion=mean_motions(scores),
            phase_motion=column("motion_normalised"),
            proximity=column("proximity_normalised"),
            overlap=column("overlap"),
            full=column("score"),
        )

    def best(self, score: F64, allowed: Bool | None = None) -> Choice:
        """Candidate with the highest score; ties by D, then by id. All, if none is allowed."""
        if not self.ids:
            return ABSTAINED
        rows = np.flatnonzero(allowed) if allowed is not None and allowed.any() else None
        rows = np.arange(len(self.ids)) if rows is None else rows
        row = max(rows.tolist(), key=lambda i: (score[i], self.detector[i], -self.ids[i]))
        return Choice(self.ids[row], float(score[row]))


def mean_motions(scores: ScoresResult) -> F64:
    """(K,) float64, mean displacement of each candidate over the whole clip, px/s; 0 if unknown."""
    known = np.isfinite(scores.motion)
    total = np.where(known, scores.motion, 0.0).sum(axis=1, dtype=np.float64)
    mean: F64 = total / np.maximum(known.sum(axis=1), 1)
    return mean


def detector_only(proposals: ProposalsResult) -> Choice:
    """Highest detector confidence D."""
    best = max(proposals.candidates, key=lambda p: (p.score, -p.id), default=None)
    return ABSTAINED if best is None else Choice(best.id, best.score)


def motion_only(scores: ScoresResult) -> Choice:
    """Highest mean displacement over the whole clip, px/s."""
    cues = Cues.of(scores)
    return cues.best(cues.mean_motion)


def path_length(tracks: TracksResult, candidate: int) -> float:
    """Length of the path of a candidate, pixels.

    Sum over transitions of the median displacement of its kept points that are visible in both
    frames; transitions without any add nothing.
    """
    own = (tracks.candidate == candidate) & tracks.kept
    points, visible = tracks.points[:, own], tracks.visible[:, own]
    total = 0.0
    for f in range(len(tracks.frames) - 1):
        both = visible[f] & visible[f + 1]
        step = np.linalg.norm(points[f + 1, both] - points[f, both], axis=1)
        step = step[np.isfinite(step)]
        total += float(np.median(step)) if len(step) else 0.0
    return total


def trajectory_length(
    proposals: ProposalsResult,
    tracks: TracksResult,
    height: int,
    width: int,
    options: BaselineOptions = DEFAULTS,
) -> Choice:
    """FSD-like: the best detection, and only if its track is long enough; else abstain.

    Args:
        proposals: Candidates.
        tracks: Their points.
        height: Height of the picture, pixels.
        width: Width of the picture, pixels.
        options: `min_length`.

    Returns:
        The score is the path length as a share of the picture's diagonal.
    """
    best = detector_only(proposals)
    if best.candidate < 0:
        return ABSTAINED
    share = path_length(tracks, best.candidate) / float(np.hypot(height, width))
    return Choice(best.candidate, share) if share >= options.min_length else ABSTAINED


def _relative(values: F64) -> F64:
    """Min-max over the candidates; 0.5 without spread, 0 if nothing is there."""
    if not len(values):
        return values
    spread = float(np.ptp(values))
    if spread <= 1e-6 * max(1.0, float(np.abs(values).max())):
        return np.where(values > 0, 0.5, 0.0)
    relative: F64 = (values - values.min()) / spread
    return relative


def _with_motion(cues: Cues, motion: F64, options: BaselineOptions) -> F64:
    return options.detector_weight * cues.detector + options.motion_weight * motion


def _detector(cues: Cues, options: BaselineOptions) -> Choice:
    return cues.best(cues.detector)


def _mean_motion(cues: Cues, options: BaselineOptions) -> Choice:
    return cues.best(_with_motion(cues, _relative(cues.mean_motion), options))


def _robot_filter(cues: Cues, options: BaselineOptions) -> Choice:
    score = _with_motion(cues, _relative(cues.mean_motion), options)
    return cues.best(score, cues.overlap < options.hard_overlap)


def _phase_motion(cues: Cues, options: BaselineOptions) -> Choice:
    score = _with_motion(cues, cues.phase_motion, options)
    return cues.best(score, cues.overlap < options.hard_overlap)


def _adaptive_detector(cues: Cues, options: BaselineOptions) -> Choice:
    score = (
        (options.detector_weight - options.adaptive_slope * cues.proximity) * cues.detector
        + options.motion_weight * cues.phase_motion
        + options.proximity_weight * cues.proximity
    )
    return cues.best(score, cues.overlap < options.hard_overlap)


def _full(cues: Cues, options: BaselineOptions) -> Choice:
    return cues.best(cues.full)


Rule = Callable[[Cues, BaselineOptions], Choice]
LADDER: tuple[tuple[str, Rule], ...] = (
    ("detector", _detector),
    ("+ mean motion", _mean_motion),
    ("+ hard robot filter", _robot_filter),
    ("+ phase-aware motion", _phase_motion),
    ("+ adaptive detector weight", _adaptive_detector),
    ("full", _full),
)
"""Rungs from the detector alone to the full score, in the order of the paper's table."""


def climb(
    scores: ScoresResult, options: BaselineOptions = DEFAULTS
) -> tuple[tuple[str, Choice], ...]:
    """What every rung of the ladder chooses in a scored clip; a person's choice is ignored."""
    cues = Cues.of(scores)
    return tuple((name, rule(cues, options)) for name, rule in LADDER)
