"""3D of the tracked points and the robot's region."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.model.arrays import F32, F64, I32, U8, Bool, expect_shape, unpack_masks
from pipeline.model.problem import Problem


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
        problems: `no_geometry`, ...
    """

    available: bool
    frames: I32
    xyz: F32
    intrinsics: F64 | None
    backend: str
    problems: tuple[Problem, ...] = ()


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

    def __post_init__(self) -> None:
        f = len(self.frames)
        expect_shape("points", self.points, (f, None, 2))
        expect_shape("reference", self.reference, (f, 2))
        expect_shape("scale", self.scale, (f,))

    def mask(self, row: int) -> Bool:
        """Robot mask (H, W) bool at `frames[row]`."""
        mask: Bool = unpack_masks(self.packed[row : row + 1], self.height, self.width)[0]
        return mask
