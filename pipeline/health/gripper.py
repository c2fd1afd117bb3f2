"""Rules about the gripper: whether it moves, glitches, is cut off, and which end is closed."""

from __future__ import annotations

import numpy as np

from pipeline.health.codes import finding
from pipeline.health.options import HealthOptions
from pipeline.health.signals import changing, spans
from pipeline.health.values import GripperRange
from pipeline.model.arrays import F32, F64
from pipeline.model.demonstration import ClosedIs, Demonstration, GripperChannels
from pipeline.model.problem import Problem
from pipeline.sources.gripper_channels import infer_direction

_STRONG = "the command stays"
"""How `infer_direction` begins to speak of evidence that does not depend on how episodes start."""
_WEAK = ("no evidence", "the signal never moves", "no episode to infer from")
"""What it says where it has none."""
_MANY_VALUES = 16
"""A channel with fewer distinct values is a switch: always at one end."""


def channel_values(demonstration: Demonstration, channels: GripperChannels) -> F32:
    """(T, C) float32 values of one arm's gripper channels; C is 0 if the episode lacks them."""
    table = demonstration.state if channels.signal == "state" else demonstration.action
    if not all(0 <= i < table.shape[1] for i in channels.indices):
        return np.zeros((len(table), 0), np.float32)
    return table[:, list(channels.indices)]


def gripper_range(demonstration: Demonstration, channels: GripperChannels) -> GripperRange:
    """How far a gripper moved, and which end the episode shows to be closed."""
    values = channel_values(demonstration, channels)
    usable = ~np.isnan(values).all(axis=0) if len(values) else np.zeros(0, np.bool_)
    if not usable.any():
        return GripperRange(channels.arm, channels.closed_is, (), ())
    kept = values[:, usable]
    return GripperRange(
        channels.arm,
        channels.closed_is,
        tuple(map(float, np.nanmin(kept, axis=0))),
        tuple(map(float, np.nanmax(kept, axis=0))),
        _evidence(demonstration, channels, values),
    )


def _evidence(
    demonstration: Demonstration, channels: GripperChannels, values: F32
) -> ClosedIs | None:
    """The closed end by what the episode alone shows: commands beyond what the fingers reach."""
    names = demonstration.action_names
    if channels.signal != "state" or not all(n in names for n in channels.names):
        return None
    commanded = demonstration.action[:, [names.index(n) for n in channels.names]]
    # Without names: they may say which end is closed, and that is not the episode's evidence.
    closed, why = infer_direction(values, commanded, ())
    return closed if why.startswith(_STRONG) else None


def gripper_problems(demonstration: Demonstration, options: HealthOptions) -> list[Problem]:
    """What is doubtful about the grippers of one episode, seen by itself."""
    problems: list[Problem] = []
    moved = False
    for channels in demonstration.grippers:
        values = channel_values(demonstration, channels)
        if not changing(values).any():
            continue
        moved = True
        for column, name in enumerate(channels.names[: values.shape[1]]):
            series = values[:, column].astype(np.float64)
            label = f"{channels.arm} gripper ({name})"
            problems += spike_problems(label, series, options)
            if channels.signal == "state":
                problems += plateau_problems(label, series, options)
    if demonstration.grippers and not moved and demonstration.length >= 2:
        arms = ", ".join(g.arm for g in demonstration.grippers)
        problems.append(finding("gripper_idle", f"the gripper never moves ({arms})"))
    return problems


def spike_problems(label: str, series: F64, options: HealthOptions) -> list[Problem]:
    """Single frames at which a gripper's signal leaves its course and comes back.

    Args:
        label: Names the channel.
        series: (T,) its values.
        options: Thresholds.
    """
    series = np.where(np.isfinite(series), series, np.nan)
    span = float(spans(series[:, None].astype(np.float32))[0])
    if len(series) < 5 or span <= 0:
        return []
    before, after = series[1:-1] - series[:-2], series[1:-1] - series[2:]
    with np.errstate(invalid="ignore"):
        high = np.minimum(before, after) > options.spike_share * span
        low = np.maximum(before, after) < -options.spike_share * span
    where = np.flatnonzero(high | low) + 1
    if not len(where):
        return []
    text = (
        f"{label}: {len(where)} single frame{'' if len(where) == 1 else 's'} off by more than "
        f"{options.spike_share:.0%} of its range, the first is {where[0]}"
    )
    return [finding("gripper_spike", text, int(where[0]))]


def plateau_problems(label: str, series: F64, options: HealthOptions) -> list[Problem]:
    """A noisy signal that rests exactly at one end of its range: it is cut off there.

    Signals without noise (simulation, switches) rest exactly anywhere, and say nothing.

    Args:
        label: Names the channel.
        series: (T,) its values.
        options: Thresholds.
    """
    known = series[np.isfinite(series)]
    if len(known) < 2 * _MANY_VALUES or len(np.unique(known)) < _MANY_VALUES:
        return []
    for end, limit in (("lowest", float(known.min())), ("highest", float(known.max()))):
        at_end = known == limit
        resting = np.diff(known) == 0
        elsewhere = ~(at_end[1:] & at_end[:-1])
        share = float(at_end.mean())
        noisy = elsewhere.any() and float(resting[elsewhere].mean()) < 0.02
        if share > options.plateau_share and noisy:
            text = f"{label}: {share:.0%} of the frames are exactly at its {end} value {limit:.4g}"
            return [finding("gripper_saturates", text, int(np.argmax(series == limit)))]
    return []


def direction_problems(grippers: tuple[GripperChannels, ...]) -> dict[str, Problem]:
    """Grippers of a dataset whose closed end was assumed without evidence, by arm."""
    return {
        g.arm: finding(
            "gripper_direction_doubtful",
            f"{g.arm} gripper: {g.closed_is.value} is taken as closed, but nothing shows it",
        )
        for g in grippers
        if g.origin == "guessed" and any(weak in g.reason for weak in _WEAK)
    }
