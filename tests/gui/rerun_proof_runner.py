"""Runs a session with the real viewer in a process of its own, on a virtual screen."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.display import virtual_display

HERE = Path(__file__).resolve().parent
LIMIT = 420
"""Seconds until a session is given up; none takes a third of it on an idle machine."""
LOOPBACK_ONLY = ("unshare", "--map-root-user", "--net", "--")
"""A place without any network but loopback; brought up by `ip` inside."""


def run_session(script: str, *arguments: str, screen: str = "1280x900") -> dict[str, Any]:
    """Run a session and return what it reported. Skips where there is no Xvfb."""
    return _run([sys.executable, str(HERE / script), *arguments], screen)


def run_offline(script: str, *arguments: str) -> dict[str, Any]:
    """The same where no network exists; skips with the reason where that is not permitted."""
    reason = why_no_namespace()
    if reason:
        pytest.skip(reason)
    inside = 'ip link set lo up && exec "$@"'
    python = [sys.executable, str(HERE / script), *arguments]
    return _run([*LOOPBACK_ONLY, "sh", "-c", inside, "sh", *python], "1280x900")


@functools.cache
def why_no_namespace() -> str:
    """Why no network namespace can be made here; empty if one can."""
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return "needs the programs unshare and ip (util-linux, iproute2)"
    command = [*LOOPBACK_ONLY, "ip", "link", "set", "lo", "up"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"no network namespace: {done.stderr.strip()}"


def _run(command: list[str], screen: str) -> dict[str, Any]:
    with virtual_display(screen) as display:
        if not display:
            pytest.skip("Xvfb is not installed")
        done = subprocess.run(
            command,
            env={**os.environ, "DISPLAY": display, "QT_QPA_PLATFORM": "xcb"},
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
    lines = [line for line in done.stdout.splitlines() if line.startswith("REPORT ")]
    assert lines, f"exit {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    found: dict[str, Any] = json.loads(lines[0].removeprefix("REPORT "))
    assert "error" not in found, f"{found['error']}\n{done.stderr[-3000:]}"
    found["exit"], found["stderr"] = done.returncode, done.stderr
    return found
