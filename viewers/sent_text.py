"""A text of a request in full: monospaced, selectable, as high as it is long."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QFontDatabase, QKeyEvent, QResizeEvent, QTextOption
from PySide6.QtWidgets import QFrame, QPlainTextEdit, QSizePolicy, QWidget

_MOST_LINES = 400
"""Longer texts scroll by themselves: laying them out at once would hold the window up."""
_FOLDED_LINES = 3
_FOLD_FROM = 8
"""Lines from which a text can be folded (our choice: pictures stay in sight in a small panel)."""
_LONG = 100_000
"""Characters from which a text is not measured, but gets the height of `_MOST_LINES`."""
_OWN_KEYS = frozenset(
    {
        *(Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Up, Qt.Key.Key_Down),
        *(Qt.Key.Key_Home, Qt.Key.Key_End, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown),
        Qt.Key.Key_Space,
    }
)


class SentText(QPlainTextEdit):
    """Words exactly as they were sent or answered; they cannot be changed.

    Wraps at the width of the panel; nothing of the text is left out or added by that.
    """

    def __init__(self, text: str, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setReadOnly(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.setWordWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse
            | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(name)
        self._text = text
        self._is_folded = False
        self.setPlainText(text)
        self._fit()

    @property
    def words(self) -> str:
        """The text, byte for byte; the editor would give other line ends back."""
        return self._text

    @property
    def can_fold(self) -> bool:
        """True if the text is long enough that folding it saves room."""
        return self._text.count("\n") >= _FOLD_FROM or len(self._text) > 80 * _FOLD_FROM

    @property
    def is_folded(self) -> bool:
        """True while only the first lines are seen without scrolling."""
        return self._is_folded

    def set_folded(self, folded: bool) -> None:
        """Show the first lines, or the text in full."""
        self._is_folded = folded
        self._fit()

    def sizeHint(self) -> QSize:
        """As wide as there is room."""
        return QSize(320, self.height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Other widths are other heights."""
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self._fit()

    def event(self, event: QEvent) -> bool:
        """Keep the keys that move in a text from the window's shortcuts."""
        if event.type() is QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent):
            plain = not event.modifiers() & Qt.KeyboardModifier.AltModifier
            if plain and Qt.Key(event.key()) in _OWN_KEYS:
                event.accept()
                return True
        return super().event(event)

    def _fit(self) -> None:
        lines = _MOST_LINES
        if len(self._text) < _LONG:
            lines = min(max(round(self.document().size().height()), 1), _MOST_LINES)
        if self._is_folded:
            lines = min(lines, _FOLDED_LINES)
        more = self._is_folded or lines >= _MOST_LINES
        policy = Qt.ScrollBarPolicy.ScrollBarAsNeeded
        self.setVerticalScrollBarPolicy(policy if more else Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        margin = round(2 * self.document().documentMargin()) + 2
        self.setFixedHeight(lines * self.fontMetrics().lineSpacing() + margin)
