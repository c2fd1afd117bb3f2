"""Evidence that is made on purpose, for tests of the caption checks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from pipeline.model.arrays import pack_masks
from pipeline.model.candidate import Box, MasksResult, Proposal, ProposalsResult, TracksResult
from pipeline.model.checks import ChecksResult, Constraint, ConstraintKind
from pipeline.model.colors import rgb_to_lab
from pipeline.model.geometry import LiftingResult, RobotResult
from pipeline.model.phases import ArmPhases, Phase, PhaseName, PhasesResult
from pipeline.model.problem import Problem
from pipeline.model.score import ScoresResult, ScoreTerms, TargetResult
from pipeline.model.subtask import ActionType, Subtask
from pipeline.stages.caption_check import check_caption
from pipeline.stages.check_claims import read_caption
from pipeline.stages.check_options import ChecksOptions
from pipeline.stages.check_scene import Scene

HEIGHT, WIDTH, FRAMES = 160, 240, 13
RED, GREEN, BLUE, WHITE = (190, 30, 30), (30, 140, 50), (30, 60, 180), (240, 240, 235)
START, END = (40.0, 100.0), (160.0, 100.0)
"""Centres of the object at the start and at the end."""
HALF = 10.0
"""Half a side of the object, so that its size is 20 px."""


def arc(
    start: tuple[float, float] = START, end: tuple[float, float] = END, lift: float = 40.0
) -> np.ndarray:
    """A path that stands, goes up, over and down between frames 4 and 8, and stands; (13, 2)."""
    share = np.clip((np.arange(FRAMES) - 4) / 4, 0.0, 1.0)[:, None]
    path: np.ndarray = np.array(start) + share * (np.array(end) - np.array(start))
    path[:, 1] -= lift * np.sin(np.pi * share[:, 0])
    return path


def around(centre: Sequence[float], half: float = HALF) -> Box:
    """A square box."""
    x, y = float(centre[0]), float(centre[1])
    return (x - half, y - half, x + half, y + half)


@dataclass
class Thing:
    """A candidate.

    Attributes:
        box: At the keyframe.
        rgb: Colour of its mask; None: an empty mask.
        path: (13, 2) centres; None: it stands.
        label: Phrase.
        origin: Where the proposal is from.
        score: Detector confidence D.
        z: Metres from the camera, for scenes with 3D.
    """

    box: Box
    rgb: tuple[int, int, int] | None
    path: np.ndarray | None = None
    label: str = ""
    origin: str = "region"
    z: float = 1.0
    score: float = 0.5


@dataclass
class Made:
    """What a scene is made of; the first thing is the chosen object.

    Attributes:
        things: Candidates, ids in their order.
        held: Closed span, None: the gripper signal shows no grasp.
        released: Whether the gripper opens again.
        arm: Which arm.
        codes: Findings of the scores.
        chosen_by: `score` or `person`.
        depth: Whether there is 3D.
        robot: (H, W) bool, the robot in every frame.
        turn: Degrees by which the object's points turn at frame 6.
        options: Limits.
        pixels: Colours of the keyframe; else those of the things.
        cuts: Frames at which the record says that the episode is cut.
        span: First frame of the subtask and one past its last one.
        names: What the subtask calls object, destination and source.
        targets: Target proposals.
    """

    things: list[Thing]
    held: tuple[int, int] | None = (4, 9)
    released: bool = True
    arm: str = "arm"
    codes: tuple[str, ...] = ()
    chosen_by: str = "score"
    depth: bool = False
    robot: np.ndarray | None = None
    turn: float = 0.0
    options: ChecksOptions = field(default_factory=ChecksOptions)
    pixels: np.ndarray | None = None
    cuts: tuple[int, ...] = ()
    span: tuple[int, int] = (0, FRAMES)
    names: tuple[str, str, str] = ("", "", "")
    targets: tuple[Proposal, ...] = ()

    @property
    def scene(self) -> Scene:
        """The evidence."""
        masks = np.zeros((len(self.things), HEIGHT, WIDTH), np.bool_)
        image = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
        colors = np.full((len(self.things), 3), np.nan, np.float32)
        for k, thing in enumerate(self.things):
            x0, y0, x1, y1 = (max(int(v), 0) for v in thing.box)
            if thing.rgb is not None:
                masks[k, y0:y1, x0:x1] = True
                image[y0:y1, x0:x1] = thing.rgb
                colors[k] = rgb_to_lab(np.array(thing.rgb, np.uint8))
        shown = image if self.pixels is None else self.pixels
        return Scene(
            subtask=self._subtask(),
            phases=self._phases(),
            proposals=ProposalsResult(
                "cam",
                0,
                tuple(
                    Proposal(k, t.box, 0, t.score, t.label, t.origin)
                    for k, t in enumerate(self.things)
                ),
                self.targets,
                "regions",
            ),
            masks=MasksResult(0, HEIGHT, WIDTH, pack_masks(masks), colors, "grabcut"),
            tracks=self._tracks(),
            lifting=self._lifting(),
            robot=self._robot(),
            scores=self._scores(),
            target=TargetResult((), np.zeros(0, "f"), np.zeros(0, "f"), -1, None, None, "none"),
            options=self.options,
            picture=lambda: shown,
            cuts=self.cuts,
        )

    def check(self, caption: str) -> ChecksResult:
        """Check a caption."""
        return check_caption(caption, read_caption(caption), self.scene)

    def of(self, caption: str, kind: ConstraintKind, claim: str = "") -> Constraint:
        """The one constraint of a kind, or the one whose claim has a part."""
        found = [c for c in self.check(caption).constraints if c.kind is kind and claim in c.claim]
        assert len(found) == 1, [c.claim for c in found]
        return found[0]

    def _subtask(self) -> Subtask:
        spans: list[tuple[PhaseName, int, int]] = [(PhaseName.GRASP, 0, FRAMES)]
        if self.held is not None:
            start, end = self.held
            spans = [(PhaseName.GRASP, 0, start), (PhaseName.INTERACT, start, end)]
            spans += [(PhaseName.RELEASE, end, FRAMES)] if self.released else []
        phases = tuple(Phase(n, self.arm, a, b, 0, a, b) for n, a, b in spans)
        action = ActionType.PICK_AND_PLACE
        name, target, source = self.names
        start, end = self.span
        return Subtask(
            0, self.arm, "", "put", name, (), target, "", source, action, phases, start, end
        )

    def _phases(self) -> PhasesResult:
        opening = np.ones(FRAMES, np.float32)
        coarse = self.held is None
        arm = ArmPhases(self.arm, opening, 0, 1, 0.4, 0.6, (), 2, coarse, 1.0, ())
        return PhasesResult((arm,), self.arm, ())

    def _tracks(self) -> TracksResult:
        offsets = np.array([(-8, -8), (8, -8), (-8, 8), (8, 8), (0, 0)], np.float64)
        count = len(self.things)
        points = np.zeros((FRAMES, 5 * count, 2), np.float32)
        boxes = np.zeros((FRAMES, count, 4), np.float32)
        for k, thing in enumerate(self.things):
            half = (thing.box[2] - thing.box[0]) / 2
            centre = ((thing.box[0] + thing.box[2]) / 2, (thing.box[1] + thing.box[3]) / 2)
            path = thing.path if thing.path is not None else np.tile(centre, (FRAMES, 1))
            for row in range(FRAMES):
                angle = np.radians(self.turn if k == 0 and row == 6 else 0.0)
                spin = np.array([(np.cos(angle), np.sin(angle)), (-np.sin(angle), np.cos(angle))])
                points[row, 5 * k : 5 * k + 5] = path[row] + offsets @ spin
                boxes[row, k] = around(path[row], half)
        return TracksResult(
            frames=np.arange(FRAMES, dtype=np.int32),
            fps=10.0,
            points=points,
            visible=np.ones(points.shape[:2], np.bool_),
            candidate=np.repeat(np.arange(count, dtype=np.int32), 5),
            kept=np.ones(5 * count, np.bool_),
            boxes=boxes,
            backend="test",
        )

    def _lifting(self) -> LiftingResult:
        frames = np.arange(FRAMES, dtype=np.int32)
        if not self.depth:
            return LiftingResult(False, frames, np.zeros((0, 0, 3), "f"), None, "none")
        points = self._tracks().points
        z = np.repeat([t.z for t in self.things], 5)
        xyz = np.dstack([points / 100, np.broadcast_to(z, points.shape[:2])]).astype(np.float32)
        return LiftingResult(True, frames, xyz, np.eye(3), "test")

    def _robot(self) -> RobotResult:
        mask = np.zeros((HEIGHT, WIDTH), np.bool_) if self.robot is None else self.robot
        return RobotResult(
            frames=np.arange(FRAMES, dtype=np.int32),
            height=HEIGHT,
            width=WIDTH,
            packed=np.repeat(pack_masks(mask[None]), FRAMES, axis=0),
            points=np.zeros((FRAMES, 0, 2), np.float32),
            visible=np.zeros((FRAMES, 0), np.bool_),
            reference=np.full((FRAMES, 2), np.nan, np.float32),
            xyz=np.zeros((FRAMES, 0, 3), np.float32),
            reference_xyz=np.full((FRAMES, 3), np.nan, np.float32),
            scale=np.ones(FRAMES, np.float32),
            is_3d=False,
            backend="test",
        )

    def _scores(self) -> ScoresResult:
        count = len(self.things)
        unknown = np.zeros((count, FRAMES), np.float32)
        return ScoresResult(
            terms=tuple(
                ScoreTerms(k, 0.5, 9.0, 1, 1, 1, 0.5, 0.5, 0, 0, 0, 0.2, 1.0 - 0.1 * k, 5)
                for k in range(count)
            ),
            winner=0 if count else -1,
            chosen_by=self.chosen_by,
            frames=np.arange(FRAMES, dtype=np.int32),
            motion=unknown[:, 1:],
            proximity=unknown,
            overlap=unknown,
            interaction=np.ones(FRAMES - 1, np.bool_),
            radius=np.ones(FRAMES, np.float32),
            form="2d",
            problems=tuple(Problem(code, "Doubtful.") for code in self.codes),
        )


PLATE = Thing((135.0, 85.0, 185.0, 125.0), WHITE)
"""What the object ends on."""


def carried(
    *more: Thing, rgb: tuple[int, int, int] | None = RED, plate: bool = True, **others: object
) -> Made:
    """A red thing that is carried onto a white plate."""
    things = [Thing(around(START), rgb, arc()), *([PLATE] if plate else []), *more]
    return Made(things, **others)  # type: ignore[arg-type]
