"""The annotations behind a bar: a table that reads them as they scroll into view."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from pipeline.diagnosis.diagnosis import Diagnosis, Step
from pipeline.diagnosis.pareto import Certainty, Failures
from pipeline.diagnosis.sentences import listed, title_of
from pipeline.model.arrays import I64
from widgets.fields import tip

Index = QModelIndex | QPersistentModelIndex
EPISODE, SUBTASK, TASK, KNOWN, WHY = range(5)
_TITLES = {
    EPISODE: ("Episode", "Index of the episode in the dataset."),
    SUBTASK: (
        "Subtask",
        "Number of the subtask in the episode, from 1; – where none was found.",
    ),
    TASK: ("Task", "Kind of action, as the subtasks stage understood the instruction."),
    KNOWN: ("Known", "How sure it is: at fault (proved by substitution), suspected (by codes)."),
    WHY: ("Why", "What was found."),
}
_KNOWN = {
    Certainty.FAULT: "at fault",
    Certainty.SUSPECT: "suspected",
    Certainty.UNJUDGED: "not judged",
}


class FailureModel(QAbstractTableModel):
    """Some of the failures, by place."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._failures: Failures | None = None
        self._places: I64 | None = None

    def show(self, failures: Failures | None, places: I64 | None) -> None:
        """Show the failures at these places."""
        self.beginResetModel()
        self._failures, self._places = failures, places
        self.endResetModel()

    def place(self, row: int) -> int:
        """Place of a row in the failures."""
        if self._places is None:
            raise IndexError(f"row {row} of an empty list")
        return int(self._places[row])

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        """Annotations."""
        return 0 if parent.isValid() or self._places is None else len(self._places)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        """Columns."""
        return 0 if parent.isValid() else len(_TITLES)

    def headerData(
        self,
        section: int,
        orientation: Qt.Orientation,
        role: int = Qt.ItemDataRole.DisplayRole,
    ) -> Any:
        """Titles with what they mean."""
        if orientation is not Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return _TITLES[section][0]
        if role == Qt.ItemDataRole.ToolTipRole:
            return tip(*_TITLES[section])
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(section)
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Text, tool tip and alignment of a cell."""
        failures = self._failures
        if failures is None or not index.isValid():
            return None
        place, column = self.place(index.row()), index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(failures, place, column)
        if role == Qt.ItemDataRole.ToolTipRole:
            where = f"Episode {failures.episode[place]}"
            if failures.subtask[place] < 0:
                return tip(where, failures.sentence(place), "There is no subtask to open.")
            return tip(where, failures.sentence(place), "Double-click or Return opens it.")
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(column)
        return None

    def _text(self, failures: Failures, place: int, column: int) -> str:
        if column == EPISODE:
            return str(failures.episode[place])
        if column == SUBTASK:
            subtask = int(failures.subtask[place])
            return str(subtask + 1) if subtask >= 0 else "–"
        if column == TASK:
            return failures.task[place].replace("_", " ")
        if column == KNOWN:
            return _KNOWN[Certainty(int(failures.certainty[place]))]
        return failures.sentence(place)


def _alignment(column: int) -> Qt.AlignmentFlag:
    side = Qt.AlignmentFlag.AlignRight if column <= SUBTASK else Qt.AlignmentFlag.AlignLeft
    return side | Qt.AlignmentFlag.AlignVCenter


def steps_text(diagnosis: Diagnosis) -> str:
    """What was tried, one line each."""
    return "\n".join(f"{n}. {_step(s)}" for n, s in enumerate(diagnosis.steps, 1))


def _step(step: Step) -> str:
    others = (
        f" (with {listed([title_of(s).lower() for s in step.together])})" if step.together else ""
    )
    if step.right is None:
        outcome = "could not be tried"
    elif step.after < 0:
        outcome = "no such subtask then"
    else:
        outcome = f"#{step.after} wins, {'right' if step.right else 'still wrong'}"
    return f"{title_of(step.stage)}{others}: {step.what}: {outcome}, {step.seconds:.1f} s"
