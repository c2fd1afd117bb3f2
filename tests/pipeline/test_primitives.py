"""The specification of primitives."""

from __future__ import annotations

import pytest

from pipeline.backends.language.vocabulary import vocabulary
from pipeline.model.caption_fields import CaptionField
from pipeline.model.colors import canonical_color
from pipeline.review.primitives import GROUPS, group_of, parse_group, primitives


def test_every_group_is_there_and_every_tag_is_defined() -> None:
    assert tuple(g.name for g in primitives()) == GROUPS
    for group in primitives():
        assert group.about
        assert group.rule
        for tag in group.tags:
            assert tag.definition.endswith("."), tag.name
            assert tag.rule.endswith("."), tag.name
            assert tag.examples, tag.name


def test_verbs_and_colors_are_those_that_captions_use() -> None:
    assert [t.name for t in group_of("verb").tags] == [v.verb for v in vocabulary().verbs]
    for tag in group_of("color").tags:
        assert canonical_color(tag.name) == tag.name


def test_stack_and_scoop_say_what_measured_best() -> None:
    stack, scoop = (group_of("verb").find(n) for n in ("Stack", "scoop"))
    assert stack is not None
    assert "specific item" in stack.definition
    assert "flat surface" in stack.rule
    assert scoop is not None
    assert "never scooped" in scoop.rule


def test_free_tags_carry_their_value() -> None:
    tags = {t.name: t for t in group_of("object").tags}
    assert tags["manipulated"].key == "object"
    assert tags["destination"].key == "destination"
    assert tags["source"].field is CaptionField.SOURCE
    assert all(t.free for t in tags.values())


def test_unknown_groups_and_broken_files_say_so() -> None:
    with pytest.raises(KeyError):
        group_of("shape")
    whole = {"group": "x", "title": "X", "about": "a", "rule": "r", "several": False}
    tag = {"name": "a", "definition": "d", "rule": "r"}
    with pytest.raises(ValueError, match="twice"):
        parse_group({**whole, "tags": [tag, tag]})
    with pytest.raises(ValueError, match="no definition or no rule for a"):
        parse_group({**whole, "tags": [{**tag, "rule": " "}]})
