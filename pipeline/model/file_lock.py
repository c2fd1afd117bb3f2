"""The system's lock of a file: freed when its owner dies, however."""

from __future__ import annotations

from typing import IO


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
