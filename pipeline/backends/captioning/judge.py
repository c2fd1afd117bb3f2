"""Judges of captions: by fields and synonyms without a model, or by asking a model.

Both give a `FieldJudgement` of one caption beside its reference. Neither is told which recipe or
model wrote the caption, and equal captions get equal verdicts.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Protocol

import numpy as np

from pipeline.backends.backend import Progress
from pipeline.backends.captioning.caption_parts import CaptionParts, caption_parts
from pipeline.backends.captioning.captioner import Captioner, CaptionSettings
from pipeline.backends.captioning.wording import (
    same_head,
    same_relation,
    same_verb,
    thing,
    why_not,
)
from pipeline.backends.language.vocabulary import vocabulary
from pipeline.evaluation.caption_rubric import FieldJudgement
from pipeline.evaluation.caption_similarity import CaptionAgreement, overlap
from pipeline.model.drafting import PartKind, Reply, SentPart, SentRequest
from pipeline.model.recipe import Reasoning

OFFLINE_JUDGE = "offline"
JUDGE_TOKENS = 4096
"""Where a verdict is cut off, thoughts included (our choice: a verdict itself takes about 60)."""


def _silent(_share: float, _what: str) -> None:
    pass


class Judge(Protocol):
    """Who judges.

    Attributes:
        title: For people, e.g. `offline` or `gemini, gemini-2.5-pro`.
    """

    title: str

    def judge(self, reference: str, caption: str, progress: Progress = _silent) -> FieldJudgement:
        """Judge one caption.

        Args:
            reference: What is right, one sentence.
            caption: What is judged.
            progress: Called while it works; what it raises ends the work.

        Raises:
            DataError: A model was asked and gave no verdict.
            Cancelled: As `progress` raised it.
        """
        ...


class OfflineJudge:
    """Compares verb, object and place by synonyms; the same words always get the same verdict.

    Attributes:
        title: `offline`.
    """

    title = OFFLINE_JUDGE

    def judge(self, reference: str, caption: str, progress: Progress = _silent) -> FieldJudgement:
        """Judge one caption, see `Judge`. Sends nothing, raises nothing."""
        return judge_offline(reference, caption)


def judge_offline(reference: str, caption: str) -> FieldJudgement:
    """Compare two captions field by field.

    The rules are in docs/caption-evaluation.md, section “The offline judge” (our choice where the
    publication leaves them open). It cannot see the scene: it calls a caption egregious only if the
    verb is wrong, or no object is named, and it names nothing that the reference names; so it finds
    fewer of them than a judge with pictures.

    Args:
        reference: What is right, one sentence.
        caption: What is judged.
    """
    want, found = caption_parts(reference), caption_parts(caption)
    verb, why_verb = _verb(want, found)
    thing_right, why_thing = _object(want, found)
    place, why_place = _place(want, found)
    empty = bool(want.object_name) and not found.object_name
    egregious = (not verb or empty) and not _shares_name(want, found)
    reasons = [why for why in (why_verb, why_thing, why_place) if why]
    return FieldJudgement(verb, thing_right, place, egregious, "; ".join(reasons))


def _verb(want: CaptionParts, found: CaptionParts) -> tuple[bool, str]:
    if found.more and not want.more:
        return False, "it describes more than one action"
    alike = same_verb(
        want.verb,
        found.verb,
        source=bool(want.source and found.source),
        destination=bool(want.destination and found.destination),
    )
    if alike:
        return True, ""
    return False, f"“{found.verb or 'no verb'}” is not “{want.verb}”"


def _object(want: CaptionParts, found: CaptionParts) -> tuple[bool, str]:
    why = why_not(want.object_name, found.object_name) if want.object_name else ""
    if not why and want.tool and found.tool:
        why = why_not(want.tool, found.tool)
    return not why, why


def _place(want: CaptionParts, found: CaptionParts) -> tuple[bool, str]:
    why = ""
    if want.destination:
        if not found.destination:
            why = f"the destination {want.destination} is missing"
        else:
            why = why_not(want.destination, found.destination)
            if not why and not same_relation(want.relation, found.relation, want.destination):
                why = f"“{found.relation}” is not “{want.relation}”"
    elif want.relation and not found.destination and found.relation not in ("", want.relation):
        why = f"“{found.relation}” is not “{want.relation}”"
    if not why and want.source:
        if found.source:
            why = why_not(want.source, found.source)
        elif not want.destination and _role(want.verb) == "out":
            why = f"the source {want.source} is missing"
    return not why, why


def _shares_name(want: CaptionParts, found: CaptionParts) -> bool:
    mine, theirs = [thing(n) for n in found.names], [thing(n) for n in want.names]
    return any(same_head(a, b) or same_head(b, a) for a in theirs for b in mine)


def _role(verb: str) -> str:
    try:
        return vocabulary().verb(verb).role
    except KeyError:
        return ""


def agreement(reference: str, caption: str) -> CaptionAgreement:
    """Compare the words of two captions part by part, for the text similarity (symmetric)."""
    one, two = caption_parts(reference), caption_parts(caption)
    colors = [frozenset[str]().union(*(thing(n).colors for n in p.names)) for p in (one, two)]
    places = [_units(p.destination) | _units(p.source) for p in (one, two)]
    intent = overlap(*places)
    if one.relation or two.relation:
        same = bool(one.relation and two.relation) and same_relation(
            one.relation, two.relation, one.destination
        )
        intent = float(same) if intent is None else (intent + float(same)) / 2
    return CaptionAgreement(
        object_name=overlap(_units(one.object_name), _units(two.object_name)),
        color=overlap(*colors),
        action=_action(one, two),
        intent=intent,
    )


def _action(one: CaptionParts, two: CaptionParts) -> float | None:
    if not one.verb and not two.verb:
        return None
    source, destination = bool(one.source and two.source), bool(one.destination and two.destination)
    if same_verb(one.verb, two.verb, source=source, destination=destination):
        return 1.0
    known = {v.verb: v.action for v in vocabulary().verbs}
    kinds = known.get(one.verb), known.get(two.verb)
    return 0.5 if kinds[0] is kinds[1] is not None else 0.0


def _units(name: str) -> frozenset[str]:
    taken = thing(name) if name else None
    return frozenset() if taken is None or not taken.head else taken.modifiers | {taken.head}


@dataclass(frozen=True, slots=True)
class JudgePrompt:
    """The question to a model.

    Attributes:
        version: Raised when its meaning changes.
        system: The rubric.
        user: Text of the question, with `{request}` in it.
    """

    version: int
    system: str
    user: str

    @property
    def identity(self) -> str:
        """Version and a hash of the text."""
        text = "\0".join((self.system, self.user))
        return f"{self.version}-{hashlib.blake2b(text.encode(), digest_size=4).hexdigest()}"

    def request(self, reference: str, caption: str) -> SentRequest:
        """What a model is sent: two sentences, nothing about who wrote them."""
        content = json.dumps({"reference": reference, "caption": caption}, ensure_ascii=False)
        text = self.user.replace("{request}", content)
        part = SentPart(PartKind.TEXT, "question", text, np.zeros(0, np.uint8))
        return SentRequest(self.system, (part,), purpose="judge")


@cache
def judge_prompt() -> JudgePrompt:
    """Read resources/prompts/judge.toml once."""
    text = (resources.files("resources") / "prompts" / "judge.toml").read_text("utf-8")
    data = tomllib.loads(text)
    return JudgePrompt(int(data["version"]), str(data["system"]).strip(), str(data["user"]).strip())


def judge_settings(model: str = "", base_url: str = "") -> CaptionSettings:
    """How a model is asked for a verdict: temperature 0, no log-probabilities."""
    return CaptionSettings(
        model=model,
        base_url=base_url,
        temperature=0.0,
        reasoning=Reasoning.DEFAULT,
        max_output_tokens=JUDGE_TOKENS,
        logprobs=0,
    )


class ModelJudge:
    """Asks a model with the rubric. Kept verdicts are taken again.

    Attributes:
        title: Backend and model.
        settings: How it is asked.
    """

    def __init__(
        self,
        captioner: Captioner,
        settings: CaptionSettings,
        told: Callable[[Reply], None] = lambda _reply: None,
    ) -> None:
        """Ask nothing yet.

        Args:
            captioner: Who is asked.
            settings: How; see `judge_settings`.
            told: Told of every answer, kept ones included.
        """
        self._captioner = captioner
        self.settings = settings
        self._told = told
        model = captioner.model(settings)
        self.title = f"{captioner.name}, {model}" if model else captioner.name

    def judge(self, reference: str, caption: str, progress: Progress = _silent) -> FieldJudgement:
        """Judge one caption, see `Judge`."""
        # lazy: pydantic schemas are built here
        from pipeline.backends.captioning.written import WrittenVerdict

        if not caption.strip():  # no question worth money
            return FieldJudgement(False, False, False, True, "nothing was written")
        request = judge_prompt().request(reference, caption)
        verdict, reply = self._captioner.ask(request, WrittenVerdict, self.settings, progress)
        self._told(reply)
        return FieldJudgement(
            verdict.verb,
            verdict.object,
            verdict.destination,
            # a caption with all fields right describes no other event, whatever the model says
            verdict.egregious and not (verdict.verb and verdict.object and verdict.destination),
            verdict.reason,
        )

    def pending(self, reference: str, caption: str) -> bool:
        """Whether judging would send a request."""
        # lazy: as above
        from pipeline.backends.captioning.written import WrittenVerdict

        request = judge_prompt().request(reference, caption)
        return bool(caption.strip()) and self._captioner.pending(
            request, WrittenVerdict, self.settings
        )
