"""Who does something, and when: what events, verdicts and records say about their making."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from typing import Literal


def account_name() -> str:
    """Name of the account, for people who gave none; `unknown` where the system has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # no such account, as in some containers
        return "unknown"


def utc_now(timespec: Literal["seconds", "milliseconds"] = "milliseconds") -> str:
    """Now as ISO 8601 with the offset of UTC, e.g. `2026-01-31T12:00:00.000+00:00`.

    Args:
        timespec: Down to what.
    """
    return datetime.now(UTC).isoformat(timespec=timespec)
