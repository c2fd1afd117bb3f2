"""Exporting what is on show: a recording of the selected subtask, beside the GUI thread."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QFileDialog, QProgressDialog, QPushButton, QWidget

from app.background import sentence
from app.export_formats import FORMATS, ExportFormat
from app.rrd_source import recorded_bytes
from app.session_control import SessionControl
from pipeline.export.files import write_export
from pipeline.model.problem import Cancelled

log = logging.getLogger(__name__)

_SHOWN_AFTER_MS = 400
"""Shorter work needs no window of its own."""


class ExportActions(QObject):
    """What File > Export the 3D recording does.

    Signals:
        finished: Path of the file, or empty if none was written.
    """

    finished = Signal(str)
    _progressed = Signal(int, float, str)

    def __init__(self, control: SessionControl, parent: QWidget) -> None:
        super().__init__(parent)
        self._control = control
        self._parent = parent
        self._number = 0
        self._stop = threading.Event()
        self._dialog: QProgressDialog | None = None
        self._progressed.connect(self._show_progress, Qt.ConnectionType.QueuedConnection)

    def do_export_recording(self) -> None:
        """Ask where to, and write the selected subtask as a Rerun recording."""
        reason = self.why_not()
        if reason:
            self._control.failed.emit(reason, "")
            return
        form = FORMATS["rrd"]
        name = form.file_name(self._control.document.session)
        kinds = f"{form.title}s (*{form.suffix})"
        title = "Export the 3D recording"
        path, _ = QFileDialog.getSaveFileName(self._parent, title, name, kinds)
        if not path:
            return
        file = Path(path)
        if not file.suffix:
            file = file.with_suffix(form.suffix)
            if file.exists():  # The dialog asked about the name without its suffix.
                reason = f"{file} is there already: choose that name in full to replace it."
                self._control.failed.emit(reason, "")
                return
        self.export(file, form)

    def why_not(self) -> str:
        """Why what is on show cannot be exported now, one sentence; empty if it can."""
        document = self._control.document
        if document.session.demonstration is None or self._control.source is None:
            return "There is nothing to export: open an episode first."
        if self._control.jobs.busy:
            return "Results are being computed: export when they are there."
        if not all(document.is_fresh(stage.name) for stage in document.graph.stages):
            return (
                "Some results are missing or belong to other options or corrections: run (Ctrl+R) "
                "before the export."
            )
        return ""

    def export(self, path: Path, form: ExportFormat) -> None:
        """Write the selected subtask in the background; a file that is there is replaced.

        Args:
            path: Where.
            form: What kind of file.
        """
        source, session = self._control.source, self._control.document.session
        if source is None:
            return
        self._stop.set()  # An export in progress is given up for this one.
        stop = self._stop = threading.Event()
        self._number += 1
        number = self._number
        graph = self._control.document.graph

        def work() -> int:
            data = recorded_bytes(source)
            if data is None:
                data = form.write(
                    *(session, graph, source),
                    every_frame=False,
                    progress=lambda share, what: self._tell(number, share, what),
                    cancelled=stop.is_set,
                )
            if stop.is_set():
                raise Cancelled
            write_export(path, data, force=True)
            return len(data)

        self._begin(path, stop)
        self._control.background.run(
            "export", work, lambda size, error: self._end(path, number, size, error)
        )

    def cancel(self) -> None:
        """Give up the export in progress; no file is written."""
        self._stop.set()

    def close(self) -> None:
        """As `cancel`, when the window closes."""
        self._stop.set()
        self._close_dialog()

    def _begin(self, path: Path, stop: threading.Event) -> None:
        self._close_dialog()
        dialog = QProgressDialog(f"Exporting {path.name} …", "", 0, 100, self._parent)
        dialog.setWindowTitle("Export")
        button = QPushButton("Cancel", dialog)
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # Space plays; it must not cancel.
        dialog.setCancelButton(button)
        dialog.setAttribute(Qt.WidgetAttribute.WA_ShowWithoutActivating)
        dialog.setAutoClose(False)
        dialog.setAutoReset(False)
        dialog.setMinimumDuration(_SHOWN_AFTER_MS)
        dialog.canceled.connect(stop.set)
        dialog.setValue(0)
        self._dialog = dialog

    def _tell(self, number: int, share: float, what: str) -> None:
        """Called in the thread."""
        try:
            self._progressed.emit(number, share, what)
        except RuntimeError:  # The window is gone and took the Qt object with it.
            log.debug("the export went on after the window closed")

    def _show_progress(self, number: int, share: float, what: str) -> None:
        if self._dialog is not None and number == self._number:
            self._dialog.setValue(round(100 * min(max(share, 0.0), 1.0)))
            self._dialog.setLabelText(f"Exporting: {what}")

    def _end(self, path: Path, number: int, size: int | None, error: Exception | None) -> None:
        if number != self._number:
            return
        self._close_dialog()
        if isinstance(error, Cancelled):
            self._control.said.emit("Export cancelled; no file was written")
        elif error is not None or size is None:
            why = sentence(error) if error is not None else "nothing was made"
            self._control.failed.emit(f"Nothing was exported to {path.name}: {why}", "")
        else:
            text = f"{size / (1 << 20):.1f} MiB written to {path}"
            self._control.said.emit(f"{text}; open it with “rerun {path.name}” or here")
        self.finished.emit(str(path) if error is None else "")

    def _close_dialog(self) -> None:
        if self._dialog is not None:
            self._dialog.canceled.disconnect()
            self._dialog.close()
            self._dialog.deleteLater()
            self._dialog = None
