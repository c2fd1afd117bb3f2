"""Videos to measure on: textured, moving, noisy, encoded as datasets are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np

from tests.datasets import shared_data
from tests.video_files import AV1, Encoding, write_frames

FPS = 30
AV1_GOP_2 = Encoding("libsvtav1", gop=2, options=AV1)
"""As LeRobot writes by default."""
H264_GOP_250 = Encoding(
    "libx264",
    gop=250,
    options={"preset": "fast", "crf": "23", "sc_threshold": "0", "keyint_min": "250", "bf": "2"},
)
"""As most other tools write by default."""
H264_NO_B = Encoding(
    "libx264",
    gop=250,
    options={"preset": "ultrafast", "crf": "30", "sc_threshold": "0", "bf": "0"},
)


@dataclass(frozen=True)
class Clip:
    """A file to measure on.

    Attributes:
        title: For the table.
        path: Where it is.
        frames: How many.
    """

    title: str
    path: Path
    frames: int

    @property
    def timestamps(self) -> np.ndarray:
        """(T,) seconds."""
        return np.arange(self.frames) / FPS


def scene(frames: int, size: tuple[int, int] = (640, 480), seed: int = 0) -> Iterator[np.ndarray]:
    """A window wandering over a blurred texture, with sensor noise that is new in each frame."""
    dice = np.random.default_rng(seed)
    width, height = size
    ground = dice.integers(30, 220, (height // 4, width // 4, 3), np.uint8)
    ground = cv2.resize(ground, (2 * width, 2 * height), interpolation=cv2.INTER_CUBIC)
    # One field of noise, larger than the picture, seen from a new place each time: fast to make.
    noise = dice.normal(0, 3, (2 * height, 2 * width, 1)).astype(np.int8)
    noise = np.repeat(noise, 3, axis=2)
    for t in np.linspace(0, 0.01 * frames, frames):
        x, y = int(width * (0.5 + 0.4 * np.sin(t))), int(height * (0.5 + 0.4 * np.cos(1.3 * t)))
        u, v = int(dice.integers(width)), int(dice.integers(height))
        moved = noise[v : v + height, u : u + width]
        yield cv2.add(ground[y : y + height, x : x + width], moved, dtype=cv2.CV_8U)


def write_scene(
    path: Path, title: str, encoding: Encoding, frames: int = 600, seed: int = 0
) -> Clip:
    """Encode a scene of 640x480 pixels."""
    return Clip(title, write_frames(path, scene(frames, seed=seed), encoding), frames)


def real_clip() -> Clip | None:
    """The real humanoid's episode 1 (AV1, 640x480), None where it is absent."""
    root = shared_data("g1_pick_bottle")
    if root is None:
        return None
    path = next((root / "videos").glob("**/episode_000001.mp4"), None)
    if path is None:
        return None
    with av.open(str(path)) as container:
        frames = sum(1 for p in container.demux(video=0) if p.size)
    return Clip("G1, AV1 gop 2", path, frames)


def repeated(clip: Clip, times: int, path: Path) -> Clip:
    """The same packets again and again: a long file without the time to encode it."""
    with av.open(str(clip.path)) as source, av.open(str(path), "w") as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        packets = [p for p in source.demux(stream) if p.size]
        contents = [(bytes(p), p.pts, p.dts, p.duration, p.is_keyframe) for p in packets]
        length = sum(p.duration or 0 for p in packets)
        for turn in range(times):
            for data, pts, dts, duration, key in contents:
                packet = av.Packet(data)
                packet.stream, packet.time_base = copy, stream.time_base
                packet.pts, packet.dts = (pts or 0) + turn * length, (dts or 0) + turn * length
                packet.duration, packet.is_keyframe = duration, key
                target.mux(packet)
    return Clip(f"{clip.title}, {times} times", path, clip.frames * times)
