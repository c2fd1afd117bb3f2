"""Sampled annotations judged by keyboard, one by one; the machine's verdict stays hidden."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QElapsedTimer, QEvent, Qt, Signal
from PySide6.QtGui import QFont, QImage, QKeyEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QVBoxLayout, QWidget

from pipeline.model.candidate import Box
from pipeline.review.spot_records import Verdict
from widgets.fields import keep_keys, muted, quiet_button, tip
from widgets.spot_picture import SpotPicture
from widgets.theme import GRID, scaled

_ANSWERS = {
    Qt.Key.Key_Y: Verdict.RIGHT,
    Qt.Key.Key_Return: Verdict.RIGHT,
    Qt.Key.Key_Enter: Verdict.RIGHT,
    Qt.Key.Key_X: Verdict.WRONG,
    Qt.Key.Key_N: Verdict.WRONG,
    Qt.Key.Key_U: Verdict.UNSURE,
}
_STEPS = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}
_OTHERS = frozenset(
    {Qt.Key.Key_Backspace, Qt.Key.Key_Escape, Qt.Key.Key_Space, Qt.Key.Key_Up, Qt.Key.Key_Down}
    | {Qt.Key.Key_R}
)
_CHORD = (
    Qt.KeyboardModifier.ControlModifier
    | Qt.KeyboardModifier.AltModifier
    | Qt.KeyboardModifier.MetaModifier
)


@dataclass(frozen=True, slots=True)
class ContextFrame:
    """A moment of the subtask that can be looked at.

    Attributes:
        name: When it is, for people, e.g. `keyframe`.
        frame: Frame of the episode.
    """

    name: str
    frame: int


@dataclass(frozen=True, slots=True)
class ReviewCard:
    """What a person may know of an item before they answer: nothing of what the machine thinks.

    Attributes:
        number: Place in the sample, from 0.
        count: Items of the sample.
        answered: Of these, answered by this person.
        episode: Episode index.
        instruction: What the robot was told.
        object: Name of the object that the box is to be around; empty if there is none.
        moments: Moments that can be looked at, in time order.
        key: Which of them is the keyframe.
    """

    number: int
    count: int
    answered: int
    episode: int
    instruction: str
    object: str
    moments: tuple[ContextFrame, ...]
    key: int


class _ReasonLine(QLineEdit):
    """Enter and Esc leave it and do nothing else.

    Signals:
        finished: The person is back at the review.
    """

    finished = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        keep_keys(self)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Keep Enter and Esc: the review around it would take them as an answer."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Escape):
            event.accept()
            self.finished.emit()
        else:
            super().keyPressEvent(event)
            event.accept()


class SpotReview(QWidget):
    """Pictures, the question, and the keys.

    Y or Enter right, N or X wrong, U could not tell, Backspace or Ctrl+Z one back, arrows through
    the moments, R to write a reason, Esc leaves.

    Signals:
        answered: Verdict, seconds, the right box or None, reason.
        undone: The last answer is to be taken back.
        left: The person wants to leave; all is saved.
        momentShown: Number of the moment that should be shown large.
        resized: Pictures of other sizes are needed.
    """

    answered = Signal(object, float, object, str)
    undone = Signal()
    left = Signal()
    momentShown = Signal(int)
    resized = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Review of the sample")
        self._card: ReviewCard | None = None
        self._moment = 0
        self._box: Box | None = None
        self._since = QElapsedTimer()
        self.large = SpotPicture("The annotation at its keyframe, with its box", self)
        self.crop = SpotPicture("The box, enlarged", self)
        self.strip = [SpotPicture("A moment of the subtask", self) for _ in range(5)]
        self._names = [muted(QLabel(self)) for _ in self.strip]
        self._question = QLabel(self)
        self._instruction = muted(QLabel(self))
        self._place = muted(QLabel(self))
        self._told = muted(QLabel(self))
        self.reason = _ReasonLine(self)
        self._lay_out()
        self.large.boxDrawn.connect(self._keep_box)
        self.large.resized.connect(self.resized)
        self.crop.resized.connect(self.resized)
        self.reason.finished.connect(self.setFocus)
        self.set_card(None)

    def _lay_out(self) -> None:
        question = QFont(scaled(self.font(), 1.25))
        question.setBold(True)
        self._question.setFont(question)
        for label in (self._question, self._instruction, self._told):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setWordWrap(True)
        head = QHBoxLayout()
        head.setSpacing(GRID)
        head.addWidget(self._question, 1)
        head.addWidget(self._place, 0, Qt.AlignmentFlag.AlignTop)
        side = QVBoxLayout()
        side.setSpacing(GRID)
        side.addWidget(self.crop, 3)
        side.addWidget(muted(QLabel("The box, enlarged", self)))
        side.addStretch(2)
        pictures = QHBoxLayout()
        pictures.setSpacing(GRID)
        pictures.addWidget(self.large, 3)
        pictures.addLayout(side, 1)
        strip = QHBoxLayout()
        strip.setSpacing(GRID)
        for picture, name in zip(self.strip, self._names, strict=True):
            cell = QVBoxLayout()
            cell.setSpacing(GRID // 2)
            picture.setMinimumHeight(11 * GRID)
            picture.setMaximumHeight(22 * GRID)
            name.setAlignment(Qt.AlignmentFlag.AlignCenter)
            cell.addWidget(picture)
            cell.addWidget(name)
            strip.addLayout(cell, 1)
        foot = QHBoxLayout()
        foot.setSpacing(GRID)
        for text, verdict, keys in (
            ("Right", Verdict.RIGHT, "Y or Enter"),
            ("Wrong", Verdict.WRONG, "N or X"),
            ("Cannot tell", Verdict.UNSURE, "U"),
        ):
            button = quiet_button(f"{text}  ({keys.split()[0]})", tip(text, f"Keys: {keys}"), self)
            button.clicked.connect(lambda _=False, v=verdict: self._answer(v))
            foot.addWidget(button)
        back = quiet_button(
            "Back  (Ctrl+Z)", tip("Take the last answer back", "Keys: Backspace or Ctrl+Z"), self
        )
        back.clicked.connect(self.undone)
        foot.addWidget(back)
        self.reason.setPlaceholderText("Reason (optional, R)")
        self.reason.setAccessibleName("Reason for the next answer")
        self.reason.setToolTip(
            tip("Reason", "Goes with the next answer. R comes here, Enter goes back.")
        )
        self.reason.setClearButtonEnabled(True)
        foot.addWidget(self.reason, 1)
        leave = quiet_button(
            "Leave  (Esc)", tip("Leave", "Every answer is saved already; go on at any time."), self
        )
        leave.clicked.connect(self.left)
        foot.addWidget(leave)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(GRID, GRID, GRID, GRID)
        whole.setSpacing(GRID)
        whole.addLayout(head)
        whole.addWidget(self._instruction)
        whole.addLayout(pictures, 6)
        whole.addLayout(strip, 1)
        whole.addWidget(self._told)
        whole.addLayout(foot)

    @property
    def card(self) -> ReviewCard | None:
        """The item that is shown."""
        return self._card

    @property
    def moment(self) -> int:
        """Number of the moment that is shown large."""
        return self._moment

    def set_card(self, card: ReviewCard | None, told: str = "") -> None:
        """Show the next item; None at the end of the sample.

        Args:
            card: The item.
            told: Said below the pictures where there is no item.
        """
        self._card = card
        self._box = None
        self.large.set_box(None)
        self.reason.clear()
        self._moment = card.key if card is not None else 0
        if card is None:
            self._question.setText("All items of the sample are answered.")
            self._instruction.clear()
            self._place.clear()
            for picture in (self.large, self.crop, *self.strip):
                picture.set_image(None)
        else:
            name = f"the {card.object}" if card.object else "the object that is handled"
            self._question.setText(f"Is the box around {name}?")
            self._instruction.setText(card.instruction)
            self._place.setText(
                f"{card.number + 1} of {card.count}  ·  {card.answered} answered  ·  "
                f"episode {card.episode}"
            )
        self._told.setText(
            told or "Drag on the picture to draw the right box; the arrow keys show other moments."
        )
        for i, (picture, label) in enumerate(zip(self.strip, self._names, strict=True)):
            shown = card is not None and i < len(card.moments)
            label.setText(card.moments[i].name if card is not None and shown else "")
            picture.setVisible(shown)
        self._mark()
        self._since.start()

    def set_large(
        self, image: QImage | None, scale: float = 0.0, corner: tuple[float, float] = (0.0, 0.0)
    ) -> None:
        """Show the large picture; None while it is made."""
        self.large.set_image(image, "Reading …", scale=scale, corner=corner)

    def set_crop(self, image: QImage | None) -> None:
        """Show the enlarged box."""
        self.crop.set_image(image, "Reading …")

    def set_moment(self, number: int, image: QImage | None) -> None:
        """Show a small picture."""
        if number < len(self.strip):
            self.strip[number].set_image(image, "…")

    def event(self, event: QEvent) -> bool:
        """Take the keys of the review before the window's shortcuts see them."""
        if event.type() is QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent):
            key = Qt.Key(event.key())
            plain = not event.modifiers() & _CHORD
            back = key is Qt.Key.Key_Z and event.modifiers() == Qt.KeyboardModifier.ControlModifier
            if (plain and (key in _ANSWERS or key in _STEPS or key in _OTHERS)) or back:
                event.accept()
                return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Answer, step, go back."""
        key, modifiers = Qt.Key(event.key()), event.modifiers()
        if key is Qt.Key.Key_Z and modifiers == Qt.KeyboardModifier.ControlModifier:
            self.undone.emit()
        elif modifiers & _CHORD:
            super().keyPressEvent(event)
        elif key in _ANSWERS:
            if not event.isAutoRepeat():  # A key held down must not answer twice.
                self._answer(_ANSWERS[key])
        elif key in _STEPS:
            self._step(_STEPS[key])
        elif key in (Qt.Key.Key_Up, Qt.Key.Key_Down):
            self._step(0)
        elif key is Qt.Key.Key_Backspace:
            self.undone.emit()
        elif key is Qt.Key.Key_Escape:
            self.left.emit()
        elif key is Qt.Key.Key_R:
            self.reason.setFocus()
        elif key is not Qt.Key.Key_Space:
            super().keyPressEvent(event)

    def _answer(self, verdict: Verdict) -> None:
        if self._card is None:
            return
        seconds = self._since.elapsed() / 1000
        box = self._box if verdict is Verdict.WRONG else None
        self.answered.emit(verdict, seconds, box, self.reason.text().strip())
        self.setFocus()

    def _step(self, step: int) -> None:
        if self._card is None:
            return
        last = len(self._card.moments) - 1
        moment = min(max(self._moment + step, 0), last) if step else self._card.key
        if moment != self._moment:
            self._moment = moment
            self._mark()
            self.momentShown.emit(moment)

    def _mark(self) -> None:
        for i, picture in enumerate(self.strip):
            picture.set_framed(self._card is not None and i == self._moment)
        at_key = self._card is not None and self._moment == self._card.key
        self.large.set_drawable(at_key)
        self.large.set_box(self._box if at_key else None)

    def _keep_box(self, box: Box | None) -> None:
        self._box = box
        self._told.setText(
            "Your box goes with the answer “wrong”. A click takes it away."
            if box is not None
            else "Drag on the picture to draw the right box; the arrow keys show other moments."
        )


def moments_of(
    frame: int, since: int, until: int, length: int, fps: float
) -> tuple[tuple[ContextFrame, ...], int]:
    """Five moments of a subtask: a second before the keyframe, the keyframe, and three after it.

    Args:
        frame: Keyframe, -1 if unknown.
        since: Keyframe of the subtask before, or 0.
        until: Keyframe of the subtask after, or -1.
        length: Frames of the episode, 0 if unknown.
        fps: Frames per second.

    Returns:
        The moments, and which of them is the keyframe.
    """
    key = max(frame, 0)
    last = max((until if until > key else length) - 1, key)
    named: Sequence[tuple[str, int]] = (
        ("before", max(since, key - round(fps))),
        ("keyframe", key),
        ("early", key + round(0.3 * (last - key))),
        ("during", key + round(0.65 * (last - key))),
        ("end", last),
    )
    return tuple(ContextFrame(name, at) for name, at in named), 1
