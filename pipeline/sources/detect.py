"""Finding out what a path holds, from its content, and opening it."""

from __future__ import annotations

from pathlib import Path

from pipeline.model.demonstration import DatasetSource
from pipeline.model.problem import DataError
from pipeline.sources.formats import FORMATS, Format, Recognition

_PARENTS = 5
"""Levels above the given path that are looked at: a video of AgiBot lies four below its root."""


def recognise(path: Path) -> tuple[Format, Recognition]:
    """Find the dataset that a path is, or is part of.

    The path itself is asked first, then its parents, so that the nearest dataset wins.

    Raises:
        DataError: `not_found` or `not_a_dataset`, one sentence that lists the known formats.
    """
    if not path.exists():
        raise DataError("not_found", f"{path} does not exist")
    start = path.resolve()
    for place in (start, *list(start.parents)[:_PARENTS]):
        for entry in FORMATS:
            found = entry.load().recognise(place)
            if found is not None:
                return entry, found
    known = "; ".join(entry.looks_like for entry in FORMATS)
    raise DataError("not_a_dataset", f"{path} is no dataset that Demoscope can open: {known}")


def open_dataset(path: str | Path) -> DatasetSource:
    """Open a dataset. Raises DataError with one sentence."""
    entry, found = recognise(Path(path).expanduser())
    return entry.load().open_recognised(found)
