from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import ValidationError

from pipeline.backends import registry
from pipeline.backends.backend import FrameAt, Progress
from pipeline.backends.segmentation.grabcut import GrabCutSegmenter
from pipeline.backends.segmentation.protocol import Segmentation
from pipeline.engine.codec import decode, encode
from pipeline.engine.keys import result_key
from pipeline.model.arrays import U8, Bool
from pipeline.model.candidate import Box, MasksResult, Proposal, ProposalsResult
from pipeline.model.colors import name_color
from pipeline.model.edits import EDIT, PaintMask, in_force
from pipeline.model.mask_runs import mask_of, runs_of
from pipeline.model.problem import Cancelled
from pipeline.stages.masks import MasksOptions, MasksStage, with_painted
from pipeline.stages.stage import StageInputs
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


def disc(cx: float, cy: float, radius: float) -> np.ndarray:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.asarray((x - cx) ** 2 + (y - cy) ** 2 <= radius**2)


def paint(box: Box, mask: np.ndarray, candidate: int = 0) -> PaintMask:
    height, width = mask.shape
    return PaintMask(
        subtask=0, box=box, candidate=candidate, height=height, width=width, runs=runs_of(mask)
    )


@given(arrays(np.bool_, st.tuples(st.integers(1, 12), st.integers(1, 12))))
def test_runs_keep_every_mask(mask: np.ndarray) -> None:
    runs = runs_of(mask)
    assert sum(runs) == mask.size
    assert (mask_of(runs, *mask.shape) == mask).all()


def test_runs_are_those_of_coco() -> None:
    # Column by column, unset first: the example of COCO's maskApi.
    assert runs_of(np.array([[0, 0, 1], [1, 1, 1]], bool)) == (1, 1, 1, 3)
    assert runs_of(np.array([[1, 0]], bool)) == (0, 1, 1)
    with pytest.raises(ValueError, match="expected 4 pixels"):
        mask_of((1, 2), 2, 2)


def test_a_painted_mask_replaces_the_segmented_one_and_its_color() -> None:
    scene, green = Scene(), disc(280, 60, 10)
    boxes = (scene.object_box(12), (260.0, 40.0, 300.0, 80.0))
    before = run(scene, STAGE, proposals(*boxes))
    # The person says that candidate 0 is the green disc; its box may have moved a little.
    x0, y0, x1, y1 = boxes[0]
    result = run(scene, STAGE, proposals(*boxes), edits=(paint((x0 + 2, y0, x1, y1), green),))
    assert (result.masks[0] == green).all()
    assert name_color(result.colors[0])[0] == "green"
    assert (result.masks[1] == before.masks[1]).all()
    assert result.problems == ()
    shown = with_painted(before, proposals(*boxes)["proposals"], (paint(boxes[0], green),))
    assert (shown.masks == result.masks).all()
    assert with_painted(before, proposals(*boxes)["proposals"], ()) is before


def test_everything_erased_leaves_an_empty_mask_without_color() -> None:
    box = (50.0, 50.0, 90.0, 70.0)
    nothing = np.zeros((HEIGHT, WIDTH), bool)
    result = run(Scene(black=True), STAGE, proposals(box), edits=(paint(box, nothing),))
    assert not result.masks.any()
    assert np.isnan(result.colors).all()
    assert result.problems == ()  # no segmentation, no fallback


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (paint((50, 50, 90, 70), np.zeros((10, 20), bool)), "20x10"),
        (paint((200, 200, 230, 220), np.zeros((HEIGHT, WIDTH), bool)), "not among the proposals"),
    ],
)
def test_a_painted_mask_that_does_not_apply_says_so(edit: PaintMask, words: str) -> None:
    result = run(Scene(), STAGE, proposals(Scene().object_box(12)), edits=(edit,))
    assert [p.code for p in result.problems] == ["edit_not_applicable"]
    assert words in result.problems[0].message
    assert result.masks.any()


def test_edits_supersede_by_box_and_enter_the_key() -> None:
    box, mask = (50.0, 50.0, 90.0, 70.0), disc(60, 60, 5)
    first, second, other = paint(box, mask), paint(box, ~mask), paint((0, 0, 9, 9), mask)
    assert in_force((first, other, second)) == (other, second)
    assert EDIT.validate_json(first.model_dump_json()) == first
    assert first.title == "paint mask of candidate #0"
    demonstration = Scene().demonstration
    keys = {
        result_key(STAGE, demonstration, 0, STAGE.options_type(), edits, {})
        for edits in ((), (first,), (second,))
    }
    assert len(keys) == 3


@pytest.mark.parametrize(
    "change",
    [
        {"height": 0},
        {"height": 16_384, "width": 16_384, "runs": (1 << 28,)},
        {"runs": (5, -5)},
        {"runs": (3,)},
        {"runs": (0,) * ((1 << 18) + 1)},
        {"candidate": -1},
    ],
)
def test_masks_from_strangers_are_bounded(change: dict[str, object]) -> None:
    good = {"subtask": 0, "box": (0, 0, 2, 2), "candidate": 0, "height": 2, "width": 2}
    assert PaintMask.model_validate({**good, "runs": (2, 2)}).runs == (2, 2)
    with pytest.raises(ValidationError):
        PaintMask.model_validate({**good, "runs": (2, 2), **change})


class Halving:
    """A segmenter that fills boxes, rates itself, and takes the lower half away when it refines."""

    name = "halving"
    licence = "none"
    seen: tuple[int, int, int] = (0, 0, 0)

    def available(self) -> str | None:
        return None

    def segment(self, image: U8, boxes: tuple[Box, ...], progress: Progress) -> Segmentation:
        progress(1.0, "filling")
        masks: Bool = np.zeros((len(boxes), *image.shape[:2]), np.bool_)
        for mask, (x0, y0, x1, y1) in zip(masks, boxes, strict=True):
            mask[int(y0) : int(y1), int(x0) : int(x1)] = True
        return Segmentation(masks, (), np.linspace(0.5, 0.9, len(boxes)).astype(np.float32), "toy")

    def refine(
        self,
        frame_at: FrameAt,
        keyframe: int,
        length: int,
        boxes: tuple[Box, ...],
        found: Segmentation,
        progress: Progress,
    ) -> Segmentation:
        progress(0.0, "halving")
        Halving.seen = (keyframe, length, frame_at(keyframe + 1).shape[1])
        masks = found.masks.copy()
        for mask, (_, y0, _, y1) in zip(masks, boxes, strict=True):
            mask[int((y0 + y1) / 2) :] = False
        return replace(found, masks=masks)


@pytest.fixture
def halving(monkeypatch: pytest.MonkeyPatch) -> MasksOptions:
    backends = {**registry.EMBEDDED["segmentation"], "halving": f"{__name__}:Halving"}
    monkeypatch.setitem(registry.EMBEDDED, "segmentation", backends)
    return MasksOptions(backend="halving")


def test_a_segmenter_that_can_refine_is_given_the_clip(halving: MasksOptions) -> None:
    scene, shares = Scene(), []
    context = replace(scene.context(), report=lambda share, _: shares.append(share))
    inputs = StageInputs(proposals((50, 50, 90, 70)), 0)
    result = STAGE.run(scene.demonstration, inputs, halving, (), context)
    assert result.masks[0].sum() == 40 * 10
    assert Halving.seen == (12, scene.demonstration.length, WIDTH)
    assert result.placement == "toy"
    assert shares == sorted(shares)


def test_painted_masks_are_not_rated_by_the_segmenter(halving: MasksOptions) -> None:
    boxes = ((50.0, 50.0, 90.0, 70.0), (200.0, 50.0, 240.0, 70.0), (120.0, 150.0, 160.0, 190.0))
    edits = (paint(boxes[1], disc(220, 60, 5), 1),)
    result = run(Scene(), STAGE, proposals(*boxes), options=halving, edits=edits)
    assert result.quality == pytest.approx([0.5, np.nan, 0.9], nan_ok=True)
    assert decode(encode(result), MasksResult).quality == pytest.approx(result.quality, nan_ok=True)
    assert run(Scene(), STAGE, proposals(*boxes)).quality is None
