"""A robot mask from a file: PNG or NPY, of one frame, as an edit.

The file comes from another program and may be anything: its size is looked at before it is
decoded, nothing in it is executed, and it must be a plain file.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from pipeline.model.arrays import Array, Bool
from pipeline.model.edits import MAX_MASK_RUNS, MAX_PICTURE_PIXELS, MAX_PICTURE_SIDE, PaintRobot
from pipeline.model.mask_runs import runs_of
from pipeline.model.problem import DataError

SUFFIXES = (".png", ".npy")
MAX_FILE_BYTES = 256 << 20
"""Largest file that is read: an uncompressed mask of the largest picture has 64 MB."""
_PNG = b"\x89PNG\r\n\x1a\n"


def import_robot_mask(path: Path, frame: int, width: int, height: int, subtask: int) -> PaintRobot:
    """Read a mask file as the edit that paints it.

    Args:
        path: A PNG (any pixel brighter than half of the brightest possible value, and not
            transparent, is robot) or an NPY of (H, W) booleans or numbers (not 0 is robot).
        frame: Frame of the episode that it shows.
        width: Of the camera's pictures, pixels.
        height: Of the camera's pictures, pixels.
        subtask: Index of the subtask.

    Raises:
        DataError: `bad_mask`, with one sentence that names the file.
    """
    mask = read_mask(path)
    if mask.shape != (height, width):
        raise DataError(
            "bad_mask",
            f"{path.name} has {mask.shape[1]}x{mask.shape[0]} pixels, but the camera's pictures "
            f"have {width}x{height}; export the mask at the camera's size.",
        )
    runs = runs_of(mask)
    if len(runs) > MAX_MASK_RUNS:
        raise DataError("bad_mask", f"{path.name} is too ragged for a mask ({len(runs)} runs).")
    return PaintRobot(frame=frame, height=height, width=width, runs=runs, subtask=subtask)


def read_mask(path: Path) -> Bool:
    """Read a mask (H, W) bool. Raises DataError `bad_mask`."""
    try:
        if path.suffix.lower() not in SUFFIXES:
            raise DataError("bad_mask", f"{path.name}: expected a .png or a .npy file.")
        # A device or a pipe would never end.
        if not path.is_file():
            raise DataError("bad_mask", f"{path.name} is no file.")
        if path.stat().st_size > MAX_FILE_BYTES:
            raise DataError(
                "bad_mask", f"{path.name} is larger than {MAX_FILE_BYTES >> 20} MB, too large."
            )
        return _png(path) if path.suffix.lower() == ".png" else _npy(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError("bad_mask", f"{path.name} cannot be read: {reason}.") from error


def _checked(path: Path, height: int, width: int) -> None:
    if not (0 < height <= MAX_PICTURE_SIDE and 0 < width <= MAX_PICTURE_SIDE) or (
        height * width > MAX_PICTURE_PIXELS
    ):
        raise DataError("bad_mask", f"{path.name} says it has {width}x{height} pixels: no picture.")


def _png(path: Path) -> Bool:
    import cv2

    data = path.read_bytes()
    if len(data) < 24 or data[:8] != _PNG:
        raise DataError("bad_mask", f"{path.name} is no PNG file.")
    width, height = struct.unpack(">II", data[16:24])
    _checked(path, height, width)
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        pixels = None
    if pixels is None or pixels.shape[:2] != (height, width):
        raise DataError("bad_mask", f"{path.name} does not decode as a PNG file.")
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        return _bright(pixels[..., :3].max(axis=2)) & np.asarray(pixels[..., 3] > 0)
    return _bright(pixels if pixels.ndim == 2 else pixels.max(axis=2))


def _bright(values: Array) -> Bool:
    """Brighter than half; label pictures of small numbers count from 1."""
    highest = int(values.max()) if values.size else 0
    half = np.iinfo(values.dtype).max // 2
    return np.asarray(values > (half if highest > half else 0))


def _npy(path: Path) -> Bool:
    try:
        # Mapped, so that the header is judged before anything of that size is allocated.
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise DataError("bad_mask", f"{path.name} is no .npy file of numbers.") from error
    if values.ndim == 3 and 1 in (values.shape[0], values.shape[2]):
        values = values.squeeze(0 if values.shape[0] == 1 else 2)
    if values.ndim != 2 or values.dtype.kind not in "biuf":
        raise DataError(
            "bad_mask",
            f"{path.name}: expected (height, width) booleans or numbers, got {values.dtype} "
            f"{values.shape}.",
        )
    _checked(path, *values.shape)
    return np.asarray(np.nan_to_num(np.asarray(values)) != 0)
