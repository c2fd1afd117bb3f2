"""A measured pair of recipes, made up; for the report and for the window."""

from __future__ import annotations

import random
from pathlib import Path

from pipeline.captioning.evaluation_values import EvaluationRequest, RecipeEvaluation
from pipeline.evaluation.caption_figures import (
    JudgedCaption,
    adjusted,
    compare,
    recipe_figures,
)
from pipeline.evaluation.caption_rubric import FieldJudgement

VERBS = ("put", "pick up", "stack", "pour", "open", "scoop", "turn on")


def measured(
    rates: dict[str, float], count: int = 120, evil: str = "", seed: int = 1
) -> RecipeEvaluation:
    """Recipes with about these rates on the same captions.

    Args:
        rates: Acceptable rate by recipe, the baseline first.
        count: Captions, two an episode.
        evil: Text that is put into names and captions.
        seed: Of the random numbers.
    """
    random_ = random.Random(seed)  # noqa: S311 - reproducible
    hardness = [random_.random() for _ in range(count)]
    rows: list[JudgedCaption] = []
    for recipe, rate in rates.items():
        for k, hard in enumerate(hardness):
            right = 0.7 * hard + 0.3 * random_.random() < rate
            v, o, egregious = right, right, False
            if not right:
                v, o, egregious = random_.choice(
                    [(False, True, False), (True, False, False), (False, False, True)]
                )
            rows.append(
                JudgedCaption(
                    recipe=recipe,
                    episode=k // 2,
                    subtask=k % 2,
                    verb=VERBS[min(int(k**0.5) % 9, 6)],
                    caption=f"Put the cup on the tray{evil}.",
                    reference="Put the red cup on the tray.",
                    judgement=FieldJudgement(v, o, True, egregious, "" if right else "made up"),
                    similarity=random_.random(),
                )
            )
    own = [[r for r in rows if r.recipe == name] for name in rates]
    return RecipeEvaluation(
        request=EvaluationRequest(Path("data"), tuple(rates)),
        dataset=f"kitchen{evil}",
        judge="offline",
        references="review store: 20 accepted, 100 corrected",
        identities=tuple(f"gemini, {name}-1-aaaa" for name in rates),
        figures=tuple(map(recipe_figures, own)),
        comparisons=adjusted([compare(own[0], other) for other in own[1:]]),
        rows=tuple(rows),
        same_as_reference=(0,) * len(rates),
        spent="no requests",
        notes=("The offline judge compares words: it sees no pictures.",),
    )
