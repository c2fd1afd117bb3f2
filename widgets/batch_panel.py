"""Annotating a whole dataset: what, with which options, where to, how far, and what failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QSpinBox,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from pipeline.batch.progress import duration_text
from widgets.batch_failures import BatchFailures
from widgets.batch_state import BatchState
from widgets.fields import EmptyHint, guard_wheel, keep_keys, muted, quiet_button, thin_bar, tip
from widgets.theme import GRID, Status, colors, tabular

if TYPE_CHECKING:
    from pipeline.batch.outlook import Outlook

_NO_DATASET = "Open a dataset in the main window (Ctrl+O) to annotate all of its episodes."
_FOLDER = (
    "Holds annotations.parquet, the journal and one part per episode. A run that was interrupted "
    "goes on where it stands; another dataset or other options need another folder, or begin anew."
)
_LOOK_AFTER = 300
"""Milliseconds after the last key until the folder is looked into."""
_PREVIEW = 3
"""Changed options that are named; the tool tip has them all."""


@dataclass(frozen=True, slots=True)
class BatchWish:
    """What the user asked for.

    Attributes:
        episodes: As written, e.g. `0,2-5`; empty for all that are present.
        folder: Where the results go, empty for the usual place.
        jobs: Processes side by side, 0 for as many as the machine bears.
        fresh: Begin anew; an earlier run is kept under a dated name.
        retry_failed: Try episodes again that failed.
    """

    episodes: str = ""
    folder: str = ""
    jobs: int = 0
    fresh: bool = False
    retry_failed: bool = False


class BatchPanel(QWidget):
    """Asks for a batch run and shows how it goes.

    Attributes:
        wishChanged: A `BatchWish`; the user changed what is asked for: look into its folder.
        startRequested: A `BatchWish`; begin, or continue what is there.
        cancelRequested: Stop; what is finished is kept.
        folderWanted: The user wants to choose the folder.
        curationRequested: Path of the results; open them in the curation window.
        episodeActivated: Episode index; open it in the main window.
    """

    wishChanged = Signal(object)
    startRequested = Signal(object)
    cancelRequested = Signal()
    folderWanted = Signal()
    curationRequested = Signal(str)
    episodeActivated = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._has_dataset = False
        self._running = False
        self._outlook: Outlook | None = None
        self._table_path: Path | None = None
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(_LOOK_AFTER)
        self._later.timeout.connect(lambda: self.wishChanged.emit(self.wish()))
        self._make_form()
        self._make_buttons()
        self._make_progress()
        self.failures = BatchFailures(self)
        self.failures.episodeActivated.connect(self.episodeActivated)
        self._lay_out()
        self.setFocusProxy(self.episodes)
        self.set_dataset("", 0, 0)

    # -- building --------------------------------------------------------------------------

    def _make_form(self) -> None:
        self.dataset_label = _Text(self)
        self.episodes = _line("all that are on disk", "Episodes, e.g. 0,2-5", self)
        self.episodes.setToolTip(
            tip("Episodes", "Numbers and ranges such as 0,2-5. Empty: all that are on disk.")
        )
        self.jobs = QSpinBox(self)
        self.jobs.setRange(0, 64)
        self.jobs.setSpecialValueText("automatic")
        self.jobs.setAccessibleName("Processes side by side")
        self.jobs.setFont(tabular(self.jobs.font()))
        self.jobs.setMinimumWidth(14 * GRID)
        guard_wheel(self.jobs)
        keep_keys(self.jobs)
        self.jobs_reason = muted(_Text(self))
        self.options_label = _Text(self)
        self.folder = _line("beside the dataset", "Folder of the results", self)
        self.folder.setToolTip(tip("Folder of the run", _FOLDER))
        self.browse = quiet_button("Choose …", "Choose the folder of the results", self)
        self.browse.clicked.connect(self.folderWanted)
        self.state_label = _Text(self)
        self.retry = QCheckBox("Try failed episodes again", self)
        self.retry.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.retry.setToolTip(
            "Failed episodes are left alone otherwise: what broke them is still there"
        )
        self.retry.toggled.connect(lambda _on: self._refresh())
        for field in (self.episodes, self.folder):
            field.textEdited.connect(lambda _text: self._later.start())

    def _make_buttons(self) -> None:
        self.start = quiet_button("Start", "", self)
        self.fresh = quiet_button("Begin anew", "", self)
        self.cancel = quiet_button("Cancel", "", self)
        self.curate = quiet_button("Open in Curation", "", self)
        self.start.clicked.connect(lambda: self.startRequested.emit(self.wish()))
        self.fresh.clicked.connect(lambda: self.startRequested.emit(self.wish(fresh=True)))
        self.cancel.clicked.connect(self.cancelRequested)
        self.curate.clicked.connect(self._open_curation)

    def _make_progress(self) -> None:
        self.bar = thin_bar("Episodes that are through", self, keeps_room=True)
        self.progress_label = _Text(self)
        self.progress_label.setFont(tabular(self.progress_label.font()))
        self.progress_label.setToolTip(
            tip(
                "Time left",
                "Frames that are still to come × seconds per frame of the latest episodes ÷ "
                "processes; episodes found in the cache are reckoned apart. Our estimate.",
            )
        )
        self.what_label = muted(_Text(self))
        self.verdict_label = _Text(self)

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.setHorizontalSpacing(2 * GRID)
        form.setVerticalSpacing(GRID)
        form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Dataset", self.dataset_label)
        form.addRow("Episodes", self.episodes)
        form.addRow("Options", self.options_label)
        form.addRow("Processes", _side_by_side(self.jobs, self.jobs_reason))
        form.addRow("Results in", _side_by_side(self.folder, self.browse, wide=0))
        form.addRow("", self.state_label)
        form.addRow("", self.retry)
        buttons = QHBoxLayout()
        buttons.setSpacing(GRID)
        for button in (self.start, self.fresh, self.cancel):
            buttons.addWidget(button)
        buttons.addStretch(1)
        buttons.addWidget(self.curate)
        page = QWidget(self)
        column = QVBoxLayout(page)
        column.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        column.setSpacing(GRID)
        column.addLayout(form)
        column.addLayout(buttons)
        column.addWidget(self.bar)
        column.addWidget(self.progress_label)
        column.addWidget(self.what_label)
        column.addWidget(self.verdict_label)
        column.addWidget(self.failures, 1)
        self._pages = QStackedWidget(self)
        self._pages.addWidget(EmptyHint(_NO_DATASET, self))
        self._pages.addWidget(page)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._pages)

    # -- setters ---------------------------------------------------------------------------

    def set_dataset(self, name: str, present: int, total: int) -> None:
        """Say which dataset it is about; emits nothing.

        Args:
            name: Its name, empty for none.
            present: Episodes that are on disk.
            total: Episodes that its metadata declare.
        """
        self._has_dataset = bool(name)
        self._outlook = None
        self._table_path = None
        here = f"{present:,} episodes" if present == total else f"{present:,} of {total:,} episodes"
        self.dataset_label.setText(f"{name}, {here} on disk")
        self._pages.setCurrentIndex(int(self._has_dataset))
        self.set_failures(())
        self.set_verdict("")
        self._refresh()

    def set_options(self, changed: Sequence[str], note: str = "") -> None:
        """Say which options are in force; emits nothing.

        Args:
            changed: Those that differ from the defaults, e.g. `scores.penalty_scale 0.5`.
            note: What matters most beside them, e.g. that a language model is asked.
        """
        if not changed:
            text = "all defaults"
        else:
            more = f" and {len(changed) - _PREVIEW} more" if len(changed) > _PREVIEW else ""
            text = f"{', '.join(changed[:_PREVIEW])}{more}; defaults elsewhere"
        self.options_label.setText(f"{text}. {note}" if note else text)
        listed = "\n".join(changed) if changed else "No option was changed."
        self.options_label.setToolTip(
            f"Options of all stages as set in the main window.\n{listed}\n"
            "The run keeps them all in its run.json."
        )

    def set_folder(self, folder: str) -> None:
        """Show a folder as the user's choice, empty for the usual place; emits nothing."""
        self.folder.setText(folder)

    def set_outlook(self, outlook: Outlook | None) -> None:
        """Show what a run would find in its folder; emits nothing."""
        self._outlook = outlook
        if outlook is not None and not self._running:
            self.set_failures(outlook.failed)
            self._table_path = outlook.table
            self.folder.setPlaceholderText(str(outlook.folder))
            self.folder.setToolTip(tip("Folder of the run", str(outlook.folder), _FOLDER))
            self.jobs_reason.setText(outlook.jobs_reason)
        self._refresh()

    def set_running(self, running: bool) -> None:
        """Say whether a run is at work; emits nothing."""
        self._running = running
        if running:
            self._table_path = None
            self.set_verdict("")
            self.set_failures(())
            self.bar.setRange(0, 0)
            self.progress_label.setText("Starting …")
        self._refresh()

    def set_progress(self, done: int, failed: int, total: int, eta: float, what: str) -> None:
        """Show how far a run is; emits nothing.

        Args:
            done: Episodes that are through, the failed ones included.
            failed: Episodes that failed.
            total: Episodes that are wanted.
            eta: Seconds that are left, negative if not known yet.
            what: What the processes are busy with.
        """
        self.bar.setRange(0, max(total, 1))
        self.bar.setValue(done)
        parts = [f"{done:,} of {total:,} episodes"]
        if failed:
            parts.append(f"{failed:,} failed")
        if eta >= 0 and done < total:
            parts.append(f"{duration_text(eta)} left")
        self.progress_label.setText(", ".join(parts))
        self.what_label.setText(what)

    def set_failures(self, failures: Sequence[tuple[int, str]]) -> None:
        """List the episodes that failed, with the reasons; emits nothing."""
        self.failures.set_failures(failures)

    def add_failure(self, episode: int, reason: str) -> None:
        """Add an episode that failed; emits nothing."""
        self.failures.add_failure(episode, reason)

    def set_verdict(self, text: str, *, well: bool | None = None) -> None:
        """Say something about the run; it stays until something else is said. Emits nothing.

        Args:
            text: What.
            well: True or False if it is how the run ended.
        """
        status = Status.OK if well else Status.ERROR
        color = colors(self.palette()).status(status).name()
        self.verdict_label.setStyleSheet("" if well is None else f"color: {color};")
        self.verdict_label.setText(text)
        self.verdict_label.setVisible(bool(text))

    def set_results(self, path: str) -> None:
        """Say where the results are, so that they can be opened; emits nothing."""
        self._table_path = Path(path) if path else None
        self._refresh()

    def wish(self, *, fresh: bool = False) -> BatchWish:
        """What the user asks for.

        Args:
            fresh: Begin anew.
        """
        return BatchWish(
            episodes=self.episodes.text().strip(),
            folder=self.folder.text().strip(),
            jobs=self.jobs.value(),
            fresh=fresh,
            retry_failed=self.retry.isChecked(),
        )

    # -- refreshing ------------------------------------------------------------------------

    def _refresh(self) -> None:
        state = BatchState(self._has_dataset, self._running, self._outlook, self.retry.isChecked())
        self.state_label.setText(state.text)
        self.state_label.setVisible(bool(state.text))
        self.start.setText("Continue" if state.continues else "Start")
        self.start.setAccessibleName(self.start.text())
        about = "Annotate what is missing" if state.continues else "Annotate all these episodes"
        _allow(self.start, state.no_start, about)
        _allow(self.fresh, state.no_fresh, "The earlier run is kept beside it, under a dated name")
        keeps = "Stop at once; what is finished is kept, and Continue goes on from there"
        _allow(self.cancel, state.no_cancel, keeps)
        results = "" if self._table_path else "There are no results yet: run it to the end first"
        _allow(self.curate, results, f"Open {self._table_path} in the curation window")
        for field in (self.episodes, self.folder, self.jobs, self.browse, self.retry):
            field.setEnabled(not self._running)
        for widget in (self.bar, self.progress_label, self.what_label):
            widget.setVisible(self._running)

    def _open_curation(self) -> None:
        if self._table_path is not None:
            self.curationRequested.emit(str(self._table_path))

    def changeEvent(self, event: QEvent) -> None:
        """Drop a verdict in the colours of another theme."""
        if event.type() is QEvent.Type.PaletteChange and hasattr(self, "verdict_label"):
            self.verdict_label.setStyleSheet("")
        super().changeEvent(event)


class _Text(QLabel):
    """Text that wraps, can be copied by mouse, and is as high as it must be at its width.

    A wrapping QLabel asks for the height of a narrow column, whatever width it has.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWordWrap(True)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)

    def sizeHint(self) -> QSize:
        """Size at the width that it has."""
        return QSize(0, self.heightForWidth(max(self.width(), 1)))

    def minimumSizeHint(self) -> QSize:
        """The same."""
        return self.sizeHint()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Another width, another height."""
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self.updateGeometry()


def _line(hint: str, name: str, parent: QWidget) -> QLineEdit:
    line = QLineEdit(parent)
    line.setPlaceholderText(hint)
    line.setAccessibleName(name)
    line.setClearButtonEnabled(True)
    keep_keys(line)
    return line


def _side_by_side(first: QWidget, second: QWidget, wide: int = 1) -> QHBoxLayout:
    """Two widgets in a row; the one numbered `wide` takes the room."""
    row = QHBoxLayout()
    row.setSpacing(GRID)
    row.addWidget(first, int(wide == 0))
    row.addWidget(second, int(wide == 1))
    return row


def _allow(button: QPushButton, reason: str, about: str) -> None:
    """Enable a button, or disable it and say why."""
    button.setEnabled(not reason)
    button.setToolTip(reason or about)
