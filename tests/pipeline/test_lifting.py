from __future__ import annotations

import numpy as np
import pytest

from pipeline.backends.geometry.lifting import lift, local_depth
from pipeline.model.score import box_iou
from pipeline.stages.lifting import LiftingStage
from tests.pipeline.rendered_scene import INTRINSICS, Scene, run, upto


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
    assert [p.code for p in lifting.problems] == ["depth_gaps"]
    assert np.isnan(lifting.xyz[lifting.frames > 40]).all()


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
