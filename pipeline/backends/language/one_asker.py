"""An equal question is put by one at a time: who comes second waits, and reads the kept answer.

Who asks holds the system's lock of a file, which is free when its owner dies, however; then the
next one asks. Where files cannot be locked, everybody asks.

Who goes on to something else (Left) leaves the request that was sent to a thread: its answer was
paid for, is kept, and waits for whoever asks again. Who cancels ends the request; also one that
somebody left before.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, TypeVar

from pipeline.backends.backend import Progress
from pipeline.backends.language.event_loop import Rest
from pipeline.model.file_lock import try_lock
from pipeline.model.problem import Cancelled, DataError, Left

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")
Found = TypeVar("Found")

_LOOK_S = 0.05
_LEFT: dict[Path, Callable[[], None]] = {}
"""Ends the requests of this process that nobody waits for, by their lock."""


def ask_once(
    lock: Path,
    kept: Callable[[], Answer | None],
    ask: Callable[[Callable[[Rest[Found]], None]], Found],
    keep: Callable[[Found], Answer],
    progress: Progress,
) -> Answer:
    """Take the kept answer, wait for who is asking the same already, or ask and keep.

    Args:
        lock: File of the question; it need not exist.
        kept: Looks for the kept answer.
        ask: Asks; it gets what takes over a request that is left.
        keep: Keeps what was found; also called in another thread.
        progress: Called every 50 ms; what it raises ends the wait at once.

    Raises:
        Exception: What `ask` or `progress` raised.
    """
    found = kept()
    if found is not None:
        return found
    asker = _OneAsker(lock)
    asker.wait(progress)
    try:
        found = kept()  # somebody else's, waited for
        return found if found is not None else keep(ask(lambda rest: asker.leave(rest, keep)))
    finally:
        asker.end()


class _OneAsker:
    """Who may ask, when nobody else does."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None
        self._is_left = False

    def wait(self, progress: Progress) -> None:
        """Wait until nobody else asks."""
        while not self._take():
            try:
                progress(0.05, "the same was asked just before: waiting for the answer")
            except Left:
                raise
            except Cancelled:
                end = _LEFT.get(self._path)
                if end is not None:
                    end()
                raise
            time.sleep(_LOOK_S)

    def end(self) -> None:
        """Let others ask, unless a request was left."""
        if not self._is_left:
            self._release()

    def leave(self, rest: Rest[Found], keep: Callable[[Found], Answer]) -> None:
        """Have a thread wait for the answer and keep it; nobody else asks before."""
        self._is_left = True
        _LEFT[self._path] = rest.end

        def finish() -> None:
            try:
                keep(rest.run())
                log.info("an answer that was left came and is kept")
            except (DataError, Cancelled, asyncio.CancelledError) as error:
                log.info("a request that was left: %s", str(error) or type(error).__name__)
            finally:
                _LEFT.pop(self._path, None)
                self._release()

        threading.Thread(target=finish, name="left request", daemon=True).start()

    def _take(self) -> bool:
        """Take the lock; True also where there are no locks."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            file = self._path.open("a+b", buffering=0)
        except OSError as error:
            log.debug("%s: %s", self._path, error)
            return True
        try:
            if try_lock(file) and _is_file_of(file, self._path):
                self._file = file
                return True
        except OSError:  # a file system without locks
            file.close()
            return True
        file.close()
        return False

    def _release(self) -> None:
        if self._file is None:
            return
        # Before the lock is free, so that nobody takes that of a file that is gone; who opened it
        # before notices. Windows keeps open files: an empty one stays.
        with contextlib.suppress(OSError):
            self._path.unlink()
        self._file.close()
        self._file = None


def _is_file_of(file: IO[bytes], path: Path) -> bool:
    """Whether a file is still there under its name."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
