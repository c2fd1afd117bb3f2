"""Rows of numbers and the conditions under which they were measured."""

from __future__ import annotations

import os
import platform
import statistics
import sys
from collections.abc import Sequence
from importlib.metadata import version


def write(line: str = "") -> None:
    """Write a line at once: benchmarks are watched while they run."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def conditions(*packages: str) -> str:
    """Cores, load, Python and package versions in one line."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    names = ", ".join(f"{name} {version(name)}" for name in packages)
    return f"{cores} cores{load}, Python {platform.python_version()}, {names}"


def header(title: str, *packages: str) -> None:
    """Begin a table of milliseconds."""
    write(f"{title}\n{conditions(*packages)}")
    write(f"  {'ms':44}{'median':>9}{'min':>9}{'p95':>9}{'max':>9}    n")


def row(name: str, seconds: Sequence[float], goal: float | None = None) -> None:
    """Write median, minimum, 95th percentile and maximum; `goal` (ms) judges the median."""
    values = sorted(1e3 * s for s in seconds)
    if not values:
        write(f"  {name:44}{'–':>9}")
        return
    p95 = values[min(len(values) - 1, round(0.95 * (len(values) - 1)))]
    median = statistics.median(values)
    verdict = "" if goal is None else f"  goal {goal:g}: {'met' if median <= goal else 'MISSED'}"
    write(
        f"  {name:44}{median:9.1f}{values[0]:9.1f}{p95:9.1f}{values[-1]:9.1f}"
        f"{len(values):5d}{verdict}"
    )
