"""What differs between two captions, word by word. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum
from itertools import pairwise

_WORDS = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*|[^\w\s]|_")
_OPENING = frozenset("([{“‘")


class WordChange(StrEnum):
    """What became of words."""

    KEPT = "kept"
    REMOVED = "removed"
    ADDED = "added"


@dataclass(frozen=True, slots=True)
class DiffPart:
    """Neighbouring words with the same fate.

    Attributes:
        change: What became of them.
        text: As written, punctuation set close.
        close: Whether no space comes before them.
    """

    change: WordChange
    text: str
    close: bool = False


def word_diff(before: str, after: str) -> tuple[DiffPart, ...]:
    """Compare two sentences.

    Words are equal whatever their capitals (`Put the cup` / `Lift and put the cup`); punctuation
    counts as words of its own, so that a full stop does not make a word another one. What was
    removed comes before what was added in its place.

    Args:
        before: The older sentence.
        after: The newer one; words that are kept are written as here.
    """
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    matcher = SequenceMatcher(
        None, [w.casefold() for w in old], [w.casefold() for w in new], autojunk=False
    )
    parts: list[DiffPart] = []
    for what, a0, a1, b0, b1 in matcher.get_opcodes():
        if what == "equal":
            parts.append(_part(WordChange.KEPT, new[b0:b1]))
            continue
        if a0 < a1:
            parts.append(_part(WordChange.REMOVED, old[a0:a1]))
        if b0 < b1:
            parts.append(_part(WordChange.ADDED, new[b0:b1]))
    return tuple(parts)


def is_changed(parts: tuple[DiffPart, ...]) -> bool:
    """Whether anything differs."""
    return any(p.change is not WordChange.KEPT for p in parts)


def _part(change: WordChange, words: list[str]) -> DiffPart:
    text = words[0]
    for before, word in pairwise(words):
        text += word if _is_close(word) or before in _OPENING else f" {word}"
    return DiffPart(change, text, _is_close(words[0]))


def _is_close(word: str) -> bool:
    """Whether a word is punctuation that follows without a space."""
    return not word[0].isalnum() and word not in _OPENING and word not in "&+–—"
