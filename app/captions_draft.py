"""`demoscope captions draft`: one line per subtask, the cost before and after."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from app.annotate_command import Annotating, annotating, none_present, stage_options
from app.arguments import text_of_ranges
from app.terminal import fail, note, progress, say
from pipeline.annotate import standard_graph
from pipeline.backends.captioning.captioner import captioner
from pipeline.captioning.costs import SpentOnCaptions, asks_a_server, money
from pipeline.captioning.draft import STAGE, CaptionDrafting, DraftedCaption
from pipeline.captioning.record import CaptionRecorder
from pipeline.engine.cache import StageOutcome
from pipeline.engine.graph import Graph, NodeId, SilentObserver
from pipeline.model.caption import CaptionResult
from pipeline.model.caption_fields import CaptionFields
from pipeline.model.demonstration import DatasetInfo
from pipeline.model.options import with_option
from pipeline.model.problem import DataError, Severity
from pipeline.review.store import ReviewStore
from pipeline.sources.hub.dataset import open_anything
from pipeline.stages.caption_online import recipe_of
from pipeline.stages.caption_options import OFFLINE, CaptionsOptions

_NAMED = 10
"""Places that are named where the same failed (our choice); the output lacks all of them."""


class _Line(SilentObserver):
    """Shows the stage in progress on one line of a terminal."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def progressed(self, node: NodeId, share: float, what: str) -> None:
        progress(min(share, 0.99), f"{node[0]} {share:4.0%} {what}"[:100])

    def finished(self, outcome: StageOutcome, data: bytes | None) -> None:
        """Tell once what is wrong with the run: a full disk is so at every stage."""
        for problem in outcome.problems:
            if problem.code not in self._said:
                progress(1.0, "")
                note(problem.message)
            self._said.add(problem.code)


def drafting_of(
    arguments: argparse.Namespace, unsaid: str = OFFLINE
) -> tuple[Annotating, CaptionDrafting]:
    """What the arguments come to.

    Args:
        arguments: Of the command.
        unsaid: Who drafts where the arguments do not say it.

    Raises:
        DataError: The dataset, the options file or the recipe cannot be used.
        ValueError: One sentence.
    """
    source = open_anything(arguments.dataset, progress)
    graph = standard_graph()
    options = caption_options(arguments, source.info, graph, unsaid)
    found = annotating(arguments, source, graph, options=options)
    return found, CaptionDrafting(source, graph, options, found.cache, found.edits)


def caption_options(
    arguments: argparse.Namespace, info: DatasetInfo, graph: Graph, unsaid: str = OFFLINE
) -> dict[str, Any]:
    """Options of all stages: file, profile and --set as for `annotate`, then the drafter's own.

    Args:
        arguments: Of the command.
        info: Of the dataset.
        graph: Stages.
        unsaid: Who drafts where the arguments do not say it.

    Raises:
        DataError: The options file or the recipe cannot be used.
        ValueError: One sentence.
    """
    options = stage_options(arguments, info, graph)
    chosen: CaptionsOptions = options[STAGE]
    given: Mapping[str, Any] = {
        "recipe": arguments.recipe,
        "model": arguments.model,
        "base_url": arguments.base_url,
        "reasoning": arguments.reasoning,
        "temperature": arguments.temperature,
        "allow_fallback": arguments.allow_fallback or None,
    }
    for name, value in given.items():
        if value is not None:
            try:
                chosen = with_option(chosen, name, value)
            except ValueError as error:
                raise ValueError(f"--{error}") from error
    if not chosen.offline:
        backend = arguments.backend or chosen.backend
    else:
        backend = arguments.backend or default_backend(chosen, unsaid)
    return {**options, STAGE: with_option(chosen, "backend", backend)}


def default_backend(options: CaptionsOptions, unsaid: str = OFFLINE) -> str:
    """Who drafts where nobody says it: offline, unless a model, a server or a recipe is named.

    A recipe says what a model is shown: its own model decides, without one it is Gemini.

    Args:
        options: Of the stage.
        unsaid: Where none of them is named.

    Raises:
        DataError: `no_recipe`.
    """
    model = options.model or (recipe_of(options).model if options.recipe else "")
    if model:
        name = model.lower().rpartition("/")[2]
        return "gemini" if name.startswith("gemini") else "openai_compatible"
    if options.base_url:
        return "openai_compatible"
    return "gemini" if options.recipe else unsaid


def draft(arguments: argparse.Namespace) -> int:
    """Run the command; 0 if every subtask has its caption, 1 otherwise."""
    found, drafting = drafting_of(arguments)
    if not found.episodes:
        return fail(none_present(found.source.info))
    line = _Line()
    if arguments.estimate:
        return _estimate(arguments, found, drafting, line)
    failures = _Failures(found.source.info)
    begun = time.time()
    if asks_a_server(drafting.options):
        failures.expect(_unavailable(drafting.options))
        planned = drafting.planned(found.episodes, line)
        progress(1.0, "")
        can = "will take" if not failures.expected else "cannot be asked; would take"
        note(f"{title(drafting.options)}: {can} {planned.text}")
        if failures.expected and not planned.kept and not planned.unknown:
            return 1
    spent, done, failed = SpentOnCaptions(), 0, 0
    said: set[str] = set()
    records = _Records(found, asks_a_server(drafting.options))
    try:
        for drafted in drafting.draft(found.episodes, line):
            progress(1.0, "")
            spent += drafted.spent
            if drafted.result is None:
                failed += 1
                failures.tell(drafted)
                continue
            done += 1
            _tell(drafted, said)
            records.add(drafted.episode, drafted.subtask, drafted.result)
            record = caption_record(drafted, drafted.result)
            say(json.dumps(record, ensure_ascii=False) if arguments.json else _text(record))
    finally:  # what was spent is told after Ctrl+C, too
        progress(1.0, "")
        records.close()
        failures.close()
        note(_totals(drafting.options, done, failed, spent))
        if found.cache is not None:
            found.cache.trim(in_use_since=begun)
    return 1 if failed else 0


def _unavailable(options: CaptionsOptions) -> str:
    """Why the server cannot be asked (no package, no key); empty if it can, or another may."""
    return "" if options.allow_fallback else captioner(options.backend).available() or ""


class _Failures:
    """Subtasks without a caption: one sentence, which is not said again for each of them."""

    def __init__(self, info: DatasetInfo) -> None:
        """Nothing failed yet.

        Args:
            info: Of the dataset: knows which episodes are on disk.
        """
        self.expected = ""
        self._same: dict[str, list[str]] = {}
        self._info = info
        self._missed: list[int] = []

    @cached_property
    def _absent(self) -> frozenset[int]:
        return frozenset(e.index for e in self._info.episodes if not e.present)

    def expect(self, reason: str) -> None:
        """Tell beforehand why nothing can be asked; empty if it can."""
        self.expected = reason
        if reason:
            self._same[reason] = []
            note(f"demoscope: {reason}")

    def tell(self, drafted: DraftedCaption) -> None:
        """Tell what failed, or remember where the same failed again."""
        if drafted.subtask < 0 and drafted.episode in self._absent:
            self._missed.append(drafted.episode)
            if len(self._missed) > 1:  # each names a file of its own
                return
        if drafted.error in self._same:
            self._same[drafted.error].append(_where(drafted))
        else:
            self._same[drafted.error] = []
            where = _where(drafted)
            named = drafted.error.startswith(f"{where} ")  # some sources name the episode
            note(f"demoscope: {drafted.error if named else f'{where}: {drafted.error}'}")

    def close(self) -> None:
        """Tell where the same failed."""
        others = sorted(self._missed[1:])
        if len(others) == 1:
            note(f"demoscope: episode {others[0]} is not on disk, either")
        elif others:
            which = text_of_ranges(others)
            note(f"demoscope: {len(others):,} more episodes are not on disk: {which}")
        for error, places in self._same.items():
            if not places:
                continue
            one = len(self._same) == 1
            what = "the same holds for" if one else f"“{error[:40]}…” holds for"
            more = f"; and {len(places) - _NAMED:,} more" if len(places) > _NAMED else ""
            note(f"demoscope: {what}: {'; '.join(places[:_NAMED])}{more}")


class _Records:
    """What models wrote goes to the reviews, too; a place that cannot be written is said once."""

    def __init__(self, found: Annotating, wanted: bool) -> None:
        """Open the reviews.

        Args:
            found: Names the dataset.
            wanted: Whether a model is asked at all.
        """
        self._store: ReviewStore | None = None
        self._recorder: CaptionRecorder | None = None
        if wanted:
            try:
                self._store = ReviewStore.open(found.source.info.path)
                self._recorder = CaptionRecorder(self._store)
            except DataError as error:
                self._give_up(error)

    def add(self, episode: int, subtask: int, result: CaptionResult) -> None:
        """Record what is new."""
        if self._recorder is None:
            return
        try:
            self._recorder.record(episode, subtask, result)
        except DataError as error:
            self._give_up(error)

    def close(self) -> None:
        """Close the reviews."""
        if self._store is not None:
            if self._store.kept:
                note(f"what the model wrote is {self._store.kept}")
            self._store.close()

    def _give_up(self, error: DataError) -> None:
        self._recorder = None
        note(f"what the model writes is not kept among the reviews: {error}")


def _estimate(
    arguments: argparse.Namespace, found: Annotating, drafting: CaptionDrafting, line: _Line
) -> int:
    planned = drafting.planned(found.episodes, line)
    progress(1.0, "")
    if arguments.json:
        usage = planned.usage
        record = {
            "backend": drafting.options.backend,
            "subtasks": planned.subtasks,
            "requests": usage.requests,
            "tokens_in": usage.tokens_in,
            "tokens_out": usage.tokens_out,
            "cost": planned.known_cost,
            "kept": planned.kept,
            "unknown": planned.unknown,
        }
        say(json.dumps(record))
    else:
        say(f"{title(drafting.options)}: would take {planned.text}")
    return 0


def title(options: CaptionsOptions) -> str:
    """Backend, model and recipe, e.g. `gemini (gemini-2.5-flash, recipe hand-collage)`."""
    if options.offline:
        return OFFLINE
    recipe = recipe_of(options)
    model = options.model or recipe.model
    named = f"{model}, recipe {recipe.name}" if model else f"recipe {recipe.name}"
    return f"{options.backend} ({named})"


def caption_record(drafted: DraftedCaption, result: CaptionResult) -> dict[str, Any]:
    """The line of one subtask, as documented in docs/captions.md."""
    version = result.versions[-1] if result.versions else None
    replies = [v.exchange.reply for v in result.versions if v.exchange is not None]
    exchange = version.exchange if version is not None else None
    tokens_in = sum(r.tokens_in for r in replies)
    tokens_out = sum(r.tokens_out for r in replies)
    fields: CaptionFields = result.fields
    costs = [r.cost for r in replies]
    return {
        "episode_index": drafted.episode,
        "subtask_index": drafted.subtask,
        "caption": result.text,
        "verb": fields.verb,
        "object": fields.object_name,
        "relation": fields.relation,
        "destination": fields.destination,
        "source": fields.source,
        "arm": fields.arm,
        "verdict": result.verdict.value if result.verdict is not None else "",
        "draft": result.draft,
        "versions": len(result.versions),
        "drafter": version.drafter if version is not None else result.drafter,
        "recipe": exchange.request.recipe if exchange is not None else "",
        "recipe_identity": version.recipe if version is not None else "",
        "model": version.model if version is not None else "",
        "tokens": tokens_in + tokens_out,
        "tokens_in": tokens_in,
        "tokens_out": tokens_out,
        "cached": drafted.cached or (bool(replies) and all(r.cached for r in replies)),
        "request_id": exchange.reply.request_id if exchange is not None else "",
        "cost": None if None in costs else sum((c for c in costs if c is not None), 0.0),
        "warnings": list(dict.fromkeys(p.code for p in result.problems)),
    }


def _text(record: Mapping[str, Any]) -> str:
    """One line for people."""
    where = f"episode {record['episode_index']}, subtask {record['subtask_index'] + 1}"
    who = [record["drafter"]]
    if record["model"]:
        who = [record["model"], record["recipe"], f"{record['tokens']:,} tokens"]
        who += [money(record["cost"])] if record["cost"] is not None else []
        who += ["kept answer"] if record["cached"] else []
    if record["verdict"]:
        who.append(record["verdict"])
    return f"{where}: {record['caption']} ({', '.join(filter(None, who))})"


def _where(drafted: DraftedCaption) -> str:
    if drafted.subtask < 0:
        return f"episode {drafted.episode}"
    return f"episode {drafted.episode}, subtask {drafted.subtask + 1}"


def _tell(drafted: DraftedCaption, said: set[str]) -> None:
    """Warnings about a new caption; what is about the server is said once."""
    if drafted.result is None or drafted.cached:
        return
    for problem in drafted.result.problems:
        if problem.code == "option_dropped":
            if problem.message not in said:
                note(problem.message)
            said.add(problem.message)
        elif problem.severity is not Severity.INFO:
            note(f"{_where(drafted)}: {problem.message}")


def _totals(options: CaptionsOptions, done: int, failed: int, spent: SpentOnCaptions) -> str:
    captions = f"{done:,} caption{'' if done == 1 else 's'}"
    if failed:
        captions += f", {failed:,} failed"
    if not asks_a_server(options):
        return f"{captions}; drafted offline"
    return f"{captions}; {title(options)}: took {spent.text}"


__all__ = ["caption_options", "caption_record", "draft", "drafting_of"]
