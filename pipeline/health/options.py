"""Thresholds of the examination of datasets, each with its unit and why."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.model.options import option


@dataclass(frozen=True)
class HealthOptions:
    """Thresholds; the fields say themselves what they are."""

    exact_milliseconds: float = option(
        1.0,
        "A picture this near to its row counts as exact: float32 timestamps and the time bases of "
        "containers (1/1000 s in Matroska) are no finer.",
        unit="ms",
        low=0.0,
        high=1000.0,
    )
    gap_periods: float = option(
        1.6,
        "A step between timestamps longer than this is a gap: one missing row makes 2, the jitter "
        "of a recorder that keeps its rate stays under 1.5.",
        unit="frame periods",
        low=1.0,
        high=100.0,
    )
    jitter_share: float = option(
        0.1,
        "Timestamps are uneven if one step in twenty is off by more than this share of a period.",
        unit="frame periods",
        low=0.0,
        high=1.0,
    )
    fps_tolerance: float = option(
        0.01,
        "Rates that differ by less are the same: 29.97 is declared as 30.",
        low=0.0,
        high=1.0,
    )
    drift_linearity: float = option(
        0.2,
        "An offset that grows is drift if it stays this near to a straight line (share of what it "
        "grew by); a single dropped picture is a step and stays above 0.3.",
        low=0.0,
        high=1.0,
    )
    jump_ratio: float = option(
        15.0,
        "A step of a channel is a jump if it exceeds this multiple of the 95th percentile of the "
        "episode's steps: a quick start reaches 3 to 6 times of it.",
        low=1.0,
        high=1000.0,
    )
    jump_share: float = option(
        0.2,
        "... and this share of the channel's range, so that noise of a resting joint is none.",
        low=0.0,
        high=1.0,
    )
    spike_share: float = option(
        0.3,
        "A spike of the gripper is a single frame this far from both neighbours (share of its "
        "range): fingers cannot go and come back within two frames.",
        low=0.0,
        high=1.0,
    )
    plateau_share: float = option(
        0.25,
        "A noisy gripper signal is cut off if it rests exactly at one end for this share.",
        low=0.0,
        high=1.0,
    )
    closing_share: float = option(
        0.3,
        "A gripper that reaches less than this share of the dataset's usual way from open to "
        "closed never closes; holding a large thing still takes more than half of it.",
        low=0.0,
        high=1.0,
    )
    exception_share: float = option(
        0.2,
        "... unless more than this share of the episodes does the same: pushing and turning need "
        "no grasp.",
        low=0.0,
        high=1.0,
    )
    peers: int = option(
        5,
        "Episodes that must be known before one is compared with the others.",
        unit="episodes",
        low=2,
        high=1000,
    )
    length_z: float = option(
        5.0,
        "Robust z of the logarithm of the length (0.6745 (x - median) / MAD) beyond which an "
        "episode is very short or very long; lengths are skewed, their logarithm hardly.",
        low=1.0,
        high=100.0,
    )
    length_ratio: float = option(
        3.0,
        "... and it must be this many times shorter or longer than the median, so that datasets "
        "whose episodes are nearly equal do not flag small differences.",
        low=1.0,
        high=100.0,
    )
    shortest_seconds: float = option(
        0.5,
        "Shorter episodes hold no whole motion, whatever the others do.",
        unit="s",
        low=0.0,
        high=60.0,
    )
    foreign_share: float = option(
        0.2,
        "More letters than this outside ASCII are hardly English.",
        low=0.0,
        high=1.0,
    )
    deep: bool = option(False, "Decode a few pictures of every camera: frozen, black, broken.")
    deep_pictures: int = option(
        6,
        "Pictures that are decoded of each camera, evenly spread.",
        unit="pictures",
        low=2,
        high=100,
    )
    black_level: float = option(
        4.0,
        "Pictures whose brightest percentile stays below are black: sensors show 1 to 3.",
        unit="grey levels",
        low=0.0,
        high=255.0,
    )
    frozen_difference: float = option(
        0.05,
        "Pictures that differ by less on average are the same: an encoder repeats a still picture "
        "exactly, the noise of a living camera is above 0.3.",
        unit="grey levels",
        low=0.0,
        high=255.0,
    )
