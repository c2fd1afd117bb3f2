"""What the review store needs of the place where its events lie."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from pipeline.model.problem import Problem
from pipeline.review.events import Event


class EventTable(Protocol):
    """A SQLite file, or a database behind its outbox. Safe to use from several threads.

    Everything raises `DataError` with one sentence: `store_not_writable`, `store_newer`, …
    """

    @property
    def location(self) -> Path:
        """The file, which may not exist yet; of a database: the local file that it stands for."""

    @property
    def reason(self) -> str:
        """Why the reviews lie there, one sentence."""

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What happened at opening."""

    @property
    def is_remote(self) -> bool:
        """Whether reading takes a journey over the network."""

    def prepare(self) -> None:
        """Load what the first write needs; takes some 300 ms of work, changes nothing."""

    def read(self, after: int) -> list[Event]:
        """Events written after event number `after`, in order of writing."""

    def write(self, events: Sequence[Event], after: int, latest: int) -> list[Event]:
        """Write events in one transaction; those that are there already are passed over.

        Args:
            events: What to write; those without a clock get one that is later than all others.
            after: Number of the last event that the caller knows.
            latest: Latest clock that the caller knows.

        Returns:
            All events written after `after`, these among them; they are safe.
        """

    def get_setting(self, key: str) -> str | None:
        """A setting as JSON, None if it was never set."""

    def put_setting(self, key: str, value: str) -> None:
        """Set a setting, JSON."""

    def close(self) -> None:
        """Let it go; nothing can be read or written any more."""
