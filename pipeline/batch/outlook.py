"""What a batch run in a folder would find there, before it begins. Changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.batch.capacity import default_jobs
from pipeline.batch.folder import JOURNAL, TABLE, Entry, newest_entries, read_record
from pipeline.batch.lock import is_locked
from pipeline.batch.run_record import RunRecord
from pipeline.engine.graph import Graph
from pipeline.model.authorship import utc_now
from pipeline.model.demonstration import DatasetInfo


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is in a folder, and how a run there would go.

    Attributes:
        folder: The folder.
        wanted: Number of episodes that are wanted.
        finished: Of these, how many came through in an earlier run.
        failed: Of these, how many failed in an earlier run: episode and reason.
        difference: Why an earlier run cannot be continued, one sentence; empty if it can, or if
            there is none.
        in_use: True if a run is at work there now.
        table: The merged results, None if there are none yet.
        jobs: Processes that a run would take.
        jobs_reason: Why so many.
    """

    folder: Path
    wanted: int
    finished: int
    failed: tuple[tuple[int, str], ...]
    difference: str
    in_use: bool
    table: Path | None
    jobs: int
    jobs_reason: str

    @property
    def begun(self) -> bool:
        """Whether there is something to continue."""
        return not self.difference and bool(self.finished or self.failed)


def look(
    folder: Path,
    info: DatasetInfo,
    graph: Graph,
    options: Mapping[str, Any],
    episodes: Sequence[int],
) -> Outlook:
    """Look into a folder.

    Args:
        folder: Where a run would put its results.
        info: The dataset.
        graph: Stages.
        options: Stage name -> options instance, one for every stage.
        episodes: Episodes that are wanted.

    Raises:
        DataError: `bad_run`; what is there cannot be read.
    """
    wanted = set(episodes)
    earlier = read_record(folder)
    difference = ""
    known: dict[int, Entry] = {}
    if earlier is not None:
        now = RunRecord.of(info, graph, options, episodes, utc_now("seconds"))
        difference = earlier.difference(now)
        known = newest_entries(folder / JOURNAL)
    mine = {} if difference else {e: known[e] for e in sorted(wanted) if e in known}
    capacity = default_jobs(options)
    table = folder / TABLE
    return Outlook(
        folder=folder,
        wanted=len(wanted),
        finished=sum(entry.finished for entry in mine.values()),
        failed=tuple((e, entry.reason) for e, entry in mine.items() if not entry.finished),
        difference=difference,
        in_use=is_locked(folder),
        table=table if table.is_file() else None,
        jobs=capacity.jobs,
        jobs_reason=capacity.reason,
    )
