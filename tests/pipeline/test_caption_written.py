"""What models write, read as captions and verdicts."""

from __future__ import annotations

import pytest

from pipeline.backends.captioning.written import (
    PlainCaption,
    WrittenCaption,
    WrittenVerdict,
    caption_schema,
)
from pipeline.backends.language.answer_schema import BadAnswer, plain_schema, read_json
from pipeline.model.caption_fields import CaptionFields


def test_all_fields() -> None:
    text = """Sure: ```json
    {"previous": "It grasps a cup.", "next": "It leaves.", "reasoning": "The cup goes down.",
     "verb": "Placing", "object": "The green cup.", "relation": "On top of the",
     "destination": "a violet packet", "source": "the tray", "arm": "Left gripper",
     "caption": "place the green cup on top of the violet packet"}```"""
    found = read_json(text, WrittenCaption)
    assert found.fields == CaptionFields(
        verb="put",
        object_name="green cup",
        relation="on top of",
        destination="violet packet",
        arm="left",
        source="tray",
    )
    assert found.caption == "Place the green cup on top of the violet packet."
    assert found.thoughts == (
        "PREVIOUS: It grasps a cup.\nNEXT: It leaves.\nCURRENT: The cup goes down."
    )


def test_missing_fields_are_empty() -> None:
    found = read_json('{"verb": "open", "object": "drawer", "destination": null}', PlainCaption)
    assert found.fields == CaptionFields("open", "drawer")
    assert found.caption == "Open the drawer."
    assert found.thoughts == ""
    assert read_json('{"caption": "wave"}', PlainCaption).caption == "Wave."


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ('{"verb": "juggles", "object": "x"}', "verb", "juggles"),  # outside our vocabulary
        ('{"verb": "Picking up", "object": "x"}', "verb", "pick up"),
        ('{"verb": "STACK", "object": "x"}', "verb", "stack"),
        ('{"verb": "put", "object_name": "cup"}', "object", "cup"),
        ('{"verb": "put", "object": "cup", "target": "none"}', "destination", ""),
        ('{"verb": "put", "object": 7}', "object", "7"),
        ('{"verb": "put", "arm": "robot"}', "arm", ""),
        ('{"verb": "put", "relation": "N/A"}', "relation", ""),
        ('{"verb": "put", "object": "red\\u0000cup\\nlid"}', "object", "red cup lid"),
    ],
)
def test_what_models_write(text: str, field: str, value: str) -> None:
    assert getattr(read_json(text, PlainCaption), field) == value


@pytest.mark.parametrize("text", ["{}", '{"object": "cup"}', '{"verb": ["put"]}', "[]"])
def test_what_is_no_caption(text: str) -> None:
    with pytest.raises(BadAnswer):
        read_json(text, PlainCaption)


def test_very_long_texts_are_cut() -> None:
    found = PlainCaption.model_validate({"verb": "put", "caption": "a " * 5000})
    assert len(found.caption) <= 301


def test_thoughts_are_asked_for_only_with_mini_cot() -> None:
    plain = plain_schema(caption_schema(mini_cot=False), closed=True)
    full = plain_schema(caption_schema(mini_cot=True), closed=True)
    thoughts = ["previous", "next", "reasoning"]
    assert list(full["properties"]) == thoughts + list(plain["properties"])
    assert plain["additionalProperties"] is False
    assert read_json('{"verb": "put", "reasoning": "so"}', PlainCaption).reasoning == "so"


def test_verdicts() -> None:
    good = '{"verb": true, "object": true, "destination": true}'
    assert read_json(good, WrittenVerdict).acceptable
    for name in ("verb", "object", "destination"):
        assert not read_json(
            good.replace(f'"{name}": true', f'"{name}": false'), WrittenVerdict
        ).acceptable
    odd = read_json(good.replace("}", ', "egregious": true, "reason": null}'), WrittenVerdict)
    assert (odd.acceptable, odd.reason) == (False, "")
    with pytest.raises(BadAnswer):
        read_json('{"verb": true}', WrittenVerdict)
    assert next(iter(plain_schema(WrittenVerdict, closed=True)["properties"])) == "reason"
