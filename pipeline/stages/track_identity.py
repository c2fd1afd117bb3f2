"""Whether a track still follows the thing it started on. *(our choice)*

SPARC names identity switches between similar objects among its failures. Two kinds can be told
without a model:

- **The track shows something else** than at the keyframe; see `track_appearance`.
- **Twins met.** Nothing in the picture tells two objects of like appearance apart once they have
  overlapped; if they part again the tracks may have been exchanged. And if a lost track is found
  again on the twin, two tracks lie on one thing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.backends.tracking.protocol import TrackingRequest
from pipeline.model.arrays import F32, Bool
from pipeline.model.problem import Problem
from pipeline.model.score import as_box, box_iou

CODE = "identity_switch"

HELD_FRAMES = 3
"""Tracked frames in a row that must agree (half a second at 6 fps): a hand that wipes across is
over sooner, a switch stays."""
SAME_SIZE = 2.25
"""Largest ratio of the areas of twins: sides may differ by half."""
PARTED = 1.5
"""Twins have parted when their centres are so many sizes away from each other."""
RESTING = 0.3
"""What stays within this share of the size of its place at the keyframe rests. If one of two twins
rests before and after the other passes, they were not exchanged."""
MERGED_IOU = 0.5
"""IoU from which two boxes lie on one thing; neighbours on a table stay below 0.2."""
PART_SHARE = 0.8
"""Share of a mask inside of another one that makes it a part."""
MOST_PROBLEMS = 4


@dataclass(frozen=True, slots=True)
class IdentityLimits:
    """What counts as a change of identity; see the options of the stage.

    Attributes:
        switch_similarity: Similarity to the keyframe below which a track shows something else.
        twin_similarity: Similarity from which two candidates count as twins.
    """

    switch_similarity: float
    twin_similarity: float


def switches(
    request: TrackingRequest, boxes: F32, appearance: F32, alike: F32, limits: IdentityLimits
) -> tuple[Problem, ...]:
    """Find tracks that may have changed over to another thing.

    Args:
        request: For frames and keyframe.
        boxes: (F, K, 4) float32, NaN where lost.
        appearance: (F, K), see `appearance_of`.
        alike: (K, K), see `appearance_of`.
        limits: Thresholds.

    Returns:
        Problems `identity_switch` with candidate and frame, at most `MOST_PROBLEMS` and one that
        counts the others.
    """
    found: list[Problem] = []
    for k in range(appearance.shape[1]):
        start = _first_run(appearance[:, k], limits.switch_similarity)
        if start is not None:
            frame = int(request.frames[start])
            found.append(
                Problem(
                    CODE,
                    f"The track of candidate {k} shows something else from frame {frame} on "
                    f"(similarity to the keyframe {appearance[start, k]:.2f}, expected at least "
                    f"{limits.switch_similarity:.2f}); look at its points there, or track with "
                    "another backend.",
                    frame=frame,
                    candidate=k,
                )
            )
    found += _twins(request, boxes, alike, limits)
    if len(found) > MOST_PROBLEMS:
        more = len(found) - MOST_PROBLEMS
        found[MOST_PROBLEMS:] = [
            Problem(CODE, f"{more} more tracks may have changed over to another thing.")
        ]
    return tuple(found)


def _first_run(values: F32, limit: float) -> int | None:
    """Row where `HELD_FRAMES` looks in a row (rows without a look do not count) are below."""
    looked = np.flatnonzero(np.isfinite(values))
    run = 0
    for place, row in enumerate(looked):
        run = run + 1 if values[row] < limit else 0
        if run == HELD_FRAMES:
            return int(looked[place - HELD_FRAMES + 1])
    return None


def _twins(
    request: TrackingRequest, boxes: F32, alike: F32, limits: IdentityLimits
) -> list[Problem]:
    if len(request.frames) == 0:
        return []
    start = int(np.abs(request.frames.astype(np.int64) - request.keyframe).argmin())
    single = _without_duplicates(boxes[start])
    with np.errstate(invalid="ignore"):
        pairs = np.argwhere(np.triu(alike >= limits.twin_similarity, 1))
    centres = _centres(boxes)
    found = []
    for k, m in pairs.tolist():
        if not (single[k] and single[m]) or _parts_of_one(request.masks, k, m):
            continue
        size, ratio = _sizes(boxes[start, k], boxes[start, m])
        apart = np.linalg.norm(centres[:, k] - centres[:, m], axis=1)
        if not (ratio <= SAME_SIZE and apart[start] > PARTED * size):
            continue
        for rows in (np.arange(start, len(apart)), np.arange(start, -1, -1)):
            met = _meeting(boxes[rows, k], boxes[rows, m], size)
            if met is None:
                continue
            frame = int(request.frames[rows[met.closest]])
            ends = {
                True: "and parted again; the tracks may have been exchanged there.",
                False: "and lie on one thing since; one of them may have changed over.",
            }[met.parted]
            found.append(
                Problem(
                    CODE,
                    f"Candidates {k} and {m} look alike (similarity {alike[k, m]:.2f}), came "
                    f"closer than their size by frame {frame} {ends} Follow them by eye.",
                    frame=frame,
                    candidate=k,
                )
            )
    return found


def _without_duplicates(boxes: F32) -> Bool:
    """(K,) bool: candidates with a box that no better candidate has too."""
    single: list[bool] = []
    for k, box in enumerate(boxes):
        single.append(
            bool(np.isfinite(box).all())
            and not any(
                single[j] and box_iou(as_box(boxes[j]), as_box(box)) >= MERGED_IOU for j in range(k)
            )
        )
    return np.array(single, np.bool_)


def _parts_of_one(masks: Bool, k: int, m: int) -> bool:
    """Whether two candidates lie on the mask of a third: parts of one thing move together."""
    areas = [max(1, int(masks[c].sum())) for c in (k, m)]
    for j, whole in enumerate(masks):
        if j not in (k, m) and all(
            (masks[c] & whole).sum() >= PART_SHARE * area
            for c, area in zip((k, m), areas, strict=True)
        ):
            return True
    return False


def _sizes(one: F32, other: F32) -> tuple[float, float]:
    """Mean side of two boxes (root of the area), and the ratio of their areas, at least 1."""
    areas = np.sort([max(float((b[2] - b[0]) * (b[3] - b[1])), 1.0) for b in (one, other)])
    return float(np.sqrt(areas).mean()), float(areas[1] / areas[0])


@dataclass(frozen=True, slots=True)
class _Meeting:
    """Two tracks came closer than their size, and their identities are in doubt since.

    Attributes:
        closest: Row of the closest approach.
        parted: Whether they parted; else they lie on one thing.
    """

    closest: int
    parted: bool


def _meeting(one: F32, other: F32, size: float) -> _Meeting | None:
    """Look for a doubtful meeting of two boxes (R, 4) away from the keyframe, NaN where lost."""
    centres = [_centres(one), _centres(other)]
    apart = np.linalg.norm(centres[0] - centres[1], axis=1)
    known = np.flatnonzero(np.isfinite(apart))
    close = known[apart[known] < size]
    if len(close) == 0:
        return None
    closest = int(close[np.argmin(apart[close])])
    last = known[-HELD_FRAMES:]
    if len(last) == HELD_FRAMES and all(
        box_iou(as_box(one[i]), as_box(other[i])) >= MERGED_IOU for i in last
    ):
        return _Meeting(closest, parted=False)
    after = known[(known > close[0]) & (apart[known] > PARTED * size)]
    if len(after) == 0:
        return None  # put down beside each other
    for centre in centres:
        way = np.linalg.norm(centre - centre[0], axis=1)
        before = way[: close[0] + 1]
        if np.nanmax(before) < RESTING * size and np.median(way[after]) < RESTING * size:
            return None  # It rested until they met and rests there still: it is the same one.
    return _Meeting(closest, parted=True)


def _centres(boxes: F32) -> F32:
    """Centres (..., 2) of boxes (..., 4)."""
    return np.asarray((boxes[..., :2] + boxes[..., 2:]) / 2, np.float32)
