"""The words of an answer by how sure the model was, with what else it might have written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import Qt
from PySide6.QtGui import QFocusEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from pipeline.evaluation.caption_tokens import (
    WordConfidence,
    WordDivergence,
    caption_part,
    divergences,
    words,
)
from pipeline.model.drafting import CaptionVersion, TokenChoice
from widgets.alternative_bars import AlternativeBars
from widgets.fields import EmptyHint, keep_keys, muted, scrolled, tip
from widgets.theme import GRID, HALF_GRID, tabular
from widgets.word_flow import ConfidenceLegend, WordCell, WordFlow

EMPTY = (
    "No caption yet.\n\nRun the stages of this subtask; a model that gives log-probabilities shows"
    " here how sure it was of each word."
)
_HINT = "Point at a word, or use the arrow keys, to see what else might have stood there."
_MOST = 5
"""Alternatives that are compared and shown."""


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """An answer whose words can be shown.

    Attributes:
        title: What it is called, e.g. `revision 1 (gemini-2.5-flash)`.
        caption: The sentence.
        tokens: Of the whole answer; empty if there are none.
        reason: Why there are none, one sentence; empty if there are.
    """

    title: str
    caption: str
    tokens: tuple[TokenChoice, ...] = ()
    reason: str = ""


def answer_of(title: str, version: CaptionVersion) -> TokenAnswer:
    """What can be shown of a version, or why nothing can."""
    if version.exchange is None:
        reason = (
            "The offline drafter has no probabilities: it writes the sentence by rules."
            if version.drafter == "offline"
            else "What the model answered for this version is not kept."
        )
        return TokenAnswer(title, version.text, (), reason)
    reply = version.exchange.reply
    if reply.tokens:
        return TokenAnswer(title, version.text, reply.tokens)
    model = reply.model or version.model or "the model"
    reason = f"The server gave no log-probabilities for {model}"
    if "logprobs" in reply.dropped:
        reason += ": it does not take the option"
    else:
        reason += "; not every server does, and a recipe may ask for none (logprobs = 0)"
    return TokenAnswer(title, version.text, (), f"{reason}.")


class TokenView(QWidget):
    """Shows the words of one answer, alone or beside those of another one. No setter emits."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Words and probabilities")
        self._answers: tuple[TokenAnswer, ...] = ()
        self._words: tuple[WordConfidence, ...] = ()
        self._beside: dict[int, WordDivergence] = {}
        self._build()
        self._refresh()

    def _build(self) -> None:
        self._shown = _combo("Answer", "Whose words are shown", self)
        self._other = _combo(
            "Compared with",
            "Another answer beside it; the divergence is taken over the words that the shown"
            " answer's model held possible",
            self,
        )
        self._whole = QCheckBox("whole answer", self)
        self._whole.setToolTip("All words of the answer, not only those of the caption")
        self._whole.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._shown.activated.connect(lambda _: self._refresh())
        self._other.activated.connect(lambda _: self._refresh())
        self._whole.toggled.connect(lambda _: self._refresh())
        self._flow = WordFlow(self)
        self._flow.wordChosen.connect(self._show_word)
        self._legend = ConfidenceLegend(self)
        self._note = muted(_sentence(self))
        self._about = _sentence(self)
        self._about.setFont(tabular(self._about.font()))
        self._bars = AlternativeBars(self)
        top = QHBoxLayout()
        top.setSpacing(HALF_GRID)
        top.addWidget(self._shown, 1)
        top.addWidget(self._other, 1)
        top.addWidget(self._whole)
        page = QWidget(self)
        column = QVBoxLayout(page)
        column.setContentsMargins(GRID, GRID, GRID, GRID)
        column.setSpacing(GRID)
        column.addLayout(top)
        column.addWidget(self._note)
        column.addWidget(self._flow)
        column.addWidget(self._legend)
        column.addWidget(self._about)
        column.addWidget(self._bars)
        column.addStretch(1)
        scroll = scrolled(page, self)
        self._stack = QStackedWidget(self)
        self._stack.addWidget(EmptyHint(EMPTY, self))
        self._stack.addWidget(scroll)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._stack)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Hand the focus on to the words, where there are some."""
        super().focusInEvent(event)
        if self._words:
            self._flow.setFocus(event.reason())

    # Setters.

    def set_answers(self, answers: Sequence[TokenAnswer]) -> None:
        """Show the last of these answers; the others can be chosen and compared with."""
        made = tuple(answers)
        if made == self._answers:
            return
        beside = self._other.currentText()
        self._answers = made
        self._shown.clear()
        self._shown.addItems([a.title for a in made])
        self._shown.setCurrentIndex(len(made) - 1)
        self._other.clear()
        self._other.addItems(["compared with nothing", *(f"with {a.title}" for a in made)])
        self._other.setCurrentIndex(max(self._other.findText(beside), 0))
        self._refresh()

    def compare_with(self, number: int) -> None:
        """Show another answer beside it, -1 for none."""
        self._other.setCurrentIndex(number + 1)
        self._refresh()

    # What it shows.

    @property
    def flow(self) -> WordFlow:
        """The words."""
        return self._flow

    @property
    def bars(self) -> AlternativeBars:
        """The alternatives of the chosen word."""
        return self._bars

    @property
    def note(self) -> str:
        """What is said about the answer as a whole."""
        return self._note.text()

    @property
    def about(self) -> str:
        """What is said about the chosen word."""
        return self._about.text()

    # Showing.

    def _refresh(self) -> None:
        self._stack.setCurrentIndex(1 if self._answers else 0)
        many = len(self._answers) > 1
        self._shown.setVisible(many)
        self._other.setVisible(many)
        index = self._shown.currentIndex()
        if not 0 <= index < len(self._answers):
            self._words, self._beside = (), {}
            return
        answer = self._answers[index]
        note, own = self._tokens_of(answer)
        self._words = words(own, _MOST) if own else ()
        self._beside = {}
        other = self._other.currentIndex() - 1
        if own and many and 0 <= other < len(self._answers):
            self._beside, said = self._compare(own, self._answers[other])
            note = " ".join(s for s in (note, said) if s)
        self._whole.setVisible(bool(answer.tokens))
        self._legend.setVisible(bool(self._words))
        self._note.setText(note)
        self._note.setVisible(bool(note))
        self._flow.set_cells(tuple(self._cell(k, w) for k, w in enumerate(self._words)))
        self._flow.setVisible(bool(self._words))
        self._about.setText(_HINT if self._words else "")
        self._about.setToolTip("")
        self._bars.set_alternatives((), "", 0.0)

    def _tokens_of(self, answer: TokenAnswer) -> tuple[str, tuple[TokenChoice, ...]]:
        """What is to be said, and the tokens that are shown."""
        if not answer.tokens:
            return answer.reason or "The server gave no log-probabilities.", ()
        if self._whole.isChecked():
            return "", answer.tokens
        own = caption_part(answer.tokens, answer.caption)
        if own:
            return "", own
        return "The caption does not stand in the answer as it was written: this is all of it.", (
            answer.tokens
        )

    def _compare(
        self, own: tuple[TokenChoice, ...], other: TokenAnswer
    ) -> tuple[dict[int, WordDivergence], str]:
        note, theirs = self._tokens_of(other)
        if not theirs:
            return {}, f"{other.title}: {note}"
        return {d.word: d for d in divergences(own, theirs, _MOST)}, ""

    def _cell(self, number: int, word: WordConfidence) -> WordCell:
        lines = [f"{word.confidence:.2f}"]
        about = [f"probability {word.confidence:.3f}, entropy {word.entropy:.2f} bit"]
        differs = False
        if self._beside:
            found = self._beside.get(number)
            differs = found is not None and found.other.lower() != found.text.lower()
            lines.append("–" if found is None else found.other)
            if found is None or found.divergence is None:
                lines.append("KL –")
                about.append("no counterpart, or no common token, in the other answer")
            else:
                lines.append(f"KL {found.divergence:.2f}")
                about.append(_kl_text(found))
        said = tip(word.text.strip(), *about)
        return WordCell(word.text, word.confidence, tuple(lines), differs, said)

    def _show_word(self, number: int) -> None:
        word = self._words[number]
        beside = self._beside.get(number)
        text = f"“{word.text}”: probability {word.confidence:.3f}, entropy {word.entropy:.2f} bit"
        if word.tokens > 1:
            text += f", {word.tokens} tokens (alternatives of the first)"
        if beside is not None and beside.divergence is not None:
            text += f"; {_kl_text(beside)}"
        self._about.setText(text)
        self._about.setToolTip(
            tip(
                "Numbers of a word",
                "Probability: product over its tokens of exp(log-probability).",
                "Entropy: − sum of p log2 p over the listed alternatives, what is not listed as"
                " one; in bits. The largest of its tokens.",
                "KL: sum of p log2(p / q) over the tokens that the shown answer lists, both"
                " renormalised there, q of the shown answer; in bits, 0 if equal.",
            )
        )
        chosen = next(
            (a.token for a in word.alternatives if word.text.startswith(a.token.strip() or " ")), ""
        )
        self._bars.set_alternatives(word.alternatives, chosen, word.unseen)


def _kl_text(found: WordDivergence) -> str:
    text = f"truncated KL {found.divergence:.2f} bit to “{found.other}”"
    if found.missing:
        text += f", {found.missing} of the tokens not listed by the other"
    if not found.same_context:
        text += "; the words before differ, so it says less"
    return text


def _combo(name: str, about: str, parent: QWidget) -> QComboBox:
    combo = QComboBox(parent)
    combo.setAccessibleName(name)
    combo.setToolTip(tip(name, about))
    combo.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    keep_keys(combo)
    return combo


def _sentence(parent: QWidget) -> QLabel:
    label = QLabel(parent)
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    return label
