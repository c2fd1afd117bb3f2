"""Encodes and decodes the sample's videos with PyAV."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.video.stream import VideoStream

from tools.sample.motion import FPS
from tools.sample.scene import HEIGHT, WIDTH

COLOUR_OPTIONS = {"g": "5", "crf": "30", "preset": "6", "svtav1-params": "lp=1"}
"""SVT-AV1 as LeRobot uses it, with a slightly longer GOP; one thread, so that bytes repeat."""
DEPTH_OPTIONS = {
    "preset": "medium",
    "x265-params": "lossless=1:keyint=20:min-keyint=20:bframes=0:pools=none:frame-threads=1"
    ":log-level=error",
}
"""Lossless HEVC Main 12 as LeRobot uses it."""


def _encode(
    path: Path, frames: Iterable[av.VideoFrame], codec: str, pix_fmt: str, options: dict[str, str]
) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=FPS, options=options)
        if not isinstance(stream, VideoStream):
            raise TypeError(f"{codec} is not a video codec")
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pix_fmt
        for frame in frames:
            frame.pts, frame.time_base = count, Fraction(1, FPS)
            container.mux(stream.encode(frame))
            count += 1
        container.mux(stream.encode())
    return count


def encode_colour(path: Path, images: Iterable[npt.NDArray[np.uint8]]) -> int:
    """Writes an AV1 video.

    Args:
        path: The MP4 file.
        images: RGB frames, shape (h, w, 3).

    Returns:
        Number of frames.
    """
    frames = (av.VideoFrame.from_ndarray(np.ascontiguousarray(i), format="rgb24") for i in images)
    return _encode(path, frames, "libsvtav1", "yuv420p", COLOUR_OPTIONS)


def encode_depth_video(path: Path, codes: Iterable[npt.NDArray[np.uint16]]) -> int:
    """Writes depth codes as a lossless HEVC video.

    Args:
        path: The MP4 file.
        codes: Codes 0 to 4095, shape (h, w).

    Returns:
        Number of frames.
    """
    frames = (av.VideoFrame.from_ndarray(np.ascontiguousarray(c), format="gray12le") for c in codes)
    return _encode(path, frames, "libx265", "gray12le", DEPTH_OPTIONS)


def decode(
    path: Path, start: float, end: float, pix_fmt: str = "rgb24"
) -> Iterator[tuple[float, npt.NDArray[np.generic]]]:
    """Reads the frames of an episode from a file with several episodes.

    Args:
        path: The MP4 file.
        start: ``from_timestamp`` in seconds.
        end: ``to_timestamp`` in seconds.
        pix_fmt: ``rgb24`` or ``gray12le``.

    Yields:
        Time within the episode in seconds, and the frame.

    Raises:
        ValueError: If the stream has no time base.
    """
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        base = stream.time_base
        if base is None:
            raise ValueError(f"{path} has no time base")
        container.seek(int(start / base), stream=stream)
        for frame in container.decode(stream):
            time = float(frame.pts * base) if frame.pts is not None else 0.0
            if time >= end - 0.5 / FPS:
                return
            if time > start - 0.5 / FPS:
                yield time - start, frame.to_ndarray(format=pix_fmt)
