"""The caption and what belongs to it, one tab each."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QTabWidget, QVBoxLayout, QWidget

from widgets.theme import GRID, HALF_GRID

_ORDER = ("caption", "saw", "checks", "words", "history", "tags", "again")
"""Names of tabs from left to right; others come last."""
_TIGHT = f"QTabBar::tab {{ padding: {HALF_GRID - 1}px {GRID - 2}px; }}"
"""Little room around the titles: several tabs must fit into a small dock."""


class CaptionTabs(QTabWidget):
    """A small tab widget; no key stays in its bar.

    What a tab shows may be made when it is shown for the first time: the window need not wait for
    what nobody looks at yet.

    Signals:
        tabMade: Name of a tab that was added with `add_later` and has its widget now.
        tabShown: Name of the tab that is on show now.
    """

    tabMade = Signal(str)
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
        self._made: dict[str, QWidget] = {}
        self._makers: dict[str, tuple[Callable[[QWidget], QWidget], QWidget]] = {}
        self.currentChanged.connect(self._on_current_changed)

    def add(self, name: str, title: str, widget: QWidget, about: str = "") -> None:
        """Add a tab.

        Args:
            name: Stable name, for `show_tab`.
            title: Short: there are several.
            widget: What it shows.
            about: Tool tip.
        """
        self._made[name] = widget
        self._insert(name, title, widget, about)

    def add_later(
        self, name: str, title: str, make: Callable[[QWidget], QWidget], about: str = ""
    ) -> None:
        """Add a tab whose widget is made when it is first asked for.

        Args:
            name: Stable name, for `show_tab`.
            title: Short: there are several.
            make: Gets the parent, returns the widget; who fills it waits for `tabMade`.
            about: Tool tip.
        """
        page = QWidget(self)
        self._makers[name] = make, page
        self._insert(name, title, page, about)

    def _insert(self, name: str, title: str, page: QWidget, about: str) -> None:
        page.setProperty("tab", name)
        rank = _rank(name)
        place = sum(_rank(other) <= rank for other in self.names)
        index = self.insertTab(place, page, title)
        self.setTabToolTip(index, about or title)

    def is_made(self, name: str) -> bool:
        """Whether the widget of a tab exists."""
        return name in self._made

    def content(self, name: str) -> QWidget:
        """The widget of a tab, made now if it was not; KeyError if there is none of that name."""
        if name not in self._made:
            if name not in self._makers:
                raise KeyError(name)
            make, page = self._makers.pop(name)
            made = make(page)
            column = QVBoxLayout(page)
            column.setContentsMargins(0, 0, 0, 0)
            column.addWidget(made)
            made.show()  # Else one turn of the event loop later, and without the focus till then.
            self._made[name] = made
            self.tabMade.emit(name)
        return self._made[name]

    def set_title(self, name: str, title: str) -> None:
        """Give a tab another title; KeyError if there is none of that name."""
        place = self._place(name)
        if title != self.tabText(place):  # Qt lays the bar out again even for the same one.
            self.setTabText(place, title)

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
        self.setCurrentIndex(self._place(name))

    def _place(self, name: str) -> int:
        if name not in self.names:
            raise KeyError(name)
        return self.names.index(name)

    def _on_current_changed(self) -> None:
        if self.shown in self._makers:
            self.content(self.shown)
        self.tabShown.emit(self.shown)


def _rank(name: str) -> int:
    return _ORDER.index(name) if name in _ORDER else len(_ORDER)
