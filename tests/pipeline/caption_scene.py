"""One subtask with the results of all stages before the captions, and a model that is a script."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from pipeline.backends.language.rules import RulesLanguage
from pipeline.model.arrays import pack_masks
from pipeline.model.candidate import MasksResult, Proposal, ProposalsResult, TracksResult
from pipeline.model.caption import CaptionResult
from pipeline.model.caption_fields import CaptionField
from pipeline.model.colors import rgb_to_lab
from pipeline.model.demonstration import Camera, Demonstration, EpisodeRef
from pipeline.model.drafting import Reply, SentRequest
from pipeline.model.edits import CritiqueCaption, Edit
from pipeline.model.geometry import LiftingResult, RobotResult
from pipeline.model.picture import ArrayPicture
from pipeline.model.problem import DataError
from pipeline.model.score import ScoresResult, TargetResult
from pipeline.model.subtask import ActionType, Subtask, SubtasksResult
from pipeline.model.usage import Usage
from pipeline.stages.captions import CaptionsOptions, CaptionsStage
from pipeline.stages.stage import StageContext, StageInputs

CAMERA = "observation.images.front"
WIDTH, HEIGHT, LENGTH = 96, 72, 60
FRAMES = np.arange(0, LENGTH, 3, dtype=np.int32)
WINNER = 7


class NoFrames:
    """A reader that must not be asked."""

    def picture(self, camera: str, index: int) -> Any:
        raise AssertionError("the stage needs no pictures")

    frame = depth = cached = times = picture

    def close(self) -> None:
        pass


class SomeFrames(NoFrames):
    """A reader whose pictures tell their frame; counts what is asked for."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def picture(self, camera: str, index: int) -> ArrayPicture:
        assert camera == CAMERA
        self.asked.append(index)
        return ArrayPicture(np.full((HEIGHT, WIDTH, 3), 4 * index, np.uint8))

    def frame(self, camera: str, index: int) -> np.ndarray:
        return self.picture(camera, index).rgb()


def subtask_of(text: str, index: int = 0, start: int = 20, end: int = 40) -> Subtask:
    """The record that the rules make of an instruction."""
    clauses = RulesLanguage().parse(text).clauses
    empty = Subtask(
        index, "right", text, "", "", (), "", "", "", ActionType.OTHER, (), start, end
    )  # fmt: skip
    if not clauses:
        return empty
    clause = clauses[0]
    return replace(
        empty,
        verb=clause.verb,
        object_name=clause.object_name,
        colors=clause.colors,
        target_name=clause.target_name,
        relation=clause.relation,
        source_name=clause.source_name,
        action=clause.action,
    )


def results_of(*subtasks: Subtask, rgb: tuple[int, int, int] = (190, 30, 30)) -> dict[str, Any]:
    """Results of the stages before; the second candidate (7) has won and moves to the right."""
    count, none = len(FRAMES), np.zeros(0, np.float32)
    lab = np.full((2, 3), 50, np.float32)
    lab[1] = rgb_to_lab(np.array(rgb, np.uint8))
    candidates = tuple(
        Proposal(i, (10.0, 10.0, 20.0, 20.0), 20, 0.5, "", "region") for i in (3, WINNER)
    )
    masks = np.zeros((2, HEIGHT, WIDTH), np.bool_)
    masks[:, 10:20, 10:20] = True
    boxes = np.zeros((count, 2, 4), np.float32)
    shift = np.linspace(0, 40, count, dtype=np.float32)
    boxes[:, 1] = np.stack([10 + shift, 10 + 0 * shift, 20 + shift, 20 + 0 * shift], axis=1)
    reference = np.stack([15 + shift, np.full(count, 12, np.float32)], axis=1).astype(np.float32)
    empty = np.zeros((0, 0), np.float32)
    return {
        "subtasks": SubtasksResult(subtasks, "rules"),
        "proposals": ProposalsResult(CAMERA, 20, candidates, (), "regions"),
        "masks": MasksResult(20, HEIGHT, WIDTH, pack_masks(masks), lab, "grabcut"),
        "tracks": TracksResult(
            FRAMES, 10.0, np.zeros((count, 0, 2), np.float32), np.zeros((count, 0), np.bool_),
            np.zeros(0, np.int32), np.zeros(0, np.bool_), boxes, "lucas_kanade",
        ),
        "lifting": LiftingResult(False, FRAMES, np.zeros((0, 0, 3), np.float32), None, "none"),
        "robot": RobotResult(
            FRAMES, HEIGHT, WIDTH, pack_masks(np.zeros((count, HEIGHT, WIDTH), np.bool_)),
            reference[:, None], np.ones((count, 1), np.bool_), reference,
            np.zeros((count, 0, 3), np.float32), np.full((count, 3), np.nan, np.float32),
            np.full(count, 3, np.float32), False, "motion",
        ),
        "scores": ScoresResult(
            terms=(), winner=WINNER, chosen_by="score", frames=np.zeros(0, np.int32), motion=empty,
            proximity=empty, overlap=empty, interaction=np.zeros(0, np.bool_), radius=none,
            form="2d",
        ),
        "target": TargetResult((), none, none, -1, (0.0, 0.0, 2.0, 2.0), None, "tracked"),
    }  # fmt: skip


def demonstration_of(instruction: str, fingerprint: str = "f") -> Demonstration:
    return Demonstration(
        EpisodeRef("/data/x", 0), fingerprint, 10.0, LENGTH, instruction, "",
        (Camera(CAMERA, WIDTH, HEIGHT),), np.arange(LENGTH) / 10.0,
        np.zeros((LENGTH, 0), np.float32), (), np.zeros((LENGTH, 0), np.float32), (), (),
    )  # fmt: skip


def critique(
    uid: str, about: str, text: str = "", refines: str = "", **more: Any
) -> CritiqueCaption:
    """A critique of the first subtask; `corrections` by the names of the fields."""
    given = more.pop("corrections", {})
    return CritiqueCaption(
        subtask=0, uid=uid, about=about, text=text, refines=refines,
        corrections=tuple((CaptionField(name), value) for name, value in given.items()), **more,
    )  # fmt: skip


@dataclass
class ScriptedCaptioner:
    """Answers from a script; keeps what it was asked."""

    name: str = "gemini"
    title: str = "Gemini"
    script: deque[dict[str, str] | DataError] = field(default_factory=deque)
    asked: list[tuple[SentRequest, type, Any]] = field(default_factory=list)
    dropped: tuple[str, ...] = ()

    def available(self) -> None:
        return None

    def identity(self) -> str:
        return self.name

    def model(self, settings: Any) -> str:
        return settings.model or "gemini-x"

    def ask(self, request: SentRequest, schema: type, settings: Any, progress: Any) -> Any:
        progress(0.5, "asking")
        self.asked.append((request, schema, settings))
        step = self.script.popleft()
        if isinstance(step, DataError):
            raise step
        written = schema.model_validate(step)
        reply = Reply(
            text=str(step), model=self.model(settings), request_id=f"r{len(self.asked)}",
            tokens_in=100, tokens_out=20, cost=0.001, requests=1, dropped=self.dropped,
        )  # fmt: skip
        return written, reply

    def pending(self, request: SentRequest, schema: type, settings: Any) -> bool:
        return True

    def estimate(self, request: SentRequest, settings: Any) -> Usage:
        return Usage(1, 1000, 50)

    def cost(self, usage: Usage, model: str) -> float | None:
        return None


def run_captions(
    text: str,
    *edits: Edit,
    options: CaptionsOptions | None = None,
    reader: Any = None,
    subtasks: tuple[Subtask, ...] = (),
    report: Any = lambda share, what: None,
) -> CaptionResult:
    """Run the stage on the first subtask."""
    demonstration = demonstration_of(text)
    inputs = StageInputs(results_of(*(subtasks or (subtask_of(text),))), 0)
    context = StageContext(reader or NoFrames(), report, lambda: False)
    return CaptionsStage().run(
        demonstration, inputs, options or CaptionsOptions(), tuple(edits), context
    )
