"""Which points lie on depth edges: planes do not, steps do, and a result says so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.backends.geometry.depth_edges import depth_jumps, window_radius
from pipeline.backends.geometry.lifting import local_depth
from pipeline.engine.codec import decode, encode
from pipeline.model.geometry import LiftingResult
from pipeline.stages.lifting import LiftingOptions
from tests.pipeline.geometry_clip import HEIGHT, POINTS, WIDTH, Clip, lifted

CAMERA = np.array([[70.0, 0, 40], [0, 70, 30], [0, 0, 1]])
JUMP = LiftingOptions().edge_jump


def jumps(depth: np.ndarray, points: np.ndarray, radius: int = 3) -> np.ndarray:
    points = np.asarray(points, np.float32)
    depth = depth.astype(np.float32)
    return depth_jumps(depth, points, local_depth(depth, points), radius)


def plane(tilt_x: float, tilt_y: float) -> np.ndarray:
    """Depth of a slanted plane: 1 / z is linear in the picture."""
    v, u = np.mgrid[0:100, 0:120]
    return 1 / (1.0 + tilt_x * (u - 60) / 60 + tilt_y * (v - 50) / 50)


@pytest.mark.parametrize("tilt", [(0.0, 0.0), (0.5, 0.0), (0.4, -0.5)])
def test_a_plane_has_no_edge_however_slanted(tilt: tuple[float, float]) -> None:
    """The steepest ones change by up to 6 % within a window.

    There the depth that a point is given is itself the median of one side of it, up to 1.5 % off.
    """
    grid = np.stack(np.meshgrid(np.arange(5, 115, 7), np.arange(5, 95, 7)), axis=-1)
    found = jumps(plane(*tilt), grid.reshape(-1, 2))
    assert np.median(found) < 1e-5
    assert np.max(found) < 0.4 * JUMP
    assert np.isfinite(found).all()


def test_a_step_is_its_relative_jump_as_far_as_the_window_reaches() -> None:
    depth = np.full((60, 80), 1.0)
    depth[:, 40:] = 1.25
    points = [(36, 30), (37, 30), (39, 30), (40, 30), (42, 30), (43, 30)]
    found = jumps(depth, points)
    # From the near side 1 - 1 / 1.25, from the far side 1.25 - 1.
    np.testing.assert_allclose(found, [0, 0.2, 0.2, 0.25, 0.25, 0], atol=1e-6)
    assert jumps(depth, points, radius=1)[[1, 2]].tolist() == pytest.approx([0, 0.2])
    # Thin things have both sides beside them.
    thin = np.full((60, 80), 1.0)
    thin[:, 40] = 0.8
    thick = depth_jumps(thin.astype(np.float32), np.array([[40, 30]]), np.array([0.8]), 3)
    assert thick[0] == pytest.approx(0.4)


def test_noise_of_a_good_sensor_is_no_edge_and_a_ball_only_at_its_rim() -> None:
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(np.arange(5, 115, 2), np.arange(5, 95, 2)), axis=-1).reshape(-1, 2)
    # 1 %: two values of 1 % less twice a median of 25: sigma 1.5 %, the worst of 24 pairs 3.5 %.
    noisy = jumps(plane(0.3, 0.2) * (1 + rng.normal(0, 0.01, (100, 120))), grid)
    assert np.mean(noisy > JUMP) < 0.05
    v, u = np.mgrid[0:100, 0:120]
    off = np.hypot(u - 60, v - 50) / 30
    ball = np.where(off < 1, 1 - 0.08 * np.sqrt(np.maximum(1 - off**2, 0)), 1.1)
    distance = np.hypot(grid[:, 0] - 60, grid[:, 1] - 50)
    found = jumps(ball, grid)
    assert (found[np.abs(distance - 30) < 2] > JUMP).all()
    assert (found[np.abs(distance - 30) > 6] < JUMP).all()


def test_unknown_pixels_are_no_edge_and_unknown_points_stay_unknown() -> None:
    depth = np.full((60, 80), 1.0)
    depth[:, 42:] = 0
    points = np.array([[40, 30], [60, 30], [0, 0], [79, 59], [-5, 3], [np.nan, 2]], np.float32)
    found = jumps(depth, points)
    assert found[0] == pytest.approx(0)
    assert np.isnan(found[[1, 3, 4, 5]]).all()
    assert np.isnan(found[2])  # in the corner no two pixels lie opposite each other
    assert jumps(depth, np.zeros((0, 2))).shape == (0,)


def test_the_window_follows_the_picture() -> None:
    assert [window_radius(3.0, w) for w in (80, 320, 640, 1280, 1920)] == [1, 2, 3, 6, 9]


def step_clip() -> Clip:
    """One point of four (40, 30) beside a step from 1 m to 1.3 m."""
    clip = Clip()
    clip.intrinsics = CAMERA
    depth = np.full((HEIGHT, WIDTH), 1.0, np.float32)
    depth[:, 41:] = 1.3
    clip.metres = lambda frame: depth
    return clip


def test_the_stage_flags_points_and_changes_no_position() -> None:
    clip = step_clip()
    result = lifted(clip)
    assert result.on_edge.tolist() == [[False, True, False, False]] * 4
    assert [p.code for p in result.problems] == []  # a quarter
    off = lifted(clip, edge_jump=0.5)
    assert not off.on_edge.any()
    np.testing.assert_array_equal(off.xyz, result.xyz)
    wide = lifted(clip, edge_radius=15.0)  # 2 px of 80
    assert wide.on_edge.tolist() == result.on_edge.tolist()
    clip.metres = lambda frame: None if frame == 8 else step_clip().metres(frame)
    assert lifted(clip).on_edge[:, 1].tolist() == [True, True, False, True]


def test_a_candidate_most_of_whose_points_lie_on_edges_is_named() -> None:
    clip = step_clip()
    tracks = clip.results()["tracks"]
    tracks.points[:, 2:] = POINTS[1] + [[1, 4], [0, -5]]
    clip.results = lambda: {**Clip.results(clip), "tracks": tracks}  # type: ignore[method-assign]
    result = lifted(clip)
    assert [p.code for p in result.problems] == ["depth_edges"]
    assert "75% of the points of candidate 0" in result.problems[0].message
    assert result.problems[0].candidate == 0


def test_flags_survive_the_cache_and_old_results_have_none() -> None:
    result = lifted(step_clip())
    again = decode(encode(result), LiftingResult)
    np.testing.assert_array_equal(again.on_edge, result.on_edge)
    assert replace(result, on_edge=np.zeros((0, 0), np.bool_)).on_edge.size == 0
    with pytest.raises(ValueError, match="on_edge"):
        replace(result, on_edge=np.zeros((4, 3), np.bool_))
