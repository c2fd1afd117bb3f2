"""`demoscope captions recipes`: what there is to choose from."""

from __future__ import annotations

import dataclasses
import json

from app.terminal import note, say
from pipeline.backends.captioning.recipes import load_recipes
from pipeline.model.recipe import Recipe


def list_recipes(*, as_json: bool) -> int:
    """Run the command; 0 also where a file of the user cannot be used: the others are listed."""
    book = load_recipes()
    for problem in book.problems:
        note(f"demoscope: {problem.message}")
    if as_json:
        values = [dataclasses.asdict(r) | {"identity": r.identity} for r in book.recipes]
        say(json.dumps(values, indent=2, ensure_ascii=False))
        return 0
    rows: list[tuple[str, ...]] = [("NAME", "SHOWS", "SAMPLER", "MODEL", "RATE", "WHAT IT IS")]
    rows += [_row(recipe) for recipe in book.recipes]
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]) - 1)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        say("  ".join([*cells, row[-1]]).rstrip())
    say("")
    say("RATE: published share of acceptable captions. Your own: docs/recipes.md.")
    return 0


def _row(recipe: Recipe) -> tuple[str, ...]:
    rate = f"{100 * recipe.rate:.1f} %" if recipe.rate is not None else ""
    own = "" if recipe.origin == "built in" else "(yours)"
    return (
        recipe.name,
        recipe.representation.value,
        recipe.sampler.value,
        recipe.model or "any",
        rate,
        " ".join(filter(None, (recipe.title, own))),
    )
