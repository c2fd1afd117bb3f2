"""The frame viewer with its camera tabs and its strip of tools."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from viewers.before_view import BeforeView
from viewers.camera_frame import CameraFrame
from viewers.camera_grid import CameraGrid
from viewers.camera_tabs import CameraTabs
from viewers.frame_viewer import SELECT, FrameViewer
from viewers.overlays import OverlayData, OverlayVisibility
from viewers.tool_strip import ToolStrip


class FramePanel(QWidget):
    """Camera tabs, frame viewer and tool strip.

    Setters of the picture and the overlays are those of `viewer`; those here keep the strip and
    the viewer in step. No setter emits.

    Attributes:
        viewer: The frame viewer of the chosen camera.
        grid: The viewer alone, or among tiles of the other cameras.
        before: The same picture with the results of the run before; hidden unless compared.

    Signals:
        cameraChanged: Key of the camera that the user chose.
        beforeClicked: Candidate of the run before that the user clicked, -1 for the ground.
        allCamerasChosen: True if the user wants to see all cameras, False for the chosen one.
        visibilityChanged: `OverlayVisibility` that the user chose.
        toolChanged: `select`, `box`, `paint`, `erase` or `mark`, by a button or by the viewer.
        candidateClicked, pointClicked, boxDrawn, boxChanged, maskPainted, robotMarked,
            copyRequested, pixelHovered, wheelStepped: As the viewer's.
    """

    cameraChanged = Signal(str)
    allCamerasChosen = Signal(bool)
    visibilityChanged = Signal(object)
    toolChanged = Signal(str)
    beforeClicked = Signal(int)
    candidateClicked = Signal(int)
    pointClicked = Signal(int)
    boxDrawn = Signal(float, float, float, float)
    boxChanged = Signal(int, float, float, float, float)
    maskPainted = Signal(int, object)
    robotMarked = Signal(object)
    copyRequested = Signal()
    pixelHovered = Signal(object)
    wheelStepped = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._tabs = CameraTabs(self)
        self.viewer = FrameViewer(self)
        self.grid = CameraGrid(self.viewer, self)
        self.before = BeforeView(self)
        self.before.hide()
        self._strip = ToolStrip(self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._tabs)
        pictures = QHBoxLayout()
        pictures.setSpacing(2)
        pictures.addWidget(self.before, 1)
        pictures.addWidget(self.grid, 1)
        layout.addLayout(pictures, 1)
        layout.addWidget(self._strip)
        self._strip.set_visibility(self.viewer.visibility)
        self._connect()

    def _connect(self) -> None:
        self._strip.visibilityChosen.connect(self._choose_visibility)
        self._strip.toolChosen.connect(self._choose_tool)
        self._tabs.cameraChosen.connect(self._choose_tab)
        self._tabs.allChosen.connect(lambda: self.choose_all_cameras(True))
        self.grid.cameraClicked.connect(self._choose_camera)
        self.grid.wheelStepped.connect(self.wheelStepped)
        viewer = self.viewer
        viewer.toolChanged.connect(self._tool_was_changed)
        viewer.candidateClicked.connect(self.candidateClicked)
        viewer.pointClicked.connect(self.pointClicked)
        viewer.boxDrawn.connect(self.boxDrawn)
        viewer.boxChanged.connect(self.boxChanged)
        viewer.maskPainted.connect(self.maskPainted)
        viewer.robotMarked.connect(self.robotMarked)
        viewer.copyRequested.connect(self.copyRequested)
        viewer.pixelHovered.connect(self.pixelHovered)
        viewer.wheelStepped.connect(self.wheelStepped)
        viewer.viewChanged.connect(self._lead_before)
        self.before.steered.connect(lambda: viewer.follow(self.before))
        self.before.candidateClicked.connect(self.beforeClicked)
        self.before.wheelStepped.connect(self.wheelStepped)

    # Setters; none of them emits.

    def set_cameras(self, keys: tuple[str, ...], current: str) -> None:
        """List the cameras of the episode; the tabs are shown if there is more than one."""
        self._tabs.set_cameras(keys)
        self.grid.set_cameras(keys, current)
        self._show_tab()

    def set_camera(self, key: str) -> None:
        """Show `key` as the chosen camera."""
        self.grid.set_camera(key)
        self._show_tab()

    def set_all_cameras(self, on: bool) -> None:
        """Show all cameras side by side, or only the chosen one."""
        self.grid.set_all(on)
        self._show_tab()

    def set_frames(self, frames: tuple[CameraFrame, ...]) -> None:
        """Show the pictures of one instant; those of cameras that are not on show are kept."""
        self.grid.set_frames(frames)
        self._show_before()

    def set_before(self, data: OverlayData | None, what: str) -> None:
        """Show the results of the run before beside the newest ones; None hides them.

        Args:
            data: Its results.
            what: How it was made differently, one line.
        """
        self.before.set_overlays(data)
        self.before.set_what(what)
        self.before.setVisible(data is not None)
        self.viewer.set_name("now" if data is not None else "")
        self._show_before()
        self._lead_before()

    def set_frame(self, frame: int) -> None:
        """Say which frame is wanted."""
        self.viewer.set_frame(frame)
        self.before.set_frame(frame)

    def set_selected_point(self, point: int) -> None:
        """Show a ring around a point, a column of the tracks; -1 for none."""
        self.viewer.set_selected_point(point)

    def choose_all_cameras(self, on: bool) -> None:
        """Do as if the user had clicked the tab of all cameras, or of the chosen one."""
        self.set_all_cameras(on)
        self.allCamerasChosen.emit(on)

    def set_visibility(self, visibility: OverlayVisibility) -> None:
        """Choose what is drawn."""
        self.viewer.set_visibility(visibility)
        self.before.set_visibility(visibility)
        self._strip.set_visibility(visibility)

    def set_tool(self, tool: str) -> None:
        """Choose the mouse tool: `select`, `box`, `paint`, `erase`, `mark`. Raises ValueError."""
        self.viewer.set_tool(tool)
        self._strip.set_tool(tool)

    def set_keys(self, keys: Mapping[str, str]) -> None:
        """Name the keys in the tooltips.

        Args:
            keys: Key text by `masks`, `boxes`, `tracks`, `labels`, `gripper`, `robot`, `target`,
                `truth`, `only`, `draw`, `paint`, `erase`, `mark`, `all_cameras`; those left out
                have no key.
        """
        self._tabs.set_key(keys.get("all_cameras", ""))
        self._strip.set_keys(keys)

    def set_drawing_allowed(self, reason_against: str) -> None:
        """Enable the tools, or disable them with a reason that their tooltips give."""
        self._strip.set_tools_allowed(reason_against)
        if reason_against:
            self.set_tool(SELECT)

    @property
    def visibility(self) -> OverlayVisibility:
        """What is drawn."""
        return self.viewer.visibility

    @property
    def camera(self) -> str:
        """Key of the chosen camera, empty without any."""
        return self.grid.camera

    def _show_before(self) -> None:
        """Give the picture of the frame viewer to the view of the run before, too."""
        viewer = self.viewer
        if not self.before.isHidden() and viewer.picture is not None:
            self.before.set_camera(self.camera)
            self.before.set_picture(viewer.picture, viewer.image_frame)

    def _lead_before(self) -> None:
        if not self.before.isHidden():
            self.before.follow(self.viewer)

    def _show_tab(self) -> None:
        """Raise the tab of what is shown, telling nobody."""
        self._tabs.set_choice(self.camera, everything=self.grid.all_cameras)

    def _choose_visibility(self, chosen: OverlayVisibility) -> None:
        self.viewer.set_visibility(chosen)
        self.before.set_visibility(chosen)
        self.visibilityChanged.emit(chosen)

    def _choose_tool(self, tool: str) -> None:
        self.viewer.set_tool(tool)
        self.toolChanged.emit(tool)

    def _tool_was_changed(self, tool: str) -> None:
        self._strip.set_tool(tool)
        self.toolChanged.emit(tool)

    def _choose_tab(self, key: str) -> None:
        if self.grid.all_cameras:
            self.choose_all_cameras(False)
        self._choose_camera(key)

    def _choose_camera(self, key: str) -> None:
        if key != self.camera:
            self.set_camera(key)
            self.cameraChanged.emit(key)
