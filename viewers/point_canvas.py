"""A picture on which tracked points can be selected."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QPointF, Signal
from PySide6.QtWidgets import QWidget

from pipeline.model.consistency import Consistency
from viewers.frame_header import HeaderText
from viewers.overlays import OverlayData
from viewers.picking_canvas import PickingCanvas
from viewers.track_points import heads_at, point_line, point_near, point_tip

REACH = 5.0
"""Logical pixels by which a point can be missed and is still hit."""


class PointCanvas(PickingCanvas):
    """Finds the points of the selected candidate under the mouse.

    A click on a point of the selected candidate selects the point, a second one goes on to what
    lies below. Points of other candidates only say whose they are, so that the candidate is
    selected first.

    Signals:
        pointClicked: Column of the tracks, or -1 to select no point.
    """

    pointClicked = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._consistency: Consistency | None = None

    def set_selected_point(self, point: int) -> None:
        """Show a ring around a point, a column of the tracks; -1 for none. Emits nothing."""
        self._emphasize(point=point)

    def set_consistency(self, consistency: Consistency | None) -> None:
        """Residuals of the points, told with a point; None before they are measured."""
        self._consistency = consistency
        if self._emphasis.point >= 0:
            self.update()

    @property
    def selected_point(self) -> int:
        """Column of the tracks, -1 for none."""
        return self._emphasis.point

    @property
    def header(self) -> HeaderText:
        """The words of the header line; a selected point is told where there is nothing else."""
        full = super().header
        line = self._line_of(self._emphasis.point, short=True)
        return replace(full, hint=line) if line and not full.hint else full

    def _drop_point(self) -> None:
        """Ask for no point to be selected."""
        self.pointClicked.emit(-1)

    def _point_at(self, position: QPointF) -> int:
        """Column of the drawn point under a place, the selected candidate's first; -1: none."""
        data = self._data
        if (
            data is None
            or data.tracks is None
            or not self._visibility.tracks
            or not self._is_own_camera()
            or not self._is_on_picture(position)
        ):
            return -1
        return point_near(
            data.tracks,
            heads_at(data.tracks, self._image_frame, data.step),
            self._view.to_image(position.x(), position.y()),
            REACH / self._view.scale,
            preferred=self._emphasis.selected,
            hidden=self._hidden_candidates(),
        )

    def _click(self, position: QPointF) -> None:
        look, point = self._emphasis, self._point_at(position)
        owner = self._owner_of(point)
        if owner >= 0 and owner == look.selected and point != look.point:
            self._last_click = position
            self.pointClicked.emit(point)
        elif owner >= 0 and owner != look.selected and not self._candidates_at(position):
            self._last_click = position
            self.candidateClicked.emit(owner)
        else:
            if look.point >= 0 and self._hidden_candidates():
                self._drop_point()  # The candidate may stay, see below.
            super()._click(position)

    def _tip_at(self, position: QPointF) -> str:
        point = self._point_at(position)
        if point >= 0 and self._owner_of(point) == self._emphasis.selected:
            return point_tip(self._line_of(point))
        return super()._tip_at(position)

    def _owner_of(self, point: int) -> int:
        data: OverlayData | None = self._data
        if data is None or data.tracks is None or not 0 <= point < len(data.tracks.candidate):
            return -1
        return int(data.tracks.candidate[point])

    def _line_of(self, point: int, *, short: bool = False) -> str:
        data = self._data
        if self._owner_of(point) < 0 or data is None or data.tracks is None:
            return ""
        if not self._is_own_camera():
            return ""
        residuals, frame = self._consistency, self._image_frame
        return point_line(data.tracks, data.lifting, residuals, point, frame, short=short)
