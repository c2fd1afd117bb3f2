"""Videos, depth images and calibrations of one AgiBot episode."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.model.arrays import F32, F64
from pipeline.model.problem import DataError
from pipeline.sources.agibot.layout import Place, names_in
from pipeline.sources.files import read_json
from pipeline.sources.images import unpack

log = logging.getLogger(__name__)

_FIRST = ("head", "hand_left", "hand_right")
_DEPTH_FILE = re.compile(r"(\w+?)_depth_0*(\d{1,7})\.png")
_MOST_FILES = 200_000
_MOST_PNG = 256 << 20
_STILL_METRES, _STILL_RADIANS = 2e-3, 4e-3
"""A camera that moves less than this in an episode stands still (our choice)."""


@dataclass(frozen=True, slots=True)
class CameraFiles:
    """Files of one camera.

    Attributes:
        key: Camera key, e.g. `head`.
        video: Its video.
        depth: Depth image of each frame that has one.
    """

    key: str
    video: Path
    depth: Mapping[int, Path]


def camera_files(place: Place) -> tuple[tuple[CameraFiles, ...], tuple[str, ...]]:
    """List the cameras of an episode, the head first, and what else lies there unused."""
    videos: dict[str, Path] = {}
    unused = []
    for folder in place.videos:
        for name in sorted(names_in(folder, _MOST_FILES)):
            stem, _, ending = name.rpartition(".")
            if ending.lower() in ("mp4", "mkv") and stem and not stem.startswith("."):
                key = stem.removesuffix("_color")
                if "depth" in key:
                    unused.append(f"{name}: depth as video, whose coding is not documented")
                else:
                    videos.setdefault(key, Path(folder, name))
    depth: dict[str, dict[int, Path]] = {}
    folder_of_depth = place.depth
    for name in names_in(folder_of_depth, _MOST_FILES):
        match = _DEPTH_FILE.fullmatch(name)
        if match is not None:
            depth.setdefault(match[1], {})[int(match[2])] = folder_of_depth / name
    tactile = [n for n in names_in(place.tactile, 100) if n.endswith(".mp4")]
    if tactile:
        unused.append(f"{len(tactile)} tactile videos")
    unused += [f"depth of {key}: there is no video of it" for key in depth if key not in videos]
    order = sorted(videos, key=lambda k: (_FIRST.index(k) if k in _FIRST else len(_FIRST), k))
    return tuple(CameraFiles(k, videos[k], depth.get(k, {})) for k in order), tuple(unused)


def read_intrinsics(place: Place, key: str, width: int, height: int) -> tuple[F64 | None, str]:
    """Read a camera's intrinsics.

    Args:
        place: The episode.
        key: Camera key.
        width: Width of its video, pixels.
        height: Height of its video, pixels.

    Returns:
        (3, 3) float64 pixels, or None with why there is none (empty if there is no file).
    """
    entry, where = _first_json(place, f"{key}_intrinsic_params.json")
    values = entry.get("intrinsic") if isinstance(entry, Mapping) else None
    if not isinstance(values, Mapping):
        return None, where and f"{where}: holds no intrinsics"
    try:
        fx, fy, cx, cy = (float(values[k]) for k in ("fx", "fy", "ppx", "ppy"))
    except (KeyError, TypeError, ValueError):
        return None, f"{where}: fx, fy, ppx, ppy are not all numbers"
    plausible = (
        0.2 * width < fx < 10 * width
        and 0.2 * height < fy < 10 * height
        and abs(cx - width / 2) < width / 4
        and abs(cy - height / 2) < height / 4
    )
    if not plausible:  # NaN fails all comparisons.
        return None, f"{where}: does not fit a video of {width} x {height} pixels"
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]]), ""


def read_pose(place: Place, key: str) -> tuple[F64 | None, str]:
    """Read where a camera stands, if it stands still in this episode.

    The files hold camera-to-base for each frame, in the frame of the end poses: a base point p is
    `R.T @ (p - t)` in the camera, by the authors (issue 45 of OpenDriveLab/AgiBot-World).

    Returns:
        (4, 4) float64 metres, OpenCV axes, or None with why (empty if there is no file).
    """
    entries, where = _first_json(place, f"{key}_extrinsic_params_aligned.json")
    if not where:
        return None, ""
    poses: list[F64] = []
    for entry in entries if isinstance(entries, list) else ():
        pose = _pose(entry)
        if pose is None:
            return None, f"{where}: entry {len(poses)} is no rotation and translation"
        poses.append(pose)
    if not poses:
        return None, f"{where}: holds no poses"
    all_poses = np.stack(poses)
    path = np.ptp(all_poses[:, :3, 3], axis=0).max()
    traces = np.einsum("nij,ij->n", all_poses[:, :3, :3], all_poses[0, :3, :3])
    turn = float(np.arccos(np.clip((traces - 1) / 2, -1, 1)).max())
    if path > _STILL_METRES or turn > _STILL_RADIANS:
        return None, f"{where}: the camera moves, by {path * 100:.1f} cm and {turn:.2f} rad"
    return poses[0], ""


def _pose(entry: Any) -> F64 | None:
    values = entry.get("extrinsic") if isinstance(entry, Mapping) else None
    if not isinstance(values, Mapping):
        return None
    try:
        rotation = np.asarray(values.get("rotation_matrix"), dtype=np.float64)
        translation = np.asarray(values.get("translation_vector"), dtype=np.float64).reshape(-1)
    except (TypeError, ValueError, OverflowError):
        return None
    if rotation.shape != (3, 3) or translation.shape != (3,):
        return None
    if not np.isfinite(translation).all() or np.abs(translation).max() > 100:
        return None
    if not np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-2):
        return None
    if np.linalg.det(rotation) < 0:
        return None
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = rotation, translation
    return pose


def _first_json(place: Place, name: str) -> tuple[Any, str]:
    """The first file of a name in the episode's calibration folders, and its name; None, ""."""
    for folder in place.cameras:
        if (folder / name).is_file():
            try:
                return read_json(folder / name), name
            except DataError as error:
                log.info("%s", error)
                return None, name
    return None, ""


class DepthImages:
    """DepthStream over PNG files of 16-bit millimetres, one file at a time."""

    def __init__(self, files: Mapping[int, Path], width: int, height: int) -> None:
        """Open nothing yet.

        Args:
            files: File of each frame; frames without one are unknown throughout.
            width: Width of the colour picture, pixels.
            height: Height of the colour picture, pixels.
        """
        self._files, self._size = files, (width, height)

    def metres(self, index: int) -> F32:
        """Depth (H, W) float32 metres, 0 = unknown, in the size of the colour picture.

        Raises:
            DataError: `frame_not_decoded` for a file that is no 16-bit PNG.
        """
        import cv2

        path = self._files.get(index)
        width, height = self._size
        if path is None:
            return np.zeros((height, width), np.float32)
        where = f"{path.parent.parent.name}/depth/{path.name}"
        try:
            if path.stat().st_size > _MOST_PNG:
                raise DataError("frame_not_decoded", f"{where}: too large for a depth image")
            data = path.read_bytes()
        except OSError as error:
            raise DataError("frame_not_decoded", f"{where}: {error.strerror}") from error
        codes = unpack(data, where)
        if codes.ndim != 2 or codes.dtype != np.uint16:
            raise DataError("frame_not_decoded", f"{where}: is no picture of 16-bit millimetres")
        if codes.shape[::-1] != self._size:
            # Between neighbours depth is no average: edges would get points in mid-air.
            codes = cv2.resize(codes, self._size, interpolation=cv2.INTER_NEAREST)
        return np.asarray(codes, np.float32) / np.float32(1000)

    def close(self) -> None:
        """Nothing is held."""
