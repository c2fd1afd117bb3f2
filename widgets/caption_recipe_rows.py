"""Which caption recipes are to be compared, one row each; the first one is the baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QComboBox, QGridLayout, QLabel, QLineEdit, QVBoxLayout, QWidget

from pipeline.captioning.evaluation_values import OFFLINE_RECIPES
from pipeline.model.recipe import Recipe
from widgets.fields import IconButton, guard_wheel, keep_keys, muted, quiet_button, tip
from widgets.icons import Glyph
from widgets.theme import GRID, HALF_GRID

FEWEST, MOST = 2, 8
"""Recipes that are compared; more are for the command line (our choice)."""
_OFFLINE_TITLES = {
    "offline": "Offline drafter",
    "offline-no-color": "Offline, no mask colour",
}
_OFFLINE_ABOUT = {
    "offline": "Writes the sentence from the subtask record; sends nothing, needs no key.",
    "offline-no-color": (
        "The offline drafter that names no colour that only the mask shows; sends nothing."
    ),
}


class RecipeRows(QWidget):
    """Two rows or more, each a recipe and a model of its own. No setter emits.

    Signals:
        changed: A person chose otherwise; True while they are still typing.
    """

    changed = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Recipes to compare")
        self._recipes: Mapping[str, Recipe] = {}
        self._rows: list[_Row] = []
        self._grid = QGridLayout()
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(GRID)
        self._grid.setColumnMinimumWidth(0, self.fontMetrics().horizontalAdvance("Against 00"))
        self._grid.setVerticalSpacing(HALF_GRID)
        self._grid.setColumnStretch(1, 3)
        self._grid.setColumnStretch(2, 2)
        self.more = quiet_button("Add a recipe", "", self)
        self.more.clicked.connect(self._add_next)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GRID)
        column.addLayout(self._grid)
        column.addWidget(self.more, 0, Qt.AlignmentFlag.AlignLeft)
        self.set_names(tuple(OFFLINE_RECIPES))

    def set_recipes(self, recipes: Sequence[Recipe]) -> None:
        """List the recipes that can be chosen; what is chosen stays, at hand or not."""
        self._recipes = {r.name: r for r in recipes}
        for row in self._rows:
            row.fill(self._recipes, row.recipe)
        self._show()

    def set_names(self, names: Sequence[str]) -> None:
        """Choose recipes: `NAME` or `NAME@MODEL`, the baseline first."""
        for row in self._rows:
            row.discard()
        self._rows = []
        for name in names:
            recipe, _, model = name.partition("@")
            self._add(recipe, model)
        self._show()

    @property
    def names(self) -> tuple[str, ...]:
        """What is chosen, as `EvaluationRequest.recipes` takes it."""
        return tuple(row.name for row in self._rows)

    @property
    def asks_server(self) -> bool:
        """Whether one of the recipes is for models."""
        return any(row.recipe not in OFFLINE_RECIPES for row in self._rows)

    @property
    def rows(self) -> tuple[tuple[QComboBox, QLineEdit], ...]:
        """Fields of each row: recipe and model."""
        return tuple((row.choice, row.model) for row in self._rows)

    @property
    def problem(self) -> str:
        """Why these recipes cannot be compared, one sentence; empty if they can."""
        names = self.names
        twice = next((n for n in names if names.count(n) > 1), "")
        if twice:
            return f"“{twice}” is chosen twice: choose another recipe or model for one of them."
        for row in self._rows:
            if row.recipe not in OFFLINE_RECIPES and row.recipe not in self._recipes:
                return (
                    f"The recipe “{row.recipe}” is not here any more: choose another one, or put "
                    f"its file {row.recipe}.toml back."
                )
        return ""

    # -- rows ------------------------------------------------------------------------------

    def _add(self, recipe: str, model: str = "") -> None:
        row = _Row(self)
        row.fill(self._recipes, recipe)
        row.model.setText(model)
        row.choice.activated.connect(lambda _n: self._chosen(typing=False))
        row.model.textEdited.connect(lambda _t: self._chosen(typing=True))
        row.less.clicked.connect(lambda: self._remove(row))
        self._rows.append(row)

    def _add_next(self) -> None:
        """Add the first recipe that is not chosen yet."""
        taken = {row.recipe for row in self._rows}
        known = (*self._recipes, *OFFLINE_RECIPES)
        self._add(next((n for n in known if n not in taken), known[0]))
        self._chosen(typing=False)

    def _remove(self, row: _Row) -> None:
        self._rows.remove(row)
        row.discard()
        self._chosen(typing=False)

    def _chosen(self, *, typing: bool) -> None:
        self._show()
        self.changed.emit(typing)

    def _show(self) -> None:
        for number, row in enumerate(self._rows):
            row.show_place(number, removable=len(self._rows) > FEWEST, recipes=self._recipes)
            for column, widget in enumerate(row.widgets):
                self._grid.addWidget(widget, number, column)
        self.more.setEnabled(len(self._rows) < MOST)
        self.more.setToolTip(
            "Another one to compare with the first"
            if self.more.isEnabled()
            else f"{MOST} recipes are compared here at most; the command line takes more"
        )


class _Row:
    """The fields of one recipe."""

    def __init__(self, parent: QWidget) -> None:
        self.place = muted(QLabel(parent))
        self.choice = QComboBox(parent)
        self.choice.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.choice.setMinimumContentsLength(12)
        guard_wheel(self.choice)
        keep_keys(self.choice)
        self.model = QLineEdit(parent)
        keep_keys(self.model)
        self.less = IconButton(Glyph.CROSS, "Leave this recipe out", parent)
        policy = self.less.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.less.setSizePolicy(policy)
        self.widgets = (self.place, self.choice, self.model, self.less)

    @property
    def recipe(self) -> str:
        """Name of the recipe."""
        return str(self.choice.currentData())

    @property
    def name(self) -> str:
        """As the request takes it."""
        model = self.model.text().strip()
        return f"{self.recipe}@{model}" if model and self.model.isEnabled() else self.recipe

    def fill(self, recipes: Mapping[str, Recipe], chosen: str) -> None:
        """List what can be chosen."""
        blocker = QSignalBlocker(self.choice)
        self.choice.clear()
        for name in OFFLINE_RECIPES:
            self._item(_OFFLINE_TITLES.get(name, name), name, _OFFLINE_ABOUT.get(name, ""), name)
        if recipes:
            self.choice.insertSeparator(self.choice.count())
        for recipe in recipes.values():
            rate = "" if recipe.rate is None else f"Published: {recipe.rate:.1%} acceptable."
            about = (recipe.about, rate, f"{recipe.name}, {recipe.origin}")
            self._item(recipe.title or recipe.name, recipe.name, *about)
        if self.choice.findData(chosen) < 0:
            self._item(f"{chosen} (missing)", chosen, "Its file is not here any more.")
        self.choice.setCurrentIndex(self.choice.findData(chosen))
        del blocker

    def _item(self, title: str, name: str, *about: str) -> None:
        self.choice.addItem(title, name)
        told = tip(title, *about)
        self.choice.setItemData(self.choice.count() - 1, told, Qt.ItemDataRole.ToolTipRole)

    def show_place(self, number: int, *, removable: bool, recipes: Mapping[str, Recipe]) -> None:
        """Say which row it is, and what its fields take."""
        title = "Baseline" if not number else f"Against {number}" if removable else "Against"
        self.place.setText(title)
        self.place.setToolTip(
            tip("Baseline", "All other recipes are compared with it on the same captions.")
            if not number
            else tip(title, "Compared with the baseline, caption by caption.")
        )
        self.choice.setAccessibleName(f"Recipe {number + 1}")
        about = self.choice.itemData(self.choice.currentIndex(), Qt.ItemDataRole.ToolTipRole)
        self.choice.setToolTip(about or "")
        self.less.setVisible(removable)
        asks = self.recipe not in OFFLINE_RECIPES
        recipe = recipes.get(self.recipe)
        own = recipe.model if recipe is not None else ""
        self.model.setEnabled(asks)
        self.model.setAccessibleName(f"Model of recipe {number + 1}")
        self.model.setPlaceholderText(own or "model as below" if asks else "needs no model")
        self.model.setToolTip(
            tip("Model", "Another one than that of the recipe and of the server below.")
            if asks
            else tip("Model", "The offline drafter has rules and asks no model.")
        )

    def discard(self) -> None:
        """Remove the fields."""
        for widget in self.widgets:
            widget.hide()
            widget.deleteLater()
