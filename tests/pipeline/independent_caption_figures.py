"""Figures of recipes once more, straight from docs/caption-evaluation.md, with plain loops.

Nothing of `pipeline.evaluation`, no NumPy, exact fractions as far as there are any.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from fractions import Fraction
from statistics import NormalDist
from typing import Any

Line = dict[str, Any]
"""episode, subtask, verb, and of the judge: v, o, p (fields), e (egregious)."""


def acceptable(line: Line) -> bool:
    return all((line["v"], line["o"], line["p"], not line["e"]))


def kind(line: Line) -> str:
    if line["e"]:
        return "egregious"
    if not line["v"]:
        return "wrong_verb"
    if line["o"] and line["p"]:
        return ""
    return "wrong_thing"


def kinds(lines: list[Line]) -> dict[str, int]:
    return dict(Counter(kind(x) for x in lines if kind(x)))


def effective(values: list[int], episodes: list[int]) -> Fraction:
    """Items over the design effect, at least 1; clusters where nothing varies."""
    n, groups = len(values), sorted(set(episodes))
    if len(groups) in (1, n):
        return Fraction(len(groups))
    mean = Fraction(sum(values), n)
    rests = [v - mean for v in values]
    variance = sum(r * r for r in rests) / n
    if variance == 0:
        return Fraction(len(groups))
    between = Fraction(0)
    for g in groups:
        between += sum(r for r, e in zip(rests, episodes, strict=True) if e == g) ** 2
    between = between * Fraction(len(groups), len(groups) - 1) / n**2
    return max(Fraction(1), n / max(Fraction(1), between / (variance / n)))


def wilson(share: float, n: float, level: float) -> tuple[float, float]:
    """Roots of (x - share)^2 = z^2 x (1 - x) / n."""
    z = NormalDist().inv_cdf(0.5 + level / 2)
    a, b, c = 1 + z * z / n, -(2 * share + z * z / n), share * share
    root = math.sqrt(max(0.0, b * b - 4 * a * c))
    return (-b - root) / (2 * a), (-b + root) / (2 * a)


def rate_interval(lines: list[Line], level: float) -> tuple[float, float]:
    flags = [int(acceptable(x)) for x in lines]
    episodes = [x["episode"] for x in lines]
    share = Fraction(sum(flags), len(flags))
    n = int(effective(flags, episodes))
    return wilson(float(Fraction(round(float(share * n)), n)), n, level)


def pairs(first: list[Line], second: list[Line]) -> list[tuple[Line, Line]]:
    found = []
    for a in first:
        for b in second:
            if (a["episode"], a["subtask"]) == (b["episode"], b["subtask"]):
                found.append((a, b))
    return found


def counts(found: list[tuple[Line, Line]]) -> tuple[int, int, int]:
    """Both, regressions, improvements."""
    flags = [(acceptable(a), acceptable(b)) for a, b in found]
    return flags.count((True, True)), flags.count((True, False)), flags.count((False, True))


def flip_test(found: list[tuple[Line, Line]]) -> float | None:
    """Every way to flip the signs of episodes, one by one."""
    nets: dict[int, int] = {}
    for a, b in found:
        nets[a["episode"]] = nets.get(a["episode"], 0) + acceptable(b) - acceptable(a)
    moved = [abs(v) for v in nets.values() if v]
    if not moved:
        return None
    seen = abs(sum(nets.values()))
    signs = list(itertools.product((1, -1), repeat=len(moved)))
    extreme = sum(abs(sum(s * m for s, m in zip(own, moved, strict=True))) >= seen for own in signs)
    return float(Fraction(extreme, len(signs)))


def difference_interval(found: list[tuple[Line, Line]], level: float) -> tuple[float, float]:
    """Newcombe 1998, method 10, in his notation: e both, f second only, g first only, h none."""
    steps = [int(acceptable(b)) - int(acceptable(a)) for a, b in found]
    size = effective(steps, [a["episode"] for a, _ in found])
    both, worse, better = counts(found)
    scale = size / len(found)
    e, f, g = both * scale, better * scale, worse * scale
    n = float(size)
    h = size - e - f - g
    p1, p2 = float((e + f) / size), float((e + g) / size)
    l1, u1 = wilson(p1, n, level)
    l2, u2 = wilson(p2, n, level)
    product = float((e + f) * (g + h) * (e + g) * (f + h))
    phi = 0.0
    if product > 0:
        top = float(e * h - f * g)
        phi = (max(top - n / 2, 0.0) if top > 0 else top) / math.sqrt(product)
    theta = p1 - p2
    delta = math.sqrt((p1 - l1) ** 2 - 2 * phi * (p1 - l1) * (u2 - p2) + (u2 - p2) ** 2)
    epsilon = math.sqrt((u1 - p1) ** 2 - 2 * phi * (u1 - p1) * (p2 - l2) + (p2 - l2) ** 2)
    return theta - delta, theta + epsilon
