"""Folders and files of raw DROID: which folder is what, and what an episode folder holds.

    <lab>/{success,failure}/<YYYY-MM-DD>/<Day_Mon_DD_HH:MM:SS_YYYY>/
        metadata_<uuid>.json     only complete trajectories have one
        trajectory.h5
        recordings/MP4/<serial>.mp4, <serial>-stereo.mp4    recordings/SVO/<serial>.svo

Some mirrors write `_` for `:`. Source: droid/postprocessing of github.com/droid-dataset/droid.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.model.arrays import F64
from pipeline.model.problem import DataError
from pipeline.sources.files import read_json

log = logging.getLogger(__name__)

TABLE = "trajectory.h5"
ROLES = ("ext1", "ext2", "wrist")
"""Cameras of every DROID robot, by what they look at; also our camera keys."""
_RECORDINGS = "recordings"
_OUTCOMES = frozenset({"success", "failure"})
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_EPISODE = re.compile(r"[A-Z][a-z]{2}_[A-Z][a-z]{2}_{1,2}\d{1,2}_\d{1,2}[:_]\d{2}[:_]\d{2}_\d{4}")
_VERSION = re.compile(r"\d+(\.\d+)+")
_ANNOTATIONS = re.compile(r"aggregated-annotations-\w+\.json|droid_language_annotations\.json")
_DEPTH = 5
"""Levels from the topmost folder to an episode: version, lab, outcome, day, episode."""
_MOST_FOLDERS = 500_000
_LOOK_AT = 50
"""Subfolders that recognition looks into; it is asked for every parent of a dropped path."""
_LOOK_AT_NAMES = 5000
_MOST_METADATA = 4 << 20


def episode_of_file(path: Path) -> Path | None:
    """The episode folder that a file (or its `recordings` folder) belongs to, by names."""
    if path.name == TABLE or (path.name.startswith("metadata_") and path.suffix == ".json"):
        folder = path.parent
    elif path.parent.name in ("MP4", "SVO") and path.parent.parent.name == _RECORDINGS:
        folder = path.parent.parent.parent
    else:
        return None
    return folder if is_episode(folder.name, _names(folder)) else None


def is_episode(name: str, inside: Iterable[str]) -> bool:
    """True if a folder's name and the names in it are those of an episode."""
    names = set(inside)
    metadata = any(n.startswith("metadata_") and n.endswith(".json") for n in names)
    if TABLE in names:
        return metadata or _RECORDINGS in names
    return (metadata or _RECORDINGS in names) and _EPISODE.fullmatch(name) is not None


def level(path: Path) -> str:
    """What a folder is: `episode`, `day`, `outcome`, `lab`, `root`, `release`, empty if nothing.

    Looks at names, one folder at a time and at most fifty of them.
    """
    names, folders = _listing(path)
    if is_episode(path.name, names):
        return "episode"
    if any(_EPISODE.fullmatch(f) for f in folders) or _is_day(path, folders):
        return "day"
    if _is_outcome(path, folders):
        return "outcome"
    if _is_lab(path, folders):
        return "lab"
    if _has_labs(path, folders):
        return "root"
    versions = [path / f for f in folders if _VERSION.fullmatch(f)]
    if any(_has_labs(v, _listing(v)[1]) for v in versions):
        return "release"
    return ""


def find_episodes(root: Path) -> tuple[tuple[Path, ...], bool]:
    """List the episode folders at or below a folder, sorted by path.

    A folder with the name of an episode is taken without looking into it, so that a whole lab
    costs one listing per day.

    Returns:
        The folders, and True if the walk stopped at its limit of half a million entries.
    """
    found: list[Path] = []
    seen = 0

    def walk(folder: Path, depth: int) -> bool:
        nonlocal seen
        try:
            with os.scandir(folder) as entries:
                listed = list(islice(entries, _MOST_FOLDERS))
        except OSError as error:
            log.warning("%s cannot be listed: %s", folder, error)
            return True
        seen += len(listed)
        if is_episode(folder.name, (e.name for e in listed)):
            found.append(folder)
            return True
        for entry in sorted(listed, key=lambda e: e.name):
            if entry.name.startswith(".") or entry.name == _RECORDINGS or not _is_folder(entry):
                continue
            if _EPISODE.fullmatch(entry.name):
                found.append(folder / entry.name)
            elif depth == _DEPTH or _is_loop(folder, entry):
                continue
            elif not walk(folder / entry.name, depth + 1):
                return False
        return seen < _MOST_FOLDERS

    complete = walk(root, 0)
    return tuple(found), not complete


def annotations_near(root: Path) -> Path | None:
    """The file of language annotations at the dataset's top, also if only a part was opened.

    Above the opened folder only folders of DROID's own levels are looked into.
    """
    for place in (root, *list(root.parents)[:_DEPTH]):
        if place != root and not level(place):
            return None
        for name in sorted(_names(place)):
            if _ANNOTATIONS.fullmatch(name):
                return place / name
    return None


@dataclass(frozen=True, slots=True)
class Recording:
    """One camera's file of an episode.

    Attributes:
        folder: Folder of the file.
        serial: Serial number of the camera.
        stereo: True if it holds left and right view side by side.
        name: Name of the file.
    """

    folder: str
    serial: str
    stereo: bool
    name: str

    @property
    def path(self) -> Path:
        """The video file."""
        return Path(self.folder, self.name)


@dataclass(frozen=True, slots=True)
class EpisodeFolder:
    """What lies in an episode folder, by names; no file was opened.

    Attributes:
        path: The folder.
        uuid: As in the name of the metadata, empty if the trajectory is incomplete.
        has_table: True if there is a trajectory.h5.
        recordings: One video per camera serial; mono is preferred to stereo.
        names: All names that were seen, those of recordings/MP4 with `MP4/` in front.
    """

    path: Path
    uuid: str
    has_table: bool
    recordings: tuple[Recording, ...]
    names: frozenset[str]

    @property
    def table(self) -> Path:
        """Its trajectory.h5."""
        return self.path / TABLE

    @property
    def metadata(self) -> Path:
        """Its metadata_<uuid>.json."""
        return self.path / f"metadata_{self.uuid}.json"

    @property
    def has_svo(self) -> bool:
        """True if the cameras' own recordings lie there; lists their folder."""
        return any(n.endswith(".svo") for n in _names(self.path / _RECORDINGS / "SVO"))


def episode_folder(path: Path) -> EpisodeFolder:
    """Look into an episode folder: two listings, no file is opened.

    Paths are put together as text: this is done for each of 76,000 episodes, and pathlib would
    take most of the time.
    """
    names = set(_names(path))
    metadata = sorted(n for n in names if n.startswith("metadata_") and n.endswith(".json"))
    uuid = metadata[0].removeprefix("metadata_").removesuffix(".json") if metadata else ""
    folder = os.path.join(path, _RECORDINGS, "MP4")
    videos: dict[str, Recording] = {}
    for name in sorted(_names(folder)):
        stem, dot, ending = name.rpartition(".")
        if not dot or ending.lower() != "mp4" or stem.startswith("."):
            continue
        serial = stem.removesuffix("-stereo")
        if serial not in videos or stem == serial:
            videos[serial] = Recording(folder, serial, stem != serial, name)
        names.add(f"MP4/{name}")
    return EpisodeFolder(path, uuid, TABLE in names, tuple(videos.values()), frozenset(names))


def read_metadata(path: Path) -> dict[str, Any]:
    """Read an episode's metadata. Raises DataError if it is no JSON object."""
    entry = read_json(path, _MOST_METADATA)
    if not isinstance(entry, dict):
        raise DataError("bad_metadata", f"{path.name}: is no JSON object")
    return entry


def text_of(metadata: Mapping[str, Any], key: str) -> str:
    """A field as text, empty if it is something else."""
    value = metadata.get(key)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)  # Serial numbers.
    return value.strip() if isinstance(value, str) else ""


def assign_cameras(
    folder: EpisodeFolder, metadata: Mapping[str, Any], wrist_serials: frozenset[str] | None
) -> tuple[dict[str, Recording], tuple[str, ...]]:
    """Say which file is which camera.

    The serials of the metadata decide; its paths are relative to a folder that need not be there,
    and are never followed. Files whose serial it does not name take the remaining places.

    Args:
        folder: The episode.
        metadata: Its metadata.
        wrist_serials: Serials that the trajectory calls wrist cameras, None if it does not say.

    Returns:
        The recording of each role that has one, and the serials whose role was concluded.
    """
    files = {r.serial: r for r in folder.recordings}
    roles: dict[str, Recording] = {}
    for role in ROLES:
        serial = text_of(metadata, f"{role}_cam_serial")
        if serial in files:
            roles[role] = files.pop(serial)
    concluded = []
    for serial, recording in sorted(files.items()):
        free = [r for r in ROLES if r not in roles]
        if wrist_serials is not None:
            free = [r for r in free if (r == "wrist") == (serial in wrist_serials)]
        if free:
            roles[free[0]] = recording
            concluded.append(serial)
    return {role: roles[role] for role in ROLES if role in roles}, tuple(concluded)


def pose_matrix(pose: Any) -> F64 | None:
    """Turn DROID's six numbers into camera-to-base, the camera with OpenCV axes.

    They are position (m) and the angles of `Rotation.as_euler("xyz")`, i.e. turned about the
    fixed x, y, z axes in this order, of the camera in the robot's base frame, found by hand-eye
    calibration on corners in OpenCV's camera frame (droid/calibration/calibration_utils.py).

    Args:
        pose: Six finite numbers.

    Returns:
        (4, 4) float64, or None if these are no six numbers, all zero, or metres away.
    """
    try:
        values = np.asarray(pose, dtype=np.float64).reshape(-1)
    except (TypeError, ValueError, OverflowError):
        return None
    if values.shape != (6,) or not np.isfinite(values).all() or not values.any():
        return None
    if np.abs(values[:3]).max() > 10:
        return None
    (cx, cy, cz), (sx, sy, sz) = np.cos(values[3:]), np.sin(values[3:])
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    matrix = np.eye(4)
    matrix[:3, :3] = about_z @ about_y @ about_x
    matrix[:3, 3] = values[:3]
    return matrix


def read_annotations(path: Path) -> dict[str, str]:
    """Read language annotations: the first instruction of each uuid, empty if unusable."""
    try:
        entries = read_json(path)
    except DataError as error:
        log.warning("%s", error)
        return {}
    result = {}
    for uuid, entry in entries.items() if isinstance(entries, dict) else ():
        if isinstance(entry, dict):
            texts = (text_of(entry, f"language_instruction{i}") for i in (1, 2, 3))
            first = next((t for t in texts if t), "")
            if first:
                result[uuid] = first
    return result


def succeeded(metadata: Mapping[str, Any], path: Path) -> bool | None:
    """Whether the operator called it a success: by metadata, else by the folder's place."""
    value = metadata.get("success")
    if isinstance(value, bool):
        return value
    outcomes = [p for p in path.parts if p in _OUTCOMES]
    return outcomes[-1] == "success" if outcomes else None


def _listing(folder: Path) -> tuple[list[str], list[str]]:
    """Names in a folder, and those of them that are folders (at most fifty, sorted)."""
    try:
        with os.scandir(folder) as entries:
            listed = list(islice(entries, _LOOK_AT_NAMES))
    except OSError:
        return [], []
    folders = sorted(e.name for e in listed if _is_folder(e) and not e.name.startswith("."))
    return [e.name for e in listed], folders[:_LOOK_AT]


def _names(folder: Path | str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [e.name for e in islice(entries, _LOOK_AT_NAMES)]
    except OSError:
        return []


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _is_loop(folder: Path, entry: os.DirEntry[str]) -> bool:
    """True for a link to a folder that it lies in: walking it would find everything again."""
    return entry.is_symlink() and folder.resolve().is_relative_to(Path(entry.path).resolve())


def _is_day(path: Path, folders: Sequence[str]) -> bool:
    """True if most folders in it are episodes by content: one among others means nothing."""
    return 2 * sum(is_episode(f, _names(path / f)) for f in folders) > len(folders)


def _is_outcome(path: Path, folders: Iterable[str]) -> bool:
    days = [path / f for f in folders if _DAY.fullmatch(f)]
    return any(
        any(_EPISODE.fullmatch(f) for f in inside) or _is_day(day, inside)
        for day in days
        for inside in (_listing(day)[1],)
    )


def _is_lab(path: Path, folders: Iterable[str]) -> bool:
    return any(_is_outcome(path / f, _listing(path / f)[1]) for f in folders if f in _OUTCOMES)


def _has_labs(path: Path, folders: Iterable[str]) -> bool:
    return any(_is_lab(path / f, _listing(path / f)[1]) for f in folders)
