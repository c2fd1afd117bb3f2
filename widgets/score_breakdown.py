"""Why a candidate has its R: the formula with its numbers, beside its rival."""

from __future__ import annotations

from html import escape

from PySide6.QtCore import QEvent, QPoint, QSize, QSizeF, Qt, QUrl, Signal
from PySide6.QtGui import QColor, QContextMenuEvent, QGuiApplication, QPalette, QResizeEvent
from PySide6.QtWidgets import (
    QBoxLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QMenu,
    QScrollArea,
    QSizePolicy,
    QStackedWidget,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from pipeline.model.palette import TERMS
from pipeline.model.problem import Problem, Severity
from pipeline.model.score import ScoresResult
from widgets.difference_bars import DifferenceBars
from widgets.fields import EmptyHint
from widgets.score_formula import (
    TERM_NAMES,
    FormulaConstants,
    Part,
    as_text,
    headline,
    lines_of,
    number,
    parts_of,
    rival_of,
)
from widgets.theme import GRID, HALF_GRID, colors, tabular

_NO_SCORES = "No scores yet. Run the scores stage to see how R comes about."
_NO_CHOICE = "Select a candidate to see how its R comes about."
_BESIDE = 860
"""Pixels from which the comparison stands beside the formula."""
_ONE_LINE = 520
"""Pixels under which the sum stands term by term instead of on one line."""
_SCHEME = "term"


class _Formula(QTextBrowser):
    """Selectable text as high as it needs; the menu is its parent's."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Formula of R with its numbers")
        self.setOpenLinks(False)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.viewport().setAutoFillBackground(False)
        self.document().setDocumentMargin(0)
        self.document().documentLayout().documentSizeChanged.connect(self._fit)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Leave it to the breakdown."""
        event.ignore()

    def sizeHint(self) -> QSize:
        """As high as the text."""
        return QSize(480, int(self.document().size().height()) + 2)

    def _fit(self, size: QSizeF) -> None:
        self.setFixedHeight(int(size.height()) + 4)


class ScoreBreakdown(QWidget):
    """R of the selected candidate, term by term.

    Signals:
        termHovered: `motion`, `detector`, `proximity`, `overlap`, or empty.
    """

    termHovered = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Score breakdown")
        self._scores: ScoresResult | None = None
        self._names: dict[int, str] = {}
        self._selected = -1
        self._constants = FormulaConstants()
        self._is_narrow = False
        self._title = QLabel()
        self._title.setWordWrap(True)
        self._title.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._title.setContextMenuPolicy(Qt.ContextMenuPolicy.NoContextMenu)
        self._chips = QHBoxLayout()
        self._chips.setSpacing(HALF_GRID)
        self.formula = _Formula()
        self.bars = DifferenceBars()
        self.formula.highlighted.connect(self._on_link)
        self.bars.termHovered.connect(self.termHovered)
        self._body = QBoxLayout(QBoxLayout.Direction.TopToBottom)
        self._body.setSpacing(2 * GRID)
        self._body.addWidget(self.formula, 3, Qt.AlignmentFlag.AlignTop)
        self._body.addWidget(self.bars, 2, Qt.AlignmentFlag.AlignTop)
        self._hint = EmptyHint(_NO_SCORES)
        self._pages = QStackedWidget()
        self._pages.addWidget(self._hint)
        self._pages.addWidget(self._make_page())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._pages)

    def _make_page(self) -> QScrollArea:
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(GRID, GRID, GRID, GRID)
        column.setSpacing(GRID)
        column.addWidget(self._title)
        column.addLayout(self._chips)
        column.addLayout(self._body)
        column.addStretch(1)
        area = QScrollArea()
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(page)
        return area

    # Values in -----------------------------------------------------------------------------

    def set_results(self, scores: ScoresResult | None, names: dict[int, str]) -> None:
        """Show stage 3; `names` are what people call the candidates, by id."""
        self._scores, self._names = scores, dict(names)
        self._refresh()

    def set_selected(self, candidate: int) -> None:
        """Show a candidate; -1 or an unknown one shows the winner."""
        self._selected = candidate
        self._refresh()

    def set_constants(self, constants: FormulaConstants) -> None:
        """Tell which constants the scores stage used."""
        self._constants = constants
        self._refresh()

    def set_hovered(self, term: str) -> None:
        """Highlight a term in the comparison."""
        self.bars.set_hovered(term)

    # What it shows --------------------------------------------------------------------------

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
        return as_text(self.candidate, self._scores, self._names, self._constants)

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

    def changeEvent(self, event: QEvent) -> None:
        """Text colours are part of the text."""
        if event.type() is QEvent.Type.PaletteChange and hasattr(self, "_pages"):
            self._refresh()
        super().changeEvent(event)

    def _popup(self, where: QPoint) -> None:
        menu = self.menu()
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(where)

    def _refresh(self) -> None:
        scores, candidate = self._scores, self.candidate
        self._hint.setText(_NO_SCORES if scores is None else _NO_CHOICE)
        self._pages.setCurrentIndex(int(candidate >= 0))
        if scores is None or candidate < 0:
            self.bars.set_pair(None, None, ("", ""))
            return
        self._title.setText(headline(candidate, scores, self._names))
        self._show_chips(scores.problems)
        self.formula.setFont(tabular(self.font()))
        self.formula.setHtml(self._html(candidate, scores))
        rival = rival_of(candidate, scores)
        pair = scores.of(rival) if rival >= 0 else None
        titles = (
            f"{'★ ' if candidate == scores.winner else ''}#{candidate}",
            f"{'★ ' if rival == scores.winner else ''}#{rival}",
        )
        self.bars.set_pair(scores.of(candidate), pair, titles)
        self.bars.setVisible(pair is not None)

    def _show_chips(self, problems: tuple[Problem, ...]) -> None:
        while (item := self._chips.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.hide()
                widget.deleteLater()
        theme = colors(self.palette())
        shades = {Severity.INFO: theme.muted, Severity.WARNING: theme.warning}
        for problem in problems:
            shade = shades.get(problem.severity, theme.error)
            chip = QLabel(problem.code.replace("_", " "))
            chip.setObjectName("chip")
            chip.setToolTip(f"<qt>{escape(problem.message)}</qt>")
            chip.setAccessibleName(f"{problem.severity.value}: {problem.message}")
            chip.setStyleSheet(
                f"QLabel#chip {{ color: {shade}; border: 1px solid {shade};"
                " border-radius: 7px; padding: 0 6px; }"
            )
            self._chips.addWidget(chip)
        self._chips.addStretch(1)

    def _html(self, candidate: int, scores: ScoresResult) -> str:
        terms = scores.of(candidate)
        parts = parts_of(terms)
        text = self.palette().color(QPalette.ColorRole.WindowText).name()
        quiet = colors(self.palette()).muted
        shades = {TERM_NAMES[name]: QColor(*rgb).name() for name, rgb in TERMS.items()}

        def link(name: str, body: str, tip: str = "") -> str:
            style = f"color:{text};text-decoration:none"
            return (
                f'<a href="{_SCHEME}:{name}" title="{escape(tip)}" style="{style}">'
                f"{escape(body)}</a>"
            )

        def row(first: str, cells: list[str], weight: str = "normal") -> str:
            found = "".join(
                f'<td align="center" style="color:{quiet}">&nbsp;{p.sign or "="}&nbsp;</td>'
                f'<td align="center" style="white-space:nowrap;font-weight:{weight}">{cell}</td>'
                for p, cell in zip(parts, cells, strict=True)
            )
            style = f"white-space:nowrap;font-weight:{weight}"
            return f'<tr><td align="right" style="{style}">{first}</td>{found}</tr>'

        heads = "".join(
            f'<td></td><td align="center" style="white-space:nowrap">'
            f'<span style="color:{shades[p.name]}">■</span> '
            f'<span style="color:{quiet}">{p.name}</span></td>'
            for p in parts
        )

        def term(p: Part) -> str:
            shown = "".join(
                f'<td style="white-space:nowrap">{link(p.name, c)}&nbsp;=&nbsp;</td>'
                for c in (p.formula, p.inserted)
            )
            value = f"{p.sign or '+'} {p.value}"
            return (
                f'<tr><td style="white-space:nowrap"><span style="color:{shades[p.name]}">■</span> '
                f'<span style="color:{quiet}">{p.name}</span>&nbsp;&nbsp;</td>{shown}'
                f'<td align="right" style="white-space:nowrap;font-weight:bold">'
                f"{link(p.name, value, p.meaning)}</td></tr>"
            )

        if self._is_narrow:
            total = f'<td align="right"><b>{number(terms.score)}</b></td>'
            rows = (
                "".join(term(p) for p in parts) + f"<tr><td><b>R</b></td><td></td><td></td>{total}"
            )
            table = f'<table cellspacing="0" cellpadding="1">{rows}</tr></table>'
        else:
            table = (
                f'<table cellspacing="0" cellpadding="2"><tr><td></td>{heads}</tr>'
                + row("R", [link(p.name, p.formula, p.meaning) for p in parts])
                + row("", [link(p.name, p.inserted, p.meaning) for p in parts])
                + row(
                    number(terms.score), [link(p.name, p.value, p.meaning) for p in parts], "bold"
                )
                + "</table>"
            )
        lines = "".join(
            f'<tr><td align="right" style="white-space:nowrap">{link(line.name, line.symbol)}</td>'
            f"<td>&nbsp;=&nbsp;</td><td>"
            + f' <span style="color:{quiet}">=</span> '.join(
                link(line.name, step) for step in line.steps
            )
            + "</td></tr>"
            for line in lines_of(terms, scores, self._constants)
        )
        return (
            f'{table}<table cellspacing="0" cellpadding="1" style="margin-top:6px">{lines}</table>'
        )

    def _on_link(self, url: QUrl) -> None:
        term = url.path() if url.scheme() == _SCHEME else ""
        self.bars.set_hovered(term)
        self.termHovered.emit(term)
