"""The review store: everything people said about a dataset, and what machines wrote for them.

Nothing is overwritten: undo and redo are events too. Every event is safe on the disk, or in the
team's database, before `append` returns. Where events lie is up to `SqliteFile`, or `TeamDatabase`
with the `Outbox` before it; what they mean together to `pipeline.review.events`.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.model.authorship import account_name, utc_now
from pipeline.model.edits import EDIT, Edit, build_edits, in_force
from pipeline.model.problem import DataError, Problem
from pipeline.review.dataset_identity import identity_key, readable_name
from pipeline.review.event_log import EventLog
from pipeline.review.event_table import EventTable
from pipeline.review.events import (
    DATASET_WIDE,
    Event,
    EventKind,
    Reviewed,
    Scalar,
    Timeline,
    episode_of,
    record_text,
    replay,
    reviewed_episodes,
)
from pipeline.review.location import has_team_database, outbox_place
from pipeline.review.outbox import Outbox
from pipeline.review.refresher import Refresher
from pipeline.review.sqlite_file import SqliteFile

if TYPE_CHECKING:
    from pipeline.review.merging import Conflict, MergeReport

BUSY_SECONDS = 2.0
"""How long a write waits for another process; the window shows the sentence after that."""


class ReviewStore:
    """Reviews of one dataset. Safe to use from several threads and several processes.

    Locally the file is made by the first write, so looking at a dataset leaves nothing behind.
    """

    def __init__(self, table: EventTable, who: str, dataset: str) -> None:
        """Use a place for events; see `open`.

        Args:
            table: Where they lie.
            who: Name that new events carry.
            dataset: Name of the dataset that new events carry.
        """
        self._table = table
        self._who = who
        self._dataset = dataset
        self._log = EventLog(table)
        self._outbox = table if isinstance(table, Outbox) else None
        self._refresher = Refresher(self.refresh) if table.is_remote else None

    @classmethod
    def open(
        cls,
        dataset_path: str | Path,
        *,
        who: str | None = None,
        data_dir: Path | None = None,
        offline: bool = True,
    ) -> ReviewStore:
        """Open the store of a dataset: the team's database if one is set, else the local file.

        What waits on this machine for the team's database goes there now.

        Args:
            dataset_path: Root folder of the dataset.
            who: Name of the person; the name of the account if None.
            data_dir: The user's data folder, used where the dataset's parent is not writable;
                DEMOSCOPE_DATA_DIR or the system's choice if None.
            offline: Whether to open a team's database that cannot be reached, for edits to come:
                until it can, only what waits on this machine is known. False for who needs all.

        Raises:
            DataError: `store_newer` if a newer Demoscope wrote it, `store_not_writable` if it
                cannot be opened. A corrupt file is moved aside, see `problems`.
        """
        dataset = Path(dataset_path).expanduser().absolute()
        if has_team_database():
            # lazy: only a team has one
            from pipeline.review.team_address import configured_address
            from pipeline.review.team_database import TeamDatabase

            key, address = identity_key(dataset), configured_address()
            file = SqliteFile(outbox_place(key, data_dir), BUSY_SECONDS)
            team = TeamDatabase(dataset, address, key, data_dir)
            table: EventTable = Outbox(team, file, address.shown)
        else:
            table = SqliteFile.of_dataset(dataset, data_dir, BUSY_SECONDS)
        store = cls._of(table, who, dataset)
        if not offline and store._outbox is not None and store._outbox.unread:
            unread, kept = store._outbox.unread, store.kept
            store.close()
            more = f" What you did last is {kept}." if kept else ""
            raise DataError("store_not_writable", unread + more)
        return store

    @classmethod
    def open_local(
        cls, dataset_path: str | Path, *, who: str | None = None, data_dir: Path | None = None
    ) -> ReviewStore:
        """Open the local file even if a team's database is set; as `open` otherwise."""
        dataset = Path(dataset_path).expanduser().absolute()
        return cls._of(SqliteFile.of_dataset(dataset, data_dir, BUSY_SECONDS), who, dataset)

    @classmethod
    def _of(cls, table: EventTable, who: str | None, dataset: Path) -> ReviewStore:
        try:
            return cls(table, who or account_name(), readable_name(dataset))
        except BaseException:
            table.close()
            raise

    @property
    def location(self) -> Path:
        """The local file, which may not exist yet; with a team's database it is not written."""
        return self._table.location

    @property
    def reason(self) -> str:
        """Why the reviews lie where they do, one sentence."""
        return self._table.reason

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What happened at opening: `store_corrupted`."""
        return self._table.problems

    @property
    def who(self) -> str:
        """Name that new events carry."""
        return self._who

    @property
    def is_shared(self) -> bool:
        """Whether it is a team's database, where the events of others come by `refresh`."""
        return self._table.is_remote

    @property
    def trouble(self) -> str:
        """One sentence while a team's database cannot be asked for the events of others."""
        return self._refresher.trouble if self._refresher is not None else ""

    @property
    def kept(self) -> str:
        """One clause while events wait on this machine for a team's database, else empty."""
        return self._outbox.kept if self._outbox is not None else ""

    @property
    def gone(self) -> str:
        """How many that waited have gone there since this was opened, one sentence; else empty."""
        return self._outbox.gone if self._outbox is not None else ""

    def prepare(self) -> None:
        """Load what the first write needs (some 300 ms of work) without changing anything.

        For a thread of its own once the window is on show; a write that comes earlier waits.
        """
        build_edits()
        self._table.prepare()

    # -- edits -----------------------------------------------------------------------------

    def append(self, episode: int, edit: Edit) -> Event:
        """Save an edit; it is safe when this returns.

        Raises:
            DataError: `store_not_writable`; the store is then as it was before.
        """
        text = EDIT.dump_json(edit).decode()
        return self._write(
            self._new("edit", episode_of(edit, episode), edit.stage, edit.subtask, text)
        )

    def record(
        self, episode: int, subtask: int, payload: Mapping[str, Scalar], stage: str = "captions"
    ) -> Event:
        """Save a fact that a machine made, e.g. a version of a caption; never undone, no edit.

        Args:
            episode: Episode index.
            subtask: Index of the subtask, -1 = the episode.
            payload: Plain values by name.
            stage: Stage that made it.

        Raises:
            DataError: `store_not_writable`; the store is then as it was before.
            ValueError: A value is no plain one, or no finite number.
        """
        text = record_text(payload)
        return self._write(self._new("record", episode, stage, subtask, text))

    def undo(self, episode: int) -> Edit | None:
        """Take back one's own newest edit that holds for an episode; None if there is none.

        Edits of other people stay.

        Raises:
            DataError: `store_not_writable`.
        """
        return self._step(episode, "undo")

    def redo(self, episode: int) -> Edit | None:
        """Put back what one undid last; None if there is nothing.

        Raises:
            DataError: `store_not_writable`.
        """
        return self._step(episode, "redo")

    def _step(self, episode: int, kind: EventKind) -> Edit | None:
        with self._log.lock:
            timeline = self._timeline(episode)
            of = timeline.to_undo(self._who) if kind == "undo" else timeline.to_redo(self._who)
            if of is None:
                return None
            self._write(self._new(kind, of.episode, of.stage, of.subtask, "", of.uuid))
            return of.edit

    def edits(self, episode: int) -> tuple[Edit, ...]:
        """Edits in force for an episode, those of the whole dataset included, oldest first."""
        found = (e.edit for e in self._timeline(episode).applied)
        return in_force(tuple(e for e in found if e is not None))

    def can_undo(self, episode: int) -> str | None:
        """Title of what `undo` would take back, or None."""
        return _title(self._timeline(episode).to_undo(self._who))

    def can_redo(self, episode: int) -> str | None:
        """Title of what `redo` would put back, or None."""
        return _title(self._timeline(episode).to_redo(self._who))

    def history(self, episode: int) -> tuple[Event, ...]:
        """All events that concern an episode, records included, oldest first."""
        return tuple(e for e in self.events() if e.episode in (episode, DATASET_WIDE))

    def events(self) -> tuple[Event, ...]:
        """All events of all episodes, oldest first."""
        return self._log.events()

    def refresh(self) -> bool:
        """Read what was added since, by this process, another one or another person.

        What waits on this machine for a team's database goes there first. A local store does so by
        itself whenever it is asked; a shared one also every few seconds.

        Returns:
            Whether there was anything new.

        Raises:
            DataError: It cannot be read now; what was known stays.
        """
        found = self._log.refresh()
        if self._outbox is not None and self._outbox.unread:
            raise DataError("store_not_writable", self._outbox.unread)
        return found

    def _timeline(self, episode: int) -> Timeline:
        return replay(self.history(episode))

    def reviewed(self) -> dict[int, Reviewed]:
        """Verdicts on captions per episode; episodes without one are left out."""
        return reviewed_episodes(self.events())

    def disagreements(self) -> tuple[Conflict, ...]:
        """Captions on which people's newest verdicts in force differ."""
        from pipeline.review.merging import disagreements

        return disagreements(self.events())

    # -- other stores ----------------------------------------------------------------------

    def merge(self, events: Iterable[Event], *, any_dataset: bool = False) -> MergeReport:
        """Take over the events of another store: nothing is lost, nothing comes twice.

        In whatever order stores are merged, the state is the same. Files are read by
        `pipeline.review.exchange`.

        Args:
            events: All of the other store.
            any_dataset: Take events of a dataset of another name, too.

        Raises:
            DataError: `other_dataset`, or `store_not_writable`; nothing is taken over then.
        """
        from pipeline.review.merging import compare  # lazy: the window's start needs none of it

        self.refresh()
        with self._log.lock:
            ours = self.events()
            found = compare(ours, events)
            if not any_dataset:
                found.check_dataset(self._dataset, ours)
            if found.added:
                self._log.write(found.added)
            return found.report(self.events())

    # -- settings --------------------------------------------------------------------------

    def get_setting(self, key: str, default: Any = None) -> Any:
        """Read a setting of this dataset (a JSON value)."""
        text = self._table.get_setting(key)
        return default if text is None else json.loads(text)

    def put_setting(self, key: str, value: Any) -> None:
        """Save a setting of this dataset (a JSON value).

        Raises:
            DataError: `store_not_writable`.
        """
        self._table.put_setting(key, json.dumps(value))

    def close(self) -> None:
        """Close it; what was read stays readable, nothing can be written any more."""
        if self._refresher is not None:
            self._refresher.stop()
        self._table.close()

    # -- events ----------------------------------------------------------------------------

    def _new(
        self, kind: EventKind, episode: int, stage: str, subtask: int, payload: str, of: str = ""
    ) -> Event:
        new, now, me = uuid.uuid4().hex, utc_now(), self._who
        place = (self._dataset, episode, kind, stage, subtask)
        return Event(0, new, now, me, *place, payload, of)

    def _write(self, event: Event) -> Event:
        return self._log.write((event,))


def _title(event: Event | None) -> str | None:
    edit = event.edit if event is not None else None
    return edit.title if edit is not None else None
