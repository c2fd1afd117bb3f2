"""A small HTTP server for the embedded viewer: loopback only, one secret path, read only.

Rerun's own servers listen on every address; this one binds 127.0.0.1 on a random port. Whatever
it serves is known by name and lies under an unguessable path, so that neither another machine nor
a web page in the user's browser can read a recording.
"""

from __future__ import annotations

import http.server
import logging
import re
import secrets
import socketserver
import threading
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import ClassVar

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
CONTENT_POLICY = "; ".join(
    (
        "default-src 'none'",
        # Rerun's viewer is WebAssembly; nothing is inline, nothing is evaluated from text.
        "script-src 'self' 'wasm-unsafe-eval'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data: blob:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""What a page of ours may load: what this server has, and nothing else."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class Asset:
    """Something the server hands out.

    Attributes:
        content: The bytes, or the file to read at each request.
        media_type: Value of Content-Type.
        immutable: True if a name never changes its content; the client may keep it.
    """

    content: bytes | Path
    media_type: str
    immutable: bool = False

    def read(self) -> bytes:
        """Return the bytes. Raises OSError if the file is gone."""
        return self.content if isinstance(self.content, bytes) else self.content.read_bytes()


class _Listener(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    # The default joins each request's thread on close; a stuck client would hold up the window.
    block_on_close = False
    owner: AssetServer

    def server_bind(self) -> None:
        # HTTPServer.server_bind asks the name service for this host's name: seconds without DNS.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, self.server_address[1]


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "demoscope"
    sys_version = ""
    server: _Listener
    timeout: ClassVar[float] = 30.0  # idle keep-alive connections end

    def do_GET(self) -> None:
        """Answer with the asset of that name, 404 for anything else."""
        owner = self.server.owner
        # A page elsewhere may resolve its own name to 127.0.0.1; the header tells.
        if self.headers.get("Host") != owner.authority:
            self.send_error(HTTPStatus.FORBIDDEN)
            return
        asset = owner.asset_at(self.path)
        try:
            content = None if asset is None else asset.read()
        except OSError as error:
            log.warning("cannot read %s: %s", self.path.rsplit("/", 1)[-1], error)
            content = None
        if asset is None or content is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", asset.media_type)
        self.send_header("Content-Length", str(len(content)))
        cache = "private, max-age=31536000, immutable" if asset.immutable else "no-store"
        self.send_header("Cache-Control", cache)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Content-Security-Policy", CONTENT_POLICY)
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.end_headers()
        try:
            self.wfile.write(content)
        except (BrokenPipeError, ConnectionResetError):
            log.debug("client left while %s was sent", asset.media_type)

    def log_message(self, format: str, *args: object) -> None:
        """Send what the base class prints to the log, without the secret path."""
        log.debug("%s", (format % args).replace(self.server.owner.token, "…"))


class AssetServer:
    """Serves named assets on 127.0.0.1 from a daemon thread.

    Attributes:
        token: The unguessable first part of every path.
    """

    def __init__(self) -> None:
        self.token = secrets.token_urlsafe(24)
        self._assets: dict[str, Asset] = {}
        self._lock = threading.Lock()
        self._listener = _Listener((HOST, 0), _Handler)
        self._listener.owner = self
        self._thread = threading.Thread(
            target=self._listener.serve_forever,
            kwargs={"poll_interval": 0.05},
            name="rerun asset server",
            daemon=True,
        )
        self._thread.start()

    @property
    def port(self) -> int:
        """Port on 127.0.0.1."""
        return int(self._listener.server_port)

    @property
    def authority(self) -> str:
        """`127.0.0.1:<port>`."""
        return f"{HOST}:{self.port}"

    def url(self, name: str) -> str:
        """Address of the asset `name`."""
        return f"http://{self.authority}/{self.token}/{name}"

    def put(self, name: str, asset: Asset) -> str:
        """Serve `asset` as `name` and return its address; replaces what had that name.

        Raises:
            ValueError: `name` is not a plain file name.
        """
        if not _NAME.fullmatch(name):
            raise ValueError(f"asset name: expected letters, digits, . _ -, got {name!r}")
        with self._lock:
            self._assets[name] = asset
        return self.url(name)

    def remove(self, name: str) -> None:
        """Stop serving `name`; no error if it was not served."""
        with self._lock:
            self._assets.pop(name, None)

    def asset_at(self, path: str) -> Asset | None:
        """Return what lies at a request's path, None if nothing does."""
        plain = path.partition("?")[0]
        token, _, name = plain.removeprefix("/").partition("/")
        if not secrets.compare_digest(token.encode(), self.token.encode()):
            return None
        with self._lock:
            return self._assets.get(name)

    def close(self) -> None:
        """Stop listening and end the thread; may be called twice."""
        if self._thread.is_alive():
            self._listener.shutdown()
            self._thread.join(timeout=5.0)
        self._listener.server_close()
        with self._lock:
            self._assets.clear()

    def __enter__(self) -> AssetServer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
