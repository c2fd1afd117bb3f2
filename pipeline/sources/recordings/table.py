"""A signal beside a video: named columns of a CSV, Parquet or NPZ file of a stranger."""

from __future__ import annotations

import lzma
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.model.arrays import F64, Array
from pipeline.model.problem import DataError, Problem, Severity
from pipeline.sources.arrow_numbers import numbers_of
from pipeline.sources.files import refuse_lfs_pointer

SUFFIXES = (".csv", ".tsv", ".parquet", ".npz")
_MOST_BYTES = 512 << 20
_MOST_VALUES = 128 << 20
_MOST_COLUMNS = 1024
_WIDEST_LIST = 256
_INSTRUCTION = ("language_instruction", "instruction", "task", "caption")
_BROKEN_ZIP = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    OSError,
    EOFError,
    ValueError,
    TypeError,
    KeyError,
    SyntaxError,
    NotImplementedError,
)
"""What `zipfile` and NumPy's header reader raise on damaged files."""
_NO_NUMBER_SHARE = 0.2
"""A text column with fewer cells that are no numbers is taken as numbers with gaps."""


@dataclass(slots=True)
class SignalTable:
    """What was read of one file.

    Attributes:
        path: The file.
        columns: Numbers by name, (N,) each, NaN where there is none; in the file's order.
        instruction: From a text column or array of that name, empty if there is none.
        ignored: Columns that are not used, with why, a phrase each.
        problems: What is doubtful.
    """

    path: Path
    columns: dict[str, F64] = field(default_factory=dict)
    instruction: str = ""
    ignored: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """Number of rows N."""
        return len(next(iter(self.columns.values()), ()))

    def doubt(self, code: str, text: str, severity: Severity = Severity.WARNING) -> None:
        """Note a finding about the file."""
        self.problems.append(Problem(code, f"{self.path.name}: {text}", severity))


def read_signal(path: Path) -> SignalTable:
    """Read a signal file.

    Args:
        path: A file with one of `SUFFIXES`.

    Raises:
        DataError: `bad_table`, `not_found` or `lfs_pointer`, one sentence.
    """
    refuse_lfs_pointer(path)
    try:
        size = path.stat().st_size
    except OSError as error:
        raise DataError("not_found", f"{path} is not on disk") from error
    if size > _MOST_BYTES:
        raise DataError("bad_table", f"{path}: {size >> 20} MiB, more than can be read")
    readers: Mapping[str, Callable[[Path], SignalTable]] = {
        ".parquet": _read_parquet,
        ".npz": _read_npz,
    }
    return readers.get(path.suffix.lower(), _read_csv)(path)


def _read_csv(path: Path) -> SignalTable:
    from pipeline.sources.recordings.csv_dialect import dialect_of, read_table

    table = SignalTable(path)
    dialect = dialect_of(path)
    if dialect.header_missing:
        table.doubt("no_header", "no header line; the columns are numbered", Severity.INFO)
    arrow, skipped = read_table(path, dialect)
    if skipped:
        table.doubt("bad_rows", f"{skipped} lines have another number of cells and are left out")
    _add_arrow(table, arrow)
    return table


def _read_parquet(path: Path) -> SignalTable:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = SignalTable(path)
    try:
        with pq.ParquetFile(path) as file:
            rows, schema = file.metadata.num_rows, file.schema_arrow
            wanted = [f.name for f in schema if _is_wanted(f.type) or f.name in _INSTRUCTION]
            table.ignored += [f"{f.name}: {f.type}" for f in schema if f.name not in wanted][
                :_MOST_COLUMNS
            ]
            # What the footer says is what will be allocated.
            if rows * max(len(wanted), 1) > _MOST_VALUES or len(wanted) > _MOST_COLUMNS:
                text = f"{path}: {rows} rows of {len(wanted)} columns, more than can be read"
                raise DataError("bad_table", text)
            arrow = file.read(columns=wanted)
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise DataError("bad_table", f"{path} is truncated or no Parquet ({error})") from error
    _add_arrow(table, arrow)
    return table


def _is_wanted(kind: Any) -> bool:
    import pyarrow.types as of

    if of.is_list(kind) or of.is_large_list(kind) or of.is_fixed_size_list(kind):
        kind = kind.value_type
    return bool(
        of.is_integer(kind)
        or of.is_floating(kind)
        or of.is_boolean(kind)
        or of.is_decimal(kind)
        or of.is_temporal(kind)
    )


def _add_arrow(table: SignalTable, arrow: Any) -> None:
    """Take the columns of an Arrow table."""
    for name, column in zip(arrow.column_names, arrow.columns, strict=True):
        combined = column.combine_chunks()
        if hasattr(combined, "chunks"):  # An empty column has no chunks to combine.
            combined = column.cast(column.type).combine_chunks()
        _add_column(table, str(name), combined)
        if len(table.columns) > _MOST_COLUMNS:
            raise DataError("bad_table", f"{table.path}: more than {_MOST_COLUMNS} columns")


def _add_column(table: SignalTable, name: str, column: Any) -> None:
    import pyarrow as pa
    import pyarrow.types as of

    kind = column.type
    if of.is_string(kind) or of.is_large_string(kind) or of.is_null(kind):
        try:
            _add_text(table, name, column.to_pylist() if not of.is_null(kind) else [])
        except UnicodeDecodeError:
            table.ignored.append(f"{name}: text in an unknown encoding")
        return
    if of.is_list(kind) or of.is_large_list(kind) or of.is_fixed_size_list(kind):
        flat = column.flatten()
        width = len(flat) // len(column) if len(column) else 0
        if not 0 < width <= _WIDEST_LIST or len(flat) != width * len(column):
            table.ignored.append(f"{name}: lists of unequal length or more than {_WIDEST_LIST}")
            return
        values = _numbers(flat)
        for i in range(width):
            table.columns[f"{name}.{i}"] = values.reshape(-1, width)[:, i]
        return
    if of.is_temporal(kind):
        try:
            nanoseconds = column.cast(pa.timestamp("ns")).cast(pa.int64())
        except pa.ArrowException:
            table.ignored.append(f"{name}: {kind}")
            return
        table.columns[f"{name}_ns"] = _numbers(nanoseconds)
        return
    table.columns[name] = _numbers(column)


def _numbers(column: Any) -> F64:
    import pyarrow as pa

    return np.asarray(numbers_of(column.cast(pa.float64(), safe=False)), np.float64)


def _add_text(table: SignalTable, name: str, cells: list[Any]) -> None:
    """A text column: the instruction, numbers with a few words between, or nothing for us."""
    said = [c for c in cells if c and c.strip()]
    if name.strip().lower() in _INSTRUCTION and said:
        table.instruction = table.instruction or " ".join(said[0].split())[:2000]
        return
    values = np.full(len(cells), np.nan)
    wrong = 0
    for i, cell in enumerate(cells):
        if cell and cell.strip():
            try:
                values[i] = float(cell)
            except ValueError:
                wrong += 1
    if not said or wrong > _NO_NUMBER_SHARE * len(said):
        table.ignored.append(f"{name}: {'text' if said else 'empty'}")
        return
    table.columns[name] = values
    table.doubt("bad_cells", f"{wrong} cells of {name} are no numbers and count as missing")


def _read_npz(path: Path) -> SignalTable:
    table = SignalTable(path)
    arrays: dict[str, Array] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            total = 0
            for entry in archive.infolist()[:_MOST_COLUMNS]:
                name = entry.filename.removesuffix(".npy")
                total += entry.file_size
                if total > _MOST_BYTES:
                    text = f"{path}: unpacks to more than {_MOST_BYTES >> 20} MiB"
                    raise DataError("bad_table", text)
                array = _npz_member(archive, entry)
                if isinstance(array, str):
                    table.ignored.append(f"{name}: {array}")
                else:
                    arrays[name] = array
    except _BROKEN_ZIP as error:
        raise DataError("bad_table", f"{path} is truncated or no NPZ ({error})") from error
    except RuntimeError as error:  # An encrypted member.
        raise DataError("bad_table", f"{path}: {error}") from error
    _add_arrays(table, arrays)
    return table


def _npz_member(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Array | str:
    """Read one array, or say why not. Its header is checked before anything is allocated."""
    if not entry.filename.endswith(".npy"):
        return "no NumPy array"
    with archive.open(entry) as file:
        version = np.lib.format.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            return f"NumPy format {version[0]}.{version[1]}"
        read = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = read(file)
        if dtype.hasobject or dtype.kind not in "biufU":
            return f"{dtype}, not read"
        if int(np.prod(shape, dtype=object)) * dtype.itemsize > entry.file_size:
            raise ValueError(f"{entry.filename} claims the shape {shape}")
        if len(shape) > 2:
            return f"of shape {shape}, no signal"
    with archive.open(entry) as file:
        array: Array = np.lib.format.read_array(file, allow_pickle=False)
        return array


def _add_arrays(table: SignalTable, arrays: Mapping[str, Array]) -> None:
    """Take arrays that have as many rows as most."""
    for name, array in arrays.items():
        if array.dtype.kind == "U" and array.size and name.lower() in _INSTRUCTION:
            table.instruction = " ".join(str(array.reshape(-1)[0]).split())[:2000]
    numeric = {n: a for n, a in arrays.items() if a.dtype.kind in "biuf" and a.ndim}
    lengths = [len(a) for a in numeric.values()]
    # Of equally common lengths the longest: constants and calibration are short.
    rows = max(set(lengths), key=lambda n: (lengths.count(n), n), default=0)
    for name, array in arrays.items():
        if name not in numeric:
            if name.lower() not in _INSTRUCTION:
                table.ignored.append(f"{name}: {'text' if array.dtype.kind == 'U' else 'a scalar'}")
        elif len(array) != rows:
            table.ignored.append(f"{name}: {len(array)} rows, the others have {rows}")
        elif array.ndim == 1:
            table.columns[name] = array.astype(np.float64)
        elif array.shape[1] <= _WIDEST_LIST:
            for i in range(array.shape[1]):
                table.columns[f"{name}.{i}"] = array[:, i].astype(np.float64)
        else:
            table.ignored.append(f"{name}: {array.shape[1]} columns are no signal")
