"""How a CSV file is written: encoding, separator, decimal mark, header. Arrow reads it then."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.model.problem import DataError

_SAMPLE = 64 << 10
_BLOCK = 1 << 20
_LINES = 50
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?|[+-]?(nan|inf)|", re.IGNORECASE)
_LINE_END = re.compile(r"\r\n|\r|\n")
_GAPS = ["", "nan", "NaN", "NAN", "null", "NULL", "None", "none", "NA", "N/A", "n/a", "-", "#N/A"]


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one file is written.

    Attributes:
        encoding: Python's name of it.
        separator: One character.
        decimal: `.` or `,`.
        names: Column names, made distinct.
        skip: Lines before the first row of numbers.
        header_missing: True if `names` were made up.
    """

    encoding: str
    separator: str
    decimal: str
    names: tuple[str, ...]
    skip: int
    header_missing: bool


def dialect_of(path: Path) -> Dialect:
    """Look at the beginning of a file.

    Raises:
        DataError: `bad_table` if it is empty or no text.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_SAMPLE)
        encoding = _encoding(path, head)
    except OSError as error:
        raise DataError("bad_table", f"{path}: cannot be read ({error.strerror})") from error
    text = head.decode(encoding, errors="replace")
    if "\0" in text:
        raise DataError("bad_table", f"{path} is no text table: it holds zero bytes")
    lines = _LINE_END.split(text.removeprefix("\ufeff"))
    if len(head) == _SAMPLE and len(lines) > 1:
        lines = lines[:-1]  # Cut through by the sample's end.
    # Titles and empty lines stand before the table in exports of loggers.
    full = [(i, line) for i, line in enumerate(lines[:_LINES]) if line.strip()]
    if not full:
        raise DataError("bad_table", f"{path} is empty")
    separator = _separator([line for _, line in full])
    rows = [(i, _cells(line, separator)) for i, line in full]
    widths = [len(cells) for _, cells in rows]
    width = max(set(widths), key=lambda w: (widths.count(w), w))
    first = widths.index(width)
    number, header = rows[first]
    missing = all(_NUMBER.fullmatch(cell.strip()) for cell in header) and any(
        cell.strip() for cell in header
    )
    if missing:
        names: Sequence[str] = [f"column_{i}" for i in range(len(header))]
    else:
        names = [cell.strip() for cell in header]
        names = [names[0].lstrip("#").strip(), *names[1:]]
    body = [cells for _, cells in rows[first + (not missing) :]]
    return Dialect(
        encoding,
        separator,
        _decimal(body, separator),
        _distinct(names),
        number + (not missing),
        missing,
    )


def read_table(path: Path, dialect: Dialect) -> tuple[Any, int]:
    """Read the whole file.

    Returns:
        An Arrow table, and the number of lines that were left out as broken.

    Raises:
        DataError: `bad_table`, one sentence.
    """
    import pyarrow as pa
    import pyarrow.csv as pc

    skipped = 0

    def leave_out(row: Any) -> str:
        nonlocal skipped
        skipped += 1
        return "skip"

    try:
        data = path.read_bytes()
        if dialect.encoding not in ("utf-8", "utf-8-sig"):
            # Arrow would decode by calling back into Python, and hangs if a line is broken, too.
            data = data.decode(dialect.encoding, errors="replace").encode()
        table = pc.read_csv(
            pa.BufferReader(data),
            read_options=pc.ReadOptions(
                use_threads=False,
                # One block: types are inferred from the first, and 0 may be followed by 0.5.
                block_size=len(data) + 1,
                skip_rows=dialect.skip,
                column_names=list(dialect.names),
            ),
            parse_options=pc.ParseOptions(
                delimiter=dialect.separator, invalid_row_handler=leave_out
            ),
            convert_options=pc.ConvertOptions(
                decimal_point=dialect.decimal,
                null_values=_GAPS,
                strings_can_be_null=True,
                check_utf8=False,
            ),
        )
    except (pa.ArrowException, OSError, ValueError, UnicodeError) as error:
        raise DataError("bad_table", f"{path} cannot be read as a table ({error})") from error
    return table, skipped


def _encoding(path: Path, head: bytes) -> str:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if head.startswith(b"\xef\xbb\xbf"):
        return "utf-8-sig"
    # All of it: one stray byte far down would spoil the reading of the whole.
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                decoder.decode(block)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8"


def _cells(line: str, separator: str) -> list[str]:
    try:
        return next(csv.reader(io.StringIO(line), delimiter=separator), [])
    except csv.Error:
        return line.split(separator)


def _separator(lines: Sequence[str]) -> str:
    """The one that cuts most lines into the same number of cells."""
    best, score = ",", (0.0, 0)
    for separator in (",", ";", "\t", "|"):
        widths = [len(_cells(line, separator)) for line in lines]
        common = max(set(widths), key=widths.count)
        # A decimal comma cuts numbers as evenly as a separator does; semicolons and tabs
        # never stand in numbers.
        weight = widths.count(common) / len(widths) + (0.5 if separator != "," else 0.0)
        if common > 1 and (weight, common) > score:
            best, score = separator, (weight, common)
    return best


def _decimal(rows: Sequence[Sequence[str]], separator: str) -> str:
    if separator == ",":
        return "."
    cells = [cell for row in rows for cell in row if _NUMBER.fullmatch(cell.strip())]
    return "," if sum("," in c for c in cells) > sum("." in c for c in cells) else "."


def _distinct(names: Sequence[str]) -> tuple[str, ...]:
    seen: dict[str, int] = {}
    result = []
    for name in names:
        name = name or "column"
        seen[name] = seen.get(name, 0) + 1
        result.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return tuple(result)
