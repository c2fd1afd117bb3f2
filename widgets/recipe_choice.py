"""Draft a caption again with another recipe, backend or model, and compare what comes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QSignalBlocker, Qt, QTimer, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import (
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from pipeline.model.recipe import Recipe
from widgets.backend_choice import Choice, fill
from widgets.caption_diff import CaptionDiff
from widgets.fields import guard_wheel, keep_keys, muted, quiet_button, scrolled, tip
from widgets.theme import GRID, HALF_GRID, tabular

OFFLINE = "offline"
DEFAULT = "the best measured"
"""First entry of the recipes: the stage chooses by the size of the model."""
_TYPING_MS = 400
"""The estimate follows when typing has paused this long."""


@dataclass(frozen=True, slots=True)
class DraftChoice:
    """How a caption is to be drafted; values of the options of the captions stage.

    Attributes:
        backend: `offline`, `gemini`, ...
        recipe: Its name, empty for the best measured one.
        model: Empty for that of the recipe or the backend.
        base_url: Address of the server, empty for the environment's.
    """

    backend: str = OFFLINE
    recipe: str = ""
    model: str = ""
    base_url: str = ""


@dataclass(frozen=True, slots=True)
class NamedCaption:
    """A caption that can be compared.

    Attributes:
        title: Where it comes from, e.g. `draft (gemini-2.5-flash)`.
        text: The sentence.
    """

    title: str
    text: str


class RecipeChoice(QWidget):
    """A form to draft again, and two captions word by word. No setter emits.

    Signals:
        estimateAsked: `DraftChoice` that was changed; the answer comes by `set_estimate`.
        draftAsked: `DraftChoice` to draft this subtask's caption with.
        previewAsked: The user wants to see what would be sent.
    """

    estimateAsked = Signal(object)
    draftAsked = Signal(object)
    previewAsked = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Draft again")
        self._recipes: tuple[Recipe, ...] = ()
        self._in_force = DraftChoice()
        self._captions: tuple[NamedCaption, ...] = ()
        self._reason = ""
        self._pause = QTimer(self, singleShot=True, interval=_TYPING_MS)
        self._pause.timeout.connect(lambda: self.estimateAsked.emit(self.choice))
        self._build_form()
        self._build_compare()
        self._build_layout()
        self.set_backends((Choice(OFFLINE),))
        self.set_recipes(())
        self.set_captions(())

    # Building.

    def _build_form(self) -> None:
        self._backend = _combo("Backend", "Who drafts: a server, or the offline rules", self)
        self._recipe = _combo("Recipe", "What the model is shown and told", self)
        self._model = QLineEdit(self)
        self._model.setAccessibleName("Model")
        self._model.setToolTip("Name of the model on the server; empty: the recipe's own")
        self._address = QLineEdit(self)
        self._address.setAccessibleName("Address")
        self._address.setToolTip("Address of the server; empty: the environment's")
        self._address.setPlaceholderText("of the environment")
        for field in (self._model, self._address):
            keep_keys(field)
            field.textEdited.connect(lambda _: self._changed(soon=False))
            field.returnPressed.connect(self._draft_now)
        self._backend.activated.connect(lambda _: self._changed())
        self._recipe.activated.connect(lambda _: self._changed())
        self._about = muted(_sentence(self))
        self._estimate = _sentence(self)
        self._estimate.setFont(tabular(self._estimate.font()))
        self._estimate.setAccessibleName("Estimate")
        self._preview = quiet_button("Show what would be sent", "Make the request; send nothing")
        self._preview.clicked.connect(lambda: self.previewAsked.emit(self.choice))
        self._draft = quiet_button("Draft again", "")
        self._draft.clicked.connect(self._draft_now)

    def _build_compare(self) -> None:
        self._first = _combo("Compare", "The older caption", self)
        self._second = _combo("with", "The newer caption", self)
        self._first.activated.connect(lambda _: self._show_diff())
        self._second.activated.connect(lambda _: self._show_diff())
        self._diff = CaptionDiff(self)
        self._diff.setAccessibleName("Difference of the captions")
        self._diff.setToolTip("Struck: only in the older caption. Underlined: only in the newer.")

    def _build_layout(self) -> None:
        page = QWidget(self)
        column = QVBoxLayout(page)
        column.setContentsMargins(GRID, GRID, GRID, GRID)
        column.setSpacing(GRID)
        grid = QGridLayout()
        grid.setHorizontalSpacing(GRID)
        grid.setVerticalSpacing(HALF_GRID)
        self._online: list[QWidget] = []
        places = (
            ("Backend", self._backend, 0, 0),
            ("Recipe", self._recipe, 0, 1),
            ("Model", self._model, 1, 0),
            ("Address", self._address, 1, 1),
        )
        for title, field, row, side in places:
            label = muted(QLabel(title, self))
            label.setBuddy(field)
            grid.addWidget(label, row, 2 * side)
            grid.addWidget(field, row, 2 * side + 1)
            grid.setColumnStretch(2 * side + 1, 1)
            if field is not self._backend:
                self._online += [label, field]
        column.addLayout(grid)
        buttons = QHBoxLayout()
        buttons.setSpacing(HALF_GRID)
        buttons.addWidget(self._draft)
        buttons.addWidget(self._preview)
        buttons.addStretch(1)
        column.addLayout(buttons)
        column.addWidget(self._estimate)
        column.addWidget(self._about)
        self._compare = QWidget(self)
        pair = QHBoxLayout(self._compare)
        pair.setContentsMargins(0, 0, 0, 0)
        pair.setSpacing(HALF_GRID)
        for word, combo in (("Compare", self._first), ("with", self._second)):
            label = muted(QLabel(word, self))
            label.setBuddy(combo)
            pair.addWidget(label)
            pair.addWidget(combo, 1)
        column.addWidget(self._compare)
        column.addWidget(self._diff)
        column.addStretch(1)
        scroll = scrolled(page, self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(scroll)
        self.setFocusProxy(self._backend)

    # Setters.

    def set_backends(self, choices: tuple[Choice, ...]) -> None:
        """List who can draft; those with a reason against them are greyed."""
        fill(self._backend, choices, self._backend.currentText() or self._in_force.backend)
        self._show_form()

    def set_recipes(self, recipes: Sequence[Recipe]) -> None:
        """List the recipes."""
        now = self._recipe.currentData()
        self._recipes = tuple(recipes)
        blocker = QSignalBlocker(self._recipe)
        self._recipe.clear()
        self._recipe.addItem(DEFAULT, "")
        for recipe in self._recipes:
            self._recipe.addItem(recipe.title or recipe.name, recipe.name)
            about = tip(recipe.identity, recipe.about, f"from {recipe.origin}")
            self._recipe.setItemData(self._recipe.count() - 1, about, Qt.ItemDataRole.ToolTipRole)
        del blocker
        self._choose_recipe(now or self._in_force.recipe)
        self._show_form()

    def set_choice(self, choice: DraftChoice) -> None:
        """Show the options that are in force."""
        if choice == self._in_force:
            return
        self._in_force = choice
        if self._backend.findText(choice.backend) < 0:
            self._backend.addItem(choice.backend)
        self._backend.setCurrentText(choice.backend)
        self._choose_recipe(choice.recipe)
        self._model.setText(choice.model)
        self._address.setText(choice.base_url)
        self._show_form()

    def renew_estimate(self) -> None:
        """Something else would be sent now: ask for its estimate if it can be seen."""
        self.set_estimate("")
        if self.choice.backend != OFFLINE and self.isVisible():
            self._pause.start()

    def set_estimate(self, text: str, about: str = "") -> None:
        """Say what drafting would take, or why that is not known."""
        self._estimate.setText(text)
        self._estimate.setToolTip(about)
        self._estimate.setVisible(bool(text))

    def set_allowed(self, reason_against: str) -> None:
        """Let captions be drafted, or not, for a reason that the tooltip gives."""
        self._reason = reason_against
        self._show_form()

    def set_captions(self, captions: Sequence[NamedCaption]) -> None:
        """List captions that can be compared, the oldest first; the last two are compared."""
        made = tuple(captions)
        if made == self._captions and made:
            return
        self._captions = made
        for combo, back in ((self._first, 2), (self._second, 1)):
            combo.clear()
            combo.addItems([c.title for c in made])
            combo.setCurrentIndex(max(len(made) - back, 0) if made else -1)
        self._compare.setVisible(len(made) > 1)
        self._show_diff()

    def showEvent(self, event: QShowEvent) -> None:
        """Say what drafting would take before anybody asks for it."""
        super().showEvent(event)
        if not event.spontaneous() and not self.estimate:
            self.renew_estimate()

    # What it shows.

    @property
    def choice(self) -> DraftChoice:
        """What is chosen in the form."""
        return DraftChoice(
            self._backend.currentText(),
            self._recipe.currentData() or "",
            self._model.text().strip(),
            self._address.text().strip(),
        )

    @property
    def estimate(self) -> str:
        """What is said about the cost."""
        return self._estimate.text()

    @property
    def difference(self) -> CaptionDiff:
        """The captions word by word."""
        return self._diff

    # Showing.

    def _choose_recipe(self, name: str) -> None:
        index = self._recipe.findData(name)
        if index < 0:
            self._recipe.addItem(name, name)
            index = self._recipe.count() - 1
        self._recipe.setCurrentIndex(index)

    def _show_form(self) -> None:
        choice = self.choice
        online = choice.backend != OFFLINE
        for widget in self._online:
            widget.setVisible(online)
        recipe = next((r for r in self._recipes if r.name == choice.recipe), None)
        self._model.setPlaceholderText(
            recipe.model if recipe is not None and recipe.model else "of the recipe or the backend"
        )
        self._about.setText(_about(recipe, choice) if online else "")
        self._about.setVisible(bool(self._about.text()))
        self._draft.setEnabled(not self._reason)
        self._draft.setToolTip(
            self._reason or "Set these options and run; the caption before stays to compare with"
        )
        self._preview.setEnabled(online and not self._reason)
        self._preview.setToolTip(
            self._reason
            or ("Make the request; send nothing" if online else "Offline nothing would be sent")
        )

    def _changed(self, *, soon: bool = True) -> None:
        self._show_form()
        self._estimate.setText("")
        if soon:
            self._pause.stop()
            self.estimateAsked.emit(self.choice)
        else:
            self._pause.start()

    def _draft_now(self) -> None:
        if not self._reason:
            self._pause.stop()
            self.draftAsked.emit(self.choice)

    def _show_diff(self) -> None:
        a, b = self._first.currentIndex(), self._second.currentIndex()
        many = len(self._captions) > 1 and a >= 0 and b >= 0
        self._diff.setVisible(many)
        if many:
            older, newer = self._captions[a].text, self._captions[b].text
            self._diff.set_change(older, newer)


def _about(recipe: Recipe | None, choice: DraftChoice) -> str:
    if recipe is None:
        return "" if choice.recipe else "By the size of the model: what measured best for it."
    rate = "" if recipe.rate is None else f" Published: {recipe.rate:.1%} acceptable."
    return f"{recipe.about}{rate}"


def _combo(name: str, about: str, parent: QWidget) -> QComboBox:
    combo = QComboBox(parent)
    combo.setAccessibleName(name)
    combo.setToolTip(tip(name, about))
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    guard_wheel(combo)
    keep_keys(combo)
    return combo


def _sentence(parent: QWidget) -> QLabel:
    label = QLabel(parent)
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    return label
