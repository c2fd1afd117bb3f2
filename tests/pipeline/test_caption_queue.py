"""Which captions wait for whom."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.model.caption import Verdict
from pipeline.model.edits import CritiqueCaption, Edit, JudgeCaption, ReviewCaption
from pipeline.review.caption_queue import CaptionQueue, Role, is_checked, waits
from pipeline.review.store import ReviewStore

ANNOTATOR, REVIEWER = Role.ANNOTATOR, Role.REVIEWER


def judged(subtask: int = 0, verdict: Verdict = Verdict.ACCEPTED) -> Edit:
    return JudgeCaption(subtask=subtask, verdict=verdict, draft="Lift it.", text="Lift it.")


def criticised(uid: str = "a") -> Edit:
    return CritiqueCaption(subtask=0, uid=uid, about="Lift it.", text="It is red.")


def checked(agrees: bool = True) -> Edit:
    return ReviewCaption(subtask=0, of="anna", caption="Lift it.", agrees=agrees)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def say(data: Path, who: str, *edits: Edit, episode: int = 0) -> CaptionQueue:
    """Save edits of a person and read everything."""
    store = ReviewStore.open(data, who=who)
    for edit in edits:
        store.append(episode, edit)
    queue = CaptionQueue()
    queue.update(store.events())
    store.close()
    return queue


def test_annotators_get_what_has_no_verdict(data: Path) -> None:
    queue = say(data, "anna", judged(1))
    assert queue.waiting(0, 3, ANNOTATOR, "anna") == (0, 2)
    assert queue.waiting(1, 2, ANNOTATOR, "bert") == (0, 1)


def test_without_a_known_count_the_next_subtask_counts(data: Path) -> None:
    queue = say(data, "anna", judged(0))
    assert queue.waiting(0, 0, ANNOTATOR, "anna") == (1,)
    assert queue.waiting(7, 0, ANNOTATOR, "anna") == (0,)


def test_gaps_wait_without_a_known_count_too(data: Path) -> None:
    assert say(data, "anna", judged(1)).waiting(0, 0, ANNOTATOR, "anna") == (0,)
    assert say(data, "anna", judged(0)).waiting(0, 0, ANNOTATOR, "anna") == (2,)


def test_nobody_is_sent_to_a_subtask_that_is_gone(data: Path) -> None:
    queue = say(data, "anna", judged(1), judged(4))
    assert queue.waiting(0, 2, REVIEWER, "bert") == (1,)
    assert queue.waiting(0, 0, REVIEWER, "bert") == (1, 4)


def test_of_what_nobody_spoke_nothing_waits_for_a_reviewer() -> None:
    assert waits(None, ANNOTATOR, "anna")
    assert not waits(None, REVIEWER, "anna")
    assert not is_checked(None)


def test_a_critique_after_the_verdict_opens_it_again(data: Path) -> None:
    assert say(data, "anna", criticised()).waiting(0, 1, ANNOTATOR, "anna") == (0,)
    assert say(data, "anna", judged()).waiting(0, 1, ANNOTATOR, "anna") == ()
    assert say(data, "anna", criticised("b")).waiting(0, 1, ANNOTATOR, "anna") == (0,)


def test_reviewers_get_the_verdicts_of_others_until_they_looked(data: Path) -> None:
    queue = say(data, "anna", judged(0, Verdict.REJECTED))
    assert queue.waiting(0, 2, REVIEWER, "bert") == (0,)
    assert queue.waiting(0, 2, REVIEWER, "anna") == ()
    assert say(data, "bert", checked(False)).waiting(0, 2, REVIEWER, "bert") == ()
    # Judged anew, it is to be looked at anew.
    assert say(data, "anna", judged()).waiting(0, 2, REVIEWER, "bert") == (0,)


def test_what_was_undone_waits_again_and_updates_are_taken_in(data: Path) -> None:
    store = ReviewStore.open(data, who="anna")
    store.append(0, judged())
    queue = CaptionQueue()
    queue.update(store.events())
    assert queue.waiting(0, 1, ANNOTATOR, "anna") == ()
    store.undo(0)
    store.append(3, judged())
    queue.update(store.events())
    assert queue.waiting(0, 1, ANNOTATOR, "anna") == (0,)
    assert queue.waiting(3, 1, ANNOTATOR, "anna") == ()
    assert queue.subtasks(3) == (0,)
    kept = queue.story(3, 0)
    store.append(0, judged())
    queue.update(store.events())
    assert queue.waiting(0, 1, ANNOTATOR, "anna") == ()
    assert queue.story(3, 0) is kept  # only what changed is read again
    queue.update(())
    assert queue.story(3, 0) is None
    store.close()
