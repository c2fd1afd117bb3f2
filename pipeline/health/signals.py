"""Rules about state and action: what never changes, what jumps, what is the same."""

from __future__ import annotations

import hashlib

import numpy as np

from pipeline.health.codes import finding
from pipeline.health.options import HealthOptions
from pipeline.model.arrays import F32, F64, Bool
from pipeline.model.problem import Problem
from pipeline.sources.gripper_channels import arm_of, is_opening, tokens

_LEAST_FRAMES = 10
"""Shorter episodes may well rest throughout."""
_FEW_VALUES = 12
"""A channel with fewer distinct values is a switch, and switches jump."""
_RATES = frozenset(
    {"velocity", "vel", "speed", "effort", "force", "torque", "current", "acceleration", "acc"}
    | {"qvel", "temperature", "contact"}
)
"""Quantities that may change at once."""
_TURNS = (2 * np.pi, 360.0)


def content_hash(state: F32, action: F32) -> str:
    """Hash of all values, empty if there are none.

    Args:
        state: (T, S).
        action: (T, A).
    """
    if not state.size and not action.size:
        return ""
    digest = hashlib.blake2b(digest_size=16)
    for table in (state, action):
        digest.update(str(table.shape).encode())
        digest.update(np.ascontiguousarray(table, np.float32).tobytes())
    return digest.hexdigest()


def changing(values: F32) -> Bool:
    """(C,) bool: which channels change at all; NaN throughout counts as no change.

    Args:
        values: (T, C).
    """
    return np.asarray(spans(values) > 0, np.bool_)


def spans(values: F32) -> F64:
    """(C,) float64: largest minus smallest value of each channel, 0 where it has none.

    Args:
        values: (T, C).
    """
    if not values.size:
        return np.zeros(values.shape[1])
    known = np.isfinite(values)
    low = np.where(known, values, np.inf).min(axis=0).astype(np.float64)
    high = np.where(known, values, -np.inf).max(axis=0).astype(np.float64)
    return np.where(known.any(axis=0), high - low, 0.0)


def constant_problems(
    state: F32,
    state_names: tuple[str, ...],
    action: F32,
    action_names: tuple[str, ...],
    grippers: frozenset[str] = frozenset(),
) -> list[Problem]:
    """Channels, arms or whole signals that never change.

    Args:
        state: (T, S).
        state_names: S names.
        action: (T, A).
        action_names: A names.
        grippers: Names of gripper channels; they have rules of their own.
    """
    if not state.shape[1] and not action.shape[1]:
        return [finding("signals_missing", "the episode has no state and no action")]
    if len(state) < _LEAST_FRAMES:
        return []
    moves, commanded = changing(state), changing(action)
    problems = []
    if len(moves) and not moves.any():
        text = f"none of the {len(moves)} channels of the state ever changes"
        problems.append(finding("state_constant", text))
    if len(commanded) and not commanded.any() and (moves.any() or not len(moves)):
        text = f"none of the {len(commanded)} channels of the action ever changes"
        problems.append(finding("action_constant", text))
    still_arm = ""
    if moves.any():
        recorded = np.flatnonzero(np.isfinite(state).any(axis=0)).tolist()
        arms = np.array([arm_of(n) if i in recorded else "" for i, n in enumerate(state_names)])
        by_arm = {arm: bool(moves[arms == arm].any()) for arm in ("left", "right") if arm in arms}
        if len(by_arm) == 2 and sum(by_arm.values()) == 1:
            still_arm = next(arm for arm, any_moves in by_arm.items() if not any_moves)
            count = int((arms == still_arm).sum())
            text = f"none of the {count} state channels of the {still_arm} arm ever changes"
            problems.append(finding("arm_constant", text))
    for kind, names, values, does in (
        ("state", state_names, state, moves),
        ("action", action_names, action, commanded),
    ):
        # NaN throughout belongs to a robot part that this episode lacks.
        there = np.isfinite(values).any(axis=0)
        candidates = [names[i] for i in np.flatnonzero(there & ~does)]
        still = [n for n in candidates if n not in grippers and arm_of(n) != still_arm]
        if still and does.any():
            text = f"{len(still)} of {len(names)} channels of the {kind} never change: "
            problems.append(finding("channel_constant", text + _some(still)))
    return problems


def jump_problems(state: F32, names: tuple[str, ...], options: HealthOptions) -> list[Problem]:
    """State channels that jump further in one frame than the rest of the episode lets expect.

    Grippers, switches, speeds and forces may change at once and are left out; so is a turn of an
    angle from one end of its range to the other.

    Args:
        state: (T, S).
        names: S names.
        options: Thresholds.
    """
    if len(state) < _LEAST_FRAMES or not state.shape[1]:
        return []
    state = np.where(np.isfinite(state), state, np.float32(np.nan))
    steps = np.nan_to_num(np.abs(np.diff(state.astype(np.float64), axis=0)))
    span, usual = spans(state), np.percentile(steps, 95, axis=0)
    found = steps > np.maximum(options.jump_ratio * usual, options.jump_share * span)
    # Where almost everything rests, any start would be a jump.
    found[:, usual <= 1e-6 * span] = False
    for turn in _TURNS:
        found &= np.abs(steps - turn) > 0.05 * turn
    for channel in np.flatnonzero(found.any(axis=0)):
        known = state[np.isfinite(state[:, channel]), channel]
        if (
            is_opening(names[channel])
            or set(tokens(names[channel])) & _RATES
            or len(np.unique(known)) < _FEW_VALUES
        ):
            found[:, channel] = False
    frames = np.flatnonzero(found.any(axis=1))
    if not len(frames):
        return []
    columns = np.flatnonzero(found.any(axis=0))
    inside = steps[:, columns] / span[columns]
    frame, column = np.unravel_index(int(np.argmax(inside * found[:, columns])), inside.shape)
    text = (
        f"the state jumps at {len(frames)} frame{'' if len(frames) == 1 else 's'}, most at frame "
        f"{frame + 1}: {names[columns[column]]} by {steps[frame, columns[column]]:.3g}, "
        f"{inside[frame, column]:.0%} of its range"
    )
    return [finding("state_jump", text, int(frame) + 1)]


def _some(names: list[str]) -> str:
    """The first names, for a sentence."""
    shown = ", ".join(names[:4])
    return shown if len(names) <= 4 else f"{shown} and {len(names) - 4} more"
