"""Human corrections: inputs of stages, never patches on outputs.

An edit names its stage and, where there is one, its subtask. Edits of the same `slot` supersede
each other, so that the newest counts; all of them stay in the store.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self, get_args

from pydantic import ConfigDict, Field, TypeAdapter, model_validator

from pipeline.model.candidate import Box
from pipeline.model.caption_edits import CritiqueCaption as CritiqueCaption
from pipeline.model.caption_edits import JudgeCaption as JudgeCaption
from pipeline.model.caption_edits import ReviewCaption as ReviewCaption
from pipeline.model.caption_edits import TagCaption as TagCaption
from pipeline.model.demonstration import Combine, MotionKind
from pipeline.model.edit_base import EPISODE_SCOPE as EPISODE_SCOPE
from pipeline.model.edit_base import EditBase
from pipeline.model.phases import PhaseName

_LATE = ConfigDict(defer_build=True)
"""Validators are made on first use, not while the window starts."""

MAX_PICTURE_SIDE = 16_384
"""Longest side of a picture on which a mask is taken; decoding one is bounded by it."""
MAX_PICTURE_PIXELS = 1 << 26
"""Most pixels of such a picture: 8192 x 8192."""
MAX_MASK_RUNS = 1 << 18
"""Most runs of a painted mask; a wild brush leaves some thousands."""

Percentile = Annotated[float, Field(ge=0.0, le=100.0)]


class SetChannels(EditBase):
    """Choose the gripper channels of one arm (for the whole dataset), or say it has no gripper.

    Attributes:
        arm: `left`, `right`, `arm` or a name given by a person.
        signal: The array the indices point into.
        indices: Columns, at least one unless removed.
        closed_is: Which end is closed.
        combine: How several columns become one opening.
        percentiles: Percentiles (low, high) taken as the ends, None: those of the stage's options.
        removed: True if the dataset has no such arm after all.
    """

    kind: Literal["set_channels"] = "set_channels"
    stage: ClassVar[str] = "phases"
    arm: str = Field(min_length=1, max_length=40)
    signal: Literal["state", "action"]
    indices: tuple[int, ...]
    closed_is: Literal["low", "high"]
    combine: Combine = Combine.MEAN
    percentiles: tuple[Percentile, Percentile] | None = None
    removed: bool = False

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if not self.indices and not self.removed:
            raise ValueError(f"no channel for the gripper of {self.arm}")
        if self.percentiles is not None and self.percentiles[0] >= self.percentiles[1]:
            raise ValueError(f"percentiles {self.percentiles} do not rise")
        return self

    @property
    def slot(self) -> str:
        return f"phases/channels/{self.arm}"

    @property
    def title(self) -> str:
        return f"{'remove ' if self.removed else ''}gripper channels of {self.arm}"


class SetMotion(EditBase):
    """Choose the channels by whose rate an arm counts as moving (for the whole dataset).

    Attributes:
        arm: As in `SetChannels`.
        signal: The array the indices point into.
        indices: Columns.
        motion: What they measure.
    """

    kind: Literal["set_motion"] = "set_motion"
    stage: ClassVar[str] = "robot"
    arm: str = Field(min_length=1, max_length=40)
    signal: Literal["state", "action"]
    indices: tuple[int, ...] = Field(min_length=1)
    motion: MotionKind = MotionKind.JOINT

    @property
    def slot(self) -> str:
        return f"robot/motion/{self.arm}"

    @property
    def title(self) -> str:
        return f"motion channels of {self.arm}"


class MoveBoundary(EditBase):
    """Move the boundary between phases `index` and `index + 1` of an arm (-1: the first start)."""

    kind: Literal["move_boundary"] = "move_boundary"
    stage: ClassVar[str] = "phases"
    arm: str
    index: int = Field(ge=-1)
    frame: int = Field(ge=0)

    @property
    def slot(self) -> str:
        return f"phases/boundary/{self.arm}/{self.index}"

    @property
    def title(self) -> str:
        return f"move phase boundary to frame {self.frame}"


class _Restructure(EditBase):
    """Changes which phases an arm has: boundaries moved before it are not those moved after it.

    Attributes:
        arm: Which arm.
    """

    stage: ClassVar[str] = "phases"
    arm: str

    @property
    def seals(self) -> str:
        return f"phases/boundary/{self.arm}/"


class SplitPhase(_Restructure):
    """Cut a phase of an arm in two; found again by a frame inside it and its name.

    Attributes:
        frame: First frame of the second part.
        was: Name of the phase when it was split.
        before: Name of the first part.
        after: Name of the second part.
    """

    kind: Literal["split_phase"] = "split_phase"
    frame: int = Field(ge=1)
    was: PhaseName
    before: PhaseName
    after: PhaseName

    @property
    def title(self) -> str:
        return f"split {self.was.words} at frame {self.frame}, then {self.after.words}"


class MergePhases(_Restructure):
    """Make two neighbouring phases of an arm one; found again by their names, nearest to a frame.

    Attributes:
        frame: Boundary between them when they were merged.
        first: Name of the phase before it then.
        second: Name of the phase after it then.
        name: Name of what they become.
    """

    kind: Literal["merge_phases"] = "merge_phases"
    frame: int = Field(ge=1)
    first: PhaseName
    second: PhaseName
    name: PhaseName

    @property
    def title(self) -> str:
        return f"merge {self.first.words} and {self.second.words} at frame {self.frame}"


class NamePhase(_Restructure):
    """Give a phase of an arm another name; found again by a frame inside it and its name.

    Attributes:
        frame: A frame inside it when it was named.
        was: Its name then.
        name: Its new name.
    """

    kind: Literal["name_phase"] = "name_phase"
    frame: int = Field(ge=0)
    was: PhaseName
    name: PhaseName

    @property
    def title(self) -> str:
        return f"call {self.was.words} at frame {self.frame} {self.name.words}"


class Rename(EditBase):
    """Give the object and the target of a subtask other names."""

    kind: Literal["rename"] = "rename"
    stage: ClassVar[str] = "subtasks"
    object_name: str = Field(min_length=1)
    target_name: str = ""

    @property
    def slot(self) -> str:
        return f"subtasks/name/{self.subtask}"

    @property
    def title(self) -> str:
        return f"rename object to “{self.object_name}”"


class AddBox(EditBase):
    """A box drawn by a person joins the candidates (`role` object) or the targets."""

    kind: Literal["add_box"] = "add_box"
    stage: ClassVar[str] = "proposals"
    box: Box
    role: Literal["object", "target"] = "object"

    @property
    def slot(self) -> str:
        return f"proposals/{self.role}/{self.subtask}/" + ",".join(f"{v:.0f}" for v in self.box)

    @property
    def title(self) -> str:
        return f"draw {self.role} box"


class FixBox(EditBase):
    """Replace a candidate's box; the candidate is found again by its old box."""

    kind: Literal["fix_box"] = "fix_box"
    stage: ClassVar[str] = "proposals"
    old_box: Box
    box: Box

    @property
    def slot(self) -> str:
        return f"proposals/fix/{self.subtask}/" + ",".join(f"{v:.0f}" for v in self.old_box)

    @property
    def title(self) -> str:
        return "fix candidate box"


class _Painted(EditBase):
    """A mask on a picture.

    Attributes:
        height: Of the picture, pixels.
        width: Of the picture, pixels.
        runs: The mask, see `pipeline.model.mask_runs`.
    """

    height: int = Field(ge=1, le=MAX_PICTURE_SIDE)
    width: int = Field(ge=1, le=MAX_PICTURE_SIDE)
    runs: tuple[Annotated[int, Field(ge=0)], ...] = Field(max_length=MAX_MASK_RUNS)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        pixels = self.height * self.width
        if pixels > MAX_PICTURE_PIXELS:
            raise ValueError(f"a picture of {self.width}x{self.height} is too large")
        if sum(self.runs) != pixels:
            raise ValueError(f"runs of {sum(self.runs)} pixels on {self.width}x{self.height}")
        return self


class PaintMask(_Painted):
    """Replace a candidate's mask; the candidate is found again by its box.

    Attributes:
        box: Its box when it was painted.
        candidate: Its number then, for people; the box decides.
    """

    kind: Literal["paint_mask"] = "paint_mask"
    stage: ClassVar[str] = "masks"
    box: Box
    candidate: int = Field(ge=0)

    @property
    def slot(self) -> str:
        return f"masks/paint/{self.subtask}/" + ",".join(f"{v:.0f}" for v in self.box)

    @property
    def title(self) -> str:
        return f"paint mask of candidate #{self.candidate}"


class MarkRobot(EditBase):
    """Point at the robot: what a segmenter grows from the click is the active arm.

    Attributes:
        frame: Frame of the episode.
        point: x and y in pixels of that frame.
        inside: False to say that this is not the robot.
    """

    kind: Literal["mark_robot"] = "mark_robot"
    stage: ClassVar[str] = "robot"
    frame: int = Field(ge=0)
    point: tuple[float, float]
    inside: bool = True

    @property
    def slot(self) -> str:
        x, y = self.point
        return f"robot/mark/{self.subtask}/{self.frame}/{x:.0f},{y:.0f}"

    @property
    def title(self) -> str:
        return f"mark {'the robot' if self.inside else 'what is not the robot'}"


class PaintRobot(_Painted):
    """Robot mask of one frame, painted or imported; it replaces what the backend found there.

    Attributes:
        frame: Frame of the episode.
    """

    kind: Literal["paint_robot"] = "paint_robot"
    stage: ClassVar[str] = "robot"
    frame: int = Field(ge=0)

    @property
    def slot(self) -> str:
        return f"robot/paint/{self.subtask}/{self.frame}"

    @property
    def title(self) -> str:
        return f"robot mask of frame {self.frame}"


class ChooseCandidate(EditBase):
    """Choose the winner; stored as its box so that it survives a re-run of the proposals."""

    kind: Literal["choose_candidate"] = "choose_candidate"
    stage: ClassVar[str] = "scores"
    box: Box

    @property
    def slot(self) -> str:
        return f"scores/choice/{self.subtask}"

    @property
    def title(self) -> str:
        return "choose candidate"


Edit = Annotated[
    SetChannels
    | SetMotion
    | MoveBoundary
    | SplitPhase
    | MergePhases
    | NamePhase
    | Rename
    | AddBox
    | FixBox
    | PaintMask
    | MarkRobot
    | PaintRobot
    | ChooseCandidate
    | JudgeCaption
    | CritiqueCaption
    | TagCaption
    | ReviewCaption,
    Field(discriminator="kind"),
]
EDIT: TypeAdapter[Edit] = TypeAdapter(Edit, config=_LATE)
EDITS: TypeAdapter[tuple[Edit, ...]] = TypeAdapter(tuple[Edit, ...], config=_LATE)


def build_edits() -> None:
    """Build the validators of edits now; else pydantic does at the first one of each kind."""
    EDIT.rebuild()
    kinds, _ = get_args(Edit)
    for kind in get_args(kinds):
        kind.model_rebuild()


def in_force(edits: tuple[Edit, ...]) -> tuple[Edit, ...]:
    """Drop edits that a later one of the same slot supersedes; keeps the order of the newest.

    Edits that seal (see there) stay, and what they seal stays as it was before them.
    """
    newest: dict[str, Edit] = {}
    for number, edit in enumerate(edits):
        if edit.seals:
            mark = f"#{number} "
            newest = {mark + s if s.startswith(edit.seals) else s: e for s, e in newest.items()}
            newest[mark] = edit
            continue
        newest.pop(edit.slot, None)
        newest[edit.slot] = edit
    return tuple(newest.values())


def edits_of(edits: tuple[Edit, ...], stage: str, subtask: int) -> tuple[Edit, ...]:
    """Select the edits that enter one stage of one subtask (or of the episode).

    Edits that concern the whole episode enter the stages of all its subtasks.
    """
    return tuple(e for e in edits if e.stage == stage and e.subtask in (subtask, EPISODE_SCOPE))
