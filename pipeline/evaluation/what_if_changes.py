"""What a what-if question changes: one option of the score, or one phase boundary."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from pipeline.model.options import OptionInfo, describe, with_option
from pipeline.model.subtask import Subtask
from pipeline.scoring.formula import ScoresOptions

_WORDS = {
    "interact_exponent": "exponent of m_in",
    "non_interact_exponent": "exponent of m_out",
    "detector_base_weight": "detector weight",
    "adaptive_slope": "adaptive slope",
    "sphere_radius_scale": "sphere radius scale",
    "object_size_mix": "object size in the sphere",
    "radius_cap": "cap of the circle's radius",
    "proximity_frames": "frames that proximity counts",
    "overlap_onset": "onset of the overlap penalty",
    "penalty_scale": "scale of the overlap penalty",
    "depth_attenuation": "depth attenuation of the penalty",
    "full_overlap_spike": "extra penalty of full overlap",
    "full_overlap_threshold": "threshold of full overlap",
    "depth_relief_low": "depth gap where relief begins",
    "depth_relief_high": "depth gap of full relief",
    "overlap_approach_frames": "approach frames for overlap",
    "overlap_share": "share of keyframes that overlap counts",
    "neutral_motion": "motion without spread",
    "smoothing_window": "smoothing window of motion",
}
_TERMS = {
    "motion": (
        "interact_exponent",
        "non_interact_exponent",
        "noise_floor",
        "motion_weight",
        "smoothing_window",
        "neutral_motion",
    ),
    "detector": ("detector_base_weight", "adaptive_slope"),
    "proximity": (
        "proximity_weight",
        "sphere_radius_scale",
        "object_size_mix",
        "radius_cap",
        "proximity_frames",
    ),
}
_INFOS: dict[str, OptionInfo] = {i.name: i for i in describe(ScoresOptions)}
VARIED = tuple(n for n in _INFOS if n not in ("near_tie_margin", "robot_overlap_warning"))
"""Options that enter R; the two others only say what is doubtful."""


@dataclass(frozen=True, slots=True)
class OptionChange:
    """Another value of one option of the scores stage.

    Attributes:
        name: Option of `ScoresOptions`.
        value: New value.
    """

    name: str
    value: float | str

    stage = "scores"

    @property
    def info(self) -> OptionInfo:
        """What the options say about it: range, default, unit, help."""
        return _INFOS[self.name]

    @property
    def words(self) -> str:
        """What people call it."""
        return _WORDS.get(self.name, self.name.replace("_", " "))

    @property
    def term(self) -> str:
        """Term that it enters: `motion`, `detector`, `proximity` or `overlap`."""
        return next((term for term, names in _TERMS.items() if self.name in names), "overlap")

    def at(self, value: float | str) -> OptionChange:
        """The same option with another value."""
        return replace(self, value=value)

    def applied_to(self, options: ScoresOptions) -> ScoresOptions:
        """Options with the change; ValueError outside the documented range."""
        value: Any = self.value
        return with_option(options, self.name, self.info.type(value))


@dataclass(frozen=True, slots=True)
class BoundaryChange:
    """A phase boundary of the subtask's arm at another frame.

    Attributes:
        arm: Which arm.
        index: Boundary between phases `index` and `index + 1` of the arm, as in `MoveBoundary`.
        frame: New frame.
        place: Position of the phase after it within the subtask.
        between: Names of the phases before and after it; empty before the first.
    """

    arm: str
    index: int
    frame: int
    place: int
    between: tuple[str, str]

    @property
    def name(self) -> str:
        """Tells boundaries apart."""
        return f"boundary/{self.arm}/{self.index}"

    @property
    def words(self) -> str:
        """What people call it."""
        before, after = self.between
        return f"start of {after}" if not before else f"boundary {before} | {after}"

    @property
    def term(self) -> str:
        """Boundaries decide which motion counts as interaction."""
        return "motion"

    def at(self, value: float | str) -> BoundaryChange:
        """The same boundary at another frame."""
        return replace(self, frame=int(value))

    def applied_to(self, subtask: Subtask) -> Subtask:
        """The subtask with the boundary moved; its keyframe, boxes and tracks are not its affair.

        The clip begins as long before the first phase as it did.
        """
        phases = list(subtask.phases)
        here = phases[self.place]
        start = subtask.start
        if self.place:
            phases[self.place - 1] = phases[self.place - 1].moved(end=self.frame)
        else:
            start += self.frame - here.start
        phases[self.place] = here.moved(start=self.frame)
        return replace(subtask, phases=tuple(phases), start=start)


Change = OptionChange | BoundaryChange
