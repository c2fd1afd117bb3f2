"""Gripper signals as robots give them: widths, ticks, forces and currents in any unit."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.model.demonstration import ClosedIs
from pipeline.sources.gripper_channels import infer_direction
from pipeline.stages.phase_signal import alike, frame_noise, is_load, opening_signal
from pipeline.stages.phases import PhasesOptions
from tests.pipeline.phase_signals import C, G, R, codes, demo, run, signal, spans

GRASP = [(G, 0, 50), (C, 50, 90), (R, 90, 150)]


def noisy(values: np.ndarray, sigma: float) -> np.ndarray:
    return values + np.random.default_rng(1).normal(0, sigma, len(values))


# --- one grasp in many units -----------------------------------------------------------------

UNITS = {
    "force, N": ("gripper_force", signal((0, 50), (18, 40), (0, 60)), 0.2, ClosedIs.HIGH),
    "weak force, N": ("gripper_force", signal((0, 50), (3.8, 40), (0, 60)), 0.1, ClosedIs.HIGH),
    "force, mN": ("gripper_force", signal((0, 50), (18000, 40), (0, 60)), 200, ClosedIs.HIGH),
    "pulling force, N": ("wrench", signal((0, 50), (-12, 40), (0, 60)), 0.2, ClosedIs.LOW),
    "current, mA": ("gripper_current", signal((90, 50), (410, 40), (90, 60)), 8, ClosedIs.HIGH),
    "current, A": ("gripper_current", signal((0.09, 50), (0.41, 40), (0.09, 60)), 0.01,
                   ClosedIs.HIGH),
    "width, mm": ("gripper_width", signal((85, 50), (22, 40), (85, 60)), 0.2, ClosedIs.LOW),
    "width, m": ("gripper_width", signal((0.085, 50), (0.022, 40), (0.085, 60)), 2e-4,
                 ClosedIs.LOW),
    "ticks": ("gripper", signal((2020, 50), (2470, 40), (2020, 60)), 1, ClosedIs.HIGH),
    "angle, rad": ("gripper_joint", signal((-0.1, 50), (0.8, 40), (-0.1, 60)), 0.005,
                   ClosedIs.HIGH),
}  # fmt: skip


@pytest.mark.parametrize("unit", UNITS)
def test_the_same_grasp_in_every_unit(unit: str) -> None:
    what, values, sigma, closed_is = UNITS[unit]
    arm = run(demo(noisy(values, sigma), closed_is=closed_is, what=what)).arms[0]
    assert not arm.coarse, arm.coarse_reason
    assert [(p.name, p.start) for p in arm.phases] == [(G, 0), (C, 50), (R, 90)]
    tenth = 0.1 * np.ptp(values)
    closed, opened = values[60], values[10]
    assert arm.raw_low == pytest.approx(closed, abs=tenth)  # in the unit of the channel
    assert arm.raw_high == pytest.approx(opened, abs=tenth)


@pytest.mark.parametrize("unit", [u for u in UNITS if u not in ("pulling force, N",)])
def test_direction_is_inferred_in_every_unit(unit: str) -> None:
    what, values, _, closed_is = UNITS[unit]
    found, why = infer_direction(values.astype(np.float32)[:, None], None, (what,))
    assert found is closed_is, why


def test_force_that_overshoots_and_settles() -> None:
    force = signal((0, 50), (22, 2), (15, 38), (0, 60))
    arm = run(demo(noisy(force, 0.2), closed_is=ClosedIs.HIGH, what="force")).arms[0]
    assert spans(arm.phases) == GRASP


# --- what is a load, and what is its scale ---------------------------------------------------


@pytest.mark.parametrize(
    ("name", "load"),
    [
        ("left_gripper_force", True),
        ("gripperEffort", True),
        ("finger current (mA)", True),
        ("end_effector", False),
        ("current_position", False),
        ("gripper_width", False),
    ],
)
def test_loads_are_told_by_their_names(name: str, load: bool) -> None:
    assert is_load((name,)) is load


def test_arms_are_compared_only_if_their_channels_are_alike() -> None:
    assert alike(("left_gripper",), ("right_gripper",))
    assert alike(("l_finger_1", "l_finger_2"), ("r_finger_5", "r_finger_6"))
    assert not alike(("left_gripper_width",), ("right_gripper_ticks",))
    assert not alike(("left_gripper",), ("right_gripper", "right_thumb"))


def test_a_weak_force_would_be_flat_on_the_scale_of_positions() -> None:
    force = signal((0, 50), (3.8, 40), (0, 60)).astype(np.float32)[:, None]
    as_position = opening_signal(force, ClosedIs.HIGH, 1, 99)
    as_load = opening_signal(force, ClosedIs.HIGH, 1, 99, load=True)
    assert as_position.activity < PhasesOptions().min_activity < as_load.activity


def test_frame_noise_is_that_of_white_noise_and_ignores_steps() -> None:
    white = np.random.default_rng(0).normal(0, 0.3, 4000)
    assert frame_noise(white) == pytest.approx(0.3, rel=0.05)
    ramp = np.linspace(0, 5, 4000) + np.repeat([0.0, 8.0], 2000)
    assert frame_noise(ramp) == pytest.approx(0.0, abs=1e-9)


# --- idle arms -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "closed_is", "grasp", "idle"),
    [
        # Alone each of these drifts would look like a whole range: 0..0.4 N, 0..0.1 mm, 0..12 mA.
        ("force", ClosedIs.HIGH, (0.0, 20.0), (0.0, 0.4)),
        ("gripper_width", ClosedIs.LOW, (85.0, 20.0), (0.0, 0.1)),
        ("current", ClosedIs.HIGH, (90.0, 600.0), (0.0, 12.0)),
        ("gripper", ClosedIs.HIGH, (2020.0, 2470.0), (60.0, 69.0)),
    ],
)
def test_idle_second_arm_that_drifts_by_2_percent(
    what: str, closed_is: ClosedIs, grasp: tuple[float, float], idle: tuple[float, float]
) -> None:
    rest, held = grasp
    active = signal((rest, 50), (held, 40), (rest, 60))
    low, high = idle
    drift = low + (high - low) * (0.5 - 0.5 * np.cos(np.arange(150) / 20))
    result = run(demo(drift, active, closed_is=closed_is, what=what))
    left, right = result.arms
    assert left.coarse
    assert left.phases == ()
    assert left.activity < 0.03
    assert result.active_arm == "right"
    assert spans(right.phases) == GRASP
    assert codes(result) == []
    if what != "gripper":
        assert not run(demo(drift, closed_is=closed_is, what=what)).arms[0].coarse


# --- hands that do not go from end to end ----------------------------------------------------


def test_thick_object_stops_the_fingers_at_60_percent_and_is_all_there_is() -> None:
    """Nothing else closes further, so the trajectory's own range makes 0.6 the closed end."""
    arm = run(demo(noisy(signal((1, 50), (0.6, 40), (1, 60)), 0.003))).arms[0]
    assert [(p.name, p.start) for p in arm.phases] == [(G, 0), (C, 50), (R, 90)]
    assert arm.raw_low == pytest.approx(0.6, abs=0.02)


def test_thick_object_at_60_percent_beside_a_full_closure_is_seen_by_the_second_opinion() -> None:
    values = signal((1, 50), (0.62, 60), (1, 50), (0, 60), (1, 50))
    result = run(demo(values))
    assert [c.start for c in result.arms[0].closures] == [160]
    assert "phases_disagree" in codes(result)
    other = run(demo(values), PhasesOptions(phase_start_offset=0.0, rule="local_drop")).arms[0]
    assert [(p.start, p.end) for p in other.phases if p.name is C] == [(50, 110), (160, 220)]


def test_hand_that_rests_half_closed_before_and_after() -> None:
    """Rest at 0.45, opens, grasps at 0, opens, rests: the published rule sees three closures."""
    values = signal((0.45, 40), (1, 30), (0, 60), (1, 30), (0.45, 40))
    result = run(demo(values))
    verdicts = [c.verdict for c in result.arms[0].closures]
    assert verdicts == ["closed_at_start", "interact", "interact"]
    assert {"closed_at_start", "phases_disagree"} <= set(codes(result))
    other = run(demo(values), PhasesOptions(phase_start_offset=0.0, rule="local_drop"))
    assert [(p.start, p.end) for p in other.merged if p.name is C] == [(70, 130)]


def test_closed_from_frame_0_and_a_grasp_after_it() -> None:
    result = run(demo(signal((20, 40), (85, 30), (20, 50), (85, 30)), what="gripper_width"))
    assert spans(result.merged) == [(G, 40, 70), (C, 70, 120), (R, 120, 150)]
    assert "closed_at_start" in codes(result)
