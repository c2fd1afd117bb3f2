"""Processes below one of ours and the sockets they hold, from /proc. Linux; elsewhere unknown."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterable
from pathlib import Path

_LISTENING = "0A"  # state in /proc/net/tcp


def process_tree(root: int) -> frozenset[int]:
    """A process and all its descendants; Linux, elsewhere only `root`."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            stat = (entry / "stat").read_text()
        except OSError:
            continue  # it has ended
        parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
    tree = {root}
    while True:
        more = {pid for pid, parent in parents.items() if parent in tree} - tree
        if not more:
            return frozenset(tree)
        tree |= more


def held_files(pids: Iterable[int]) -> set[str]:
    """What these processes have open, as /proc names it, e.g. `socket:[1234]`."""
    found = set()
    for pid in pids:
        try:
            links = list(Path(f"/proc/{pid}/fd").iterdir())
        except OSError:
            continue  # it has ended, or is not ours
        for link in links:
            try:
                found.add(os.readlink(link))
            except OSError:
                continue
    return found


def listening_addresses(pids: Iterable[int]) -> tuple[str, ...] | None:
    """Addresses on which these processes take connections, None where that cannot be seen."""
    if not sys.platform.startswith("linux"):
        return None
    held = held_files(pids)
    found = set()
    for name, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        table = Path(f"/proc/net/{name}")
        lines = table.read_text().splitlines()[1:] if table.exists() else []
        for columns in (line.split() for line in lines):
            if columns[3] == _LISTENING and f"socket:[{columns[9]}]" in held:
                found.add(_address(family, columns[1].split(":")[0]))
    return tuple(sorted(found))


def _address(family: socket.AddressFamily, digits: str) -> str:
    """An address as /proc/net/tcp writes it: words of four bytes in the machine's order."""
    words = [int(digits[i : i + 8], 16) for i in range(0, len(digits), 8)]
    packed = b"".join(word.to_bytes(4, sys.byteorder) for word in words)
    return socket.inet_ntop(family, packed)
