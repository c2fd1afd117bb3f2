"""Cost of the residuals of the 3D view: `python -m tests.benchmarks consistency`.

Twelve candidates of 500 points through 600 tracked frames (100 s at 6 Hz), a tenth of the points
drifting; prints milliseconds of measuring a clip and of summing up one candidate, and of looking
for depth edges around 6,000 points of one 1280x720 frame beside reading their depth. Measuring
runs off the GUI thread; summing up is done when a candidate is selected and must stay far below a
frame (16 ms). Compare only numbers of one run.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

import numpy as np

from pipeline.backends.geometry.depth_edges import depth_jumps
from pipeline.backends.geometry.lifting import local_depth
from pipeline.model.candidate import TracksResult
from pipeline.model.geometry import LiftingResult
from pipeline.scoring.consistency import measure_consistency, summary
from tests.benchmarks.table import conditions, write

FRAMES, CANDIDATES, POINTS = 600, 12, 500
CAMERA = np.array([[900.0, 0, 640], [0, 900, 360], [0, 0, 1]])


def clip() -> tuple[TracksResult, LiftingResult]:
    """Clouds that travel, with 2 mm of noise."""
    rng = np.random.default_rng(0)
    count = CANDIDATES * POINTS
    owner = np.repeat(np.arange(CANDIDATES, dtype=np.int32), POINTS)
    places = rng.uniform((-0.5, -0.3, 0.8), (0.5, 0.3, 1.2), (CANDIDATES, 3))
    start = places[owner] + rng.normal(0, 0.03, (count, 3))
    way = np.cumsum(rng.normal(0, 0.002, (FRAMES, CANDIDATES, 3)), axis=0)[:, owner]
    xyz = start + way + rng.normal(0, 0.002, (FRAMES, count, 3))
    pixels = xyz @ CAMERA.T
    points = (pixels[..., :2] / pixels[..., 2:]).astype(np.float32)
    visible = rng.random((FRAMES, count)) < 0.85
    frames = np.arange(0, 5 * FRAMES, 5, dtype=np.int32)
    tracks = TracksResult(
        frames,
        6.0,
        points,
        visible,
        owner,
        np.ones(count, np.bool_),
        np.zeros((FRAMES, CANDIDATES, 4), np.float32),
        "made up",
    )
    edge = rng.random(visible.shape) < 0.1
    lifting = LiftingResult(True, frames, xyz.astype(np.float32), CAMERA, "made up", on_edge=edge)
    return tracks, lifting


def measured(action: Callable[[], object], repeats: int = 9) -> str:
    """Median and highest milliseconds."""
    action()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        times.append((time.perf_counter() - start) * 1000)
    return f"{statistics.median(times):8.1f} {max(times):8.1f}"


def main() -> None:
    """Measure and print a table."""
    out = sys.stdout
    write(conditions("numpy"))
    tracks, lifting = clip()
    pose = np.eye(4)
    found = measure_consistency(tracks, lifting, 300, pose)
    assert found is not None
    rng = np.random.default_rng(1)
    depth = rng.uniform(0.5, 2.0, (720, 1280)).astype(np.float32)
    places = rng.uniform((0, 0), (1280, 720), (6000, 2)).astype(np.float32)
    metres = local_depth(depth, places)
    out.write(f"{'':44}  median  highest  ms\n")
    for name, action in (
        (
            "residuals, 600 frames x 6,000 points",
            lambda: measure_consistency(tracks, lifting, 300, pose),
        ),
        ("summary of one candidate", lambda: summary(found, 3)),
        ("depth of 6,000 points, one frame", lambda: local_depth(depth, places)),
        ("depth edges of 6,000 points, one frame", lambda: depth_jumps(depth, places, metres, 6)),
    ):
        out.write(f"{name:44}{measured(action)}\n")


if __name__ == "__main__":
    main()
