"""Prediction lines (JSON Lines): every line is in the file whole or not at all."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import TracebackType


class PredictionFile:
    """Where prediction lines go: a file, or standard output.

    A line is one write without a buffer, so that neither an interrupt nor a reader that follows
    the file ever meets half of it; a write that the disk cuts short is taken back.
    """

    def __init__(self, path: Path | None) -> None:
        """Open (and empty) the file, making its folder.

        Args:
            path: The file, or None for standard output.

        Raises:
            OSError: It cannot be written.
        """
        self.path = path
        self._file = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("wb", buffering=0)

    def write(self, line: str) -> None:
        """Append one line. Raises OSError if it cannot be written; the lines before it stay."""
        if self._file is None:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
            return
        data = line.encode() + b"\n"
        start = self._file.tell()
        try:
            # A raw write may stop early without an error; the next one then says why.
            written = 0
            while written < len(data):
                written += self._file.write(data[written:])
        except OSError as error:
            if self._file.seekable():
                self._file.truncate(start)
                self._file.seek(start)
            raise OSError(error.errno, os.strerror(error.errno or 0), str(self.path)) from error

    def __enter__(self) -> PredictionFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()
