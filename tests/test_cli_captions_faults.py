"""`demoscope captions` where something is missing, full, closed, broken or asked for wrongly."""

from __future__ import annotations

import errno
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app.main import main
from pipeline.engine.cache import ResultCache
from pipeline.model.caption import Verdict
from pipeline.model.edits import JudgeCaption
from pipeline.review.store import ReviewStore
from tests.broken_datasets import snapshot, truncate
from tests.datasets import write_v2
from tests.language_server import Refuse, caption_answer, language_server
from tests.test_cli_captions_export import Ran

Command = Callable[..., Ran]
TABLE = "data/chunk-000/episode_{:06}.parquet"


@pytest.fixture
def captions(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Command:
    monkeypatch.setenv("DEMOSCOPE_CACHE_DIR", str(tmp_path / "cache"))

    def run(*words: object) -> Ran:
        code = main(["captions", *map(str, words)])
        return Ran(code, *capsys.readouterr())

    return run


@pytest.fixture
def partial_dataset(tmp_path: Path) -> Path:
    """Eight episodes, of which 3 and 6 are on disk, and 6 is broken."""
    root = write_v2(tmp_path / "räume 1", (20,) * 8)
    for episode in (0, 1, 2, 4, 5, 7):
        (root / TABLE.format(episode)).unlink()
    truncate(root / TABLE.format(6))
    return root


def test_episodes_that_are_not_on_disk_are_one_line(
    partial_dataset: Path, captions: Command
) -> None:
    drafted = captions("draft", partial_dataset, "--episodes", "0-1000", "--json")
    assert drafted.code == 1
    assert [r["episode_index"] for r in drafted.rows] == [3]
    said = drafted.err.splitlines()
    assert said[0].startswith("demoscope: episode 0: data/chunk-000/episode_000000.parquet is not")
    assert said[1].startswith("demoscope: episode 6: ")
    assert said[2] == "demoscope: 5 more episodes are not on disk: 1-2, 4-5, 7"
    assert said[3] == "1 caption, 7 failed; drafted offline"
    assert len(said) == 4
    one = captions("draft", partial_dataset, "--episodes", "4", "--json").err.splitlines()
    assert len(one) == 2


def test_a_cost_is_always_a_number_with_a_point(partial_dataset: Path, captions: Command) -> None:
    """Readers that guess the type of a column from its first rows take a 0 for an integer."""
    assert '"cost": 0.0' in captions("draft", partial_dataset, "--json").out


def test_a_result_that_cannot_be_kept_is_told_once(
    tmp_path: Path, captions: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pipeline.engine.cache.write_whole", full)
    drafted = captions("draft", write_v2(tmp_path / "v2", (20, 20, 20)), "--json")
    assert (drafted.code, len(drafted.rows)) == (0, 3)
    assert drafted.err.count("could not be kept") == 1
    assert "No space left on device" in drafted.err


@pytest.mark.parametrize("action", ["draft", "export", "evaluate"])
def test_the_cache_is_trimmed_afterwards(
    tmp_path: Path, captions: Command, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    root = write_v2(tmp_path / "v2")
    store = ReviewStore.open(root, who="ann")
    store.append(0, JudgeCaption(subtask=0, verdict=Verdict.ACCEPTED, draft="Go.", text="Go."))
    store.close()
    trimmed: list[float | None] = []
    monkeypatch.setattr(
        ResultCache, "trim", lambda self, in_use_since=None: trimmed.append(in_use_since)
    )
    words = ["--recipe", "offline"] if action == "evaluate" else []
    assert captions(action, root, *words).code == 0
    assert len(trimmed) == 1
    assert trimmed[0] is not None


@pytest.mark.parametrize("action", ["draft", "recipes"])
def test_without_standard_output_it_is_one_sentence(
    tmp_path: Path, captions: Command, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    words = [write_v2(tmp_path / "v2")] if action == "draft" else []
    monkeypatch.setattr(sys, "stdout", None)
    ran = captions(action, *words)
    assert ran.code == 1
    assert ran.err.splitlines()[-1] == "demoscope: standard output: Bad file descriptor"


def test_a_full_disk_behind_standard_output_is_named(
    captions: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sys.stdout, "write", full)
    assert captions("recipes").err == "demoscope: standard output: No space left on device\n"


def test_a_request_that_cannot_be_written_names_its_folder(
    tmp_path: Path, captions: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, out = write_v2(tmp_path / "v2"), tmp_path / "request"

    def full(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    ran = captions("show-request", root, "--episode", "0", "--out", out)
    assert ran.code == 1
    assert ran.err == f"demoscope: {out}: No space left on device; what is there is not complete\n"


def test_an_address_that_cannot_be_read_names_its_option(tmp_path: Path, captions: Command) -> None:
    words = ("--model", "served", "--base-url", "http://[::1")
    ran = captions("draft", write_v2(tmp_path / "v2"), "--estimate", *words)
    assert (ran.code, ran.err.count("\n")) == (1, 1)
    assert "captions.base_url: expected an address such as" in ran.err


def test_an_episode_is_called_by_its_own_option(tmp_path: Path, captions: Command) -> None:
    words = ("show-request", write_v2(tmp_path / "v2"), "--out", tmp_path / "request")
    ran = captions(*words, "--episode", "9")
    assert (ran.code, ran.err) == (1, "demoscope: --episode: the dataset has no episode 9\n")
    with pytest.raises(SystemExit):
        captions(*words, "--episode", "-1")


def test_a_recipe_without_a_title_has_no_gap(
    tmp_path: Path, captions: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEMOSCOPE_CONFIG_DIR", str(tmp_path / "config"))
    (tmp_path / "config/recipes").mkdir(parents=True)
    (tmp_path / "config/recipes/bare.toml").write_text("")
    head, *lines = captions("recipes").out.splitlines()
    (line,) = [one for one in lines if one.startswith("bare ")]
    assert line.index("(yours)") == head.index("WHAT IT IS")


# -- evaluate -------------------------------------------------------------------------------


def written(path: Path, *rows: dict) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_an_episode_that_cannot_be_opened_stops_no_evaluation(
    partial_dataset: Path, captions: Command, tmp_path: Path
) -> None:
    rows = [{"episode_index": e, "caption": "Pick up the red cube."} for e in (0, 3, 6)]
    file = written(tmp_path / "right.jsonl", *rows)
    words = ("evaluate", partial_dataset, "--recipe", "offline", "--references", file)
    measured = captions(*words, "--json")
    assert measured.code == 0, measured.err
    found = json.loads(measured.out)
    assert [c["episode"] for c in found["captions"]] == [3]
    told = [n for n in found["notes"] if n.startswith("Episode ")]
    assert len(told) == 2
    assert "episode_000000.parquet is not on disk; it is left out." in told[0]
    assert told[1].startswith("Episode 6")
    only = captions(*words, "--episodes", "0,6")
    assert only.code == 1
    assert "episode_000000.parquet is not on disk" in only.err
    assert "no requests" in captions(*words, "--estimate").out
    asked = captions(*words, "--recipe", "frames", "--estimate")
    assert asked.code == 0, asked.err
    assert "request" in asked.out


def test_measuring_leaves_nothing_beside_the_dataset(
    tmp_path: Path, captions: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_v2(tmp_path / "v2")
    store = ReviewStore.open(root, who="ann")
    store.append(0, JudgeCaption(subtask=0, verdict=Verdict.ACCEPTED, draft="Go.", text="Go."))
    store.close()
    sidecar = tmp_path / "v2.demoscope"
    file = written(tmp_path / "right.jsonl", {"episode_index": 1, "caption": "Go."})
    (sidecar / "review.sqlite").write_bytes(b"no database" * 999)
    before = snapshot(sidecar)
    ran = captions("evaluate", root, "--recipe", "offline", "--references", file)
    assert snapshot(sidecar) == before
    assert ran.code == 1
    assert "damaged" in ran.err


def test_what_was_spent_is_told_where_it_breaks_off(
    tmp_path: Path, captions: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    root = write_v2(tmp_path / "v2", (60, 64))
    row = {"episode_index": 0, "caption": "Pick up the red cube."}
    file = written(tmp_path / "right.jsonl", row)  # one episode: its recipes come in turn
    with language_server("k") as server:
        server.answer = caption_answer()
        server.script.extend([lambda _: None, Refuse(418, "a teapot")])
        recipes = ("--recipe", "frames", "--recipe", "hand-collage")
        words = (*recipes, "--model", "served", "--base-url", f"{server.url}/v1")
        limits = ("--set", "captions.attempts=1", "--set", "captions.requests_per_minute=0")
        ran = captions("evaluate", root, "--references", file, *words, *limits)
    assert ran.code == 1
    took, last = ran.err.splitlines()[-2:]
    assert took.startswith("took: drafts: 1 request, 100 tokens in, 27 out"), ran.err
    assert "teapot" in last


def test_the_page_gets_its_folder(tmp_path: Path, captions: Command) -> None:
    file = written(tmp_path / "right.jsonl", {"episode_index": 1, "caption": "Go."})
    root, page = write_v2(tmp_path / "v2"), tmp_path / "new" / "page.html"
    words = ("evaluate", root, "--recipe", "offline", "--references", file, "--html")
    assert captions(*words, page).code == 0
    assert page.read_text().startswith("<!doctype html>")
    folder = captions(*words, tmp_path)  # told before anything is drafted
    assert (folder.code, folder.out) == (1, "")
    assert "is a folder" in folder.err
    (tmp_path / "file").write_text("")
    below = captions(*words, tmp_path / "file" / "page.html")
    assert (below.code, below.out) == (1, "")


def test_an_export_is_a_file_of_references(tmp_path: Path, captions: Command) -> None:
    root = write_v2(tmp_path / "v2", (20, 20, 20))
    store = ReviewStore.open(root, who="ann")
    for episode, verdict in enumerate((Verdict.ACCEPTED, Verdict.REJECTED, Verdict.CORRECTED)):
        text = f"Pick up cube {episode}."
        store.append(episode, JudgeCaption(subtask=0, verdict=verdict, draft=text, text=text))
    store.close()
    out = tmp_path / "captions.jsonl"
    assert captions("export", root, "--all", "--out", out).code == 0
    words = ("evaluate", root, "--recipe", "offline", "--json")
    measured = captions(*words, "--references", out)
    assert measured.code == 0, measured.err
    found = json.loads(measured.out)
    assert [c["reference"] for c in found["captions"]] == ["Pick up cube 0.", "Pick up cube 2."]
    note = "1 line of captions.jsonl is left out: its caption is no accepted one."
    assert note in found["notes"]
    none = captions(*words, "--episodes", "1")
    assert none.err.startswith("demoscope: no episode that was asked for has a caption with a ref")
