"""Where the pictures of an ALOHA or ACT episode file are, and how they are stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.model.demonstration import Camera
from pipeline.model.problem import DataError, Problem
from pipeline.sources.aloha.episode import IMAGES, number
from pipeline.sources.assembly import natural
from pipeline.sources.hdf5 import access as hdf5
from pipeline.sources.hdf5.pictures import (
    StoredDepth,
    StoredPictures,
    depth_scale,
    is_depth,
    is_encoded,
    is_pixels,
    size_of,
)


@dataclass(frozen=True, slots=True)
class AlohaPictures:
    """Where the pictures of one episode are.

    Attributes:
        cameras: Colour cameras.
        pictures: Where their pictures are, by camera key.
        depths: Where depth is, by the key of its colour camera.
        found: What was found about pictures, a phrase each.
        unused: What was found and is not used, with why.
        problems: What is doubtful.
    """

    cameras: tuple[Camera, ...]
    pictures: dict[str, StoredPictures]
    depths: dict[str, StoredDepth]
    found: tuple[str, ...]
    unused: tuple[str, ...]
    problems: tuple[Problem, ...]


def find_pictures(file: Any, length: int) -> AlohaPictures:
    """Look at the shapes of an episode's pictures and at the header of the first encoded ones.

    Args:
        file: The open file.
        length: Frames of its signals.
    """
    swapped = bool(number(hdf5.attribute(file, "compress")) == 1)
    group = hdf5.child(file, IMAGES)
    cameras: list[Camera] = []
    pictures: dict[str, StoredPictures] = {}
    depths: dict[str, StoredDepth] = {}
    found, unused, problems = [], [], []
    for key in sorted(hdf5.keys(group), key=natural):
        where = f"{IMAGES}/{key}"
        try:
            node = hdf5.child(group, key)
            if not (is_pixels(node) or is_encoded(node)) or not node.shape[0]:
                raise DataError("missing_pictures", f"{where} holds no pictures that are known")
            width, height = size_of(node, where)
            if not width:
                raise DataError("missing_pictures", f"{where}: no JPEG or PNG at its beginning")
            if node.shape[0] < length:
                text = f"{key} has {node.shape[0]} pictures for {length} frames; where it has none,"
                text += " its last is shown"
                problems.append(Problem("video_shorter", text, frame=node.shape[0]))
            scale, name, why = _depth_of(file, key)
        except DataError as error:
            problems.append(Problem(error.code, str(error)))
            continue
        encoded = is_encoded(node)
        pictures[key] = StoredPictures(where, swapped=swapped and encoded)
        if scale > 0:
            depths[key] = StoredDepth(name, scale)
            found.append(f"{name}: {why}")
        elif name:
            unused.append(f"{name}: {why}")
        depth_key = name if scale > 0 else None
        cameras.append(Camera(key, width, height, "jpeg" if encoded else "raw", depth_key))
    if swapped and cameras:
        found.append(
            "encoded pictures have red and blue exchanged, as ALOHA's recorder writes them, and "
            "are turned back on reading"
        )
    return AlohaPictures(
        tuple(cameras), pictures, depths, tuple(found), tuple(unused), tuple(problems)
    )


def _depth_of(file: Any, camera: str) -> tuple[float, str, str]:
    """Metres per unit of a camera's depth, its name and why; the name is empty if there is none."""
    observations = hdf5.child(file, "observations")
    for group in hdf5.keys(observations):
        if "depth" not in group:
            continue
        for key in (camera, f"{camera}_depth", f"d{camera}"):
            node = hdf5.child(observations, f"{group}/{key}")
            name = f"observations/{group}/{key}"
            if node is not None and is_encoded(node):
                return 0.0, name, "encoded depth is not known"
            if node is not None and is_depth(node):
                scale, why = depth_scale(node, name)
                return scale, name, why
    return 0.0, "", ""
