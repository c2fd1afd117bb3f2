"""What differs between two captions, word by word. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum

_ALONE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Chinese characters and Japanese syllables: no spaces tell words apart, each is one (ours)."""
_WORDS = re.compile(rf"[{_ALONE}]|[^\W_{_ALONE}]+(?:['’-][^\W_{_ALONE}]+)*|[^\w\s]|_")
_JOINERS = frozenset("\u200c\u200d")
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

    Scripts without spaces are compared letter by letter, vowel signs belong to their letters, and
    where the sentences have no space, there is none between the parts.

    Words are equal whatever their capitals (`Put the cup` / `Lift and put the cup`); punctuation
    counts as words of its own, so that a full stop does not make a word another one. What was
    removed comes before what was added in its place.

    Args:
        before: The older sentence.
        after: The newer one; words that are kept are written as here.
    """
    old, new = _words(before), _words(after)
    matcher = SequenceMatcher(
        None, [w.text.casefold() for w in old], [w.text.casefold() for w in new], autojunk=False
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


@dataclass(frozen=True, slots=True)
class _Word:
    """A word, a letter of a script without spaces, or a punctuation mark.

    Attributes:
        text: As written.
        close: Whether no space comes before it; for the first one: whether none would.
    """

    text: str
    close: bool


def _words(text: str) -> list[_Word]:
    # Vowel signs and other marks are no letters to `re`, but they belong to the letter before.
    shadow = "".join("a" if _is_mark(letter) else letter for letter in text)
    found: list[_Word] = []
    end = -1
    for match in _WORDS.finditer(shadow):
        word = text[match.start() : match.end()]
        apart = found and match.start() > end
        found.append(_Word(word, not apart if found else _is_close(word)))
        end = match.end()
    return found


def _is_mark(letter: str) -> bool:
    return letter in _JOINERS or unicodedata.category(letter).startswith("M")


def _part(change: WordChange, words: Sequence[_Word]) -> DiffPart:
    first, *others = words
    text = first.text + "".join(w.text if w.close else f" {w.text}" for w in others)
    return DiffPart(change, text, first.close)


def _is_close(word: str) -> bool:
    """Whether the first word of a sentence would stand close to one before it."""
    if re.match(f"[{_ALONE}]", word):
        return True
    return not word[0].isalnum() and word not in _OPENING and word not in "&+–—"
