"""The caption and what belongs to it, one tab each."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QTabWidget, QWidget

from widgets.theme import GRID, HALF_GRID

_ORDER = ("caption", "saw", "checks", "words", "history", "tags", "again")
"""Names of tabs from left to right; others come last."""
_TIGHT = f"QTabBar::tab {{ padding: {HALF_GRID - 1}px {GRID - 2}px; }}"
"""Little room around the titles: several tabs must fit into a small dock."""


class CaptionTabs(QTabWidget):
    """A small tab widget; no key stays in its bar.

    Signals:
        tabShown: Name of the tab that is on show now.
    """

    tabShown = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setDocumentMode(True)
        self.setAccessibleName("Caption")
        bar = self.tabBar()
        bar.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        bar.setStyleSheet(_TIGHT)
        bar.setExpanding(False)
        bar.setUsesScrollButtons(True)
        bar.setElideMode(Qt.TextElideMode.ElideNone)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.currentChanged.connect(lambda _: self.tabShown.emit(self.shown))

    def add(self, name: str, title: str, widget: QWidget, about: str = "") -> None:
        """Add a tab.

        Args:
            name: Stable name, for `show_tab`.
            title: Short: there are several.
            widget: What it shows.
            about: Tool tip.
        """
        widget.setProperty("tab", name)
        rank = _rank(name)
        place = sum(_rank(other) <= rank for other in self.names)
        index = self.insertTab(place, widget, title)
        self.setTabToolTip(index, about or title)

    @property
    def shown(self) -> str:
        """Name of the tab on show; empty without tabs."""
        widget = self.currentWidget()
        return "" if widget is None else str(widget.property("tab"))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all tabs in order."""
        widgets = (self.widget(i) for i in range(self.count()))
        return tuple(str(w.property("tab")) for w in widgets if w is not None)

    def show_tab(self, name: str) -> None:
        """Bring a tab to the front; KeyError if there is none of that name."""
        if name not in self.names:
            raise KeyError(name)
        self.setCurrentIndex(self.names.index(name))


def _rank(name: str) -> int:
    return _ORDER.index(name) if name in _ORDER else len(_ORDER)
