"""What the 3D panel shows in place of the viewer: one sentence, and what can be done."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget


class Placeholder(QWidget):
    """A sentence with up to two buttons.

    Signals:
        reloadAsked: Start the embedded viewer again.
        nativeAsked: Show the recording in Rerun's own window.
    """

    reloadAsked = Signal()
    nativeAsked = Signal()

    def __init__(self, text: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._label = QLabel(text, alignment=Qt.AlignmentFlag.AlignCenter, wordWrap=True)
        self._label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._label.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.reload = QPushButton("Reload")
        self.reload.setToolTip("Start the embedded 3D viewer again.")
        self.reload.clicked.connect(self.reloadAsked)
        self.native = QPushButton("Open in the native viewer")
        self.native.setToolTip(
            "Show this recording in Rerun's own window. It follows the cursor and the selection."
        )
        self.native.clicked.connect(self.nativeAsked)
        buttons = QHBoxLayout()
        buttons.addStretch()
        for button in (self.reload, self.native):
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # the space bar is for playback
            button.hide()
            buttons.addWidget(button)
        buttons.addStretch()
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 16, 16, 16)
        column.setSpacing(8)
        column.addStretch()
        column.addWidget(self._label)
        column.addLayout(buttons)
        column.addStretch()

    @property
    def text(self) -> str:
        """The sentence."""
        return self._label.text()

    def show_text(self, text: str, *, reload: bool = False, native: bool = False) -> None:
        """Show a sentence, and the buttons that help."""
        self._label.setText(text)
        self.reload.setVisible(reload)
        self.native.setVisible(native)
