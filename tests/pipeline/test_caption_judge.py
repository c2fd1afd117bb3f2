"""Judges of captions: hand-written pairs, the tables behind them, and a model that judges."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

import pytest
from pydantic import BaseModel

from pipeline.backends.captioning.caption_parts import CaptionParts, caption_parts
from pipeline.backends.captioning.captioner import CaptionSettings
from pipeline.backends.captioning.judge import (
    JUDGE_TOKENS,
    ModelJudge,
    OfflineJudge,
    agreement,
    judge_offline,
    judge_prompt,
    judge_settings,
)
from pipeline.backends.captioning.wording import same_relation, same_verb, tables, thing
from pipeline.backends.language.vocabulary import vocabulary
from pipeline.evaluation.caption_rubric import Failure, FieldJudgement, Rubric
from pipeline.evaluation.caption_similarity import CaptionAgreement
from pipeline.model.drafting import PartKind, Reply, SentRequest
from pipeline.model.usage import Usage
from tests.pipeline.caption_pairs import ACCEPTABLE, PAIRS


@pytest.mark.parametrize(("reference", "caption", "failure"), PAIRS)
def test_a_person_would_say_the_same(reference: str, caption: str, failure: Failure | None) -> None:
    found = judge_offline(reference, caption)
    assert found.failure is failure, found.reason
    assert bool(found.reason) == (failure is not None)


@pytest.mark.parametrize(("reference", "caption", "failure"), PAIRS)
def test_every_caption_is_right_for_itself(
    reference: str, caption: str, failure: Failure | None
) -> None:
    assert judge_offline(reference, reference).rubric is Rubric.ACCEPTABLE
    assert agreement(reference, reference).similarity == pytest.approx(1.0)


def test_a_more_specific_name_is_not_taken_on_trust() -> None:
    assert judge_offline("Put the apple on the plate", "Put the fruit on the plate").score == 1.0
    assert judge_offline("Put the fruit on the plate", "Put the apple on the plate").score == 0.0


def test_the_reason_names_what_is_wrong() -> None:
    found = judge_offline("Put the red cube in the bowl", "Put the blue cube on the plate")
    assert "blue is not red" in found.reason
    assert "plate" in found.reason
    assert found == OfflineJudge().judge(
        "Put the red cube in the bowl", "Put the blue cube on the plate"
    )


@pytest.mark.parametrize("text", ["", "   ", "...", "!?", "の", "the", "and and", "in", "Put", "7"])
def test_anything_can_be_judged(text: str) -> None:
    for reference, caption in ((text, "Put the cup on the table"), ("Open the drawer", text)):
        found = judge_offline(reference, caption)
        assert found.rubric in Rubric
        assert 0.0 <= agreement(reference, caption).similarity <= 1.0


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (
            "Scoop the ice cream from the tub into the cone.",
            CaptionParts("scoop", "ice cream", "into", "cone", "tub"),
        ),
        (
            "Pick up the red cube and put it in the bowl.",
            CaptionParts("put", "red cube", "in", "bowl"),
        ),
        (
            "Use the cloth to wipe the table.",
            CaptionParts("wipe", "table", tool="cloth"),
        ),
        ("Turn the lamp on.", CaptionParts("turn on", "lamp")),
        ("Adjust the bag.", CaptionParts("adjust", "bag")),
        (
            "The robot puts the cup on the shelf with its left arm.",
            CaptionParts("put", "cup", "on", "shelf"),
        ),
        ("Open the drawer and take out the cup", CaptionParts("open", "drawer", more=True)),
        ("", CaptionParts()),
    ],
)
def test_captions_are_read_as_they_stand(text: str, parts: CaptionParts) -> None:
    assert caption_parts(text) == parts


def test_phrases_are_taken_apart() -> None:
    assert thing("silver knife").colors == {"gray"}
    assert thing("packet of chocolate gelatin").head == "packet"
    assert thing("slice of bread").head == "bread"
    assert thing("orange").head == "orange"
    assert thing("orange cup").colors == {"orange"}
    assert thing("object").head == ""


def test_relations_and_verbs() -> None:
    assert same_relation("in", "into", "box")
    assert not same_relation("in", "on", "box")
    assert same_relation("in", "on", "tray")
    assert same_relation("to", "in", "box")
    assert same_verb("pick up", "remove", source=True, destination=False)
    assert not same_verb("pick up", "remove", source=False, destination=False)
    assert not same_verb("put", "stack", source=True, destination=True)
    assert not same_verb("", "", source=False, destination=False)


def test_the_tables_are_consistent() -> None:
    known, verbs = tables(), {v.verb for v in vocabulary().verbs}
    for group, when in known.verbs:
        assert group <= verbs
        assert when in ("", "source", "destination")
    text = (resources.files("resources") / "vocabulary" / "judging.json").read_text("utf-8")
    data = json.loads(text)
    names = [name for group in data["names"] for name in group]
    assert len(names) == len(set(names)), "a name is in two groups"
    sides = [(n, w) for n, group in enumerate(data["opposed"]) for side in group for w in side]
    assert len(sides) == len(set(sides)), "a word excludes itself"
    for kind, members in known.kinds.items():
        assert kind not in members
        assert not known.nothing & members
    assert known.open_relations <= set(known.relations)


class _Asked:
    """A captioner that answers from memory."""

    name, title = "toy", "Toy"

    def __init__(self, **verdict: Any) -> None:
        self.verdict = verdict
        self.requests: list[SentRequest] = []
        self.settings: list[CaptionSettings] = []

    def available(self) -> str | None:
        return None

    def model(self, settings: CaptionSettings) -> str:
        return settings.model or "toy-1"

    def ask(
        self, request: SentRequest, schema: type[Any], settings: CaptionSettings, progress: Any
    ) -> tuple[Any, Reply]:
        self.requests.append(request)
        self.settings.append(settings)
        return schema(**self.verdict), Reply("", "toy-1")

    def pending(
        self, request: SentRequest, schema: type[BaseModel], settings: CaptionSettings
    ) -> bool:
        return True

    def estimate(self, request: SentRequest, settings: CaptionSettings) -> Usage:
        return Usage(1, 10, 10)

    def cost(self, usage: Usage, model: str) -> float | None:
        return None


def test_a_model_is_asked_with_the_rubric_and_two_sentences_only() -> None:
    asked = _Asked(verb=True, object=False, destination=True, reason="another cup")
    told: list[Reply] = []
    judge = ModelJudge(asked, judge_settings("big"), told.append)
    assert judge.title == "toy, big"
    found = judge.judge("Put the red cup on the tray", "Put the {request} cup on the tray")
    assert found == FieldJudgement(True, False, True, False, "another cup")
    (request,), (settings,) = asked.requests, asked.settings
    assert (settings.temperature, settings.logprobs) == (0.0, 0)
    assert settings.max_output_tokens == JUDGE_TOKENS
    assert request.purpose == "judge"
    assert request.recipe == request.recipe_identity == ""
    assert [p.kind for p in request.parts] == [PartKind.TEXT]
    sent = json.loads(request.parts[0].text)
    assert sent == {
        "reference": "Put the red cup on the tray",
        "caption": "Put the {request} cup on the tray",
    }
    for word in ("acceptable", "Egregious", "stack", "generic"):
        assert word.lower() in request.system.lower()
    assert len(told) == 1


def test_a_model_that_contradicts_itself_is_taken_at_its_fields() -> None:
    asked = _Asked(verb=True, object=True, destination=True, egregious=True)
    found = ModelJudge(asked, judge_settings()).judge("Open the box", "Open the box")
    assert found.rubric is Rubric.ACCEPTABLE


@pytest.mark.parametrize("wrong", ["verb", "object", "destination"])
def test_each_field_of_a_models_verdict_is_taken_for_what_it_is(wrong: str) -> None:
    says = {name: name != wrong for name in ("verb", "object", "destination")}
    found = ModelJudge(_Asked(**says), judge_settings()).judge("Open the box", "Open it")
    assert (found.verb, found.object_name, found.place) == tuple(says.values())
    grave = ModelJudge(_Asked(**says, egregious=True), judge_settings())
    assert grave.judge("Open the box", "Open it").rubric is Rubric.EGREGIOUS


def test_nothing_written_costs_nothing() -> None:
    asked = _Asked()
    judge = ModelJudge(asked, judge_settings())
    assert judge.judge("Open the box", " ").failure is Failure.EGREGIOUS
    assert not asked.requests
    assert not judge.pending("Open the box", " ")
    assert judge.pending("Open the box", "Open the box")


def test_a_model_reads_sentences_as_they_are_written() -> None:
    (part,) = judge_prompt().request("Öffne die Tür.", "开门").parts
    assert "Öffne die Tür." in part.text
    assert "开门" in part.text


def test_a_caption_that_is_right_needs_no_reason() -> None:
    assert judge_offline("Put the cup on the tray", "Place the cup on the tray").reason == ""


def test_a_reference_without_an_object_asks_for_none() -> None:
    assert judge_offline("Adjust", "Adjust the bag").rubric is Rubric.ACCEPTABLE


def test_actions_of_one_kind_are_half_alike() -> None:
    put = "Put the cup on the table"
    assert agreement(put, "Place the cup on the table").action == 1.0
    assert agreement(put, "Stack the cup on the table").action == 0.5
    assert agreement(put, "Open the cup").action == 0.0
    assert agreement("the cup", "a red cup").action is None
    assert agreement(put, "the cup").action == agreement("the cup", put).action == 0.0


def test_an_edited_prompt_is_another_one() -> None:
    prompt = judge_prompt()
    assert prompt.version == 1
    assert prompt.identity.startswith("1-")


def test_similarity_is_the_mean_of_what_can_be_compared() -> None:
    parts = ("object_name", "action", "intent", "color")
    nothing = dict.fromkeys(parts)
    assert CaptionAgreement(**nothing).similarity == 0.0
    none_alike = dict.fromkeys(parts, 0.0)
    shares = [CaptionAgreement(**(none_alike | {part: 1.0})).similarity for part in parts]
    assert shares == pytest.approx([0.35, 0.30, 0.20, 0.15])
    only_two = CaptionAgreement(**(nothing | {"object_name": 1.0, "color": 0.0}))
    assert only_two.similarity == pytest.approx(0.35 / 0.5)


def test_similarity_falls_with_every_part() -> None:
    reference = "Put the red cube in the bowl"
    order = [
        "Put the red cube in the bowl",
        "Put the blue cube in the bowl",
        "Put the blue cube on the plate",
        "Open the blue cube on the plate",
        "Open the drawer",
    ]
    values = [agreement(reference, caption).similarity for caption in order]
    assert values == sorted(values, reverse=True)
    assert len(set(values)) == len(values)
    for a, b in ACCEPTABLE:
        assert agreement(a, b).similarity == pytest.approx(agreement(b, a).similarity)
