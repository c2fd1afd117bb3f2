"""The caption and what belongs to it, one tab each."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QTabWidget, QVBoxLayout, QWidget

from widgets.theme import GRID, HALF_GRID

_ORDER = ("caption", "saw", "checks", "words", "history", "tags", "again")
"""Names of tabs from left to right; others come last."""
_GIVE_WAY = ("checks", "again", "saw")
"""Tabs whose titles become short, in this order, until all fit (our choice)."""
_LOOK = (
    f"QTabBar::tab {{ padding: {HALF_GRID - 1}px {GRID - 2}px; }}"
    " QTabBar::tab:!selected { color: palette(placeholder-text); }"
)
"""Little room around the titles: several tabs must fit into a small dock. The others are quiet:
Fusion's line below the one on show is hardly seen."""


class CaptionTabs(QTabWidget):
    """A small tab widget; no key stays in its bar, and all titles fit where short ones do.

    What a tab shows may be made when it is shown for the first time: the window need not wait for
    what nobody looks at yet.

    Signals:
        tabMade: Name of a tab that was added with `add_later` and has its widget now.
        tabShown: Name of the tab that is on show now.
        left: Esc in a tab that had no use for it: back to the first one.
    """

    tabMade = Signal(str)
    tabShown = Signal(str)
    left = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setDocumentMode(True)
        self.setAccessibleName("Caption")
        bar = self.tabBar()
        bar.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        bar.setStyleSheet(_LOOK)
        bar.setExpanding(False)
        bar.setUsesScrollButtons(True)
        bar.setElideMode(Qt.TextElideMode.ElideNone)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._made: dict[str, QWidget] = {}
        self._titles: dict[str, tuple[str, str]] = {}
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
        self._fit()

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
        self._fit()

    def _insert(self, name: str, title: str, page: QWidget, about: str) -> None:
        page.setProperty("tab", name)
        self._titles[name] = title, ""
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

    def set_title(self, name: str, title: str, short: str = "") -> None:
        """Give a tab another title; KeyError if there is none of that name.

        Args:
            name: Of the tab.
            title: In full.
            short: Shown instead while there is no room for all titles; empty: there is none.
        """
        self._place(name)
        if (title, short) != self._titles[name]:
            self._titles[name] = title, short
            self._fit()

    def _fit(self) -> None:
        """Show titles in full, some of them short where all in full do not fit."""
        bar, names = self.tabBar(), self.names
        if not names:
            return
        shown = {name: bar.tabText(k) for k, name in enumerate(names)}
        measure = bar.fontMetrics().horizontalAdvance
        room = self.width() - (bar.sizeHint().width() - sum(map(measure, shown.values())))
        wanted = {name: self._titles[name][0] for name in names}
        for name in _GIVE_WAY:
            if sum(map(measure, wanted.values())) <= room:
                break
            if name in wanted:
                wanted[name] = self._titles[name][1] or wanted[name]
        for place, name in enumerate(names):
            if wanted[name] != shown[name]:  # Qt lays the bar out again even for the same one.
                bar.setTabText(place, wanted[name])

    def resizeEvent(self, event: QResizeEvent) -> None:
        """More room, longer titles."""
        self._fit()
        super().resizeEvent(event)

    def event(self, event: QEvent) -> bool:
        """Esc that a tab leaves over is ours before it is a shortcut of the window."""
        if (
            event.type() is QEvent.Type.ShortcutOverride
            and isinstance(event, QKeyEvent)
            and self._is_leaving(event)
        ):
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Esc leaves."""
        if self._is_leaving(event):
            self.left.emit()
        else:
            super().keyPressEvent(event)

    def _is_leaving(self, event: QKeyEvent) -> bool:
        return event.key() == Qt.Key.Key_Escape and self.currentIndex() > 0

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
