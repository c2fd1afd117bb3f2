"""The list of presets that fit an episode."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QComboBox, QWidget

from pipeline.model.demonstration import Demonstration
from pipeline.sources.gripper_channels import is_opening
from pipeline.sources.robot_presets import RobotPreset, grippers_by, matching_presets
from widgets.fields import guard_wheel, tip


class PresetBox(QComboBox):
    """Offers Demoscope's guess, presets of this robot, then others whose channels are there.

    Attributes:
        presetChosen: A `RobotPreset`, or None for the guess.
    """

    presetChosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._presets: tuple[RobotPreset, ...] = ()
        self._listed: tuple[RobotPreset | None, ...] = ()
        self._demonstration: Demonstration | None = None
        self.setAccessibleName("Preset")
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        about = "Fills the draft for all arms: gripper, closed end and motion of a known robot."
        own = "Your own lie in “robots” of Demoscope's configuration folder."
        self.setToolTip(tip("Preset", about, own))
        guard_wheel(self)
        self.activated.connect(self._tell)

    def set_presets(self, presets: Sequence[RobotPreset]) -> None:
        """All presets there are; emits nothing."""
        self._presets = tuple(presets)
        self._fill()

    def set_demonstration(self, demonstration: Demonstration | None) -> None:
        """List what fits this episode; emits nothing."""
        if demonstration is not self._demonstration:
            self._demonstration = demonstration
            self._fill()

    def _fill(self) -> None:
        blocker = QSignalBlocker(self)
        self.clear()
        shown = self._demonstration
        if shown is None:
            return
        names = shown.state_names, shown.action_names
        fingers = [n for n in shown.state_names if is_opening(n)]
        best = {
            p.name: why
            for p, why in matching_presets(self._presets, *names, shown.robot_type, fingers)
        }
        fitting = [p for p in self._presets if p.name in best or grippers_by(p, *names)]
        fitting.sort(key=lambda p: (p.name not in best, p.name))
        self._listed = (None, *fitting)
        self.addItem("Choose…" if fitting else "Choose… (no preset has these channels)")
        self.addItem("Demoscope's guess")
        for row, preset in enumerate(fitting, start=2):
            self.addItem(f"{preset.name} · this robot" if preset.name in best else preset.name)
            about = tip(preset.name, best.get(preset.name, ""), f"Source: {preset.source}")
            self.setItemData(row, about, Qt.ItemDataRole.ToolTipRole)
        del blocker

    def _tell(self, row: int) -> None:
        if row == 0:
            return
        with QSignalBlocker(self):
            self.setCurrentIndex(0)
        self.presetChosen.emit(self._listed[row - 1])
