"""Where predictions go: JSON Lines, of which every line is whole or not there; or Parquet."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from pipeline.model.annotation import Annotation


class Predictions(Protocol):
    """Takes annotations one by one; the end of its `with` block closes it."""

    def add(self, annotation: Annotation) -> None:
        """Append one. Raises OSError or DataError if it cannot be written."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


def prediction_file(path: Path | None, metadata: Mapping[str, str]) -> Predictions:
    """Open a file of predictions by the ending of its name.

    Args:
        path: `*.parquet` for a table, anything else for JSON Lines, None for standard output.
        metadata: Of the table: how the predictions were made.

    Raises:
        OSError: It cannot be written.
    """
    if path is not None and path.suffix.lower() == ".parquet":
        return PredictionTable(path, metadata)
    return PredictionFile(path)


class PredictionTable:
    """A Parquet file, written at the end: also after an interrupt, with what was finished."""

    def __init__(self, path: Path, metadata: Mapping[str, str]) -> None:
        """Write nothing yet, but find out whether it can be written.

        Args:
            path: The file; its folder is made.
            metadata: How the predictions were made.

        Raises:
            OSError: It cannot be written.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        self._path = path
        self._metadata = dict(metadata)
        self._found: list[Annotation] = []

    def add(self, annotation: Annotation) -> None:
        """Keep it until the end."""
        self._found.append(annotation)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # lazy: pyarrow is heavy
        from pipeline.annotations.parquet import write_table

        write_table(self._path, self._found, self._metadata)


class PredictionFile:
    """Prediction lines: a file, or standard output.

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

    def add(self, annotation: Annotation) -> None:
        """Append the annotation's line."""
        self.write(annotation.model_dump_json())

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

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()
