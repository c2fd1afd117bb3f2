"""Long work of the pages Failures and Sensitivity: diagnoses and sweeps, off the GUI thread."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from PySide6.QtCore import QObject, Qt, Signal, Slot

from app.background import Background, sentence
from app.diagnosis_control import DiagnosisControl
from app.diagnosis_task import options_of, task_of
from pipeline.curation.data import CurationData
from pipeline.evaluation.sweep_options import Cost, cost_of
from pipeline.evaluation.sweeps import Result, SweepData, SweepRequest, run_sweep
from pipeline.model.problem import Cancelled, DataError
from widgets.curation.failure_pareto import FailurePareto
from widgets.curation.sweep_view import SweepView

log = logging.getLogger(__name__)

_NO_CLIPS = "options of the measurement need the dataset and its cached tracks"


class CurationRuns(QObject):
    """Runs what both pages ask for, one run of each at a time."""

    _swept = Signal(int, float, str)

    def __init__(
        self, failures: FailurePareto, sweeps: SweepView, cache: Path, parent: QObject | None
    ) -> None:
        """Serve two pages.

        Args:
            failures: Asks for diagnoses.
            sweeps: Asks for sweeps.
            cache: Folder of cached results.
            parent: Owner.
        """
        super().__init__(parent)
        self._failures, self._sweeps, self._cache = failures, sweeps, cache
        self._data: CurationData | None = None
        self._background = Background(self)
        self._diagnosis = DiagnosisControl(self)
        self._cancel = threading.Event()
        self._number = 0
        self._asked: Path | None = None
        self._swept.connect(self._show_progress, Qt.ConnectionType.QueuedConnection)
        failures.diagnosisRequested.connect(self._diagnose)
        failures.cancelRequested.connect(self._diagnosis.cancel)
        self._diagnosis.found.connect(failures.set_diagnoses)
        self._diagnosis.progressed.connect(failures.set_progress)
        self._diagnosis.ended.connect(lambda text: failures.set_progress(None, text))
        sweeps.sweepRequested.connect(self._sweep)
        sweeps.cancelRequested.connect(lambda: self._cancel.set())
        sweeps.set_measurable(_NO_CLIPS)

    def set_data(self, data: CurationData | None) -> None:
        """Other annotations: what runs is stopped. The same with more judgements: it goes on."""
        same = (
            data is not None
            and self._data is not None
            and (data.path, len(data.table)) == (self._data.path, len(self._data.table))
        )
        self._data = data
        at_hand = data is not None and data.dataset is not None
        self._sweeps.set_measurable("" if at_hand else _NO_CLIPS)
        if not same:
            self._cancel.set()
            self._number += 1
            self._diagnosis.close()
            self._failures.set_progress(None)

    def _diagnose(self, episodes: tuple[int, ...]) -> None:
        if self._data is None:
            return
        try:
            task = task_of(self._data, episodes, self._cache)
        except (DataError, ValueError) as error:
            self._failures.set_progress(None, sentence(error))
            return
        self._diagnosis.start(task)

    def sweep_first(self) -> None:
        """Sweep all options by itself, once for each file: an empty page teaches nothing."""
        data = self._data
        if data is not None and data.path != self._asked and self._sweeps.wants_sweep:
            self._asked = data.path
            self._sweep(SweepRequest((), self._sweeps.chosen_metric))

    def _sweep(self, request: SweepRequest) -> None:
        data = self._data
        if data is None:
            return
        self._cancel.set()
        cancel = self._cancel = threading.Event()
        self._number += 1
        number = self._number

        def tell(share: float, what: str) -> None:
            try:
                self._swept.emit(number, share, what)
            except RuntimeError:
                log.debug("news of a sweep came after the window closed")

        def work() -> Result:
            clips = None
            measured = any(cost_of(n) is Cost.MEASUREMENT for n in request.parameters)
            if measured and data.dataset is not None:
                from pipeline.curation.clips import cached_clips

                clips = cached_clips(
                    data.table,
                    data.dataset,
                    options_of(data),
                    self._cache,
                    is_cancelled=cancel.is_set,
                )
            given = SweepData(data.table, data.both, data.options, clips)
            return run_sweep(request, given, progress=tell, is_cancelled=cancel.is_set)

        def there(result: Result | None, error: Exception | None) -> None:
            if number != self._number:
                return
            self._number += 1  # progress that is still under way says nothing any more
            if result is not None:
                self._sweeps.set_sweep(result)
            elif isinstance(error, Cancelled):
                self._sweeps.set_cancelled()
            else:
                self._sweeps.set_cancelled(sentence(error) if error is not None else "")

        self._sweeps.set_progress(0.0, "starting")
        self._background.run("sweep", work, there)

    @Slot(int, float, str)
    def _show_progress(self, number: int, share: float, what: str) -> None:
        if number == self._number:
            self._sweeps.set_progress(share, what)

    def close(self) -> None:
        """Stop everything."""
        self._cancel.set()
        self._diagnosis.close()
        self._background.close()
