"""The settings that a what-if question varies, and how each is searched.

R is linear in the weights, the spike, the penalty scale, the attenuation, the slope and the neutral
motion; it jumps at known values of the spike's threshold and of the share of keyframes; windows and
frame counts are whole numbers. All these are exact. Exponents, noise floor, onset, relief bounds,
radius scale, size mix and radius cap are scanned and bisected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pipeline.evaluation.what_if_changes import VARIED, BoundaryChange, OptionChange
from pipeline.evaluation.what_if_search import Axis, between, even_points, factor_points
from pipeline.model.arrays import F64
from pipeline.model.options import OptionInfo
from pipeline.scoring.formula import MeasuredTerms, ScoresOptions, compute, depth_relief
from pipeline.scoring.measurement import ClipMeasurement, overlap_rows

LINEAR = (
    "motion_weight",
    "detector_base_weight",
    "adaptive_slope",
    "proximity_weight",
    "penalty_scale",
    "depth_attenuation",
    "full_overlap_spike",
    "neutral_motion",
)
_FORMULA = ("interact_exponent", "non_interact_exponent", "noise_floor", "overlap_onset")
_RELIEF = ("depth_relief_low", "depth_relief_high")
_BY_FACTOR = ("noise_floor", "depth_relief_high", "sphere_radius_scale", "radius_cap")
_FORMULA_STEPS = 200
_MEASURED_STEPS = 80
"""Points of the grid: many where one costs 0.1 ms, fewer where the clip is measured again."""


@dataclass(frozen=True, slots=True)
class OptionAxis:
    """An option of the score that is varied.

    Attributes:
        axis: How.
        change: Which, with its value now.
        choices: Texts that the axis numbers, empty for numbers.
        reason: Why it cannot change anything, one sentence; else empty.
    """

    axis: Axis
    change: OptionChange
    choices: tuple[str, ...] = ()
    reason: str = ""

    def value(self, number: float) -> float | str:
        """Value of the option at a point of the axis."""
        if self.choices:
            return self.choices[int(number)]
        return int(number) if self.change.info.type is int else number

    def effort(self, number: float) -> float:
        """Size of the change in units of the option's default; 1 for another choice."""
        if self.choices:
            return 1.0
        return abs(number - self.axis.start) / abs(float(self.change.info.default))


@dataclass(frozen=True, slots=True)
class BoundaryAxis:
    """A phase boundary that is moved by whole frames.

    Attributes:
        axis: How.
        change: Which, with its frame now.
        lengths: Frames of the phases before and after it now; 0 before the first.
        reason: Why it cannot be moved, one sentence; else empty.
    """

    axis: Axis
    change: BoundaryChange
    lengths: tuple[int, int]
    reason: str = ""

    def value(self, number: float) -> float | str:
        """Frame at a point of the axis."""
        return int(number)

    def effort(self, number: float) -> float:
        """Frames of the move as a share of the phase that it shortens."""
        shortened = self.lengths[number > self.axis.start] or self.lengths[1]
        return abs(number - self.axis.start) / max(shortened, 1)


def option_axes(
    measurement: ClipMeasurement, terms: MeasuredTerms, options: ScoresOptions
) -> Iterator[OptionAxis]:
    """All options that enter R.

    Args:
        measurement: Of the clip.
        terms: Measured with `options`.
        options: Values now.
    """
    for name in VARIED:
        change = OptionChange(name, getattr(options, name))
        info = change.info
        reason = _no_effect(name, measurement)
        scores = _scores_of(name, measurement, terms, options)
        if info.choices:
            yield _choice(change, options, scores)
            continue
        start = float(getattr(options, name))
        low, high = float(info.low or 0.0), float(info.high or 0.0)
        axis = _axis(name, info, Axis(start, low, high, scores), measurement, terms, options)
        yield OptionAxis(axis, change, reason=reason)


def _choice(
    change: OptionChange, options: ScoresOptions, scores: Callable[[Any], F64]
) -> OptionAxis:
    choices = change.info.choices
    start = float(choices.index(getattr(options, change.name)))
    points = tuple(float(i) for i in range(len(choices)))
    axis = Axis(
        start, 0.0, points[-1], lambda v: scores(choices[int(v)]), points, exact=True, whole=True
    )
    return OptionAxis(axis, change, choices)


def _axis(
    name: str,
    info: OptionInfo,
    axis: Axis,
    measurement: ClipMeasurement,
    terms: MeasuredTerms,
    options: ScoresOptions,
) -> Axis:
    start, low, high = axis.start, axis.low, axis.high
    if name in LINEAR:
        return replace(axis, linear=True)
    if info.type is int:
        frames = len(measurement.clip.tracks.frames)
        if name == "smoothing_window":
            high = min(high, 2.0 * frames + 1)  # Wider ones hold everything, too.
        points = tuple(float(v) for v in range(int(low), int(high) + 1))
        return replace(axis, high=max(high, start), points=points, whole=True)
    if name == "full_overlap_threshold":
        return replace(axis, points=between(low, high, terms.overlap.tolist()), exact=True)
    if name == "overlap_share":
        most = len(overlap_rows(measurement.clip, options))
        edges = [j / n for n in range(1, most + 1) for j in range(1, n)]
        return replace(axis, points=between(low, high, edges), exact=True)
    count = _FORMULA_STEPS if name in _FORMULA + _RELIEF else _MEASURED_STEPS
    top = high
    if name == "depth_relief_low":
        # Nothing changes beyond the largest gap that was measured; one point there is enough.
        top = min(high, max(_largest(measurement.depth_gaps), start) + 0.01)
    spread = factor_points if name in _BY_FACTOR else even_points
    points, resolution = spread(start, low, top, count)
    return replace(axis, points=tuple(sorted({*points, high})), resolution=resolution)


def _largest(values: F64) -> float:
    known = values[np.isfinite(values)]
    return float(known.max()) if len(known) else 0.0


def _no_effect(name: str, measurement: ClipMeasurement) -> str:
    if name == "radius_cap" and measurement.clip.has_geometry:
        return "The sphere has no cap in 3D."
    if name in (*_RELIEF, "depth_attenuation") and not measurement.clip.has_geometry:
        return "Without 3D, depth gives no relief."
    return ""


def _scores_of(
    name: str, measurement: ClipMeasurement, terms: MeasuredTerms, options: ScoresOptions
) -> Callable[[Any], F64]:
    """R (K,) by the option's value; only what it alters is computed again."""
    whole = OptionChange(name, 0).info.type is int

    def changed(value: Any) -> ScoresOptions:
        typed: dict[str, Any] = {name: int(value) if whole else value}
        return replace(options, **typed)

    if name in LINEAR or name in _FORMULA or name == "full_overlap_threshold":
        return lambda value: compute(terms, changed(value)).score
    if name in _RELIEF:
        gaps = measurement.depth_gaps

        def relieved(value: Any) -> F64:
            other = changed(value)
            return compute(replace(terms, relief=depth_relief(gaps, other)), other).score

        return relieved

    def measured(value: Any) -> F64:
        other = changed(value)
        return compute(measurement.terms(other), other).score

    return measured


def boundary_axes(
    measurement: ClipMeasurement, options: ScoresOptions, first_phase: int
) -> Iterator[BoundaryAxis]:
    """Starts of the subtask's phases, each up to a frame from its neighbours.

    The first start moves within the tracked clip only. The end of the last phase is the start of
    what follows, or the end of the episode; it enters no term.

    Args:
        measurement: Of the clip.
        options: Values now.
        first_phase: Position of the subtask's first phase among those of its arm.
    """
    subtask = measurement.clip.subtask
    frames = measurement.clip.tracks.frames
    for place, phase in enumerate(subtask.phases):
        before = subtask.phases[place - 1] if place else None
        if before is not None and (before.arm, before.end) != (phase.arm, phase.start):
            return  # Phases of several arms: no boundary is theirs alone.
        change = BoundaryChange(
            arm=phase.arm,
            index=first_phase + place - 1,
            frame=phase.start,
            place=place,
            between=(before.name.words if before else "", phase.name.words),
        )
        if before is not None:
            low = before.start + 1
        else:
            lead = phase.start - subtask.start
            low = min(max(int(frames[0]) + lead, 0), phase.start) if len(frames) else phase.start
        high = phase.end - 1
        axis = Axis(
            float(phase.start),
            float(low),
            float(high),
            _moved(measurement, options, change),
            tuple(float(f) for f in range(low, high + 1)),
            whole=True,
        )
        lengths = (before.length if before else 0, phase.length)
        yield BoundaryAxis(axis, change, lengths, "" if low < high else "It has no room to move.")


def _moved(
    measurement: ClipMeasurement, options: ScoresOptions, change: BoundaryChange
) -> Callable[[float], F64]:
    def scores(frame: float) -> F64:
        subtask = change.at(frame).applied_to(measurement.clip.subtask)
        return compute(measurement.terms(options, subtask), options).score

    return scores
