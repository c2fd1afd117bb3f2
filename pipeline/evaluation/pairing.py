"""Which prediction is about which true subtask."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.annotations.table import AnnotationTable
from pipeline.evaluation.ground_truth import TrueSubtask, matching_truth
from pipeline.model.arrays import I64, Array
from pipeline.model.problem import DataError

Key = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class Pairing:
    """Every true subtask with a start box, and the prediction about it.

    Attributes:
        truth: N true subtasks, each with a start box.
        row: (N,) int64, row of the prediction in its table, -1 where there is none.
        unused: Predictions that no ground truth speaks about.
        without_box: Lines of ground truth without a start box, left out.
        other_camera: Predictions in another camera than the ground truth (where both name theirs);
            they count as not predicted, as their pixels cannot be compared.
    """

    truth: tuple[TrueSubtask, ...]
    row: I64
    unused: int
    without_box: int
    other_camera: int

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def predicted(self) -> int:
        """True subtasks with a prediction."""
        return int((self.row >= 0).sum())

    @property
    def episodes(self) -> Array:
        """(N,) int64, number of the episode of each true subtask among all of all datasets."""
        keys: dict[tuple[str, int], int] = {}
        found = [keys.setdefault((t.dataset, t.episode_index), len(keys)) for t in self.truth]
        return np.array(found, np.int64)


def pair_by_index(table: AnnotationTable, truth: Sequence[TrueSubtask]) -> Pairing:
    """Pair by dataset, episode and number of the subtask.

    Args:
        table: Predictions; at most one per subtask.
        truth: Ground truth; at most one line per subtask.

    Raises:
        DataError: Nothing can be paired: see `_named`, `_checked`.
    """
    named = _named(table, truth)
    rows = {key: row for row, key in enumerate(_keys(table, named))}
    found = {
        number: rows[key]
        for number, t in enumerate(truth)
        if (key := (t.dataset if named else "", t.episode_index, t.subtask_index)) in rows
    }
    return _checked(table, truth, found, named)


def pair_by_time(table: AnnotationTable, truth: Sequence[TrueSubtask], spans: Array) -> Pairing:
    """Pair by arm and overlap in time: a missed or split grasp does not shift what follows.

    Of several predictions that mean the same true subtask the first one counts.

    Args:
        table: Predictions.
        truth: Ground truth, with `contact` or at least `keyframe`.
        spans: (len(table), 2) int, first frame of each subtask and one past its last.

    Raises:
        DataError: Nothing can be paired.
    """
    named = _named(table, truth)
    by_episode: dict[tuple[str, int], list[TrueSubtask]] = defaultdict(list)
    numbers = {id(t): number for number, t in enumerate(truth)}
    for t in truth:
        by_episode[t.dataset if named else "", t.episode_index].append(t)
    found: dict[int, int] = {}
    keys = _keys(table, named)
    for row in sorted(range(len(table)), key=lambda r: keys[r]):
        dataset, episode, _ = keys[row]
        own = tuple(by_episode.get((dataset, episode), ()))
        start, end = (int(v) for v in spans[row])
        true = matching_truth(own, episode, table.arm[row], start, end)
        if true is not None:
            found.setdefault(numbers[id(true)], row)
    return _checked(table, truth, found, named)


def _keys(table: AnnotationTable, named: bool) -> list[Key]:
    episodes, subtasks = table.episode.tolist(), table.subtask.tolist()
    names = [table.dataset[row] if named else "" for row in range(len(table))]
    return list(zip(names, episodes, subtasks, strict=True))


def _named(table: AnnotationTable, truth: Sequence[TrueSubtask]) -> bool:
    """Whether datasets tell subtasks apart; not if one of both sides knows of a single one.

    Raises:
        DataError: They would have to, but one side does not name them.
    """
    ours = {table.dataset.values[code] for code in np.unique(table.dataset.codes).tolist()}
    theirs = {t.dataset for t in truth}
    if theirs == {""} and len(ours) > 1:
        raise DataError(
            "dataset_unnamed",
            f"The predictions are of {len(ours)} datasets and the ground truth does not say of "
            'which: give its lines a "dataset", or evaluate one dataset at a time.',
        )
    if ours == {""} and len(theirs) > 1:
        raise DataError(
            "dataset_unnamed",
            f"The ground truth is of {len(theirs)} datasets and the predictions do not say of "
            'which: give their lines a "dataset", or evaluate one dataset at a time.',
        )
    return theirs != {""} and ours != {""}


def _checked(
    table: AnnotationTable, truth: Sequence[TrueSubtask], found: dict[int, int], named: bool
) -> Pairing:
    """Raises DataError if both are about different episodes, or nothing has a start box."""
    wanted = {(t.dataset if named else "", t.episode_index) for t in truth}
    if len(table) and not wanted & {key[:2] for key in _keys(table, named)}:
        raise DataError(
            "no_common_episode",
            "Predictions and ground truth have no episode in common: predictions are of "
            f"{_episodes(sorted(set(table.episode.tolist())))}, ground truth of "
            f"{_episodes(sorted({t.episode_index for t in truth}))}"
            + (" (of datasets of other names)." if named else "."),
        )
    kept = [number for number, t in enumerate(truth) if t.start_box is not None]
    if not kept:
        raise DataError("ground_truth_empty", "No line of the ground truth has a start_box.")
    row = np.array([found.get(number, -1) for number in kept], np.int64)
    other = np.array(
        [
            r >= 0
            and bool(truth[n].camera and table.camera[r] and truth[n].camera != table.camera[r])
            for n, r in zip(kept, row.tolist(), strict=True)
        ],
        np.bool_,
    )
    return Pairing(
        truth=tuple(truth[number] for number in kept),
        row=np.where(other, -1, row),
        unused=len(table) - len(set(found.values())),
        without_box=len(truth) - len(kept),
        other_camera=int(other.sum()),
    )


def _episodes(numbers: Sequence[int]) -> str:
    shown = ", ".join(str(n) for n in numbers[:5])
    return f"episode{'s' if len(numbers) > 1 else ''} {shown}{', …' if len(numbers) > 5 else ''}"
