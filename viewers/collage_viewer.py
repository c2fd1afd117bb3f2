"""What the model saw: every part of a request in its order, exactly as it was sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PySide6.QtCore import QEvent, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QHideEvent, QKeyEvent, QShowEvent
from PySide6.QtWidgets import (
    QFrame,
    QScrollArea,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from pipeline.model.drafting import CaptionVersion, SentRequest
from viewers.cell_marks import CellChoice
from viewers.exchange_header import ExchangeHeader
from viewers.sent_cells import columns_of, neighbour
from viewers.sent_parts import SentParts
from viewers.sent_picture import SentPictureView
from viewers.sent_picture_zoom import SentPictureZoom
from viewers.sent_pictures import DecodedPart, SentPictures
from viewers.sent_text import SentText

_KEYS = frozenset(
    {
        *(Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Up, Qt.Key.Key_Down),
        *(Qt.Key.Key_PageUp, Qt.Key.Key_PageDown),
        *(Qt.Key.Key_Return, Qt.Key.Key_Enter),
    }
)
_SLOT = 0.005
"""Seconds that the list may take at once; a frame of the screen is three times that."""
_ARROWS = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, -1),
    Qt.Key.Key_Down: (0, 1),
}


class CollageViewer(QWidget):
    """Shows an exchange of a caption, or a request that was not sent.

    Arrow keys go from frame to frame, PgUp and PgDn from picture to picture, Enter shows the
    picture alone and the list again, Esc leaves that. Where nothing was sent, Enter asks for what
    would be. No setter emits.

    Signals:
        frameChosen: Episode frame of a cell that the user chose.
        saveAsked: `SentPart` whose bytes are to be saved, and a name for the file.
        previewAsked: The user wants to see what would be sent.
        windowAsked: The user wants it in a window of its own.
        said: One line for the status bar.
    """

    frameChosen = Signal(int)
    saveAsked = Signal(object, str)
    previewAsked = Signal()
    windowAsked = Signal()
    said = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("What the model saw")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._is_stale = False
        self._aspect: float | None = None
        self._frame = -1
        self._at = (-1, -1)
        self._later = QTimer(self, interval=0)
        self._later.timeout.connect(self._go_on)
        self._pictures = SentPictures(self)
        self._pictures.decoded.connect(self._show_decoded)
        self._build()

    # Building.

    def _build(self) -> None:
        self._header = ExchangeHeader(self)
        self._header.versionChosen.connect(lambda: self.choose_version(self._header.number))
        self._header.previewAsked.connect(self.previewAsked)
        self._header.previewLeft.connect(lambda: self.set_preview(None))
        self._header.windowAsked.connect(self.windowAsked)
        self._page = QWidget(self)
        self._list = QVBoxLayout(self._page)
        self._list.setContentsMargins(8, 8, 8, 8)
        self._list.setSpacing(8)
        self._list.addWidget(self._header)
        self._parts = SentParts(None, (), None, self._page)
        self._parts.build(_SLOT)
        self._list.addWidget(self._parts)
        self._list.addStretch(1)
        self._scroll = QScrollArea(self)
        self._scroll.setWidget(self._page)
        self._scroll.setWidgetResizable(True)
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._zoom = SentPictureZoom(self)
        self._zoom.cellChosen.connect(lambda cell: self._choose(self._at[0], cell))
        self._zoom.left.connect(self.leave_zoom)
        self._stack = QStackedWidget(self)
        self._stack.addWidget(self._scroll)
        self._stack.addWidget(self._zoom)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._stack)

    # Setters; none of them emits.

    def set_versions(self, versions: Sequence[CaptionVersion]) -> None:
        """Show the last of these versions; the others can be chosen. None: no caption."""
        if self._header.set_versions(tuple(versions)):
            self._renew()

    def choose_version(self, number: int) -> None:
        """Show another version."""
        self._header.choose(number)
        self._renew()

    def set_camera_size(self, size: tuple[int, int] | None) -> None:
        """Say how large the camera's frames are, so that cells are found in grids.

        Takes effect with the next versions or preview.

        Args:
            size: Width and height in pixels, None if not known.
        """
        self._aspect = size[0] / size[1] if size is not None and min(size) > 0 else None

    def set_preview(self, request: SentRequest | None) -> None:
        """Show what would be sent; None ends that."""
        same = request is self._header.preview
        self._header.set_preview(request)
        if not same:
            self._renew()

    def set_recipe_titles(self, titles: Mapping[str, str]) -> None:
        """Say what recipes are called: identity -> title."""
        self._header.set_titles(titles)

    def set_preview_allowed(self, reason_against: str) -> None:
        """Let a request be made, or not, for a reason that the tooltip gives."""
        self._header.set_preview_allowed(reason_against)

    def set_progress(self, share: float | None, what: str = "") -> None:
        """Show how far making the request is, 0..1; None when it is not being made."""
        self._header.set_progress(share, what)

    def set_failure(self, sentence: str) -> None:
        """Say why the request could not be made."""
        self._header.set_failure(sentence)

    def set_frame(self, frame: int) -> None:
        """Mark the cells that show the frame at the window's cursor."""
        if frame != self._frame:
            self._frame = frame
            self._show_choice()

    def set_own_window(self, shown: bool) -> None:
        """Offer a window of its own, or not (in that window itself)."""
        self._header.set_own_window(shown)

    # What it shows.

    @property
    def version(self) -> CaptionVersion | None:
        """The version on show."""
        return self._header.version

    @property
    def request(self) -> SentRequest | None:
        """The request on show, sent or not."""
        return self._header.request

    @property
    def preview(self) -> SentRequest | None:
        """The request on show that was not sent, None if there is none."""
        return self._header.preview

    @property
    def views(self) -> tuple[SentPictureView, ...]:
        """The pictures in their order."""
        return tuple(self._parts.views[k] for k in sorted(self._parts.views))

    @property
    def texts(self) -> tuple[SentText, ...]:
        """The texts in their order: what the system was told, the parts, reasoning, answer."""
        return tuple(self._parts.texts)

    @property
    def is_ready(self) -> bool:
        """True if everything is in the list and every picture was decoded."""
        return not self._is_stale and self._parts.is_built and self._pictures.idle

    @property
    def zoomed(self) -> bool:
        """True while one picture is shown alone."""
        return self._stack.currentWidget() is self._zoom

    @property
    def zoom(self) -> SentPictureZoom:
        """The picture that is shown alone."""
        return self._zoom

    def close_pictures(self) -> None:
        """Stop building and decoding."""
        self._later.stop()
        self._pictures.close()

    def sizeHint(self) -> QSize:
        """Room for a collage."""
        return QSize(420, 320)

    # Showing.

    def _renew(self) -> None:
        self._is_stale = True
        if self.isVisible():
            self._refresh()

    def showEvent(self, event: QShowEvent) -> None:
        """Build what was put off while nobody saw it."""
        super().showEvent(event)
        self._refresh()

    def hideEvent(self, event: QHideEvent) -> None:
        """Nothing is decoded for nobody."""
        super().hideEvent(event)
        self.leave_zoom()

    def _refresh(self) -> None:
        if not self._is_stale:
            return
        self._is_stale = False
        self.leave_zoom()
        self._at = (-1, -1)
        request, answers = self._header.request, self._header.answers
        old, self._parts = self._parts, SentParts(request, answers, self._aspect, self._page)
        self._parts.cellChosen.connect(self._choose)
        self._parts.zoomAsked.connect(self._zoom_to)
        self._parts.saveAsked.connect(self.saveAsked)
        self._parts.said.connect(self.said)
        self._list.replaceWidget(old, self._parts)
        old.hide()
        old.setParent(None)
        old.deleteLater()
        self._pictures.want(request.parts if request is not None else ())
        self._show_choice()
        self._go_on()
        self._scroll.verticalScrollBar().setValue(0)

    def _go_on(self) -> None:
        """Put more parts into the list, the rest in the next turn."""
        if self._parts.build(_SLOT):
            self._later.stop()
        elif not self._later.isActive():
            self._later.start()

    def _show_decoded(self, index: int, found: DecodedPart) -> None:
        self._parts.set_decoded(index, found)

    # Choosing.

    def _choose(self, index: int, cell: int) -> None:
        view = self._parts.views.get(index)
        if view is None or not 0 <= cell < len(view.cells):
            return
        self._at = (index, cell)
        self._show_choice()
        self.frameChosen.emit(view.cells[cell].frame)

    def _show_choice(self) -> None:
        part, cell = self._at
        self._parts.set_choice(part, cell, self._frame)
        self._zoom.set_choice(CellChoice(cell, -1, self._frame))

    def _step(self, across: int, down: int) -> None:
        """Go to the cell beside, from the last of a picture to the first of the next."""
        order = [k for k in sorted(self._parts.views) if self._parts.views[k].cells]
        if not order:
            return
        index, cell = self._at
        if index not in order:
            index, cell = order[0] if across + down > 0 else order[-1], -1
        view = self._parts.views[index]
        columns = columns_of(view.part, self._aspect)
        moved = neighbour(cell, len(view.cells), columns, across, down)
        if moved is None:
            place = order.index(index) + across + down
            if self.zoomed or not 0 <= place < len(order):
                return
            index = order[place]
            moved = neighbour(-1, len(self._parts.views[index].cells), 1, across, down) or 0
        self._choose(index, moved)
        self._scroll.ensureWidgetVisible(self._parts.views[index], 0, 8)

    def _turn(self, pages: int) -> None:
        """Go to the next picture, or the one before."""
        order = sorted(self._parts.views)
        if not order:
            return
        place = order.index(self._at[0]) + pages if self._at[0] in order else 0
        index = order[min(max(place, 0), len(order) - 1)]
        self._at = (index, -1)
        if self.zoomed:
            self._zoom_to(index)
        self._scroll.ensureWidgetVisible(self._parts.views[index], 0, 8)
        self._show_choice()

    def _zoom_to(self, index: int) -> None:
        view = self._parts.views.get(index)
        if view is None or view.found is None or view.found.rgb is None:
            return
        if self._at[0] != index:
            self._at = (index, -1)
        self._zoom.set_view(view.part.role or view.part.kind.value, view)
        self._stack.setCurrentWidget(self._zoom)
        self._show_choice()
        self.setFocus(Qt.FocusReason.OtherFocusReason)

    def leave_zoom(self) -> None:
        """Show the list again."""
        if self.zoomed:
            self._stack.setCurrentWidget(self._scroll)

    # Keys.

    def event(self, event: QEvent) -> bool:
        """Keep the viewer's keys from the window's shortcuts while it has the focus."""
        if event.type() is QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent):
            key, plain = Qt.Key(event.key()), event.modifiers() in (_NO_MODIFIER, _KEYPAD)
            if plain and (key in _KEYS or (key == Qt.Key.Key_Escape and self.zoomed)):
                event.accept()
                return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Go through cells and pictures."""
        key = Qt.Key(event.key())
        if key in _ARROWS:
            self._step(*_ARROWS[key])
        elif key in (Qt.Key.Key_PageUp, Qt.Key.Key_PageDown):
            self._turn(1 if key == Qt.Key.Key_PageDown else -1)
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            if self.zoomed:
                self.leave_zoom()
            elif self._header.can_ask:
                self.previewAsked.emit()
            else:
                self._zoom_to(
                    self._at[0] if self._at[0] >= 0 else min(self._parts.views, default=-1)
                )
        elif key == Qt.Key.Key_Escape and self.zoomed:
            self.leave_zoom()
        else:
            super().keyPressEvent(event)


_NO_MODIFIER = Qt.KeyboardModifier.NoModifier
_KEYPAD = Qt.KeyboardModifier.KeypadModifier
