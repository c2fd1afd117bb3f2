"""The bytes of an HDF5 file on their way to the HDF5 library, checked where it does not check.

The library trusts the sizes inside a global heap (the texts of attributes): one flipped bit makes
it step by nothing for ever, and nothing in the process can stop it.
"""

from __future__ import annotations

import io
import struct
import weakref
from pathlib import Path
from typing import Any

_HEAP = b"GCOL"
_HEAD = 16
_OBJECT = struct.Struct("<HHIQ")


class CheckedBytes:
    """A file that h5py reads through; a block that would hang the library reads as an error."""

    def __init__(self, path: Path) -> None:
        """Open the file. Raises OSError."""
        self._name = str(path)
        self._raw = io.FileIO(path, "rb")
        # h5py forgets its file object without closing it.
        weakref.finalize(self, self._raw.close)

    def __repr__(self) -> str:
        """The path in ASCII: h5py takes it for the file's name, and replaces all else by “?”."""
        return ascii(self._name)[1:-1]

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move; see `io.IOBase`. OSError for a place that no file has."""
        try:
            return self._raw.seek(offset, whence)
        except OverflowError as error:
            raise OSError(f"{self._name}: damaged, it refers to byte {offset}") from error

    def tell(self) -> int:
        """Where we are."""
        return self._raw.tell()

    def read(self, size: int = -1) -> bytes:
        """Read; h5py knows a file object by it and reads by `readinto`."""
        return self._raw.read(size) or b""

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer; OSError for a heap whose objects do not fill it."""
        start = self._raw.tell()
        count = self._raw.readinto(buffer) or 0
        view = memoryview(buffer)
        if count >= _HEAD and bytes(view[:4]) == _HEAP:
            size = int.from_bytes(view[8:16], "little")
            if count < size <= 1 << 26:
                # The library reads the beginning first and trusts it for the rest.
                self._raw.seek(start)
                block = self._raw.read(size) or b""
            else:
                block = bytes(view[: min(size, count)])
            if not _is_walkable(block, size):
                raise OSError(f"{self._name}: damaged heap of texts at byte {start}")
        return count

    def write(self, data: Any) -> int:
        """Refuse: the file is only read."""
        raise io.UnsupportedOperation("read only")

    def truncate(self, size: int | None = None) -> int:
        """Refuse: the file is only read."""
        raise io.UnsupportedOperation("read only")

    def flush(self) -> None:
        """Nothing is written."""


def path_of(filename: str) -> str:
    """The path of a file that was opened through `CheckedBytes`, from h5py's `File.filename`."""
    return filename.encode("ascii", "replace").decode("unicode_escape")


def _is_walkable(block: bytes, size: int) -> bool:
    """True if steps from object to object through a global heap end exactly where it ends.

    Args:
        block: The collection from its signature on.
        size: How long it says it is.
    """
    if len(block) < size or size < _HEAD:
        return False
    place = _HEAD
    while place + _OBJECT.size <= size:
        index, _, _, length = _OBJECT.unpack_from(block, place)
        if index == 0:
            # Free space: counts its own head, and is the last.
            return bool(length == size - place)
        place += _OBJECT.size + (length + 7) // 8 * 8
    return place <= size
