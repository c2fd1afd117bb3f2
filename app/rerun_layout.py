"""Keeps how the user arranges the 3D viewer, per dataset and kind of recording."""

from __future__ import annotations

from typing import Protocol

from PySide6.QtCore import QObject, QTimer, SignalInstance

from app.background import Background
from app.layout_store import LayoutStore

_REST_MS = 800
"""A layout is written when it has not changed for this long."""


class LaidOut(Protocol):
    """What is needed of the panel."""

    @property
    def layoutChanged(self) -> SignalInstance:  # noqa: N802 - a signal
        """(layout) The user arranged the views."""

    def set_layout(self, layout: str) -> None:
        """Show a layout; empty: the recording's own."""


class RerunLayout(QObject):
    """Writes changed layouts beside the GUI thread, the newest wins."""

    def __init__(
        self, panel: LaidOut, store: LayoutStore, background: Background, parent: QObject
    ) -> None:
        super().__init__(parent)
        self._panel = panel
        self._store = store
        self._background = background
        self._shown: tuple[str, str] | None = None
        self._unsaved: dict[tuple[str, str], str] = {}
        self._resets = 0
        self._rest = QTimer(self, singleShot=True, interval=_REST_MS)
        self._rest.timeout.connect(self._save)
        panel.layoutChanged.connect(self._changed)

    def kept(self, dataset: str, situation: str) -> str:
        """The layout to open a recording with; reads a file, may be called from a thread."""
        unsaved = self._unsaved.get((dataset, situation))
        return self._store.load(dataset, situation) if unsaved is None else unsaved

    def note_shown(self, dataset: str, situation: str) -> None:
        """Take note of which recording the panel shows from now on."""
        self._shown = (dataset, situation)

    def note_closed(self) -> None:
        """Take note that no recording is shown any more."""
        self._shown = None

    def reset(self, dataset: str) -> None:
        """Show the recordings of a dataset as they come, now and later."""
        self._rest.stop()
        self._resets += 1
        self._unsaved = {key: v for key, v in self._unsaved.items() if key[0] != dataset}
        self._background.run(
            "3D layout", lambda: self._store.forget(dataset), lambda _result, _error: None
        )
        self._panel.set_layout("")

    def close(self) -> None:
        """Keep what was not kept yet."""
        if self._rest.isActive():
            self._rest.stop()
            self._save()

    def _changed(self, layout: str) -> None:
        if self._shown is not None:
            self._unsaved[self._shown] = layout
            self._rest.start()

    def _save(self) -> None:
        waiting, resets = dict(self._unsaved), self._resets
        if not waiting:
            return

        def write() -> None:
            for (dataset, situation), layout in waiting.items():
                if resets != self._resets:
                    return  # Forgotten meanwhile.
                self._store.save(dataset, situation, layout)

        self._background.run("3D layout", write, lambda _result, _error: self._saved(waiting))

    def _saved(self, written: dict[tuple[str, str], str]) -> None:
        for key, layout in written.items():
            if self._unsaved.get(key) == layout:
                del self._unsaved[key]
