"""The real window with the real embedded viewer: one cursor, one selection, one loop (Xvfb)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gui.rerun_proof_runner import run_session

pytestmark = pytest.mark.display


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    """What one session reported (about 30 s)."""
    return run_session("rerun_window_session.py", screen="1500x950")


def test_opening_plays_nothing(report: dict[str, Any]) -> None:
    viewer_plays, window_plays, viewer_frame, window_frame = report["opened"]
    assert not viewer_plays
    assert not window_plays
    assert viewer_frame == window_frame
    assert report["opened_recordings"] == 1
    assert report["opened_events"] == []


def test_the_viewer_follows_the_window(report: dict[str, Any]) -> None:
    assert report["seek"] == [30, [30] * 4]
    assert report["key"] == [31, [31] * 4]


def test_a_click_in_the_viewers_time_line_moves_every_view(report: dict[str, Any]) -> None:
    frame, viewer, shown = report["clicked_frame"]
    assert 31 < frame < 899
    assert viewer == frame
    assert shown == [frame] * 4
    assert report["clicked_signals"] == [frame]  # Once, and nothing comes back.


def test_dragging_there_ends_in_agreement(report: dict[str, Any]) -> None:
    frame, viewer, shown = report["dragged_frame"]
    assert frame < report["clicked_frame"][0]
    assert viewer == frame
    assert shown == [frame] * 4


def test_a_click_on_a_point_in_3d_selects_it_and_its_candidate(report: dict[str, Any]) -> None:
    assert report["selected_first"][:3] == [1, 1, 1]  # The winner.
    (document, table, breakdown, point), told, owner = report["clicked"]
    assert (document, table, breakdown) == (0, 0, 0)
    assert point >= 0
    assert owner == 0
    assert len(told) == 1
    assert told[0][0] == "/world/candidates/0/points"
    # It is the point that was clicked, not just any of the candidate.
    assert report["clicked_beside"] < 6


def test_a_row_of_the_table_is_selected_in_the_viewer(report: dict[str, Any]) -> None:
    selected, entities, told_back = report["row"]
    assert selected == [2, 2, 2, -1]
    assert entities == [["world/candidates/2/points", None]]
    assert told_back == []


def test_a_point_of_the_window_is_selected_in_the_viewer(report: dict[str, Any]) -> None:
    selected, column, entities, told_back = report["point"]
    assert selected == [1, 1, 1, column]
    # All points of candidate 1 are seen at this frame: the 8th of them is instance 7.
    assert entities == [["world/candidates/1/points", 7]]
    assert told_back == []


def test_the_loop_goes_both_ways(report: dict[str, Any]) -> None:
    assert report["loop_by_window"] == [["Selection", 30, 60], [30, 60]]
    assert report["loop_by_viewer"] == [["Selection", 20, 80], [[20, 80]]]
    mode, looped, told_back = report["loop_ended"]
    assert mode != "Selection"
    assert not looped
    assert told_back == []


def test_playing_in_the_viewer_moves_the_window_and_space_stops_both(
    report: dict[str, Any],
) -> None:
    moved, stopped, viewer, shown = report["viewer_played"]
    assert 0 < moved <= stopped
    assert viewer == stopped
    assert shown == [stopped] * 4
    frames = report["viewer_played_frames"]
    assert frames == sorted(set(frames))
    # Space pressed in the viewer itself.
    frame, viewer, shown = report["space_in_viewer"]
    assert viewer == frame
    assert shown == [frame] * 4


def test_playing_in_the_window_moves_the_viewer_which_stays_paused(
    report: dict[str, Any],
) -> None:
    frames = [frame for frame, _ in report["window_played"]]
    assert frames == sorted(frames)
    assert len(set(frames)) >= 5
    assert report["window_plays"]
    assert not any(playing for _, playing in report["window_played"])
    frame, viewer, shown = report["window_played_to"]
    assert viewer == frame
    assert shown == [frame] * 4
    assert report["window_played_echo"] == []


def test_the_next_episode_opens_paused_and_alone(report: dict[str, Any]) -> None:
    viewer_plays, window_plays, viewer_frame, window_frame = report["another"]
    assert not viewer_plays
    assert not window_plays
    assert viewer_frame == window_frame == 0
    assert report["another_follows"] == [12, [12] * 4]


def test_listens_on_loopback_only_and_leaves_no_thread(report: dict[str, Any]) -> None:
    assert report["listening"]
    assert set(report["listening"]) <= {"0100007F", "00000000000000000000000001000000"}
    assert report["threads_at_end"] == []
    assert report["exit"] == 0
