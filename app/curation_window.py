"""The second window: where to put the threshold of a dataset, and what is wrong with the rest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PySide6.QtCore import QByteArray, QSettings, QSize, Qt, Signal
from PySide6.QtGui import QCloseEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QFileDialog,
    QMainWindow,
    QMessageBox,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from app.banner import Banner
from app.batch_control import BatchControl
from app.caption_evaluation_page import CaptionEvaluationPage
from app.curation_control import CurationControl
from app.curation_keys import CURATION_KEYS
from app.curation_runs import CurationRuns
from app.settings import Paths
from app.spot_check_page import SpotCheckPage
from pipeline.curation.data import CurationData
from pipeline.model.demonstration import DatasetInfo, DatasetSource
from widgets.batch_panel import BatchPanel
from widgets.curation.failure_pareto import FailurePareto
from widgets.curation.sweep_view import SweepView
from widgets.curation.threshold_page import ThresholdPage
from widgets.fields import quiet_button, thin_bar
from widgets.shortcut_help import ShortcutHelp, ShortcutLine
from widgets.theme import GRID

_SIZE = QSize(1280, 800)
_NO_DATASET = "Open a dataset first (Ctrl+O in the main window), or a file of annotations."


class CurationWindow(QMainWindow):
    """Threshold, failures, sensitivity, spot check, annotating and captions, a tab each.

    Signals:
        annotationActivated: Episode and subtask: open them in the main window.
        sourceWanted: `Path` of a dataset that is needed for its pictures, and to be annotated;
            `set_source` answers.
    """

    annotationActivated = Signal(int, int)
    sourceWanted = Signal(object)

    def __init__(self, settings: QSettings, folders: Paths, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("curation")
        self.setWindowTitle("Curation")
        self._settings = settings
        self.banner = Banner(self)
        self.threshold = ThresholdPage(self)
        self.failures = FailurePareto(self)
        self.sensitivity = SweepView(self)
        self.spot_check = SpotCheckPage(self)
        self.annotate = BatchPanel(self)
        self.captions = CaptionEvaluationPage(folders.results, self)
        self.tabs = QTabWidget(self)
        self.tabs.setDocumentMode(True)
        self.tabs.setAccessibleName("Pages of the curation window")
        for page, title, what in (
            (self.threshold, "Threshold", "Where to put the threshold, and what it costs"),
            (self.failures, "Failures", "Which stage failed first, and how often"),
            (self.sensitivity, "Sensitivity", "What each option of the score does to the metrics"),
            (self.spot_check, "Spot check", "Judge a sample by eye; an honest precision"),
            (self.annotate, "Annotate", "Annotate all episodes of the open dataset"),
            (self.captions, "Captions", "Which recipe writes the most acceptable captions"),
        ):
            number = self.tabs.addTab(page, title)
            self.tabs.setTabToolTip(number, f"{what} (Ctrl+{number + 1})")
            shortcut = QShortcut(QKeySequence(f"Ctrl+{number + 1}"), self)
            shortcut.activated.connect(lambda n=number: self.tabs.setCurrentIndex(n))
        center = QWidget(self)
        column = QVBoxLayout(center)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.banner)
        column.addWidget(self.tabs, 1)
        self.setCentralWidget(center)
        self._make_export_news()
        self.control = CurationControl(self.threshold, settings, self)
        self.runs = CurationRuns(self.failures, self.sensitivity, folders.results, self)
        self.batch = BatchControl(self)
        self.batch.serve(self.annotate)
        self._dataset: Path | None = None
        self._info: DatasetInfo | None = None
        self._options: Mapping[str, Any] = {}
        self._connect()
        geometry = settings.value("curation/geometry")
        if not (isinstance(geometry, QByteArray) and self.restoreGeometry(geometry)):
            self.resize(_SIZE)

    def _make_export_news(self) -> None:
        """How far an export is, in the status bar; hidden while there is none."""
        self.export_bar = thin_bar("Progress of the export", self)
        self.export_bar.setFixedWidth(15 * GRID)
        self.export_cancel = quiet_button(
            "Cancel", "Stop the export; nothing of it is left, an earlier one stays", self
        )
        self.export_cancel.setAccessibleName("Cancel the export")
        for widget in (self.export_bar, self.export_cancel):
            self.statusBar().addPermanentWidget(widget)
        self._end_export()

    def _connect(self) -> None:
        control = self.control
        control.exportProgressed.connect(self._show_export)
        control.exportEnded.connect(self._end_export)
        self.export_cancel.clicked.connect(control.cancel_export)
        self.tabs.currentChanged.connect(lambda _n: self._page_shown())
        self.tabs.currentChanged.connect(lambda _n: self._focus_page())
        self.threshold.openRequested.connect(self._ask_file)
        for key in ("?", "F1"):
            QShortcut(QKeySequence(key), self).activated.connect(self._show_keys)
        # buttons never have the focus, so that Space presses none
        QShortcut(QKeySequence("Ctrl+R"), self).activated.connect(self._run_page)
        QShortcut(QKeySequence("Ctrl+E"), self).activated.connect(
            self.threshold.points.export.click
        )
        control.said.connect(lambda text: self.statusBar().showMessage(text, 10_000))
        control.failed.connect(lambda text: self.banner.show_failure(text, ""))
        control.dataRead.connect(self._show_data)
        control.judgementsChanged.connect(self._show_judgements)
        pages = (self.threshold, self.failures, self.sensitivity, self.spot_check, self.captions)
        for page in pages:
            page.annotationActivated.connect(self.annotationActivated)
        self.threshold.annotateRequested.connect(lambda: self.show_page("annotate"))
        self.threshold.exportRequested.connect(self._ask_export)
        self.threshold.settled.connect(
            lambda: self.spot_check.set_threshold(self.threshold.threshold)
        )
        self.spot_check.answersChanged.connect(control.judge_again)
        self.annotate.episodeActivated.connect(lambda e: self.annotationActivated.emit(e, 0))
        self.annotate.curationRequested.connect(self._open_results)

    # -- opening -----------------------------------------------------------------------------

    def open(self, path: Path | None, dataset: Path | None, truth: Path | None = None) -> None:
        """Read annotations; see `CurationControl.open`. None and None: say what to do."""
        self.banner.hide()
        self._dataset = dataset
        if path is None and dataset is None:
            self.control.nothing(_NO_DATASET)
        else:
            self.control.open(path, dataset, truth)

    def _open_results(self, path: str) -> None:
        self.open(Path(path), None)
        self.show_page("threshold")

    def show_page(self, name: str) -> None:
        """Go to the tab of that attribute, e.g. `threshold` or `spot_check`."""
        page: QWidget = getattr(self, name)
        self.tabs.setCurrentWidget(page)

    def set_dataset(self, info: DatasetInfo | None, options: Mapping[str, Any]) -> None:
        """What the main window has open: the tab Annotate is about it."""
        if info is not self._info:  # the tab forgets the last run otherwise
            self._info = info
            self.batch.set_dataset(info)
        self.batch.set_options(options)
        self._options = options
        self._tell_captions()
        self._page_shown()

    def set_source(self, source: DatasetSource | None) -> None:
        """The dataset that pictures are read from."""
        self.control.set_source(source)
        self.spot_check.set_source(source)

    @property
    def data(self) -> CurationData | None:
        """Annotations on show."""
        return self.control.data

    # -- showing -----------------------------------------------------------------------------

    def _show_data(self, data: CurationData | None) -> None:
        self.set_source(None)
        name = "" if data is None else f" – {(data.dataset or data.path).name}"
        self.setWindowTitle(f"Curation{name}")
        self._show_judgements(data)
        self._tell_captions()
        dataset = self._dataset if data is None else data.dataset
        if dataset is not None:
            self.sourceWanted.emit(dataset)

    def _show_judgements(self, data: CurationData | None) -> None:
        self.runs.set_data(data)
        for page in (self.failures, self.sensitivity, self.spot_check):
            page.set_data(data)
        self._page_shown()

    def _tell_captions(self) -> None:
        """The page Captions is about the dataset of the annotations, else about the open one."""
        opened = None if self._info is None else Path(self._info.path)
        root = (None if self.data is None else self.data.dataset) or opened
        same = root is not None and opened is not None and root.resolve() == opened.resolve()
        self.captions.set_dataset(root, self._options if same else {})

    def _page_shown(self) -> None:
        """Do what a page needs once it is looked at."""
        if self.tabs.currentWidget() is self.sensitivity:
            self.runs.sweep_first()
        elif self.tabs.currentWidget() is self.annotate:
            self.batch.look(self.annotate.wish())

    def _focus_page(self) -> None:
        """Keys go to what the page is about, not to its first choice box."""
        page = self.tabs.currentWidget()
        if page is not None and page.focusProxy() is not None:
            page.setFocus(Qt.FocusReason.OtherFocusReason)

    def _run_page(self) -> None:
        """What the page's own button does; nothing where it is off."""
        page = self.tabs.currentWidget()
        if page is self.annotate:
            self.annotate.start.click()
        elif page in (self.failures, self.sensitivity):
            (self.failures if page is self.failures else self.sensitivity).button.click()
        elif page is self.captions:
            self.captions.start()

    def _show_keys(self) -> None:
        dialog = ShortcutHelp(self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        lines = (ShortcutLine("Curation window", *line) for line in CURATION_KEYS)
        dialog.set_lines(tuple(lines))
        dialog.show()

    def _ask_file(self) -> None:
        dialog = QFileDialog(self, "Open annotations")
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.setNameFilter("Annotations (*.jsonl *.parquet)")
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(lambda name: self.open(Path(name), self._dataset))
        dialog.open()

    # -- export ------------------------------------------------------------------------------

    def _ask_export(self) -> None:
        data = self.data
        if data is None:
            return
        dialog = QFileDialog(self, "Export what is kept and dropped to a folder")
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        place = data.folder if data.folder.is_dir() else data.path.parent
        dialog.setDirectory(str(place))
        dialog.fileSelected.connect(lambda folder: self.export(Path(folder)))
        dialog.open()

    def export(self, folder: Path) -> None:
        """Export; where an export is already, ask whether to replace it."""
        if not (folder / "options.json").is_file():
            self.control.export(folder)
            return
        box = QMessageBox(self)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.setWindowTitle("Export")
        box.setText(f"{folder} holds an export already. Replace it?")
        box.setStandardButtons(QMessageBox.StandardButton.Cancel)
        replace = box.addButton("Replace", QMessageBox.ButtonRole.AcceptRole)
        replace.clicked.connect(lambda: self.control.export(folder, replace=True))
        box.open()

    def _show_export(self, share: float) -> None:
        self.export_bar.setValue(round(1000 * share))
        self.export_bar.show()
        self.export_cancel.show()

    def _end_export(self) -> None:
        self.export_bar.hide()
        self.export_cancel.hide()

    # -- Qt ----------------------------------------------------------------------------------

    def closeEvent(self, event: QCloseEvent) -> None:
        """Keep what is not saved; a batch run goes on until the main window closes."""
        self.control.keep_draft()
        self._settings.setValue("curation/geometry", self.saveGeometry())
        super().closeEvent(event)

    def shutdown(self) -> None:
        """Stop all that runs, for good."""
        self.close()
        self.batch.close()
        self.runs.close()
        self.spot_check.close_page()
        self.captions.close_page()
        self.control.close()
