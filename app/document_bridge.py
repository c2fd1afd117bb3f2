"""Turns the document's `Changes` into one Qt signal."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from pipeline.document import Changes, Document, Part


class DocumentBridge(QObject):
    """Sits between the Qt-free document and the views.

    Signals:
        changed: A `pipeline.document.Changes` record, once per mutation.
    """

    changed = Signal(object)

    def __init__(self, document: Document, parent: QObject | None = None) -> None:
        super().__init__(parent)
        document.listen(self._on_changes)

    def _on_changes(self, changes: Changes) -> None:
        if changes.parts is not Part.NONE:
            self.changed.emit(changes)
