"""An episode in which every stage can be broken on purpose, computed in milliseconds.

Phases, subtasks and scores are the real stages. What needs pictures is replaced by stages that know
the scene: blocks on a table, one of which the gripper takes along. They take corrections in the way
the real ones do.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from pipeline.engine.graph import Graph
from pipeline.model.arrays import pack_masks
from pipeline.model.candidate import Box, MasksResult, Proposal, ProposalsResult, TracksResult
from pipeline.model.demonstration import (
    ClosedIs,
    DatasetInfo,
    Demonstration,
    EpisodeInfo,
    EpisodeRef,
    GripperChannels,
)
from pipeline.model.edits import AddBox, FixBox, MarkRobot, Rename
from pipeline.model.geometry import LiftingResult, RobotResult
from pipeline.model.options import option
from pipeline.model.problem import DataError, Problem
from pipeline.model.score import box_iou
from pipeline.model.subtask import SubtasksResult
from pipeline.stages.masks import painted_masks
from pipeline.stages.phases import PhasesStage
from pipeline.stages.proposal_edits import with_edits
from pipeline.stages.proposals import keyframe_of
from pipeline.stages.scores import ScoresStage
from pipeline.stages.stage import Scope, Stage
from pipeline.stages.subtasks import SubtasksStage

HEIGHT, WIDTH, FPS, LENGTH = 120, 160, 10.0, 90
CONTACT = (30, 60)
SIDE = 16
CAMERA = "front"


@dataclass(frozen=True)
class Block:
    """A block on the table.

    Attributes:
        name: With its colour.
        at: Centre, pixels.
        detector: D where the name asked for is not its own.
        pushed: Span in which it moves although nobody holds it, or None.
    """

    name: str
    at: tuple[float, float]
    detector: float = 0.4
    pushed: tuple[int, int] | None = None

    @property
    def box(self) -> Box:
        """Before contact."""
        x, y = self.at
        return (x - SIDE / 2, y - SIDE / 2, x + SIDE / 2, y + SIDE / 2)


RED, BLUE = Block("red cube", (40.0, 80.0)), Block("blue cube", (110.0, 40.0))


@dataclass
class Scene:
    """What happens, and what is broken. The gripper holds the first block.

    Attributes:
        blocks: Blocks; the first is the object.
        instruction: As recorded.
        signal: Opening of the gripper, (T,); closed during contact if None.
        forgets_name: The subtasks stage loses the object's name.
        unseen: Names of blocks that the detector does not find.
        cut: Names of blocks of which the detector's box holds a corner only.
        loose: Names of blocks whose box is twice as wide and high.
        background: Names of blocks whose mask lies beside them.
        lost: Names of blocks whose tracks stay where they were.
        dragged: Names of blocks whose tracks go with the object.
        taken_for_robot: Names of blocks that the robot's mask covers.
        fails: Stage that fails.
        fails_at: Stage that fails once, and at which of its runs, from 1.
        runs: Stages that ran.
    """

    blocks: tuple[Block, ...] = (RED, BLUE)
    instruction: str = "Pick up the red cube."
    signal: np.ndarray | None = None
    forgets_name: bool = False
    unseen: tuple[str, ...] = ()
    cut: tuple[str, ...] = ()
    loose: tuple[str, ...] = ()
    background: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    dragged: tuple[str, ...] = ()
    taken_for_robot: tuple[str, ...] = ()
    fails: str = ""
    fails_at: tuple[str, int] = ("", 0)
    runs: list[str] = field(default_factory=list)

    def place(self, block: Block, frame: float) -> tuple[float, float]:
        """Centre of a block in a frame."""
        x, y = block.at
        if block is self.blocks[0]:
            t = min(max((frame - CONTACT[0]) / (CONTACT[1] - CONTACT[0]), 0.0), 1.0)
            return x + 60 * t, y
        if block.pushed is not None:
            first, last = block.pushed
            t = min(max((frame - first) / (last - first), 0.0), 1.0)
            return x - 80 * t, y
        return x, y

    @property
    def opening(self) -> np.ndarray:
        """(T,) opening of the gripper, 1 open."""
        if self.signal is not None:
            return self.signal
        opening = np.ones(LENGTH)
        opening[CONTACT[0] : CONTACT[1]] = 0.0
        return opening

    @property
    def truth(self) -> str:
        """Ground truth line of the episode."""
        x, y = self.blocks[0].at
        boxes = [
            (x + d - SIDE / 2, y - SIDE / 2, x + d + SIDE / 2, y + SIDE / 2) for d in (0, 30, 60)
        ]
        start, hold, end = (str(list(b)) for b in boxes)
        return (
            f'{{"episode_index": 0, "arm": "single", "object_name": "{self.blocks[0].name}", '
            f'"keyframe": 20, "start_box": {start}, "contact": [[{CONTACT[0]}, {CONTACT[1]}]], '
            f'"mid_hold_frame": 45, "hold_box": {hold}, "object_end_box": {end}}}'
        )

    @property
    def true_mask(self) -> np.ndarray:
        """(H, W) bool, the object before contact."""
        return filled(self.blocks[0].box)

    def block_at(self, x: float, y: float, frame: int) -> Block | None:
        """The block under a point."""
        for block in self.blocks:
            cx, cy = self.place(block, frame)
            if abs(x - cx) <= SIDE / 2 and abs(y - cy) <= SIDE / 2:
                return block
        return None


def filled(box: Box) -> np.ndarray:
    """Mask of a box."""
    mask = np.zeros((HEIGHT, WIDTH), np.bool_)
    x0, y0, x1, y1 = (round(v) for v in box)
    mask[y0:y1, x0:x1] = True
    return mask


class Source:
    """A dataset of one episode."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        episode = EpisodeInfo(0, LENGTH, scene.instruction, True)
        self.info = DatasetInfo(
            "/scene", "toy", "", "", FPS, "", (CAMERA,), (), (episode,), (), (), ()
        )

    def open(self, episode: int) -> Demonstration:
        if self.scene.fails == "recording":
            raise DataError("missing_video", "the video is not on disk")
        state = np.column_stack([np.linspace(0, 1, LENGTH), self.scene.opening]).astype(np.float32)
        gripper = GripperChannels(
            "single", "state", (1,), ("gripper",), ClosedIs.LOW, origin="test", reason=""
        )
        return Demonstration(
            EpisodeRef("/scene", episode), "fingerprint", FPS, LENGTH, self.scene.instruction, "",
            (), np.arange(LENGTH) / FPS, state, ("joint", "gripper"),
            np.zeros((LENGTH, 0), np.float32), (), (gripper,),
        )  # fmt: skip

    def reader(self, demonstration: Demonstration, cache_bytes: int = 0) -> Any:
        class Nothing:
            def close(self) -> None:
                """Nothing is open."""

        return Nothing()


@dataclass(frozen=True)
class NoOptions:
    """A stage without choices."""

    note: str = option("", "for tests")


class _Stub(Stage[Any, Any]):
    version: ClassVar[int] = 1
    scope: ClassVar[Scope] = Scope.SUBTASK
    options_type: ClassVar[type] = NoOptions

    def __init__(self, scene: Scene) -> None:
        self.scene = scene

    def _begin(self) -> None:
        self.scene.runs.append(self.name)
        nth = (self.name, self.scene.runs.count(self.name))
        if self.scene.fails == self.name or self.scene.fails_at == nth:
            raise DataError("backend_failed", f"{self.name} cannot be computed")


class ForgetfulSubtasks(SubtasksStage):
    """Loses the object's name, unless a person gave one."""

    def run(self, demonstration, inputs, options, edits, context):
        result = super().run(demonstration, inputs, options, edits, context)
        if any(isinstance(e, Rename) for e in edits):
            return result
        return replace(
            result, subtasks=tuple(replace(s, object_name="thing") for s in result.subtasks)
        )


class ToyProposals(_Stub):
    name, title, inputs = "proposals", "Proposals", ("subtasks",)
    result_type = ProposalsResult

    def run(self, demonstration, inputs, options, edits, context):
        self._begin()
        task = inputs.get(SubtasksResult).subtasks[inputs.subtask]
        keyframe = keyframe_of(task, demonstration.length)
        found = []
        for block in self.scene.blocks:
            if block.name in self.scene.unseen:
                continue
            x, y = self.scene.place(block, keyframe)
            box = (x - SIDE / 2, y - SIDE / 2, x + SIDE / 2, y + SIDE / 2)
            if block.name in self.scene.cut:
                box = (x - SIDE / 2, y - SIDE / 2, x - SIDE / 4, y - SIDE / 4)
            if block.name in self.scene.loose:
                box = (x - SIDE, y - SIDE, x + SIDE, y + SIDE)
            score = 0.9 if block.name == task.object_name else block.detector
            found.append(Proposal(0, box, keyframe, score, task.object_name, "region"))
        drawn = tuple(e.box for e in edits if isinstance(e, AddBox))
        fixes = tuple(e for e in edits if isinstance(e, FixBox))
        candidates = with_edits(
            tuple(found), drawn, fixes, keyframe, task.object_name, (WIDTH, HEIGHT)
        )
        return ProposalsResult(CAMERA, keyframe, candidates, (), "toy")


class ToyMasks(_Stub):
    name, title, inputs = "masks", "Masks", ("proposals",)
    result_type = MasksResult

    def run(self, demonstration, inputs, options, edits, context):
        self._begin()
        proposals = inputs.get(ProposalsResult)
        boxes = tuple(p.box for p in proposals.candidates)
        painted, problems = painted_masks(edits, boxes, HEIGHT, WIDTH)
        masks = np.zeros((len(boxes), HEIGHT, WIDTH), np.bool_)
        for k, box in enumerate(boxes):
            masks[k] = filled(box)
            for block in self.scene.blocks:
                if block.name in self.scene.background and box_iou(box, block.box) > 0.2:
                    x0, y0, x1, _ = box
                    masks[k] = filled((x0, y0 - 20, x1, y0 - 12))
            masks[k] = painted.get(k, masks[k])
        colors = np.zeros((len(boxes), 3), np.float32)
        return MasksResult(
            proposals.keyframe, HEIGHT, WIDTH, pack_masks(masks), colors, "toy", problems
        )


class ToyTracks(_Stub):
    name, title, inputs = "tracks", "Tracks", ("proposals", "masks")
    result_type = TracksResult

    def run(self, demonstration, inputs, options, edits, context):
        self._begin()
        masks, proposals = inputs.get(MasksResult), inputs.get(ProposalsResult)
        frames = np.arange(0, demonstration.length, 2, dtype=np.int32)
        points, owner = [], []
        for k, mask in enumerate(masks.masks):
            rows, columns = np.nonzero(mask)
            for i in np.linspace(0, len(rows) - 1, 9).astype(int):
                points.append(self._path(columns[i] + 0.5, rows[i] + 0.5, frames, proposals))
                owner.append(k)
        stacked = np.array(points, np.float32).transpose(1, 0, 2)
        count = len(proposals.candidates)
        return TracksResult(
            frames,
            5.0,
            stacked,
            np.ones(stacked.shape[:2], np.bool_),
            np.array(owner, np.int32),
            np.ones(len(owner), np.bool_),
            np.full((len(frames), count, 4), np.nan, np.float32),
            "toy",
        )

    def _path(self, x, y, frames, proposals):
        block = self.scene.block_at(x, y, proposals.keyframe)
        follows = block
        if block is not None and block.name in self.scene.lost:
            follows = None
        if block is not None and block.name in self.scene.dragged:
            follows = self.scene.blocks[0]
        if follows is None:
            return [(x, y)] * len(frames)
        x0, y0 = self.scene.place(follows, proposals.keyframe)
        places = [self.scene.place(follows, f) for f in frames]
        return [(x + px - x0, y + py - y0) for px, py in places]


class ToyLifting(_Stub):
    name, title, inputs = "lifting", "Lifting", ("tracks",)
    result_type = LiftingResult

    def run(self, demonstration, inputs, options, edits, context):
        self._begin()
        frames = inputs.get(TracksResult).frames
        return LiftingResult(False, frames, np.zeros((0, 0, 3), np.float32), None, "none")


class ToyRobot(_Stub):
    """A robot out of the picture, except where a block is taken for it."""

    name, title, inputs = "robot", "Robot", ("proposals", "tracks")
    result_type = RobotResult

    def run(self, demonstration, inputs, options, edits, context):
        self._begin()
        frames = inputs.get(TracksResult).frames
        masks = np.zeros((len(frames), HEIGHT, WIDTH), np.bool_)
        cleared = any(isinstance(e, MarkRobot) and not e.inside for e in edits)
        for block in self.scene.blocks:
            if block.name in self.scene.taken_for_robot and not cleared:
                for row, frame in enumerate(frames):
                    x, y = self.scene.place(block, int(frame))
                    masks[row] |= filled((x - SIDE, y - SIDE, x + SIDE, y + SIDE))
        unknown = np.full((len(frames), 2), np.nan, np.float32)
        return RobotResult(
            frames,
            HEIGHT,
            WIDTH,
            pack_masks(masks),
            np.zeros((len(frames), 0, 2), np.float32),
            np.zeros((len(frames), 0), np.bool_),
            unknown,
            np.zeros((len(frames), 0, 3), np.float32),
            np.full((len(frames), 3), np.nan, np.float32),
            np.full(len(frames), np.nan, np.float32),
            False,
            "toy",
            problems=(Problem("no_robot", "no robot in a toy"),),
        )


def graph_of(scene: Scene) -> Graph:
    """The stages of the scene, up to the scores."""
    return Graph(
        (
            PhasesStage(),
            ForgetfulSubtasks() if scene.forgets_name else SubtasksStage(),
            ToyProposals(scene),
            ToyMasks(scene),
            ToyTracks(scene),
            ToyLifting(scene),
            ToyRobot(scene),
            ScoresStage(),
        )
    )


MISSED = Scene(unseen=("red cube",))
"""For other processes, which find it by name."""


def open_missed(path: str) -> Source:
    """Opens the dataset of that scene, whatever the path."""
    return Source(MISSED)


def missed_graph() -> Graph:
    """Its stages."""
    return graph_of(MISSED)


def open_crashing(path: str) -> Source:
    """Ends the process."""
    os._exit(3)
