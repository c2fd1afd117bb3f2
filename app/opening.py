"""What to open: asked in dialogs, or dropped on the window."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QMimeData, QObject, QSettings
from PySide6.QtWidgets import QFileDialog, QInputDialog, QWidget

from app.arguments import split_path
from app.session_control import SessionControl
from pipeline.sources.hub.download import hub_name

_FILES = (
    "Demonstrations (*.hdf5 *.h5 *.mp4 *.mkv *.avi *.mov *.webm *.tfrecord* *.json *.parquet "
    "*.rrd)",
    "Exports of Demoscope (*.rrd)",
    "All files (*)",
)
_HELP = "Folder or file, PATH#EPISODE, or a dataset of the Hugging Face Hub: owner/name[@revision]"


class Opening(QObject):
    """Finds out what to open and lets the control open it."""

    def __init__(self, control: SessionControl, settings: QSettings, parent: QWidget) -> None:
        super().__init__(parent)
        self._control = control
        self._settings = settings
        self._window = parent
        self._asked: QInputDialog | None = None

    def ask_folder(self) -> None:
        """Ask for a dataset folder."""
        self._chosen(QFileDialog.getExistingDirectory(self._window, "Open dataset", self._start()))

    def ask_file(self) -> None:
        """Ask for a file that is a dataset or part of one."""
        title, kinds = "Open dataset file", ";;".join(_FILES)
        path, _ = QFileDialog.getOpenFileName(self._window, title, self._start(), kinds)
        self._chosen(path)

    def ask_location(self) -> None:
        """Let the user type a path or an id; nothing waits for it."""
        dialog = QInputDialog(self._window)
        dialog.setWindowTitle("Open")
        dialog.setLabelText(_HELP)
        dialog.setTextValue(str(self._settings.value("last_location", "")))
        dialog.setOkButtonText("Open")
        dialog.resize(640, dialog.sizeHint().height())
        dialog.textValueSelected.connect(self.open_location)
        if self._asked is not None:
            self._asked.deleteLater()
        self._asked = dialog
        dialog.open()

    def open_location(self, text: str) -> None:
        """Open what was typed."""
        text = text.strip().strip("\"'")
        if not text:
            return
        self._settings.setValue("last_location", text)
        path, episode = split_path(text)
        self._control.open_dataset(path, episode)

    @staticmethod
    def can_drop(data: QMimeData) -> bool:
        """True for files, folders and addresses of the Hub."""
        return data.hasUrls() or (data.hasText() and hub_name(data.text()) is not None)

    def drop(self, data: QMimeData) -> str:
        """Open the first thing that was dropped.

        Returns:
            Why nothing was opened, one sentence; empty if something was.
        """
        for url in data.urls():
            if url.isLocalFile():
                self._control.open_dataset(url.toLocalFile())
                return ""
        for text in (*(url.toString() for url in data.urls()), data.text()):
            if hub_name(text) is not None:
                self._control.open_dataset(text)
                return ""
        return "drop a file or folder of this machine, or a dataset's address on the Hub"

    def _start(self) -> str:
        return str(self._settings.value("last_folder", str(Path.home())))

    def _chosen(self, path: str) -> None:
        if path:
            place = Path(path)
            self._settings.setValue("last_folder", str(place if place.is_dir() else place.parent))
            self._control.open_dataset(path)
