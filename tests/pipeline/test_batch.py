"""The parts of a batch run: order, time left, capacity, folder, lock, record."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.batch.folder import RunFolder, default_folder, digest_of
from pipeline.batch.lock import FolderLock, is_locked
from pipeline.batch.outlook import look
from pipeline.batch.records import read_records
from pipeline.batch.report import EpisodeReport
from pipeline.batch.run_record import COMPLETE, RunRecord, from_ranges, ranges
from pipeline.model.annotation import Annotation, CandidateRecord, PhaseRecord
from pipeline.model.edits import Rename
from pipeline.model.problem import DataError
from pipeline.model.usage import Usage
from pipeline.sources.detect import open_dataset
from tests.datasets import REPOSITORY, write_v2
from tests.pipeline.batch_toys import ToilOptions, graph

NOW = "2026-01-01T00:00:00+00:00"


@pytest.fixture(scope="module")
def info(tmp_path_factory: pytest.TempPathFactory):
    return open_dataset(write_v2(tmp_path_factory.mktemp("batch") / "d", (16, 20, 18))).info


def record(info, episodes=(0, 1, 2), **toil) -> RunRecord:
    options = graph().default_options() | {"toil": ToilOptions(**toil)}
    return RunRecord.of(info, graph(), options, episodes, NOW)


def annotation(episode: int, subtask: int = 0, **more) -> Annotation:
    candidate = CandidateRecord(
        id=3, box=(0.1, 2, 30.3, 40), label="cup", detector=0.3, motion_in=12.7, motion_out=0.1,
        mean_motion=1.1, path_length=0.2, proximity=0.9, overlap=0.0, relief=0.4, points=17,
    )  # fmt: skip
    values = {
        "episode_index": episode, "subtask_index": subtask, "arm": "left", "camera": "front",
        "instruction": "pick", "object": "cup", "start_box": (0.1, 2, 30.3, 40),
        "target_box": None, "score": 0.1234567890123, "caption": "a cup",
        "phases": (PhaseRecord(name="grasp", arm="left", start=0, end=9),),
        "warnings": ("near_tie",), "terms": {"detector": 0.1}, "keyframe": 4,
        "runner_up": None, "winner": 3, "candidates": (candidate,),
    }  # fmt: skip
    return Annotation(**values | more)


def report(episode: int, *, finished: bool = True, **more) -> EpisodeReport:
    more.setdefault("annotations", (annotation(episode),))
    return EpisodeReport(episode=episode, finished=finished, frames=16, seconds=0.5, **more)


# -- lock ------------------------------------------------------------------------------------


def test_a_second_run_is_refused_and_told_who_works(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert not is_locked(folder)
    with FolderLock(folder):
        assert is_locked(folder)
        with pytest.raises(DataError, match="another run is at work there") as caught:
            FolderLock(folder)
        assert caught.value.code == "run_in_use"
        assert "(process " in str(caught.value)
    assert not is_locked(folder)
    FolderLock(folder).release()


def test_the_lock_is_free_after_a_kill(tmp_path: Path) -> None:
    code = (
        "import os, pathlib, sys\nfrom pipeline.batch.lock import FolderLock\n"
        "lock = FolderLock(pathlib.Path(sys.argv[1]))\nprint('held', flush=True)\ninput()\n"
    )
    words = [sys.executable, "-c", code, str(tmp_path / "run")]
    with subprocess.Popen(
        words, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(DataError, match=f"process {process.pid} "):
            FolderLock(tmp_path / "run")
        process.kill()
        process.wait()
    FolderLock(tmp_path / "run").release()


# -- record ----------------------------------------------------------------------------------


def test_the_record_comes_back(info) -> None:
    made = record(info, episodes=(5, 2, 3, 3))
    assert RunRecord.from_json(made.as_json()) == made
    assert made.episodes == (2, 3, 5)
    content = json.loads(made.as_json())
    assert content["dataset"] == info.path
    assert content["options"]["toil"]["factor"] == 1.0
    assert content["episodes"] == "2-3,5"


@given(st.sets(st.integers(0, 500)))
def test_ranges_come_back(numbers: set[int]) -> None:
    assert from_ranges(ranges(sorted(numbers))) == tuple(sorted(numbers))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"demoscope_run": 9}', '{"demoscope_run": 1}'])
def test_a_damaged_record_is_one_sentence(text: str) -> None:
    with pytest.raises(DataError) as caught:
        RunRecord.from_json(text)
    assert caught.value.code == "bad_run"


def test_what_makes_a_run_another_one(info, tmp_path: Path) -> None:
    first = record(info)
    assert first.difference(record(info, episodes=(0,))) == ""
    assert first.difference(record(info, place="there")) == ""  # decides no result
    text = first.difference(record(info, factor=2.0, seconds=1.0))
    assert text == (
        "it holds a run with other options: toil.seconds was 0.0, is now 1.0 (and 1 more)"
    )
    other = open_dataset(write_v2(tmp_path / "other", (30,))).info
    assert "another dataset (d, " in first.difference(record(other))
    versions = first.stage_versions | {"toil": 2}
    newer = dataclasses.replace(first, stage_versions=versions)
    assert "had version 1 of the stage toil" in first.difference(newer)
    weights = dataclasses.replace(first, identities=first.identities | {"toil": "x"})
    assert "other weights in the stage toil" in first.difference(weights)


def test_the_same_dataset_elsewhere_or_with_more_episodes_continues(info, tmp_path: Path) -> None:
    more = open_dataset(write_v2(tmp_path / "moved", (16, 20, 18, 22))).info
    assert record(info).difference(record(more)) == ""


# -- folder ----------------------------------------------------------------------------------


def test_a_run_is_continued(info, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run", record(info))
    assert folder.todo((2, 0, 1), {}, False) == (2, 0, 1)
    folder.add(report(0, usage=Usage(1, 2, 3)))
    folder.add(report(1, finished=False, code="x", reason="broken", stage="toil", annotations=()))
    folder.close()

    folder = RunFolder(tmp_path / "run", record(info))
    assert folder.todo((0, 1, 2), {}, False) == (2,)
    assert folder.todo((0, 1, 2), {}, True) == (1, 2)
    assert folder.entries[1].reason == "broken"
    folder.add(report(1))
    folder.add(report(2, annotations=(annotation(2), annotation(2, 1))))
    assert folder.complete() == 4
    rows = read_records(folder.path / "annotations.parquet")
    found = [(a.episode_index, a.subtask_index) for a in rows]
    assert found == [(0, 0), (1, 0), (2, 0), (2, 1)]
    assert folder.record.state == COMPLETE
    folder.close()
    written = (folder.path / "annotations.parquet").stat().st_mtime_ns
    folder = RunFolder(tmp_path / "run", record(info))
    assert folder.complete() == 4  # nothing is new, so nothing is written
    assert (folder.path / "annotations.parquet").stat().st_mtime_ns == written
    (folder.path / "annotations.parquet").unlink()
    assert folder.complete() == 4
    folder.close()
    usage = json.loads((folder.path / "journal.jsonl").read_text().splitlines()[0])["usage"]
    assert usage == {"requests": 1, "tokens_in": 2, "tokens_out": 3, "kept": 0}


def test_changed_corrections_and_lost_parts_are_computed_again(info, tmp_path: Path) -> None:
    edits = {1: (Rename(subtask=0, object_name="mug"),)}
    folder = RunFolder(tmp_path / "run", record(info))
    for episode in range(3):
        folder.add(report(episode))
    assert folder.todo((0, 1, 2), {}, False) == ()
    assert folder.todo((0, 1, 2), edits, False) == (1,)
    folder.add(report(1), edits[1])
    assert folder.todo((0, 1, 2), edits, False) == ()
    assert folder.todo((0, 1, 2), {}, False) == (1,)
    (folder.path / "parts" / "episode-000002.parquet").unlink()
    assert folder.todo((0, 1, 2), edits, False) == (2,)
    folder.close()
    assert digest_of(()) == ""


def test_records_survive_the_folder(info, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run", record(info))
    made = annotation(0)
    folder.add(report(0, annotations=(made,)))
    (found,) = folder.annotations((5, 0))
    folder.close()
    assert found == made  # numbers of float32 are short again


def test_other_options_are_refused_unless_fresh(info, tmp_path: Path) -> None:
    path = tmp_path / "run"
    folder = RunFolder(path, record(info))
    folder.add(report(0))
    folder.close()
    before = {p.name: p.read_bytes() for p in path.iterdir() if p.is_file()}
    with pytest.raises(
        DataError, match=r"toil.factor was 1.0, is now 2.0; --fresh begins"
    ) as caught:
        RunFolder(path, record(info, factor=2.0))
    assert str(caught.value).startswith(f"{path}: ")
    after = {p.name: p.read_bytes() for p in path.iterdir() if p.is_file()}
    assert {**after, "lock": b""} == {**before, "lock": b""}
    assert not is_locked(path)

    (path / "operating_points.jsonl").write_text("of somebody else")
    folder = RunFolder(path, record(info, factor=2.0), fresh=True)
    assert folder.entries == {}
    assert folder.kept_as is not None
    assert folder.kept_as.parent == tmp_path
    assert (folder.kept_as / "journal.jsonl").read_bytes() == before["journal.jsonl"]
    assert (folder.kept_as / "parts" / "episode-000000.parquet").is_file()
    assert (path / "operating_points.jsonl").exists()
    folder.close()
    folder = RunFolder(tmp_path / "new", record(info), fresh=True)
    assert folder.kept_as is None
    folder.close()


def test_results_without_a_record_are_left_alone(info, tmp_path: Path) -> None:
    (tmp_path / "annotations.parquet").write_bytes(b"precious")
    with pytest.raises(DataError, match=r"no run.json"):
        RunFolder(tmp_path, record(info))
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(DataError, match=r"run.json: expected the record"):
        RunFolder(tmp_path, record(info))
    assert (tmp_path / "annotations.parquet").read_bytes() == b"precious"


def test_a_journal_of_strangers_costs_only_its_lines(info, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, record(info))
    folder.add(report(0))
    folder.close()
    with (tmp_path / "journal.jsonl").open("a") as file:
        file.write('{"episode": "x"}\n{"episode": 1, "state": "finished"}\nnonsense\n{"epis')
    folder = RunFolder(tmp_path, record(info))
    assert list(folder.entries) == [0]
    folder.add(report(2))
    folder.close()
    folder = RunFolder(tmp_path, record(info))
    assert list(folder.entries) == [0, 2]
    folder.close()


def test_where_a_run_goes(info, tmp_path: Path) -> None:
    root = Path(info.path)
    assert default_folder(root) == root.parent / "d.demoscope" / "annotations"


def test_looking_ahead_changes_nothing(info, tmp_path: Path) -> None:
    options = graph().default_options()
    found = look(tmp_path / "run", info, graph(), options, (0, 1, 2))
    assert (found.wanted, found.finished, found.begun, found.table) == (3, 0, False, None)
    assert not (tmp_path / "run").exists()
    folder = RunFolder(tmp_path / "run", record(info))
    folder.add(report(0))
    folder.add(report(1, finished=False, reason="broken", annotations=()))
    assert look(tmp_path / "run", info, graph(), options, (0, 1, 2)).in_use
    folder.complete()
    folder.close()
    found = look(tmp_path / "run", info, graph(), options, (0, 1, 2))
    assert (found.finished, found.failed, found.in_use) == (1, ((1, "broken"),), False)
    assert found.begun
    assert found.table == tmp_path / "run" / "annotations.parquet"
    changed = options | {"toil": ToilOptions(factor=3)}
    found = look(tmp_path / "run", info, graph(), changed, (0, 1, 2))
    assert "toil.factor" in found.difference
    assert not found.begun
