"""RobotSeg through a stand-in for its clone, which cannot be installed: a folder with the same
entry points, configuration and call sequence, loaded by our real loading code. It calls robot what
is darker than the table, and gripper what is darkest.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.backends import devices
from pipeline.backends.registry import describe_backend, make_backend
from pipeline.backends.robot.arm_parts import split_arms
from pipeline.model.arrays import unpack_masks
from pipeline.model.edits import MarkRobot
from pipeline.model.problem import Cancelled, DataError
from pipeline.stages.robot import RobotOptions, RobotStage
from tests.pipeline.bimanual_scene import Bimanual, iou, mean_iou
from tests.pipeline.rendered_scene import run

torch = pytest.importorskip("torch")
pytest.importorskip("hydra")

STAGE = RobotStage()
BUILD = """
import cv2, glob, torch
from hydra import compose
from robotseg.parts import LEVELS

class Predictor(torch.nn.Module):
    def __init__(self, level):
        super().__init__()
        self.level = torch.nn.Parameter(torch.tensor(level))
        self.fill_hole_area = 8

    def init_state(self, video_path, async_loading_frames, offload_video_to_cpu,
                   offload_state_to_cpu):
        files = sorted(glob.glob(video_path + "/*.jpg"))
        return {"pictures": [cv2.imread(f) for f in files], "robot": None}

    def add_new_robot(self, inference_state, frame_idx, obj_id, robot):
        assert self.fill_hole_area == 0
        assert (frame_idx, obj_id) == (0, 0)
        inference_state["robot"] = robot

    def propagate_in_video(self, inference_state, robot):
        assert inference_state["robot"] == robot
        for index, picture in enumerate(inference_state["pictures"]):
            dark = self.level * LEVELS[robot] - torch.from_numpy(picture).float().amax(dim=2)
            yield index, [0], dark[None, None]

    def reset_state(self, inference_state):
        inference_state.clear()

def build_robotseg_video_predictor(config_file, ckpt_path, device="cuda"):
    config = compose(config_name=config_file)
    state = torch.load(ckpt_path, map_location="cpu", weights_only=True)["model"]
    predictor = Predictor(float(config.model.level))
    predictor.load_state_dict(state)
    return predictor.to(device).eval()
"""


def clone(folder: Path, level: float = 100.0) -> Path:
    """Write the stand-in, with its checkpoint where the authors' demo has it."""
    package = folder / "robotseg"
    (package / "configs").mkdir(parents=True)
    (package / "__init__.py").write_text(
        "from hydra import initialize_config_module\n"
        "from hydra.core.global_hydra import GlobalHydra\n"
        "if not GlobalHydra.instance().is_initialized():\n"
        "    initialize_config_module('robotseg', version_base='1.2')\n"
    )
    (package / "parts.py").write_text('LEVELS = {"robot": 1.2, "arm": 1.0, "gripper": 0.6}\n')
    (package / "build_robotseg.py").write_text(BUILD)
    (package / "configs" / "__init__.py").write_text("")
    (package / "configs" / "robotseg-infer.yaml").write_text(
        "# @package _global_\nmodel:\n  level: 1.0\n"
    )
    (folder / "checkpoints").mkdir()
    state = {"model": {"level": torch.tensor(level)}}
    torch.save(state, folder / "checkpoints" / "robotseg.pt")
    return folder


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return clone(tmp_path / "RobotSeg")


@pytest.fixture(autouse=True)
def nothing_loaded() -> Any:
    yield
    devices.release_models()


def options(weights: Path, **more: Any) -> RobotOptions:
    return RobotOptions(backend="robotseg", weights=str(weights), device="cpu", **more)


@pytest.mark.parametrize("arm", ["left", "right"])
def test_the_mask_is_that_of_the_active_arm(weights: Path, arm: str) -> None:
    scene = Bimanual()
    robot = run(scene, STAGE, scene.results(arm), options=options(weights))
    assert robot.backend == "robotseg"
    assert mean_iou(scene, robot, arm) > 0.93
    for row, frame in enumerate(robot.frames):
        tip = np.array(scene.tip(arm, int(frame)))
        if 15 < tip[1] < 225:
            assert np.linalg.norm(robot.reference[row] - tip) < 18


def test_a_click_chooses_the_arm(weights: Path) -> None:
    scene = Bimanual()
    x, y = scene.tip("left", 30)
    edit = MarkRobot(subtask=0, frame=30, point=(x, y))
    robot = run(scene, STAGE, scene.results("right"), options=options(weights), edits=(edit,))
    assert mean_iou(scene, robot, "left") > 0.93


def test_the_file_of_the_checkpoint_may_be_named_instead(weights: Path) -> None:
    scene = Bimanual(length=12)
    file = weights / "checkpoints" / "robotseg.pt"
    by_file, by_folder = (
        run(scene, STAGE, scene.results("right"), options=options(path)) for path in (file, weights)
    )
    np.testing.assert_array_equal(by_file.packed, by_folder.packed)
    assert by_file.packed.any()


def test_nothing_of_the_clone_stays_behind(weights: Path) -> None:
    """SAM 2's package set Hydra up for itself; the clone does not take that away."""
    hydra = pytest.importorskip("hydra.core.global_hydra")
    pytest.importorskip("sam2")
    from hydra import compose

    path = list(sys.path)
    before = hydra.GlobalHydra.instance().is_initialized()
    backend = make_backend("robot", "robotseg", devices.ModelSettings(str(weights), "cpu"))
    backend.load()
    assert sys.path == path
    assert not [n for n in sys.modules if n.split(".")[0] == "robotseg"]
    assert hydra.GlobalHydra.instance().is_initialized() == before
    if before:
        assert "model" in compose("configs/sam2.1/sam2.1_hiera_t.yaml")


def test_what_is_missing_is_a_sentence(
    tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("DEMOSCOPE_MODELS_DIR", str(tmp_path))
    scene = Bimanual(length=12)
    card = describe_backend("robot", "robotseg")
    assert "clone https://github.com/showlab/RobotSeg" in card.reason
    with pytest.raises(DataError, match=r"clone https://github\.com/showlab/RobotSeg"):
        run(scene, STAGE, scene.results("right"), options=options(tmp_path / "gone"))
    file = weights / "checkpoints" / "robotseg.pt"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"robotseg\.pt does not load as robotseg") as caught:
        run(scene, STAGE, scene.results("right"), options=options(weights))
    assert caught.value.code == "bad_weights"
    file.unlink()
    with pytest.raises(DataError, match="download by hand") as caught:
        run(scene, STAGE, scene.results("right"), options=options(weights))
    assert caught.value.code == "no_backend"


class Boom:
    """What a pickle would run."""

    def __reduce__(self) -> Any:
        return (Path("/nowhere/at/all").write_text, ("ran",))


def test_a_checkpoint_with_code_in_it_is_refused(weights: Path) -> None:
    torch.save({"model": Boom()}, weights / "checkpoints" / "robotseg.pt")
    scene = Bimanual(length=12)
    with pytest.raises(DataError) as caught:
        run(scene, STAGE, scene.results("right"), options=options(weights))
    assert caught.value.code == "bad_weights"


def test_out_of_memory_cancel_and_fallback(weights: Path) -> None:
    scene = Bimanual(length=12)
    with pytest.raises(Cancelled):
        run(scene, STAGE, scene.results("right"), options=options(weights), cancel_after=8)
    build = weights / "robotseg" / "build_robotseg.py"
    text = build.read_text()
    build.write_text(
        text.replace(
            'assert inference_state["robot"] == robot',
            'raise RuntimeError("CUDA out of memory.")',
        )
    )
    devices.release_models()
    with pytest.raises(DataError, match="segmenting the robot in") as caught:
        run(scene, STAGE, scene.results("right"), options=options(weights))
    assert caught.value.code == "out_of_memory"
    given = options(weights, allow_fallback=True)
    fallen = run(scene, STAGE, scene.results("right"), options=given)
    assert fallen.backend == "proprioception_flow"


def test_arms_that_touch_stay_apart() -> None:
    """Two bars cross for some frames; each keeps its own side."""
    masks = np.zeros((12, 60, 100), np.bool_)
    left, right = masks.copy(), masks.copy()
    for i in range(12):
        reach = 30 + 3 * min(i, 11 - i)
        left[i, 20:32, :reach] = True
        right[i, 26:38, 98 - reach :] = True
    both = left | right
    packed = np.packbits(both.reshape(12, -1), axis=1)
    arms = split_arms(packed, 60, 100, lambda share, what: None)
    assert arms.shape == (12, 2, 750)
    whole = unpack_masks(arms.reshape(24, -1), 60, 100).reshape(12, 2, 60, 100)
    np.testing.assert_array_equal(whole.any(axis=1), both)
    assert not whole.all(axis=1).any()
    order = (0, 1) if iou(whole[0, 0], left[0]) > 0.5 else (1, 0)
    for i in range(12):
        assert iou(whole[i, order[0]], left[i]) > 0.8
        assert iou(whole[i, order[1]], right[i]) > 0.8
    none = split_arms(np.zeros((3, 750), np.uint8), 60, 100, lambda share, what: None)
    assert not none.any()
