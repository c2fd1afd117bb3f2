"""Finds the next caption that waits for a person, and has it ready before it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from PySide6.QtCore import QObject, Signal

from app.session_control import SessionControl
from pipeline.engine.cache import ResultCache, StageOutcome
from pipeline.engine.graph import Graph, Plan
from pipeline.model.demonstration import DatasetSource, Demonstration
from pipeline.model.edits import EPISODE_SCOPE
from pipeline.model.episodes import present_indices
from pipeline.review.caption_queue import CaptionQueue, Role
from pipeline.review.store import ReviewStore

Place = tuple[int, int]
"""Episode and subtask."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """The next caption.

    Attributes:
        episode: Its episode.
        subtask: Its subtask.
        demonstration: The episode, open.
        outcomes: Its subtasks and captions, as far as they were computed before.
    """

    episode: int
    subtask: int
    demonstration: Demonstration
    outcomes: tuple[StageOutcome, ...]


@dataclass(frozen=True, slots=True)
class _Question:
    """What decides the answer.

    Attributes:
        here: Episode on show.
        step: 1 forwards, -1 backwards.
        role: Of the person.
        skipped: Captions that were left out for now.
        options: Of the stages.
        events: What people did in the other episodes, counted: the answer is made of it.
    """

    here: int
    step: int
    role: Role
    skipped: frozenset[Place]
    options: Mapping[str, Any]
    events: int

    def is_alike(self, other: _Question) -> bool:
        """Whether the answer would be the same."""
        mine = (self.here, self.step, self.role, self.skipped, self.events)
        theirs = (other.here, other.step, other.role, other.skipped, other.events)
        return mine == theirs and self.options is other.options


class CaptionAhead(QObject):
    """Looks ahead in a thread; the newest question counts.

    Signals:
        found: `Prepared`, or None if no other episode has a caption that waits.
    """

    found = Signal(object)

    def __init__(self, control: SessionControl, parent: QObject) -> None:
        super().__init__(parent)
        self._control = control
        self._queue = CaptionQueue()
        self._store: ReviewStore | None = None
        self._asked: _Question | None = None
        self._answer: Prepared | None = None
        self._is_here = False

    def look(self, step: int, role: Role, skipped: frozenset[Place]) -> None:
        """Find the next caption in another episode; `found` tells it, at once if it is known."""
        control = self._control
        source, store = control.source, control.commands.store
        session = control.document.session
        if source is None or session.demonstration is None or session.read_only:
            self.found.emit(None)
            return
        if store is not self._store:
            self._store, self._queue = store, CaptionQueue()
        question = self._question(step, role, skipped)
        if self._asked is not None and question.is_alike(self._asked):
            if self._is_here:
                self.found.emit(self._answer)
            return
        self._asked, self._answer, self._is_here = question, None, False
        queue, cache = self._queue, ResultCache(control.paths.results)
        graph, who = control.document.graph, store.who if store is not None else ""

        def work() -> Prepared | None:
            if store is not None:
                queue.update(store.events())
            return _Search(source, store, graph, cache, queue, who).run(question)

        def done(answer: Prepared | None, _error: Exception | None) -> None:
            if self._asked is question:
                self._answer, self._is_here = answer, True
                self.found.emit(answer)

        control.background.run("caption ahead", work, done)

    def ready(self, step: int, role: Role, skipped: frozenset[Place]) -> Prepared | None:
        """The answer of `look`, if it is known; None if it is not, or if nothing waits."""
        demonstration = self._control.document.session.demonstration
        if not self._is_here or self._asked is None or demonstration is None:
            return None
        alike = self._question(step, role, skipped).is_alike(self._asked)
        return self._answer if alike else None

    def _question(self, step: int, role: Role, skipped: frozenset[Place]) -> _Question:
        session, store = self._control.document.session, self._control.commands.store
        here = session.demonstration.ref.episode if session.demonstration is not None else -1
        events = store.events() if store is not None else ()
        # What happens in this episode changes nothing: the answer stays good after a verdict.
        return _Question(
            here,
            step,
            role,
            frozenset(place for place in skipped if place[0] != here),
            session.options,
            sum(e.episode != here and e.kind != "record" for e in events),
        )

    def forget(self) -> None:
        """The next question is asked anew."""
        self._asked = None


@dataclass(frozen=True, slots=True)
class _Search:
    source: DatasetSource
    store: ReviewStore | None
    graph: Graph
    cache: ResultCache
    queue: CaptionQueue
    who: str

    def run(self, question: _Question) -> Prepared | None:
        """The nearest episode with a caption that waits, round and round."""
        present = present_indices(self.source.info.episodes)
        after = np.searchsorted(present, question.here, side="right")
        order = np.concatenate([present[after:], present[:after]])
        order = order[order != question.here]
        if question.step < 0:
            order = order[::-1]
        for episode in order.tolist():
            # Without any word about it, it waits; else its number of subtasks must be known.
            spoken = bool(self.queue.subtasks(episode))
            if not spoken and question.role is Role.REVIEWER:
                continue
            if not self._waiting(episode, 0, question):
                continue
            prepared = self._prepare(episode, question)
            if prepared is not None:
                return prepared
        return None

    def _waiting(self, episode: int, count: int, question: _Question) -> list[int]:
        found = self.queue.waiting(episode, count, question.role, self.who)
        return [i for i in found if (episode, i) not in question.skipped]

    def _prepare(self, episode: int, question: _Question) -> Prepared | None:
        demonstration = self.source.open(episode)
        edits = self.store.edits(episode) if self.store is not None else ()
        plan = Plan(demonstration, dict(question.options), edits)
        outcomes: list[StageOutcome] = []
        count = 0
        subtasks = self._load("subtasks", plan, EPISODE_SCOPE)
        if subtasks is not None:
            outcomes.append(subtasks)
            count = len(subtasks.result.subtasks)
            for subtask in range(count):
                caption = self._load("captions", plan, subtask)
                outcomes += [caption] if caption is not None else []
        waiting = self._waiting(episode, count, question)
        if not waiting:
            return None
        first = waiting[0] if question.step > 0 else waiting[-1]
        return Prepared(episode, first, demonstration, tuple(outcomes))

    def _load(self, stage: str, plan: Plan, subtask: int) -> StageOutcome | None:
        """A result computed before; nothing is computed."""
        key = self.graph.keys(plan, subtask)[stage]
        found = self.cache.load(key, self.graph.stage(stage).result_type)
        if found is None:
            return None
        result, seconds = found
        return StageOutcome(stage, subtask, key, result, seconds, cached=True)
