"""What the embedded viewer promises, proved on the real one under Xvfb (no mock)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from pipeline.model.palette import candidate_color
from tests.gui.rerun_proof_runner import run_offline, run_session

SESSION = "rerun_proof_session.py"
LOOPBACK = {"0100007F", "00000000000000000000000001000000"}
"""127.0.0.1 and ::1 as in /proc/net."""

pytestmark = pytest.mark.display


@pytest.fixture(scope="module")
def moves() -> dict[str, Any]:
    return run_session(SESSION, "sync")


@pytest.fixture(scope="module")
def looks() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = run_session(SESSION, "colors")["looks"]
    assert {(look["theme"], look["candidate"]) for look in found} == {
        (theme, candidate) for theme in ("dark", "light") for candidate in range(3)
    }
    return found


@pytest.fixture(scope="module")
def held() -> dict[str, Any]:
    return run_session(SESSION, "memory")


@pytest.fixture(scope="module")
def offline() -> dict[str, Any]:
    return run_offline(SESSION, "offline")


class TestThousandMoves:
    """Window and viewer move in turn, each to frames that only it sets."""

    def test_opening_plays_nothing_and_says_nothing(self, moves: dict[str, Any]) -> None:
        assert not moves["opened_playing"]
        assert moves["while_opening"] == []

    def test_one_signal_for_each_move_of_the_user(self, moves: dict[str, Any]) -> None:
        exact, wrong, each = moves["settled"]
        assert wrong == []
        assert exact, "other frames than those the user went to, or one twice"
        assert 2 * each + moves["bursts"]["moves"] == 1000

    def test_bursts_from_both_sides_end_in_agreement(self, moves: dict[str, Any]) -> None:
        bursts = moves["bursts"]
        assert bursts["disagree"] == []
        assert bursts["echoes"] == [], "the window's own frames came back"
        assert bursts["signals"] <= bursts["moves"] / 2

    def test_at_rest_nobody_speaks(self, moves: dict[str, Any]) -> None:
        assert moves["at_rest"] == [[], []]
        assert moves["still_works"] == 44

    def test_playing_tells_fractions_and_frames(self, moves: dict[str, Any]) -> None:
        frames, times = moves["played"], moves["played_times"]
        assert frames == sorted(set(frames))
        assert times == sorted(times)
        assert any(not float(time).is_integer() for time in times)
        assert set(frames) <= {int(time) for time in times}

    def test_pausing_leaves_both_at_the_same_frame(self, moves: dict[str, Any]) -> None:
        viewer, window = moves["after_playing"]
        assert viewer == window
        assert moves["playing_events"] == [True]  # The pause was the window's own.


class TestColors:
    """What has a candidate's colour lies where its points are, as the viewer's eye sees them."""

    def test_each_is_where_its_points_are(self, looks: list[dict[str, Any]]) -> None:
        for look in looks:
            assert look["pixels"] > 50, look
            # Gripper and sphere hide part of what they hold, box and label have its colour too.
            assert math.dist(look["expected"], look["found"]) < 14, look

    def test_each_has_its_color_of_the_palette(self, looks: list[dict[str, Any]]) -> None:
        for look in looks:
            wanted, seen = candidate_color(look["candidate"]), look["color"]
            # Candidates that lost are fainter: the same colour, less of it.
            share = sum(seen) / sum(wanted)
            assert 0.4 < share <= 1.05, look
            for part, whole in zip(seen, wanted, strict=True):
                assert part == pytest.approx(share * whole, abs=14), look

    def test_the_winner_is_the_brightest(self, looks: list[dict[str, Any]]) -> None:
        for look in looks:
            if look["candidate"] == 1:
                assert sum(look["color"]) > 0.9 * sum(candidate_color(1)), look

    def test_the_winner_moves_to_the_right_and_no_other(self, looks: list[dict[str, Any]]) -> None:
        for theme in ("dark", "light"):
            ways = {
                candidate: [
                    look["found"][0]
                    for look in looks
                    if look["theme"] == theme and look["candidate"] == candidate
                ]
                for candidate in range(3)
            }
            assert ways[1] == sorted(ways[1])
            assert ways[1][-1] - ways[1][0] > 80
            for candidate in (0, 2):
                assert max(ways[candidate]) - min(ways[candidate]) < 12


class TestMemory:
    """Recordings opened one after the other: only the newest is there, nothing piles up."""

    def test_one_recording_is_open(self, held: dict[str, Any]) -> None:
        assert [row["recordings"] for row in held["rows"]] == [1] * len(held["rows"])
        assert held["cleared"]["recordings"] == 0

    def test_no_thread_and_no_file_is_left(self, held: dict[str, Any]) -> None:
        rows = held["rows"]
        settled, last = rows[len(rows) // 3], rows[-1]
        # Pools of Chromium and of Rerun come and go with a thread or two.
        assert last["threads"] <= settled["threads"] + 4
        assert last["files"] <= settled["files"] + 4
        assert [name for name in held["threads_at_end"] if "rerun" in name.lower()] == []

    def test_memory_is_bounded(self, held: dict[str, Any]) -> None:
        rows = held["rows"]
        assert len(rows) >= 20

        def grown(*names: str) -> float:
            """From the second quarter to the last one, in their middle: single ones scatter."""
            quarter = len(rows) // 4
            sums = [sum(row[name] for name in names) for row in rows]
            early, late = sums[quarter : 2 * quarter], sums[-quarter:]
            return float(np.median(late) - np.median(early))

        # One that is kept takes its own size at least, and more once the viewer has read it. Half
        # of that is what allocators of two processes may hold back while they settle.
        opened = len(rows) // 2
        assert rows[-1]["size"] > 6, "too small to be told from what allocators hold back"
        seen = [(row["own"], row["renderer"], row["module"]) for row in rows]
        assert grown("own", "renderer") < opened * rows[-1]["size"] / 2, seen
        assert grown("module") < opened * rows[-1]["size"] / 2, seen

    def test_a_viewer_that_took_too_much_is_replaced(self, held: dict[str, Any]) -> None:
        before, fresh = held["rows"][-1], held["fresh"]
        assert held["same_recording"] == "ready"
        assert held["while_replaced"] == "loading"
        assert fresh["renderer_pid"] != before["renderer_pid"]
        assert 0 < fresh["module"] <= before["module"]
        assert fresh["recordings"] == 1
        assert held["after"] == 33
        assert held["selected_after"] == ["/world/candidates/1/points", 3]


class TestOffline:
    """A network namespace of its own: no interface but loopback, no DNS."""

    def test_there_is_no_network(self, offline: dict[str, Any]) -> None:
        assert offline["routes"] == []

    def test_time_goes_both_ways(self, offline: dict[str, Any]) -> None:
        assert offline["frame"] == 66  # And the viewer's own move came back, or no report.
        assert offline["views"] > 0

    def test_nothing_listens_elsewhere(self, offline: dict[str, Any]) -> None:
        assert offline["listening"]
        assert set(offline["listening"]) <= LOOPBACK

    def test_nothing_goes_elsewhere(self, offline: dict[str, Any]) -> None:
        assert offline["elsewhere"] == []
        # Rerun's analytics are the only thing that tries; the gate stops it before the network.
        assert {line.rsplit(" ", 1)[-1] for line in offline["blocked"]} <= {"tel.rerun.io"}
