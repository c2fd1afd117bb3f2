from __future__ import annotations

import numpy as np
import pytest

from pipeline.backends.backend import Progress
from pipeline.backends.tracking.clip import carried_boxes
from pipeline.backends.tracking.crop import Crop, crop_around, cropped, left_crop, uncropped
from pipeline.backends.tracking.protocol import PointTracks, TrackingRequest
from pipeline.engine.codec import decode, encode
from pipeline.model.candidate import TracksResult
from pipeline.stages import tracks as stage_module
from pipeline.stages.tracks import TracksOptions, TracksStage
from tests.pipeline.rendered_scene import HEIGHT, WIDTH, Scene, run
from tests.pipeline.tracker_clones import numbered, request_of, square_results

STAGE = TracksStage()


def test_union_margin_and_borders() -> None:
    assert crop_around([(100, 100, 200, 150), (150, 120, 300, 200)], 640, 480, 0.25) == Crop(
        50, 50, 350, 250
    )
    # Near a border it is cut, not pushed away from what it should show.
    near = crop_around([(0, 400, 90, 480)], 640, 480, 0.5)
    assert near is not None
    assert (near.x0, near.y1) == (0, 480)
    assert near.x1 >= 135
    assert near.y0 <= 355
    # Small things get a smallest crop; all of the picture is no crop.
    tiny = crop_around([(5, 5, 9, 9)], 640, 480, 0.0)
    assert tiny == Crop(0, 0, 64, 64)
    assert crop_around([(10, 10, 630, 470)], 640, 480, 0.1) is None
    assert crop_around([], 640, 480, 0.1) is None
    assert crop_around([(0, 0, float("nan"), 4)], 640, 480, 0.1) is None


def test_every_box_lies_inside() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        corner = rng.uniform(0, (500, 380), (3, 2))
        boxes = [
            tuple(v) for v in np.concatenate([corner, corner + rng.uniform(4, 100, (3, 2))], 1)
        ]
        crop = crop_around(boxes, 640, 480, 0.1)
        if crop is None:
            continue
        assert min(crop.x0, crop.y0) >= 0
        assert (crop.x1, crop.y1) <= (640, 480)
        for x0, y0, x1, y1 in boxes:
            assert crop.x0 <= x0
            assert crop.y0 <= y0
            assert crop.x1 >= min(x1, 640) - 1
            assert crop.y1 >= min(y1, 480) - 1


def test_there_and_back() -> None:
    request = request_of(numbered((90, 70)), [0, 1], 0, [(20, 30), (40, 50)], (90, 70))
    crop = Crop(10, 20, 80, 65)
    part = cropped(request, crop)
    assert part.frame_at(3).shape == (45, 70, 3)
    assert part.masks.shape == (1, 45, 70)
    assert part.masks.sum() == request.masks.sum()
    np.testing.assert_array_equal(part.points, [(10, 10), (30, 30)])
    points = np.stack([part.points, part.points + 1])
    boxes = np.array([[[1, 2, 3, 4]], [[np.nan] * 4]], np.float32)
    back = uncropped(PointTracks(points, np.ones((2, 2), np.bool_), boxes), crop)
    np.testing.assert_array_equal(back.points[0], request.points)
    np.testing.assert_array_equal(back.boxes[0, 0], [11, 22, 13, 24])
    assert np.isnan(back.boxes[1]).all()
    assert back.points.dtype == back.boxes.dtype == np.float32


def test_what_leaves_by_an_edge_of_the_crop() -> None:
    request = request_of(numbered((90, 70)), [0, 5, 10], 0, [(20, 30), (40, 50)], (90, 70))
    shifts = np.array([0, 30, 70], np.float32)[:, None, None] * np.array([1, 0], np.float32)
    tracks = PointTracks(
        request.points + shifts, np.ones((3, 2), np.bool_), np.zeros((3, 1, 4), np.float32)
    )
    assert left_crop(tracks, request, Crop(0, 0, 60, 70), 90, 70) == {0: 5}
    # An edge of the picture is no edge of the crop.
    assert left_crop(tracks, request, Crop(0, 0, 90, 60), 90, 70) == {}


class Knowing:
    """A tracker that knows the scene, and remembers the size of what it was given."""

    name, licence = "knowing", ""

    def __init__(self, scene: Scene) -> None:
        self.scene, self.size = scene, (0, 0)

    def available(self) -> str | None:
        return None

    def track(self, request: TrackingRequest, progress: Progress) -> PointTracks:
        self.size = request.frame_at(request.keyframe).shape[1::-1]
        way = np.array([self.scene.object(int(f)) for f in request.frames], np.float32)
        way -= np.array(self.scene.object(request.keyframe), np.float32)
        points = request.points[None] + way[:, None]
        visible = np.ones(points.shape[:2], np.bool_)
        return PointTracks(points, visible, carried_boxes(request, points, visible))


def test_coordinates_are_those_of_the_picture() -> None:
    made = Scene()
    results = square_results(made, 12, target=True)
    whole = run(made, STAGE, results, options=TracksOptions(crop="off"))
    part = run(made, STAGE, results, options=TracksOptions(crop="on", crop_margin=0.25))
    assert whole.crop is None
    assert part.crop is not None
    x0, y0, x1, y1 = part.crop
    assert (x1 - x0) * (y1 - y0) < WIDTH * HEIGHT
    both = whole.visible & part.visible
    assert both.mean() > 0.7
    assert np.median(np.linalg.norm(whole.points - part.points, axis=2)[both]) < 0.3


def test_automatic_cropping(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Scene()
    results = square_results(made, 12)
    assert run(made, STAGE, results).crop is None  # the embedded tracker gains nothing
    knowing = Knowing(made)
    monkeypatch.setattr(
        stage_module, "with_backend", lambda capability, options, work: (work(knowing), "k", ())
    )
    part = run(made, STAGE, results)
    assert part.crop is not None
    assert part.crop[2:] == (part.crop[0] + knowing.size[0], part.crop[1] + knowing.size[1])
    assert knowing.size[0] * knowing.size[1] < 0.4 * WIDTH * HEIGHT
    row = part.nearest(12)
    np.testing.assert_allclose(part.boxes[row, 0], made.object_box(int(part.frames[row])), atol=1.0)
    assert run(made, STAGE, results, options=TracksOptions(crop_below=0.05)).crop is None
    assert run(made, STAGE, results, options=TracksOptions(crop="off")).crop is None
    # The square is carried out of the part; that is said.
    (problem,) = (p for p in part.problems if p.code == "left_crop")
    assert problem.candidate == 0
    assert problem.frame is not None
    results = square_results(made, 12, target=True)
    wide = run(made, STAGE, results, options=TracksOptions(crop="on"))
    assert "left_crop" not in [p.code for p in wide.problems]


def test_appearance_and_crop_are_stored() -> None:
    made = Scene(length=30)
    results = square_results(made, 12, target=True)
    tracks = run(made, STAGE, results, options=TracksOptions(crop="on"))
    assert tracks.appearance.shape == tracks.boxes.shape[:2]
    assert np.nanmedian(tracks.appearance) > 0.9
    assert "identity_switch" not in [p.code for p in tracks.problems]
    again = decode(encode(tracks), TracksResult)
    np.testing.assert_array_equal(again.appearance, tracks.appearance)
    assert again.crop == tracks.crop
    with pytest.raises(ValueError, match="appearance"):
        TracksResult(
            tracks.frames,
            tracks.fps,
            tracks.points,
            tracks.visible,
            tracks.candidate,
            tracks.kept,
            tracks.boxes,
            "x",
            appearance=tracks.appearance[1:],
        )
