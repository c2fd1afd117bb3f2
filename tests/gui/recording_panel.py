"""A 3D viewer that notes its orders, and a control with made-up results beside it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import shiboken6
from PySide6.QtCore import QObject, Signal

from app.session_control import SessionControl
from app.settings import Paths
from pipeline.engine.cache import StageOutcome
from pipeline.model.subtask import SubtasksResult
from viewers.rerun_inputs import RerunInputs


class RecordingPanel(QObject):
    """Notes every order in `orders`; what a user does in it are its signals."""

    frameChanged = Signal(int)
    playingChanged = Signal(bool)
    loopChanged = Signal(object, object)
    entitySelected = Signal(str, int)
    readyChanged = Signal(bool)
    layoutChanged = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.orders: list[tuple[Any, ...]] = []
        self.message = ""

    def set_frame(self, frame: int) -> None:
        self.orders.append(("frame", frame))

    def set_playing(self, playing: bool) -> None:
        self.orders.append(("playing", playing))

    def set_loop(self, first: int | None, last: int | None) -> None:
        self.orders.append(("loop", first, last))

    def set_selection(self, entity: str, instance: int = -1) -> None:
        self.orders.append(("selection", entity, instance))

    def set_layout(self, layout: str) -> None:
        self.orders.append(("layout", layout))

    def set_recording(self, recording: bytes, *, layout: str = "") -> None:
        self.orders.append(("recording", recording, layout))

    def clear(self, reason: str = "") -> None:
        self.message = reason
        self.orders.append(("clear", reason))

    def taken(self) -> list[tuple[Any, ...]]:
        """Orders since the last call."""
        orders, self.orders = self.orders, []
        return orders


@contextmanager
def control_of(folder: Path) -> Iterator[SessionControl]:
    """A control whose folders are all below `folder`; nothing is started.

    It is deleted here and not by Python: the collector of cycles may run in any thread, and timers
    must end in their own.
    """
    made = SessionControl(
        Paths(folder / "config", folder / "data", folder / "cache", folder / "logs", folder)
    )
    try:
        yield made
    finally:
        made.close()
        shiboken6.delete(made)


@contextmanager
def recording_panel() -> Iterator[RecordingPanel]:
    """A panel that is deleted at the end, as the control is."""
    made = RecordingPanel()
    yield made
    shiboken6.delete(made)


def show(control: SessionControl, inputs: RerunInputs, *, suffix: str = "") -> None:
    """Open the episode of `inputs` with its results."""
    control.document.open_episode(inputs.demonstration, ())
    put_results(control, inputs, suffix=suffix)


def put_results(control: SessionControl, inputs: RerunInputs, *, suffix: str = "") -> None:
    """Deliver all results of `inputs`, as the worker would."""
    document = control.document
    assert inputs.subtask is not None
    results = {
        "phases": inputs.phases,
        "subtasks": inputs.subtasks or SubtasksResult((inputs.subtask,), "rules"),
        "proposals": inputs.proposals,
        "masks": inputs.masks,
        "tracks": inputs.tracks,
        "lifting": inputs.lifting,
        "robot": inputs.robot,
        "scores": inputs.scores,
        "target": inputs.target,
    }
    for stage, result in results.items():
        if result is not None:
            key = f"{stage}{suffix}"
            document.put_result(StageOutcome(*document.node(stage), key, result, 0.1, False))
