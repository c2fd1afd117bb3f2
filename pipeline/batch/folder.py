"""The folder of a batch run: what survives a kill, and what is done already.

- `run.json`: what the run is about (`RunRecord`)
- `journal.jsonl`: one line per finished or failed episode; the newest of an episode counts
- `parts/`: one Parquet file per episode, written before its line of the journal
- `annotations.parquet`: all parts in one file, when all episodes are through
- `lock`: held while a run is at work
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.annotations.parquet import merge_parts, write_table
from pipeline.batch.lock import FolderLock
from pipeline.batch.records import read_records
from pipeline.batch.report import EpisodeReport
from pipeline.batch.run_record import COMPLETE, RunRecord
from pipeline.model.annotation import Annotation
from pipeline.model.authorship import utc_now
from pipeline.model.edits import EDITS, Edit
from pipeline.model.problem import DataError
from pipeline.model.whole_file import write_whole
from pipeline.review.journal import Journal
from pipeline.review.location import choose_place

log = logging.getLogger(__name__)

TABLE = "annotations.parquet"
RECORD, JOURNAL, PARTS = "run.json", "journal.jsonl", "parts"
_OURS = (JOURNAL, TABLE, PARTS, RECORD)
"""What a run leaves, in the order in which it is moved away: a kill half-way leaves a run without a
journal, which is computed again, never a journal without its run."""


def default_folder(dataset: Path) -> Path:
    """Where the results of a dataset go unless said otherwise: `<dataset>.demoscope/annotations`.

    If nothing can be written beside the dataset: in the user's folder.
    """
    return choose_place(dataset).path.parent / "annotations"


def digest_of(edits: tuple[Edit, ...]) -> str:
    """Tells whether the human corrections of an episode changed; empty if there are none."""
    if not edits:
        return ""
    return hashlib.blake2b(EDITS.dump_json(edits), digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True)
class Entry:
    """The newest line of the journal about an episode.

    Attributes:
        episode: Index.
        finished: False if it failed.
        seconds: Time that it took.
        frames: Its length.
        annotations: Number of its records.
        computed: Results that were computed, not found.
        corrections: Digest of the human corrections in force.
        reason: Why it failed, empty if it did not.
    """

    episode: int
    finished: bool
    seconds: float
    frames: int
    annotations: int
    computed: int
    corrections: str
    reason: str

    @classmethod
    def of(cls, line: Mapping[str, Any]) -> Entry | None:
        """Read a line; None if it is not about an episode."""
        try:
            return cls(
                episode=int(line["episode"]),
                finished=line["state"] == "finished",
                seconds=float(line["seconds"]),
                frames=int(line["frames"]),
                annotations=int(line["annotations"]),
                computed=sum(int(n) for n in line["computed"].values()),
                corrections=str(line["corrections"]),
                reason=str(line.get("reason", "")),
            )
        except (KeyError, TypeError, ValueError, AttributeError):
            log.warning("a line of the journal is not about an episode: %s", line)
            return None


class RunFolder:
    """A run's folder, held by this process until `close`.

    Attributes:
        path: The folder.
        record: What the run is about.
        entries: What is known about its episodes.
        kept_as: Where an earlier run was moved to, None if there was none.
    """

    def __init__(self, path: Path, record: RunRecord, *, fresh: bool = False) -> None:
        """Begin a run, or continue the one that is there.

        Args:
            path: The folder; it is made.
            record: What the run is about.
            fresh: Begin anew; what is there is kept under a dated name beside it.

        Raises:
            DataError: `run_in_use`; `other_run` if what is there is a run about something else, or
                no run at all.
            OSError: It cannot be written.
        """
        self.path = path
        self.kept_as: Path | None = None
        lock = FolderLock(path)
        try:
            if fresh and any((path / name).exists() for name in _OURS):
                self.kept_as = _move_away(path)
            self._lock = lock
            self.record = self._begin(record)
        except BaseException:
            lock.release()
            raise
        self._journal = Journal(path / JOURNAL)
        self.entries = newest_entries(path / JOURNAL)

    def _begin(self, record: RunRecord) -> RunRecord:
        earlier = read_record(self.path)
        if earlier is None:
            if (self.path / JOURNAL).exists() or (self.path / TABLE).exists():
                raise DataError(
                    "other_run",
                    f"{self.path}: it holds results but no {RECORD} that says of what; choose "
                    "another folder with --out",
                )
            begun = record
        else:
            difference = earlier.difference(record)
            if difference:
                raise DataError(
                    "other_run",
                    f"{self.path}: {difference}; --fresh begins anew and keeps that run under a "
                    "dated name, --out FOLDER puts this one elsewhere",
                )
            # What does not decide results (a device, a time limit), and the place, may change.
            begun = replace(record, started=earlier.started, state=earlier.state)
            begun = begun.with_episodes(earlier.episodes)
        self._sweep()
        self._write(begun)
        return begun

    def _sweep(self) -> None:
        """Remove what a kill left half-written; nobody else writes while we hold the lock."""
        for folder in (self.path, self.path / PARTS):
            for path in folder.glob("*.part"):
                path.unlink(missing_ok=True)

    def _write(self, record: RunRecord) -> None:
        write_whole(self.path / RECORD, record.as_json().encode(), durable=True)

    def todo(
        self, episodes: tuple[int, ...], edits: Mapping[int, tuple[Edit, ...]], retry_failed: bool
    ) -> tuple[int, ...]:
        """Episodes that are still to be computed, in the order given.

        Args:
            episodes: Those that are wanted.
            edits: Human corrections in force; an episode whose corrections changed is done again.
            retry_failed: Try those that failed again.
        """

        def open_still(episode: int) -> bool:
            entry = self.entries.get(episode)
            if entry is None or (retry_failed and not entry.finished):
                return True
            if entry.corrections != digest_of(edits.get(episode, ())):
                return True
            return bool(entry.annotations) and not self._part(episode).is_file()

        return tuple(e for e in episodes if open_still(e))

    def _part(self, episode: int) -> Path:
        return self.path / PARTS / f"episode-{episode:06d}.parquet"

    def add(self, report: EpisodeReport, edits: tuple[Edit, ...] = ()) -> None:
        """Keep what became of an episode: first its records, then the line that says so.

        Raises:
            DataError: The records cannot be written.
            OSError: The journal cannot be written.
        """
        if report.annotations:
            write_table(self._part(report.episode), report.annotations, self.record.table_metadata)
        else:
            self._part(report.episode).unlink(missing_ok=True)
        line = report.journal_entry(utc_now("seconds"), digest_of(edits))
        self._journal.append(line)
        entry = Entry.of(line)
        if entry is not None:
            self.entries[entry.episode] = entry

    def complete(self) -> int:
        """Merge all parts by episode, unless they are already; returns the number of records.

        Raises:
            DataError: A part is damaged, or the file cannot be written.
        """
        if self.record.state == COMPLETE and (self.path / TABLE).is_file():
            return sum(entry.annotations for entry in self.entries.values())
        parts = [self._part(e) for e in sorted(self.entries) if self.entries[e].annotations]
        count = merge_parts(parts, self.path / TABLE, self.record.table_metadata)
        self.set_state(COMPLETE)
        return count

    def annotations(self, episodes: Iterable[int]) -> Iterator[Annotation]:
        """Read the records of some episodes, in that order; none of those that have none.

        Raises:
            DataError: A part is damaged.
        """
        for episode in episodes:
            entry = self.entries.get(episode)
            if entry is not None and entry.annotations:
                yield from read_records(self._part(episode))

    def set_state(self, state: str) -> None:
        """Write the state into `run.json`."""
        if self.record.state != state:
            self.record = replace(self.record, state=state)
            self._write(self.record)

    def close(self) -> None:
        """Give the folder back; twice is once."""
        self._lock.release()


def newest_entries(journal: Path) -> dict[int, Entry]:
    """The newest line about each episode; none if there is no journal."""
    found = (Entry.of(line) for line in Journal(journal).entries())
    return {entry.episode: entry for entry in found if entry is not None}


def read_record(folder: Path) -> RunRecord | None:
    """What the run in a folder is about, None if there is none.

    Raises:
        DataError: `bad_run`; the file is damaged or of a later version.
    """
    path = folder / RECORD
    try:
        return RunRecord.from_json(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError("bad_run", f"{path}: cannot be read ({error})") from error
    except DataError as error:
        raise DataError(error.code, f"{path}: {error}") from error


def _move_away(folder: Path) -> Path:
    """Move what a run left into a folder with a dated name beside it; nothing is deleted."""
    stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H%M%S")
    names = (f"{folder.name}-until-{stamp}{f'-{n}' if n else ''}" for n in range(1000))
    target = next(t for t in map(folder.with_name, names) if not t.exists())
    target.mkdir()
    for name in _OURS:
        if (folder / name).exists():
            (folder / name).rename(target / name)
    return target
