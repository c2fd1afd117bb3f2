"""Rows of one episode in the Parquet tables of a LeRobot dataset."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.model.arrays import F32, I64, Array
from pipeline.model.problem import DataError, Problem
from pipeline.sources.arrow_numbers import is_number, lists_of, numbers_of
from pipeline.sources.assembly import MOST_FRAMES, as_columns
from pipeline.sources.lerobot.metadata import Feature, flat_names

log = logging.getLogger(__name__)

INDEX_COLUMNS = frozenset(
    {"timestamp", "frame_index", "episode_index", "index", "task_index", "subtask_index"}
)
_MOST_FILES = 64
"""Files over which one episode may be spread."""


@dataclass(frozen=True, slots=True)
class TablePart:
    """The rows of one episode in one file.

    Attributes:
        path: Parquet file.
        groups: Row groups that hold them.
        rows: Rising rows, counted from the start of these groups.
    """

    path: Path
    groups: tuple[int, ...]
    rows: I64

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, columns: Sequence[str]) -> Any:
        """Read columns as a `pyarrow.Table` of these rows. Raises DataError."""
        with parquet(self.path) as file:
            have = [c for c in columns if c in file.schema_arrow.names]
            table = file.read_row_groups(list(self.groups), columns=have).select(have)
            if not len(self.rows):
                return table.slice(0, 0)
            first, last = int(self.rows[0]), int(self.rows[-1])
            if last - first + 1 == len(self.rows):
                return table.slice(first, len(self.rows))
            return table.take(self.rows)


@contextmanager
def parquet(path: Path) -> Iterator[Any]:
    """Open a Parquet file; what goes wrong while it is open becomes a DataError."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            yield file
    except (pa.ArrowException, OSError, ValueError, KeyError, OverflowError) as error:
        raise DataError("bad_table", f"{path}: is truncated or no Parquet ({error})") from error


def find_rows(
    path: Path,
    episode: int,
    shared: bool,
    wanted: int,
    following: Callable[[Path], Path | None],
) -> tuple[TablePart, ...]:
    """Find the rows of an episode, also where they go on in the next file.

    Args:
        path: File in which the episode starts.
        episode: Episode index.
        shared: True if the file holds several episodes.
        wanted: Rows that the metadata promises, 0 if it does not say.
        following: Gives the file after one.

    Returns:
        One part per file, at least one.

    Raises:
        DataError: `bad_table` if there are no rows, `too_long`.
    """
    parts = [_rows_in(path, episode, shared)]
    total = len(parts[0])
    place: Path | None = path
    while shared and total < wanted and len(parts) < _MOST_FILES:
        place = following(place) if place is not None else None
        if place is None:
            break
        try:
            part = _rows_in(place, episode, shared)
        except DataError as error:
            log.info("episode %d may go on: %s", episode, error)
            break
        if not len(part):
            break
        parts.append(part)
        total += len(part)
    if not total:
        raise DataError("bad_table", f"{path}: has no rows of episode {episode}")
    if total > MOST_FRAMES:
        raise DataError("too_long", f"episode {episode}: {total} frames, more than can be open")
    return tuple(p for p in parts if len(p))


def _rows_in(path: Path, episode: int, shared: bool) -> TablePart:
    with parquet(path) as file:
        names = file.schema_arrow.names
        if not shared or "episode_index" not in names:
            count = file.metadata.num_rows
            if count > MOST_FRAMES:
                text = f"episode {episode}: {count} frames, more than can be open"
                raise DataError("too_long", text)
            return TablePart(path, tuple(range(file.num_row_groups)), np.arange(count))
        groups = _groups_with(file, episode)
        if not groups:
            return TablePart(path, (), np.zeros(0, np.int64))
        column = file.read_row_groups(groups, columns=["episode_index"])["episode_index"]
        values = as_array(column)
        rows = np.flatnonzero(values.reshape(len(values), -1)[:, 0] == episode)
        return _trimmed(file, path, groups, rows)


def _groups_with(file: Any, episode: int) -> list[int]:
    """Row groups that may hold an episode, by their statistics."""
    place = file.schema_arrow.names.index("episode_index")
    flat = file.schema.names
    if len(flat) != len(file.schema_arrow.names):  # Nested columns shift the places.
        paths = [file.schema.column(i).path for i in range(len(flat))]
        place = paths.index("episode_index") if "episode_index" in paths else -1
    groups = []
    for group in range(file.num_row_groups):
        known = file.metadata.row_group(group).column(place).statistics if place >= 0 else None
        if known is None or not known.has_min_max:
            groups.append(group)
            continue
        low, high = known.min, known.max
        numbers = isinstance(low, int | float) and isinstance(high, int | float)
        if not numbers or low <= episode <= high:
            groups.append(group)
    return groups


def _trimmed(file: Any, path: Path, groups: list[int], rows: I64) -> TablePart:
    """Leave out row groups without a row of the episode."""
    sizes = np.array([file.metadata.row_group(g).num_rows for g in groups], np.int64)
    ends = np.cumsum(sizes)
    owner = np.searchsorted(ends, rows, side="right")
    used = np.unique(owner)
    skipped = np.zeros(len(groups), np.int64)
    skipped[~np.isin(np.arange(len(groups)), used)] = sizes[~np.isin(np.arange(len(groups)), used)]
    before = np.cumsum(skipped)
    moved = rows - before[owner] if len(rows) else rows
    return TablePart(path, tuple(groups[i] for i in used), moved.astype(np.int64))


class EpisodeTable:
    """The numeric columns of one episode."""

    def __init__(self, columns: dict[str, Array], length: int, problems: list[Problem]) -> None:
        self.columns = columns
        self.length = length
        self.problems = problems

    @classmethod
    def read(cls, parts: Sequence[TablePart], features: Mapping[str, Feature]) -> EpisodeTable:
        """Read what stands in the table as numbers, whatever info.json declares.

        Raises:
            DataError: `bad_table`.
        """
        length = sum(len(p) for p in parts)
        with parquet(parts[0].path) as file:
            schema = file.schema_arrow
        wanted = [f.name for f in schema if is_signal(f.name) and _is_numeric(f.type)]
        declared = [k for k, f in features.items() if is_signal(k) and not f.is_picture]
        problems = [
            Problem("missing_column", f"info.json declares {key}, the table has no such numbers")
            for key in declared
            if key not in wanted and features[key].is_numeric
        ]
        tables = [p.read(wanted) for p in parts]
        columns: dict[str, Array] = {}
        for name in dict.fromkeys(wanted):
            try:
                pieces = [as_array(t.column(name)) for t in tables]
                columns[name] = np.concatenate(pieces) if len(pieces) > 1 else pieces[0]
            except (ValueError, KeyError) as error:
                text = f"{parts[0].path.name}: column {name} is not used: {error}"
                problems.append(Problem("bad_column", text))
        return cls(columns, length, problems)

    def stacked(self, prefix: str, features: Mapping[str, Feature]) -> tuple[F32, tuple[str, ...]]:
        """Join all numeric columns of a kind; the primary one first.

        Args:
            prefix: `observation.` or `action`.
            features: For the names.

        Returns:
            (T, C) float32 with NaN for what is not finite, and C names.
        """
        return stack(self.columns, self.length, prefix, features)


def stack(
    columns: Mapping[str, Array], length: int, prefix: str, features: Mapping[str, Feature]
) -> tuple[F32, tuple[str, ...]]:
    """See `EpisodeTable.stacked`."""
    primary = "observation.state" if prefix == "observation." else "action"
    keys = [k for k in columns if k.startswith(prefix) and k not in INDEX_COLUMNS]
    keys.sort(key=lambda k: (k != primary, k))
    parts: list[F32] = []
    names: list[str] = []
    for key in keys:
        values = as_columns(columns[key], length)
        short = key.removeprefix(prefix).lstrip(".") or "action"
        feature = features.get(key)
        own = flat_names(feature.names if feature else None, values.shape[1], short)
        if key != primary:
            own = tuple(n if n.startswith(short) else f"{short}.{n}" for n in own)
        names.extend(own)
        parts.append(values)
    if not parts:
        return np.zeros((length, 0), np.float32), ()
    return np.concatenate(parts, axis=1), tuple(names)


def is_signal(name: str) -> bool:
    """True for columns that belong to state, action or the row's place."""
    return name in INDEX_COLUMNS or name.startswith(("observation.", "action"))


def _is_numeric(kind: Any) -> bool:
    import pyarrow as pa

    while True:
        if isinstance(kind, pa.BaseExtensionType):
            kind = kind.storage_type
        elif _is_list(kind):
            kind = kind.value_type
        else:
            break
    return is_number(kind)


def _is_list(kind: Any) -> bool:
    import pyarrow as pa

    return bool(
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )


def as_array(column: Any) -> Array:
    """Bring a numeric column to (T,) or (T, n), NaN where it holds null.

    Raises:
        ValueError: If its rows are of unequal length.
    """
    import pyarrow as pa

    values = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(values, pa.ChunkedArray):  # An empty column stays chunked.
        return np.zeros(len(values))
    if isinstance(values, pa.ExtensionArray):
        values = values.storage
    if not _is_list(values.type):
        if pa.types.is_null(values.type):
            return np.full(len(values), np.nan)
        if not is_number(values.type):
            raise ValueError(f"{values.type} is no number")
        return numbers_of(values)
    given = values.drop_null() if values.null_count else values
    items, size = lists_of(given)
    flat: Array = as_array(items).reshape(len(given), size, -1)
    flat = flat.reshape(len(flat), -1)
    if given is values:
        return flat
    whole = np.full((len(values), flat.shape[1]), np.nan)
    whole[numbers_of(values.is_valid()).astype(np.bool_)] = flat
    return whole


def first_texts(part: TablePart, names: Iterable[str]) -> dict[str, Any]:
    """Values of some columns in the first row of an episode, as Python objects."""
    wanted = list(names)
    if not wanted or not len(part):
        return {}
    # All rows of the row group are read, but only these columns, which repeat themselves.
    rows = TablePart(part.path, part.groups[:1] or part.groups, part.rows[:1]).read(wanted)
    return {n: rows.column(n)[0].as_py() for n in rows.column_names if rows.num_rows}
