"""`demoscope captions export` and `captions people`: from reviews to training samples."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.main import main
from pipeline.model.caption import Verdict
from pipeline.model.caption_fields import CaptionField
from pipeline.model.edits import CritiqueCaption, JudgeCaption, ReviewCaption
from pipeline.review.store import ReviewStore
from tests.broken_datasets import snapshot, truncate
from tests.datasets import write_v2

BLUE, GREEN = "Put the blue block down.", "Put the green block down."


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
    """Two episodes: the first one's caption criticised and accepted, the other's rejected."""
    root = write_v2(tmp_path / "v2")
    ann = ReviewStore.open(root, who="ann")
    critique = CritiqueCaption(
        subtask=0,
        uid="c1",
        about=BLUE,
        fields=(CaptionField.OBJECT,),
        text="The block is green, not blue.",
    )
    ann.append(0, critique)
    ann.append(0, JudgeCaption(subtask=0, verdict=Verdict.ACCEPTED, draft=BLUE, text=GREEN))
    ann.append(1, JudgeCaption(subtask=0, verdict=Verdict.REJECTED, draft=BLUE, text=BLUE))
    ann.close()
    eve = ReviewStore.open(root, who="eve")
    eve.append(0, ReviewCaption(subtask=0, of="ann", caption=GREEN, critique="c1", agrees=True))
    eve.close()
    return root


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
