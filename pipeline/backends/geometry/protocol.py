"""What a geometry backend is asked, and what it returns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from pipeline.backends.backend import Backend, FrameAt
from pipeline.model.arrays import F32, F64


class Geometry(Backend, Protocol):
    """Gives depth per frame, from which points are lifted to 3D."""

    def depth(
        self, frame: int, image: FrameAt, recorded: Callable[[int], F32 | None]
    ) -> F32 | None:
        """Return (H, W) float32 metres along the optical axis, 0 = unknown; None if there is none.

        Args:
            frame: Frame of the episode.
            image: Gives colour frames (a monocular backend reads them).
            recorded: Gives recorded depth or None.
        """
        ...

    def intrinsics(self, given: F64 | None, width: int, height: int) -> F64 | None:
        """Return the (3, 3) float64 pinhole matrix in pixels, or None if it is unknown."""
        ...
