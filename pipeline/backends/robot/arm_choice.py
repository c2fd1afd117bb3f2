"""Which of several masks is the active arm. *(our choice)*

The active arm's mask changes when its joints move. With one arm that settles little, and the
detector's confidence counts; with two it settles nearly everything. Where neither does, the name
of the arm decides by side, and the result says so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.backends.backend import Progress
from pipeline.backends.robot.protocol import RobotRequest
from pipeline.backends.robot.working_clip import WORKING_WIDTH
from pipeline.model.arrays import F32, F64, U8, Bool, unpack_masks
from pipeline.model.problem import Problem

CLEAR = 0.15
"""Difference of the two best correlations from which the motion decides."""


@dataclass(frozen=True, slots=True)
class ArmChoice:
    """Which mask it is.

    Attributes:
        index: Of the mask, -1 if there is none.
        by: `only`, `motion`, `confidence` or `side`.
        evidence: (K,) float64, correlation of each mask's change with the active arm's speed, less
            that with the other arms'.
        problems: `arm_guessed` if it was chosen by side.
    """

    index: int
    by: str
    evidence: F64
    problems: tuple[Problem, ...] = ()


def small_masks(packed: U8, height: int, width: int, progress: Progress) -> Bool:
    """Masks (F, K, ceil(H*W/8)) at working size: (F, K, h, w) bool."""
    import cv2

    share = min(1.0, WORKING_WIDTH / width)
    size = (max(8, round(width * share)), max(8, round(height * share)))
    small = np.zeros((*packed.shape[:2], size[1], size[0]), np.bool_)
    for i, row in enumerate(packed):
        progress(i / len(packed), "masks of the arms")
        for k, mask in enumerate(unpack_masks(row, height, width)):
            scaled = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
            small[i, k] = scaled > 0
    return small


def change(masks: Bool) -> F32:
    """How much each mask changes from frame to frame, (F - 1, K) float32 in 0..1.

    Pixels in which two successive masks differ, over those of both; NaN where both are empty.
    """
    flat = masks.reshape(*masks.shape[:2], -1)
    area = flat.sum(axis=2, dtype=np.int64)
    both = area[1:] + area[:-1]
    differ = (flat[1:] ^ flat[:-1]).sum(axis=2, dtype=np.int64)
    result = np.full(both.shape, np.nan, np.float32)
    np.divide(differ, both, out=result, where=both > 0, casting="unsafe")
    return result


def choose_arm(masks: Bool, request: RobotRequest, confidence: F64) -> ArmChoice:
    """Choose the active arm among masks that were followed through the clip.

    Args:
        masks: (F, K, h, w) bool, any size; F counts the frames after the lead.
        request: Speeds of the arms and the name of the active one.
        confidence: (K,) float64, the detector's, 0..1.
    """
    count = masks.shape[1]
    known: Bool = np.asarray(masks.any(axis=(0, 2, 3)), np.bool_)
    evidence = np.zeros(count)
    if not known.any():
        return ArmChoice(-1, "only", evidence)
    if known.sum() == 1:
        return ArmChoice(int(known.argmax()), "only", evidence)
    own = request.speed[request.lead :]
    rival = request.other_speed[request.lead :]
    if len(own) == len(masks) and len(masks) > 3:
        moved = change(masks)
        for k in range(count):
            evidence[k] = _correlation(moved[:, k], own[1:])
            if request.has_rival:
                evidence[k] -= _correlation(moved[:, k], rival[1:])
    evidence[~known] = -np.inf
    if not request.has_rival:
        total = np.where(known, evidence + confidence, -np.inf)
        return ArmChoice(int(total.argmax()), "confidence", evidence)
    order = np.argsort(-evidence, kind="stable")
    if evidence[order[0]] - evidence[order[1]] >= CLEAR:
        return ArmChoice(int(order[0]), "motion", evidence)
    return _by_side(masks, known, request.arm, confidence, evidence)


def _by_side(masks: Bool, known: Bool, arm: str, confidence: F64, evidence: F64) -> ArmChoice:
    """The leftmost mask for `left`, the rightmost for `right`, else the most confident one."""
    columns = np.arange(masks.shape[3])
    across = masks.sum(axis=(0, 2), dtype=np.float64)
    middle = (across @ columns) / np.maximum(across.sum(axis=1), 1.0)
    by = "side"
    if "left" in arm.lower():
        index = int(np.where(known, middle, np.inf).argmin())
    elif "right" in arm.lower():
        index = int(np.where(known, middle, -np.inf).argmax())
    else:
        by, index = "confidence", int(np.where(known, confidence, -np.inf).argmax())
    message = (
        "The motion of the arms does not tell which mask is the active one; "
        + (f"the {arm} one in the picture was taken" if by == "side" else "the surest was taken")
        + ". Click on the arm if that is wrong."
    )
    return ArmChoice(index, by, evidence, (Problem("arm_guessed", message),))


def _correlation(moved: F32, speed: F32) -> float:
    """Pearson correlation over known steps, 0 where one of both does not vary."""
    known = np.isfinite(moved)
    if known.sum() < 3:
        return 0.0
    a = moved[known].astype(np.float64)
    b = speed[known].astype(np.float64)
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / size if size > 1e-9 else 0.0


def nearest_to(masks: Bool, arm: Bool) -> int:
    """Which of some masks is nearest to an arm's, over the clip; -1 if all are empty.

    Args:
        masks: (F, K, h, w) bool.
        arm: (F, h, w) bool.
    """
    import cv2

    away = np.full((len(masks), masks.shape[1]), np.nan)
    for i, whole in enumerate(arm):
        if not whole.any():
            continue
        distance = cv2.distanceTransform((~whole).astype(np.uint8), cv2.DIST_L2, 3)
        for k, mask in enumerate(masks[i]):
            if mask.any():
                away[i, k] = float(distance[mask].mean())
    seen = np.isfinite(away)
    if not seen.any():
        return -1
    mean = np.where(seen, away, 0.0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
    return int(np.where(seen.any(axis=0), mean, np.inf).argmin())
