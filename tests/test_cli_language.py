"""`demoscope annotate` with a language model: the cost before and after, and no key anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.main import main
from tests.datasets import write_v2
from tests.language_server import LanguageServer, Refuse, cycle_by_cycle, language_server
from tests.pipeline.batch_toys import many_episodes

KEY = "sk-geheim-0123456789abcdef"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LanguageServer]:
    monkeypatch.setenv("DEMOSCOPE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("DEMOSCOPE_OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with language_server(KEY) as found:
        found.answer = cycle_by_cycle({"object": "green lemon", "verb": "put", "target": "bowl"})
        yield found


class Command:
    """`annotate` on two small episodes with one instruction and one phase sequence."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root = write_v2(root / "v2")
        self._capsys = capsys

    def __call__(self, *settings: str) -> tuple[int, list[str]]:
        words = ["annotate", str(self.root)]
        for setting in settings:
            words += ["--set", f"subtasks.{setting}"]
        code = main(words)
        out, err = self._capsys.readouterr()
        assert KEY not in out + err
        assert "Traceback" not in err
        return code, err.splitlines()


@pytest.fixture
def annotate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(tmp_path, capsys)


def test_cost_is_told_before_and_after(
    server: LanguageServer, annotate: Command, tmp_path: Path
) -> None:
    asked = ("backend=openai_compatible", "model=m", f"base_url={server.url}")
    code, said = annotate(*asked)
    assert code == 0
    questions = len(server.requests)
    assert 1 <= questions <= 2
    before, after = said[0], said[-1]
    assert before.startswith(f"openai_compatible (m): will take {questions} request")
    assert "tokens in" in before
    assert f"took {questions} request" in after
    assert f"{100 * questions} tokens in, {27 * questions} out" in after
    assert any("green lemon" in line for line in said[1:-1])

    code, said = annotate(*asked)  # the results are there
    assert said[0] == "openai_compatible (m): will take no requests; 2 episodes answered before"
    assert said[-1] == "openai_compatible (m): took 2 kept answers"
    code, said = annotate(*asked, "widen_s=0.1")  # another result, from the kept answers
    assert said[-1] == "openai_compatible (m): took 2 kept answers"
    assert len(server.requests) == questions
    files = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert any(p.parent.parent.name == "language" for p in files)
    assert not [p for p in files if KEY.encode() in p.read_bytes()]


def test_the_rules_cost_nothing_and_say_nothing(annotate: Command) -> None:
    code, said = annotate()
    assert code == 0
    assert not [line for line in said if "will take" in line or "took" in line]


def test_what_failed_was_spent_too(server: LanguageServer, annotate: Command) -> None:
    server.script.extend([Refuse(500, "broken")] * 8)
    code, said = annotate(
        "backend=openai_compatible", "model=m", f"base_url={server.url}", "attempts=2",
        "max_wait_s=0.01",
    )  # fmt: skip
    assert code == 1
    assert len(server.requests) == 4
    assert any("is busy, 2 attempts failed (500: broken)" in line for line in said)
    assert "openai_compatible (m): took 4 requests, 0 tokens in, 0 out" in said


def test_a_backend_that_cannot_be_used_is_said_once(
    annotate: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GEMINI_API_KEY", "GOOGLE_API_KEY", "DEMOSCOPE_GEMINI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    code, said = annotate("backend=gemini")
    assert code == 1
    assert len(said) == 1
    assert "GEMINI_API_KEY" in said[0]
    code, said = annotate("backend=openai_compatible")
    assert code == 1
    assert "subtasks.base_url" in said[0]
    code, said = annotate("backend=gemini", "allow_fallback=true")
    assert code == 0
    assert any("rules ran instead of gemini" in line for line in said)


def test_processes_ask_an_equal_question_once(
    server: LanguageServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Six episodes with one question in two processes: one request, told before and after."""
    root = many_episodes(tmp_path / "many", [20] * 6)
    words = ["annotate", str(root), "--jobs", "2", "--out", str(tmp_path / "run")]
    for setting in ("backend=openai_compatible", "model=m", f"base_url={server.url}"):
        words += ["--set", f"subtasks.{setting}"]
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert KEY not in out + err
    assert len(server.requests) == 1
    said = err.splitlines()
    assert said[1].startswith("openai_compatible (m): will take 1 request")
    assert "5 episodes with the question of another one" in said[1]
    assert (
        said[-1] == "openai_compatible (m): took 1 request, 100 tokens in, 27 out; 5 kept answers"
    )
    assert KEY.encode() not in b"".join(p.read_bytes() for p in (tmp_path / "run").rglob("*.*"))
