"""The stage graph: which results are needed, which are there, computing the rest in order."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from pipeline.engine.cache import ResultCache, ResultMemory, StageOutcome, pack, unpack
from pipeline.engine.codec import CodecError
from pipeline.engine.keys import result_key
from pipeline.model.demonstration import Demonstration, FrameReader
from pipeline.model.edits import EPISODE_SCOPE, Edit, edits_of
from pipeline.model.problem import Cancelled, DataError
from pipeline.model.subtask import SubtasksResult
from pipeline.stages.backend_options import FALLBACK
from pipeline.stages.stage import Scope, Stage, StageContext, StageInputs

log = logging.getLogger(__name__)

NodeId = tuple[str, int]
"""Stage name and subtask index (-1 = the whole episode)."""


class StageFailed(Exception):  # noqa: N818 - named like the event
    """A stage could not be computed. Its text is one sentence.

    Attributes:
        node: Which one.
        code: Problem code; `internal` for a defect of ours.
        details: Traceback or empty.
    """

    def __init__(self, node: NodeId, code: str, message: str, details: str = "") -> None:
        super().__init__(message)
        self.node = node
        self.code = code
        self.details = details


class Observer(Protocol):
    """Who is told what happens during a run."""

    def started(self, node: NodeId) -> None:
        """A stage begins to compute."""

    def progressed(self, node: NodeId, share: float, what: str) -> None:
        """It is `share` (0..1) done."""

    def finished(self, outcome: StageOutcome, data: bytes | None) -> None:
        """It is done or was found; `data` is the packed result, None if it was in memory."""


class SilentObserver:
    """Observer that does nothing."""

    def started(self, node: NodeId) -> None:
        """Ignore."""

    def progressed(self, node: NodeId, share: float, what: str) -> None:
        """Ignore."""

    def finished(self, outcome: StageOutcome, data: bytes | None) -> None:
        """Ignore."""


@dataclass(frozen=True)
class Plan:
    """Everything that decides the results of one episode.

    Attributes:
        demonstration: The episode.
        options: Stage name -> options instance, one for every stage.
        edits: Edits in force.
    """

    demonstration: Demonstration
    options: dict[str, Any] = field(default_factory=dict)
    edits: tuple[Edit, ...] = ()

    def edits_of(self, stage: Stage[Any, Any], subtask: int) -> tuple[Edit, ...]:
        """Edits that enter one run of a stage.

        A stage of the whole episode also takes edits that name a subtask (a renamed object).
        """
        if stage.scope is Scope.EPISODE:
            return tuple(e for e in self.edits if e.stage == stage.name)
        return edits_of(self.edits, stage.name, subtask)


class Graph:
    """Stages in the order in which data passes."""

    def __init__(self, stages: tuple[Stage[Any, Any], ...]) -> None:
        """Check the order: a stage may only read stages before it.

        Raises:
            ValueError: On a cycle, an unknown input or a subtask result read by an episode stage.
        """
        self.stages = stages
        self._by_name = {s.name: s for s in stages}
        seen: dict[str, Scope] = {}
        for stage in stages:
            for name in stage.inputs:
                if name not in seen:
                    raise ValueError(f"{stage.name} reads {name}, which does not come before it")
                if stage.scope is Scope.EPISODE and seen[name] is Scope.SUBTASK:
                    raise ValueError(f"{stage.name} is per episode but reads {name} of a subtask")
            seen[stage.name] = stage.scope

    def stage(self, name: str) -> Stage[Any, Any]:
        """Stage by name; KeyError if there is none."""
        return self._by_name[name]

    def default_options(self) -> dict[str, Any]:
        """Default options of every stage."""
        return {s.name: s.options_type() for s in self.stages}

    def keys(self, plan: Plan, subtask: int) -> dict[str, str]:
        """Keys of all stages for one subtask (episode stages included), without computing."""
        keys: dict[str, str] = {}
        for stage in self.stages:
            scope = EPISODE_SCOPE if stage.scope is Scope.EPISODE else subtask
            inputs = {name: keys[name] for name in stage.inputs}
            edits = plan.edits_of(stage, scope)
            options = plan.options[stage.name]
            keys[stage.name] = result_key(stage, plan.demonstration, scope, options, edits, inputs)
        return keys

    def downstream(self, name: str) -> tuple[str, ...]:
        """`name` and every stage that reads it, directly or not, in order."""
        reached = {name}
        for stage in self.stages:
            if reached & set(stage.inputs):
                reached.add(stage.name)
        return tuple(s.name for s in self.stages if s.name in reached)

    def needed(self, name: str) -> tuple[str, ...]:
        """`name` and every stage it reads, directly or not, in order."""
        wanted = {name}
        for stage in reversed(self.stages):
            if stage.name in wanted:
                wanted |= set(stage.inputs)
        return tuple(s.name for s in self.stages if s.name in wanted)


@dataclass
class Run:
    """One run over an episode."""

    graph: Graph
    plan: Plan
    cache: ResultCache | None
    open_reader: Callable[[], FrameReader]
    observer: Observer = field(default_factory=SilentObserver)
    is_cancelled: Callable[[], bool] = lambda: False
    memory: ResultMemory | None = None
    fresh: frozenset[str] = frozenset()
    """Stages to compute although a cached result exists ("run from here")."""
    _reader: FrameReader | None = None

    def episode(
        self, up_to: str | None = None, only_subtask: int | None = None
    ) -> Iterator[StageOutcome]:
        """Compute all stages (up to one) of all subtasks (or of one), yielding as they finish.

        Raises:
            StageFailed: The first stage that fails; results before it were yielded.
            Cancelled: The user cancelled.
        """
        stages = self.graph.stages
        if up_to is not None:
            names = set(self.graph.needed(up_to))
            stages = tuple(s for s in stages if s.name in names)
        try:
            done: dict[str, StageOutcome] = {}
            keys = self.graph.keys(self.plan, EPISODE_SCOPE)
            for stage in stages:
                if stage.scope is Scope.EPISODE:
                    node = (stage.name, EPISODE_SCOPE)
                    done[stage.name] = self._node(stage, node, keys[stage.name], done)
                    yield done[stage.name]
            per_subtask = [s for s in stages if s.scope is Scope.SUBTASK]
            if not per_subtask:
                return
            count = next(
                (
                    len(o.result.subtasks)
                    for o in done.values()
                    if isinstance(o.result, SubtasksResult)
                ),
                1,
            )
            for subtask in range(count):
                if only_subtask is not None and subtask != only_subtask:
                    continue
                local = dict(done)
                keys = self.graph.keys(self.plan, subtask)
                for stage in per_subtask:
                    node = (stage.name, subtask)
                    local[stage.name] = self._node(stage, node, keys[stage.name], local)
                    yield local[stage.name]
        finally:
            if self._reader is not None:
                self._reader.close()
                self._reader = None

    def _node(
        self, stage: Stage[Any, Any], node: NodeId, key: str, done: dict[str, StageOutcome]
    ) -> StageOutcome:
        if self.is_cancelled():
            raise Cancelled
        if stage.name not in self.fresh:
            found = self._from_memory(key) or self._from_cache(stage, node, key)
            if found is not None:
                return found
        self.observer.started(node)
        return self._compute(stage, node, key, done)

    def _from_memory(self, key: str) -> StageOutcome | None:
        found = self.memory.get(key) if self.memory is not None else None
        if found is None:
            return None
        outcome = dataclasses.replace(found, cached=True)
        self.observer.finished(outcome, None)
        return outcome

    def _from_cache(self, stage: Stage[Any, Any], node: NodeId, key: str) -> StageOutcome | None:
        data = self.cache.load_bytes(key) if self.cache is not None else None
        if data is None:
            return None
        try:
            result, seconds = unpack(data, stage.result_type)
        except CodecError as error:
            log.warning("cached result %s is broken, computing again: %s", key, error)
            return None
        return self._done(StageOutcome(*node, key, result, seconds, cached=True), data)

    def _done(self, outcome: StageOutcome, data: bytes) -> StageOutcome:
        """Remember an outcome and tell who listens."""
        if self.memory is not None:
            self.memory.put(outcome)
        self.observer.finished(outcome, data)
        return outcome

    def _compute(
        self, stage: Stage[Any, Any], node: NodeId, key: str, done: dict[str, StageOutcome]
    ) -> StageOutcome:
        import traceback

        inputs = StageInputs({n: done[n].result for n in stage.inputs}, node[1])
        edits = self.plan.edits_of(stage, node[1])
        start = time.perf_counter()
        try:
            if self._reader is None:
                self._reader = self.open_reader()
            context = StageContext(
                self._reader,
                lambda share, what: self.observer.progressed(node, share, what),
                self.is_cancelled,
            )
            options = self.plan.options[stage.name]
            result = stage.run(self.plan.demonstration, inputs, options, edits, context)
        except Cancelled:
            raise
        except DataError as error:
            raise StageFailed(node, error.code, str(error)) from error
        except MemoryError as error:
            text = f"{stage.title}: out of memory; use fewer points or a shorter clip"
            raise StageFailed(node, "out_of_memory", text) from error
        except Exception as error:
            # A defect of a stage or a backend must not take the others with it.
            log.exception("stage %s failed", stage.name)
            text = f"{stage.title} failed with an internal error: {type(error).__name__}: {error}"
            raise StageFailed(node, "internal", text, traceback.format_exc()) from error
        seconds = time.perf_counter() - start
        data = pack(result, seconds)
        if any(p.code == FALLBACK for p in getattr(result, "problems", ())):
            # Not what was asked for: the next run must try the chosen backend again.
            outcome = StageOutcome(*node, key, result, seconds)
            self.observer.finished(outcome, data)
            return outcome
        problem = self.cache.store_bytes(key, data) if self.cache is not None else None
        problems = (problem,) if problem else ()
        return self._done(StageOutcome(*node, key, result, seconds, problems=problems), data)
