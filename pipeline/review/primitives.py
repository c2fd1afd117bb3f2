"""The specification of primitives: what each tag means and when it applies. Data in `resources/`.

A specification before scale (spec, captions): people who tag by a definition and a decision rule
do not invent terms of their own, and the drafter receives what they tagged.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from pipeline.model.caption_fields import CaptionField

GROUPS = ("verb", "object", "color", "relation", "arm", "outcome")
"""Names of the groups, in the order in which they are shown."""


@dataclass(frozen=True, slots=True)
class Primitive:
    """One tag.

    Attributes:
        group: One of `GROUPS`.
        name: The tag; of a free one, what its value is.
        definition: What it means.
        rule: When it applies, and what applies instead.
        examples: Captions or values.
        free: Whether a person writes the value (`red cube`) instead of taking the name.
        field: Part of the caption that holds the value, None where none does.
    """

    group: str
    name: str
    definition: str
    rule: str
    examples: tuple[str, ...]
    free: bool = False
    field: CaptionField | None = None

    @property
    def key(self) -> str:
        """First half of a tag (`TagCaption.tags`): the group, or the name of a free one."""
        return self.name if self.free and self.name != "manipulated" else self.group


@dataclass(frozen=True, slots=True)
class PrimitiveGroup:
    """Tags that answer one question.

    Attributes:
        name: One of `GROUPS`.
        title: For people.
        about: Which question.
        rule: How to decide between its tags.
        several: Whether more than one may hold.
        tags: Its tags.
    """

    name: str
    title: str
    about: str
    rule: str
    several: bool
    tags: tuple[Primitive, ...]

    def find(self, name: str) -> Primitive | None:
        """The tag of a name, or None."""
        return next((t for t in self.tags if t.name == name.casefold()), None)


@cache
def primitives() -> tuple[PrimitiveGroup, ...]:
    """Read the specification once."""
    folder = resources.files("resources") / "primitives"
    return tuple(
        parse_group(tomllib.loads((folder / f"{name}.toml").read_text("utf-8"))) for name in GROUPS
    )


def group_of(name: str) -> PrimitiveGroup:
    """A group by its name; KeyError if there is none."""
    for group in primitives():
        if group.name == name:
            return group
    raise KeyError(name)


def parse_group(data: Mapping[str, Any]) -> PrimitiveGroup:
    """Make a group from a file's content.

    Raises:
        ValueError: A tag twice, or without a definition or a rule.
    """
    name = str(data["group"])
    tags = tuple(_tag(name, entry) for entry in data["tags"])
    names = [t.name for t in tags]
    if len(set(names)) != len(names):
        raise ValueError(f"{name}: a tag is there twice")
    empty = [t.name for t in tags if not t.definition.strip() or not t.rule.strip()]
    if empty:
        raise ValueError(f"{name}: no definition or no rule for {', '.join(empty)}")
    return PrimitiveGroup(
        name, str(data["title"]), str(data["about"]), str(data["rule"]), bool(data["several"]), tags
    )


def _tag(group: str, entry: Mapping[str, Any]) -> Primitive:
    field = entry.get("field")
    return Primitive(
        group=group,
        name=str(entry["name"]),
        definition=str(entry.get("definition", "")),
        rule=str(entry.get("rule", "")),
        examples=tuple(str(e) for e in entry.get("examples", ())),
        free=bool(entry.get("free", False)),
        field=CaptionField(field) if field else None,
    )
