"""Exports episodes one after the other; none of them stops the others.

The same code runs in the command's own process and in those of `app/export_processes.py`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from app.export_formats import ExportFormat, Progress
from pipeline.annotate import EpisodeAnnotations, annotate_episode
from pipeline.document import Session
from pipeline.engine.cache import ResultCache, StageOutcome
from pipeline.engine.graph import Graph, NodeId, SilentObserver
from pipeline.export.files import refuse_existing, write_export
from pipeline.model.demonstration import DatasetSource
from pipeline.model.edits import Edit
from pipeline.model.problem import Cancelled, DataError
from pipeline.stages.backend_options import FALLBACK

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """One file that was written.

    Attributes:
        subtask: Index, from 0.
        path: Where.
        size: Bytes.
    """

    subtask: int
    path: str
    size: int


@dataclass(frozen=True, slots=True)
class EpisodeExport:
    """What became of an episode.

    Attributes:
        episode: Its index.
        files: What was written.
        reasons: Why something was not, a sentence each; empty if all was.
        computed: Number of stages that were computed; the others came from the cache.
        seconds: How long it took.
        notes: What should be known about the results (another backend than the chosen one, ...).
    """

    episode: int
    files: tuple[ExportedFile, ...] = ()
    reasons: tuple[str, ...] = ()
    computed: int = 0
    seconds: float = 0.0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Destination:
    """Where files go.

    Attributes:
        folder: Of files that are named after what is in them.
        file: The one file, if there is to be only one.
        force: Replace files that are there.
    """

    folder: Path
    file: Path | None = None
    force: bool = False

    def path(self, name: str) -> Path:
        """Path of a file that would be called `name`."""
        return self.folder / name if self.file is None else self.file


class _Watching(SilentObserver):
    """Tells about stages, counts the computed ones, keeps what people should know."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.computed = 0
        self.notes: dict[str, str] = {}

    def progressed(self, node: NodeId, share: float, what: str) -> None:
        self._progress(share, f"{node[0]} {what}".strip())

    def finished(self, outcome: StageOutcome, data: bytes | None) -> None:
        if outcome.cached:
            return
        self.computed += 1
        told = [p for p in getattr(outcome.result, "problems", ()) if p.code == FALLBACK]
        for problem in (*outcome.problems, *told):
            self.notes[f"{outcome.stage}:{problem.code}"] = problem.message


@dataclass(frozen=True)
class ExportWork:
    """What all episodes of one export share.

    Attributes:
        source: The dataset.
        graph: Stages.
        options: Stage name -> options instance, one for every stage.
        cache: Where results are kept, None for nowhere.
        format: What files are written.
        destination: Where they go.
        subtasks: Indices wanted, None for all.
        every_frame: Every picture, not only those of the tracked frames.
    """

    source: DatasetSource
    graph: Graph
    options: dict[str, Any]
    cache: ResultCache | None
    format: ExportFormat
    destination: Destination
    subtasks: tuple[int, ...] | None = None
    every_frame: bool = False

    def export(
        self,
        episode: int,
        edits: tuple[Edit, ...] = (),
        progress: Progress = lambda _share, _what: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> EpisodeExport:
        """Export one episode; whatever is wrong with it stays its own problem.

        Args:
            episode: Episode index.
            edits: Human corrections in force.
            progress: Told how far it is.
            cancelled: Asked often.

        Raises:
            Cancelled: `cancelled` said so.
        """
        begun, watching = time.perf_counter(), _Watching(progress)
        files: list[ExportedFile] = []
        reasons: list[str] = []
        try:
            done = annotate_episode(
                *(self.source, episode),
                graph=self.graph,
                options=self.options,
                edits=edits,
                cache=self.cache,
                observer=watching,
                is_cancelled=cancelled,
            )
            if done.failure is not None:
                reasons.append(str(done.failure))
            wanted = self._wanted(done, reasons)
            for subtask in wanted:
                session = session_of(self.source, done, subtask, self.options, edits)
                try:
                    files.append(self._write(session, progress, cancelled))
                except (DataError, OSError) as error:
                    reasons.append(f"subtask {subtask + 1}: {_sentence(error)}")
        except (Cancelled, KeyboardInterrupt):
            raise
        except Exception as error:
            # A defect of ours on one episode must not cost the others.
            log.info("episode %d", episode, exc_info=True)
            reasons.append(_sentence(error).removeprefix(f"episode {episode}: "))
        return EpisodeExport(
            *(episode, tuple(files), tuple(reasons), watching.computed),
            *(time.perf_counter() - begun, tuple(watching.notes.values())),
        )

    def _wanted(self, done: EpisodeAnnotations, reasons: list[str]) -> list[int]:
        """Subtasks to write: those with all results, as far as they were asked for."""
        names = {s.name for s in self.graph.stages}
        whole = [
            subtask
            for subtask in sorted(done.outcomes)
            if subtask >= 0 and names <= {*done.outcomes[-1], *done.outcomes[subtask]}
        ]
        if self.subtasks is None:
            if not whole and not reasons:
                reasons.append("it has no subtask")
            return whole
        if done.failure is None:
            for missing in sorted(set(self.subtasks) - set(whole)):
                reasons.append(f"there is no subtask {missing + 1}: it has {len(whole)}")
        return [subtask for subtask in whole if subtask in self.subtasks]

    def _write(
        self, session: Session, progress: Progress, cancelled: Callable[[], bool]
    ) -> ExportedFile:
        path = self.destination.path(self.format.file_name(session))
        refuse_existing(path, force=self.destination.force)
        data = self.format.write(
            *(session, self.graph, self.source),
            every_frame=self.every_frame,
            progress=progress,
            cancelled=cancelled,
        )
        if cancelled():
            raise Cancelled
        write_export(path, data, force=self.destination.force)
        return ExportedFile(session.subtask, str(path), len(data))


def session_of(
    source: DatasetSource,
    done: EpisodeAnnotations,
    subtask: int,
    options: dict[str, Any],
    edits: tuple[Edit, ...],
) -> Session:
    """What a window would show after this run with the subtask selected."""
    results = {
        (outcome.stage, outcome.subtask): outcome
        for outcomes in done.outcomes.values()
        for outcome in outcomes.values()
    }
    session = Session(
        dataset=source.info,
        demonstration=done.demonstration,
        subtask=subtask,
        options=MappingProxyType(dict(options)),
        edits=edits,
        results=MappingProxyType(results),
    )
    proposals, scores = session.result("proposals"), session.result("scores")
    camera = proposals.camera if proposals is not None else ""
    return replace(session, camera=camera, candidate=-1 if scores is None else scores.winner)


def _sentence(error: Exception) -> str:
    if isinstance(error, DataError | ValueError):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.filename or 'a file'}: {error.strerror or error}"
    return f"internal error: {type(error).__name__}: {error}"
