"""How many processes a machine bears."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.backends.backend import ModelBackend
from pipeline.backends.registry import embedded_of, make_backend
from pipeline.model.options import describe
from pipeline.model.problem import DataError

WORKER_BYTES = 1 << 30
"""Memory reckoned for one worker process with the embedded backends. Measured on the sample
dataset (640x480, 240 frames): 0.45 GiB; longer clips and larger pictures take more."""
MOST_JOBS = 64


@dataclass(frozen=True, slots=True)
class Capacity:
    """How many processes to start, and why.

    Attributes:
        jobs: Processes side by side.
        reason: One phrase for people.
    """

    jobs: int
    reason: str


def default_jobs(options: Mapping[str, Any]) -> Capacity:
    """Choose the number of processes: the CPUs, fewer if memory is short, one for models.

    Args:
        options: Stage name -> options instance.
    """
    models = model_backends(options)
    if models:
        names = ", ".join(models)
        return Capacity(
            1, f"one process, as {names} would be loaded by each; --jobs says otherwise"
        )
    cpus, memory = cpu_count(), available_memory()
    jobs = min(cpus, MOST_JOBS)
    if memory is not None and memory < jobs * WORKER_BYTES:
        jobs = max(1, memory // WORKER_BYTES)
        gib = memory / (1 << 30)
        return Capacity(jobs, f"{_count(jobs)}, as each takes about 1 GiB and {gib:.1f} are free")
    return Capacity(jobs, f"{_count(jobs)}, one per CPU; each takes about 1 GiB of memory")


def model_backends(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Chosen backends that load weights, each once."""
    found: dict[str, None] = {}
    for chosen in options.values():
        for info in describe(chosen):
            name = getattr(chosen, info.name)
            if not info.capability or name == embedded_of(info.capability):
                continue
            try:
                backend = make_backend(info.capability, name)
            except DataError:
                continue  # each episode will say so
            if isinstance(backend, ModelBackend):
                found[name] = None
    return tuple(found)


def cpu_count() -> int:
    """CPUs that this process may use: a container or a scheduler may grant fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def available_memory() -> int | None:
    """Bytes that can be taken without swapping; None if the system does not say (Linux does)."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                free = int(line.split()[1]) << 10
                break
        else:
            return None
    except (OSError, ValueError, IndexError):
        return None
    group = _group_memory()
    return free if group is None else min(free, group)


def _group_memory() -> int | None:
    """What the control group of a container leaves, None without a limit (version 2 only)."""
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
        used = int(Path("/sys/fs/cgroup/memory.current").read_text())
        return None if limit == "max" else max(int(limit) - used, 0)
    except (OSError, ValueError):
        return None


def _count(jobs: int) -> str:
    return "one process" if jobs == 1 else f"{jobs} processes"
