"""`demoscope export`: files, what is said, what stays as it was."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

import app.export_work as work
from app.cli import build_parser
from app.export_processes import ExportTask, export_side_by_side
from app.export_run import parse_subtasks
from app.export_work import EpisodeExport
from app.main import main
from app.rrd_source import open_export
from pipeline.annotate import standard_graph
from pipeline.engine.options_file import values_of, write_options
from pipeline.export import files as written
from pipeline.model.edits import EDITS, Rename
from pipeline.model.options import with_option
from pipeline.model.problem import Cancelled, DataError
from pipeline.review.store import ReviewStore
from tests.broken_datasets import snapshot, truncate, video_of
from tests.datasets import FRONT, write_v2

NAMES = ["v2-episode-000000-subtask-1.rrd", "v2-episode-000001-subtask-1.rrd"]


@pytest.fixture
def v2(tmp_path: Path) -> Path:
    return write_v2(tmp_path / "v2")


class Ran:
    """Outcome of a command."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out.splitlines(), err.splitlines()
        assert "Traceback" not in err


@pytest.fixture
def export(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    def run(root: Path | str, *more: str, to: Path = tmp_path / "out") -> Ran:
        code = main(["export", str(root), "--out", str(to), *more])
        return Ran(code, *capsys.readouterr())

    return run


def files(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir()) if folder.exists() else []


def test_a_file_per_subtask_that_opens_again(v2: Path, export, tmp_path: Path) -> None:
    before = snapshot(v2)
    ran = export(v2)
    assert ran.code == 0
    assert ran.out == [str(tmp_path / "out" / name) for name in NAMES]
    assert files(tmp_path / "out") == NAMES
    assert snapshot(v2) == before
    assert not (tmp_path / "v2.demoscope").exists()
    for episode, name in enumerate(NAMES):
        source = open_export(str(tmp_path / "out" / name))
        demonstration = source.open(episode)
        assert demonstration.length == (20, 24)[episode]
        assert {o.stage for o in source.recorded.outcomes} == {
            s.name for s in standard_graph().stages
        }
        assert source.reader(demonstration).frame(FRONT, 0).shape == (48, 64, 3)
        assert str(v2).encode() not in (tmp_path / "out" / name).read_bytes()


def test_one_episode_by_its_name_into_one_file(v2: Path, export, tmp_path: Path) -> None:
    target = tmp_path / "deep" / "one.rrd"
    ran = export(f"{v2}#1", to=target)
    assert (ran.code, ran.out) == (0, [str(target)])
    assert files(target.parent) == ["one.rrd"]
    assert open_export(str(target)).info.episodes[0].index == 1
    assert export(v2, to=target).code == 1
    assert "one file" in export(v2, to=target).err[-1]
    assert "leave --episodes out" in export(f"{v2}#1", "--episodes", "0").err[-1]


def test_a_file_that_is_there_stays_without_force(v2: Path, export, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / NAMES[0]).write_text("mine")
    ran = export(v2)
    assert ran.code == 1
    assert (folder / NAMES[0]).read_text() == "mine"
    assert files(folder) == NAMES
    assert ran.out == [str(folder / NAMES[1])]
    assert any("is there already; --force replaces it" in line for line in ran.err)
    assert ran.err[-1] == "demoscope: 1 of 2 episodes was not exported completely: 0"
    assert export(v2, "--force").code == 0
    assert (folder / NAMES[0]).read_bytes()[:4] == b"RRF2"


def test_a_broken_episode_is_listed_and_stops_nobody(v2: Path, export, tmp_path: Path) -> None:
    truncate(video_of(v2, 0))
    ran = export(v2, "--json")
    assert ran.code == 1
    told = json.loads("\n".join(ran.out))
    assert [e["episode"] for e in told] == [0, 1]
    assert told[0]["files"] == []
    assert told[0]["problems"]
    assert [f["subtask"] for f in told[1]["files"]] == [0]
    assert told[1]["files"][0]["bytes"] == (tmp_path / "out" / NAMES[1]).stat().st_size
    assert files(tmp_path / "out") == NAMES[1:]


def test_options_and_corrections_come_along(v2: Path, export, tmp_path: Path) -> None:
    chosen = standard_graph().default_options()
    chosen["phases"] = with_option(chosen["phases"], "phase_start_offset", 0.0)
    write_options(tmp_path / "options.json", chosen)
    edit = Rename(subtask=0, object_name="blue mug")
    store = ReviewStore.open(v2)
    store.append(0, edit)
    store.close()
    more = ("--options", str(tmp_path / "options.json"), "--set", "phases.closure_threshold=0.4")
    recorded = open_export(export(f"{v2}#0", *more).out[0]).recorded
    assert recorded.options["phases"].closure_threshold == 0.4
    assert recorded.options["phases"].phase_start_offset == 0.0
    assert recorded.edits == (edit,)
    (subtasks,) = (o.result for o in recorded.outcomes if o.stage == "subtasks")
    assert subtasks.subtasks[0].object_name == "blue mug"
    without = export(f"{v2}#0", "--no-edits", "--force")
    assert open_export(without.out[0]).recorded.edits == ()


def test_every_frame_if_asked_for(v2: Path, export, tmp_path: Path) -> None:
    export(f"{v2}#0")
    export(f"{v2}#0", "--every-frame", to=tmp_path / "all")
    notes = []
    for folder in ("out", "all"):
        source = open_export(str(tmp_path / folder / NAMES[0]))
        reader = source.reader(source.open(0))
        notes.append(sum(bool(reader.picture(FRONT, i).note) for i in range(20)))
    assert notes[0] > 0
    assert notes[1] == 0


def test_processes_side_by_side_write_the_same(v2: Path, export, tmp_path: Path) -> None:
    assert export(v2).code == 0
    ran = export(v2, "--jobs", "2", to=tmp_path / "beside")
    assert ran.code == 0
    assert sorted(ran.out) == [str(tmp_path / "beside" / name) for name in NAMES]
    for name in NAMES:
        one, other = (open_export(str(tmp_path / f / name)).recorded for f in ("out", "beside"))
        assert [o.key for o in one.outcomes] == [o.key for o in other.outcomes]


def task(episode: int) -> ExportTask:
    options = values_of(standard_graph().default_options())
    return ExportTask(
        *("nowhere", episode, EDITS.dump_json(()), options, None, "rrd", ".", None, False, None),
        every_frame=False,
    )


def kill_itself(given: ExportTask) -> EpisodeExport:
    """Stands for an episode that takes all the memory."""
    if given.episode == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return EpisodeExport(given.episode)


def test_a_process_that_dies_costs_its_episode_only() -> None:
    reports = {
        r.episode: r for r in export_side_by_side([task(n) for n in range(3)], 2, kill_itself)
    }
    assert sorted(reports) == [0, 1, 2]
    assert "its process ended" in reports[1].reasons[0]
    assert reports[0].reasons == reports[2].reasons == ()


def test_nothing_half_written_is_left(v2: Path, export, tmp_path: Path, monkeypatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(written.os, "link", full)
    ran = export(v2, "--episodes", "0")
    assert ran.code == 1
    assert "No space left on device" in ran.err[-1]
    assert files(tmp_path / "out") == []


def test_a_file_that_comes_meanwhile_stays(tmp_path: Path) -> None:
    path = tmp_path / "file.rrd"
    path.write_bytes(b"theirs")
    with pytest.raises(DataError, match="is there already"):
        written.write_export(path, b"ours", force=False)
    assert path.read_bytes() == b"theirs"
    assert files(tmp_path) == ["file.rrd"]
    written.write_export(path, b"ours", force=True)
    assert path.read_bytes() == b"ours"


def test_ctrl_c_is_one_sentence(v2: Path, export, tmp_path: Path, monkeypatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise Cancelled

    monkeypatch.setattr(work, "annotate_episode", interrupted)
    ran = export(v2)
    assert (ran.code, ran.err) == (1, ["demoscope: cancelled; what was finished is kept"])
    assert files(tmp_path / "out") == []


@pytest.mark.parametrize(
    ("text", "indices"), [("1", (0,)), ("1,3-4", (0, 2, 3)), (" 2 , 2", (1,)), ("2-2", (1,))]
)
def test_subtasks_count_from_one(text: str, indices: tuple[int, ...]) -> None:
    assert parse_subtasks(text) == indices


@pytest.mark.parametrize("text", ["0", "", "a", "3-1", "-1", "1-", "1,,2", "99999"])
def test_other_subtasks_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="--subtasks: expected"):
        parse_subtasks(text)


def test_a_subtask_that_is_not_there_is_said(v2: Path, export, tmp_path: Path) -> None:
    ran = export(f"{v2}#0", "--subtasks", "1,4")
    assert ran.code == 1
    assert any("there is no subtask 4: it has 1" in line for line in ran.err)
    assert files(tmp_path / "out") == NAMES[:1]


def test_what_is_wrong_is_one_sentence(v2: Path, export, tmp_path: Path, capsys) -> None:
    for arguments, words in (
        ((tmp_path / "none",), "does not exist"),
        ((v2, "--episodes", "7"), "no episode 7"),
        ((v2, "--set", "phases.nothing=1"), "no option nothing"),
    ):
        ran = export(*arguments)
        assert ran.code == 1
        assert len(ran.err) == 1
        assert words in ran.err[0]
    file = tmp_path / "file"
    file.write_text("")
    assert "is a file" in export(v2, to=file).err[0]
    rrd = tmp_path / "x.rrd"
    rrd.write_bytes(b"RRF2")
    assert main(["annotate", str(rrd)]) == 1
    assert "is a Rerun recording, no dataset" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        build_parser().parse_args(["export", "x", "--format", "avi"])
