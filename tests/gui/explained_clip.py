"""A small scored clip with everything that explains its decision."""

from __future__ import annotations

import numpy as np

from pipeline.evaluation.term_evidence import TermEvidence
from pipeline.evaluation.what_if import Flips, flips_of
from pipeline.model.score import ScoresResult
from pipeline.scoring.choice import choose
from pipeline.scoring.formula import ScoresOptions
from pipeline.scoring.measurement import Clip, measure
from tests.pipeline.scored_clip import FPS, HEIGHT, WIDTH, SmallClip, moving, still
from viewers.overlays import OverlayData

OPTIONS = ScoresOptions()
NAMES = {0: "red cube", 1: "blue bowl", 2: "cup"}
KEYFRAME = 2
GRIPPER = np.array(
    [[20.0, 50.0], [20.0, 50.0], [22.0, 50.0], [30.0, 50.0], [38.0, 50.0], [60.0, 50.0]]
)
SMALL = SmallClip(
    [moving(20, 50, [0, 0, 8, 8, 0]), still(80, 50), still(140, 50)],
    [0.3, 0.5, 0.1],
    gripper=GRIPPER,
    scale=1.0,
    # The robot covers the left half of the first candidate's points in the first frames.
    robot_boxes=[(10.0, 40.0, 20.0, 60.0)] * 3 + [None] * 3,
)


def clip() -> Clip:
    return Clip(SMALL.subtask, SMALL.proposals, SMALL.tracks, SMALL.lifting, SMALL.robot, FPS)


def scores(options: ScoresOptions = OPTIONS) -> ScoresResult:
    return choose(measure(clip(), HEIGHT, WIDTH, options), clip(), options, ())


def evidence() -> TermEvidence:
    return TermEvidence.of(clip(), HEIGHT, WIDTH, OPTIONS, scores())


def flips(options: ScoresOptions = OPTIONS) -> Flips:
    return flips_of(clip(), HEIGHT, WIDTH, options, scores(options))


def overlays() -> OverlayData:
    return OverlayData(SMALL.proposals, None, SMALL.tracks, SMALL.robot, scores())
