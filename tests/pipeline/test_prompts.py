"""Phrases, spans and scores of grounding, and the choice among many boxes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pipeline.backends.detection.boxes import BoxLimits, choose_boxes, corner_boxes, overlaps
from pipeline.backends.detection.prompts import (
    LONGEST_PHRASE,
    build_prompt,
    clean_phrase,
    phrase_scores,
    phrase_spans,
    token_probabilities,
    word_scores,
)
from pipeline.model.score import box_iou

SEPARATORS = {101, 102, 1012, 1029, 0}


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Red Block", "red block"),
        ("  the cup.  ", "the cup"),
        ("1.5 l bottle?", "1 5 l bottle"),
        ("mug? plate. [SEP] bowl", "mug plate sep bowl"),
        ("t-shirt – child’s", "t-shirt child's"),
        ("- ' -", ""),
        ("café\tau\nlait", "café au lait"),
        ("red_block/blue|green", "red block blue green"),
        ("\u200b🙂…", ""),
        ("", ""),
    ],
)
def test_odd_characters_never_reach_the_prompt(text: str, clean: str) -> None:
    assert clean_phrase(text) == clean


def test_long_phrases_are_cut_at_a_word() -> None:
    cut = clean_phrase("yellow " * 60)
    assert len(cut) <= LONGEST_PHRASE
    assert set(cut.split()) == {"yellow"}
    assert len(clean_phrase("x" * 500)) == LONGEST_PHRASE


def test_spans_are_the_phrases_in_their_order() -> None:
    assert build_prompt(("red block", "robot arm")) == "red block. robot arm."
    tokens = [101, 200, 201, 1012, 202, 203, 204, 1012, 205, 1029, 102, 0, 0]
    assert phrase_spans(tokens, SEPARATORS) == ((1, 3), (4, 7), (8, 9))
    assert phrase_spans([101, 102], SEPARATORS) == ()
    assert phrase_spans([5, 6], SEPARATORS) == ((0, 2),)


def test_a_score_is_the_mean_probability_of_the_tokens_of_a_phrase() -> None:
    def sigmoid(x: float) -> float:
        return 1 / (1 + math.exp(-x))

    # [CLS] red block . gripper . [SEP], and one position beyond the text
    logits = np.array(
        [
            [9.0, 0.0, -2.0, 9.0, 1.5, 9.0, 9.0, -np.inf],
            [9.0, -3.0, -4.0, 9.0, -np.inf, 9.0, 9.0, -np.inf],
        ],
        np.float32,
    )
    probabilities = token_probabilities(logits)
    assert probabilities.dtype == np.float32
    assert (probabilities[:, 7] == 0).all()
    scores = phrase_scores(probabilities, ((1, 3), (4, 5)))
    by_hand = [
        [(sigmoid(0.0) + sigmoid(-2.0)) / 2, sigmoid(1.5)],
        [(sigmoid(-3.0) + sigmoid(-4.0)) / 2, 0.0],
    ]
    assert scores == pytest.approx(np.array(by_hand), abs=1e-6)


def test_word_pieces_are_joined() -> None:
    words = word_scores(("grip", "##per", "arm"), np.array([0.2, 0.4, 0.9], np.float32))
    assert [w for w, _ in words] == ["gripper", "arm"]
    assert [p for _, p in words] == pytest.approx([0.3, 0.9])


def test_boxes_come_back_in_pixels_inside_the_picture() -> None:
    boxes = corner_boxes(np.array([[0.5, 0.5, 0.5, 0.25], [0.9, 0.1, 0.4, 0.4]]), 200, 80)
    assert boxes == pytest.approx(np.array([[50, 30, 150, 50], [140, 0, 200, 24]]))


def limits(**changes: float) -> BoxLimits:
    values = {"threshold": 0.05, "least": 0, "most": 25, "nms_iou": 0.7}
    values |= {"min_area": 0.0008, "max_area": 0.25}
    return BoxLimits(**{**values, **changes})


def grid(count: int) -> np.ndarray:
    """Boxes of 8 x 8 that do not touch, in a picture of 200 x 100."""
    x, y = np.arange(count) % 20 * 10.0, np.arange(count) // 20 * 10.0
    return np.stack([x, y, x + 8, y + 8], axis=1)


def test_under_the_threshold_the_best_are_kept_up_to_the_least_number() -> None:
    boxes, scores = grid(30), np.linspace(0.01, 0.06, 30).astype(np.float32)
    above = int((scores >= 0.05).sum())
    assert above == 6
    picture = (200, 100)
    assert choose_boxes(boxes, scores, limits(least=3), picture) == list(range(29, 23, -1))
    assert len(choose_boxes(boxes, scores, limits(least=9), picture)) == 9
    assert choose_boxes(boxes, scores * 0.1, limits(least=5), picture) == [29, 28, 27, 26, 25]
    assert choose_boxes(boxes, scores * 0.1, limits(), picture) == []
    assert len(choose_boxes(boxes, scores + 1, limits(), picture)) == 25
    assert choose_boxes(boxes, scores, limits(most=0, least=5), picture) == []


def test_sizes_overlaps_and_numbers_decide() -> None:
    picture = (100, 100)
    boxes = np.array(
        [
            [10, 10, 30, 30],
            [11, 11, 31, 31],  # IoU 0.82 with the first
            [18, 10, 38, 30],  # IoU 0.43
            [0, 0, 60, 60],  # 36 % of the picture
            [50, 50, 52, 52],  # 0.04 %
            [70, 10, 71, 60],  # 1 px wide
            [50, 70, 70, 90],
            [70, 70, 90, 90],
        ],
        np.float64,
    )
    scores = np.array([0.5, 0.6, 0.4, 0.9, 0.9, 0.9, np.nan, 0.3], np.float32)
    assert choose_boxes(boxes, scores, limits(), picture) == [1, 2, 7]
    assert choose_boxes(boxes, scores, limits(nms_iou=0.9), picture) == [1, 0, 2, 7]
    assert choose_boxes(boxes, scores, limits(max_area=1.0), picture)[0] == 3
    ious = overlaps(boxes[0], boxes)
    assert ious == pytest.approx([box_iou(tuple(boxes[0]), tuple(b)) for b in boxes])


def test_equal_scores_keep_their_order() -> None:
    assert choose_boxes(grid(6), np.full(6, 0.5, np.float32), limits(), (200, 100)) == list(
        range(6)
    )
