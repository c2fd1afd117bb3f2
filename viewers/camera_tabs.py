"""The tabs of an episode's cameras, and one for all of them."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QTabBar, QWidget

_LEAST = 84
"""Logical pixels of a tab; with more cameras than fit, the tabs are scrolled."""
_ALL_TIP = "All cameras side by side; a click on one of them chooses it"


class CameraTabs(QTabBar):
    """Shown if there is more than one camera.

    Signals:
        cameraChosen: Key of the camera whose tab the user clicked.
        allChosen: The user wants to see all cameras.
    """

    cameraChosen = Signal(str)
    allChosen = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._cameras: tuple[str, ...] = ()
        self._tip = _ALL_TIP
        self.setDrawBase(False)
        self.setExpanding(False)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setElideMode(Qt.TextElideMode.ElideMiddle)
        self.setAccessibleName("Camera")
        self.hide()
        self.currentChanged.connect(self._choose)

    # Setters; none of them emits.

    def set_cameras(self, keys: tuple[str, ...]) -> None:
        """List the cameras of the episode."""
        if keys != self._cameras:
            self._cameras = keys
            self.blockSignals(True)
            while self.count():
                self.removeTab(0)
            for text, tip in [("All", self._tip), *((_short(key), key) for key in keys)]:
                self.setTabToolTip(self.addTab(text), tip)
            self.blockSignals(False)
        self.setVisible(len(keys) > 1)

    def set_choice(self, camera: str, *, everything: bool) -> None:
        """Raise the tab of a camera, or that of all."""
        self.blockSignals(True)
        known = camera in self._cameras and not everything
        self.setCurrentIndex(1 + self._cameras.index(camera) if known else 0)
        self.blockSignals(False)

    def set_key(self, key: str) -> None:
        """Name the key that shows all cameras in the tooltip."""
        self._tip = f"{_ALL_TIP} ({key})" if key else _ALL_TIP
        if self.count():
            self.setTabToolTip(0, self._tip)

    def tabSizeHint(self, index: int) -> QSize:  # noqa: N802 - Qt's name
        """Leave room for underscores, which styles cut off and names of cameras are full of."""
        return super().tabSizeHint(index) + QSize(0, 4)

    def minimumTabSizeHint(self, index: int) -> QSize:  # noqa: N802 - Qt's name
        """Keep names legible: what does not fit is scrolled to."""
        full = self.tabSizeHint(index)
        return QSize(min(full.width(), _LEAST), full.height())

    def _choose(self, index: int) -> None:
        if index == 0:
            self.allChosen.emit()
        elif index > 0:
            self.cameraChosen.emit(self._cameras[index - 1])


def _short(key: str) -> str:
    return key.removeprefix("observation.images.")
