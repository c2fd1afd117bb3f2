"""What measuring recipes would take, before anything is sent or computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipeline.captioning.evaluation_drafts import STAGE, Drafter, EpisodeDrafts, left_out
from pipeline.captioning.evaluation_values import (
    OFFLINE_RECIPE,
    OFFLINE_RECIPES,
    EvaluationOutlook,
    EvaluationRequest,
)
from pipeline.captioning.references import References
from pipeline.model.demonstration import DatasetSource
from pipeline.model.problem import Cancelled, DataError
from pipeline.model.usage import NO_USAGE, Usage
from pipeline.stages.stage import StageContext, StageInputs

MOST_LOOKED_AT = 40
"""Items whose requests are made to estimate the others (our choice: some seconds)."""


@dataclass
class _Sum:
    """What the items of one recipe take that were looked at."""

    looked: int = 0
    kept: int = 0
    usage: Usage = NO_USAGE
    cost: float | None = 0.0

    def add(self, usage: Usage, price: float | None) -> None:
        """One more request."""
        self.usage += usage
        self.cost = None if price is None or self.cost is None else self.cost + price


def outlook_of(
    request: EvaluationRequest,
    drafters: Sequence[Drafter],
    references: References,
    open_episode: Callable[[int], EpisodeDrafts],
    source: DatasetSource,
    progress: Callable[[float, str], None],
    is_cancelled: Callable[[], bool],
) -> EvaluationOutlook:
    """Estimate from the requests of some items, evenly spread.

    Args:
        request: What is to be measured.
        drafters: Recipes.
        references: Of the items.
        open_episode: Opens an episode.
        source: The dataset.
        progress: Told the share of work.
        is_cancelled: Asked between items.

    Raises:
        DataError: A server cannot be used.
        Cancelled: `is_cancelled` said so.
    """
    items = list(references.captions)
    asks_judge = request.judge != OFFLINE_RECIPE
    looked_at = [d for d in drafters if asks_judge or d.asks_server]
    judge = _JudgeCosts(request) if asks_judge else None
    step = max(1, -(-len(items) // MOST_LOOKED_AT))
    chosen = items[::step] if looked_at else []
    sums = {d.name: _Sum() for d in looked_at}
    drafts: EpisodeDrafts | None = None
    notes, unread = list(references.notes), set[int]()
    for number, (episode, subtask) in enumerate(chosen):
        progress(number / len(chosen), f"episode {episode}: estimating")
        if drafts is None or drafts.demonstration.ref.episode != episode:
            try:
                drafts = open_episode(episode)
            except DataError as error:
                drafts = None
                if episode not in unread:
                    notes.append(left_out(episode, error))
                unread.add(episode)
                continue
        for drafter in looked_at:
            if is_cancelled():
                raise Cancelled
            reference = references.captions[episode, subtask]
            _look(drafts, subtask, drafter, source, sums[drafter.name], judge, reference)
    progress(1.0, "estimated")
    total, cost, kept = NO_USAGE, 0.0, 0
    unpriced = False
    readable = sum(episode not in unread for episode, _ in items)
    for name, found in sums.items():
        if not found.looked:
            notes.append(
                f"{name}: the earlier stages of these episodes are not computed yet, so its "
                "tokens are not estimated."
            )
            total += Usage(readable * (int(name not in OFFLINE_RECIPES) + int(asks_judge)))
            unpriced = True
            continue
        scale = readable / found.looked
        kept += round(found.kept * scale)
        total += Usage(
            round(found.usage.requests * scale),
            round(found.usage.tokens_in * scale),
            round(found.usage.tokens_out * scale),
        )
        unpriced |= found.cost is None
        cost += (found.cost or 0.0) * scale
    if step > 1 and looked_at:
        notes.append(f"Estimated from {len(chosen)} of {len(items)} subtasks.")
    if judge is not None:
        notes.append("Verdicts on captions that are not written yet are counted as new ones.")
    return EvaluationOutlook(
        items=len(items),
        requests=total.requests,
        kept=kept,
        tokens_in=total.tokens_in,
        tokens_out=total.tokens_out,
        cost=None if unpriced else cost,
        notes=tuple(notes),
    )


class _JudgeCosts:
    """What verdicts of a model take."""

    def __init__(self, request: EvaluationRequest) -> None:
        # lazy: only a judge that is a model needs them
        from pipeline.backends.captioning.captioner import captioner
        from pipeline.backends.captioning.judge import ModelJudge, judge_settings

        self._captioner = captioner(request.judge)
        self._settings = judge_settings(request.judge_model, request.judge_base_url)
        self._judge = ModelJudge(self._captioner, self._settings)

    def add(self, reference: str, caption: str, found: _Sum) -> None:
        """Add one verdict; an empty caption is one that is not written yet."""
        from pipeline.backends.captioning.judge import judge_prompt

        if caption and not self._judge.pending(reference, caption):
            found.kept += 1
            return
        question = judge_prompt().request(reference, caption or reference)
        usage = self._captioner.estimate(question, self._settings)
        found.add(usage, self._captioner.cost(usage, self._captioner.model(self._settings)))


def _look(
    drafts: EpisodeDrafts,
    subtask: int,
    drafter: Drafter,
    source: DatasetSource,
    found: _Sum,
    judge: _JudgeCosts | None,
    reference: str,
) -> None:
    """Look at one item of one recipe, from kept results only."""
    kept = drafts.kept(subtask, drafter)
    written = ""
    if STAGE in kept:
        written = kept[STAGE].result.draft
        found.kept += drafter.asks_server
    elif drafter.asks_server and not _request(drafts, subtask, drafter, source, found):
        return
    found.looked += 1
    if judge is not None:
        judge.add(reference, written, found)


def _request(
    drafts: EpisodeDrafts, subtask: int, drafter: Drafter, source: DatasetSource, found: _Sum
) -> bool:
    """Make the request of a draft and add what it takes; False if it cannot be made yet."""
    # lazy: only recipes that ask a server need it
    from pipeline.stages.captions import online_drafter

    kept = drafts.kept(subtask, drafter)
    results = {name: outcome.result for name, outcome in kept.items()}
    if not set(drafts.stage_inputs) <= set(results):
        return False
    reader = source.reader(drafts.demonstration)
    try:
        context = StageContext(reader, lambda _share, _what: None, lambda: False)
        inputs = StageInputs(results, subtask)
        asked = online_drafter(drafts.demonstration, inputs, drafter.options, (), context)
        sent = asked.request(lambda _share, _what: None)
    except (IndexError, DataError) as error:
        if isinstance(error, DataError) and error.code in ("no_recipe", "no_backend"):
            raise
        return False
    finally:
        reader.close()
    if not asked.captioner.pending(sent, asked.schema(), asked.settings):
        found.kept += 1
        return True
    usage = asked.captioner.estimate(sent, asked.settings)
    found.add(usage, asked.captioner.cost(usage, asked.captioner.model(asked.settings)))
    return True
