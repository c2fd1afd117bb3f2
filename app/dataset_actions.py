"""Actions of the menu Dataset: curation, spot check, annotating all episodes."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QSettings
from PySide6.QtWidgets import QWidget

from app.background import sentence
from app.session_control import SessionControl
from pipeline.document import Changes, Part
from pipeline.model.demonstration import DatasetSource

if TYPE_CHECKING:
    from app.curation_window import CurationWindow
    from app.training_samples import TrainingSamplesDialog

log = logging.getLogger(__name__)


class DatasetActions(QObject):
    """Makes the curation window when it is first wanted, and opens what is chosen in it."""

    def __init__(self, control: SessionControl, parent: QWidget) -> None:
        super().__init__(parent)
        self._control = control
        self._shell = parent
        self._window: CurationWindow | None = None
        self._samples: TrainingSamplesDialog | None = None
        self._wanted: tuple[int, int] | None = None
        self._shown: int | None = None
        control.bridge.changed.connect(self._on_changes)
        control.jobEnded.connect(self._on_job_ended)

    @property
    def window(self) -> CurationWindow | None:
        """The curation window, None if nobody wanted it yet."""
        return self._window

    def do_curation(self) -> None:
        """Show the curation window on the newest annotations of the open dataset."""
        self._show("threshold")

    def do_spot_check(self) -> None:
        """Show its tab Spot check."""
        self._show("spot_check")

    def do_annotate_dataset(self) -> None:
        """Show its tab Annotate."""
        self._show("annotate")

    def do_training_samples(self) -> None:
        """Show what can be exported for training, and the figures of people."""
        # lazy: nobody may ever want it
        from app.training_samples import TrainingSamplesDialog

        if self._samples is None:
            self._samples = TrainingSamplesDialog(self._control, self._shell)
        else:
            self._samples.read()
        _bring_up(self._samples)

    def open_curation(
        self, path: Path | None, dataset: Path | None, truth: Path | None = None
    ) -> CurationWindow:
        """Show the curation window on annotations; see `CurationControl.open`."""
        window = self._made()
        window.open(path, dataset, truth)
        _bring_up(window)
        return window

    def _show(self, page: str) -> None:
        fresh = self._window is None
        window = self._made()
        info = self._control.document.session.dataset
        root = None if info is None else Path(info.path)
        shown = None if window.data is None else window.data.dataset
        if fresh or (root is not None and (shown is None or not _same(shown, root))):
            window.open(None, root)
        window.show_page(page)
        _bring_up(window)

    def _made(self) -> CurationWindow:
        if self._window is None:
            # lazy: most sessions never open it, and the main window should be there soon
            from app.curation_window import CurationWindow

            settings = getattr(self._shell, "settings", None) or QSettings()
            self._window = CurationWindow(settings, self._control.paths)
            self._window.annotationActivated.connect(self.open_annotation)
            self._window.sourceWanted.connect(self._find_source)
            session = self._control.document.session
            self._window.set_dataset(session.dataset, session.options)
        return self._window

    # -- what the curation window asks for ---------------------------------------------------

    def _find_source(self, dataset: Path) -> None:
        """Pictures: of the dataset that is open here, else it is opened beside."""
        source = self._control.source
        if source is not None and _same(Path(source.info.path), dataset):
            if self._window is not None:
                self._window.set_source(source)
            return

        def work() -> DatasetSource:
            from pipeline.sources.detect import open_dataset

            return open_dataset(str(dataset))

        def there(found: DatasetSource | None, error: Exception | None) -> None:
            if self._window is None:
                return
            if error is not None:
                self._window.banner.show_failure(f"There are no pictures: {sentence(error)}", "")
            self._window.set_source(found)
            session = self._control.document.session
            if found is not None and session.dataset is None:
                # nothing is open in the main window (`demoscope curate`): annotate this one
                self._window.set_dataset(found.info, session.options)

        self._control.background.run("curation pictures", work, there)

    def open_annotation(self, episode: int, subtask: int) -> None:
        """Open an episode here and select its subtask as soon as there are results."""
        data = None if self._window is None else self._window.data
        root = None if data is None else data.dataset
        session = self._control.document.session
        here = session.dataset is not None and (
            root is None or _same(Path(session.dataset.path), root)
        )
        if not here and root is None:
            if self._window is not None:
                self._window.banner.show_failure(
                    "The annotations do not say where their dataset is: open it in the main window "
                    "first.",
                    "",
                )
            return
        self._wanted, self._shown = (episode, subtask), None
        demonstration = session.demonstration
        if not here:
            self._control.open_dataset(str(root), episode)
        elif demonstration is None or demonstration.ref.episode != episode:
            self._control.open_episode(episode)
        else:
            self._arrive()
        _bring_up(self._shell)

    def _on_job_ended(self, how: str) -> None:
        """Say it once more: the status bar tells by now how the job ended."""
        demonstration, shown = self._control.document.session.demonstration, self._shown
        self._shown = None
        if how == "done" and demonstration is not None and demonstration.ref.episode == shown:
            self._tell_differences()

    def _tell_differences(self) -> None:
        """Say if what the main window shows is made otherwise than the annotations."""
        data = None if self._window is None else self._window.data
        if data is None:
            return
        # lazy: as above
        from pipeline.curation.arrival import differing_options

        differing = differing_options(data, self._control.document.session.options)
        if differing:
            more = f" and {len(differing) - 2} more" if len(differing) > 2 else ""
            listed = "; ".join(differing[:2])
            self._control.said.emit(f"The annotations were made with other options: {listed}{more}")

    def _on_changes(self, changes: Changes) -> None:
        window = self._window
        if window is not None and changes.parts & (Part.DATASET | Part.OPTIONS):
            session = self._control.document.session
            window.set_dataset(session.dataset, session.options)
        if self._wanted is not None and changes.parts & (Part.RESULTS | Part.EPISODE):
            self._arrive()

    def _arrive(self) -> None:
        """Select the wanted subtask if its episode is there; forget it if another one is."""
        session, wanted = self._control.document.session, self._wanted
        if wanted is None or session.demonstration is None:
            return
        if session.demonstration.ref.episode != wanted[0]:
            return
        if wanted[1] == session.subtask or session.subtask_count > wanted[1]:
            self._wanted, self._shown = None, wanted[0]
            if wanted[1] != session.subtask:
                self._control.document.set_subtask(wanted[1], "curation")
            self._tell_differences()

    def close(self) -> None:
        """Close the window and stop what runs in it."""
        if self._window is not None:
            self._window.shutdown()
            self._window.deleteLater()
            self._window = None
        if self._samples is not None:
            self._samples.shut_down()


def _same(one: Path, other: Path) -> bool:
    return one.expanduser().resolve() == other.expanduser().resolve()


def _bring_up(window: QWidget) -> None:
    if window.isMinimized():
        window.showNormal()
    window.show()
    window.activateWindow()
