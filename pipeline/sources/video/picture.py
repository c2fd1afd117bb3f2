"""A frame of a video, kept in the decoder's planes and converted when it is looked at."""

from __future__ import annotations

import struct
import threading
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.model.arrays import U8, Array
from pipeline.model.picture import ArrayPicture
from pipeline.model.problem import DataError

if TYPE_CHECKING:
    import av
    from av.video.reformatter import VideoReformatter

_ROWS = 128
"""Decoders allocate whole blocks of this many rows (dav1d; others fewer)."""
_EQUAL = {"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "gray"}
"""Formats that libswscale converts to BGRA as it does to RGB, if the width divides by eight.

Others it rounds and interpolates differently, and of other widths it leaves out the last columns
(libswscale 9.5, checked for widths 2 to 139).
"""
_OBJECTS = 2048
"""Bytes of the frame's own structures (measured)."""


class Turn(Enum):
    """What brings a stored picture upright, from the file's display matrix."""

    NONE = 0
    CLOCKWISE = 1
    HALF = 2
    COUNTERCLOCKWISE = 3
    MIRROR = 4
    MIRROR_CLOCKWISE = 5
    MIRROR_HALF = 6
    MIRROR_COUNTERCLOCKWISE = 7

    @property
    def swaps(self) -> bool:
        """True if width and height change places."""
        return bool(self.value & 1)

    def apply(self, pixels: Array) -> Array:
        """Turn (H, W, C), contiguous; the mirror comes first."""
        if self is Turn.NONE:
            return pixels
        if self.value & 4:
            pixels = pixels[:, ::-1]
        return np.ascontiguousarray(np.rot90(pixels, -(self.value & 3)))


_MATRICES = {
    # (a, b, c, d): a stored point (x, y) is shown at (a x + c y, b x + d y), y downwards.
    (1, 0, 0, 1): Turn.NONE,
    (0, 1, -1, 0): Turn.CLOCKWISE,
    (-1, 0, 0, -1): Turn.HALF,
    (0, -1, 1, 0): Turn.COUNTERCLOCKWISE,
    (-1, 0, 0, 1): Turn.MIRROR,
    (0, -1, -1, 0): Turn.MIRROR_CLOCKWISE,
    (1, 0, 0, -1): Turn.MIRROR_HALF,
    (0, 1, 1, 0): Turn.MIRROR_COUNTERCLOCKWISE,
}


def turn_of(frame: av.VideoFrame) -> Turn:
    """Read a frame's display matrix; angles between quarter turns are not followed."""
    import av
    from av.video.reformatter import VideoReformatter

    # Asking a frame for its side data makes it part of a cycle: it would keep all memory of its
    # decoder until Python looks for cycles. So a tiny copy is asked.
    try:
        small: Any = VideoReformatter().reformat(frame, width=16, height=16, format="gray")
    except av.FFmpegError:  # Colours that cannot be converted: `rgb` will say so.
        return Turn.NONE
    data = small.side_data.get("DISPLAYMATRIX")
    if data is None:
        return Turn.NONE
    a, b, _, c, d, *_ = struct.unpack_from("=9i", bytes(data))
    return _MATRICES.get((_sign(a), _sign(b), _sign(c), _sign(d)), Turn.NONE)


def _sign(fixed: int) -> int:
    """Direction of a 16.16 fixed-point number, small ones count as 0."""
    return 0 if abs(fixed) < 1 << 12 else (1 if fixed > 0 else -1)


class _Converters(threading.local):
    """One converter per thread and target: setting one up costs more than converting."""

    def __init__(self) -> None:
        from av.video.reformatter import VideoReformatter

        self.rgb: VideoReformatter = VideoReformatter()
        self.bgrx: VideoReformatter = VideoReformatter()


_converters: _Converters | None = None


def _own() -> _Converters:
    global _converters  # Made at first use: importing av takes 30 ms.
    if _converters is None:
        _converters = _Converters()
    return _converters


def bytes_held(frame: av.VideoFrame) -> int:
    """Memory that a frame's planes hold, with the rows that decoders add."""
    rows = -(-frame.height // _ROWS) * _ROWS
    return sum(p.buffer_size for p in frame.planes) * rows // frame.height + _OBJECTS


@dataclass(frozen=True, slots=True)
class VideoPicture:
    """A decoded frame in the planes the decoder left.

    Attributes:
        decoded: The frame; never written to.
        note: See `Picture`.
        turn: What brings it upright.
        nbytes: Memory that the planes hold, see `bytes_held`.
    """

    decoded: av.VideoFrame
    note: str
    turn: Turn
    nbytes: int

    @property
    def size(self) -> tuple[int, int]:
        """Width and height as shown."""
        width, height = self.decoded.width, self.decoded.height
        return (height, width) if self.turn.swaps else (width, height)

    def rgb(self) -> U8:
        """Convert. Raises DataError for colours that libswscale does not know."""
        return self.turn.apply(self._convert(_own().rgb, "rgb24", 3))

    def bgrx(self) -> U8:
        """Convert; the same colours as `rgb`."""
        if self.decoded.format.name not in _EQUAL or self.decoded.width % 8:
            return ArrayPicture(self.rgb()).bgrx()
        return self.turn.apply(self._convert(_own().bgrx, "bgra", 4))

    def _convert(self, converter: VideoReformatter, form: str, channels: int) -> U8:
        import av

        try:
            # One thread: handing out and joining takes longer than 640 x 480 pixels.
            shown = converter.reformat(self.decoded, format=form, threads=1)
        except av.FFmpegError as error:
            raise DataError(
                "frame_not_decoded",
                f"colours of {self.decoded.format.name} cannot be shown ({error})",
            ) from error
        plane, width, height = shown.planes[0], shown.width, shown.height
        # A view: the frame was made for this call, the array keeps it alive.
        flat: U8 = np.frombuffer(memoryview(plane), np.uint8)
        rows: U8 = flat.reshape(-1, plane.line_size)[:height, : width * channels]
        if shown is self.decoded or plane.line_size != width * channels:
            rows = rows.copy()
        return rows.reshape(height, width, channels)
