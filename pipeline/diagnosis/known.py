"""What is known to be true about an episode: from ground truth, or from what people corrected."""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.evaluation.ground_truth import TrueSubtask
from pipeline.model.arrays import Array, Bool
from pipeline.model.candidate import Box
from pipeline.model.edits import (
    AddBox,
    Edit,
    FixBox,
    JudgeCaption,
    PaintMask,
    SetChannels,
    SetMotion,
)
from pipeline.model.mask_runs import mask_of
from pipeline.model.score import box_iou
from pipeline.model.subtask import Subtask
from pipeline.model.verdict import HumanVerdict, VerdictSource

log = logging.getLogger(__name__)

Span = tuple[int, int]
"""First frame, one past the last."""
_MASKS = "masks.npz"
_SAME_OBJECT = 0.5
"""Least IoU of a label's box with the true box, to be the object's mask."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the object is in one frame.

    Attributes:
        frame: Frame of the episode.
        x: Centre of its box, pixels.
        y: Centre of its box, pixels.
    """

    frame: int
    x: float
    y: float


@dataclass(frozen=True, eq=False)
class Known:
    """What is true about one subtask.

    Attributes:
        number: Of the true subtask within the episode.
        box: The object before contact, pixels; None if nobody knows.
        arm: Arm that acts, empty if unknown.
        camera: Camera of the boxes, empty if unknown.
        object_name: With its colour, empty if unknown.
        contact: Spans in which the object is held; empty if unknown.
        path: Where the object is before, in and after the hand, by time; empty if unknown.
        mask: (H, W) bool, the object before contact; None if unknown.
        subtask: The pipeline's subtask that it speaks of; -1: the one with most overlap in time.
        wrong: A box that a person called wrong without giving the right one.
    """

    number: int
    box: Box | None
    arm: str = ""
    camera: str = ""
    object_name: str = ""
    contact: tuple[Span, ...] = ()
    path: tuple[Place, ...] = ()
    mask: Bool | None = None
    subtask: int = -1
    wrong: Box | None = None

    @property
    def held_from(self) -> int | None:
        """First frame of contact, None if unknown."""
        return min((a for a, _ in self.contact), default=None)


@dataclass(frozen=True, eq=False)
class KnownEpisode:
    """What is true about one episode.

    Attributes:
        subtasks: One per true subtask.
        corrections: What people corrected: the truth of each stage that they touched. Empty with
            ground truth, from which corrections are made.
        complete: True if there are no other subtasks than these.
    """

    subtasks: tuple[Known, ...]
    corrections: tuple[Edit, ...] = ()
    complete: bool = False


NOTHING_KNOWN = KnownEpisode(())


def known_from_truth(
    truth: Sequence[TrueSubtask], episode: int, dataset: Path | None = None
) -> KnownEpisode:
    """What ground truth says about an episode.

    Args:
        truth: Ground truth of the dataset.
        episode: Episode index.
        dataset: Root of the dataset, where masks may lie in `ground_truth/masks.npz`.
    """
    own = [t for t in truth if t.episode_index == episode]
    masks = _masks(dataset, episode, own) if dataset else {}
    return KnownEpisode(
        tuple(
            Known(
                number=t.subtask_index,
                box=t.start_box,
                arm=t.arm,
                camera=t.camera,
                object_name=t.object_name,
                contact=t.contact,
                path=_path(t),
                mask=masks.get(t.subtask_index),
            )
            for t in own
        ),
        complete=True,
    )


def _path(true: TrueSubtask) -> tuple[Place, ...]:
    """Standing, in the hand, put down; only where each of these is known and contact is one."""
    if len(true.contact) != 1 or not (true.start_box and true.hold_box and true.object_end_box):
        return ()
    (first, last) = true.contact[0]
    if not first < true.mid_hold_frame < last:
        return ()
    return (
        _place(first, true.start_box),
        _place(true.mid_hold_frame, true.hold_box),
        _place(last, true.object_end_box),
    )


def _place(frame: int, box: Box) -> Place:
    return Place(frame, (box[0] + box[2]) / 2, (box[1] + box[3]) / 2)


def _masks(dataset: Path, episode: int, own: Sequence[TrueSubtask]) -> dict[int, Bool]:
    """Masks of the objects before contact, by number of the true subtask."""
    path = dataset / "ground_truth" / _MASKS
    if not path.is_file():
        return {}
    masks = {}
    try:
        with np.load(path, allow_pickle=False) as file:
            for true in own:
                name = f"episode_{episode:06d}.keyframe_{true.subtask_index}"
                if name in file.files and true.start_box is not None:
                    mask = _object_in(file[name], true.start_box)
                    if mask is not None:
                        masks[true.subtask_index] = mask
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        log.warning("%s: masks cannot be read: %s", path, error)
    return masks


def _object_in(labels: Array, box: Box) -> Bool | None:
    """The label that fills the true box; a picture of labels or a plain mask."""
    best: Bool | None = None
    most = _SAME_OBJECT
    if labels.ndim != 2:
        return None
    for label in np.unique(labels[labels > 0]):
        mask: Bool = labels == label
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        around = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
        x0, y0, x1, y1 = (float(v) for v in around)
        iou = box_iou((x0, y0, x1, y1), box)
        if iou >= most:
            best, most = mask, iou
    return best


# -- what people corrected ---------------------------------------------------------------------


def of_the_dataset(edits: Sequence[Edit]) -> tuple[Edit, ...]:
    """Edits that say how the dataset is recorded: they belong to what is diagnosed."""
    return tuple(e for e in edits if isinstance(e, SetChannels | SetMotion))


def corrections(edits: Sequence[Edit]) -> tuple[Edit, ...]:
    """Edits that say what is true in an episode: they are put in, stage by stage."""
    return tuple(e for e in edits if not isinstance(e, SetChannels | SetMotion | JudgeCaption))


def known_from_person(
    edits: Sequence[Edit], subtasks: Sequence[Subtask], boxes: dict[int, Box]
) -> KnownEpisode:
    """What a person's corrections say about an episode.

    The answer is the candidate that they chose; else the box that they drew or fixed last. Who
    only moved phases or gave a name did not say which box is right: nothing is known then.

    Args:
        edits: Edits in force.
        subtasks: Subtasks as they are with these edits.
        boxes: By subtask, the winner where a person chose it.
    """
    known = []
    for task in subtasks:
        box = boxes.get(task.index)
        for edit in edits if box is None else ():
            if edit.subtask == task.index and isinstance(edit, AddBox | FixBox):
                is_object = isinstance(edit, FixBox) or edit.role == "object"
                box = edit.box if is_object else box
        if box is None:
            continue
        known.append(
            Known(
                number=task.index,
                box=box,
                arm=task.arm,
                object_name=task.object_name,
                contact=task.interaction,
                mask=_painted(edits, task.index, box),
            )
        )
    return KnownEpisode(tuple(known), corrections(edits))


def known_from_verdicts(verdicts: Sequence[HumanVerdict], episode: int) -> tuple[Known, ...]:
    """What people said about single boxes of an episode.

    Of several verdicts on a box the last counts; one on its caption only if there is no other.
    """
    about_box = [v for v in verdicts if v.source is not VerdictSource.CAPTION]
    about_caption = [v for v in verdicts if v.source is VerdictSource.CAPTION]
    newest = {v.subtask: v for v in (*about_caption, *about_box) if v.episode == episode}
    return tuple(
        Known(
            number=v.subtask,
            box=v.box if v.right else v.true_box,
            subtask=v.subtask,
            wrong=v.box if v.right is False else None,
        )
        for v in newest.values()
        if v.right is not None or v.true_box is not None
    )


def _painted(edits: Sequence[Edit], subtask: int, box: Box) -> Bool | None:
    """The mask that a person painted for the object, None if they painted none."""
    found = None
    for edit in edits:
        if not isinstance(edit, PaintMask) or edit.subtask != subtask:
            continue
        if box_iou(edit.box, box) >= _SAME_OBJECT:
            found = mask_of(edit.runs, edit.height, edit.width)
    return found
