"""Pointing at the robot on the picture, and importing masks of it: corrections of its stage."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QFileDialog, QWidget

from app.panels import Panels
from app.session_control import SessionControl
from pipeline.document import Changes, Part
from pipeline.model.edits import EPISODE_SCOPE, MarkRobot
from pipeline.model.problem import DataError
from viewers.marking_canvas import MARK, RobotMark

_FILES = "Robot masks (*.png *.npy)"


class RobotMarks(QObject):
    """Turns clicks and files into corrections, and shows the clicks that are in force."""

    def __init__(self, control: SessionControl, panels: Panels, parent: QWidget) -> None:
        super().__init__(parent)
        self._control = control
        self._panel = panels.frame
        self._parent = parent
        self._panel.robotMarked.connect(self._marked)
        self._panel.toolChanged.connect(self._tool_changed)
        control.bridge.changed.connect(self._show)

    def do_mark_robot(self) -> None:
        """Let the user point at the robot; again leaves."""
        if self._panel.viewer.tool == MARK:
            self._panel.set_tool("select")
            return
        self._panel.set_tool(MARK)
        self._tool_changed(MARK)

    def do_import_robot_mask(self) -> None:
        """Ask for a file with the robot's mask of the frame on show, and use it."""
        title = f"Robot mask of frame {self._panel.viewer.image_frame}"
        path, _ = QFileDialog.getOpenFileName(self._parent, title, "", _FILES)
        if path:
            self.import_mask(Path(path))

    def import_mask(self, path: Path) -> None:
        """Use the mask in a file for the frame on show; a file that is none is said."""
        from pipeline.backends.robot.mask_file import import_robot_mask

        session = self._control.document.session
        proposals = session.result("proposals")
        if session.demonstration is None or proposals is None:
            return
        camera = session.demonstration.camera(proposals.camera)
        frame = self._panel.viewer.image_frame
        try:
            edit = import_robot_mask(path, frame, camera.width, camera.height, session.subtask)
        except DataError as error:
            self._control.failed.emit(str(error), "")
            return
        self._control.decide(edit)

    def _tool_changed(self, tool: str) -> None:
        """The robot's masks are those of the camera of the proposals."""
        if tool != MARK:
            return
        session = self._control.document.session
        proposals = session.result("proposals")
        if proposals is not None and proposals.camera != session.camera:
            self._control.document.set_camera(proposals.camera, "tool")
        self._control.said.emit(
            "Click on the arm that does the work, in any frame; the right button says what is not "
            "the robot; Esc leaves"
        )

    def _marked(self, mark: RobotMark) -> None:
        subtask = self._control.document.session.subtask
        edit = MarkRobot(
            subtask=subtask, frame=mark.frame, point=(mark.x, mark.y), inside=mark.inside
        )
        self._control.decide(edit)

    def _show(self, changes: Changes) -> None:
        """Show the clicks of the selected subtask."""
        if not changes.parts & (Part.EDITS | Part.EPISODE | Part.SUBTASK):
            return
        session = self._control.document.session
        self._panel.viewer.set_robot_marks(
            tuple(
                RobotMark(edit.frame, *edit.point, edit.inside)
                for edit in session.edits
                if isinstance(edit, MarkRobot) and edit.subtask in (session.subtask, EPISODE_SCOPE)
            )
        )
