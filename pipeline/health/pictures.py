"""Rules that decode pictures: broken, black, frozen. Asked for with `--deep`."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from pipeline.health.codes import finding
from pipeline.health.options import HealthOptions
from pipeline.health.signals import spans
from pipeline.model.arrays import U8
from pipeline.model.demonstration import Demonstration, FrameReader
from pipeline.model.picture import PictureTimes
from pipeline.model.problem import DataError, Problem


def decoded_problems(
    demonstration: Demonstration,
    reader: FrameReader,
    camera: str,
    times: PictureTimes | None,
    options: HealthOptions,
) -> list[Problem]:
    """Decode a few pictures of a camera and judge them.

    Args:
        demonstration: The episode.
        reader: Its pictures.
        camera: Which camera.
        times: Of its pictures: rows that have none of their own are told of elsewhere.
        options: How many, and thresholds.
    """
    name = camera.removeprefix("observation.images.")
    rows = np.arange(demonstration.length)
    if times is not None and len(times.exact) == len(rows):
        rows = rows[times.exact]
    if not len(rows):
        return []
    wanted = rows[np.linspace(0, len(rows) - 1, options.deep_pictures).astype(int)]
    pictures: list[tuple[int, U8]] = []
    problems: list[Problem] = []
    for frame in map(int, np.unique(wanted)):
        try:
            picture = reader.picture(camera, frame)
            pictures.append((frame, picture.rgb()))
        except DataError as error:
            text = f"{name}: frame {frame} cannot be decoded ({error})"
            problems.append(finding("picture_undecodable", text, frame))
            break
        if picture.note:
            text = f"{name}: frame {frame}: {picture.note}"
            problems.append(finding("picture_undecodable", text, frame))
            break
    return (
        problems
        + black_problems(name, pictures, options)
        + frozen_problems(name, pictures, demonstration, options)
    )


def black_problems(
    name: str, pictures: list[tuple[int, U8]], options: HealthOptions
) -> list[Problem]:
    """All decoded pictures are black.

    Args:
        name: Names the camera.
        pictures: Frames with RGB (H, W, 3).
        options: Thresholds.
    """
    if not pictures or not all(
        float(np.percentile(rgb, 99)) < options.black_level for _, rgb in pictures
    ):
        return []
    text = f"{name}: all of {len(pictures)} pictures looked at are black"
    return [finding("picture_black", text, pictures[0][0])]


def frozen_problems(
    name: str,
    pictures: list[tuple[int, U8]],
    demonstration: Demonstration,
    options: HealthOptions,
) -> list[Problem]:
    """Neighbouring decoded pictures are the same although the robot moved between them.

    Args:
        name: Names the camera.
        pictures: Frames with RGB (H, W, 3), at least two to say anything.
        demonstration: Says whether the robot moved.
        options: Thresholds.
    """
    for (first, before), (second, after) in pairwise(pictures):
        if before.shape != after.shape:
            continue
        difference = float(np.abs(before.astype(np.int16) - after.astype(np.int16)).mean())
        if difference < options.frozen_difference and _moved(demonstration, first, second):
            text = f"{name}: the pictures of frames {first} and {second} are the same"
            return [finding("picture_frozen", text, first)]
    return []


def _moved(demonstration: Demonstration, first: int, second: int) -> bool:
    """True if a state channel went through a twentieth of its range between two frames."""
    span = spans(demonstration.state)
    moving = span > 0
    if not moving.any():
        return False
    state = demonstration.state[:, moving]
    way = np.abs(state[second] - state[first]) / span[moving]  # NaN compares false.
    return bool((way > 0.05).sum() >= min(2, state.shape[1]))
