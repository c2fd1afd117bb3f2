from __future__ import annotations

import time

import numpy as np
import pytest

from pipeline.backends.segmentation.grabcut import GrabCutSegmenter
from pipeline.model.candidate import Proposal, ProposalsResult
from pipeline.model.colors import name_color
from pipeline.model.problem import Cancelled
from pipeline.stages.masks import MasksStage
from tests.pipeline.rendered_scene import HEIGHT, KEY, WIDTH, Scene, run

STAGE = MasksStage()


def proposals(*boxes: tuple[float, float, float, float]) -> dict[str, ProposalsResult]:
    candidates = tuple(Proposal(i, b, 12, 0.5, "", "region") for i, b in enumerate(boxes))
    return {"proposals": ProposalsResult(KEY, 12, candidates, (), "test")}


def test_a_mask_is_the_object_in_a_loose_box() -> None:
    scene = Scene()
    x0, y0, x1, y1 = (int(v) for v in scene.object_box(12))
    result = run(scene, STAGE, proposals((x0 - 5, y0 - 5, x1 + 5, y1 + 5), (260, 40, 300, 80)))
    truth = np.zeros((HEIGHT, WIDTH), bool)
    truth[y0:y1, x0:x1] = True
    mask = result.masks[0]
    assert (mask & truth).sum() / (mask | truth).sum() > 0.8
    assert [name_color(c)[0] for c in result.colors] == ["red", "green"]
    assert result.problems == ()
    assert (result.height, result.width, result.count) == (HEIGHT, WIDTH, 2)


def test_a_collapsed_mask_becomes_the_ellipse_and_says_so() -> None:
    result = run(Scene(black=True), STAGE, proposals((50, 50, 90, 70)))
    assert [p.code for p in result.problems] == ["mask_fallback"]
    assert result.masks[0].sum() == pytest.approx(np.pi * 20 * 10, rel=0.05)


def test_no_candidates_and_boxes_at_the_border() -> None:
    empty = run(Scene(), STAGE, proposals())
    assert empty.masks.shape == (0, HEIGHT, WIDTH)
    edge = run(Scene(), STAGE, proposals((0, 0, WIDTH, HEIGHT), (WIDTH - 3, 0, WIDTH, 3)))
    assert edge.count == 2
    assert edge.masks[1].sum() > 0


def test_25_boxes_take_less_than_3_seconds() -> None:
    image = np.random.default_rng(0).integers(0, 255, (480, 640, 3)).astype(np.uint8)
    boxes = tuple(
        (x, y, x + 150.0, y + 150.0) for x in range(0, 500, 100) for y in range(0, 250, 50)
    )
    start = time.process_time()
    found = GrabCutSegmenter().segment(image, boxes[:25], lambda share, what: None)
    assert time.process_time() - start < 6.0  # two threads
    assert found.masks.shape[0] == 25


def test_it_can_be_cancelled() -> None:
    with pytest.raises(Cancelled):
        run(Scene(), STAGE, proposals((50, 50, 90, 70), (10, 10, 50, 50)), cancel_after=2)
