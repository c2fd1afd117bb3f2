"""A server on loopback that speaks the part of the Hub's protocol that downloads use."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

COMMIT = "5f1d7a30c0ffee5f1d7a30c0ffee5f1d7a30c0ff"


LARGE = (".safetensors", ".pt", ".pth")
"""Files that the Hub keeps in its large file storage, named by their sha256."""


class Hub:
    """What the server offers and what was asked of it.

    Attributes:
        requests: Paths of files that were fetched, in order.
        ranges: First byte of each of these requests.
        address: `http://127.0.0.1:port`.
        licences: Licence of a model by its id.
        commit: Of every repository.
        cut_after: Bytes after which the connection breaks, by file; each is cut once.
        spoilt: Files that come with another content than announced.
        busy: Answers of 503 that are left, for files.
        can_continue: False for a server that ignores ranges.
    """

    def __init__(
        self, datasets: dict[str, Path], gated: frozenset[str], models: dict[str, Path]
    ) -> None:
        self.datasets = datasets
        self.models = models
        self.gated = gated
        self.requests: list[str] = []
        self.ranges: list[int] = []
        self.address = ""
        self.licences: dict[str, str] = {}
        self.commit = COMMIT
        self.cut_after: dict[str, int] = {}
        self.spoilt: set[str] = set()
        self.busy = 0
        self.can_continue = True

    def files(self, repo: str) -> dict[str, Path]:
        root = self.datasets.get(repo) or self.models[repo]
        return {p.relative_to(root).as_posix(): p for p in sorted(root.rglob("*")) if p.is_file()}


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, *, body: bool) -> None:
            parts = [unquote(p) for p in urlsplit(self.path).path.strip("/").split("/")]
            if parts[0] == "api" and parts[1] in ("datasets", "models"):
                self._api("/".join(parts[2:4]), parts[4:], body=body)
            elif parts[0] == "datasets" and len(parts) > 5 and parts[3] == "resolve":
                self._file("/".join(parts[1:3]), "/".join(parts[5:]), body=body)
            elif len(parts) > 4 and parts[2] == "resolve":
                self._model_file("/".join(parts[:2]), parts[3], "/".join(parts[4:]), body=body)
            else:
                self._send(404, b"", {}, body=body)

        def _api(self, repo: str, rest: list[str], *, body: bool) -> None:
            if repo in hub.gated:
                headers = {"X-Error-Code": "GatedRepo", "X-Error-Message": "gated"}
                self._send(403, b"{}", headers, body=body)
            elif repo not in hub.datasets and repo not in hub.models:
                self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"}, body=body)
            elif rest[:1] == ["tree"]:
                listed = [
                    {
                        "type": "file",
                        "path": name,
                        "size": path.stat().st_size,
                        "oid": hashlib.sha1(path.read_bytes(), usedforsecurity=False).hexdigest(),
                    }
                    for name, path in hub.files(repo).items()
                ]
                self._json(listed, body=body)
            elif rest[:1] == ["revision"] and rest[1] not in ("main", hub.commit):
                self._send(404, b"{}", {"X-Error-Code": "RevisionNotFound"}, body=body)
            else:
                tags = [f"license:{hub.licences[repo]}"] if repo in hub.licences else []
                about = {"id": repo, "sha": hub.commit, "siblings": [], "tags": tags}
                self._json(about, body=body)

        def _file(self, repo: str, name: str, *, body: bool) -> None:
            path = hub.files(repo).get(name) if repo in hub.datasets else None
            if path is None:
                self._send(404, b"", {"X-Error-Code": "EntryNotFound"}, body=body)
                return
            data = path.read_bytes()
            if body:
                hub.requests.append(name)
            etag = f'"{hashlib.sha1(data, usedforsecurity=False).hexdigest()}"'
            self._send(200, data, {"ETag": etag, "X-Repo-Commit": hub.commit}, body=body)

        def _model_file(self, repo: str, revision: str, name: str, *, body: bool) -> None:
            if repo in hub.gated:
                headers = {"X-Error-Code": "GatedRepo", "X-Error-Message": "gated"}
                self._send(403, b"", headers, body=body)
                return
            if repo not in hub.models:
                self._send(404, b"", {"X-Error-Code": "RepoNotFound"}, body=body)
                return
            if revision not in ("main", hub.commit):
                self._send(404, b"", {"X-Error-Code": "RevisionNotFound"}, body=body)
                return
            path = hub.files(repo).get(name)
            if path is None:
                headers = {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": hub.commit}
                self._send(404, b"", headers, body=body)
                return
            data = path.read_bytes()
            headers = {"X-Repo-Commit": hub.commit, "ETag": f'"{digest_of(name, data)}"'}
            if name.endswith(LARGE):
                # As the storage behind the Hub: its own ETag, the Hub's in a header.
                headers |= {"X-Linked-Etag": headers["ETag"], "X-Linked-Size": str(len(data))}
                headers["ETag"] = '"of-the-storage"'
            if not body:
                self._send(200, data, headers, body=False)
                return
            if hub.busy:
                hub.busy -= 1
                self._send(503, b"", {}, body=True)
                return
            self._bytes(name, data, headers)

        def _bytes(self, name: str, data: bytes, headers: dict[str, str]) -> None:
            start = 0
            if hub.can_continue and self.headers.get("Range"):
                start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
                headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            hub.requests.append(name)
            hub.ranges.append(start)
            if name in hub.spoilt:
                data = bytes(b ^ 1 for b in data)
            self.send_response(206 if start else 200)
            for key, value in headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(data) - start))
            self.end_headers()
            cut = hub.cut_after.pop(name, None)
            if cut is None:
                self.wfile.write(data[start:])
                return
            self.wfile.write(data[start : start + cut])
            self.wfile.flush()
            self.close_connection = True

        def _json(self, value: object, *, body: bool) -> None:
            headers = {"Content-Type": "application/json"}
            self._send(200, json.dumps(value).encode(), headers, body=body)

        def _send(self, code: int, data: bytes, headers: dict[str, str], *, body: bool) -> None:
            self.send_response(code)
            for key, value in headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if body:
                self.wfile.write(data)

    return Handler


def digest_of(name: str, data: bytes) -> str:
    """Checksum by which the Hub names a file: sha256 of large ones, git's sha1 of small ones."""
    if name.endswith(LARGE):
        return hashlib.sha256(data).hexdigest()
    header = f"blob {len(data)}\0".encode()
    return hashlib.sha1(header + data, usedforsecurity=False).hexdigest()


@contextmanager
def serve(
    datasets: dict[str, Path],
    gated: frozenset[str] = frozenset(),
    models: dict[str, Path] | None = None,
) -> Iterator[Hub]:
    """Serve folders as datasets and models of the Hub."""
    hub = Hub(datasets, gated, models or {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    server.daemon_threads = True
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
