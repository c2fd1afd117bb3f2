"""A batch run from the window: looked ahead, started, watched and stopped off the GUI thread."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Qt, Signal, SignalInstance, Slot
from PySide6.QtWidgets import QFileDialog

from pipeline.model.demonstration import DatasetInfo
from pipeline.model.episodes import present_count
from pipeline.model.problem import Cancelled, DataError
from widgets.batch_panel import BatchPanel, BatchWish

if TYPE_CHECKING:
    from app.batch_work import BatchWork

log = logging.getLogger(__name__)

GRAPH = "pipeline.annotate:standard_graph"
OPENER = "pipeline.sources.detect:open_dataset"
_PATIENCE = 5.0
"""Seconds that the end of a run may take when the window closes."""


class BatchControl(QObject):
    """One batch run at a time. Its processes die with the window; the next run goes on.

    Signals:
        lookedAhead: An `Outlook`: what a run would find in its folder.
        started: A run began.
        progressed: Episodes through, failed, wanted; seconds left (negative: not known yet); what
            is at work.
        episodeFailed: Episode and reason.
        said: A sentence about the run, e.g. what asking a language model will take.
        finished: Path of the merged results.
        stopped: By `cancel`: a sentence that says what is kept.
        failed: A sentence: the run could not begin or go on.
    """

    lookedAhead = Signal(object)
    started = Signal()
    progressed = Signal(int, int, int, float, str)
    episodeFailed = Signal(int, str)
    said = Signal(str)
    finished = Signal(str)
    stopped = Signal(str)
    failed = Signal(str)
    _datasetChanged = Signal(str, int, int)
    _optionsChanged = Signal(object, str)
    _arrived = Signal(int, object)

    def __init__(
        self, parent: QObject | None = None, *, graph: str = GRAPH, opener: str = OPENER
    ) -> None:
        """Start nothing.

        Args:
            parent: Owner.
            graph: `module:function` that makes the graph; another one in tests.
            opener: `module:function` that opens a dataset.
        """
        super().__init__(parent)
        self._graph = graph
        self._opener = opener
        self._info: DatasetInfo | None = None
        self._options: dict[str, Any] = {}
        self._number = 0
        self._looks = 0
        self._work: BatchWork | None = None
        self._thread: threading.Thread | None = None
        self._cancelled = False
        self._arrived.connect(self._deliver, Qt.ConnectionType.QueuedConnection)

    @property
    def running(self) -> bool:
        """True from `start` until it was told how the run ended."""
        return self._thread is not None

    def set_dataset(self, info: DatasetInfo | None) -> None:
        """Say which dataset is open. A run at work goes on with its own."""
        self._info = info
        name = "" if info is None else info.name
        episodes = () if info is None else info.episodes
        self._datasetChanged.emit(name, present_count(episodes), len(episodes))

    def set_options(self, options: Mapping[str, Any]) -> None:
        """Say which options are in force: stage name -> options instance."""
        # lazy: whoever has options has loaded these
        from pipeline.engine.options_file import changed_values
        from pipeline.stages.subtask_costs import asks_a_server
        from pipeline.stages.subtask_options import SubtasksOptions

        self._options = dict(options)
        language = self._options.get("subtasks")
        note = ""
        if isinstance(language, SubtasksOptions) and asks_a_server(language):
            note = f"{language.backend} is asked; the run says first what that takes."
        self._optionsChanged.emit(changed_values(options), note)

    def serve(self, panel: BatchPanel) -> None:
        """Connect a panel, both ways; call it before `set_dataset` and `set_options`."""
        panel.wishChanged.connect(self.look)
        panel.startRequested.connect(self.start)
        panel.cancelRequested.connect(self.cancel)
        panel.folderWanted.connect(lambda: self._choose_folder(panel))
        self._datasetChanged.connect(panel.set_dataset)
        self._optionsChanged.connect(panel.set_options)
        self.lookedAhead.connect(panel.set_outlook)
        self.started.connect(lambda: panel.set_running(True))
        self.progressed.connect(panel.set_progress)
        self.episodeFailed.connect(panel.add_failure)
        self.said.connect(lambda text: panel.set_verdict(text))

        def ended(text: str, *, well: bool, path: str = "") -> None:
            panel.set_running(False)
            panel.set_verdict(text, well=well)
            panel.set_results(path)
            self.look(panel.wish())

        self.finished.connect(lambda path: ended(f"Done: {path}", well=True, path=path))
        self.stopped.connect(lambda text: ended(text, well=True))
        self.failed.connect(lambda text: ended(text, well=False))

    def _choose_folder(self, panel: BatchPanel) -> None:
        dialog = QFileDialog(panel, "Folder of the results")
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)

        def chosen(folder: str) -> None:
            panel.set_folder(folder)
            self.look(panel.wish())

        dialog.fileSelected.connect(chosen)
        dialog.open()

    # -- what the user wants ---------------------------------------------------------------

    def look(self, wish: BatchWish | None = None) -> None:
        """Find out what a run would find in its folder; `lookedAhead` tells, off this thread."""
        if self._info is None or self.running:
            return
        self._looks += 1
        values = (self._looks, self._info, dict(self._options), wish or BatchWish())
        threading.Thread(target=self._look, args=values, name="batch-look", daemon=True).start()

    def start(self, wish: BatchWish | None = None) -> None:
        """Begin a run, or continue the one that is in the folder."""
        if self.running:
            return
        if self._info is None:
            self.failed.emit("Open a dataset first.")
            return
        self._number += 1
        self._looks += 1  # a look that is under way would tell what was there before
        self._cancelled = False
        values = (self._number, self._info, dict(self._options), wish or BatchWish())
        self._thread = threading.Thread(target=self._run, args=values, name="batch", daemon=True)
        self.started.emit()
        self._thread.start()

    def cancel(self) -> None:
        """Stop at once; `stopped` says what is kept."""
        self._cancelled = True
        if self._work is not None:
            self._work.stop()

    def close(self) -> None:
        """Stop, wait for the thread (a few seconds at most), and tell nothing more."""
        self._number += 1
        self._looks += 1
        self.cancel()
        if self._thread is not None:
            self._thread.join(_PATIENCE)
            self._thread = None

    # -- in threads ------------------------------------------------------------------------

    def _look(
        self, number: int, info: DatasetInfo, options: dict[str, Any], wish: BatchWish
    ) -> None:
        # lazy: the window starts without what a batch needs
        from app.batch_work import BatchWork

        work = BatchWork(info, options, wish, graph=self._graph, opener=self._opener)
        try:
            found = work.outlook()
        except (DataError, ValueError, OSError) as error:
            self._tell(-number, self.said, str(error))
        else:
            self._tell(-number, self.lookedAhead, found)

    def _run(
        self, number: int, info: DatasetInfo, options: dict[str, Any], wish: BatchWish
    ) -> None:
        """The body of the run's thread; stays in it, for the processes die with it."""
        # lazy: as above
        from app.batch_work import BatchListener, BatchWork

        work = BatchWork(info, options, wish, graph=self._graph, opener=self._opener)
        self._work = work
        if self._cancelled:
            work.stop()
        listener = BatchListener(
            said=lambda text: self._tell(number, self.said, text),
            progressed=lambda *values: self._tell(number, self.progressed, *values),
            episode_failed=lambda *values: self._tell(number, self.episodeFailed, *values),
        )
        try:
            table = work.run(listener)
        except Cancelled as error:
            self._end(number, self.stopped, str(error))
        except (DataError, ValueError) as error:
            self._end(number, self.failed, str(error))
        except OSError as error:
            text = f"{error.filename or info.name}: {error.strerror or error}"
            self._end(number, self.failed, text)
        except Exception as error:
            # The last resort: a defect of ours must not leave the panel running for ever.
            log.exception("the batch run failed")
            text = f"Internal error: {type(error).__name__}: {error}"
            self._end(number, self.failed, text)
        else:
            self._end(number, self.finished, str(table))

    def _tell(self, number: int, signal: SignalInstance, *values: object) -> None:
        self._send(number, signal, values, ends=False)

    def _end(self, number: int, signal: SignalInstance, text: str) -> None:
        self._work = None
        self._send(number, signal, (text,), ends=True)

    def _send(
        self, number: int, signal: SignalInstance, values: tuple[object, ...], *, ends: bool
    ) -> None:
        try:
            self._arrived.emit(number, (signal, values, ends))
        except RuntimeError:
            log.debug("news of a batch came after the window closed")

    # -- on the GUI thread -----------------------------------------------------------------

    @Slot(int, object)
    def _deliver(self, number: int, news: tuple[SignalInstance, tuple[object, ...], bool]) -> None:
        """Tell what came from a thread, unless it is of an earlier run or look."""
        if number not in (self._number, -self._looks):
            return
        signal, values, ends = news
        if ends:
            self._thread = None
        signal.emit(*values)
