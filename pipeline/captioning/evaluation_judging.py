"""Judging the drafts of an evaluation, and counting what it took."""

from __future__ import annotations

import threading
from collections.abc import Callable

from pipeline.captioning.costs import money
from pipeline.captioning.evaluation_drafts import Draft
from pipeline.captioning.evaluation_values import EvaluationRequest
from pipeline.evaluation.caption_rubric import FieldJudgement
from pipeline.model.drafting import Reply
from pipeline.model.problem import DataError
from pipeline.model.usage import NO_USAGE, Usage

Progress = Callable[[float, str], None]
Judging = Callable[[str, Draft, Progress], tuple[FieldJudgement, float]]
"""Reference and draft to fields and text similarity. Raises DataError or Cancelled."""


class Ledger:
    """What was asked in one evaluation; any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._drafts = self._verdicts = NO_USAGE
        self._costs = 0.0
        self._unpriced = False

    def drafted(self, draft: Draft) -> None:
        """Count what a draft took now."""
        if draft.reply is not None:
            with self._lock:
                self._drafts += self._usage(draft.reply, sent=draft.fresh)

    def judged(self, reply: Reply) -> None:
        """Count what a verdict took now."""
        with self._lock:
            self._verdicts += self._usage(reply, sent=True)

    def _usage(self, reply: Reply, *, sent: bool) -> Usage:
        if reply.cached or not sent:
            return Usage(kept=1)
        self._costs += reply.cost or 0.0
        self._unpriced |= reply.cost is None
        return Usage(reply.requests, reply.tokens_in, reply.tokens_out)

    @property
    def text(self) -> str:
        """One line."""
        if not self._drafts and not self._verdicts:
            return "no requests"
        price = "price not known" if self._unpriced else money(self._costs)
        return f"drafts: {self._drafts.text}; verdicts: {self._verdicts.text}; {price}"


def judging(request: EvaluationRequest, ledger: Ledger) -> tuple[Judging, str]:
    """Who judges one draft, and the judge's name.

    Args:
        request: What is to be measured.
        ledger: Where answers are counted.

    Raises:
        DataError: The judge cannot be asked.
    """
    # lazy: only an evaluation needs them
    from pipeline.backends.captioning.judge import (
        OFFLINE_JUDGE,
        Judge,
        ModelJudge,
        OfflineJudge,
        agreement,
        judge_settings,
    )

    judge: Judge
    if request.judge == OFFLINE_JUDGE:
        judge = OfflineJudge()
    else:
        from pipeline.backends.captioning.captioner import captioner

        asked = captioner(request.judge)
        reason = asked.available()
        if reason is not None:
            raise DataError("no_backend", reason)
        settings = judge_settings(request.judge_model, request.judge_base_url)
        judge = ModelJudge(asked, settings, ledger.judged)
    known: dict[tuple[str, str], tuple[FieldJudgement, float]] = {}

    def look(reference: str, draft: Draft, progress: Progress) -> tuple[FieldJudgement, float]:
        if draft.error:
            return FieldJudgement(False, False, False, True, draft.error), 0.0
        key = reference, draft.text
        if key not in known:
            verdict = judge.judge(reference, draft.text, progress)
            known[key] = verdict, agreement(reference, draft.text).similarity
        return known[key]

    return look, judge.title
