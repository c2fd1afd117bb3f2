"""An hour of scrubbing with four cameras, without its pauses: `... video_memory [SECONDS]`.

Asks for the frames that a hand would in that time: 60 times a second, all four cameras in step,
mostly wandering to and fro, now and then jumping anywhere, a new episode every half minute. Every
frame is converted as for painting. By default a sixtieth of the hour is sampled evenly (each
episode of the hour is opened, half a second of it is scrubbed); `3600` runs all of it.

What is held must stay within the budget: the cache by its own count, the process by that and an
allowance for what no cache counts (decoders keep references of up to 17 frames per camera, the
converted pictures, what the allocator holds back). Nothing may be left when the readers are closed:
no open file, no decoder, no container.
"""

from __future__ import annotations

import gc
import os
import sys
import tempfile
import time
from collections import Counter
from functools import partial
from pathlib import Path

import av
import numpy as np

from pipeline.sources.reader import EpisodeReader, OpenPictures
from pipeline.sources.video.clip import VideoClip
from pipeline.sources.video.decoder import VideoDecoder
from tests.benchmarks.table import header, row, write
from tests.benchmarks.video_clips import AV1_GOP_2, H264_GOP_250, Clip, real_clip, write_scene

BUDGET = 512 << 20
ALLOWANCE = 128 << 20
HOUR, HZ, EPISODE = 3600.0, 60, 30.0
FRAMES = 600


def resident() -> int:
    """Bytes of memory that this process occupies."""
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def open_files() -> int:
    """Files that this process has open."""
    return len(os.listdir("/proc/self/fd"))


def living() -> Counter[str]:
    """Decoders, containers and clips that exist."""
    gc.collect()
    kinds = (VideoDecoder, VideoClip, EpisodeReader, av.container.InputContainer)
    return Counter(type(o).__name__ for o in gc.get_objects() if isinstance(o, kinds))


def wander(ticks: int, dice: np.random.Generator) -> list[int]:
    """Frames under a hand: to and fro at changing speed, one jump in fifty ticks."""
    place, speed, path = dice.uniform(0, FRAMES), 1.0, []
    for _ in range(ticks):
        if dice.random() < 0.02:
            place = dice.uniform(0, FRAMES)
        speed = float(np.clip(speed + dice.normal(0, 0.7), -6, 6))
        place += speed
        if not 0 <= place < FRAMES:
            place, speed = float(np.clip(place, 0, FRAMES - 1)), -speed
        path.append(int(place))
    return path


def open_reader(clips: list[Clip]) -> EpisodeReader:
    """Four cameras of an episode in one budget."""
    times = np.arange(FRAMES) / 30
    cameras: dict[str, OpenPictures] = {
        f"camera {i}": partial(
            lambda path, name, cache: VideoClip(path, times, cache=cache, name=name),
            clip.path,
            f"camera {i}",
        )
        for i, clip in enumerate(clips)
    }
    return EpisodeReader(cameras, cache_bytes=BUDGET)


def scrub(clips: list[Clip], seconds: float) -> tuple[list[float], int, int, int]:
    """All episodes of the hour; times per tick, most bytes cached, most resident, hits."""
    dice = np.random.default_rng(4)
    episodes = round(HOUR / EPISODE)
    ticks = max(1, round(seconds * HZ / episodes))
    times: list[float] = []
    cached = peak = hits = 0
    for episode in range(episodes):
        reader = open_reader(clips)
        # A stretch somewhere in the half minute, so that a sample sees full caches too.
        for frame in wander(ticks, dice):
            start = time.perf_counter()
            for i in range(len(clips)):
                hits += reader.cached(f"camera {i}", frame) is not None
                reader.picture(f"camera {i}", frame).bgrx()
            times.append(time.perf_counter() - start)
            cached = max(cached, reader.cache.held)
            peak = max(peak, resident())
        if episode % 20 == 19:
            write(f"    {episode + 1} episodes: {resident() >> 20} MiB, most {peak >> 20} MiB")
        reader.close()
    return times, cached, peak, hits


def fill(clips: list[Clip]) -> int:
    """Decode everything of four cameras, several times the budget; most bytes resident."""
    reader, peak = open_reader(clips), 0
    for frame in range(FRAMES):
        for i in range(len(clips)):
            reader.picture(f"camera {i}", frame)
        peak = max(peak, resident())
    write(f"  filled: {reader.cache.held / 2**20:.0f} MiB cached")
    reader.close()
    return peak


def main(seconds: float) -> int:
    """Scrub and judge; 1 if something grew or was left."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        clips = [
            write_scene(root / "av1", "AV1", AV1_GOP_2, FRAMES, seed=0),
            write_scene(root / "h264", "H.264", H264_GOP_250, FRAMES, seed=1),
            write_scene(root / "av1_2", "AV1", AV1_GOP_2, FRAMES, seed=2),
        ]
        clips.append(real_clip() or clips[0])
        # Libraries load and allocate once.
        reader = open_reader(clips)
        for i in range(len(clips)):
            reader.picture(f"camera {i}", 0).bgrx()
        reader.close()
        del reader
        before = resident(), open_files(), living()
        header(f"(e) {seconds:g} s of an hour of scrubbing, four cameras", "av", "numpy")
        filled = fill(clips)
        times, cached, peak, hits = scrub(clips, seconds)
        row("all four cameras, decoded or found, to BGRX", times)
        after = resident(), open_files(), living()
    asked = len(times) * len(clips)
    write(f"  {asked} frames asked for, {100 * hits / asked:.0f} % in memory")
    write(f"  most cached {cached / 2**20:.0f} MiB of {BUDGET >> 20} MiB")
    grown = max(filled, peak) - before[0]
    bound = BUDGET + ALLOWANCE
    fits = grown <= bound
    write(
        f"  resident {before[0] >> 20} MiB before, most {filled >> 20} (filled) and {peak >> 20} "
        f"(scrubbed), {after[0] >> 20} after: +{grown >> 20} MiB  goal {bound >> 20} MiB "
        f"({BUDGET >> 20} and {ALLOWANCE >> 20}): {'met' if fits else 'MISSED'}"
    )
    same = before[1:] == after[1:]
    write(
        f"  open files {before[1]} before, {after[1]} after; living {dict(before[2])} before, "
        f"{dict(after[2])} after: {'met' if same else 'MISSED'}"
    )
    return 0 if fits and same and cached <= BUDGET else 1


if __name__ == "__main__":
    raise SystemExit(main(float(sys.argv[1]) if len(sys.argv) > 1 else HOUR / 60))
