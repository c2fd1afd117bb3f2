"""Primitives: tag what is present, with the definition and the rule that decides beside each."""

from __future__ import annotations

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QVBoxLayout,
    QWidget,
)

from pipeline.model.caption_fields import CaptionField
from pipeline.review.primitives import Primitive, PrimitiveGroup, primitives
from widgets.completed_line import CompletedLine
from widgets.fields import FilterLine, keep_keys, scrolled, tip
from widgets.theme import GRID, HALF_GRID, colors

Tags = tuple[tuple[str, str], ...]
_GROUP_OF_FIELD = {
    CaptionField.VERB: "verb",
    CaptionField.OBJECT: "object",
    CaptionField.DESTINATION: "object",
    CaptionField.SOURCE: "object",
    CaptionField.RELATION: "relation",
    CaptionField.ARM: "arm",
}
_HINT = "Filter; ↑↓, Enter tags"


class _Filter(FilterLine):
    """The filter hands Up, Down, Enter and Esc on."""

    stepped = Signal(int)
    taken = Signal()
    left = Signal()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrows choose below, Enter tags, Esc clears or leaves."""
        steps = {Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1, Qt.Key.Key_PageUp: -8}
        steps[Qt.Key.Key_PageDown] = 8
        key = Qt.Key(event.key())
        if key in steps:
            self.stepped.emit(steps[key])
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.taken.emit()
        elif key is Qt.Key.Key_Escape and not self.text():
            self.left.emit()
        else:
            super().keyPressEvent(event)
            return
        event.accept()


class PrimitivesPanel(QWidget):
    """All tags in one list, filtered by typing; definition and rule of the chosen one beside it.

    Signals:
        tagged: All tags that hold now, as (primitive, value) pairs.
        left: Esc: back to the caption.
    """

    tagged = Signal(object)
    left = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._groups: tuple[PrimitiveGroup, ...] = ()
        self._tags: dict[tuple[str, str], None] = {}
        self._read_only = ""
        self._filter = _Filter(_HINT, self)
        self._filter.textChanged.connect(self._narrow)
        self._filter.stepped.connect(self._step)
        self._filter.taken.connect(self._take)
        self._filter.left.connect(self.left)
        self._list = QListWidget(self)
        self._list.setAccessibleName("Primitives")
        self._list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._list.currentItemChanged.connect(self._show_definition)
        self._list.itemClicked.connect(self._take)
        self._value = CompletedLine("Value of the tag", self)
        self._value.committed.connect(self._take_value)
        self._value.left.connect(self._leave_value)
        self._value.hide()
        self._about = QLabel(self)
        self._about.setWordWrap(True)
        self._about.setTextFormat(Qt.TextFormat.RichText)
        self._about.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._about.setAccessibleName("Definition and decision rule")
        self._about.setMargin(HALF_GRID)
        scroll = scrolled(self._about, self)
        left = QVBoxLayout()
        left.setSpacing(HALF_GRID)
        left.addWidget(self._filter)
        left.addWidget(self._list, 1)
        left.addWidget(self._value)
        row = QHBoxLayout(self)
        row.setContentsMargins(HALF_GRID, HALF_GRID, HALF_GRID, HALF_GRID)
        row.setSpacing(GRID)
        row.addLayout(left, 2)
        row.addWidget(scroll, 3)
        self.setFocusProxy(self._filter)
        keep_keys(self._value)

    # -- setters ---------------------------------------------------------------------------

    def set_tags(self, tags: Tags) -> None:
        """Show which tags hold; emits nothing."""
        wanted = dict.fromkeys(tags)
        if wanted != self._tags:
            self._tags = wanted
            self._mark()

    def set_names(self, names: tuple[str, ...]) -> None:
        """Propose names for things; emits nothing."""
        self._value.set_words(names, closed=False)

    def set_read_only(self, reason: str) -> None:
        """Only show definitions, for a reason; empty: tags can be set."""
        self._read_only = reason
        self._list.setToolTip(reason)

    def begin(self, field: CaptionField | None = None, value: str = "") -> None:
        """Come here with the keyboard, at the definition of a value if there is one.

        Args:
            field: Part of the caption that is asked about, None for no part.
            value: What it says.
        """
        self._load()
        self._filter.clear()
        if field is not None:
            group = _GROUP_OF_FIELD[field]
            rows = [self._primitive(i) for i in range(self._list.count())]
            names = (value.casefold(), field.value)
            fitting = [
                i
                for i, p in enumerate(rows)
                if p is not None and p.group == group and (p.name in names or p.field is field)
            ]
            if not fitting:
                fitting = [i for i, p in enumerate(rows) if p is not None and p.group == group]
            if fitting:
                self._list.setCurrentRow(fitting[0])
                # Its neighbours are what it may be mistaken for.
                middle = QAbstractItemView.ScrollHint.PositionAtCenter
                self._list.scrollToItem(self._list.currentItem(), middle)
        self._filter.setFocus(Qt.FocusReason.ShortcutFocusReason)

    @property
    def tags(self) -> Tags:
        """Tags that hold."""
        return tuple(self._tags)

    @property
    def definition(self) -> str:
        """What is said about the chosen tag, rich text."""
        return self._about.text()

    # -- the list --------------------------------------------------------------------------

    def _load(self) -> None:
        """Fill the list on first use: reading the specification takes some milliseconds."""
        if self._groups:
            return
        self._groups = primitives()
        for group in self._groups:
            for primitive in group.tags:
                item = QListWidgetItem(self._list)
                item.setData(Qt.ItemDataRole.UserRole, (group.name, primitive.name))
                item.setToolTip(tip(primitive.name, primitive.definition, primitive.rule))
        self._mark()
        self._list.setCurrentRow(0)

    def _primitive(self, row: int) -> Primitive | None:
        item = self._list.item(row)
        return None if item is None else self._of(item)[1]

    def _of(self, item: QListWidgetItem) -> tuple[PrimitiveGroup, Primitive | None]:
        name, tag = item.data(Qt.ItemDataRole.UserRole)
        group = next(g for g in self._groups if g.name == name)
        return group, group.find(tag)

    def _values_of(self, primitive: Primitive) -> list[tuple[str, str]]:
        """Tags in force that belong to a primitive."""
        if primitive.free:
            return [t for t in self._tags if t[0] == primitive.key]
        return [t for t in self._tags if t == (primitive.group, primitive.name)]

    def _mark(self) -> None:
        for row in range(self._list.count()):
            item = self._list.item(row)
            group, primitive = self._of(item)
            if primitive is None:
                continue
            held = self._values_of(primitive)
            values = ", ".join(v for _, v in held if v and v != primitive.name)
            text = f"{group.title}: {primitive.name}" + (f" = {values}" if values else "")
            item.setText(f"✓ {text}" if held else text)
            font = self._list.font()
            font.setBold(bool(held))
            item.setFont(font)

    def _narrow(self) -> None:
        words = self._filter.text().casefold().split()
        first = -1
        for row in range(self._list.count()):
            item = self._list.item(row)
            text = item.text().casefold()
            hidden = not all(w in text for w in words)
            item.setHidden(hidden)
            if not hidden and first < 0:
                first = row
        current = self._list.currentItem()
        if first >= 0 and (current is None or current.isHidden()):
            self._list.setCurrentRow(first)

    def _step(self, step: int) -> None:
        shown = [i for i in range(self._list.count()) if not self._list.item(i).isHidden()]
        if not shown:
            return
        here = self._list.currentRow()
        place = shown.index(here) if here in shown else 0
        self._list.setCurrentRow(shown[min(max(place + step, 0), len(shown) - 1)])

    def _show_definition(self) -> None:
        self._value.hide()
        primitive = self._primitive(self._list.currentRow())
        if primitive is None:
            self._about.clear()
        else:
            group = next(g for g in self._groups if g.name == primitive.group)
            self._about.setText(definition_html(group, primitive, colors(self.palette()).muted))

    # -- tagging ---------------------------------------------------------------------------

    def _take(self) -> None:
        item = self._list.currentItem()
        if item is None or self._read_only:
            return
        group, primitive = self._of(item)
        if primitive is None:
            return
        held = self._values_of(primitive)
        if held:
            self._change(remove=held)
        elif primitive.free:
            self._value.setPlaceholderText(f"{primitive.name}: which?")
            self._value.clear()
            self._value.show()
            self._value.setFocus(Qt.FocusReason.OtherFocusReason)
        else:
            others = [] if group.several else [t for t in self._tags if t[0] == group.name]
            self._change(remove=others, add=(group.name, primitive.name))

    def _take_value(self) -> None:
        item, value = self._list.currentItem(), self._value.value()
        if item is not None and value:
            _, primitive = self._of(item)
            if primitive is not None:
                self._change(add=(primitive.key, value))
        self._leave_value()

    def _leave_value(self) -> None:
        self._value.hide()
        self._filter.setFocus(Qt.FocusReason.OtherFocusReason)

    def _change(
        self, remove: list[tuple[str, str]] | None = None, add: tuple[str, str] | None = None
    ) -> None:
        for tag in remove or ():
            self._tags.pop(tag, None)
        if add is not None:
            self._tags[add] = None
        self._mark()
        self.tagged.emit(tuple(self._tags))

    def changeEvent(self, event: QEvent) -> None:
        """Recolour the definition with the theme."""
        if event.type() is QEvent.Type.PaletteChange and hasattr(self, "_about"):
            self._show_definition()
        super().changeEvent(event)


def definition_html(group: PrimitiveGroup, primitive: Primitive, muted: str) -> str:
    """Definition, decision rule and examples as rich text."""
    from html import escape

    examples = "; ".join(escape(e) for e in primitive.examples)
    return (
        f"<b>{escape(primitive.name)}</b> <span style='color:{muted}'>{escape(group.title)}</span>"
        f"<br>{escape(primitive.definition)}<br><b>Rule:</b> {escape(primitive.rule)}"
        + (f"<br><span style='color:{muted}'>E.g. {examples}</span>" if examples else "")
        + f"<br><span style='color:{muted}'>{escape(group.rule)}</span>"
    )
