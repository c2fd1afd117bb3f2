"""The system's lock of a file: freed when its owner dies, however."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_TRY_S = 0.005


def try_lock(file: IO[bytes]) -> bool:
    """Lock an open file without waiting; closing it gives the lock back.

    Returns:
        False if another process has it.

    Raises:
        OSError: The file system knows no locks.
    """
    try:
        import fcntl
    except ImportError:
        return _try_windows(file)
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def lock_soon(file: IO[bytes], wait_s: float) -> bool:
    """Lock an open file that others hold for moments only; closing it gives the lock back.

    Returns:
        False if somebody else has it after `wait_s` seconds; True also where the file system knows
        no locks, so that nobody can have it.
    """
    end = time.monotonic() + wait_s
    while True:
        try:
            if try_lock(file):
                return True
        except OSError:
            return True
        if time.monotonic() >= end:
            return False
        time.sleep(_TRY_S)


@contextmanager
def held_lock(path: Path, wait_s: float) -> Iterator[bool]:
    """Hold the lock of a file, which is made, while the block lasts.

    Yields:
        As `lock_soon` returns; True also where the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+b", buffering=0)
    except OSError:
        yield True
        return
    with file:
        yield lock_soon(file, wait_s)


def _try_windows(file: IO[bytes]) -> bool:
    import msvcrt

    # Far behind the content, which others can still read.
    file.seek(1 << 30)
    try:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
    except OSError:
        return False
    file.seek(0)
    return True
