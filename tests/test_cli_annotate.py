"""`demoscope annotate` in this process: what is written, what is said, what is kept."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

import pipeline.batch.episode_work as work
from app.main import main
from pipeline.annotate import standard_graph
from pipeline.model.edits import Rename
from pipeline.model.options import describe
from pipeline.review.store import ReviewStore
from tests.broken_datasets import (
    EPISODE_BREAKS,
    put_nan_into_gripper,
    snapshot,
    table_of,
    truncate,
    video_of,
)
from tests.datasets import FRONT, SAMPLE, write_v2

PROMISED = {
    "episode_index", "subtask_index", "arm", "camera", "instruction", "object", "start_box",
    "target_box", "score", "phases", "caption", "warnings", "terms",
}  # fmt: skip


@pytest.fixture
def v2(tmp_path: Path) -> Path:
    return write_v2(tmp_path / "v2")


class Ran:
    """Outcome of a command: exit code, the lines of both outputs, the prediction lines."""

    def __init__(self, code: int, out: str, err: str, file: Path | None) -> None:
        self.code, self.out, self.err = code, out, err
        text = file.read_text() if file is not None and file.is_file() else ""
        assert not text or text.endswith("\n")
        self.lines: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines()]
        assert "Traceback" not in err

    @property
    def verdict(self) -> str:
        """The last line on standard error."""
        return self.err.splitlines()[-1]

    def episodes(self) -> list[int]:
        return [line["episode_index"] for line in self.lines]

    def said_of(self, episode: int) -> list[str]:
        return [x for x in self.err.splitlines() if x.startswith(f"episode {episode} ")]


@pytest.fixture
def annotate(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    file = tmp_path / "predictions.jsonl"

    def run(root: Path, *more: str, to: Path = file) -> Ran:
        code = main(["annotate", str(root), "--predictions", str(to), *more])
        return Ran(code, *capsys.readouterr(), to)

    return run


def test_a_line_per_subtask(v2: Path, annotate) -> None:
    ran = annotate(v2)
    assert ran.code == 0
    assert ran.episodes() == [0, 1]
    assert "2 lines, 2 episodes" in ran.out
    for line, length in zip(ran.lines, (20, 24), strict=True):
        assert set(line) >= PROMISED
        assert line["camera"] == FRONT
        assert [set(p) for p in line["phases"]] == [{"name", "arm", "start", "end"}] * 3
        assert line["phases"][0]["start"] == 0
        assert line["phases"][-1]["end"] == length
        assert all(p["start"] < p["end"] <= length for p in line["phases"])


def test_sample_boxes_are_pixels_of_the_video(annotate) -> None:
    (line,) = annotate(SAMPLE, "--episodes", "0", "--no-edits").lines
    assert set(line) >= PROMISED
    for name in ("start_box", "target_box"):
        x0, y0, x1, y1 = line[name]
        assert 0 <= x0 < x1 <= 640
        assert 0 <= y0 < y1 <= 480
    assert isinstance(line["score"], float)
    assert line["terms"]
    assert 0 <= line["keyframe"] < 180
    assert line["caption"]


def test_predictions_go_to_standard_output_alone(v2: Path, capsys) -> None:
    assert main(["annotate", str(v2)]) == 0
    captured = capsys.readouterr()
    assert [json.loads(x)["episode_index"] for x in captured.out.splitlines()] == [0, 1]


def test_second_run_computes_nothing(v2: Path, annotate) -> None:
    first = annotate(v2)
    second = annotate(v2)
    assert second.err.count(", 0 stages computed)") == 2
    assert second.lines == first.lines
    assert ", 0 stages computed)" not in annotate(v2, "--no-cache").err


def test_an_option_changes_the_result_and_only_what_follows(tmp_path: Path, annotate) -> None:
    root = write_v2(tmp_path / "d", (40,))
    before = annotate(root)
    changed = annotate(root, "--set", "phases.phase_start_offset=0.0")
    assert changed.lines[0]["phases"] != before.lines[0]["phases"]
    graph = standard_graph()
    for stage in ("phases", "proposals", "scores", "target"):
        option = next(o for o in describe(graph.stage(stage).options_type) if o.type is float)
        value = (option.default + (option.high or 2 * option.default)) / 2
        ran = annotate(root, "--set", f"{stage}.{option.name}={value}")
        assert f", {len(graph.downstream(stage))} stages computed)" in ran.err, stage
    assert ", 0 stages computed)" in annotate(root).err


def test_a_threshold_decides_what_is_closed(v2: Path, annotate) -> None:
    assert annotate(v2, "--set", "phases.closure_threshold=0.5").code == 0
    ran = annotate(v2, "--set", "phases.closure_threshold=0.0")  # Nothing is ever closed.
    assert [[p["name"] for p in line["phases"]] for line in ran.lines] != [
        ["grasp", "interact", "release"]
    ] * 2


@pytest.mark.parametrize(
    ("text", "expected"), [("0,2-5", [0, 2, 3]), ("3", [3]), ("2-3,0,3", [2, 3, 0]), (" 1 ", [1])]
)
def test_choosing_episodes(tmp_path: Path, annotate, text, expected) -> None:
    root = write_v2(tmp_path / "d", (16, 16, 16, 16))
    assert annotate(root, "--episodes", text).episodes() == expected


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--episodes", "7"], "--episodes: the dataset has no episode 7"),
        (["--episodes", "0,8-9"], "--episodes: the dataset has no episode 8-9"),
        (["--episodes", "1-0"], "--episodes: the range 1-0 runs backwards"),
        (["--episodes", "one"], "expected numbers and ranges"),
        (["--episodes", ""], "expected numbers and ranges"),
        (["--episodes", "²"], "expected numbers and ranges"),
        (["--camera", "rear"], f"--camera: no camera rear; there are: {FRONT}"),
        (["--camera", ""], "--camera: no camera"),
        (["--set", "nonsense"], "expected STAGE.OPTION=VALUE"),
        (["--set", "magic.threshold=1"], "--set: no stage magic; there are: phases, "),
        (["--set", "phases.magic=1"], "stage phases has no option magic; there are: closure"),
        (["--set", "phases.closure_threshold=2"], "closure_threshold: expected 0.0 to 1.0, got 2"),
        (["--set", "phases.closure_threshold=nan"], "expected 0.0 to 1.0, got nan"),
        (["--set", "phases.closure_threshold=half"], "expected float, got “half”"),
        (
            ["--set", "phases.rule=guess"],
            "expected one of published, checked, local_drop, got guess",
        ),
    ],
)
def test_wrong_arguments_are_one_sentence(v2: Path, annotate, tmp_path, arguments, sentence):
    kept = tmp_path / "predictions.jsonl"
    kept.write_text('{"from": "before"}\n')
    ran = annotate(v2, *arguments)
    assert ran.code == 1
    assert sentence in ran.err
    assert ran.err.startswith("demoscope: ")
    assert len(ran.err.splitlines()) == 1
    assert ran.lines == [{"from": "before"}]  # Nothing was begun, so nothing was emptied.


@pytest.mark.parametrize("name", ["front", FRONT])
def test_camera_by_either_name(v2: Path, annotate, name) -> None:
    ran = annotate(v2, "--camera", name)
    assert ran.code == 0
    assert {line["camera"] for line in ran.lines} == {FRONT}


@pytest.mark.parametrize("fault", EPISODE_BREAKS)
def test_one_broken_episode_costs_only_itself(v2: Path, annotate, fault) -> None:
    harm, sentence = EPISODE_BREAKS[fault]
    harm(v2)
    ran = annotate(v2, "--episodes", "0-1")
    assert ran.code == 1
    assert 1 in ran.episodes()
    assert len(ran.said_of(0)) == 1
    assert sentence in ran.said_of(0)[0]
    assert ran.verdict == "demoscope: 1 of 2 episodes failed, the others are written"


def test_absent_episodes_are_left_out_by_default(v2: Path, annotate) -> None:
    video_of(v2, 0).unlink()
    table_of(v2, 0).unlink()
    ran = annotate(v2)
    assert (ran.code, ran.episodes()) == (0, [1])
    video_of(v2, 1).unlink()
    ran = annotate(v2)
    assert ran.err == "demoscope: v2: none of its 2 episodes is on disk\n"
    assert ran.code == 1


def test_all_episodes_broken(v2: Path, annotate) -> None:
    for episode in (0, 1):
        truncate(table_of(v2, episode))
    ran = annotate(v2)
    assert (ran.code, ran.lines) == (1, [])
    assert ran.verdict == "demoscope: all 2 episodes failed"


def test_a_defect_in_one_episode_costs_only_itself(v2: Path, annotate, monkeypatch) -> None:
    real = work.annotate_episode

    def broken(source, episode, **rest):
        if episode == 0:
            raise IndexError("list index out of range")
        return real(source, episode, **rest)

    monkeypatch.setattr(work, "annotate_episode", broken)
    ran = annotate(v2)
    assert (ran.code, ran.episodes()) == (1, [1])
    assert "internal error: IndexError: list index out of range" in ran.said_of(0)[0]


def test_a_failed_stage_is_in_the_warnings_of_its_line(v2: Path, annotate, monkeypatch) -> None:
    from pipeline.stages.proposals import ProposalsStage

    def broken(*_: object) -> None:
        raise IndexError("too many")

    monkeypatch.setattr(ProposalsStage, "run", broken)
    ran = annotate(v2, "--episodes", "1", "--no-cache")
    assert ran.code == 1
    assert all("internal" in line["warnings"] for line in ran.lines)
    assert ran.verdict == "demoscope: the episode failed"


def test_nan_in_the_gripper_is_a_warning(v2: Path, annotate) -> None:
    put_nan_into_gripper(v2)
    ran = annotate(v2)
    assert ran.code == 0
    assert ["nan_in_signal" in line["warnings"] for line in ran.lines] == [True, False]


def test_short_video_is_a_warning(v2: Path, annotate) -> None:
    video_of(v2, 0).replace(video_of(v2, 1))
    ran = annotate(v2, "--episodes", "1")
    assert ran.code == 0
    assert "video_shorter" in ran.lines[0]["warnings"]


@pytest.mark.parametrize("how", ["file in its place", "disk full"])
def test_a_cache_that_cannot_be_written_costs_only_time(
    v2: Path, annotate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    if how == "disk full":

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("pipeline.model.whole_file.os.replace", full)
        monkeypatch.setenv("DEMOSCOPE_CACHE_DIR", str(tmp_path / "cache"))
    else:
        (tmp_path / "cache").write_text("a file")
        monkeypatch.setenv("DEMOSCOPE_CACHE_DIR", str(tmp_path / "cache"))
    ran = annotate(v2)
    assert (ran.code, ran.episodes()) == (0, [0, 1])
    # Said once, not once for each of ten stages.
    assert ran.err.count("could not be kept") == 1
    assert not list(tmp_path.rglob("*.part"))


def test_the_dataset_is_never_written(v2: Path, annotate, tmp_path: Path) -> None:
    before = snapshot(v2)
    assert annotate(v2).code == 0
    assert snapshot(v2) == before
    assert {p.name for p in tmp_path.iterdir()} == {"v2", "predictions.jsonl"}


def test_a_read_only_dataset(v2: Path, annotate, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in (*v2.rglob("*"), v2):
        path.chmod(0o555 if path.is_dir() else 0o444)
    # The superuser may write everywhere; the store asks this function.
    monkeypatch.setattr("pipeline.review.location.os.access", lambda *_: False)
    try:
        ran = annotate(v2)
    finally:
        for path in (v2, *v2.rglob("*")):
            path.chmod(0o755)
    assert (ran.code, ran.episodes()) == (0, [0, 1])


def test_predictions_make_their_folder(v2: Path, annotate, tmp_path: Path) -> None:
    ran = annotate(v2, to=tmp_path / "new" / "deep" / "p.jsonl")
    assert (ran.code, ran.episodes()) == (0, [0, 1])


@pytest.mark.parametrize("where", ["folder", "below a file"])
def test_predictions_that_cannot_be_written(v2: Path, annotate, tmp_path: Path, where) -> None:
    (tmp_path / "file").write_text("")
    ran = annotate(v2, to=v2 if where == "folder" else tmp_path / "file" / "p.jsonl")
    assert ran.code == 1
    assert len(ran.err.splitlines()) == 1
    assert ran.err.startswith(f"demoscope: {v2 if where == 'folder' else tmp_path / 'file'}")


def test_an_interrupt_keeps_the_lines_written(v2: Path, annotate, monkeypatch) -> None:
    real = work.annotate_episode

    def interrupted(source, episode, **rest):
        if episode == 1:
            raise KeyboardInterrupt
        return real(source, episode, **rest)

    monkeypatch.setattr(work, "annotate_episode", interrupted)
    ran = annotate(v2)
    assert (ran.code, ran.episodes()) == (1, [0])
    assert ran.verdict == "demoscope: cancelled; what was finished is kept"


def test_a_line_is_in_the_file_whole_or_not_at_all(tmp_path: Path) -> None:
    """The disk fills up in the middle of a line: it is taken back, those before it stay."""
    from app.prediction_file import PredictionFile

    class Disk:
        """A raw file that takes 10 bytes at a time and `room` bytes in all."""

        def __init__(self, file: Any, room: int) -> None:
            self.file, self.room = file, room

        def write(self, data: bytes) -> int:
            part = data[: min(10, self.room)]
            if not part:
                raise OSError(28, os.strerror(28))
            self.room -= len(part)
            return self.file.write(part)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.file, name)

    path = tmp_path / "p.jsonl"
    with PredictionFile(path) as file:
        file._file = Disk(file._file, 45)
        file.write("a" * 29)
        with pytest.raises(OSError, match="No space left") as caught:
            file.write("b" * 29)
    assert caught.value.filename == str(path)
    assert path.read_text() == "a" * 29 + "\n"


def test_saved_corrections_count_unless_refused(v2: Path, annotate, tmp_path: Path) -> None:
    store = ReviewStore.open(v2)
    store.append(1, Rename(subtask=0, object_name="blue mug"))
    store.close()
    before = snapshot(tmp_path)
    ran = annotate(v2)
    assert [line["object"] for line in ran.lines] == ["red cube", "blue mug"]
    assert annotate(v2, "--no-edits").lines[1]["object"] == "red cube"
    (tmp_path / "predictions.jsonl").unlink()
    assert {p for p in snapshot(tmp_path) if p not in before} == set()


def test_damaged_corrections_are_named_and_left_alone(v2: Path, annotate, tmp_path) -> None:
    file = tmp_path / "v2.demoscope" / "review.sqlite"
    file.parent.mkdir()
    file.write_bytes(b"no database at all" * 100)
    ran = annotate(v2)
    assert (ran.code, ran.episodes()) == (0, [0, 1])
    assert f"human corrections are not used: {file} is damaged" in ran.err
    assert [p.name for p in file.parent.iterdir()] == ["review.sqlite"]


def test_predictions_as_a_table(v2: Path, annotate, tmp_path: Path) -> None:
    from pipeline.annotations.reading import read_annotations

    lines = annotate(v2).lines
    file = tmp_path / "new" / "p.parquet"
    assert main(["annotate", str(v2), "--predictions", str(file)]) == 0
    found = read_annotations(file)
    assert [found.table.caption[i] for i in range(2)] == [line["caption"] for line in lines]
    assert found.dataset == v2
    (tmp_path / "folder.parquet").mkdir()
    assert main(["annotate", str(v2), "--predictions", str(tmp_path / "folder.parquet")]) == 1


def test_an_interrupt_keeps_the_table_so_far(v2: Path, tmp_path: Path, monkeypatch) -> None:
    from pipeline.batch.records import read_records

    real = work.annotate_episode

    def interrupted(source, episode, **rest):
        if episode == 1:
            raise KeyboardInterrupt
        return real(source, episode, **rest)

    monkeypatch.setattr(work, "annotate_episode", interrupted)
    file = tmp_path / "p.parquet"
    assert main(["annotate", str(v2), "--predictions", str(file)]) == 1
    assert [a.episode_index for a in read_records(file)] == [0]


def test_options_file_then_profile_then_settings(v2: Path, annotate, tmp_path: Path) -> None:
    from pipeline.engine.options_file import write_options
    from pipeline.stages.phases import PhasesOptions

    file = tmp_path / "options.json"
    write_options(file, {"phases": PhasesOptions(closure_threshold=0.0)})
    by_file = annotate(v2, "--options", str(file)).lines
    by_set = annotate(v2, "--set", "phases.closure_threshold=0.0").lines
    usual = annotate(v2).lines
    assert by_file == by_set != usual
    back = annotate(v2, "--options", str(file), "--set", "phases.closure_threshold=0.6").lines
    assert back == usual
    ran = annotate(v2, "--options", str(tmp_path / "none.json"))
    assert ran.code == 1
    assert ran.err.startswith(f"demoscope: {tmp_path / 'none.json'}: cannot be read (No such file")
