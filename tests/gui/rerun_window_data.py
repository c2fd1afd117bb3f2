"""A window on episodes that are made up: the real widgets, control and 3D view, no pipeline.

What a worker would compute is there at once, so that a session takes seconds; the geometry is
known, so that it can be said where things must be seen.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from app.main_window import MainWindow
from app.window_run import make_window
from pipeline.engine import messages as say
from pipeline.engine.cache import StageOutcome
from pipeline.engine.graph import Plan
from pipeline.model.arrays import F32, U8
from pipeline.model.caption import CaptionFields, CaptionResult
from pipeline.model.checks import ChecksResult
from pipeline.model.demonstration import (
    CACHE_BYTES,
    DatasetInfo,
    Demonstration,
    EpisodeInfo,
    EpisodeRef,
)
from pipeline.model.edits import EPISODE_SCOPE
from pipeline.model.picture import ArrayPicture, PictureTimes
from pipeline.model.subtask import SubtasksResult
from pipeline.stages.stage import Scope
from tests.rerun_scenes import scene
from viewers.rerun_inputs import RerunInputs

WALL = 1.7
"""Metres to the wall behind the made-up candidates."""


class MadeUpReader:
    """Pictures and depth of a made-up episode."""

    def __init__(self, inputs: RerunInputs) -> None:
        self._pictures = dict(inputs.pictures)
        self._frames = np.array(sorted(self._pictures))
        camera = inputs.camera_model
        self._depth = np.full((camera.height, camera.width), WALL, np.float32)

    def frame(self, camera: str, index: int) -> U8:
        """The last picture that was made up to this frame."""
        at = int(self._frames[np.searchsorted(self._frames, index, side="right") - 1])
        picture = self._pictures[at]
        assert not isinstance(picture, bytes)
        return picture

    def picture(self, camera: str, index: int) -> ArrayPicture:
        """As `frame`."""
        return ArrayPicture(self.frame(camera, index))

    def cached(self, camera: str, index: int) -> ArrayPicture | None:
        """Everything is in memory."""
        return self.picture(camera, index)

    def depth(self, camera: str, index: int) -> F32 | None:
        """A wall."""
        return self._depth

    def times(self, camera: str) -> PictureTimes | None:
        """Unknown."""
        return None

    def close(self) -> None:
        """Nothing to release."""


class MadeUpSource:
    """Episodes that differ in their number only."""

    def __init__(self, root: Path, episodes: int, inputs: RerunInputs) -> None:
        self.inputs = inputs
        self._root = root
        self.info = DatasetInfo(
            path=str(root),
            format="made up",
            version="1",
            reason="made up",
            fps=inputs.demonstration.fps,
            robot_type="made up",
            cameras=(inputs.camera,),
            grippers=inputs.demonstration.grippers,
            episodes=[
                EpisodeInfo(i, inputs.demonstration.length, inputs.demonstration.instruction, True)
                for i in range(episodes)
            ],
        )

    def open(self, episode: int) -> Demonstration:
        """The episode."""
        return dataclasses.replace(
            self.inputs.demonstration,
            ref=EpisodeRef(str(self._root), episode),
            fingerprint=f"made up {episode}",
        )

    def reader(self, demonstration: Demonstration, cache_bytes: int = CACHE_BYTES) -> MadeUpReader:
        """A reader."""
        return MadeUpReader(self.inputs)


def results_of(inputs: RerunInputs) -> dict[str, Any]:
    """Result of each stage."""
    assert inputs.subtask is not None
    return {
        "phases": inputs.phases,
        "subtasks": SubtasksResult((inputs.subtask,), "made up"),
        "proposals": inputs.proposals,
        "masks": inputs.masks,
        "tracks": inputs.tracks,
        "lifting": inputs.lifting,
        "robot": inputs.robot,
        "scores": inputs.scores,
        "target": inputs.target,
        "captions": CaptionResult(
            *("Put the red cube in the bowl.", "Put the red cube in the bowl."),
            *(CaptionFields("put", "red cube", "in", "bowl"), (), None, "made up"),
        ),
        "checks": ChecksResult("Put the red cube in the bowl.", ()),
    }


def deliver_made_up(window: MainWindow, inputs: RerunInputs) -> None:
    """Let the window's worker know the results of every episode without computing them."""
    control, jobs = window.control, window.control.jobs
    results = results_of(inputs)

    def run(plan: Plan, **_: object) -> None:
        jobs._job += 1
        jobs._set_busy(True)
        for stage in control.document.graph.stages:
            subtask = EPISODE_SCOPE if stage.scope is Scope.EPISODE else 0
            key = control.document.key(stage.name, 0)
            outcome = StageOutcome(stage.name, subtask, key, results[stage.name], 0.01, True)
            jobs._queue(say.Delivered(job=jobs._job, outcome=outcome))
        jobs._queue(say.Done(job=jobs._job, seconds=0.1))

    jobs.run = run  # type: ignore[method-assign]


def made_up_window(
    home: Path, size: tuple[int, int], *, episodes: int = 3, inputs: RerunInputs | None = None
) -> MainWindow:
    """A window, shown, with its own folders, that opens made-up episodes.

    Open one with `window.control.open_dataset(str(home / "dataset"), episode)`.
    """
    import pipeline.sources.hub.dataset as datasets

    os.environ["DEMOSCOPE_CONFIG_DIR"] = str(home / "config")
    os.environ["DEMOSCOPE_DATA_DIR"] = str(home / "data")
    root = home / "dataset"
    root.mkdir(parents=True, exist_ok=True)
    inputs = inputs or scene(length=900, points=60)
    source = MadeUpSource(root, episodes, inputs)
    opener: Callable[..., Any] = lambda *_: source  # noqa: E731
    datasets.open_anything = opener
    window = make_window("dark", settings_file=home / "settings.ini")
    window.control._examine.setInterval(24 * 3600 * 1000)  # There are no files to examine.
    deliver_made_up(window, inputs)
    window.resize(*size)
    window.arrange()
    window.show()
    return window
