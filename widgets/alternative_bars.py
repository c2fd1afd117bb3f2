"""What else a model might have written at one place: words with bars of their probabilities."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QFontMetricsF, QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import QSizePolicy, QWidget

from pipeline.evaluation.caption_tokens import Alternative
from widgets.fields import tip
from widgets.theme import GRID, tabular

_NUMBER = "0.000"


class AlternativeBars(QWidget):
    """Shows alternatives, the most probable first, and what the server did not list."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: tuple[tuple[str, float], ...] = ()
        self._chosen = ""
        self._unseen = 0.0
        self.setFont(tabular(self.font()))
        self.setAccessibleName("Alternatives")
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.setToolTip(
            tip(
                "Alternatives",
                "The first tokens that might have stood here, as the server lists them, with their"
                " probabilities exp(log-probability). ● is what was written.",
                "Not listed: 1 minus the sum of what is listed.",
            )
        )

    def set_alternatives(
        self, alternatives: tuple[Alternative, ...], chosen: str, unseen: float
    ) -> None:
        """Show alternatives.

        Args:
            alternatives: The most probable first.
            chosen: Token that was written.
            unseen: Probability of everything that the server did not list, 0..1.
        """
        self._rows = tuple((_visible(a.token), a.probability) for a in alternatives)
        self._chosen, self._unseen = _visible(chosen), unseen
        spoken = ", ".join(f"{word} {p:.3f}" for word, p in self._rows)
        self.setAccessibleDescription(f"{spoken}; not listed {unseen:.3f}" if spoken else "")
        self.updateGeometry()
        self.update()

    @property
    def rows(self) -> tuple[tuple[str, float], ...]:
        """(word, probability) as shown, the most probable first."""
        return self._rows

    def sizeHint(self) -> QSize:
        """A row per alternative, and one for what is not listed."""
        rows = len(self._rows) + 1 if self._rows else 0
        return QSize(240, rows * (self.fontMetrics().height() + 2))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint words, bars and numbers."""
        if not self._rows:
            return
        painter = QPainter(self)
        palette, metrics = self.palette(), QFontMetricsF(self.font())
        text = palette.color(QPalette.ColorRole.WindowText)
        quiet = palette.color(QPalette.ColorRole.PlaceholderText)
        accent = palette.color(QPalette.ColorRole.Accent)
        high = metrics.height() + 2
        number = metrics.horizontalAdvance(_NUMBER) + GRID
        words = min(
            max(metrics.horizontalAdvance(f"● {w}") for w, _ in (*self._rows, ("not listed", 0.0)))
            + GRID,
            0.5 * self.width(),
        )
        room = max(self.width() - words - number, 1.0)
        middle = Qt.AlignmentFlag.AlignVCenter
        for k, (word, p) in enumerate((*self._rows, ("not listed", self._unseen))):
            own, last = k < len(self._rows) and word == self._chosen, k == len(self._rows)
            painter.setPen(quiet if last else text)
            y = k * high
            name = metrics.elidedText(
                f"● {word}" if own else f"   {word}", Qt.TextElideMode.ElideRight, words - 4
            )
            painter.drawText(QRectF(0, y, words, high), middle, name)
            painter.fillRect(
                QRectF(words, y + high * 0.25, max(room * min(p, 1.0), 1.0), high * 0.5),
                accent if own else quiet,
            )
            painter.drawText(
                QRectF(words + room, y, number, high),
                middle | Qt.AlignmentFlag.AlignRight,
                f"{p:.3f}",
            )


def _visible(token: str) -> str:
    """A token without its leading space; what would be nothing is named."""
    return token.strip() or {"\n": "line break"}.get(token, "space")
