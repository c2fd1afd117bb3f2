"""What a LeRobot dataset holds in words: what is used, and what is not and why."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.sources.lerobot.metadata import Feature, Info
from pipeline.sources.lerobot.tables import INDEX_COLUMNS

_KNOWN_ENTRIES = frozenset(
    {"meta", "data", "videos", "images", "ground_truth", "README.md", "LICENSE", "LICENSES.md"}
)
_KNOWN_META = frozenset({"info.json", "episodes", "episodes.jsonl", "cameras.json"}) | {
    f"{name}{end}" for name in ("tasks", "subtasks") for end in (".jsonl", ".parquet")
}
_STATISTICS = ("stats.json", "episodes_stats.jsonl")
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Survey:
    """Phrases for `DatasetInfo`.

    Attributes:
        found: What is used.
        ignored: What is not, with why.
    """

    found: tuple[str, ...]
    ignored: tuple[str, ...]


def survey(
    root: Path,
    info: Info,
    *,
    origin: str,
    depth_of: Mapping[str, str],
    searched: Sequence[str],
    tasks: int,
    subtasks: int,
) -> Survey:
    """Look over features and folders.

    Args:
        root: Dataset folder.
        info: Its metadata.
        origin: Where the list of episodes comes from.
        depth_of: Depth features by the colour camera that they belong to.
        searched: What was said about files that are not where info.json says.
        tasks: Number of task texts.
        subtasks: Number of subtask texts.
    """
    features = info.features
    found = [f"episodes of {origin}", *_cameras(features), *searched]
    found += [f"depth of {camera} ({key})" for camera, key in depth_of.items()]
    state = [k for k, f in features.items() if f.is_numeric and k.startswith("observation.")]
    action = [k for k, f in features.items() if f.is_numeric and k.startswith("action")]
    found += [
        f"{what}: {', '.join(sorted(keys))}"
        for what, keys in (("state", state), ("action", action))
        if keys
    ]
    if tasks:
        found.append(f"{tasks} task text{'s' if tasks > 1 else ''}")
    if (root / "meta" / "cameras.json").is_file():
        found.append("camera calibration of meta/cameras.json")
    used = {*state, *action, *depth_of.values(), *INDEX_COLUMNS}
    ignored = [
        f"depth of {k}: no colour camera has this name"
        for k, f in features.items()
        if f.is_picture and f.is_depth(k) and k not in used
    ]
    ignored += _other_features(features, used)
    if subtasks:
        ignored.append(
            f"{subtasks} subtask texts: Demoscope cuts subtasks itself; they stand in only where "
            "an episode has no task"
        )
    return Survey(tuple(found), (*ignored, *_other_files(root)))


def _cameras(features: Mapping[str, Feature]) -> list[str]:
    """Cameras by how their pictures are kept."""
    kinds: dict[str, int] = {}
    for key, feature in features.items():
        if feature.is_picture and not feature.is_depth(key):
            codec = feature.codec.upper()
            kind = "single pictures" if feature.dtype == "image" else codec or "video"
            kinds[kind] = kinds.get(kind, 0) + 1
    return [f"{n} camera{'s' if n > 1 else ''}, {kind}" for kind, n in kinds.items()]


def _other_features(features: Mapping[str, Feature], used: set[str]) -> list[str]:
    numbers, words, others = [], [], []
    for key, feature in features.items():
        if key in used or feature.is_picture:
            continue
        if feature.is_numeric:
            numbers.append(key)
        elif feature.dtype in ("string", "language"):
            words.append(key)
        else:
            others.append(f"{key} ({feature.dtype or 'no dtype'})")
    ignored = []
    if numbers:
        ignored.append(f"{_few(numbers)}: numbers that are neither state nor action")
    if words:
        ignored.append(f"{_few(words)}: words, read only where an episode has no task")
    if others:
        ignored.append(f"{_few(others)}: no reader for this kind")
    return ignored


def _other_files(root: Path) -> list[str]:
    ignored = []
    meta = _listing(root / "meta")
    statistics = [f"meta/{n}" for n in _STATISTICS if n in meta]
    if statistics:
        ignored.append(f"{_few(statistics)}: statistics for training")
    rest = [n for n in meta if n not in _KNOWN_META and n not in _STATISTICS]
    rest = [f"meta/{n}" for n in rest] + [n for n in _listing(root) if n not in _KNOWN_ENTRIES]
    if rest:
        ignored.append(f"{_few(rest)}: not part of the format")
    return ignored


def _listing(folder: Path) -> list[str]:
    try:
        return sorted(n for n in os.listdir(folder) if not n.startswith("."))
    except OSError:
        return []


def _few(names: Sequence[str]) -> str:
    named = ", ".join(names[:_MOST_NAMED])
    more = len(names) - _MOST_NAMED
    return f"{named} and {more} more" if more > 0 else named
