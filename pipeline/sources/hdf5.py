"""HDF5 files of strangers: nothing outside the file is read, sizes are bounded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.model.arrays import Array
from pipeline.model.problem import DataError
from pipeline.sources.files import is_lfs_pointer

if TYPE_CHECKING:
    import h5py

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_MOST_BYTES = 1 << 30
"""Signals larger than this are refused; pictures are read one at a time."""


def is_hdf5(path: Path) -> bool:
    """True if a file begins like HDF5; opens nothing else."""
    try:
        with path.open("rb") as file:
            return file.read(8) == _SIGNATURE
    except OSError:
        return False


def open_file(path: Path) -> h5py.File:
    """Open a file for reading, without locks (read-only media have none).

    Raises:
        DataError: `bad_hdf5`, `lfs_pointer` or `not_found`, one sentence.
    """
    import h5py

    if not path.is_file():
        raise DataError("not_found", f"{path} is not on disk")
    if is_lfs_pointer(path):
        raise DataError("lfs_pointer", f"{path} is a Git-LFS pointer: run “git lfs pull”")
    try:
        return h5py.File(path, "r", locking=False)
    except (OSError, RuntimeError, ValueError) as error:
        raise DataError("bad_hdf5", f"{path}: truncated or no HDF5 ({_short(error)})") from error


def child(parent: Any, name: str) -> Any:
    """Return a group or dataset below `parent` (`a/b/c`), or None if there is none.

    Links to other files, virtual datasets and data kept in other files are refused: a dataset of a
    stranger must not read files of ours.

    Raises:
        DataError: `external_link` or `bad_hdf5`.
    """
    import h5py

    node = parent
    try:
        for part in name.split("/"):
            if not isinstance(node, h5py.Group):
                return None
            link = node.get(part, getlink=True)
            if link is None:
                return None
            if isinstance(link, h5py.ExternalLink):
                raise DataError(
                    "external_link", f"{node.file.filename}: {name} is a link to another file"
                )
            node = node.get(part)
            # A soft link may lead through an external one.
            away = node is not None and node.file.filename != parent.file.filename
            if away or (isinstance(node, h5py.Dataset) and (node.external or node.is_virtual)):
                raise DataError(
                    "external_link", f"{parent.file.filename}: {name} is kept in other files"
                )
    except (KeyError, RuntimeError, OSError, ValueError, RecursionError) as error:
        raise DataError("bad_hdf5", f"{parent.file.filename}: {name}: {_short(error)}") from error
    return node


def keys(group: Any) -> list[str]:
    """Names below a group, empty if `group` is none."""
    import h5py

    if not isinstance(group, h5py.Group):
        return []
    try:
        return [str(name) for name in group]
    except (RuntimeError, OSError, ValueError) as error:
        raise DataError("bad_hdf5", f"{group.file.filename}: {_short(error)}") from error


def numbers(node: Any, what: str) -> Array:
    """Read a numeric dataset whole.

    Args:
        node: What `child` returned.
        what: Its name, for the sentence.

    Raises:
        DataError: `bad_hdf5` if it is missing, no numbers, too large or cannot be read.
    """
    import h5py

    if not isinstance(node, h5py.Dataset):
        raise DataError("bad_hdf5", f"{what} is not there")
    where = f"{node.file.filename}: {what}"
    if node.dtype.kind not in "biuf":
        raise DataError("bad_hdf5", f"{where} holds {node.dtype}, no numbers")
    if node.size is None or node.size * node.dtype.itemsize > _MOST_BYTES:
        raise DataError("bad_hdf5", f"{where} has the shape {node.shape}, more than can be read")
    return np.asarray(part(node, (), where))


def part(node: Any, index: Any, where: str) -> Any:
    """Read `node[index]` of a dataset. Raises DataError `bad_hdf5`."""
    try:
        return node[index]
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, MemoryError) as error:
        raise DataError("bad_hdf5", f"{where} cannot be read ({_short(error)})") from error


def text(value: Any) -> str:
    """An attribute or scalar as text, empty if it is none."""
    if isinstance(value, np.ndarray):
        value = value.reshape(-1)[0] if value.size == 1 else ""
    if isinstance(value, bytes | np.bytes_):
        return bytes(value).decode("utf-8", errors="replace")
    return str(value) if isinstance(value, str) else ""


def attribute(node: Any, name: str) -> Any:
    """An attribute's value, None if it is missing or cannot be read."""
    try:
        return node.attrs.get(name)
    except (OSError, RuntimeError, ValueError, TypeError, KeyError):
        return None


def _short(error: Exception) -> str:
    words = " ".join(str(error).split())
    return words if len(words) < 160 else words[:157] + "…"
