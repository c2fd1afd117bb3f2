"""`demoscope captions`: drafting against a server that speaks Gemini's and OpenAI's protocols."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import pytest

from app.main import main
from pipeline.model.caption import Verdict
from pipeline.model.edits import CritiqueCaption, JudgeCaption
from pipeline.review.store import ReviewStore
from tests.datasets import write_v2
from tests.language_server import LanguageServer, Refuse, Request, language_server

KEY = "sk-geheim-0123456789abcdef"
SAID = {
    "verb": "stack", "object": "green lemon", "relation": "on top of", "destination": "white box",
    "source": "", "arm": "", "caption": "Stack the green lemon on top of the white box.",
}  # fmt: skip
REVISED = SAID | {"object": "lime", "caption": "Stack the lime on top of the white box."}
FLASH = ("--model", "gemini-2.5-flash")


@dataclass
class Ran:
    """Outcome of a command."""

    code: int
    out: str
    err: list[str]

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


Command = Callable[..., Ran]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LanguageServer]:
    """A server that the SDKs' own variables lead to."""
    monkeypatch.setenv("DEMOSCOPE_CACHE_DIR", str(tmp_path / "cache"))
    for name in ("DEMOSCOPE_GEMINI_API_KEY", "GOOGLE_API_KEY", "DEMOSCOPE_OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with language_server(KEY) as found:
        monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", found.url)
        monkeypatch.setenv("OPENAI_BASE_URL", found.url + "/v1")
        found.answer = _answer
        yield found
        assert found.own_errors == []


def _answer(request: Request) -> str:
    revised = any("critique" in p.text.lower() for p in request.parts if p.kind == "text")
    return json.dumps(REVISED if revised else SAID)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Two short episodes: a grasp in the middle, way before and after it."""
    return write_v2(tmp_path / "v2", (60, 64))


@pytest.fixture
def captions(capsys: pytest.CaptureFixture[str]) -> Command:
    def run(*words: object) -> Ran:
        code = main(["captions", *map(str, words)])
        out, err = capsys.readouterr()
        assert KEY not in out + err
        assert "Traceback" not in err
        return Ran(code, out, err.splitlines())

    return run


def _size(data: bytes) -> tuple[int, int]:
    with av.open(io.BytesIO(data)) as container:
        frame = next(container.decode(video=0))
        return frame.width, frame.height


def test_the_default_recipe_sends_grids_and_close_ups_and_then_nothing(
    server: LanguageServer, dataset: Path, captions: Command, tmp_path: Path
) -> None:
    drafted = captions("draft", dataset, "--episodes", "0", *FLASH, "--json")
    assert drafted.code == 0, drafted.err
    (request,) = server.requests
    pictures = [p for p in request.parts if p.kind == "image"]
    texts = [p.text for p in request.parts if p.kind == "text"]
    heads = ["PAST: 6 frames", "PRESENT: 6 frames", "FUTURE: 6 frames", "CLOSE-UPS: 6"]
    assert [t.startswith(h) for t, h in zip(texts, heads, strict=False)] == [True] * 4
    assert len(pictures) == 9
    sizes = [_size(p.data) for p in pictures]
    assert sizes[3:] == [(384, 384)] * 6
    width, height = sizes[0]
    assert sizes[:3] == [(width, height)] * 3
    assert 3 * 384 <= width < 3 * 384 + 40  # three cells of 384 and what is between them
    assert 2 * 288 <= height < 2 * 288 + 40
    assert len({p.data for p in pictures[:3]}) == 3

    (row,) = drafted.rows
    assert row["caption"] == SAID["caption"]
    assert (row["verb"], row["object"]) == ("stack", "green lemon")
    assert (row["relation"], row["destination"]) == ("on top of", "white box")
    assert (row["episode_index"], row["subtask_index"]) == (0, 0)
    assert (row["recipe"], row["model"]) == ("hand-collage", "gemini-2.5-flash")
    assert row["recipe_identity"].startswith("hand-collage-1-")
    assert (row["tokens"], row["tokens_in"], row["tokens_out"]) == (127, 100, 27)
    assert row["cached"] is False
    assert row["request_id"]
    assert row["cost"] > 0
    assert "will take 1 request, about" in drafted.err[0]
    assert drafted.err[-1].startswith("1 caption; gemini (gemini-2.5-flash, recipe hand-collage)")
    assert "took 1 request, 100 tokens in, 27 out, $0." in drafted.err[-1]

    again = captions("draft", dataset, "--episodes", "0", *FLASH, "--json")
    assert [r["cached"] for r in again.rows] == [True]
    assert again.rows[0] == row | {"cached": True}
    other = captions("draft", dataset, "--episodes", "0", *FLASH, "--json", "--no-cache")
    assert [r["cached"] for r in other.rows] == [True]  # from the kept answer
    assert "took 1 kept answer" in other.err[-1]
    assert len(server.requests) == 1

    files = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert not [p for p in files if KEY.encode() in p.read_bytes()]


def test_an_estimate_sends_nothing(
    server: LanguageServer, dataset: Path, captions: Command
) -> None:
    told = captions("draft", dataset, *FLASH, "--estimate")
    assert told.code == 0
    assert "would take 2 requests, about" in told.out
    assert "$0." in told.out
    (row,) = captions("draft", dataset, *FLASH, "--estimate", "--json").rows
    assert (row["subtasks"], row["requests"], row["kept"]) == (2, 2, 0)
    assert row["tokens_in"] > 1000
    assert row["cost"] > 0
    unpriced = captions("draft", dataset, "--model", "served", "--estimate")
    assert "price not known" in unpriced.out
    assert server.requests == []
    captions("draft", dataset, "--episodes", "0", *FLASH)
    (row,) = captions("draft", dataset, *FLASH, "--estimate", "--json").rows
    assert (row["requests"], row["kept"]) == (1, 1)
    assert "no requests" in captions("draft", dataset, "--estimate").out  # offline


def test_a_critique_is_answered_and_everything_recorded(
    server: LanguageServer, dataset: Path, captions: Command, tmp_path: Path
) -> None:
    store = ReviewStore.open(dataset, who="ann")
    store.append(
        0, CritiqueCaption(subtask=0, uid="c1", about=SAID["caption"], text="It is a lime.")
    )
    store.close()
    (row,) = captions("draft", dataset, "--episodes", "0", *FLASH, "--json").rows
    assert len(server.requests) == 2
    assert "It is a lime." in server.requests[1].turns[0]
    assert row["caption"] == REVISED["caption"]
    assert (row["versions"], row["tokens"]) == (2, 254)
    store = ReviewStore.open(dataset, who="ann")
    store.append(
        0,
        JudgeCaption(
            subtask=0, verdict=Verdict.CORRECTED, draft=REVISED["caption"], text="Stack it."
        ),
    )
    recorded = [e.record for e in store.events() if e.record]
    store.close()
    assert [r["text"] for r in recorded] == [SAID["caption"], REVISED["caption"]]
    assert [r["critique"] for r in recorded] == ["", "c1"]
    marks = tmp_path / "cache" / "captions" / "recorded"
    assert len(list(marks.glob("*/*"))) == 2, "what the history came from is trimmed last"
    (row,) = captions("draft", dataset, "--episodes", "0", *FLASH, "--json").rows
    assert (row["caption"], row["verdict"]) == ("Stack it.", "corrected")
    assert row["draft"] == REVISED["caption"]
    assert len(server.requests) == 2
    store = ReviewStore.open(dataset, who="ann")
    assert len([e for e in store.events() if e.record]) == 2  # once each
    store.close()
    ignored = captions("draft", dataset, "--episodes", "0", *FLASH, "--json", "--no-edits").rows
    assert ignored[0]["caption"] == SAID["caption"]


def test_an_openai_compatible_server(
    server: LanguageServer, dataset: Path, captions: Command
) -> None:
    options = ("--model", "served-model", "--recipe", "frames", "--json")
    (row,) = captions("draft", dataset, "--episodes", "1", *options).rows
    assert row["drafter"] == "openai_compatible"
    assert row["recipe"] == "frames"
    assert row["cost"] is None
    assert [p.kind for p in server.requests[0].parts].count("image") == 1
    assert server.requests[0].path == "/v1/chat/completions"


def test_without_a_model_nothing_is_asked(
    server: LanguageServer, dataset: Path, captions: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GEMINI_API_KEY")
    drafted = captions("draft", dataset, "--json")
    assert drafted.code == 0
    assert [r["drafter"] for r in drafted.rows] == ["offline", "offline"]
    assert [r["verb"] for r in drafted.rows] == ["pick up"] * 2
    assert {r["tokens"] for r in drafted.rows} == {0}
    assert drafted.err[-1] == "2 captions; drafted offline"
    text = captions("draft", dataset, "--episodes", "0")
    assert text.out.startswith("episode 0, subtask 1: Pick up the red cube. (offline)")
    assert server.requests == []
    assert not (dataset.parent / "v2.demoscope").exists()  # nothing of a model to record
    refused = captions("draft", dataset, "--episodes", "0", *FLASH)
    assert refused.code == 1
    assert any("GEMINI_API_KEY" in line for line in refused.err)
    allowed = captions("draft", dataset, "--episodes", "0", *FLASH, "--allow-fallback", "--json")
    assert allowed.code == 0
    assert allowed.rows[0]["warnings"][0] == "backend_fallback"
    assert any("written offline instead of by gemini" in line for line in allowed.err)


def test_one_failed_subtask_does_not_stop_the_others(
    server: LanguageServer, dataset: Path, captions: Command, tmp_path: Path
) -> None:
    stale = tmp_path / "cache" / "captions" / "content" / "aa" / "x.part"
    stale.parent.mkdir(parents=True)
    stale.touch()
    os.utime(stale, (0, 0))
    server.script.append(Refuse(418, "a teapot"))
    drafted = captions("draft", dataset, *FLASH, "--json", "--set", "captions.attempts=1")
    assert drafted.code == 1
    assert [r["episode_index"] for r in drafted.rows] == [1]
    assert any("episode 0, subtask 1: Gemini" in line for line in drafted.err), drafted.err
    assert "1 caption, 1 failed" in drafted.err[-1]
    assert not stale.exists(), "kept replies are tidied after a batch"


def test_what_fails_everywhere_is_said_once(
    server: LanguageServer, dataset: Path, captions: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = captions("draft", dataset, "--episodes", "0", *FLASH, "--no-cache")
    assert kept.code == 0, kept.err
    server.script.append(Refuse(403, "quota of this project"))
    words = ("draft", dataset, *FLASH, "--recipe", "frames", "--set", "captions.attempts=1")
    before = len(server.requests)
    refused = captions(*words)
    assert len(server.requests) == before + 1, "the key is not tried for each subtask"
    assert sum("Gemini at" in line for line in refused.err) == 1, refused.err
    assert refused.err[-2] == "demoscope: the same holds for: episode 1, subtask 1"
    assert "0 captions, 2 failed" in refused.err[-1]
    server.script.append(Refuse(403, "quota of this project"))
    captions(*words)
    sent = len(server.requests)
    assert sent == before + 2, "who runs again wants it tried again"
    monkeypatch.delenv("GEMINI_API_KEY")
    keyless = captions("draft", dataset, *FLASH, "--recipe", "frames", "--json")
    assert (keyless.code, keyless.out) == (1, "")
    assert keyless.err[0].startswith("demoscope: no key: set the environment variable")
    assert "cannot be asked; would take 2 requests" in keyless.err[1]
    assert len(keyless.err) == 2
    partly = captions("draft", dataset, *FLASH, "--json")  # what is kept needs no key
    assert [r["episode_index"] for r in partly.rows] == [0], partly.err
    assert sum("no key" in line for line in partly.err) == 1
    assert partly.err[-2] == "demoscope: the same holds for: episode 1, subtask 1"
    assert len(server.requests) == sent


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--recipe", "nonsense"), "hand-collage"),
        (("--episodes", "9"), "no episode 9"),
        (("--temperature", "7", *FLASH), "temperature"),
        (("--set", "captions.nonsense=1"), "no option nonsense"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    dataset: Path, captions: Command, words: tuple[str, ...], sentence: str
) -> None:
    ran = captions("draft", dataset, *words)
    assert ran.code == 1
    assert len(ran.err) == 1
    assert sentence in ran.err[0]


def test_recipes_are_listed(
    captions: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEMOSCOPE_CONFIG_DIR", str(tmp_path / "config"))
    folder = tmp_path / "config" / "recipes"
    folder.mkdir(parents=True)
    (folder / "mine.toml").write_text('title = "My own"\n')
    (folder / "broken.toml").write_text("title = 3\n")
    listed = captions("recipes")
    assert listed.code == 0
    lines = listed.out.splitlines()
    assert lines[1].startswith("hand-collage ")
    assert any(line.startswith("mine ") and "My own (yours)" in line for line in lines)
    assert any("broken.toml" in line for line in listed.err)
    rows = json.loads(captions("recipes", "--json").out)
    assert rows[0]["name"] == "hand-collage"
    assert {"representation", "sampler", "identity", "rate"} <= set(rows[0])


def test_the_request_of_a_subtask_as_files(
    server: LanguageServer, dataset: Path, captions: Command, tmp_path: Path
) -> None:
    """What is written is what is sent, byte for byte; no key is needed for it."""
    out = tmp_path / "request"
    assert captions("show-request", dataset, "--episode", "0", "--out", out).code == 0
    listing = json.loads((out / "request.json").read_text())
    assert server.requests == []
    captions("draft", dataset, "--episodes", "0", *FLASH)
    (request,) = server.requests
    assert (out / listing["system"]).read_text() == request.system
    for row, sent in zip(listing["parts"], request.parts, strict=True):
        data = (out / row["file"]).read_bytes()
        assert data == (sent.text.encode() if sent.kind == "text" else sent.data)
    grids = [r for r in listing["parts"] if r["kind"] == "image"][:3]
    assert [r["role"] for r in grids] == ["past", "present", "future"]
    assert all(len(r["frames"]) == 6 for r in grids)
    again = captions("show-request", dataset, "--episode", "0", "--out", out)
    assert again.code == 1
    assert "not an empty folder" in again.err[0]
    missing = captions(
        "show-request", dataset, "--episode", "0", "--subtask", "5", "--out", tmp_path / "other"
    )
    assert missing.code == 1
    assert "numbered from 0" in missing.err[0]


def test_annotate_tells_what_captions_cost(
    server: LanguageServer, dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = ("--set", "captions.backend=gemini", "--set", "captions.model=gemini-2.5-flash")
    words = ["annotate", str(dataset), *chosen]
    assert main(words) == 0
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("captions by gemini (gemini-2.5-flash): will take 2 requests, about")
    assert said[-1].endswith("took 2 requests, 200 tokens in, 54 out")
    assert len(server.requests) == 2
    assert main(words) == 0
    said = capsys.readouterr().err.splitlines()
    assert said[0].endswith("will take no requests")
    assert said[-1].endswith("took 2 kept answers")
    server.script.extend([Refuse(500, "broken")] * 4)
    once = ("--set", "captions.attempts=1", "--set", "captions.draw=1")
    assert main([*words, *once]) == 1
    said = capsys.readouterr().err.splitlines()
    assert "took 2 requests, 0 tokens in, 0 out" in said[-2]
    assert len(server.requests) == 4
