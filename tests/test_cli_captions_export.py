"""`demoscope captions export` and `captions people`: from reviews to training samples."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pyarrow.json
import pytest

from app.main import main
from pipeline.model.caption import Verdict
from pipeline.model.edits import JudgeCaption, ReviewCaption
from pipeline.review.store import ReviewStore
from pipeline.sources.detect import open_dataset
from tests.broken_datasets import snapshot, truncate
from tests.datasets import write_v2, write_v3
from tests.reviewed_dataset import BLUE, GREEN, write_reviewed


class Ran:
    """Outcome of a command."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.err = code, err
        self.out = out
        assert "Traceback" not in err

    @property
    def rows(self) -> list[dict]:
        return [json.loads(line) for line in self.out.split("\n") if line]


@pytest.fixture
def reviewed(tmp_path: Path) -> Path:
    return write_reviewed(tmp_path / "v2")


@pytest.fixture
def captions(capsys: pytest.CaptureFixture[str]):
    def run(*words: object) -> Ran:
        code = main(["captions", *map(str, words)])
        return Ran(code, *capsys.readouterr())

    return run


@pytest.mark.parametrize(
    ("form", "found"),
    [("captions", [GREEN]), ("yes-no", [GREEN, BLUE])],
)
def test_only_accepted_captions_by_default(
    reviewed: Path, captions, form: str, found: list[str]
) -> None:
    before = snapshot(reviewed)
    ran = captions("export", reviewed, "--format", form)
    assert ran.code == 0
    assert [row["caption"] for row in ran.rows] == found
    assert {row["clip"]["episode_index"] for row in ran.rows} == {0}
    assert snapshot(reviewed) == before


def test_a_sample_names_files_and_frames_within_the_dataset(reviewed: Path, captions) -> None:
    (row,) = captions("export", reviewed, "--format", "preferences").rows
    clip = row["clip"]
    assert (row["rejected"], row["chosen"]) == (BLUE, GREEN)
    assert clip["files"]
    assert all(not Path(f).is_absolute() and (reviewed / f).exists() for f in clip["files"])
    assert 0 <= clip["start_frame"] < clip["end_frame"] <= 20
    assert str(reviewed.parent) not in json.dumps(row)


def test_filters_and_everything(reviewed: Path, captions) -> None:
    assert captions("export", reviewed, "--person", "bob").rows == []
    assert captions("export", reviewed, "--until", "2020-01-01").rows == []
    assert len(captions("export", reviewed, "--all").rows) == 2
    assert len(captions("export", reviewed, "--agreed").rows) == 1
    assert captions("export", reviewed, "--episodes", "1").rows == []


def test_into_a_file_that_nobody_replaces_unasked(reviewed: Path, captions, tmp_path: Path) -> None:
    out = tmp_path / "pairs.jsonl"
    assert captions("export", reviewed, "--format", "critiques", "--out", out).code == 0
    (row,) = [json.loads(line) for line in out.read_text().split("\n") if line]
    assert row["critique"] == "The block is green, not blue."
    again = captions("export", reviewed, "--out", out)
    assert again.code == 1
    assert "--force" in again.err
    assert captions("export", reviewed, "--out", out, "--force").code == 0
    assert "caption" in out.read_text()


def test_a_broken_episode_is_told_and_stops_no_other(reviewed: Path, captions) -> None:
    truncate(reviewed / "data/chunk-000/episode_000001.parquet")
    ran = captions("export", reviewed, "--all")
    assert ran.code == 1
    assert [row["clip"]["episode_index"] for row in ran.rows] == [0]
    assert "episode 1:" in ran.err


def test_people(reviewed: Path, captions) -> None:
    ann, eve = json.loads(captions("people", reviewed, "--json").out)
    assert (ann["who"], ann["judged"], ann["reviewed"], ann["accuracy"]) == ("ann", 2, 1, 1.0)
    assert (ann["flag_precision"], ann["flag_recall"]) == (1.0, 1.0)
    assert (eve["who"], eve["reviews"], eve["catch_precision"]) == ("eve", 1, None)
    table = captions("people", reviewed).out
    assert "ann" in table
    assert "100%" in table


def test_a_dataset_that_nobody_reviewed(tmp_path: Path, captions) -> None:
    root = write_v2(tmp_path / "v2")
    ran = captions("export", root)
    assert (ran.code, ran.rows) == (0, [])
    assert "0 samples of 0 captions" in ran.err
    assert "accept or correct some in the window first" in ran.err
    assert captions("people", root).code == 0
    assert not (tmp_path / "v2.demoscope").exists()


def test_what_only_models_wrote_nobody_looked_at(tmp_path: Path, captions) -> None:
    root = write_v2(tmp_path / "v2")
    store = ReviewStore.open(root)
    store.record(0, 0, {"what": "caption_version", "text": BLUE, "drafter": "gemini"})
    store.close()
    assert "0 samples of 0 captions" in captions("export", root).err


def test_a_wrong_day_is_one_sentence(reviewed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["captions", "export", str(reviewed), "--since", "yesterday"])
    assert "2026-01-31" in capsys.readouterr().err


def test_a_damaged_store_is_told_and_left_where_it_is(reviewed: Path, captions) -> None:
    file = reviewed.parent / "v2.demoscope" / "review.sqlite"
    file.write_bytes(b"SQLite format 3\0" + b"\xff" * 4000)
    before = {path.name: path.read_bytes() for path in file.parent.iterdir()}
    for action in ("export", "people"):
        ran = captions(action, reviewed)
        assert ran.code == 1
        assert "review" in ran.err
    assert {path.name: path.read_bytes() for path in file.parent.iterdir()} == before


# -- what is exported -----------------------------------------------------------------------


def test_clips_lie_in_video_files_that_hold_several_episodes(tmp_path: Path, captions) -> None:
    """In LeRobot v3 frames are counted from the episode's start, but its file has others before."""
    root = write_v3(tmp_path / "v3", (20, 24, 18))
    store = ReviewStore.open(root, who="ann")
    for episode in range(3):
        store.append(
            episode, JudgeCaption(subtask=0, verdict=Verdict.ACCEPTED, draft=BLUE, text=BLUE)
        )
    store.close()
    source = open_dataset(root)
    for row in captions("export", root).rows:
        clip = row["clip"]
        demonstration = source.open(clip["episode_index"])
        (video,) = clip["videos"]
        assert (video["camera"], video["file"] in clip["files"]) == (clip["camera"], True)
        length = (clip["end_frame"] - clip["start_frame"]) / clip["fps"]
        assert video["end_s"] - video["start_s"] == pytest.approx(length, abs=1e-3)
        reader = source.reader(demonstration)
        ours = reader.frame(clip["camera"], clip["start_frame"])
        reader.close()
        assert np.array_equal(ours, _picture_at(root / video["file"], video["start_s"]))
    starts = [r["clip"]["videos"][0]["start_s"] for r in captions("export", root).rows]
    assert starts == sorted(set(starts))
    assert starts[1] >= 2.0
    assert str(tmp_path) not in captions("export", root).out


def _picture_at(path: Path, seconds: float) -> np.ndarray:
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    nearest = min(frames, key=lambda f: abs(f.time - seconds))
    return nearest.to_ndarray(format="rgb24")


def test_what_a_reviewer_calls_wrong_is_left_out_unless_asked_for(reviewed: Path, captions) -> None:
    """As it is no reference to measure recipes on, either."""
    eve = ReviewStore.open(reviewed, who="eve")
    objection = ReviewCaption(subtask=0, of="ann", caption=GREEN, critique="c1", agrees=False)
    eve.append(0, objection)
    eve.close()
    for form in ("captions", "preferences", "critiques", "yes-no"):
        assert captions("export", reviewed, "--format", form).rows == []
    told = captions("export", reviewed).err
    assert "0 samples of 2 captions" in told
    assert "a reviewer calls wrong" in told
    assert captions("evaluate", reviewed, "--recipe", "offline").code == 1
    everything = captions("export", reviewed, "--all").rows
    assert [r["provenance"]["reviewer_agrees"] for r in everything] == [False, None]
    ann = ReviewStore.open(reviewed, who="ann")  # who judges again has the last word
    ann.append(0, JudgeCaption(subtask=0, verdict=Verdict.ACCEPTED, draft=BLUE, text=GREEN))
    ann.close()
    assert [r["caption"] for r in captions("export", reviewed).rows] == [GREEN]


def test_a_verdict_without_a_text_of_its_own_is_about_the_draft(tmp_path: Path, captions) -> None:
    root = write_v2(tmp_path / "v2")
    store = ReviewStore.open(root, who="ann")
    store.append(0, JudgeCaption(subtask=0, verdict=Verdict.ACCEPTED, draft=BLUE, text=""))
    store.close()
    (row,) = captions("export", root, "--format", "critiques").rows
    assert (row["final_caption"], row["pre_caption_score"]) == (BLUE, 5)


def test_only_episodes_with_a_wanted_caption_are_worked_on(reviewed: Path, captions) -> None:
    """A thousand drafted episodes of which five were judged take the time of five."""
    truncate(reviewed / "data/chunk-000/episode_000001.parquet")  # rejected, so not wanted
    ran = captions("export", reviewed)
    assert ran.code == 0
    assert "episode 1" not in ran.err
    assert "1 sample of 2 captions" in ran.err
    assert "1 episode is not in it" in captions("export", reviewed, "--all").err


def test_other_readers_read_the_lines(reviewed: Path, captions, tmp_path: Path) -> None:
    """One type per column, whatever the caption, in all formats."""
    for form in ("captions", "preferences", "critiques", "yes-no"):
        out = tmp_path / f"{form}.jsonl"
        assert captions("export", reviewed, "--all", "--format", form, "--out", out).code == 0
        table = pyarrow.json.read_json(out)
        assert table.num_rows == len(out.read_text("utf-8").splitlines())
        assert {"schema", "kind", "clip", "provenance"} <= set(table.column_names)
        assert not [f.name for f in table.schema if pyarrow.types.is_null(f.type)]


def test_a_limit_that_is_no_number_is_refused(
    reviewed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["captions", "export", str(reviewed), "--min-score", "nan"])
    assert "expected a number, got “nan”" in capsys.readouterr().err


def test_people_keep_their_names(reviewed: Path, captions) -> None:
    store = ReviewStore.open(reviewed, who="Zoë")
    store.append(0, JudgeCaption(subtask=0, verdict=Verdict.ACCEPTED, draft=BLUE, text=GREEN))
    store.close()
    assert '"who": "Zoë"' in captions("people", reviewed, "--json").out
    assert [r["caption"] for r in captions("export", reviewed, "--person", "Zoë").rows] == [GREEN]
