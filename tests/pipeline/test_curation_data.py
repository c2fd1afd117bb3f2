"""What the curation window works on: loading, operating points and exports."""

from __future__ import annotations

import csv
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pipeline.curation.export as export
from pipeline.annotations.parquet import DATASET_KEY, OPTIONS_KEY, write_table
from pipeline.annotations.reading import read_annotations
from pipeline.annotations.table import AnnotationTable
from pipeline.curation.data import CurationData
from pipeline.curation.export import FILES, export_kept
from pipeline.curation.loading import BoxLookup, load_curation, newest_run, with_people
from pipeline.curation.operating_points import (
    FILE_NAME,
    Basis,
    OperatingPoint,
    OperatingPoints,
    Retirement,
)
from pipeline.curation.rescored_lines import rescored_lines, shortest
from pipeline.evaluation.rescoring import Features, Rescored, Rescorer, ScoreWeights
from pipeline.model.annotation import Annotation
from pipeline.model.caption import Verdict
from pipeline.model.edits import ChooseCandidate, JudgeCaption
from pipeline.model.problem import Cancelled, DataError
from pipeline.model.score import ScoreTerms
from pipeline.review.store import ReviewStore
from pipeline.scoring.formula import ScoresOptions, rescore
from tests.datasets import codes
from tests.pipeline.annotation_records import record, records, write_lines

OPTIONS = ScoresOptions()
WEIGHTS = ScoreWeights.of(OPTIONS)


def score_terms(annotation: Annotation) -> list[ScoreTerms]:
    """Measured terms of the candidates; what follows from them is 0."""
    return [
        ScoreTerms(
            candidate=c.id,
            detector=c.detector,
            motion_in=c.motion_in,
            motion_out=c.motion_out,
            motion=0.0,
            motion_normalised=0.0,
            proximity=c.proximity,
            proximity_normalised=0.0,
            overlap=c.overlap,
            relief=c.relief,
            penalty=0.0,
            detector_weight=0.0,
            score=0.0,
            points=c.points,
        )
        for c in annotation.candidates
    ]


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEMOSCOPE_DATA_DIR", str(tmp_path / "user"))
    folder = tmp_path / "sets" / "toys"
    (folder / "ground_truth").mkdir(parents=True)
    return folder


@pytest.fixture
def own() -> list[Annotation]:
    return records(9)


@pytest.fixture
def run(dataset: Path, own: list[Annotation]) -> Path:
    """A finished batch run beside the dataset."""
    folder = dataset.with_name("toys.demoscope") / "annotations"
    metadata = {
        DATASET_KEY: str(dataset),
        OPTIONS_KEY: json.dumps({"scores": {"motion_weight": 0.4}, "tracks": {"track_fps": 3.0}}),
    }
    write_table(folder / "annotations.parquet", own, metadata)
    return folder


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its content."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


# -- loading


def test_the_run_of_a_dataset_is_found_with_all_that_is_known(
    dataset: Path, run: Path, own: list[Annotation]
) -> None:
    truth = [{"episode_index": 1, "start_box": own[2].candidates[0].box}]
    path = dataset / "ground_truth" / "annotations.jsonl"
    path.write_text("\n".join(json.dumps(t) for t in truth))
    store = ReviewStore.open(dataset, who="Ann")
    store.append(3, JudgeCaption(subtask=1, verdict=Verdict.ACCEPTED, draft="a", text="b"))
    before = tree(dataset.parent)
    data = load_curation(None, dataset)
    assert tree(dataset.parent) == before, "loading changes nothing"
    assert data.dataset == dataset
    assert data.folder == run.parent / "curation"
    assert data.options.motion_weight == 0.4
    assert data.problems == ()
    assert np.flatnonzero(data.truth.known).tolist() == [2]
    assert data.truth.right[2] & 1
    (row,) = np.flatnonzero(data.people.known).tolist()
    assert (data.table.episode[row], data.table.subtask[row]) == (3, 1)
    assert [v.who for v in data.verdicts] == ["Ann"]
    # the annotations say themselves where their dataset is
    assert load_curation(run, None).dataset == dataset


def test_people_are_heard_again_without_reading_the_rest(dataset: Path, run: Path) -> None:
    data = load_curation(None, dataset)
    assert not data.people.known.any()
    store = ReviewStore.open(dataset, who="Ann")
    store.append(0, ChooseCandidate(subtask=0, box=data.table.box(0)))
    again = with_people(data)
    assert again.people.right[0]
    assert again.table is data.table
    store.close()
    store.location.write_bytes(b"no database" * 100)
    told = with_people(with_people(again))
    assert codes(told.problems) == {"reviews_not_read"}
    assert len(told.problems) == 1


def test_ground_truth_may_come_from_elsewhere(dataset: Path, run: Path, tmp_path: Path) -> None:
    path = tmp_path / "truth.jsonl"
    path.write_text('{"episode_index": 0, "start_box": [0, 0, 640, 480]}\n')
    data = load_curation(run, None, truth=path)
    assert data.truth.known[0]
    assert with_people(data).truth_path == path, "a diagnosis reads the same"
    assert load_curation(run, None).truth_path is None
    path.write_text("nothing\n")
    with pytest.raises(DataError, match=r"truth\.jsonl, line 1: it is no JSON object"):
        load_curation(run, None, truth=path)
    with pytest.raises(DataError, match="there is no such file"):
        load_curation(run, None, truth=tmp_path / "gone.jsonl")


def test_annotations_of_another_dataset_are_told(tmp_path: Path, own: list[Annotation]) -> None:
    path = write_lines(tmp_path / "a.jsonl", own)
    other = tmp_path / "bottles"
    other.mkdir()
    assert codes(load_curation(path, other).problems) == {"another_dataset"}
    alone = load_curation(path, None)
    assert alone.dataset is None
    assert alone.folder == tmp_path / "a.jsonl.demoscope"
    assert not alone.both.known.any()


def test_without_annotations_it_says_what_to_do(dataset: Path) -> None:
    with pytest.raises(DataError, match="demoscope annotate"):
        load_curation(None, dataset)
    with pytest.raises(DataError, match="Name a file"):
        load_curation(None, None)


def test_the_newest_run_is_taken(dataset: Path, run: Path, own: list[Annotation]) -> None:
    later = run / "second" / "parts" / "1.parquet"
    write_table(later, own, {})
    os.utime(later, (2e9, 2e9))
    assert newest_run(dataset) == run / "second"
    os.utime(run / "annotations.parquet", (2.1e9, 2.1e9))
    assert newest_run(dataset) == run


@given(st.integers(-1, 10), st.integers(-1, 3))
def test_boxes_are_looked_up(episode: int, subtask: int) -> None:
    own = records(9)
    found = BoxLookup(AnnotationTable.of(own))(episode, subtask)
    assert found == next(
        (a.start_box for a in own if (a.episode_index, a.subtask_index) == (episode, subtask)),
        None,
    )


# -- operating points


def point(name: str = "strict", **changes: Any) -> OperatingPoint:
    values: dict[str, Any] = {
        "name": name,
        "threshold": 0.61,
        "weights": WEIGHTS,
        "target": 0.95,
        "kept": 412,
        "total": 500,
        "precision": 0.957,
        "low": 0.93,
        "high": 0.975,
        "basis": Basis.PEOPLE,
        "reason": "for the release",
        "who": "Ann",
    }
    return OperatingPoint(**(values | changes))


def test_points_are_saved_listed_and_retired(tmp_path: Path) -> None:
    points = OperatingPoints(tmp_path / "new")
    assert points.in_force() == ()
    first = points.save(point())
    second = points.save(point("loose", target=None, precision=float("nan"), low=None, high=None))
    assert first == replace(point(), at=first.at, uuid=first.uuid)
    assert (second.precision, second.target) == (None, None)
    assert first.uuid != second.uuid
    assert OperatingPoints(tmp_path / "new").in_force() == (first, second)
    done = points.retire(first, "too strict", "Bob")
    assert points.in_force() == (second,)
    assert points.history() == (first, second, done)
    assert isinstance(done, Retirement)
    assert done.reason == "too strict"


def test_torn_lines_and_fields_of_later_versions_are_survived(tmp_path: Path) -> None:
    points = OperatingPoints(tmp_path)
    saved = points.save(point())
    path = tmp_path / FILE_NAME
    entry = json.loads(path.read_text())
    later = entry | {"uuid": "later", "colour": "red", "weights": entry["weights"] | {"mass": 1}}
    broken: list[Any] = [
        entry | {"threshold": "high"},
        entry | {"basis": "stars"},
        entry | {"weights": {"motion": 1}},
        entry | {"threshold": 10**400},
        {k: v for k, v in entry.items() if k != "uuid"},
        {"event": "renamed"},
        {},
    ]
    with path.open("a") as file:
        file.writelines(json.dumps(e) + "\n" for e in (*broken, later))
        file.write('{"event": "saved", "na')
    assert points.in_force() == (saved, replace(saved, uuid="later"))
    after = points.save(point("after"))
    assert points.in_force()[-1] == after


@pytest.mark.parametrize("wrong", [{"name": " "}, {"threshold": float("inf")}])
def test_points_without_a_name_or_a_number_are_refused(
    tmp_path: Path, wrong: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=r"name|finite"):
        OperatingPoints(tmp_path).save(point(**wrong))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    points = OperatingPoints(tmp_path / "file")
    with pytest.raises(DataError, match="cannot be saved"):
        points.save(point())
    with pytest.raises(DataError, match="cannot be read"):
        points.in_force()


# -- export


@pytest.fixture
def data(run: Path) -> CurationData:
    return load_curation(run, None)


def scored(data: CurationData, weights: ScoreWeights = WEIGHTS) -> Rescored:
    return Rescorer(Features.of(data.table, data.options)).run(weights)


def lines(path: Path) -> list[Annotation]:
    return [Annotation.model_validate_json(x) for x in path.read_text("utf-8").splitlines()]


def test_an_export_holds_what_the_threshold_keeps_by_these_weights(
    data: CurationData, own: list[Annotation], tmp_path: Path
) -> None:
    weights = ScoreWeights(0.9, 0.1, 0.05, 0.2, 1.0, 0.1)
    options = weights.applied_to(data.options)
    rescored = scored(data, weights)
    threshold = float(np.nanmedian(rescored.score))
    found = export_kept(tmp_path / "out", data, rescored, threshold, weights, point())
    kept, dropped = lines(tmp_path / "out/kept.jsonl"), lines(tmp_path / "out/dropped.jsonl")
    assert (len(kept), len(dropped)) == (found.kept, found.dropped)
    assert len(kept) + len(dropped) == len(own)
    assert all(a.score is not None and a.score >= threshold for a in kept)
    assert all(a.score is None or a.score < threshold for a in dropped)
    assert {a.winner for a in kept} != {1}, "other weights choose others"
    by_key = {(a.episode_index, a.subtask_index): a for a in own}
    for line in (*kept, *dropped):
        before = by_key[line.episode_index, line.subtask_index]
        same = {"winner", "score", "start_box", "runner_up", "terms", "candidates", "target_box"}
        assert line.model_dump(exclude=same) == before.model_dump(exclude=same)
        assert line.candidates == pytest.approx(before.candidates) or [
            c.id for c in line.candidates
        ] == [c.id for c in before.candidates]
        terms = {t.candidate: t for t in rescore(score_terms(before), options)}
        if not terms:
            assert (line.score, line.winner) == (before.score, before.winner)
            continue
        if line.chosen_by == "person":
            assert line.winner == before.winner
        else:
            assert terms[line.winner].score >= max(t.score for t in terms.values()) - 1e-6
        won = terms[line.winner]
        assert line.start_box == next(c.box for c in line.candidates if c.id == line.winner)
        assert line.score == pytest.approx(won.score, abs=1e-6)
        for name, value in line.terms.items():
            assert value == pytest.approx(getattr(won, name), abs=1e-6), name
        others = [t.score for i, t in terms.items() if i != line.winner]
        assert line.runner_up == (pytest.approx(max(others), abs=1e-6) if others else None)


def test_exported_lines_are_annotations_of_their_own(data: CurationData, tmp_path: Path) -> None:
    rescored = scored(data)
    export_kept(tmp_path / "out", data, rescored, -10.0, WEIGHTS)
    again = read_annotations(tmp_path / "out" / "kept.jsonl")
    assert again.problems == ()
    scores = Rescorer(Features.of(again.table, data.options)).run(WEIGHTS).score
    known = np.isfinite(rescored.score)
    np.testing.assert_allclose(scores, rescored.score[known], atol=1e-6)


def test_lists_say_why_and_episodes_are_whole(
    data: CurationData, own: list[Annotation], tmp_path: Path
) -> None:
    score = np.where(data.table.episode == 4, 0.2, 0.9).astype(np.float32)
    score[3] = np.nan  # the second subtask of episode 1
    truth = replace(data.truth, right=data.truth.right | 1, known=data.truth.known | 3)
    rescored = Rescored(np.zeros(len(own), np.int16), score, np.zeros(0, np.int64))
    found = export_kept(tmp_path / "out", replace(data, truth=truth), rescored, 0.9, WEIGHTS)
    assert found.kept == 15
    assert json.loads((tmp_path / "out/kept_episodes.txt").read_text()) == [0, 2, 3, 5, 6, 7, 8]
    assert found.episodes == 7
    with (tmp_path / "out/dropped.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(r["dataset"], r["episode_index"], r["subtask_index"], r["score"]) for r in rows] == [
        ("toys", "1", "1", ""),
        ("toys", "4", "0", "0.200000"),
        ("toys", "4", "1", "0.200000"),
    ]
    assert rows[0]["reason"] == "no score; right by ground truth"
    assert rows[1]["reason"].startswith("score below 0.9; box chosen by a person")
    with (tmp_path / "out/kept.csv").open(newline="") as file:
        assert {r["reason"] for r in csv.DictReader(file)} >= {
            "score at least 0.9; right by ground truth"
        }


def test_options_reproduce_the_run_with_these_weights(data: CurationData, tmp_path: Path) -> None:
    from pipeline.annotate import standard_graph
    from pipeline.engine.options_file import read_options_file

    weights = replace(WEIGHTS, motion=0.8)
    export_kept(tmp_path / "out", data, scored(data, weights), 0.25, weights, point())
    found = read_options_file(tmp_path / "out" / "options.json", standard_graph())
    assert found.threshold == 0.25
    assert found.options["scores"] == weights.applied_to(data.options)
    assert found.options["tracks"].track_fps == 3.0, "options of other stages are kept"
    assert found.note.startswith("strict: for the release. Keeps")
    odd = replace(data, stage_options={"tracks": {"gone": 1}})
    export_kept(tmp_path / "odd", odd, scored(data), 0.25, WEIGHTS)
    found = read_options_file(tmp_path / "odd" / "options.json", standard_graph())
    assert "could not be read" in found.note
    assert list(found.given) == ["scores"]


def test_an_export_replaces_only_an_export_and_only_when_told(
    data: CurationData, tmp_path: Path
) -> None:
    out, rescored = tmp_path / "out", scored(data)
    export_kept(out, data, rescored, 0.5, WEIGHTS)
    before = tree(out)
    assert sorted(before) == sorted(FILES)
    with pytest.raises(DataError, match="holds an export already"):
        export_kept(out, data, rescored, 0.7, WEIGHTS)
    assert tree(out) == before
    export_kept(out, data, rescored, 0.7, WEIGHTS, replace=True)
    assert tree(out) != before
    (out / "thesis.tex").write_text("")
    with pytest.raises(DataError, match=r"holds thesis\.tex, which is no part of an export"):
        export_kept(out, data, rescored, 0.5, WEIGHTS, replace=True)
    with pytest.raises(DataError, match="expected a folder"):
        export_kept(out / "thesis.tex", data, rescored, 0.5, WEIGHTS)
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_a_dataset_is_never_written_to(data: CurationData, dataset: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(dataset)
    for place in (dataset, dataset / "out", link / "out", dataset / "meta" / ".." / "out"):
        with pytest.raises(DataError, match="never written to"):
            export_kept(place, data, scored(data), 0.5, WEIGHTS)
    assert [p.name for p in dataset.iterdir()] == ["ground_truth"]


@pytest.mark.parametrize("fault", ["disk", "cancel", "changed"])
def test_what_fails_leaves_everything_as_it_was(
    data: CurationData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    out, rescored = tmp_path / "out", scored(data)
    export_kept(out, data, rescored, 0.5, WEIGHTS)
    before = tree(tmp_path / "out")
    stop = False
    if fault == "disk":

        def full(*_: object, **__: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(export, "_write_episodes", full)
    elif fault == "cancel":
        stop = True
    else:
        write_table(data.path, records(2)[1:], {})
    expected = {"disk": "No space left", "cancel": None, "changed": "has changed since"}[fault]
    with pytest.raises((DataError, Cancelled), match=expected):
        export_kept(out, data, rescored, 0.7, WEIGHTS, replace=True, is_cancelled=lambda: stop)
    assert tree(out) == before
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_annotations_whose_file_is_gone_are_exported_without_phases(
    data: CurationData, tmp_path: Path
) -> None:
    data.path.unlink()
    export_kept(tmp_path / "out", data, scored(data), -10.0, WEIGHTS)
    assert {a.phases for a in lines(tmp_path / "out/kept.jsonl")} == {()}


def test_several_datasets_have_a_line_each(tmp_path: Path) -> None:
    own = [record(e, dataset=name) for name in ("a", "b") for e in range(2)]
    data = load_curation(write_lines(tmp_path / "a.jsonl", own), None)
    score = np.array([1, 0, 0, 1], np.float32)
    rescored = Rescored(np.zeros(4, np.int16), score, np.zeros(0, np.int64))
    export_kept(tmp_path / "out", data, rescored, 0.5, WEIGHTS)
    assert (tmp_path / "out/kept_episodes.txt").read_text() == "a: [0]\nb: [1]\n"
    # Only one of them: a list that LeRobot takes as it is.
    part = np.array([0, 1])
    some = replace(
        data,
        table=data.table.take(part),
        truth=data.truth.take(part),
        people=data.people.take(part),
        lines=None if data.lines is None else data.lines[part],
    )
    first = Rescored(rescored.winner[:2], score[:2], np.zeros(0, np.int64))
    export_kept(tmp_path / "one", some, first, 0.5, WEIGHTS)
    assert (tmp_path / "one/kept_episodes.txt").read_text() == "[0]\n"


def test_no_annotations_make_an_empty_export(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("")
    data = load_curation(path, None)
    found = export_kept(tmp_path / "out", data, scored(data), 0.5, WEIGHTS)
    assert (found.kept, found.dropped, found.episodes) == (0, 0, 0)
    assert (tmp_path / "out/kept_episodes.txt").read_text() == "[]\n"


@given(st.lists(st.floats(width=32, allow_nan=False), max_size=20))
def test_short_numbers_mean_the_same_float32(values: list[float]) -> None:
    given = np.array(values, np.float32)
    found = shortest(given)
    assert found.astype(np.float32).tolist() == given.tolist()


def test_short_numbers_are_short() -> None:
    given = np.array([0.9755, 174.22222, 0.1, 131.9065, 0.0, 480.0], np.float32)
    assert shortest(given).tolist() == [float(str(v)) for v in given]


def test_lines_are_made_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    own = records(5)
    table = AnnotationTable.of(own)
    winners, scores = np.zeros(len(own), np.int16), np.ones(len(own), np.float32)
    whole = list(rescored_lines(table, winners, scores, OPTIONS))
    monkeypatch.setattr("pipeline.curation.rescored_lines._ROWS_AT_ONCE", 3)
    assert list(rescored_lines(table, winners, scores, OPTIONS)) == whole
