"""Datasets of the Hub, against a server on loopback that speaks its protocol."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.cli import run
from pipeline.model.problem import Cancelled, DataError
from pipeline.review.location import choose_place
from pipeline.sources.hub import download as hub
from pipeline.sources.hub.dataset import open_anything
from tests import hdf5_files
from tests.datasets import FRONT, write_v2, write_v3
from tests.hub_server import COMMIT, Hub, serve

pytest.importorskip("huggingface_hub")


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    datasets = {
        "me/two": write_v2(tmp_path / "two", (12, 10)),
        "me/three": write_v3(tmp_path / "three", (12, 10)),
        "me/mimic": hdf5_files.write_robomimic(tmp_path / "mimic" / "low.hdf5").parent,
    }
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    with serve(datasets, frozenset({"me/gated"})) as hub_server:
        monkeypatch.setenv("HF_ENDPOINT", hub_server.address)
        yield hub_server


@pytest.mark.parametrize(
    ("text", "repo", "revision"),
    [
        ("lerobot/pusht", "lerobot/pusht", "main"),
        ("lerobot/pusht@v2.1", "lerobot/pusht", "v2.1"),
        ("hf://datasets/lerobot/pusht", "lerobot/pusht", "main"),
        ("https://huggingface.co/datasets/lerobot/pusht", "lerobot/pusht", "main"),
        ("https://huggingface.co/datasets/lerobot/pusht/tree/v3.0", "lerobot/pusht", "v3.0"),
    ],
)
def test_ids_are_read_in_their_usual_forms(text: str, repo: str, revision: str) -> None:
    assert hub.hub_name(text) == hub.HubName(repo, revision)


@pytest.mark.parametrize("text", ["/a/b", "a", "a/b/c", "../a", "a/../b", "./a/b", "a/b#3"])
def test_paths_are_no_ids(text: str) -> None:
    assert hub.hub_name(text) is None


def test_an_existing_folder_is_no_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lerobot" / "pusht").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert hub.hub_name("lerobot/pusht") is None


def test_an_episode_comes_when_it_is_opened(server: Hub) -> None:
    said: list[str] = []
    source = open_anything("me/two", lambda _share, what: said.append(what))
    assert all(name.startswith("meta/") for name in server.requests)
    assert [e.present for e in source.info.episodes] == [True, True]
    assert not source.info.problems
    demonstration = source.open(1)
    assert demonstration.length == 10
    assert source.reader(demonstration).frame(FRONT, 9).shape == (48, 64, 3)
    assert [n for n in server.requests if "episode_000000" in n] == []
    assert any("MB" in what for what in said)
    before = len(server.requests)
    open_anything("me/two").open(1)
    assert len(server.requests) == before, "what is in the cache is not fetched again"


def test_v3_fetches_the_files_that_hold_the_episode(server: Hub) -> None:
    source = open_anything("me/three")
    assert source.open(1).length == 10
    assert any(n.endswith(".mp4") for n in server.requests)


def test_other_formats_come_whole(server: Hub) -> None:
    source = open_anything("me/mimic")
    assert source.info.format == "robomimic"
    assert server.requests == ["low.hdf5"]


def test_other_formats_that_are_large_are_refused(
    server: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "_WHOLE_BYTES", 1000)
    with pytest.raises(DataError, match="hf download") as error:
        open_anything("me/mimic")
    assert error.value.code == "too_large"
    assert server.requests == []


@pytest.mark.parametrize(
    ("text", "code"),
    [("me/none", "no_such_dataset"), ("me/gated", "no_access"), ("me/two@v9", "no_such_dataset")],
)
def test_what_cannot_be_fetched_is_said(server: Hub, text: str, code: str) -> None:
    with pytest.raises(DataError) as error:
        open_anything(text)
    assert error.value.code == code
    assert "\n" not in str(error.value)


def test_offline_opens_what_is_in_the_cache(server: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    open_anything("me/two").open(0)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    source = open_anything("me/two")
    assert source.open(0).length == 12
    with pytest.raises(DataError) as error:
        source.open(1)
    assert error.value.code in ("offline", "missing_data")
    with pytest.raises(DataError, match=r"me/other does not exist here; the Hub cannot be reached"):
        open_anything("me/other")


def test_a_dead_server_is_offline_too(server: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(DataError) as error:
        open_anything("me/two")
    assert error.value.code == "offline"


def test_a_download_can_be_cancelled(server: Hub) -> None:
    source = open_anything("me/two", cancelled=lambda: len(server.requests) > 8)
    server.requests.extend(["x"] * 9)
    with pytest.raises(Cancelled):
        source.open(0)


def test_reviews_do_not_lie_in_the_cache(server: Hub, tmp_path: Path) -> None:
    path = Path(open_anything("me/two").info.path)
    assert path.name == COMMIT
    place = choose_place(path, tmp_path / "data")
    assert not place.beside
    assert "datasets--me--two" in place.path.parent.name
    shutil.rmtree(path)


def test_without_the_package_the_sentence_says_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(DataError, match="pip install") as error:
        open_anything("me/two")
    assert error.value.code == "no_hub"


def test_info_says_what_is_in_the_cache_and_fetches_no_episode(
    server: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["info", "me/two"]) == 0
    assert "0 of 2 on disk" in capsys.readouterr().out
    assert all(name.startswith("meta/") for name in server.requests)


def test_annotating_wants_to_know_which_episodes(
    server: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["annotate", "me/two"]) == 1
    assert "--episodes" in capsys.readouterr().err
