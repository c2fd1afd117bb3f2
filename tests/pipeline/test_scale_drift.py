"""Where metres of one frame are not those of another, nothing is compared across frames."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from pipeline.model.geometry import LiftingResult, RobotResult
from pipeline.scoring.formula import ScoresOptions
from pipeline.scoring.measurement import Clip, measure
from tests.pipeline.scored_clip import FPS, HEIGHT, WIDTH, SmallClip, moving, still

DRIFT = np.array([1.0, 1.6, 0.5, 1.2, 0.8, 2.0], np.float32)
"""How much longer a metre is in each frame."""


def scored(drift: np.ndarray, drifts: bool) -> Any:
    """Score a clip whose 3D is multiplied by a factor per frame."""
    clip = SmallClip(
        paths=[moving(40, 50, [0, 5, 5, 5, 5]), still(60, 50), still(120, 60)],
        detector=[0.5, 0.5, 0.5],
        gripper=moving(44, 52, [0, 5, 5, 5, 5]),
        scale=0.01,
        depth=[1.0, 1.02, 1.3],
    )
    lifting: LiftingResult = clip.lifting
    robot: RobotResult = clip.robot
    lifting = replace(lifting, xyz=lifting.xyz * drift[:, None, None], scale_drifts=drifts)
    robot = replace(
        robot,
        xyz=robot.xyz * drift[:, None, None],
        reference_xyz=robot.reference_xyz * drift[:, None],
        scale=robot.scale * drift,
    )
    whole = Clip(clip.subtask, clip.proposals, clip.tracks, lifting, robot, FPS)
    options = ScoresOptions(object_size_mix=0.5, sphere_radius_scale=8.0)
    return measure(whole, HEIGHT, WIDTH, options)


def test_proximity_does_not_see_the_drift() -> None:
    steady = scored(np.ones(6, np.float32), True)
    drifting = scored(DRIFT, True)
    assert steady.form == drifting.form == "3d"
    assert 0 < np.nanmean(steady.proximity) < 1
    np.testing.assert_array_equal(steady.proximity, drifting.proximity)
    np.testing.assert_allclose(drifting.radius, steady.radius * DRIFT, rtol=1e-5)


def test_taken_for_one_unit_the_same_clip_is_wrong() -> None:
    """The same, told that the scale is one: the keyframe's object size is used everywhere."""
    steady, drifting = scored(np.ones(6, np.float32), False), scored(DRIFT, False)
    assert not np.allclose(drifting.radius, steady.radius * DRIFT, rtol=1e-3)


def test_an_unknown_scale_is_not_taken_from_another_frame() -> None:
    drift = DRIFT.copy()
    drift[3] = np.nan
    told, untold = scored(drift, True), scored(drift, False)
    assert np.isnan(told.radius[3])
    assert np.isnan(told.proximity[:, 3]).all()
    assert np.isfinite(untold.radius[3])
