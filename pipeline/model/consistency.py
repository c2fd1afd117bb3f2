"""How well the 3D points of a clip agree with the 2D tracks they were lifted from."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pipeline.model.arrays import F32, I32, Bool, expect_shape


@dataclass(frozen=True, slots=True)
class Consistency:
    """Residuals of a clip's points; all in pixels of the camera's picture (our choice).

    Attributes:
        frames: (F,) int32, same as the tracks'.
        candidate: (N,) int32, candidate of each point.
        reprojection: (F, N) float32, distance of the projected 3D point from its 2D track; NaN
            where either is unknown. It is not zero where camera, pose or depth do not belong to
            the picture.
        rigid: (F, N) float32, distance of the 2D track from where the point would be if its
            candidate had moved as one piece since the keyframe; NaN where unknown. High: a
            drifting track, a mask with background in it, or depth that jumps.
        on_edge: (F, N) bool, the point lies on an edge of the depth: its metres may be those of
            what is beside or behind it. (0, 0) where depth was not examined.
    """

    frames: I32
    candidate: I32
    reprojection: F32
    rigid: F32
    on_edge: Bool = field(default_factory=lambda: np.zeros((0, 0), np.bool_))

    def __post_init__(self) -> None:
        shape = (len(self.frames), len(self.candidate))
        expect_shape("reprojection", self.reprojection, shape)
        expect_shape("rigid", self.rigid, shape)
        if self.on_edge.size:
            expect_shape("on_edge", self.on_edge, shape)
