"""Strips of thumbnails: which annotations a threshold lets in and which it drops."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from PySide6.QtCore import (
    QAbstractListModel,
    QModelIndex,
    QPersistentModelIndex,
    QRectF,
    QSize,
    Qt,
    QTimer,
    Signal,
)
from PySide6.QtGui import (
    QColor,
    QFontMetrics,
    QImage,
    QKeyEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
    QResizeEvent,
)
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from pipeline.curation.threshold import Mover
from pipeline.model.arrays import I64
from widgets.curation.still_label import StillLabel
from widgets.curation.verdict_ink import SYMBOLS, WORDS, verdict_color
from widgets.fields import keep_keys, tip
from widgets.theme import GRID, HALF_GRID, colors, scaled, tabular

THUMB = QSize(112, 84)
"""Pixels of a thumbnail (4:3, like most cameras)."""
MOVER = int(Qt.ItemDataRole.UserRole)
_SETTLE = 90
"""Milliseconds without a change until pictures are asked for: not at every tick of a drag."""
_Index = QModelIndex | QPersistentModelIndex


def key_of(mover: Mover) -> tuple[int, object]:
    """What a picture of a mover depends on."""
    return mover.row, mover.box


class MoverModel(QAbstractListModel):
    """Annotations by row number; what they show is looked up when they are painted."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: I64 = np.zeros(0, np.int64)
        self._look_up: Callable[[int], Mover] | None = None
        self._movers: dict[int, Mover] = {}
        self.missing = "…"
        self.pictures: dict[tuple[int, object], QImage] = {}

    def set_rows(self, rows: I64, look_up: Callable[[int], Mover] | None) -> None:
        """Show other rows."""
        self.beginResetModel()
        self._rows, self._look_up = rows, look_up
        self._movers.clear()
        self.endResetModel()

    def rowCount(self, parent: _Index | None = None) -> int:
        """Number of movers."""
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def mover(self, place: int) -> Mover | None:
        """The mover at a place."""
        if self._look_up is None or not 0 <= place < len(self._rows):
            return None
        if place not in self._movers:
            self._movers[place] = self._look_up(int(self._rows[place]))
        return self._movers[place]

    def data(self, index: _Index, role: int = 0) -> Any:
        """Mover, text and tool tip."""
        mover = self.mover(index.row()) if index.isValid() else None
        if mover is None:
            return None
        match role:
            case Qt.ItemDataRole.DisplayRole | Qt.ItemDataRole.AccessibleTextRole:
                return (
                    f"episode {mover.episode} subtask {mover.subtask + 1}, {mover.object}, "
                    f"R {mover.score:.3f}, {mover.verdict}"
                )
            case Qt.ItemDataRole.ToolTipRole:
                return _tool_tip(mover)
            case _ if role == MOVER:
                return mover
        return None

    def put_picture(self, mover: Mover, image: QImage) -> None:
        """Keep the picture of a mover that is on show."""
        self.pictures[key_of(mover)] = image
        self.dataChanged.emit(self.index(0), self.index(len(self._rows) - 1))

    def forget_others(self, kept: Sequence[Mover]) -> None:
        """Drop the pictures of all but these."""
        wanted = {key_of(m) for m in kept}
        self.pictures = {k: v for k, v in self.pictures.items() if k in wanted}


def _tool_tip(mover: Mover) -> str:
    before = "none" if math.isnan(mover.before) else f"{mover.before:.4f}"
    return tip(
        f"{mover.dataset} episode {mover.episode}, subtask {mover.subtask + 1}".strip(),
        f"Object: {mover.object or 'not named'}. Camera: {mover.camera or 'not named'}.",
        f"Reliability R now {mover.score:.4f}, in what is compared with {before}.",
        f"{SYMBOLS[mover.verdict]} {WORDS[mover.verdict][0].upper()}{WORDS[mover.verdict][1:]}.",
        "⇄ With these weights another candidate wins." if mover.winner_changed else "",
        "Click: open it in the main window.",
    )


class MoverPainter(QStyledItemDelegate):
    """Thumbnail, verdict and R, episode and object."""

    def sizeHint(self, option: QStyleOptionViewItem, index: _Index) -> QSize:
        """One card."""
        lines = 2 * (option.fontMetrics.height() + 1)
        return QSize(THUMB.width() + GRID, THUMB.height() + lines + GRID)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        """Draw one card."""
        mover, model = index.data(MOVER), index.model()
        if not isinstance(mover, Mover) or not isinstance(model, MoverModel):
            return
        painter.save()
        palette, theme = option.palette, colors(option.palette)
        rect = QRectF(option.rect).adjusted(2, 2, -2, -2)
        if option.state & (QStyle.StateFlag.State_Selected | QStyle.StateFlag.State_MouseOver):
            painter.fillRect(rect, palette.color(QPalette.ColorRole.AlternateBase))
        picture = QRectF(rect.left() + 2, rect.top() + 2, THUMB.width(), THUMB.height())
        image = model.pictures.get(key_of(mover))
        painter.fillRect(picture, QColor(theme.window))
        if image is not None:
            ratio = image.devicePixelRatio()
            wide, tall = image.width() / ratio, image.height() / ratio
            scale = min(picture.width() / wide, picture.height() / tall)
            wide, tall = wide * scale, tall * scale
            center = picture.center()
            place = QRectF(center.x() - wide / 2, center.y() - tall / 2, wide, tall)
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(place, image)
        else:
            painter.setPen(QColor(theme.muted))
            text = "no box" if mover.box is None else model.missing
            painter.drawText(picture, int(Qt.AlignmentFlag.AlignCenter), text)
        if mover.winner_changed:
            self._badge(painter, picture, option)
        self._texts(painter, rect, picture.bottom() + 2, mover, option)
        selected = option.state & QStyle.StateFlag.State_Selected
        if selected and option.state & QStyle.StateFlag.State_HasFocus:
            painter.setPen(QPen(QColor(theme.accent), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(rect.adjusted(1, 1, -1, -1))
        painter.restore()

    def _badge(self, painter: QPainter, picture: QRectF, option: QStyleOptionViewItem) -> None:
        theme, text = colors(option.palette), "⇄ other winner"
        small = scaled(option.font, 0.85)
        painter.setFont(small)
        metrics = QFontMetrics(small)
        width = metrics.horizontalAdvance(text) + GRID
        where = QRectF(picture.left(), picture.top(), width, metrics.height() + 2)
        painter.fillRect(where, QColor(theme.base))
        painter.setPen(QColor(theme.warning))
        painter.drawText(where, int(Qt.AlignmentFlag.AlignCenter), text)
        painter.setFont(option.font)

    def _texts(
        self,
        painter: QPainter,
        rect: QRectF,
        top: float,
        mover: Mover,
        option: QStyleOptionViewItem,
    ) -> None:
        metrics = QFontMetrics(option.font)
        height = metrics.height() + 1
        line = QRectF(rect.left() + 2, top, rect.width() - 4, height)
        painter.setPen(verdict_color(mover.verdict, option.palette))
        symbol = SYMBOLS[mover.verdict]
        painter.drawText(line, int(Qt.AlignmentFlag.AlignLeft), symbol)
        painter.setPen(option.palette.color(QPalette.ColorRole.Text))
        number = f"{mover.episode}·{mover.subtask + 1}"
        score = "no score" if math.isnan(mover.score) else f"R {mover.score:.3f}"
        after = line.adjusted(2 * GRID, 0, 0, 0)
        if metrics.horizontalAdvance(f"{score} {number}") > after.width():
            score = score.removeprefix("R ")  # episodes have up to six digits
        painter.drawText(after, int(Qt.AlignmentFlag.AlignLeft), score)
        painter.setPen(option.palette.color(QPalette.ColorRole.PlaceholderText))
        painter.drawText(line, int(Qt.AlignmentFlag.AlignRight), number)
        name = metrics.elidedText(mover.object, Qt.TextElideMode.ElideRight, int(line.width()))
        painter.drawText(line.translated(0, height), int(Qt.AlignmentFlag.AlignLeft), name)


class _List(QListView):
    """Tells Return apart from clicks (styles differ in what `activated` is)."""

    returnPressed = Signal(QModelIndex)
    hint = ""

    def paintEvent(self, event: QPaintEvent) -> None:
        """The items, or that there are none."""
        super().paintEvent(event)
        if self.model() is not None and not self.model().rowCount():
            painter = QPainter(self.viewport())
            painter.setPen(self.palette().color(QPalette.ColorRole.PlaceholderText))
            flags = int(Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap)
            painter.drawText(self.viewport().rect(), flags, self.hint)
            painter.end()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Return opens the current annotation."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.returnPressed.emit(self.currentIndex())
        else:
            super().keyPressEvent(event)


class MoverStrip(QWidget):
    """A title with the count and the movers nearest to the threshold.

    Signals:
        moverActivated: Episode and subtask, by a click or Return.
        picturesWanted: The movers on show changed; see `shown`.
    """

    moverActivated = Signal(int, int)
    picturesWanted = Signal()

    def __init__(self, title: str, what: str, hint: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(title)
        self._title = title
        self.title = StillLabel(1, self)
        self.title.setToolTip(tip(title, what))
        self.model = MoverModel(self)
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(_SETTLE)
        self._later.timeout.connect(self.picturesWanted)
        self.view = _List(self)
        self.view.hint = hint
        self.view.setModel(self.model)
        self.view.setItemDelegate(MoverPainter(self.view))
        self.view.setFlow(QListView.Flow.LeftToRight)
        self.view.setWrapping(False)
        self.view.setUniformItemSizes(True)
        self.view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.view.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.view.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        self.view.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.view.setFrameShape(QFrame.Shape.NoFrame)
        self.view.setMouseTracking(True)
        self.view.setFont(tabular(self.view.font()))
        self.view.setAccessibleName(title)
        keep_keys(self.view, (Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Return,
                              Qt.Key.Key_Enter, Qt.Key.Key_Home, Qt.Key.Key_End))  # fmt: skip
        lines = 2 * (self.view.fontMetrics().height() + 1)
        bar = self.view.horizontalScrollBar().sizeHint().height()
        self.view.setFixedHeight(THUMB.height() + lines + GRID + bar + 2)
        self.view.clicked.connect(self._activate)
        self.view.returnPressed.connect(self._activate)
        self.view.horizontalScrollBar().valueChanged.connect(lambda _v: self._later.start())
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(HALF_GRID)
        column.addWidget(self.title)
        column.addWidget(self.view)

    def set_movers(self, rows: I64, count: int, look_up: Callable[[int], Mover] | None) -> None:
        """Show other movers.

        Args:
            rows: Rows of the table, those nearest to the threshold first.
            count: How many there are, with those that are not listed.
            look_up: Says what a row shows.
        """
        self.model.set_rows(rows, look_up)
        more = f", nearest {len(rows)} shown" if count > len(rows) else ""
        self.title.set_text(f"{self._title}: {count:,}{more}")
        self._later.start()

    def shown(self) -> list[Mover]:
        """Movers in sight and the next few."""
        step = max(self.view.sizeHintForColumn(0), THUMB.width())
        first = self.view.horizontalScrollBar().value() // step
        last = first + self.view.viewport().width() // step + 3
        places = range(first, min(last, self.model.rowCount()))
        return [m for k in places if (m := self.model.mover(k)) is not None]

    def set_picture(self, mover: Mover, image: QImage) -> None:
        """Show the picture of a mover."""
        self.model.put_picture(mover, image)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """More may be in sight."""
        super().resizeEvent(event)
        self._later.start()

    def _activate(self, index: QModelIndex) -> None:
        mover = index.data(MOVER)
        if isinstance(mover, Mover):
            self.moverActivated.emit(mover.episode, mover.subtask)
