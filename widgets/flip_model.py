"""Rows of the list of flips: what would have to change, and what cannot flip the decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QWidget

from pipeline.evaluation.what_if import Flip, Flips, Kind, Trial
from pipeline.evaluation.what_if_changes import BoundaryChange
from pipeline.evaluation.what_if_text import (
    change_text,
    far_text,
    trial_text,
    unit_of,
    value_text,
)
from pipeline.model.palette import TERMS, candidate_color
from widgets.fields import tip
from widgets.score_formula import TERM_NAMES, name_of
from widgets.theme import colors

Index = QModelIndex | QPersistentModelIndex
_TERM_COLORS = {TERM_NAMES[name]: rgb for name, rgb in TERMS.items()}


class Column(IntEnum):
    """Columns of the list."""

    WHAT = 0
    VALUES = 1
    FAR = 2
    WINNER = 3
    KIND = 4


HEADERS = {
    Column.WHAT: ("What", "What would have to change, alone; everything else stays as it is."),
    Column.VALUES: (
        "Now → needed",
        "Its value now, and the nearest one at which another candidate has the best R, rounded "
        "away from it to a few digits. Frames of the episode for phase boundaries.",
    ),
    Column.FAR: (
        "How far",
        "Size of the change in units of the option's default; boundaries in frames. Rows are "
        "sorted by it (a boundary counts as its share of the phase that it shortens). Our choice, "
        "to compare settings of different units.",
    ),
    Column.WINNER: ("Wins", "The candidate that has the best R then."),
    Column.KIND: (
        "Search",
        "exact: no smaller change does it. searched: on a grid whose steps are named in the "
        "row's tip, then bisected; a winner between two grid points can be missed.",
    ),
}


@dataclass(frozen=True, slots=True)
class FlipRow:
    """One row: a flip, or what was tried without one, or the row that shows these.

    Attributes:
        flip: The flip, or None.
        trial: The search behind it; None in the last row.
        more: Text of the last row, which shows or hides what was tried without a flip.
    """

    flip: Flip | None
    trial: Trial | None
    more: str = ""

    @property
    def term(self) -> str:
        """Term it enters, see `ScoreBreakdown.termHovered`; empty for none."""
        return "" if self.trial is None else self.trial.change.term


def rows_of(flips: Flips, candidate: int, *, with_misses: bool) -> tuple[FlipRow, ...]:
    """Rows about the decision, or about what makes one candidate win.

    Args:
        flips: What was found.
        candidate: Candidate to make win; the winner or -1: anybody else.
        with_misses: Add what was tried without a flip.

    Returns:
        Flips, then misses if wanted, then a row that shows or hides the misses if there are any.
    """
    trials = {t.change.name: t for t in flips.trials}
    about = candidate >= 0 and candidate != flips.winner
    found = flips.to(candidate) if about else flips.flips
    rows = [FlipRow(f, trials[f.change.name]) for f in found]
    hit = {f.change.name for f in found}
    misses = [FlipRow(None, t) for t in flips.trials if t.change.name not in hit]
    if with_misses:
        rows += misses
    if misses:
        others = "others" if rows else "settings"
        text = f"Hide {len(misses)}" if with_misses else f"{len(misses)} {others}"
        rows.append(FlipRow(None, None, f"{text} that cannot flip it alone"))
    return tuple(rows)


class FlipModel(QAbstractTableModel):
    """The rows as a table."""

    def __init__(self, widget: QWidget) -> None:
        super().__init__(widget)
        self._widget = widget
        self.rows: tuple[FlipRow, ...] = ()
        self._names: Mapping[int, str] = {}

    def show(self, rows: tuple[FlipRow, ...], names: Mapping[int, str]) -> None:
        """Show rows; `names` are what people call the candidates."""
        self.beginResetModel()
        self.rows, self._names = rows, dict(names)
        self.endResetModel()

    def rowCount(self, parent: Index | None = None) -> int:
        """Rows."""
        return 0 if parent is not None and parent.isValid() else len(self.rows)

    def columnCount(self, parent: Index | None = None) -> int:
        """Columns."""
        return 0 if parent is not None and parent.isValid() else len(Column)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Titles and what they mean."""
        if orientation is not Qt.Orientation.Horizontal:
            return None
        title, meaning = HEADERS[Column(section)]
        if role == Qt.ItemDataRole.DisplayRole:
            return title
        if role == Qt.ItemDataRole.ToolTipRole:
            return tip(title, meaning)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(Column(section))
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Text, colours and explanations."""
        if not index.isValid() or not 0 <= index.row() < len(self.rows):
            return None
        row, column = self.rows[index.row()], Column(index.column())
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(row, column)
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._tip(row)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(column)
        if role == Qt.ItemDataRole.DecorationRole and column is Column.WHAT and row.term:
            return QColor(*_TERM_COLORS[row.term])
        if role == Qt.ItemDataRole.DecorationRole and column is Column.WINNER and row.flip:
            return QColor(*candidate_color(row.flip.new_winner))
        if role == Qt.ItemDataRole.ForegroundRole and row.flip is None:
            return QColor(colors(self._widget.palette()).muted)
        return None

    def _text(self, row: FlipRow, column: Column) -> str:
        flip, trial = row.flip, row.trial
        if trial is None:
            return row.more if column is Column.WHAT else ""
        if column is Column.WHAT:
            return trial.change.words
        if flip is None:
            change = trial.change
            now = change.frame if isinstance(change, BoundaryChange) else change.value
            if column is Column.VALUES:
                return value_text(now)
            kind = "no effect" if trial.reason else trial.kind.value
            return kind if column is Column.KIND else ""
        if column is Column.VALUES:
            return f"{value_text(flip.from_value)} → {value_text(flip.short_value)}"
        if column is Column.FAR:
            return far_text(flip)
        if column is Column.WINNER:
            return f"#{flip.new_winner}"
        return flip.kind.value

    def _tip(self, row: FlipRow) -> str:
        if row.trial is None:
            return tip(
                "Cannot flip it alone",
                "Settings that were varied over their documented range and phase boundaries, none "
                "of which makes it happen alone. Enter or a click shows or hides them.",
            )
        change, flip = row.trial.change, row.flip
        if isinstance(change, BoundaryChange):
            about = (
                "Phase boundary, moved by whole frames. Keyframe, boxes and tracks stay as they "
                "are; a run with the boundary moved may find others."
            )
        else:
            info = change.info
            unit = f" {info.unit}" if info.unit else ""
            about = f"{info.help} Default {info.default}{unit}, {info.span} ({info.source})."
            if info.choices:
                about = f"{info.help} ({info.source})"
        if flip is None:
            return tip(change.words, about, trial_text(row.trial))
        who = name_of(flip.new_winner, dict(self._names))
        exact = f"{flip.to_value:.9g}" if isinstance(flip.to_value, float) else ""
        precise = f"Begins at {exact} {unit_of(flip)}".rstrip() + "." if exact else ""
        sure = (
            "Exact: no smaller change does it."
            if flip.kind is Kind.EXACT
            else f"Searched in {row.trial.resolution}, then bisected."
        )
        sentence = change_text(flip)
        return tip(
            change.words, f"{who} wins if {sentence}.", precise, sure, about, "Enter tries it."
        )


def _alignment(column: Column) -> int:
    right = column in (Column.VALUES, Column.FAR)
    side = Qt.AlignmentFlag.AlignRight if right else Qt.AlignmentFlag.AlignLeft
    return int(side | Qt.AlignmentFlag.AlignVCenter)
