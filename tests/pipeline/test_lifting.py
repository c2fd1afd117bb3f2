from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.backends.geometry.lifting import lift, local_depth, reduced, to_reduced
from pipeline.engine.codec import decode, encode
from pipeline.model.geometry import CameraOrigin, LiftingResult
from pipeline.model.score import box_iou
from pipeline.stages.lifting import LiftingStage
from tests.pipeline.geometry_clip import HEIGHT as SMALL_HEIGHT
from tests.pipeline.geometry_clip import WIDTH as SMALL_WIDTH
from tests.pipeline.geometry_clip import Clip, lifted
from tests.pipeline.rendered_scene import INTRINSICS, Scene, run, upto

CAMERA = np.array([[70.0, 0, 40], [0, 70, 30], [0, 0, 1]])


def test_points_on_the_object_have_its_depth() -> None:
    scene = Scene(with_depth=True)
    results = upto(scene, "lifting")
    lifting, tracks = results["lifting"], results["tracks"]
    assert lifting.available
    assert lifting.xyz.shape == (*tracks.visible.shape, 3)
    truth = scene.object_box(12)
    k = max(results["proposals"].candidates, key=lambda p: box_iou(p.box, truth)).id
    own = tracks.candidate == k
    row = tracks.nearest(12)
    assert np.nanmedian(lifting.xyz[row, own, 2]) == pytest.approx(0.95, abs=0.01)
    x = (np.median(tracks.points[row, own, 0]) - 160) / 300 * 0.95
    assert np.nanmedian(lifting.xyz[row, own, 0]) == pytest.approx(x, abs=0.01)


def test_without_depth_it_says_so() -> None:
    lifting = upto(Scene(), "lifting")["lifting"]
    assert (lifting.available, lifting.backend, lifting.xyz.shape) == (False, "none", (0, 0, 3))
    assert [p.code for p in lifting.problems] == ["no_geometry"]


def test_gaps_are_reported() -> None:
    scene = Scene(with_depth=True)
    results = upto(scene, "tracks")
    whole = scene.depth
    scene.depth = lambda c, i: None if i > 40 else whole(c, i)  # type: ignore[method-assign]
    lifting = run(scene, LiftingStage(), results)
    assert "depth_gaps" in [p.code for p in lifting.problems]
    assert np.isnan(lifting.xyz[lifting.frames > 40]).all()
    assert not lifting.on_edge[lifting.frames > 40].any()


def test_depth_does_not_fall_off_edges() -> None:
    depth = np.full((40, 40), 1.0, np.float32)
    depth[:, 20:] = 0.5
    depth[5, 5] = 0
    points = np.array([[19, 20], [20, 20], [5, 5], [-3, 2], [np.nan, 1]], np.float32)
    found = local_depth(depth, points)
    np.testing.assert_allclose(found, [1.0, 0.5, 1.0, np.nan, np.nan])
    assert np.isnan(local_depth(np.zeros((40, 40), np.float32), points)).all()
    xyz = lift(points[:2], found[:2], INTRINSICS)
    np.testing.assert_allclose(
        xyz[1], [(20 - 160) / 300 * 0.5, (20 - 120) / 300 * 0.5, 0.5], rtol=1e-5
    )


def test_dropped_pixels_are_counted_exactly() -> None:
    """Zero, NaN, infinite and negative values are no depth."""
    clip = Clip()
    clip.intrinsics = CAMERA

    def metres(frame: int) -> np.ndarray:
        depth = np.full((SMALL_HEIGHT, SMALL_WIDTH), 1.0, np.float32)
        depth[: frame // 4] = (0, np.nan, -1)[frame // 4 - 1] if frame else 1
        depth[-1, :3] = np.inf
        return depth

    clip.metres = metres
    result = lifted(clip)
    assert result.dropped.tolist() == [3, 83, 163, 243]
    share = (3 + 83 + 163 + 243) / (4 * 4800)
    problem = next(p for p in result.problems if p.code == "depth_dropped")
    assert f"{share:.1%}" in problem.message
    assert (result.depth.size, result.scale_drifts) == (0, False)
    assert result.camera_origin is CameraOrigin.DATASET
    clip.metres = lambda frame: metres(0)
    assert lifted(clip).problems == ()


def test_frames_without_depth_are_told_from_dropped_pixels() -> None:
    clip = Clip()
    clip.intrinsics = CAMERA
    whole = np.full((SMALL_HEIGHT, SMALL_WIDTH), 1.0, np.float32)
    clip.metres = lambda frame: None if frame == 8 else whole
    result = lifted(clip)
    assert result.dropped.tolist() == [0, 0, -1, 0]
    assert [p.code for p in result.problems] == ["depth_gaps"]


def test_a_focal_length_of_zero_is_no_camera() -> None:
    clip = Clip()
    clip.metres = lambda frame: np.full((SMALL_HEIGHT, SMALL_WIDTH), 1.0, np.float32)
    clip.intrinsics = np.diag([0.0, 70, 1])
    result = lifted(clip)
    assert (result.available, [p.code for p in result.problems]) == (False, ["no_geometry"])


def test_kept_depth_is_picked_and_points_find_their_pixel() -> None:
    depth = np.arange(480 * 640, dtype=np.float32).reshape(480, 640) % 50_000
    depth[0, 0] = 80_000
    small = reduced(depth)
    assert (small.shape, small.dtype) == ((240, 320), np.float16)
    assert np.isin(small, np.where(depth < 60_000, depth, 0).astype(np.float16)).all()
    assert np.isfinite(small).all()
    places = to_reduced(
        np.array([[0.5, 0.5], [639, 479], [320, 240]], np.float32), (240, 320), 480, 640
    )
    np.testing.assert_allclose(places, [[0, 0], [319.25, 239.25], [159.75, 119.75]])
    tiny = np.ones((3, 5), np.float32)
    np.testing.assert_array_equal(reduced(tiny), tiny)


def test_results_with_estimated_depth_survive_the_cache() -> None:
    clip = Clip()
    clip.intrinsics = CAMERA
    clip.metres = lambda frame: np.full((SMALL_HEIGHT, SMALL_WIDTH), 1.5, np.float32)
    result = replace(lifted(clip), depth=np.full((4, 2, 3), 1.5, np.float16), scale_drifts=True)
    again = decode(encode(result), LiftingResult)
    assert (again.depth.dtype, again.depth.shape) == (np.float16, (4, 2, 3))
    assert again.estimated_depth(1) is not None
    assert (again.scale_drifts, again.camera_origin) == (True, CameraOrigin.DATASET)
    np.testing.assert_array_equal(again.dropped, result.dropped)
