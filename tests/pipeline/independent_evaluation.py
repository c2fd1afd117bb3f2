"""Evaluation once more, straight from its definitions in docs/evaluation.md, with plain loops.

Exact rational numbers, no NumPy, and nothing of `pipeline.evaluation`: two implementations that
agree on a thousand cases are unlikely to share a mistake.
"""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from typing import Any

Line = dict[str, Any]
Scored = list[tuple[float | None, bool]]
MOST_ORDERS = 720
"""Up to here every order that ties allow is tried."""


# -- boxes -----------------------------------------------------------------------------------


def area(box: list[int]) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])


def shared(a: list[int], b: list[int]) -> int:
    pixels_x = [x for x in range(a[0], a[2]) if b[0] <= x < b[2]]
    pixels_y = [y for y in range(a[1], a[3]) if b[1] <= y < b[3]]
    return len(pixels_x) * len(pixels_y)


def iou(a: list[int] | None, b: list[int]) -> Fraction:
    if a is None:
        return Fraction(0)
    return Fraction(shared(a, b), area(a) + area(b) - shared(a, b))


def matches(a: list[int] | None, b: list[int]) -> bool:
    if a is None:
        return False
    if iou(a, b) >= Fraction(4, 10):
        return True
    held = max(Fraction(shared(a, b), area(a)), Fraction(shared(a, b), area(b)))
    return iou(a, b) >= Fraction(1, 10) and held >= Fraction(8, 10)


# -- pairing ---------------------------------------------------------------------------------


def items_of(predictions: list[Line], truth: list[Line]) -> list[tuple[Line | None, Line]]:
    """Every line of truth with a start box, with its prediction or None."""
    pairs = []
    for true in truth:
        if true.get("start_box") is None:
            continue
        mine = None
        for line in predictions:
            same = line["episode_index"] == true["episode_index"]
            if same and line["subtask_index"] == true.get("subtask_index", 0):
                mine = line
        pairs.append((mine, true))
    return pairs


def scored_items(predictions: list[Line], truth: list[Line]) -> Scored:
    found: Scored = []
    for mine, true in items_of(predictions, truth):
        if mine is None:
            found.append((None, False))
        else:
            found.append((mine["score"], matches(mine["start_box"], true["start_box"])))
    return found


def ious(predictions: list[Line], truth: list[Line]) -> list[Fraction]:
    return [
        iou(mine["start_box"], true["start_box"]) if mine is not None else Fraction(0)
        for mine, true in items_of(predictions, truth)
    ]


def targets(predictions: list[Line], truth: list[Line]) -> list[bool]:
    return [
        mine is not None and matches(mine["target_box"], true["target_box"])
        for mine, true in items_of(predictions, truth)
        if true.get("target_box") is not None
    ]


# -- selective prediction --------------------------------------------------------------------


def accuracy(items: Scored) -> Fraction:
    return Fraction(sum(1 for _, right in items if right), len(items))


def curve(items: Scored) -> list[tuple[float, int, Fraction, Fraction]]:
    """(threshold, kept, coverage, risk) of every threshold that keeps something, highest first."""
    points = []
    for threshold in sorted({s for s, _ in items if s is not None}, reverse=True):
        kept = [right for s, right in items if s is not None and s >= threshold]
        wrong = sum(1 for right in kept if not right)
        points.append(
            (threshold, len(kept), Fraction(len(kept), len(items)), Fraction(wrong, len(kept)))
        )
    return points


def coverage_at(items: Scored, wanted: Fraction) -> Fraction:
    best = Fraction(0)
    for _, _, coverage, risk in curve(items):
        if 1 - risk >= wanted:
            best = max(best, coverage)
    return best


def tied(items: Scored) -> list[list[bool]]:
    """Groups of equal scores, best first, those without a score last."""
    groups = [
        [right for s, right in items if s == score]
        for score in sorted({s for s, _ in items if s is not None}, reverse=True)
    ]
    unscored = [right for s, right in items if s is None]
    return [*groups, unscored] if unscored else groups


def area_of_order(order: list[bool]) -> Fraction:
    """Mean over k of the share of errors among the first k."""
    total = Fraction(0)
    for k in range(1, len(order) + 1):
        wrong = 0
        for right in order[:k]:
            if not right:
                wrong += 1
        total += Fraction(wrong, k)
    return total / len(order)


def aurc(items: Scored) -> Fraction:
    """Mean area over all orders that the scores allow; by expectation where they are too many."""
    groups = tied(items)
    if math.prod(math.factorial(len(g)) for g in groups) <= MOST_ORDERS:
        orders = [
            [right for group in choice for right in group]
            for choice in itertools.product(*(list(itertools.permutations(g)) for g in groups))
        ]
        return sum((area_of_order(o) for o in orders), Fraction(0)) / len(orders)
    total = Fraction(0)
    for k in range(1, len(items) + 1):
        # Each item is among the first k with the probability that its group's lot gives it.
        expected, before = Fraction(0), 0
        for group in groups:
            inside = min(max(k - before, 0), len(group))
            for right in group:
                if not right:
                    expected += Fraction(inside, len(group))
            before += len(group)
        total += expected / k
    return total / len(items)


def e_aurc(items: Scored) -> Fraction:
    flags = [right for _, right in items]
    perfect = [True] * flags.count(True) + [False] * flags.count(False)
    return aurc(items) - area_of_order(perfect)
