"""Every rule of SPARC B.1.1 by a signal made for it, with the quantities that explain it.

Each test fails if its rule is taken out.
"""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.model.demonstration import ClosedIs
from pipeline.model.phases import Closure, MinimumDuration
from pipeline.stages.phase_layout import Layout, lay_out
from pipeline.stages.phase_machine import collect_candidates, judge_candidates, minimum_duration
from pipeline.stages.phase_signal import opening_signal
from pipeline.stages.phases import PhasesOptions
from tests.pipeline.phase_signals import LAYOUT, C, G, R, X, codes, demo, run, signal, spans

# --- pass 1: hysteresis, debounce ------------------------------------------------------------


def test_chatter_between_the_thresholds_does_not_fragment_a_closure() -> None:
    chatter = np.where(np.arange(40) % 8 < 4, 0.5, 0.62)
    values = np.concatenate([signal((1, 30), (0, 10)), chatter, signal((0, 10), (1, 30))])
    arm = run(demo(values)).arms[0]
    assert [(c.start, c.end, c.verdict) for c in arm.closures] == [(30, 90, "interact")]


def test_transient_reopening_is_ignored_and_kept_as_such() -> None:
    values = signal((1, 30), (0, 30), (1, 2), (0, 30), (1, 30))
    closure = run(demo(values)).arms[0].closures[0]
    assert (closure.start, closure.end, closure.reopenings) == (30, 92, ((60, 62),))
    assert "A re-opening of up to 2 frames was ignored, a transition needs 3." in closure.reason
    longer = run(demo(signal((1, 30), (0, 30), (1, 3), (0, 30), (1, 30)))).arms[0].closures
    assert [(c.start, c.end) for c in longer] == [(30, 60), (63, 93)]


def test_dip_shorter_than_the_debounce_is_dropped_by_pass_1() -> None:
    arm = run(demo(signal((1, 30), (0, 2), (1, 30), (0, 40), (1, 30)))).arms[0]
    dip = arm.closures[0]
    assert (dip.verdict, dip.dropped_by) == ("too_short", 1)
    assert dip.reason == (
        "Dropped by pass 1: below the closing threshold for 2 frames only, a transition needs 3."
    )
    assert arm.minimum is not None
    assert arm.minimum.attempts == 1  # the dip is no attempt


# --- d_min: floor, median, budget per attempt ------------------------------------------------


@pytest.mark.parametrize(
    ("durations", "length", "decided_by", "frames"),
    [
        ((), 100, "floor", 7),
        ((12,), 400, "floor", 7),  # 0.35 * 12 = 4.2
        ((20,), 400, "floor", 7),  # 0.35 * 20 = 7: the floor is reached
        ((60, 60, 200), 2000, "median", 21),  # 0.35 * 60, budget 267 each
        ((60, 60, 60), 240, "budget", 11),  # 0.35 * 96 / 3
    ],
)
def test_d_min_and_the_term_that_decides_it(
    durations: tuple[int, ...], length: int, decided_by: str, frames: int
) -> None:
    found = minimum_duration(durations, length, 7, 0.35, 0.4)
    assert (found.decided_by, found.frames) == (decided_by, frames)
    assert found.budget == pytest.approx(0.4 * length)
    assert found.attempts == len(durations)


def test_formula_says_every_number() -> None:
    found = minimum_duration((60, 60, 60), 240, 7, 0.35, 0.4)
    assert found == MinimumDuration(11, "budget", 60.0, 96.0, 3, 0.35, 7)
    assert found.per_attempt == 32.0
    assert found.formula == (
        "d_min = max(7, 0.35 · min(median 60, B / K = 96 / 3 = 32)) = 11 frames: the budget per "
        "attempt decides."
    )
    assert "no candidate closure" in minimum_duration((), 50, 7, 0.35, 0.4).formula


def test_repetitive_short_grasps_are_all_valid() -> None:
    """A fixed minimum of half a second would drop them; the adaptive one is the floor."""
    values = signal(*[part for _ in range(8) for part in ((1, 12), (0, 9))], (1, 12))
    arm = run(demo(values)).arms[0]
    assert arm.d_min == 7
    assert [c.verdict for c in arm.closures] == ["interact"] * 8


def test_unusually_brief_closure_among_long_ones_is_an_outlier() -> None:
    values = signal((1, 60), (0, 100), (1, 60), (0, 20), (1, 60), (0, 100), (1, 200))
    arm = run(demo(values)).arms[0]
    assert arm.minimum is not None
    assert (arm.d_min, arm.minimum.decided_by) == (28, "budget")  # 0.35 * 240 / 3
    assert [c.verdict for c in arm.closures] == ["interact", "failure", "interact"]


# --- pass 2: verdicts ------------------------------------------------------------------------


def test_failed_grasp_says_by_how_much_it_failed() -> None:
    arm = run(demo(signal((1, 40), (0, 8), (1, 20), (0, 60), (1, 60)))).arms[0]
    failed, held = arm.closures
    assert (failed.verdict, failed.dropped_by, failed.length) == ("failure", 2, 8)
    assert failed.reason == (
        "Dropped by pass 2 as a failed grasp: closed for 8 frames, d_min is 12."
    )
    assert (held.verdict, held.dropped_by) == ("interact", 0)
    assert held.reason == "Kept by pass 2: closed for 60 frames, d_min is 12."


def test_failure_makes_no_cycle_of_its_own() -> None:
    phases = run(demo(signal((1, 40), (0, 8), (1, 20), (0, 60), (1, 60)))).merged
    assert [(p.name, p.cycle) for p in phases] == [(G, 0), (X, 0), (G, 0), (C, 0), (R, 0)]


def test_closed_from_the_first_frame_is_no_grasp_and_says_why() -> None:
    first = run(demo(signal((0, 40), (1, 30), (0, 50), (1, 30)))).arms[0].closures[0]
    assert (first.verdict, first.dropped_by) == ("closed_at_start", 2)
    assert "no approach" in first.reason
    only = run(demo(signal((0, 60), (1, 40)))).arms[0].closures[0]
    assert (only.verdict, only.dropped_by) == ("interact", 0)
    assert "only closure" in only.reason


# --- repairs ---------------------------------------------------------------------------------


def test_grasp_borrows_an_approach_from_the_release() -> None:
    closures = [Closure(20, 40, "interact"), Closure(54, 80, "interact")]
    phases, repairs = lay_out(closures, 100, "arm", LAYOUT)
    assert spans(phases)[2:4] == [(R, 40, 47), (G, 47, 54)]  # nominal 10 would leave 4
    assert [(r.kind, r.start, r.end, r.cycle) for r in repairs] == [("borrowed", 47, 50, 0)]
    assert "borrowed 3 frames" in repairs[0].reason


def test_a_grasp_never_loses_frames_to_the_repair() -> None:
    closures = [Closure(20, 40, "interact"), Closure(46, 80, "interact")]
    phases, repairs = lay_out(closures, 100, "arm", Layout(release=1, approach=7))
    assert spans(phases)[2:4] == [(R, 40, 41), (G, 41, 46)]
    assert repairs == []


def test_release_ends_early_when_the_gripper_closes_again() -> None:
    closures = [Closure(20, 40, "interact"), Closure(46, 80, "interact")]
    phases, repairs = lay_out(closures, 100, "arm", LAYOUT)
    # Back-to-back attempts stay two cycles; half of the open span is the approach.
    assert spans(phases)[2:4] == [(R, 40, 43), (G, 43, 46)]
    assert [p.cycle for p in phases] == [0, 0, 0, 1, 1, 1]
    assert [(r.kind, r.start, r.end) for r in repairs] == [
        ("early_release", 46, 50),
        ("borrowed", 43, 46),
    ]
    assert "4 frames before its nominal 10" in repairs[0].reason


def test_a_long_open_span_needs_no_repair() -> None:
    closures = [Closure(20, 40, "interact"), Closure(90, 120, "interact")]
    phases, repairs = lay_out(closures, 150, "arm", LAYOUT)
    assert spans(phases)[2:4] == [(R, 40, 50), (G, 50, 90)]
    assert repairs == []


def test_repairs_reach_the_result() -> None:
    arm = run(demo(signal((1, 30), (0, 40), (1, 6), (0, 40), (1, 40)))).arms[0]
    assert [r.kind for r in arm.repairs] == ["early_release", "borrowed"]


# --- forward offset --------------------------------------------------------------------------


def test_each_boundary_keeps_where_it_was_measured() -> None:
    arm = run(demo(signal((1, 50), (0, 40), (1, 60))), PhasesOptions()).arms[0]
    first, contact, opened = arm.boundaries
    assert (first.index, first.frame, first.measured, first.by_hand) == (-1, 0, 0, False)
    assert (contact.index, contact.frame, contact.measured) == (0, 62, 50)  # 0.3 * 40
    assert (opened.frame - opened.measured, opened.found) == (18, 108)  # 0.3 * 60
    assert arm.found == arm.phases


# --- two arms --------------------------------------------------------------------------------


def test_arms_are_judged_alone_and_merged_by_time() -> None:
    """Many short grasps of one arm must not change d_min of the other."""
    busy = signal(*[part for _ in range(6) for part in ((1, 20), (0, 12))], (1, 48))
    calm = signal((1, 100), (0, 100), (1, 40))
    both = run(demo(busy, calm))
    alone = run(demo(calm))
    assert both.arms[1].d_min == alone.arms[0].d_min > both.arms[0].d_min
    assert spans(both.arms[1].phases) == spans(alone.arms[0].phases)
    starts = [p.start for p in both.merged]
    assert starts == sorted(starts)
    assert {p.arm for p in both.merged} == {"left", "right"}
    assert len(both.merged) == sum(len(a.phases) for a in both.arms)


def test_active_arm_is_the_one_that_moves_and_says_why() -> None:
    little = 0.5 + 0.1 * signal((1, 50), (0, 40), (1, 60))
    result = run(demo(little, signal((1, 50), (0, 40), (1, 60))))
    assert result.active_arm == "right"
    assert result.active_reason == (
        "Active arm: right, the gripper that moves most of its range (right over 100%, "
        "left over 10%)."
    )
    assert run(demo(little)).active_reason == ""


# --- coarse ----------------------------------------------------------------------------------


def test_flat_signal_says_why_the_episode_is_one_span() -> None:
    result = run(demo(0.5 + 0.01 * np.sin(np.arange(80) / 9)), PhasesOptions())
    arm = result.arms[0]
    assert arm.coarse
    assert spans(arm.phases) == [(C, 0, 80)]
    assert arm.coarse_reason == (
        "The gripper moves over 2% of its plausible range, expected at least 6%."
    )


def test_noise_of_any_size_is_flat() -> None:
    rng = np.random.default_rng(3)
    arm = run(demo(0.5 + rng.normal(0, 0.1, 300)), PhasesOptions()).arms[0]
    assert arm.coarse
    assert arm.activity > 0.2
    assert "is noise" in arm.coarse_reason
    assert spans(arm.phases) == [(C, 0, 300)]
    grasp = signal((1, 100), (0, 80), (1, 120)) + rng.normal(0, 0.05, 300)
    found = run(demo(grasp)).arms[0]
    assert not found.coarse
    assert found.noise == pytest.approx(0.05, rel=0.25)


def test_never_closed_long_enough_is_coarse_too() -> None:
    result = run(demo(np.concatenate([signal((0.7, 60), (1, 60)), [0.0, 0.0]])))
    assert codes(result)[-1] == "no_closure"
    assert result.arms[0].coarse_reason == "No closure of the gripper counts as a grasp."
    assert spans(result.merged) == [(C, 0, 122)]


def test_pass_2_takes_the_spans_of_pass_1() -> None:
    opening = signal((1, 20), (0, 9), (1, 20), (0, 30), (1, 20)).astype(np.float32)
    candidates = collect_candidates(opening, 0.55, 0.65, 3)
    assert candidates.closed == ((20, 29), (49, 79))
    assert candidates.durations == (9, 30)
    for d_min, verdicts in ((9, ["interact"] * 2), (10, ["failure", "interact"])):
        assert [c.verdict for c in judge_candidates(candidates, d_min, 99)] == verdicts


# --- the signal ------------------------------------------------------------------------------


def test_a_gap_while_open_is_no_closure() -> None:
    values = signal((1, 50), (0, 40), (1, 60))
    values[20:35] = np.nan
    arm = run(demo(values)).arms[0]
    assert [(c.start, c.end) for c in arm.closures] == [(50, 90)]
    assert (arm.opening[20:35] == 1.0).all()


def test_fingers_count_alike_whatever_their_units() -> None:
    first, second = signal((1, 50), (0, 40), (1, 60)), signal((900, 40), (0, 40), (900, 70))
    both = np.stack([first, second], axis=1).astype(np.float32)
    opening = opening_signal(both, ClosedIs.LOW, 1, 99).opening
    assert opening[[0, 45, 60, 85, 149]].tolist() == [1.0, 0.5, 0.0, 0.5, 1.0]
