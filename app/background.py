"""Small work beside the GUI thread, with its answer back on it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, Qt, Signal, Slot

log = logging.getLogger(__name__)


class Background(QObject):
    """Runs functions in threads; per topic only the newest answer is delivered.

    Opening a dataset or an episode and building a recording take tens to hundreds of
    milliseconds: too long for the GUI thread, too short for the worker process.
    """

    _arrived = Signal(str, int, object, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._arrived.connect(self._deliver, Qt.ConnectionType.QueuedConnection)
        self._newest: dict[str, int] = {}
        self._handlers: dict[tuple[str, int], Callable[[Any, Exception | None], None]] = {}
        self._threads: set[threading.Thread] = set()

    def run(
        self,
        topic: str,
        work: Callable[[], Any],
        then: Callable[[Any, Exception | None], None],
    ) -> None:
        """Call `work` in a thread, then `then(result, error)` on the GUI thread.

        Args:
            topic: An older unanswered run of the same topic is forgotten.
            work: Must not touch Qt widgets.
            then: Gets the result and None, or None and the exception.
        """
        number = self._newest.get(topic, 0) + 1
        self._handlers.pop((topic, self._newest.get(topic, 0)), None)
        self._newest[topic] = number
        self._handlers[(topic, number)] = then
        thread = threading.Thread(
            target=self._work, args=(topic, number, work), name=f"background-{topic}", daemon=True
        )
        self._threads.add(thread)
        thread.start()

    @property
    def idle(self) -> bool:
        """True if every answer was delivered or forgotten."""
        return not self._handlers

    def close(self) -> None:
        """Forget all answers and wait for the threads (at most a second each)."""
        self._handlers.clear()
        for thread in list(self._threads):
            thread.join(1.0)

    def _work(self, topic: str, number: int, work: Callable[[], Any]) -> None:
        result: Any = None
        failure: Exception | None = None
        try:
            result = work()
        except Exception as error:
            failure = error
            log.debug("background %s failed", topic, exc_info=True)
        self._threads.discard(threading.current_thread())
        try:
            self._arrived.emit(topic, number, result, failure)
        except RuntimeError:
            log.debug("the answer of %s came after the window closed", topic)

    @Slot(str, int, object, object)
    def _deliver(self, topic: str, number: int, result: Any, failure: Exception | None) -> None:
        then = self._handlers.pop((topic, number), None)
        if then is not None:
            then(result, failure)


def sentence(error: Exception) -> str:
    """What to tell a person about an exception."""
    from pipeline.model.problem import Cancelled, DataError

    if isinstance(error, Cancelled):
        return "cancelled; what was finished is kept"
    if isinstance(error, DataError | ValueError):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.filename or 'a file'}: {error.strerror or error}"
    return f"internal error: {type(error).__name__}: {error}"
