"""How far a batch run is, on a terminal or in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

from pipeline.batch.progress import duration_text
from pipeline.batch.run import BatchStep

_LINE_EVERY = 30.0
"""Seconds between two lines where there is no terminal: a night leaves a readable log."""
_MOST_SHOWN = 4
"""Episodes at work that fit on a line."""
_WIDTH = 118


class BatchProgress:
    """Writes to standard error: one line that changes, or a line now and then."""

    def __init__(
        self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Show nothing yet.

        Args:
            stream: Where to write; None for standard error.
            clock: Seconds.
        """
        self._stream = stream or sys.stderr
        self._tty = self._stream.isatty()
        self._clock = clock
        self._said = clock()
        self._said_notes: set[str] = set()
        self._shown = False

    def show(self, step: BatchStep) -> None:
        """Show a step; an episode that failed gets a line of its own."""
        report = step.report
        if report is not None:
            for key, message in report.notes:
                if key not in self._said_notes:
                    self._said_notes.add(key)
                    self._line(f"episode {report.episode}: {message}")
            if not report.finished:
                self._line(f"episode {report.episode}: {report.reason}")
        if self._tty:
            self._stream.write(f"\r\x1b[K{progress_text(step)[:_WIDTH]}")
            self._stream.flush()
            self._shown = True
        elif self._clock() - self._said >= _LINE_EVERY:
            self._said = self._clock()
            self._line(progress_text(step))

    def clear(self) -> None:
        """Empty the line of the terminal."""
        if self._shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._shown = False

    def _line(self, text: str) -> None:
        self.clear()
        self._stream.write(text + "\n")
        self._stream.flush()


def progress_text(step: BatchStep) -> str:
    """One line, e.g. `137/200 episodes, 2 failed, 12 min left; 138 tracks 45 %`."""
    parts = [f"{step.done:,}/{step.total:,} episodes"]
    if step.failed:
        parts.append(f"{step.failed:,} failed")
    if step.eta is not None and step.done < step.total:
        parts.append(f"{duration_text(step.eta)} left")
    shown = sorted(step.at_work, key=lambda a: a.episode)[:_MOST_SHOWN]
    busy = [f"{a.episode} {a.stage} {a.share:.0%}" for a in shown if a.stage]
    return "; ".join([", ".join(parts), *([", ".join(busy)] if busy else [])])
