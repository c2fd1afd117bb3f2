"""Corrections in the review store say which boxes are right."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.model.candidate import Box
from pipeline.model.caption import Verdict
from pipeline.model.edits import (
    AddBox,
    ChooseCandidate,
    Edit,
    FixBox,
    JudgeCaption,
    PaintMask,
    Rename,
    SetChannels,
)
from pipeline.model.verdict import HumanVerdict, VerdictSource
from pipeline.review.saved import saved_reviews
from pipeline.review.store import ReviewStore
from pipeline.review.verdicts import human_verdicts

OWN: Box = (10.0, 10.0, 50.0, 50.0)
OTHER: Box = (200.0, 10.0, 250.0, 50.0)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ReviewStore:
    monkeypatch.setenv("DEMOSCOPE_DATA_DIR", str(tmp_path / "user"))
    folder = tmp_path / "sets" / "bottles"
    folder.mkdir(parents=True)
    return ReviewStore.open(folder, who="Ann")


def box_of(episode: int, subtask: int) -> Box | None:
    """Every annotation has the same box, those of episode 9 none."""
    return None if episode == 9 else OWN


def said(store: ReviewStore) -> list[tuple[int, int, bool | None, Box | None, str]]:
    """What follows, without who and when."""
    verdicts = human_verdicts(store, box_of)
    return [(v.episode, v.subtask, v.right, v.true_box, v.source.value) for v in verdicts]


def caption(verdict: Verdict, subtask: int = 0) -> JudgeCaption:
    return JudgeCaption(subtask=subtask, verdict=verdict, draft="a", text="b")


@pytest.mark.parametrize(
    ("edit", "right", "true_box", "source"),
    [
        (ChooseCandidate(subtask=1, box=OTHER), None, OTHER, "choice"),
        (ChooseCandidate(subtask=1, box=OWN), True, OWN, "choice"),
        (AddBox(subtask=1, box=OTHER), None, OTHER, "choice"),
        (FixBox(subtask=1, old_box=OWN, box=OTHER), None, OTHER, "choice"),
        (caption(Verdict.ACCEPTED, 1), True, None, "caption"),
        (caption(Verdict.REJECTED, 1), False, None, "caption"),
        (caption(Verdict.CORRECTED, 1), None, None, "caption"),
    ],
)
def test_what_each_edit_says(
    store: ReviewStore, edit: Edit, right: bool | None, true_box: Box | None, source: str
) -> None:
    event = store.append(4, edit)
    (found,) = human_verdicts(store, box_of, "bottles")
    assert found == HumanVerdict(
        episode=4,
        subtask=1,
        right=right,
        box=OWN,
        true_box=true_box,
        source=VerdictSource(source),
        who="Ann",
        at=event.at,
        dataset="bottles",
    )


def test_edits_about_other_things_say_nothing(store: ReviewStore) -> None:
    store.append(1, AddBox(subtask=0, box=OTHER, role="target"))
    store.append(1, Rename(subtask=0, object_name="cube"))
    store.append(1, SetChannels(arm="left", signal="state", indices=(6,), closed_is="low"))
    store.append(1, PaintMask(box=OWN, candidate=0, height=1, width=2, runs=(1, 1), subtask=0))
    store.append(1, ChooseCandidate(box=OTHER))  # of no subtask
    assert said(store) == []


def test_only_what_is_in_force_counts(store: ReviewStore) -> None:
    store.append(1, caption(Verdict.REJECTED))
    store.append(1, caption(Verdict.ACCEPTED))
    store.append(2, ChooseCandidate(subtask=0, box=OTHER))
    store.append(1, ChooseCandidate(subtask=0, box=OTHER))
    assert store.undo(1) is not None
    assert said(store) == [
        (1, 0, True, None, "caption"),
        (2, 0, None, OTHER, "choice"),
    ]
    assert store.redo(1) is not None
    assert (1, 0, None, OTHER, "choice") in said(store)
    store.undo(1)
    store.undo(1)
    assert said(store)[0] == (1, 0, False, None, "caption"), "the verdict before is back"


def test_an_annotation_without_a_box_is_told_apart(store: ReviewStore) -> None:
    store.append(9, caption(Verdict.ACCEPTED))
    (found,) = human_verdicts(store, box_of)
    assert (found.right, found.box) == (True, None)


def test_thousands_of_events_are_read_once_each(
    store: ReviewStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for episode in range(40):
        for verdict in (Verdict.ACCEPTED, Verdict.REJECTED):
            store.append(episode, caption(verdict))
    asked: list[int] = []
    monkeypatch.setattr(store, "history", lambda episode: asked.append(episode) or ())
    assert len(human_verdicts(store, box_of)) == 40
    assert asked == [], "no search through all events for every episode"


def test_a_saved_store_is_read_without_touching_it(store: ReviewStore) -> None:
    dataset = store.location.parent.with_name("bottles")
    with saved_reviews(dataset) as none:
        assert none is None
    store.append(4, ChooseCandidate(subtask=1, box=OTHER))
    before = {p.name: p.read_bytes() for p in store.location.parent.iterdir()}
    with saved_reviews(dataset) as copy:
        assert copy is not None
        assert [v.true_box for v in human_verdicts(copy, box_of)] == [OTHER]
    assert {p.name: p.read_bytes() for p in store.location.parent.iterdir()} == before
