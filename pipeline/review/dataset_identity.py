"""What a dataset is called in a database that several people share: the same on every machine.

A path is none: it differs from machine to machine. Nor is a hash of the data: datasets grow, and
people hold parts of them.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from pipeline.review.location import hub_repository

DATASET_VARIABLE = "DEMOSCOPE_REVIEW_DATASET"
"""Names the dataset where what is found here does not suit, e.g. after renaming its folder."""
_LIMIT = 16 << 20


def readable_name(dataset: Path) -> str:
    """Name for people: `owner/name` on the Hub, else that of the folder."""
    return hub_repository(dataset) or dataset.name


def identity_key(dataset: Path) -> str:
    """Key of the dataset in a shared database.

    DEMOSCOPE_REVIEW_DATASET if it is set; on the Hub `owner/name`; a LeRobot folder's name with a
    digest of what stays when a dataset grows (robot, frame rate, features, first task, length of
    the first episode), so that two folders called `data` are told apart; else the folder's name.

    Args:
        dataset: Its root, absolute.
    """
    named = os.environ.get(DATASET_VARIABLE, "").strip()
    if named:
        return named[:200]
    repository = hub_repository(dataset)
    if repository:
        return repository
    fixed = _fixed(dataset)
    if fixed is None:
        return dataset.name
    text = json.dumps(fixed, sort_keys=True)
    return f"{dataset.name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _fixed(dataset: Path) -> list[Any] | None:
    """What a LeRobot dataset says of itself that does not change while it grows."""
    info = _first_object(dataset / "meta" / "info.json", whole=True)
    if info is None:
        return None
    features = info.get("features")
    shapes = (
        {str(k): [v.get("dtype"), v.get("shape")] for k, v in features.items() if type(v) is dict}
        if isinstance(features, dict)
        else {}
    )
    first = _first_object(dataset / "meta" / "episodes.jsonl") or _first_row(dataset)
    return [
        info.get("robot_type"),
        info.get("fps"),
        shapes,
        first.get("tasks"),
        first.get("length"),
    ]


def _first_row(dataset: Path) -> dict[str, Any]:
    """Length and tasks of the first episode of a LeRobot v3 dataset."""
    path = dataset / "meta" / "episodes" / "chunk-000" / "file-000.parquet"
    if not path.is_file():
        return {}
    # lazy: costs some 100 ms, and only a shared database asks for it
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        rows = pq.ParquetFile(path).read_row_group(0, columns=["tasks", "length"])
    except (OSError, pa.ArrowException):
        return {}
    found: list[dict[str, Any]] = rows.slice(0, 1).to_pylist()
    return found[0] if found else {}


def _first_object(path: Path, whole: bool = False) -> dict[str, Any] | None:
    """The JSON object of a file, or of its first line; None if there is none."""
    try:
        with path.open("rb") as file:
            data = file.read(_LIMIT) if whole else file.readline(_LIMIT)
        found = json.loads(data)
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
