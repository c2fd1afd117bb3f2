"""Options of the gripper phases (SPARC B.1.1 and table 5)."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.model.options import option

_PAPER = "SPARC table 5"


@dataclass(frozen=True)
class PhasesOptions:
    """Options of the phase detector; the fields say themselves what they are."""

    closure_threshold: float = option(
        0.6,
        "tau: the gripper counts as closed below this opening (minus the offset).",
        low=0.0,
        high=1.0,
        source=_PAPER,
    )
    hysteresis_offset: float = option(
        0.05,
        "delta: closed only under tau - delta, open again only over tau + delta.",
        low=0.0,
        high=0.5,
        source=_PAPER,
    )
    min_phase_frames: int = option(
        7,
        "Smallest d_min: shorter closures are always grasp failures.",
        unit="frames",
        low=1,
        high=1000,
        source=_PAPER,
    )
    phase_start_offset: float = option(
        0.3,
        "Each boundary moves forward by this share of the phase after it, so that keyframes show "
        "contact and first motion.",
        low=0.0,
        high=0.9,
        source=_PAPER,
    )
    duration_factor: float = option(
        0.35,
        "c in d_min = max(7, c * min(median(d), B / K)). The paper gives no value.",
        low=0.0,
        high=1.0,
    )
    interaction_budget: float = option(
        0.4,
        "B as a share of the trajectory: how much of it is expected to be contact. The paper gives "
        "no value.",
        low=0.0,
        high=1.0,
    )
    debounce_frames: int = option(
        3,
        "Consecutive frames that a change between open and closed needs. The paper says several.",
        unit="frames",
        low=1,
        high=100,
    )
    low_percentile: float = option(
        1.0,
        "Percentile of the signal that maps to 0, after single-frame spikes are removed.",
        unit="%",
        low=0.0,
        high=25.0,
    )
    high_percentile: float = option(
        99.0,
        "Percentile of the signal that maps to 1, after single-frame spikes are removed.",
        unit="%",
        low=75.0,
        high=100.0,
    )
    min_activity: float = option(
        0.06,
        "A signal whose range is under this share of what its channels can plausibly do is flat: "
        "an arm that rests drifts by 2 to 4 %, encoder ticks use about 11 % of a turn. Forces and "
        "currents are measured against the largest that was reached.",
        low=0.0,
        high=1.0,
    )
    min_signal_to_noise: float = option(
        6.0,
        "A signal whose range is under this many standard deviations of its noise from frame to "
        "frame is flat, whatever its unit: pure noise spans 3 to 5, the faintest real grasp "
        "dozens.",
        low=0.0,
        high=100.0,
    )
    release_seconds: float = option(
        1.0,
        "Nominal length of a release that another closure follows; it ends early when the gripper "
        "closes again.",
        unit="s",
        low=0.0,
        high=60.0,
    )
    approach_frames: int = option(
        7,
        "Frames of approach that a grasp keeps, borrowed from the release before it if need be.",
        unit="frames",
        low=1,
        high=1000,
    )
    rule: str = option(
        "published",
        "published: thresholds on the whole trajectory's range. local_drop: a closure is a drop "
        "from the opening just before it; better for grippers that rest closed or half closed. "
        "checked: published, unless the commands side with local_drop: something stops the "
        "fingers in all its closures, and nothing does in those that only published has.",
        choices=("published", "checked", "local_drop"),
    )
    local_drop: float = option(
        0.25,
        "Smallest drop, as a share of the range, that the second opinion takes for a closure.",
        low=0.05,
        high=1.0,
    )
