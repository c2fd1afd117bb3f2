"""`demoscope annotate --jobs --out`: what is said, written, continued and refused."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import app.annotate_command as command
import app.batch_annotation as batch
from app.batch_progress import BatchProgress, progress_text
from app.main import main
from pipeline.annotations.reading import read_annotations
from pipeline.batch.lock import FolderLock
from pipeline.batch.pool import AtWork
from pipeline.batch.records import read_records
from pipeline.batch.report import EpisodeReport
from pipeline.batch.run import BatchStep
from pipeline.engine.options_file import write_options
from pipeline.model.edits import Rename
from pipeline.review.store import ReviewStore
from tests.broken_datasets import snapshot, table_of, truncate
from tests.datasets import FRONT, REPOSITORY, write_v2
from tests.hub_server import serve
from tests.pipeline.batch_toys import FAULTS, LOG, ToilOptions, begun, graph, many_episodes
from tests.test_cli_annotate import Ran


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return many_episodes(tmp_path / "d", [16, 18, 20, 22])


@pytest.fixture
def annotate(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    """The command in this process, with the short pipeline in its workers."""
    monkeypatch.setenv("DEMOSCOPE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv(LOG, str(tmp_path / "log"))
    monkeypatch.setattr(command, "standard_graph", graph)
    monkeypatch.setattr(batch, "GRAPH", "tests.pipeline.batch_toys:graph")

    def run(*more: str, faults: dict[str, str] | None = None) -> Ran:
        monkeypatch.setenv(FAULTS, json.dumps(faults or {}))
        code = main(["annotate", str(dataset), "--jobs", "2", *more])
        return Ran(code, *capsys.readouterr(), None)

    return run


def place(dataset: Path) -> Path:
    return dataset.with_name("d.demoscope") / "annotations"


def test_results_lie_beside_the_dataset(annotate, dataset: Path) -> None:
    before = snapshot(dataset)
    ran = annotate()
    assert ran.code == 0
    table = place(dataset) / "annotations.parquet"
    assert ran.out == f"{table}: 4 annotations\n"
    assert ran.err.splitlines()[0] == (
        f"4 episodes; 2 processes (as --jobs says); results in {place(dataset)}"
    )
    assert pq.read_table(table)["episode_index"].to_pylist() == [0, 1, 2, 3]
    found = read_annotations(place(dataset))
    assert found.dataset == dataset
    assert list(found.table.episode) == [0, 1, 2, 3]
    assert snapshot(dataset) == before


def test_the_same_command_goes_on(annotate, dataset: Path, tmp_path: Path) -> None:
    assert annotate("--episodes", "0-1").code == 0
    ran = annotate()
    assert "2 of 4 episodes, the others are done" in ran.err
    assert ran.code == 0
    assert pq.read_table(place(dataset) / "annotations.parquet").num_rows == 4
    ran = annotate()
    assert "nothing is left to do" in ran.err
    assert ran.code == 0
    assert len(begun(tmp_path / "log")) == 12


def test_a_failed_episode_and_its_second_chance(annotate, dataset: Path) -> None:
    ran = annotate(faults={"2": "raise"})
    assert ran.code == 1
    assert "episode 2: Toil failed with an internal error: IndexError: too many" in ran.err
    assert ran.verdict == (
        "demoscope: 1 of 4 episodes failed, the others are written; --retry-failed tries them again"
    )
    ran = annotate()
    assert (ran.code, "1 of 4 episodes failed" in ran.verdict) == (1, True)
    ran = annotate("--retry-failed")
    assert ran.code == 0
    assert "1 of 4 episodes, the others are done" in ran.err
    table = place(dataset) / "annotations.parquet"
    assert pq.read_table(table)["episode_index"].to_pylist() == [0, 1, 2, 3]


def test_all_failed(annotate) -> None:
    ran = annotate("--episodes", "0,1", faults={"0": "raise", "1": "raise"})
    assert (ran.code, ran.verdict) == (1, "demoscope: all 2 episodes failed")


def test_an_episode_that_cannot_be_opened(annotate, dataset: Path) -> None:
    truncate(table_of(dataset, 1))
    ran = annotate()
    assert ran.code == 1
    assert len(ran.said_of(1)) == 0
    assert sum(line.startswith("episode 1: ") for line in ran.err.splitlines()) == 1


def test_other_options_are_refused_and_fresh_keeps_the_old(annotate, dataset: Path) -> None:
    assert annotate().code == 0
    ran = annotate("--set", "toil.factor=2")
    assert ran.code == 1
    assert ran.err.splitlines() == [
        f"demoscope: {place(dataset)}: it holds a run with other options: toil.factor was 1.0, is "
        "now 2.0; --fresh begins anew and keeps that run under a dated name, --out FOLDER puts "
        "this one elsewhere"
    ]
    assert annotate("--set", "toil.place=there").code == 0  # decides nothing
    ran = annotate("--set", "toil.factor=2", "--fresh")
    assert ran.code == 0
    (kept,) = [p for p in place(dataset).parent.iterdir() if "until" in p.name]
    assert f"the earlier run is kept in {kept}" in ran.err
    assert (kept / "annotations.parquet").is_file()
    assert json.loads((kept / "run.json").read_text())["options"]["toil"]["factor"] == 1.0


def test_resume_takes_the_options_and_episodes_of_the_run(annotate, dataset: Path) -> None:
    ran = annotate("--resume")
    assert (ran.code, ran.verdict) == (
        1,
        f"demoscope: {place(dataset)}: there is no run to go on with; leave out --resume",
    )
    annotate("--set", "toil.factor=2", "--episodes", "1,3", faults={"3": "raise"})
    ran = annotate("--resume", "--retry-failed")
    assert ran.code == 0
    assert "1 of 2 episodes, the others are done" in ran.err
    run = json.loads((place(dataset) / "run.json").read_text())
    assert run["options"]["toil"]["factor"] == 2.0
    assert (run["episodes"], run["state"]) == ("1,3", "complete")
    assert "toil.factor was 2.0, is now 3.0" in annotate("--resume", "--set", "toil.factor=3").err


def test_resume_and_fresh_exclude_each_other(annotate, capsys) -> None:
    with pytest.raises(SystemExit):
        annotate("--resume", "--fresh")
    assert "not allowed with" in capsys.readouterr().err


@pytest.mark.parametrize("bad", [["--timeout", "0"], ["--timeout", "inf"], ["--jobs", "0"]])
def test_numbers_out_of_range(annotate, bad: list[str]) -> None:
    with pytest.raises(SystemExit):
        annotate(*bad)


def test_a_folder_in_use(annotate, dataset: Path, tmp_path: Path) -> None:
    with FolderLock(tmp_path / "run"):
        ran = annotate("--out", str(tmp_path / "run"))
    assert ran.code == 1
    assert len(ran.err.splitlines()) == 1
    assert "another run is at work there (process " in ran.err


def test_a_folder_that_cannot_be_made(annotate, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ran = annotate("--out", str(tmp_path / "file" / "run"))
    assert ran.code == 1
    assert len(ran.err.splitlines()) == 1
    assert str(tmp_path / "file") in ran.err


def test_a_time_limit(annotate) -> None:
    ran = annotate("--timeout", "1", faults={"1": "hang"})
    assert ran.code == 1
    assert "episode 1: it took more than 1 s and was stopped" in ran.err


def test_an_options_file_stands_below_single_settings(annotate, dataset: Path, tmp_path) -> None:
    file = tmp_path / "options.json"
    write_options(file, {"toil": ToilOptions(factor=4, place="there")})
    assert annotate("--options", str(file), "--set", "toil.factor=5").code == 0
    run = json.loads((place(dataset) / "run.json").read_text())
    assert run["options"]["toil"] == {"seconds": 0.0, "factor": 5.0, "place": "there"}
    file.write_text("{}")
    ran = annotate("--options", str(file))
    assert ran.err.startswith(f"demoscope: {file}: expected an options file")
    assert len(ran.err.splitlines()) == 1


def test_changed_corrections_are_computed_again(annotate, dataset: Path) -> None:
    assert annotate().code == 0
    store = ReviewStore.open(dataset)
    store.append(1, Rename(subtask=0, object_name="blue mug"))
    store.close()
    ran = annotate()
    assert "1 of 4 episodes, the others are done" in ran.err
    objects = pq.read_table(place(dataset) / "annotations.parquet")["object"].to_pylist()
    assert objects == ["red cube", "blue mug", "red cube", "red cube"]


def test_the_same_predictions_as_without_processes(
    tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real pipeline: lines, tables, in this process and in others."""
    monkeypatch.setenv("DEMOSCOPE_CACHE_DIR", str(tmp_path / "cache"))
    root = write_v2(tmp_path / "v2")
    files = {n: tmp_path / n for n in ("here.jsonl", "here.parquet", "out.jsonl", "out.parquet")}
    run = ["--jobs", "2", "--out", str(tmp_path / "run")]
    assert main(["annotate", str(root), *run, "--predictions", str(files["out.jsonl"])]) == 0
    assert main(["annotate", str(root), *run, "--predictions", str(files["out.parquet"])]) == 0
    for name in ("here.jsonl", "here.parquet"):
        # From the beginning: what is found in the cache proves nothing.
        words = ["annotate", str(root), "--no-cache", "--predictions", str(files[name])]
        assert main(words) == 0
    capsys.readouterr()
    tables = [pq.read_table(files[n]) for n in ("here.parquet", "out.parquet")]
    assert tables[0].equals(tables[1])
    lines = [json.loads(line) for line in files["here.jsonl"].read_text().splitlines()]
    assert [line["episode_index"] for line in lines] == [0, 1]
    assert lines[0]["camera"] == FRONT
    # A table keeps measured terms as float32; what is written from one is equal within that.
    again = [json.loads(line) for line in files["out.jsonl"].read_text().splitlines()]
    assert [_rounded(line) for line in again] == [_rounded(line) for line in lines]
    assert [a.model_dump(mode="json") for a in read_records(files["out.parquet"])] == again


def _rounded(value):
    match value:
        case float():
            return float(f"{value:.5g}")
        case dict():
            return {k: _rounded(v) for k, v in value.items()}
        case list():
            return [_rounded(v) for v in value]
    return value


def test_a_dataset_of_the_hub(tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its episodes are fetched by the processes that compute them."""
    pytest.importorskip("huggingface_hub")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    words = ["annotate", "me/two", "--jobs", "2", "--out", str(tmp_path / "run")]
    with serve({"me/two": write_v2(tmp_path / "two", (12, 10))}, frozenset()) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.address)
        assert main(words) == 1
        assert "say which --episodes" in capsys.readouterr().err
        assert main([*words, "--episodes", "0,1"]) == 0
    found = read_annotations(tmp_path / "run")
    assert list(found.table.episode) == [0, 1]
    assert found.dataset is not None
    assert found.dataset.is_relative_to(tmp_path / "hub")


@pytest.mark.skipif(os.name != "posix", reason="signals to a group are of Unix")
def test_ctrl_c_says_what_is_kept_and_how_to_go_on(dataset: Path, tmp_path: Path) -> None:
    words = ["annotate", str(dataset), "--jobs", "1", "--set", "toil.seconds=0.5"]
    log = tmp_path / "log"
    environment = {"DEMOSCOPE_CACHE_DIR": str(tmp_path / "cache"), LOG: str(log)}

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.pipeline.batch_driver", *words],
            cwd=REPOSITORY,
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    process = start()
    journal = place(dataset) / "journal.jsonl"
    while not (journal.exists() and journal.read_text()) and process.poll() is None:
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: workers get it, too
    out, err = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "Traceback" not in err
    assert err.splitlines()[-2:] == [
        f"1 of 4 episodes are kept in {place(dataset)}; the same command goes on from there",
        "demoscope: cancelled; what was finished is kept",
    ]
    assert out == ""
    assert json.loads((place(dataset) / "run.json").read_text())["state"] == "interrupted"
    process = start()
    _, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "3 of 4 episodes, the others are done" in err


# -- the line of progress --------------------------------------------------------------------


class Terminal(io.StringIO):
    def __init__(self, tty: bool) -> None:
        super().__init__()
        self.tty = tty

    def isatty(self) -> bool:
        return self.tty


BUSY = (AtWork(140, "tracks", 0.453, 3), AtWork(139, "", 0, 0), AtWork(9, "masks", 1, 2))
STEP = BatchStep(137, 2, 200, 754.0, BUSY)


def test_progress_in_one_line() -> None:
    assert progress_text(STEP) == (
        "139/200 episodes, 2 failed, 13 min left; 9 masks 100%, 140 tracks 45%"
    )
    assert progress_text(BatchStep(0, 0, 3, None)) == "0/3 episodes"
    assert progress_text(BatchStep(3, 0, 3, 0.0)) == "3/3 episodes"


def test_a_terminal_shows_one_line_that_changes() -> None:
    stream = Terminal(True)
    shown = BatchProgress(stream, lambda: 0.0)
    shown.show(STEP)
    shown.show(STEP)
    assert stream.getvalue().count("\r\x1b[K139/200") == 2
    assert "\n" not in stream.getvalue()
    shown.clear()
    assert stream.getvalue().endswith("\r\x1b[K")


def test_a_log_gets_a_line_now_and_then() -> None:
    stream, now = Terminal(False), [0.0]
    shown = BatchProgress(stream, lambda: now[0])
    for second in range(0, 65, 5):
        now[0] = float(second)
        shown.show(STEP)
    assert stream.getvalue().splitlines() == [progress_text(STEP)] * 2


def test_problems_of_the_run_are_said_once() -> None:
    stream = Terminal(False)
    shown = BatchProgress(stream, lambda: 0.0)
    for episode in (1, 2):
        notes = (("cache_not_written", "the disk is full"),)
        report = EpisodeReport(episode=episode, finished=True, notes=notes)
        shown.show(BatchStep(1, 0, 3, None, report=report))
    assert stream.getvalue() == "episode 1: the disk is full\n"
