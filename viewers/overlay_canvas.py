"""A picture with overlays on it: what is shown, and its painting; no mouse, no tools."""

from __future__ import annotations

import math
from dataclasses import replace

from PySide6.QtCore import QRectF, Qt, QTimer
from PySide6.QtGui import QFont, QImage, QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import QWidget

from pipeline.model.arrays import U8
from pipeline.model.candidate import Box
from pipeline.model.picture import ArrayPicture, Picture
from viewers.evidence_marks import EvidenceMarks, paint_evidence
from viewers.frame_canvas import FrameCanvas
from viewers.frame_header import HeaderPainter, HeaderText
from viewers.overlay_painter import Emphasis, OverlayPainter, OverlayScene, PaintedMask
from viewers.overlays import OverlayData, OverlayVisibility
from viewers.term_marks import TermMarks, paint_term
from viewers.view_transform import ViewTransform

LATE = 60
"""Milliseconds after which the header says that the picture is not the wanted one yet."""
PAINTED = OverlayVisibility().only("boxes")
"""What is drawn besides a mask while it is painted: its box."""
NO_IMAGE = "No frame yet. Open a dataset and choose an episode."


class OverlayCanvas(FrameCanvas):
    """Shows a frame with overlays under a header line.

    Overlays belong to the frame of the picture that is shown, so that they never run ahead of
    it while frames are being decoded.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._painter = OverlayPainter()
        self._header = HeaderPainter()
        self._camera = ""
        self._name = ""
        self._message = ""
        self._frame = 0
        self._image_frame = 0
        self._late = QTimer(self)
        self._late.setSingleShot(True)
        self._late.setInterval(LATE)
        self._late.timeout.connect(self.update)
        self._data: OverlayData | None = None
        self._visibility = OverlayVisibility()
        self._emphasis = Emphasis()
        self._term: TermMarks | None = None
        self._evidence: EvidenceMarks | None = None

    # Setters; none of them emits.

    def set_camera(self, key: str) -> None:
        """Name the camera of the picture; overlays of another camera are not drawn on it."""
        self._camera = key
        self.update()

    def set_name(self, name: str) -> None:
        """Say in the header which of several views this is, e.g. `now`; empty for the camera."""
        self._name = name
        self.update()

    def set_image(self, rgb: U8 | None, frame: int) -> None:
        """Show a picture.

        Args:
            rgb: (H, W, 3) uint8 RGB, copied; None shows the message instead.
            frame: Frame of the episode that it is.
        """
        self.set_picture(None if rgb is None else ArrayPicture(rgb.copy()), frame)

    def set_picture(self, picture: Picture | None, frame: int) -> None:
        """Show a picture as it was decoded; it is converted when it is painted.

        Args:
            picture: The picture; its note is told in the header. None shows the message instead.
            frame: Frame of the episode that it is.
        """
        self._late.stop()
        self._set_picture(picture)
        self._image_frame = frame
        self.update()

    def set_frame(self, frame: int) -> None:
        """Say which frame is wanted; the header tells if its picture is not there soon."""
        self._frame = frame
        # Usually the picture comes at once: painting the old one again would only delay it.
        if frame != self._image_frame and not self._late.isActive():
            self._late.start()

    def set_overlays(self, data: OverlayData | None) -> None:
        """Show other results. The winner becomes that of their scores."""
        self._data, self._term = data, None
        winner = data.winner if data is not None else -1
        self._emphasis = replace(self._emphasis, winner=winner, hovered=-1)
        self.update()

    def set_selected(self, candidate: int) -> None:
        """Select a candidate, -1 for none."""
        self._emphasize(selected=candidate)

    def set_winner(self, candidate: int) -> None:
        """Mark another winner than the scores', -1 for none. Call it after `set_overlays`."""
        self._emphasize(winner=candidate)

    def set_term(self, marks: TermMarks | None) -> None:
        """Show where a term of a candidate's score comes from, in place of the usual overlays."""
        if marks is not self._term:
            self._term = marks
            self.update()

    def set_evidence(self, marks: EvidenceMarks | None) -> None:
        """Show where a check of the caption looked, in place of the usual overlays."""
        if marks != self._evidence:
            self._evidence = marks
            self.update()

    def set_visibility(self, visibility: OverlayVisibility) -> None:
        """Choose what is drawn."""
        self._visibility = visibility
        self.update()

    def set_message(self, message: str) -> None:
        """Say why there is no picture, e.g. `video missing: ...`; shown only without one."""
        self._message = message
        self.update()

    # What it shows.

    @property
    def image_frame(self) -> int:
        """Frame of the picture on show; it follows the wanted frame when it is decoded."""
        return self._image_frame

    @property
    def visibility(self) -> OverlayVisibility:
        """What is drawn."""
        return self._visibility

    @property
    def header(self) -> HeaderText:
        """The words of the header line."""
        data, hint = self._data, self._isolation_hint()
        shown = self._picture is not None
        is_key = shown and data is not None and self._image_frame == data.keyframe
        if tool := self._tool_hint():
            hint = tool
        elif shown and data is not None and self._term is not None and self._is_own_camera():
            hint = self._term.hint(data, self._image_frame)
        elif shown and self._evidence is not None and self._is_own_camera():
            hint = self._evidence.hint(self._image_frame)
        elif self._visibility.all_hidden:
            hint = "overlays hidden"
        elif data is not None and self._camera not in ("", data.proposals.camera):
            hint = f"candidates are on {data.proposals.camera.removeprefix('observation.images.')}"
        elif shown and data is not None and data.by_id and not data.boxes_at(self._image_frame):
            hint = f"candidates not tracked here; keyframe {data.keyframe}"
        frame = f"frame {self._frame}"
        if shown and self._image_frame != self._frame:
            frame += f" (showing {self._image_frame})"
        scale = self._view.scale * self.devicePixelRatioF()
        return HeaderText(
            self._name or self._camera.removeprefix("observation.images."),
            frame,
            "keyframe" if is_key else "",
            hint,
            f"{scale * 100:.0f} %" if shown else "",
            self._picture.note if self._picture is not None else "",
        )

    def grab_picture(self) -> QImage:
        """Return the picture at its own size with the overlays; a null image without one."""
        if self._image is None:
            return QImage()
        picture = self._image.copy()
        width, height = self.image_size
        font = QFont(self.font())
        font.setPixelSize(max(11, round(height / 40)))
        scene = self._scene(ViewTransform(), (0.0, 0.0, width, height), 1.0)
        if scene is not None:
            painter = QPainter(picture)
            OverlayPainter().paint(painter, scene, font)
            painter.end()
        return picture

    def grab_view(self) -> QImage:
        """Return the visible part of the picture with the overlays as on the screen.

        In pixels of the screen, without header and tools; a null image without a picture.
        """
        if self._image is None:
            return QImage()
        area, ratio = self._area(), self.devicePixelRatioF()
        x0, y0, x1, y1 = self._view.box_to_view((0, 0, *self.image_size))
        x0, y0 = max(math.floor(x0), area[0]), max(math.floor(y0), area[1])
        x1, y1 = min(math.ceil(x1), area[2]), min(math.ceil(y1), area[3])
        size = (max(round((x1 - x0) * ratio), 1), max(round((y1 - y0) * ratio), 1))
        picture = QImage(*size, QImage.Format.Format_RGB32)
        picture.setDevicePixelRatio(ratio)
        picture.fill(self._ground())
        painter = QPainter(picture)
        painter.translate(-x0, -y0)
        self._paint_picture(painter)
        scene = self._scene(self._view, area, ratio)
        if scene is not None:
            OverlayPainter().paint(painter, scene, self.font())
        painter.end()
        return picture

    # Painting.

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint picture, overlays, tool and header."""
        painter = QPainter(self)
        self._paint_picture(painter)
        if self._image is None:
            self._paint_message(painter)
        else:
            scene = self._scene(self._view, self._area(), self.devicePixelRatioF())
            if scene is not None:
                self._painter.paint(painter, scene, self.font())
            self._paint_asked(painter)
            self._paint_tool(painter)
        self._header.paint(
            painter,
            self.width(),
            self.header,
            self.palette(),
            self.font(),
            self.devicePixelRatioF(),
        )
        painter.end()

    def _scene(self, view: ViewTransform, area: Box, ratio: float) -> OverlayScene | None:
        data, painted = self._data, self._painted_mask()
        if data is None or not self._is_own_camera():
            return None
        asked = self._term is not None or self._evidence is not None
        if self._visibility.all_hidden and painted is None and not asked:
            return None
        visibility, hidden = self._visibility, self._hidden_candidates()
        if self._term is not None and painted is None:
            visibility = self._term.visibility(visibility)
            hidden = frozenset(data.by_id) - {self._term.candidate}
        elif self._evidence is not None and painted is None:
            visibility = self._evidence.visibility(visibility)
            hidden = frozenset(data.by_id) - set(self._evidence.evidence.candidates)
        if painted is not None:
            # Nothing may lie on the pixels that are being judged.
            visibility = replace(PAINTED, opacity=visibility.opacity, boxes=visibility.boxes)
            hidden = frozenset(data.by_id) - {painted.candidate}
        return OverlayScene(
            data=data,
            frame=self._image_frame,
            image=self.image_size,
            view=view,
            area=area,
            ratio=ratio,
            visibility=visibility,
            emphasis=self._emphasis,
            moved=self._moved_boxes(),
            hidden=hidden,
            painted=painted,
        )

    def _paint_asked(self, painter: QPainter) -> None:
        """Paint what a term of the score or a check of the caption rests on."""
        if not self._is_own_camera():
            return
        painter.save()
        x0, y0, x1, y1 = self._area()
        painter.setClipRect(QRectF(x0, y0, x1 - x0, y1 - y0))
        if self._term is not None and self._data is not None:
            paint_term(painter, self._term, self._data, self._image_frame, self._view)
        elif self._evidence is not None:
            paint_evidence(painter, self._evidence, self._image_frame, self._view)
        painter.restore()

    def _paint_message(self, painter: QPainter) -> None:
        x0, y0, x1, y1 = self._area()
        painter.setFont(self.font())
        painter.setPen(self.palette().color(QPalette.ColorRole.WindowText))
        room = QRectF(x0 + 24, y0 + 8, x1 - x0 - 48, y1 - y0 - 16)
        flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
        painter.drawText(room, flags, self._message or NO_IMAGE)

    def _paint_tool(self, painter: QPainter) -> None:
        """Paint what a tool adds on top."""

    def _moved_boxes(self) -> tuple[tuple[int, Box], ...]:
        """Boxes that a tool shows in place of the candidates' own, by candidate id."""
        return ()

    def _painted_mask(self) -> PaintedMask | None:
        """A mask that a tool shows in place of the candidate's own."""
        return None

    def _tool_hint(self) -> str:
        """What a tool says in the header, empty for nothing."""
        return ""

    def _hidden_candidates(self) -> frozenset[int]:
        """Candidates that are not drawn, because another one is isolated or they are put aside."""
        ids = self._data.by_id if self._data is not None else ()
        return self._visibility.hidden(ids, self._emphasis.selected)

    def _isolation_hint(self) -> str:
        """Say that candidates are left out."""
        hidden, selected = self._hidden_candidates(), self._emphasis.selected
        if self._data is None:
            return ""
        if not hidden:
            waits = not self._visibility.others and selected not in self._data.by_id
            return "select a candidate to see only it" if waits and self._data.by_id else ""
        if len(hidden) == len(self._data.by_id):
            return "all candidates hidden"
        if selected in hidden:
            return f"#{selected} hidden"
        return f"only #{selected} shown"

    def _is_own_camera(self) -> bool:
        return self._data is None or self._camera in ("", self._data.proposals.camera)

    def _emphasize(
        self,
        winner: int | None = None,
        selected: int | None = None,
        hovered: int | None = None,
        point: int | None = None,
    ) -> None:
        old = self._emphasis
        new = Emphasis(
            old.winner if winner is None else winner,
            old.selected if selected is None else selected,
            old.hovered if hovered is None else hovered,
            old.point if point is None else point,
        )
        if new != old:
            self._emphasis = new
            self.update()
