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


class Hub:
    """What the server offers and what was asked of it.

    Attributes:
        requests: Paths of files that were fetched whole, in order.
        address: `http://127.0.0.1:port`.
    """

    def __init__(self, datasets: dict[str, Path], gated: frozenset[str]) -> None:
        self.datasets = datasets
        self.gated = gated
        self.requests: list[str] = []
        self.address = ""

    def files(self, repo: str) -> dict[str, Path]:
        root = self.datasets[repo]
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
            if parts[:2] == ["api", "datasets"]:
                self._api("/".join(parts[2:4]), parts[4:], body=body)
            elif parts[0] == "datasets" and len(parts) > 5 and parts[3] == "resolve":
                self._file("/".join(parts[1:3]), "/".join(parts[5:]), body=body)
            else:
                self._send(404, b"", {}, body=body)

        def _api(self, repo: str, rest: list[str], *, body: bool) -> None:
            if repo in hub.gated:
                headers = {"X-Error-Code": "GatedRepo", "X-Error-Message": "gated"}
                self._send(403, b"{}", headers, body=body)
            elif repo not in hub.datasets:
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
            elif rest[:1] == ["revision"] and rest[1] not in ("main", COMMIT):
                self._send(404, b"{}", {"X-Error-Code": "RevisionNotFound"}, body=body)
            else:
                self._json({"id": repo, "sha": COMMIT, "siblings": []}, body=body)

        def _file(self, repo: str, name: str, *, body: bool) -> None:
            path = hub.files(repo).get(name) if repo in hub.datasets else None
            if path is None:
                self._send(404, b"", {"X-Error-Code": "EntryNotFound"}, body=body)
                return
            data = path.read_bytes()
            if body:
                hub.requests.append(name)
            etag = f'"{hashlib.sha1(data, usedforsecurity=False).hexdigest()}"'
            self._send(200, data, {"ETag": etag, "X-Repo-Commit": COMMIT}, body=body)

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


@contextmanager
def serve(datasets: dict[str, Path], gated: frozenset[str] = frozenset()) -> Iterator[Hub]:
    """Serve folders as datasets of the Hub."""
    hub = Hub(datasets, gated)
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
