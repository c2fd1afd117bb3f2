"""Counts what the embedded viewer holds: memory, threads, files, recordings."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import Any

from app.process_sockets import process_tree
from tests.gui.rerun_proof_hands import Hands

MIB = 1 << 20


class Census:
    """Looks at this process and at those of the web engine that belong to it."""

    def __init__(self, hands: Hands) -> None:
        self._hands = hands

    def children(self) -> list[str]:
        """Names of the processes below this one that still run."""
        names = []
        for pid in sorted(process_tree(os.getpid()) - {os.getpid()}):
            try:
                state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
                name = Path(f"/proc/{pid}/comm").read_text().strip()
            except OSError:
                continue
            if state != "Z":
                names.append(name)
        return names

    def row(self, size: int) -> dict[str, Any]:
        """How it is now.

        Args:
            size: Bytes of the recording opened last.

        Returns:
            `own`, `renderer`, `others` MiB resident (private, where the system tells), `module`
            MiB that the viewer's code has taken (part of `renderer`), `renderer_pid`, `threads`,
            `files` of this process, `recordings` open in the viewer, `size` MiB.
        """
        gc.collect()
        renderer = self._hands.view.page().renderProcessPid()  # type: ignore[attr-defined]
        tree = process_tree(os.getpid()) - {os.getpid(), renderer}
        return {
            "own": resident(os.getpid()),
            "renderer": resident(renderer),
            "module": self._hands.panel._bridge.memory / MIB,
            "renderer_pid": renderer,
            "others": sum(resident(pid) for pid in tree),
            "threads": len(os.listdir("/proc/self/task")),
            "files": len(os.listdir("/proc/self/fd")),
            "recordings": len(self._hands.facts().recordings),
            "size": size / MIB,
        }


def resident(pid: int) -> float:
    """MiB of memory that only this process has; 0 if it is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    kib = sum(
        int(line.split()[1])
        for line in lines
        if line.startswith(("Private_Dirty:", "Private_Clean:"))
    )
    return kib / 1024
