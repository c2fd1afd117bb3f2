"""Undo where going on has left the episode of the last decision."""

from __future__ import annotations

from PySide6.QtCore import QObject

from app.session_control import SessionControl
from pipeline.document import Changes, Part


class CaptionUndo(QObject):
    """Remembers where captions were decided in this session.

    Undo belongs to the open episode, as everywhere. Only where nothing was done since a verdict
    led to this episode, undo leads back to the one of the verdict.
    """

    def __init__(self, control: SessionControl, parent: QObject) -> None:
        super().__init__(parent)
        self._control = control
        self._trail: list[tuple[int, int]] = []
        self._arrived = 0
        self._back_to: tuple[int, int] | None = None
        self._subtask = -1
        control.episodeOpened.connect(self._on_opened)
        control.bridge.changed.connect(self._on_changes)

    def note(self, episode: int, subtask: int) -> None:
        """A caption was decided."""
        self._trail.append((episode, subtask))

    def title(self) -> str | None:
        """What undo takes back, or None."""
        if self._leads_away():
            return f"the decision in episode {self._trail[-1][0]}"
        return self._control.commands.can_undo()

    def undo(self) -> None:
        """Take the newest decision back."""
        if self._leads_away():
            self._back_to = self._trail[-1]
            self._control.open_episode(self._back_to[0])
            return
        self._undo_here()

    def _undo_here(self) -> None:
        result = self._control.undo()
        self._arrived = self._said()
        if result is not None and result.stage == "captions" and self._trail:
            episode, subtask = self._trail[-1]
            if episode == self._episode:
                self._trail.pop()
                self._select(subtask)

    @property
    def _episode(self) -> int:
        demonstration = self._control.document.session.demonstration
        return -1 if demonstration is None else demonstration.ref.episode

    def _said(self) -> int:
        """What people did in the open episode; what machines recorded does not count."""
        store = self._control.commands.store
        history = store.history(self._episode) if store is not None else ()
        return sum(e.kind != "record" for e in history)

    def _leads_away(self) -> bool:
        return (
            bool(self._trail)
            and self._trail[-1][0] != self._episode
            and self._said() == self._arrived
        )

    def _on_opened(self) -> None:
        self._arrived = self._said()
        self._subtask = -1
        back, self._back_to = self._back_to, None
        if back is not None and back[0] == self._episode:
            self._undo_here()

    def _select(self, subtask: int) -> None:
        """Show the subtask as soon as it is known."""
        if subtask < self._control.document.session.subtask_count:
            self._subtask = -1
            self._control.document.set_subtask(subtask, "undo")
        else:
            self._subtask = subtask

    def _on_changes(self, changes: Changes) -> None:
        if changes.parts & Part.DATASET:
            self._trail.clear()
            self._back_to = None
            self._subtask = -1
        elif changes.stage == "subtasks" and self._subtask >= 0:
            self._select(self._subtask)
