"""Review events and what is in force after them. Pure: no file, no clock."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from pydantic import ValidationError

from pipeline.model.caption import Verdict
from pipeline.model.edits import EDIT, Edit, JudgeCaption, SetChannels, SetMotion

logger = logging.getLogger(__name__)

DATASET_WIDE = -1
"""`episode` of edits that concern every episode of the dataset (SetChannels, SetMotion)."""

EventKind = Literal["edit", "undo", "redo"]


@dataclass(frozen=True, slots=True)
class Event:
    """Something a person did; never changed, never deleted.

    Attributes:
        id: Number in the order of writing; 0 while it is not written yet.
        uuid: Unique on all machines.
        at: UTC, ISO 8601 with milliseconds.
        who: Name of the person.
        dataset: Name of the dataset's folder.
        episode: Episode index, -1 = the whole dataset.
        kind: `edit`, or `undo` / `redo` of the edit `refers_to`.
        stage: Stage of the edit.
        subtask: Subtask of the edit, -1 = the episode.
        payload: The edit as JSON; empty for undo and redo.
        refers_to: uuid of the edit that is undone or redone, or empty.
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

    @property
    def edit(self) -> Edit | None:
        """The edit; None for undo and redo, and for kinds that this version does not know."""
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


@dataclass(frozen=True, slots=True)
class Timeline:
    """Undo and redo stacks after a row of events.

    Attributes:
        applied: Edit events in force, oldest first.
        undone: Edit events that redo would bring back, the next one last.
    """

    applied: tuple[Event, ...]
    undone: tuple[Event, ...]


def replay(events: Iterable[Event]) -> Timeline:
    """Follow edits, undos and redos by time.

    A new edit empties the redo stack, as everywhere. An undo of something that another process
    has undone already changes nothing.
    """
    edits: dict[str, Event] = {}
    applied: list[str] = []
    undone: list[str] = []
    for event in events:
        if event.kind == "edit":
            edits[event.uuid] = event
            applied.append(event.uuid)
            undone.clear()
        elif event.kind == "undo" and event.refers_to in applied:
            applied.remove(event.refers_to)
            undone.append(event.refers_to)
        elif event.kind == "redo" and event.refers_to in edits and event.refers_to not in applied:
            # it may have left the redo stack by an edit of another process; it counts again
            if event.refers_to in undone:
                undone.remove(event.refers_to)
            applied.append(event.refers_to)
    return Timeline(tuple(edits[u] for u in applied), tuple(edits[u] for u in undone))


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
