"""Flips in words."""

from __future__ import annotations

from pipeline.evaluation.what_if import Flip, Flips, Kind, Trial
from pipeline.evaluation.what_if_changes import BoundaryChange

_PERCENT = "\u00a0%"


def value_text(value: float | str) -> str:
    """A value as people read it: short values keep their digits."""
    return value if isinstance(value, str) else f"{value:.6g}"


def unit_of(flip: Flip) -> str:
    """Unit of the value, empty if it has none."""
    return "frame" if isinstance(flip.change, BoundaryChange) else flip.change.info.unit


def far_text(flip: Flip) -> str:
    """How far the change is: `−38 %`, `+4 frames`."""
    if flip.is_larger is None:
        return "other choice"
    sign = "+" if flip.is_larger else "−"
    if isinstance(flip.change, BoundaryChange):
        frames = abs(int(flip.to_value) - int(flip.from_value))
        return f"{sign}{frames} frame{'s' if frames != 1 else ''}"
    return f"{sign}{_share(flip.effort)}"


def _share(effort: float) -> str:
    """Percent, or times from ten times on."""
    if effort < 0.1:
        return f"{effort * 100:.2g}{_PERCENT}"
    return f"{effort * 100:.0f}{_PERCENT}" if effort < 10 else f"{effort:.0f}×"


def change_text(flip: Flip) -> str:
    """The change as a clause: `the motion weight falls from 0.5 to 0.31 (−38 %)`."""
    now, new = value_text(flip.from_value), value_text(flip.short_value)
    change = flip.change
    if isinstance(change, BoundaryChange):
        frames = abs(int(flip.to_value) - int(flip.from_value))
        way = "later" if flip.is_larger else "earlier"
        plural = "s" if frames != 1 else ""
        return f"the {change.words} moves {frames} frame{plural} {way}, from {now} to {new}"
    if flip.is_larger is None:
        return f"“{change.words}” is {new} instead of {now}"
    verb = "rises" if flip.is_larger else "falls"
    unit = f" {change.info.unit}" if change.info.unit else ""
    return f"the {change.words} {verb} from {now} to {new}{unit} ({far_text(flip)})"


def summary(flips: Flips) -> str:
    """How robust the decision is, one or two sentences."""
    if flips.winner < 0:
        return "There is no candidate."
    if flips.runner_up < 0:
        return f"#{flips.winner} is the only candidate: no setting can make another one win."
    first = ""
    if flips.by_person >= 0 and flips.by_person != flips.winner:
        first = f"A person chose #{flips.by_person}; the score alone chooses #{flips.winner}. "
    if flips.near_tie:
        first += f"Near tie: #{flips.winner} leads #{flips.runner_up} by {flips.margin:.3f} only. "
    if not flips.flips:
        return f"{first}No single change within the documented ranges makes another candidate win."
    nearest = flips.flips[0]
    what = "The score's choice" if flips.by_person >= 0 else "The decision"
    return f"{first}{what} flips to #{nearest.new_winner} if {change_text(nearest)}."


def road_text(flips: Flips, candidate: int) -> str:
    """What would make one candidate win, one sentence."""
    if candidate == flips.winner:
        return summary(flips)
    found = flips.to(candidate)
    if not found:
        return f"No single change within the documented ranges makes #{candidate} win."
    return f"#{candidate} wins if {change_text(found[0])}."


def trial_text(trial: Trial) -> str:
    """What was tried without success: range and how thoroughly, one sentence."""
    if trial.reason:
        return trial.reason
    low, high = value_text(trial.low), value_text(trial.high)
    if isinstance(trial.change, BoundaryChange):
        return f"No flip at any frame from {low} to {high}."
    if trial.change.info.choices:
        return f"No flip with {' or '.join(trial.change.info.choices)}."
    if trial.kind is Kind.EXACT:
        return f"No flip from {low} to {high} (exact)."
    return f"None found from {low} to {high} in {trial.resolution}."
