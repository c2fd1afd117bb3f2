"""What both kinds of servers share below their protocols: faults of HTTP, and times to wait."""

from __future__ import annotations

import math
import re
import ssl
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from pipeline.backends.language.endpoint import ConnectionFault
from pipeline.model.problem import DataError

_CONNECT_S = 10.0


def checked_address(url: str, option: str) -> str:
    """Return an address without its last slash; DataError `bad_address` unless it is a plain one.

    Keys in addresses would be stored with the options and written to logs: they are refused.
    """
    try:
        parts = urlsplit(url.strip())
        parts.port  # noqa: B018 - raises if it is no number
        host = parts.hostname
    except ValueError:
        parts, host = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not host:
        raise DataError(
            "bad_address", f"{option}: expected an address such as http://127.0.0.1:8000/v1."
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise DataError(
            "bad_address",
            f"{option}: an address must not hold a name, a password or parameters; keys belong into"
            " the environment or the keyring.",
        )
    return url.strip().rstrip("/")


def is_local(url: str) -> bool:
    """Whether a server is on this machine: no proxy is asked for it then."""
    host = urlsplit(url).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")


def client_arguments(url: str, timeout_s: float) -> dict[str, Any]:
    """Arguments of a client of httpx2, synchronous or not, for a server."""
    import httpx2

    connect = min(_CONNECT_S, timeout_s)
    return {
        "timeout": httpx2.Timeout(timeout_s, connect=connect),
        "trust_env": not is_local(url),
        "verify": _certificates(),
    }


@cache
def _certificates() -> ssl.SSLContext:
    """Trusted certificates; reading them takes 0.1 s, once per process."""
    import httpx2

    return httpx2.create_ssl_context()


def fault_of(error: Exception) -> ConnectionFault:
    """Sort a fault of httpx2; its text names no key, as httpx2 quotes no headers."""
    import httpx2

    if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.ProxyError):
        reason = str(error) or "it does not answer"
        return ConnectionFault("unreachable", " ".join(reason.split())[:200])
    if isinstance(error, httpx2.TimeoutException):
        return ConnectionFault("timeout", "no answer in time")
    if isinstance(error, httpx2.UnsupportedProtocol | httpx2.InvalidURL):
        return ConnectionFault("unreachable", "the address is no address of a server")
    return ConnectionFault("broken", type(error).__name__)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of a Retry-After header, which is a number or a date; None without one."""
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        wait = float(text)
        return None if math.isnan(wait) else max(wait, 0.0)
    except ValueError:
        pass
    try:
        return max(parsedate_to_datetime(text).timestamp() - time.time(), 0.0)
    except ValueError:
        return None


def seconds(duration: str) -> float | None:
    """Seconds of a protobuf duration in JSON, e.g. `17.5s`."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)s", duration.strip())
    return float(match[1]) if match else None
