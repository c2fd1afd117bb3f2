"""What works on this machine, line by line."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QEvent, Qt, Slot
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFrame,
    QGridLayout,
    QLabel,
    QScrollArea,
    QStackedLayout,
    QVBoxLayout,
    QWidget,
)

from widgets.fields import EmptyHint
from widgets.theme import GRID, Status, colors


@dataclass(frozen=True, slots=True)
class MachineLine:
    """One thing that was examined.

    Attributes:
        name: What it is.
        ok: True if it works.
        needed: True if the tool does not work without it.
        text: What was found, or what to install.
    """

    name: str
    ok: bool
    needed: bool
    text: str

    @property
    def status(self) -> Status:
        """Colour of the line's mark."""
        if self.ok:
            return Status.OK
        return Status.ERROR if self.needed else Status.WARNING

    @property
    def mark(self) -> str:
        """Shape of the line's mark, so that the colour is not needed."""
        if self.ok:
            return "✓"
        return "✗" if self.needed else "○"

    @property
    def meaning(self) -> str:
        """The mark in words."""
        if self.ok:
            return "works"
        return "does not work, and is needed" if self.needed else "is missing; not needed"


class MachineReport(QDialog):
    """A window that stays beside the work; it says that it waits until it is given its lines."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("What works on this machine")
        self.setModal(False)
        self._lines: tuple[MachineLine, ...] = ()
        self._marks: list[tuple[QLabel, MachineLine]] = []
        self._hint = EmptyHint("Examining this machine; the 3D viewer takes some seconds …", self)
        self._scroll = QScrollArea(self)
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setWidgetResizable(True)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._scroll.setAccessibleName("What works on this machine")
        self._buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close, self)
        self._copy = self._buttons.addButton("Copy", QDialogButtonBox.ButtonRole.ActionRole)
        for button in self._buttons.buttons():
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # the space bar is for playback
        self._copy.clicked.connect(self.copy)
        self._buttons.rejected.connect(self.close)
        pages = QWidget(self)
        self._pages = QStackedLayout(pages)
        self._pages.addWidget(self._hint)
        self._pages.addWidget(self._scroll)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(GRID, GRID, GRID, GRID)
        layout.setSpacing(GRID)
        layout.addWidget(pages, 1)
        layout.addWidget(self._buttons)
        self.resize(90 * GRID, 60 * GRID)
        self.set_waiting()

    @property
    def text(self) -> str:
        """What is shown, as plain text."""
        if not self._lines:
            return self._hint.text()
        return "\n".join(f"{line.mark} {line.name}: {line.text}" for line in self._lines)

    def set_waiting(self) -> None:
        """Say that the lines are still to come."""
        self._lines = ()
        self._pages.setCurrentWidget(self._hint)
        self._copy.setEnabled(False)
        self._copy.setToolTip("There is nothing to copy yet.")

    def set_lines(self, lines: tuple[MachineLine, ...]) -> None:
        """Show what was found."""
        self._lines = lines
        self._marks.clear()
        page = QWidget()
        grid = QGridLayout(page)
        grid.setContentsMargins(0, 0, GRID, 0)
        grid.setHorizontalSpacing(GRID)
        grid.setVerticalSpacing(GRID)
        grid.setColumnStretch(2, 1)
        top = Qt.AlignmentFlag.AlignTop
        for row, line in enumerate(lines):
            mark = QLabel(line.mark)
            mark.setToolTip(line.meaning)
            mark.setAccessibleName(f"{line.name} {line.meaning}")
            self._marks.append((mark, line))
            text = QLabel(line.text)
            text.setTextFormat(Qt.TextFormat.PlainText)
            text.setWordWrap(True)
            text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            name = QLabel(line.name)
            name.setTextFormat(Qt.TextFormat.PlainText)
            grid.addWidget(mark, row, 0, top)
            grid.addWidget(name, row, 1, top)
            grid.addWidget(text, row, 2, top)
        grid.setRowStretch(len(lines), 1)
        self._scroll.setWidget(page)
        self._color()
        self._pages.setCurrentWidget(self._scroll)
        self._copy.setEnabled(True)
        self._copy.setToolTip("Copy these lines, e.g. for a bug report.")

    @Slot()
    def copy(self) -> None:
        """Put the lines on the clipboard."""
        QGuiApplication.clipboard().setText(self.text)

    def changeEvent(self, event: QEvent) -> None:
        """Follow the theme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._color()

    def _color(self) -> None:
        theme = colors(self.palette())
        for mark, line in self._marks:
            mark.setStyleSheet(f"color: {theme.status(line.status).name()}")
