"""Ground truth and people judge every candidate, by the same rule as one box at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.annotations.judgements import Judgements
from pipeline.annotations.table import AnnotationTable
from pipeline.evaluation.ground_truth import TrueSubtask
from pipeline.evaluation.judging import (
    box_ious,
    boxes_match,
    counting_verdicts,
    judge_by_people,
    judge_by_truth,
)
from pipeline.evaluation.matching import MatchOptions, is_match
from pipeline.model.annotation import Annotation
from pipeline.model.candidate import Box
from pipeline.model.score import box_iou
from pipeline.model.verdict import HumanVerdict, VerdictSource
from tests.pipeline.annotation_records import candidate, record, records

NUMBERS = st.one_of(
    st.integers(0, 12).map(float),
    st.floats(-1e3, 1e3, width=32),
)
BOXES = st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS)
OPTIONS = st.builds(
    MatchOptions,
    iou_match=st.sampled_from([0.4, 0.5, 0.0, 1.0]),
    containment_iou=st.sampled_from([0.1, 0.0]),
    containment_fraction=st.sampled_from([0.8, 1.0, 0.0]),
)
NONE = (np.nan,) * 4


def of_row(found: Judgements, row: int, count: int) -> list[bool | None]:
    """Right, wrong or unknown of each candidate."""
    right, known = int(found.right[row]), int(found.known[row])
    return [bool(right >> k & 1) if known >> k & 1 else None for k in range(count)]


# -- boxes


@given(st.lists(st.tuples(BOXES, BOXES), min_size=1, max_size=20), OPTIONS)
@example([((0.0, 0.0, 10.0, 4.0), (0.0, 0.0, 10.0, 10.0))], MatchOptions())  # IoU of exactly 0.4
@example([((0.0, 0.0, 1.0, 1.0), (0.0, 0.0, 2.0, 5.0))], MatchOptions())  # exactly 0.1, inside
def test_many_boxes_match_like_one(pairs: Sequence[tuple[Box, Box]], options: MatchOptions) -> None:
    a, b = (np.array([pair[k] for pair in pairs], np.float64) for k in range(2))
    assert box_ious(a, b).tolist() == [box_iou(*pair) for pair in pairs]
    assert boxes_match(a, b, options).tolist() == [is_match(*pair, options) for pair in pairs]


def test_a_box_that_is_none_matches_nothing() -> None:
    some = np.array([[0.0, 0.0, 1.0, 1.0]])
    anything = MatchOptions(0.0, 0.0, 0.0)
    assert not boxes_match(np.array([NONE]), some, anything)[0]
    assert not boxes_match(some, np.array([NONE]), anything)[0]


# -- ground truth


@st.composite
def scenes(draw: st.DrawFn) -> tuple[list[Annotation], list[TrueSubtask]]:
    """Annotations and ground truth of few episodes, so that they meet often."""
    annotations, truth = [], []
    for episode in range(draw(st.integers(0, 4))):
        count = draw(st.sampled_from([0, 1, 3, 34]))
        made = record(episode, draw(st.integers(0, 1)), count=count)
        near = draw(st.booleans())
        if count and near:
            made = made.model_copy(update={"camera": draw(st.sampled_from(["front", "", "wrist"]))})
        annotations.append(made)
    for _ in range(draw(st.integers(0, 6))):
        about = draw(st.integers(0, 4))
        boxes: list[Box | None] = [None, (0.0, 0.0, 200.0, 200.0), (np.nan, 0.0, 1.0, 1.0)]
        boxes += [c.box for a in annotations if a.episode_index == about for c in a.candidates[:2]]
        truth.append(
            TrueSubtask(
                episode_index=about,
                subtask_index=draw(st.integers(0, 1)),
                start_box=draw(st.sampled_from(boxes)),
                camera=draw(st.sampled_from(["front", ""])),
            )
        )
    return annotations, truth


@given(scenes(), OPTIONS)
def test_truth_judges_every_candidate_like_one_at_a_time(
    scene: tuple[list[Annotation], list[TrueSubtask]], options: MatchOptions
) -> None:
    annotations, truth = scene
    found = judge_by_truth(AnnotationTable.of(annotations), truth, options)
    for row, made in enumerate(annotations):
        key = (made.episode_index, made.subtask_index)
        about = [t for t in truth if (t.episode_index, t.subtask_index) == key]
        boxes = [c.box for c in made.candidates] or [made.start_box]
        said = about[-1] if about else None
        usable = (
            said is not None
            and said.start_box is not None
            and bool(np.isfinite(said.start_box).all())
            and (not said.camera or not made.camera or said.camera == made.camera)
        )
        if said is None or said.start_box is None or not usable:
            assert found.known[row] == 0
            continue
        expected = [is_match(b, said.start_box, options) for b in boxes[:32]]
        assert of_row(found, row, len(expected)) == expected
        assert int(found.known[row]) == (1 << len(expected)) - 1


def test_truth_that_names_datasets_speaks_about_those() -> None:
    rows = [record(0, dataset=name) for name in ("a", "b", "c", "")]
    table = AnnotationTable.of(rows)
    first, second = (rows[0].candidates[k].box for k in range(2))

    def line(box: Box, dataset: str) -> TrueSubtask:
        return TrueSubtask(episode_index=0, start_box=box, dataset=dataset)

    def right(*lines: TrueSubtask) -> list[bool | None]:
        found = judge_by_truth(table, lines)
        return [of_row(found, row, 1)[0] for row in range(4)]

    named = (line(first, "a"), line(second, "b"))
    assert right(*named) == [True, False, None, None]
    assert right(*named, line(first, "")) == [True, False, True, True]
    assert right(named[0]) == [True, None, None, True]  # one dataset: rows without a name are of it
    assert right(line(first, "")) == [True] * 4


def test_numbers_far_away_meet_nothing() -> None:
    truth = [
        TrueSubtask(episode_index=e, subtask_index=s, start_box=(0, 0, 1, 1))
        for e, s in ((10**30, 0), (-1, 0), (0, 1 << 32), (1, -(1 << 32)))
    ]
    assert not judge_by_truth(AnnotationTable.of(records(3)), truth).known.any()


def test_no_truth_and_no_rows_are_nothing_known() -> None:
    table = AnnotationTable.of(records(2))
    assert not judge_by_truth(table, ()).known.any()
    some = TrueSubtask(episode_index=0, start_box=(0, 0, 1, 1))
    assert len(judge_by_truth(AnnotationTable.of([]), [some])) == 0


# -- people

THERE, NEAR, AWAY = (0.0, 0.0, 100.0, 100.0), (0.0, 0.0, 100.0, 70.0), (300.0, 0.0, 400.0, 99.0)
ROUNDED = (0.0, 0.0, 100.0, 100.0004)
SCENE = record(
    3,
    1,
    candidates=tuple(candidate(k, box=b) for k, b in enumerate((THERE, NEAR, AWAY, ROUNDED))),
    winner=0,
    start_box=THERE,
)


def verdict(
    right: bool | None, box: Box | None = THERE, true_box: Box | None = None, **changes: object
) -> HumanVerdict:
    """A verdict on the scene."""
    made = HumanVerdict(3, 1, right, box, true_box, VerdictSource.SPOT_CHECK, "Ann", "2026-01-01")
    return replace(made, **changes)


def people(*verdicts: HumanVerdict) -> list[bool | None]:
    """What is known about the candidates of the scene."""
    return of_row(judge_by_people(AnnotationTable.of([SCENE]), verdicts), 0, 4)


def test_a_right_box_is_right_and_what_does_not_touch_it_is_wrong() -> None:
    assert people(verdict(True)) == [True, None, False, True]


def test_a_wrong_box_takes_those_that_match_it_along_and_says_nothing_of_others() -> None:
    assert people(verdict(False)) == [False, False, None, False]


def test_a_true_box_says_everything() -> None:
    assert people(verdict(False, true_box=AWAY)) == [False, False, True, False]
    assert people(verdict(None, box=None, true_box=NEAR)) == [True, True, False, True]


def test_who_cannot_tell_says_nothing() -> None:
    assert people(verdict(None)) == [None] * 4
    assert people(verdict(True, box=None)) == [None] * 4
    assert people() == [None] * 4


def test_the_newest_counts_and_what_was_said_of_the_box_before_the_caption() -> None:
    old, new = verdict(True, at="2026-01-01T10:00:00Z"), verdict(False, at="2026-01-01T12:00:00Z")
    assert counting_verdicts([new, old]) == (new,)
    # 11:30 in a zone two hours ahead is half past nine
    zoned = verdict(True, at="2026-01-01T11:30:00+02:00")
    assert counting_verdicts([old, zoned]) == (old,)
    caption = verdict(False, at="2027-01-01", source=VerdictSource.CAPTION)
    choice = verdict(True, at="2026-01-01", source=VerdictSource.CHOICE)
    assert counting_verdicts([choice, caption]) == (choice,)
    assert counting_verdicts([caption]) == (caption,)
    same = verdict(False, at=old.at)
    assert counting_verdicts([old, same]) == (same,), "of equal times the later one"
    assert counting_verdicts([verdict(True, at="yesterday"), old]) == (old,)


def test_verdicts_find_their_dataset() -> None:
    table = AnnotationTable.of([SCENE, SCENE.model_copy(update={"dataset": "other"})])
    found = judge_by_people(table, [verdict(True, dataset="other")])
    assert found.known.tolist() == [0, 0b1101]
    found = judge_by_people(table, [verdict(False, dataset="other"), verdict(True)])
    assert found.right.tolist() == [0b1001, 0]
    assert judge_by_people(table, [verdict(True, dataset="gone")]).known.tolist() == [0, 0]


def test_rows_without_candidates_have_one_bit() -> None:
    bare = record(3, 1, count=0, start_box=THERE)
    table = AnnotationTable.of([bare, record(4, 1, count=0)])
    found = judge_by_people(table, [verdict(True)])
    assert (found.right.tolist(), found.known.tolist()) == ([1, 0], [1, 0])
    truth = [TrueSubtask(episode_index=e, subtask_index=1, start_box=AWAY) for e in (3, 4)]
    by_truth = judge_by_truth(table, truth)
    assert (by_truth.right.tolist(), by_truth.known.tolist()) == ([0, 0], [1, 1])


def test_verdicts_of_other_episodes_and_absurd_ones_meet_nothing() -> None:
    for changes in ({"episode": 4}, {"subtask": 0}, {"episode": 10**30}, {"subtask": -1}):
        assert people(verdict(True, **changes)) == [None] * 4
