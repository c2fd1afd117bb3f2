"""What people's corrections say about the boxes of annotations."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pipeline.model.candidate import Box
from pipeline.model.caption import Verdict
from pipeline.model.edits import AddBox, ChooseCandidate, Edit, FixBox, JudgeCaption
from pipeline.model.score import box_iou
from pipeline.model.verdict import HumanVerdict, VerdictSource
from pipeline.review.events import DATASET_WIDE, Event, replay
from pipeline.review.store import ReviewStore

BoxOf = Callable[[int, int], Box | None]
"""Box of the annotation of (episode, subtask), None if there is none."""
SAME_BOX = 0.99
"""From this IoU on the person took the box that the annotation has."""
_STAGES = frozenset({ChooseCandidate.stage, AddBox.stage, JudgeCaption.stage})
_RIGHT = {Verdict.ACCEPTED: True, Verdict.REJECTED: False, Verdict.CORRECTED: None}
"""A caption names the object in the box, so who accepts it saw the right box, and who rejects it
did not; a corrected one may have had any fault (our choice)."""


def human_verdicts(store: ReviewStore, boxes: BoxOf, dataset: str = "") -> tuple[HumanVerdict, ...]:
    """Verdicts that follow from the edits in force, by episode, the oldest first.

    Who chooses a candidate, draws a box of the object or fixes a candidate's box gives the true
    box. `right` is then True where the annotation has that box, else None: whether its own box is
    near enough is up to the matching rule. A verdict on a caption is one on the box.

    The store does not keep which box a person had before them; it is taken to be that of the
    annotation at hand.

    Args:
        store: Reviews.
        boxes: Boxes of the annotations that are judged.
        dataset: Name of the dataset, if there are annotations of several.
    """
    by_episode: dict[int, list[Event]] = {}
    for event in store.events():
        # replaying does not read edits, so that painted masks cost nothing here
        if event.episode != DATASET_WIDE:
            by_episode.setdefault(event.episode, []).append(event)
    return tuple(
        verdict
        for episode in sorted(by_episode)
        for event, edit in _in_force(replay(by_episode[episode]).applied)
        if (verdict := _verdict(event, edit, boxes, dataset)) is not None
    )


def _in_force(applied: Iterable[Event]) -> Iterable[tuple[Event, Edit]]:
    """The newest edit of each slot; those of these stages seal nothing (see `Edit.seals`)."""
    newest: dict[str, tuple[Event, Edit]] = {}
    for event in applied:
        edit = event.edit if event.stage in _STAGES else None
        if edit is None:
            continue
        newest.pop(edit.slot, None)
        newest[edit.slot] = (event, edit)
    return newest.values()


def _verdict(event: Event, edit: Edit, boxes: BoxOf, dataset: str) -> HumanVerdict | None:
    if edit.subtask < 0:
        return None
    true_box, right, source = None, None, VerdictSource.CHOICE
    box = boxes(event.episode, edit.subtask)
    if isinstance(edit, JudgeCaption):
        right, source = _RIGHT[edit.verdict], VerdictSource.CAPTION
    elif isinstance(edit, ChooseCandidate | FixBox) or (
        isinstance(edit, AddBox) and edit.role == "object"
    ):
        true_box = edit.box
        right = True if box is not None and box_iou(box, true_box) >= SAME_BOX else None
    else:
        return None
    return HumanVerdict(
        episode=event.episode,
        subtask=edit.subtask,
        right=right,
        box=box,
        true_box=true_box,
        source=source,
        who=event.who,
        at=event.at,
        dataset=dataset,
    )
