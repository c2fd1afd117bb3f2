"""Cursor, selection and loop between the window and a 3D viewer, without echo."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from app.playback import LoopRange
from app.rerun_link import RerunLink, entity_for
from app.session_control import SessionControl
from pipeline.document import Changes, Part, Session
from tests.gui.recording_panel import (
    RecordingPanel,
    control_of,
    put_results,
    recording_panel,
    show,
)
from tests.rerun_scenes import scene, without
from viewers.rerun_inputs import RerunInputs
from viewers.rerun_points import instance_of, point_of

LENGTH, STEP, POINTS = 120, 5, 40


@pytest.fixture
def inputs() -> RerunInputs:
    return scene(length=LENGTH, step=STEP, points=POINTS, side=True)


@pytest.fixture
def control(qtbot: QtBot, tmp_path: Path, inputs: RerunInputs) -> Iterator[SessionControl]:
    with control_of(tmp_path) as made:
        show(made, inputs)
        yield made


@pytest.fixture
def panel() -> Iterator[RecordingPanel]:
    with recording_panel() as made:
        yield made


@pytest.fixture
def link(panel: RecordingPanel, control: SessionControl) -> RerunLink:
    made = RerunLink(panel, control, control)
    panel.taken()
    return made


def session(control: SessionControl) -> Session:
    return control.document.session


def heard(control: SessionControl) -> list[Changes]:
    changes: list[Changes] = []
    control.bridge.changed.connect(changes.append)
    return changes


# Time.


def test_the_cursor_goes_both_ways_without_echo(
    link: RerunLink, panel: RecordingPanel, control: SessionControl
) -> None:
    changes = heard(control)
    for turn in range(500):
        frame = (turn * 7 + 3) % LENGTH
        if turn % 2:
            control.seek(frame, "timeline")
        else:
            panel.frameChanged.emit(frame)
        assert session(control).frame == frame
        told = panel.taken()
        assert told == ([("frame", frame)] if turn % 2 else []), turn
    assert len(changes) == 500
    assert not session(control).playing


def test_a_frame_beyond_the_episode_is_corrected_once(
    link: RerunLink, panel: RecordingPanel, control: SessionControl
) -> None:
    panel.frameChanged.emit(LENGTH + 30)
    assert session(control).frame == LENGTH - 1
    assert panel.taken() == [("frame", LENGTH - 1)]


def test_the_viewer_plays_and_the_window_follows(
    link: RerunLink, panel: RecordingPanel, control: SessionControl
) -> None:
    changes = heard(control)
    panel.playingChanged.emit(True)
    assert session(control).playing
    assert control.player.playing
    assert not control.playback.playing
    for frame in range(1, 60):
        panel.frameChanged.emit(frame)
    assert session(control).frame == 59
    assert session(control).playing
    assert panel.taken() == []
    assert {change.initiator for change in changes} == {"rerun"}
    panel.playingChanged.emit(False)
    assert not session(control).playing
    assert panel.taken() == []


@pytest.mark.parametrize("stop", ["toggle", "stop"])
def test_the_window_stops_the_viewer(
    link: RerunLink, panel: RecordingPanel, control: SessionControl, stop: str
) -> None:
    panel.playingChanged.emit(True)
    panel.frameChanged.emit(4)
    getattr(control.player, stop)()
    assert panel.taken() == [("playing", False)]
    assert not session(control).playing
    assert not control.player.playing
    control.player.stop()
    assert panel.taken() == []


def test_moving_the_cursor_in_the_window_stops_the_viewer(
    link: RerunLink, panel: RecordingPanel, control: SessionControl
) -> None:
    panel.playingChanged.emit(True)
    panel.frameChanged.emit(4)
    control.seek(50, "timeline")
    assert panel.taken() == [("playing", False), ("frame", 50)]
    assert not session(control).playing


def test_the_window_plays_and_the_viewer_follows_paused(
    qtbot: QtBot, link: RerunLink, panel: RecordingPanel, control: SessionControl
) -> None:
    control.player.play(1)
    assert panel.taken()[0] == ("playing", False)
    qtbot.waitUntil(lambda: len(panel.orders) > 3, timeout=5000)
    assert all(order[0] == "frame" for order in panel.taken())
    # The user scrubs in the viewer: the window stands still there.
    panel.frameChanged.emit(100)
    assert session(control).frame == 100
    assert not session(control).playing
    assert not control.playback.playing


def test_whoever_begins_to_play_last_is_the_clock(
    link: RerunLink, panel: RecordingPanel, control: SessionControl
) -> None:
    control.player.play(1)
    panel.playingChanged.emit(True)
    assert session(control).playing
    assert not control.playback.playing
    panel.taken()
    control.player.faster(1)  # L while the viewer plays: twice as fast, by the window
    assert control.playback.speed == 2
    assert ("playing", False) in panel.taken()
    # What the viewer says of its end comes late, and is no news.
    panel.playingChanged.emit(False)
    assert session(control).playing
    assert control.playback.playing
    control.player.stop()


@pytest.mark.parametrize("end", ["ready", "renew"])
def test_a_viewer_that_is_gone_plays_no_more(
    link: RerunLink, panel: RecordingPanel, control: SessionControl, end: str
) -> None:
    panel.playingChanged.emit(True)
    if end == "ready":
        panel.readyChanged.emit(False)
    else:
        link.renew()
    assert not session(control).playing


# Loop.


def test_the_loop_goes_both_ways_without_echo(
    link: RerunLink, panel: RecordingPanel, control: SessionControl
) -> None:
    told: list[object] = []
    control.player.loopChanged.connect(told.append)
    for turn in range(300):
        first, last = turn % 50, 60 + turn % 40
        if turn % 2:
            control.player.set_loop(LoopRange(first, last))
        else:
            panel.loopChanged.emit(first, last)
        assert control.player.loop == LoopRange(first, last)
        assert panel.taken() == ([("loop", first, last)] if turn % 2 else []), turn
    assert len(told) == 300
    panel.loopChanged.emit(None, None)
    assert not control.player.is_looped
    assert told[-1] is None
    assert panel.taken() == []


def test_the_window_ends_the_loop_of_the_viewer(
    link: RerunLink, panel: RecordingPanel, control: SessionControl
) -> None:
    panel.loopChanged.emit(10, 20)
    control.player.set_loop(LoopRange())
    assert panel.taken() == [("loop", None, None)]
    control.player.set_loop(LoopRange())
    assert panel.taken() == []


def test_an_open_end_is_a_frame_to_the_viewer(
    link: RerunLink, panel: RecordingPanel, control: SessionControl
) -> None:
    control.player.set_loop(LoopRange(30, None))
    assert panel.taken() == [("loop", 30, LENGTH - 1)]
    panel.loopChanged.emit(100, LENGTH + 40)
    assert panel.taken() == [("loop", 100, LENGTH - 1)]


def test_another_episode_ends_the_loop(
    link: RerunLink, panel: RecordingPanel, control: SessionControl
) -> None:
    panel.loopChanged.emit(10, 20)
    control.player.begin_episode()
    assert ("loop", None, None) in panel.taken()


# Selection.


def test_candidates_are_selected_both_ways_without_echo(
    link: RerunLink, panel: RecordingPanel, control: SessionControl
) -> None:
    changes = heard(control)
    for turn in range(300):
        candidate = turn % 3
        if turn % 2:
            control.document.select_candidate(candidate, "views")
        else:
            panel.entitySelected.emit(f"/world/candidates/{candidate}/points", -1)
        assert session(control).candidate == candidate
        wanted = [("selection", f"world/candidates/{candidate}/points", -1)] if turn % 2 else []
        assert panel.taken() == wanted, turn
    assert len(changes) == 300


def test_an_answer_that_says_the_same_begins_nothing(
    link: RerunLink, panel: RecordingPanel, control: SessionControl
) -> None:
    control.document.select_candidate(2, "views")
    ((_, entity, instance),) = panel.taken()
    changes = heard(control)
    panel.entitySelected.emit(f"/{entity}", instance)
    assert changes == []


def test_series_and_boxes_belong_to_their_candidate(
    link: RerunLink, panel: RecordingPanel, control: SessionControl
) -> None:
    for entity, candidate in (
        ("/signals/motion/2", 2),
        ("/camera/cam_high/candidates/0/box", 0),
        ("/world/candidates/1/track", 1),
    ):
        panel.entitySelected.emit(entity, -1)
        assert session(control).candidate == candidate
    panel.entitySelected.emit("/phases/right", -1)
    panel.entitySelected.emit("/world/candidates/77/points", -1)
    assert session(control).candidate == 1
    assert panel.taken() == []


def test_a_camera_is_shown(link: RerunLink, panel: RecordingPanel, control: SessionControl) -> None:
    cameras = [c.key for c in session(control).demonstration.cameras]  # type: ignore[union-attr]
    assert session(control).camera == cameras[0]
    panel.entitySelected.emit("/camera/cam_side/image", -1)
    assert session(control).camera == cameras[1]
    panel.entitySelected.emit("/camera/cam_high", -1)
    assert session(control).camera == cameras[0]
    assert panel.taken() == []


def test_results_do_not_take_the_selection_from_the_user(
    link: RerunLink, panel: RecordingPanel, control: SessionControl, inputs: RerunInputs
) -> None:
    control.document.select_candidate(1, "views")
    panel.entitySelected.emit("/camera/cam_high/candidates/1/box", -1)
    panel.taken()
    put_results(control, inputs, suffix="again")
    assert not [order for order in panel.taken() if order[0] == "selection"]
    control.document.select_candidate(1, "views")  # The user, again: the points.
    assert panel.taken() == [("selection", "world/candidates/1/points", -1)]


def test_without_geometry_the_picture_is_meant(
    link: RerunLink, panel: RecordingPanel, control: SessionControl
) -> None:
    flat = scene(geometry=False)
    show(control, flat, suffix="flat")
    control.document.select_candidate(2, "views")
    assert panel.taken()[-1] == ("selection", "camera/cam_high/candidates/2/points", -1)
    show(control, without(flat, "tracks", "lifting", "scores"), suffix="box")
    control.document.select_candidate(0, "views")
    assert panel.taken()[-1] == ("selection", "camera/cam_high/candidates/0/box", -1)
    control.document.select_candidate(-1, "views")
    assert panel.taken()[-1] == ("selection", "", -1)


# Points.


@pytest.mark.parametrize("geometry", [True, False])
def test_points_are_the_same_at_every_frame(
    qtbot: QtBot, tmp_path: Path, panel: RecordingPanel, geometry: bool
) -> None:
    made = scene(geometry=geometry)
    assert made.tracks is not None
    rng = np.random.default_rng(1)
    visible = rng.random(made.tracks.visible.shape) < 0.7
    made = replace(made, tracks=replace(made.tracks, visible=visible))
    with control_of(tmp_path) as control:
        show(control, made)
        RerunLink(panel, control, control)
        solid = made.lifting if geometry else None
        place = "world" if geometry else "camera/cam_high"
        tracks = made.tracks
        assert tracks is not None
        hidden = 0
        for turn in range(200):
            point = int(rng.integers(len(tracks.candidate)))
            frame = int(rng.integers(LENGTH))
            control.seek(frame, "keys")
            panel.taken()
            control.document.select_point(point, "frame")
            ((_, entity, instance),) = panel.taken()
            owner = int(tracks.candidate[point])
            assert entity == f"{place}/candidates/{owner}/points"
            seen = bool(visible[frame // STEP, point])
            hidden += not seen
            assert instance == (instance_of(point, frame, tracks, solid) if seen else -1)
            assert (instance >= 0) == seen, turn
            if instance >= 0:  # What the viewer would say of that instance is that point.
                assert point_of(entity, instance, frame, tracks, solid) == point
                control.document.select_candidate((owner + 1) % 3, "views")
                panel.taken()
                panel.entitySelected.emit(f"/{entity}", instance)
                assert (session(control).candidate, session(control).point) == (owner, point)
                assert panel.taken() == []
        assert hidden > 20


def test_the_point_is_found_again_when_the_cursor_rests(
    qtbot: QtBot, link: RerunLink, panel: RecordingPanel, control: SessionControl
) -> None:
    tracks = session(control).result("tracks")
    visible = tracks.visible.copy()
    visible[6, POINTS : POINTS + 10] = False  # ten points of candidate 1
    visible[8, POINTS + 20] = False
    node = ("tracks", 0)
    outcome = session(control).results[node]
    control.document.put_result(replace(outcome, result=replace(tracks, visible=visible)))
    control.seek(10, "keys")
    control.document.select_point(POINTS + 20, "frame")
    assert panel.taken()[-1] == ("selection", "world/candidates/1/points", 20)

    def selections() -> list[tuple[object, ...]]:
        return [order for order in panel.orders if order[0] == "selection"]

    for frame in range(20, 33):
        control.seek(frame, "keys")
    assert selections() == []  # not while the cursor moves
    qtbot.waitUntil(lambda: bool(selections()), timeout=5000)
    assert selections() == [("selection", "world/candidates/1/points", 10)]
    panel.taken()
    panel.frameChanged.emit(42)  # not seen there
    qtbot.waitUntil(lambda: bool(selections()), timeout=5000)
    assert selections() == [("selection", "world/candidates/1/points", -1)]
    assert session(control).point == POINTS + 20
    # What the user selected in the viewer meanwhile is not taken away.
    panel.entitySelected.emit("/world/candidates/1/track", -1)
    assert session(control).point == -1


def test_no_instance_is_asked_for_while_it_plays(
    qtbot: QtBot, link: RerunLink, panel: RecordingPanel, control: SessionControl
) -> None:
    control.document.select_point(3, "frame")
    panel.taken()
    panel.playingChanged.emit(True)
    for frame in range(0, LENGTH, 4):
        panel.frameChanged.emit(frame)
    link._find_point_again()  # the rest is over
    assert panel.taken() == []
    panel.playingChanged.emit(False)
    assert link._rest.isActive()


def test_selecting_something_else_in_the_viewer_selects_no_point(
    link: RerunLink, panel: RecordingPanel, control: SessionControl
) -> None:
    control.document.select_point(POINTS + 3, "frame")
    panel.entitySelected.emit("/phases/right", -1)  # That means nothing here.
    assert (session(control).candidate, session(control).point) == (1, POINTS + 3)
    panel.entitySelected.emit("", -1)
    assert (session(control).candidate, session(control).point) == (1, -1)
    control.document.select_point(POINTS + 3, "frame")
    panel.entitySelected.emit("/world/candidates/1/points", -1)
    assert (session(control).candidate, session(control).point) == (1, -1)


def test_a_new_recording_is_told_everything(
    link: RerunLink, panel: RecordingPanel, control: SessionControl
) -> None:
    control.seek(30, "keys")
    control.player.set_loop(LoopRange(10, 20))
    control.document.select_candidate(2, "views")
    panel.taken()
    link.renew()
    assert panel.taken() == [
        ("frame", 30),
        ("loop", 10, 20),
        ("selection", "world/candidates/2/points", -1),
    ]


def test_nothing_is_meant_before_there_are_candidates(control: SessionControl) -> None:
    empty = scene()
    control.document.open_episode(empty.demonstration, ())
    assert entity_for(session(control)) == ("", -1)


def test_the_parts_of_a_point_are_told_once(link: RerunLink, control: SessionControl) -> None:
    changes = heard(control)
    control.document.select_point(POINTS + 3, "frame")
    assert [c.parts for c in changes] in (
        [Part.POINT],
        [Part.POINT | Part.CANDIDATE],
    )


def test_an_instance_of_an_older_recording_is_no_point(
    panel: RecordingPanel, control: SessionControl
) -> None:
    current = [False]
    made = RerunLink(panel, control, control, lambda: current[0])
    made.renew()
    panel.entitySelected.emit("/world/candidates/2/points", 5)
    assert (session(control).candidate, session(control).point) == (2, -1)
    current[0] = True
    panel.entitySelected.emit("/world/candidates/2/points", 6)
    assert session(control).candidate == 2
    assert session(control).point >= 0
