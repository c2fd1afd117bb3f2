"""What a threshold gives, in words."""

from __future__ import annotations

import math

from pipeline.curation.threshold import Kept, Movers, Reference, Target
from widgets.fields import tip


def summary(kept: Kept, movers: Movers, reference: Reference, population: str) -> str:
    """One line: how many, how right, and what changes."""
    of = f" ({population})" if population else ""
    share = f" ({100 * kept.share:.1f} %)" if kept.total else ""
    parts = [f"Keeps {kept.kept:,} of {kept.total:,}{of}{share}"]
    if kept.judged:
        parts.append(
            f"expected precision {kept.precision:.3f} [{kept.interval.low:.3f}, "
            f"{kept.interval.high:.3f}] from {kept.judged:,} judged"
        )
    else:
        parts.append("precision unknown: none of the kept ones is judged")
    change = f", {movers.change:,} stay with another winner" if movers.change else ""
    compared = f"against {reference.name}: {movers.enter:,} enter, {movers.leave:,} leave{change}"
    return "; ".join((*parts, compared)) + "."


def explanation(kept: Kept) -> str:
    """Tool tip of the line."""
    return tip(
        "What this threshold gives",
        "Kept: annotations of the population with R at least the threshold; without a score never.",
        "Expected precision: right ones among the kept ones that are judged. Its interval is "
        "Wilson's (95 %, SciPy binomtest), as if they were one random draw of all kept ones: "
        "subtasks of one episode, or people who judged what looked odd, make it too narrow or too "
        "optimistic. A spot check gives an honest one.",
        f"{kept.kept - kept.judged:,} of the kept ones are not judged." if kept.kept else "",
    )


def target_words(target: Target | None, judged: int) -> str:
    """What a target led to, empty if it is met."""
    if target is None or target.threshold is not None:
        return ""
    if not judged:
        return "No target without judgements: run a spot check, or add ground truth."
    return (
        f"No threshold reaches {target.precision:g}; the best is {target.best:.3f} at "
        f"R ≥ {target.best_threshold:.4g}."
    )


def curve_hint(has_table: bool, judged: int) -> str:
    """What the curve lacks."""
    if not has_table or judged:
        return ""
    return (
        "Nobody knows yet which of these are right, so there is no curve.\n"
        "Judge a sample (tab Spot check), or add ground truth beside the dataset."
    )


def reference_words(reference: Reference) -> str:
    """What is compared with, for a tool tip."""
    if math.isinf(reference.threshold):
        return "Everything that has a score is kept, with the weights of the annotations."
    return f"R ≥ {reference.threshold:.6g} with its own weights."
