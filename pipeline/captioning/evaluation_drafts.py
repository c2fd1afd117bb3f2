"""Captions of one subtask by several recipes: the stage captions with other options.

What people said about captions is left out (verdicts, critiques, tags): it would tell the drafter
the answer. All other corrections stay, and the results of the earlier stages are taken from the
cache.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from pipeline.captioning.evaluation_values import (
    OFFLINE_RECIPE,
    OFFLINE_RECIPES,
    EvaluationRequest,
)
from pipeline.engine.cache import ResultCache, ResultMemory, StageOutcome
from pipeline.engine.graph import Graph, NodeId, Plan, Run, SilentObserver, StageFailed
from pipeline.model.caption import CaptionResult
from pipeline.model.demonstration import DatasetSource, Demonstration
from pipeline.model.drafting import Reply
from pipeline.model.edits import Edit
from pipeline.model.problem import DataError

STAGE = "captions"
OWN_FAULTS = frozenset({"blocked", "bad_answer", "answer_cut"})
"""Errors that are the recipe's answer to the question: they count as captions that were not
written. All others stop the evaluation, which can be continued: answers are kept."""


_ASKING = (STAGE, "subtasks")
"""Stages that may ask a server."""


class EarlierStageFailed(DataError):  # noqa: N818 - named like the event
    """A subtask's pictures or signals cannot be used, whatever the recipe."""


def left_out(episode: int, error: DataError, subtask: int | None = None) -> str:
    """What a reader is told of an episode, or of one of its subtasks, that is not measured."""
    where = f"Episode {episode}" + ("" if subtask is None else f", subtask {subtask + 1}")
    reason = str(error).removeprefix(f"episode {episode}: ").rstrip(".")
    return f"{where}: {reason}; it is left out."


@dataclass(frozen=True, slots=True)
class Drafter:
    """A recipe as the stage's options.

    Attributes:
        name: As the request gave it.
        options: Of the stage captions.
        identity: What drafts, for people.
    """

    name: str
    options: Any
    identity: str

    @property
    def asks_server(self) -> bool:
        """Whether a draft may send a request."""
        return self.name not in OFFLINE_RECIPES


@dataclass(frozen=True, slots=True)
class Draft:
    """What a recipe wrote about one subtask.

    Attributes:
        text: The caption; empty if none was written.
        error: Why not, one sentence; empty otherwise.
        reply: What the server answered now or earlier; None offline.
        fresh: Whether the stage ran now; else its whole result was kept.
    """

    text: str
    error: str = ""
    reply: Reply | None = None
    fresh: bool = False


def drafters(request: EvaluationRequest, graph: Graph) -> tuple[Drafter, ...]:
    """Make drafters of the recipes of a request, the baseline first.

    Raises:
        DataError: `no_recipe`, `bad_options`, `bad_evaluation` for none or one recipe twice.
    """
    names = tuple(name.strip() for name in request.recipes)
    if not names or not all(names):
        raise DataError("bad_evaluation", "expected at least one recipe to measure, got none")
    if len(set(names)) != len(names):
        twice = next(n for n in names if names.count(n) > 1)
        raise DataError("bad_evaluation", f"the recipe “{twice}” is given twice")
    base = stage_options(request, graph)[STAGE]
    return tuple(_drafter(name, base, request) for name in names)


def stage_options(request: EvaluationRequest, graph: Graph) -> dict[str, Any]:
    """Options of every stage. Raises DataError `bad_options`."""
    # lazy: most requests change none
    from pipeline.engine.options_file import options_of_values

    if not request.options:
        return graph.default_options()
    try:
        return options_of_values({k: dict(v) for k, v in request.options.items()}, graph)
    except ValueError as error:
        raise DataError("bad_options", str(error)) from error


def _drafter(name: str, base: Any, request: EvaluationRequest) -> Drafter:
    if name in OFFLINE_RECIPES:
        changes = OFFLINE_RECIPES[name]
        options = dataclasses.replace(base, backend=OFFLINE_RECIPE, allow_fallback=False, **changes)
        return Drafter(
            name, options, ", ".join((OFFLINE_RECIPE, *(f"{k} {v}" for k, v in changes.items())))
        )
    if request.backend == OFFLINE_RECIPE:
        raise DataError(
            "bad_evaluation",
            f"the recipe “{name}” is for models: choose a server as backend, or measure "
            f"“{OFFLINE_RECIPE}” alone",
        )
    # lazy: recipes are read for those who use one
    from pipeline.backends.captioning.recipes import load_recipes

    recipe_name, _, model = name.partition("@")
    recipe = load_recipes().get(recipe_name)
    chosen = model or request.model or recipe.model
    options = dataclasses.replace(
        base,
        backend=request.backend,
        allow_fallback=False,
        recipe=recipe_name,
        model=chosen,
        base_url=request.base_url or base.base_url,
    )
    who = f"{request.backend}, {chosen}" if chosen else request.backend
    return Drafter(name, options, f"{who}, {recipe.identity}")


class EpisodeDrafts:
    """Drafts the subtasks of one episode."""

    def __init__(
        self,
        source: DatasetSource,
        episode: int,
        graph: Graph,
        request: EvaluationRequest,
        edits: Iterable[Edit],
        cache: ResultCache | None,
    ) -> None:
        """Compute nothing yet.

        Raises:
            DataError: The episode cannot be opened.
        """
        self._source, self._graph, self._cache = source, graph, cache
        self.demonstration: Demonstration = source.open(episode)
        self._options = stage_options(request, graph)
        self._edits = tuple(e for e in edits if e.stage != STAGE)
        self._memory = ResultMemory()

    @property
    def stage_inputs(self) -> tuple[str, ...]:
        """Stages whose results the captions are made from."""
        return self._graph.stage(STAGE).inputs

    def plan(self, drafter: Drafter) -> Plan:
        """All options and corrections with one drafter."""
        return Plan(self.demonstration, self._options | {STAGE: drafter.options}, self._edits)

    def draft(
        self,
        subtask: int,
        drafter: Drafter,
        progress: Callable[[float, str], None],
        is_cancelled: Callable[[], bool],
    ) -> Draft | None:
        """Write one caption.

        Returns:
            None if the episode has no such subtask (any more).

        Raises:
            EarlierStageFailed: Of this subtask.
            DataError: The server cannot be asked.
            Cancelled: `is_cancelled` said so.
        """
        run = Run(
            self._graph,
            self.plan(drafter),
            self._cache,
            lambda: self._source.reader(self.demonstration),
            _Told(progress),
            is_cancelled,
            self._memory,
        )
        found: CaptionResult | None = None
        fresh = False
        try:
            for outcome in run.episode(up_to=STAGE, only_subtask=subtask):
                if outcome.stage == STAGE:
                    found, fresh = outcome.result, not outcome.cached
        except StageFailed as error:
            if error.node[0] == STAGE and error.code in OWN_FAULTS:
                return Draft("", str(error))
            if error.node[0] not in _ASKING:
                raise EarlierStageFailed(error.code, str(error)) from error
            where = f"episode {self.demonstration.ref.episode}, subtask {subtask + 1}"
            raise DataError(error.code, f"{where}, {drafter.name}: {error}") from error
        if found is None:
            return None
        exchange = found.versions[0].exchange if found.versions else None
        return Draft(
            found.draft, reply=exchange.reply if exchange is not None else None, fresh=fresh
        )

    def kept(self, subtask: int, drafter: Drafter) -> dict[str, StageOutcome]:
        """Kept results of one subtask by stage; those that are not kept are missing."""
        plan = self.plan(drafter)
        if self._cache is None:
            return {}
        keys = self._graph.keys(plan, subtask)
        found = {}
        for name in self._graph.needed(STAGE):
            loaded = self._cache.load(keys[name], self._graph.stage(name).result_type)
            if loaded is not None:
                found[name] = StageOutcome(name, subtask, keys[name], loaded[0], loaded[1], True)
        return found


class _Told(SilentObserver):
    """Passes the progress of stages on."""

    def __init__(self, progress: Callable[[float, str], None]) -> None:
        self._progress = progress

    def progressed(self, node: NodeId, share: float, what: str) -> None:
        """A stage is `share` done."""
        self._progress(share, what)
