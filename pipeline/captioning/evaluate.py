"""Measures caption recipes on the captions of a dataset that people have accepted or corrected.

Every subtask with a reference is drafted with every recipe and judged by the rubric; the recipes
are compared in pairs with the first one. All answers of servers are kept, so an evaluation that was
cancelled or broke off goes on where it stopped, and a second one of the same is free.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pipeline.backends.language.refusals import forget_refusals
from pipeline.captioning.evaluation_drafts import (
    STAGE,
    Draft,
    Drafter,
    EarlierStageFailed,
    EpisodeDrafts,
    drafters,
    left_out,
)
from pipeline.captioning.evaluation_judging import Judging, Ledger, judging
from pipeline.captioning.evaluation_outlook import outlook_of
from pipeline.captioning.evaluation_report import (
    evaluation_json,
    evaluation_text,
    write_report,
)
from pipeline.captioning.evaluation_values import (
    OFFLINE_RECIPE,
    EvaluationOutlook,
    EvaluationRequest,
    RecipeEvaluation,
)
from pipeline.captioning.references import References, read_references, stored_references
from pipeline.engine.cache import ResultCache
from pipeline.engine.graph import Graph
from pipeline.evaluation.caption_figures import (
    JudgedCaption,
    RecipeFigures,
    adjusted,
    compare,
    recipe_figures,
)
from pipeline.evaluation.caption_rubric import FieldJudgement
from pipeline.model.demonstration import DatasetSource
from pipeline.model.edits import Edit
from pipeline.model.problem import Cancelled, DataError

Progress = Callable[[float, str], None]
FEW_ITEMS = 30
"""Below this many items the result says that they are few (our choice)."""


_MOST_TOLD = 3
"""Reasons in a sentence that says that nothing could be measured (our choice)."""


def _silent(_share: float, _what: str) -> None:
    pass


def _never() -> bool:
    return False


@dataclass(frozen=True)
class _Work:
    """What both functions below need."""

    source: DatasetSource
    graph: Graph
    references: References
    edits: dict[int, tuple[Edit, ...]]
    drafters: tuple[Drafter, ...]
    cache: ResultCache | None

    @property
    def episodes(self) -> dict[int, list[int]]:
        """Subtasks with a reference by episode."""
        found: dict[int, list[int]] = {}
        for episode, subtask in self.references.captions:
            found.setdefault(episode, []).append(subtask)
        return found


def evaluation_outlook(
    request: EvaluationRequest,
    *,
    results: Path | None = None,
    progress: Progress = _silent,
    is_cancelled: Callable[[], bool] = _never,
) -> EvaluationOutlook:
    """Estimate what `evaluate_recipes` would take; sends nothing and computes no stage.

    Args:
        request: What is to be measured.
        results: Folder of kept stage results (the cache); None keeps nothing.
        progress: Told the share of work.
        is_cancelled: Asked often.

    Raises:
        DataError: The dataset, a recipe or the references cannot be used.
        Cancelled: `is_cancelled` said so.
    """
    work = _prepared(request, results)
    return outlook_of(
        request,
        work.drafters,
        work.references,
        lambda episode: EpisodeDrafts(
            work.source, episode, work.graph, request, work.edits.get(episode, ()), work.cache
        ),
        work.source,
        progress,
        is_cancelled,
    )


def evaluate_recipes(
    request: EvaluationRequest,
    *,
    results: Path | None = None,
    progress: Progress = _silent,
    is_cancelled: Callable[[], bool] = _never,
    broke_off: Callable[[str], None] = lambda spent: None,
) -> RecipeEvaluation:
    """Draft every reviewed subtask with every recipe, and judge.

    Args:
        request: What is to be measured.
        results: Folder of kept stage results (the cache); None keeps nothing.
        progress: Told the share of work, by one thread at a time.
        is_cancelled: Asked often, by several threads.
        broke_off: Told what was spent, one line, if it does not come to its end.

    Raises:
        DataError: The dataset, a recipe or the references cannot be used; or a server cannot be
            asked (no key, busy, no connection): what was answered is kept.
        Cancelled: `is_cancelled` said so; likewise.
    """
    forget_refusals()  # the user wants it tried again
    work = _prepared(request, results)
    ledger = Ledger()
    judge, title = judging(request, ledger)
    rows: list[JudgedCaption] = []
    notes = list(work.references.notes)
    drafting = _Drafting(request, work, judge, ledger, progress, is_cancelled)
    try:
        for own, gone in drafting.episodes():
            rows += own
            notes += gone
    except BaseException:
        broke_off(ledger.text)
        raise
    progress(1.0, "judged")
    if not rows:
        told = notes[len(work.references.notes) :]
        why = f": {' '.join(told[:_MOST_TOLD])}" if told else ""
        raise DataError(
            "no_references", f"none of the captions with a reference could be drafted{why}"
        )
    return _evaluation(request, work, title, rows, ledger, notes)


class _Drafting:
    """Drafts and judges several episodes at once: servers take seconds, we wait for them."""

    def __init__(
        self,
        request: EvaluationRequest,
        work: _Work,
        judge: Judging,
        ledger: Ledger,
        progress: Progress,
        is_cancelled: Callable[[], bool],
    ) -> None:
        self._request, self._work, self._judge, self._ledger = request, work, judge, ledger
        self._progress, self._is_cancelled = progress, is_cancelled
        self._total = max(1, len(work.references.captions) * len(work.drafters))
        self._done = 0
        self._shown = 0.0
        self._stop = threading.Event()
        self._lock = threading.Lock()

    def episodes(self) -> Iterator[tuple[list[JudgedCaption], list[str]]]:
        """Rows and notes of each episode, in order; the first error ends all."""
        online = any(d.asks_server for d in self._work.drafters)
        jobs = self._request.jobs if online or self._request.judge != OFFLINE_RECIPE else 1
        with ThreadPoolExecutor(max(1, jobs), "captions") as pool:
            waiting = [
                pool.submit(self._episode, episode, subtasks)
                for episode, subtasks in self._work.episodes.items()
            ]
            try:
                for future in waiting:
                    yield future.result()
            finally:
                self._stop.set()
                for future in waiting:
                    future.cancel()

    def _episode(
        self, episode: int, subtasks: Sequence[int]
    ) -> tuple[list[JudgedCaption], list[str]]:
        try:
            return self._drafted(episode, subtasks)
        except BaseException:
            self._stop.set()  # the others need not go on
            raise

    def _drafted(
        self, episode: int, subtasks: Sequence[int]
    ) -> tuple[list[JudgedCaption], list[str]]:
        work, rows, notes = self._work, list[JudgedCaption](), list[str]()
        self._told(0.0, f"episode {episode}")
        try:
            with self._lock:  # sources are asked by one thread at a time
                drafts = EpisodeDrafts(
                    work.source,
                    episode,
                    work.graph,
                    self._request,
                    work.edits.get(episode, ()),
                    work.cache,
                )
        except DataError as error:  # one episode that cannot be read does not stop the others
            with self._lock:
                self._done += len(subtasks) * len(work.drafters)
            return rows, [left_out(episode, error)]
        for subtask in subtasks:
            own: list[JudgedCaption] = []
            for drafter in work.drafters:
                where = f"episode {episode}, subtask {subtask + 1}, {drafter.name}"
                tell = self._step(where)
                tell(0.0, "")
                try:
                    draft = drafts.draft(subtask, drafter, tell, self._ended)
                except EarlierStageFailed as error:
                    notes.append(left_out(episode, error, subtask))
                    break
                if draft is None:
                    notes.append(
                        f"Episode {episode} has no subtask {subtask + 1} any more; it is left out."
                    )
                    break
                self._ledger.drafted(draft)
                reference = work.references.captions[episode, subtask]
                judged = self._judge(reference, draft, tell)
                own.append(_row(drafter.name, episode, subtask, reference, draft, judged))
                with self._lock:
                    self._done += 1
            if len(own) == len(work.drafters):
                rows += own
        return rows, notes

    def _ended(self) -> bool:
        return self._stop.is_set() or self._is_cancelled()

    def _step(self, where: str) -> Progress:
        def tell(share: float, what: str) -> None:
            self._told(min(share, 1.0), f"{where}: {what}" if what else where)

        return tell

    def _told(self, share: float, text: str) -> None:
        if self._ended():
            raise Cancelled
        with self._lock:
            # Several are under way: what is shown never goes back.
            self._shown = max(self._shown, min(1.0, (self._done + share) / self._total))
            self._progress(self._shown, text)


def _prepared(request: EvaluationRequest, results: Path | None) -> _Work:
    # lazy: the window imports this module before it opens a dataset
    from pipeline.annotate import standard_graph
    from pipeline.sources.detect import open_dataset

    graph = standard_graph()
    chosen = drafters(request, graph)
    source = open_dataset(request.dataset)
    root = Path(source.info.path)
    references = (
        read_references(request.references) if request.references else stored_references(root)
    ).of(request.episodes)
    known = {e.index for e in source.info.episodes}
    missing = sorted({episode for episode, _ in references.captions} - known)
    captions = {item: t for item, t in references.captions.items() if item[0] in known}
    if not captions:
        asked = request.episodes is not None
        who = "no episode that was asked for has a" if asked else f"{source.info.name} has no"
        raise DataError(
            "no_references",
            f"{who} caption with a reference ({references.origin}): accept or correct some "
            "captions, or give a file with --references.",
        )
    notes = references.notes
    if missing:
        text = ", ".join(map(str, missing[:10])) + (" ..." if len(missing) > 10 else "")
        notes = (*notes, f"The dataset has no episodes {text}; their references are left out.")
    episodes = sorted({episode for episode, _ in captions})
    return _Work(
        source,
        graph,
        References(captions, references.origin, notes),
        _edits(root, episodes),
        chosen,
        ResultCache(results) if results is not None else None,
    )


def _edits(root: Path, episodes: Sequence[int]) -> dict[int, tuple[Edit, ...]]:
    """Corrections in force, those of captions left out."""
    # lazy: the store opens a database
    from pipeline.review.saved import saved_edits

    saved = saved_edits(root, episodes)
    return {i: tuple(e for e in edits if e.stage != STAGE) for i, edits in saved.items()}


def _row(
    recipe: str,
    episode: int,
    subtask: int,
    reference: str,
    draft: Draft,
    judged: tuple[FieldJudgement, float],
) -> JudgedCaption:
    from pipeline.backends.captioning.caption_parts import caption_parts

    return JudgedCaption(
        recipe=recipe,
        episode=episode,
        subtask=subtask,
        verb=caption_parts(reference).verb,
        caption=draft.text,
        reference=reference,
        judgement=judged[0],
        similarity=judged[1],
        error=draft.error,
    )


def _evaluation(
    request: EvaluationRequest,
    work: _Work,
    judge: str,
    rows: list[JudgedCaption],
    ledger: Ledger,
    notes: list[str],
) -> RecipeEvaluation:
    own = {d.name: [row for row in rows if row.recipe == d.name] for d in work.drafters}
    figures = tuple(recipe_figures(own[d.name]) for d in work.drafters)
    first, *others = work.drafters
    comparisons = adjusted([compare(own[first.name], own[d.name]) for d in others])
    same = tuple(
        sum(_bare(row.caption) == _bare(row.reference) for row in own[d.name])
        for d in work.drafters
    )
    return RecipeEvaluation(
        request=request,
        dataset=work.source.info.name,
        judge=judge,
        references=work.references.origin,
        identities=tuple(d.identity for d in work.drafters),
        figures=figures,
        comparisons=comparisons,
        rows=tuple(rows),
        same_as_reference=same,
        spent=ledger.text,
        notes=(*notes, *_cautions(figures, same, judge)),
    )


def _bare(caption: str) -> str:
    return " ".join(caption.lower().split()).rstrip(".")


def _cautions(figures: Sequence[RecipeFigures], same: Sequence[int], judge: str) -> list[str]:
    """What a reader should know before drawing conclusions."""
    notes = []
    count = figures[0].count
    if count < FEW_ITEMS:
        notes.append(f"{count} captions are few: intervals are wide.")
    if max(same) * 2 >= count:
        names = ", ".join(
            f.recipe for f, number in zip(figures, same, strict=True) if number == max(same)
        )
        notes.append(
            f"{max(same)} of {count} references are word by word what {names} wrote: references "
            "that were accepted as drafted favour the recipe that drafted them."
        )
    if judge == "offline":
        notes.append(
            "The offline judge compares words: it sees no pictures, and finds fewer egregious "
            "captions than a model."
        )
    errors = [f"{f.recipe} {f.errors}" for f in figures if f.errors]
    if errors:
        notes.append(f"Captions that were not written count as egregious: {', '.join(errors)}.")
    return notes


__all__ = [
    "EvaluationOutlook",
    "EvaluationRequest",
    "RecipeEvaluation",
    "evaluate_recipes",
    "evaluation_json",
    "evaluation_outlook",
    "evaluation_text",
    "write_report",
]
