"""SAM 2 on clips: random weights in real files, loaded by the real code, on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
import torch

from pipeline.backends.backend import ModelSettings
from pipeline.backends.devices import release_models
from pipeline.backends.registry import load_backend
from pipeline.backends.segmentation import sam2_clip
from pipeline.backends.segmentation.sam2_propagation import propagate_masks, video_model
from pipeline.backends.segmentation.sam2_transformers import TransformersVideo
from pipeline.backends.tracking.protocol import TrackingRequest
from pipeline.backends.tracking.sam2_video import Sam2Video, carried_points
from pipeline.model.arrays import I32, U8, Bool, pack_masks, unpack_masks
from pipeline.model.candidate import Proposal, ProposalsResult
from pipeline.model.problem import Cancelled, DataError
from pipeline.stages.masks import MasksStage
from pipeline.stages.tracks import TracksOptions, TracksStage
from tests.pipeline.rendered_scene import KEY, Scene, run
from tests.pipeline.tiny_sam2 import (
    HEIGHT,
    WIDTH,
    disc,
    iou,
    picture,
    quiet,
    random_model,
    write_folder,
    write_meta,
)

KEYFRAME = 4
FRAMES: I32 = np.arange(0, 10, 2, dtype=np.int32)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("sam2") / "tiny")


@pytest.fixture(scope="module", autouse=True)
def _models() -> Iterator[None]:
    """Loaded models serve all tests, as in a worker."""
    yield
    release_models()


def tracker(weights: Path, **settings: str) -> Sam2Video:
    made = load_backend("tracking", "sam2_video", ModelSettings(str(weights), "cpu", **settings))
    assert isinstance(made, Sam2Video)
    return made


def two_masks() -> Bool:
    other = np.zeros((HEIGHT, WIDTH), np.bool_)
    other[20:60, 100:140] = True
    return np.stack([disc(KEYFRAME), other])


def follow(
    weights: Path,
    frames: I32 = FRAMES,
    masks: Bool | None = None,
    frame_at: Callable[[int], U8] = picture,
    keyframe: int = KEYFRAME,
) -> Bool:
    """Masks (F, K, H, W)."""
    given = two_masks() if masks is None else masks
    packed = propagate_masks(tracker(weights), frame_at, frames, keyframe, given, quiet)
    assert packed.dtype == np.uint8
    assert packed.shape == (len(frames), len(given), HEIGHT * WIDTH // 8)
    return np.stack([unpack_masks(row, HEIGHT, WIDTH) for row in packed])


def test_masks_reach_both_ends_of_the_clip(weights: Path) -> None:
    masks = follow(weights)
    assert (masks[2] == two_masks()).all()  # the keyframe's are the given ones
    assert masks.any(axis=(2, 3)).all()
    release_models()
    assert (follow(weights) == masks).all()


def test_the_keyframe_need_not_be_asked_for(weights: Path) -> None:
    masks = follow(weights)
    without = follow(weights, frames=FRAMES[[0, 1, 3, 4]])
    assert (without == masks[[0, 1, 3, 4]]).all()


def test_frames_are_read_once_and_forwards(weights: Path) -> None:
    reads: list[int] = []

    def frame_at(index: int) -> U8:
        reads.append(index)
        return picture(index)

    follow(weights, frame_at=frame_at)
    assert reads == [4, 6, 8, 0, 2]


def test_empty_masks_stay_empty_and_disturb_nobody(weights: Path) -> None:
    both = two_masks()
    with_gap = np.stack([both[0], np.zeros_like(both[0]), both[1]])
    masks = follow(weights, masks=with_gap)
    assert not masks[:, 1].any()
    assert (masks[:, [0, 2]] == follow(weights)).all()
    assert not follow(weights, masks=np.zeros((2, HEIGHT, WIDTH), np.bool_)).any()
    none = propagate_masks(
        tracker(weights), picture, FRAMES, KEYFRAME, np.zeros((0, HEIGHT, WIDTH), np.bool_), quiet
    )
    assert none.shape == (5, 0, HEIGHT * WIDTH // 8)


def test_objects_do_not_influence_each_other(weights: Path) -> None:
    together = follow(weights)
    alone = follow(weights, masks=two_masks()[1:])
    shares = [iou(a, b) for a, b in zip(together[:, 1], alone[:, 0], strict=True)]
    assert min(shares) > 0.99


def test_an_object_that_is_gone_has_no_mask(tmp_path: Path) -> None:
    gone = write_folder(tmp_path / "gone", random_model(seed=1, present=-50.0))
    masks = follow(gone)
    assert (masks[2] == two_masks()).all()
    assert not masks[[0, 1, 3, 4]].any()
    tracked = tracker(gone).track(request(), quiet)
    assert np.isnan(tracked.boxes[[0, 1, 3, 4]]).all()
    assert not tracked.visible[[0, 1, 3, 4]].any()
    assert tracked.visible[2].all()
    assert (tracked.points == request().points).all()  # held where they were seen last


def test_memory_is_bounded_and_what_is_forgotten_was_not_needed(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clip longer than all that SAM 2 looks back on, in both directions."""
    kept: list[int] = []
    tidy = sam2_clip.Memory.tidy

    def counted(self: sam2_clip.Memory, current: int) -> None:
        tidy(self, current)
        outputs = self._outputs[0]["non_cond_frame_outputs"].values()
        kept.append(sum(t.numel() for o in outputs for t in o.values() if t.numel() > 300))

    frames: I32 = np.arange(35, dtype=np.int32)
    monkeypatch.setattr(sam2_clip.Memory, "tidy", counted)
    lean = follow(weights, frames, two_masks()[:1], keyframe=17)
    monkeypatch.setattr(sam2_clip.Memory, "tidy", lambda self, current: None)
    full = follow(weights, frames, two_masks()[:1], keyframe=17)
    assert (lean == full).all()
    features = 2 * 64 * 8 * 8  # and their positions
    assert max(kept) == (6 + 6 + 7) * features  # beside the keyframe, and behind the last frame
    assert len(kept) == 35


@pytest.mark.skipif(find_spec("sam2") is None, reason="Meta's package is not installed")
def test_both_packages_agree(weights: Path, tmp_path: Path) -> None:
    """Not to the last bit: Meta takes the given masks through the size of its output first."""
    checkpoint = write_meta(tmp_path / "meta")
    assert type(video_model(tracker(weights))).__name__ == "TransformersVideo"
    assert type(video_model(tracker(checkpoint))).__name__ == "MetaModel"
    ours, theirs = follow(weights), follow(checkpoint)
    pairs = zip(ours.reshape(-1, HEIGHT, WIDTH), theirs.reshape(-1, HEIGHT, WIDTH), strict=True)
    assert min(iou(a, b) for a, b in pairs) > 0.99
    assert all(0.01 < mask.mean() < 0.99 for mask in ours.reshape(-1, HEIGHT, WIDTH))


@pytest.mark.skipif(find_spec("sam2") is None, reason="Meta's package is not installed")
def test_metas_package_is_left_as_it_was(tmp_path: Path) -> None:
    from sam2 import sam2_video_predictor as package

    before = package.load_video_frames, package.tqdm
    checkpoint = write_meta(tmp_path / "meta")

    def cancelling(share: float, what: str) -> None:
        if share > 0:
            raise Cancelled

    with pytest.raises(Cancelled):
        propagate_masks(tracker(checkpoint), picture, FRAMES, KEYFRAME, two_masks(), cancelling)
    assert (package.load_video_frames, package.tqdm) == before


def test_the_model_is_loaded_once_for_all_who_use_it(weights: Path) -> None:
    from pipeline.backends.segmentation.sam2_transformers import Sam2Transformers

    segmenter = Sam2Transformers()
    segmenter.configure(ModelSettings(str(weights), "cpu"))
    assert video_model(segmenter) is video_model(tracker(weights))


def test_half_precision_runs(weights: Path) -> None:
    packed = propagate_masks(
        tracker(weights, precision="bfloat16"), picture, FRAMES, KEYFRAME, two_masks(), quiet
    )
    exact = pack_masks(follow(weights).reshape(-1, HEIGHT, WIDTH)).reshape(packed.shape)
    same = np.unpackbits(packed) == np.unpackbits(exact)
    assert same.mean() > 0.9


def test_running_out_of_memory_says_what_to_lower(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def out_of_memory(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(TransformersVideo, "follow", out_of_memory)
    with pytest.raises(DataError, match="the number of candidates") as raised:
        follow(weights)
    assert raised.value.code == "out_of_memory"
    assert "following 2 masks over 5 frames" in str(raised.value)


@pytest.mark.parametrize("calls", [0, 1, 3])
def test_it_can_be_cancelled(weights: Path, calls: int) -> None:
    left = [calls]

    def cancelling(share: float, what: str) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Cancelled

    with pytest.raises(Cancelled):
        tracker(weights).track(request(), cancelling)


def test_broken_weights_are_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(DataError, match="does not load as sam2_video") as raised:
        follow(tmp_path)
    assert raised.value.code == "bad_weights"


def request(masks: Bool | None = None, frames: I32 = FRAMES) -> TrackingRequest:
    """Two points on the disc, one on the square."""
    return TrackingRequest(
        frame_at=picture,
        frames=frames,
        steps=np.arange(10, dtype=np.int32),
        keyframe=KEYFRAME,
        points=np.array([[52, 50], [56, 44], [120, 40]], np.float32),
        candidate=np.array([0, 0, 1], np.int32),
        masks=two_masks() if masks is None else masks,
        interaction=np.zeros(len(frames), np.bool_),
    )


def test_the_tracker_returns_tracks_in_the_protocols_form(weights: Path) -> None:
    tracked = tracker(weights).track(request(), quiet)
    assert (tracked.points.dtype, tracked.points.shape) == (np.float32, (5, 3, 2))
    assert (tracked.visible.dtype, tracked.visible.shape) == (np.bool_, (5, 3))
    assert (tracked.boxes.dtype, tracked.boxes.shape) == (np.float32, (5, 2, 4))
    np.testing.assert_allclose(tracked.points[2], request().points, atol=1e-4)
    assert tracked.visible[2].all()
    assert tracked.boxes[2, 1] == pytest.approx([100, 20, 140, 60])


def boxes_as_masks(*boxes: tuple[int, int, int, int] | None) -> U8:
    """Masks (F, 1, bits) that fill boxes; None is an empty one."""
    masks = np.zeros((len(boxes), HEIGHT, WIDTH), np.bool_)
    for mask, box in zip(masks, boxes, strict=True):
        if box is not None:
            mask[box[1] : box[3], box[0] : box[2]] = True
    return pack_masks(masks)[:, None]


def carried(*boxes: tuple[int, int, int, int] | None, points: list[list[float]]) -> Any:
    """Tracks of points on the box (40, 40, 60, 60) whose masks go through `boxes`."""
    mask = np.zeros((1, HEIGHT, WIDTH), np.bool_)
    mask[0, 40:60, 40:60] = True
    asked = TrackingRequest(
        frame_at=picture,
        frames=np.arange(len(boxes), dtype=np.int32),
        steps=np.arange(len(boxes), dtype=np.int32),
        keyframe=0,
        points=np.array(points, np.float32),
        candidate=np.zeros(len(points), np.int32),
        masks=mask,
        interaction=np.zeros(len(boxes), np.bool_),
    )
    return carried_points(asked, boxes_as_masks(*boxes), quiet)


def test_points_move_and_grow_with_their_mask() -> None:
    corners = [[40.0, 40.0], [59.0, 59.0], [49.5, 49.5]]
    tracked = carried((40, 40, 60, 60), (70, 30, 90, 50), (70, 30, 110, 70), points=corners)
    assert tracked.points[0].tolist() == corners
    assert tracked.points[1].tolist() == [[70, 30], [89, 49], [79.5, 39.5]]
    np.testing.assert_allclose(tracked.points[2], [[70.5, 30.5], [108.5, 68.5], [89.5, 49.5]])
    assert tracked.visible.all()
    assert tracked.boxes[2, 0].tolist() == [70, 30, 110, 70]


def test_points_outside_their_mask_are_hidden_but_for_a_margin() -> None:
    whole, half = (40, 40, 60, 60), (40, 40, 60, 60)
    tracked = carried(whole, half, points=[[50, 50], [62, 50], [61, 50], [50, 63]])
    assert tracked.visible[1].tolist() == [True, False, True, False]
    tall = carried(whole, (45, 30, 55, 70), points=[[50, 50], [42, 50], [50, 42]])
    assert tall.visible[1].tolist() == [True, False, True]


def test_points_of_a_lost_mask_wait_hidden() -> None:
    tracked = carried(
        (40, 40, 60, 60), (44, 40, 64, 60), None, None, (60, 40, 80, 60), points=[[50, 50]]
    )
    assert tracked.points[:, 0, 0].tolist() == [50, 54, 54, 54, 70]
    assert tracked.visible[:, 0].tolist() == [True, True, False, False, True]
    assert np.isnan(tracked.boxes[[2, 3], 0]).all()
    before = carried(None, (40, 40, 60, 60), points=[[50, 50]])
    assert before.points[:, 0, 0].tolist() == [50, 50]
    assert before.visible[:, 0].tolist() == [False, True]


def test_points_that_leave_the_picture_are_hidden() -> None:
    tracked = carried((40, 40, 60, 60), (150, 40, 160, 60), points=[[59, 50]])
    assert tracked.points[1, 0, 0] > 155
    gone = carried((40, 40, 60, 60), (158, 40, 160, 60), points=[[59, 50], [40, 50]])
    assert gone.visible[1].tolist() == [False, False]


def test_a_mask_that_explodes_does_not_fling_its_points() -> None:
    tracked = carried((40, 40, 60, 60), (0, 0, 160, 96), points=[[60, 50]])
    assert abs(tracked.points[1, 0, 0] - 79.5) <= 3 * 10.5 + 1e-3


def test_the_stage_runs_with_it(weights: Path) -> None:
    scene = Scene(length=12)
    boxes = (scene.object_box(0), (260.0, 40.0, 300.0, 80.0))
    found = tuple(Proposal(i, box, 6, 0.5, "", "region") for i, box in enumerate(boxes))
    results: dict[str, Any] = {"subtasks": scene.subtasks()}
    results["proposals"] = ProposalsResult(KEY, 6, found, (), "test")
    results["masks"] = run(scene, MasksStage(), results)
    options = TracksOptions(backend="sam2_video", weights=str(weights), device="cpu")
    result = run(scene, TracksStage(), results, options=options)
    assert result.backend == "sam2_video"
    assert result.boxes.shape == (len(result.frames), results["masks"].count, 4)
    assert result.visible.any()
