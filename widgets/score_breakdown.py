"""Why a candidate has its R: formula, curves, what would flip the choice, and what is true."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QPoint, Qt, Signal
from PySide6.QtGui import QContextMenuEvent, QGuiApplication, QResizeEvent, QShowEvent
from PySide6.QtWidgets import (
    QBoxLayout,
    QFrame,
    QLabel,
    QMenu,
    QScrollArea,
    QStackedWidget,
    QTabBar,
    QVBoxLayout,
    QWidget,
)

from pipeline.evaluation.choice_truth import PERSON, ChoiceTruth
from pipeline.evaluation.term_evidence import TermEvidence
from pipeline.evaluation.what_if import Flips
from pipeline.model.problem import Problem, Severity
from pipeline.model.score import ScoresResult
from widgets.chips import ChipRow, chip
from widgets.difference_bars import DifferenceBars
from widgets.fields import EmptyHint
from widgets.flip_list import FlipList
from widgets.formula_view import FormulaView
from widgets.score_formula import FormulaConstants, as_text, headline, rival_of
from widgets.term_curves import TermCurves
from widgets.theme import GRID, colors, tabular

_NO_SCORES = "No scores yet. Run the scores stage to see how R comes about."
_NO_CHOICE = "Select a candidate to see how its R comes about."
_BESIDE = 860
"""Pixels from which the comparison stands beside the formula."""
_ONE_LINE = 520
"""Pixels under which the sum stands term by term instead of on one line."""
FORMULA, CURVES, FLIPS = range(3)
"""Pages."""
_TABS = (
    ("Formula", "R of the selected candidate with its numbers, beside its rival."),
    ("Over time", "Motion, proximity and robot overlap of both over the clip; click to go there."),
    (
        "What would flip it",
        "The smallest change of each weight, threshold and phase boundary that makes another "
        "candidate win.",
    ),
)


class ScoreBreakdown(QWidget):
    """R of the selected candidate, term by term.

    Signals:
        termHovered: `motion`, `detector`, `proximity`, `overlap`, or empty.
        flipsWanted: The page that shows flips came into sight.
        optionTried: Stage, option and value that the user wants to try.
        boundaryTried: Arm, boundary and frame that the user wants to try.
        backWanted: The user wants what was tried to be taken back.
        frameChosen: Frame of a chart that was clicked.
    """

    termHovered = Signal(str)
    flipsWanted = Signal()
    optionTried = Signal(str, str, object)
    boundaryTried = Signal(str, int, int)
    backWanted = Signal()
    frameChosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Score breakdown")
        self._scores: ScoresResult | None = None
        self._names: dict[int, str] = {}
        self._selected = -1
        self._constants = FormulaConstants()
        self._evidence: TermEvidence | None = None
        self._truths: tuple[ChoiceTruth, ...] = ()
        self._is_narrow = False
        self._title = QLabel()
        self._title.setWordWrap(True)
        self._title.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._title.setContextMenuPolicy(Qt.ContextMenuPolicy.NoContextMenu)
        self._chips = ChipRow()
        self.formula = FormulaView()
        self.bars = DifferenceBars()
        self.curves = TermCurves()
        self.flips = FlipList()
        self.flips.set_candidate(-1)
        self.formula.termHovered.connect(self._on_hover)
        self.bars.termHovered.connect(self._on_hover)
        self.curves.termHovered.connect(self._on_hover)
        self.flips.termHovered.connect(self._on_hover)
        self.curves.frameChosen.connect(self.frameChosen)
        self.flips.optionTried.connect(self.optionTried)
        self.flips.boundaryTried.connect(self.boundaryTried)
        self.flips.backWanted.connect(self.backWanted)
        self._body = QBoxLayout(QBoxLayout.Direction.TopToBottom)
        self._body.setSpacing(2 * GRID)
        self._body.addWidget(self.formula, 3, Qt.AlignmentFlag.AlignTop)
        self._body.addWidget(self.bars, 2, Qt.AlignmentFlag.AlignTop)
        self._hint = EmptyHint(_NO_SCORES)
        self.tabs = self._make_tabs()
        self._pages = QStackedWidget()
        for page in (self._make_formula_page(), self._make_curves_page(), self.flips):
            self._pages.addWidget(page)
        self._states = QStackedWidget()
        self._states.addWidget(self._hint)
        self._states.addWidget(self._make_filled())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._states)

    def _make_tabs(self) -> QTabBar:
        tabs = QTabBar()
        tabs.setAccessibleName("Parts of the explanation")
        tabs.setDrawBase(False)
        tabs.setExpanding(False)
        tabs.setUsesScrollButtons(False)
        for i, (title, meaning) in enumerate(_TABS):
            tabs.addTab(title)
            tabs.setTabToolTip(i, meaning)
        tabs.currentChanged.connect(self._show_page)
        return tabs

    def _make_filled(self) -> QWidget:
        filled = QWidget()
        column = QVBoxLayout(filled)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.tabs)
        column.addWidget(self._pages, 1)
        return filled

    def _make_formula_page(self) -> QScrollArea:
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(GRID, GRID, GRID, GRID)
        column.setSpacing(GRID)
        column.addWidget(self._title)
        column.addWidget(self._chips)
        column.addLayout(self._body)
        column.addStretch(1)
        return _scrolled(page)

    def _make_curves_page(self) -> QScrollArea:
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(GRID, GRID // 2, GRID, GRID // 2)
        column.addWidget(self.curves)
        return _scrolled(page)

    # Values in -----------------------------------------------------------------------------

    def set_results(self, scores: ScoresResult | None, names: dict[int, str]) -> None:
        """Show stage 3; `names` are what people call the candidates, by id."""
        if scores is not self._scores:
            self._evidence = None
            self.flips.set_message("")
        self._scores, self._names = scores, dict(names)
        self._refresh()

    def set_selected(self, candidate: int) -> None:
        """Show a candidate; -1 or an unknown one shows the winner."""
        if candidate != self._selected:
            self._selected = candidate
            self._refresh()

    def set_constants(self, constants: FormulaConstants) -> None:
        """Tell which constants the scores stage used."""
        if constants != self._constants:
            self._constants = constants
            self._refresh()

    def set_evidence(self, evidence: TermEvidence | None) -> None:
        """Tell which frames and points the terms counted. Call it after `set_results`."""
        if evidence is not self._evidence:
            self._evidence = evidence
            self._refresh()

    def set_truth(self, truths: Sequence[ChoiceTruth]) -> None:
        """Tell what is known to be right: by ground truth, by a person, or by both."""
        if tuple(truths) != self._truths:
            self._truths = tuple(truths)
            self._refresh()

    def set_flips(self, flips: Flips | None) -> None:
        """Show what would flip the choice; None: not known."""
        self.flips.set_flips(flips, self._names)

    def set_frame(self, frame: int) -> None:
        """Move the cursor of the charts."""
        self.curves.set_frame(frame)

    def set_hovered(self, term: str) -> None:
        """Highlight a term in the comparison and the charts."""
        self.bars.set_hovered(term)
        self.curves.set_hovered(term)

    def show_page(self, page: int) -> None:
        """Show FORMULA, CURVES or FLIPS."""
        self.tabs.setCurrentIndex(page)

    # What it shows --------------------------------------------------------------------------

    @property
    def page(self) -> int:
        """FORMULA, CURVES or FLIPS."""
        return self.tabs.currentIndex()

    @property
    def wants_flips(self) -> bool:
        """True while the page that shows flips is in sight."""
        return self.isVisible() and self.page == FLIPS

    @property
    def candidate(self) -> int:
        """Candidate that is shown, -1 for none."""
        if self._scores is None:
            return -1
        known = {t.candidate for t in self._scores.terms}
        shown = self._selected if self._selected in known else self._scores.winner
        return shown if shown in known else -1

    def text(self) -> str:
        """Everything shown, as plain text; empty if nothing is."""
        if self._scores is None or self.candidate < 0:
            return ""
        text = as_text(self.candidate, self._scores, self._names, self._constants, self._evidence)
        lines = [text, *(self._sentence(t) for t in self._truths)]
        if flips := self.flips.text():
            lines.append(flips)
        return "\n".join(lines)

    def copy_text(self) -> None:
        """Put it on the clipboard."""
        QGuiApplication.clipboard().setText(self.text())

    def menu(self) -> QMenu:
        """Context menu: the selection, or everything as text."""
        menu = QMenu(self)
        marked = menu.addAction("Copy selection")
        marked.setEnabled(self.formula.textCursor().hasSelection())
        marked.triggered.connect(self.formula.copy)
        action = menu.addAction("Copy as text")
        action.setEnabled(self.candidate >= 0)
        action.triggered.connect(self.copy_text)
        return menu

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Offer to copy."""
        self._popup(event.globalPos())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Stand side by side where there is room."""
        wide = self.width() >= _BESIDE
        way = QBoxLayout.Direction.LeftToRight if wide else QBoxLayout.Direction.TopToBottom
        if self._body.direction() is not way:
            self._body.setDirection(way)
        if (self.width() < _ONE_LINE) is not self._is_narrow:
            self._is_narrow = self.width() < _ONE_LINE
            self._refresh()
        super().resizeEvent(event)

    def showEvent(self, event: QShowEvent) -> None:
        """What was not computed while nobody looked is wanted now."""
        super().showEvent(event)
        if self.page == FLIPS:
            self.flipsWanted.emit()

    def changeEvent(self, event: QEvent) -> None:
        """Text colours are part of the text."""
        if event.type() is QEvent.Type.PaletteChange and hasattr(self, "_states"):
            self._refresh()
        super().changeEvent(event)

    def _popup(self, where: QPoint) -> None:
        menu = self.menu()
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(where)

    def _show_page(self, page: int) -> None:
        self._pages.setCurrentIndex(page)
        if page == FLIPS and self.isVisible():
            self.flipsWanted.emit()

    def _on_hover(self, term: str) -> None:
        self.set_hovered(term)
        self.termHovered.emit(term)

    def _refresh(self) -> None:
        scores, candidate = self._scores, self.candidate
        self._hint.setText(_NO_SCORES if scores is None else _NO_CHOICE)
        self._states.setCurrentIndex(int(candidate >= 0))
        if scores is None or candidate < 0:
            self.bars.set_pair(None, None, ("", ""))
            self.curves.set_evidence(None)
            return
        self._title.setText(headline(candidate, scores, self._names))
        self._chips.set_chips(self._make_chips(scores.problems))
        self.formula.setFont(tabular(self.font()))
        self.formula.show_score(
            candidate, scores, self._constants, self._evidence, narrow=self._is_narrow
        )
        rival = rival_of(candidate, scores)
        pair = scores.of(rival) if rival >= 0 else None
        titles = (
            f"{'★ ' if candidate == scores.winner else ''}#{candidate}",
            f"{'★ ' if rival == scores.winner else ''}#{rival}",
        )
        self.bars.set_pair(scores.of(candidate), pair, titles)
        self.bars.setVisible(pair is not None)
        self.curves.set_pair(scores.of(candidate), pair)
        self.curves.set_evidence(self._evidence)
        self.flips.set_candidate(candidate)

    def _judged(self, truth: ChoiceTruth) -> int:
        """Whose choice a truth judges: the score's, if a person chose; else the winner."""
        if self._scores is None:
            return -1
        by_score = truth.source == PERSON and self._scores.terms
        return self._scores.ranking[0] if by_score else self._scores.winner

    def _sentence(self, truth: ChoiceTruth) -> str:
        return truth.sentence(self._judged(truth))

    def _make_chips(self, problems: tuple[Problem, ...]) -> list[QLabel]:
        theme = colors(self.palette())
        found = []
        for truth in self._truths:
            judged = self._judged(truth)
            right = truth.is_right(judged)
            shade = theme.muted if right is None else theme.ok if right else theme.error
            mark = "" if right is None else "✓ " if right else "✗ "
            iou = f", IoU {truth.iou(judged):.2f}" if right else ""
            whose = "score " if truth.source == PERSON else ""
            text = f"{mark}{whose}{truth.verdict(judged)}{iou}"
            found.append(chip(text, self._sentence(truth), shade, truth.source))
        shades = {Severity.INFO: theme.muted, Severity.WARNING: theme.warning}
        for problem in problems:
            shade = shades.get(problem.severity, theme.error)
            words = problem.code.replace("_", " ")
            found.append(chip(words, problem.message, shade, problem.severity.value))
        return found


def _scrolled(page: QWidget) -> QScrollArea:
    area = QScrollArea()
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setWidgetResizable(True)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidget(page)
    return area
