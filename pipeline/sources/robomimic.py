"""Placeholder until its author replaces it."""

from __future__ import annotations

from pathlib import Path

from pipeline.model.demonstration import DatasetSource
from pipeline.model.problem import DataError
from pipeline.sources.formats import Recognition


def recognise(path: Path) -> Recognition | None:
    """Recognise nothing yet."""
    return None


def open_recognised(found: Recognition) -> DatasetSource:
    """Open nothing yet."""
    raise DataError("not_a_dataset", f"{found.root}")
