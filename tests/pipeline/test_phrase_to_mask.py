"""The robot by its name. SAM 2 runs with its real code on a tiny random checkpoint where the
frame and not the mask matters; where the mask does, stand-ins return the true masks of the scene.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from pipeline.backends import devices
from pipeline.backends.robot.arm_choice import change, choose_arm, nearest_to
from pipeline.backends.robot.protocol import RobotRequest
from pipeline.backends.segmentation import sam2_propagation
from pipeline.backends.segmentation.protocol import Segmentation
from pipeline.backends.segmentation.sam2_transformers import Sam2Transformers
from pipeline.model.edits import MarkRobot, PaintRobot
from pipeline.model.mask_runs import runs_of
from pipeline.model.problem import Cancelled, DataError
from pipeline.stages.robot import RobotOptions, RobotStage
from tests.pipeline.bimanual_scene import Bimanual, mean_iou
from tests.pipeline.rendered_scene import HEIGHT, WIDTH, run
from tests.pipeline.tiny_sam2 import write_folder

STAGE = RobotStage()


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("sam2") / "tiny")


@pytest.fixture(autouse=True)
def nothing_loaded() -> Any:
    yield
    devices.release_models()


def options(weights: Path, **more: Any) -> RobotOptions:
    return RobotOptions(backend="phrase_to_mask", weights=str(weights), device="cpu", **more)


@pytest.fixture
def true_masks(monkeypatch: pytest.MonkeyPatch) -> Bimanual:
    """SAM 2 that never errs: a box gets the true mask that it encloses, and that is followed."""
    scene = Bimanual()
    parts = [(arm, part) for arm in ("left", "right") for part in ("whole", "gripper")]

    def segment(self: Any, image: Any, boxes: Any, progress: Any) -> Segmentation:
        frame = scene.reads[-1]
        known = {tuple(b.box): scene.part(*parts[b.id], frame) for b in scene.boxes(frame)}
        return Segmentation(np.stack([known[tuple(box)] for box in boxes]), ())

    def propagate(
        backend: Any, frame_at: Any, frames: Any, keyframe: int, masks: Any, progress: Any
    ) -> Any:
        followed = np.zeros((len(frames), len(masks), WIDTH * HEIGHT // 8), np.uint8)
        for k, mask in enumerate(masks):
            own = max(parts, key=lambda p: float((scene.part(*p, keyframe) == mask).mean()))
            for row, frame in enumerate(frames):
                progress(row / len(frames), "true masks")
                followed[row, k] = np.packbits(scene.part(*own, int(frame)).reshape(-1))
        return followed

    monkeypatch.setattr(Sam2Transformers, "segment", segment)
    monkeypatch.setattr(sam2_propagation, "propagate_masks", propagate)
    return scene


@pytest.mark.parametrize("arm", ["left", "right"])
def test_the_mask_is_that_of_the_active_arm(true_masks: Bimanual, weights: Path, arm: str) -> None:
    """Both arms look alike and the left one is surer; the joints tell."""
    results = true_masks.results(arm, true_masks.boxes(30))
    robot = run(true_masks, STAGE, results, options=options(weights))
    assert mean_iou(true_masks, robot, arm) == 1.0
    assert robot.backend == "phrase_to_mask"
    assert robot.problems == ()
    for row, frame in enumerate(robot.frames):
        tip = np.array(true_masks.tip(arm, int(frame)))
        if 15 < tip[1] < 225:
            assert np.linalg.norm(robot.points[row] - tip, axis=1).max() < 18


def test_the_gripper_s_own_mask_gives_its_points(true_masks: Bimanual, weights: Path) -> None:
    results = true_masks.results("right", true_masks.boxes(30))
    robot = run(true_masks, STAGE, results, options=options(weights))
    row = int(np.flatnonzero(robot.frames == 30)[0])
    gripper = true_masks.part("right", "gripper", 30)
    x, y = robot.points[row].astype(int).T
    assert gripper[y, x].mean() > 0.9
    away = np.linalg.norm(robot.points[row] - (WIDTH / 2, HEIGHT / 2), axis=1)
    rows, columns = np.nonzero(gripper)
    best = np.hypot(columns - WIDTH / 2, rows - HEIGHT / 2).min()
    assert away.min() == pytest.approx(best, abs=1.5)
    assert 2 < robot.scale[row] < 8


def request(scene: Bimanual, arm: str, own: np.ndarray, rival: np.ndarray) -> RobotRequest:
    count = len(own)
    nothing = np.zeros((count, 0))
    return RobotRequest(
        frame_at=lambda i: scene.frame("", i),
        frames=np.arange(0, 3 * count, 3, dtype=np.int32),
        lead=0,
        approach=np.ones(count, np.bool_),
        interaction=np.zeros(count, np.bool_),
        speed=own.astype(np.float32),
        other_speed=rival.astype(np.float32),
        grip_speed=np.zeros(0, np.float32),
        points=np.zeros((count, 0, 2), np.float32),
        visible=nothing.astype(np.bool_),
        candidate=np.zeros(0, np.int32),
        boxes=np.zeros((count, 0, 4), np.float32),
        arm=arm,
    )


def test_where_motion_does_not_tell_the_side_does_and_it_says_so() -> None:
    scene = Bimanual()
    still = [[scene.part(a, "whole", 30) for a in ("right", "left")] for _ in range(10)]
    masks = np.array(still)
    wave = np.sin(np.arange(10)) ** 2
    for arm, index in (("left", 1), ("right", 0)):
        chosen = choose_arm(masks, request(scene, arm, wave, wave[::-1]), np.array([0.5, 0.5]))
        assert (chosen.index, chosen.by) == (index, "side")
        assert [p.code for p in chosen.problems] == ["arm_guessed"]
    chosen = choose_arm(masks, request(scene, "arm", wave, wave * 0), np.array([0.4, 0.7]))
    assert (chosen.index, chosen.by, chosen.problems) == (1, "confidence", ())
    nothing = choose_arm(masks & False, request(scene, "arm", wave, wave), np.zeros(2))
    assert nothing.index == -1


def test_change_and_nearness_are_measured_in_pixels() -> None:
    masks = np.zeros((3, 2, 8, 8), np.bool_)
    masks[0, 0, :, :4] = masks[1, 0, :, 2:6] = True
    np.testing.assert_array_equal(change(masks), [[0.5, np.nan], [1.0, np.nan]])
    others = np.zeros((3, 2, 8, 8), np.bool_)
    others[:, 0, 0, 7] = others[:, 1, 7, 0] = True
    assert nearest_to(others, np.flip(masks[:, 0], axis=2)) == 0
    assert nearest_to(others & False, masks[:, 0]) == -1


def test_it_runs_on_a_real_checkpoint(weights: Path) -> None:
    scene = Bimanual(length=16)
    results = scene.results("right", scene.boxes(6))
    one, two = (run(scene, STAGE, results, options=options(weights)) for _ in range(2))
    assert one.packed.shape == (6, WIDTH * HEIGHT // 8)
    np.testing.assert_array_equal(one.packed, two.packed)
    assert (one.height, one.width) == (HEIGHT, WIDTH)
    assert one.packed.any()


def test_clicks_seed_sam2_and_a_painted_mask_stays(weights: Path) -> None:
    scene = Bimanual(length=16)
    results = scene.results("right")
    x, y = scene.tip("right", 6)
    click = MarkRobot(subtask=0, frame=6, point=(x, y - 10))
    mask = scene.part("right", "whole", 12)
    paint = PaintRobot(subtask=0, frame=12, height=HEIGHT, width=WIDTH, runs=runs_of(mask))
    found = run(scene, STAGE, results, options=options(weights), edits=(click, paint))
    assert (found.backend, found.placement) == ("phrase_to_mask", "cpu, float32")
    row = int(np.flatnonzero(found.frames == 12)[0])
    np.testing.assert_array_equal(found.mask(row), mask)
    other = MarkRobot(subtask=0, frame=6, point=(20.0, 225.0))
    moved = run(scene, STAGE, results, options=options(weights), edits=(other, paint))
    assert (moved.packed != found.packed).any()
    outside = MarkRobot(subtask=0, frame=6, point=(20.0, 225.0), inside=False)
    only = run(scene, STAGE, results, options=options(weights), edits=(outside,))
    assert {"edit_not_applicable", "no_robot"} <= {p.code for p in only.problems}


def test_a_click_is_answered_by_the_network_s_own_code(weights: Path) -> None:
    """The same points through transformers' whole model give the same mask."""
    import torch
    from transformers import Sam2Model

    from pipeline.backends.segmentation.sam2_pictures import model_pixels, picture_masks

    sam2 = Sam2Transformers()
    sam2.configure(devices.ModelSettings(str(weights), "cpu"))
    image = Bimanual().frame("", 10)
    clicks = np.array([[180.0, 40.0], [30.0, 30.0]], np.float32)
    mask = sam2.segment_points(image, clicks, np.array([True, False]))
    model = Sam2Model.from_pretrained(weights).eval()
    size = sam2.model().size
    pixels = model_pixels(image, size, torch.device("cpu"))
    points = torch.tensor([[[[180.0, 40.0], [30.0, 30.0]]]]) * torch.tensor(
        [size / WIDTH, size / HEIGHT]
    )
    with torch.inference_mode():
        whole = model(
            pixel_values=pixels,
            input_points=points,
            input_labels=torch.tensor([[[1, 0]]]),
            multimask_output=False,
        )
    np.testing.assert_array_equal(mask, picture_masks(whole.pred_masks[0, 0], HEIGHT, WIDTH)[0])
    assert mask.shape == (HEIGHT, WIDTH)


def test_without_a_box_llmdet_is_asked_and_missed_in_a_sentence(
    weights: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.setenv("DEMOSCOPE_MODELS_DIR", str(tmp_path))
    scene = Bimanual(length=16)
    results = scene.results("right")
    with pytest.raises(DataError, match="llmdet") as caught:
        run(scene, STAGE, results, options=options(weights))
    assert caught.value.code == "no_backend"
    fallen = run(scene, STAGE, results, options=options(weights, allow_fallback=True))
    assert (fallen.backend, fallen.placement) == ("proprioception_flow", "")
    assert "backend_fallback" in [p.code for p in fallen.problems]
    with pytest.raises(DataError, match="not on this machine"):
        run(scene, STAGE, results, options=options(tmp_path / "gone"))


def test_llmdet_s_boxes_are_used(
    true_masks: Bimanual, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A detector that knows the truth in the middle frame stands in for LLMDet."""
    from pipeline.backends import registry
    from pipeline.backends.detection.protocol import Detection

    class Knows:
        def detect(self, asked: Any, progress: Any) -> tuple[Detection, ...]:
            assert (asked.phrase, asked.further) == ("robot arm", ("robot gripper",))
            frame = true_masks.reads[-1]
            boxes = true_masks.boxes(frame) if frame == 30 else ()
            return tuple(
                Detection(
                    b.box, b.score, "phrase", "", b.label, is_further=b.label == "robot gripper"
                )
                for b in boxes
            )

    load = registry.load_backend
    monkeypatch.setattr(
        registry,
        "load_backend",
        lambda kind, name, settings=None: (
            Knows() if kind == "detection" else load(kind, name, settings)
        ),
    )
    robot = run(true_masks, STAGE, true_masks.results("right"), options=options(weights))
    assert mean_iou(true_masks, robot, "right") == 1.0


def test_out_of_memory_and_cancel(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Bimanual(length=16)
    results = scene.results("right", scene.boxes(6))
    with pytest.raises(Cancelled):
        run(scene, STAGE, results, options=options(weights), cancel_after=6)

    def model(self: Any) -> Any:
        raise RuntimeError("CUDA out of memory.")

    monkeypatch.setattr(Sam2Transformers, "model", model)
    with pytest.raises(DataError) as caught:
        run(scene, STAGE, results, options=options(weights))
    assert caught.value.code == "out_of_memory"
