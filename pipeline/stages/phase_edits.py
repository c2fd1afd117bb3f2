"""What people correct in the phases: boundaries moved, phases split, merged and named.

Edits apply in the order in which they were made, on top of what the rules found. Splits, merges
and names are found again by a frame and the names they were made for, so that they survive a
re-run, and say so when the phases changed under them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from pipeline.model.edits import Edit, MergePhases, MoveBoundary, NamePhase, SplitPhase
from pipeline.model.phases import Phase, PhaseName

PhaseEdit = MoveBoundary | SplitPhase | MergePhases | NamePhase
_PLACE = {
    PhaseName.GRASP: 0,
    PhaseName.GRASP_FAILURE: 0,
    PhaseName.INTERACT: 1,
    PhaseName.RELEASE: 2,
}
"""Order of the phases within a cycle; failures and grasps may alternate."""


@dataclass(frozen=True, slots=True)
class Edited:
    """Phases of one arm with its edits.

    Attributes:
        phases: By time.
        refused: Why edits could not be applied, one sentence each.
        reshaped: True if a split, a merge or a name was applied.
    """

    phases: tuple[Phase, ...]
    refused: tuple[str, ...] = ()
    reshaped: bool = False


def phase_edits(edits: Sequence[Edit]) -> tuple[PhaseEdit, ...]:
    """Those that change phases, in their order."""
    return tuple(e for e in edits if isinstance(e, PhaseEdit))


def apply_edits(
    phases: Sequence[Phase], edits: Sequence[PhaseEdit], arm: str, length: int
) -> Edited:
    """Apply the edits of one arm in the order in which they were made.

    Moves between two other edits are judged together, whatever their order. Once a split or a
    merge is refused, later moves are too: they counted boundaries that are not there.

    Args:
        phases: Consecutive phases of the arm.
        edits: Of any arm.
        arm: Which arm.
        length: Length T of the trajectory, frames.
    """
    now, refused, lost, reshaped = list(phases), list[str](), False, False
    moves: list[MoveBoundary] = []

    def finish_moves() -> None:
        nonlocal now
        if lost:
            refused.extend(_no_boundary(m, "was counted after an edit that is gone") for m in moves)
        else:
            now, unknown = move_boundaries(now, [(m.index, m.frame) for m in moves], length)
            refused.extend(
                _no_boundary(m, "is not there any more") for m in moves if m.index in unknown
            )
        moves.clear()

    for edit in edits:
        if edit.arm != arm:
            continue
        if isinstance(edit, MoveBoundary):
            moves.append(edit)
            continue
        finish_moves()
        changed = _reshaped(now, edit)
        if changed is None:
            refused.append(_not_there(edit, now))
            lost = lost or not isinstance(edit, NamePhase)
        else:
            now, reshaped = renumbered(changed), True
    finish_moves()
    return Edited(tuple(now), tuple(refused), reshaped)


def _reshaped(phases: Sequence[Phase], edit: PhaseEdit) -> list[Phase] | None:
    """The phases after a split, merge or name; None if what it was made for is not there."""
    if isinstance(edit, SplitPhase):
        return split_phase(phases, edit)
    if isinstance(edit, MergePhases):
        return merge_phases(phases, edit)
    return name_phase(phases, edit) if isinstance(edit, NamePhase) else None


def split_phase(phases: Sequence[Phase], edit: SplitPhase) -> list[Phase] | None:
    """Cut the phase around a frame in two; None if no phase of that name is cut by it."""
    for i, phase in enumerate(phases):
        if phase.start < edit.frame < phase.end and phase.name is edit.was:
            measured = min(max(edit.frame, phase.measured_start), phase.measured_end)
            first = replace(phase, name=edit.before, end=edit.frame, measured_end=measured)
            second = replace(
                phase, name=edit.after, start=edit.frame, measured_start=measured, made=True
            )
            return [*phases[:i], first, second, *phases[i + 1 :]]
    return None


def merge_phases(phases: Sequence[Phase], edit: MergePhases) -> list[Phase] | None:
    """Join the two phases of these names whose boundary is nearest to the frame.

    The frame must lie inside of them; None if there are no such two.
    """
    pairs = [
        (abs(a.end - edit.frame), i)
        for i, (a, b) in enumerate(pairwise(phases))
        if (a.name, b.name) == (edit.first, edit.second) and a.start < edit.frame < b.end
    ]
    if not pairs:
        return None
    i = min(pairs)[1]
    first, second = phases[i], phases[i + 1]
    joined = replace(first, name=edit.name, end=second.end, measured_end=second.measured_end)
    return [*phases[:i], joined, *phases[i + 2 :]]


def name_phase(phases: Sequence[Phase], edit: NamePhase) -> list[Phase] | None:
    """Give the phase around a frame another name; None if none of its old name is there."""
    for i, phase in enumerate(phases):
        if phase.start <= edit.frame < phase.end and phase.name is edit.was:
            return [*phases[:i], replace(phase, name=edit.name), *phases[i + 1 :]]
    return None


def renumbered(phases: Sequence[Phase]) -> list[Phase]:
    """Number the cycles anew: one begins where a phase cannot follow the one before within it.

    Within a cycle come grasps and failures, an interaction, a release. Two interactions in a row
    are two cycles.
    """
    cycle, numbered = 0, []
    for i, phase in enumerate(phases):
        if i:
            before, here = _PLACE[phases[i - 1].name], _PLACE[phase.name]
            if here < before or (here == before and here > 0):
                cycle += 1
        numbered.append(replace(phase, cycle=cycle))
    return numbered


def move_boundaries(
    phases: Sequence[Phase], wanted: Sequence[tuple[int, int]], length: int
) -> tuple[list[Phase], tuple[int, ...]]:
    """Apply boundaries that a person moved.

    A moved boundary is clamped so that every phase keeps a frame and boundaries that nobody moved
    stay where they are; boundaries moved together are judged together, whatever their order.

    Args:
        phases: Consecutive phases of one arm.
        wanted: (index, frame): the boundary between phases `index` and `index + 1`; -1 is the
            first start.
        length: Length T of the trajectory, frames.

    Returns:
        The phases, and the indices for which there is no such boundary.
    """
    known = {i: frame for i, frame in wanted if -1 <= i < len(phases) - 1}
    unknown = tuple(i for i, _ in wanted if i not in known)
    if not phases or not known:
        return list(phases), unknown
    # cuts[j] is the boundary of index j - 1; the last end is fixed.
    cuts = [phases[0].start, *(p.end for p in phases)]
    moved = {i + 1 for i in known}
    for i, frame in known.items():
        cuts[i + 1] = frame
    for j in sorted(moved):
        below = next((k for k in range(j - 1, -1, -1) if k not in moved), None)
        above = next(k for k in range(j + 1, len(cuts)) if k not in moved)
        low = j if below is None else cuts[below] + (j - below)
        high = min(cuts[above], length) - (above - j)
        cuts[j] = min(max(cuts[j], low), high)
    for j in sorted(moved):
        if j > 0:
            cuts[j] = max(cuts[j], cuts[j - 1] + 1)
    return [p.moved(start=a, end=b) for p, a, b in zip(phases, cuts, cuts[1:], strict=False)], (
        unknown
    )


def _no_boundary(edit: MoveBoundary, why: str) -> str:
    return (
        f"Phase boundary {edit.index + 1} of {edit.arm} was moved by hand, but it {why}; the move "
        "was ignored."
    )


def _not_there(edit: PhaseEdit, phases: Sequence[Phase]) -> str:
    """Why a split, merge or name has nothing to apply to."""
    here = next((p.name.words for p in phases if p.start <= _frame(edit) < p.end), "no phase")
    if isinstance(edit, MergePhases):
        what = f"{edit.first.words} and {edit.second.words} were merged"
        now = "they are not neighbours there any more"
    else:
        was = edit.was.words if isinstance(edit, SplitPhase | NamePhase) else "a phase"
        what = f"{was} was {'split' if isinstance(edit, SplitPhase) else 'given another name'}"
        now = f"there is {here} now" if here != was else f"{was} begins there now"
    return f"At frame {_frame(edit)} of {edit.arm} {what} by hand, but {now}; that was ignored."


def _frame(edit: PhaseEdit) -> int:
    return edit.frame
