"""3D of the tracked points and the robot's region."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from pipeline.model.arrays import F16, F32, F64, I32, U8, Bool, expect_shape, unpack_masks
from pipeline.model.problem import Problem


class CameraOrigin(StrEnum):
    """Where the intrinsics of a clip come from."""

    DATASET = "dataset"
    ESTIMATED = "estimated"
    ASSUMED = "assumed"


@dataclass(frozen=True, slots=True)
class LiftingResult:
    """3D positions of the tracked points, per frame in camera coordinates.

    Attributes:
        available: False if there is no geometry: scores then use their 2D forms.
        frames: (F,) int32, same as the tracks'.
        xyz: (F, N, 3) float32 metres, camera axes (x right, y down, z forward); NaN = unknown.
            (0, 0, 3) if not available.
        intrinsics: (3, 3) float64 pixels, or None.
        backend: Geometry backend, `none` if not available.
        problems: `no_geometry`, `depth_gaps`, `depth_dropped`, `depth_edges`,
            `scale_drifts`, `assumed_intrinsics`, ...
        scale_drifts: True if metres of one frame are not those of another (monocular depth):
            compare positions only within a frame.
        camera_origin: Where `intrinsics` comes from; one camera for the whole clip.
        depth: (F, h, w) float16 metres, 0 = unknown: estimated depth at reduced size, kept so that
            all that follows sees the same. (0, 0, 0) where depth was recorded: the reader has it.
        dropped: (F,) int32, pixels of the original frame without a usable depth; -1 where the
            frame has no depth at all. Empty if not available.
        placement: Device and precision it ran with, e.g. `cuda:0, bfloat16`; empty if it has no
            choice.
        on_edge: (F, N) bool, the point lies on an edge of the depth, where its metres may be those
            of its neighbour. (0, 0) if not available.
    """

    available: bool
    frames: I32
    xyz: F32
    intrinsics: F64 | None
    backend: str
    problems: tuple[Problem, ...] = ()
    scale_drifts: bool = False
    camera_origin: CameraOrigin = CameraOrigin.DATASET
    depth: F16 = field(default_factory=lambda: np.zeros((0, 0, 0), np.float16))
    dropped: I32 = field(default_factory=lambda: np.zeros(0, np.int32))
    placement: str = ""
    on_edge: Bool = field(default_factory=lambda: np.zeros((0, 0), np.bool_))

    def __post_init__(self) -> None:
        if len(self.depth):
            expect_shape("depth", self.depth, (len(self.frames), None, None))
        if self.on_edge.size:
            expect_shape("on_edge", self.on_edge, self.xyz.shape[:2])

    def estimated_depth(self, row: int) -> F32 | None:
        """Estimated depth (h, w) float32 metres at `frames[row]`, reduced; None if recorded."""
        return self.depth[row].astype(np.float32) if len(self.depth) else None


@dataclass(frozen=True, slots=True)
class RobotResult:
    """Where the robot is in the picture.

    Attributes:
        frames: (F,) int32, same as the tracks'.
        height: Pixels.
        width: Pixels.
        packed: (F, ceil(H*W/8)) uint8, robot masks.
        points: (F, G, 2) float32, gripper points in pixels.
        visible: (F, G) bool.
        reference: (F, 2) float32, gripper reference in pixels; NaN where none is visible.
        xyz: (F, G, 3) float32 metres, (F, 0, 3) without geometry.
        reference_xyz: (F, 3) float32 metres, NaN where unknown.
        scale: (F,) float32, local gripper scale in pixels (2D) or metres (3D).
        is_3d: Unit of `scale` and of the proximity sphere: metres if True, pixels if False.
        backend: Robot backend.
        problems: `no_robot`, ...
        placement: Device and precision it ran with, e.g. `cuda:0, bfloat16`; empty if it has no
            choice.
    """

    frames: I32
    height: int
    width: int
    packed: U8
    points: F32
    visible: Bool
    reference: F32
    xyz: F32
    reference_xyz: F32
    scale: F32
    is_3d: bool
    backend: str
    problems: tuple[Problem, ...] = ()
    placement: str = ""

    def __post_init__(self) -> None:
        f = len(self.frames)
        expect_shape("points", self.points, (f, None, 2))
        expect_shape("reference", self.reference, (f, 2))
        expect_shape("scale", self.scale, (f,))

    def mask(self, row: int) -> Bool:
        """Robot mask (H, W) bool at `frames[row]`."""
        mask: Bool = unpack_masks(self.packed[row : row + 1], self.height, self.width)[0]
        return mask
