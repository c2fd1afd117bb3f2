"""Annotates episodes of one dataset, one after the other; none of them stops the others.

The same code runs in the plain loop of the command, in the processes of the local pool and in the
actors of a cluster.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from pipeline.annotate import EpisodeAnnotations, annotate_episode
from pipeline.batch.report import EpisodeReport
from pipeline.engine.cache import ResultCache, StageOutcome
from pipeline.engine.graph import Graph, NodeId, Observer, SilentObserver
from pipeline.model.annotation import Annotation
from pipeline.model.caption import CaptionResult
from pipeline.model.demonstration import DatasetSource
from pipeline.model.edits import EPISODE_SCOPE, Edit
from pipeline.model.problem import Cancelled, DataError, Severity
from pipeline.model.subtask import SubtasksResult
from pipeline.model.usage import NO_USAGE, Usage
from pipeline.stages.backend_options import FALLBACK

log = logging.getLogger(__name__)

LANGUAGE_STAGE = "subtasks"
"""The stage that may ask a language model."""
_SAID_OF_RESULTS = frozenset({FALLBACK, "option_dropped", "cache_not_written"})
"""Problems of results that are about the run, not about the episode."""


class _Counting:
    """Passes everything on, and counts."""

    def __init__(self, listener: Observer) -> None:
        self._listener = listener
        self.computed: Counter[str] = Counter()
        self.found = 0
        self.notes: dict[str, str] = {}

    def started(self, node: NodeId) -> None:
        self._listener.started(node)

    def progressed(self, node: NodeId, share: float, what: str) -> None:
        self._listener.progressed(node, share, what)

    def finished(self, outcome: StageOutcome, data: bytes | None) -> None:
        if outcome.cached:
            self.found += 1
        else:
            self.computed[outcome.stage] += 1
            for problem in outcome.problems:
                self.notes[problem.code] = problem.message
            for problem in getattr(outcome.result, "problems", ()):
                if problem.code in _SAID_OF_RESULTS:
                    self.notes[f"{outcome.stage}:{problem.code}"] = problem.message
        self._listener.finished(outcome, data)


class EpisodeWork:
    """What all episodes of one run share."""

    def __init__(
        self,
        source: DatasetSource,
        graph: Graph,
        options: dict[str, Any],
        cache: ResultCache | None,
    ) -> None:
        """Compute nothing yet.

        Args:
            source: The dataset.
            graph: Stages.
            options: Stage name -> options instance; defaults where missing.
            cache: Where results are kept, None for nowhere.
        """
        self._source = source
        self._graph = graph
        self._options = options
        self._cache = cache

    def annotate(
        self,
        episode: int,
        edits: tuple[Edit, ...] = (),
        listener: Observer | None = None,
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> EpisodeReport:
        """Annotate one episode; whatever is wrong with it stays its own problem.

        Args:
            episode: Episode index.
            edits: Human corrections in force.
            listener: Who is told about progress.
            is_cancelled: Asked often.

        Raises:
            Cancelled: `is_cancelled` said so.
        """
        counting = _Counting(listener or SilentObserver())
        start = time.perf_counter()

        def report(**more: Any) -> EpisodeReport:
            return EpisodeReport(
                episode=episode,
                seconds=time.perf_counter() - start,
                computed=dict(counting.computed),
                found=counting.found,
                notes=tuple(counting.notes.items()),
                **more,
            )

        try:
            done = annotate_episode(
                self._source,
                episode,
                graph=self._graph,
                options=self._options,
                edits=edits,
                cache=self._cache,
                observer=counting,
                is_cancelled=is_cancelled,
            )
        except Cancelled:
            raise
        except DataError as error:
            reason = str(error).removeprefix(f"episode {episode}: ")
            return report(finished=False, code=error.code, reason=reason)
        except Exception as error:
            # A defect of ours on one episode must not cost the others.
            log.info("episode %d", episode, exc_info=True)
            reason = f"internal error: {type(error).__name__}: {error}"
            return report(finished=False, code="internal", reason=reason)
        found = {"frames": done.demonstration.length, "usage": language_usage(done)}
        if done.failure is None:
            return report(finished=True, annotations=done.annotations, **found)
        return report(
            finished=False,
            annotations=_marked(done),
            code=done.failure.code,
            reason=_why(done),
            stage=done.failure.node[0],
            **found,
        )


def language_usage(done: EpisodeAnnotations) -> Usage:
    """What asking models took for one episode; a question that failed counts, too."""
    drafts = NO_USAGE
    for outcomes in done.outcomes.values():
        for outcome in outcomes.values():
            if isinstance(outcome.result, CaptionResult):
                drafts += caption_usage(outcome.result, outcome.cached)
    return _reading_usage(done) + drafts


def caption_usage(result: CaptionResult, cached: bool) -> Usage:
    """What asking for the versions of one caption took now.

    Args:
        result: Of the stage captions.
        cached: Whether the result itself was there, so that nothing was even looked up.
    """
    total = NO_USAGE
    for version in result.versions:
        if version.exchange is None:
            continue
        reply = version.exchange.reply
        if cached or reply.cached:
            total += Usage(kept=1)
        else:
            total += Usage(reply.requests, reply.tokens_in, reply.tokens_out)
    return total


def _reading_usage(done: EpisodeAnnotations) -> Usage:
    """What reading the instruction took, and the question of a stage that failed."""
    total = NO_USAGE
    outcome = done.outcomes[EPISODE_SCOPE].get(LANGUAGE_STAGE)
    if outcome is not None and isinstance(outcome.result, SubtasksResult):
        usage = outcome.result.usage
        total += Usage(kept=1) if outcome.cached and usage else usage
    if done.failure is not None:
        spent = getattr(done.failure.__cause__, "usage", NO_USAGE)
        total += spent if isinstance(spent, Usage) else NO_USAGE
    return total


def _why(done: EpisodeAnnotations) -> str:
    """The failure, and what is wrong with the videos if none of them can be read."""
    text = str(done.failure)
    if not done.demonstration.cameras:
        reasons = [p.message for p in done.demonstration.problems if p.severity is Severity.ERROR]
        text = "; ".join([text.rstrip("."), *reasons])
    return text


def _marked(done: EpisodeAnnotations) -> tuple[Annotation, ...]:
    """The records of an episode with a failed stage, its code in the warnings they concern."""
    failure = done.failure
    if failure is None:
        return done.annotations
    return tuple(
        a.model_copy(update={"warnings": (*a.warnings, failure.code)})
        if failure.node[1] in (EPISODE_SCOPE, a.subtask_index)
        else a
        for a in done.annotations
    )
