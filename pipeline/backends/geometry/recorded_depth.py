"""Embedded geometry: depth that the dataset recorded."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.backends.backend import FrameAt
from pipeline.model.arrays import F32, F64


class RecordedDepth:
    """Gives recorded depth; there is none where the dataset has none."""

    name = "recorded_depth"
    licence = "MIT (part of Demoscope)"

    def available(self) -> str | None:
        """Always available; whether an episode has depth shows per frame."""
        return None

    def depth(
        self, frame: int, image: FrameAt, recorded: Callable[[int], F32 | None]
    ) -> F32 | None:
        """Return recorded depth (H, W) float32 metres, 0 = unknown, or None."""
        return recorded(frame)

    def intrinsics(self, given: F64 | None, width: int, height: int) -> F64 | None:
        """Return the dataset's intrinsics; without them pixels cannot be lifted."""
        return given
