"""Stage 2d: the tracked points in 3D, by recorded or estimated depth."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from pipeline.backends.devices import placement_of
from pipeline.backends.geometry.depth_edges import depth_jumps, edge_shares, window_radius
from pipeline.backends.geometry.lifting import lift, local_depth, reduced
from pipeline.backends.geometry.protocol import Geometry, GeometryRequest, PinholeCamera
from pipeline.backends.registry import embedded_of
from pipeline.model.arrays import F16, F32, F64, I32, U8, Bool
from pipeline.model.candidate import ProposalsResult, TracksResult
from pipeline.model.demonstration import Demonstration
from pipeline.model.edits import Edit
from pipeline.model.geometry import CameraOrigin, LiftingResult
from pipeline.model.options import option
from pipeline.model.problem import Problem, Severity
from pipeline.stages.backend_options import BackendOptions, with_backend
from pipeline.stages.stage import Scope, Stage, StageContext, StageInputs

MANY_DROPPED = 0.01
"""Share of pixels without depth from which the result says so (our choice)."""
MANY_ON_EDGE = 0.5
"""Share of a candidate's points on depth edges from which the result says so. Our choice: of 520
candidates of rendered scenes 3 % have more, and no winner (half of all have under 13 %)."""


@dataclass(frozen=True)
class LiftingOptions(BackendOptions):
    """Options of the lifting."""

    backend: str = option(
        "recorded_depth",
        "Geometry. `recorded_depth` needs no model; `moge` estimates depth and camera from the "
        "picture, `depth_anything` (light) only depth.",
        source="SPARC 3.2: MoGe-2 where depth is not recorded",
        capability="geometry",
    )
    prefer_recorded: bool = option(
        True,
        "Where the dataset has depth and intrinsics, lift with those, whatever the backend: a "
        "sensor's metres do not drift.",
        source="SPARC 3.2: MoGe-2 where depth is not recorded",
    )
    assumed_fov: float = option(
        60.0,
        "Horizontal field of view to assume where the dataset gives no intrinsics and the backend "
        "cannot estimate them; the result then says so. 0: rather no 3D. 60 is a common webcam or "
        "RealSense colour camera.",
        unit="degrees",
        low=0.0,
        high=150.0,
    )
    depth_detail: int = option(
        9,
        "How finely MoGe looks at a picture: 9 is its authors' default, 0 takes a third of the "
        "time and of the memory.",
        low=0,
        high=9,
        source="MoGe's resolution_level",
    )
    edge_jump: float = option(
        0.05,
        "A point is flagged as lying on a depth edge if the inverse depth around it jumps by more "
        "than this share; slanted planes do not count. The flag changes no score. 0.05 is the edge "
        "of something 4 cm high a metre away, and above a sensor's noise of 1 %; in rendered "
        "scenes tracks that slip by a few pixels there are ten times as often off by 1 cm in "
        "depth. Estimated depth is smoother: 0.03 finds more of its edges.",
        unit="share of the distance",
        low=0.005,
        high=1.0,
    )
    edge_radius: float = option(
        3.0,
        "Half the side of the window that is searched for a depth edge, in pixels of a picture 640 "
        "wide (scaled to the picture's width): as far as a track slips easily.",
        unit="px",
        low=1.0,
        high=15.0,
    )


@dataclass
class _Lifted:
    """What lifting fills row by row.

    Attributes:
        camera: None if there is none.
        xyz: (F, N, 3) float32 metres.
        on_edge: (F, N) bool.
        dropped: (F,) int32 pixels, -1 without depth.
        depth: (F, h, w) float16 metres, or empty.
        placement: Where the backend ran.
    """

    camera: PinholeCamera | None
    xyz: F32
    on_edge: Bool
    dropped: I32
    depth: F16
    drifts: bool
    placement: str = ""


class LiftingStage(Stage[LiftingOptions, LiftingResult]):
    """Lifts tracked points to camera coordinates, per frame."""

    name: ClassVar[str] = "lifting"
    title: ClassVar[str] = "Lifting to 3D"
    version: ClassVar[int] = 3
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
        """Lift. Raises DataError (`no_backend`, `no_weights`, `out_of_memory`, ...) or Cancelled.

        The camera is the dataset's, or estimated once at the proposals' keyframe.
        """
        proposals, tracks = inputs.get(ProposalsResult), inputs.get(TracksResult)
        key = proposals.camera
        camera = demonstration.camera(key)
        context.progress(0.0, "looking for depth")

        def image(index: int) -> U8:
            return context.reader.frame(key, index)

        request = GeometryRequest(
            frame_at=image,
            recorded=lambda index: context.reader.depth(key, index),
            keyframe=proposals.keyframe,
            width=camera.width,
            height=camera.height,
            intrinsics=camera.intrinsics,
            assumed_fov=options.assumed_fov,
            detail=options.depth_detail,
        )

        def work(geometry: Geometry) -> _Lifted:
            lifted = _lifted(geometry, request, tracks, options, context)
            lifted.placement = placement_of(geometry)
            return lifted

        if options.prefer_recorded and _is_recorded(request):
            options = replace(options, backend=embedded_of(self.capability), weights="")
        found, backend, fallen = with_backend(self.capability, options, work)
        context.progress(1.0, "lifting done")
        matrix = None if found.camera is None else found.camera.matrix
        if found.camera is None or not (found.dropped >= 0).any():
            return _without(tracks, matrix, fallen)
        return LiftingResult(
            available=True,
            frames=tracks.frames,
            xyz=found.xyz,
            intrinsics=matrix,
            backend=backend,
            problems=(*fallen, *_problems(found, request), *_edge_problems(found, tracks)),
            scale_drifts=found.drifts,
            camera_origin=found.camera.origin,
            depth=found.depth,
            dropped=found.dropped,
            placement=found.placement,
            on_edge=found.on_edge,
        )


def _is_recorded(request: GeometryRequest) -> bool:
    """Whether the dataset itself has what lifting needs."""
    return request.intrinsics is not None and request.recorded(request.keyframe) is not None


def _lifted(
    geometry: Geometry,
    request: GeometryRequest,
    tracks: TracksResult,
    options: LiftingOptions,
    context: StageContext,
) -> _Lifted:
    """Lift every tracked frame that has depth; estimated depth is kept, reduced."""
    count = len(tracks.frames)
    result = _Lifted(
        None,
        np.full((*tracks.visible.shape, 3), np.nan, np.float32),
        np.zeros(tracks.visible.shape, np.bool_),
        np.full(count, -1, np.int32),
        np.zeros((0, 0, 0), np.float16),
        geometry.scale_drifts,
    )
    result.camera = geometry.camera(request, context.progress)
    if result.camera is None:
        return result
    radius = window_radius(options.edge_radius, request.width)
    kept: dict[int, F16] = {}
    for row, frame in enumerate(tracks.frames):
        context.progress(row / count, "lifting points")
        depth = geometry.depth(int(frame), request, result.camera, context.progress)
        if depth is None:
            if row == 0:
                break
            continue
        context.progress(row / count, "lifting points")
        metres = local_depth(depth.metres, tracks.points[row])
        result.xyz[row] = lift(tracks.points[row], metres, result.camera.matrix)
        jumps = depth_jumps(depth.metres, tracks.points[row], metres, radius)
        result.on_edge[row] = jumps > options.edge_jump  # NaN is no edge
        result.dropped[row] = depth.dropped
        if geometry.scale_drifts:
            kept[row] = reduced(depth.metres)
    if kept:
        result.depth = np.zeros((count, *next(iter(kept.values())).shape), np.float16)
        for row, picture in kept.items():
            result.depth[row] = picture
    return result


def _problems(found: _Lifted, request: GeometryRequest) -> tuple[Problem, ...]:
    """What a reader of the positions must know."""
    problems = []
    with_depth = found.dropped >= 0
    known, count = int(with_depth.sum()), len(found.dropped)
    if known < count:
        problems.append(
            Problem("depth_gaps", f"Depth is missing in {count - known} of {count} tracked frames.")
        )
    pixels = known * request.width * request.height
    dropped = int(found.dropped[with_depth].sum())
    if dropped >= MANY_DROPPED * pixels:
        problems.append(
            Problem(
                "depth_dropped",
                f"{dropped / max(pixels, 1):.1%} of the depth pixels were dropped as transparent, "
                "masked or invalid; points on them have no 3D position.",
                Severity.INFO,
            )
        )
    if found.drifts:
        problems.append(
            Problem(
                "scale_drifts",
                "Depth is estimated from single pictures: metres of one frame are not quite those "
                "of another, so 3D is compared only within a frame.",
                Severity.INFO,
            )
        )
    if found.camera is not None and found.camera.origin is CameraOrigin.ASSUMED:
        problems.append(
            Problem(
                "assumed_intrinsics",
                "The dataset gives no camera intrinsics and none could be estimated: a horizontal "
                f"field of view of {found.camera.fov_x:.0f} degrees is assumed (option "
                "assumed_fov); sideways distances are off by as much as it is.",
            )
        )
    return tuple(problems)


def _edge_problems(found: _Lifted, tracks: TracksResult) -> tuple[Problem, ...]:
    """Candidates most of whose seen points lie on depth edges."""
    seen = tracks.visible & np.isfinite(found.xyz[..., 2])
    shares = edge_shares(found.on_edge, seen, tracks.candidate)
    return tuple(
        Problem(
            "depth_edges",
            f"{share:.0%} of the points of candidate {candidate} lie on depth edges, where a point "
            "may get the metres of what is beside or behind it; look at the 3D view before you "
            "trust its proximity.",
            Severity.INFO,
            candidate=candidate,
        )
        for candidate, share in shares.items()
        if share > MANY_ON_EDGE
    )


def _without(
    tracks: TracksResult, intrinsics: F64 | None, fallen: tuple[Problem, ...]
) -> LiftingResult:
    why = "no camera intrinsics" if intrinsics is None else "no depth"
    return LiftingResult(
        available=False,
        frames=tracks.frames,
        xyz=np.zeros((0, 0, 3), np.float32),
        intrinsics=intrinsics,
        backend="none",
        problems=(
            *fallen,
            Problem(
                "no_geometry",
                f"There is {why} for this camera: proximity is measured in the picture.",
                Severity.INFO,
            ),
        ),
    )
