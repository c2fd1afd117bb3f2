"""The main claim, on the sample dataset: how often the winner is the right object.

Thresholds lie a little under what was measured when they were set (see CHANGELOG): they catch a
loss, they are not a result. `pytest -s` prints the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.annotate import annotate_episode, standard_graph
from pipeline.engine.cache import ResultCache
from pipeline.evaluation.baselines import detector_only, motion_only
from pipeline.evaluation.ground_truth import TrueSubtask, matching_truth, read_ground_truth
from pipeline.evaluation.matching import is_match
from pipeline.evaluation.selective import aurc, coverage_at
from pipeline.model.candidate import Box
from pipeline.model.score import box_iou
from pipeline.sources.detect import open_dataset
from tests.datasets import SAMPLE, shared_data

FLAT_GRIPPER, FAILED_GRASP = 6, 7


@dataclass(frozen=True)
class Row:
    episode: int
    true: TrueSubtask
    found: Box | None
    score: float | None
    detector: Box | None
    detector_score: float | None
    motion: Box | None
    motion_score: float | None
    recalled: bool
    warnings: tuple[str, ...]
    interact: tuple[tuple[int, int], ...]
    caption: str


@pytest.fixture(scope="module")
def rows(_own_folders: Path) -> list[Row]:
    source = open_dataset(SAMPLE)
    truth = read_ground_truth(SAMPLE)
    graph = standard_graph()
    cache = ResultCache(_own_folders / "cache" / "results")
    found: list[Row] = []
    for info in source.info.episodes:
        done = annotate_episode(source, info.index, graph=graph, cache=cache)
        assert done.failure is None, done.failure
        taken: dict[int, Row] = {}
        for annotation in done.annotations:
            outcomes = done.outcomes[annotation.subtask_index]
            task = done.outcomes[-1]["subtasks"].result.subtasks[annotation.subtask_index]
            true = matching_truth(truth, info.index, task.arm, task.start, task.end)
            if true is None or true.subtask_index in taken:
                continue
            proposals, scores = outcomes["proposals"].result, outcomes["scores"].result
            boxes = {p.id: p.box for p in proposals.candidates}
            by_detector, by_motion = detector_only(proposals), motion_only(scores)
            taken[true.subtask_index] = Row(
                info.index,
                true,
                annotation.start_box,
                annotation.score,
                boxes.get(by_detector.candidate),
                by_detector.score,
                boxes.get(by_motion.candidate),
                by_motion.score,
                any(box_iou(b, true.start_box) >= 0.5 for b in boxes.values()),
                annotation.warnings,
                task.interaction,
                annotation.caption,
            )
        for true in (t for t in truth if t.episode_index == info.index):
            # A subtask that was not found counts as wrong, without a score.
            blank = Row(info.index, true, *[None] * 6, False, (), (), "")
            found.append(taken.get(true.subtask_index, blank))
    return found


def judged(rows: list[Row], method: str) -> tuple[list[float | None], list[bool]]:
    box = {"full": "found", "detector": "detector", "motion": "motion"}[method]
    score = {"full": "score", "detector": "detector_score", "motion": "motion_score"}[method]
    correct = [is_match(getattr(r, box), r.true.start_box) for r in rows]
    return [getattr(r, score) for r in rows], correct


def test_table(rows: list[Row]) -> None:
    print("\nmethod    accuracy  Cov@90  AURC   (9 subtasks of 8 episodes)")
    figures = {}
    for method in ("detector", "motion", "full"):
        scores, correct = judged(rows, method)
        accuracy = sum(correct) / len(correct)
        figures[method] = (accuracy, coverage_at(scores, correct, 0.9), aurc(scores, correct))
        print("{:9} {:8.3f} {:7.3f} {:6.3f}".format(method, *figures[method]))
    for row in rows:
        iou = box_iou(row.found, row.true.start_box) if row.found else 0.0
        print(
            f"  episode {row.episode} {row.true.object_name:14} IoU {iou:.2f} "
            f"R {row.score} recalled {row.recalled}  {row.caption}"
        )
    recall = sum(r.recalled for r in rows) / len(rows)
    print(f"recall of the proposals at IoU 0.5: {recall:.3f}")
    assert figures["full"][0] >= 7 / 9
    assert figures["full"][0] >= figures["motion"][0]
    assert recall >= 0.9


def test_flaws_are_named(rows: list[Row]) -> None:
    flat = next(r for r in rows if r.episode == FLAT_GRIPPER)
    assert "flat_gripper" in flat.warnings
    failed = next(r for r in rows if r.episode == FAILED_GRASP)
    assert "grasp_failure" in failed.warnings


def test_interactions_overlap_the_true_contact(rows: list[Row]) -> None:
    """With the published forward offset of 0.3 the span begins late; it must still overlap."""
    for row in rows:
        if row.episode == FLAT_GRIPPER:
            continue
        (first, last) = row.true.contact[0]
        inside = sum(max(0, min(b, last) - max(a, first)) for a, b in row.interact)
        assert inside >= 0.5 * (last - first), row.episode


def test_captions_name_object_and_destination(rows: list[Row]) -> None:
    for row in rows:
        color = row.true.object_name.split()[0]
        assert color in row.caption, (row.episode, row.caption)


# -- real demonstrations -------------------------------------------------------------------

# Labelled by eye: the bottle before the hand reaches it (it stands still until then).
BOTTLE: dict[int, Box] = {
    1: (327.0, 0.0, 430.0, 226.0),
    2: (392.0, 0.0, 529.0, 236.0),
    19: (342.0, 0.0, 456.0, 233.0),
}


@pytest.mark.parametrize("episode", [1, 2, 19])
def test_bottle_wins_on_the_humanoid(episode: int, results_cache: Path) -> None:
    root = shared_data("g1_pick_bottle")
    if root is None:
        pytest.skip("g1_pick_bottle is not on this machine")
    done = annotate_episode(
        open_dataset(root), episode, graph=standard_graph(), cache=ResultCache(results_cache)
    )
    assert done.failure is None
    first = done.annotations[0]
    assert first.arm == "right"
    assert first.start_box is not None
    assert box_iou(first.start_box, BOTTLE[episode]) >= 0.4
    assert "yellow bottle" in first.caption
