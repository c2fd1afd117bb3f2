"""A limit of requests per minute that all tasks and processes of this machine share.

One small file per server and model holds when requests were sent in the last minute, and until
when nobody may send any after a refusal (429). It is read and written under the system's file
lock. Where the file cannot be written, the limit holds within the process.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.backends.language.exchange import Sleep
from pipeline.model.file_lock import lock_soon

log = logging.getLogger(__name__)

Clock = Callable[[], float]
"""Seconds since the epoch: processes have no other clock in common."""

_MINUTE = 60.0
_LONGEST_SLEEP = 5.0
_LONGEST_PAUSE = 3600.0
"""The most that `max_wait_s` of the options may be."""
_LOCK_S = 0.2
"""Nobody holds the lock that long: after it one goes on without."""


@dataclass
class _State:
    """When requests were sent, oldest first, and until when none may be; seconds of the epoch."""

    sent: list[float] = field(default_factory=list)
    not_before: float = 0.0


_HERE: dict[str, _State] = {}
_LOCK = threading.Lock()


class RateLimit:
    """A sliding window of one minute."""

    def __init__(self, key: str, per_minute: int, folder: Path, clock: Clock = time.time) -> None:
        """Share the limit of `key` with all who have the same folder.

        Args:
            key: Server, address and model.
            per_minute: Requests in any 60 s; 0 for no limit but that of refusals.
            folder: Where the file is; it need not exist.
            clock: Tests pass their own.
        """
        self._per_minute = per_minute
        self._clock = clock
        name = hashlib.blake2b(key.encode(), digest_size=10).hexdigest()
        self.path = folder / f"{name}.json"

    async def enter(self, sleep: Sleep, told: Callable[[float], None]) -> None:
        """Wait until a request may be sent, and count it.

        Args:
            sleep: Waits.
            told: Called with the seconds that are left to wait, each time it waits.
        """
        while (wait := self._take()) > 0:
            told(wait)
            await sleep(min(wait, _LONGEST_SLEEP))

    def pause(self, seconds: float) -> None:
        """Let nobody send a request to this server and model for some seconds."""
        with self._shared() as state:
            state.not_before = max(state.not_before, self._clock() + seconds)

    def _take(self) -> float:
        """Count a request and return 0, or return how long to wait, seconds."""
        with self._shared() as state:
            now = self._clock()
            # A clock that was set back must not lock anybody out.
            state.sent = sorted(t for t in state.sent if now - _MINUTE < t <= now + 1.0)
            if not state.not_before <= now + _LONGEST_PAUSE:  # nor must a file with NaN
                state.not_before = 0.0
            if state.not_before > now:
                return state.not_before - now
            if self._per_minute and len(state.sent) >= self._per_minute:
                return max(state.sent[-self._per_minute] + _MINUTE - now, 0.001)
            if self._per_minute:
                state.sent.append(now)
            return 0.0

    @contextlib.contextmanager
    def _shared(self) -> Iterator[_State]:
        """The state, under the lock; what is changed is written back."""
        with _LOCK:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                file = self.path.open("a+b", buffering=0)
            except OSError:
                yield _HERE.setdefault(str(self.path), _State())
                return
            with file:
                if not lock_soon(file, _LOCK_S):
                    log.debug("%s stays locked", file.name)
                file.seek(0)
                before = file.read()
                state = _read(before)
                yield state
                after = json.dumps({"sent": state.sent, "not_before": state.not_before}).encode()
                if after != before:
                    with contextlib.suppress(OSError):  # a full disk: the limit is lost, no more
                        file.seek(0)
                        file.truncate()
                        file.write(after)


def _read(data: bytes) -> _State:
    """The state in a file; an empty one if it is broken."""
    try:
        entry = json.loads(data)
        return _State([float(t) for t in entry["sent"]], float(entry["not_before"]))
    except (ValueError, KeyError, TypeError):
        return _State()
