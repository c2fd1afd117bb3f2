"""What else a captioner might have written: words, entropy, and the truncated divergence."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.evaluation.caption_tokens import (
    LEAST,
    Alternative,
    Position,
    caption_part,
    divergences,
    position,
    truncated_kl,
    words,
)
from pipeline.model.drafting import TokenChoice

CAPTION = "Put the green packet on the tray."


def choice(token: str, **probabilities: float) -> TokenChoice:
    """A token with its alternatives; `_x` stands for ` x`."""
    listed = {k.replace("_", " "): p for k, p in probabilities.items()}
    return TokenChoice(
        token,
        math.log(listed.get(token, 0.9)),
        tuple((t, math.log(p)) for t, p in listed.items()),
    )


def sentence(color: str = " green", green: float = 0.51, blue: float = 0.47) -> list[TokenChoice]:
    return [
        choice("Put"),
        choice(" the"),
        choice(color, _green=green, _blue=blue),
        choice(" pack"),
        choice("et"),
        choice(" on"),
        choice(" the"),
        choice(" tray"),
        choice("."),
    ]


def test_green_was_051_and_blue_047() -> None:
    found = words(sentence())
    assert [w.text for w in found] == CAPTION.split()
    green = found[2]
    assert green.confidence == pytest.approx(0.51)
    assert [(a.token, round(a.probability, 2)) for a in green.alternatives] == [
        (" green", 0.51),
        (" blue", 0.47),
    ]
    assert green.unseen == pytest.approx(0.02)
    expected = -sum(p * math.log2(p) for p in (0.51, 0.47, 0.02))
    assert green.entropy == pytest.approx(expected)
    assert CAPTION[green.start : green.end] == "green"


def test_parts_of_a_word_are_multiplied() -> None:
    packet = words(sentence())[3]
    assert (packet.text, packet.tokens) == ("packet", 2)
    assert packet.confidence == pytest.approx(0.81)
    last = words(sentence())[-1]
    assert (last.text, last.tokens) == ("tray.", 2)


def test_the_caption_is_found_in_a_json_answer() -> None:
    around = [
        TokenChoice('{"reasoning": "' + CAPTION + '", ', -0.1),
        TokenChoice('"caption', -0.1),
        TokenChoice('": "', -0.1),
        TokenChoice("Put", -0.2, (("Put", -0.2), ("Place", -1.9))),
        *sentence()[1:-1],
        TokenChoice('."}', -0.3),
    ]
    found = caption_part(around, CAPTION)
    assert "".join(t.token for t in found) == CAPTION
    assert found[0].alternatives[1][0] == "Place"
    assert "".join(t.token for t in found[-1:]) == "."
    assert [w.text for w in words(found)] == CAPTION.split()


def test_a_token_that_holds_the_quote_is_cut() -> None:
    tokens = [
        TokenChoice(
            '{"caption":"Put', -0.2, (('{"caption":"Put', -0.2), ('{"caption":"Open', -2.0))
        ),
        TokenChoice(" it", -0.1),
        TokenChoice('"}', -0.1),
    ]
    for before in ([], [TokenChoice("Here it is: ", -0.1)]):
        found = caption_part([*before, *tokens], "Put it")
        assert [t.token for t in found] == ["Put", " it"]
        assert [a.token for a in position(found[0]).alternatives] == ["Put", "Open"]


@pytest.mark.parametrize("caption", ['Put the "A" box on it.', "Öffne die Tür.", "Put\u2019s"])
def test_escapes_in_the_answer(caption: str) -> None:
    for ascii_only in (False, True):
        text = json.dumps({"caption": caption}, ensure_ascii=ascii_only)
        tokens = [TokenChoice(c, -0.1) for c in text]
        assert (
            "".join(t.token for t in caption_part(tokens, caption))
            == (json.dumps(caption, ensure_ascii=ascii_only)[1:-1])
        )


def test_a_caption_that_is_not_there() -> None:
    assert caption_part(sentence(), "Open the box") == ()
    assert caption_part([], CAPTION) == ()
    assert caption_part(sentence(), "") == ()
    assert words([]) == ()


def test_other_spellings_of_spaces() -> None:
    tokens = [
        TokenChoice("Put", -0.1),
        TokenChoice("\u2581it", -0.2),
        TokenChoice("\u0120on", -0.3),
    ]
    assert [w.text for w in words(tokens)] == ["Put", "it", "on"]


def test_minus_infinity_and_rounded_probabilities() -> None:
    found = position(TokenChoice("a", 1e-6, (("b", -math.inf), ("c", math.nan), ("d", -0.01))))
    assert sum(a.probability for a in found.alternatives) == pytest.approx(1.0)
    assert found.unseen == 0.0
    assert math.isfinite(found.entropy)
    assert {a.token: a.probability for a in found.alternatives}["c"] == 0.0


def test_what_was_written_is_kept_among_few_alternatives() -> None:
    listed = (("a", math.log(0.5)), ("b", math.log(0.3)))
    found = position(TokenChoice("c", math.log(0.1), listed), most=2)
    assert [a.token for a in found.alternatives] == ["a", "c"]
    assert found.unseen == pytest.approx(0.1)


shares = st.dictionaries(
    st.sampled_from([f"t{k}" for k in range(8)]), st.floats(0.0, 1.0), min_size=1, max_size=6
)


def as_position(values: dict[str, float]) -> Position:
    total = max(1.0, sum(values.values()))
    ranked = sorted(values.items(), key=lambda entry: -entry[1])
    listed = tuple((t, math.log(p / total) if p / total > 0 else -math.inf) for t, p in ranked)
    return position(TokenChoice(*listed[0], listed))


@given(shares, shares)
def test_the_divergence_is_finite_and_not_negative(
    first: dict[str, float], second: dict[str, float]
) -> None:
    one, two = as_position(first), as_position(second)
    value, missing = truncated_kl(one, two)
    assert missing == sum(a.token not in second for a in one.alternatives)
    if value is None:
        assert missing == len(one.alternatives)
        return
    assert 0.0 <= value < math.log2(1 / LEAST) + 3
    assert math.isfinite(value)


@given(shares)
def test_equal_captioners_do_not_diverge(values: dict[str, float]) -> None:
    one = as_position(values)
    assert truncated_kl(one, one) == (pytest.approx(0.0, abs=1e-12), 0)
    assert one.entropy >= 0.0


def test_the_divergence_by_hand() -> None:
    def of(**values: float) -> Position:
        return as_position(values)

    value, missing = truncated_kl(of(a=0.5, b=0.25), of(a=0.25, b=0.5))
    p, q = (1 / 3, 2 / 3), (2 / 3, 1 / 3)
    assert value == pytest.approx(sum(x * math.log2(x / y) for x, y in zip(p, q, strict=True)))
    assert missing == 0
    # b is not listed by the other one: at most its unseen mass, 0.1
    value, missing = truncated_kl(of(a=0.5, b=0.5), of(a=0.9))
    p, q = (0.9, 0.1), (0.5, 0.5)
    assert value == pytest.approx(sum(x * math.log2(x / y) for x, y in zip(p, q, strict=True)))
    assert missing == 1
    assert truncated_kl(of(a=0.5), of(b=0.5)) == (None, 1)


def test_spaces_and_case_do_not_divide() -> None:
    one = position(TokenChoice(" Green", math.log(0.5), ((" Green", math.log(0.5)),)))
    two = Position("green", 0.5, (Alternative("green", 0.5),), 0.5, 1.0)
    assert truncated_kl(one, two) == (0.0, 0)


def test_two_captioners_word_by_word() -> None:
    found = divergences(sentence(), sentence(" blue", 0.2, 0.7))
    assert [d.text for d in found] == CAPTION.split()
    color = found[2]
    assert (color.text, color.other) == ("green", "blue")
    assert color.divergence is not None
    assert color.divergence > 0.2
    assert [d.same_context for d in found] == [True] * 3 + [False] * 4
    assert all(d.divergence == 0.0 for d in found if d.word != 2)


def test_spaces_may_end_tokens_or_stand_alone() -> None:
    def spelled(*tokens: str, cup: float) -> list[TokenChoice]:
        listed = (("cup", math.log(cup)), ("mug", math.log(0.9 - cup)))
        return [TokenChoice(t, math.log(cup), listed if t == "cup" else ()) for t in tokens]

    for tokens in (("Lift ", "the ", "cup"), ("Lift", " ", "the", " ", "cup")):
        found = divergences(spelled(*tokens, cup=0.6), spelled(*tokens, cup=0.3))
        assert [d.text for d in found] == ["Lift", "the", "cup"]
        # Both lists hold 0.9: p = (1/3, 2/3) of the other one, q = (2/3, 1/3).
        assert [d.divergence for d in found] == pytest.approx([0.0, 0.0, 1 / 3])


def test_words_without_a_counterpart_are_left_out() -> None:
    longer = [*sentence()[:2], choice(" small"), *sentence()[2:]]
    found = divergences(sentence(), longer)
    assert [d.word for d in found] == list(range(7))
    assert [d.same_context for d in found] == [True, True] + [False] * 5


def test_other_tokenizers_are_compared_where_words_begin() -> None:
    cut = sentence()
    whole = [*cut[:3], choice(" packet", _packet=0.9, _pack=0.05), *cut[5:]]
    found = divergences(cut, whole)
    assert [d.text for d in found] == [d.other for d in found] == CAPTION.split()
    packet = found[3]
    assert packet.divergence == 0.0  # “pack” is all that the first one lists
    assert packet.missing == 0
