"""The table of backends with what one of them lacks and what can be done about it."""

from __future__ import annotations

from PySide6.QtCore import QEvent, Qt, Signal, SignalInstance
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from pipeline.backends.catalogue import CatalogueEntry, State, Survey
from widgets.fields import muted, quiet_button, thin_bar
from widgets.model_table import ModelTable, megabytes, weights_lines
from widgets.theme import GRID, HALF_GRID, Status, colors, tabular

_LOOKING = "Looking for backends …"
_LINES = 4


class ModelPanel(QWidget):
    """Shows a survey, and what one may do with the selected backend.

    Attributes:
        fetchRequested: Capability and name.
        verifyRequested: Capability and name.
        cancelRequested: Stop what is under way.
        licenceAccepted: Capability and name; the user read the notice and accepts it.
        lookRequested: Look again, something was installed.
    """

    fetchRequested = Signal(str, str)
    verifyRequested = Signal(str, str)
    cancelRequested = Signal()
    licenceAccepted = Signal(str, str)
    lookRequested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._survey: Survey | None = None
        self._busy = ""
        self._wanted: tuple[str, str] | None = None
        self.table = ModelTable(self)
        self.table.backendSelected.connect(lambda _c, _n: self._refresh())
        self._title = QLabel(self)
        font = self._title.font()
        font.setBold(True)
        self._title.setFont(font)
        self._text = _selectable(QLabel(self))
        self._verdict = _selectable(QLabel(self))
        self._devices = muted(_selectable(QLabel(_LOOKING, self)))
        self._progress_text = QLabel(self)
        self._progress_text.setFont(tabular(self._progress_text.font()))
        self._bar = thin_bar("Progress of the download or check", self, keeps_room=True)
        self._make_buttons()
        self._lay_out()
        self._end()
        self._refresh()

    # -- building --------------------------------------------------------------------------

    def _make_buttons(self) -> None:
        self._accept = quiet_button("Accept licence", "", self)
        self._fetch = quiet_button("Download", "", self)
        self._verify = quiet_button("Verify", "", self)
        self._cancel = quiet_button("Cancel", "", self)
        self._copy = quiet_button("Copy", "Copy what is said above", self)
        self._look = quiet_button("Look again", "After installing a package or weights", self)
        self._accept.clicked.connect(lambda: self._emit(self.licenceAccepted))
        self._fetch.clicked.connect(lambda: self._emit(self.fetchRequested))
        self._verify.clicked.connect(lambda: self._emit(self.verifyRequested))
        self._cancel.clicked.connect(self.cancelRequested)
        self._copy.clicked.connect(self._copy_text)
        self._look.clicked.connect(self.lookRequested)

    def _lay_out(self) -> None:
        buttons = QHBoxLayout()
        buttons.setSpacing(HALF_GRID)
        for button in (self._accept, self._fetch, self._verify, self._cancel):
            buttons.addWidget(button)
        buttons.addStretch(1)
        for button in (self._copy, self._look):
            buttons.addWidget(button)
        below = QVBoxLayout()
        below.setContentsMargins(2 * GRID, GRID, 2 * GRID, GRID)
        below.setSpacing(HALF_GRID)
        # Room for what is said about most backends: the table keeps its size.
        self._text.setMinimumHeight(_LINES * self._text.fontMetrics().lineSpacing())
        self._text.setAlignment(Qt.AlignmentFlag.AlignTop)
        for label in (self._title, self._text, self._verdict):
            below.addWidget(label)
        below.addLayout(buttons)
        below.addWidget(self._bar)
        below.addWidget(self._progress_text)
        below.addWidget(self._devices)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.table, 1)
        layout.addLayout(below)

    # -- setters ---------------------------------------------------------------------------

    def set_survey(self, survey: Survey) -> None:
        """Show what was found; emits nothing."""
        self._survey = survey
        self.table.set_survey(survey)
        if self._wanted is not None:
            self.table.select(*self._wanted)
            self._wanted = None
        self._refresh()

    def select(self, capability: str, name: str) -> None:
        """Show a backend, or remember it until the survey is there; emits nothing."""
        if self.table.select(capability, name):
            self._verdict.clear()
        elif self._survey is None and name:
            self._wanted = (capability, name)
        self._refresh()

    def set_busy(self, what: str) -> None:
        """Say what is under way (`Fetching llmdet`); empty: nothing."""
        self._busy = what
        if what:
            self._verdict.clear()
            self.set_progress(0.0, what)
        else:
            self._end()
        self._refresh()

    def set_progress(self, share: float, what: str) -> None:
        """Show how far a download or a check is."""
        if not self._busy:
            return
        self._bar.show()
        self._bar.setValue(round(min(max(share, 0.0), 1.0) * 1000))
        self._progress_text.setText(f"{share:.0%}  {what}")

    def set_verdict(self, text: str, *, well: bool) -> None:
        """Say how a download or a check ended; it stays until the next one."""
        status = Status.OK if well else Status.ERROR
        self._verdict.setStyleSheet(f"color: {colors(self.palette()).status(status).name()};")
        self._verdict.setText(text)

    def text(self) -> str:
        """What is said about the selected backend."""
        parts = (self._title.text(), self._text.text(), self._verdict.text())
        return "\n".join(part for part in parts if part)

    # -- refreshing ------------------------------------------------------------------------

    def _end(self) -> None:
        self._bar.hide()
        self._progress_text.setText(" ")

    def _refresh(self) -> None:
        entry = self.table.selected
        self._title.setText("" if entry is None else _title_of(entry))
        self._text.setText("" if entry is None else _text_of(entry))
        survey = self._survey
        if survey is not None and survey.complete:
            lines = [f"{d.text} ({d.precision})" for d in survey.devices]
            self._devices.setText(
                f"Devices, the one of auto first: {'; '.join(lines)}"
                if lines
                else "torch is not installed: no model runs here."
            )
        self._allow(entry)

    def _allow(self, entry: CatalogueEntry | None) -> None:
        nothing = "" if entry else "Select a backend first"
        busy = nothing or (f"{self._busy}: wait for it, or cancel it first" if self._busy else "")
        name = entry.card.name if entry else ""
        consent = entry is not None and entry.needs_consent
        self._accept.setVisible(consent)
        accepting = f"I have read the notice and use {name} as its licence allows"
        _allow(self._accept, nothing, accepting)
        has_weights = entry is not None and bool(entry.weights)
        here = entry is not None and any(w.path for w in entry.weights)
        fetch = busy or ("" if has_weights else f"{name}: there is nothing to download")
        fetch = fetch or ("Accept its licence first" if consent else "")
        size = f" ({megabytes(entry):,} MB)" if entry else ""
        again = "Check all checksums, and fetch again what is broken" if here else ""
        about = again or f"Fetch the weights of {name} from the Hub into its cache{size}"
        _allow(self._fetch, fetch, about)
        verify = busy or ("" if here else f"{name}: no weights are here to be verified")
        _allow(self._verify, verify, "Compare all checksums with the Hub’s, then load the model")
        _allow(
            self._cancel, "" if self._busy else "Nothing is under way", "Stop; what came is kept"
        )
        _allow(self._copy, nothing, "Copy what is said above")

    # -- what the user does ----------------------------------------------------------------

    def _emit(self, signal: SignalInstance) -> None:
        entry = self.table.selected
        if entry is not None:
            signal.emit(entry.card.capability, entry.card.name)

    def _copy_text(self) -> None:
        QGuiApplication.clipboard().setText(self.text())

    def changeEvent(self, event: QEvent) -> None:
        """Drop a verdict in the colours of another theme."""
        if event.type() is QEvent.Type.PaletteChange and hasattr(self, "_devices"):
            self._verdict.setStyleSheet("")
        super().changeEvent(event)


def _title_of(entry: CatalogueEntry) -> str:
    card = entry.card
    title = card.title if card.title == card.name else f"{card.title} ({card.name})"
    return f"{title}: {entry.state.value}"


def _text_of(entry: CatalogueEntry) -> str:
    card = entry.card
    reason = card.reason[:1].upper() + card.reason[1:]
    if not reason and entry.state is State.READY:
        reason = f"Ready: choose it as backend of the stage that does {card.capability}."
    lines = [reason, entry.notice, *weights_lines(entry)]
    return "\n".join(line for line in lines if line)


def _selectable(label: QLabel) -> QLabel:
    """Text that wraps and can be copied by mouse."""
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
    return label


def _allow(button: QPushButton, reason: str, about: str) -> None:
    """Enable a button, or disable it and say why."""
    button.setEnabled(not reason)
    button.setToolTip(reason or about)
