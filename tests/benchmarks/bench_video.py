"""Decoding and showing frames against PyAV and memcpy: `python -m tests.benchmarks video`.

All arms of a table run in turns in one process on the same frames. Ratios are medians of the
ratios of neighbouring measurements, with the middle half in brackets: they stay when the machine's
speed drifts. Peers are PyAV as one would write it by hand, going on inside a GOP instead of
seeking: with one thread, and with the threads PyAV takes by itself.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np

from pipeline.sources.picture_cache import PictureCache
from pipeline.sources.video.clip import VideoClip
from pipeline.sources.video.index import _known
from tests.benchmarks.table import header, row, write
from tests.benchmarks.video_clips import (
    AV1_GOP_2,
    H264_GOP_250,
    H264_NO_B,
    Clip,
    real_clip,
    repeated,
    write_scene,
)

BUDGET = 512 << 20
PACKAGES = ("av", "numpy")
Arms = dict[str, Callable[[int], object]]


class PlainPyAV:
    """What people write: seek, decode until the time is reached, go on inside a GOP."""

    def __init__(self, clip: Clip, *, threads: bool) -> None:
        with av.open(str(clip.path)) as container:
            packets = [p for p in container.demux(video=0) if p.size]
        self._pts = sorted(p.pts for p in packets if p.pts is not None)
        self._keys = sorted(p.pts for p in packets if p.is_keyframe and p.pts is not None)
        self._container = av.open(str(clip.path))
        self._stream = self._container.streams.video[0]
        if not threads:
            self._stream.codec_context.thread_type = "NONE"
            self._stream.codec_context.thread_count = 1
        self._decoder: Any = None
        self._at = -1

    def frame(self, index: int, *, seek: bool = False) -> av.VideoFrame:
        target = self._pts[index]
        key = max(k for k in self._keys if k <= target)
        if seek or self._decoder is None or not key <= self._at < target:
            self._container.seek(target, stream=self._stream)
            self._decoder = self._container.decode(self._stream)
        for frame in self._decoder:
            self._at = frame.pts
            if frame.pts >= target:
                return frame  # type: ignore[no-any-return]
        raise RuntimeError(f"frame {index} did not come")


def in_turns(arms: Arms, indices: Sequence[int]) -> dict[str, list[float]]:
    """Time each arm on each index; the order of the arms turns."""
    times: dict[str, list[float]] = {name: [] for name in arms}
    names = list(arms)
    for i, index in enumerate(indices):
        for name in names[i % len(names) :] + names[: i % len(names)]:
            start = time.perf_counter()
            arms[name](index)
            times[name].append(time.perf_counter() - start)
    return times


def ratio(name: str, ours: list[float], theirs: list[float], most: float | None) -> None:
    """Write the median ratio, the middle half of the ratios and the verdict."""
    ratios = sorted(a / b for a, b in zip(ours, theirs, strict=True))
    low, middle, high = statistics.quantiles(ratios, n=4)
    verdict = ""
    if most is not None:
        verdict = f"  goal {most:g}: {'met' if middle <= most else 'MISSED'}"
    write(f"    {name}: {middle:.3f}x [{low:.3f}, {high:.3f}]{verdict}")


def misses(clip: Clip, count: int) -> None:
    """Frames anywhere that are not in memory."""
    ours = VideoClip(clip.path, clip.timestamps, cache=PictureCache(0))
    one, many = PlainPyAV(clip, threads=False), PlainPyAV(clip, threads=True)
    arms: Arms = {
        "ours, miss": ours.picture,
        "PyAV, forward reuse, one thread": one.frame,
        "PyAV, forward reuse, its own threads": many.frame,
    }
    indices = np.random.default_rng(1).integers(0, clip.frames, count).tolist()
    for arm in arms.values():
        arm(0)
    times = in_turns(arms, indices)
    header(f"(a) cache miss at random frames: {clip.title}", *PACKAGES)
    for name, found in times.items():
        row(name, found)
    mine, *peers = times.values()
    ratio("ours / PyAV one thread", mine, peers[0], 1.1)
    ratio("ours / PyAV its own threads", mine, peers[1], None)
    ours.close()


def hits(clip: Clip, count: int = 600) -> None:
    """Frames in memory to what is painted, against a copy of as many RGB bytes."""
    ours = VideoClip(clip.path, clip.timestamps, cache=PictureCache(BUDGET))
    frames = min(clip.frames, 300)
    # As many as ours, so that neither comes from the processor's cache.
    rgb = [ours.picture(i).rgb() for i in range(frames)]
    screen = np.empty_like(rgb[0])
    arms: Arms = {
        "memcpy of the RGB frame": lambda i: np.copyto(screen, rgb[i]),
        "ours, hit to BGRX": lambda i: ours.picture(i).bgrx(),
        "ours, hit to RGB": lambda i: ours.picture(i).rgb(),
        'PyAV to_ndarray("bgra")': lambda i: ours.picture(i).decoded.to_ndarray(format="bgra"),  # type: ignore[attr-defined]
    }
    times = in_turns(arms, np.random.default_rng(2).integers(0, frames, count).tolist())
    header(f"(b) cache hit to pixels: {clip.title}", *PACKAGES)
    for name, found in times.items():
        row(name, found)
    copy, mine, *_ = times.values()
    ratio("ours to BGRX / memcpy", mine, copy, 5.0)
    ours.close()


def steps_back(clip: Clip, count: int = 30) -> None:
    """One frame back after having come forwards, with pixels."""
    cache = PictureCache(BUDGET)
    ours = VideoClip(clip.path, clip.timestamps, cache=cache)
    peer = PlainPyAV(clip, threads=False)
    last = 240
    ours.picture(last)
    arms: Arms = {
        "ours": lambda i: ours.picture(i).bgrx(),
        "PyAV, seeking": lambda i: peer.frame(i, seek=True).to_ndarray(format="bgra"),
    }
    times = in_turns(arms, range(last - 1, last - 1 - count, -1))
    header(f"(c) step back: {clip.title}", *PACKAGES)
    for name, found in times.items():
        row(name, found)
    ratio("ours / PyAV seeking", times["ours"], times["PyAV, seeking"], 0.01)
    ours.close()


def fills(clip: Clip, count: int = 7) -> None:
    """All frames of a clip into memory, against decoding them and letting them go."""

    def fill(_: int) -> None:
        ours = VideoClip(clip.path, clip.timestamps, cache=PictureCache(BUDGET))
        for i in range(clip.frames):
            ours.picture(i)
        ours.close()

    def raw(*, threads: bool = False, keep: bool = False) -> None:
        kept = []
        with av.open(str(clip.path)) as container:
            stream = container.streams.video[0]
            if not threads:
                stream.codec_context.thread_type = "NONE"
                stream.codec_context.thread_count = 1
            for frame in container.decode(stream):
                if keep:
                    kept.append(frame)

    arms: Arms = {
        "ours, opened and filled": fill,
        "PyAV, decoded and kept, one thread": lambda _: raw(keep=True),
        "PyAV, decoded only, one thread": lambda _: raw(),
        "PyAV, decoded only, its own threads": lambda _: raw(threads=True),
    }
    times = in_turns(arms, range(count))
    header(f"(d) fill {clip.frames} frames: {clip.title}", *PACKAGES)
    for name, found in times.items():
        row(name, found)
    mine, kept, *only = times.values()
    ratio("ours / PyAV decoded and kept", mine, kept, 1.1)
    ratio("ours / PyAV decoded only", mine, only[0], 1.1)
    ratio("ours / PyAV decoded only, its own threads", mine, only[1], None)


def opens(clip: Clip, count: int = 5) -> None:
    """Opening an hour, and an episode in its middle; the index is read anew each time."""
    minute = np.arange(60 * 30) / 30

    def demux(_: int) -> None:
        with av.open(str(clip.path)) as container:
            for _packet in container.demux(video=0):
                pass

    def whole(_: int) -> None:
        _known.clear()
        VideoClip(clip.path, clip.timestamps).close()

    def part(_: int) -> None:
        _known.clear()
        VideoClip(clip.path, minute, start=1800.0).close()

    def again(_: int) -> None:
        VideoClip(clip.path, minute, start=1800.0).close()

    arms: Arms = {
        "ours, the hour": whole,
        "ours, a minute in its middle": part,
        "ours, the same minute again": again,
        "PyAV, all packets": demux,
    }
    times = in_turns(arms, range(count))
    header(f"(f) open {clip.frames} frames: {clip.title}", *PACKAGES)
    for name, found in times.items():
        row(name, found, None if "PyAV" in name else 500.0)


def main(parts: str) -> None:
    """Write the videos, measure, print.

    Args:
        parts: Letters of the tables wanted.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        av1 = write_scene(root / "av1", "AV1 gop 2, 640x480", AV1_GOP_2)
        h264 = write_scene(root / "h264", "H.264 gop 250, 640x480", H264_GOP_250)
        long = write_scene(root / "no_b", "H.264 without B-frames", H264_NO_B)
        real = real_clip()
        if real is None:
            write("the real clip is absent here")
        if "a" in parts:
            for clip in (av1, h264, real):
                if clip is not None:
                    misses(clip, 40 if clip is h264 else 120)
        if "b" in parts:
            hits(av1)
            hits(h264)
        if "c" in parts:
            steps_back(h264)
        if "d" in parts:
            for clip in (av1, h264, real):
                if clip is not None:
                    fills(clip)
        if "f" in parts:
            for source in (long, h264):
                hour = repeated(source, 180, root / f"hour_{source.path.name}")
                opens(hour)
                hour.path.unlink()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "abcdf")
