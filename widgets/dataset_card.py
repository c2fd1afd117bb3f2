"""What a dataset is, what of it is used and what is not, to be read and copied."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QTextBrowser, QVBoxLayout, QWidget

from pipeline.model.demonstration import DatasetInfo, GripperChannels
from widgets.theme import GRID

_EMPTY = "Open a dataset to see what it holds."


class DatasetCard(QWidget):
    """Shows one dataset's own description of itself and ours of it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._text = QTextBrowser(self)
        self._text.setFrameShape(QFrame.Shape.NoFrame)
        self._text.setOpenLinks(False)
        self._text.setAccessibleName("About this dataset")
        self._text.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse
            | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(GRID, GRID, GRID, GRID)
        layout.addWidget(self._text)
        self.set_info(None, 0)

    def set_info(self, info: DatasetInfo | None, present: int) -> None:
        """Show a dataset, or the hint that there is none.

        Args:
            info: What the source says.
            present: Episodes that are on disk.
        """
        self._text.setHtml(f"<p>{_EMPTY}</p>" if info is None else _card(info, present))

    def text(self) -> str:
        """What is shown, without its marks."""
        return self._text.toPlainText()


def _card(info: DatasetInfo, present: int) -> str:
    rows = [
        ("Path", info.path),
        ("Format", f"{info.format} {info.version}".strip()),
        ("Known by", info.reason),
        ("Robot", info.robot_type or "not said"),
        ("Frame rate", f"{info.fps:g} per second"),
        ("Cameras", ", ".join(info.cameras) or "none"),
        ("Episodes", f"{present:,} of {len(info.episodes):,} on disk"),
    ]
    pad = f"style='padding-right:{2 * GRID}px'"
    table = "".join(
        f"<tr><td {pad}><b>{name}</b></td><td>{escape(value)}</td></tr>" for name, value in rows
    )
    parts = [f"<table cellspacing='2'>{table}</table>"]
    parts.append(_list("Used", info.found, "nothing was noted"))
    parts.append(_list("Not used", info.ignored, "everything that was found is used"))
    grippers = [_gripper(g) for g in info.grippers]
    parts.append(_list("Grippers", grippers, "no channel looks like a gripper: map one by hand"))
    if info.problems:
        parts.append(_list("Problems", (f"{p.code}: {p.message}" for p in info.problems), ""))
    return "".join(parts)


def _gripper(channels: GripperChannels) -> str:
    names = ", ".join(channels.names)
    where = f"{channels.arm}: {channels.signal} {names}; closed is {channels.closed_is.value}"
    return f"{where} ({channels.reason or channels.origin})"


def _list(title: str, items: Iterable[str], none: str) -> str:
    lines = "".join(f"<li>{escape(item)}</li>" for item in items) or f"<li>{none}</li>"
    return f"<p style='margin-bottom:0'><b>{title}</b></p><ul style='margin-top:0'>{lines}</ul>"
