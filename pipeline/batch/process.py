"""The worker process of a batch. Its imports are light: threads are limited before NumPy loads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.engine.child_process import begin

if TYPE_CHECKING:
    from multiprocessing.connection import Connection


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
    begin(task.parent, nice=task.nice, threads=task.threads)

    # lazy: these load NumPy
    from pipeline.batch.service import serve

    serve(connection, task)
