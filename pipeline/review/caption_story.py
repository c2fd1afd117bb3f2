"""Everything that was said and written about one caption, read from the review events. Pure.

The loop is: pre-caption, critique, post-caption, accept or refine (spec, captions). What
was undone is not part of a story; it stays in the store.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from pipeline.model.caption import Verdict
from pipeline.model.drafting import CaptionVersion
from pipeline.model.edits import CritiqueCaption, JudgeCaption, ReviewCaption, TagCaption
from pipeline.review.events import DATASET_WIDE, Event, Scalar, replay

SaidEdit = TypeVar("SaidEdit")

STAGE = "captions"
WHAT = "caption_version"
"""`what` of a record that keeps what a drafter wrote."""


@dataclass(frozen=True, slots=True)
class WrittenVersion:
    """A caption that a drafter wrote, as recorded when it arrived.

    Attributes:
        at: When it was recorded, UTC, ISO 8601.
        who: In whose window.
        text: The sentence.
        drafter: `offline`, `gemini`, ...
        model: Which model, empty offline.
        recipe: Identity of the recipe, empty offline.
        critique: `uid` of the critique it answers, empty for the draft.
        request_id: Of the server, may be empty.
    """

    at: str
    who: str
    text: str
    drafter: str = ""
    model: str = ""
    recipe: str = ""
    critique: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Said(Generic[SaidEdit]):
    """What a person said.

    Attributes:
        at: When, UTC, ISO 8601.
        who: Their name.
        edit: What.
        order: What came first, in all stores alike.
    """

    at: str
    who: str
    edit: SaidEdit
    order: tuple[int, str]


Critique = Said[CritiqueCaption]
Judgement = Said[JudgeCaption]
Review = Said[ReviewCaption]


@dataclass(frozen=True, slots=True)
class CaptionStory:
    """One caption's story, each list by time.

    Attributes:
        episode: Episode index.
        subtask: Subtask index.
        versions: What drafters wrote.
        critiques: What people criticised.
        judgements: Verdicts, all of them.
        reviews: What reviewers said.
        tags: Primitives of the newest tagging.
    """

    episode: int
    subtask: int
    versions: tuple[WrittenVersion, ...] = ()
    critiques: tuple[Critique, ...] = ()
    judgements: tuple[Judgement, ...] = ()
    reviews: tuple[Review, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()

    @property
    def verdict(self) -> Judgement | None:
        """The newest verdict."""
        return self.judgements[-1] if self.judgements else None

    @property
    def is_judged(self) -> bool:
        """True if a verdict is in force: one that no critique came after."""
        verdict = self.verdict
        return verdict is not None and all(c.order < verdict.order for c in self.critiques)

    @property
    def is_accepted(self) -> bool:
        """True if the verdict in force lets the caption be used."""
        verdict = self.verdict
        return (
            verdict is not None and self.is_judged and verdict.edit.verdict is not Verdict.REJECTED
        )

    @property
    def is_rejected(self) -> bool:
        """True if the verdict in force throws the caption away."""
        return self.is_judged and not self.is_accepted

    @property
    def is_agreed(self) -> bool:
        """True if the newest reviewer looked at the verdict in force and agrees."""
        review = self._review_in_force
        return review is not None and review.edit.agrees

    @property
    def is_disputed(self) -> bool:
        """True if the newest reviewer of the verdict in force calls its caption wrong."""
        review = self._review_in_force
        return review is not None and self.is_accepted and not review.edit.agrees

    @property
    def _review_in_force(self) -> Review | None:
        """The newest review, if it is of the verdict in force and of its caption."""
        verdict = self.verdict
        if verdict is None or not self.is_judged or not self.reviews:
            return None
        newest = self.reviews[-1]
        # Stores that were merged may hold a later review of what was on show elsewhere.
        is_same = self.is_rejected or newest.edit.caption.strip() == self.final
        return newest if newest.order > verdict.order and is_same else None

    @property
    def final(self) -> str:
        """The caption in force; empty where no verdict, or none in force, gives one."""
        verdict = self.verdict
        if verdict is None or not self.is_accepted:
            return ""
        # As the stage reads it: without a text of its own the draft was judged.
        return verdict.edit.text.strip() or verdict.edit.draft.strip()

    @property
    def pre_caption(self) -> str:
        """The first draft that a person saw: criticised, recorded or judged first."""
        if self.critiques:
            return self.critiques[0].edit.about
        drafts = [v.text for v in self.versions if not v.critique]
        if self.judgements:
            first = self.judgements[0].edit
            return first.draft or (drafts[0] if drafts else first.text)
        return drafts[0] if drafts else ""

    @property
    def last_critiques(self) -> tuple[Critique, ...]:
        """Critiques that no other one refines, by time."""
        refined = {c.edit.refines for c in self.critiques if c.edit.refines}
        return tuple(c for c in self.critiques if c.edit.uid not in refined)

    def version_of(self, text: str) -> WrittenVersion | None:
        """The newest version with this text; None if no drafter wrote it."""
        return next((v for v in reversed(self.versions) if v.text == text), None)


def identity(version: CaptionVersion | WrittenVersion) -> tuple[str, ...]:
    """What tells one version of a caption from another, as drafted or as recorded."""
    return (version.text, version.drafter, version.model, version.recipe, version.critique)


def version_record(version: CaptionVersion) -> dict[str, Scalar]:
    """What `ReviewStore.record` keeps of a version; read back by `stories`."""
    reply = version.exchange.reply if version.exchange is not None else None
    return {
        "what": WHAT,
        "text": version.text,
        "drafter": version.drafter,
        "model": version.model,
        "recipe": version.recipe,
        "critique": version.critique,
        "request_id": reply.request_id if reply is not None else "",
    }


def stories(events: Iterable[Event]) -> tuple[CaptionStory, ...]:
    """Read the stories of all captions, by episode and subtask.

    Args:
        events: Of one dataset, in order.
    """
    by_episode: dict[int, list[Event]] = defaultdict(list)
    for event in events:
        if event.episode != DATASET_WIDE:
            by_episode[event.episode].append(event)
    found: list[CaptionStory] = []
    for episode in sorted(by_episode):
        found.extend(_of_episode(episode, by_episode[episode]))
    return tuple(found)


@dataclass(slots=True)
class _Parts:
    versions: dict[tuple[str, ...], WrittenVersion] = field(default_factory=dict)
    critiques: list[Critique] = field(default_factory=list)
    judgements: list[Judgement] = field(default_factory=list)
    reviews: list[Review] = field(default_factory=list)
    tags: tuple[tuple[str, str], ...] = ()


def _of_episode(episode: int, events: list[Event]) -> Iterable[CaptionStory]:
    parts: dict[int, _Parts] = defaultdict(_Parts)
    for event in events:
        record = event.record if event.stage == STAGE else None
        if record is not None and record.get("what") == WHAT:
            written = _version(event, record)
            # Two who draft at once, or merge afterwards, may have recorded the same answer.
            parts[event.subtask].versions.setdefault(identity(written), written)
    for event in sorted(replay(events).applied, key=lambda e: e.order):
        edit = event.edit
        if edit is None or edit.stage != STAGE:
            continue
        of = parts[edit.subtask]
        if isinstance(edit, CritiqueCaption):
            of.critiques.append(Said(event.at, event.who, edit, event.order))
        elif isinstance(edit, JudgeCaption):
            of.judgements.append(Said(event.at, event.who, edit, event.order))
        elif isinstance(edit, ReviewCaption):
            of.reviews.append(Said(event.at, event.who, edit, event.order))
        elif isinstance(edit, TagCaption):
            of.tags = edit.tags
    for subtask in sorted(parts):
        of = parts[subtask]
        yield CaptionStory(
            episode,
            subtask,
            tuple(of.versions.values()),
            tuple(of.critiques),
            tuple(of.judgements),
            tuple(of.reviews),
            of.tags,
        )


def _version(event: Event, record: Mapping[str, Scalar]) -> WrittenVersion:
    def text(name: str) -> str:
        value = record.get(name)
        return value if isinstance(value, str) else ""

    return WrittenVersion(
        event.at,
        event.who,
        *(text(n) for n in ("text", "drafter", "model", "recipe", "critique", "request_id")),
    )
