"""What would flip the decision: a sentence, a sorted list, and a button that tries a row."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QRect, QSize, Qt, Signal
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from pipeline.evaluation.what_if import Flip, Flips
from pipeline.evaluation.what_if_changes import BoundaryChange, OptionChange
from pipeline.evaluation.what_if_text import road_text, value_text
from widgets.chips import ChipRow, chip
from widgets.fields import EmptyHint, muted, quiet_button, thin_bar, tip
from widgets.flip_model import Column, FlipModel, rows_of
from widgets.flip_table import FlipTable
from widgets.theme import GRID, HALF_GRID, colors

_NOTHING = "Nothing to compare yet. Run the scores stage to see what would flip its choice."
_WORKING = "Looking for what would flip the choice …"


class FlipList(QWidget):
    """Smallest changes that make another candidate win, or a certain one.

    Signals:
        optionTried: Stage, option and value that the user wants to try.
        boundaryTried: Arm, boundary and frame that the user wants to try.
        termHovered: Term that the row under the mouse enters, or empty.
        backWanted: The user wants what was tried to be taken back.
    """

    backWanted = Signal()
    optionTried = Signal(str, str, object)
    boundaryTried = Signal(str, int, int)
    termHovered = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("What would flip the choice")
        self._flips: Flips | None = None
        self._names: dict[int, str] = {}
        self._candidate = -1
        self._with_misses = False
        self.model = FlipModel(self)
        self.sentence = QLabel()
        self.sentence.setWordWrap(True)
        self.sentence.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.sentence.setAccessibleName("How robust the choice is")
        self.chips = ChipRow()
        self.table = FlipTable(self.model, self)
        self.table.rowTried.connect(self.try_row)
        self.table.rowHovered.connect(self._on_hover)
        self.table.selectionModel().currentRowChanged.connect(self._show_offer)
        self.note = muted(QLabel())
        self.note.setWordWrap(True)
        self.attempt = quiet_button("Try it", "")
        self.attempt.clicked.connect(lambda: self.try_row(self.table.currentIndex().row()))
        self.back = quiet_button("Put back", "Take back what was tried, and run again.")
        self.back.clicked.connect(self.backWanted)
        self._tried = muted(QLabel())
        self._tried.setWordWrap(True)
        self._tried.setContentsMargins(GRID, 0, 0, 0)
        self._trial = self._make_trial()
        self._trial.hide()
        self._hint = EmptyHint(_NOTHING)
        self.bar = thin_bar("Search for flips", self)
        self.bar.hide()
        self._pages = QStackedWidget()
        self._pages.addWidget(self._hint)
        self._pages.addWidget(self._make_page())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.bar)
        layout.addWidget(self._trial)
        layout.addWidget(self._pages, 1)
        self._refresh()

    def _make_trial(self) -> QWidget:
        trial = QWidget()
        row = QHBoxLayout(trial)
        row.setContentsMargins(0, HALF_GRID, GRID, 0)
        row.addWidget(self._tried, 1)
        row.addWidget(self.back)
        return trial

    def _make_page(self) -> QWidget:
        page = QWidget()
        top = QHBoxLayout()
        top.setSpacing(GRID)
        top.addWidget(self.sentence, 1)
        top.addWidget(self.attempt, 0, Qt.AlignmentFlag.AlignTop)
        column = QVBoxLayout(page)
        column.setContentsMargins(GRID, HALF_GRID, GRID, HALF_GRID)
        column.setSpacing(HALF_GRID)
        column.addWidget(self.chips)
        column.addLayout(top)
        column.addWidget(self.note)
        column.addWidget(self.table, 1)
        return page

    # Values in -----------------------------------------------------------------------------

    def set_flips(self, flips: Flips | None, names: Mapping[int, str]) -> None:
        """Show what was found; None: nothing is known (see `set_message`)."""
        self._flips, self._names = flips, dict(names)
        self.bar.hide()
        self._hint.setText(_NOTHING)
        self._refresh()

    def set_candidate(self, candidate: int) -> None:
        """Tell what makes this candidate win; the winner or -1: what makes anybody else win."""
        if candidate != self._candidate:
            self._candidate = candidate
            self._refresh()

    def set_progress(self, share: float, what: str) -> None:
        """Say how far the search is, 0..1, and what is varied; old results are hidden."""
        self._flips = None
        self.bar.setValue(round(1000 * min(max(share, 0.0), 1.0)))
        self.bar.show()
        self._hint.setText(f"{_WORKING}\n{what}" if what else _WORKING)
        self._refresh()

    def set_message(self, message: str) -> None:
        """Say why there is nothing; empty for the usual hint."""
        self._flips = None
        self.bar.hide()
        self._hint.setText(message or _NOTHING)
        self._refresh()

    def set_back(self, what: str) -> None:
        """Offer to take back what was tried, e.g. `motion weight was 0.5`; empty: nothing was."""
        self._tried.setText(f"Tried: {what}" if what else "")
        self._trial.setVisible(bool(what))

    # What it shows --------------------------------------------------------------------------

    @property
    def message(self) -> str:
        """What is said in place of the list; empty where there is one."""
        return "" if self._flips is not None else self._hint.text()

    @property
    def flips(self) -> tuple[Flip, ...]:
        """The flips on show, from the top."""
        return tuple(row.flip for row in self.model.rows if row.flip is not None)

    def text(self) -> str:
        """Everything shown, as plain text; empty if nothing is."""
        if self._flips is None:
            return ""
        lines = [self.sentence.text()]
        for row in range(self.model.rowCount()):
            if self.model.rows[row].trial is not None:
                cells = [self.model.index(row, column).data() for column in Column]
                lines.append("  " + "  ".join(str(cell) for cell in cells))
        return "\n".join(lines)

    def show_misses(self, on: bool) -> None:
        """List what was tried without a flip, too."""
        self._with_misses = on
        self._refresh()

    def try_row(self, row: int) -> None:
        """The user wants to see what a row does; the last row shows those without a flip."""
        flip = self._flip_at(row)
        if 0 <= row < len(self.model.rows) and self.model.rows[row].more:
            self.show_misses(not self._with_misses)
        if flip is None:
            return
        change = flip.change
        if isinstance(change, BoundaryChange):
            self.boundaryTried.emit(change.arm, change.index, int(flip.to_value))
        else:
            self.optionTried.emit(OptionChange.stage, change.name, flip.short_value)

    def _flip_at(self, row: int) -> Flip | None:
        return self.model.rows[row].flip if 0 <= row < len(self.model.rows) else None

    def _on_hover(self, row: int) -> None:
        known = 0 <= row < len(self.model.rows)
        self.termHovered.emit(self.model.rows[row].term if known else "")

    def _refresh(self) -> None:
        flips = self._flips
        self._pages.setCurrentIndex(int(flips is not None))
        if flips is None:
            self.model.show((), {})
            return
        self.sentence.setText(road_text(flips, self._about))
        self._show_near_tie(flips)
        rows = rows_of(flips, self._about, with_misses=self._with_misses)
        self.model.show(rows, self._names)
        found = sum(row.flip is not None for row in rows)
        self.table.clearSpans()
        if rows and rows[-1].more:
            self.table.setSpan(len(rows) - 1, 0, 1, len(Column))
        if found:
            self.table.selectRow(0)
        self._show_offer()

    def _show_near_tie(self, flips: Flips) -> None:
        text = f"#{flips.winner} leads #{flips.runner_up} by {flips.margin:.3f} in R only."
        shade = colors(self.palette()).warning
        self.chips.set_chips([chip("near tie", text, shade, "warning")] if flips.near_tie else [])

    @property
    def _about(self) -> int:
        known = self._flips is not None and self._candidate in {c for c, _ in self._flips.roads}
        return self._candidate if known else -1 if self._flips is None else self._flips.winner

    def _show_offer(self) -> None:
        flip = self._flip_at(self.table.currentIndex().row())
        self.attempt.setEnabled(flip is not None)
        self.note.setVisible(flip is not None and isinstance(flip.change, BoundaryChange))
        if flip is None:
            self.attempt.setToolTip("Select a change that flips the choice.")
            return
        if isinstance(flip.change, BoundaryChange):
            self.note.setText("With the same keyframe, boxes and tracks; a run may find others.")
            does = f"Moves the boundary to frame {value_text(flip.to_value)} and runs again."
            self.attempt.setToolTip(tip("Try it", does, "It is a correction: Undo takes it back."))
        else:
            does = f"Sets {flip.change.words} to {value_text(flip.short_value)} and runs again."
            self.attempt.setToolTip(
                tip("Try it", does, "Both results are shown side by side; “Put back” ends it.")
            )

    def sizeHint(self) -> QSize:
        """A sentence and some rows."""
        return QSize(420, 220)

    def row_rect(self, row: int) -> QRect:
        """Where a row is, in the table's viewport (for tests)."""
        return self.table.visualRect(self.model.index(row, Column.WHAT))
