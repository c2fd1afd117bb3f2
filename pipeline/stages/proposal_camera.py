"""Which camera the proposals, and everything after them, work on."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from pipeline.model.demonstration import Demonstration
from pipeline.model.problem import DataError
from pipeline.model.subtask import Subtask
from pipeline.stages.stage import StageContext

WRIST_WORDS = ("wrist", "hand", "gripper", "ego_arm")
"""Words in a camera's name that say it moves with the arm."""


def choose_camera(
    demonstration: Demonstration, subtask: Subtask, wanted: str, context: StageContext
) -> str:
    """Return the key of the camera to work on. Raises DataError `no_camera`.

    Our choice: of the cameras that are not on the wrist the first one, unless another shows half
    as much more moving area during the interaction.
    """
    keys = [c.key for c in demonstration.cameras]
    if not keys:
        raise DataError("no_camera", "the episode has no colour camera whose video is present.")
    if wanted:
        for camera in demonstration.cameras:
            if wanted in (camera.key, camera.short_name):
                return camera.key
        raise DataError("no_camera", f"no camera “{wanted}”; there are: {', '.join(keys)}.")
    fixed = [k for k in keys if not any(w in k.rsplit(".", 1)[-1].lower() for w in WRIST_WORDS)]
    fixed = fixed or keys
    if len(fixed) == 1:
        return fixed[0]
    spans = subtask.interaction or ((subtask.start, subtask.end),)
    start, end = spans[0][0], min(spans[-1][1], demonstration.length)
    at = sorted({int(v) for v in np.linspace(start, max(start, end - 1), 4)})
    moving = [_moving_share(key, at, context) for key in fixed]
    best = int(np.argmax(moving))
    return fixed[best] if moving[best] > 1.5 * moving[0] else fixed[0]


def _moving_share(camera: str, frames: list[int], context: StageContext) -> float:
    import cv2

    small = []
    for index in frames:
        context.progress(0.02, "choosing the camera")
        picture = context.reader.frame(camera, index)
        gray = cv2.cvtColor(cv2.resize(picture, (96, 72)), cv2.COLOR_RGB2GRAY)
        small.append(cv2.GaussianBlur(gray, (5, 5), 0).astype(np.int16))
    pairs = pairwise(small)
    return float(np.mean([np.mean(np.abs(a - b) > 14) for a, b in pairs])) if small[1:] else 0.0
