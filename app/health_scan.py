"""The health of the open dataset, examined in a process of its own while the window goes on."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Signal, Slot

from pipeline.model.demonstration import DatasetInfo
from pipeline.model.problem import DataError, Problem

if TYPE_CHECKING:
    from pipeline.health.scan import HealthScan, ScanSettings

log = logging.getLogger(__name__)

_NICE = 10
"""The scan steps back behind the window and the worker that computes the stages."""


@dataclass(frozen=True, slots=True)
class HealthNews:
    """A batch of results.

    Attributes:
        done: Episodes examined so far.
        total: Episodes that are examined.
        problems: Findings by episode that are new or differ from before; empty to take back.
        of_dataset: Findings about the dataset as a whole.
        ended: True for the last batch.
        failure: One sentence if the scan had to be given up.
    """

    done: int
    total: int
    problems: Mapping[int, tuple[Problem, ...]] = field(default_factory=dict)
    of_dataset: tuple[Problem, ...] = ()
    ended: bool = False
    failure: str = ""


class HealthMonitor(QObject):
    """Scans one dataset at a time, off the GUI thread; results come in batches.

    A process may crash or hang at an episode: the episode gets a finding and the scan goes on.

    Signals:
        found: A `HealthNews` of the dataset that was started last.
    """

    found = Signal(object)
    _arrived = Signal(int, object)

    def __init__(
        self,
        cache: Path | None,
        parent: QObject | None = None,
        *,
        settings: ScanSettings | None = None,
    ) -> None:
        """Start nothing yet.

        Args:
            cache: Folder of remembered examinations, None for none.
            parent: Owner.
            settings: For tests; None for the usual ones.
        """
        super().__init__(parent)
        self._cache = cache
        self._settings = settings
        self._number = 0
        self._scan: HealthScan | None = None
        self._thread: threading.Thread | None = None
        self._arrived.connect(self._deliver, Qt.ConnectionType.QueuedConnection)

    @property
    def running(self) -> bool:
        """True while a scan is under way."""
        return self._thread is not None and self._thread.is_alive()

    def start(self, info: DatasetInfo, first: tuple[int, ...] = ()) -> None:
        """Scan a dataset; a scan under way is stopped and tells nothing more.

        Args:
            info: The dataset.
            first: Episodes to begin with: those that are looked at.
        """
        # lazy: loaded by whoever opened the dataset, beside the GUI thread
        from pipeline.health.scan import HealthScan, ScanSettings

        self.stop()
        usual = self._settings or ScanSettings(nice=_NICE)
        settings = replace(usual, first=first, cache=self._cache, digest=True)
        self._scan = HealthScan(info.path, settings)
        self._thread = threading.Thread(
            target=self._run, args=(self._number, self._scan), name="health", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop the scan, if there is one. Does not wait for it."""
        self._number += 1
        if self._scan is not None:
            self._scan.stop()
            self._scan = None

    def close(self) -> None:
        """Stop, and wait for the thread (at most a second)."""
        self.stop()
        if self._thread is not None:
            self._thread.join(1.0)

    # -- in the thread ---------------------------------------------------------------------

    def _run(self, number: int, scan: HealthScan) -> None:
        from pipeline.health.scan import ScanStep

        failure = ""
        step = ScanStep(0, 0)
        try:
            for step in scan.run():
                if number != self._number:
                    return
                self._tell(number, HealthNews(step.done, step.total, step.changed, step.of_dataset))
        except DataError as error:
            failure = str(error)
        except OSError as error:
            failure = f"the examination could not be started: {error.strerror or error}"
        ended = HealthNews(step.done, step.total, {}, step.of_dataset, ended=True, failure=failure)
        self._tell(number, ended)

    def _tell(self, number: int, news: HealthNews) -> None:
        try:
            self._arrived.emit(number, news)
        except RuntimeError:
            log.debug("health came after the window closed")

    # -- on the GUI thread -----------------------------------------------------------------

    @Slot(int, object)
    def _deliver(self, number: int, news: HealthNews) -> None:
        if number == self._number:
            self.found.emit(news)
