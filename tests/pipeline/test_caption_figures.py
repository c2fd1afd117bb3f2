"""Figures of caption recipes against a second implementation, textbooks and invariants."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import numpy as np
import pytest

from pipeline.evaluation.caption_figures import (
    JudgedCaption,
    adjusted,
    compare,
    newcombe,
    recipe_figures,
    sign_flip,
)
from pipeline.evaluation.caption_rubric import (
    FAILURES,
    PUBLISHED_SHARES,
    Failure,
    FieldJudgement,
    Rubric,
)
from tests.pipeline import independent_caption_figures as independent

VERBS = ("put", "stack", "pour", "open")


def random_rows(
    recipe: str, random_: random.Random, episodes: int, subtasks: int
) -> list[JudgedCaption]:
    rows = []
    chance = random_.choice((0.05, 0.5, 0.8, 1.0))
    for episode in range(episodes):
        for subtask in range(random_.randint(1, subtasks)):
            v, o, p = (random_.random() < chance for _ in range(3))
            egregious = not v and random_.random() < 0.4
            rows.append(
                JudgedCaption(
                    recipe,
                    episode,
                    subtask,
                    VERBS[(episode + subtask) % len(VERBS)],
                    "a",
                    "b",
                    FieldJudgement(v, o, p, egregious),
                    random_.random(),
                )
            )
    return rows


def lines(rows: list[JudgedCaption]) -> list[independent.Line]:
    return [
        {
            "episode": r.episode,
            "subtask": r.subtask,
            "verb": r.verb,
            "v": r.judgement.verb,
            "o": r.judgement.object_name,
            "p": r.judgement.place,
            "e": r.judgement.egregious,
        }
        for r in rows
    ]


@pytest.mark.parametrize("seed", range(60))
def test_one_recipe_agrees_with_a_second_implementation(seed: int) -> None:
    random_ = random.Random(seed)  # noqa: S311 - reproducible
    rows = random_rows("a", random_, random_.randint(1, 12), random_.choice((1, 2, 4)))
    found, other = recipe_figures(rows), lines(rows)
    assert found.count == len(other)
    assert found.acceptable == sum(map(independent.acceptable, other))
    low, high = independent.rate_interval(other, 0.95)
    assert found.interval.low == pytest.approx(low, abs=1e-9)
    assert found.interval.high == pytest.approx(high, abs=1e-9)
    kinds = independent.kinds(other)
    total = sum(kinds.values())
    assert total == found.count - found.acceptable
    for one in found.failures:
        assert one.count == kinds.get(one.failure.value, 0)
        if total:
            assert one.share == one.count / total
        else:
            assert math.isnan(one.share)
    assert found.wrong_verbs == sum(not x["v"] for x in other)
    assert found.wrong_things == sum(not (x["o"] and x["p"]) for x in other)
    assert found.similarity == pytest.approx(sum(r.similarity for r in rows) / len(rows))
    for verb in found.verbs:
        own = [x for x in other if x["verb"] == verb.verb]
        assert (verb.count, verb.acceptable) == (
            len(own),
            sum(map(independent.acceptable, own)),
        )
        low, high = independent.rate_interval(own, 0.95)
        assert (verb.interval.low, verb.interval.high) == pytest.approx((low, high), abs=1e-9)
    assert sum(v.count for v in found.verbs) == found.count
    assert [v.count for v in found.verbs] == sorted((v.count for v in found.verbs), reverse=True)


@pytest.mark.parametrize("seed", range(60))
def test_two_recipes_agree_with_a_second_implementation(seed: int) -> None:
    random_ = random.Random(1000 + seed)  # noqa: S311 - reproducible
    shape = random_.randint(1, 11), random_.choice((1, 2, 4))
    first = random_rows("a", random_, *shape)
    second = [r for r in random_rows("b", random_, *shape) if random_.random() < 0.9]
    if not second:
        pytest.skip("nothing to compare")
    found, other = compare(first, second), independent.pairs(lines(first), lines(second))
    if not other:
        assert found.overall.count == 0
        assert math.isnan(found.interval.low)
        return
    both, worse, better = independent.counts(other)
    change = found.overall
    assert (change.count, change.both) == (len(other), both)
    assert (change.regressions, change.improvements) == (worse, better)
    assert change.net == better - worse
    expected = independent.flip_test(other)
    if expected is None:
        assert math.isnan(found.p_value)
    else:
        assert found.p_value == pytest.approx(expected, abs=1e-12)
    low, high = independent.difference_interval(other, 0.95)
    assert found.interval.low == pytest.approx(max(-1.0, low), abs=1e-9)
    assert found.interval.high == pytest.approx(min(1.0, high), abs=1e-9)
    for verb in found.verbs:
        own = [(a, b) for a, b in other if a["verb"] == verb.verb]
        assert (verb.both, verb.regressions, verb.improvements) == independent.counts(own)
    assert sum(v.net for v in found.verbs) == change.net


def test_comparing_the_other_way_round_mirrors_everything() -> None:
    random_ = random.Random(5)  # noqa: S311 - reproducible
    first, second = random_rows("a", random_, 9, 3), random_rows("b", random_, 9, 3)
    there, back = compare(first, second), compare(second, first)
    assert there.overall.improvements == back.overall.regressions
    assert there.p_value == pytest.approx(back.p_value)
    assert there.interval.low == pytest.approx(-back.interval.high)


def test_rates_and_differences_are_shares_of_the_items() -> None:
    right, wrong = FieldJudgement(True, True, True), FieldJudgement(False, True, True)

    def rows(recipe: str, *judged: FieldJudgement) -> list[JudgedCaption]:
        return [JudgedCaption(recipe, k, 0, "put", "a", "b", j, 1.0) for k, j in enumerate(judged)]

    first = rows("a", right, right, right, wrong)
    figures = recipe_figures(first)
    assert figures.rate == figures.verbs[0].rate == 0.75
    found = compare(first, rows("b", wrong, wrong, right, right))
    assert (found.overall.net, found.overall.difference) == (-1, -0.25)
    assert found.verbs[0].difference == -0.25
    nothing = compare(first, [replace(row, episode=9) for row in rows("b", right)])
    assert nothing.overall.count == 0
    assert math.isnan(nothing.overall.difference)
    assert math.isnan(nothing.p_value)


def test_published_examples() -> None:
    """Newcombe (1998), Statistics in Medicine 17:2635, Table II, method 10."""
    found = newcombe(36, 12, 2, 0, 0.95)
    assert (found.low, found.high) == pytest.approx((0.0569, 0.3404), abs=5e-5)
    assert PUBLISHED_SHARES[Failure.WRONG_VERB] == 0.37
    assert sum(PUBLISHED_SHARES.values()) == pytest.approx(1.0)
    assert tuple(PUBLISHED_SHARES) == FAILURES


@pytest.mark.parametrize(("better", "worse"), [(1, 0), (12, 4), (3, 3), (103, 161), (0, 20)])
def test_the_sign_flip_is_mcnemar_where_episodes_have_one_caption(better: int, worse: int) -> None:
    from scipy.stats import binomtest

    step = np.array([1] * better + [-1] * worse + [0] * 7, np.int64)
    found = sign_flip(step, np.arange(len(step)))
    assert found == pytest.approx(binomtest(better, better + worse).pvalue, abs=1e-12)


def test_captions_of_one_episode_count_less() -> None:
    step = np.array([1] * 8 + [0] * 8, np.int64)
    apart = sign_flip(step, np.arange(16))
    together = sign_flip(step, np.arange(16) // 4)
    assert apart == pytest.approx(2 / 2**8)
    assert together == pytest.approx(2 / 2**2)


def test_several_comparisons_are_corrected() -> None:
    random_ = random.Random(3)  # noqa: S311 - reproducible
    base = random_rows("a", random_, 30, 1)
    others = [random_rows(name, random_, 30, 1) for name in "bcd"]
    raw = [compare(base, own) for own in others]
    found = adjusted(raw)
    order = sorted(range(3), key=lambda k: raw[k].p_value)
    expected = 0.0
    for rank, k in enumerate(order):
        expected = max(expected, min(1.0, raw[k].p_value * (3 - rank)))
        assert found[k].adjusted == pytest.approx(expected)
    assert adjusted(raw[:1])[0].adjusted == pytest.approx(raw[0].p_value)


def test_the_rubric() -> None:
    assert FieldJudgement(True, True, True).rubric is Rubric.ACCEPTABLE
    assert FieldJudgement(True, True, True).failure is None
    assert FieldJudgement(False, False, False).failure is Failure.WRONG_VERB
    assert FieldJudgement(True, True, False).failure is Failure.WRONG_THING
    assert FieldJudgement(True, False, True).score == 0.0
    assert FieldJudgement(False, True, True, True).failure is Failure.EGREGIOUS
    assert FieldJudgement(False, True, True, True).rubric is Rubric.EGREGIOUS
    assert {f.words for f in Failure}
    assert Rubric.NOT_ACCEPTABLE.words == "not acceptable"


def test_rows_that_do_not_belong_together_are_refused() -> None:
    rows = random_rows("a", random.Random(1), 3, 1)  # noqa: S311 - reproducible
    with pytest.raises(ValueError, match="one recipe"):
        recipe_figures([])
    with pytest.raises(ValueError, match="one recipe"):
        recipe_figures([*rows, replace(rows[0], recipe="b")])
    with pytest.raises(ValueError, match="two captions"):
        recipe_figures([*rows, rows[0]])
