"""The frame viewer with its camera tabs and its strip of tools."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtGui import QPalette, QResizeEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QSlider,
    QTabBar,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from viewers.frame_viewer import BOX, SELECT, FrameViewer
from viewers.overlay_icons import SIDE, overlay_icon
from viewers.overlays import OverlayVisibility


@dataclass(frozen=True, slots=True)
class _Toggle:
    name: str
    title: str
    tip: str


_TOGGLES = (
    _Toggle("masks", "Masks", "Pixels of each candidate, known at the keyframe"),
    _Toggle("boxes", "Boxes", "Box of each candidate: detected at the keyframe, then carried along"
            " by its tracked points"),
    _Toggle("tracks", "Tracks", "Where the tracked points of each candidate were during the last"
            " moments; only points that are visible and enter the score"),
    _Toggle("labels", "Labels", "Rank, name and reliability R of the candidates"),
    _Toggle("gripper", "Gripper", "Gripper reference (cross); the circle is the proximity sphere"
            " where the score uses its 2D form"),
    _Toggle("robot", "Robot", "Robot mask (hatched)"),
    _Toggle("target", "Target", "Where the object ended up (dashed)"),
    _Toggle("truth", "Human", "Boxes drawn by people, to compare with"),
)  # fmt: skip
_DRAW_TIP = "Draw a box around an object that was missed; Esc cancels"
_OPACITY_TIP = "Opacity of mask fillings and of the robot's hatching, in percent"


class FramePanel(QWidget):
    """Camera tabs, frame viewer and tool strip.

    Setters of the picture and the overlays are those of `viewer`; those here keep the strip and
    the viewer in step. No setter emits.

    Attributes:
        viewer: The frame viewer.

    Signals:
        cameraChanged: Key of the camera that the user chose.
        visibilityChanged: `OverlayVisibility` that the user chose.
        toolChanged: `select` or `box`, by the button or by the viewer.
        candidateClicked, boxDrawn, boxChanged, pixelHovered, wheelStepped: As the viewer's.
    """

    cameraChanged = Signal(str)
    visibilityChanged = Signal(object)
    toolChanged = Signal(str)
    candidateClicked = Signal(int)
    boxDrawn = Signal(float, float, float, float)
    boxChanged = Signal(int, float, float, float, float)
    pixelHovered = Signal(object)
    wheelStepped = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._cameras: tuple[str, ...] = ()
        self._tabs = QTabBar(self)
        self._tabs.setDrawBase(False)
        self._tabs.setExpanding(False)
        self._tabs.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._tabs.setElideMode(Qt.TextElideMode.ElideMiddle)
        self._tabs.setAccessibleName("Camera")
        self._tabs.hide()
        self.viewer = FrameViewer(self)
        self._strip = QWidget(self)
        strip = QHBoxLayout(self._strip)
        # Narrow panels leave the words out; their width must not hold the panel open.
        self._strip.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        strip.setContentsMargins(8, 4, 8, 4)
        strip.setSpacing(2)
        self._toggles = {toggle.name: self._button(toggle.title) for toggle in _TOGGLES}
        for button in self._toggles.values():
            button.setChecked(True)
            strip.addWidget(button)
        self._opacity = QSlider(Qt.Orientation.Horizontal, self._strip)
        self._opacity.setRange(0, 100)
        self._opacity.setMinimumWidth(48)
        self._opacity.setMaximumWidth(112)
        self._opacity.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._opacity.setAccessibleName("Opacity")
        self._opacity_text = QLabel(self._strip)
        self._opacity_text.setMinimumWidth(self.fontMetrics().horizontalAdvance("100 %"))
        self._opacity_text.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._draw = self._button("Draw box")
        strip.addSpacing(6)
        strip.addWidget(self._opacity, 1)
        strip.addWidget(self._opacity_text)
        strip.addStretch(1)
        strip.addWidget(self._draw)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._tabs)
        layout.addWidget(self.viewer, 1)
        layout.addWidget(self._strip)
        self.set_keys({})
        self._show_visibility(self.viewer.visibility)
        self._make_icons()
        self._connect()

    def _button(self, title: str) -> QToolButton:
        button = QToolButton(self._strip)
        button.setText(title)
        button.setAccessibleName(title)
        button.setCheckable(True)
        button.setAutoRaise(True)
        button.setIconSize(QSize(SIDE, SIDE))
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        button.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        return button

    def _connect(self) -> None:
        for button in self._toggles.values():
            button.clicked.connect(self._choose_visibility)
        self._opacity.valueChanged.connect(self._choose_visibility)
        self._draw.clicked.connect(self._choose_tool)
        self._tabs.currentChanged.connect(self._choose_camera)
        viewer = self.viewer
        viewer.toolChanged.connect(self._tool_was_changed)
        viewer.candidateClicked.connect(self.candidateClicked)
        viewer.boxDrawn.connect(self.boxDrawn)
        viewer.boxChanged.connect(self.boxChanged)
        viewer.pixelHovered.connect(self.pixelHovered)
        viewer.wheelStepped.connect(self.wheelStepped)

    # Setters; none of them emits.

    def set_cameras(self, keys: tuple[str, ...], current: str) -> None:
        """List the cameras of the episode; the tabs are shown if there is more than one."""
        self._cameras = keys
        self._tabs.blockSignals(True)
        while self._tabs.count():
            self._tabs.removeTab(0)
        for index, key in enumerate(keys):
            self._tabs.addTab(key.removeprefix("observation.images."))
            self._tabs.setTabToolTip(index, key)
        self._tabs.blockSignals(False)
        self._tabs.setVisible(len(keys) > 1)
        self.set_camera(current)

    def set_camera(self, key: str) -> None:
        """Show `key` as the chosen camera."""
        self._tabs.blockSignals(True)
        if key in self._cameras:
            self._tabs.setCurrentIndex(self._cameras.index(key))
        self._tabs.blockSignals(False)
        self.viewer.set_camera(key)

    def set_visibility(self, visibility: OverlayVisibility) -> None:
        """Choose what is drawn."""
        self.viewer.set_visibility(visibility)
        self._show_visibility(visibility)

    def set_tool(self, tool: str) -> None:
        """Choose the mouse tool, `select` or `box`. Raises ValueError."""
        self.viewer.set_tool(tool)
        self._draw.setChecked(tool == BOX)

    def set_keys(self, keys: Mapping[str, str]) -> None:
        """Name the keys in the tooltips.

        Args:
            keys: Key text by `masks`, `boxes`, `tracks`, `labels`, `gripper`, `robot`, `target`,
                `truth`, `draw`; those left out have no key.
        """
        for toggle in _TOGGLES:
            self._toggles[toggle.name].setToolTip(_with_key(toggle.tip, keys.get(toggle.name, "")))
        self._draw.setToolTip(_with_key(_DRAW_TIP, keys.get("draw", "")))
        self._opacity.setToolTip(_OPACITY_TIP)
        self._opacity_text.setToolTip(_OPACITY_TIP)

    def set_drawing_allowed(self, reason_against: str) -> None:
        """Enable the draw-box tool, or disable it with a reason that its tooltip gives."""
        self._draw.setEnabled(not reason_against)
        self._draw.setToolTip(reason_against or _DRAW_TIP)
        if reason_against:
            self.set_tool(SELECT)

    @property
    def visibility(self) -> OverlayVisibility:
        """What is drawn."""
        return self.viewer.visibility

    @property
    def camera(self) -> str:
        """Key of the chosen camera, empty without any."""
        index = self._tabs.currentIndex()
        return self._cameras[index] if 0 <= index < len(self._cameras) else ""

    def _show_visibility(self, visibility: OverlayVisibility) -> None:
        for name, button in self._toggles.items():
            button.setChecked(bool(getattr(visibility, name)))
        self._opacity.blockSignals(True)
        self._opacity.setValue(round(visibility.opacity * 100))
        self._opacity.blockSignals(False)
        self._opacity_text.setText(f"{round(visibility.opacity * 100)} %")

    def _choose_visibility(self) -> None:
        chosen = replace(
            self.viewer.visibility,
            **{name: button.isChecked() for name, button in self._toggles.items()},
            opacity=self._opacity.value() / 100,
        )
        self.set_visibility(chosen)
        self.visibilityChanged.emit(chosen)

    def _choose_tool(self, checked: bool) -> None:
        self.set_tool(BOX if checked else SELECT)
        self.toolChanged.emit(self.viewer.tool)

    def _tool_was_changed(self, tool: str) -> None:
        self._draw.setChecked(tool == BOX)
        self.toolChanged.emit(tool)

    def _choose_camera(self, index: int) -> None:
        if 0 <= index < len(self._cameras):
            self.viewer.set_camera(self._cameras[index])
            self.cameraChanged.emit(self._cameras[index])

    # Looks.

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Leave the words of the strip out where they do not fit."""
        super().resizeEvent(event)
        self._choose_words()

    def changeEvent(self, event: QEvent) -> None:
        """Redraw the icons when the palette changes."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_draw"):
            self._make_icons()
        elif event.type() == QEvent.Type.FontChange and hasattr(self, "_draw"):
            self._choose_words()

    def _choose_words(self) -> None:
        buttons = [*self._toggles.values(), self._draw]
        words = sum(button.fontMetrics().horizontalAdvance(button.text()) for button in buttons)
        room = words + len(buttons) * (SIDE + 18) + self._opacity_text.minimumWidth() + 80
        style = (
            Qt.ToolButtonStyle.ToolButtonTextBesideIcon
            if self.width() >= room
            else Qt.ToolButtonStyle.ToolButtonIconOnly
        )
        for button in buttons:
            button.setToolButtonStyle(style)

    def _make_icons(self) -> None:
        palette = self.palette()
        ink = palette.color(QPalette.ColorRole.ButtonText)
        pale = palette.color(QPalette.ColorGroup.Disabled, QPalette.ColorRole.ButtonText)
        ratio = self.devicePixelRatioF()
        for name, button in [*self._toggles.items(), ("draw", self._draw)]:
            button.setIcon(overlay_icon(name, ink, pale, ratio))


def _with_key(tip: str, key: str) -> str:
    return f"{tip} ({key})" if key else tip
