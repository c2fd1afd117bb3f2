"""TFRecord files: where the records are, and one record at a time, without TensorFlow.

The framing is a length, its checksum, the bytes and theirs (TensorFlow `record_writer.h`). The
`tfrecord` package would read it, too, but checks no sums and holds whole files.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.model.arrays import I64
from pipeline.model.problem import DataError
from pipeline.sources.files import refuse_lfs_pointer

MOST_BYTES = 1 << 30
"""Larger records are refused; an episode of 1,000 steps with four cameras has some 100 MiB."""
_MOST_RECORDS = 1_000_000
_HEAD = struct.Struct("<QI")
_SUM = struct.Struct("<I")
_GZIP = b"\x1f\x8b\x08"


@dataclass(frozen=True, slots=True)
class RecordIndex:
    """Where the records of one file are.

    Attributes:
        offsets: (N,) int64, first byte of each record's content.
        lengths: (N,) int64, bytes of each record's content.
        broken: Why reading stopped before the file's end, one phrase; empty if it did not.
    """

    offsets: I64
    lengths: I64
    broken: str = ""

    def __len__(self) -> int:
        return len(self.offsets)


def index_records(path: Path) -> RecordIndex:
    """Find all records of a file; reads 12 bytes of each.

    What can be told before a break is returned: records behind a wrong length cannot be found.

    Args:
        path: A `.tfrecord` file.

    Raises:
        DataError: `not_found`, `lfs_pointer` or `bad_record` if there is nothing to index at all.
    """
    refuse_lfs_pointer(path)
    offsets: list[int] = []
    lengths: list[int] = []
    broken = ""
    try:
        size = path.stat().st_size
        # Unbuffered: the records between the heads are megabytes that nobody asked for.
        with path.open("rb", buffering=0) as file:
            place = 0
            while place < size:
                number = len(offsets)
                if number >= _MOST_RECORDS:
                    broken = f"more than {_MOST_RECORDS:,} records"
                    break
                file.seek(place)
                head = file.read(_HEAD.size)
                broken = _wrong_head(head, place, size, number)
                if broken:
                    break
                length, _ = _HEAD.unpack(head)
                offsets.append(place + _HEAD.size)
                lengths.append(length)
                place += _HEAD.size + length + _SUM.size
    except FileNotFoundError as error:
        raise DataError("not_found", f"{path} is not on disk") from error
    except OSError as error:
        raise DataError("bad_record", f"{path}: cannot be read ({error.strerror})") from error
    return RecordIndex(np.array(offsets, np.int64), np.array(lengths, np.int64), broken)


def read_record(path: Path, index: RecordIndex, number: int) -> bytes:
    """Read the content of one record and check its sum.

    Args:
        path: The file that was indexed.
        index: Its index.
        number: Record, from 0.

    Raises:
        DataError: `bad_record`, one sentence.
    """
    where = f"{path}: record {number}"
    if not 0 <= number < len(index):
        why = f"; {index.broken}" if index.broken else ""
        raise DataError("bad_record", f"{where} is not there, the file has {len(index)}{why}")
    length = int(index.lengths[number])
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(int(index.offsets[number]))
            content = file.read(length)
            tail = file.read(_SUM.size)
    except OSError as error:
        raise DataError("bad_record", f"{where} cannot be read ({error.strerror})") from error
    if len(content) != length or len(tail) != _SUM.size:
        raise DataError("bad_record", f"{where} is cut off")
    if _SUM.unpack(tail)[0] != masked_sum(content):
        raise DataError("bad_record", f"{where} is damaged: its checksum differs")
    return content


def masked_sum(data: bytes) -> int:
    """CRC-32C of `data`, rotated and shifted as TFRecord stores it."""
    import google_crc32c

    plain = int(google_crc32c.value(data))
    return ((plain >> 15 | plain << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _wrong_head(head: bytes, place: int, size: int, number: int) -> str:
    """Say what is wrong with a record's head, empty if nothing is."""
    if place == 0 and head[:3] == _GZIP:
        return "the file is compressed as a whole: unpack it with gzip"
    if len(head) < _HEAD.size:
        return f"record {number} is cut off"
    length, expected = _HEAD.unpack(head)
    if masked_sum(head[:8]) != expected:
        return f"record {number} begins with a wrong checksum, what follows cannot be found"
    if place + _HEAD.size + length + _SUM.size > size:
        return f"record {number} is cut off: it should have {length:,} bytes"
    if length > MOST_BYTES:
        return f"record {number} has {length:,} bytes, more than can be read"
    return ""
