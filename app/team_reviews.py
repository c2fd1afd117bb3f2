"""What colleagues do in a shared store, brought into the open window every few seconds."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import QObject, QTimer

from app.session_control import SessionControl
from pipeline.document import Changes, Part
from pipeline.model.problem import DataError
from pipeline.review.events import Event
from pipeline.review.store import ReviewStore

LOOK_MS = 2_000
"""The store itself asks its database every 2 s, in a thread; here only its answer is looked at."""


class TeamReviews(QObject):
    """Puts others' corrections of the open episode in force, and says when they cannot be read.

    It also says when one's own wait on this machine for the database, and when they have gone.

    Nothing is looked at while the store is a local file: nobody else writes it unseen.
    """

    def __init__(self, control: SessionControl, parent: QObject) -> None:
        super().__init__(parent)
        self._control = control
        self._trouble = ""
        self._kept = ""
        self._gone = ""
        self._seen: frozenset[str] = frozenset()
        self._look_again = QTimer(self, interval=LOOK_MS)
        self._look_again.timeout.connect(self.look)
        control.bridge.changed.connect(self._on_changes)

    def look(self) -> None:
        """Take over what has come in."""
        store = self._control.commands.store
        if store is None or not store.is_shared:
            self._look_again.stop()
            return
        self._tell_trouble(store)
        self._tell_kept(store)
        demonstration = self._control.document.session.demonstration
        if demonstration is None or self._control.jobs.busy:
            return  # A run in progress is not stopped by what others do; the next look sees it.
        episode = demonstration.ref.episode
        try:
            edits = self._control.commands.edits_of(episode)
            events = store.history(episode)
        except DataError:
            return  # The store has told it as its trouble.
        # By identifier: what waited on another machine comes before events that are known.
        new = [e for e in events if e.uuid not in self._seen]
        news = [e for e in new if e.kind != "record" and e.who != store.who]
        self._seen = _uuids(events)
        if edits == self._control.document.session.edits:
            return
        had_results = bool(self._control.document.session.results)
        self._control.document.set_edits(edits, "team")
        if news:
            last = news[-1]
            what = last.edit.title if last.edit is not None else last.kind
            others = f" and {len(news) - 1} more" if len(news) > 1 else ""
            self._control.said.emit(f"{last.who}: {what}{others}")
        if had_results and self._control.auto_run:
            self._control.run()

    def close(self) -> None:
        """Look no more."""
        self._look_again.stop()

    def _on_changes(self, changes: Changes) -> None:
        if not changes.parts & (Part.DATASET | Part.EPISODE):
            return
        store = self._control.commands.store
        shared = store is not None and store.is_shared
        demonstration = self._control.document.session.demonstration
        self._seen = frozenset()
        if changes.parts & Part.DATASET:
            self._trouble = self._kept = ""
            # What went at once is among the reasons that are told when a dataset is opened.
            self._gone = store.gone if store is not None else ""
        if store is not None and shared and demonstration is not None:
            self._seen = _uuids(store.history(demonstration.ref.episode))
        if shared and not self._look_again.isActive():
            self._look_again.start()

    def _tell_trouble(self, store: ReviewStore) -> None:
        trouble = store.trouble
        if trouble != self._trouble:
            self._trouble = trouble
            if trouble:
                self._control.failed.emit(f"What colleagues do is not seen: {trouble}", "")
            else:
                self._control.said.emit("The shared reviews can be read again")

    def _tell_kept(self, store: ReviewStore) -> None:
        kept, gone = store.kept, store.gone
        if kept and not self._kept:
            self._control.failed.emit(f"What you do is {kept}", "")
        self._kept = kept
        if gone != self._gone:
            self._gone = gone
            self._control.said.emit(gone)


def _uuids(events: Iterable[Event]) -> frozenset[str]:
    return frozenset(e.uuid for e in events)
