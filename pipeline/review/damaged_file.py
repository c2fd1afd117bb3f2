"""Files of the review store that cannot be used as they are: kept aside, or copied."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from pipeline.model.problem import Problem

logger = logging.getLogger(__name__)


def move_aside(path: Path) -> Problem:
    """Keep a damaged file under another name, so that a new one can begin.

    Returns:
        `store_corrupted`, what happened.

    Raises:
        OSError: It cannot be renamed.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    for suffix in ("-wal", "-shm", ""):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    message = (
        f"The reviews in {path} are damaged; the file is kept as {aside.name} and a new one begins."
    )
    logger.warning("%s", message)
    return Problem("store_corrupted", message)


def copy_readable(source: Path, target: Path) -> None:
    """Begin the user's store with what others saved beside a dataset that is read-only."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # immutable: without it SQLite wants to write -shm beside the file
        uri = f"{source.as_uri()}?mode=ro&immutable=1"
        with (
            closing(sqlite3.connect(uri, uri=True)) as old,
            closing(sqlite3.connect(target)) as new,
        ):
            old.backup(new)
    except (sqlite3.Error, OSError) as error:
        logger.warning("%s cannot be read: %s", source, error)
        target.unlink(missing_ok=True)
