"""The window of the channel mapping: follows the document, saves presets."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QInputDialog, QVBoxLayout, QWidget

from app.session_control import SessionControl
from pipeline.document import Changes, Part
from pipeline.model.demonstration import GripperChannels, MotionChannels
from pipeline.model.problem import DataError
from pipeline.sources.robot_presets import load_presets, preset_of, save_preset
from pipeline.stages.phase_options import PhasesOptions
from widgets.channel_mapping import ChannelMapping


class ChannelDialog(QDialog):
    """Shows the channel mapping of the open episode beside the main window."""

    def __init__(self, control: SessionControl, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Channel mapping")
        self.setModal(False)
        self._control = control
        self._asked: QInputDialog | None = None
        self.mapping = ChannelMapping(self)
        self.mapping.presetWanted.connect(self._ask_name)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.mapping)
        room = parent.screen().availableSize()
        self.resize(min(1360, room.width() - 96), min(880, room.height() - 96))
        self._show_presets()
        self._show_episode()
        self.mapping.set_frame(control.document.session.frame)
        control.bridge.changed.connect(self._refresh)

    def _refresh(self, changes: Changes) -> None:
        if changes.parts & (Part.EPISODE | Part.EDITS | Part.OPTIONS):
            self._show_episode()
        if changes.parts & (Part.EPISODE | Part.FRAME):
            self.mapping.set_frame(self._control.document.session.frame)

    def _show_episode(self) -> None:
        session = self._control.document.session
        options = session.options.get("phases")
        self.mapping.set_demonstration(
            session.demonstration,
            session.edits,
            options if isinstance(options, PhasesOptions) else None,
        )

    def _show_presets(self) -> None:
        found = load_presets()
        self.mapping.set_presets(found.presets, found.problems)

    def _ask_name(
        self, grippers: tuple[GripperChannels, ...], motions: tuple[MotionChannels, ...]
    ) -> None:
        """Let the user name the preset; nothing waits for it."""
        shown = self._control.document.session.demonstration
        robot = shown.robot_type if shown is not None else ""
        dialog = QInputDialog(self)
        dialog.setWindowTitle("Save as preset")
        dialog.setLabelText("Name of the preset; one of yours with the same name is replaced.")
        dialog.setTextValue(robot or "My robot")
        dialog.setOkButtonText("Save")
        dialog.textValueSelected.connect(lambda n: self.save_as(n, robot, grippers, motions))
        if self._asked is not None:
            self._asked.deleteLater()
        self._asked = dialog
        dialog.open()

    def save_as(
        self,
        name: str,
        robot_type: str,
        grippers: tuple[GripperChannels, ...],
        motions: tuple[MotionChannels, ...],
    ) -> None:
        """Save a preset of the user and offer it."""
        try:
            path = save_preset(preset_of(name.strip(), robot_type, grippers, motions))
        except DataError as error:
            self._control.failed.emit(str(error), "")
            return
        self._control.said.emit(f"Preset “{name.strip()}” is saved in {path}")
        self._show_presets()
