"""Wrong captions of known kinds."""

from __future__ import annotations

import itertools

import pytest

from pipeline.backends.captioning.distractors import (
    Distractor,
    DistractorKind,
    EpisodeWords,
    blind_question,
    distractors,
    fooled_by,
)
from pipeline.backends.captioning.judge import judge_offline
from tests.pipeline.caption_pairs import PAIRS

WORDS = EpisodeWords(
    things=("red cup", "blue plate", "spoon", "green packet", "violet packet"),
    other_captions=("Open the drawer.", "Put the spoon in the drawer."),
    other_episodes=("Wipe the table with the cloth.", "Turn on the lamp."),
)
CAPTION = "Stack the green packet on top of the violet packet."


def by_kind(found: tuple[Distractor, ...]) -> dict[DistractorKind, list[Distractor]]:
    return {kind: [d for d in found if d.kind is kind] for kind in DistractorKind}


def test_every_kind_is_made() -> None:
    found = by_kind(distractors(CAPTION, WORDS))
    assert all(len(own) == 1 for own in found.values())
    assert found[DistractorKind.ROLE][0].text == (
        "Stack the violet packet on top of the green packet."
    )
    assert found[DistractorKind.TEMPORAL][0].text in WORDS.other_captions
    assert found[DistractorKind.OTHER_EPISODE][0].text in WORDS.other_episodes
    assert found[DistractorKind.SCENE][0].text.endswith("on top of the violet packet.")


@pytest.mark.parametrize("reference", sorted({r for r, _, _ in PAIRS}))
@pytest.mark.parametrize("seed", [0, 1])
def test_no_alternative_is_right(reference: str, seed: int) -> None:
    found = distractors(reference, WORDS, per_kind=3, seed=seed)
    texts = [reference, *(d.text for d in found)]
    assert len(set(texts)) == len(texts)
    for one, other in itertools.permutations(texts, 2):
        assert judge_offline(one, other).score == 0.0, (one, other)
    assert all(len(own) <= 3 for own in by_kind(found).values())


def test_lexical_alternatives_change_one_word() -> None:
    found = distractors("Put the red cup in the box.", EpisodeWords(), per_kind=50)
    texts = {d.text for d in found if d.kind is DistractorKind.LEXICAL}
    assert "Put the blue cup in the box." in texts
    assert "Put the red cup on the box." in texts
    assert (
        "Pick up the red cup in the box." in texts
        or "Stack the red cup on top of the box." in texts
    )


def test_source_and_tool_stay_in_the_sentence() -> None:
    found = distractors("Scoop the ice cream from the tub into the cone.", EpisodeWords())
    (role,) = [d for d in found if d.kind is DistractorKind.ROLE]
    assert {"tub", "cone", "cream"} <= set(role.text.rstrip(".").split())
    found = distractors("Wipe the table with the cloth.", EpisodeWords(), per_kind=5)
    assert any(d.text == "Wipe the cloth with the table." for d in found)


def test_nothing_can_be_made_of_nothing() -> None:
    assert distractors("Go home", EpisodeWords()) == ()
    assert distractors("", EpisodeWords(other_captions=("", " "))) == ()


def test_equal_arguments_give_equal_alternatives() -> None:
    first = distractors(CAPTION, WORDS, seed=4)
    assert distractors(CAPTION, WORDS, seed=4) == first
    assert any(distractors(CAPTION, WORDS, seed=s) != first for s in range(5))


def test_the_order_tells_nothing() -> None:
    found = distractors(CAPTION, WORDS)
    places = set()
    for seed in range(40):
        question = blind_question(CAPTION, found, seed=seed)
        assert question.options[question.right] == CAPTION
        assert question.kinds[question.right] is None
        assert sorted(question.options) == sorted([CAPTION, *(d.text for d in found)])
        places.add(question.right)
    assert places == set(range(len(found) + 1))


def test_who_was_fooled_by_what() -> None:
    found = distractors(CAPTION, WORDS)
    questions = [blind_question(CAPTION, found, seed=s) for s in range(4)]
    role = [q.kinds.index(DistractorKind.ROLE) for q in questions]
    choices = [role[0], role[1], questions[2].right, None]
    result = {f.kind: f for f in fooled_by(questions, choices)}
    assert (result[DistractorKind.ROLE].offered, result[DistractorKind.ROLE].chosen) == (3, 2)
    assert (result[DistractorKind.SCENE].offered, result[DistractorKind.SCENE].chosen) == (3, 0)
    assert 0.0 < result[DistractorKind.ROLE].interval.low < 2 / 3
    with pytest.raises(ValueError, match="argument"):
        fooled_by(questions, [])
