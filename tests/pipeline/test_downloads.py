"""Weights of models from the Hub: whole, checked, continued, and nothing half-valid."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from app.cli import run
from pipeline.backends import catalogue, downloads, licences, maintenance, registry
from pipeline.backends.backend import ModelBackend, ModelSettings
from pipeline.backends.checksums import digest_of as digest_of_file
from pipeline.backends.weights import Weights, find_weights, missing_sentence, named_weights
from pipeline.model.problem import Cancelled, DataError
from tests.hub_server import COMMIT, Hub, digest_of, serve

pytest.importorskip("huggingface_hub")
safetensors = pytest.importorskip("safetensors.numpy")

TOY = Weights("lab/toy", ("config.json", "model.safetensors"), "MIT", 3)
LATER = "0" * 39 + "1"


class Toy(ModelBackend):
    """A model whose weights the server of the tests has."""

    name: ClassVar[str] = "toy"
    title: ClassVar[str] = "Toy"
    licence: ClassVar[str] = "MIT"
    packages: ClassVar[tuple[str, ...]] = ("json",)
    weights: ClassVar[Weights | None] = TOY


class Fenced(Toy):
    """The same with a licence that has to be accepted."""

    name: ClassVar[str] = "fenced"
    licence: ClassVar[str] = "CC-BY-NC-4.0"
    notice: ClassVar[str] = "Code and weights are for non-commercial use only."


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    models = {}
    for i, repo in enumerate(("lab/toy", "lab/other", "lab/gated")):
        folder = tmp_path / "hub" / str(i)
        folder.mkdir(parents=True)
        (folder / "config.json").write_text('{"size": 3}')
        values = np.random.default_rng(i).integers(0, 99, 700_000).astype(np.float32)
        safetensors.save_file({"w": values}, folder / "model.safetensors")
        models[repo] = folder
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DEMOSCOPE_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.delenv("DEMOSCOPE_MODELS_DIR", raising=False)
    monkeypatch.setattr(downloads, "_PAUSE", 0.01)
    # Lists need not import torch here.
    monkeypatch.setattr(catalogue, "devices_here", lambda: ())
    monkeypatch.setitem(
        registry.MODELS,
        "detection",
        {"toy": f"{__name__}:Toy", "fenced": f"{__name__}:Fenced"},
    )
    with serve({}, frozenset({"lab/gated"}), models) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        yield hub


def fetch(weights: Weights = TOY, cancelled=lambda: False) -> list[float]:
    shares: list[float] = []
    downloads.download(weights, lambda share, _what: shares.append(share), cancelled)
    return shares


def blobs(tmp_path: Path, repo: str = "lab/toy") -> list[str]:
    folder = tmp_path / "cache" / ("models--" + repo.replace("/", "--")) / "blobs"
    return sorted(p.name for p in folder.glob("*"))


def large(server: Hub) -> str:
    data = (server.models["lab/toy"] / "model.safetensors").read_bytes()
    return digest_of("model.safetensors", data)


def forbid_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


# -- fetching ------------------------------------------------------------------------------------


def test_weights_come_whole_and_are_found_without_a_network(
    server: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_weights(TOY, "") is None
    shares = fetch()
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    forbid_network(monkeypatch)
    folder = find_weights(TOY, "")
    assert folder is not None
    assert folder.name == COMMIT
    for name in TOY.files:
        assert (folder / name).read_bytes() == (server.models["lab/toy"] / name).read_bytes()
    backend = Toy()
    assert backend.available() is None
    backend.load()
    done = maintenance.verify("detection", "toy", ModelSettings(), lambda *_: None, lambda: False)
    assert done.ok
    assert [f.state for f in done.files] == ["ok", "ok"]


def test_the_layout_is_that_of_huggingface_hub(server: Hub) -> None:
    from huggingface_hub import hf_hub_download, scan_cache_dir

    fetch()
    before = list(server.requests)
    path = hf_hub_download("lab/toy", "model.safetensors", cache_dir=os.environ["HF_HUB_CACHE"],
                           endpoint=server.address)  # fmt: skip
    assert server.requests == before, "what we fetched serves others"
    found = find_weights(TOY, "")
    assert found is not None
    assert Path(path).resolve() == (found / "model.safetensors").resolve()
    assert not scan_cache_dir(os.environ["HF_HUB_CACHE"]).warnings


def test_what_others_fetched_counts(server: Hub) -> None:
    from huggingface_hub import snapshot_download

    snapshot_download("lab/toy", cache_dir=os.environ["HF_HUB_CACHE"], endpoint=server.address)
    assert find_weights(TOY, "") is not None
    before = list(server.requests)
    fetch()
    assert server.requests == before


def test_a_cut_connection_is_continued(server: Hub, tmp_path: Path) -> None:
    server.cut_after["model.safetensors"] = 1_500_000
    fetch()
    at = [s for n, s in zip(server.requests, server.ranges, strict=True) if n.endswith("tensors")]
    assert len(at) == 2
    assert 1_000_000 < at[1] <= 1_500_000
    assert blobs(tmp_path) == sorted([large(server), digest_of("config.json", b'{"size": 3}')])


def test_two_downloads_of_the_same_share_one(server: Hub) -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _i: fetch(), range(2)))
    assert sorted(server.requests) == ["config.json", "model.safetensors"]
    assert find_weights(TOY, "") is not None


def test_a_cancelled_download_is_continued_the_next_time(server: Hub, tmp_path: Path) -> None:
    asked = []

    def cancelled() -> bool:
        asked.append(1)
        return len(asked) > 20

    with pytest.raises(Cancelled):
        fetch(cancelled=cancelled)
    assert find_weights(TOY, "") is None, "nothing half-valid"
    assert f"{large(server)}.incomplete" in blobs(tmp_path)
    fetch()
    assert server.ranges[-1] > 0
    assert find_weights(TOY, "") is not None
    assert not [b for b in blobs(tmp_path) if b.endswith(".incomplete")]


def test_a_server_that_continues_nothing_starts_again(server: Hub) -> None:
    server.can_continue = False
    server.cut_after["model.safetensors"] = 1_500_000
    fetch()
    assert server.ranges == [0, 0, 0]
    assert find_weights(TOY, "") is not None


def test_a_wrong_beginning_is_fetched_again(server: Hub, tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "models--lab--toy" / "blobs"
    folder.mkdir(parents=True)
    (folder / f"{large(server)}.incomplete").write_bytes(b"\0" * 1_000_000)
    fetch()
    assert server.ranges[-2:] == [1_000_000, 0]
    assert digest_of_file(folder / large(server), large(server)) == large(server)


def test_another_content_than_announced_is_refused(server: Hub, tmp_path: Path) -> None:
    server.spoilt.add("model.safetensors")
    with pytest.raises(DataError, match="another content than the Hub announced") as error:
        fetch()
    assert error.value.code == "bad_checksum"
    assert find_weights(TOY, "") is None
    assert blobs(tmp_path) == [digest_of("config.json", b'{"size": 3}')]


def test_a_busy_server_is_waited_for(server: Hub) -> None:
    server.busy = 2
    fetch()
    assert find_weights(TOY, "") is not None


def test_a_server_that_stays_busy_is_given_up(server: Hub) -> None:
    server.busy = 99
    with pytest.raises(DataError) as error:
        fetch()
    assert error.value.code == "hub_failed"


def test_an_update_that_breaks_off_leaves_the_old_weights_in_force(server: Hub) -> None:
    fetch()
    folder = server.models["lab/toy"]
    values = {"w": np.ones(600_000, np.float32)}
    safetensors.save_file(values, folder / "model.safetensors")
    server.commit = LATER
    server.spoilt.add("model.safetensors")
    with pytest.raises(DataError):
        fetch()
    found = find_weights(TOY, "")
    assert found is not None
    assert found.name == COMMIT
    server.spoilt.clear()
    fetch()
    found = find_weights(TOY, "")
    assert found is not None
    assert found.name == LATER


def test_a_broken_blob_is_found_and_fetched_again(
    server: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fetch()
    blob = tmp_path / "cache" / "models--lab--toy" / "blobs" / large(server)
    content = blob.read_bytes()
    blob.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert run(["models", "verify", "toy"]) == 1
    said = capsys.readouterr().out
    assert "model.safetensors: not the content" in said
    assert "demoscope models download toy" in said
    assert run(["models", "download", "toy"]) == 0
    assert run(["models", "verify", "toy"]) == 0
    assert blob.read_bytes() == content


@pytest.mark.parametrize(
    ("weights", "code", "words"),
    [
        (Weights("lab/none", ("a",), "MIT", 1), "no_such_model", "no model lab/none"),
        (Weights("lab/gated", ("config.json",), "MIT", 1), "no_access", "accept its terms"),
        (Weights("lab/toy", ("a.bin",), "MIT", 1), "no_such_file", "has no file a.bin"),
        (Weights("lab/toy", ("config.json",), "MIT", 1, "v9"), "no_such_model", "no revision v9"),
    ],
)
def test_what_cannot_be_fetched_is_said(
    server: Hub, weights: Weights, code: str, words: str
) -> None:
    with pytest.raises(DataError, match=words) as error:
        fetch(weights)
    assert error.value.code == code


def test_without_a_network_the_sentence_says_what_to_do(
    server: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(DataError, match="DEMOSCOPE_MODELS_DIR") as error:
        fetch()
    assert error.value.code == "offline"
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    forbid_network(monkeypatch)
    with pytest.raises(DataError) as error:
        fetch()
    assert error.value.code == "offline"


def test_a_full_disk_is_noticed_before(server: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        downloads.shutil, "disk_usage", lambda _p: type("U", (), {"free": 1_000_000})()
    )
    with pytest.raises(DataError, match="make room or set HF_HUB_CACHE") as error:
        fetch()
    assert error.value.code == "no_space"
    assert server.requests == []


def test_a_users_folder_needs_no_hub(
    server: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "mine" / "lab" / "toy"
    folder.mkdir(parents=True)
    for name in TOY.files:
        (folder / name).write_bytes((server.models["lab/toy"] / name).read_bytes())
    monkeypatch.setenv("DEMOSCOPE_MODELS_DIR", str(tmp_path / "mine"))
    forbid_network(monkeypatch)
    assert find_weights(TOY, "") == folder
    done = maintenance.verify("detection", "toy", ModelSettings(), lambda *_: None, lambda: False)
    assert done.ok
    assert [f.state for f in done.files] == ["unknown", "unknown"]


# -- names ---------------------------------------------------------------------------------------


def test_named_weights_may_have_a_revision() -> None:
    assert named_weights(TOY, "a/b@v2") == Weights("a/b", TOY.files, "unknown", 0, "v2")
    assert named_weights(TOY, "lab/toy") == TOY
    for text in ("", "a", "./a/b", "a/b/c", "a/../b", "~/a"):
        assert named_weights(TOY, text) is None, text
    assert named_weights(None, "a/b") is None


def test_the_sentence_of_other_weights_names_them() -> None:
    assert "--weights a/b" in missing_sentence("toy", TOY, "a/b")
    assert "3 MB, MIT" in missing_sentence("toy", TOY, "")
    assert "path of a file" in missing_sentence("toy", TOY, "/no/such/file")


# -- licences ------------------------------------------------------------------------------------


def test_consent_is_recorded_and_asked_again_for_another_licence(server: Hub) -> None:
    assert not licences.accepted("fenced")
    licences.accept("fenced", "CC-BY-NC-4.0")
    assert licences.accepted("fenced", "CC-BY-NC-4.0")
    assert not licences.accepted("fenced", "something else")
    licences.accept("other")
    assert licences.accepted("fenced")
    assert licences.accepted("other", "MIT")


def test_a_broken_file_of_licences_accepts_nothing(server: Hub) -> None:
    licences.accept("fenced")
    for text in ("{", "[1]", '{"fenced": 1}'):
        licences.licences_file().write_text(text)
        assert not licences.accepted("fenced")
    licences.accept("fenced")
    assert licences.accepted("fenced")


def test_consent_that_cannot_be_saved_is_said(
    server: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DEMOSCOPE_CONFIG_DIR", str(tmp_path / "file"))
    with pytest.raises(DataError, match="could not be written"):
        licences.accept("fenced")


def test_a_restricted_model_is_fetched_and_used_only_after_consent(
    server: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["models", "download", "fenced"]) == 1
    said = capsys.readouterr()
    assert "non-commercial" in said.out
    assert "--accept-licence fenced" in said.err
    assert server.requests == []
    with pytest.raises(DataError) as error:
        maintenance.fetch("detection", "fenced", "", lambda *_: None, lambda: False)
    assert error.value.code == "no_consent"
    fetch()  # the weights are here by way of another backend
    assert "licence has to be accepted" in (Fenced().available() or "")
    assert run(["models", "download", "fenced", "--accept-licence", "fenced"]) == 0
    assert Fenced().available() is None


def test_consent_can_be_given_without_a_download(server: Hub) -> None:
    fetch()
    assert run(["models", "accept", "fenced"]) == 0
    assert Fenced().available() is None
    assert run(["models", "accept", "toy"]) == 0


def test_other_weights_ask_for_the_licence_of_the_hub(
    server: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    server.licences["lab/other"] = "cc-by-nc-4.0"
    assert run(["models", "download", "toy", "--weights", "lab/other"]) == 1
    assert "--accept-licence lab/other" in capsys.readouterr().err
    command = ["models", "download", "toy", "--weights", "lab/other"]
    assert run([*command, "--accept-licence", "lab/other"]) == 0
    assert find_weights(TOY, "lab/other") is not None
    assert find_weights(TOY, "") is None
    assert run(["models", "verify", "toy", "--weights", "lab/other"]) == 0
    assert run(["models", "verify", "toy"]) == 1
    server.licences["lab/other"] = "apache-2.0"
    assert run(["models", "download", "toy", "--weights", "lab/other"]) == 0


@pytest.mark.parametrize(
    ("licence", "restricted"),
    [
        ("cc-by-nc-4.0", True),
        ("CC BY-NC 4.0", True),
        ("non-commercial research", True),
        ("apache-2.0", False),
        ("mit", False),
        ("", False),
    ],
)
def test_licences_that_forbid_something_are_known(licence: str, restricted: bool) -> None:
    assert downloads.is_restricted(licence) is restricted


# -- the command -----------------------------------------------------------------------------------


def test_the_command_lists_what_is_here(server: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models"]) == 0
    said = capsys.readouterr().out
    assert "regions" in said
    assert "weights lab/toy (3 MB): not on this machine" in said
    fetch()
    assert run(["models", "--json"]) == 0
    listed = {b["name"]: b for b in json.loads(capsys.readouterr().out)["backends"]}
    assert listed["toy"]["state"] == "ready"
    assert listed["toy"]["weights"][0]["path"].endswith(COMMIT)
    assert listed["fenced"]["state"] == "licence not accepted"
    assert listed["regions"]["kind"] == "embedded"


def test_the_command_verifies_what_is_here(server: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    fetch()
    assert run(["models", "verify", "toy", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["ok"]
    assert {f["state"] for f in found["files"]} == {"ok"}
    assert run(["models", "--json", "verify", "toy"]) == 0
    assert json.loads(capsys.readouterr().out) == [found]


def test_weights_that_are_no_weights_do_not_load(
    server: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    (server.models["lab/toy"] / "model.safetensors").write_bytes(b"no tensors")
    fetch()
    assert run(["models", "verify", "toy"]) == 1
    assert "cannot be read as weights" in capsys.readouterr().out


@pytest.mark.parametrize("command", [["download", "nobody"], ["verify", "nobody"]])
def test_an_unknown_name_is_answered_with_those_there_are(
    server: Hub, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["models", *command]) == 1
    assert "there is no backend nobody; there are: regions, toy" in capsys.readouterr().err


def test_nothing_to_fetch_is_said(server: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "download", "regions"]) == 1
    assert "nothing is to be fetched for regions" in capsys.readouterr().err
    assert run(["models", "download", "toy", "--weights", "a path"]) == 1
    assert "no id of the Hub" in capsys.readouterr().err
