"""Logging for Rerun: `python -m tests.benchmarks rerun_log`.

A made-up clip of 20 s (640x480, 30 fps) with 12 candidates of 500 points, two cameras, two arms,
recorded depth and residuals, tracked at 6 fps and at every frame. Pictures are JPEGs, as
`app.rerun_build` makes them while it reads; encoding them here is timed on its own. Then what it
takes to collect it all from an episode of the sample, warm.
"""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from app.rerun_build import build_inputs
from pipeline.annotate import annotate_episode, standard_graph
from pipeline.document import Session
from pipeline.sources.detect import open_dataset
from tests.benchmarks.table import header, row, write
from tests.datasets import FRONT, SAMPLE
from tests.rerun_scenes import scene, with_consistency
from viewers.rerun_cameras import encode_jpegs
from viewers.rerun_inputs import RerunInputs
from viewers.rerun_log import recording_bytes

GOAL = 1000.0  # ms
OPENING_GOAL = 3000.0  # ms, of which this is a part
RUNS = 9
EPISODE = 5
"""Two cameras, recorded depth."""


def clip(step: int, photos: list[Any]) -> RerunInputs:
    """Make up 20 s; what a compressor could guess is blurred, as it is in measured values.

    Args:
        step: Every how many frames there are tracks.
        photos: Pictures that take turns.
    """
    made = with_consistency(
        scene(
            length=600,
            candidates=12,
            points=500,
            step=step,
            pictures=600 // step,
            pose=True,
            side=True,
            depth=True,
            arms=("left", "right"),
        )
    )
    rng = np.random.default_rng(0)
    tracks, lifting = made.tracks, made.lifting
    assert tracks is not None
    assert lifting is not None
    shaken = tracks.points + rng.normal(0, 0.3, tracks.points.shape).astype(np.float32)
    lifted = lifting.xyz + rng.normal(0, 0.002, lifting.xyz.shape).astype(np.float32)
    depth = tuple(
        (frame, metres + _noise(rng, metres))
        for frame, metres in made.depth[:: max(1, len(made.depth) // 150)]
    )
    return dataclasses.replace(
        made,
        tracks=dataclasses.replace(tracks, points=shaken),
        lifting=dataclasses.replace(lifting, xyz=lifted),
        depth=depth,
        pictures=tuple((f, photos[i % len(photos)]) for i, (f, _) in enumerate(made.pictures)),
    )


def _noise(rng: np.random.Generator, metres: np.ndarray) -> np.ndarray:
    return rng.normal(0, 0.003, metres.shape).astype(np.float32) * (metres > 0)


def peak() -> float:
    """Most memory that this process has held since `forget_peak`, MB; NaN where nobody knows."""
    try:
        text = Path("/proc/self/status").read_text()
    except OSError:
        return float("nan")
    return int(text.partition("VmHWM:")[2].split()[0]) / 1e3


def forget_peak() -> float:
    """Begin to measure the peak anew; returns what is held now, MB."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return float("nan")
    return peak()


def timed(work: Any, runs: int) -> list[float]:
    """Seconds of each run, the first left out: it imports and fills caches."""
    work()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return times


def logging_times(photos: list[Any]) -> None:
    """Time and size of the recordings."""
    jpegs = encode_jpegs(photos)
    for step, title in ((5, "tracked at 6 fps (120 frames)"), (1, "every frame tracked (600)")):
        inputs = clip(step, jpegs)
        header(f"20 s, 12 candidates x 500 points: {title}", "numpy", "rerun-sdk")
        row(
            "log, pictures and depth included",
            timed(lambda i=inputs: recording_bytes(i), RUNS),
            GOAL,
        )
        bare = dataclasses.replace(inputs, pictures=(), views=(), depth=())
        row("  of it without pictures and depth", timed(lambda i=bare: recording_bytes(i), RUNS))
        raw = [photos[i % len(photos)] for i in range(len(inputs.pictures))]
        row("  on top: encode pictures that are arrays", timed(lambda r=raw: encode_jpegs(r), 3))
        held = forget_peak()
        size = len(recording_bytes(inputs))
        write(f"  recording {size / 1e6:.1f} MB; peak memory {peak() - held:+.0f} MB\n")


def main() -> None:
    """Measure and print."""
    source = open_dataset(SAMPLE)
    demonstration = source.open(EPISODE)
    reader = source.reader(demonstration)
    photos = [reader.frame(FRONT, index) for index in range(0, demonstration.length, 8)]
    reader.close()
    logging_times(photos)
    done = annotate_episode(source, EPISODE, graph=standard_graph())
    results = {(n, k): o for k, own in done.outcomes.items() for n, o in own.items()}
    session = Session(demonstration=demonstration, results=MappingProxyType(results))
    header(f"sample, episode {EPISODE}, {demonstration.size_of_text}, 2 cameras, depth", "av")
    built = timed(lambda: build_inputs(session, source), RUNS)
    row("build_inputs, warm", built)
    inputs = build_inputs(session, source)
    logged = timed(lambda: recording_bytes(inputs), RUNS)
    row("log", logged, GOAL)
    both = [a + b for a, b in zip(built, logged, strict=True)]
    row("both, a part of opening the 3D view", both, OPENING_GOAL)
    write(f"  recording {len(recording_bytes(inputs)) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
