"""No key and no network: drafting, checking, reviewing and exporting all work."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any, NoReturn

import pytest

from app.main import main
from pipeline.annotate import annotate_episode, standard_graph
from pipeline.backends.language.credentials import VARIABLES
from pipeline.model.caption import Verdict
from pipeline.model.edits import CritiqueCaption, JudgeCaption
from pipeline.review.store import ReviewStore
from pipeline.sources.detect import open_dataset
from tests.broken_datasets import snapshot
from tests.datasets import write_v2


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without keys on which nothing outside it can be reached or looked up."""
    for names in VARIABLES.values():
        for name in names:
            monkeypatch.delenv(name, raising=False)

    def refused(*_: object, **__: object) -> NoReturn:
        raise AssertionError("something asked for the network")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket.socket, "connect_ex", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)


def lines(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.split("\n") if line]


@pytest.mark.usefixtures("alone")
def test_the_whole_loop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_v2(tmp_path / "v2")
    before = snapshot(root)

    # Drafted.
    assert main(["captions", "draft", str(root), "--episodes", "0", "--json"]) == 0
    (draft,) = lines(capsys.readouterr().out)
    assert draft["caption"].endswith(".")
    assert (draft["model"], draft["tokens"]) == ("", 0)

    # Criticised: the offline drafter revises with what was said.
    store = ReviewStore.open(root, who="ann")
    critique = CritiqueCaption(
        subtask=draft["subtask_index"],
        uid="c1",
        about=draft["caption"],
        fields=("object_name",),
        text="The object should be the purple block.",
        corrections=(("object_name", "purple block"),),
    )
    store.append(0, critique)
    source = open_dataset(str(root))
    run = annotate_episode(source, 0, graph=standard_graph(), edits=store.edits(0))
    assert run.failure is None
    result = run.outcomes[draft["subtask_index"]]["captions"].result
    assert [v.critique for v in result.versions] == ["", "c1"]
    assert "purple block" in result.text

    # Checked.
    checks = run.outcomes[draft["subtask_index"]]["checks"].result
    assert checks.text == result.text
    assert checks.constraints

    # Accepted and exported.
    judged = JudgeCaption(
        subtask=draft["subtask_index"],
        verdict=Verdict.ACCEPTED,
        draft=result.draft,
        text=result.text,
    )
    store.append(0, judged)
    store.close()
    assert main(["captions", "export", str(root), "--format", "preferences"]) == 0
    (row,) = lines(capsys.readouterr().out)
    assert (row["rejected"], row["chosen"]) == (draft["caption"], result.text)
    assert main(["captions", "people", str(root), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["critiques"] == 1
    assert snapshot(root) == before


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("backend", ["gemini", "openai_compatible"])
def test_a_model_without_a_key_or_an_address_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], backend: str
) -> None:
    root = write_v2(tmp_path / "v2")
    words = ["captions", "draft", str(root), "--episodes", "0", "--backend", backend]
    assert main(words) == 1
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert "key" in said or "address" in said
