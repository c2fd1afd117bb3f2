"""A decoded picture, kept as it came and converted when it is looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pipeline.model.arrays import F64, U8, Bool, expect_shape


class Picture(Protocol):
    """One picture of a camera. Immutable: may be shared between threads.

    Video frames stay in their YUV planes (half the bytes of RGB, a third of what is painted) and
    are converted by `rgb` or `bgrx` each time; whoever shows one picture for long keeps the result.
    """

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels as shown, after the file's rotation."""
        ...

    @property
    def nbytes(self) -> int:
        """Memory that it holds."""
        ...

    @property
    def note(self) -> str:
        """Empty, or one sentence if this is not quite the frame that was asked for."""
        ...

    def rgb(self) -> U8:
        """Convert to RGB (H, W, 3) uint8, contiguous, owned by the caller."""
        ...

    def bgrx(self) -> U8:
        """Convert to (H, W, 4) uint8 in the byte order B, G, R, 255 that screens take."""
        ...


@dataclass(frozen=True, slots=True)
class ArrayPicture:
    """A picture that came as pixels (image files, arrays).

    Attributes:
        pixels: RGB (H, W, 3) uint8.
        note: See `Picture`.
    """

    pixels: U8
    note: str = ""

    def __post_init__(self) -> None:
        expect_shape("pixels", self.pixels, (None, None, 3))

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return int(self.pixels.shape[1]), int(self.pixels.shape[0])

    @property
    def nbytes(self) -> int:
        """Memory that it holds."""
        return int(self.pixels.nbytes)

    def rgb(self) -> U8:
        """Copy the pixels."""
        return self.pixels.copy()

    def bgrx(self) -> U8:
        """Turn the channels round and add the fourth."""
        import cv2

        return cv2.cvtColor(self.pixels, cv2.COLOR_RGB2BGRA).astype(np.uint8, copy=False)


@dataclass(frozen=True, slots=True)
class PictureTimes:
    """When a camera's pictures were taken, as its file says (no decoding needed).

    Attributes:
        times: (P,) float64, seconds from the episode's start, one per picture of the file that
            lies within the episode, rising.
        nearest: (T,) int64, the picture that is shown for each row of the episode's table.
        exact: (T,) bool, False where a row has no picture of its own.
        variable: True if the file's frame rate varies.
        truncated: Why reading the file's index stopped early, empty if it did not.
    """

    times: F64
    nearest: np.ndarray[tuple[int], np.dtype[np.int64]]
    exact: Bool
    variable: bool = False
    truncated: str = ""
