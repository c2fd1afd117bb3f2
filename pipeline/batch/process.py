"""The worker process of a batch. Its imports are light: threads are limited before NumPy loads."""

from __future__ import annotations

import logging
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

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


@dataclass(frozen=True, slots=True)
class WorkerTask:
    """What one process needs to know. Plain values: they cross to the process.

    Attributes:
        dataset: What the opener takes.
        graph: `module:function` that makes the graph.
        opener: `module:function` that opens the dataset.
        options: Stage name -> option name -> value.
        cache: Folder of results, None for none.
        parent: Process number of the batch.
        threads: Threads that libraries may use within the process.
        nice: How far it steps back behind other processes (Unix).
    """

    dataset: str
    graph: str
    opener: str
    options: dict[str, dict[str, Any]]
    cache: str | None
    parent: int
    threads: int = 1
    nice: int = 5


def main(connection: Connection, task: WorkerTask) -> None:
    """Entry point of the process; ends when the batch closes the pipe or dies."""
    import signal

    # Ctrl+C in the terminal is for the batch, which then closes the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with(task.parent)
    for name in _THREAD_VARIABLES:
        os.environ[name] = str(task.threads)
    if hasattr(os, "nice"):
        os.nice(task.nice)
    # What concerns people is among the reports; this process has no one to read its log.
    logging.basicConfig(level=logging.CRITICAL)

    # lazy: these load NumPy
    from pipeline.batch.service import serve

    serve(connection, task)


def die_with(parent: int) -> None:
    """On Linux: let the system kill this process at once when the batch dies.

    Elsewhere the end of the pipe tells, as soon as this process listens to it.
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
