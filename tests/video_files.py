"""Small videos of every kind, written with PyAV for tests and benchmarks."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

# The AV1 encoder writes pages of configuration to standard error otherwise.
os.environ.setdefault("SVT_LOG", "0")

import av
import numpy as np

BITS = 8
"""Blocks that number a frame: enough for 256."""

X265 = {"x265-params": "log-level=error:pools=none:frame-threads=1"}
AV1 = {"preset": "12", "crf": "30", "svtav1-params": "lp=1"}


@dataclass(frozen=True)
class Encoding:
    """How a test video is written.

    Attributes:
        codec: Encoder.
        pix_fmt: Stored format.
        gop: Frames between key frames.
        options: For the encoder.
        rate: Ticks per second that frames' times are given in.
        suffix: Container.
        container: Options for the container.
    """

    codec: str = "libx264"
    pix_fmt: str = "yuv420p"
    gop: int = 12
    options: dict[str, str] = field(default_factory=dict)
    rate: int = 30
    suffix: str = ".mp4"
    container: dict[str, str] = field(default_factory=dict)


def numbered(number: int, size: tuple[int, int] = (96, 64)) -> np.ndarray:
    """RGB frame that shows its number: eight bright or dark blocks in two rows, a red corner.

    It survives lossy encoding, any chroma subsampling, and tells which way up it is.
    """
    width, height = size
    rgb = np.full((height, width, 3), 110, np.uint8)
    rows, columns = height // 4, width // 4
    for bit in range(BITS):
        y, x = rows * (1 + bit // 4), columns * (bit % 4)
        rgb[y : y + rows, x : x + columns] = 215 if number >> bit & 1 else 35
    rgb[:rows, :columns] = (200, 30, 30)
    return rgb


def number_of(rgb: np.ndarray) -> int:
    """Read the number that an upright frame of `numbered` shows."""
    height, width = rgb.shape[:2]
    rows, columns = height // 4, width // 4
    number = 0
    for bit in range(BITS):
        y, x = rows * (1 + bit // 4) + rows // 2, columns * (bit % 4) + columns // 2
        number |= int(rgb[y - 2 : y + 3, x - 2 : x + 3].mean() > 125) << bit
    return number


def is_upright(rgb: np.ndarray) -> bool:
    """True if the red corner is at the top left."""
    height, width = rgb.shape[:2]
    corner = rgb[: height // 4, : width // 4].reshape(-1, 3).mean(axis=0)
    return bool(corner[0] > 120 and corner[1] < 90)


def write_numbered(
    path: Path,
    frames: int = 48,
    encoding: Encoding = Encoding(),
    *,
    size: tuple[int, int] = (96, 64),
    ticks: Sequence[int] | None = None,
) -> Path:
    """Write a video of numbered frames.

    Args:
        path: Without the suffix, which the encoding gives.
        frames: How many.
        encoding: How.
        size: Width and height.
        ticks: When each is shown in units of 1 / `encoding.rate` s; 0, 1, 2, ... by default.
    """
    pictures = (numbered(i, size) for i in range(frames))
    return write_frames(path, pictures, encoding, ticks=ticks)


def write_frames(
    path: Path,
    pictures: Iterator[np.ndarray],
    encoding: Encoding,
    *,
    ticks: Sequence[int] | None = None,
    source: str = "rgb24",
) -> Path:
    """Write pictures (H, W, 3) uint8, or arrays of another `source` format."""
    path = path.with_suffix(encoding.suffix)
    base = Fraction(1, encoding.rate)
    stream: Any = None
    with av.open(str(path), "w", options=encoding.container) as container:
        for i, picture in enumerate(pictures):
            if stream is None:
                stream = container.add_stream(
                    encoding.codec, rate=encoding.rate, options=dict(encoding.options)
                )
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt = encoding.pix_fmt
                stream.gop_size = encoding.gop
                stream.codec_context.time_base = base
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format=source)
            frame.pts, frame.time_base = (i if ticks is None else ticks[i]), base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def packets_of(path: Path) -> list[tuple[int, int, int, bool]]:
    """Place in the file, size, pts and key flag of each packet, in the order of the file."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return [
            (p.pos or 0, p.size, p.pts or 0, p.is_keyframe)
            for p in container.demux(stream)
            if p.size
        ]


def damage(path: Path, packet: int, share: float = 1.0) -> None:
    """Overwrite the end of a packet (in file order) with noise, all of it by default."""
    pos, size, _, _ = packets_of(path)[packet]
    data = bytearray(path.read_bytes())
    first = pos + int(size * (1 - share))
    # No zeros: they could begin another unit.
    data[first : pos + size] = (
        np.random.default_rng(5).bytes(pos + size - first).replace(b"\0", b"\x55")
    )
    path.write_bytes(data)


def cut(path: Path, share: float) -> None:
    """Keep the first part of a file."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


def cut_inside(path: Path, packet: int) -> None:
    """Let a file end in the middle of a packet."""
    pos, size, _, _ = packets_of(path)[packet]
    path.write_bytes(path.read_bytes()[: pos + size // 2])


def turn(path: Path, matrix: tuple[int, int, int, int]) -> None:
    """Write (a, b, c, d) into the display matrix of an MP4's track header."""
    data = bytearray(path.read_bytes())
    at = data.find(b"tkhd") + 4 + 4 + 20 + 8 + 8  # Version 0: times, reserved, layer, volume.
    a, b, c, d = (value << 16 for value in matrix)
    struct.pack_into(">9i", data, at, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)


def declare_frames(path: Path, count: int) -> None:
    """Make an MP4 declare that many frames of one byte, all in one chunk."""
    data = bytearray(path.read_bytes())
    sizes, chunks = data.find(b"stsz"), data.find(b"stsc")
    struct.pack_into(">II", data, sizes + 8, 1, count)
    struct.pack_into(">IIII", data, chunks + 8, 1, 1, count, 1)
    path.write_bytes(data)
