"""What a person decides: commands that save themselves and carry their own undo.

`do` runs without a window. Asking (dialogs, drawing) happens in `app/`.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.document import Changes, Document
from pipeline.model.edits import Edit, in_force
from pipeline.model.problem import DataError
from pipeline.review.events import DATASET_WIDE, episode_of
from pipeline.review.store import ReviewStore

_Unsaved = tuple[int, Edit]
"""Episode (`DATASET_WIDE` for all) and edit."""


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What a command did.

    Attributes:
        changes: Of the document.
        stage: First stage that must run again, empty if none.
        title: What was done or undone, for the status bar.
        warning: One sentence if it could not be saved (it stays in force in this session).
    """

    changes: Changes
    stage: str
    title: str
    warning: str = ""


class Commands:
    """Applies edits to the document and to the store, in that order of importance: saved first.

    What a team's database cannot take now is saved, too: the store keeps it on this machine, and
    titles say so. Only where nothing can be written edits live on in this session with their own
    undo, and every result says so.
    """

    def __init__(self, document: Document) -> None:
        self._document = document
        self._store: ReviewStore | None = None
        # With the episode that each is about: going on leads to another one, and back.
        self._unsaved: list[_Unsaved] = []
        self._unsaved_undone: list[_Unsaved] = []

    def attach(self, store: ReviewStore | None) -> None:
        """Use another dataset's store."""
        self._store = store
        self._unsaved.clear()
        self._unsaved_undone.clear()

    @property
    def store(self) -> ReviewStore | None:
        """The open store."""
        return self._store

    def edits_of(self, episode: int) -> tuple[Edit, ...]:
        """Edits in force for an episode: from the store, then what could not be saved there."""
        saved = self._store.edits(episode) if self._store is not None else ()
        unsaved = tuple(edit for place, edit in self._unsaved if place in (episode, DATASET_WIDE))
        return in_force((*saved, *unsaved)) if unsaved else saved

    def do(self, edit: Edit, initiator: str = "") -> CommandResult:
        """Put an edit in force and save it at once.

        Raises:
            ValueError: If no episode is open.
        """
        episode = self._episode
        if episode is None:
            raise ValueError("no episode is open")
        warning = ""
        try:
            if self._store is None:
                raise DataError("no_store", "there is no place to save corrections")
            self._store.append(episode, edit)
        except DataError as error:
            self._unsaved.append((episode_of(edit, episode), edit))
            warning = f"not saved, in force until you close: {error}"
        self._unsaved_undone.clear()
        edits = in_force((*self._document.session.edits, edit))
        changes = self._document.set_edits(edits, initiator)
        title = edit.title if warning else self._told(edit.title)
        return CommandResult(changes, edit.stage, title, warning)

    def save(self, edit: Edit) -> bool:
        """Save an edit of the open episode without putting it in force: it is left at once.

        Returns:
            Whether it is saved; if not, `do` keeps it for this session.
        """
        episode = self._episode
        if episode is None or self._store is None or _newest(self._unsaved, episode):
            return False
        try:
            self._store.append(episode, edit)
        except DataError:
            return False
        self._unsaved_undone.clear()
        return True

    def undo(self, initiator: str = "") -> CommandResult | None:
        """Take back the newest edit of this episode; None if there is none."""
        return self._step(initiator, back=True)

    def redo(self, initiator: str = "") -> CommandResult | None:
        """Put back what was undone last; None if there is nothing."""
        return self._step(initiator, back=False)

    def _step(self, initiator: str, *, back: bool) -> CommandResult | None:
        episode = self._episode
        if episode is None:
            return None
        edit: Edit | None = None
        source, target = self._unsaved, self._unsaved_undone
        if not back:
            source, target = target, source
        unsaved = _newest(source, episode)
        if unsaved is not None:
            source.remove(unsaved)
            target.append(unsaved)
            edit = unsaved[1]
        elif self._store is not None:
            edit = self._store.undo(episode) if back else self._store.redo(episode)
        if edit is None:
            return None
        changes = self._document.set_edits(self.edits_of(episode), initiator)
        word = "undone" if back else "redone"
        return CommandResult(changes, edit.stage, self._told(f"{word}: {edit.title}"))

    def _told(self, title: str) -> str:
        """A title, and where what was done is kept if it is not where it belongs."""
        kept = self._store.kept if self._store is not None else ""
        return f"{title} ({kept})" if kept else title

    def can_undo(self) -> str | None:
        """Title of what `undo` would take back, or None."""
        store, episode = self._store, self._episode
        unsaved = _newest(self._unsaved, episode)
        if unsaved is not None:
            return unsaved[1].title
        return None if store is None or episode is None else store.can_undo(episode)

    def can_redo(self) -> str | None:
        """Title of what `redo` would put back, or None."""
        store, episode = self._store, self._episode
        unsaved = _newest(self._unsaved_undone, episode)
        if unsaved is not None:
            return unsaved[1].title
        return None if store is None or episode is None else store.can_redo(episode)

    @property
    def _episode(self) -> int | None:
        demonstration = self._document.session.demonstration
        return None if demonstration is None else demonstration.ref.episode


def _newest(unsaved: list[_Unsaved], episode: int | None) -> _Unsaved | None:
    """The newest of them that concerns an episode."""
    return next((u for u in reversed(unsaved) if u[0] in (episode, DATASET_WIDE)), None)
