"""HDF5 files of strangers: nothing outside the file is read, sizes are bounded."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.model.arrays import Array
from pipeline.model.problem import DataError
from pipeline.sources.files import refuse_lfs_pointer
from pipeline.sources.hdf5.byte_stream import CheckedBytes, path_of

if TYPE_CHECKING:
    import h5py

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_MOST_BYTES = 1 << 30
"""Signals larger than this are refused; pictures are read one at a time."""
_MOST_CHUNK = 256 << 20
"""Larger chunks are refused: a few bytes can unpack to gigabytes, one chunk at a time."""

# What h5py raises on damaged files; MemoryError for absurd sizes that it asks for at once.
_FAILURES = (
    OSError,
    RuntimeError,
    ValueError,
    KeyError,
    TypeError,
    OverflowError,
    MemoryError,
)


def is_hdf5(path: Path) -> bool:
    """True if a file begins like HDF5; opens nothing else."""
    try:
        with path.open("rb") as file:
            return file.read(8) == _SIGNATURE
    except OSError:
        return False


def open_file(path: Path, *, chunk_bytes: int | None = None) -> h5py.File:
    """Open a file for reading, without locks (read-only media have none).

    Args:
        path: The file.
        chunk_bytes: Memory per dataset for unpacked chunks, h5py's own default if None. Pictures
            that are packed together several to a chunk are unpacked once instead of once each.

    Raises:
        DataError: `bad_hdf5`, `lfs_pointer` or `not_found`, one sentence.
    """
    import h5py

    if not path.is_file():
        raise DataError("not_found", f"{path} is not on disk")
    refuse_lfs_pointer(path)
    try:
        return h5py.File(CheckedBytes(path), "r", rdcc_nbytes=chunk_bytes)
    except _FAILURES as error:
        raise DataError("bad_hdf5", f"{path}: truncated or no HDF5 ({_short(error)})") from error


def child(parent: Any, name: str) -> Any:
    """Return a group or dataset below `parent` (`a/b/c`), or None if there is none.

    Links to other files, virtual datasets and data kept in other files are refused: a dataset of a
    stranger must not read files of ours.

    Raises:
        DataError: `external_link` or `bad_hdf5`.
    """
    import h5py

    if not isinstance(parent, h5py.Group):
        return None
    node = parent
    try:
        for part in name.split("/"):
            if not isinstance(node, h5py.Group) or not part:
                return None
            key = part.encode()
            # The low-level calls are a third of the price of h5py's own, and listing asks often.
            if not node.id.links.exists(key):
                return None
            kind = node.id.links.get_info(key).type
            if kind == h5py.h5l.TYPE_SOFT and part not in node:
                raise DataError("bad_hdf5", f"{_file(parent)}: the link {name} leads nowhere")
            away = kind not in (h5py.h5l.TYPE_HARD, h5py.h5l.TYPE_SOFT)
            if not away:
                node = node[part]
                # A soft link may lead through an external one.
                soft = kind == h5py.h5l.TYPE_SOFT
                away = (
                    soft and h5py.h5f.get_name(node.id) != h5py.h5f.get_name(parent.id)
                ) or _kept_elsewhere(node)
            if away:
                raise DataError("external_link", f"{_file(parent)}: {name} is kept in other files")
    except _FAILURES as error:
        raise DataError("bad_hdf5", f"{_file(parent)}: {name}: {_short(error)}") from error
    return node


def _kept_elsewhere(node: Any) -> bool:
    import h5py

    if not isinstance(node, h5py.Dataset):
        return False
    # A damaged type or shape fails here, in a try, and not where it is looked at later.
    node.dtype, node.shape, node.chunks  # noqa: B018
    plan = node.id.get_create_plist()
    return bool(plan.get_layout() == h5py.h5d.VIRTUAL or plan.get_external_count())


def _file(node: Any) -> str:
    return path_of(node.file.filename)


def keys(group: Any) -> list[str]:
    """Names below a group, empty if `group` is none."""
    import h5py

    if not isinstance(group, h5py.Group):
        return []
    try:
        names = [name.decode("utf-8", "replace") for name in group.id]
    except _FAILURES as error:
        raise DataError("bad_hdf5", f"{_file(group)}: {_short(error)}") from error
    return [name for name in names if name.isprintable() and "\ufffd" not in name]


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
    where = f"{_file(node)}: {what}"
    if node.dtype.kind not in "biuf":
        raise DataError("bad_hdf5", f"{where} holds {node.dtype}, no numbers")
    if node.size is None or node.size * node.dtype.itemsize > _MOST_BYTES:
        raise DataError("bad_hdf5", f"{where} has the shape {node.shape}, more than can be read")
    return np.asarray(part(node, (), where))


def part(node: Any, index: Any, where: str) -> Any:
    """Read `node[index]` of a dataset. Raises DataError `bad_hdf5`."""
    chunk = node.chunks
    if chunk is not None and math.prod(chunk) * node.dtype.itemsize > _MOST_CHUNK:
        raise DataError("bad_hdf5", f"{where} is packed in chunks {chunk}, more than can be read")
    try:
        return node[index]
    except _FAILURES as error:
        raise DataError("bad_hdf5", f"{where} cannot be read ({_short(error)})") from error


def text(value: Any) -> str:
    """An attribute or scalar as text, empty if it is none."""
    if isinstance(value, np.ndarray):
        value = value.reshape(-1)[0] if value.size == 1 else ""
    if isinstance(value, bytes | np.bytes_):
        return bytes(value).decode("utf-8", errors="replace")
    # h5py gives bytes that are no UTF-8 as surrogates, which nothing else can take.
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def attribute(node: Any, name: str) -> Any:
    """An attribute's value, None if it is missing or cannot be read."""
    import h5py

    if not isinstance(node, h5py.HLObject):
        return None
    try:
        # Most are asked for in vain, and h5py's own way of finding out is ten times as slow.
        if not h5py.h5a.exists(node.id, name.encode()):
            return None
        return node.attrs[name]
    except _FAILURES:
        return None


def _short(error: Exception) -> str:
    words = " ".join(str(error).split())
    return words if len(words) < 160 else words[:157] + "…"
