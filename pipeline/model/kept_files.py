"""Files of caches that several processes share: when they were used last, and removing them."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

RECENTLY = 3600.0
"""Seconds; what was used within is never removed (our choice: longer than one episode takes)."""
STALE_AFTER = 24 * 3600.0
"""Seconds; nobody writes one file for longer (our choice)."""


@dataclass(frozen=True, slots=True, order=True)
class KeptFile:
    """A file as it was found.

    Attributes:
        used: When it was used last, seconds since the epoch.
        size: Bytes.
        path: Where it is.
    """

    used: float
    size: int
    path: Path

    def remove(self) -> bool:
        """Remove it unless it was used since it was found; False if it stays."""
        try:
            if self.path.stat().st_mtime != self.used:
                return False
            self.path.unlink()
        except OSError as error:
            log.debug("%s stays: %s", self.path, error)
            return False
        return True


def kept_files(folder: Path, pattern: str) -> list[KeptFile]:
    """Files of a folder that match, in no order; none if it cannot be looked through."""
    found = []
    try:
        for path in folder.glob(pattern):
            with suppress(FileNotFoundError):  # another process removes some, too
                stat = path.stat()
                found.append(KeptFile(stat.st_mtime, stat.st_size, path))
    except OSError as error:
        log.info("%s cannot be looked through: %s", folder, error)
    return found


def remove_stale(folder: Path, pattern: str, before: float) -> int:
    """Remove files last used before then (seconds since the epoch); bytes removed.

    Made for what writers began and, killed, never put in place.
    """
    stale = (file for file in kept_files(folder, pattern) if file.used < before)
    return sum(file.size for file in stale if file.remove())


def touch_used(path: Path) -> None:
    """Say that a file was used now."""
    try:
        os.utime(path)
    except OSError:
        log.debug("cannot touch %s", path)
