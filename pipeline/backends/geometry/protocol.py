"""What a geometry backend is asked, and what it returns.

Two questions, in this order: which camera took the clip (asked once, so that all points of a clip
share one camera), and how deep each frame is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pipeline.backends.backend import Backend, FrameAt, Progress
from pipeline.model.arrays import F32, F64, Bool, expect_shape
from pipeline.model.geometry import CameraOrigin


@dataclass(frozen=True, slots=True)
class GeometryRequest:
    """What a geometry backend is asked about one clip.

    Attributes:
        frame_at: Gives colour frames (a monocular backend reads them).
        recorded: Gives recorded depth (H, W) float32 metres, 0 = unknown, or None.
        keyframe: Frame at which a camera is estimated if none is given.
        width: Of the pictures, pixels.
        height: Of the pictures, pixels.
        intrinsics: (3, 3) float64 pixels that the dataset gives, or None.
        assumed_fov: Horizontal field of view in degrees to assume where a camera is neither given
            nor estimated; 0 = assume none.
        detail: 0 (fast) to 9 (fine), for models that can choose.
    """

    frame_at: FrameAt
    recorded: Callable[[int], F32 | None]
    keyframe: int
    width: int
    height: int
    intrinsics: F64 | None
    assumed_fov: float
    detail: int = 9


@dataclass(frozen=True, slots=True)
class PinholeCamera:
    """The camera of a clip.

    Attributes:
        matrix: (3, 3) float64, pixels of the original frame.
        width: Of the pictures, pixels.
        origin: Where it comes from.
    """

    matrix: F64
    width: int
    origin: CameraOrigin

    def __post_init__(self) -> None:
        expect_shape("matrix", self.matrix, (3, 3))

    @property
    def fov_x(self) -> float:
        """Horizontal field of view in degrees, for a principal point in the middle."""
        return float(np.degrees(2.0 * np.arctan2(self.width / 2.0, self.matrix[0, 0])))


@dataclass(frozen=True, slots=True)
class DepthPicture:
    """Depth of one frame.

    Attributes:
        metres: (H, W) float32 along the optical axis, pixels of the original frame; 0 = dropped.
        dropped: Number of pixels without a usable depth: what a sensor did not return (glass,
            shiny or too near), what a model masked (sky, nothing it can place), and values that
            are not finite or not positive.
    """

    metres: F32
    dropped: int


class Geometry(Backend, Protocol):
    """Gives depth per frame, from which points are lifted to 3D.

    Attributes:
        scale_drifts: True if metres of one frame are not those of another.
    """

    scale_drifts: bool

    def camera(self, request: GeometryRequest, progress: Progress) -> PinholeCamera | None:
        """Return the clip's camera, or None if nothing says what it is."""
        ...

    def depth(
        self, frame: int, request: GeometryRequest, camera: PinholeCamera, progress: Progress
    ) -> DepthPicture | None:
        """Return the depth of a frame of the episode, or None if there is none."""
        ...


def depth_picture(metres: F32, valid: Bool | None = None) -> DepthPicture:
    """Drop what is no depth, and count it.

    Args:
        metres: (H, W) float; anything that is not finite and positive is dropped.
        valid: (H, W) bool, False where a model itself masks the pixel; None: all valid.
    """
    good = np.isfinite(metres) & (metres > 0)
    if valid is not None:
        good &= valid
    kept = np.where(good, metres, 0.0).astype(np.float32)
    return DepthPicture(kept, int(good.size - np.count_nonzero(good)))


def given_camera(request: GeometryRequest) -> PinholeCamera | None:
    """The dataset's camera, if it is one: a focal length that is not positive is none."""
    matrix = request.intrinsics
    if matrix is None or not np.isfinite(matrix).all() or min(matrix[0, 0], matrix[1, 1]) <= 0:
        return None
    return PinholeCamera(matrix, request.width, CameraOrigin.DATASET)


def camera_of_fov(request: GeometryRequest, fov: float, origin: CameraOrigin) -> PinholeCamera:
    """A camera with square pixels and the principal point in the middle.

    Args:
        request: Size of the pictures.
        fov: Horizontal field of view, degrees.
        origin: Where the field of view comes from.
    """
    focal = request.width / 2.0 / np.tan(np.radians(fov) / 2.0)
    # Pixels are numbered at their centres.
    middle = (request.width - 1) / 2.0, (request.height - 1) / 2.0
    matrix = np.array([[focal, 0.0, middle[0]], [0.0, focal, middle[1]], [0.0, 0.0, 1.0]])
    return PinholeCamera(matrix, request.width, origin)
