"""Keeps what drafters wrote in the review store, so that history survives a cleared cache."""

from __future__ import annotations

import logging
from functools import partial

from PySide6.QtCore import QObject, QTimer

from app.caption_panel import CaptionPanel
from app.session_control import SessionControl
from pipeline.document import Changes, Part
from pipeline.model.caption import CaptionResult
from pipeline.model.drafting import CaptionVersion
from pipeline.model.edits import edits_of
from pipeline.model.problem import DataError
from pipeline.review.caption_story import STAGE, identity, stories, version_record
from pipeline.review.store import ReviewStore

log = logging.getLogger(__name__)

_OFFLINE = "offline"
_LATER_MS = 60
"""The next caption is painted first: a write waits for the disk, and others wait for the write."""


class CaptionRecords(QObject):
    """Records versions of captions once.

    A draft of the offline drafter is recorded when a person first says something about it:
    looking at a dataset leaves nothing beside it, and the offline draft can be made again. What
    a model wrote was paid for and is recorded when it arrives.
    """

    def __init__(self, control: SessionControl, panel: CaptionPanel, parent: QObject) -> None:
        super().__init__(parent)
        self._control = control
        self._panel = panel
        self._asked: set[tuple[object, ...]] = set()
        self._waiting: dict[tuple[int, int], list[CaptionVersion]] = {}
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(_LATER_MS)
        self._later.timeout.connect(self._write)
        control.bridge.changed.connect(self._on_changes)

    def record_shown(self) -> None:
        """Record the versions on show: somebody is about to say something about them."""
        session = self._control.document.session
        self._record(session.subtask, session.result("captions"))

    def _on_changes(self, changes: Changes) -> None:
        if changes.parts & Part.DATASET:
            self._asked.clear()
            self._waiting.clear()
        if not changes.parts & Part.RESULTS or changes.stage != STAGE:
            return
        session = self._control.document.session
        for (stage, subtask), outcome in session.results.items():
            if stage != STAGE:
                continue
            said = bool(edits_of(session.edits, STAGE, subtask))
            result: CaptionResult = outcome.result
            if said or any(v.drafter != _OFFLINE for v in result.versions):
                self._record(subtask, result)

    def _record(self, subtask: int, result: CaptionResult | None) -> None:
        store = self._control.commands.store
        demonstration = self._control.document.session.demonstration
        if store is None or demonstration is None or result is None:
            return
        if self._control.document.session.read_only:
            return
        episode = demonstration.ref.episode
        new = [v for v in result.versions if (episode, subtask, *identity(v)) not in self._asked]
        if not new:
            return
        self._asked.update((episode, subtask, *identity(v)) for v in new)
        self._waiting.setdefault((episode, subtask), []).extend(new)
        self._later.start()

    def close(self) -> None:
        """Write what waits; the store is closed next."""
        self._later.stop()
        store = self._control.commands.store
        for (episode, subtask), new in self._waiting.items():
            if store is None:
                continue
            try:
                _write(store, episode, subtask, new)
            except DataError as error:
                log.warning("what a drafter wrote could not be recorded: %s", error)
        self._waiting.clear()

    def _write(self) -> None:
        store = self._control.commands.store
        waiting, self._waiting = self._waiting, {}
        if store is None:
            return
        for (episode, subtask), new in waiting.items():
            self._control.background.run(
                f"record {episode}/{subtask}/{len(self._asked)}",
                partial(_write, store, episode, subtask, new),
                partial(self._done, episode, subtask, new),
            )

    def _done(
        self,
        episode: int,
        subtask: int,
        new: list[CaptionVersion],
        count: int | None,
        error: Exception | None,
    ) -> None:
        if error is not None:
            log.warning("what a drafter wrote could not be recorded: %s", error)
            # It is tried again when the caption changes or somebody says something about it.
            self._asked.difference_update((episode, subtask, *identity(v)) for v in new)
            return
        demonstration = self._control.document.session.demonstration
        if count and demonstration is not None and demonstration.ref.episode == episode:
            self._panel.read_again()


def _write(store: ReviewStore, episode: int, subtask: int, new: list[CaptionVersion]) -> int:
    """Record versions that the store does not hold; how many. Raises DataError."""
    known = {
        identity(version)
        for story in stories(store.history(episode))
        if story.subtask == subtask
        for version in story.versions
    }
    # Here and not above: the window's start needs none of it.
    from pipeline.captioning.record import hold_replies

    hold_replies(new)
    count = 0
    for version in new:
        if identity(version) in known:
            continue
        store.record(episode, subtask, version_record(version))
        count += 1
    return count
