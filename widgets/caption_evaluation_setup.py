"""Set-up of a measurement of caption recipes, with what it would take before anything is sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QEvent, Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from pipeline.captioning.evaluation_values import OFFLINE_RECIPE, EvaluationOutlook
from pipeline.model.recipe import Recipe
from widgets.caption_recipe_rows import RecipeRows
from widgets.caption_server_choice import ServerChoice, ServerOffer, StatusText, field_line
from widgets.fields import muted, quiet_button, thin_bar, tip
from widgets.theme import GRID, Status, tabular

_TYPING_MS = 500
"""The estimate follows when typing has paused this long."""
_ESTIMATE = (
    "Requests that would be sent now, tokens by the rules of the servers' own documentation, US "
    "dollars by the price list that came with Demoscope. Repairs and repeats come on top."
)
_REFERENCES = (
    "Captions that people accepted or corrected in the main window, without those that were "
    "criticised afterwards or that a reviewer calls wrong; or a file of them."
)


@dataclass(frozen=True, slots=True)
class EvaluationWish:
    """What a person wants to have measured; fields as of `EvaluationRequest`.

    Attributes:
        recipes: The baseline first.
        references: A file; None for the reviews of the dataset.
        episodes: As written, e.g. `0,2-5`; empty for all that have a reference.
        backend: Server of the drafts.
        model: For recipes without one of their own.
        base_url: Address of the server; empty for its own.
        judge: `offline` or a server.
        judge_model: Empty for the server's own.
        judge_base_url: Likewise.
    """

    recipes: tuple[str, ...]
    references: Path | None = None
    episodes: str = ""
    backend: str = "gemini"
    model: str = ""
    base_url: str = ""
    judge: str = OFFLINE_RECIPE
    judge_model: str = ""
    judge_base_url: str = ""


class CaptionEvaluationSetup(QWidget):
    """The form. No setter emits.

    Signals:
        wishChanged: An `EvaluationWish`: estimate it.
        startRequested: Measure what the form says.
        cancelRequested: Stop what runs.
        fileWanted: A file of references is to be chosen.
    """

    wishChanged = Signal(object)
    startRequested = Signal(object)
    cancelRequested = Signal()
    fileWanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Set-up of a measurement of recipes")
        self._file: Path | None = None
        self._no_references = "The references are not known yet."
        self._servers: dict[str, ServerOffer] = {}
        self._ready = False
        self._running = False
        self._later = QTimer(self, singleShot=True, interval=_TYPING_MS)
        self._later.timeout.connect(self._tell)
        self.references = StatusText(self)
        self.references.setAccessibleName("References")
        self.references.setToolTip(tip("References", _REFERENCES))
        self.choose_file = quiet_button(
            "From a file …",
            tip("File of references", "One JSON object per line: episode_index, caption."),
            self,
        )
        self.use_reviews = quiet_button("Use the reviews", "Captions that people reviewed", self)
        self.episodes = field_line("Episodes, e.g. 0,2-5", "all that have a reference", self)
        self.rows = RecipeRows(self)
        self.book = StatusText(self)
        muted(self.book)
        self.trouble = StatusText(self)
        self.server = ServerChoice("Server of the drafts", self)
        self.judge = ServerChoice("Judge", self)
        self.judge.choice.setToolTip(
            tip(
                "Judge",
                "Offline compares fields and synonyms and sends nothing; a model gets reference "
                "and caption, never the recipe. Take another family than that of the drafter.",
            )
        )
        self.estimate = StatusText(self)
        self.estimate.setAccessibleName("Estimate")
        self.estimate.setFont(tabular(self.estimate.font()))
        self.estimate.setToolTip(tip("Estimate", _ESTIMATE))
        self.notes = StatusText(self)
        muted(self.notes)
        self.start = quiet_button("Measure  (Ctrl+R)", "", self)
        self.cancel = quiet_button("Cancel", "", self)
        self.bar = thin_bar("Progress of the measurement", self, keeps_room=True)
        self.doing = StatusText(self)
        muted(self.doing)
        self.told = StatusText(self)
        self.told.setAccessibleName("Message")
        self._lay_out()
        self._connect()
        self.set_servers(())
        self._show()

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.setHorizontalSpacing(2 * GRID)
        form.setVerticalSpacing(GRID)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow(_title("References", self))
        form.addRow(self.references)
        form.addRow(_beside(self.choose_file, self.use_reviews))
        form.addRow("Episodes", self.episodes)
        form.addRow(_title("Recipes", self))
        form.addRow(self.rows)
        form.addRow(self.trouble)
        form.addRow(self.book)
        self._server_title = _title("Server of the drafts", self)
        form.addRow(self._server_title)
        self.server.add_to(form, "Server")
        form.addRow(_title("Judge", self))
        self.judge.add_to(form, "Judge")
        self._form = form
        self._body = _Body(self)
        self._body.laidOut.connect(self._fit)
        self._body.setLayout(form)
        form.setContentsMargins(GRID, GRID, GRID, GRID)
        self._scroll = scroll = QScrollArea(self)
        scroll.setWidget(self._body)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        below = QVBoxLayout()
        below.setContentsMargins(GRID, 0, GRID, GRID)
        below.setSpacing(GRID)
        for part in (self.estimate, self.notes):
            below.addWidget(part)
        below.addLayout(_beside(self.start, self.cancel))
        below.addWidget(self.bar)
        below.addWidget(self.doing)
        below.addWidget(self.told)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(GRID)
        whole.addWidget(scroll, 1)
        whole.addLayout(below)
        whole.addStretch(0)
        self.setFocusProxy(self.episodes)

    def _connect(self) -> None:
        self.choose_file.clicked.connect(self.fileWanted)
        self.use_reviews.clicked.connect(lambda: self._take_file(None))
        self.episodes.textEdited.connect(lambda _t: self._changed(typing=True))
        self.rows.changed.connect(lambda typing: self._changed(typing=typing))
        for part in (self.server, self.judge):
            part.choice.activated.connect(lambda _n: self._changed(typing=False))
            for line in (part.model, part.address):
                line.textEdited.connect(lambda _t: self._changed(typing=True))
        self.start.clicked.connect(self._start)
        self.cancel.clicked.connect(self.cancelRequested)

    # -- setters ---------------------------------------------------------------------------

    def set_recipes(self, recipes: Sequence[Recipe], problems: Sequence[str] = ()) -> None:
        """List the recipes at hand, and what is wrong with the files of others."""
        self.rows.set_recipes(recipes)
        self.book.set_text("\n".join(problems))
        self._show()

    def set_servers(self, servers: Sequence[ServerOffer]) -> None:
        """List who can be asked."""
        self._servers = {s.name: s for s in servers}
        self.server.fill(servers)
        self.judge.fill((ServerOffer(OFFLINE_RECIPE, "Offline: fields and synonyms"), *servers))
        self._show()

    def set_references(self, text: str, reason: str = "") -> None:
        """Say how many there are, or why there are none.

        Args:
            text: E.g. `34 captions; review store: 20 accepted, 14 corrected`.
            reason: Why nothing can be measured, one sentence with what to do next.
        """
        self._no_references = reason
        self.references.set_text(reason or text, Status.WARNING if reason else None)
        self._show()

    def set_file(self, path: Path | None) -> None:
        """Take references from a file; None for the reviews."""
        self._file = path
        self._show()

    def set_names(self, names: Sequence[str]) -> None:
        """Choose recipes, the baseline first."""
        self.rows.set_names(names)
        self._show()

    def set_estimate(self, outlook: EvaluationOutlook | None, text: str = "") -> None:
        """Show what the measurement would take.

        Args:
            outlook: None while it is not known, or where it cannot be known.
            text: What is said instead, one sentence.
        """
        if self._later.isActive():  # of what the form said before the last keys
            outlook, text = None, ""
        self._ready = outlook is not None
        waiting = text or "Estimating …"
        self.estimate.set_text(waiting if outlook is None else f"Will take: {outlook.text}.")
        self.notes.set_text("" if outlook is None else "\n".join(outlook.notes))
        self._show()

    def set_running(self, running: bool) -> None:
        """Say whether a measurement is at work."""
        self._running = running
        if running:
            self.bar.setValue(0)
            self.doing.set_text("Starting …")
            self.tell("")
        self._show()

    def set_progress(self, share: float, what: str) -> None:
        """Say how far it is."""
        self.bar.setValue(round(1000 * share))
        self.doing.set_text(what)

    def tell(self, text: str, status: Status | None = None) -> None:
        """Say something that stays until something else is said."""
        self.told.set_text(text, status)

    # -- what the person means -------------------------------------------------------------

    @property
    def wish(self) -> EvaluationWish:
        """What the form says."""
        judged = self.judge.name or OFFLINE_RECIPE
        asks = judged != OFFLINE_RECIPE
        return EvaluationWish(
            recipes=self.rows.names,
            references=self._file,
            episodes=self.episodes.text().strip(),
            backend=self.server.name or "gemini",
            model=self.server.model.text().strip(),
            base_url=self.server.address.text().strip(),
            judge=judged,
            judge_model=self.judge.model.text().strip() if asks else "",
            judge_base_url=self.judge.address.text().strip() if asks else "",
        )

    @property
    def problem(self) -> str:
        """Why nothing can be measured so, one sentence with what to do; empty if it can."""
        return (
            self._no_references
            or self.rows.problem
            or (self.server.problem if self.rows.asks_server else "")
            or self.judge.problem
        )

    @property
    def asks_server(self) -> bool:
        """Whether requests may be sent."""
        return self.rows.asks_server or self.judge.name not in ("", OFFLINE_RECIPE)

    def _fit(self) -> None:
        """The form is as high as it must be: what it takes and the button follow it closely."""
        width = max(self._scroll.viewport().width(), 20 * GRID)
        least = self._form.minimumSize().height()
        self._scroll.setMaximumHeight(max(self._form.totalHeightForWidth(width), least))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Ctrl+Enter begins, from any field."""
        enter = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if enter and event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.start.click()
        else:
            super().keyPressEvent(event)

    def _take_file(self, path: Path | None) -> None:
        self.set_file(path)
        self._changed(typing=False)

    def _changed(self, *, typing: bool) -> None:
        self.set_estimate(None)
        if typing:
            self._later.start()
        else:
            self._tell()

    def _tell(self) -> None:
        self._later.stop()
        self.wishChanged.emit(self.wish)

    def _start(self) -> None:
        self.startRequested.emit(self.wish)

    # -- showing ---------------------------------------------------------------------------

    def _show(self) -> None:
        problem = self.problem
        asks = self.rows.asks_server
        self.trouble.set_text(self.rows.problem, Status.WARNING)
        self._form.setRowVisible(self._server_title, asks)
        self.server.show_fields(self._form, asks=asks)
        self.judge.show_fields(self._form, asks=True)
        for text in (self.trouble, self.book):
            self._form.setRowVisible(text, bool(text.text()))
        self.use_reviews.setVisible(self._file is not None)
        self._body.setEnabled(not self._running)
        why = problem or ("" if self._ready else "What it takes is not known yet.")
        if self._running:
            why = "It is at work."
        self.start.setEnabled(not why)
        about = "Draft, judge and compare; what servers answer is kept, so it can be cancelled."
        self.start.setToolTip(tip("Measure", why or about))
        self.cancel.setEnabled(self._running)
        self.cancel.setToolTip(
            "Stop; what was answered is kept, and Measure goes on from there"
            if self._running
            else "Nothing is at work"
        )
        for part in (self.bar, self.doing):
            part.setVisible(self._running)
        self.estimate.setVisible(bool(self.estimate.text()) and not problem)
        self.notes.setVisible(bool(self.notes.text()) and not problem)


class _Body(QWidget):
    """The form.

    Signals:
        laidOut: It may need another height.
    """

    laidOut = Signal()

    def event(self, event: QEvent) -> bool:
        """Tell when a part of it changed."""
        done = super().event(event)
        if event.type() in (QEvent.Type.LayoutRequest, QEvent.Type.Resize):
            self.laidOut.emit()
        return done


def _beside(*parts: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setSpacing(GRID)
    for part in parts:
        row.addWidget(part)
    row.addStretch(1)
    return row


def _title(text: str, parent: QWidget) -> QLabel:
    label = QLabel(text, parent)
    font = label.font()
    font.setBold(True)
    label.setFont(font)
    label.setContentsMargins(0, GRID // 2, 0, 0)
    return label
