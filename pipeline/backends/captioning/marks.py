"""Marks on pictures: outlines and numbers of the candidates, and the trace of the gripper.

Off in all recipes but two: in the study object marks cost 4.8 points and hand marks 3.7, as they
hide what they point at.
"""

from __future__ import annotations

import numpy as np

from pipeline.backends.captioning.material import CaptionMaterial
from pipeline.model.arrays import F32, F64, I32, U8
from pipeline.model.palette import GRIPPER, candidate_color
from pipeline.model.recipe import PromptParts

NEAR_SECONDS = 0.25
"""How far the tracked frame may be from the shown one for marks to be drawn."""
TRACE_SECONDS = 1.0
"""How far back the trace of the gripper goes."""


def drawn(
    rgb: U8,
    material: CaptionMaterial,
    frame: int,
    parts: PromptParts,
    factor: tuple[float, float] = (1.0, 1.0),
    origin: tuple[float, float] = (0.0, 0.0),
) -> U8:
    """Draw the marks of a frame on a copy of its picture.

    Args:
        rgb: (h, w, 3) uint8, a part of the frame, scaled.
        material: Of the subtask.
        frame: Of the episode.
        parts: Which marks.
        factor: Scaled size over original size, across and down.
        origin: Left and top of the part, pixels of the camera.
    """
    row = near_row(material, frame)
    if row is None:
        return rgb
    picture = rgb.copy()
    place = (np.array(factor), np.array(origin))
    if parts.marks:
        for outline in material.outlines:
            corners = outline.at(row)
            if corners is not None:
                _outline(picture, _placed(corners, *place), outline.candidate)
    if parts.hand_trace:
        _trace(picture, material, row, *place)
    return picture


def near_row(material: CaptionMaterial, frame: int) -> int | None:
    """Row of the tracked frame nearest to `frame`, None where none is near."""
    if not len(material.frames):
        return None
    apart = np.abs(material.frames.astype(np.int64) - frame)
    row = int(apart.argmin())
    return row if apart[row] <= NEAR_SECONDS * material.fps else None


def _placed(points: F32, factor: F64, origin: F64) -> I32:
    """Points of the camera (P, 2) in a scaled part, whole pixels that drawing can take."""
    moved = (points.astype(np.float64) - origin + 0.5) * factor - 0.5
    return np.asarray(np.clip(np.round(moved), -30_000, 30_000), np.int32)


def _outline(picture: U8, corners: I32, candidate: int) -> None:
    import cv2

    cv2.polylines(picture, [corners], True, candidate_color(candidate), 2, cv2.LINE_AA)
    x, y = (int(v) for v in corners[corners[:, 1].argmin()])
    text, font, size = str(candidate), cv2.FONT_HERSHEY_SIMPLEX, 0.45
    (width, height), _ = cv2.getTextSize(text, font, size, 1)
    x = min(max(x, 1), max(1, picture.shape[1] - width - 2))
    y = min(max(y - 2, height + 2), picture.shape[0] - 2)
    cv2.rectangle(picture, (x - 1, y - height - 1), (x + width, y + 2), (0, 0, 0), -1)
    cv2.putText(picture, text, (x, y), font, size, (255, 255, 255), 1, cv2.LINE_AA)


def _trace(picture: U8, material: CaptionMaterial, row: int, factor: F64, origin: F64) -> None:
    import cv2

    since = int(material.frames[row]) - TRACE_SECONDS * material.fps
    rows = np.flatnonzero(material.frames[: row + 1] >= since)
    points = material.reference[rows]
    points = points[np.isfinite(points).all(axis=1)]
    if len(points):
        path = _placed(points.astype(np.float32), factor, origin)
        cv2.polylines(picture, [path], False, GRIPPER, 2, cv2.LINE_AA)
    if np.isfinite(material.reference[row]).all():
        x, y = _placed(material.reference[row : row + 1], factor, origin)[0]
        cv2.circle(picture, (int(x), int(y)), 5, (0, 0, 0), -1, cv2.LINE_AA)
        cv2.circle(picture, (int(x), int(y)), 4, GRIPPER, -1, cv2.LINE_AA)
