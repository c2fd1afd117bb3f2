"""Measures the candidates of a table again with other options, from the tracks in the cache.

Nothing is detected or tracked again. Whoever calls loads the clips.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from pipeline.annotations.table import AnnotationTable
from pipeline.model.arrays import F32, I64
from pipeline.model.problem import Cancelled
from pipeline.scoring.formula import ScoresOptions
from pipeline.scoring.measurement import Clip, ClipMeasurement

_SAME_BOX = 0.5
"""Pixels: files round boxes."""
_TERMS = ("motion_in", "motion_out", "proximity", "overlap", "relief")


@dataclass(frozen=True, slots=True)
class RowClip:
    """What the score of one row of a table was measured on.

    Attributes:
        row: Row of the table.
        clip: Results of the stages before the scores.
        height: Height of the picture, pixels.
        width: Width of the picture, pixels.
    """

    row: int
    clip: Clip
    height: int
    width: int


@dataclass(frozen=True, slots=True)
class Remeasured:
    """The same annotations with what other options measure.

    Attributes:
        rows: (R,) int64, rows that have a clip with the same candidates
            (ids and boxes); ascending.
        tables: One per options, of these rows only.
    """

    rows: I64
    tables: tuple[AnnotationTable, ...]


def remeasure(
    table: AnnotationTable,
    clips: Iterable[RowClip],
    settings: Sequence[ScoresOptions],
    *,
    progress: Callable[[float, str], None] = lambda _share, _what: None,
    is_cancelled: Callable[[], bool] = lambda: False,
    workers: int = 1,
) -> Remeasured:
    """Measure each clip with all options; clips are taken one by one and not kept.

    Args:
        table: Annotations.
        clips: Their clips, in any order; loaded while others are measured.
        settings: Options; neighbours that are alike cost least.
        progress: Told the share of rows.
        is_cancelled: Asked between clips.
        workers: Threads. One is enough: a clip is measured in about a millisecond per options,
            a hundredth of what loading it takes, and loading goes on meanwhile.

    Raises:
        Cancelled: `is_cancelled` said so.
    """
    columns = table.candidates
    found = {
        name: np.repeat(getattr(columns, name)[None].astype(np.float32), len(settings), axis=0)
        for name in _TERMS
    }
    rows: list[int] = []
    pending: deque[tuple[int, Future[F32]]] = deque()

    def keep() -> None:
        row, future = pending.popleft()
        measured = future.result()
        for name, values in zip(_TERMS, measured, strict=True):
            found[name][:, columns.rows_of(row)] = values
        rows.append(row)
        progress(len(rows) / max(len(table), 1), f"measured {len(rows)} of {len(table)} clips")

    with ThreadPoolExecutor(workers, "measuring") as pool:
        for entry in clips:
            if is_cancelled():
                for _, future in pending:
                    future.cancel()
                raise Cancelled
            if not _same_candidates(table, entry):
                continue
            pending.append((entry.row, pool.submit(_measure, entry, tuple(settings))))
            if len(pending) > 2 * workers:
                keep()
        while pending:
            keep()
    chosen = np.unique(np.array(rows, np.int64))
    tables = tuple(
        replace(
            table, candidates=replace(columns, **{name: found[name][s] for name in _TERMS})
        ).take(chosen)
        for s in range(len(settings))
    )
    return Remeasured(chosen, tables)


def _same_candidates(table: AnnotationTable, entry: RowClip) -> bool:
    """False if the row was annotated from other proposals than those of the clip."""
    rows = table.candidates.rows_of(entry.row)
    if tuple(table.candidates.id[rows].tolist()) != entry.clip.ids:
        return False
    boxes = {p.id: p.box for p in entry.clip.proposals.candidates}
    own = np.array([boxes[i] for i in entry.clip.ids], np.float64).reshape(-1, 4)
    return bool((np.abs(own - table.candidates.box[rows]) < _SAME_BOX).all())


def _measure(entry: RowClip, settings: Sequence[ScoresOptions]) -> F32:
    """(5, S, K) float32, the measured terms with each options."""
    measurement = ClipMeasurement(entry.clip, entry.height, entry.width)
    found = np.empty((len(_TERMS), len(settings), len(entry.clip.ids)), np.float32)
    for s, options in enumerate(settings):
        terms = measurement.terms(options)
        for t, name in enumerate(_TERMS):
            found[t, s] = getattr(terms, name)
    return found
