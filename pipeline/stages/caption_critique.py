"""What a critique says about the parts of a caption, read by rules (the offline reviser).

The rules know the ways in which people say it: “the object is green, not blue”, “should be stack”,
“wrong destination: drawer”, “lemon instead of bottle”, “there is no destination”, or the whole
caption in quotes. What they do not understand is reported, never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipeline.backends.language.phrases import PlaceKind
from pipeline.backends.language.rules import RulesLanguage
from pipeline.model.caption_fields import CaptionField, CaptionFields
from pipeline.stages.caption_corrections import (
    Correction,
    bare,
    canonical_verb,
    corrected,
    is_color,
    recolored,
    split_place,
)

_F = CaptionField
_NAMES = {
    _F.VERB: "verb|action|motion",
    _F.OBJECT: "colou?r of the object|object'?s colou?r|object|item|thing|colou?r",
    _F.DESTINATION: "destination|target|goal|place|location|receptacle|container",
    _F.SOURCE: "source|origin|starting point|start location|start",
    _F.RELATION: "relation|preposition",
    _F.ARM: "arm|hand|gripper",
}
_FIELD = "|".join(f"(?P<f{k}>{names})" for k, names in enumerate(_NAMES.values()))
_IS = (
    r"(?:is(?: actually| really| in fact)?|was|are|should(?: actually| rather)?(?: be| read| say)?|"
    r"must be|has to be|needs to be|ought to be)"
)
_WRONG = r"(?:wrong|incorrect|not right|not correct|false|mistaken)"
_THE = r"(?:the |its |this |that |a |an )?"
_OLD = r"(?:,? ?(?:and |but )?(?:not|instead of|rather than) (?P<old>[^,;]+))?"
_VALUE = r"(?P<new>[^,;:]+?)"
_HINT = r"(?:[:,–—-]| -|;)? *(?:it |this |that |use |(?:it )?" + _IS + r" |to )?"

_FIELD_WRONG = re.compile(
    rf"^{_THE}(?:{_FIELD}) (?:is |was )?{_WRONG} ?{_HINT}{_IS}? ?{_VALUE}{_OLD}$"
)
_WRONG_FIELD = re.compile(rf"^{_THE}{_WRONG} (?:{_FIELD}) ?{_HINT}{_IS}? ?{_VALUE}{_OLD}$")
_FIELD_IS = re.compile(
    rf"^(?:use |say |change |correct |set )?{_THE}(?:correct |right |true )?(?:{_FIELD})"
    rf"(?: *[:=] *| *(?:->|=>|→) *| {_IS} | to ){_VALUE}{_OLD}$"
)
_NO_FIELD = re.compile(
    rf"^(?:(?:there is|there's|it has|has|with) no|no|without {_THE}|(?:remove|drop|delete|"
    rf"leave out|omit) {_THE}) ?(?:{_FIELD})$"
)
_NOT_BUT = re.compile(r"^.*?\bnot (?P<old>[^,;]+?),? but (?P<new>[^,;]+)$")
_REPLACE = re.compile(
    r"^(?:please )?(?:replace|change|correct|turn) (?P<old>[^,;]+?) (?:with|by|to|into) "
    r"(?P<new>[^,;]+)$"
)
_ARROW = re.compile(r"^(?P<old>[^,;]+?) *(?:->|=>|→) *(?P<new>[^,;]+)$")
_OLD_SHOULD = re.compile(
    rf"^(?P<old>[^,;]+?) (?:should(?: rather)?(?: be| read| say)|must be|has to be) {_VALUE}$"
)
_NEW_NOT_OLD = re.compile(
    rf"^(?:use |say |write |{_THE}[\w' -]*?\b{_IS} |it is |it's |this is )?{_VALUE}"
    r",? (?:and not|not|instead of|rather than) (?P<old>[^,;]+)$"
)
_SHOULD = re.compile(
    r"^(?:(?:it|this|that|the caption|caption)(?:'s| is| was)?(?: wrong| incorrect)?,? ?"
    r"(?:and |it )?)?"
    r"(?:(?:should|must|has to|needs to)(?: rather)?(?: be| read| say)|use|say|write|it is|it's|"
    r"it was|this is|rather|better) *:? *"
    rf"{_VALUE}$"
)
_ARM = re.compile(r"\b(?:the|its|with) (?P<side>left|right) (?:arm|hand|gripper)\b")
_SUBJECT = re.compile(r"^(?:actually,? )?(?:the |a )?(?:robot|arm|gripper|hand)\b(?! (?:is|was)\b)")
_VAGUE = re.compile(r"\b(?:wrong|incorrect|bad|not|no|again|look|check|different|other|another)\b")
_SHORT = 6
"""Words up to which a critique without any of these forms may be just the right value."""
_QUOTED = re.compile(r"[“\"«‘']([^”\"»’']{6,})[”\"»’']")
_STATEMENTS = re.compile(r"[.;!?\n]+(?:\s+|$)|,? and (?=(?:the |wrong |use |no ))")


def read_critique(
    text: str, fields: CaptionFields, about: Sequence[CaptionField] = ()
) -> tuple[Correction, ...]:
    """Find out which parts a critique wants changed, and to what.

    Args:
        text: The critique, English.
        fields: Parts of the caption that it is about.
        about: Parts that its author says are wrong; one alone is meant where the text names none.

    Returns:
        Corrections in the order of the text; none if nothing in it is understood. A value that
        the part has already is left out: it says what is wrong, not what is right.
    """
    whole = _quoted_caption(text)
    if whole:
        return _changes(whole, fields)
    found: list[Correction] = []
    for statement in _STATEMENTS.split(" ".join(text.replace("’", "'").split())):
        plain = re.sub(r"[“”\"«»]", "", statement).strip(" ,.").lower()
        if plain:
            found.extend(_read(plain, fields, tuple(about)))
    return _changes(found, fields)


def _changes(found: Sequence[Correction], fields: CaptionFields) -> tuple[Correction, ...]:
    """Leave out what changes nothing."""
    kept: list[Correction] = []
    for part, value in found:
        if corrected(fields, [(part, value)]) != fields and (part, value) not in kept:
            kept.append((part, value))
    return tuple(kept)


def _quoted_caption(text: str) -> list[Correction]:
    """A caption that the critique gives in full, in quotes or after a colon."""
    after = re.search(r"(?:should (?:be|read|say)|instead|caption|write|better)\s*:\s*(.+)$", text)
    candidates = [*_QUOTED.findall(text)[::-1], *([after.group(1)] if after else [])]
    for candidate in candidates:
        found = _whole_caption(candidate)
        if found:
            return found
    return []


def _whole_caption(text: str) -> list[Correction]:
    """All parts of a sentence with verb and object; nothing for anything else."""
    clauses = RulesLanguage().parse(text).clauses
    if len(clauses) != 1 or not clauses[0].verb or not clauses[0].object_name:
        return []
    clause = clauses[0]
    found = [
        (_F.VERB, clause.verb),
        (_F.OBJECT, clause.object_name),
        (_F.DESTINATION, clause.target_name),
    ]
    if clause.relation:
        found.append((_F.RELATION, clause.relation))
    if clause.source_name:
        found.append((_F.SOURCE, clause.source_name))
    if clause.arm in ("left", "right"):
        found.append((_F.ARM, clause.arm))
    return found


def parts_of(text: str, fields: CaptionFields) -> CaptionFields:
    """The parts of a caption that a person wrote; `fields` where the rules do not understand it."""
    found = _whole_caption(text)
    return corrected(CaptionFields("", "", arm=fields.arm), found) if found else fields


def _read(text: str, fields: CaptionFields, about: tuple[CaptionField, ...]) -> list[Correction]:
    """Corrections of one statement (lower case, no quotes)."""
    gone = _NO_FIELD.match(text)
    if gone is not None:
        return [(_named(gone), "")]
    for pattern in (_FIELD_WRONG, _WRONG_FIELD, _FIELD_IS):
        found = pattern.match(text)
        if found is not None:
            return _valued(_named(found), found["new"], found["old"], fields)
    for pattern in (_NOT_BUT, _REPLACE, _ARROW, _NEW_NOT_OLD, _OLD_SHOULD):
        found = pattern.match(text)
        if found is not None:
            read = _exchanged(found["old"], found["new"], fields, about)
            if read:
                return read
    arm = _ARM.search(text)
    if arm is not None and "not the " + arm["side"] not in text:
        return [(_F.ARM, arm["side"])]
    should = _SHOULD.match(text)
    if should is not None:
        return _unnamed(should["new"], about)
    if _SUBJECT.match(text):
        return _whole_caption(text)
    if len(about) == 1 and len(text.split()) <= _SHORT and not _VAGUE.search(text):
        return _unnamed(text, about)
    if "," in text:
        return [c for part in text.split(",") for c in _read(part.strip(), fields, ()) if part]
    return []


def _named(found: re.Match[str]) -> CaptionField:
    return next(part for k, part in enumerate(_NAMES) if found[f"f{k}"])


def _valued(
    part: CaptionField, new: str, old: str | None, fields: CaptionFields
) -> list[Correction]:
    """The value that a statement gives to a part that it names."""
    value = bare(new)
    if not value or re.match(rf"(?:not|no|another|different|other)\b|{_WRONG}$", value):
        return []
    if part is _F.OBJECT and old:
        swapped = _swap(fields.object_name, bare(old), value)
        if swapped:
            return [(part, swapped)]
    return [(part, " ".join(new.split()))]


def _exchanged(
    old: str, new: str, fields: CaptionFields, about: tuple[CaptionField, ...]
) -> list[Correction]:
    """One value in the place of another: the part is the one that holds the old value."""
    before, after = bare(old), bare(new)
    if not before or not after:
        return []
    if canonical_verb(before) == fields.verb and canonical_verb(after) is not None:
        return [(_F.VERB, after)]
    kind, relation, place = split_place(old)
    new_kind, new_relation, new_place = split_place(new)
    if kind is not None and not place and relation == fields.relation and new_kind is not None:
        corrections = [(_F.RELATION, new_relation)]
        return [*corrections, (_F.DESTINATION, new.strip())] if new_place else corrections
    if kind is not None and place:
        before = place
        after = new_place if new_kind is not None else after
    order = [*about, *(p for p in (_F.OBJECT, _F.DESTINATION, _F.SOURCE) if p not in about)]
    for part in order:
        swapped = _swap(str(getattr(fields, part.value)), before, after)
        if swapped:
            if part is _F.DESTINATION and new_kind in (PlaceKind.AT, PlaceKind.GOAL):
                swapped = f"{new_relation} {swapped}"
            return [(part, swapped)]
    if before in ("left", "right") and after in ("left", "right"):
        return [(_F.ARM, after)]
    return []


def _swap(phrase: str, old: str, new: str) -> str:
    """`phrase` with `new` instead of `old`, empty if `old` is no part of it."""
    lower = phrase.lower()
    if is_color(old) and is_color(new):
        held = re.search(rf"\b{re.escape(old)}\b", lower)
        return recolored(lower, new) if held else ""
    if re.search(rf"\b{re.escape(old)}\b", lower) is None:
        return ""
    return re.sub(rf"\b{re.escape(old)}\b", lambda _: new, lower, count=1)


def _unnamed(value: str, about: tuple[CaptionField, ...]) -> list[Correction]:
    """A value without the name of its part."""
    text = bare(value)
    whole = _whole_caption(value) if len(text.split()) > 2 else []
    if whole:
        return whole
    if len(about) == 1:
        return [(about[0], value.strip())]
    verb = canonical_verb(text)
    if verb is not None:
        return [(_F.VERB, verb)]
    if is_color(text):
        return [(_F.OBJECT, text)]
    side = re.fullmatch(r"(?:with |by |using )?(?:the )?(left|right)(?: arm| hand| gripper)", text)
    if side is not None:
        return [(_F.ARM, side[1])]
    kind, relation, place = split_place(value)
    if kind is PlaceKind.SOURCE and place:
        return [(_F.SOURCE, place)]
    if kind in (PlaceKind.AT, PlaceKind.GOAL):
        return [(_F.DESTINATION, value.strip())] if place else [(_F.RELATION, relation)]
    return []
