"""A rendered demonstration with known truth: a robot moves a square over a textured table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from pipeline.model.demonstration import Camera, Demonstration, EpisodeRef
from pipeline.model.phases import Phase, PhaseName
from pipeline.model.problem import Cancelled
from pipeline.model.subtask import ActionType, Subtask, SubtasksResult
from pipeline.stages.stage import StageContext, StageInputs

WIDTH, HEIGHT, FPS, LENGTH = 320, 240, 20.0, 60
GRASP_END, RELEASE = 24, 46
SIDE = 26
RED, BLUE, GREEN = (200, 30, 25), (30, 60, 190), (30, 140, 45)
START, GOAL = (70.0, 150.0), (235.0, 165.0)
KEY = "observation.images.front"
INTRINSICS = np.array([[300.0, 0, 160], [0, 300.0, 120], [0, 0, 1]])


def _table() -> Any:
    rng = np.random.default_rng(3)
    grain = cv2.GaussianBlur(rng.normal(0, 1, (HEIGHT, WIDTH)).astype(np.float32), (0, 0), 2)
    grain = 7 * grain / grain.std()
    shade = np.linspace(-10, 10, WIDTH)[None]
    return np.clip(np.array([175, 140, 100.0]) + (grain + shade)[..., None], 0, 255)


def _ease(a: float, b: float, t: float) -> float:
    t = min(max(t, 0.0), 1.0)
    return a + (b - a) * (3 * t * t - 2 * t**3)


@dataclass
class Scene:
    """Renders frames on demand; also the frame reader."""

    length: int = LENGTH
    with_depth: bool = False
    black: bool = False
    moving: bool = True
    closed: bool = False
    reads: list[int] = field(default_factory=list)

    def hand(self, frame: int) -> tuple[float, float]:
        """Tip of the gripper."""
        if not self.moving:
            return (160.0, 20.0)
        if frame < GRASP_END:
            t = frame / (GRASP_END - 4)
            return (_ease(180, START[0], t), _ease(10, START[1] - 12, t))
        if frame < RELEASE:
            x, y = self.object(frame)
            return (x, y - 12)
        t = (frame - RELEASE) / (self.length - RELEASE)
        return (_ease(GOAL[0], 200, t), _ease(GOAL[1] - 12, 5, t))

    def object(self, frame: int) -> tuple[float, float]:
        """Centre of the red square."""
        if not self.moving:
            return START
        t = (frame - GRASP_END) / (RELEASE - 2 - GRASP_END)
        lift = 30 * np.sin(np.pi * min(max(t, 0), 1))
        return (_ease(START[0], GOAL[0], t), _ease(START[1], GOAL[1], t) - lift)

    def object_box(self, frame: int) -> tuple[float, float, float, float]:
        """Box of the red square."""
        x, y = self.object(frame)
        h = SIDE / 2
        return (x - h, y - h, x + h, y + h)

    def frame(self, camera: str, index: int) -> Any:
        """RGB picture."""
        self.reads.append(index)
        if self.black:
            return np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        image = _table()
        cv2.circle(image, (int(GOAL[0]), int(GOAL[1]) + 5), 34, (235, 232, 222), -1)
        self._square(image, (140.0, 190.0), BLUE)
        cv2.circle(image, (280, 60), 16, GREEN, -1)
        self._square(image, self.object(index), RED)
        x, y = self.hand(index)
        for width, color in ((26, (70, 72, 78)), (12, (225, 226, 230))):
            cv2.line(image, (190, -40), (int(x), int(y - 18)), color, width)
        for side in (-9, 9):
            cv2.rectangle(
                image,
                (int(x + side - 3), int(y - 22)),
                (int(x + side + 3), int(y)),
                (40, 40, 45),
                -1,
            )
        noise = np.random.default_rng(index).normal(0, 1.5, image.shape)
        return np.clip(image + noise, 0, 255).astype(np.uint8)

    def _square(self, image: Any, centre: tuple[float, float], color: tuple[int, int, int]) -> None:
        x, y, h = round(centre[0]), round(centre[1]), SIDE // 2
        cv2.rectangle(image, (x - h, y - h), (x + h - 1, y + h - 1), color, -1)
        top = tuple(min(255, int(1.3 * c)) for c in color)
        cv2.rectangle(image, (x - h, y - h), (x + h - 1, y - h + 7), top, -1)

    def depth(self, camera: str, index: int) -> Any:
        """Table at 1 m, the square 5 cm and the arm 10 cm above it."""
        if not self.with_depth:
            return None
        depth = np.full((HEIGHT, WIDTH), 1.0, np.float32)
        x0, y0, x1, y1 = (round(v) for v in self.object_box(index))
        depth[y0:y1, x0:x1] = 0.95
        x, y = self.hand(index)
        cv2.line(depth, (190, -40), (int(x), int(y)), 0.9, 26)
        return depth

    def close(self) -> None:
        """Nothing to release."""
        self.closed = True

    @property
    def demonstration(self) -> Demonstration:
        """The episode: two joints that follow the hand, one gripper."""
        hand = np.array([self.hand(i) for i in range(self.length)], np.float32) / 100
        opening = np.ones(self.length, np.float32)
        opening[GRASP_END - 2 : RELEASE] = 0.2
        state = np.column_stack([hand, opening]).astype(np.float32)
        return Demonstration(
            ref=EpisodeRef("nowhere", 0),
            fingerprint="rendered",
            fps=FPS,
            length=self.length,
            instruction="Put the red block on the plate.",
            robot_type="bar",
            cameras=(
                Camera(KEY, WIDTH, HEIGHT, intrinsics=INTRINSICS if self.with_depth else None),
            ),
            timestamps=np.arange(self.length) / FPS,
            state=state,
            state_names=("joint1.pos", "joint2.pos", "gripper.pos"),
            action=state,
            action_names=("joint1.pos", "joint2.pos", "gripper.pos"),
            grippers=(),
        )

    def subtasks(self, interaction: bool = True, **changes: Any) -> SubtasksResult:
        """One pick and place."""
        spans = [("grasp", 0, GRASP_END), ("interact", GRASP_END, RELEASE)]
        spans += [("release", RELEASE, self.length)]
        if not interaction:
            spans = []
        phases = tuple(
            Phase(PhaseName(n), "arm", s, min(e, self.length), 0, s, min(e, self.length))
            for n, s, e in spans
            if s < self.length
        )
        values: dict[str, Any] = {
            "index": 0,
            "arm": "arm",
            "instruction": "Put the red block on the plate.",
            "verb": "put",
            "object_name": "red block",
            "colors": ("red",),
            "target_name": "plate",
            "relation": "on",
            "source_name": "",
            "action": ActionType.PICK_AND_PLACE,
            "phases": phases,
            "start": 0,
            "end": self.length,
        }
        return SubtasksResult((Subtask(**{**values, **changes}),), "test")

    def context(self, cancel_after: int | None = None) -> StageContext:
        """Counts progress calls and cancels after some of them."""
        calls = [0]

        def cancelled() -> bool:
            calls[0] += 1
            return cancel_after is not None and calls[0] > cancel_after

        return StageContext(self, lambda share, what: None, cancelled)


def run(scene: Scene, stage: Any, results: dict[str, Any], **given: Any) -> Any:
    """Run a stage with its default options; `options`, `edits` and `cancel_after` may be given."""
    options = given.get("options") or stage.options_type()
    context = scene.context(given.get("cancel_after"))
    inputs = StageInputs({n: results[n] for n in stage.inputs}, 0)
    return stage.run(scene.demonstration, inputs, options, given.get("edits", ()), context)


def upto(scene: Scene, last: str, results: dict[str, Any] | None = None) -> dict[str, Any]:
    """Run the stages of the second stage in order, up to and including `last`."""
    from pipeline.stages.lifting import LiftingStage
    from pipeline.stages.masks import MasksStage
    from pipeline.stages.proposals import ProposalsStage
    from pipeline.stages.robot import RobotStage
    from pipeline.stages.tracks import TracksStage

    results = dict(results or {"subtasks": scene.subtasks()})
    for stage in (ProposalsStage(), MasksStage(), TracksStage(), LiftingStage(), RobotStage()):
        if stage.name not in results:
            results[stage.name] = run(scene, stage, results)
        if stage.name == last:
            break
    return results


__all__ = ["Cancelled", "Scene", "run", "upto"]
