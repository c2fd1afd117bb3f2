"""Embedded geometry: depth that the dataset recorded."""

from __future__ import annotations

from pipeline.backends.backend import Progress
from pipeline.backends.geometry.protocol import (
    DepthPicture,
    GeometryRequest,
    PinholeCamera,
    depth_picture,
    given_camera,
)


class RecordedDepth:
    """Gives recorded depth; there is none where the dataset has none."""

    name = "recorded_depth"
    title = "Recorded depth"
    licence = "MIT (part of Demoscope)"
    scale_drifts = False

    def available(self) -> str | None:
        """Always available; whether an episode has depth shows per frame."""
        return None

    def camera(self, request: GeometryRequest, progress: Progress) -> PinholeCamera | None:
        """Return the dataset's camera; without it pixels cannot be lifted."""
        return given_camera(request)

    def depth(
        self, frame: int, request: GeometryRequest, camera: PinholeCamera, progress: Progress
    ) -> DepthPicture | None:
        """Return recorded depth, or None where the dataset has none."""
        recorded = request.recorded(frame)
        return None if recorded is None else depth_picture(recorded)
