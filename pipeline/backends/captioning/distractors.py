"""Wrong captions of known kinds beside a right one (spec, captions, Distractors).

Asked to choose among them, a model or a person who is fooled tells by what: the kinds follow the
taxonomy of GameplayQA (lexical, scene, temporal, role, other episode). Pure: everything comes from
texts, and equal arguments give equal alternatives.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from pipeline.backends.captioning.caption_parts import CaptionParts, caption_parts
from pipeline.backends.captioning.judge import judge_offline
from pipeline.backends.captioning.wording import thing
from pipeline.backends.language.phrases import colors_of
from pipeline.backends.language.sentences import sentence, tidied
from pipeline.evaluation.caption_rubric import Rubric
from pipeline.evaluation.intervals_of_curves import Interval, wilson
from pipeline.model.colors import canonical_color, color_words

_CONFUSED = (
    ("put", "stack"),
    ("open", "close"),
    ("turn on", "turn off"),
    ("screw", "unscrew"),
    ("put", "pick up"),
    ("push", "pull"),
    ("pour", "fill"),
    ("fold", "unfold"),
)
"""Verbs that look alike or are each other's opposite."""
_OPPOSITE = {
    "to the left of": "to the right of",
    "to the right of": "to the left of",
    "to the left": "to the right",
    "to the right": "to the left",
    "in": "on",
    "into": "onto",
    "on": "under",
    "under": "on",
    "on top of": "next to",
    "next to": "on top of",
    "behind": "in front of",
    "in front of": "behind",
}


class DistractorKind(StrEnum):
    """How an alternative is wrong."""

    LEXICAL = "lexical"
    SCENE = "scene"
    TEMPORAL = "temporal"
    ROLE = "role"
    OTHER_EPISODE = "other_episode"

    @property
    def words(self) -> str:
        """For people."""
        return self.value.replace("_", " ")


@dataclass(frozen=True, slots=True)
class Distractor:
    """A wrong caption.

    Attributes:
        kind: How it is wrong.
        text: One sentence.
        change: What was changed, one phrase.
    """

    kind: DistractorKind
    text: str
    change: str


@dataclass(frozen=True, slots=True)
class EpisodeWords:
    """What else there is to say.

    Attributes:
        things: Other things of the scene, noun phrases without article.
        other_captions: Right captions of the other subtasks of the episode.
        other_episodes: Right captions of other episodes.
    """

    things: tuple[str, ...] = ()
    other_captions: tuple[str, ...] = ()
    other_episodes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BlindQuestion:
    """Alternatives in an order that tells nothing.

    Attributes:
        options: Captions, one of them right.
        right: Index of the right one.
        kinds: Per option, None for the right one.
    """

    options: tuple[str, ...]
    right: int
    kinds: tuple[DistractorKind | None, ...]


@dataclass(frozen=True, slots=True)
class FooledBy:
    """How often one kind was chosen.

    Attributes:
        kind: Which.
        offered: Questions in which such an alternative could be chosen.
        chosen: Of these.
        interval: Of the share, Wilson.
    """

    kind: DistractorKind
    offered: int
    chosen: int
    interval: Interval


def distractors(
    caption: str, episode: EpisodeWords, *, per_kind: int = 1, seed: int = 0
) -> tuple[Distractor, ...]:
    """Make wrong captions of all kinds that can be made.

    Every one is not acceptable by the offline judge beside the right caption, and no two of them
    are acceptable for each other. A kind for which there is nothing (an episode of one subtask has
    no other moment) is left out.

    Args:
        caption: The right caption.
        episode: What else there is to say.
        per_kind: Alternatives of each kind at most.
        seed: Which of several are taken.
    """
    parts = caption_parts(caption)
    draw = random.Random(f"{seed}\0{caption}")  # noqa: S311 - reproducible, no secret
    made = {
        DistractorKind.LEXICAL: list(_lexical(parts)),
        DistractorKind.SCENE: list(_scene(parts, episode.things)),
        DistractorKind.TEMPORAL: [(t, "another moment") for t in episode.other_captions],
        DistractorKind.ROLE: list(_role(parts)),
        DistractorKind.OTHER_EPISODE: [(t, "another episode") for t in episode.other_episodes],
    }
    found: list[Distractor] = []
    for kind, candidates in made.items():
        draw.shuffle(candidates)
        taken = 0
        for text, change in candidates:
            text = tidied(text)
            if taken == per_kind:
                break
            if text and _differs(caption, text, found):
                found.append(Distractor(kind, text, change))
                taken += 1
    return tuple(found)


def blind_question(
    caption: str, alternatives: Sequence[Distractor], *, seed: int = 0
) -> BlindQuestion:
    """Mix the right caption with the alternatives.

    Args:
        caption: The right one.
        alternatives: Wrong ones.
        seed: Of the order.
    """
    options: list[tuple[str, DistractorKind | None]] = [(tidied(caption), None)]
    options += [(a.text, a.kind) for a in alternatives]
    random.Random(f"{seed}\0order\0{caption}").shuffle(options)  # noqa: S311 - as above
    kinds = tuple(kind for _, kind in options)
    return BlindQuestion(tuple(text for text, _ in options), kinds.index(None), kinds)


def fooled_by(
    questions: Sequence[BlindQuestion], choices: Sequence[int | None]
) -> tuple[FooledBy, ...]:
    """Count which kinds were taken for the truth.

    Args:
        questions: What was asked.
        choices: Index that was chosen per question, None where nobody answered.
    """
    found = []
    for kind in DistractorKind:
        offered = chosen = 0
        for question, choice in zip(questions, choices, strict=True):
            if choice is None or kind not in question.kinds:
                continue
            offered += 1
            chosen += question.kinds[choice] is kind
        found.append(FooledBy(kind, offered, chosen, wilson(chosen, offered)))
    return tuple(found)


def _differs(caption: str, text: str, others: Sequence[Distractor]) -> bool:
    return all(
        judge_offline(one, text).rubric is not Rubric.ACCEPTABLE
        and judge_offline(text, one).rubric is not Rubric.ACCEPTABLE
        for one in (caption, *(o.text for o in others))
    )


def _written(parts: CaptionParts) -> str:
    """The parts as a sentence, with source and tool, which the schema's sentence leaves out."""
    source = parts.source
    text = sentence(
        parts.verb, parts.object_name or "object", parts.relation, parts.destination, source
    ).rstrip(".")
    if source and source not in text:
        before = f" {parts.relation} the {parts.destination}" if parts.destination else ""
        where = text.rfind(before) if before else -1
        cut = where if where > 0 else len(text)
        text = f"{text[:cut]} from the {source}{text[cut:]}"
    if parts.tool and parts.tool not in text:
        text += f" with the {parts.tool}"
    return text


def _lexical(parts: CaptionParts) -> Iterator[tuple[str, str]]:
    """One word changed."""
    for word in color_words():
        for name, in_object in ((parts.object_name, True), (parts.destination, False)):
            known = colors_of(name)
            if not known or word.name in known:
                continue
            phrase = " ".join(word.name if canonical_color(w) in known else w for w in name.split())
            changed = (
                replace(parts, object_name=phrase)
                if in_object
                else replace(parts, destination=phrase)
            )
            yield _written(changed), f"{word.name} for {known[0]}"
    if parts.relation in _OPPOSITE:
        other = _OPPOSITE[parts.relation]
        yield _written(replace(parts, relation=other)), f"{other} for {parts.relation}"
    for pair in _CONFUSED:
        if parts.verb in pair:
            verb = pair[1 - pair.index(parts.verb)]
            relation = "on top of" if verb == "stack" else parts.relation
            yield _written(replace(parts, verb=verb, relation=relation)), f"{verb} for {parts.verb}"


def _scene(parts: CaptionParts, things: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Another thing of the scene moves."""
    used = {thing(name).head for name in (parts.destination, parts.source) if name}
    for name in dict.fromkeys(things):
        if name and thing(name).head not in used:
            yield _written(replace(parts, object_name=name)), f"{name} for {parts.object_name}"


def _role(parts: CaptionParts) -> Iterator[tuple[str, str]]:
    """Who does what is turned round."""
    if parts.object_name and parts.destination:
        turned = replace(parts, object_name=parts.destination, destination=parts.object_name)
        yield _written(turned), "object and destination change places"
    if parts.source and parts.destination:
        turned = replace(parts, source=parts.destination, destination=parts.source)
        yield _written(turned), "source and destination change places"
    if parts.object_name and parts.tool:
        turned = replace(parts, object_name=parts.tool, tool=parts.object_name)
        yield _written(turned), "object and tool change places"
    if parts.object_name and parts.source and not parts.destination:
        turned = replace(parts, object_name=parts.source, source=parts.object_name)
        yield _written(turned), "object and source change places"
