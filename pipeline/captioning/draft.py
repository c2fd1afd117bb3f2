"""Drafts the captions of many episodes, one subtask after the other; none stops the others.

The stages before the captions are computed or come from the cache. Before anything is sent,
`CaptionDrafting.planned` tells what drafting would take.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.backends.language.refusals import forget_refusals
from pipeline.captioning.costs import PlannedCaptions, SpentOnCaptions, asks_a_server, spent_on
from pipeline.engine.cache import ResultCache, ResultMemory
from pipeline.engine.graph import Graph, Observer, Plan, Run, SilentObserver, StageFailed
from pipeline.model.caption import CaptionResult
from pipeline.model.demonstration import DatasetSource, Demonstration, FrameReader
from pipeline.model.drafting import SentRequest
from pipeline.model.edits import EPISODE_SCOPE, Edit
from pipeline.model.problem import DataError
from pipeline.model.subtask import SubtasksResult
from pipeline.model.usage import Usage
from pipeline.stages.caption_online import OnlineDrafter
from pipeline.stages.caption_options import CaptionsOptions
from pipeline.stages.captions import critiques_of, online_drafter
from pipeline.stages.stage import StageContext, StageInputs

STAGE = "captions"


@dataclass(frozen=True, slots=True)
class DraftedCaption:
    """What became of one subtask.

    Attributes:
        episode: Episode index.
        subtask: Subtask index, -1 where the episode failed before it had any.
        result: The caption with its versions, None where it failed.
        cached: Whether the whole result was there already.
        spent: What it took now.
        error: Why it failed, one sentence; empty if it did not.
        code: Problem code of the error.
    """

    episode: int
    subtask: int
    result: CaptionResult | None
    cached: bool = False
    spent: SpentOnCaptions = field(default_factory=SpentOnCaptions)
    error: str = ""
    code: str = ""


@dataclass(frozen=True, slots=True)
class _Prepared:
    """One episode with the results of all stages before the captions."""

    demonstration: Demonstration
    plan: Plan
    memory: ResultMemory
    results: dict[int, dict[str, Any]]
    count: int


class CaptionDrafting:
    """Captions of one dataset with one set of options."""

    def __init__(
        self,
        source: DatasetSource,
        graph: Graph,
        options: Mapping[str, Any],
        cache: ResultCache | None,
        edits: Mapping[int, tuple[Edit, ...]] | None = None,
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        """Compute nothing yet.

        Args:
            source: The dataset.
            graph: Stages; stages after the captions are not run.
            options: Stage name -> options instance; defaults where missing.
            cache: Where results are kept, None for nowhere.
            edits: Human corrections in force, by episode.
            is_cancelled: Asked often.
        """
        self._source = source
        self._graph = graph
        self._options = graph.default_options() | dict(options)
        self._cache = cache
        self._edits = dict(edits or {})
        self._is_cancelled = is_cancelled
        before = tuple(s for s in graph.stages if s.name not in graph.downstream(STAGE))
        self._before = Graph(before)

    @property
    def options(self) -> CaptionsOptions:
        """Options of the stage."""
        options = self._options[STAGE]
        if not isinstance(options, CaptionsOptions):
            raise TypeError(f"the graph's stage {STAGE} has other options: {type(options)}")
        return options

    def planned(self, episodes: Sequence[int], observer: Observer | None = None) -> PlannedCaptions:
        """Tell what drafting would take; the stages before are computed, nothing is sent.

        Args:
            episodes: Episode indices.
            observer: Who is told about the stages.

        Raises:
            DataError: The server or the recipe cannot be used, and nothing may stand in for it.
            Cancelled: `is_cancelled` said so.
        """
        if not asks_a_server(self.options):
            return PlannedCaptions()
        total = PlannedCaptions()
        for episode in episodes:
            try:
                prepared = self._prepare(episode, observer or SilentObserver())
                reader = self._source.reader(prepared.demonstration)
            except (DataError, StageFailed):
                total += PlannedCaptions(unknown=1)
                continue
            try:
                for subtask in range(prepared.count):
                    total += self._planned_one(prepared, subtask, reader)
            finally:
                reader.close()
        return total

    def draft(
        self, episodes: Sequence[int], observer: Observer | None = None
    ) -> Iterator[DraftedCaption]:
        """Draft, revise and judge as the stage does, yielding subtask by subtask.

        Raises:
            Cancelled: `is_cancelled` said so; what was yielded is kept in the cache.
        """
        begun = time.time()
        forget_refusals()  # the user wants it tried again
        try:
            yield from self._drafted(episodes, observer or SilentObserver())
        finally:
            if asks_a_server(self.options):
                # lazy: who drafts offline keeps no replies
                from pipeline.backends.captioning.reply_store import ReplyStore

                ReplyStore().trim(in_use_since=begun)

    def _drafted(self, episodes: Sequence[int], observer: Observer) -> Iterator[DraftedCaption]:
        for episode in episodes:
            try:
                prepared = self._prepare(episode, observer)
            except (DataError, StageFailed) as error:
                text = str(error).removeprefix(f"episode {episode}: ")
                yield DraftedCaption(episode, EPISODE_SCOPE, None, error=text, code=error.code)
                continue
            for subtask in range(prepared.count):
                yield self._draft_one(prepared, subtask, observer)

    def request(self, episode: int, subtask: int) -> SentRequest:
        """The very request that a draft of one subtask would send.

        Raises:
            DataError: The episode has no such subtask, or the recipe cannot be used.
            StageFailed: A stage before failed.
        """
        prepared = self._prepare(episode, SilentObserver())
        count = prepared.count
        if not 0 <= subtask < count:
            there = "1 subtask" if count == 1 else f"{count} subtasks"
            raise DataError("no_subtask", f"episode {episode} has {there}, numbered from 0.")
        reader = self._source.reader(prepared.demonstration)
        try:
            drafter, context = self._drafter(prepared, subtask, reader)
            return drafter.request(context.progress)
        finally:
            reader.close()

    def _prepare(self, episode: int, observer: Observer) -> _Prepared:
        demonstration = self._source.open(episode)
        plan = Plan(demonstration, self._options, self._edits.get(episode, ()))
        # As many results as an episode with a dozen subtasks has: none is read twice.
        memory = ResultMemory(count=150)
        results: dict[int, dict[str, Any]] = {EPISODE_SCOPE: {}}
        count = 0
        for outcome in self._run(self._before, demonstration, plan, memory, observer).episode():
            results.setdefault(outcome.subtask, {})[outcome.stage] = outcome.result
            if isinstance(outcome.result, SubtasksResult):
                count = len(outcome.result.subtasks)
        return _Prepared(demonstration, plan, memory, results, count)

    def _run(
        self,
        graph: Graph,
        demonstration: Demonstration,
        plan: Plan,
        memory: ResultMemory,
        observer: Observer,
    ) -> Run:
        return Run(
            graph,
            plan,
            self._cache,
            lambda: self._source.reader(demonstration),
            observer,
            self._is_cancelled,
            memory,
        )

    def _draft_one(self, prepared: _Prepared, subtask: int, observer: Observer) -> DraftedCaption:
        episode = prepared.demonstration.ref.episode
        run = self._run(
            self._graph, prepared.demonstration, prepared.plan, prepared.memory, observer
        )
        try:
            outcome = list(run.episode(up_to=STAGE, only_subtask=subtask))[-1]
        except StageFailed as error:
            usage = getattr(error.__cause__, "usage", None)
            spent = SpentOnCaptions(usage) if isinstance(usage, Usage) else SpentOnCaptions()
            return DraftedCaption(
                episode, subtask, None, spent=spent, error=str(error), code=error.code
            )
        if not isinstance(outcome.result, CaptionResult):
            raise TypeError(f"the graph's stage {STAGE} has another result")
        result = outcome.result
        return DraftedCaption(
            episode, subtask, result, outcome.cached, spent_on(result, outcome.cached)
        )

    def _planned_one(
        self, prepared: _Prepared, subtask: int, reader: FrameReader
    ) -> PlannedCaptions:
        keys = self._graph.keys(prepared.plan, subtask)
        if self._cache is not None and self._cache.load_bytes(keys[STAGE]) is not None:
            return PlannedCaptions(subtasks=1, kept=1)
        drafter, context = self._drafter(prepared, subtask, reader)
        critiques = critiques_of(prepared.plan.edits, subtask)
        try:
            request = drafter.request(context.progress)
        except DataError:
            return PlannedCaptions(subtasks=1, unknown=1)
        # What a revision is asked depends on the answer before: with the first question that is
        # not answered yet, all after it are new.
        drafted = None
        for number in range(1 + len(critiques)):
            if drafted is not None:
                critique = critiques[number - 1]
                request = drafter.revision(drafted, critique, context.progress)
            if drafter.pending(request):
                return _costs(drafter, request, 1 + len(critiques) - number)
            if number < len(critiques):
                drafted = (
                    drafter.draft(context.progress)
                    if drafted is None
                    else drafter.revise(drafted, critiques[number - 1], context.progress)
                )
        return PlannedCaptions(subtasks=1, kept=1)

    def _drafter(
        self, prepared: _Prepared, subtask: int, reader: FrameReader
    ) -> tuple[OnlineDrafter, StageContext]:
        results = prepared.results[EPISODE_SCOPE] | prepared.results.get(subtask, {})
        inputs = StageInputs(results, subtask)
        context = StageContext(reader, lambda share, what: None, self._is_cancelled)
        edits = prepared.plan.edits_of(self._graph.stage(STAGE), subtask)
        return online_drafter(prepared.demonstration, inputs, self.options, edits, context), context


def _costs(drafter: OnlineDrafter, request: SentRequest, new: int) -> PlannedCaptions:
    """What `new` questions like `request` take."""
    one = drafter.captioner.estimate(request, drafter.settings)
    usage = Usage(new * one.requests, new * one.tokens_in, new * one.tokens_out)
    cost = drafter.captioner.cost(usage, drafter.captioner.model(drafter.settings))
    return PlannedCaptions(1, usage, cost or 0.0, unpriced=0 if cost is not None else new)
