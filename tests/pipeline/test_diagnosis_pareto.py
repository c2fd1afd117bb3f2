"""Counts by stage and code: each annotation once, the most first, shares that add up."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.annotations.judgements import Judgements
from pipeline.annotations.table import AnnotationTable
from pipeline.diagnosis.diagnosis import Diagnosis, How, Outcome
from pipeline.diagnosis.pareto import (
    NO_CODE,
    NO_STAGE,
    By,
    Certainty,
    Grouping,
    Suspicions,
    paretos,
    winner_numbers,
)
from pipeline.diagnosis.task import worth_diagnosing
from pipeline.evaluation.ground_truth import TrueSubtask
from pipeline.model.annotation import Annotation, CandidateRecord

RIGHT, WRONG, NOBODY = (1, 3), (2, 3), (0, 0)
"""Bits right and known of candidates 0 and 1."""


def annotation(
    episode: int, *warnings: str, dataset: str = "d", task: str = "tool", winner: int = 4
) -> Annotation:
    """Two candidates, 4 and 7."""
    candidates = tuple(
        CandidateRecord(
            id=i, box=(0, 0, 9, 9), detector=0.5, motion_in=1, motion_out=1, proximity=0,
            overlap=0, relief=0, points=4,
        )
        for i in (4, 7)
    )  # fmt: skip
    return Annotation(
        episode_index=episode, subtask_index=0, arm="", camera="", instruction="", object="",
        start_box=(0, 0, 9, 9), target_box=None, score=1.0, phases=(), caption="",
        warnings=warnings, terms={}, keyframe=0, dataset=dataset, task=task, winner=winner,
        candidates=candidates,
    )  # fmt: skip


def judged(*bits: tuple[int, int]) -> Judgements:
    return Judgements(
        np.array([r for r, _ in bits], np.uint32), np.array([k for _, k in bits], np.uint32)
    )


def diagnosis(episode: int, stage: str | None, **changes: object) -> Diagnosis:
    found = {
        "outcome": Outcome.WRONG,
        "how": How.SUBSTITUTION,
        "steps": (),
        "sentence": f"because of {stage}",
        "dataset": "d",
        "task": "tool",
    } | changes
    subtask = int(found.pop("subtask", 0))  # type: ignore[call-overload]
    return Diagnosis(episode=episode, subtask=subtask, stage=stage, **found)  # type: ignore[arg-type]


TABLE = AnnotationTable.of(
    [
        annotation(0, "near_tie", "closed_at_start"),
        annotation(1, "near_tie", "no_geometry"),
        annotation(2, "mask_fallback"),
        annotation(3, "identity_switch", dataset="e", task="fluid"),
        annotation(4, "near_tie"),
        annotation(5),
    ]
)
KNOWN = judged(WRONG, WRONG, WRONG, NOBODY, RIGHT, NOBODY)


def shown(
    by: By = By.STAGE, *found: Diagnosis, unjudged: bool = True
) -> dict[str, tuple[int, ...]]:
    failures = Suspicions.of(TABLE, KNOWN).failures(found)
    (group,) = paretos(failures, by, unjudged=unjudged)
    return {b.label: b.counts for b in group.bars}


def test_stages_of_wrong_and_of_unjudged_annotations() -> None:
    assert shown() == {
        "phases": (0, 1, 0),
        "tracks": (0, 0, 1),
        "scores": (0, 1, 0),
        NO_STAGE: (0, 1, 0),
    }


def test_what_nobody_judged_can_be_left_out() -> None:
    assert "tracks" not in shown(unjudged=False)


def test_codes() -> None:
    assert shown(By.CODE) == {
        "closed_at_start": (0, 1, 0),
        "identity_switch": (0, 0, 1),
        "near_tie": (0, 1, 0),
        NO_CODE: (0, 1, 0),
    }


def test_a_diagnosis_counts_before_codes() -> None:
    counts = shown(By.STAGE, diagnosis(0, "tracks"), diagnosis(2, "proposals"))
    assert counts["tracks"] == (1, 0, 1)
    assert counts["proposals"] == (1, 0, 0)
    assert "phases" not in counts
    assert NO_STAGE not in counts


def test_a_table_that_does_not_name_its_dataset() -> None:
    unnamed = AnnotationTable.of([annotation(0, "near_tie", dataset="")])
    failures = Suspicions.of(unnamed, judged(WRONG)).failures([diagnosis(0, "tracks")])
    (group,) = paretos(failures)
    assert [(b.label, b.counts) for b in group.bars] == [("tracks", (1, 0, 0))]


def test_what_turned_out_right_does_not_count() -> None:
    assert "phases" not in shown(By.STAGE, diagnosis(0, None, outcome=Outcome.RIGHT, how=None))


def test_missed_subtasks_and_failed_episodes_count_without_a_row() -> None:
    missed = diagnosis(9, "phases", subtask=-1, how=How.RECALL)
    failures = Suspicions.of(TABLE, KNOWN).failures([missed])
    assert shown(By.STAGE, missed)["phases"] == (1, 1, 0)
    assert failures.row[-1] == -1
    assert failures.sentence(len(failures) - 1) == "because of phases"


def test_bars_fall_and_shares_rise_to_one() -> None:
    found = [diagnosis(i, "tracks") for i in (0, 1, 2)]
    (group,) = paretos(Suspicions.of(TABLE, KNOWN).failures(found))
    totals = [b.total for b in group.bars]
    assert totals == sorted(totals, reverse=True)
    assert [b.cumulative for b in group.bars] == pytest.approx(np.cumsum(totals) / group.total)
    assert group.total == sum(totals) == sum(len(b.places) for b in group.bars)


def test_equal_bars_stand_in_pipeline_order() -> None:
    (group,) = paretos(Suspicions.of(TABLE, KNOWN).failures())
    assert [b.label for b in group.bars] == ["phases", "tracks", "scores", NO_STAGE]


@pytest.mark.parametrize(
    ("grouping", "names"), [(Grouping.DATASET, ["d", "e"]), (Grouping.TASK, ["tool", "fluid"])]
)
def test_groups(grouping: Grouping, names: list[str]) -> None:
    groups = paretos(Suspicions.of(TABLE, KNOWN).failures(), grouping=grouping)
    assert [g.name for g in groups] == names
    assert [g.total for g in groups] == [3, 1]


def test_the_faults_come_first_behind_a_bar() -> None:
    failures = Suspicions.of(TABLE, KNOWN).failures([diagnosis(2, "tracks")])
    (group,) = paretos(failures)
    bar = next(b for b in group.bars if b.label == "tracks")
    assert [int(failures.certainty[p]) for p in bar.places] == [
        Certainty.FAULT,
        Certainty.UNJUDGED,
    ]
    assert [int(failures.episode[p]) for p in bar.places] == [2, 3]


def test_a_suspect_is_never_called_a_fault() -> None:
    failures = Suspicions.of(TABLE, KNOWN).failures()
    assert Certainty.FAULT not in failures.certainty
    assert all("fault" not in failures.sentence(p) for p in range(len(failures)))
    assert "suspected" in failures.sentence(0)


def test_nothing_at_all() -> None:
    empty = AnnotationTable.of([])
    failures = Suspicions.of(empty, Judgements.nothing(0)).failures()
    assert len(failures) == 0
    assert paretos(failures) == ()


def test_winners_are_numbered_within_their_row() -> None:
    table = AnnotationTable.of(
        [annotation(0, winner=7), annotation(1, winner=-1), annotation(2, winner=99)]
    )
    assert winner_numbers(table).tolist() == [1, -1, -1]
    bare = AnnotationTable.of([annotation(0).model_copy(update={"candidates": ()})])
    assert winner_numbers(bare).tolist() == [0]


def test_episodes_worth_diagnosing() -> None:
    truth = [
        TrueSubtask(episode_index=4),
        TrueSubtask(episode_index=5),
        TrueSubtask(episode_index=5, subtask_index=1),
        TrueSubtask(episode_index=8),
    ]
    assert worth_diagnosing(TABLE, KNOWN) == (0, 1, 2)
    assert worth_diagnosing(TABLE, KNOWN, truth, asked=(4, 11)) == (0, 1, 2, 5, 8, 11)
