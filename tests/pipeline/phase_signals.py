"""Gripper signals by hand, and the phases that the stage finds in them."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.model.demonstration import (
    ClosedIs,
    Demonstration,
    EpisodeRef,
    FrameReader,
    GripperChannels,
)
from pipeline.model.edits import Edit
from pipeline.model.phases import Phase, PhaseName, PhasesResult
from pipeline.stages.phase_layout import Layout
from pipeline.stages.phases import PhasesOptions, PhasesStage
from pipeline.stages.stage import StageContext, StageInputs

G, C, R, X = PhaseName.GRASP, PhaseName.INTERACT, PhaseName.RELEASE, PhaseName.GRASP_FAILURE
UNMOVED = PhasesOptions(phase_start_offset=0.0)
LAYOUT = Layout(release=10, approach=7)


class NoFrames:
    def frame(self, camera: str, index: int) -> Any:
        raise AssertionError("phases need no pictures")

    depth = prepare = frame

    def close(self) -> None: ...


def context(cancelled: bool = False) -> StageContext:
    reader: FrameReader = NoFrames()  # type: ignore[assignment]
    return StageContext(reader, lambda share, what: None, lambda: cancelled)


def demo(
    *arms: Any, closed_is: ClosedIs = ClosedIs.LOW, action: Any = None, what: str = "gripper"
) -> Demonstration:
    """One column per arm: `arm`, or `left` and `right`; `what` names the measured quantity."""
    state = np.stack([np.asarray(a, np.float32) for a in arms], axis=1)
    sides = ("arm",) if len(arms) == 1 else ("left", "right")
    names = tuple(f"{s}_{what}" for s in sides)
    commands = np.zeros((len(state), 0), np.float32) if action is None else action
    return Demonstration(
        ref=EpisodeRef("dataset", 0),
        fingerprint="x",
        fps=10.0,
        length=len(state),
        instruction="",
        robot_type="",
        cameras=(),
        timestamps=np.arange(len(state)) / 10.0,
        state=state,
        state_names=names,
        action=commands,
        action_names=names[: commands.shape[1]],
        grippers=tuple(
            GripperChannels(s, "state", (i,), (names[i],), closed_is) for i, s in enumerate(sides)
        ),
    )


def signal(*parts: tuple[float, int]) -> np.ndarray:
    return np.concatenate([np.full(count, float(value)) for value, count in parts])


def run(
    demonstration: Demonstration,
    options: PhasesOptions = UNMOVED,
    edits: tuple[Edit, ...] = (),
) -> PhasesResult:
    return PhasesStage().run(demonstration, StageInputs({}, -1), options, edits, context())


def spans(phases: tuple[Phase, ...] | list[Phase]) -> list[tuple[PhaseName, int, int]]:
    return [(p.name, p.start, p.end) for p in phases]


def codes(result: PhasesResult) -> list[str]:
    return [p.code for p in result.problems]
