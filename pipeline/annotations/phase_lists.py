"""Phases of annotations, read again from their file: a table does not keep them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from pipeline.annotations.jsonl import LONGEST_LINE, LineError, parse_line
from pipeline.annotations.reading import is_parquet, parts_of
from pipeline.model.annotation import PhaseRecord
from pipeline.model.arrays import I64, Array
from pipeline.model.problem import DataError

_PHASES: TypeAdapter[tuple[PhaseRecord, ...]] = TypeAdapter(tuple[PhaseRecord, ...])
_KEYS = ("episode_index", "subtask_index")


def read_phases(
    path: Path, lines: I64, episodes: Array, subtasks: Array
) -> Iterator[tuple[PhaseRecord, ...]]:
    """Phases of the annotations of a file, one after the other.

    Args:
        path: `ReadAnnotations.path`.
        lines: (N,) int64, where they stand, ascending (`ReadAnnotations.lines`).
        episodes: (N,) int, their episodes.
        subtasks: (N,) int, their subtasks.

    Yields:
        Phases, none where the file has no usable ones.

    Raises:
        DataError: `annotations_changed` if something else stands there by now.
        OSError: The file cannot be read.
    """
    wanted = zip(lines.tolist(), episodes.tolist(), subtasks.tolist(), strict=True)
    entries = enumerate(_entries(path), 1)
    for line, episode, subtask in wanted:
        entry = next((e for number, e in entries if number == line), None)
        said = None if entry is None else tuple(entry.get(key) or 0 for key in _KEYS)
        if entry is None or said != (episode, subtask):
            raise DataError(
                "annotations_changed",
                f"{path} has changed since it was read: open the annotations again.",
            )
        try:
            yield _PHASES.validate_python(entry.get("phases") or ())
        except ValidationError:
            yield ()


def _entries(path: Path) -> Iterator[dict[str, Any]]:
    if not path.is_dir() and not is_parquet(path):
        yield from _lines(path)
        return
    import pyarrow as pa
    import pyarrow.parquet as pq

    for file in parts_of(path) if path.is_dir() else [path]:
        try:
            with pq.ParquetFile(file, pre_buffer=False) as part:
                names = [n for n in (*_KEYS, "phases") if n in part.schema_arrow.names]
                for batch in part.iter_batches(batch_size=8192, columns=names):
                    yield from batch.to_pylist()
        except (pa.ArrowException, OSError):
            if not path.is_dir():
                raise


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """An entry per line; an empty one where `read_annotations` found none."""
    with path.open("rb") as file:
        first = True
        while line := file.readline(LONGEST_LINE + 1):
            if len(line) > LONGEST_LINE and not line.endswith(b"\n"):
                while (rest := file.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
                    pass
                line = b""
            try:
                yield parse_line(line.removeprefix(b"\xef\xbb\xbf") if first else line)
            except LineError:
                yield {}
            first = False
