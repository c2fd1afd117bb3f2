"""Depth Anything V2 by its real loading code, on a tiny checkpoint in the real format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.backends import devices
from pipeline.model.geometry import CameraOrigin
from pipeline.model.problem import Cancelled, DataError
from tests.pipeline.geometry_clip import FRAMES, HEIGHT, POINTS, WIDTH, Clip, lifted

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

INTRINSICS = np.array([[70.0, 0, 40], [0, 70, 30], [0, 0, 1]])
MAX_DEPTH = 20


def checkpoint(folder: Path, metres: float | None, kind: str = "metric") -> Path:
    """Write config.json, model.safetensors and preprocessor_config.json.

    Args:
        folder: Where.
        metres: Planted depth of every pixel, None for random weights.
        kind: `metric` or `relative`.
    """
    from transformers import (
        DepthAnythingConfig,
        DepthAnythingForDepthEstimation,
        Dinov2Config,
        DPTImageProcessorPil,
    )

    torch.set_num_threads(1)
    torch.manual_seed(5)
    backbone = Dinov2Config(
        image_size=28,
        patch_size=14,
        hidden_size=24,
        num_hidden_layers=4,
        num_attention_heads=2,
        out_features=["stage1", "stage2", "stage3", "stage4"],
        reshape_hidden_states=False,
    )
    model = DepthAnythingForDepthEstimation(
        DepthAnythingConfig(
            backbone_config=backbone,
            reassemble_hidden_size=24,
            neck_hidden_sizes=[8, 8, 8, 8],
            fusion_hidden_size=8,
            head_hidden_size=4,
            depth_estimation_type=kind,
            max_depth=MAX_DEPTH,
        )
    )
    with torch.no_grad():
        if metres is None:
            for parameter in model.head.parameters():
                torch.nn.init.normal_(parameter, std=0.5)
            for parameter in model.neck.parameters():
                torch.nn.init.normal_(parameter, std=0.2)
        else:
            model.head.conv3.weight.zero_()
            share = metres / MAX_DEPTH
            model.head.conv3.bias.fill_(float(np.log(share / (1 - share))))
    model.save_pretrained(folder)
    DPTImageProcessorPil(
        size={"height": 56, "width": 56},
        keep_aspect_ratio=True,
        ensure_multiple_of=14,
        do_rescale=True,
        do_normalize=True,
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("depth_anything")
    return {
        "random": checkpoint(folder / "random", None),
        "planted": checkpoint(folder / "planted", 1.25),
    }


@pytest.fixture(autouse=True)
def nothing_loaded() -> Any:
    yield
    devices.release_models()


def test_planted_depth_is_lifted_in_metres(weights: dict[str, Path]) -> None:
    clip = Clip()
    clip.intrinsics = INTRINSICS
    result = lifted(clip, backend="depth_anything", weights=weights["planted"])
    assert (result.backend, result.placement) == ("depth_anything", "cpu, float32")
    assert result.camera_origin is CameraOrigin.DATASET
    np.testing.assert_allclose(result.xyz[..., 2], 1.25, rtol=1e-4)
    x = (POINTS[:, 0] - 40) / 70 * 1.25
    np.testing.assert_allclose(result.xyz[1, :, 0], x, rtol=1e-3, atol=1e-4)
    assert result.depth.dtype == np.float16
    assert result.depth.shape == (len(FRAMES), HEIGHT, WIDTH)
    assert result.dropped.tolist() == [0] * len(FRAMES)
    assert [p.code for p in result.problems] == ["scale_drifts"]


def test_random_weights_give_depth_within_the_model_s_range(weights: dict[str, Path]) -> None:
    clip = Clip()
    clip.intrinsics = INTRINSICS
    results = [lifted(clip, backend="depth_anything", weights=weights["random"]) for _ in range(2)]
    depth = results[0].depth
    assert depth.min() > 0
    assert depth.max() <= MAX_DEPTH
    assert len(np.unique(depth)) > 50
    np.testing.assert_array_equal(depth, results[1].depth)
    np.testing.assert_array_equal(results[0].xyz, results[1].xyz)


def test_without_intrinsics_a_field_of_view_is_assumed_and_said(weights: dict[str, Path]) -> None:
    result = lifted(Clip(), backend="depth_anything", weights=weights["planted"], assumed_fov=90.0)
    assert result.camera_origin is CameraOrigin.ASSUMED
    assert result.intrinsics[0, 0] == pytest.approx(WIDTH / 2)
    problem = next(p for p in result.problems if p.code == "assumed_intrinsics")
    assert "90 degrees" in problem.message
    none = lifted(Clip(), backend="depth_anything", weights=weights["planted"], assumed_fov=0.0)
    assert (none.available, [p.code for p in none.problems]) == (False, ["no_geometry"])


def test_wrong_weights_are_a_sentence(tmp_path: Path, weights: dict[str, Path]) -> None:
    relative = checkpoint(tmp_path / "relative", None, "relative")
    with pytest.raises(DataError, match="only the Metric models") as caught:
        lifted(_with_camera(), backend="depth_anything", weights=relative)
    assert caught.value.code == "bad_weights"
    with pytest.raises(DataError, match=r"give the folder that holds config\.json"):
        lifted(
            _with_camera(),
            backend="depth_anything",
            weights=weights["planted"] / "model.safetensors",
        )
    broken = checkpoint(tmp_path / "broken", 1.0)
    whole = (broken / "model.safetensors").read_bytes()
    (broken / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="does not load as depth_anything") as caught:
        lifted(_with_camera(), backend="depth_anything", weights=broken)
    assert caught.value.code == "bad_weights"


def test_weights_that_lack_tensors_do_not_run_on_random_numbers(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = checkpoint(tmp_path / "few", 1.0)
    tensors = load_file(folder / "model.safetensors")
    save_file(
        {k: v for k, v in tensors.items() if not k.startswith("head.")},
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )
    with pytest.raises(DataError, match="weights are missing"):
        lifted(_with_camera(), backend="depth_anything", weights=folder)


def test_out_of_memory_and_cancel(
    weights: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import DepthAnythingForDepthEstimation

    with pytest.raises(Cancelled):
        lifted(_with_camera(), 3, backend="depth_anything", weights=weights["planted"])

    def forward(self: Any, *given: Any, **more: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(DepthAnythingForDepthEstimation, "forward", forward)
    with pytest.raises(DataError, match="80x60 picture") as caught:
        lifted(_with_camera(), backend="depth_anything", weights=weights["planted"])
    assert caught.value.code == "out_of_memory"


def _with_camera() -> Clip:
    clip = Clip()
    clip.intrinsics = INTRINSICS
    return clip


def test_transformers_keeps_its_bars_and_warnings(
    weights: dict[str, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    """Nothing is drawn while it loads, and what other code wants to see afterwards is as before."""
    from transformers.utils import logging

    logging.enable_progress_bar()
    logging.set_verbosity_warning()
    lifted(_with_camera(), backend="depth_anything", weights=weights["planted"])
    assert logging.is_progress_bar_enabled()
    assert logging.get_verbosity() == logging.WARNING
    assert "it/s" not in capfd.readouterr().err
