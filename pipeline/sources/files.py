"""Files of strangers: paths that cannot leave the dataset, pointers, fingerprints."""

from __future__ import annotations

import hashlib
import json
import os
import string
from pathlib import Path
from typing import Any

from pipeline.model.problem import DataError

_LFS_HEAD = b"version https://git-lfs"
_SAMPLE = 4096
_BLOCKS = 64
_LONGEST_NAME = 255


def fill_template(root: Path, template: str, values: dict[str, Any]) -> Path:
    """Fill a path template of the metadata and make sure that the result stays inside `root`.

    Args:
        root: Dataset folder.
        template: E.g. `data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet`.
        values: The fields that may appear.

    Returns:
        The path; it need not exist.

    Raises:
        DataError: `bad_template` for unknown fields, `path_escape` if it leads outside.
    """
    try:
        for _, field, spec, conversion in string.Formatter().parse(template):
            if field is not None and (
                field not in values or conversion or len(spec or "") > 4 or "{" in (spec or "")
            ):
                raise KeyError(field)
        relative = template.format(**values)
    except (KeyError, ValueError, IndexError) as error:
        known = ", ".join(sorted(values))
        raise DataError(
            "bad_template", f"path template “{template}” in info.json: it may use only {known}"
        ) from error
    if "\0" in relative or max(map(len, relative.split("/"))) > _LONGEST_NAME:
        raise DataError("bad_template", f"path template {template[:80]!r} gives no file name")
    path = Path(os.path.normpath(root / relative))
    if not path.is_relative_to(root):
        raise DataError("path_escape", f"path template “{template}” leads outside the dataset")
    return path


def read_json(path: Path, limit: int = 64 << 20) -> Any:
    """Read a JSON file of at most `limit` bytes; DataError with one sentence if it can't be."""
    try:
        if path.stat().st_size > limit:
            raise DataError("bad_metadata", f"{path}: larger than {limit >> 20} MiB, not read")
        return json.loads(path.read_bytes())
    except OSError as error:
        raise DataError("bad_metadata", f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise DataError("bad_metadata", f"{path}: is not valid JSON ({error})") from error


def is_lfs_pointer(path: Path) -> bool:
    """True if the file is a Git-LFS pointer instead of its content."""
    try:
        if path.stat().st_size > 1024:
            return False
        with path.open("rb") as file:
            return file.read(len(_LFS_HEAD)) == _LFS_HEAD
    except OSError:
        return False


def lfs_sentence(shown: object) -> str:
    """What is said of a file of which only the pointer is here."""
    return f"{shown} is a Git-LFS pointer: run “git lfs pull”"


def refuse_lfs_pointer(path: Path, shown: str = "") -> None:
    """Raise DataError `lfs_pointer` if the file is a Git-LFS pointer.

    Args:
        path: The file; it may be missing.
        shown: Its name for the sentence, the whole path by default.
    """
    if is_lfs_pointer(path):
        raise DataError("lfs_pointer", lfs_sentence(shown or path))


def fingerprint(paths: list[Path], *parts: str) -> str:
    """Hash file contents, equal on any machine.

    Large files (a LeRobot v3 video holds many episodes) are sampled: size, first and last MiB and
    64 blocks between (our choice: a changed encode changes size and index; 0.3 s saved per file).

    Args:
        paths: Files, in a fixed order; a missing file counts as empty.
        parts: Further text that enters the hash.

    Returns:
        32 hexadecimal digits.
    """
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(part.encode() + b"\0")
    for path in paths:
        try:
            size = path.stat().st_size
            with path.open("rb") as file:
                digest.update(f"{path.name}:{size}".encode())
                if size <= 16 << 20:
                    digest.update(file.read())
                    continue
                digest.update(file.read(1 << 20))
                for block in range(_BLOCKS):
                    file.seek((1 << 20) + block * (size - (2 << 20)) // _BLOCKS)
                    digest.update(file.read(_SAMPLE))
                file.seek(size - (1 << 20))
                digest.update(file.read())
        except OSError:
            digest.update(b"missing")
    return digest.hexdigest()


class FolderListing:
    """Remembers folder contents, so that 100,000 presence checks do not cost 100,000 stats."""

    def __init__(self) -> None:
        self._folders: dict[Path, dict[str, int]] = {}

    def size(self, path: Path) -> int | None:
        """Size of a file in bytes, or None if there is no such file."""
        folder = path.parent
        if folder not in self._folders:
            try:
                with os.scandir(folder) as entries:
                    self._folders[folder] = {
                        e.name: e.stat().st_size for e in entries if e.is_file()
                    }
            except OSError:
                self._folders[folder] = {}
        return self._folders[folder].get(path.name)
