"""A clip of four tracked frames whose points are planted, to lift without the stages before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.model.candidate import ProposalsResult, TracksResult
from pipeline.model.demonstration import Camera
from pipeline.stages.lifting import LiftingOptions, LiftingStage
from tests.pipeline.rendered_scene import KEY, Scene, run

WIDTH, HEIGHT = 80, 60
FRAMES = np.array([0, 4, 8, 12], np.int32)
POINTS = np.array([[20, 15], [40, 30], [62, 33], [70, 50]], np.float32)


class Clip(Scene):
    """80x60 pixels; depth and intrinsics as given, pictures of noise."""

    metres: Any = None
    intrinsics: Any = None

    def frame(self, camera: str, index: int) -> Any:
        """RGB noise, other in every frame."""
        self.reads.append(index)
        return np.random.default_rng(index).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)

    def depth(self, camera: str, index: int) -> Any:
        """What is planted."""
        return None if self.metres is None else self.metres(index)

    @property
    def demonstration(self) -> Any:
        """The episode with a camera of this size."""
        camera = Camera(KEY, WIDTH, HEIGHT, intrinsics=self.intrinsics)
        return replace(super().demonstration, cameras=(camera,))

    def results(self) -> dict[str, Any]:
        """Proposals and tracks."""
        count = len(POINTS)
        return {
            "subtasks": self.subtasks(),
            "proposals": ProposalsResult(KEY, 4, (), (), "test"),
            "tracks": TracksResult(
                frames=FRAMES,
                fps=6.0,
                points=np.repeat(POINTS[None], len(FRAMES), axis=0),
                visible=np.ones((len(FRAMES), count), np.bool_),
                candidate=np.zeros(count, np.int32),
                kept=np.ones(count, np.bool_),
                boxes=np.zeros((len(FRAMES), 1, 4), np.float32),
                backend="test",
            ),
        }


def lifted(clip: Clip, cancel_after: int | None = None, **options: Any) -> Any:
    """Run the lifting stage; `weights` may be a path."""
    options = {k: str(v) if isinstance(v, Path) else v for k, v in options.items()}
    return run(
        clip,
        LiftingStage(),
        clip.results(),
        options=LiftingOptions(**{"device": "cpu", **options}),
        cancel_after=cancel_after,
    )
