"""Prediction lines (JSON Lines), block by block, as Arrow tables.

A block is parsed by Arrow at once; where a line in it does not fit, its lines are read one by one,
so that one bad line costs a block and not the file.
"""

from __future__ import annotations

import io
import json
import logging
import math
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pipeline.annotations.columns import TEXTS
from pipeline.annotations.findings import Findings
from pipeline.annotations.table import MEASURED
from pipeline.model.arrays import I64

log = logging.getLogger(__name__)

BLOCK_BYTES = 1 << 23
"""Text that is parsed at once (our choice: 8 MiB, about 1,700 lines with a dozen candidates)."""
LONGEST_LINE = 1 << 22
"""Longer lines are skipped (our choice: 4 MiB; one with 25 candidates has 10 KiB)."""
_THREADS = 2
_NUMBERS = ("episode_index", "subtask_index", "keyframe", "winner", "score", "runner_up")
_BOXES = ("start_box", "target_box")


class LineError(ValueError):
    """A line that does not fit; its text says why."""


@cache
def _schema() -> Any:
    """What is read of a line. All numbers are float64: JSON does not tell 3 from 3.0."""
    import pyarrow as pa

    box = pa.list_(pa.float64())
    candidate = pa.struct(
        [
            ("id", pa.float64()),
            ("box", box),
            ("label", pa.string()),
            *((name, pa.float64()) for name in (*MEASURED, "points")),
        ]
    )
    return pa.schema(
        [
            *((name, pa.float64()) for name in _NUMBERS),
            *((name, pa.string()) for name in (*TEXTS, "chosen_by")),
            *((name, box) for name in _BOXES),
            ("warnings", pa.list_(pa.string())),
            ("candidates", pa.list_(candidate)),
        ]
    )


def read_blocks(path: Path, findings: Findings) -> Iterator[tuple[Any, I64]]:
    """Read a file in order.

    Args:
        path: JSON Lines; empty lines do not count.
        findings: Who is told about lines that are no object, or hold a value of another type.

    Yields:
        `pyarrow.RecordBatch` and (N,) int64 line numbers, from 1.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file, ThreadPoolExecutor(_THREADS) as pool:
        waiting: deque[tuple[list[bytes], I64, Future[Any]]] = deque()
        blocks = _blocks(file, findings)
        while True:
            # Arrow parses without the interpreter's lock, so two blocks at a time do.
            for lines, numbers in islice(blocks, _THREADS - len(waiting)):
                waiting.append((lines, numbers, pool.submit(_parsed, lines)))
            if not waiting:
                return
            lines, numbers, work = waiting.popleft()
            table = work.result()
            if table is None:
                table, numbers = _line_by_line(lines, numbers, findings)
            for batch in table.combine_chunks().to_batches():
                yield batch, numbers


def _blocks(file: BinaryIO, findings: Findings) -> Iterator[tuple[list[bytes], I64]]:
    lines: list[bytes] = []
    numbers: list[int] = []
    number = size = 0
    while line := file.readline(LONGEST_LINE + 1):
        number += 1
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        if len(line) > LONGEST_LINE and not line.endswith(b"\n"):
            while (rest := file.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
                pass
            why = f"longer than {LONGEST_LINE >> 20} MiB"
            findings.skipped(np.array([number]), why)
            continue
        if not line.strip():
            continue
        lines.append(line)
        numbers.append(number)
        size += len(line)
        if size >= BLOCK_BYTES:
            yield lines, np.array(numbers, np.int64)
            lines, numbers, size = [], [], 0
    if lines:
        yield lines, np.array(numbers, np.int64)


def _parsed(lines: list[bytes]) -> Any:
    """All lines at once, None if one of them does not fit."""
    import pyarrow as pa
    import pyarrow.json as pj

    data = b"".join(lines)
    try:
        data.decode()  # Arrow does not look, and would fail later
        table = pj.read_json(
            io.BytesIO(data),
            read_options=pj.ReadOptions(use_threads=False, block_size=len(data) + 1),
            parse_options=pj.ParseOptions(
                explicit_schema=_schema(), unexpected_field_behavior="ignore"
            ),
        )
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, UnicodeDecodeError) as error:
        log.debug("a block is read line by line: %s", error)
        return None
    # two objects in one line, or one over two
    return table if table.num_rows == len(lines) else None


def _line_by_line(lines: list[bytes], numbers: I64, findings: Findings) -> tuple[Any, I64]:
    import pyarrow as pa

    rows, kept = [], []
    for line, number in zip(lines, numbers.tolist(), strict=True):
        try:
            rows.append(fitted(line))
        except LineError as error:
            findings.skipped(np.array([number]), str(error))
            continue
        kept.append(number)
    return pa.Table.from_pylist(rows, _schema()), np.array(kept, np.int64)


def parse_line(line: bytes) -> dict[str, Any]:
    """The JSON object of a line.

    Raises:
        LineError: It is none.
    """
    try:
        found = json.loads(line.decode(errors="replace"))
    except (ValueError, RecursionError) as error:
        raise LineError("no JSON object") from error
    if not isinstance(found, dict):
        raise LineError("no JSON object")
    return found


def fitted(line: bytes) -> dict[str, Any]:
    """What is read of a line, every value of the type that the table wants.

    Raises:
        LineError: A value is of another type.
    """
    found = parse_line(line)
    row: dict[str, Any] = {name: _number(found, name) for name in _NUMBERS}
    row |= {name: _text(found, name) for name in (*TEXTS, "chosen_by")}
    row |= {name: _box(found, name) for name in _BOXES}
    warnings = _list(found, "warnings")
    row["warnings"] = (
        None if warnings is None else [_text({"warnings": w}, "warnings") for w in warnings]
    )
    candidates = _list(found, "candidates")
    row["candidates"] = None if candidates is None else [_candidate(c) for c in candidates]
    return row


def _candidate(found: Any) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise LineError("candidates is no list of objects")
    row: dict[str, Any] = {name: _number(found, name) for name in ("id", *MEASURED, "points")}
    return row | {"box": _box(found, "box"), "label": _text(found, "label")}


def _number(found: dict[str, Any], name: str) -> float | None:
    value = found.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise LineError(f"{name} is no number")
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _text(found: dict[str, Any], name: str) -> str | None:
    value = found.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise LineError(f"{name} is no text")
    return value.encode(errors="replace").decode()


def _list(found: dict[str, Any], name: str) -> list[Any] | None:
    value = found.get(name)
    if value is not None and not isinstance(value, list):
        raise LineError(f"{name} is no list")
    return value


def _box(found: dict[str, Any], name: str) -> list[float | None] | None:
    values = _list(found, name)
    return None if values is None else [_number({name: v}, name) for v in values]
