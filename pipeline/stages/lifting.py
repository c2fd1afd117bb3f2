"""Stage 2d: the tracked points in 3D, where the dataset has geometry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pipeline.backends.geometry.lifting import lift, local_depth
from pipeline.backends.geometry.protocol import Geometry
from pipeline.backends.registry import load_backend
from pipeline.model.arrays import F64, U8
from pipeline.model.candidate import ProposalsResult, TracksResult
from pipeline.model.demonstration import Demonstration
from pipeline.model.edits import Edit
from pipeline.model.geometry import LiftingResult
from pipeline.model.options import option
from pipeline.model.problem import Problem, Severity
from pipeline.stages.backend_options import BackendOptions
from pipeline.stages.stage import Scope, Stage, StageContext, StageInputs


@dataclass(frozen=True)
class LiftingOptions(BackendOptions):
    """Options of the lifting."""

    backend: str = option(
        "recorded_depth", "Geometry. `recorded_depth` needs no model.", capability="geometry"
    )


class LiftingStage(Stage[LiftingOptions, LiftingResult]):
    """Lifts tracked points to camera coordinates, per frame."""

    name: ClassVar[str] = "lifting"
    title: ClassVar[str] = "Lifting to 3D"
    version: ClassVar[int] = 1
    scope: ClassVar[Scope] = Scope.SUBTASK
    inputs: ClassVar[tuple[str, ...]] = ("proposals", "tracks")
    options_type: ClassVar[type] = LiftingOptions
    result_type: ClassVar[type] = LiftingResult
    capability: ClassVar[str] = "geometry"

    def run(
        self,
        demonstration: Demonstration,
        inputs: StageInputs,
        options: LiftingOptions,
        edits: tuple[Edit, ...],
        context: StageContext,
    ) -> LiftingResult:
        """Lift. Raises DataError `no_backend` or Cancelled."""
        key = inputs.get(ProposalsResult).camera
        tracks = inputs.get(TracksResult)
        geometry: Geometry = load_backend("geometry", options.backend, options.settings)
        camera = demonstration.camera(key)
        context.progress(0.0, "looking for depth")

        def image(index: int) -> U8:
            return context.reader.frame(key, index)

        intrinsics = geometry.intrinsics(camera.intrinsics, camera.width, camera.height)
        xyz = np.full((*tracks.visible.shape, 3), np.nan, np.float32)
        found = 0
        for row, frame in enumerate(tracks.frames):
            context.progress(row / len(tracks.frames), "lifting points")
            if intrinsics is None:
                break
            depth = geometry.depth(int(frame), image, lambda f: context.reader.depth(key, f))
            if depth is None:
                if row == 0:
                    break
                continue
            context.progress(row / len(tracks.frames), "lifting points")
            xyz[row] = lift(tracks.points[row], local_depth(depth, tracks.points[row]), intrinsics)
            found += 1
        context.progress(1.0, "lifting done")
        if found == 0:
            return _without(tracks, intrinsics)
        problems: tuple[Problem, ...] = ()
        if found < len(tracks.frames):
            problems = (
                Problem(
                    "depth_gaps",
                    f"Depth is missing in {len(tracks.frames) - found} of {len(tracks.frames)} "
                    "tracked frames.",
                ),
            )
        return LiftingResult(True, tracks.frames, xyz, intrinsics, geometry.name, problems)


def _without(tracks: TracksResult, intrinsics: F64 | None) -> LiftingResult:
    why = "no camera intrinsics" if intrinsics is None else "no depth"
    return LiftingResult(
        available=False,
        frames=tracks.frames,
        xyz=np.zeros((0, 0, 3), np.float32),
        intrinsics=intrinsics,
        backend="none",
        problems=(
            Problem(
                "no_geometry",
                f"There is {why} for this camera: proximity is measured in the picture.",
                Severity.INFO,
            ),
        ),
    )
