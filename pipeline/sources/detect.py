"""Finding out what a path holds, and opening it."""

from __future__ import annotations

from pathlib import Path

from pipeline.model.demonstration import DatasetSource
from pipeline.model.problem import DataError


def dataset_root(path: Path) -> Path:
    """Return the dataset's root for a path the user gave.

    Accepts the root itself, its `meta` or another folder directly below, or a file in one of them.

    Raises:
        DataError: `not_found` or `not_a_dataset`, one sentence.
    """
    if not path.exists():
        raise DataError("not_found", f"{path} does not exist")
    start = path if path.is_dir() else path.parent
    for folder in (start, *list(start.resolve().parents)[:4]):
        if (folder / "meta" / "info.json").is_file():
            return folder.resolve()
    raise DataError(
        "not_a_dataset",
        f"{path} is no dataset that Demoscope can open: a LeRobot dataset has meta/info.json",
    )


def open_dataset(path: str | Path) -> DatasetSource:
    """Open a dataset. Raises DataError with one sentence."""
    from pipeline.sources.lerobot import LeRobotDataset

    return LeRobotDataset(dataset_root(Path(path).expanduser()))
