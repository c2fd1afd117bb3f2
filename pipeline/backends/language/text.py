"""From an English sentence to lower-case words, with the hints about arms taken out.

Words that other languages use all the time and English never does tell that a text is not
English: such a text is refused, never half understood.
"""

from __future__ import annotations

import re
import unicodedata

ARM_MARKS = {"@left": "left", "@right": "right", "@both": "both"}
"""Tokens that stand for “with the left arm” and the like."""


def word_set(text: str, separator: str | None = None) -> frozenset[str]:
    """Make a set of words from one string, as tables of words read best."""
    return frozenset(text.split(separator))


_FOREIGN = word_set(
    "der das den dem und mit auf ein eine einen nimm lege stelle von zum zur ins im "
    "le la les une du des dans sur et avec el los las una y con en sobre dentro del "
    "il lo gli nel nella het een op naar o os uma na para da"
)
_SIDE = r"(?P<side>left|right|both)"
_LIMB = r"(?:robot(?:ic)?\s+)?(?:arms?|hands?|grippers?|manipulators?|effectors?)"
_OWNER = r"(?:(?:the|your|its|my|his|her|their|a|robot'?s?)\s+)*"
_NOT_A_PLACE = r"(?!\s+(?:side|drawer|door|corner|burner|shelf|cabinet|of)\b)"
_ARM_PHRASE = re.compile(
    rf"\b(?:with|using|use|by|via|through|in)\s+{_OWNER}{_SIDE}\s+{_LIMB}\b{_NOT_A_PLACE}(?:\s+to\b)?"
)
_ARM_SUBJECT = re.compile(
    rf"(?:^|(?<=[,.;])|(?<=\band)|(?<=\bthen))\s*{_OWNER}{_SIDE}\s+{_LIMB}\s*:?\s*"
    rf"(?:should|must|will|can|needs\s+to|has\s+to|is)?\s+(?!of\b|side\b)"
)
_NO_SIDE = re.compile(rf"\b(?:with|using|use|by|via)\s+{_OWNER}{_LIMB}\b{_NOT_A_PLACE}(?:\s+to\b)?")
_REPLACEMENTS = (
    (re.compile(r"[’‘`]"), "'"),
    (re.compile(r"[“”\"«»]"), ""),
    (re.compile(r"\([^)]*\)"), " "),
    (re.compile(r"\b(that|which|it|what)'s\b"), r"\1 is"),
    (re.compile(r"\b(?:step\s*)?\d+\s*[.)]\s+"), " . "),
    (re.compile(r"[-–—>]{2,}|[→–—]"), " , "),
    (re.compile(r"(?:^|(?<=[.;,]))\s*(?:first|second|third|fourth|fifth|last)\s*[,:]"), " . "),
    (re.compile(r"[_\n\t|/]"), " "),
)


def foreign_reason(text: str) -> str:
    """Say why `text` is no English, one clause for people; empty if it may be."""
    for char in text:
        if char.isalpha() and not unicodedata.name(char, "").startswith("LATIN"):
            return f"it is not written in Latin letters (“{char}”)"
    words = re.findall(r"[^\W\d_]+", text.lower())
    if not words:
        return "it has no words"
    found = [w for w in words if w in _FOREIGN]
    # one such word may be part of a name (“la croix can”), a letter or a typing error
    if len(found) > 1 or (found and len(found) * 4 >= len(words)):
        return f"it does not look like English (“{found[0]}”)"
    return ""


def tokens(text: str) -> tuple[str, ...]:
    """Split into lower-case words, `,` and `.` (for all ends of sentences), and arm marks."""
    text = text.lower()
    for pattern, replacement in _REPLACEMENTS:
        text = pattern.sub(replacement, text)
    text = _ARM_PHRASE.sub(r" @\g<side> ", text)
    text = _ARM_SUBJECT.sub(r" @\g<side> ", text)
    text = _NO_SIDE.sub(" ", text)
    words = re.findall(r"@(?:left|right|both)|[^\W_]+(?:['-][^\W_]+)*|[.,;:!?&]", text)
    marks = {";": ".", ":": ".", "!": ".", "?": ".", "&": "and"}
    return tuple(marks.get(w, w) for w in words)
