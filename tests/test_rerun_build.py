"""What is read for a recording, and what happens where it cannot be."""

from __future__ import annotations

import dataclasses
from types import MappingProxyType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from app.rerun_build import build_inputs, build_recording, thinned_depth
from pipeline.document import Session
from pipeline.model.arrays import F32, U8
from pipeline.model.edits import EPISODE_SCOPE
from pipeline.model.problem import Cancelled, DataError
from pipeline.model.subtask import SubtasksResult
from tests.rerun_scenes import HEIGHT, WIDTH, scene
from viewers.rerun_inputs import RerunInputs

HIGH, SIDE = "observation.images.cam_high", "observation.images.cam_side"
STAGES = ("phases", "proposals", "masks", "tracks", "lifting", "robot", "scores", "target")


class Reader:
    """Pictures of one colour; what is broken is broken."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def frame(self, camera: str, index: int) -> U8:
        self.source.read.append((camera, index))
        error = self.source.broken.get(camera)
        if error is not None and index >= self.source.until:
            raise error
        return np.full((HEIGHT, WIDTH, 3), 90, np.uint8)

    def depth(self, camera: str, index: int) -> F32 | None:
        self.source.read.append(("depth", index))
        return np.full((HEIGHT, WIDTH), 1.2, np.float32)

    def close(self) -> None:
        self.source.closed += 1


class Source:
    """A dataset of one episode that counts what is read."""

    def __init__(self, broken: dict[str, Exception] | None = None, until: int = 0) -> None:
        self.broken = broken or {}
        self.until = until
        self.read: list[tuple[str, int]] = []
        self.opened = self.closed = 0

    def reader(self, demonstration: object, cache_bytes: int = 0) -> Any:
        self.opened += 1
        return Reader(self)

    def frames(self, what: str) -> list[int]:
        return [index for camera, index in self.read if camera == what]


@pytest.fixture
def inputs() -> RerunInputs:
    return scene(side=True, pose=True)


def session_of(inputs: RerunInputs) -> Session:
    results: dict[Any, Any] = {}
    for stage in STAGES:
        scope = EPISODE_SCOPE if stage == "phases" else 0
        results[stage, scope] = SimpleNamespace(
            result=getattr(inputs, stage), subtask=scope, key=stage
        )
    assert inputs.subtask is not None
    results["subtasks", EPISODE_SCOPE] = SimpleNamespace(
        result=SubtasksResult((inputs.subtask,), "rules"), subtask=EPISODE_SCOPE, key="subtasks"
    )
    return Session(demonstration=inputs.demonstration, results=MappingProxyType(results))


def test_all_cameras_and_the_depth_are_read(inputs: RerunInputs) -> None:
    source = Source()
    built = build_inputs(session_of(inputs), source)
    assert inputs.tracks is not None
    tracked = inputs.tracks.frames.tolist()
    assert [frame for frame, _ in built.pictures] == tracked
    assert all(isinstance(picture, bytes) for _, picture in built.pictures)
    (view,) = built.views
    assert view.camera == SIDE
    assert [frame for frame, _ in view.pictures] == list(range(0, 120, 15))
    assert inputs.proposals is not None
    key = inputs.proposals.keyframe
    depth = dict(built.depth)
    assert set(tracked) | {key, 119} == set(depth)
    assert depth[key].shape == (HEIGHT, WIDTH)  # in full: small objects are few pixels
    assert depth[tracked[1]].size <= 12_500
    assert built.consistency is not None
    assert built.unread == ()
    assert source.opened == source.closed == 3


def test_an_export_has_every_frame(inputs: RerunInputs) -> None:
    built = build_inputs(session_of(inputs), Source(), every_frame=True)
    assert [frame for frame, _ in built.pictures] == list(range(120))
    assert [frame for frame, _ in built.views[0].pictures] == list(range(0, 120, 5))


@pytest.mark.parametrize(
    "error", [DataError("bad_video", "The file is damaged."), ValueError("not a video")]
)
def test_a_broken_camera_is_left_out_and_noted(inputs: RerunInputs, error: Exception) -> None:
    source = Source({SIDE: error})
    built = build_inputs(session_of(inputs), source)
    assert built.views == ()
    (problem,) = built.unread
    assert problem.code == "camera_left_out"
    assert SIDE in problem.message
    assert str(error) in problem.message
    assert len(source.frames(SIDE)) == 8  # then it is left alone
    assert len(built.pictures) == 24
    assert problem in built.problems
    assert source.opened == source.closed


def test_a_camera_that_breaks_half_way_keeps_what_was_read(inputs: RerunInputs) -> None:
    built = build_inputs(session_of(inputs), Source({HIGH: DataError("bad", "gone")}, until=60))
    assert [frame for frame, _ in built.pictures] == list(range(0, 60, 5))
    assert "from frame 56 on" in built.unread[0].message


def test_without_results_there_is_nothing_to_build(inputs: RerunInputs) -> None:
    with pytest.raises(DataError, match="run the pipeline first"):
        build_inputs(Session(demonstration=inputs.demonstration), Source())


def test_a_run_that_ended_early_shows_what_there_is(inputs: RerunInputs) -> None:
    session = session_of(inputs)
    kept = {node: o for node, o in session.results.items() if node[0] == "phases"}
    early = dataclasses.replace(session, results=MappingProxyType(kept), camera=SIDE)
    built = build_inputs(early, Source())
    assert built.camera == SIDE
    assert built.phases is inputs.phases
    assert built.tracks is None
    assert [frame for frame, _ in built.pictures] == list(range(0, 120, 5))
    nothing = dataclasses.replace(inputs.demonstration, cameras=())
    built = build_inputs(dataclasses.replace(early, demonstration=nothing), Source())
    assert (built.camera, built.pictures) == ("", ())


def test_results_of_other_candidates_are_left_out(inputs: RerunInputs) -> None:
    session = session_of(inputs)
    origins = {("scores", 0): {"tracks": "an older one"}}
    stale = dataclasses.replace(session, origins=MappingProxyType(origins))
    built = build_inputs(stale, Source())
    assert built.scores is None
    assert built.tracks is inputs.tracks


def test_without_geometry_no_depth_is_read() -> None:
    source = Source()
    built = build_inputs(session_of(scene(geometry=False)), source)
    assert source.frames("depth") == []
    assert built.consistency is None


def test_estimated_depth_is_not_read_again(inputs: RerunInputs) -> None:
    assert inputs.lifting is not None
    lifting = dataclasses.replace(
        inputs.lifting, depth=np.ones((len(inputs.lifting.frames), 6, 8), np.float16)
    )
    source = Source()
    built = build_inputs(session_of(dataclasses.replace(inputs, lifting=lifting)), source)
    assert source.frames("depth") == []
    assert built.has_depth


def test_cancelling_ends_the_reading(inputs: RerunInputs) -> None:
    source = Source()
    with pytest.raises(Cancelled):
        build_recording(session_of(inputs), source, lambda: len(source.read) > 10)
    assert len(source.read) <= 13
    assert source.opened == source.closed


def test_a_recording_is_built(inputs: RerunInputs) -> None:
    assert len(build_recording(session_of(inputs), Source())) > 10_000


def test_depth_is_thinned_to_a_budget() -> None:
    rows, columns = np.mgrid[0:480, 0:640]
    metres = (rows * 1000 + columns).astype(np.float32)
    small = thinned_depth(metres, 12_500)
    assert small.shape == (96, 128)
    # The pixels that the recording takes them for: every fifth, in the middle.
    np.testing.assert_array_equal(small, metres[2::5, 2::5])
    assert thinned_depth(metres[:10, :10], 12_500).shape == (10, 10)
