"""What would flip a decision: the smallest change of one setting that makes another one win.

Every weight, threshold and window of the score is varied alone, from its value now to both ends of
its documented range; every phase boundary is moved alone by whole frames. What is varied enters
through `compute` and `ClipMeasurement`, which the scoring stage itself uses: a flip that is put in
force wins there, too. Keyframe, boxes, masks and tracks stay as they are, nothing is tracked again:
a run with a moved boundary may choose another keyframe and find other boxes.

Our design; the paper has nothing like it. What is said about the winner is about the best R, also
where a person chose someone else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from pipeline.evaluation.what_if_axes import BoundaryAxis, OptionAxis, boundary_axes, option_axes
from pipeline.evaluation.what_if_changes import Change
from pipeline.evaluation.what_if_search import Contest, Crossing, crossings
from pipeline.model.problem import Cancelled
from pipeline.model.score import ScoresResult
from pipeline.scoring.formula import ScoresOptions, compute
from pipeline.scoring.measurement import Clip, ClipMeasurement

Progress = Callable[[float, str], None]


class Kind(StrEnum):
    """How sure it is that no smaller change does it."""

    EXACT = "exact"
    SEARCHED = "searched"


@dataclass(frozen=True, slots=True)
class Flip:
    """The smallest change of one thing, in one direction, that makes a candidate win.

    Attributes:
        change: What to apply; its value is `to_value`.
        from_value: Value or frame now; a text for a choice.
        to_value: Where `new_winner` begins to win.
        short_value: A value of few digits, hardly farther away, that does it, too.
        new_winner: Candidate id.
        kind: Whether a smaller change can have been missed.
        effort: The size of the change, comparable between settings (our choice): of an option in
            units of its default value; of a boundary as a share of the phase that it shortens; 1
            for another choice.
    """

    change: Change
    from_value: float | str
    to_value: float | str
    short_value: float | str
    new_winner: int
    kind: Kind
    effort: float

    @property
    def is_larger(self) -> bool | None:
        """True if the value has to grow, None for a choice."""
        if isinstance(self.from_value, str) or isinstance(self.to_value, str):
            return None
        return self.to_value > self.from_value


@dataclass(frozen=True, slots=True)
class Trial:
    """One thing that was varied, and how thoroughly.

    Attributes:
        change: What was varied, with its value now.
        low: Smallest value tried.
        high: Largest value tried.
        kind: `exact`: no flip can have been missed.
        resolution: How fine the search was, in words; empty if exact.
        winners: Ids of the candidates that it can make win.
        reason: Why nothing was tried, one sentence; else empty.
    """

    change: Change
    low: float
    high: float
    kind: Kind
    resolution: str
    winners: tuple[int, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Flips:
    """What would flip one decision.

    Attributes:
        winner: Candidate with the best R, -1 without candidates.
        runner_up: The second best, -1 if there is none.
        margin: Difference of their R; 0 without a runner-up.
        near_tie: True if the margin is under `near_tie_margin`.
        by_person: Candidate that a person chose instead, -1 if the score decided.
        flips: Per setting and direction the smallest change that makes anybody else win, the
            smallest effort first.
        roads: Per other candidate, by id, the smallest changes that make it win, the smallest
            effort first; empty if no single change within the documented ranges does it.
        trials: Everything that was varied.
    """

    winner: int
    runner_up: int
    margin: float
    near_tie: bool
    by_person: int
    flips: tuple[Flip, ...]
    roads: tuple[tuple[int, tuple[Flip, ...]], ...]
    trials: tuple[Trial, ...]

    def to(self, candidate: int) -> tuple[Flip, ...]:
        """Changes that make a candidate win, the smallest effort first."""
        return next((found for known, found in self.roads if known == candidate), ())


def flips_of(
    clip: Clip,
    height: int,
    width: int,
    options: ScoresOptions,
    scores: ScoresResult,
    *,
    first_phase: int = 0,
    progress: Progress = lambda _share, _what: None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> Flips:
    """Find the smallest changes that make other candidates win.

    Args:
        clip: Inputs of the score.
        height: Height of the picture, pixels.
        width: Width of the picture, pixels.
        options: Options that made `scores`.
        scores: The decision.
        first_phase: Position of the subtask's first phase among the phases of its arm, so that
            boundaries are numbered as edits number them.
        progress: Told the share that is done and what is being varied.
        is_cancelled: Asked before each setting and while boundaries move.

    Raises:
        Cancelled: `is_cancelled` said so.
    """
    ids = clip.ids
    person = scores.winner if scores.chosen_by == "person" else -1
    if not ids:
        return Flips(-1, -1, 0.0, False, person, (), (), ())
    measurement = ClipMeasurement(clip, height, width)
    terms = measurement.terms(options)
    now = compute(terms, options).score
    contest = Contest(terms.detector)
    ranking = sorted(range(len(ids)), key=lambda k: (-now[k], -terms.detector[k], k))
    margin = float(now[ranking[0]] - now[ranking[1]]) if len(ids) > 1 else 0.0
    found: list[Flip] = []
    trials: list[Trial] = []
    if len(ids) > 1:
        axes: list[OptionAxis | BoundaryAxis] = [
            *option_axes(measurement, terms, options),
            *boundary_axes(measurement, options, first_phase),
        ]
        for number, entry in enumerate(axes):
            if is_cancelled():
                raise Cancelled
            progress(number / len(axes), entry.change.words)
            flips, trial = _vary(entry, contest, ids)
            found += flips
            trials.append(trial)
    progress(1.0, "done")
    winner = ids[ranking[0]]
    return Flips(
        winner=winner,
        runner_up=ids[ranking[1]] if len(ids) > 1 else -1,
        margin=margin,
        near_tie=len(ids) > 1 and margin < options.near_tie_margin,
        by_person=person,
        flips=_nearest(found),
        roads=tuple(
            (c, _by_effort(f for f in found if f.new_winner == c)) for c in ids if c != winner
        ),
        trials=tuple(trials),
    )


def _vary(
    entry: OptionAxis | BoundaryAxis, contest: Contest, ids: tuple[int, ...]
) -> tuple[list[Flip], Trial]:
    axis, change = entry.axis, entry.change
    kind = Kind.EXACT if axis.exact or axis.linear or axis.whole else Kind.SEARCHED
    found = () if entry.reason else crossings(axis, contest)
    winners = tuple(sorted({ids[c.row] for c in found}))
    trial = Trial(change, axis.low, axis.high, kind, axis.resolution, winners, entry.reason)
    return [_flip(entry, crossing, ids, kind) for crossing in found], trial


def _flip(
    entry: OptionAxis | BoundaryAxis, crossing: Crossing, ids: tuple[int, ...], kind: Kind
) -> Flip:
    return Flip(
        change=entry.change.at(entry.value(crossing.value)),
        from_value=entry.value(entry.axis.start),
        to_value=entry.value(crossing.value),
        short_value=entry.value(crossing.short),
        new_winner=ids[crossing.row],
        kind=kind,
        effort=entry.effort(crossing.value),
    )


def _by_effort(flips: Iterable[Flip]) -> tuple[Flip, ...]:
    return tuple(sorted(flips, key=lambda f: f.effort))


def _nearest(flips: list[Flip]) -> tuple[Flip, ...]:
    """Per setting and direction the flip of the smallest effort."""
    best: dict[tuple[str, bool | None], Flip] = {}
    for flip in _by_effort(flips):
        best.setdefault((flip.change.name, flip.is_larger), flip)
    return _by_effort(best.values())
