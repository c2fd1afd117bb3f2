"""Small results with known pixels for the tests of the frame viewer."""

from __future__ import annotations

import numpy as np

from pipeline.model.arrays import F32, Bool, pack_masks
from pipeline.model.candidate import Box, MasksResult, Proposal, ProposalsResult, TracksResult
from pipeline.model.geometry import RobotResult
from pipeline.model.score import ScoresResult, ScoreTerms, TargetResult
from viewers.overlays import OverlayData, TruthBox

WIDTH, HEIGHT, KEYFRAME = 160, 120, 20
BOXES: tuple[Box, ...] = ((20, 20, 60, 60), (30, 30, 50, 50), (100, 60, 130, 100))
FRAMES = np.array([10, 20, 30, 40], np.int32)
GREY = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)


def rectangle(box: Box) -> Bool:
    mask = np.zeros((HEIGHT, WIDTH), np.bool_)
    mask[int(box[1]) : int(box[3]), int(box[0]) : int(box[2])] = True
    return mask


def proposals(camera: str = "observation.images.top") -> ProposalsResult:
    names = ("red cube", "button", "blue cup")
    return ProposalsResult(
        camera,
        KEYFRAME,
        tuple(
            Proposal(k, box, KEYFRAME, 0.8 - 0.2 * k, name, "region")
            for k, (box, name) in enumerate(zip(BOXES, names, strict=True))
        ),
        (),
        "regions",
    )


def masks() -> MasksResult:
    # The mask of candidate 1 fills the left half of its box only.
    shapes = [rectangle(BOXES[0]), rectangle((30, 30, 40, 50)), rectangle(BOXES[2])]
    packed = pack_masks(np.array(shapes))
    return MasksResult(KEYFRAME, HEIGHT, WIDTH, packed, np.zeros((3, 3), np.float32), "grabcut")


def tracks() -> TracksResult:
    """Candidate 2 moves right by 10 px a row, the others rest; candidate 1 is lost at the end."""
    boxes: F32 = np.tile(np.array(BOXES, np.float32), (4, 1, 1))
    points = np.zeros((4, 3, 2), np.float32)
    for k, box in enumerate(BOXES):
        points[:, k] = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    moved = 10.0 * np.arange(-1, 3, dtype=np.float32)
    boxes[:, 2, [0, 2]] += moved[:, None]
    points[:, 2, 0] += moved
    boxes[3, 1] = np.nan
    visible = np.ones((4, 3), np.bool_)
    visible[3, 1] = False
    owner = np.arange(3, dtype=np.int32)
    return TracksResult(FRAMES, 6.0, points, visible, owner, np.ones(3, np.bool_), boxes, "lk")


def robot() -> RobotResult:
    packed = pack_masks(np.repeat(rectangle((0, 100, 40, 120))[None], 4, axis=0))
    reference = np.array([[70, 20], [72, 20], [74, 20], [np.nan, np.nan]], np.float32)
    return RobotResult(
        FRAMES,
        HEIGHT,
        WIDTH,
        packed,
        reference[:, None],
        np.ones((4, 1), np.bool_),
        reference,
        np.zeros((4, 0, 3), np.float32),
        np.full((4, 3), np.nan, np.float32),
        np.full(4, 2, np.float32),
        False,
        "flow",
    )


def scores(winner: int = 2) -> ScoresResult:
    values = (0.2, 0.1, 0.93)
    terms = tuple(
        ScoreTerms(k, 0.8 - 0.2 * k, 1, 1, 1, 0.5, 0.5, 0.5, 0, 0, 0, 0.7, value, 1)
        for k, value in enumerate(values)
    )
    return ScoresResult(
        terms,
        winner,
        "score",
        FRAMES,
        np.zeros((3, 3), np.float32),
        np.zeros((3, 4), np.float32),
        np.zeros((3, 4), np.float32),
        np.zeros(3, np.bool_),
        np.full(4, 15, np.float32),
        "2d",
    )


def target() -> TargetResult:
    found = Proposal(0, (100, 5, 150, 35), 40, 0.5, "tray", "arrival")
    one = np.ones(1, np.float32)
    return TargetResult((found,), one, one, 0, found.box, None, "tracked")


def overlays(**changed: object) -> OverlayData:
    parts: dict[str, object] = {
        "masks": masks(),
        "tracks": tracks(),
        "robot": robot(),
        "scores": scores(),
        "target": target(),
        "truth": (TruthBox(KEYFRAME, (98, 58, 132, 102), "cup"),),
    }
    return OverlayData(proposals(), **(parts | changed))  # type: ignore[arg-type]
