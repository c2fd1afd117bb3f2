"""The corrections saved for a dataset, read without touching anything beside it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.model.edits import Edit
from pipeline.model.problem import DataError
from pipeline.review.location import choose_place, has_team_database, sidecar
from pipeline.review.store import ReviewStore


@contextmanager
def saved_reviews(dataset: str | Path) -> Iterator[ReviewStore | None]:
    """Open a copy of a dataset's reviews for reading.

    Opening the store itself may leave a write-ahead log beside it, copy it to the user's folder or
    move a damaged file aside: right for the window, wrong for a command that only reads. The copy
    costs milliseconds (an event is some hundred bytes).

    Args:
        dataset: Root folder of the dataset.

    Yields:
        The store as it is now, or None if nothing was ever saved.

    Raises:
        DataError: One sentence if the reviews cannot be read.
    """
    root = Path(dataset).absolute()
    if has_team_database():
        # A database has nothing beside it that reading could touch. Part of the reviews would be
        # taken for all of them, so it must be there.
        store = ReviewStore.open(root, offline=False)
        try:
            yield store if store.events() else None
        finally:
            store.close()
        return
    found = next((p for p in (choose_place(root).path, sidecar(root)) if p.is_file()), None)
    if found is None:
        yield None
        return
    with open_copy(found) as store:
        yield store


def saved_edits(dataset: str | Path, episodes: Iterable[int]) -> dict[int, tuple[Edit, ...]]:
    """Corrections in force, by episode; episodes without any are left out.

    Args:
        dataset: Root folder of the dataset.
        episodes: Which ones.

    Raises:
        DataError: One sentence if the reviews cannot be read.
    """
    with saved_reviews(dataset) as store:
        if store is None:
            return {}
        return {e: edits for e in episodes if (edits := store.edits(e))}


@contextmanager
def open_copy(found: Path) -> Iterator[ReviewStore]:
    """Open a copy of a store's file for reading, whoever wrote it.

    Args:
        found: The file.

    Raises:
        DataError: One sentence if it cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="demoscope-") as name:
        folder = Path(name)
        dataset = folder / "dataset"
        copy = sidecar(dataset)
        try:
            copy.parent.mkdir()
            # The log before the file: what a writer moves from one into the other meanwhile is
            # then in both, and replaying it twice changes nothing.
            for suffix in ("-wal", ""):
                part = found.with_name(found.name + suffix)
                if part.exists():
                    shutil.copyfile(part, copy.with_name(copy.name + suffix))
        except OSError as error:
            raise DataError("store_not_readable", f"{found}: cannot be read ({error})") from error
        try:
            store = ReviewStore.open_local(dataset, data_dir=folder / "data")
        except DataError as error:
            # Its sentence names the copy, which means nothing to anybody.
            raise DataError(error.code, str(error).replace(str(copy), str(found))) from error
        try:
            if store.problems:
                raise DataError("store_corrupted", f"{found} is damaged")
            yield store
        finally:
            store.close()
