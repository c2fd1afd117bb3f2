"""A picture with overlays that answers what lies under the mouse, and tells of clicks."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPointF, Qt, QTimer, Signal
from PySide6.QtGui import QGuiApplication, QHelpEvent
from PySide6.QtWidgets import QToolTip, QWidget

from pipeline.model.picture import Picture
from viewers.overlay_canvas import OverlayCanvas
from viewers.overlay_tips import tip_of
from viewers.pixel_probe import PixelProbe

_SLACK = 3.0
"""Logical pixels by which a box can be missed and is still hit."""
_REST = 80
"""Milliseconds after which a new picture under a resting mouse is told about."""


class PickingCanvas(OverlayCanvas):
    """Finds pixels and candidates under the mouse; knows nothing of tools.

    Signals:
        candidateClicked: Id of the clicked candidate; -1 for the ground. A second click at the
            same place goes on to the candidate below.
        pixelHovered: `PixelProbe`, or None when the mouse left the picture. Also some time after
            another picture came under a resting mouse.
    """

    candidateClicked = Signal(int)
    pixelHovered = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._mouse: QPointF | None = None
        self._last_click: QPointF | None = None
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_REST)
        self._rest.timeout.connect(self._tell)

    def set_picture(self, picture: Picture | None, frame: int) -> None:
        """Show a picture; None shows the message instead."""
        super().set_picture(picture, frame)
        if self._mouse is not None:
            self._hover(self._mouse, tell=False)
            if not self._rest.isActive():
                self._rest.start()

    @property
    def probe(self) -> PixelProbe | None:
        """What lies under the mouse now."""
        if self._mouse is None:
            return None
        return self._probe(self._mouse, self._candidates_at(self._mouse))

    def leaveEvent(self, event: QEvent) -> None:
        """Forget the mouse."""
        self._mouse = None
        self._rest.stop()
        self._emphasize(hovered=-1)
        self.pixelHovered.emit(None)
        self.update()
        super().leaveEvent(event)

    def event(self, event: QEvent) -> bool:
        """Answer tooltips."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            text = self._tip_at(QPointF(event.pos())) if self._may_pick() else ""
            if text:
                QToolTip.showText(event.globalPos(), text, self)
            else:
                QToolTip.hideText()
            return True
        return super().event(event)

    def _may_pick(self) -> bool:
        """False while the mouse is about something else."""
        return True

    def _set_cursor(
        self,
        position: QPointF | None,
        modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier,
    ) -> None:
        """Choose the mouse cursor for a place, None where it is unknown."""

    def _click(self, position: QPointF) -> None:
        hits = self._candidates_at(position)
        chosen = hits[0] if hits else -1
        last, self._last_click = self._last_click, position
        again = last is not None and (position - last).manhattanLength() <= _SLACK
        if again and self._emphasis.selected in hits:
            chosen = hits[(hits.index(self._emphasis.selected) + 1) % len(hits)]
        if chosen < 0 and self._hidden_candidates():
            return  # Isolation needs its candidate: a miss must not bring all of them back.
        self.candidateClicked.emit(chosen)

    def _candidates_at(self, position: QPointF) -> tuple[int, ...]:
        shown = self._visibility
        if (
            self._data is None
            or not self._is_own_camera()
            or not (shown.masks or shown.boxes)
            or position.y() < self._area()[1]
        ):
            return ()
        x, y = self._view.to_image(position.x(), position.y())
        slack, hidden = _SLACK / self._view.scale, self._hidden_candidates()
        return self._data.candidates_at(
            self._image_frame, x, y, slack, shown.masks, shown.boxes, hidden
        )

    def _hover(
        self,
        position: QPointF,
        tell: bool = True,
        modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier,
    ) -> None:
        hits = self._candidates_at(position)
        self._emphasize(hovered=hits[0] if hits and self._may_pick() else -1)
        self._set_cursor(position, modifiers)
        if tell:
            self._rest.stop()
            self.pixelHovered.emit(self._probe(position, hits))

    def _tell(self) -> None:
        self.pixelHovered.emit(self.probe)

    def _probe(self, position: QPointF, hits: tuple[int, ...]) -> PixelProbe | None:
        if self._image is None or not self._is_on_picture(position):
            return None
        x, y = (int(v) for v in self._view.to_image(position.x(), position.y()))
        color = self._image.pixelColor(x, y)
        robot = False
        masks: tuple[int, ...] = ()
        if self._data is not None and self._is_own_camera():
            robot = self._data.is_on_robot(self._image_frame, x, y)
            masks = self._data.masks_at(self._image_frame, x, y)
        rgb = (color.red(), color.green(), color.blue())
        return PixelProbe(x, y, rgb, hits, robot, masks)

    def _tip_at(self, position: QPointF) -> str:
        hits = self._candidates_at(position)
        if position.y() < self._area()[1]:
            note = self._picture.note if self._picture is not None else ""
            parts = "Camera, frame number of the episode, zoom in screen pixels per image pixel."
            return f"{note}\n{parts}" if note else parts
        return tip_of(self._data, hits[0]) if hits and self._data is not None else ""

    def _is_on_picture(self, position: QPointF) -> bool:
        x, y = self._view.to_image(position.x(), position.y())
        width, height = self.image_size
        return 0 <= x < width and 0 <= y < height and position.y() >= self._area()[1]

    def _is_far(self, position: QPointF, start: QPointF) -> bool:
        distance = (position - start).manhattanLength()
        return distance >= QGuiApplication.styleHints().startDragDistance()
