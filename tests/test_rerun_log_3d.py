"""What a recording shows in space: depth, masks, boxes, doubtful points, robot."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from pipeline.model.arrays import unpack_masks
from pipeline.model.palette import candidate_color
from tests.rerun_reading import Recording
from tests.rerun_scenes import HEIGHT, WIDTH, project, scene, with_consistency, without
from viewers.rerun_boxes import ROOM, extents, middles, ordered
from viewers.rerun_inputs import CLOUD_POINTS, RerunInputs, cloud_frames, cloud_step
from viewers.rerun_points import instance_of, point_of, seen_columns


@pytest.fixture(scope="module")
def inputs() -> RerunInputs:
    return with_consistency(scene(depth=True, pose=True, side=True))


@pytest.fixture(scope="module")
def recording(inputs: RerunInputs, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return Recording(inputs, tmp_path_factory.mktemp("rrd"))


def camera_points(inputs: RerunInputs, world: np.ndarray) -> np.ndarray:
    """World to camera axes."""
    pose = inputs.camera_model.camera_to_world
    assert pose is not None
    return (world - pose[:3, 3]) @ pose[:3, :3]


def rgb(packed: int) -> tuple[int, ...]:
    return tuple(int(packed).to_bytes(4)[:3])


@pytest.mark.parametrize("part", ["points", "track", "box", "mask_points", "edge_points"])
@pytest.mark.parametrize("candidate", [0, 1, 2])
def test_colours_are_those_of_the_palette(recording: Recording, candidate: int, part: str) -> None:
    fixed = recording.fixed[f"/world/candidates/{candidate}/{part}"]
    (color,) = next(value for name, value in fixed.items() if name.endswith(":colors"))
    assert rgb(color) == candidate_color(candidate)


def test_instances_are_the_seen_columns_in_their_order(inputs: RerunInputs, tmp_path: Path) -> None:
    tracks, lifting = inputs.tracks, inputs.lifting
    assert tracks is not None
    assert lifting is not None
    rng = np.random.default_rng(1)
    visible = tracks.visible & (rng.random(tracks.visible.shape) < 0.7)
    kept = tracks.kept & (rng.random(len(tracks.kept)) < 0.8)
    some = dataclasses.replace(tracks, visible=visible, kept=kept)
    xyz = lifting.xyz.copy()
    xyz[rng.random(visible.shape) < 0.1] = np.nan
    holes = dataclasses.replace(lifting, xyz=xyz)
    found = Recording(dataclasses.replace(inputs, tracks=some, lifting=holes), tmp_path)
    world = inputs.world_points(xyz)
    for candidate in range(3):
        for row in (0, 7, 20):
            frame = int(tracks.frames[row])
            entity = f"/world/candidates/{candidate}/points"
            logged = found.at(entity, "Points3D:positions", frame)
            columns = seen_columns(some, candidate, row, holes)
            np.testing.assert_allclose(logged, world[row, columns], rtol=1e-6)
            assert point_of(entity, 2, frame + 1, some, holes) == columns[2]
            assert instance_of(int(columns[2]), frame + 1, some, holes) == 2
            entity = f"/camera/cam_high/candidates/{candidate}/points"
            logged = found.at(entity, "Points2D:positions", frame)
            columns = seen_columns(some, candidate, row)
            np.testing.assert_allclose(logged, tracks.points[row, columns], rtol=1e-6)
            assert point_of(entity, len(columns), frame, some, holes) == -1


def test_points_of_no_geometry_are_none(inputs: RerunInputs) -> None:
    flat = scene(geometry=False)
    assert flat.tracks is not None
    assert flat.lifting is not None
    assert seen_columns(flat.tracks, 1, 0, flat.lifting).size == 0
    assert point_of("world/candidates/1/points", 0, 0, flat.tracks, flat.lifting) == -1


def test_boxes_hold_the_points(recording: Recording, inputs: RerunInputs) -> None:
    tracks, lifting = inputs.tracks, inputs.lifting
    assert tracks is not None
    assert lifting is not None
    for candidate in range(3):
        entity = f"/world/candidates/{candidate}/box"
        for row in (0, 10, 20):
            frame = int(tracks.frames[row])
            (centre,) = recording.at(entity, "Boxes3D:centers", frame)
            (half,) = recording.at(entity, "Boxes3D:half_sizes", frame)
            points = inputs.world_points(lifting.xyz[row, tracks.candidate == candidate])
            np.testing.assert_allclose(points.min(axis=0), centre - half, atol=1e-5)
            np.testing.assert_allclose(points.max(axis=0), centre + half, atol=1e-5)
    hidden = int(tracks.frames[len(tracks.frames) // 2])
    assert recording.rows["/world/candidates/0/box"][hidden]["Boxes3D:centers"] == []
    assert recording.fixed["/world/candidates/1/box"]["Boxes3D:labels"] == ["★ #1 red cube"]
    assert recording.fixed["/world/candidates/1/box"]["Boxes3D:show_labels"] == [True]
    assert recording.fixed["/world/candidates/0/box"]["Boxes3D:show_labels"] == [False]


def test_a_point_that_went_astray_does_not_blow_the_box_up() -> None:
    points = np.random.default_rng(0).uniform(-0.05, 0.05, (2, 50, 3)).astype(np.float32)
    points[0, 7] = (4.0, 0.0, 0.0)
    seen = np.ones((2, 50), bool)
    seen[1, 3:] = False  # three points are no box
    low, high = extents(*ordered(points, seen))[0]
    others = np.delete(points[0], 7, axis=0)
    np.testing.assert_array_equal(low, others.min(axis=0))
    np.testing.assert_array_equal(high, others.max(axis=0))
    assert np.isnan(extents(*ordered(points, seen))[1]).all()
    flat = np.zeros((1, 9, 3), np.float32)
    flat[0, :, 0] = np.linspace(0, ROOM / 2, 9)
    np.testing.assert_array_equal(extents(*ordered(flat, np.ones((1, 9), bool)))[0, 1], flat[0, -1])


def test_middles_are_medians() -> None:
    points = np.random.default_rng(0).normal(0, 1, (3, 7, 2)).astype(np.float32)
    seen = np.ones((3, 7), bool)
    seen[1, :3] = False
    seen[2] = False
    found = middles(*ordered(points, seen))
    np.testing.assert_allclose(found[0], np.median(points[0], axis=0))
    np.testing.assert_allclose(found[1], np.median(points[1, 3:], axis=0))
    assert np.isnan(found[2]).all()
    assert middles(*ordered(points[:, :0], seen[:, :0])).shape == (3, 2)


def test_masked_points_project_back_into_the_mask(
    recording: Recording, inputs: RerunInputs
) -> None:
    masks, tracks = inputs.masks, inputs.tracks
    assert masks is not None
    assert tracks is not None
    for candidate in range(3):
        entity = f"/world/candidates/{candidate}/mask_points"
        world = recording.at(entity, "Points3D:positions", masks.keyframe)
        assert len(world) > 20
        pixels = np.rint(project(camera_points(inputs, world))).astype(int)
        mask = unpack_masks(masks.packed[[candidate]], masks.height, masks.width)[0]
        assert mask[pixels[:, 1], pixels[:, 0]].all()
        # They are of the keyframe: the next tracked frame has none.
        after = int(tracks.frames[tracks.frames > masks.keyframe][0])
        assert recording.rows[entity][after]["Points3D:positions"] == []


def test_depth_is_a_cloud_in_the_colours_of_the_picture(
    recording: Recording, inputs: RerunInputs
) -> None:
    frame, picture = inputs.pictures[3]
    metres = dict(inputs.depth)[frame]
    row = recording.rows["/world/depth"][frame]
    cloud = camera_points(inputs, np.asarray(row["Points3D:positions"]))
    step = cloud_step(*metres.shape, CLOUD_POINTS)
    known = np.count_nonzero(metres[step // 2 :: step, step // 2 :: step])
    assert 0.9 * known < len(cloud) < known
    # Where a tracked point is seen, it is not covered.
    tracks = inputs.tracks
    assert tracks is not None
    points = tracks.points[int(np.searchsorted(tracks.frames, frame))]
    cells = {tuple(cell) for cell in ((points + 0.5) // (2 * step)).astype(int).tolist()}
    found = ((project(cloud) + 0.5) // (2 * step)).astype(int).tolist()
    assert not cells & {tuple(cell) for cell in found}
    pixels = np.rint(project(cloud)).astype(int)
    np.testing.assert_allclose(cloud[:, 2], metres[pixels[:, 1] // 2, pixels[:, 0] // 2], rtol=1e-4)
    colors = np.array([rgb(color) for color in row["Points3D:colors"]], float)
    expected = picture[pixels[:, 1], pixels[:, 0]] * 0.72
    assert np.abs(colors - expected).mean() < 6  # the same up to the JPEG


def test_cloud_without_pictures_is_grey(tmp_path: Path, inputs: RerunInputs) -> None:
    blind = Recording(dataclasses.replace(inputs, pictures=()), tmp_path)
    colors = blind.rows["/world/depth"][0]["Points3D:colors"]
    assert len(set(colors)) == 1


def estimated(inputs: RerunInputs) -> RerunInputs:
    """The same with depth of 80x60 pixels that a model estimated."""
    lifting = inputs.lifting
    assert lifting is not None
    rows = np.arange(len(lifting.frames), dtype=np.float16)[:, None, None]
    depth = np.ones((len(lifting.frames), 60, 80), np.float16) + rows / 8
    lifting = dataclasses.replace(lifting, depth=depth)
    return dataclasses.replace(inputs, lifting=lifting, depth=())


def test_estimated_depth_is_a_cloud_too(tmp_path: Path, inputs: RerunInputs) -> None:
    known = estimated(inputs)
    recording = Recording(known, tmp_path)
    assert known.lifting is not None
    frames = known.lifting.frames
    rows = recording.rows["/world/depth"]
    assert sorted(f for f, row in rows.items() if row["Points3D:positions"]) == frames.tolist()
    cloud = camera_points(known, recording.at("/world/depth", "Points3D:positions", int(frames[5])))
    np.testing.assert_allclose(cloud[:, 2], known.lifting.depth[5].max(), rtol=1e-4)
    # Its pixels were picked from a picture of another size: they spread over all of it.
    pixels = project(cloud)
    assert np.ptp(pixels[:, 0]) == pytest.approx(WIDTH - 4, abs=0.1)
    assert np.ptp(pixels[:, 1]) == pytest.approx(HEIGHT - 4, abs=0.1)
    assert "/world/candidates/1/mask_points" in recording.entities


def test_the_cloud_is_bounded() -> None:
    for count in (1, 54, 120, 600, 5000):
        every, most = cloud_frames(count)
        kept = len(range(0, count, every))
        assert kept * most <= 1_000_000
        assert kept <= 230
    assert cloud_step(480, 640, 12_500) == 5
    assert cloud_frames(120) == (1, 8333)


def test_points_on_depth_edges_stand_out_by_shape(
    recording: Recording, inputs: RerunInputs
) -> None:
    tracks, lifting = inputs.tracks, inputs.lifting
    assert tracks is not None
    assert lifting is not None
    entity = "/world/candidates/1/edge_points"
    centers = recording.at(entity, "Boxes3D:centers", int(tracks.frames[4]))
    own = np.flatnonzero(tracks.candidate == 1)[::10]
    np.testing.assert_allclose(centers, inputs.world_points(lifting.xyz[4, own]), rtol=1e-5)
    assert "Boxes3D:fill_mode" in recording.fixed[entity]


def test_many_points_on_edges_are_thinned(tmp_path: Path, inputs: RerunInputs) -> None:
    assert inputs.consistency is not None
    edges = dataclasses.replace(
        inputs.consistency, on_edge=np.ones_like(inputs.consistency.on_edge)
    )
    found = Recording(dataclasses.replace(inputs, consistency=edges), tmp_path)
    entity = "/world/candidates/1/edge_points"
    lengths = {len(row["Boxes3D:centers"]) for row in found.rows[entity].values()}
    assert max(lengths) <= 16
    assert max(lengths) >= 10


def test_the_residual_is_a_series(recording: Recording, inputs: RerunInputs) -> None:
    for candidate in range(3):
        rows = recording.rows[f"/signals/residual/{candidate}"]
        values = {value["Scalars:scalars"][0] for value in rows.values()}
        assert values == {float(candidate)}


def test_robot_points_lie_in_its_mask(recording: Recording, inputs: RerunInputs) -> None:
    robot = inputs.robot
    assert robot is not None
    frame = int(robot.frames[6])
    world = recording.at("/world/robot/points", "Points3D:positions", frame)
    pixels = np.rint(project(camera_points(inputs, world))).astype(int)
    assert len(pixels) > 50
    assert robot.mask(6)[pixels[:, 1], pixels[:, 0]].all()


def test_the_target_has_a_box_in_space(recording: Recording, inputs: RerunInputs) -> None:
    assert inputs.target is not None
    start, _ = inputs.clip
    entity = "/world/target/box"
    (centre,) = recording.at(entity, "Boxes3D:centers", start)
    (half,) = recording.at(entity, "Boxes3D:half_sizes", start)
    sides = centre + half * np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    depth = camera_points(inputs, sides)[:, 2]
    assert 0.9 < depth.min() <= depth.max() < 1.5
    assert "/world/target/object_end" in recording.entities


def test_columns_end_after_their_last_frame(tmp_path: Path, inputs: RerunInputs) -> None:
    tracks, lifting = inputs.tracks, inputs.lifting
    assert tracks is not None
    assert lifting is not None
    short = dataclasses.replace(
        tracks,
        frames=tracks.frames[:10],
        points=tracks.points[:10],
        visible=tracks.visible[:10],
        boxes=tracks.boxes[:10],
    )
    lifted = dataclasses.replace(lifting, frames=short.frames, xyz=lifting.xyz[:10])
    cut = dataclasses.replace(
        without(inputs, "robot", "scores", "consistency"),
        tracks=short,
        lifting=lifted,
        depth=inputs.depth[:10],
    )
    recording = Recording(cut, tmp_path)
    for entity, component in (
        ("/world/candidates/1/points", "Points3D:positions"),
        ("/world/candidates/1/track", "LineStrips3D:strips"),
        ("/world/candidates/1/box", "Boxes3D:centers"),
        ("/world/depth", "Points3D:positions"),
    ):
        assert recording.last(entity, component) == (int(short.frames[-1]) + 5, 0), entity
