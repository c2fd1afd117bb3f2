"""Rules about instructions: there is one, and it looks like English."""

from __future__ import annotations

import re

from pipeline.health.codes import finding
from pipeline.health.options import HealthOptions
from pipeline.model.problem import Problem

_FOREIGN: dict[str, frozenset[str]] = {
    language: frozenset(words.split())
    for language, words in (
        ("German", "der das den dem und mit auf ein eine einen nimm lege stelle zum zur ins vom"),
        ("French", "le les une du des dans sur et avec prends prenez mets mettre la aux"),
        ("Spanish", "el los las una y con en sobre dentro del coge toma pon la de"),
        ("Italian", "il lo gli nel nella una con sul sulla prendi metti la di"),
        ("Dutch", "het een de op naar van pak leg zet met"),
        ("Portuguese", "os uma na para da pegue coloque com em do"),
        ("Polish", "i na do z weź połóż do jest"),
        ("Turkish", "ve bir al koy kutuya üzerine"),
        ("romanised Chinese", "ba fang zai shang na qilai jiang dao bei zi"),
        ("romanised Japanese", "wo ni kara oku toru shite kudasai"),
    )
}
"""Words that are frequent in a language and that English instructions hardly use."""
_COMMON = """the a an to and of in on into onto from with it up down at then pick place put take
move open close push pull grasp grab pour stack left right hand arm robot"""
_ENGLISH = frozenset(_COMMON.split())


def instruction_problems(text: str, options: HealthOptions) -> list[Problem]:
    """Whether an instruction is there and may be English.

    Args:
        text: The instruction.
        options: Thresholds.
    """
    if not text.strip():
        return [finding("instruction_empty", "the episode has no instruction")]
    reason = _foreign(text, options)
    if reason:
        return [finding("instruction_not_english", f"“{_short(text)}” {reason}")]
    return []


def _foreign(text: str, options: HealthOptions) -> str:
    letters = [c for c in text if c.isalpha()]
    if not letters:
        return "has no words"
    share = sum(not c.isascii() for c in letters) / len(letters)
    if share > options.foreign_share:
        return f"does not look like English: {share:.0%} of its letters are not ASCII"
    words = re.findall(r"[^\W\d_]+", text.lower())
    english = sum(w in _ENGLISH for w in words)
    language, hits = max(
        ((name, sum(w in known for w in words)) for name, known in _FOREIGN.items()),
        key=lambda pair: pair[1],
    )
    # One such word may be part of a name; English words beside it speak against it.
    if hits >= 2 and hits > english:
        return f"does not look like English, perhaps {language}"
    return ""


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else line[:59] + "…"
