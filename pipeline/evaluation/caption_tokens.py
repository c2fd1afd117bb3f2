"""What else a captioner might have written: top words, their entropy, and how two of them differ.

Servers give the K most probable tokens per position with natural logarithms of probabilities. What
they leave out is *unseen mass*, 1 - sum of what is listed; it is said, never hidden. The truncated
KL divergence follows teacher top-K local support matching (spec, captions, Token alternatives):
over the K tokens that the reference captioner lists at a position, both distributions renormalised
there, D = sum p log2(p / q), p of the other captioner, q of the reference, in bits.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipeline.model.drafting import TokenChoice

LEAST = 1e-6
"""Least probability that a token is taken to have (our choice): keeps the divergence finite."""
_SPACE_MARKS = "\u2581\u0120"
"""How tokenizers of the SentencePiece and of the byte-level BPE kind write a leading space."""
_WORD = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class Alternative:
    """A token that might stand at a position.

    Attributes:
        token: As the server writes it, leading space included.
        probability: 0..1.
    """

    token: str
    probability: float


@dataclass(frozen=True, slots=True)
class Position:
    """What a captioner held possible at one token.

    Attributes:
        token: What it wrote.
        probability: Of what it wrote, 0..1.
        alternatives: The K most probable, the most probable first; what it wrote is among them.
        unseen: Probability of everything that the server did not list, 0..1.
        entropy: Bits; the unseen mass counts as one token, so the true entropy is at least this.
    """

    token: str
    probability: float
    alternatives: tuple[Alternative, ...]
    unseen: float
    entropy: float


@dataclass(frozen=True, slots=True)
class WordConfidence:
    """A word of a caption and how sure the captioner was of it.

    Attributes:
        text: The word with the punctuation that sticks to it.
        start: First character in the caption.
        end: One past the last.
        confidence: Product of the probabilities of its tokens: P(word | the words before it).
        entropy: Bits, the largest of its tokens' (see `Position.entropy`).
        unseen: Unseen mass where the entropy is largest.
        alternatives: At its first token, the most probable first: what else might have begun here.
        tokens: Number of tokens it is made of.
    """

    text: str
    start: int
    end: int
    confidence: float
    entropy: float
    unseen: float
    alternatives: tuple[Alternative, ...]
    tokens: int


@dataclass(frozen=True, slots=True)
class WordDivergence:
    """Two captioners at the beginning of the same word.

    Attributes:
        word: Number of the word in the reference caption, from 0.
        text: The word there.
        other: What the other captioner wrote in its place.
        divergence: Truncated KL in bits, 0 or more; None where the tokenizers cut so differently
            that none of the listed tokens is shared.
        missing: How many of the K tokens the other captioner does not list; each is taken at the
            most it can have, see `truncated_kl`.
        same_context: The captions are equal before this word. Else the captioners were asked after
            different words, and the number says less.
    """

    word: int
    text: str
    other: str
    divergence: float | None
    missing: int
    same_context: bool


def position(choice: TokenChoice, most: int = 20) -> Position:
    """Look at one token.

    Args:
        choice: With alternatives as the server listed them.
        most: K, alternatives to keep.
    """
    listed: dict[str, float] = {}
    for token, logprob in ((choice.token, choice.logprob), *choice.alternatives):
        listed.setdefault(token, _probability(logprob))
    ranked = sorted(listed.items(), key=lambda item: -item[1])
    total = sum(listed.values())
    if total > 1.0:  # rounded by the server
        ranked = [(token, p / total) for token, p in ranked]
    unseen = max(0.0, 1.0 - sum(p for _, p in ranked))
    kept = ranked[:most]
    if choice.token not in dict(kept):
        kept = [*kept[: most - 1], (choice.token, dict(ranked)[choice.token])]
    return Position(
        token=choice.token,
        probability=dict(ranked)[choice.token],
        alternatives=tuple(Alternative(t, p) for t, p in kept),
        unseen=unseen,
        entropy=_entropy((*(p for _, p in ranked), unseen)),
    )


def caption_part(tokens: Sequence[TokenChoice], caption: str) -> tuple[TokenChoice, ...]:
    """Cut the tokens of the caption out of the tokens of a whole answer.

    Answers are JSON with other fields around the caption. Where the caption stands several times,
    the last place counts: reasoning comes before it.

    Args:
        tokens: Of the whole answer, in order.
        caption: The sentence.

    Returns:
        Tokens that together are the caption as the answer spells it (JSON escapes stay); the first
        and the last are cut to what belongs to it. Empty if it cannot be found.
    """
    texts = [_spaced(t.token) for t in tokens]
    whole = "".join(texts)
    for ascii_only in (False, True):
        sought = json.dumps(caption, ensure_ascii=ascii_only)[1:-1]
        start = whole.rfind(sought) if sought else -1
        if start >= 0:
            return _cut(tokens, texts, start, start + len(sought))
    return ()


def _cut(
    tokens: Sequence[TokenChoice], texts: Sequence[str], start: int, end: int
) -> tuple[TokenChoice, ...]:
    found, at = [], 0
    for choice, text in zip(tokens, texts, strict=True):
        first, last = max(start, at), min(end, at + len(text))
        if first < last:
            lead = text[: first - at]
            kept = text[first - at : last - at]
            # What was written stands among the alternatives, too: it is cut likewise there.
            own = tuple(
                (kept if token == choice.token else _spaced(token).removeprefix(lead), p)
                for token, p in choice.alternatives
            )
            found.append(
                replace(choice, token=kept, alternatives=own)
                if (lead or last < at + len(text))
                else choice
            )
        at += len(text)
    return tuple(found)


def words(tokens: Sequence[TokenChoice], most: int = 20) -> tuple[WordConfidence, ...]:
    """Merge the tokens of a caption to words.

    A token belongs to the word in which its first letter stands; one that holds several words
    (rare) counts for each of them.

    Args:
        tokens: Of the caption alone (`caption_part`).
        most: K, alternatives to keep per word.
    """
    texts = [_spaced(t.token) for t in tokens]
    looked = [position(t, most) for t in tokens]
    starts = [0]
    for text in texts:
        starts.append(starts[-1] + len(text))
    found = []
    for match in _WORD.finditer("".join(texts)):
        own = [
            k
            for k, text in enumerate(texts)
            if text.strip() and starts[k] < match.end() and starts[k + 1] > match.start()
        ]
        unsure = max((looked[k] for k in own), key=lambda p: p.entropy)
        found.append(
            WordConfidence(
                text=match.group(),
                start=match.start(),
                end=match.end(),
                confidence=math.prod(looked[k].probability for k in own),
                entropy=unsure.entropy,
                unseen=unsure.unseen,
                alternatives=looked[own[0]].alternatives,
                tokens=len(own),
            )
        )
    return tuple(found)


def truncated_kl(reference: Position, other: Position, most: int = 20) -> tuple[float | None, int]:
    """Truncated KL divergence of two captioners at one position.

    The support is the K most probable tokens of `reference`, leading spaces and case aside; both
    are renormalised there. A token that `other` does not list has at most its least listed
    probability and at most its unseen mass: the smaller of the two is taken, and never less than
    `LEAST`; the same floor holds for what is listed. So the divergence is finite.

    Args:
        reference: Whose tokens are the support (the teacher's role).
        other: Who is compared with it (the student's role).
        most: K.

    Returns:
        Bits, 0 or more, 0 for equal distributions; None if `other` lists none of the tokens. And
        how many of the tokens it does not list.
    """
    ours, theirs = _by_piece(reference.alternatives), _by_piece(other.alternatives)
    support = {piece: ours[piece] for piece in _by_piece(reference.alternatives[:most])}
    missing = sum(piece not in theirs for piece in support)
    if not support or missing == len(support):
        return None, missing
    at_most = max(LEAST, min(min(theirs.values()), other.unseen))
    q = _normalised([max(LEAST, p) for p in support.values()])
    p = _normalised([max(LEAST, theirs.get(piece, at_most)) for piece in support])
    found = sum(a * math.log2(a / b) for a, b in zip(p, q, strict=True))
    return max(0.0, found), missing


def divergences(
    reference: Sequence[TokenChoice], other: Sequence[TokenChoice], most: int = 20
) -> tuple[WordDivergence, ...]:
    """Compare two captioners word by word.

    Words are aligned by a diff of both captions; a run of words that was replaced by as many others
    is compared one by one. At each word the first tokens are compared, where tokenizers that cut
    words differently still agree most often; later tokens of a word are left out, and so are words
    without a counterpart.

    Args:
        reference: Tokens of the caption alone, of the captioner whose top K are the support.
        other: Likewise, of the captioner that is compared.
        most: K.
    """
    ours, our_first = _first_tokens(reference, most)
    theirs, their_first = _first_tokens(other, most)
    matcher = difflib.SequenceMatcher(
        None, [w.lower() for w in ours], [w.lower() for w in theirs], autojunk=False
    )
    found, same = [], True
    for tag, i, end, j, other_end in matcher.get_opcodes():
        if tag != "equal" and (tag != "replace" or end - i != other_end - j):
            same = False
            continue
        for step in range(end - i):
            value, missing = truncated_kl(our_first[i + step], their_first[j + step], most)
            found.append(
                WordDivergence(i + step, ours[i + step], theirs[j + step], value, missing, same)
            )
            same = same and tag == "equal"
    return tuple(found)


def _first_tokens(
    tokens: Sequence[TokenChoice], most: int
) -> tuple[tuple[str, ...], tuple[Position, ...]]:
    """Words of a caption and their first tokens."""
    texts = [_spaced(t.token) for t in tokens]
    starts = [0]
    for text in texts:
        starts.append(starts[-1] + len(text))
    found, firsts = [], []
    for match in _WORD.finditer("".join(texts)):
        first = next(k for k in range(len(texts)) if starts[k + 1] > match.start())
        found.append(match.group())
        firsts.append(position(tokens[first], most))
    return tuple(found), tuple(firsts)


def _by_piece(alternatives: Sequence[Alternative]) -> dict[str, float]:
    """Probability by token without leading space and case; what becomes equal is added up."""
    merged: dict[str, float] = {}
    for alternative in alternatives:
        piece = _spaced(alternative.token).strip().lower()
        merged[piece] = merged.get(piece, 0.0) + alternative.probability
    return merged


def _normalised(values: Sequence[float]) -> list[float]:
    total = sum(values)
    return [value / total for value in values]


def _entropy(probabilities: Sequence[float]) -> float:
    return abs(sum(p * math.log2(p) for p in probabilities if p > 0.0))


def _probability(logprob: float) -> float:
    """A server may give -inf, or a little more than 0."""
    return math.exp(min(0.0, logprob)) if logprob == logprob else 0.0


def _spaced(token: str) -> str:
    for mark in _SPACE_MARKS:
        token = token.replace(mark, " ")
    return token
