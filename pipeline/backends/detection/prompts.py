"""Phrases as a grounding model reads them: one prompt, spans of tokens, scores per phrase.

A grounding model scores boxes against tokens. The library's own post-processing names a box by the
tokens over a threshold, which may join two phrases; here every phrase is a span of the prompt and
its score is the mean over its tokens (SPARC B.1.2: "we average the token logits for each box").
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from pipeline.model.arrays import F32

GENERIC_PHRASE = "object"
"""What is asked for when the instruction names nothing."""
LONGEST_PHRASE = 100
"""Characters; more is cut at a word, so that three phrases fit in the 256 tokens of the text."""
_INSIDE_WORDS = "-'"


def clean_phrase(text: str) -> str:
    """Make a phrase safe for a prompt: small letters, digits, hyphens and apostrophes in words.

    Everything else becomes a space: full stops and question marks separate phrases, and brackets
    could spell a token of the model (`[SEP]`). The result may be empty.
    """
    small = text.lower().replace("’", "'")
    kept = "".join(c if c.isalnum() or c in _INSIDE_WORDS else " " for c in small)
    words = [w.strip(_INSIDE_WORDS) for w in kept.split()]
    phrase = ""
    for word in filter(None, words):
        longer = f"{phrase} {word}" if phrase else word[:LONGEST_PHRASE]
        if len(longer) > LONGEST_PHRASE:
            break
        phrase = longer
    return phrase


def build_prompt(phrases: Sequence[str]) -> str:
    """Join clean phrases: `red block. robot arm.`"""
    return " ".join(f"{phrase}." for phrase in phrases)


def phrase_spans(tokens: Sequence[int], separators: Collection[int]) -> tuple[tuple[int, int], ...]:
    """Find the phrases of a prompt.

    Args:
        tokens: Ids of the tokens of the prompt.
        separators: Ids of what stands around and between phrases ([CLS], [SEP], `.`, `?`, padding).

    Returns:
        Half-open ranges of positions, in the order of the phrases.
    """
    spans: list[tuple[int, int]] = []
    start: int | None = None
    for position, token in enumerate(tokens):
        if token not in separators:
            start = position if start is None else start
        elif start is not None:
            spans.append((start, position))
            start = None
    if start is not None:
        spans.append((start, len(tokens)))
    return tuple(spans)


def token_probabilities(logits: F32) -> F32:
    """Sigmoid of (Q, L) logits, float32; -inf gives 0, as for positions without a token."""
    with np.errstate(over="ignore"):
        return np.asarray(1.0 / (1.0 + np.exp(-logits.astype(np.float32))), dtype=np.float32)


def phrase_scores(probabilities: F32, spans: Sequence[tuple[int, int]]) -> F32:
    """Average the probabilities of each phrase's tokens.

    Args:
        probabilities: (Q, L) float32, of each box and token.
        spans: Ranges of positions of P phrases, none empty.

    Returns:
        (Q, P) float32, 0..1.
    """
    scores = np.empty((len(probabilities), len(spans)), np.float32)
    for number, (start, end) in enumerate(spans):
        scores[:, number] = probabilities[:, start:end].mean(axis=1)
    return scores


def word_scores(pieces: Sequence[str], probabilities: F32) -> tuple[tuple[str, float], ...]:
    """Join word pieces (`grip`, `##per`) and average their probabilities (L,)."""
    words: list[tuple[str, list[float]]] = []
    for piece, probability in zip(pieces, probabilities.tolist(), strict=True):
        if piece.startswith("##") and words:
            words[-1] = (words[-1][0] + piece[2:], [*words[-1][1], probability])
        else:
            words.append((piece, [probability]))
    return tuple((word, sum(values) / len(values)) for word, values in words)
