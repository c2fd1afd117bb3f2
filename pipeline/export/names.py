"""Names of exported files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.model.demonstration import DatasetInfo


def export_name(dataset: str, episode: int, subtask: int, suffix: str) -> str:
    """Name a file after what is in it, e.g. `sample-episode-000003-subtask-1.rrd`.

    Args:
        dataset: Name of the dataset.
        episode: Episode index.
        subtask: Index of the subtask, from 0; in the name it counts from 1, as in the window.
        suffix: With its dot.

    Returns:
        A name that no file system minds, names sort as episodes do.
    """
    name = re.sub(r"[^\w.-]+", "-", dataset).strip("-.")[:120] or "dataset"
    return f"{name}-episode-{episode:06d}-subtask-{subtask + 1}{suffix}"


def dataset_name(info: DatasetInfo) -> str:
    """Name of a dataset without separators and control characters.

    A dataset in the Hub's cache lies in a folder named after its revision; its name is above.
    """
    parts = info.path.replace("\\", "/").rstrip("/").split("/")
    name = info.name
    if len(parts) > 2 and parts[-2] == "snapshots" and parts[-3].startswith("datasets--"):
        name = parts[-3].rsplit("--", 1)[-1]
    return re.sub(r"[/\\\x00-\x1f\x7f]+", "-", name).strip()[:200] or "dataset"
