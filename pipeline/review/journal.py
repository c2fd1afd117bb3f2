"""Append-only JSON Lines that survive a kill: each line is on the disk when `append` returns.

Used where a small history belongs to one piece of work (a batch run, a spot check, operating
points); corrections of a dataset go to the review store.
"""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)


class Journal:
    """A file of JSON objects, one per line. The file is made by the first line."""

    def __init__(self, path: Path) -> None:
        """Use a file, which need not exist.

        Args:
            path: The file; its folder is made when the first line is written.
        """
        self.path = path

    def append(self, entry: dict[str, Any]) -> None:
        """Add a line and wait until it is on the disk.

        A line that a kill cut short has no end; the next one starts on a line of its own.

        Raises:
            OSError: It cannot be written; the lines before it stay.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        data = json.dumps(entry, separators=(",", ":"), allow_nan=False).encode() + b"\n"
        with self.path.open("ab+", buffering=0) as file:
            end = file.seek(0, os.SEEK_END)
            if end:
                file.seek(end - 1)
                if file.read(1) != b"\n":
                    data = b"\n" + data
            try:
                written = 0
                while written < len(data):
                    written += file.write(data[written:])
                os.fsync(file.fileno())
            except OSError:
                file.truncate(end)
                raise

    def entries(self) -> list[dict[str, Any]]:
        """All whole lines; none if there is no file. Lines that are no JSON object are skipped."""
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return []
        found = []
        for number, line in enumerate(data.split(b"\n"), 1):
            if not line.strip():
                continue
            try:
                entry = json.loads(line)
            except (ValueError, RecursionError):
                log.warning("%s line %d is cut short or no JSON", self.path, number)
                continue
            if isinstance(entry, dict):
                found.append(entry)
        return found
