"""Which episodes a LeRobot dataset declares, kept as columns."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.model.arrays import F64, I64
from pipeline.model.problem import DataError
from pipeline.sources.arrow_numbers import is_number, numbers_of

log = logging.getLogger(__name__)

_MOST_BAD_LINES = 5
_LIMIT = 2.0**62
_EMPTY = np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True)
class EpisodeMetadata:
    """The declared episodes as N rows, by rising index.

    Attributes:
        index: (N,) int64, episode index, each once.
        length: (N,) int64, frames; 0 where it is not said.
        texts: Distinct instructions.
        text: (N,) int64, place in `texts`.
        numbers: Chunk and file numbers and offsets of v3 by their column names, (N,) float64 each,
            NaN where there is none.
        unusable: Columns that should hold numbers and do not.
        origin: Where this comes from, a phrase.
    """

    index: I64
    length: I64
    texts: tuple[str, ...]
    text: I64
    numbers: Mapping[str, F64] = field(default_factory=dict)
    unusable: frozenset[str] = frozenset()
    origin: str = ""

    def __len__(self) -> int:
        return len(self.index)

    def position(self, episode: int) -> int | None:
        """Row of an episode, None if there is none."""
        place = int(np.searchsorted(self.index, episode))
        there = place < len(self.index) and self.index[place] == episode
        return place if there else None

    def instruction(self, position: int) -> str:
        """Instruction of a row."""
        return self.texts[int(self.text[position])]

    def number(self, position: int, name: str) -> float | None:
        """A number of a row, None if there is none.

        Raises:
            DataError: `bad_metadata` if the column holds no numbers.
        """
        if name in self.unusable:
            text = f"episode {int(self.index[position])}: meta/episodes: {name} is no number"
            raise DataError("bad_metadata", text)
        column = self.numbers.get(name)
        if column is None or not np.isfinite(column[position]):
            return None
        return float(column[position])

    def declared(self, position: int) -> int:
        """Frames that a row says it has, by its bounds in the dataset where it gives them."""
        first = self.number(position, "dataset_from_index")
        last = self.number(position, "dataset_to_index")
        if first is not None and last is not None and last > first:
            return int(last - first)
        return int(self.length[position])


def arranged(
    index: I64,
    length: I64,
    texts: tuple[str, ...],
    text: I64,
    numbers: Mapping[str, F64],
    unusable: frozenset[str],
    origin: str,
) -> EpisodeMetadata:
    """Sort rows by index; of an index that appears twice the last one counts."""
    order = np.argsort(index, kind="stable")
    if len(order):
        ordered = index[order]
        order = order[np.append(ordered[1:] != ordered[:-1], True)]
    return EpisodeMetadata(
        index[order],
        length[order],
        texts,
        text[order],
        {name: values[order] for name, values in numbers.items()},
        unusable,
        origin,
    )


def read_episodes(root: Path, fallback: str = "") -> EpisodeMetadata | None:
    """Read meta/episodes.jsonl or meta/episodes/*.parquet, whichever is there.

    Args:
        root: Dataset folder.
        fallback: Instruction of episodes that name none.

    Returns:
        The episodes, None if neither is there.

    Raises:
        DataError: `bad_metadata` if a table cannot be read.
    """
    lines = root / "meta" / "episodes.jsonl"
    folder = root / "meta" / "episodes"
    if lines.is_file():
        found = _from_lines(lines)
    elif folder.is_dir() and any(folder.rglob("*.parquet")):
        found = _from_parquet(sorted(folder.rglob("*.parquet")))
    else:
        return None
    if fallback and "" in found.texts:
        texts = tuple(t or fallback for t in found.texts)
        return EpisodeMetadata(
            found.index, found.length, texts, found.text, found.numbers, found.unusable,
            found.origin,
        )  # fmt: skip
    return found


def counted(index: I64, length: I64, origin: str, text: str = "") -> EpisodeMetadata:
    """Episodes that no metadata lists: from their files, or just by their number.

    Args:
        index: (N,) int64 episode indices.
        length: (N,) int64 frames, 0 if unknown.
        origin: How they were counted, a phrase.
        text: Instruction of all.
    """
    return arranged(index, length, (text,), np.zeros(len(index), np.int64), {}, frozenset(), origin)


def joined(tasks: Any) -> str:
    """Task texts of an episode as one instruction."""
    if isinstance(tasks, str):
        return tasks
    if isinstance(tasks, list | tuple):
        return "; ".join(str(t) for t in tasks if t is not None)
    return ""


def _from_lines(path: Path) -> EpisodeMetadata:
    index: list[int] = []
    length: list[int] = []
    text: list[int] = []
    texts: dict[str, int] = {}
    bad = 0
    for number, row in json_lines(path):
        try:
            episode, frames = int(row["episode_index"]), int(row["length"])
            if not abs(episode) < _LIMIT or not abs(frames) < _LIMIT:
                raise OverflowError("a number out of range")
            said = joined(row.get("tasks", row.get("task")))
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            bad += 1
            if bad <= _MOST_BAD_LINES:
                log.warning("%s line %d is not an episode: %s", path, number, error)
            continue
        index.append(episode)
        length.append(frames)
        text.append(texts.setdefault(said, len(texts)))
    return arranged(
        np.array(index, np.int64),
        np.array(length, np.int64),
        tuple(texts),
        np.array(text, np.int64),
        {},
        frozenset(),
        "meta/episodes.jsonl" + (f" ({bad} lines are no episodes)" if bad else ""),
    )


def json_lines(path: Path) -> Iterator[tuple[int, Any]]:
    """Number and value of every line that is JSON; None for the others."""
    with path.open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                try:
                    yield number, json.loads(line)
                except (ValueError, RecursionError):
                    yield number, None


def _wanted(name: str) -> bool:
    """True for the columns that say what an episode is and where it lies."""
    if name.startswith("stats/"):
        return False
    return name in ("episode_index", "length", "tasks", "task") or (
        name.startswith(("data/", "videos/", "dataset_"))
    )


def _from_parquet(paths: list[Path]) -> EpisodeMetadata:
    import pyarrow as pa
    import pyarrow.parquet as pq

    tables = []
    for path in paths:
        try:
            with pq.ParquetFile(path) as file:
                columns = [c for c in file.schema_arrow.names if _wanted(c)]
                if "episode_index" in columns:
                    tables.append(file.read(columns=columns).select(columns))
        except (pa.ArrowException, OSError, ValueError, TypeError, KeyError) as error:
            raise DataError("bad_metadata", f"{path}: cannot be read ({error})") from error
    names = dict.fromkeys(name for table in tables for name in table.column_names)
    rows = sum(t.num_rows for t in tables)
    numbers: dict[str, F64] = {}
    unusable: set[str] = set()
    for name in names:
        if name in ("tasks", "task"):
            continue
        parts = [_numbers(table, name) for table in tables]
        if any(part is None for part in parts):
            unusable.add(name)
        else:
            numbers[name] = np.concatenate([p for p in parts if p is not None])
    if "episode_index" in unusable:
        text = f"{paths[0].parent.parent}: episode_index holds no numbers"
        raise DataError("bad_metadata", text)
    index = numbers.pop("episode_index", np.full(rows, np.nan))
    length = numbers.pop("length", np.zeros(rows))
    unusable.discard("length")
    texts, text_ids = _instructions(tables)
    known = np.isfinite(index) & (np.abs(index) < _LIMIT)
    sane = np.where(np.isfinite(length) & (np.abs(length) < _LIMIT), length, 0.0)
    return arranged(
        index[known].astype(np.int64),
        sane[known].astype(np.int64),
        texts,
        text_ids[known],
        {name: values[known] for name, values in numbers.items()},
        frozenset(unusable),
        "meta/episodes/ (Parquet)",
    )


def _numbers(table: Any, name: str) -> F64 | None:
    """A column as (n,) float64, NaN for null and where the table lacks it; None if no numbers."""
    import pyarrow as pa

    if name not in table.column_names:
        return np.full(table.num_rows, np.nan)
    try:
        column = table.column(name)
        if not is_number(column.type):
            column = column.cast(pa.float64(), safe=False)
    except (pa.ArrowException, KeyError):
        return None
    return np.asarray(numbers_of(column), np.float64)


def _instructions(tables: list[Any]) -> tuple[tuple[str, ...], I64]:
    """Distinct instructions, and the place of each row's in them."""
    texts: dict[str, int] = {}
    parts: list[I64] = []
    for table in tables:
        name = next((n for n in ("tasks", "task") if n in table.column_names), None)
        rows = None if name is None else _as_texts(table.column(name))
        if rows is None:
            parts.append(np.full(table.num_rows, texts.setdefault("", len(texts)), np.int64))
            continue
        ids = (texts.setdefault(text, len(texts)) for text in rows)
        parts.append(np.fromiter(ids, np.int64, len(rows)))
    return tuple(texts), np.concatenate(parts) if parts else _EMPTY


def _as_texts(column: Any) -> list[str] | None:
    """A column of texts, or of lists of texts, as one text per row; None if it is neither."""
    import pyarrow as pa

    kind = column.type
    listed = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    of = kind.value_type if listed else kind
    if not pa.types.is_string(of) and not pa.types.is_large_string(of):
        return None
    try:
        rows = column.to_pylist()
    except UnicodeDecodeError:
        return None
    if listed:
        return ["; ".join(row) if row and None not in row else "" for row in rows]
    return [row or "" for row in rows]
