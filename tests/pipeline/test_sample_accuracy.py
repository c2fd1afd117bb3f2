"""The main claim, on the sample dataset: how often the winner is the right object.

Thresholds lie a little under what was measured when they were set (see CHANGELOG): they catch a
loss, they are not a result. `pytest -s` prints the table.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.annotate import annotate_episode, standard_graph
from pipeline.engine.cache import ResultCache
from pipeline.evaluation.ground_truth import read_lines
from pipeline.model.score import box_iou
from pipeline.sources.detect import open_dataset
from tests.datasets import SAMPLE, shared_data
from tools.accuracy import (
    DETECTOR,
    FULL,
    MOTION,
    Row,
    figures_of,
    measured_rows,
    report,
    temporal_iou,
)

FLAT_GRIPPER, FAILED_GRASP = 6, 7


@pytest.fixture(scope="module")
def rows(_own_folders: Path) -> list[Row]:
    return measured_rows(SAMPLE, ResultCache(_own_folders / "cache" / "results"))


def test_table(rows: list[Row]) -> None:
    figures = figures_of(rows)
    print("\n" + report(rows, figures))
    assert figures.subtasks == 9
    assert figures.of(FULL).accuracy >= 8 / 9
    assert figures.of(FULL).matches.mean_iou >= 0.85
    assert figures.of(DETECTOR).accuracy >= 8 / 9
    assert figures.of(FULL).accuracy >= figures.of(MOTION).accuracy
    assert figures.recall >= 0.9


def test_frames_are_compared_as_sets() -> None:
    assert temporal_iou([(0, 4), (6, 8)], [(2, 8)]) == 4 / 8
    assert temporal_iou([], [(2, 8)]) == 0.0
    assert temporal_iou([], []) == 0.0


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

# Boxes by eye at the keyframe, see the notes in the file.
BOTTLE = Path(__file__).parent / "ground_truth" / "g1_pick_bottle.jsonl"


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
    true = next(t.start_box for t in read_lines(BOTTLE) if t.episode_index == episode)
    assert true is not None
    assert box_iou(first.start_box, true) >= 0.7
    boxes = [p.box for p in done.outcomes[0]["proposals"].result.candidates]
    assert max(box_iou(box, true) for box in boxes) >= 0.7
    assert "yellow bottle" in first.caption
