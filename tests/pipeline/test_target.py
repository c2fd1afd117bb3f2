from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.model.candidate import Box, Proposal
from pipeline.model.score import ScoresResult, TargetResult
from pipeline.model.subtask import ActionType
from pipeline.stages.stage import StageContext, StageInputs
from pipeline.stages.target import (
    TargetOptions,
    TargetStage,
    final_points,
    find_target,
    object_end_box,
    share_inside,
)
from tests.pipeline.scored_clip import SmallClip, moving, still

END = (54.0, 46.0, 62.0, 54.0)
"""Box around the object's last position, which is 58, 50."""


def target(box: Box, score: float = 0.5, origin: str = "region", label: str = "") -> Proposal:
    return Proposal(0, box, 10, score, label, origin)


def clip(*targets: Proposal, action: ActionType = ActionType.PICK_AND_PLACE) -> SmallClip:
    return SmallClip(
        [moving(50, 50, [0, 0, 4, 4, 0]), still(120, 50)],
        [0.4, 0.6],
        targets=targets,
        action=action,
        target_name="wet table",
        labels=["sponge", "Wet Table"],
    )


def find(made: SmallClip, winner: int = 0) -> TargetResult:
    return find_target(made.subtask, made.proposals, made.tracks, winner, TargetOptions())


def test_box_that_holds_the_points_most_densely_wins() -> None:
    large, tight, elsewhere = (
        target((40, 30, 80, 70), 0.9),
        target(END, 0.2),
        target((0, 0, 8, 8), 0.99),
    )
    result = find(clip(large, tight, elsewhere))
    assert (result.winner, result.method, result.box) == (1, "tracked", END)
    assert result.support.tolist() == [1, 1, 0]
    assert result.density.tolist() == pytest.approx([1 / 40, 1 / 8, 0])
    assert result.problems == ()


def test_half_of_the_points_in_a_quarter_of_the_area_is_as_dense() -> None:
    # Two of four points in a box of a quarter of the area.
    half = target((55.0, 46.0, 58.0, 54.0))
    result = find(clip(target((50, 42, 66, 58)), half))
    assert result.support.tolist() == [1, 0.5]
    assert result.density[1] == pytest.approx(0.5 / np.sqrt(24))
    assert result.winner == 1


def test_tiny_boxes_are_not_ranked() -> None:
    # The start box has 16 square pixels.
    tiny, enough = target((55, 47, 58, 49.6)), target((55, 46, 57, 50))
    result = find(clip(tiny, enough))
    assert np.isnan(result.density[0])
    assert result.winner == 1


def test_without_support_the_best_detected_counts() -> None:
    result = find(clip(target((0, 0, 8, 8), 0.3), target((80, 80, 90, 90), 0.7)))
    assert (result.winner, result.method) == (1, "detected")
    assert [p.code for p in result.problems] == ["target_unsupported"]


def test_a_persons_box_wins_even_if_tiny() -> None:
    drawn = target((0, 0, 2, 2), 0.1, "user")
    result = find(clip(target(END, 0.9), drawn))
    assert (result.winner, result.box) == (1, (0, 0, 2, 2))


def test_without_targets_the_objects_end_counts() -> None:
    result = find(clip())
    assert (result.winner, result.method, result.box) == (-1, "object_end", (56, 48, 60, 52))
    assert result.object_end_box == result.box
    assert find(clip(target((0, 0, 1, 1)))).method == "object_end"


def test_tool_acts_on_another_candidate() -> None:
    result = find(clip(action=ActionType.TOOL))
    assert (result.method, result.box) == ("detected", (118, 48, 122, 52))
    assert result.candidates[result.winner].label == "Wet Table"
    assert "target_acted_on" in [p.code for p in result.problems]
    assert find(clip(action=ActionType.TOOL), winner=1).method == "object_end"


def test_without_winner() -> None:
    result = find(clip(), winner=-1)
    assert (result.box, result.object_end_box, result.method) == (None, None, "none")
    assert find(clip(target(END, 0.4)), winner=-1).method == "detected"


def test_final_points_come_from_the_last_frame_with_enough_of_them() -> None:
    tracks = clip().tracks
    visible = tracks.visible.copy()
    visible[5, :4] = False
    visible[4, 1:4] = False
    hidden = replace(tracks, visible=visible)
    # One of four is enough for 20 %, not for 50 %.
    assert final_points(hidden, 0, 0.2).tolist() == [[56, 48]]
    assert len(final_points(hidden, 0, 0.5)) == 4
    assert final_points(hidden, 0, 0.5)[0].tolist() == [52, 48]
    assert final_points(tracks, 7, 0.2).shape == (0, 2)


def test_end_box_is_the_last_known_one() -> None:
    tracks = clip().tracks
    boxes = tracks.boxes.copy()
    boxes[4:, 0] = np.nan
    assert object_end_box(replace(tracks, boxes=boxes), 0) == (52, 48, 56, 52)
    boxes[:, 0] = np.nan
    assert object_end_box(replace(tracks, boxes=boxes), 0) is None


def test_right_and_lower_edges_are_outside() -> None:
    points = np.array([[0, 0], [10, 5], [5, 10], [9.9, 9.9]], np.float32)
    assert share_inside(points, (0, 0, 10, 10)) == 0.5
    assert share_inside(np.zeros((0, 2), np.float32), (0, 0, 10, 10)) == 0.0


def test_stage() -> None:
    made = clip(target(END))
    none = np.zeros((0, 6), np.float32)
    scores = ScoresResult(
        (), 0, "person", made.frames, none[:, :5], none, none, np.zeros(5, np.bool_),
        np.zeros(6, np.float32), "2d",
    )  # fmt: skip
    results = {n: getattr(made, n) for n in ("subtasks", "proposals", "masks", "tracks")}
    context = StageContext(None, lambda share, what: None, lambda: False)  # type: ignore[arg-type]
    result = TargetStage().run(
        made.demonstration,
        StageInputs(results | {"scores": scores}, 0),
        TargetOptions(),
        (),
        context,
    )
    assert result.box == END
