"""Problems as a list: code, sentence, frame; a click asks to see it."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, Qt, Signal
from PySide6.QtWidgets import QStackedLayout, QWidget

from pipeline.model.problem import Problem, Severity
from widgets.fields import EmptyHint, tip
from widgets.icons import Glyph
from widgets.sentence_rows import SentenceRow, SentenceView
from widgets.theme import Status

_LOOK: dict[Severity, tuple[Glyph, Status]] = {
    Severity.INFO: (Glyph.INFO, Status.RUNNING),
    Severity.WARNING: (Glyph.TRIANGLE, Status.WARNING),
    Severity.ERROR: (Glyph.CROSS, Status.ERROR),
}
_ORDER = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}


def severity_look(severity: Severity) -> tuple[Glyph, Status]:
    """Return glyph and status colour of a severity."""
    return _LOOK[severity]


def worst(problems: tuple[Problem, ...]) -> Severity | None:
    """Return the gravest severity, or None without problems."""
    return min((p.severity for p in problems), key=_ORDER.__getitem__, default=None)


def _row(problem: Problem) -> SentenceRow:
    glyph, status = _LOOK[problem.severity]
    code, severity, message = problem.code, problem.severity.value, problem.message
    where = "" if problem.frame is None else f"Frame {problem.frame}. Click to go there."
    return SentenceRow(
        glyph,
        status,
        title=code,
        sentence=message,
        aside="" if problem.frame is None else f"frame {problem.frame}",
        copied=message,
        tip=tip(f"{code} ({severity})", message, where),
        spoken=f"{severity}, {code}: {message}",
    )


class ProblemList(QWidget):
    """Problems of an episode or a stage, the gravest first.

    Attributes:
        problemActivated: A problem was clicked or Enter was pressed on it; carries the `Problem`.
    """

    problemActivated = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._problems: tuple[Problem, ...] = ()
        keys = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Up, Qt.Key.Key_Down)
        self._view = SentenceView("Problems", keys, self)
        self._empty = EmptyHint("No problems found.", self)
        self._stack = QStackedLayout(self)
        self._stack.addWidget(self._empty)
        self._stack.addWidget(self._view)
        self._view.clicked.connect(self._activate)
        self._view.activated.connect(self._activate)
        self._last: Problem | None = None

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is shown, in this order."""
        return self._problems

    def set_problems(self, problems: tuple[Problem, ...]) -> None:
        """Show problems; emits nothing."""
        ordered = tuple(sorted(problems, key=lambda p: _ORDER[p.severity]))
        if ordered != self._problems:
            self._problems = ordered
            self._view.show_rows(map(_row, ordered))
        self._stack.setCurrentWidget(self._view if ordered else self._empty)

    def set_empty_text(self, text: str) -> None:
        """Say something else where there are none."""
        self._empty.setText(text)

    def _activate(self, index: QModelIndex) -> None:
        if not index.isValid():
            return  # a receiver of the first signal has shown other problems
        problem = self._problems[index.row()]
        # Styles that activate by a single click send both signals for one click.
        if problem is self._last:
            return
        self._last = problem
        self.problemActivated.emit(problem)
        self._last = None
