"""Finding out what a path holds, from its content, and opening it."""

from __future__ import annotations

from pathlib import Path

from pipeline.model.demonstration import DatasetSource
from pipeline.model.problem import DataError
from pipeline.sources.formats import FORMATS, Format, Recognition


def recognise(path: Path) -> tuple[Format, Recognition]:
    """Find the dataset that a path is, or is part of.

    The path itself is asked first, then its parents as far as each format reaches, so that the
    nearest dataset wins. Formats that reach nowhere come last.

    Raises:
        DataError: `not_found` or `not_a_dataset`, one sentence that lists the known formats.
    """
    if not path.exists():
        raise DataError("not_found", f"{path} does not exist")
    start = path.resolve()
    for level, place in enumerate((start, *start.parents)):
        if level > max(entry.reach for entry in FORMATS):
            break
        for entry in FORMATS:
            found = entry.load().recognise(place) if 0 < entry.reach >= level else None
            # A folder above may hold another dataset than the one that was given.
            if found is not None and (level == 0 or start.is_relative_to(found.root)):
                return entry, found
    for entry in FORMATS:
        found = entry.load().recognise(start) if entry.reach == 0 else None
        if found is not None:
            return entry, found
    if start.suffix.lower() == ".rrd":
        text = "is a Rerun recording, no dataset: “demoscope open” shows what Demoscope exported"
        raise DataError("not_a_dataset", f"{path} {text}")
    known = "; ".join(entry.looks_like for entry in FORMATS)
    raise DataError("not_a_dataset", f"{path} is no dataset that Demoscope can open: {known}")


def open_dataset(path: str | Path) -> DatasetSource:
    """Open a dataset. Raises DataError with one sentence."""
    entry, found = recognise(Path(path).expanduser())
    return entry.load().open_recognised(found)
