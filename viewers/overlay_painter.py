"""Paints the overlays of one frame, on screen and for export."""

from __future__ import annotations

import math
from dataclasses import dataclass

from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPen, QPolygonF

from pipeline.model.arrays import Bool
from pipeline.model.candidate import Box
from pipeline.model.palette import GRIPPER, ROBOT, TARGET, TRUTH, Rgb, candidate_color
from viewers.edge_marks import paint_edge_marks
from viewers.label_layout import LabelRequest, placed
from viewers.overlays import OverlayData, OverlayVisibility
from viewers.point_marks import paint_point
from viewers.raster_layers import (
    DeviceView,
    LayerCache,
    RasterLayer,
    brushed_layer,
    mask_layer,
    robot_layer,
)
from viewers.tails import TailCanvas, TailTable
from viewers.view_transform import ViewTransform

FULL_LABELS_UP_TO = 6
"""With more candidates only winner, runner-up, selected and hovered keep their full label."""
CASING = QColor(0, 0, 0, 150)
PLATE = QColor(22, 24, 28, 215)


@dataclass(frozen=True, slots=True)
class Emphasis:
    """Candidates that stand out; -1 is none.

    Attributes:
        winner: Chosen candidate.
        selected: Candidate the window talks about.
        hovered: Candidate under the mouse.
        point: Point with a ring around it, column of the tracks.
    """

    winner: int = -1
    selected: int = -1
    hovered: int = -1
    point: int = -1


@dataclass(frozen=True, slots=True, eq=False)
class PaintedMask:
    """A mask that a person is painting: drawn in place of the candidate's own, in any case.

    Attributes:
        candidate: Whose it is.
        mask: (H, W) bool, image pixels.
        revision: Another number means other pixels.
    """

    candidate: int
    mask: Bool
    revision: int


@dataclass(frozen=True, slots=True)
class OverlayScene:
    """Everything a painting of the overlays depends on.

    Attributes:
        data: Results.
        frame: Frame of the picture below.
        image: Its width and height, pixels.
        view: Where it lies in the widget.
        area: Part of the widget that may be painted, logical pixels.
        ratio: Device pixels per logical pixel.
        visibility: What is shown.
        emphasis: What stands out.
        moved: Boxes that replace those of the data: a person is dragging them.
        hidden: Candidates that are not drawn.
        painted: The mask under the brush.
    """

    data: OverlayData
    frame: int
    image: tuple[int, int]
    view: ViewTransform
    area: Box
    ratio: float
    visibility: OverlayVisibility
    emphasis: Emphasis
    moved: tuple[tuple[int, Box], ...] = ()
    hidden: frozenset[int] = frozenset()
    painted: PaintedMask | None = None


@dataclass(frozen=True, slots=True)
class _Label:
    text: str
    color: Rgb
    anchor: Box
    starred: bool = False
    small: bool = False


class OverlayPainter:
    """Paints scenes and keeps their pixel layers; one per widget."""

    def __init__(self) -> None:
        self._layers = LayerCache()
        self._data: OverlayData | None = None
        self._tails: TailCanvas | None = None

    def paint(self, painter: QPainter, scene: OverlayScene, font: QFont) -> None:
        """Paint a scene in widget coordinates; `font` is that of full labels."""
        if scene.data is not self._data:
            self._layers.clear()
            self._data = scene.data
            tracks = scene.data.tracks
            table = TailTable.of(tracks, scene.data.step) if tracks is not None else None
            self._tails = TailCanvas(table) if table is not None else None
        painter.save()
        painter.setClipRect(_rect(scene.area), Qt.ClipOperation.IntersectClip)
        self._paint_layers(painter, scene)
        boxes = scene.data.boxes_at(scene.frame) | dict(scene.moved)
        boxes = {k: box for k, box in boxes.items() if k not in scene.hidden}
        labels: list[_Label] = []
        shown = scene.visibility
        if shown.boxes:
            _paint_boxes(painter, scene, boxes)
        if shown.labels and (shown.boxes or shown.masks or shown.tracks):
            labels += _candidate_labels(scene, boxes)
        if shown.target and scene.data.target is not None and scene.data.target.box is not None:
            anchor = scene.view.box_to_view(scene.data.target.box)
            _stroke_box(painter, anchor, scene.ratio, TARGET, 2.0, Qt.PenStyle.DashLine)
            if _is_seen(anchor, scene.area):
                labels.append(_Label("target", TARGET, anchor, small=True))
        if shown.robot:
            for part in scene.data.robot_boxes_at(scene.frame):
                anchor = scene.view.box_to_view(part.box)
                _stroke_box(painter, anchor, scene.ratio, ROBOT, 1.0, Qt.PenStyle.DashLine)
                if _is_seen(anchor, scene.area):
                    labels.append(_Label(part.label, ROBOT, anchor, small=True))
        if shown.truth:
            for truth in scene.data.truth_at(scene.frame):
                anchor = scene.view.box_to_view(truth.box)
                _stroke_box(painter, anchor, scene.ratio, TRUTH, 1.5, Qt.PenStyle.DashDotLine)
                if _is_seen(anchor, scene.area):
                    labels.append(_Label(f"human: {truth.name}", TRUTH, anchor, small=True))
        cross = _paint_gripper(painter, scene) if shown.gripper else ()
        _paint_labels(painter, labels, _label_area(scene), font, cross)
        if shown.tracks:
            _paint_edges(painter, scene)
        if shown.tracks and scene.emphasis.point >= 0:
            _paint_point(painter, scene)
        painter.restore()

    def _paint_layers(self, painter: QPainter, scene: OverlayScene) -> None:
        data, shown = scene.data, scene.visibility
        view = DeviceView.of(scene.view, scene.area, scene.image, scene.ratio)
        if view.clip[2] <= view.clip[0] or view.clip[3] <= view.clip[1]:
            return
        row = data.robot_row(scene.frame)
        if shown.robot and row is not None:
            layer = self._layers.get(("robot", row, view), lambda: robot_layer(data, row, view))
            painter.setOpacity(min(1.0, 0.25 + shown.opacity * 0.75) if shown.opacity else 0.0)
            _blit(painter, layer, scene.ratio)
            painter.setOpacity(1.0)
        if shown.masks and data.masks is not None and data.is_near_keyframe(scene.frame):
            winner, hidden = scene.emphasis.winner, scene.hidden
            if scene.painted is not None:
                hidden |= {scene.painted.candidate}
            layer = self._layers.get(
                ("masks", winner, shown.opacity, view, hidden),
                lambda: mask_layer(data, view, shown.opacity, winner, hidden),
            )
            _blit(painter, layer, scene.ratio)
        if scene.painted is not None:
            self._paint_brushed(painter, scene.painted, view, shown.opacity)
        if shown.tracks and self._tails is not None:
            tails = self._tails.tails(scene.frame, shown.tail, view, scene.hidden)
            for part in tails.parts:
                _blit(painter, tails.layer, scene.ratio, part)

    def _paint_brushed(
        self, painter: QPainter, painted: PaintedMask, view: DeviceView, opacity: float
    ) -> None:
        k, mask = painted.candidate, painted.mask
        layer = self._layers.get(
            ("brush", k, painted.revision, opacity, view),
            lambda: brushed_layer(mask, k, view, opacity),
        )
        _blit(painter, layer, view.ratio)


def _paint_edges(painter: QPainter, scene: OverlayScene) -> None:
    """Mark the selected candidate's points on depth edges unless it is not drawn."""
    data, selected = scene.data, scene.emphasis.selected
    if data.tracks is not None and data.lifting is not None and selected not in scene.hidden:
        on_edge = data.lifting.on_edge
        paint_edge_marks(
            painter, data.tracks, on_edge, scene.frame, data.step, scene.view, selected
        )


def _paint_point(painter: QPainter, scene: OverlayScene) -> None:
    """Paint the selected point unless its candidate is not drawn."""
    data, point = scene.data, scene.emphasis.point
    if data.tracks is None or point >= len(data.tracks.candidate):
        return
    if int(data.tracks.candidate[point]) not in scene.hidden:
        paint_point(
            painter,
            data.tracks,
            point,
            scene.frame,
            data.step,
            scene.visibility.tail,
            scene.view,
        )


def _blit(
    painter: QPainter,
    layer: RasterLayer | None,
    ratio: float,
    part: tuple[int, int, int, int] | None = None,
) -> None:
    """Paint a layer, or a part of it given in its own pixels."""
    if layer is None:
        return
    if part is None:
        painter.drawImage(QPointF(layer.x / ratio, layer.y / ratio), layer.image)
        return
    corner = QPointF((layer.x + part[0]) / ratio, (layer.y + part[1]) / ratio)
    painter.drawImage(corner, layer.image, _rect(part))


def _is_seen(box: Box, area: Box) -> bool:
    """True if any of `box` lies inside `area`: what is out of sight gets no label."""
    return box[0] < area[2] and box[2] > area[0] and box[1] < area[3] and box[3] > area[1]


def _rect(box: Box) -> QRectF:
    return QRectF(box[0], box[1], box[2] - box[0], box[3] - box[1])


def _label_area(scene: OverlayScene) -> Box:
    """Visible part of the picture, or all of the area where the picture is tiny."""
    x0, y0, x1, y1 = scene.view.box_to_view((0, 0, scene.image[0], scene.image[1]))
    area = scene.area
    box = (max(x0, area[0]), max(y0, area[1]), min(x1, area[2]), min(y1, area[3]))
    return box if box[2] - box[0] > 160 and box[3] - box[1] > 80 else area


def _paint_boxes(painter: QPainter, scene: OverlayScene, boxes: dict[int, Box]) -> None:
    """Stroke the boxes, the least important first."""
    look = scene.emphasis
    runner_up = _runner_up(scene)
    many = len(boxes) > FULL_LABELS_UP_TO

    def weight(candidate: int) -> tuple[int, int]:
        strength = (
            4 * (candidate == look.hovered)
            + 3 * (candidate == look.selected)
            + 2 * (candidate == look.winner)
            + (candidate == runner_up)
        )
        return strength, -scene.data.ranks.get(candidate, 0)

    for candidate in sorted(boxes, key=weight):
        anchor = scene.view.box_to_view(boxes[candidate])
        if candidate == look.winner:
            width = 3.0
        elif candidate in (runner_up, look.selected, look.hovered):
            width = 2.0
        else:
            width = 1.0 if many else 1.5
        color = candidate_color(candidate)
        if candidate == look.selected:
            # A white frame around the colour: the selection is told by shape, not by colour.
            _stroke_box(painter, anchor, scene.ratio, (255, 255, 255), width + 3)
        _stroke_box(painter, anchor, scene.ratio, color, width)
        if candidate == look.winner and not scene.visibility.labels:
            _paint_star(painter, anchor[0], anchor[1], 8.0, color)


def _runner_up(scene: OverlayScene) -> int:
    rest = [k for k in scene.data.ranking if k != scene.emphasis.winner]
    return rest[0] if rest and scene.emphasis.winner >= 0 else -1


def _stroke_box(
    painter: QPainter,
    box: Box,
    ratio: float,
    color: Rgb,
    width: float,
    style: Qt.PenStyle = Qt.PenStyle.SolidLine,
) -> None:
    """Stroke a box on whole device pixels, on a dark casing that shows on any picture."""
    x0, y0, x1, y1 = (round(v * ratio) / ratio for v in box)
    rect = QRectF(x0, y0, max(x1 - x0, 1.0), max(y1 - y0, 1.0))
    join = Qt.PenJoinStyle.MiterJoin
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(CASING, width + 2, Qt.PenStyle.SolidLine, Qt.PenCapStyle.FlatCap, join))
    painter.drawRect(rect)
    painter.setPen(QPen(QColor(*color), width, style, Qt.PenCapStyle.FlatCap, join))
    painter.drawRect(rect)


def _paint_gripper(painter: QPainter, scene: OverlayScene) -> tuple[Box, ...]:
    """Cross at the gripper reference; circle = proximity sphere in 2D, a small ring in 3D.

    Returns where the cross is, so that no label covers it.
    """
    reference = scene.data.reference_at(scene.frame)
    if reference is None:
        return ()
    x, y = scene.view.to_view(reference[0] + 0.5, reference[1] + 0.5)
    radius = scene.data.radius_at(scene.frame)
    reach = radius * scene.view.scale if radius is not None else 7.0
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for pen in (QPen(CASING, 4.0), QPen(QColor(*GRIPPER), 2.0)):
        painter.setPen(pen)
        painter.drawEllipse(QPointF(x, y), reach, reach)
        painter.drawLines(
            [
                QLineF(x + dx * 4, y + dy * 4, x + dx * 13, y + dy * 13)
                for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1))
            ]
        )
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
    return ((x - 14, y - 14, x + 14, y + 14),)


def _candidate_labels(scene: OverlayScene, boxes: dict[int, Box]) -> list[_Label]:
    """Labels of the candidates, the most important first."""
    look, data = scene.emphasis, scene.data
    runner_up = _runner_up(scene)
    many = len(boxes) > FULL_LABELS_UP_TO
    first = [k for k in (look.hovered, look.selected, look.winner, runner_up) if k in boxes]
    order = list(dict.fromkeys([*first, *(k for k in data.ranking if k in boxes), *boxes]))
    labels = []
    for candidate in order:
        if not _is_seen(scene.view.box_to_view(boxes[candidate]), scene.area):
            continue
        full = candidate in first or not many
        labels.append(
            _Label(
                data.label_of(candidate) if full else str(data.ranks.get(candidate, candidate)),
                candidate_color(candidate),
                scene.view.box_to_view(boxes[candidate]),
                starred=candidate == look.winner,
                small=candidate not in (look.winner, look.selected, look.hovered),
            )
        )
    return labels


def _paint_labels(
    painter: QPainter, labels: list[_Label], area: Box, font: QFont, avoid: tuple[Box, ...]
) -> None:
    if not labels:
        return
    small = QFont(font)
    if font.pixelSize() > 0:
        small.setPixelSize(max(8, round(font.pixelSize() * 0.85)))
    else:
        small.setPointSizeF(max(6.5, font.pointSizeF() * 0.85))
    fonts = {False: font, True: small}
    metrics = {key: QFontMetricsF(value) for key, value in fonts.items()}
    requests = []
    for label in labels:
        measure = metrics[label.small]
        line = measure.height()
        room = line * 1.1 if label.starred else 0.0
        width = measure.horizontalAdvance(label.text) + line * 0.75 + room
        requests.append(
            LabelRequest(label.anchor, math.ceil(width), math.ceil(line * 1.15), not label.small)
        )
    # Less important labels below, so that a required one that found no place stays readable.
    spots = list(zip(labels, placed(requests, area, avoid), strict=True))
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
    for label, spot in reversed(spots):
        if spot is not None:
            painter.setFont(fonts[label.small])
            _paint_label(painter, label, spot, metrics[label.small].height())
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)


def _paint_label(painter: QPainter, label: _Label, spot: Box, line: float) -> None:
    """A plate with a bar in the candidate's colour; the winner's plate is all colour."""
    rect = _rect(spot)
    color = QColor(*label.color)
    painter.setPen(QPen(CASING, 1) if label.starred else Qt.PenStyle.NoPen)
    painter.setBrush(color if label.starred else PLATE)
    painter.drawRoundedRect(rect, 3, 3)
    text = QRectF(rect)
    ink = QColor(245, 246, 248)
    if label.starred:
        ink = QColor(0, 0, 0) if _luminance(label.color) > 0.18 else QColor(255, 255, 255)
        ink_rgb = (ink.red(), ink.green(), ink.blue())
        _paint_star(
            painter, rect.left() + line * 0.7, rect.center().y(), line * 0.42, ink_rgb, False
        )
        text.setLeft(rect.left() + line * 1.35)
    else:
        painter.setBrush(color)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.drawRect(QRectF(rect.left(), rect.top(), line * 0.25, rect.height()))
        text.setLeft(rect.left() + line * 0.5)
    painter.setPen(ink)
    flags = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
    painter.drawText(text, flags | Qt.TextFlag.TextSingleLine, label.text)


def _paint_star(
    painter: QPainter, x: float, y: float, radius: float, color: Rgb, cased: bool = True
) -> None:
    corners = []
    for i in range(10):
        reach = radius if i % 2 == 0 else radius * 0.45
        angle = math.pi * (i / 5 - 0.5)
        corners.append(QPointF(x + reach * math.cos(angle), y + reach * math.sin(angle)))
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
    painter.setPen(QPen(CASING, 1.5) if cased else Qt.PenStyle.NoPen)
    painter.setBrush(QColor(*color))
    painter.drawPolygon(QPolygonF(corners))
    if cased:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)


def _luminance(color: Rgb) -> float:
    """Relative luminance 0..1 (WCAG 2)."""
    parts = [c / 255 for c in color]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
