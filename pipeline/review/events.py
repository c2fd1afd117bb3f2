"""Review events and what is in force after them. Pure: no file, no clock."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from pydantic import ValidationError

from pipeline.model.caption import Verdict
from pipeline.model.edits import EDIT, Edit, JudgeCaption, SetChannels, SetMotion, in_force

logger = logging.getLogger(__name__)

DATASET_WIDE = -1
"""`episode` of edits that concern every episode of the dataset (SetChannels, SetMotion)."""

EventKind = Literal["edit", "undo", "redo", "record"]
Scalar = str | int | float | None
"""What a record holds under a name."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something a person did, or a fact a machine made; never changed, never deleted.

    Attributes:
        id: Number in the order of writing in this store; 0 while it is not written there yet.
        uuid: Unique on all machines.
        at: UTC, ISO 8601 with milliseconds.
        who: Name of the person.
        dataset: Name of the dataset's folder.
        episode: Episode index, -1 = the whole dataset.
        kind: `edit`, `undo` / `redo` of the edit `refers_to`, or `record`.
        stage: Stage of the edit.
        subtask: Subtask of the edit, -1 = the episode.
        payload: The edit or the record as JSON; empty for undo and redo.
        refers_to: uuid of the edit that is undone or redone, or empty.
        clock: Place in the order of all stores, see `pipeline.review.ordering`; 0 while it is not
            written yet.
    """

    id: int
    uuid: str
    at: str
    who: str
    dataset: str
    episode: int
    kind: EventKind
    stage: str
    subtask: int
    payload: str
    refers_to: str = ""
    clock: int = 0

    @property
    def order(self) -> tuple[int, str]:
        """Sorts events the same way in every store that holds them."""
        return self.clock, self.uuid

    @property
    def record(self) -> dict[str, Scalar] | None:
        """What a `record` says; None for the other kinds and for what cannot be read."""
        if self.kind != "record":
            return None
        try:
            found = json.loads(self.payload)
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None

    @property
    def edit(self) -> Edit | None:
        """The edit; None for the other kinds, and for edits that this version does not know."""
        if self.kind != "edit":
            return None
        edit = _edit_of(self.payload)
        if edit is None:
            logger.warning("review event %s is of a kind this version does not know", self.uuid)
        return edit


@lru_cache(maxsize=256)
def _edit_of(payload: str) -> Edit | None:
    """Read an edit; kept, since the history is read again on every change and masks are long."""
    try:
        return EDIT.validate_json(payload)
    except ValidationError:
        return None


def record_text(payload: Mapping[str, Scalar]) -> str:
    """The payload of a record.

    Raises:
        ValueError: A value is no plain one, or no finite number.
    """
    for name, value in payload.items():
        plain = value is None or isinstance(value, str | int | float)
        if not plain or (isinstance(value, float) and not math.isfinite(value)):
            raise ValueError(f"{name} = {value!r} cannot be recorded")
    return json.dumps(dict(payload), ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Timeline:
    """Undo and redo stacks after a row of events.

    Attributes:
        applied: Edit events in force, of all people, oldest first.
        undone: Edit events that redo would bring back, the next one last.
        undoers: Who undid each of them.
    """

    applied: tuple[Event, ...]
    undone: tuple[Event, ...]
    undoers: tuple[str, ...] = ()

    def to_undo(self, who: str) -> Event | None:
        """The person's own newest edit in force, of those that this version understands."""
        mine = (e for e in reversed(self.applied) if e.who == who)
        return next((e for e in mine if e.edit is not None), None)

    def to_redo(self, who: str) -> Event | None:
        """What the person undid last, of what this version understands."""
        pairs = zip(reversed(self.undone), reversed(self.undoers), strict=True)
        mine = (e for e, by in pairs if by == who)
        return next((e for e in mine if e.edit is not None), None)


def replay(events: Iterable[Event]) -> Timeline:
    """Follow edits, undos and redos in their order.

    A new edit empties the redo stack of its maker, as everywhere. An undo of something that is
    undone already, by another process or in another store, changes nothing; nor does one whose
    edit is not here (yet). Records are passed over.
    """
    edits: dict[str, Event] = {}
    applied: dict[str, None] = {}
    undone: dict[str, str] = {}  # by whom
    for event in events:
        if event.kind == "edit":
            edits[event.uuid] = event
            applied[event.uuid] = None
            undone = {uuid: by for uuid, by in undone.items() if by != event.who}
        elif event.kind == "undo" and event.refers_to in applied:
            del applied[event.refers_to]
            undone[event.refers_to] = event.who
        elif event.kind == "redo" and event.refers_to in edits and event.refers_to not in applied:
            # it may have left the redo stack by an edit of another process; it counts again
            undone.pop(event.refers_to, None)
            applied[event.refers_to] = None
    return Timeline(
        tuple(edits[u] for u in applied),
        tuple(edits[u] for u in undone),
        tuple(undone.values()),
    )


def episode_of(edit: Edit, episode: int) -> int:
    """The episode under which an edit is stored: channels hold for the whole dataset."""
    return DATASET_WIDE if isinstance(edit, SetChannels | SetMotion) else episode


@dataclass(frozen=True, slots=True)
class Reviewed:
    """Verdicts on the captions of one episode, one per subtask.

    Attributes:
        accepted: Number of captions.
        corrected: Number of captions.
        rejected: Number of captions.
    """

    accepted: int = 0
    corrected: int = 0
    rejected: int = 0

    @property
    def total(self) -> int:
        """Captions with a verdict."""
        return self.accepted + self.corrected + self.rejected


def count_verdicts(edits: Iterable[Edit]) -> Reviewed:
    """Count the verdicts among edits in force."""
    verdicts = [e.verdict for e in edits if isinstance(e, JudgeCaption)]
    return Reviewed(
        verdicts.count(Verdict.ACCEPTED),
        verdicts.count(Verdict.CORRECTED),
        verdicts.count(Verdict.REJECTED),
    )


def reviewed_episodes(events: Iterable[Event]) -> dict[int, Reviewed]:
    """Verdicts on captions in force per episode; episodes without one are left out."""
    by_episode: dict[int, list[Event]] = {}
    for event in events:
        if event.stage == JudgeCaption.stage:
            by_episode.setdefault(event.episode, []).append(event)
    counts = {}
    for episode in sorted(by_episode):
        edits = (e.edit for e in replay(by_episode[episode]).applied)
        counts[episode] = count_verdicts(in_force(tuple(e for e in edits if e is not None)))
    return {i: c for i, c in counts.items() if c.total}
