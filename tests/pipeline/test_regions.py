"""The embedded detector's parts: outlines, whole things, bands, colours in the shade."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from pipeline.backends.detection.colors import color_match, to_lab
from pipeline.backends.detection.outline import outline_of
from pipeline.backends.detection.protocol import Detection, DetectionRequest
from pipeline.backends.detection.regions import RegionDetector
from pipeline.model.candidate import Box
from pipeline.model.score import box_iou

HEIGHT, WIDTH = 270, 360
TABLE, RED, GREEN = (150, 110, 80), (200, 30, 30), (40, 140, 50)
CREAM, WHITE, BLUE, DARK = (200, 190, 160), (235, 235, 235), (30, 60, 190), (30, 30, 32)


def table() -> np.ndarray:
    """A table with a little grain."""
    noise = np.random.default_rng(0).normal(0, 2, (HEIGHT, WIDTH, 1))
    return np.clip(np.array(TABLE) + noise, 0, 255).astype(np.uint8)


def fill(picture: np.ndarray, box: tuple[int, int, int, int], color: tuple[int, ...]) -> None:
    x0, y0, x1, y1 = box
    picture[y0:y1, x0:x1] = color


def detect(
    picture: np.ndarray,
    phrase: str,
    colors: tuple[str, ...] = (),
    later: tuple[np.ndarray, ...] = (),
) -> tuple[Detection, ...]:
    request = DetectionRequest(
        image=picture,
        phrase=phrase,
        colors=colors,
        still=(),
        later=later,
        limit=20,
        threshold=0.05,
        nms_iou=0.7,
        min_area=0.0008,
        max_area=0.25,
    )
    return RegionDetector().detect(request, lambda share, what: None)


def on(found: tuple[Detection, ...], box: Box) -> Detection:
    best = max(found, key=lambda d: box_iou(d.box, box))
    assert box_iou(best.box, box) > 0.75, "not proposed"
    return best


def test_outline_tells_a_bounded_square_from_a_loose_one_and_from_an_angle() -> None:
    lab = np.zeros((100, 100, 3), np.float32)
    lab[30:60, 40:70] = 50.0
    right = outline_of(np.ones((30, 30), np.bool_), 40, 30, lab)
    loose = outline_of(np.ones((46, 46), np.bool_), 32, 22, lab)
    assert (right.closed, right.cut, right.notch) == (1.0, 0.0, 0.0)
    assert right.solid > 0.95
    assert loose.closed == 0.0
    assert {int(right.x.min()), int(right.x.max())} <= {37, 38, 71, 72}  # just outside
    angle = np.ones((30, 30), np.bool_)
    angle[:15, 15:] = False
    bent = outline_of(angle, 40, 30, lab)
    assert bent.solid < 0.9
    assert bent.notch > 0.3
    edge = outline_of(np.ones((30, 30), np.bool_), 0, 30, lab)
    assert edge.cut == pytest.approx(0.25, abs=0.05)


def test_a_band_does_not_divide_a_thing() -> None:
    picture = table()
    whole = (150, 80, 200, 170)
    fill(picture, whole, GREEN)
    fill(picture, (150, 112, 200, 136), CREAM)
    found = detect(picture, "green can", ("green",))
    assert box_iou(found[0].box, whole) > 0.9
    half = max(found, key=lambda d: box_iou(d.box, (150, 80, 200, 112)))
    if box_iou(half.box, (150, 80, 200, 112)) > 0.7:
        assert half.score < 0.75 * found[0].score


def test_touching_neighbours_stay_two_things() -> None:
    picture = table()
    left, right = (120, 90, 165, 150), (165, 105, 205, 150)
    fill(picture, left, RED)
    fill(picture, right, BLUE)
    found = detect(picture, "blue block", ("blue",))
    assert box_iou(found[0].box, right) > 0.85
    assert on(found, left).score < 0.5 * found[0].score


def test_a_thing_on_a_tray_is_no_part_of_it() -> None:
    picture = table()
    tray, cube = (90, 90, 250, 210), (150, 130, 180, 160)
    fill(picture, tray, DARK)
    fill(picture, cube, RED)
    found = detect(picture, "red cube", ("red",))
    assert box_iou(found[0].box, cube) > 0.85
    on(found, tray)


def test_all_things_are_listed_before_parts_of_one() -> None:
    picture = table()
    boxes = [(20 + 55 * i, 40 + 70 * k, 55 + 55 * i, 80 + 70 * k) for i in range(6) for k in (0, 1)]
    colors = (RED, GREEN, BLUE, CREAM, DARK, WHITE)
    for number, box in enumerate(boxes):
        fill(picture, box, colors[number % 6])
        fill(picture, (box[0], box[1] + 12, box[2], box[1] + 18), WHITE)
    found = detect(picture, "cup")
    for box in boxes:
        on(found, box)


def test_gray_pieces_of_what_the_border_cuts_off_are_doubted() -> None:
    picture = table()
    fill(picture, (200, 0, 300, 120), (120, 120, 122))
    fill(picture, (225, 40, 265, 80), WHITE)
    free = (90, 150, 130, 190)
    fill(picture, free, WHITE)
    found = detect(picture, "white cube", ("white",))
    assert box_iou(found[0].box, free) > 0.85
    assert on(found, (225, 40, 265, 80)).score < 0.8 * found[0].score


def test_colours_hold_in_the_shade_and_neighbours_do_not_borrow_them() -> None:
    def fit(rgb: tuple[int, int, int], word: str) -> float:
        picture = np.array([[rgb]], np.uint8)
        return float(color_match(to_lab(picture), (word,), lambda: None)[0, 0])

    assert fit((125, 122, 118), "white") > 0.3  # a white cup in the shade
    assert fit((125, 122, 118), "gray") > fit((125, 122, 118), "white")
    assert fit((70, 35, 35), "red") > 0.2
    assert fit(DARK, "white") < 0.05
    assert fit((60, 20, 110), "blue") < 0.7 * fit((60, 20, 110), "purple")
    assert fit((200, 30, 30), "brown") < 0.3


def test_the_silhouette_of_what_leaves_is_listed_but_motion_is_not_in_its_confidence() -> None:
    before, after = table(), table()
    thing = (150, 100, 190, 150)
    camouflage = tuple(int(c * 0.93) for c in TABLE)
    fill(before, thing, camouflage)
    cv2.rectangle(before, (150, 100), (189, 149), tuple(int(c * 0.8) for c in TABLE), 1)
    fill(before, (40, 40, 80, 80), BLUE)
    fill(after, (40, 40, 80, 80), BLUE)
    moving = detect(before, "block", later=(after,))
    resting = detect(before, "block", later=(before,))
    on(moving, thing)
    blue = (40, 40, 80, 80)
    assert on(moving, blue).score == pytest.approx(on(resting, blue).score, abs=1e-6)
    assert on(moving, blue).score > on(moving, thing).score


def test_same_picture_same_boxes() -> None:
    picture = table()
    fill(picture, (150, 80, 200, 170), GREEN)
    fill(picture, (60, 80, 100, 120), RED)
    assert detect(picture, "can", ("green",)) == detect(picture, "can", ("green",))


def test_pictures_without_anything() -> None:
    assert detect(np.full((40, 60, 3), 128, np.uint8), "cup") == ()
    tiny = np.zeros((12, 16, 3), np.uint8)
    tiny[4:8, 4:8] = 255
    assert isinstance(detect(tiny, "cup"), tuple)
