"""One run at a time in a folder: a lock that the system frees when its owner dies, however."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from types import TracebackType
from typing import IO

from pipeline.model.file_lock import try_lock
from pipeline.model.problem import DataError

NAME = "lock"


class FolderLock:
    """Holds a folder. The file stays when the lock is free: what counts is the system's lock."""

    def __init__(self, folder: Path) -> None:
        """Take the lock, making the folder.

        Args:
            folder: The folder.

        Raises:
            DataError: `run_in_use`; another process holds it.
            OSError: The file cannot be written.
        """
        self.path = folder / NAME
        folder.mkdir(parents=True, exist_ok=True)
        file = self.path.open("a+b", buffering=0)
        try:
            taken = try_lock(file)
        except OSError:
            file.close()
            raise
        if not taken:
            owner = _owner(self.path)
            file.close()
            raise DataError(
                "run_in_use",
                f"{folder}: another run is at work there{owner}; wait for it, or choose another "
                "folder with --out",
            )
        file.truncate(0)
        file.write(json.dumps({"pid": os.getpid(), "host": platform.node()}).encode())
        self._file: IO[bytes] | None = file

    def release(self) -> None:
        """Give it back; twice is once."""
        if self._file is not None:
            self._file.close()  # which frees the lock
            self._file = None

    def __enter__(self) -> FolderLock:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def is_locked(folder: Path) -> bool:
    """Whether a run is at work in a folder now."""
    try:
        with (folder / NAME).open("r+b", buffering=0) as file:
            return not try_lock(file)
    except OSError:
        return False


def _owner(path: Path) -> str:
    """Who holds the lock, as far as the file says."""
    try:
        entry = json.loads(path.read_text())
        return f" (process {int(entry['pid'])} on {entry['host']})"
    except (OSError, ValueError, KeyError, TypeError):
        return ""
