"""Residuals of clouds whose motion is known; expected pixels follow from the geometry."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.model.candidate import TracksResult
from pipeline.model.consistency import Consistency
from pipeline.model.geometry import LiftingResult
from pipeline.scoring.consistency import (
    WORTH_A_LOOK,
    measure_consistency,
    reference_row,
    summary,
    verdict,
)
from pipeline.scoring.rigid_motion import rigid_motions

CAMERA = np.array([[600.0, 0, 320], [0, 600, 240], [0, 0, 1]])
FRAMES, POINTS = 21, 120
KEY = 10
POSE = np.array(
    [[0.0, -0.6, 0.8, 0.3], [-1, 0, 0, 0.1], [0, -0.8, -0.6, 0.7], [0, 0, 0, 1]], np.float64
)


def turned(axis: tuple[float, float, float], angle: float) -> np.ndarray:
    """Rotation matrix (Rodrigues)."""
    x, y, z = np.asarray(axis) / np.linalg.norm(axis)
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * k @ k


def cloud(
    axis: tuple[float, float, float] = (1, 2, 0.5),
    angle: float = 0.05,
    step: tuple[float, float, float] = (0.008, -0.003, 0.004),
    seed: int = 0,
) -> np.ndarray:
    """(F, N, 3) metres: a box of 12 cm a metre away, turning and travelling from the keyframe."""
    rng = np.random.default_rng(seed)
    base = rng.uniform(-0.06, 0.06, (POINTS, 3))
    frames = []
    for i in range(FRAMES):
        t = i - KEY
        frames.append(base @ turned(axis, angle * t).T + np.array([0.05, 0.02, 1.0]))
        frames[-1] = frames[-1] + np.asarray(step) * t
    return np.stack(frames)


def pixels(xyz: np.ndarray) -> np.ndarray:
    """Projection to (..., 2) pixels."""
    flat = xyz @ CAMERA.T
    return (flat[..., :2] / flat[..., 2:]).astype(np.float32)


def clip(
    xyz: np.ndarray, points: np.ndarray | None = None, candidate: np.ndarray | None = None
) -> tuple[TracksResult, LiftingResult]:
    """Tracks (by default the projections) and lifting."""
    count = xyz.shape[1]
    frames = np.arange(0, 3 * len(xyz), 3, dtype=np.int32)
    owner = np.zeros(count, np.int32) if candidate is None else candidate.astype(np.int32)
    tracks = TracksResult(
        frames=frames,
        fps=10.0,
        points=pixels(xyz) if points is None else points.astype(np.float32),
        visible=np.ones(xyz.shape[:2], np.bool_),
        candidate=owner,
        kept=np.ones(count, np.bool_),
        boxes=np.zeros((len(xyz), int(owner.max()) + 1, 4), np.float32),
        backend="made up",
    )
    lifting = LiftingResult(
        available=True,
        frames=frames,
        xyz=xyz.astype(np.float32),
        intrinsics=CAMERA,
        backend="made up",
        on_edge=np.zeros(xyz.shape[:2], np.bool_),
    )
    return tracks, lifting


def measured(
    tracks: TracksResult, lifting: LiftingResult, pose: np.ndarray | None = POSE
) -> Consistency:
    found = measure_consistency(tracks, lifting, 3 * KEY, pose)
    assert found is not None
    return found


@pytest.mark.parametrize("axis", [(0, 0, 1), (1, 0, 0), (1, 2, 0.5)])
@pytest.mark.parametrize("angle", [0.0, 0.05, 0.3])
def test_what_moves_as_one_piece_has_no_residual(
    axis: tuple[float, float, float], angle: float
) -> None:
    """Ten steps of 0.3 rad are half a turn; (0, 0, 1) is the optical axis."""
    found = measured(*clip(cloud(axis, angle)))
    assert np.isfinite(found.rigid).all()
    assert found.rigid.max() < 0.1
    assert found.reprojection.max() < 0.01


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_drifting_points_are_found_and_the_others_left_alone(share: float) -> None:
    """Tracks that stay behind on the table while the thing moves away."""
    xyz = cloud(step=(0.01, -0.004, 0.0))
    drifting = np.arange(POINTS) < share * POINTS
    xyz[KEY:, drifting] = xyz[KEY, drifting]
    found = measured(*clip(xyz))
    last = found.rigid[-1]
    # 10 steps of 1 cm are 60 px at a metre; the turn takes some of it away for some points.
    assert last[drifting].min() > 20
    assert np.median(last[drifting]) == pytest.approx(60, rel=0.35)
    assert last[~drifting].max() < 0.5
    both = summary(found, 0)
    assert both.median[-1] < 0.5
    assert (both.p90[-1] > 20) == (share > 0.1)


def test_noise_of_the_depth_gives_the_pixels_that_geometry_says() -> None:
    """A point taken for 1 % too far travels 1 % too little: 0.6 px of 60 px.

    sigma 1 % of the depth, moved sideways by T: error f T / z * 1 %, here with T = 10 cm at a
    metre 0.6 px; half of the points are below 0.674 sigma. The fit turns the cloud a little to
    follow its noise (1 cm in 12 cm among 120 points, about 0.5 degrees), which adds some.
    """
    rng = np.random.default_rng(3)
    xyz = cloud(angle=0.0, step=(0.01, 0.0, 0.0))
    points = pixels(xyz)
    noisy = xyz * (1 + rng.normal(0, 0.01, xyz.shape[:2])[..., None])
    found = measured(*clip(noisy, points))
    last = summary(found, 0)
    assert found.reprojection.max() < 0.01
    assert 0.3 < float(last.median[-1]) < 0.9
    # At the keyframe itself the cloud is its own reference.
    assert found.rigid[KEY].max() < 0.01


def test_a_scale_that_drifts_needs_a_similarity() -> None:
    """Metres of estimated depth: each frame in its own unit, the pictures the same."""
    xyz = cloud()
    unit = np.linspace(0.7, 1.4, FRAMES)[:, None, None]
    unit = unit / unit[KEY]
    tracks, lifting = clip(xyz * unit, pixels(xyz))
    rigid = measured(tracks, lifting)
    similar = measured(tracks, replace(lifting, scale_drifts=True))
    assert similar.rigid.max() < 0.1
    # The cloud is taken for 30 % larger or smaller than it is: points at its rim, 6 cm from the
    # middle or 36 px, are off by up to a third of that.
    assert float(np.median(rigid.rigid[-1])) > 3


def test_reprojection_shows_what_does_not_belong_together() -> None:
    xyz = cloud()
    tracks, lifting = clip(xyz)
    other = CAMERA.copy()
    other[0, 0] *= 1.02
    found = measured(tracks, replace(lifting, intrinsics=other))
    # 2 % of the distance from the principal point along x.
    expected = 0.02 * np.abs(tracks.points[..., 0] - 320)
    np.testing.assert_allclose(found.reprojection, expected, atol=0.01)
    scaled = POSE.copy()
    scaled[:3, 0] *= 1.02  # no rotation any more
    found = measured(tracks, lifting, scaled)
    assert found.reprojection.max() > 1.0
    half = replace(lifting, xyz=xyz.astype(np.float16).astype(np.float32))
    # float16 has steps of 1 mm at 1 m in depth, and of 0.06 mm at 0.1 m sideways.
    assert 0.02 < measured(tracks, half).reprojection.max() < 0.5
    # A depth that is wrong goes unnoticed: the point slides along its own ray.
    ray = replace(lifting, xyz=lifting.xyz * np.float32(1.3))
    assert measured(tracks, ray).reprojection.max() < 0.01
    # So does a pose that is rigid but wrong, or none.
    assert measured(tracks, lifting, None).reprojection.max() < 0.01


def test_each_candidate_has_its_own_motion() -> None:
    one, two = cloud(seed=1), cloud((0, 1, 0), -0.1, (-0.01, 0, 0), seed=2)
    owner = np.repeat([3, 5], POINTS)
    found = measured(*clip(np.concatenate([one, two], axis=1), candidate=owner))
    assert found.rigid.max() < 0.1
    together = measured(*clip(np.concatenate([one, two], axis=1)))
    assert np.median(together.rigid[-1]) > 10


def test_unseen_points_and_small_or_thin_clouds_are_unknown() -> None:
    tracks, lifting = clip(cloud())
    tracks.visible[4, :50] = False
    lifting.xyz[5, 50:] = np.nan
    tracks.visible[6, 3:] = False
    tracks.points[7, :9] = np.nan
    found = measured(tracks, lifting)
    assert np.isnan(found.rigid[4, :50]).all()
    assert np.isfinite(found.rigid[4, 50:]).all()
    # Without a 3D position there the track is still compared with where the point should be.
    assert found.rigid[5].max() < 0.1
    assert np.isnan(found.reprojection[5, 50:]).all()
    assert np.isnan(found.rigid[6]).all()  # three points
    assert np.isnan(found.rigid[7, :9]).all()
    line = cloud()
    line[:] = line[:, :1] + np.linspace(0, 0.1, POINTS)[None, :, None] * np.array([1.0, 0.5, 0.2])
    assert np.isnan(measured(*clip(line)).rigid).all()
    flat = np.random.default_rng(0).uniform(-0.05, 0.05, (POINTS, 3)) * [1, 1, 0]
    plane = flat[None] + np.array([0, 0, 1.0]) + np.zeros((FRAMES, 1, 1))
    assert measured(*clip(plane)).rigid.max() < 0.1


def test_planes_turn_and_are_not_mirrored() -> None:
    """For a flat cloud the mirror image fits as well as the turned one."""
    flat = np.random.default_rng(0).uniform(-0.05, 0.05, (50, 3)) * [1, 1, 0]
    turns = [turned((1, 0, 0), a) for a in np.linspace(-1.2, 1.2, 9)]
    clouds = np.stack([flat @ r.T + [0, 0, 1] for r in turns]).astype(np.float32)
    known = np.ones(clouds.shape[:2], np.bool_)
    found = rigid_motions(flat.astype(np.float32), clouds, known)
    assert found.known.all()
    np.testing.assert_allclose(np.linalg.det(found.rotation), 1, atol=1e-6)
    np.testing.assert_allclose(found.rotation, turns, atol=1e-4)


def test_the_reference_is_the_keyframe_or_the_nearest_frame_that_shows_enough() -> None:
    solid = np.zeros((9, 40), np.bool_)
    assert reference_row(solid, 4) == -1
    solid[2:, :20] = True
    assert reference_row(solid, 4) == 4
    assert reference_row(solid, 0) == 2
    solid[4, 9:] = False  # 9 of 20: less than half
    assert reference_row(solid, 4) in (3, 5)
    solid[4, :10] = True
    assert reference_row(solid, 4) == 4
    few = np.zeros((3, 3), np.bool_)
    few[:] = True
    assert reference_row(few, 1) == -1


def test_an_occluded_keyframe_does_not_hide_the_candidate() -> None:
    tracks, lifting = clip(cloud())
    tracks.visible[KEY, 10:] = False
    found = measured(tracks, lifting)
    assert np.isfinite(found.rigid[0]).all()
    assert found.rigid[np.isfinite(found.rigid)].max() < 0.1


def test_without_geometry_there_is_nothing() -> None:
    tracks, lifting = clip(cloud())
    none = replace(
        lifting,
        available=False,
        xyz=np.zeros((0, 0, 3), np.float32),
        on_edge=np.zeros((0, 0), np.bool_),
    )
    assert measure_consistency(tracks, none, 30, POSE) is None
    assert measure_consistency(tracks, replace(lifting, intrinsics=None), 30, POSE) is None


def test_summary_and_verdict() -> None:
    tracks, lifting = clip(cloud(angle=0.0, step=(0.01, 0, 0)))
    lifting.on_edge[:, : POINTS * 3 // 4] = True
    tracks.visible[0] = False
    found = measured(tracks, lifting)
    assert found.on_edge is lifting.on_edge
    values = np.linspace(0, 12, POINTS, dtype=np.float32)
    found.rigid[KEY + 1] = values
    result = summary(found, 0)
    assert result.median[KEY + 1] == pytest.approx(np.median(values))
    assert result.p90[KEY + 1] == pytest.approx(np.percentile(values, 90))
    assert result.edge_share[KEY] == pytest.approx(0.75)
    assert np.isnan([result.median[0], result.p90[0], result.edge_share[0]]).all()
    assert result.points[0] == 0
    assert result.points[1] == POINTS
    assert "3D position" in verdict(result, 0)
    assert "lie on depth edges" in verdict(result, KEY)
    found.on_edge[:] = False
    calm = summary(found, 0)
    assert verdict(calm, KEY) == "It moves as one piece: tracks and depth agree."
    assert float(calm.median[KEY + 1]) > WORTH_A_LOOK
    assert "drifting tracks" in verdict(calm, KEY + 1)
    found.rigid[KEY + 1] = np.where(values > 9, values, 0.1)
    assert "stay behind" in verdict(summary(found, 0), KEY + 1)
    nobody = summary(found, 7)
    assert np.isnan(nobody.median).all()
    unexamined = replace(found, on_edge=np.zeros((0, 0), np.bool_))
    assert np.isnan(summary(unexamined, 0).edge_share).all()
