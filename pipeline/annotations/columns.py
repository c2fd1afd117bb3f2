"""Columns of Arrow batches, whatever file they come from, become an annotation table.

Files of others are not trusted: what does not fit is left out, counted and told.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.annotations.arrow_values import (
    as_texts,
    boxes_of,
    column_of,
    fields_of,
    floats,
    lengths_of,
    numbers,
    texts,
)
from pipeline.annotations.findings import Findings
from pipeline.annotations.growing import Growing, TextColumn
from pipeline.annotations.judgements import MOST_CANDIDATES
from pipeline.annotations.table import (
    MEASURED,
    AnnotationTable,
    CandidateColumns,
    TextLists,
)
from pipeline.model.arrays import F32, I32, I64, Array, Bool

TEXTS = ("dataset", "arm", "camera", "task", "instruction", "object", "caption")
"""Columns of text, equal in files and in the table."""
LARGEST = int(np.iinfo(np.int32).max)
"""Largest episode, subtask, frame or id."""
LONGEST_LIST = 256
"""Most candidates of an annotation; the pipeline itself makes at most 25. Scoring pads every
annotation to the longest list, so one absurd row would cost as much as a whole dataset."""
_SHARES = frozenset({"proximity", "overlap", "relief"})
"""Measured terms that are shares by definition."""


class Columns:
    """Collects batches and makes the table of them, with little more memory than it needs."""

    def __init__(self, findings: Findings) -> None:
        """Begin.

        Args:
            findings: Who is told what does not fit.
        """
        self._findings = findings
        self._texts = {name: TextColumn() for name in TEXTS}
        self._warnings, self._labels = TextColumn(), TextColumn()
        self._rows = {name: Growing(*kind) for name, kind in _ROWS.items()}
        self._candidates = {name: Growing(*kind) for name, kind in _CANDIDATES.items()}
        self.count = 0

    def reserve(self, rows: int, candidates: int) -> None:
        """Make room, where the file says how much it holds."""
        long: list[Growing | TextColumn] = [*self._rows.values(), *self._texts.values()]
        longer: list[Growing | TextColumn] = [*self._candidates.values(), self._labels]
        for column in long:
            column.reserve(rows)
        for column in longer:
            column.reserve(candidates)

    def add(self, batch: Any, lines: I64) -> None:
        """Add the rows of a batch that fit.

        Args:
            batch: `pyarrow.RecordBatch`; only `episode_index` is needed.
            lines: (N,) int64, where each row stands in its file.

        Raises:
            DataError: A column is of another type.
        """
        import pyarrow as pa

        lists = column_of(batch, "candidates")
        lengths = lengths_of(lists, "candidates") if lists is not None else None
        rows = self._fitting(batch, lengths, lines)
        if not rows.all():
            batch, lines = batch.filter(pa.array(rows)), lines[rows]
            lists = column_of(batch, "candidates")
        if not len(lines):
            return
        self.count += len(lines)
        self._rows["line"].add(lines)
        self._add_rows(batch, lines)
        self._add_candidates(lists, lines)

    def _fitting(self, table: Any, lengths: I64 | None, lines: I64) -> Bool:
        """(N,) bool, rows that say which subtask they are about."""
        episode = numbers(table, "episode_index")
        fits = (episode >= 0) & (episode <= LARGEST) & (episode == np.floor(episode))
        self._findings.skipped(lines[~fits], "episode_index is missing or no episode number")
        subtask = numbers(table, "subtask_index", 0.0)
        good = (subtask >= 0) & (subtask <= LARGEST) & (subtask == np.floor(subtask))
        self._findings.skipped(lines[fits & ~good], "subtask_index is no number of a subtask")
        fits &= good
        if lengths is not None:
            long = lengths > LONGEST_LIST
            self._findings.skipped(lines[fits & long], f"more than {LONGEST_LIST} candidates")
            fits &= ~long
        found: Bool = fits
        return found

    def _add_rows(self, table: Any, lines: I64) -> None:
        import pyarrow as pa

        for name, column in self._texts.items():
            column.add(texts(table, name))
        warnings = column_of(table, "warnings")
        if warnings is None:
            warnings = pa.nulls(len(lines), pa.list_(pa.string()))
        self._rows["warnings"].add(lengths_of(warnings, "warnings"))
        self._warnings.add(as_texts(warnings.flatten(), "warnings"))
        for name in ("episode_index", "subtask_index"):
            self._rows[name].add(numbers(table, name, 0.0))
        for name in ("keyframe", "winner"):
            values = numbers(table, name)
            self._rows[name].add(np.where((values >= 0) & (values <= LARGEST), values, -1))
            if name == "winner":
                self._rows["unsaid"].add(np.isnan(values))
        for name in ("score", "runner_up"):
            values = numbers(table, name)
            self._rows[name].add(np.where(np.isfinite(values), values, np.nan))
        for name in ("start_box", "target_box"):
            boxes, bad = boxes_of(column_of(table, name), len(lines), name)
            self._findings.boxes(lines[bad], name)
            self._rows[name].add(boxes)
        import pyarrow.compute as pc

        person = pc.equal(texts(table, "chosen_by"), "person").fill_null(False)
        self._rows["by_person"].add(person.to_numpy(zero_copy_only=False))

    def _add_candidates(self, lists: Any, lines: I64) -> None:
        import pyarrow as pa

        counts = np.zeros(len(lines), np.int64)
        table = pa.record_batch({"id": pa.array([], pa.int32())})
        if lists is not None:
            counts = lengths_of(lists, "candidates")
            table = fields_of(lists.flatten(), "candidates", table)
        owner = np.repeat(np.arange(len(lines)), counts)
        ids = numbers(table, "id")
        good = (ids >= 0) & (ids <= LARGEST) & (ids == np.floor(ids))
        self._findings.candidates(lines[np.unique(owner[~good])])
        order = np.flatnonzero(good)
        key = owner * np.int64(LARGEST + 1) + np.where(good, ids, 0).astype(np.int64)
        if len(order) and (len(order) != len(key) or (np.diff(key[order]) <= 0).any()):
            _, first = np.unique(key[order], return_index=True)
            twice = np.delete(order, first)
            self._findings.twice(lines[np.unique(owner[twice])])
            order = order[first]
        all_in_order = len(order) == len(ids) and bool((np.diff(order) == 1).all())
        if not all_in_order:
            table, owner = table.take(pa.array(order)), owner[order]
        self._rows["counts"].add(np.bincount(owner, minlength=len(lines)))
        self._candidates["id"].add(ids[order] if not all_in_order else ids)
        boxes, bad = boxes_of(column_of(table, "box"), len(owner), "candidates.box")
        self._findings.boxes(lines[np.unique(owner[bad])], "a candidate's box")
        self._candidates["box"].add(boxes)
        for name in MEASURED:
            values = floats(table, name)
            finite = np.isfinite(values)
            values = values if finite.all() else np.where(finite, values, np.float32(0))
            if name in _SHARES and len(values) and not (0 <= values.min() <= values.max() <= 1):
                values = np.clip(values, 0, 1)
            self._candidates[name].add(values)
        points = np.nan_to_num(numbers(table, "points", 0.0))
        self._candidates["points"].add(np.clip(points, 0, LARGEST))
        self._labels.add(texts(table, "label"))

    def finish(self) -> tuple[AnnotationTable, I64]:
        """The table, and (N,) int64 where each row stands in its file; this is empty afterwards."""
        rows = {name: column.finish() for name, column in self._rows.items()}
        own = {name: column.finish() for name, column in self._candidates.items()}
        counts, lines = rows["counts"], rows["line"]
        candidates = CandidateColumns(offsets=_offsets(counts), label=self._labels.finish(), **own)
        winner = _winners(
            rows["winner"], rows["unsaid"], rows["start_box"], candidates, lines, self._findings
        )
        self._findings.many(lines[counts > MOST_CANDIDATES])
        codes = self._warnings.finish()
        table = AnnotationTable(
            **{name: column.finish() for name, column in self._texts.items()},
            episode=rows["episode_index"],
            subtask=rows["subtask_index"],
            warnings=TextLists(_offsets(rows["warnings"]), codes.codes, codes.values),
            score=rows["score"],
            runner_up=rows["runner_up"],
            keyframe=rows["keyframe"],
            start_box=rows["start_box"],
            target_box=rows["target_box"],
            winner=winner,
            by_person=rows["by_person"],
            candidates=candidates,
        )
        return _newest(table, lines, self._findings)


_ROWS: dict[str, tuple[Any, int]] = {
    "line": (np.int64, 0),
    "counts": (np.int64, 0),
    "warnings": (np.int64, 0),
    "episode_index": (np.int32, 0),
    "subtask_index": (np.int32, 0),
    "keyframe": (np.int32, 0),
    "winner": (np.int32, 0),
    "unsaid": (np.bool_, 0),
    "by_person": (np.bool_, 0),
    "score": (np.float64, 0),
    "runner_up": (np.float64, 0),
    "start_box": (np.float32, 4),
    "target_box": (np.float32, 4),
}
_CANDIDATES: dict[str, tuple[Any, int]] = {
    "id": (np.int32, 0),
    "box": (np.float32, 4),
    "points": (np.int32, 0),
    **dict.fromkeys(MEASURED, (np.float32, 0)),
}


def _winners(
    winner: I32,
    unsaid: Bool,
    start_box: F32,
    candidates: CandidateColumns,
    lines: I64,
    findings: Findings,
) -> I32:
    """Winners that are among the candidates; by the box where the file does not name them."""
    counts = candidates.counts
    owner = np.repeat(np.arange(len(winner)), counts)
    named = np.zeros(len(winner), np.bool_)
    named[owner[candidates.id == winner[owner]]] = True
    lost = (counts > 0) & (winner >= 0) & ~named
    findings.winners(lines[lost])
    winner = np.where(lost, -1, winner).astype(np.int32)
    unsaid &= counts > 0
    if unsaid.any():
        # the same float32 on both sides, so that a rounding would not hide the winner
        same = np.abs(candidates.box - start_box[owner]).max(axis=1) < 1e-3
        found = np.flatnonzero(same & unsaid[owner])[::-1]
        winner[owner[found]] = candidates.id[found]
    return winner


def _newest(table: AnnotationTable, lines: I64, findings: Findings) -> tuple[AnnotationTable, I64]:
    """Only the last row of each subtask."""
    order = np.lexsort((table.subtask, table.episode, table.dataset.codes))
    keys = (table.dataset.codes[order], table.episode[order], table.subtask[order])
    again = np.ones(max(len(order) - 1, 0), np.bool_)
    for key in keys:
        again &= key[1:] == key[:-1]
    # lexsort is stable: within equal keys, what comes later in the file comes later here
    old = np.sort(order[:-1][again])
    if not len(old):
        return table, lines
    findings.superseded(lines[old])
    kept = np.ones(len(table), np.bool_)
    kept[old] = False
    return table.take(kept), lines[kept]


def _offsets(counts: Array) -> I64:
    offsets = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    return offsets


def subset(names: Sequence[str]) -> list[str]:
    """Of the columns of a file, those that a table needs."""
    wanted = {
        *TEXTS,
        "episode_index",
        "subtask_index",
        "warnings",
        "keyframe",
        "winner",
        "score",
        "runner_up",
        "start_box",
        "target_box",
        "chosen_by",
        "candidates",
    }
    return [n for n in names if n in wanted]
