"""Exports several episodes at a time, in processes of their own. Imports are light: see below."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

from pipeline.engine.child_process import begin

if TYPE_CHECKING:
    from ctypes import c_byte

    from app.export_work import EpisodeExport

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ExportTask:
    """One episode for another process: plain values only.

    Attributes:
        dataset: What `open_anything` takes.
        episode: Its index.
        edits: Human corrections in force, JSON.
        options: Stage name -> option name -> value.
        cache: Folder of results, None for none.
        format: Name of the format.
        folder: Where files go.
        file: The one file, or None.
        force: Replace files that are there.
        subtasks: Indices wanted, None for all.
        every_frame: Every picture, not only those of the tracked frames.
    """

    dataset: str
    episode: int
    edits: bytes
    options: dict[str, dict[str, Any]]
    cache: str | None
    format: str
    folder: str
    file: str | None
    force: bool
    subtasks: tuple[int, ...] | None
    every_frame: bool


def export_side_by_side(
    tasks: Sequence[ExportTask],
    jobs: int,
    work: Callable[[ExportTask], EpisodeExport] | None = None,
) -> Iterator[EpisodeExport]:
    """Export episodes in processes; yields them as they finish.

    A process that dies costs its episode only: those that were lost with it are tried again, each
    in a process of its own.

    Args:
        tasks: What to do.
        jobs: Processes side by side.
        work: Instead of exporting, for tests; a function of a module.
    """
    context = get_context("spawn")  # Rerun and OpenCV have threads, which a fork would not carry.
    # No Event: its lock would stay locked for ever if a process were killed while it holds it.
    stop = context.RawValue("b", 0)
    do = work or export_one
    lost: list[ExportTask] = []
    try:
        with ProcessPoolExecutor(jobs, context, _begin, (os.getpid(), stop)) as pool:
            futures = {pool.submit(do, task): task for task in tasks}
            for future in _finished(futures, stop, pool):
                try:
                    yield future.result()
                except BrokenProcessPool:
                    lost.append(futures[future])
        for task in lost:
            with ProcessPoolExecutor(1, context, _begin, (os.getpid(), stop)) as pool:
                try:
                    yield pool.submit(do, task).result()
                except BrokenProcessPool:
                    yield _dead(task)
    except BaseException:
        stop.value = 1
        raise


def _finished(
    futures: dict[Future[EpisodeExport], ExportTask], stop: c_byte, pool: ProcessPoolExecutor
) -> Iterator[Future[EpisodeExport]]:
    try:
        yield from as_completed(futures)
    except BaseException:  # Ctrl+C: those at work stop at the next question.
        stop.value = 1
        pool.shutdown(wait=False, cancel_futures=True)
        raise


def _dead(task: ExportTask) -> EpisodeExport:
    from app.export_work import EpisodeExport

    reason = "its process ended in the middle, most likely because memory ran out: --jobs 1"
    return EpisodeExport(task.episode, reasons=(reason,))


def _begin(parent: int, stop: c_byte) -> None:
    """Start of a process: before NumPy is loaded, which reads how many threads it may use."""
    global _stop
    begin(parent, threads=1)
    _stop = stop


_stop: c_byte | None = None


def export_one(task: ExportTask) -> EpisodeExport:
    """Export one episode in this process. Raises Cancelled if the command was."""
    # lazy: these load NumPy and OpenCV
    from pathlib import Path

    from app.export_formats import FORMATS
    from app.export_work import Destination, EpisodeExport, ExportWork
    from pipeline.annotate import standard_graph
    from pipeline.engine.cache import ResultCache
    from pipeline.engine.worker import options_from
    from pipeline.model.edits import EDITS
    from pipeline.model.problem import DataError
    from pipeline.sources.hub.dataset import open_anything

    graph = standard_graph()
    try:
        source = open_anything(task.dataset)
    except DataError as error:
        return EpisodeExport(task.episode, reasons=(str(error),))
    work = ExportWork(
        source=source,
        graph=graph,
        options=options_from(graph, task.options),
        cache=None if task.cache is None else ResultCache(Path(task.cache)),
        format=FORMATS[task.format],
        destination=Destination(
            Path(task.folder), None if task.file is None else Path(task.file), task.force
        ),
        subtasks=task.subtasks,
        every_frame=task.every_frame,
    )
    stop = _stop
    return work.export(
        task.episode,
        EDITS.validate_json(task.edits),
        cancelled=lambda: stop is not None and bool(stop.value),
    )
