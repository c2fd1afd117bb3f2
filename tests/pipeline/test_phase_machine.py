"""The rules of the phases one by one, from the signal to the laid-out boundaries."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.model.demonstration import ClosedIs
from pipeline.model.phases import Closure, Phase
from pipeline.stages.phase_layout import (
    borrowed_frames,
    lay_out,
    offset_forward,
    release_frames,
)
from pipeline.stages.phase_machine import (
    closed_frames,
    collect_candidates,
    judge_candidates,
    minimum_duration,
    runs,
)
from pipeline.stages.phase_signal import opening_signal, plausible_range
from pipeline.stages.phases import PhasesOptions
from tests.pipeline.phase_signals import LAYOUT, C, G, R, X, codes, demo, run, signal, spans

# --- signal ----------------------------------------------------------------------------------


def test_outliers_do_not_stretch_the_range() -> None:
    values = signal((1.0, 50), (0.0, 50), (1.0, 50))
    values[20], values[70] = 40.0, -40.0
    arm = run(demo(values)).arms[0]
    assert (arm.raw_low, arm.raw_high) == (0.0, 1.0)
    assert [(c.start, c.end) for c in arm.closures if c.verdict == "interact"] == [(50, 100)]


def test_high_is_closed() -> None:
    arm = run(demo(signal((0, 50), (0.08, 40), (0, 60)), closed_is=ClosedIs.HIGH)).arms[0]
    assert spans(arm.phases) == [(G, 0, 50), (C, 50, 90), (R, 90, 150)]
    assert arm.raw_low == pytest.approx(0.08)
    assert arm.raw_high == pytest.approx(0.0)


def test_gaps_are_interpolated_and_reported() -> None:
    values = signal((1, 50), (0, 40), (1, 60))
    values[60:65] = np.nan
    result = run(demo(values))
    assert spans(result.merged) == [(G, 0, 50), (C, 50, 90), (R, 90, 150)]
    assert codes(result) == ["nan_in_signal"]
    assert np.isfinite(result.arms[0].opening).all()


def test_signal_without_any_value_is_flat() -> None:
    assert codes(run(demo(np.full(30, np.nan)))) == ["nan_in_signal", "flat_gripper"]


def test_channels_are_scaled_one_by_one() -> None:
    fingers = np.stack(
        [signal((1, 50), (0, 40), (1, 60)), signal((1000, 50), (0, 40), (1000, 60))], axis=1
    )
    found = opening_signal(fingers.astype(np.float32), ClosedIs.LOW, 1, 99)
    assert found.opening.tolist() == signal((1, 50), (0, 40), (1, 60)).tolist()


def test_a_resting_channel_does_not_add_its_noise() -> None:
    rng = np.random.default_rng(0)
    moving = signal((1, 50), (0, 40), (1, 60))
    both = np.stack([moving, 0.5 + rng.normal(0, 0.001, 150)], axis=1).astype(np.float32)
    assert opening_signal(both, ClosedIs.LOW, 1, 99).opening.tolist() == moving.tolist()


@pytest.mark.parametrize(
    ("low", "high", "width"),
    [(0.0, 0.08, 0.12), (0.2, 0.9, 1.0), (-0.4, 0.9, 2.0), (2020, 2470, 4096), (0, 254, 255)],
)
def test_plausible_range(low: float, high: float, width: float) -> None:
    assert plausible_range(low, high) == width


def test_encoder_ticks_are_active() -> None:
    arm = run(demo(signal((2020, 50), (2470, 40), (2020, 60)), closed_is=ClosedIs.HIGH)).arms[0]
    assert not arm.coarse
    assert spans(arm.phases) == [(G, 0, 50), (C, 50, 90), (R, 90, 150)]


# --- hysteresis and debounce -----------------------------------------------------------------


def machine(opening: np.ndarray, below: float, above: float, debounce: int) -> list[bool]:
    """The state machine, frame by frame."""
    closed, out = False, []
    for t in range(len(opening)):
        ahead = opening[t : t + debounce]
        if len(ahead) == debounce:
            if not closed and (ahead < below).all():
                closed = True
            elif closed and (ahead > above).all():
                closed = False
        out.append(closed)
    return out


@pytest.mark.parametrize("debounce", [1, 2, 3, 5])
def test_vectorised_hysteresis_is_the_state_machine(debounce: int) -> None:
    rng = np.random.default_rng(debounce)
    for _ in range(50):
        opening = np.clip(0.6 + np.cumsum(rng.normal(0, 0.08, 80)), 0, 1).astype(np.float32)
        assert closed_frames(opening, 0.55, 0.65, debounce).tolist() == machine(
            opening, 0.55, 0.65, debounce
        )


def test_band_between_the_thresholds_keeps_the_state() -> None:
    opening = signal((1, 5), (0.6, 5), (0.5, 5), (0.6, 5), (0.7, 5)).astype(np.float32)
    assert runs(closed_frames(opening, 0.55, 0.65, 1)) == [(10, 20)]


def test_thresholds_are_strict() -> None:
    opening = signal((1, 5), (0.5, 5), (1, 5)).astype(np.float32)
    assert runs(closed_frames(opening, 0.5, 0.7, 1)) == []


def test_short_dip_is_listed_as_too_short_and_changes_nothing() -> None:
    opening = signal((1, 30), (0, 2), (1, 30), (0, 30), (1, 30))
    arm = run(demo(opening)).arms[0]
    assert arm.closures == (Closure(30, 32, "too_short"), Closure(62, 92, "interact"))
    assert spans(arm.phases) == [(G, 0, 62), (C, 62, 92), (R, 92, 122)]
    options = PhasesOptions(phase_start_offset=0.0, debounce_frames=2)
    assert run(demo(opening), options).arms[0].closures[0].verdict == "failure"


# --- d_min -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("durations", "length", "expected"),
    [
        ((), 100, 7),
        ((10,), 100, 7),  # 0.35 * 10 < 7
        ((40,), 100, 14),  # min(40, 40) * 0.35
        ((90,), 100, 14),  # budget: 40 frames
        ((40, 40, 40, 200), 1000, 14),  # median 40, budget 100
        ((300, 300), 1000, 70),  # budget 200 per attempt
    ],
)
def test_minimum_duration(durations: tuple[int, ...], length: int, expected: int) -> None:
    assert minimum_duration(durations, length, 7, 0.35, 0.4).frames == expected


def test_closure_shorter_than_d_min_is_a_failure_within_its_cycle() -> None:
    result = run(demo(signal((1, 40), (0, 8), (1, 20), (0, 60), (1, 60))))
    arm = result.arms[0]
    assert arm.d_min == 12  # 0.35 * min(34, 75.2 / 2) = 11.9
    assert spans(arm.phases) == [(G, 0, 40), (X, 40, 48), (G, 48, 68), (C, 68, 128), (R, 128, 188)]
    assert {p.cycle for p in arm.phases} == {0}
    assert "grasp_failure" in codes(result)


def test_closure_of_exactly_d_min_is_valid() -> None:
    opening = signal((1, 20), (0, 7), (1, 20)).astype(np.float32)
    candidates = collect_candidates(opening, 0.55, 0.65, 3)
    assert minimum_duration(candidates.durations, 47, 7, 0.35, 0.4).frames == 7
    assert judge_candidates(candidates, 7, 47) == (Closure(20, 27, "interact"),)
    assert judge_candidates(candidates, 8, 47) == (Closure(20, 27, "failure"),)


# --- layout and repairs ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("length", "release"),
    [
        (50, 10),  # nominal
        (17, 10),
        (16, 9),  # the grasp borrows one frame
        (14, 7),
        (10, 5),  # both get half
        (1, 1),
    ],
)
def test_open_span_is_split_between_release_and_approach(length: int, release: int) -> None:
    first = release_frames(length, LAYOUT)
    assert first - borrowed_frames(length, first, LAYOUT) == release


def test_back_to_back_grasps_are_not_merged() -> None:
    closures = [Closure(20, 40, "interact"), Closure(44, 60, "interact")]
    phases, _ = lay_out(closures, 80, "arm", LAYOUT)
    assert spans(phases) == [
        (G, 0, 20),
        (C, 20, 40),
        (R, 40, 42),
        (G, 42, 44),
        (C, 44, 60),
        (R, 60, 80),
    ]
    assert [p.cycle for p in phases] == [0, 0, 0, 1, 1, 1]


def test_failure_after_a_grasp_belongs_to_the_next_cycle() -> None:
    closures = [Closure(20, 40, "interact"), Closure(60, 63, "failure")]
    phases, _ = lay_out(closures, 80, "arm", LAYOUT)
    assert spans(phases)[2:] == [(R, 40, 50), (G, 50, 60), (X, 60, 63), (R, 63, 80)]
    assert [p.cycle for p in phases] == [0, 0, 0, 1, 1, 1]


def test_grasp_that_never_opens_has_no_release() -> None:
    assert spans(lay_out([Closure(5, 20, "interact")], 20, "arm", LAYOUT)[0]) == [
        (G, 0, 5),
        (C, 5, 20),
    ]


def test_rest_at_the_start_is_no_grasp() -> None:
    result = run(demo(signal((0.2, 40), (1, 30), (0, 50), (1, 30))))
    assert [c.verdict for c in result.arms[0].closures] == ["closed_at_start", "interact"]
    assert spans(result.merged) == [(G, 40, 70), (C, 70, 120), (R, 120, 150)]
    assert "closed_at_start" in codes(result)


def test_only_closure_counts_although_it_has_no_approach() -> None:
    result = run(demo(signal((0, 60), (1, 40))))
    assert spans(result.merged) == [(C, 0, 60), (R, 60, 100)]
    assert codes(result) == ["closed_at_start", "phases_disagree"]


# --- forward offset --------------------------------------------------------------------------


def test_each_boundary_moves_by_a_share_of_the_next_phase() -> None:
    result = run(demo(signal((1, 50), (0, 40), (1, 60))), PhasesOptions())
    assert spans(result.merged) == [(G, 0, 62), (C, 62, 108), (R, 108, 150)]
    assert [(p.measured_start, p.measured_end) for p in result.merged] == [
        (0, 50),
        (50, 90),
        (90, 150),
    ]


def test_offset_leaves_a_frame_to_every_phase() -> None:
    phases = [Phase(G, "arm", 0, 1, 0, 0, 1), Phase(C, "arm", 1, 2, 0, 1, 2)]
    assert spans(offset_forward(phases, 0.9)) == [(G, 0, 1), (C, 1, 2)]
