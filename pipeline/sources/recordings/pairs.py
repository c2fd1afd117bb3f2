"""Which files of a folder belong together: videos of a recording, its signal, its words."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.model.problem import DataError
from pipeline.sources.assembly import natural
from pipeline.sources.files import read_json
from pipeline.sources.recordings.table import SUFFIXES as SIGNAL

VIDEO = (".mp4", ".mkv", ".avi", ".mov", ".webm", ".m4v")
ONE_CAMERA = "video"
"""Key of the camera of a recording that has only one."""
MOST_FILES = 20_000
_MOST_CAMERAS = 8
_SEPARATORS = "_.-"
_KEYS = ("language_instruction", "instruction", "task", "caption", "prompt")
_WORDS = ("instruction.txt", "task.txt", "prompt.txt", "caption.txt")
_MOST_TEXT = 64 << 10


@dataclass(frozen=True, slots=True)
class Recording:
    """One episode.

    Attributes:
        name: What its files have in common.
        videos: Camera key and file, the main camera first.
        signal: Its table, None if there is none.
    """

    name: str
    videos: tuple[tuple[str, Path], ...]
    signal: Path | None = None


@dataclass(frozen=True, slots=True)
class FolderContent:
    """Names of a folder's files.

    Attributes:
        videos: Videos in natural order.
        signals: Tables in natural order.
        complete: False if the folder has more files than are looked at.
    """

    videos: tuple[Path, ...]
    signals: tuple[Path, ...]
    complete: bool = True


def look_into(folder: Path) -> FolderContent:
    """List videos and tables directly inside a folder; a folder that cannot be read is empty."""
    videos: list[Path] = []
    signals: list[Path] = []
    count = 0
    try:
        with os.scandir(folder) as entries:
            for entry in itertools.islice(entries, MOST_FILES):
                count += 1
                suffix = os.path.splitext(entry.name)[1].lower()
                if entry.name.startswith(".") or suffix not in (*VIDEO, *SIGNAL):
                    continue
                if entry.is_file():
                    (videos if suffix in VIDEO else signals).append(Path(entry.path))
    except OSError:
        return FolderContent((), ())
    return FolderContent(_in_order(videos), _in_order(signals), count < MOST_FILES)


def _in_order(paths: Iterable[Path]) -> tuple[Path, ...]:
    return tuple(sorted(paths, key=lambda p: natural(p.name.lower())))


def recordings(content: FolderContent, folder_name: str) -> tuple[Recording, ...]:
    """Group the files of one folder (our choice; there is no standard).

    A table names a recording: `lift.csv` takes `lift.mp4`, or `lift_front.mp4`, `lift.wrist.mp4`
    as the cameras `front` and `wrist`; the longest fitting name wins. A folder's only table that
    fits no video takes all its videos as cameras, up to eight (`episode/{front,wrist}.mp4` and
    `signal.csv`). All other videos are recordings of their own, without a signal.
    """
    tables: dict[str, Path] = {}
    for path in content.signals:
        # Of demo.csv and demo.parquet the first by name; both would say the same.
        tables.setdefault(path.stem.lower(), path)
    grouped: dict[str, list[tuple[str, Path]]] = {}
    alone: list[Path] = []
    for video in content.videos:
        stem = _matching(video.stem.lower(), tables)
        if stem is None:
            alone.append(video)
        else:
            camera = video.stem[len(stem) :].strip(_SEPARATORS)
            grouped.setdefault(stem, []).append((camera or ONE_CAMERA, video))
    if len(content.signals) == 1 and not grouped and 0 < len(alone) <= _MOST_CAMERAS:
        table = content.signals[0]
        if len(alone) == 1:
            return (Recording(alone[0].stem, ((ONE_CAMERA, alone[0]),), table),)
        cameras = [(video.stem, video) for video in alone]
        return (Recording(folder_name, _distinct(cameras), table),)
    found = [Recording(v.stem, ((ONE_CAMERA, v),)) for v in alone]
    for stem, videos in grouped.items():
        # The video that is named like its table is the main camera.
        videos.sort(key=lambda pair: (pair[0] != ONE_CAMERA, natural(pair[0])))
        cameras = [(ONE_CAMERA, videos[0][1])] if len(videos) == 1 else videos
        found.append(Recording(tables[stem].stem, _distinct(cameras), tables[stem]))
    return tuple(sorted(found, key=lambda r: natural(r.name.lower())))


def _matching(stem: str, tables: dict[str, Path]) -> str | None:
    """The longest name of a table that a video's name begins with, up to a separator."""
    if stem in tables:
        return stem
    for end in range(len(stem) - 1, 0, -1):
        if stem[end] in _SEPARATORS and stem[:end] in tables:
            return stem[:end]
    return None


def _distinct(cameras: Sequence[tuple[str, Path]]) -> tuple[tuple[str, Path], ...]:
    """Cameras whose videos differ only in the suffix keep it in their keys."""
    keys = [key for key, _ in cameras]
    return tuple(
        (key if keys.count(key) == 1 else f"{key}{path.suffix}", path) for key, path in cameras
    )


def recording_of(path: Path) -> Recording | None:
    """The recording that a video or a table is part of; None if a table belongs to no video."""
    content = look_into(path.parent)
    for recording in recordings(content, path.parent.name):
        if path == recording.signal or any(path == video for _, video in recording.videos):
            return recording
    # A hidden file, or one behind the first thousands of its folder.
    return Recording(path.stem, ((ONE_CAMERA, path),)) if is_video(path) else None


def is_video(path: Path) -> bool:
    """True if a file is named like a video."""
    return path.suffix.lower() in VIDEO


def is_signal(path: Path) -> bool:
    """True if a file is named like a table."""
    return path.suffix.lower() in SIGNAL


def instruction_beside(recording: Recording) -> str:
    """The instruction from `<name>.txt` or `<name>.json` beside a recording, empty if none.

    A folder that is one recording may also say it in `instruction.txt` or the like.
    """
    folder = recording.videos[0][1].parent
    stems = [recording.name, *(video.stem for _, video in recording.videos)]
    if recording.signal is not None:
        stems.insert(1, recording.signal.stem)
    for stem in dict.fromkeys(stems):
        said = _text_of(folder / f"{stem}.txt") or _json_of(folder / f"{stem}.json")
        if said:
            return said
    if recording.name == folder.name:
        return next(filter(None, (_text_of(folder / name) for name in _WORDS)), "")
    return ""


def _text_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_TEXT)
    except OSError:
        return ""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return " ".join(text.replace("\0", " ").split())[:2000]


def _json_of(path: Path) -> str:
    if not path.is_file():
        return ""
    try:
        content: Any = read_json(path, limit=1 << 20)
    except DataError:
        return ""
    if not isinstance(content, dict):
        return ""
    for key in _KEYS:
        value = content.get(key)
        if isinstance(value, list) and value:
            value = value[0]
        if isinstance(value, str) and value.strip():
            return " ".join(value.split())[:2000]
    return ""
