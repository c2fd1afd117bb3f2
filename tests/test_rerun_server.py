from __future__ import annotations

import http.client
from collections.abc import Iterator
from pathlib import Path

import pytest

from viewers import rerun_assets
from viewers.rerun_assets import ViewerUnavailableError, find_assets, viewer_assets
from viewers.rerun_server import Asset, AssetServer


@pytest.fixture
def server() -> Iterator[AssetServer]:
    with AssetServer() as running:
        yield running


def get(server: AssetServer, path: str, host: str | None = None) -> tuple[int, bytes, dict]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    try:
        connection.request("GET", path, headers={"Host": host} if host else {})
        response = connection.getresponse()
        return response.status, response.read(), dict(response.getheaders())
    finally:
        connection.close()


def test_serves_bytes_and_files_by_name(server: AssetServer, tmp_path: Path) -> None:
    (tmp_path / "a.rrd").write_bytes(b"from a file")
    server.put("module.wasm", Asset(b"\0asm", "application/wasm", immutable=True))
    server.put("a.rrd", Asset(tmp_path / "a.rrd", "application/octet-stream"))
    status, body, headers = get(server, f"/{server.token}/module.wasm?x=1")
    assert (status, body) == (200, b"\0asm")
    assert headers["Content-Type"] == "application/wasm"
    assert "immutable" in headers["Cache-Control"]
    status, body, headers = get(server, f"/{server.token}/a.rrd")
    assert (status, body, headers["Cache-Control"]) == (200, b"from a file", "no-store")


def test_a_page_may_load_from_here_only(server: AssetServer) -> None:
    server.put("page.html", Asset(b"<html>", "text/html"))
    _, _, headers = get(server, f"/{server.token}/page.html")
    rules = dict(rule.split(" ", 1) for rule in headers["Content-Security-Policy"].split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == "'self' 'wasm-unsafe-eval'"
    assert rules["connect-src"] == "'self'"
    assert headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize("path", ["/", "/a.rrd", "/wrong/a.rrd", "/{token}/b.rrd", "/{token}/"])
def test_everything_else_is_not_found(server: AssetServer, path: str) -> None:
    server.put("a.rrd", Asset(b"secret", "application/octet-stream"))
    status, body, _ = get(server, path.replace("{token}", server.token))
    assert status == 404
    assert b"secret" not in body


def test_another_host_name_is_refused(server: AssetServer) -> None:
    server.put("a.rrd", Asset(b"secret", "application/octet-stream"))
    status, body, _ = get(server, f"/{server.token}/a.rrd", host="evil.example")
    assert status == 403
    assert b"secret" not in body


def test_a_file_that_is_gone_or_removed_is_not_found(server: AssetServer, tmp_path: Path) -> None:
    server.put("gone.rrd", Asset(tmp_path / "gone.rrd", "application/octet-stream"))
    assert get(server, f"/{server.token}/gone.rrd")[0] == 404
    server.put("a.rrd", Asset(b"", "application/octet-stream"))
    server.remove("a.rrd")
    assert get(server, f"/{server.token}/a.rrd")[0] == 404


@pytest.mark.parametrize("name", ["", "../a", "a/b", ".hidden"])
def test_names_are_plain(server: AssetServer, name: str) -> None:
    with pytest.raises(ValueError, match="asset name"):
        server.put(name, Asset(b"", "text/plain"))


def test_close_ends_the_thread_and_may_be_repeated() -> None:
    server = AssetServer()
    server.close()
    server.close()
    assert not server._thread.is_alive()
    with pytest.raises(ConnectionRefusedError):
        get(server, "/")


def test_viewer_files_are_taken_from_the_sdk_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assets = viewer_assets(tmp_path / "cache")
    assert assets.module.read_bytes()[:4] == b"\0asm"
    assert b"WebHandle" in assets.script.read_bytes()
    assert sorted(p.name for p in (tmp_path / "cache").iterdir()) == sorted(rerun_assets.FILES)
    monkeypatch.setattr(rerun_assets, "_extract", lambda folder: pytest.fail("extracted twice"))
    assert viewer_assets(tmp_path / "cache") == assets


def test_a_missing_program_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RERUN_CLI_PATH", str(tmp_path / "nothing"))
    with pytest.raises(ViewerUnavailableError, match="without its `rerun` program"):
        viewer_assets(tmp_path)


def test_a_broken_program_leaves_no_half_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "rerun"
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("RERUN_CLI_PATH", str(program))
    with pytest.raises(ViewerUnavailableError, match="code 3"):
        viewer_assets(tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ViewerUnavailableError, match="could not be prepared"):
        viewer_assets(tmp_path / "file" / "below")


def test_an_empty_file_is_no_asset(tmp_path: Path) -> None:
    for name in rerun_assets.FILES:
        (tmp_path / name).touch()
    assert find_assets(tmp_path, "0") is None
