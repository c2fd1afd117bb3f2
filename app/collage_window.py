"""What the model saw, in a window of its own."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QVBoxLayout, QWidget

from viewers.collage_viewer import CollageViewer


class CollageWindow(QWidget):
    """The same view as in the panel, with more room.

    Attributes:
        viewer: The view.
    """

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Window)
        self.setWindowTitle("What the model saw — Demoscope")
        self.viewer = CollageViewer(self)
        self.viewer.set_own_window(False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.viewer)
        self.resize(960, 800)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Esc closes it, and so do the keys that brought it."""
        if event.key() in (Qt.Key.Key_Escape, Qt.Key.Key_F4):
            self.close()
        else:
            super().keyPressEvent(event)
