"""Boxes that people drew or moved, among those that the detector found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pipeline.model.candidate import Box, Proposal
from pipeline.model.edits import FixBox
from pipeline.model.score import box_area, box_iou

USER_SCORE = 0.9
"""D of a box that a person drew: sure of the object, but motion may still disagree."""
SAME_OBJECT = 0.7
"""A box that overlaps a person's box more than this is that box."""


def with_edits(
    found: tuple[Proposal, ...],
    drawn: tuple[Box, ...],
    fixes: tuple[FixBox, ...],
    frame: int,
    label: str,
    size: tuple[int, int],
) -> tuple[Proposal, ...]:
    """Apply people's boxes and number the proposals by falling score.

    Args:
        found: What the detector proposes.
        drawn: Boxes that people added; they replace what they cover.
        fixes: Boxes that people moved; the candidate keeps its confidence.
        frame: Frame of the boxes.
        label: Phrase they stand for.
        size: Width and height of the picture, pixels; boxes are clipped to it.
    """
    boxes = list(found)
    for fix in fixes:
        overlaps = [box_iou(p.box, fix.old_box) for p in boxes]
        box = _inside(fix.box, size)
        if overlaps and max(overlaps) > 0.1:
            old = boxes[int(np.argmax(overlaps))]
            boxes[boxes.index(old)] = replace(
                old, box=box, origin="user", evidence=f"box fixed by a person; {old.evidence}"
            )
        else:
            boxes.append(Proposal(0, box, frame, USER_SCORE, label, "user", "drawn by a person"))
    for drawing in drawn:
        box = _inside(drawing, size)
        boxes = [p for p in boxes if p.origin == "user" or box_iou(p.box, box) <= SAME_OBJECT]
        boxes.append(Proposal(0, box, frame, USER_SCORE, label, "user", "drawn by a person"))
    boxes = [p for p in boxes if box_area(p.box) >= 1.0]
    boxes.sort(key=lambda p: (-p.score, p.box))
    return numbered(boxes)


def numbered(boxes: list[Proposal]) -> tuple[Proposal, ...]:
    """Number proposals in their order, from 0."""
    return tuple(replace(p, id=i) for i, p in enumerate(boxes))


def _inside(box: Box, size: tuple[int, int]) -> Box:
    width, height = size
    return (
        min(max(box[0], 0.0), width),
        min(max(box[1], 0.0), height),
        min(max(box[2], 0.0), width),
        min(max(box[3], 0.0), height),
    )
