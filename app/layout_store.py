"""How the user arranged the 3D viewer, kept per dataset and per kind of recording."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path

log = logging.getLogger(__name__)

MOST_BYTES = 256 << 10
"""A layout is a few kilobytes of JSON; a larger one is not kept (our choice)."""
MOST_SITUATIONS = 16
"""Kinds of recordings remembered of one dataset; the one changed longest ago goes first."""
MOST_DATASETS = 200
"""Files kept; those changed longest ago go first."""
_VERSION = 1


class LayoutStore:
    """Layouts in one small file per dataset. May be used from several threads.

    A file that cannot be read counts as none, one that cannot be written is said once in the log:
    a layout is a convenience, and no reason to bother anybody.
    """

    def __init__(self, folder: Path) -> None:
        """Keep layouts in a folder, which is made when there is something to keep.

        Args:
            folder: Of this program's own, under the user's data.
        """
        self._folder = folder
        self._lock = threading.Lock()
        self._cannot_write = False

    def load(self, dataset: str, situation: str) -> str:
        """The layout kept for a dataset and a kind of recording; empty if there is none.

        Args:
            dataset: Path of the dataset.
            situation: Kind of recording (`viewers.rerun_blueprint.situation`).
        """
        with self._lock:
            return self._read(dataset).get(situation, "")

    def save(self, dataset: str, situation: str, layout: str) -> None:
        """Keep a layout; an empty one forgets that of the situation."""
        if len(layout.encode()) > MOST_BYTES:
            log.warning("a 3D layout of %d characters is too large to be kept", len(layout))
            return
        with self._lock:
            known = dict(self._read(dataset))
            before = known.pop(situation, "")
            if layout == before:
                return
            if layout:
                known[situation] = layout  # Last: the one changed most recently.
            while len(known) > MOST_SITUATIONS:
                del known[next(iter(known))]
            self._write(dataset, known)

    def forget(self, dataset: str) -> None:
        """Forget all layouts of a dataset."""
        with self._lock:
            try:
                self._file(dataset).unlink(missing_ok=True)
            except OSError as error:
                self._complain(error)

    def _file(self, dataset: str) -> Path:
        return self._folder / f"{hashlib.sha256(dataset.encode()).hexdigest()[:24]}.json"

    def _read(self, dataset: str) -> Mapping[str, str]:
        file = self._file(dataset)
        try:
            if file.stat().st_size > MOST_BYTES * MOST_SITUATIONS * 2:
                raise ValueError("too large")
            kept = json.loads(file.read_text(encoding="utf-8"))
            if kept["version"] != _VERSION or kept["dataset"] != dataset:
                return {}
            layouts = kept["layouts"]
            return {str(k): v for k, v in layouts.items() if isinstance(v, str)}
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            log.warning("the 3D layouts in %s are not used: %s", file, error)
            return {}

    def _write(self, dataset: str, layouts: Mapping[str, str]) -> None:
        kept = {"version": _VERSION, "dataset": dataset, "layouts": layouts}
        scratch = ""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            handle, scratch = tempfile.mkstemp(dir=self._folder, suffix=".part")
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(kept, file)
            os.replace(scratch, self._file(dataset))
            scratch = ""
            self._tidy()
        except OSError as error:
            self._complain(error)
        finally:
            if scratch:
                Path(scratch).unlink(missing_ok=True)

    def _tidy(self) -> None:
        files = list(self._folder.glob("*.json"))
        if len(files) > MOST_DATASETS:
            files.sort(key=lambda file: file.stat().st_mtime)
            for file in files[:-MOST_DATASETS]:
                file.unlink(missing_ok=True)

    def _complain(self, error: OSError) -> None:
        if not self._cannot_write:
            self._cannot_write = True
            log.warning("3D layouts cannot be kept in %s: %s", self._folder, error.strerror)
