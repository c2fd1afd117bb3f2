"""Whole checksums of weights, compared with those that the Hub announced."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.backends.weights import Weights
from pipeline.model.problem import Cancelled

_CHUNK = 1 << 20
_SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".ckpt")
"""Of weights, in folders that may hold much else (a clone)."""
_DIGEST = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class FileCheck:
    """Outcome of checking one file of weights.

    Attributes:
        path: The file.
        size: Bytes.
        expected: Checksum that the Hub announced, empty if it is not known here.
        found: Checksum of the content; empty if there is nothing to compare it with.
    """

    path: Path
    size: int
    expected: str
    found: str

    @property
    def state(self) -> str:
        """`ok`, `wrong` or `unknown`."""
        if not self.expected:
            return "unknown"
        return "ok" if self.expected == self.found else "wrong"


def check_files(
    weights: Weights | None,
    path: Path,
    report: Callable[[float, str], None],
    cancelled: Callable[[], bool],
) -> tuple[FileCheck, ...]:
    """Compare every file's whole checksum with what the Hub announced.

    Args:
        weights: What the backend needs, None if only the path is known.
        path: What `find_weights` returned.
        report: Told how far it is.
        cancelled: Asked at least for every MB.
    """
    files = _files_of(weights, path)
    total = max(sum(f.stat().st_size for f in files), 1)
    checks, done = [], 0
    for file in files:
        size = file.stat().st_size
        expected = _announced_digest(file)
        found = ""
        if expected:

            def tell(part: int, before: int = done, name: str = file.name) -> None:
                if cancelled():
                    raise Cancelled
                report((before + part) / total, f"checking {name}")

            found = digest_of(file, expected, tell)
        checks.append(FileCheck(file, size, expected, found))
        done += size
    return tuple(checks)


def digest_of(file: Path, like: str, tell: Callable[[int], None] = lambda _size: None) -> str:
    """Checksum of a file, of the kind of another one: sha256, or git's sha1 of a blob.

    Args:
        file: The file.
        like: 64 or 40 hex digits.
        tell: Called with the bytes read so far; may raise.
    """
    digest = _hasher(like, file.stat().st_size)
    size = 0
    with file.open("rb") as stream:
        while block := stream.read(_CHUNK):
            digest.update(block)
            size += len(block)
            tell(size)
    return str(digest.hexdigest())


def is_digest(text: str) -> bool:
    """True for a checksum by which the Hub names a file: sha256, or git's sha1 of a blob."""
    return _DIGEST.fullmatch(text) is not None


def _files_of(weights: Weights | None, path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if weights is not None and all((path / name).is_file() for name in weights.files):
        return [path / name for name in weights.files]
    return sorted(p for p in path.rglob("*") if p.suffix in _SUFFIXES and p.is_file())


def _announced_digest(file: Path) -> str:
    """The checksum by which the Hub's cache names a file, empty elsewhere."""
    if not file.is_symlink():
        return ""
    # One step only: the blob itself may be a link into a store that names files otherwise.
    blob = Path(os.readlink(file))
    named = blob.parent.name == "blobs" and _DIGEST.fullmatch(blob.name)
    return blob.name if named else ""


def _hasher(like: str, size: int) -> Any:
    if len(like) == 64:
        return hashlib.sha256()
    return hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)
