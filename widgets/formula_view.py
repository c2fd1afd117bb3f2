"""The formula of R with its numbers as selectable text; terms tell when they are hovered."""

from __future__ import annotations

from html import escape

from PySide6.QtCore import QSize, QSizeF, Qt, QUrl, Signal
from PySide6.QtGui import QColor, QContextMenuEvent, QPalette
from PySide6.QtWidgets import QFrame, QSizePolicy, QTextBrowser, QWidget

from pipeline.evaluation.term_evidence import TermEvidence
from pipeline.model.palette import TERMS
from pipeline.model.score import ScoresResult
from widgets.score_formula import (
    TERM_NAMES,
    FormulaConstants,
    Part,
    lines_of,
    number,
    parts_of,
    rival_of,
    value_text,
)
from widgets.theme import colors

_SCHEME = "term"


class FormulaView(QTextBrowser):
    """Selectable text as high as it needs; the menu is its parent's.

    Signals:
        termHovered: `motion`, `detector`, `proximity`, `overlap`, or empty.
    """

    termHovered = Signal(str)

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
        self.highlighted.connect(self._on_link)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Leave it to the breakdown."""
        event.ignore()

    def sizeHint(self) -> QSize:
        """As high as the text."""
        return QSize(480, int(self.document().size().height()) + 2)

    def show_score(
        self,
        candidate: int,
        scores: ScoresResult,
        constants: FormulaConstants,
        evidence: TermEvidence | None,
        *,
        narrow: bool,
    ) -> None:
        """Write the formula of a candidate.

        Args:
            candidate: One of `scores`.
            scores: Stage 3.
            constants: Which constants made them.
            evidence: What the terms counted, if that is known.
            narrow: The sum stands term by term instead of on one line.
        """
        self.setHtml(self._html(candidate, scores, constants, evidence, narrow))

    def _fit(self, size: QSizeF) -> None:
        self.setFixedHeight(int(size.height()) + 4)

    def _on_link(self, url: QUrl) -> None:
        self.termHovered.emit(url.path() if url.scheme() == _SCHEME else "")

    def _html(
        self,
        candidate: int,
        scores: ScoresResult,
        constants: FormulaConstants,
        evidence: TermEvidence | None,
        narrow: bool,
    ) -> str:
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

        if narrow:
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
        rival = rival_of(candidate, scores)
        other = scores.of(rival) if rival >= 0 else None

        def beside(symbol: str) -> str:
            """The same of the rival."""
            if other is None:
                return ""
            value = value_text(symbol, other)
            return f' <span style="color:{quiet}">(#{rival}: {value})</span>'

        lines = "".join(
            f'<tr><td align="right" style="white-space:nowrap">{link(line.name, line.symbol)}</td>'
            f"<td>&nbsp;=&nbsp;</td><td>"
            + f' <span style="color:{quiet}">=</span> '.join(
                link(line.name, step) for step in line.steps
            )
            + f"{beside(line.symbol)}</td></tr>"
            for line in lines_of(terms, scores, constants, evidence)
        )
        return (
            f'{table}<table cellspacing="0" cellpadding="1" style="margin-top:6px">{lines}</table>'
        )
