"""Events as JSON Lines and from other stores: what people hand to each other, and to programs.

One event per line, each complete in itself, so that files can be joined, cut and searched as text.
What is read is untrusted: bounded, checked line by line, and a line that is wrong is told and
passed over.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from pydantic import ValidationError

from pipeline.model.problem import DataError
from pipeline.review.event_line import FORMAT, EventLine
from pipeline.review.events import Event
from pipeline.review.location import sidecar
from pipeline.review.merging import BrokenLine, MergeReport
from pipeline.review.saved import open_copy
from pipeline.review.store import ReviewStore

MAX_LINE = 4 << 20
"""Longest line, bytes; a painted mask of the most runs takes 2.4 MB."""
MAX_EVENTS = 1_000_000
MAX_BYTES = 1 << 30
MAX_TOLD = 1000
"""Broken lines that are told one by one; the others are counted."""


def export_lines(events: Iterable[Event]) -> Iterator[str]:
    """One line per event, without its end."""
    for event in events:
        yield json.dumps(
            {
                "demoscope_review": FORMAT,
                "uuid": event.uuid,
                "clock": event.clock,
                "at": event.at,
                "who": event.who,
                "dataset": event.dataset,
                "episode": event.episode,
                "subtask": event.subtask,
                "kind": event.kind,
                "stage": event.stage,
                "refers_to": event.refers_to,
                "payload": json.loads(event.payload) if event.payload else None,
            },
            ensure_ascii=False,
            separators=(",", ":"),
        )


def export_jsonl(events: Iterable[Event], path: Path) -> int:
    """Write events to a file, whole or not at all.

    Returns:
        Number of events.

    Raises:
        OSError: It cannot be written; what was there stays.
    """
    part = path.with_name(f"{path.name}.part")
    count = 0
    try:
        with part.open("w", encoding="utf-8", newline="\n") as file:
            for line in export_lines(events):
                file.write(line + "\n")
                count += 1
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return count


def read_jsonl(path: Path) -> tuple[list[Event], tuple[BrokenLine, ...], int]:
    """Read events from a file that anybody may have written.

    Returns:
        Events, broken lines (the first `MAX_TOLD`), and how many there are.

    Raises:
        DataError: `store_not_readable` if it is no file, or larger than all bounds.
    """
    events: list[Event] = []
    broken: list[BrokenLine] = []
    count = 0
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError("store_not_readable", f"{path} is larger than {MAX_BYTES >> 20} MiB.")
        with path.open("rb") as file:
            for number, line in enumerate(_lines(file), 1):
                if line is not None and not line.strip():
                    continue
                try:
                    events.append(_event(line))
                except ValueError as error:
                    count += 1
                    if len(broken) < MAX_TOLD:
                        broken.append(BrokenLine(number, _why(error)))
                if len(events) > MAX_EVENTS:
                    raise DataError(
                        "store_not_readable", f"{path} holds more than {MAX_EVENTS} events."
                    )
    except OSError as error:
        raise DataError(
            "store_not_readable", f"{path}: cannot be read ({error.strerror})"
        ) from error
    return events, tuple(broken), count


def import_jsonl(store: ReviewStore, path: Path, *, any_dataset: bool = False) -> MergeReport:
    """Take over the events of a file; see `ReviewStore.merge`.

    Raises:
        DataError: It cannot be read, is of another dataset, or the store cannot be written.
    """
    events, broken, count = read_jsonl(path)
    report = store.merge(events, any_dataset=any_dataset)
    return replace(report, broken=broken, broken_count=count)


def merge_store(store: ReviewStore, path: Path, *, any_dataset: bool = False) -> MergeReport:
    """Take over the events of another store, or of a JSON Lines file.

    The other store is read from a copy, so that nothing is written beside it.

    Args:
        store: Ours.
        path: A `review.sqlite`, its folder, the dataset beside which it lies, or a .jsonl file.
        any_dataset: See `ReviewStore.merge`.

    Raises:
        DataError: There is none, it cannot be read, or the store cannot be written.
    """
    path = path.expanduser().absolute()
    places = (path, path / "review.sqlite", sidecar(path))
    found = next((p for p in places if p.is_file()), None)
    if found is None:
        raise DataError("store_not_readable", f"{path}: there are no reviews.")
    if not _is_sqlite(found):
        return import_jsonl(store, found, any_dataset=any_dataset)
    with open_copy(found) as other:
        events, broken = [], []
        for event in other.events():
            try:
                events.append(EventLine.checked(event))
            except ValueError as error:
                broken.append(BrokenLine(event.id, _why(error)))
    report = store.merge(events, any_dataset=any_dataset)
    return replace(report, broken=tuple(broken[:MAX_TOLD]), broken_count=len(broken))


def _is_sqlite(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(16) == b"SQLite format 3\0"
    except OSError as error:
        raise DataError(
            "store_not_readable", f"{path}: cannot be read ({error.strerror})"
        ) from error


def _lines(file: BinaryIO) -> Iterator[bytes | None]:
    """Lines; None for one that is too long, of which nothing is kept."""
    while line := file.readline(MAX_LINE + 1):
        if len(line) <= MAX_LINE or line.endswith(b"\n"):
            yield line
            continue
        while (rest := file.readline(MAX_LINE)) and not rest.endswith(b"\n"):
            pass
        yield None


def _event(line: bytes | None) -> Event:
    """Raises ValueError if the line is no event."""
    if line is None:
        raise ValueError(f"longer than {MAX_LINE >> 20} MiB")
    try:
        found = json.loads(line, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"no JSON: {error}") from None
    if not isinstance(found, dict):
        raise ValueError("no JSON object")
    version = found.get("demoscope_review")
    if isinstance(version, int) and version > FORMAT:
        raise ValueError(f"of format {version}; this Demoscope reads {FORMAT}")
    return EventLine.model_validate(found).event()


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number of JSON")


def _why(error: ValueError) -> str:
    """One short clause; what the file says is not repeated at length."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(p) for p in first["loc"])
        text = f"{place}: {first['msg']}" if place else first["msg"]
    else:
        text = str(error)
    return " ".join(text.split())[:200]
