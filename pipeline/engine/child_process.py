"""What a process of ours does before its work. Imports are light: it may limit NumPy's threads."""

from __future__ import annotations

import logging
import os
import sys

_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "OPENCV_FOR_THREADS_NUM",
)
_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG."""


def begin(parent: int, *, nice: int = 0, threads: int = 0) -> None:
    """Leave Ctrl+C and the log to the one who asked, and die with them.

    Args:
        parent: Number of their process.
        nice: How far to step back behind other processes (Unix).
        threads: Threads that libraries may use, 0 for as they like. Call it before NumPy loads,
            which reads that once.
    """
    import signal

    # Ctrl+C in the terminal reaches this process too; whoever started it then says what to do.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with(parent)
    if threads:
        for name in _THREAD_VARIABLES:
            os.environ[name] = str(threads)
    if nice and hasattr(os, "nice"):
        os.nice(nice)
    # What concerns people is told; this process has no one to read its log.
    logging.basicConfig(level=logging.CRITICAL)


def die_with(parent: int) -> None:
    """On Linux: let the system kill this process at once when the one who started it dies.

    Elsewhere the end of the pipe tells, as soon as this process listens to it. Linux counts the
    thread that started the process: it has to live as long.
    """
    if not sys.platform.startswith("linux"):
        return
    import ctypes
    import signal

    try:
        ctypes.CDLL(None, use_errno=True).prctl(_DEATH_SIGNAL, signal.SIGKILL)
    except (OSError, AttributeError):
        return  # no C library that has it (a static build): the pipe tells
    if os.getppid() != parent:
        os._exit(0)  # it died before we asked
