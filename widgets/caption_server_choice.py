"""Choice of a server that drafts or judges captions, with the reason why it cannot be asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QPalette, QResizeEvent
from PySide6.QtWidgets import QComboBox, QFormLayout, QLabel, QLineEdit, QSizePolicy, QWidget

from pipeline.captioning.evaluation_values import OFFLINE_RECIPE
from widgets.fields import guard_wheel, keep_keys, tip
from widgets.theme import GRID, Status, colors


@dataclass(frozen=True, slots=True)
class ServerOffer:
    """A server that can draft or judge.

    Attributes:
        name: As in the request, e.g. `gemini`.
        title: For people.
        reason: Why it cannot be asked now, one sentence; empty if it can.
        needs_address: Whether it has no address unless one is given.
        default_model: The model where none is given; empty if the server chooses.
    """

    name: str
    title: str
    reason: str = ""
    needs_address: bool = False
    default_model: str = ""


class ServerChoice:
    """Choice of a server, its model and its address."""

    def __init__(self, name: str, parent: QWidget) -> None:
        self._offers: dict[str, ServerOffer] = {}
        self.choice = QComboBox(parent)
        self.choice.setAccessibleName(name)
        self.choice.setToolTip(tip(name, "Who is asked."))
        guard_wheel(self.choice)
        keep_keys(self.choice)
        self.model = field_line(f"Model: {name}", "", parent)
        self.model.setToolTip(tip("Model", "Its name on the server."))
        self.address = field_line(f"Address: {name}", "of the environment", parent)
        self.address.setToolTip(tip("Address", "Of the server, e.g. http://127.0.0.1:8000/v1."))
        self.reason = StatusText(parent)

    def add_to(self, form: QFormLayout, title: str) -> None:
        """Append its rows to a form."""
        form.addRow(title, self.choice)
        form.addRow("Model", self.model)
        form.addRow("Address", self.address)
        form.addRow(self.reason)

    def fill(self, offers: Sequence[ServerOffer]) -> None:
        """List servers; the first that can be asked is chosen unless one was."""
        now = self.name
        self._offers = {o.name: o for o in offers}
        self.choice.clear()
        for offer in offers:
            self.choice.addItem(offer.title, offer.name)
            about = tip(offer.title, offer.reason)
            self.choice.setItemData(self.choice.count() - 1, about, Qt.ItemDataRole.ToolTipRole)
        able = next((o.name for o in offers if not o.reason), now)
        self.choice.setCurrentIndex(max(0, self.choice.findData(now or able)))

    @property
    def name(self) -> str:
        """The server that is chosen, empty for none."""
        return str(self.choice.currentData() or "")

    @property
    def problem(self) -> str:
        """Why it cannot be asked so, one sentence; empty if it can."""
        offer = self._offers.get(self.name)
        if offer is None:
            return "" if self.name == OFFLINE_RECIPE else "No server is known yet."
        if offer.reason:
            return f"{offer.title}: {offer.reason}"
        if offer.needs_address and not self.address.text().strip():
            return f"{offer.title}: give its address."
        return ""

    def show_fields(self, form: QFormLayout, *, asks: bool) -> None:
        """Show what matters for the choice."""
        online = asks and self.name not in ("", OFFLINE_RECIPE)
        form.setRowVisible(self.choice, asks)
        form.setRowVisible(self.model, online)
        form.setRowVisible(self.address, online)
        offer = self._offers.get(self.name)
        own = offer.default_model if offer is not None else ""
        self.model.setPlaceholderText(own or "the server's own")
        needs = offer is not None and offer.needs_address
        self.address.setPlaceholderText("http://127.0.0.1:8000/v1" if needs else "its own")
        self.reason.set_text(self.problem if asks else "", Status.WARNING)
        form.setRowVisible(self.reason, bool(self.reason.text()))


class StatusText(QLabel):
    """Text that wraps, in the colour of a status if it has one, and takes no room if empty.

    A wrapping QLabel asks for the height of a narrow column, whatever width it has.
    """

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWordWrap(True)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self._status: Status | None = None
        self.setVisible(False)

    def set_text(self, text: str, status: Status | None = None) -> None:
        """Show a text, or nothing."""
        self.setText(text)
        self.setVisible(bool(text))
        self._status = status
        self._paint_status()

    def changeEvent(self, event: QEvent) -> None:
        """Take the status colour of another theme."""
        super().changeEvent(event)
        if event.type() is QEvent.Type.PaletteChange and hasattr(self, "_status"):
            self._paint_status()

    def _paint_status(self) -> None:
        palette = QPalette()  # of the application
        if self._status is not None:
            palette.setColor(self.foregroundRole(), colors(palette).status(self._status))
        if self.palette() != palette:
            self.setPalette(palette)

    def sizeHint(self) -> QSize:
        """Size at the width that it has."""
        return QSize(0, self.heightForWidth(max(self.width(), 20 * GRID)))

    def minimumSizeHint(self) -> QSize:
        """The same."""
        return self.sizeHint()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Another width, another height."""
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self.updateGeometry()


def field_line(name: str, hint: str, parent: QWidget) -> QLineEdit:
    """Make a line to type in: its name, and what stands in it while it is empty."""
    line = QLineEdit(parent)
    line.setAccessibleName(name)
    line.setPlaceholderText(hint)
    keep_keys(line)
    return line
