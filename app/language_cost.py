"""What asking models costs, about subtasks and captions: told before a batch, counted after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pipeline.backends.language.protocol import LanguageRequest
from pipeline.backends.registry import load_backend, make_backend
from pipeline.batch.episode_work import LANGUAGE_STAGE
from pipeline.engine.cache import ResultCache
from pipeline.engine.graph import Graph, Plan, Run, StageFailed
from pipeline.model.demonstration import DatasetSource, Demonstration
from pipeline.model.edits import EPISODE_SCOPE, Edit
from pipeline.model.phases import PhasesResult
from pipeline.model.problem import DataError
from pipeline.model.usage import NO_USAGE, PlannedUsage, Usage
from pipeline.stages.caption_options import CaptionsOptions
from pipeline.stages.subtask_alignment import cycles_of
from pipeline.stages.subtask_costs import asks_a_server, planned_usage
from pipeline.stages.subtask_options import SubtasksOptions
from pipeline.stages.subtasks import request_of

_STAGE = LANGUAGE_STAGE
_CAPTIONS = "captions"


class LanguageCost:
    """Questions to models in one batch: what the subtasks are, and their captions.

    Attributes:
        asks: Whether the batch asks one at all; else nothing here has anything to say.
        spent: Taken so far.
        questions: Episode -> key of the question that it will ask, where that is known: episodes
            with equal keys share an answer. Filled by `planned`.
    """

    def __init__(self, graph: Graph, options: Mapping[str, Any]) -> None:
        """Look at the options of the batch.

        Args:
            graph: Stages.
            options: Stage name -> options instance.
        """
        self._graph = graph
        self._all = dict(options)
        chosen = self._all.get(_STAGE)
        self._options = chosen if isinstance(chosen, SubtasksOptions) else SubtasksOptions()
        captions = self._all.get(_CAPTIONS)
        self._captions = captions if isinstance(captions, CaptionsOptions) else CaptionsOptions()
        self._reads = asks_a_server(self._options)
        self.asks = self._reads or not self._captions.offline
        self.spent = NO_USAGE
        self.questions: dict[int, str] = {}

    @property
    def title(self) -> str:
        """Backend and model, e.g. `gemini (gemini-2.5-flash)`; with captions, too, both."""
        reader = _named(self._options.backend, self._options.model)
        if self._captions.offline:
            return reader
        writer = f"captions by {_named(self._captions.backend, self._captions.model)}"
        return f"{reader}, {writer}" if self._reads else writer

    def planned(
        self,
        source: DatasetSource,
        episodes: Sequence[int],
        edits: Mapping[int, tuple[Edit, ...]],
        cache: ResultCache | None,
    ) -> PlannedUsage:
        """Find the phases of all episodes and count the questions that they make.

        Captions are estimated from above, one for each grasp: their pictures, by which a kept
        answer is found, are not there yet. “demoscope captions draft --estimate” knows them.

        Raises:
            DataError: The backend cannot be used and nothing may stand in for it: no episode needs
                to be tried.
        """
        found = PlannedUsage()
        if self._reads:
            try:
                load_backend("language", self._options.backend)
                found = self._planned(source, episodes, edits, cache)
            except DataError:
                if not self._options.allow_fallback:
                    raise  # else each episode will say who read it, and why
        if self._captions.offline:
            return found
        drafts = self._drafts(source, episodes, edits, cache)
        return replace(
            found,
            requests=found.requests + drafts.requests,
            tokens_in=found.tokens_in + drafts.tokens_in,
            tokens_out=found.tokens_out + drafts.tokens_out,
        )

    def _planned(
        self,
        source: DatasetSource,
        episodes: Sequence[int],
        edits: Mapping[int, tuple[Edit, ...]],
        cache: ResultCache | None,
    ) -> PlannedUsage:
        kept = 0
        self.questions = {}

        def requests() -> Iterator[Any]:
            nonlocal kept
            for episode in episodes:
                try:
                    demonstration = source.open(episode)
                    plan = Plan(demonstration, self._all, edits.get(episode, ()))
                    key = self._graph.keys(plan, EPISODE_SCOPE)[_STAGE]
                    if cache is not None and cache.load_bytes(key) is not None:
                        kept += 1
                        continue
                    phases = self._phases(source, demonstration, plan, cache)
                except (DataError, StageFailed):
                    yield None
                    continue
                request = request_of(demonstration, phases)
                self._ask(episode, request)
                yield request

        found = planned_usage(requests(), self._options)
        return PlannedUsage(
            found.requests,
            found.tokens_in,
            found.tokens_out,
            found.kept + kept,
            found.shared,
            found.unknown,
        )

    def _drafts(
        self,
        source: DatasetSource,
        episodes: Sequence[int],
        edits: Mapping[int, tuple[Edit, ...]],
        cache: ResultCache | None,
    ) -> Usage:
        """What drafting the captions takes at most; episodes that cannot be read take nothing."""
        # lazy: recipes and servers are for those who ask one
        from pipeline.captioning.outlook import expected_usage

        total = NO_USAGE
        for episode in episodes:
            try:
                demonstration = source.open(episode)
                plan = Plan(demonstration, self._all, edits.get(episode, ()))
                phases = self._phases(source, demonstration, plan, cache)
            except (DataError, StageFailed):
                continue
            size = next(((c.width, c.height) for c in demonstration.cameras), (640, 480))
            one = expected_usage(self._captions, size)
            for subtask in range(max(len(cycles_of(phases.merged)), 1)):
                key = self._graph.keys(plan, subtask)[_CAPTIONS]
                if cache is None or cache.load_bytes(key) is None:
                    total += one
        return total

    def _ask(self, episode: int, request: LanguageRequest) -> None:
        """Remember the question of an episode; a plug-in that cannot tell has none."""
        backend = make_backend("language", self._options.backend)
        if hasattr(backend, "pending") and request.instruction.strip():
            key = backend.pending(request, self._options.language)
            if key is not None:
                self.questions[episode] = str(key)

    def _phases(
        self,
        source: DatasetSource,
        demonstration: Demonstration,
        plan: Plan,
        cache: ResultCache | None,
    ) -> PhasesResult:
        run = Run(self._graph, plan, cache, lambda: source.reader(demonstration))
        outcomes = list(run.episode(up_to="phases"))
        result = outcomes[-1].result
        if not isinstance(result, PhasesResult):
            raise DataError("no_phases", "the graph has no stage of phases")
        return result

    def add(self, usage: Usage) -> None:
        """Add what one episode took; a question that failed counts, too."""
        self.spent += usage


def _named(backend: str, model: str) -> str:
    return f"{backend} ({model})" if model else backend
