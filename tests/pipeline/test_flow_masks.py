"""Masks sharpened by optical flow, and the time bound of GrabCut."""

from __future__ import annotations

from itertools import count

import cv2
import numpy as np
import pytest

from pipeline.backends.segmentation.flow import flow_refined
from pipeline.backends.segmentation.grabcut import TIME_BOUND, GrabCutSegmenter
from pipeline.backends.segmentation.protocol import Refiner, Segmentation
from pipeline.model.problem import Cancelled

HEIGHT, WIDTH = 240, 320
BOX = (85.0, 65.0, 180.0, 155.0)
TRUE = np.zeros((HEIGHT, WIDTH), np.bool_)
TRUE[80:140, 100:160] = True


def grain(seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 255, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2), None, 20, 235, cv2.NORM_MINMAX)


GROUND, THING = grain(0), grain(1)


def frame(shift: int) -> np.ndarray:
    """A square with the same kind of texture as the ground: colour cannot tell them apart."""
    picture = GROUND.copy()
    picture[80:140, 100 + shift : 160 + shift] = THING[80:140, 100:160]
    return picture


def overlap(mask: np.ndarray) -> float:
    return float((mask & TRUE).sum() / (mask | TRUE).sum())


def block(x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), np.bool_)
    mask[y0:y1, x0:x1] = True
    return mask


def test_what_moves_otherwise_leaves_the_mask() -> None:
    masks = np.stack([block(88, 70, 175, 150), TRUE])
    after, changed = flow_refined(frame(0), (frame(-4), frame(4)), masks, lambda s: None)
    assert overlap(masks[0]) < 0.6
    assert overlap(after[0]) > 0.7
    assert overlap(after[1]) > 0.9
    assert 0 in changed
    again, _ = flow_refined(frame(0), (frame(-4), frame(4)), masks, lambda s: None)
    assert (again == after).all()


def test_a_plain_thing_keeps_its_pixels_although_flow_cannot_follow_them() -> None:
    def plain(shift: int) -> np.ndarray:
        picture = frame(0)
        picture[80:140, 100:160] = GROUND[80:140, 100:160]
        picture[80:140, 100 + shift : 160 + shift] = (200, 40, 40)
        return picture

    after, _ = flow_refined(plain(0), (plain(-4), plain(4)), TRUE[None], lambda s: None)
    assert overlap(after[0]) > 0.95


def test_what_passes_before_a_resting_thing_loses_pixels_and_the_thing_none() -> None:
    """Only in part: a pixel that looks the same after the step cannot be told to have moved."""
    finger = block(118, 60, 146, 110)

    def passing(shift: int) -> np.ndarray:
        picture = frame(0)
        picture[60:110, 118 + shift : 146 + shift] = GROUND[150:200, 20:48]
        return picture

    after, changed = flow_refined(passing(0), (passing(-4), passing(4)), TRUE[None], lambda s: None)
    assert changed == (0,)
    gone = TRUE & ~after[0]
    assert gone.sum() > 100
    assert (gone & finger).sum() > 0.9 * gone.sum()


@pytest.mark.parametrize("shift", [0, 3])
def test_rest_and_a_moving_camera_leave_masks_alone(shift: int) -> None:
    masks = block(88, 70, 175, 150)[None]
    moved = np.roll(frame(0), shift, axis=1)
    after, changed = flow_refined(frame(0), (moved,), masks, lambda s: None)
    assert (after == masks).all()
    assert changed == ()


def test_nothing_to_do_and_strange_neighbours() -> None:
    none = np.zeros((0, HEIGHT, WIDTH), np.bool_)
    assert flow_refined(frame(0), (frame(3),), none, lambda s: None)[1] == ()
    masks = TRUE[None]
    assert flow_refined(frame(0), (), masks, lambda s: None)[0] is masks
    other = np.zeros((48, 64, 3), np.uint8)
    assert flow_refined(frame(0), (other,), masks, lambda s: None)[1] == ()


def test_the_segmenter_refines_within_the_episode_and_can_be_cancelled() -> None:
    segmenter = GrabCutSegmenter()
    assert isinstance(segmenter, Refiner)
    asked: list[int] = []

    def frame_at(index: int) -> np.ndarray:
        asked.append(index)
        return frame(index + index // 3)

    found = Segmentation(np.stack([block(88, 70, 175, 150)] * 2), (1,))
    after = segmenter.refine(frame_at, 0, 4, (BOX, BOX), found, lambda share, what: None)
    assert set(asked) == {0, 3}
    assert overlap(after.masks[0]) > overlap(found.masks[0])
    assert (after.masks[1] == found.masks[1]).all()  # the ellipse of a collapsed mask stays
    assert after.collapsed == (1,)

    def stop(share: float, what: str) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        segmenter.refine(frame_at, 0, 4, (BOX, BOX), found, stop)


def test_boxes_beyond_the_time_bound_get_the_ellipse() -> None:
    picture = np.full((HEIGHT, WIDTH, 3), 200, np.uint8)
    boxes = []
    for x in (20, 100, 180):
        picture[60:120, x + 5 : x + 55] = (200, 30, 30)
        boxes.append((float(x), 55.0, x + 60.0, 125.0))
    ticks = count(0.0, TIME_BOUND * 0.4)
    hurried = GrabCutSegmenter(spent=lambda: next(ticks))
    found = hurried.segment(picture, tuple(boxes), lambda share, what: None)
    free = GrabCutSegmenter().segment(picture, tuple(boxes), lambda share, what: None)
    assert free.collapsed == ()
    assert found.collapsed == (2,)
    assert (found.masks[:2] == free.masks[:2]).all()
    assert found.masks[2].any()
