"""The review store: everything people said about a dataset, appended to one SQLite file.

Nothing is overwritten: undo and redo are events too. Every event is its own transaction, synced
to the disk before `append` returns (synchronous=FULL: an event is seconds of a person's work and
rare, so a few milliseconds are well spent; NORMAL could lose the last ones at a power cut). The
write-ahead log lets other processes read while one writes; on network file systems, where it is
unsafe, the rollback journal is used.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from pipeline.model.authorship import account_name, utc_now
from pipeline.model.edits import EDIT, Edit, in_force
from pipeline.model.problem import DataError, Problem
from pipeline.review.events import (
    DATASET_WIDE,
    Event,
    EventKind,
    Reviewed,
    Timeline,
    count_verdicts,
    episode_of,
    replay,
)
from pipeline.review.location import Place, choose_place, on_network, sidecar, user_place

logger = logging.getLogger(__name__)

SCHEMA_VERSION = 1
BUSY_SECONDS = 2.0
"""How long a write waits for another process; the window shows the sentence after that."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid TEXT NOT NULL UNIQUE,
    at TEXT NOT NULL,
    who TEXT NOT NULL,
    dataset TEXT NOT NULL,
    episode INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('edit', 'undo', 'redo')),
    stage TEXT NOT NULL,
    subtask INTEGER NOT NULL,
    payload TEXT NOT NULL,
    refers_to TEXT NOT NULL DEFAULT ''
);
CREATE TABLE IF NOT EXISTS settings (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    at TEXT NOT NULL
);
"""
_COLUMNS = "id, uuid, at, who, dataset, episode, kind, stage, subtask, payload, refers_to"
_BROKEN = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class ReviewStore:
    """Reviews of one dataset. Safe to use from several threads and several processes.

    The file is made by the first write, so looking at a dataset leaves nothing behind.
    """

    def __init__(self, dataset: Path, place: Place, who: str, data_dir: Path | None = None) -> None:
        self._dataset = dataset
        self._place = place
        self._who = who
        self._data_dir = data_dir
        self._problems: list[Problem] = []
        self._events: list[Event] = []
        self._connection: sqlite3.Connection | None = None
        self._closed = False
        self._lock = threading.RLock()

    @classmethod
    def open(
        cls, dataset_path: str | Path, *, who: str | None = None, data_dir: Path | None = None
    ) -> ReviewStore:
        """Open the store of a dataset.

        Args:
            dataset_path: Root folder of the dataset.
            who: Name of the person; the name of the account if None.
            data_dir: The user's data folder, used where the dataset's parent is not writable;
                DEMOSCOPE_DATA_DIR or the system's choice if None.

        Raises:
            DataError: `store_newer` if a newer Demoscope wrote it, `store_not_writable` if it
                cannot be opened. A corrupt file is moved aside, see `problems`.
        """
        dataset = Path(dataset_path).expanduser().absolute()
        store = cls(dataset, choose_place(dataset, data_dir), who or account_name(), data_dir)
        beside = sidecar(dataset)
        if not store._place.beside and not store.location.exists() and beside.exists():
            store._copy_readable(beside)
        if store.location.exists():
            store._open_existing()
        return store

    @property
    def location(self) -> Path:
        """The file, which may not exist yet."""
        return self._place.path

    @property
    def reason(self) -> str:
        """Why the file lies there, one sentence."""
        return self._place.reason

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What happened at opening: `store_corrupted`."""
        return tuple(self._problems)

    @property
    def who(self) -> str:
        """Name that new events carry."""
        return self._who

    # -- edits -----------------------------------------------------------------------------

    def append(self, episode: int, edit: Edit) -> Event:
        """Save an edit; it is on the disk when this returns.

        Raises:
            DataError: `store_not_writable`; the store is then as it was before.
        """
        event = self._new(
            "edit",
            episode_of(edit, episode),
            edit.stage,
            edit.subtask,
            EDIT.dump_json(edit).decode(),
        )
        with self._lock:
            return self._write(event)

    def undo(self, episode: int) -> Edit | None:
        """Take back the newest edit that holds for an episode; None if there is none.

        Raises:
            DataError: `store_not_writable`.
        """
        return self._step(episode, "undo")

    def redo(self, episode: int) -> Edit | None:
        """Put back what was undone last; None if there is nothing.

        Raises:
            DataError: `store_not_writable`.
        """
        return self._step(episode, "redo")

    def _step(self, episode: int, kind: EventKind) -> Edit | None:
        with self._lock:
            timeline = self._timeline(episode)
            events = timeline.applied if kind == "undo" else timeline.undone
            of = _newest(events)
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
        return _title(self._timeline(episode).applied)

    def can_redo(self, episode: int) -> str | None:
        """Title of what `redo` would put back, or None."""
        return _title(self._timeline(episode).undone)

    def history(self, episode: int) -> tuple[Event, ...]:
        """All events that concern an episode, oldest first."""
        self._refresh()
        with self._lock:
            return tuple(e for e in self._events if e.episode in (episode, DATASET_WIDE))

    def events(self) -> tuple[Event, ...]:
        """All events of all episodes, oldest first."""
        self._refresh()
        with self._lock:
            return tuple(self._events)

    def _timeline(self, episode: int) -> Timeline:
        return replay(self.history(episode))

    def reviewed(self) -> dict[int, Reviewed]:
        """Verdicts on captions per episode; episodes without one are left out."""
        self._refresh()
        with self._lock:
            episodes = sorted({e.episode for e in self._events if e.stage == "captions"})
            counts = {
                i: count_verdicts(
                    in_force(
                        tuple(
                            edit
                            for e in replay(x for x in self._events if x.episode == i).applied
                            if e.stage == "captions" and (edit := e.edit) is not None
                        )
                    )
                )
                for i in episodes
            }
        return {i: c for i, c in counts.items() if c.total}

    # -- settings --------------------------------------------------------------------------

    def get_setting(self, key: str, default: Any = None) -> Any:
        """Read a setting of this dataset (a JSON value)."""
        with self._lock:
            if self._connection is None:
                return default
            with self._errors("read"):
                row = self._connection.execute(
                    "SELECT value FROM settings WHERE key = ?", (key,)
                ).fetchone()
        return default if row is None else json.loads(row[0])

    def put_setting(self, key: str, value: Any) -> None:
        """Save a setting of this dataset (a JSON value).

        Raises:
            DataError: `store_not_writable`.
        """
        text = json.dumps(value)
        with self._lock:
            connection = self._writable()
            with self._errors("written"), connection:
                connection.execute(
                    "INSERT INTO settings (key, value, at) VALUES (?, ?, ?) ON CONFLICT (key) "
                    "DO UPDATE SET value = excluded.value, at = excluded.at",
                    (key, text, utc_now()),
                )

    def close(self) -> None:
        """Close the file; what was read stays readable, nothing can be written any more."""
        with self._lock:
            self._closed = True
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    # -- file ------------------------------------------------------------------------------

    def _new(
        self,
        kind: EventKind,
        episode: int,
        stage: str,
        subtask: int,
        payload: str,
        refers_to: str = "",
    ) -> Event:
        return Event(
            0,
            uuid.uuid4().hex,
            utc_now(),
            self._who,
            self._dataset.name,
            episode,
            kind,
            stage,
            subtask,
            payload,
            refers_to,
        )

    def _write(self, event: Event) -> Event:
        connection = self._writable()
        values = [getattr(event, c) for c in _COLUMNS.split(", ")[1:]]
        marks = ", ".join("?" * len(values))
        with self._errors("written"), connection:
            # the columns are constants of this module
            cursor = connection.execute(
                f"INSERT INTO events ({_COLUMNS.removeprefix('id, ')}) VALUES ({marks})",  # noqa: S608
                values,
            )
        self._refresh()
        return next(e for e in reversed(self._events) if e.id == cursor.lastrowid)

    def _refresh(self) -> None:
        """Read events that were added since, by this process or another one."""
        with self._lock:
            if self._connection is None:
                # another process may have made the file meanwhile
                if self._closed or not self.location.exists():
                    return
                try:
                    self._connect()
                except DataError as error:
                    logger.warning("%s", error)
                    return
            last = self._events[-1].id if self._events else 0
            connection = cast(sqlite3.Connection, self._connection)
            try:
                rows = connection.execute(
                    f"SELECT {_COLUMNS} FROM events WHERE id > ? ORDER BY id",  # noqa: S608
                    (last,),
                ).fetchall()
            except sqlite3.Error as error:
                logger.warning("%s could not be read again: %s", self.location, error)
                return
            self._events += [Event(*row) for row in rows]

    def _writable(self) -> sqlite3.Connection:
        if self._closed:
            raise DataError("store_not_writable", f"The reviews in {self.location} are closed.")
        if self._connection is None:
            try:
                self._connect()
            except DataError as error:
                # a file that is there is only busy: never begin a second one beside it
                if not self._place.beside or self.location.exists():
                    raise
                logger.warning("%s", error)
                parent = self._dataset.parent
                why = f"{parent} cannot be written"
                self._place = user_place(self._dataset, self._data_dir, why)
                self._connect()
        return cast(sqlite3.Connection, self._connection)

    def _open_existing(self) -> None:
        try:
            self._connect()
        except DataError as error:
            if error.code != "store_corrupted":
                raise
            self._move_aside()
        self._refresh()

    def _connect(self) -> None:
        """Open or make the file, and check it."""
        with self._errors("opened"):
            self.location.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(
                self.location, timeout=BUSY_SECONDS, check_same_thread=False
            )
            try:
                self._prepare(connection)
            except BaseException:
                connection.close()
                raise
        self._connection = connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > SCHEMA_VERSION:
            raise DataError(
                "store_newer",
                f"{self.location} was written by a newer Demoscope (format {version}, this one "
                f"reads {SCHEMA_VERSION}): update Demoscope to review this dataset.",
            )
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise DataError("store_corrupted", f"{self.location} is damaged: {found}.")
        mode = "DELETE" if on_network(self.location) else "WAL"
        try:
            connection.execute(f"PRAGMA journal_mode = {mode}").fetchone()
        except sqlite3.OperationalError as error:  # in use elsewhere, or the system has no WAL
            logger.info("%s keeps its journal mode: %s", self.location, error)
        connection.execute("PRAGMA synchronous = FULL")
        if version < SCHEMA_VERSION:
            script = f"BEGIN IMMEDIATE;{_SCHEMA}PRAGMA user_version = {SCHEMA_VERSION};COMMIT;"
            connection.executescript(script)

    @contextmanager
    def _errors(self, doing: str) -> Iterator[None]:
        """Turn errors of SQLite and of the file system into one sentence."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", None) in _BROKEN:
                raise DataError("store_corrupted", f"{self.location} is damaged: {error}.") from (
                    error
                )
            raise DataError("store_not_writable", self._sentence(doing, error)) from error
        except OSError as error:
            raise DataError("store_not_writable", self._sentence(doing, error)) from error

    def _sentence(self, doing: str, error: Exception) -> str:
        why = str(error)
        if "locked" in why:
            why = "another program holds it; try again"
        elif "full" in why:
            why = "the disk is full"
        return f"The reviews in {self.location} cannot be {doing}: {why}."

    def _move_aside(self) -> None:
        """Keep a damaged file under another name and begin a new one."""
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
        aside = self.location.with_name(f"{self.location.name}.damaged-{stamp}")
        try:
            for suffix in ("-wal", "-shm", ""):
                part = self.location.with_name(self.location.name + suffix)
                if part.exists():
                    part.rename(aside.with_name(aside.name + suffix))
        except OSError as error:
            raise DataError("store_not_writable", self._sentence("opened", error)) from error
        message = (
            f"The reviews in {self.location} are damaged; the file is kept as {aside.name} and a "
            "new one begins."
        )
        logger.warning("%s", message)
        self._problems.append(Problem("store_corrupted", message))

    def _copy_readable(self, source: Path) -> None:
        """Begin the user's store with what others saved beside a dataset that is read-only."""
        try:
            self.location.parent.mkdir(parents=True, exist_ok=True)
            # immutable: without it SQLite wants to write -shm beside the file
            uri = f"{source.as_uri()}?mode=ro&immutable=1"
            with (
                closing(sqlite3.connect(uri, uri=True)) as old,
                closing(sqlite3.connect(self.location)) as new,
            ):
                old.backup(new)
        except (sqlite3.Error, OSError) as error:
            logger.warning("%s cannot be read: %s", source, error)
            self.location.unlink(missing_ok=True)


def _newest(events: tuple[Event, ...]) -> Event | None:
    """The last event whose edit this version understands."""
    return next((e for e in reversed(events) if e.edit is not None), None)


def _title(events: tuple[Event, ...]) -> str | None:
    event = _newest(events)
    edit = event.edit if event is not None else None
    return edit.title if edit is not None else None
