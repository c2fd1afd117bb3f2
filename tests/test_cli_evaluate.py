"""`demoscope evaluate` in this process: figures, sentences, files."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from pipeline.annotations.parquet import write_table
from pipeline.model.annotation import PhaseRecord
from tests.datasets import write_v2
from tests.evaluate_files import (
    NEAR,
    PREDICTIONS,
    RIGHT,
    TRUTH,
    WRONG,
    Evaluate,
    both_files,
    candidate,
    evaluator,
    prediction,
    value,
    write_lines,
)


@pytest.fixture
def evaluate(capsys: pytest.CaptureFixture[str]) -> Evaluate:
    return evaluator(capsys)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return both_files(tmp_path)


# -- figures ---------------------------------------------------------------------------------


def test_figures_by_hand(evaluate: Evaluate, files: tuple[Path, Path]) -> None:
    ran = evaluate(*files, "--json", "--precision", "0.6")
    assert ran.code == 0
    found, full = ran.json, ran.full
    assert found["version"] == 1
    assert found["predictions"] == {
        "count": 5, "used": 4, "without_truth": 1, "other_camera": 0, "chosen_by_person": 0,
        "deviating_scores": 0,
    }  # fmt: skip
    assert found["truth"] == {"subtasks": 5, "episodes": 5, "without_start_box": 0}
    assert (full["count"], full["correct"], full["scored"]) == (5, 3, 3)
    assert value(full["accuracy"]) == pytest.approx(3 / 5)
    assert value(full["mean_iou"]) == pytest.approx((1 + 0.5 + 0 + 1 + 0) / 5)
    assert value(full["share_iou_50"]) == pytest.approx(3 / 5)
    at = {point["precision"]: point for point in full["coverage_at"]}
    assert value(at[0.9]) == value(at[0.95]) == pytest.approx(2 / 5)
    assert (at[0.6]["threshold"], at[0.6]["kept"], at[0.6]["correct"]) == (0.7, 3, 2)
    assert value(at[0.6]["kept_accuracy"]) == pytest.approx(2 / 3)
    # Places 1, 2, 3, then one right and one wrong in either order.
    expected = (0 + 0 + 1 / 3 + 1.5 / 4 + 2 / 5) / 5
    assert value(full["aurc"]) == pytest.approx(expected)
    assert value(full["e_aurc"]) == pytest.approx(expected - (1 / 4 + 2 / 5) / 5)
    assert (found["target"]["count"], found["target"]["correct"]) == (2, 1)
    assert found["candidates"] is None
    assert [m["method"] for m in found["methods"]] == ["full"]


def test_text_has_the_layout_of_the_paper(evaluate: Evaluate, files: tuple[Path, Path]) -> None:
    ran = evaluate(*files)
    assert ran.code == 0
    lines = ran.out.splitlines()
    (head,) = [x for x in lines if x.startswith("method ")]
    names = ["accuracy", "Cov@90", "Cov@95", "AURC", "E-AURC", "mean IoU", "IoU>=.5"]
    assert [name in head for name in names] == [True] * 7
    (row,) = [x for x in lines if x.startswith("full  ")]
    assert row.split() == [
        "full",
        "5",
        "0.600",
        "0.400",
        "0.400",
        "0.222",
        "0.092",
        "0.500",
        "0.600",
    ]
    below = lines[lines.index(row) + 1]
    assert below.split()[0] == ".231–.882"
    # Every interval ends under its figure.
    assert len(below) == len(row)
    assert "1 prediction without ground truth" in ran.out
    assert "no baselines" in ran.out
    assert "full score, by task" in ran.out
    assert "(not predicted)" in ran.out
    assert "full score, by arm" not in evaluate(*files, "--by", "task").out
    assert "target accuracy               0.500 (1 of 2)" in ran.out


def test_same_seed_same_intervals(evaluate: Evaluate, files: tuple[Path, Path]) -> None:
    first = evaluate(*files, "--json")
    assert first.out == evaluate(*files, "--json").out
    assert first.out != evaluate(*files, "--json", "--seed", 1).out
    none = evaluate(*files, "--json", "--bootstrap", 0).full
    assert none["aurc"]["interval"] is None
    assert none["accuracy"]["interval"] == pytest.approx([0.2307, 0.8824], abs=1e-4)


def test_nothing_known_is_null(evaluate: Evaluate, tmp_path: Path) -> None:
    lines = write_lines(tmp_path / "p.jsonl", [prediction(0, WRONG, None)])
    truth = write_lines(tmp_path / "t.jsonl", [{"episode_index": 0, "start_box": RIGHT}])
    ran = evaluate(lines, truth, "--json")
    assert ran.full["coverage_at"][0]["threshold"] is None
    assert ran.full["coverage_at"][0]["kept_accuracy"]["value"] is None
    assert ran.json["reliability"]["ece"] is None
    assert ran.json["target"]["value"] is None
    assert ran.json["curve"] == []
    assert evaluate(lines, truth).code == 0


def test_iou_moves_the_rule(evaluate: Evaluate, files: tuple[Path, Path]) -> None:
    # The near box has IoU 0.5 and lies inside: containment forgives it as before.
    assert evaluate(*files, "--json", "--iou", "0.6").full["correct"] == 3
    lines = files[0].read_text().replace("[0.0,0.0,10.0,5.0]", "[0.0,3.0,10.0,13.0]")
    files[0].write_text(lines)
    assert evaluate(*files, "--json").full["correct"] == 3
    assert evaluate(*files, "--json", "--iou", "0.6").full["correct"] == 2


def test_baselines_and_ladder_choose_among_the_candidates(
    evaluate: Evaluate, tmp_path: Path
) -> None:
    own = (candidate(0, WRONG, 0.9, 2.0), candidate(1, RIGHT, 0.4, 90.0))
    lines = [
        prediction(0, RIGHT, 0.8, winner=1, candidates=own),
        prediction(1, WRONG, 0.7, winner=0, candidates=own[:1]),
    ]
    truth = [{"episode_index": e, "start_box": RIGHT} for e in (0, 1)]
    ran = evaluate(
        write_lines(tmp_path / "p.jsonl", lines), write_lines(tmp_path / "t.jsonl", truth), "--json"
    )
    methods = {m["method"]: m for m in ran.json["methods"]}
    assert list(methods) == [
        "trajectory length (FSD)", "motion only", "detector", "+ mean motion",
        "+ hard robot filter", "+ phase-aware motion", "+ adaptive detector weight", "full",
    ]  # fmt: skip
    correct = {name: m["correct"] for name, m in methods.items()}
    assert correct["detector"] == 0
    assert correct["motion only"] == correct["+ mean motion"] == correct["full"] == 1
    # The best detection moved by 2 % of the diagonal: FSD abstains.
    assert methods["trajectory length (FSD)"]["scored"] == 0
    assert ran.json["candidates"]["correct"] == 1
    assert ran.json["candidates"]["mean_best_iou"] == 0.5


def test_curve_is_written(evaluate: Evaluate, files: tuple[Path, Path], tmp_path: Path) -> None:
    path = tmp_path / "curve.csv"
    assert evaluate(*files, "--curve", path).code == 0
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert [row["threshold"] for row in rows] == ["0.9", "0.8", "0.7"]
    assert [row["kept"] for row in rows] == ["1", "2", "3"]
    assert [float(row["coverage"]) for row in rows] == pytest.approx([0.2, 0.4, 0.6])
    assert [float(row["risk"]) for row in rows] == pytest.approx([0, 0, 1 / 3])
    assert float(rows[0]["low"]) <= 0 <= float(rows[0]["high"])


@pytest.fixture
def with_candidates(tmp_path: Path) -> tuple[Path, Path]:
    """Two subtasks, R as the terms give it with the published weights; motion decides."""
    own = (candidate(0, WRONG, 0.9, 2.0), candidate(1, RIGHT, 0.4, 90.0))
    # A~ is 0 and 1, P~ is P without spread: w_D = 0.75 - 0.15 * 0.5.
    right = 0.5 + 0.675 * 0.4 + 0.3 * 0.5
    lines = [prediction(e, RIGHT, right, winner=1, candidates=own) for e in (0, 1)]
    truth = [{"episode_index": e, "start_box": RIGHT} for e in (0, 1, 2)]
    return (
        write_lines(tmp_path / "p.jsonl", lines),
        write_lines(tmp_path / "t.jsonl", truth),
    )


def test_score_that_its_terms_do_not_give_is_told(
    evaluate: Evaluate, with_candidates: tuple[Path, Path]
) -> None:
    assert evaluate(*with_candidates, "--json").json["predictions"]["deviating_scores"] == 0
    lines = with_candidates[0]
    lines.write_text(lines.read_text().replace('"score":0.92', '"score":0.5'))
    assert evaluate(*with_candidates, "--json").json["predictions"]["deviating_scores"] == 2
    assert "R of 2 predictions is not what the kept terms give" in evaluate(*with_candidates).out


def test_sweep_scores_again(evaluate: Evaluate, with_candidates: tuple[Path, Path]) -> None:
    ran = evaluate(*with_candidates, "--json", "--sweep", "scores.motion_weight")
    swept = ran.json["sweep"]
    assert swept["option"] == "motion_weight"
    assert swept["values"][swept["current"]] == 0.5
    # Without motion the detector's favourite wins.
    accuracy = dict(zip(swept["values"], swept["metrics"]["accuracy"]["values"], strict=True))
    assert accuracy[0] == 0.0
    assert accuracy[0.5] == 1.0
    assert swept["evidence"]["annotations"] == 2
    every = evaluate(*with_candidates, "--json", "--sweep", "scores").json["sweep"]
    assert "motion_weight" in [s["option"] for s in every["options"]]
    assert "sphere_radius_scale" in every["skipped"]
    assert "expected one of" in evaluate(*with_candidates, "--sweep", "scores.no").err
    pair = "scores.motion_weight,scores.proximity_weight"
    assert "* values in force" in evaluate(*with_candidates, "--sweep", pair).out


# -- groups and pairing ----------------------------------------------------------------------


def test_groups_follow_the_truth_before_the_prediction(evaluate: Evaluate, tmp_path: Path) -> None:
    lines = write_lines(tmp_path / "p.jsonl", [prediction(0, RIGHT, 0.9, arm="left")])
    truth = write_lines(
        tmp_path / "t.jsonl",
        [
            {"episode_index": 0, "start_box": RIGHT, "arm": "right", "task": "fluid"},
            {"episode_index": 1, "start_box": RIGHT, "arm": "right", "task": "tool"},
        ],
    )
    groups = evaluate(lines, truth, "--json", "--by", "object").json["groups"]
    assert [(g["group"], g["count"], g["correct"]) for g in groups["arm"]] == [("right", 2, 1)]
    assert [(g["group"], g["correct"]) for g in groups["task"]] == [("fluid", 1), ("tool", 0)]
    assert [g["group"] for g in groups["object"]] == ["(not predicted)", "(unnamed)"]


def test_many_groups_with_long_names_stay_readable(evaluate: Evaluate, tmp_path: Path) -> None:
    lines = [prediction(e, RIGHT, 0.5, instruction=f"{e} take\nthe cube " * 9) for e in range(40)]
    truth = [{"episode_index": e, "start_box": RIGHT} for e in range(40)]
    files = (write_lines(tmp_path / "p.jsonl", lines), write_lines(tmp_path / "t.jsonl", truth))
    ran = evaluate(*files, "--by", "instruction", "--bootstrap", "0")
    assert "… and 10 smaller groups" in ran.out
    assert max(map(len, ran.out.splitlines())) < 140
    assert (
        len(evaluate(*files, "--by", "instruction", "--json").json["groups"]["instruction"]) == 40
    )


def test_time_pairs_what_a_missed_grasp_shifts(evaluate: Evaluate, tmp_path: Path) -> None:
    spans = [PhaseRecord(name="grasp", arm="arm", start=s, end=s + 20) for s in (40, 80)]
    records = [
        prediction(0, box, 0.5, subtask_index=k, phases=(spans[k],))
        for k, box in enumerate((RIGHT, WRONG))
    ]
    truth = write_lines(
        tmp_path / "t.jsonl",
        [
            {"episode_index": 0, "subtask_index": k, "start_box": box, "contact": [[s, s + 10]]}
            for k, (box, s) in enumerate(((NEAR, 5), (RIGHT, 45), (WRONG, 85)))
        ],
    )
    lines, table = write_lines(tmp_path / "p.jsonl", records), tmp_path / "p.parquet"
    write_table(table, records, {})
    assert evaluate(lines, truth, "--json").full["correct"] == 1
    for path in (lines, table):
        assert evaluate(path, truth, "--json", "--match", "time").full["correct"] == 2


def test_another_camera_cannot_be_compared(evaluate: Evaluate, tmp_path: Path) -> None:
    lines = write_lines(
        tmp_path / "p.jsonl", [prediction(0, RIGHT, 0.9), prediction(1, RIGHT, 0.8)]
    )
    truth = write_lines(
        tmp_path / "t.jsonl",
        [
            {"episode_index": 0, "start_box": RIGHT, "camera": "wrist"},
            {"episode_index": 1, "start_box": RIGHT, "camera": "front"},
        ],
    )
    ran = evaluate(lines, truth, "--json")
    assert ran.json["predictions"]["other_camera"] == 1
    assert (ran.full["correct"], ran.full["scored"]) == (1, 1)
    assert "1 prediction in another camera" in evaluate(lines, truth).out


def test_datasets_keep_equal_numbers_apart(evaluate: Evaluate, tmp_path: Path) -> None:
    lines = write_lines(
        tmp_path / "p.jsonl",
        [prediction(0, RIGHT, 0.9, dataset="a"), prediction(0, WRONG, 0.8, dataset="b")],
    )
    named = [{"dataset": d, "episode_index": 0, "start_box": RIGHT} for d in ("b", "a")]
    found = evaluate(lines, write_lines(tmp_path / "t.jsonl", named), "--json")
    groups = {g["group"]: g["correct"] for g in found.json["groups"]["dataset"]}
    assert groups == {"a": 1, "b": 0}
    unnamed = write_lines(tmp_path / "u.jsonl", [{"episode_index": 0, "start_box": RIGHT}])
    ran = evaluate(lines, unnamed)
    assert (ran.code, ran.err.count("\n")) == (1, 1)
    assert "2 datasets" in ran.err


# -- where things are read from --------------------------------------------------------------


def test_parquet_and_lines_say_the_same(
    evaluate: Evaluate, files: tuple[Path, Path], tmp_path: Path
) -> None:
    table = tmp_path / "p.parquet"
    write_table(table, PREDICTIONS, {})
    assert evaluate(table, files[1], "--json").out == evaluate(*files, "--json").out


def test_a_dataset_stands_for_its_truth_and_its_newest_run(
    evaluate: Evaluate, files: tuple[Path, Path], tmp_path: Path
) -> None:
    dataset = tmp_path / "set"
    (dataset / "ground_truth").mkdir(parents=True)
    write_lines(dataset / "ground_truth" / "annotations.jsonl", TRUTH)
    expected = evaluate(*files, "--json").out
    assert evaluate(files[0], dataset, "--json").out == expected
    ran = evaluate(dataset)
    assert ran.code == 1
    assert "no annotations" in ran.err
    run = tmp_path / "set.demoscope" / "annotations"
    write_table(run / "annotations.parquet", PREDICTIONS, {"dataset": str(dataset)})
    assert evaluate(dataset, "--json").out == expected
    assert evaluate(run, "--json").out == expected
    assert evaluate(run / "annotations.parquet", "--json").out == expected


def test_another_dataset_is_told(
    evaluate: Evaluate, files: tuple[Path, Path], tmp_path: Path
) -> None:
    dataset = tmp_path / "other"
    (dataset / "ground_truth").mkdir(parents=True)
    write_lines(dataset / "ground_truth" / "annotations.jsonl", TRUTH)
    assert "predictions are of set, the ground truth is of other" in evaluate(files[0], dataset).err


def test_annotate_runs_the_stages_first(evaluate: Evaluate, tmp_path: Path) -> None:
    root = write_v2(tmp_path / "v2")
    (root / "ground_truth").mkdir()
    write_lines(
        root / "ground_truth" / "annotations.jsonl",
        [{"episode_index": e, "start_box": RIGHT} for e in (0, 1, 7)],
    )
    ran = evaluate(root, "--annotate", "--json", "--set", "scores.motion_weight=0.4")
    assert ran.code == 0, ran.err
    assert ran.json["predictions"]["count"] == 2
    assert ran.json["truth"]["subtasks"] == 3
    assert not list(tmp_path.glob("*.demoscope/annotations"))
    write_lines(tmp_path / "t.jsonl", [{"episode_index": 8, "start_box": RIGHT}])
    nothing = evaluate(root, tmp_path / "t.jsonl", "--annotate")
    assert (nothing.code, "none of the episodes" in nothing.err) == (1, True)
    refused = evaluate(root, "--set", "scores.motion_weight=0.4")
    assert (refused.code, "--annotate" in refused.err) == (1, True)
