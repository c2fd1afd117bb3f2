"""What two sets of events say together: what is new, and where people disagree. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from pipeline.model.caption import Verdict
from pipeline.model.edits import JudgeCaption
from pipeline.model.problem import DataError
from pipeline.review.events import Event, replay


@dataclass(frozen=True, slots=True)
class Conflict:
    """People judged the same caption differently.

    Attributes:
        episode: Episode index.
        subtask: Index of the subtask.
        verdicts: Each person's newest verdict in force, oldest first; the last one holds.
    """

    episode: int
    subtask: int
    verdicts: tuple[Event, ...]

    @property
    def text(self) -> str:
        """One sentence."""
        said = ", ".join(f"{e.who}: {_words(e)}" for e in self.verdicts)
        holds = self.verdicts[-1].who
        return f"episode {self.episode}, subtask {self.subtask + 1}: {said}; {holds}’s holds"


@dataclass(frozen=True, slots=True)
class BrokenLine:
    """A line of a file of events that was passed over.

    Attributes:
        number: Of the line, from 1.
        why: What is wrong with it.
    """

    number: int
    why: str


@dataclass(frozen=True, slots=True)
class MergeReport:
    """What a merge did.

    Attributes:
        added: Number of events that were new here.
        known: Number of events that were here already.
        conflicts: Captions that people judge differently now, by a verdict that was new here.
        altered: uuids of events that say something else there than here; ours stays.
        broken: Lines that were passed over (the first ones, if there are very many).
        broken_count: Number of all of them.
    """

    added: int
    known: int
    conflicts: tuple[Conflict, ...] = ()
    altered: tuple[str, ...] = ()
    broken: tuple[BrokenLine, ...] = ()
    broken_count: int = 0


@dataclass(frozen=True, slots=True)
class Comparison:
    """Another store beside ours.

    Attributes:
        added: Events that we lack, in their order.
        theirs: uuids of all their events.
        altered: See `MergeReport`.
    """

    added: tuple[Event, ...]
    theirs: frozenset[str]
    altered: tuple[str, ...]

    def check_dataset(self, name: str, ours: Iterable[Event]) -> None:
        """Refuse events of a dataset that is called neither as ours nor as one merged before.

        Args:
            name: What our dataset is called.
            ours: Our events.

        Raises:
            DataError: `other_dataset`.
        """
        strange = {e.dataset for e in self.added} - {name, *(e.dataset for e in ours)}
        if strange:
            raise DataError(
                "other_dataset",
                f"These are reviews of “{min(strange)}”, not of “{name}”; if it is the same "
                "dataset under another name, say so (--any-dataset).",
            )

    def report(self, merged: Sequence[Event]) -> MergeReport:
        """What happened, given all events after the merge."""
        new = {e.uuid for e in self.added}
        return MergeReport(
            added=len(self.added),
            known=len(self.theirs) - len(self.added),
            conflicts=tuple(
                c for c in disagreements(merged) if any(e.uuid in new for e in c.verdicts)
            ),
            altered=self.altered,
        )


def compare(ours: Iterable[Event], theirs: Iterable[Event]) -> Comparison:
    """Find what another store has that we lack.

    Args:
        ours: Our events.
        theirs: All of the other store, in any order; an event that comes twice counts once.
    """
    known = {e.uuid: e for e in ours}
    seen: dict[str, Event] = {}
    altered: list[str] = []
    for event in theirs:
        first = known.get(event.uuid) or seen.get(event.uuid)
        if first is not None and not _same(first, event):
            altered.append(event.uuid)
        seen.setdefault(event.uuid, event)
    added = sorted((e for u, e in seen.items() if u not in known), key=lambda e: e.order)
    return Comparison(tuple(added), frozenset(seen), tuple(dict.fromkeys(altered)))


def disagreements(events: Iterable[Event]) -> tuple[Conflict, ...]:
    """Captions on which people's newest verdicts in force differ, by episode and subtask."""
    by_episode: dict[int, list[Event]] = {}
    for event in events:
        if event.stage == JudgeCaption.stage:
            by_episode.setdefault(event.episode, []).append(event)
    found = []
    for episode in sorted(by_episode):
        verdicts: dict[int, dict[str, Event]] = {}
        for event in replay(by_episode[episode]).applied:
            if isinstance(event.edit, JudgeCaption):
                people = verdicts.setdefault(event.subtask, {})
                people.pop(event.who, None)
                people[event.who] = event
        for subtask in sorted(verdicts):
            of_people = tuple(verdicts[subtask].values())
            if len({_outcome(e) for e in of_people}) > 1:
                found.append(Conflict(episode, subtask, of_people))
    return tuple(found)


def _outcome(event: Event) -> tuple[str, str]:
    """What a verdict comes to: a corrected text is one, however it was reached."""
    edit = event.edit
    if not isinstance(edit, JudgeCaption):
        return "", ""
    return edit.verdict.value, "" if edit.verdict is Verdict.REJECTED else edit.text


def _words(event: Event) -> str:
    verdict, text = _outcome(event)
    return f"{verdict} “{text}”" if text else verdict


def _same(one: Event, other: Event) -> bool:
    plain = replace(other, id=one.id, payload=one.payload)
    return one == plain and (one.payload == other.payload or _read(one) == _read(other))


def _read(event: Event) -> object:
    """The payload whatever its spelling (1e16 or 1e+16)."""
    try:
        found: object = json.loads(event.payload or "null")
    except (ValueError, RecursionError):
        return event.payload
    return found
