"""Machine checks of a caption: what it claims, whether the evidence agrees, and where to look."""

from __future__ import annotations

from html import escape

from PySide6.QtCore import QEvent, QItemSelectionModel, Qt, Signal
from PySide6.QtGui import QHideEvent, QKeyEvent, QMouseEvent
from PySide6.QtWidgets import QLabel, QListView, QStackedWidget, QVBoxLayout, QWidget

from pipeline.model.checks import ChecksResult, Constraint, ConstraintKind, Evidence, Outcome
from widgets.fields import EmptyHint, muted, tip
from widgets.icons import Glyph
from widgets.sentence_rows import SentenceRow, SentenceView
from widgets.theme import GRID, HALF_GRID, Status, colors, scaled

EMPTY = (
    "No checks yet.\n\nRun the stages of this subtask; the caption is checked after it is drafted."
)
_LOOK: dict[Outcome, tuple[Glyph, Status | None]] = {
    Outcome.PASS: (Glyph.DISC_TICK, Status.OK),
    Outcome.FAIL: (Glyph.CROSS, Status.ERROR),
    Outcome.UNKNOWN: (Glyph.HELP, None),
}
_ABOUT: dict[ConstraintKind, str] = {
    ConstraintKind.PRESENT: "Is the object there? Tested on candidates and masks.",
    ConstraintKind.COUNT: "How many are there? Tested on the candidates.",
    ConstraintKind.COLOR: "Is it of that colour? Tested on its mask in a perceptual colour space.",
    ConstraintKind.RELATION: "Does it end there? Tested on its last place and the target box.",
    ConstraintKind.DIRECTION: "Does it move that way? Tested on its track.",
    ConstraintKind.VERB: "Do gripper phases and motion fit the verb?",
    ConstraintKind.ARM: "Is it that arm? Tested on the arm's gripper phases.",
}


def is_shown_anywhere(evidence: Evidence) -> bool:
    """Whether there is a place or a time to look at."""
    return evidence.frame >= 0 or evidence.span[1] > evidence.span[0] >= 0


def underlined(caption: str, words: str, color: str) -> str:
    """The caption as rich text with some of its words underlined.

    Args:
        caption: The sentence.
        words: As they stand in it; if they do not, nothing is underlined.
        color: `#rrggbb` of the underlined words.
    """
    at = caption.lower().find(words.lower()) if words else -1
    if at < 0:
        return escape(caption)
    end = at + len(words)
    return (
        f"{escape(caption[:at])}<span style='text-decoration:underline;color:{color}'>"
        f"{escape(caption[at:end])}</span>{escape(caption[end:])}"
    )


def _row(constraint: Constraint) -> SentenceRow:
    glyph, status = _LOOK[constraint.outcome]
    word, claim, why = constraint.outcome.value, constraint.claim, constraint.why
    where = (
        "Click to see the evidence; Esc goes back."
        if is_shown_anywhere(constraint.evidence)
        else "There is no place to look at."
    )
    return SentenceRow(
        glyph,
        status,
        title=claim,
        sentence=why,
        word=word,
        copied=claim,
        tip=tip(f"{word}: {claim}", _ABOUT.get(constraint.kind, ""), why, where),
        spoken=f"{word}: {claim}. {why}",
    )


class _View(SentenceView):
    """Esc and a second click leave."""

    left = Signal()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        index = self.indexAt(event.position().toPoint())
        if not index.isValid() or self.selectionModel().isSelected(index):
            self.left.emit()
        else:
            super().mousePressEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape and self.selectedIndexes():
            self.left.emit()
        elif event.key() == Qt.Key.Key_Escape:
            event.ignore()  # nothing is marked: whoever is around the list may leave
        elif event.key() in (Qt.Key.Key_Up, Qt.Key.Key_Down) and not self.selectedIndexes():
            # Qt has made the first row current with the focus, but chosen nothing.
            self.setCurrentIndex(self.model().index(max(self.currentIndex().row(), 0), 0))
        else:
            super().keyPressEvent(event)


class CheckList(QWidget):
    """Shows what a caption claims and what the evidence says. No setter emits.

    Signals:
        evidenceAsked: `Evidence` of the constraint that was chosen.
        evidenceLeft: It is not looked at any more; True if the cursor should go back, too.
        wordsMarked: Words of the caption that the chosen constraint is about, may be empty.
    """

    evidenceAsked = Signal(object)
    evidenceLeft = Signal(bool)
    wordsMarked = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Checks")
        self._result: ChecksResult | None = None
        keys = (Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_Escape)
        words = tuple(outcome.value for outcome in Outcome)
        self._view = _View("Checks", keys, self, words=words, quiet_sentence=True)
        self._view.selectionModel().selectionChanged.connect(lambda _new, _old: self._chosen())
        self._view.left.connect(lambda: self.leave(back=True))
        self._caption = QLabel(self)
        self._caption.setTextFormat(Qt.TextFormat.RichText)
        self._caption.setWordWrap(True)
        self._caption.setFont(scaled(self.font(), 1.15))
        self._caption.setAccessibleName("Checked caption")
        self._summary = muted(QLabel(self))
        self._summary.setWordWrap(True)
        self._summary.setTextFormat(Qt.TextFormat.PlainText)
        self._summary.setAccessibleName("Summary of the checks")
        self._summary.setToolTip(
            "How many claims of the caption the evidence supports, contradicts, or says nothing"
            " about. A failed check never changes a caption by itself."
        )
        page = QWidget(self)
        column = QVBoxLayout(page)
        column.setContentsMargins(0, GRID, 0, 0)
        column.setSpacing(HALF_GRID)
        for label in (self._caption, self._summary):
            label.setContentsMargins(GRID, 0, GRID, 0)
            column.addWidget(label)
        column.addWidget(self._view, 1)
        self._stack = QStackedWidget(self)
        self._stack.addWidget(EmptyHint(EMPTY, self))
        self._stack.addWidget(page)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._stack)
        self.setFocusProxy(self._view)

    # Setters.

    def set_checks(self, result: ChecksResult | None, caption: str = "") -> None:
        """Show checks; none is chosen then, unless they are the same.

        Args:
            result: None: there are none yet.
            caption: In force now, to say so where another one was checked; empty: not known.
        """
        same = result == self._result
        self._result = result
        self._stack.setCurrentIndex(0 if result is None else 1)
        if not same:
            self._view.show_rows(map(_row, self._constraints))
        self._summary.setText(_summary(result, caption))
        self._show_caption()

    def leave(self, *, back: bool = False) -> None:
        """Choose no check any more.

        Args:
            back: The cursor should go to where it was before.
        """
        if self.chosen is not None:
            blocked = self._view.selectionModel().blockSignals(True)
            self._view.selectionModel().clear()
            self._view.selectionModel().blockSignals(blocked)
            self._view.viewport().update()
            self._show_caption()
            self.evidenceLeft.emit(back)
            self.wordsMarked.emit("")

    def choose(self, row: int) -> None:
        """Do as if the user had chosen a check."""
        flag = QItemSelectionModel.SelectionFlag.ClearAndSelect
        self._view.selectionModel().setCurrentIndex(self._view.model().index(row, 0), flag)

    def hideEvent(self, event: QHideEvent) -> None:
        """Another tab is looked at: what was marked is marked no more."""
        super().hideEvent(event)
        if not event.spontaneous():
            self.leave()

    # What it shows.

    @property
    def view(self) -> QListView:
        """The list."""
        return self._view

    @property
    def chosen(self) -> Constraint | None:
        """The chosen check."""
        chosen = self._view.selectionModel().selectedIndexes()
        return self._constraints[chosen[0].row()] if chosen else None

    @property
    def summary(self) -> str:
        """What is said about all of them."""
        return self._summary.text()

    @property
    def caption_html(self) -> str:
        """The caption with the words that are underlined."""
        return self._caption.text()

    @property
    def _constraints(self) -> tuple[Constraint, ...]:
        """What needs a person first: in a small dock only the first rows are seen (our choice)."""
        if self._result is None:
            return ()
        return tuple(sorted(self._result.constraints, key=lambda c: c.outcome is not Outcome.FAIL))

    # Choosing.

    def _chosen(self) -> None:
        self._show_caption()
        constraint = self.chosen
        if constraint is not None:
            self.evidenceAsked.emit(constraint.evidence)
            self.wordsMarked.emit(constraint.words)

    def _show_caption(self) -> None:
        text = self._result.text if self._result is not None else ""
        constraint, theme = self.chosen, colors(self.palette())
        words, color = "", theme.accent
        if constraint is not None:
            words, status = constraint.words, _LOOK[constraint.outcome][1]
            color = theme.status(status).name() if status is not None else theme.accent
        self._caption.setText(underlined(text, words, color))
        self._caption.setVisible(bool(text))

    def changeEvent(self, event: QEvent) -> None:
        """Recolour with the theme."""
        if event.type() is QEvent.Type.PaletteChange and hasattr(self, "_stack"):
            self._show_caption()
        super().changeEvent(event)


def _summary(result: ChecksResult | None, caption: str) -> str:
    if result is None:
        return ""
    if result.constraints:
        lines = [" · ".join(f"{result.count(o)} {o.value}" for o in Outcome)]
    else:
        lines = ["Nothing in this caption can be tested."]
    # What failed stands in the first rows, in the same words.
    told = [c.why for c in result.constraints if c.outcome is Outcome.FAIL and c.why]
    lines += [p.message for p in result.problems if not any(why in p.message for why in told)]
    if caption and caption != result.text:
        lines.append("The caption has changed since: these checks are of the one above.")
    return "\n".join(lines)
