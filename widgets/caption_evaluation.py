"""What caption recipes are worth on a dataset: rates, failures, verbs, and the wrong captions."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QListWidgetItem,
    QScrollArea,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from pipeline.captioning.evaluation_report import (
    p_text,
    point_range,
    points,
    verdict_text,
)
from pipeline.captioning.evaluation_values import RecipeEvaluation
from pipeline.evaluation.caption_figures import JudgedCaption, RecipeComparison
from widgets.evaluation_bars import FailureLegend, RecipeRates, VerbChanges
from widgets.fields import EmptyHint, guard_wheel, muted, quiet_button, tip
from widgets.plain_views import plain_list
from widgets.theme import GRID, scaled

_EMPTY = (
    "No recipe has been measured here. Accept or correct some captions, then measure recipes "
    "on them: demoscope captions evaluate DATASET --recipe A --recipe B."
)
MOST_LISTED = 500
"""Wrong captions that are listed; the report and the JSON have more."""


class CaptionEvaluation(QWidget):
    """The result of an evaluation of recipes.

    Signals:
        captionChosen: A `JudgedCaption` of the list was clicked: show its subtask.
        reportWanted: The page of HTML is to be written.
        dataWanted: The JSON is to be written.
    """

    captionChosen = Signal(object)
    reportWanted = Signal()
    dataWanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Measured caption recipes")
        self._evaluation: RecipeEvaluation | None = None
        self.headline = QLabel(self)
        self.headline.setFont(scaled(self.font(), 1.2))
        self.headline.setAccessibleName("Result")
        self.about = muted(QLabel(self))
        self.rates = RecipeRates(self)
        self.legend = FailureLegend(self)
        self.choice = QComboBox(self)
        self.choice.setAccessibleName("Recipe that is compared with the first one")
        self.choice.setToolTip(
            tip("Compared recipe", "Its captions are compared with those of the first recipe.")
        )
        guard_wheel(self.choice)
        self.difference = QLabel(self)
        self.difference.setAccessibleName("Difference")
        self.changes = VerbChanges(self)
        self.wrong_title = QLabel(self)
        self.wrong = plain_list("Captions that are not acceptable", self)
        self.notes = muted(QLabel(self))
        self.report = quiet_button(
            "Report …", tip("Report", "One page of HTML with plots, to print or to send."), self
        )
        self.data = quiet_button(
            "JSON …", tip("JSON", "All figures and every caption for programs."), self
        )
        self._stack = QStackedWidget(self)
        self.hint = EmptyHint(_EMPTY, self)
        self._stack.addWidget(self.hint)
        self._lay_out()
        self.choice.activated.connect(self._show_comparison)
        self.wrong.itemClicked.connect(self._choose)
        self.report.clicked.connect(self.reportWanted)
        self.data.clicked.connect(self.dataWanted)

    def _lay_out(self) -> None:
        for label in (self.headline, self.about, self.difference, self.notes):
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
        compared = QHBoxLayout()
        compared.setSpacing(GRID)
        compared.addWidget(self.choice)
        compared.addWidget(self.difference, 1)
        buttons = QHBoxLayout()
        buttons.setSpacing(GRID)
        buttons.addWidget(self.report)
        buttons.addWidget(self.data)
        buttons.addStretch(1)
        inner = QWidget(self)
        column = QVBoxLayout(inner)
        column.setContentsMargins(GRID, GRID, GRID, GRID)
        column.setSpacing(GRID)
        column.addWidget(self.headline)
        column.addWidget(self.about)
        column.addWidget(self.rates)
        column.addWidget(self.legend, 0, Qt.AlignmentFlag.AlignLeft)
        column.addLayout(compared)
        column.addWidget(self.changes)
        column.addWidget(self.notes)
        column.addWidget(self.wrong_title)
        column.addWidget(self.wrong, 1)
        column.addLayout(buttons)
        self.wrong.setMinimumHeight(12 * GRID)
        area = QScrollArea(self)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setWidget(inner)
        self._stack.addWidget(area)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(self._stack)

    @property
    def evaluation(self) -> RecipeEvaluation | None:
        """What is shown."""
        return self._evaluation

    def set_evaluation(self, evaluation: RecipeEvaluation | None) -> None:
        """Show a result, None for none; emits nothing."""
        self._evaluation = evaluation
        self._stack.setCurrentIndex(0 if evaluation is None else 1)
        self.choice.clear()
        self.wrong.clear()
        if evaluation is None:
            self.rates.set_figures(())
            self.changes.set_comparison(None)
            return
        self.headline.setText(_headline(evaluation))
        self.about.setText(
            f"{evaluation.dataset}, {evaluation.figures[0].count:,} captions; references: "
            f"{evaluation.references}; judge: {evaluation.judge}"
        )
        self.rates.set_figures(evaluation.figures)
        for comparison in evaluation.comparisons:
            self.choice.addItem(f"{comparison.second} against {comparison.first}", comparison)
        self.choice.setVisible(len(evaluation.comparisons) > 1)
        for widget in (self.difference, self.changes):
            widget.setVisible(bool(evaluation.comparisons))
        self._show_comparison()
        self.notes.setText("\n".join(evaluation.notes))
        self.notes.setVisible(bool(evaluation.notes))
        self._list_wrong(evaluation)

    def _show_comparison(self) -> None:
        found = self.choice.currentData()
        comparison = found if isinstance(found, RecipeComparison) else None
        self.changes.set_comparison(comparison)
        if comparison is None:
            return
        self.difference.setText(
            f"{verdict_text(comparison)} 95 % interval {point_range(comparison.interval)} points."
        )
        self.difference.setToolTip(
            tip(
                "Difference",
                f"Rate of {comparison.second} minus rate of {comparison.first} on the same "
                f"captions, {points(comparison.overall.difference)} percentage points. Interval: "
                "Newcombe (1998), paired, 95 %, at the effective number of captions.",
                f"p {p_text(comparison.p_value)} (exact, two-sided; McNemar's test where every "
                f"episode has one caption), {p_text(comparison.adjusted)} after Holm's correction "
                "for several recipes.",
            )
        )

    def _list_wrong(self, evaluation: RecipeEvaluation) -> None:
        wrong = [row for row in evaluation.rows if not row.right]
        shown = wrong[:MOST_LISTED]
        more = f", the first {MOST_LISTED} are listed" if len(wrong) > MOST_LISTED else ""
        self.wrong_title.setText(
            f"Not acceptable: {len(wrong):,} of {len(evaluation.rows):,}{more}"
        )
        for row in shown:
            failure = row.judgement.failure
            why = failure.words if failure is not None else ""
            item = QListWidgetItem(
                f"{row.episode}.{row.subtask}  {row.recipe}: {row.caption or row.error}  "
                f"({row.reference})"
            )
            item.setData(Qt.ItemDataRole.UserRole, row)
            item.setToolTip(
                tip(
                    f"Episode {row.episode}, subtask {row.subtask}, {row.recipe}",
                    f"Caption: {row.caption or row.error}",
                    f"Reference: {row.reference}",
                    f"{why}: {row.judgement.reason}" if row.judgement.reason else why,
                )
            )
            self.wrong.addItem(item)

    def _choose(self, item: QListWidgetItem) -> None:
        row = item.data(Qt.ItemDataRole.UserRole)
        if isinstance(row, JudgedCaption):
            self.captionChosen.emit(row)


def _headline(evaluation: RecipeEvaluation) -> str:
    best = max(evaluation.figures, key=lambda f: f.rate)
    if len(evaluation.figures) == 1:
        return f"{100 * best.rate:.1f} % of the captions by {best.recipe} are acceptable."
    sure = [c for c in evaluation.comparisons if c.adjusted < 0.05]
    if not sure:
        return "No recipe differs from the first one by more than chance explains."
    return f"{best.recipe} writes the most acceptable captions: {100 * best.rate:.1f} %."
