"""MoGe-2 by its real loading code; the weights are random or planted, in the real file format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.backends import devices
from pipeline.backends.geometry.moge import MoGe
from pipeline.backends.registry import make_backend
from pipeline.model.geometry import CameraOrigin
from pipeline.model.problem import Cancelled, DataError
from tests.pipeline.geometry_clip import FRAMES, HEIGHT, POINTS, WIDTH, Clip, lifted

torch = pytest.importorskip("torch")
pytest.importorskip("moge.model.v2", reason="needs dlr-moge and dlr-utils3d")

TILT, SCALE, SPREAD = 0.5, 1.5, 0.8
"""Planted: depth is SCALE * exp(TILT * u), the focal length 1 / SPREAD half diagonals."""
ASPECT = WIDTH / HEIGHT
DIAGONAL = (1 + ASPECT**2) ** 0.5
FOCAL = WIDTH / SPREAD / 2 * DIAGONAL / ASPECT


def stack(dim_in: list[int], dim_out: list[int | None]) -> dict[str, Any]:
    """Configuration of one convolution stack of MoGe, as small as can be."""
    return {
        "dim_in": dim_in,
        "dim_res_blocks": [8] * 5,
        "dim_out": dim_out,
        "resamplers": ["bilinear"] * 4,
        "num_res_blocks": [1] * 5,
        "res_block_in_norm": "layer_norm",
        "res_block_hidden_norm": "layer_norm",
    }


CONFIG = {
    "encoder": {"backbone": "dinov2_vits14", "intermediate_layers": 1, "dim_out": 16},
    "neck": stack([18, 2, 2, 2, 2], [8] * 5),
    "points_head": stack([8] * 5, [None, None, None, None, 3]),
    "mask_head": stack([8] * 5, [None, None, None, None, 1]),
    "scale_head": {"dims": [384, 8, 1]},
    "remap_output": "exp",
    "num_tokens_range": [12, 24],
}


def planted(model: Any, mask_half: bool, spread: float) -> None:
    """Make a model see one scene whatever the picture: a wall that recedes to the right.

    Only the finest level carries anything: the place (u, v) of each pixel.
    """
    with torch.no_grad():
        for part in (model.neck, model.points_head, model.mask_head, model.scale_head):
            for parameter in part.parameters():
                parameter.zero_()
        model.neck.input_blocks[4].weight[0, 0] = 1
        model.neck.input_blocks[4].weight[1, 1] = 1
        for block in (
            model.neck.output_blocks[4],
            model.points_head.input_blocks[4],
            model.mask_head.input_blocks[4],
        ):
            block.weight[:, :, 0, 0] = torch.eye(8)
        out = model.points_head.output_blocks[4]
        out.weight[0, 0] = spread
        out.weight[1, 1] = spread
        out.weight[2, 0] = TILT
        model.mask_head.output_blocks[4].bias[0] = 0 if mask_half else 5
        if mask_half:
            model.mask_head.output_blocks[4].weight[0, 0] = 100
        model.scale_head[-1].bias[0] = float(np.log(SCALE))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    from moge.model.v2 import MoGeModel

    torch.set_num_threads(1)
    torch.manual_seed(3)
    folder = tmp_path_factory.mktemp("moge")
    model = MoGeModel(**CONFIG)
    paths = {}
    for name in ("random", "mirrored", "half", "wall"):
        if name != "random":
            planted(model, name == "half", -SPREAD if name == "mirrored" else SPREAD)
        # Half precision only to halve the file; loading copies it into float32.
        state = {k: v.half() for k, v in model.state_dict().items()}
        paths[name] = folder / f"{name}.pt"
        torch.save({"model_config": CONFIG, "model": state}, paths[name])
    return paths


@pytest.fixture(autouse=True)
def nothing_loaded() -> Any:
    yield
    devices.release_models()


def wall(points: np.ndarray) -> np.ndarray:
    """Planted depth in metres at pixels (N, 2)."""
    u = (2 * points[:, 0] + 1 - WIDTH) / WIDTH * ASPECT / DIAGONAL
    return SCALE * np.exp(TILT * u)


def test_camera_and_metres_are_those_of_the_model(weights: dict[str, Path]) -> None:
    result = lifted(Clip(), backend="moge", weights=weights["wall"])
    assert (result.backend, result.camera_origin) == ("moge", CameraOrigin.ESTIMATED)
    assert result.intrinsics[0, 0] == pytest.approx(FOCAL, rel=0.01)
    assert result.intrinsics[1, 1] == result.intrinsics[0, 0]
    metres = wall(POINTS)
    for row in range(len(FRAMES)):
        np.testing.assert_allclose(result.xyz[row, :, 2], metres, rtol=0.01)
    x = (POINTS[:, 0] - (WIDTH - 1) / 2) / FOCAL * metres
    np.testing.assert_allclose(result.xyz[0, :, 0], x, atol=0.01)
    assert result.dropped.tolist() == [0] * len(FRAMES)
    assert result.scale_drifts
    assert [p.code for p in result.problems] == ["scale_drifts"]


def test_points_are_those_of_the_model_itself(weights: dict[str, Path]) -> None:
    from moge.model.v2 import MoGeModel

    clip = Clip()
    result = lifted(clip, backend="moge", weights=weights["wall"])
    picture = torch.from_numpy(clip.frame("", 8)).permute(2, 0, 1) / 255
    with pytest.warns(UserWarning, match="In CPU autocast"):
        own = MoGeModel.from_pretrained(weights["wall"]).eval().infer(picture, use_fp16=False)
    x, y = POINTS.astype(int).T
    np.testing.assert_allclose(result.xyz[2], own["points"][y, x].numpy(), rtol=0.02, atol=0.01)


def test_masked_pixels_are_dropped_and_counted(weights: dict[str, Path]) -> None:
    result = lifted(Clip(), backend="moge", weights=weights["half"])
    assert result.dropped.tolist() == [WIDTH * HEIGHT // 2] * len(FRAMES)
    known = np.isfinite(result.xyz[0, :, 2])
    assert known.tolist() == (POINTS[:, 0] >= WIDTH / 2).tolist()
    problem = next(p for p in result.problems if p.code == "depth_dropped")
    assert "50.0%" in problem.message
    assert (result.depth[0, :, : WIDTH // 2] == 0).all()
    assert (result.depth[0, :, WIDTH // 2 :] > 0).all()


def test_the_camera_is_estimated_once_at_the_keyframe(
    weights: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from moge.model.v2 import MoGeModel

    asked: list[float | None] = []
    levels: list[int] = []
    whole = MoGeModel.infer

    def infer(self: Any, image: Any, **given: Any) -> Any:
        asked.append(given["fov_x"])
        levels.append(given["resolution_level"])
        return whole(self, image, **given)

    monkeypatch.setattr(MoGeModel, "infer", infer)
    clip = Clip()
    result = lifted(clip, backend="moge", weights=weights["wall"])
    assert clip.reads[0] == 4
    assert asked[0] is None
    fov = 2 * np.degrees(np.arctan(WIDTH / 2 / result.intrinsics[0, 0]))
    assert asked[1:] == pytest.approx([fov] * len(FRAMES))
    assert set(levels) == {9}
    asked.clear()
    levels.clear()
    clip.intrinsics = np.array([[70.0, 0, 41], [0, 71, 29], [0, 0, 1]])
    result = lifted(clip, backend="moge", weights=weights["wall"], depth_detail=2)
    assert set(levels) == {2}
    np.testing.assert_array_equal(result.intrinsics, clip.intrinsics)
    assert result.camera_origin is CameraOrigin.DATASET
    assert asked == pytest.approx([2 * np.degrees(np.arctan(40 / 70))] * len(FRAMES))


@pytest.mark.parametrize("name", ["mirrored", "random"])
def test_a_camera_that_cannot_be_is_replaced(weights: dict[str, Path], name: str) -> None:
    """A negative focal length; a picture of which the model masks everything."""
    clip = Clip()
    result = lifted(clip, backend="moge", weights=weights[name], assumed_fov=70.0)
    assert result.camera_origin is CameraOrigin.ASSUMED
    assert result.intrinsics[0, 0] == pytest.approx(40 / np.tan(np.radians(35)))
    assert "assumed_intrinsics" in [p.code for p in result.problems]
    assert result.xyz.shape == (len(FRAMES), len(POINTS), 3)
    again = lifted(clip, backend="moge", weights=weights[name], assumed_fov=70.0)
    np.testing.assert_array_equal(result.depth, again.depth)
    assert not lifted(clip, backend="moge", weights=weights[name], assumed_fov=0.0).available


def test_missing_and_wrong_weights_are_a_sentence(tmp_path: Path, weights: dict[str, Path]) -> None:
    with pytest.raises(DataError, match="not on this machine") as caught:
        lifted(Clip(), backend="moge", weights=tmp_path / "gone.pt")
    assert caught.value.code == "no_backend"
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DataError, match=r"no model\.pt") as caught:
        lifted(Clip(), backend="moge", weights=empty)
    assert caught.value.code == "no_weights"
    broken = tmp_path / "broken.pt"
    broken.write_bytes(weights["wall"].read_bytes()[:5000])
    with pytest.raises(DataError, match=r"broken\.pt does not load as moge") as caught:
        lifted(Clip(), backend="moge", weights=broken)
    assert caught.value.code == "bad_weights"
    # MoGe itself loads this with strict=False, and would run on random numbers.
    other = tmp_path / "other.pt"
    torch.save({"model_config": CONFIG, "model": {"x": torch.zeros(1)}}, other)
    with pytest.raises(DataError, match="weights are missing") as caught:
        lifted(Clip(), backend="moge", weights=other)
    assert caught.value.code == "bad_weights"


def test_out_of_memory_is_a_sentence_and_may_fall_back(
    weights: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from moge.model.v2 import MoGeModel

    def infer(self: Any, image: Any, **given: Any) -> Any:
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(MoGeModel, "infer", infer)
    with pytest.raises(DataError, match="80x60 picture") as caught:
        lifted(Clip(), backend="moge", weights=weights["wall"])
    assert caught.value.code == "out_of_memory"
    clip = Clip()
    clip.metres = lambda _: np.full((HEIGHT, WIDTH), 2.0, np.float32)
    clip.intrinsics = np.array([[70.0, 0, 40], [0, 70, 30], [0, 0, 1]])
    result = lifted(
        clip, backend="moge", weights=weights["wall"], allow_fallback=True, prefer_recorded=False
    )
    assert result.backend == "recorded_depth"
    assert "backend_fallback" in [p.code for p in result.problems]
    assert not result.scale_drifts
    assert np.nanmax(result.xyz[..., 2]) == 2.0


def test_it_can_be_cancelled(weights: dict[str, Path]) -> None:
    with pytest.raises(Cancelled):
        lifted(Clip(), backend="moge", weights=weights["wall"], cancel_after=4)


def test_the_keys_follow_the_content_of_the_weights(weights: dict[str, Path]) -> None:
    names = set()
    for path in (weights["wall"], weights["half"]):
        backend = make_backend("geometry", "moge")
        backend.configure(devices.ModelSettings(str(path), "cpu"))
        names.add(backend.identity())
    assert len(names) == 2
    assert "pip install --no-deps dlr-moge dlr-utils3d" in MoGe.extra
