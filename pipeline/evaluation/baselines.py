"""Simpler ways to choose, on the same candidates (SPARC table 1).

Baselines look at the cues of all candidates and say which one they would choose and how sure they
are. The ladder adds the paper's ideas one by one. Where the paper gives no formula for a rung, its
weights are those of the full score (our choice). All rules work on the cues of any number of clips
at once; a single clip of which only the stages' results are at hand is one of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.annotations.table import CandidateColumns
from pipeline.model.arrays import F64, I64, Bool
from pipeline.model.candidate import ProposalsResult, TracksResult
from pipeline.model.options import option
from pipeline.model.score import ScoresResult
from pipeline.scoring.formula import MeasuredTerms, ScoresOptions, compute


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

    @classmethod
    def of(cls, options: ScoresOptions) -> BaselineOptions:
        """With the weights of a score."""
        return cls(
            motion_weight=options.motion_weight,
            detector_weight=options.detector_base_weight,
            adaptive_slope=options.adaptive_slope,
            proximity_weight=options.proximity_weight,
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
class Choices:
    """What a rule chose in each of N clips.

    Attributes:
        row: (N,) int64, row of the chosen candidate among all candidates; -1 where the rule
            abstains or there is none.
        score: (N,) float64, how sure it is; NaN where it abstains.
    """

    row: I64
    score: F64


@dataclass(frozen=True, slots=True)
class Cues:
    """Cues of all M candidates of N clips.

    Attributes:
        offsets: (N + 1,) int64; clip i has rows offsets[i] to offsets[i + 1].
        ids: (M,) int64, candidate ids.
        detector: (M,) float64, D.
        mean_motion: (M,) float64, mean displacement over the whole clip, px/s; 0 where unknown.
        path_length: (M,) float64, length of the path as a share of the picture's diagonal; 0 where
            unknown.
        phase_motion: (M,) float64, A~ of the full score.
        proximity: (M,) float64, P~ of the full score.
        overlap: (M,) float64, o.
        full: (M,) float64, R.
    """

    offsets: I64
    ids: I64
    detector: F64
    mean_motion: F64
    path_length: F64
    phase_motion: F64
    proximity: F64
    overlap: F64
    full: F64

    @classmethod
    def of(cls, scores: ScoresResult) -> Cues:
        """Cues of one scored clip, without the lengths of its paths."""
        terms = scores.terms

        def column(name: str) -> F64:
            return np.array([getattr(t, name) for t in terms], np.float64)

        return cls(
            offsets=np.array([0, len(terms)], np.int64),
            ids=column("candidate").astype(np.int64),
            detector=column("detector"),
            mean_motion=mean_motions(scores),
            path_length=np.zeros(len(terms)),
            phase_motion=column("motion_normalised"),
            proximity=column("proximity_normalised"),
            overlap=column("overlap"),
            full=column("score"),
        )

    @classmethod
    def of_detections(cls, proposals: ProposalsResult, lengths: F64 | None = None) -> Cues:
        """Cues of one clip that was not scored.

        Args:
            proposals: Its candidates.
            lengths: (K,) lengths of their paths; 0 if None.
        """
        found = proposals.candidates
        none = np.zeros(len(found))
        return cls(
            offsets=np.array([0, len(found)], np.int64),
            ids=np.array([p.id for p in found], np.int64),
            detector=np.array([p.score for p in found], np.float64),
            mean_motion=none,
            path_length=none if lengths is None else lengths,
            phase_motion=none,
            proximity=none,
            overlap=none,
            full=none,
        )

    @classmethod
    def of_candidates(
        cls,
        columns: CandidateColumns,
        options: ScoresOptions = ScoresOptions(),  # noqa: B008
    ) -> Cues:
        """Cues of annotated clips, from the measured terms that were kept.

        Args:
            columns: Candidates of N annotations.
            options: Options of the score with which they were made.
        """
        offsets = columns.offsets
        measured = {
            name: getattr(columns, name).astype(np.float64)
            for name in ("detector", "motion_in", "motion_out", "proximity", "overlap", "relief")
        }
        tracked = columns.points > 0
        motion, proximity, full = (np.zeros(len(columns.id)) for _ in range(3))
        for first, end in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
            if first == end:
                continue
            own = slice(first, end)
            terms = {name: values[own] for name, values in measured.items()}
            now = compute(MeasuredTerms(**terms, tracked=tracked[own]), options)
            motion[own] = now.motion_normalised
            proximity[own] = now.proximity_normalised
            full[own] = now.score
        return cls(
            offsets=offsets,
            ids=columns.id.astype(np.int64),
            detector=measured["detector"],
            mean_motion=columns.mean_motion.astype(np.float64),
            path_length=columns.path_length.astype(np.float64),
            phase_motion=motion,
            proximity=proximity,
            overlap=measured["overlap"],
            full=full,
        )

    @property
    def owner(self) -> I64:
        """(M,) int64, clip of each candidate."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))

    def best(self, score: F64, allowed: Bool | None = None) -> Choices:
        """Candidate with the highest score in each clip; ties by D, then by id.

        Args:
            score: (M,) float64.
            allowed: (M,) bool, candidates that may be chosen; in clips where none may, all may.
        """
        owner, count = self.owner, len(self.offsets) - 1
        if allowed is not None:
            some = np.zeros(count, np.bool_)
            some[owner[allowed]] = True
            rows = np.flatnonzero(allowed | ~some[owner])
        else:
            rows = np.arange(len(owner))
        keys = (self.ids[rows], -self.detector[rows], -score[rows], owner[rows])
        rows = rows[np.lexsort(keys)]
        first = np.ones(len(rows), np.bool_)
        first[1:] = owner[rows[1:]] != owner[rows[:-1]]
        rows = rows[first]
        chosen, value = np.full(count, -1, np.int64), np.full(count, np.nan)
        chosen[owner[rows]], value[owner[rows]] = rows, score[rows]
        return Choices(chosen, value)

    def relative(self, values: F64) -> F64:
        """(M,) float64, min-max within each clip; 0.5 without spread, 0 if nothing is there."""
        owner, count = self.owner, len(self.offsets) - 1
        low, high = np.full(count, np.inf), np.full(count, -np.inf)
        np.minimum.at(low, owner, values)
        np.maximum.at(high, owner, values)
        low, high = low[owner], high[owner]
        spread = high - low
        flat = spread <= 1e-6 * np.maximum(1.0, np.maximum(np.abs(low), np.abs(high)))
        found = (values - low) / np.where(flat, 1.0, spread)
        result: F64 = np.where(flat, np.where(values > 0, 0.5, 0.0), found)
        return result

    def choice(self, choices: Choices) -> Choice:
        """What was chosen in the first clip."""
        row = int(choices.row[0]) if len(choices.row) else -1
        return Choice(int(self.ids[row]), float(choices.score[0])) if row >= 0 else ABSTAINED


def mean_motions(scores: ScoresResult) -> F64:
    """(K,) float64, mean displacement of each candidate over the whole clip, px/s; 0 if unknown."""
    known = np.isfinite(scores.motion)
    total = np.where(known, scores.motion, 0.0).sum(axis=1, dtype=np.float64)
    mean: F64 = total / np.maximum(known.sum(axis=1), 1)
    return mean


def detector_only(proposals: ProposalsResult) -> Choice:
    """Highest detector confidence D."""
    cues = Cues.of_detections(proposals)
    return cues.choice(_detector(cues, DEFAULTS))


def motion_only(scores: ScoresResult) -> Choice:
    """Highest mean displacement over the whole clip, px/s."""
    cues = Cues.of(scores)
    return cues.choice(_motion(cues, DEFAULTS))


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
    lengths = [path_length(tracks, p.id) for p in proposals.candidates]
    diagonal = float(np.hypot(height, width))
    cues = Cues.of_detections(proposals, np.array(lengths, np.float64) / diagonal)
    return cues.choice(_trajectory_length(cues, options))


def _detector(cues: Cues, options: BaselineOptions) -> Choices:
    return cues.best(cues.detector)


def _motion(cues: Cues, options: BaselineOptions) -> Choices:
    return cues.best(cues.mean_motion)


def _trajectory_length(cues: Cues, options: BaselineOptions) -> Choices:
    best = cues.best(cues.detector)
    length = np.append(cues.path_length, 0.0)[best.row]
    kept = (best.row >= 0) & (length >= options.min_length)
    return Choices(np.where(kept, best.row, -1), np.where(kept, length, np.nan))


def _with_motion(cues: Cues, motion: F64, options: BaselineOptions) -> F64:
    return options.detector_weight * cues.detector + options.motion_weight * motion


def _not_robot(cues: Cues, options: BaselineOptions) -> Bool:
    allowed: Bool = cues.overlap < options.hard_overlap
    return allowed


def _mean_motion(cues: Cues, options: BaselineOptions) -> Choices:
    return cues.best(_with_motion(cues, cues.relative(cues.mean_motion), options))


def _robot_filter(cues: Cues, options: BaselineOptions) -> Choices:
    score = _with_motion(cues, cues.relative(cues.mean_motion), options)
    return cues.best(score, _not_robot(cues, options))


def _phase_motion(cues: Cues, options: BaselineOptions) -> Choices:
    return cues.best(_with_motion(cues, cues.phase_motion, options), _not_robot(cues, options))


def _adaptive_detector(cues: Cues, options: BaselineOptions) -> Choices:
    score = (
        (options.detector_weight - options.adaptive_slope * cues.proximity) * cues.detector
        + options.motion_weight * cues.phase_motion
        + options.proximity_weight * cues.proximity
    )
    return cues.best(score, _not_robot(cues, options))


def _full(cues: Cues, options: BaselineOptions) -> Choices:
    return cues.best(cues.full)


Rule = Callable[[Cues, BaselineOptions], Choices]
LADDER: tuple[tuple[str, Rule], ...] = (
    ("detector", _detector),
    ("+ mean motion", _mean_motion),
    ("+ hard robot filter", _robot_filter),
    ("+ phase-aware motion", _phase_motion),
    ("+ adaptive detector weight", _adaptive_detector),
    ("full", _full),
)
"""Rungs from the detector alone to the full score, in the order of the paper's table."""
ALONE: tuple[tuple[str, Rule], ...] = (
    ("trajectory length (FSD)", _trajectory_length),
    ("motion only", _motion),
)
"""Baselines that are no rung; the detector alone is the first one."""


def climb(
    scores: ScoresResult, options: BaselineOptions = DEFAULTS
) -> tuple[tuple[str, Choice], ...]:
    """What every rung of the ladder chooses in a scored clip; a person's choice is ignored."""
    cues = Cues.of(scores)
    return tuple((name, cues.choice(rule(cues, options))) for name, rule in LADDER)
