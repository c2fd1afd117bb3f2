"""Cost of what would flip a decision: `python -m tests.benchmarks what_if`.

The search over all weights, thresholds and boundaries of a clip (goal: under a second of processor
time), the evidence behind its terms, and a term hovered in the frame and on the timeline, from the
call to the painted picture (goal: under a frame, 16 ms).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial

import numpy as np

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QSize
from PySide6.QtGui import QPixmap
from PySide6.QtWidgets import QWidget

from app.window_run import make_application
from pipeline.evaluation.term_evidence import TermEvidence
from pipeline.evaluation.what_if import flips_of
from pipeline.model.phases import PhaseName
from pipeline.model.score import ScoresResult
from pipeline.scoring.choice import choose
from pipeline.scoring.formula import ScoresOptions
from pipeline.scoring.measurement import Clip, measure
from tests.benchmarks.table import header, row, write
from tests.pipeline.scored_clip import FPS, HEIGHT, WIDTH, SmallClip, phase
from viewers.frame_viewer import FrameViewer
from viewers.overlays import OverlayData
from viewers.term_marks import TermMarks
from widgets.timeline import Timeline
from widgets.timeline_term import TermMark

GOAL, FRAME = 1000.0, 16.0  # ms
OPTIONS = ScoresOptions()
TERMS = ("motion", "detector", "proximity", "overlap")


def scored(candidates: int, frames: int, points: int, *, solid: bool) -> tuple[SmallClip, Clip]:
    """Candidates that wander; each has `points` points (a multiple of four)."""
    rng = np.random.default_rng(3)
    paths = [
        rng.uniform(20, 80, 2) + np.cumsum(rng.normal(0, 1 + k % 3, (frames, 2)), axis=0)
        for k in range(candidates)
    ]
    small = SmallClip(
        paths,
        rng.uniform(0, 1, candidates).tolist(),
        frames=np.arange(frames, dtype=np.int32),
        gripper=paths[0] + 2.0,
        scale=1.0 if not solid else 0.02,
        robot_boxes=[(10.0, 10.0, 60.0, 60.0)] * frames,
        depth=rng.uniform(0.8, 1.2, candidates).tolist() if solid else None,
        phases=(
            phase(PhaseName.GRASP, 0, frames // 3),
            phase(PhaseName.INTERACT, frames // 3, 2 * frames // 3),
            phase(PhaseName.RELEASE, 2 * frames // 3, frames),
        ),
    )
    tracks = small.tracks
    times = points // 4
    order = np.tile(np.arange(tracks.points.shape[1]), times)
    wide = type(tracks)(
        tracks.frames,
        tracks.fps,
        tracks.points[:, order],
        tracks.visible[:, order],
        tracks.candidate[order],
        tracks.kept[order],
        tracks.boxes,
        tracks.backend,
    )
    lifting = small.lifting
    if solid:
        lifting = type(lifting)(True, lifting.frames, lifting.xyz[:, order], None, "test")
    return small, Clip(small.subtask, small.proposals, wide, lifting, small.robot, FPS)


def timed(
    act: Callable[[], object], count: int, clock: Callable[[], float] = time.perf_counter
) -> list[float]:
    """Seconds of each of several calls, after one for warming up."""
    act()
    found = []
    for _ in range(count):
        start = clock()
        act()
        found.append(clock() - start)
    return found


def search() -> None:
    """All flips of one decision."""
    header("what would flip it, one decision", "numpy")
    for candidates, frames, points in ((6, 40, 40), (20, 60, 40), (25, 200, 100)):
        for solid in (False, True):
            _, clip = scored(candidates, frames, points, solid=solid)
            scores = choose(measure(clip, HEIGHT, WIDTH, OPTIONS), clip, OPTIONS, ())
            act = partial(flips_of, clip, HEIGHT, WIDTH, OPTIONS, scores)
            name = f"{candidates} x {points} points, {frames} frames, {'3D' if solid else '2D'}"
            row(f"{name}, clock", timed(act, 5))
            judged = GOAL if candidates == 20 else None
            row(f"{name}, processor", timed(act, 5, time.thread_time), judged)
            evidence = partial(TermEvidence.of, clip, HEIGHT, WIDTH, OPTIONS, scores)
            row(f"{name}, evidence", timed(evidence, 10))
    write()


def hover() -> None:
    """A term hovered, and left."""
    make_application()
    small, clip = scored(20, 60, 40, solid=False)
    scores: ScoresResult = choose(measure(clip, HEIGHT, WIDTH, OPTIONS), clip, OPTIONS, ())
    evidence = TermEvidence.of(clip, HEIGHT, WIDTH, OPTIONS, scores)
    viewer, timeline = FrameViewer(), Timeline()
    viewer.resize(900, 600)
    viewer.set_image(np.full((HEIGHT, WIDTH, 3), 90, np.uint8), 2)
    viewer.set_frame(2)
    viewer.set_overlays(OverlayData(small.proposals, None, clip.tracks, small.robot, scores))
    timeline.resize(1200, 300)
    timeline.set_episode(60, FPS)
    timeline.set_scores(scores, 2)

    def painted(widget: QWidget, act: Callable[[], None], picture: QPixmap) -> None:
        act()
        widget.render(picture)

    header("a term hovered, until it is painted", "PySide6")
    for term in TERMS:
        mark = TermMark.of(term, 0, evidence)
        for name, widget, show in (
            ("frame", viewer, partial(viewer.set_term, TermMarks(term, 0, evidence))),
            ("timeline", timeline, partial(timeline.set_term, mark)),
        ):
            picture = QPixmap(QSize(widget.size()))
            row(f"{term}, {name}", timed(partial(painted, widget, show, picture), 40), FRAME)


if __name__ == "__main__":
    search()
    hover()
