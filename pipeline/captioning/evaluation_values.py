"""What an evaluation of caption recipes is asked, what it would take, and what it found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.captioning.costs import money
from pipeline.evaluation.caption_figures import JudgedCaption, RecipeComparison, RecipeFigures

OFFLINE_RECIPE = "offline"
"""Stands for the offline drafter among recipes."""
OFFLINE_RECIPES: Mapping[str, Mapping[str, Any]] = {
    OFFLINE_RECIPE: {},
    "offline-no-color": {"measured_color": False},
}
"""Names that stand for the offline drafter -> options of the captions that they change; nothing is
sent for any of them."""


@dataclass(frozen=True, slots=True)
class EvaluationRequest:
    """What is to be measured.

    Attributes:
        dataset: Path of the dataset.
        recipes: `NAME`, `NAME@MODEL` (another model than the recipe's own), or a name of
            `OFFLINE_RECIPES` for the offline drafter; the first one is the baseline.
        references: JSONL file with episode_index, subtask_index, caption; None for the accepted
            and corrected captions of the review store.
        episodes: Which ones; None for all that have a reference.
        backend: Who drafts with a recipe: `gemini` or `openai_compatible`.
        model: For all recipes that are given without `@MODEL`; empty for the recipe's own, then
            the backend's own.
        base_url: Of the server; empty for the backend's own.
        judge: `offline`, `gemini` or `openai_compatible`.
        judge_model: Empty for the backend's own.
        judge_base_url: Likewise.
        options: Stage name -> option name -> value, as options files have them; defaults where
            missing. Of those of the captions the recipe, the model and the server are replaced.
        jobs: Episodes that are worked on at once where a server is asked; its limits hold anyway.
    """

    dataset: Path
    recipes: tuple[str, ...]
    references: Path | None = None
    episodes: tuple[int, ...] | None = None
    backend: str = "gemini"
    model: str = ""
    base_url: str = ""
    judge: str = OFFLINE_RECIPE
    judge_model: str = ""
    judge_base_url: str = ""
    options: Mapping[str, Mapping[str, Any]] | None = None
    jobs: int = 4


@dataclass(frozen=True, slots=True)
class EvaluationOutlook:
    """What an evaluation would take.

    Attributes:
        items: Subtasks with a reference.
        requests: That would be sent, drafts and verdicts; repeats come on top.
        kept: Answers that are on disk already.
        tokens_in: Estimated.
        tokens_out: Estimated.
        cost: US dollars, None where the price of a model is not known.
        notes: What could not be estimated, and what is not measured, one sentence each.
    """

    items: int
    requests: int
    kept: int
    tokens_in: int
    tokens_out: int
    cost: float | None
    notes: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """For people, one line."""
        parts = [f"{self.items:,} subtask{'' if self.items == 1 else 's'} with a reference"]
        if self.requests:
            cost = f"about {money(self.cost)}" if self.cost is not None else "price not known"
            parts.append(
                f"{self.requests:,} request{'' if self.requests == 1 else 's'}, about "
                f"{self.tokens_in:,} tokens in, "
                f"{self.tokens_out:,} out, {cost}"
            )
        else:
            parts.append("no requests")
        if self.kept:
            parts.append(f"{self.kept:,} kept answer{'' if self.kept == 1 else 's'}")
        return "; ".join(parts)


@dataclass(frozen=True, slots=True)
class RecipeEvaluation:
    """What was measured.

    Attributes:
        request: What was asked for.
        dataset: Name of the dataset.
        judge: Who judged, for people: `offline`, or backend and model.
        references: Where references come from, one phrase.
        identities: Per recipe, what drafted: backend, model and `Recipe.identity`.
        figures: Per recipe, in the order of the request.
        comparisons: Of each other recipe with the first one.
        rows: Every caption of every recipe with its judgement.
        same_as_reference: Per recipe, captions that equal the reference word by word: a reference
            that was accepted as it had been drafted favours the recipe that drafted it.
        spent: What drafts and verdicts took, one line.
        notes: What a reader should know, one sentence each.
    """

    request: EvaluationRequest
    dataset: str
    judge: str
    references: str
    identities: tuple[str, ...]
    figures: tuple[RecipeFigures, ...]
    comparisons: tuple[RecipeComparison, ...]
    rows: tuple[JudgedCaption, ...]
    same_as_reference: tuple[int, ...]
    spent: str = ""
    notes: tuple[str, ...] = ()
