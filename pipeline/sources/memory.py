"""Memory that was freed goes back to the system."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache


@cache
def _trim() -> Callable[[int], int] | None:
    try:
        found = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):
        return None  # Not the GNU C library; others give back by themselves.
    found.argtypes = [ctypes.c_size_t]
    found.restype = ctypes.c_int
    trim: Callable[[int], int] = found
    return trim


def give_back() -> None:
    """Let the allocator return free pages. Takes milliseconds; not for the GUI thread.

    Decoders allocate pictures in many sizes and threads. Without this the GNU allocator keeps what
    they freed: after 120 episodes the process held 1.8 GiB of which 10 MiB were in use.
    """
    trim = _trim()
    if trim is not None:
        trim(0)
