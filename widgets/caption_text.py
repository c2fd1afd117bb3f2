"""A caption to read: verdict, sentence with what changed in it, critique, parts and evidence."""

from __future__ import annotations

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QPalette, QResizeEvent
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from pipeline.model.caption import CaptionResult, Verdict
from pipeline.model.caption_fields import CaptionField
from pipeline.model.problem import Problem
from widgets.caption_card import CaptionCard
from widgets.caption_diff import CaptionDiff
from widgets.elided_label import ElidedLabel, isolated
from widgets.field_toggles import FIELDS
from widgets.fields import muted, tip
from widgets.icons import Glyph, pixmap
from widgets.theme import GRID, HALF_GRID, Status, colors, scaled

_VERDICTS: dict[Verdict, tuple[Glyph, Status]] = {
    Verdict.ACCEPTED: (Glyph.DISC_TICK, Status.OK),
    Verdict.CORRECTED: (Glyph.PENCIL, Status.RUNNING),
    Verdict.REJECTED: (Glyph.CROSS, Status.ERROR),
}
_OPTIONAL = frozenset({CaptionField.SOURCE, CaptionField.ARM, CaptionField.RELATION})
"""Fields that are left out where they are empty."""
_FEW = 3
"""Columns of the parts where one row of all is too narrow (our choice)."""
_BELOW_TITLE = (
    Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignAbsolute
)
"""Also where a script is written from right to left: the titles are not."""
_LOOP = ("revision_", "critique_")
"""How codes of problems begin that say how a critique was answered."""
_FIELD_OF_WORD = {
    "verb": CaptionField.VERB,
    "color": CaptionField.OBJECT,
    "object": CaptionField.OBJECT,
    "relation": CaptionField.RELATION,
    "direction": CaptionField.RELATION,
    "destination": CaptionField.DESTINATION,
    "target": CaptionField.DESTINATION,
    "source": CaptionField.SOURCE,
    "arm": CaptionField.ARM,
}


class CaptionText(QWidget):
    """Shows one caption; takes nothing."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._caption: CaptionResult | None = None
        self._card = CaptionCard()
        self._icon = QLabel(self)
        self._badge = ElidedLabel(self)
        self._drafter = muted(ElidedLabel(self))
        # It gives way first: what people said counts more than who wrote it.
        self._drafter.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._drafter.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._sentence = CaptionDiff(self)
        self._sentence.setFont(scaled(self.font(), 1.25))
        self._critique = muted(QLabel(self))
        self._critique.setWordWrap(True)
        self._critique.setTextFormat(Qt.TextFormat.PlainText)
        self._critique.setAccessibleName("Critique")
        self._titles: dict[CaptionField, QLabel] = {}
        self._values: dict[CaptionField, QLabel] = {}
        self._grid = QGridLayout()
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(2 * GRID)
        self._grid.setVerticalSpacing(0)
        for field, title, _, _ in FIELDS:
            value = QLabel(self)
            value.setTextFormat(Qt.TextFormat.PlainText)
            value.setWordWrap(True)
            value.setMinimumWidth(1)
            value.setAlignment(_BELOW_TITLE)
            value.setAccessibleName(title)
            self._titles[field] = muted(QLabel(title, self))
            self._values[field] = value
        head = QHBoxLayout()
        head.setSpacing(HALF_GRID)
        head.addWidget(self._icon)
        head.addWidget(self._badge)
        head.addWidget(self._drafter, 1)
        column_ = QVBoxLayout(self)
        column_.setContentsMargins(0, 0, 0, 0)
        column_.setSpacing(HALF_GRID)
        column_.addLayout(head)
        column_.addWidget(self._sentence)
        column_.addWidget(self._critique)
        column_.addLayout(self._grid)

    @property
    def sentence(self) -> CaptionDiff:
        """The sentence."""
        return self._sentence

    def set_caption(self, caption: CaptionResult | None, card: CaptionCard) -> None:
        """Show a caption; emits nothing."""
        self._caption, self._card = caption, card
        self._refresh()

    def _refresh(self) -> None:
        caption, card = self._caption, self._card
        if caption is None:
            return
        before = card.before or (caption.draft if caption.draft != caption.text else "")
        self._sentence.set_change(before, caption.text)
        same = not before or before == caption.text
        self._sentence.setToolTip("" if same else tip("Before", before))
        self._drafter.setText(drafted_by(caption))
        self._drafter.setToolTip(tip("Who wrote it", *_writing(caption)))
        who = f" by {isolated(card.critic)}" if card.critic else ""
        said = [f"Critique{who}: {isolated(card.critique)}"] if card.critique else []
        said += [card.review] if card.review else []
        said += [f"⚠ {p.message}" for p in caption.problems if p.code.startswith(_LOOP)]
        self._critique.setText("\n".join(said))
        self._critique.setVisible(bool(said))
        self._show_verdict(caption.verdict)
        self._show_fields(caption)

    def _show_verdict(self, verdict: Verdict | None) -> None:
        theme = colors(self.palette())
        if verdict is not None:
            glyph, status = _VERDICTS[verdict]
            color, word = theme.status(status), verdict.value
        else:
            color = self.palette().placeholderText().color()
            glyph, word = Glyph.RING, "not reviewed"
            if self._card.pending:
                glyph, word, color = Glyph.DOTS, "being revised", theme.status(Status.RUNNING)
            elif self._card.refines:
                glyph, word = Glyph.HALF, "revised, to be accepted"
        if verdict is not None and self._card.annotator:
            word += f" by {self._card.annotator}"
        self._icon.setPixmap(pixmap(glyph, color, self.devicePixelRatioF()))
        self._badge.setText(word)
        ink = self._badge.palette()
        ink.setColor(QPalette.ColorRole.WindowText, color)
        self._badge.setPalette(ink)
        self._badge.setToolTip(tip(word, "What a person said about this caption"))

    def _show_fields(self, caption: CaptionResult) -> None:
        evidence: dict[CaptionField, list[str]] = {}
        for name, why in caption.evidence:
            field = _FIELD_OF_WORD.get(name)
            if field is not None:
                evidence.setdefault(field, []).append(why)
        warning = colors(self.palette()).warning
        for field, title, _, about in FIELDS:
            label = self._values[field]
            doubts = [p for p in caption.problems if field_of_problem(p) is field]
            value = str(getattr(caption.fields, field.value))
            shown = bool(value or doubts) or field not in _OPTIONAL
            label.setVisible(shown)
            self._titles[field].setVisible(shown)
            label.setText(f"⚠ {value or '–'}" if doubts else value or "–")
            label.setStyleSheet(f"color: {warning};" if doubts else "")
            found = [f"Evidence: {why}" for why in evidence.get(field, ())] or ["No evidence."]
            label.setToolTip(tip(title, about, *found, *(f"{p.code}: {p.message}" for p in doubts)))

        self._place_fields()

    def _place_fields(self) -> None:
        """All parts in one row, or in rows of three where names are long."""
        shown = [f for f in self._values if not self._values[f].isHidden()]
        measure = self.fontMetrics().horizontalAdvance
        needs = {
            f: max(measure(self._titles[f].text()), measure(self._values[f].text())) + 2
            for f in shown
        }
        gaps = self._grid.horizontalSpacing() * (len(shown) - 1)
        is_one_row = sum(needs.values()) + gaps <= self.width()
        columns = len(FIELDS) if is_one_row else _FEW
        stretches = [0] * len(FIELDS) + [1]  # what is left over stands at the end
        for place, field in enumerate(shown):
            row, column = divmod(place, columns)
            self._grid.addWidget(self._titles[field], 2 * row, column)
            self._grid.addWidget(self._values[field], 2 * row + 1, column)
            self._values[field].setWordWrap(not is_one_row)
            if not is_one_row:
                stretches[column] = max(stretches[column], needs[field])
        for column, stretch in enumerate(stretches):
            self._grid.setColumnStretch(column, stretch)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Other widths have room for other rows."""
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self._place_fields()

    def changeEvent(self, event: QEvent) -> None:
        """Recolour badge and marks with the theme."""
        if event.type() is QEvent.Type.PaletteChange and hasattr(self, "_grid"):
            self._refresh()
        super().changeEvent(event)


def drafted_by(caption: CaptionResult) -> str:
    """Who wrote the sentence, short: `revision 1 by offline`."""
    versions = caption.versions
    if not versions:
        return f"drafted by {caption.drafter}"
    newest = versions[-1]
    who = newest.model or newest.drafter
    number = len(versions) - 1
    return f"revision {number} by {who}" if number else f"drafted by {who}"


def _writing(caption: CaptionResult) -> tuple[str, ...]:
    if not caption.versions:
        return (f"Drafter: {caption.drafter}.",)
    newest = caption.versions[-1]
    return (
        f"Drafter: {newest.drafter}.",
        f"Model: {newest.model}." if newest.model else "",
        f"Recipe: {newest.recipe}." if newest.recipe else "",
        "Revision 1 answers the first critique, revision 2 the second."
        if len(caption.versions) > 1
        else "",
    )


def field_of_problem(problem: Problem) -> CaptionField | None:
    """Field that a problem's code is about (`caption_color_differs`: the object), or None."""
    words = problem.code.split("_")
    return next((field for word, field in _FIELD_OF_WORD.items() if word in words), None)
