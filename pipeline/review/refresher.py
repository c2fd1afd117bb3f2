"""Asks a shared store for the events of other people, every few seconds, in a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from pipeline.model.problem import DataError

logger = logging.getLogger(__name__)

REFRESH_SECONDS = 2.0
"""How old what others did may be before it is seen (our choice)."""


class Refresher:
    """Calls a function again and again until it is stopped, also if it raises."""

    def __init__(self, refresh: Callable[[], bool], seconds: float | None = None) -> None:
        """Begin.

        Args:
            refresh: What to call.
            seconds: Pause between two calls, REFRESH_SECONDS if None.
        """
        self._refresh = refresh
        self._seconds = REFRESH_SECONDS if seconds is None else seconds
        self._stopped = threading.Event()
        self.trouble = ""
        """One sentence while it does not succeed, else empty."""
        # A daemon: a network that does not answer must not keep the program from ending.
        threading.Thread(target=self._work, name="reviews-refresh", daemon=True).start()

    def stop(self) -> None:
        """End after the call in progress; does not wait for it."""
        self._stopped.set()

    def _work(self) -> None:
        while not self._stopped.wait(self._seconds):
            try:
                self._refresh()
            except Exception as error:
                # Whatever it is: who hears nothing of others any more must be told.
                known = isinstance(error, DataError)
                if not self.trouble and not self._stopped.is_set():
                    logger.warning("%s", error, exc_info=not known)  # once, not every few seconds
                self.trouble = str(error) if known else f"internal error: {type(error).__name__}"
            else:
                self.trouble = ""
