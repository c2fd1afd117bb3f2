"""Recordings are read back with Rerun's own reader."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from pipeline.model.palette import candidate_color
from tests.rerun_reading import Recording
from tests.rerun_scenes import HEIGHT, WIDTH, project, scene, without
from viewers.rerun_inputs import RerunInputs, camera_path, candidate_of, picture_frames
from viewers.rerun_log import recording_bytes

CAMERA = "/camera/cam_high"
ALL = ("phases", "subtasks", "proposals", "masks", "tracks", "lifting", "robot", "scores", "target")


@pytest.fixture(scope="module")
def inputs() -> RerunInputs:
    return scene()


@pytest.fixture(scope="module")
def recording(inputs: RerunInputs, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return Recording(inputs, tmp_path_factory.mktemp("rrd"))


def test_everything_has_its_entity(recording: Recording) -> None:
    expected = {
        *(f"{CAMERA}/image", f"{CAMERA}/robot", f"{CAMERA}/target/box"),
        *(f"{CAMERA}/gripper/{part}" for part in ("points", "reference", "sphere")),
        *(f"/world/gripper/{part}" for part in ("points", "reference", "sphere")),
        *("/phases/right", "/signals/gripper/right/opening", "/problems"),
    }
    for candidate in range(3):
        for part in ("box", "mask", "points", "track"):
            expected.add(f"{CAMERA}/candidates/{candidate}/{part}")
        solid = ("points", "track", "box")
        expected |= {f"/world/candidates/{candidate}/{part}" for part in solid}
        expected |= {f"/signals/{cue}/{candidate}" for cue in ("motion", "proximity", "overlap")}
    assert expected <= recording.entities
    assert "/note" not in recording.entities
    assert recording.blueprints == 1


def test_where_the_scale_drifts_nothing_is_drawn_across_frames(
    inputs: RerunInputs, tmp_path: Path
) -> None:
    assert inputs.lifting is not None
    lifting = dataclasses.replace(inputs.lifting, scale_drifts=True)
    drifting = Recording(dataclasses.replace(inputs, lifting=lifting), tmp_path)
    assert "/world/candidates/1/points" in drifting.entities
    assert "/world/candidates/1/track" not in drifting.entities
    assert f"{CAMERA}/candidates/1/track" in drifting.entities


def test_time_is_the_frame_and_stays_within_the_episode(
    recording: Recording, inputs: RerunInputs
) -> None:
    assert recording.timelines == {"frame"}
    frames = {frame for rows in recording.rows.values() for frame in rows}
    assert min(frames) == 0
    assert max(frames) == inputs.demonstration.length - 1


@pytest.mark.parametrize("candidate", [0, 1, 2])
def test_candidates_have_the_colours_of_the_palette(recording: Recording, candidate: int) -> None:
    for entity, component in (
        (f"{CAMERA}/candidates/{candidate}/box", "Boxes2D:colors"),
        (f"{CAMERA}/candidates/{candidate}/points", "Points2D:colors"),
        (f"/world/candidates/{candidate}/points", "Points3D:colors"),
        (f"/world/candidates/{candidate}/track", "LineStrips3D:colors"),
        (f"/world/candidates/{candidate}/box", "Boxes3D:colors"),
        (f"/signals/motion/{candidate}", "SeriesLines:colors"),
    ):
        (rgba,) = recording.fixed[entity][component]
        assert tuple(rgba.to_bytes(4)[:3]) == candidate_color(candidate), entity


def test_only_the_winner_is_named_in_the_picture(recording: Recording) -> None:
    winner = recording.fixed[f"{CAMERA}/candidates/1/box"]
    assert winner["Boxes2D:labels"] == ["★ #1 red cube"]
    assert winner["Boxes2D:show_labels"] == [True]
    assert recording.fixed[f"{CAMERA}/candidates/0/box"]["Boxes2D:show_labels"] == [False]


def test_points_are_those_that_are_visible(recording: Recording, inputs: RerunInputs) -> None:
    tracks, lifting = inputs.tracks, inputs.lifting
    assert tracks is not None
    assert lifting is not None
    row = 6
    frame, mine = int(tracks.frames[row]), tracks.candidate == 1
    flat = recording.at(f"{CAMERA}/candidates/1/points", "Points2D:positions", frame)
    np.testing.assert_allclose(flat, tracks.points[row, mine], rtol=1e-5)
    solid = recording.at("/world/candidates/1/points", "Points3D:positions", frame)
    np.testing.assert_allclose(solid, lifting.xyz[row, mine], rtol=1e-5)
    hidden = int(tracks.frames[len(tracks.frames) // 2])
    assert recording.at(f"{CAMERA}/candidates/0/points", "Points2D:positions", hidden).size == 0
    assert recording.at(f"{CAMERA}/candidates/0/box", "Boxes2D:centers", hidden).size == 0


def test_the_keyframe_shows_the_proposal(recording: Recording, inputs: RerunInputs) -> None:
    assert inputs.proposals is not None
    proposal = inputs.proposals.candidates[2]
    (centre,) = recording.at(f"{CAMERA}/candidates/2/box", "Boxes2D:centers", proposal.frame)
    x0, y0, x1, y1 = proposal.box
    np.testing.assert_allclose(centre, [(x0 + x1) / 2, (y0 + y1) / 2], rtol=1e-5)


def test_nothing_stands_still_after_the_clip(tmp_path: Path, inputs: RerunInputs) -> None:
    tracks = inputs.tracks
    assert tracks is not None
    short = dataclasses.replace(
        tracks,
        frames=tracks.frames[:10],
        points=tracks.points[:10],
        visible=tracks.visible[:10],
        boxes=tracks.boxes[:10],
    )
    cut = dataclasses.replace(without(inputs, "lifting", "robot", "scores"), tracks=short)
    recording = Recording(cut, tmp_path)
    last, step = int(short.frames[-1]), 5
    for entity, component in (
        (f"{CAMERA}/candidates/1/points", "Points2D:positions"),
        (f"{CAMERA}/candidates/1/track", "LineStrips2D:strips"),
        (f"{CAMERA}/candidates/1/box", "Boxes2D:centers"),
    ):
        assert len(recording.rows[entity][last][component]) >= 1
        assert recording.rows[entity][last + step][component] == []


def test_tails_end_at_the_candidate(recording: Recording, inputs: RerunInputs) -> None:
    tracks = inputs.tracks
    assert tracks is not None
    row = 12
    strips = recording.rows[f"{CAMERA}/candidates/1/track"][int(tracks.frames[row])]
    centre_tail, *point_tails = strips["LineStrips2D:strips"]
    centre = np.median(tracks.points[row, tracks.candidate == 1], axis=0)
    np.testing.assert_allclose(centre_tail[-1], centre, rtol=1e-4)
    assert len(centre_tail) == 12 + 1  # two seconds at 6 fps
    assert len(point_tails) == 8
    loser = recording.rows[f"{CAMERA}/candidates/2/track"][int(tracks.frames[row])]
    assert len(loser["LineStrips2D:strips"]) == 1


def test_the_sphere_in_space_and_its_circle(recording: Recording, inputs: RerunInputs) -> None:
    robot, scores = inputs.robot, inputs.scores
    assert robot is not None
    assert scores is not None
    row = 4
    frame = int(robot.frames[row])
    half = recording.at("/world/gripper/sphere", "Ellipsoids3D:half_sizes", frame)
    np.testing.assert_allclose(half, np.full((1, 3), scores.radius[row]))
    centre = recording.at("/world/gripper/sphere", "Ellipsoids3D:centers", frame)
    np.testing.assert_allclose(centre[0], robot.reference_xyz[row], rtol=1e-5)
    (circle,) = recording.rows[f"{CAMERA}/gripper/sphere"][frame]["LineStrips2D:strips"]
    edge = robot.reference_xyz[row] + [scores.radius[row], 0, 0]
    assert np.max(np.asarray(circle)[:, 0]) == pytest.approx(project(edge)[0], abs=0.1)


def test_the_camera_pose_moves_points_to_the_world(tmp_path: Path) -> None:
    inputs = scene(pose=True)
    recording = Recording(inputs, tmp_path)
    pose, lifting = inputs.camera_model.camera_to_world, inputs.lifting
    assert pose is not None
    assert lifting is not None
    expected = lifting.xyz[0, :40] @ pose[:3, :3].T + pose[:3, 3]
    logged = recording.at("/world/candidates/0/points", "Points3D:positions", 0)
    np.testing.assert_allclose(logged, expected, rtol=1e-4, atol=1e-5)
    assert np.asarray(recording.fixed[CAMERA]["Transform3D:translation"]).ravel() == pytest.approx(
        pose[:3, 3]
    )
    np.testing.assert_allclose(recording.fixed[CAMERA]["Pinhole:resolution"], [[WIDTH, HEIGHT]])


def test_without_geometry_a_text_says_why(tmp_path: Path) -> None:
    recording = Recording(scene(geometry=False), tmp_path)
    assert recording.fixed["/note"]["TextDocument:text"] == [
        "The episode has no depth: scores use pixels."
    ]
    assert not any(entity.startswith("/world") for entity in recording.entities)
    (circle,) = recording.rows[f"{CAMERA}/gripper/sphere"][0]["LineStrips2D:strips"]
    width = np.ptp(np.asarray(circle)[:, 0])
    assert width == pytest.approx(60.0, abs=0.1)  # radius 30 px
    assert recording.names == ["demoscope 2d-cam_high-right"]


@pytest.mark.parametrize("missing", ALL)
def test_any_result_may_be_missing(inputs: RerunInputs, missing: str) -> None:
    assert len(recording_bytes(without(inputs, missing))) > 1000


def test_an_episode_without_results_shows_its_pictures(tmp_path: Path, inputs: RerunInputs) -> None:
    bare = dataclasses.replace(without(inputs, *ALL, "subtask"))
    recording = Recording(bare, tmp_path)
    assert len(recording.rows[f"{CAMERA}/image"]) == len(inputs.pictures)
    assert "has not run" in recording.fixed["/note"]["TextDocument:text"][0]


def test_pictures_are_jpegs(recording: Recording, inputs: RerunInputs) -> None:
    import cv2

    frame, original = inputs.pictures[3]
    (blob,) = recording.rows[f"{CAMERA}/image"][frame]["EncodedImage:blob"]
    decoded = cv2.imdecode(np.asarray(blob, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert np.abs(decoded.astype(int) - original).mean() < 4
    assert recording.fixed[f"{CAMERA}/image"]["EncodedImage:media_type"] == ["image/jpeg"]


def test_phases_are_states(recording: Recording) -> None:
    changes = {
        frame: row["StateChange:state"][0] for frame, row in recording.rows["/phases/right"].items()
    }
    assert changes == {0: "grasp", 40: "interact", 90: "release"}


def test_problems_lie_at_their_frames(recording: Recording) -> None:
    rows = recording.rows["/problems"]
    assert "near_tie" in rows[0]["TextLog:text"][0]
    assert rows[0]["TextLog:level"] == ["INFO"]
    assert "frame_dropped" in rows[30]["TextLog:text"][0]
    assert rows[30]["TextLog:level"] == ["WARN"]


def test_real_time_is_a_second_timeline(tmp_path: Path, inputs: RerunInputs) -> None:
    timed = dataclasses.replace(inputs, real_time=True)
    assert Recording(timed, tmp_path).timelines == {"frame", "time"}


@pytest.mark.parametrize(
    ("entity", "candidate"),
    [
        ("/world/candidates/3/points", 3),
        ("camera/cam_high/candidates/12/box", 12),
        ("/signals/proximity/0", 0),
        ("/signals/gripper/right/opening", None),
        ("/world/gripper/sphere", None),
    ],
)
def test_an_entity_knows_its_candidate(entity: str, candidate: int | None) -> None:
    assert candidate_of(entity) == candidate


def test_odd_camera_names_make_one_part(inputs: RerunInputs) -> None:
    camera = dataclasses.replace(inputs.camera_model, key="observation.images.left wrist/rgb")
    assert camera_path(camera) == r"camera/left\ wrist\/rgb"


def test_pictures_follow_the_tracked_frames_in_the_clip(inputs: RerunInputs) -> None:
    tracked = np.array([42, 47, 52], np.int32)
    assert picture_frames(inputs.demonstration, (40, 60), tracked) == (0, 30, 42, 47, 52, 60, 90)
    assert picture_frames(inputs.demonstration, (40, 60))[2:6] == (40, 45, 50, 55)
