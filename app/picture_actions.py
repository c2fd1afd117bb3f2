"""Actions on the picture: what is drawn on it, the brush, saving and copying what is seen."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QIODevice, QObject, QSaveFile
from PySide6.QtGui import QGuiApplication, QImage
from PySide6.QtWidgets import QFileDialog, QWidget

from app.actions import ACTIONS, ActionTable
from app.panels import Panels
from app.session_control import SessionControl
from pipeline.document import Session
from viewers.overlays import OverlayVisibility

_KEYS = {
    "draw": "draw_box",
    "paint": "paint",
    "erase": "erase",
    "only": "isolate",
    "mark": "mark_robot",
}
_CAMERA_KEYS = {"all_cameras": "all_cameras"}


class PictureActions(QObject):
    """What the actions of the picture do."""

    def __init__(
        self, control: SessionControl, panels: Panels, table: ActionTable, parent: QWidget
    ) -> None:
        super().__init__(parent)
        self._control = control
        self._panel = panels.frame
        self._table = table
        self._parent = parent
        self._visible = panels.frame.visibility
        keys = {spec.id: ", ".join(spec.keys) for spec in ACTIONS}
        named = _KEYS | _CAMERA_KEYS
        self._panel.set_keys({name: keys[action] for name, action in named.items()})
        self._panel.visibilityChanged.connect(self._visibility_chosen)
        self._panel.copyRequested.connect(self.do_copy_picture)

    # What is drawn.

    def do_overlays(self) -> None:
        """Show what was drawn before everything was hidden, or hide everything."""
        if self._table.actions["overlays"].isChecked():
            self._panel.set_visibility(self._visible)
        else:
            self._visible = self._panel.visibility
            self._panel.set_visibility(self._visible.only())

    def do_isolate(self) -> None:
        """Draw only the selected candidate, or all of them again."""
        shown = self._panel.visibility
        self._choose(replace(shown, others=not shown.others, selected=True))

    def do_put_aside(self) -> None:
        """Hide the selected candidate, to see what lies below, or show it again."""
        shown = self._panel.visibility
        self._choose(replace(shown, selected=not shown.selected, others=True))

    def _choose(self, visibility: OverlayVisibility) -> None:
        self._panel.set_visibility(visibility)
        self._visibility_chosen(visibility)

    def _visibility_chosen(self, visibility: OverlayVisibility) -> None:
        """Keep the switch of all overlays in step with those of the strip."""
        self._table.actions["overlays"].setChecked(not visibility.all_hidden)
        if not visibility.all_hidden:
            self._visible = visibility

    # The brush.

    def do_brush_larger(self) -> None:
        """Make the brush larger."""
        self._resize_brush(1)

    def do_brush_smaller(self) -> None:
        """Make the brush smaller."""
        self._resize_brush(-1)

    def _resize_brush(self, steps: int) -> None:
        viewer = self._panel.viewer
        viewer.resize_brush(steps)
        self._control.said.emit(f"Brush of radius {viewer.brush_radius:g} px")

    # Saving and copying.

    def do_export_picture(self) -> None:
        """Ask where to, and write the picture at its own size with the overlays."""
        self._export(self._panel.viewer.grab_picture(), "Export the picture")

    def do_export_view(self) -> None:
        """Ask where to, and write what is seen, in pixels of the screen."""
        self._export(self._panel.viewer.grab_view(), "Export the picture as on the screen")

    def _export(self, image: QImage, title: str) -> None:
        if image.isNull():
            self._control.said.emit("There is no picture to export")
            return
        name = file_name(self._control.document.session, self._panel.viewer.image_frame)
        path, _ = QFileDialog.getSaveFileName(self._parent, title, name, "PNG pictures (*.png)")
        if not path:
            return
        if not Path(path).suffix:
            path += ".png"
            if Path(path).exists():  # The dialog asked about the name without its suffix.
                reason = f"{path} is there already: choose that name in full to replace it."
                self._control.failed.emit(reason, "")
                return
        reason = write_png(image, path)
        if reason:
            self._control.failed.emit(f"{path} could not be written: {reason}", "")
        else:
            self._control.said.emit(f"{image.width()} x {image.height()} pixels written to {path}")

    def do_copy_picture(self) -> None:
        """Put the picture at its own size with the overlays on the clipboard."""
        image = self._panel.viewer.grab_picture()
        if image.isNull():
            self._control.said.emit("There is no picture to copy")
            return
        QGuiApplication.clipboard().setImage(image)
        self._control.said.emit(f"Picture copied, {image.width()} x {image.height()} pixels")


def file_name(session: Session, frame: int) -> str:
    """Propose a name for a picture of `frame`: dataset, episode, frame and camera."""
    parts = [session.dataset.name if session.dataset is not None else "picture"]
    if session.demonstration is not None:
        parts.append(f"ep{session.demonstration.ref.episode}")
    parts += [f"f{frame}", session.camera.removeprefix("observation.images.")]
    # What no file system minds.
    return re.sub(r"[^\w.-]+", "-", "_".join(part for part in parts if part)) + ".png"


def write_png(image: QImage, path: str) -> str:
    """Write a PNG file that is whole or not there; why not, empty if it was written."""
    file = QSaveFile(path)
    if not file.open(QIODevice.OpenModeFlag.WriteOnly):
        return file.errorString()
    if not image.save(file, "PNG"):  # type: ignore[call-overload]
        file.cancelWriting()
        return "the picture could not be encoded"
    return "" if file.commit() else file.errorString()
