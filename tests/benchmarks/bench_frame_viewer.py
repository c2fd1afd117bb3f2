"""Cost of painting a frame and its overlays, beside the fastest known ways to do the same.

Run `python -m tests.benchmarks frame_viewer`. The arms of a
comparison are interleaved in one process; only ratios inside one run mean something, and those
of the lower quartile are disturbed least by other programs on the machine.

Goals: paint <= 1.5x a plain `QPainter.drawImage` of RGB32 and at least 2x faster than pyqtgraph's
ImageItem; 12 masks <= 2x one cached ARGB layer; 500 tracks with 20-frame tails <= 1.5x
`cv2.polylines` grouped by colour and drawn into the frame; an event of the brush under 16 ms.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import cv2
import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QImage, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QApplication, QWidget

from pipeline.model.palette import candidate_color
from pipeline.model.picture import ArrayPicture
from tests.benchmarks.synthetic import KEYFRAME, make_overlays
from tests.benchmarks.table import conditions, write
from viewers.frame_header import HEADER_HEIGHT
from viewers.frame_viewer import FrameViewer
from viewers.overlays import OverlayData, OverlayVisibility
from viewers.raster_layers import DeviceView, mask_layer
from viewers.tails import TailCanvas, TailTable

ROUNDS = 100
NOTHING = OverlayVisibility(*[False] * 8, opacity=0.6, tail=20)
Arm = Callable[[int], object]


class PlainImage(QWidget):
    """The floor: one drawImage, and one more for a cached layer if there is one."""

    def __init__(self, image: QImage, layer: QImage | None = None) -> None:
        super().__init__()
        self.image, self.layer = image, layer

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        room = QRectF(0, 0, self.width(), self.height())
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(room, self.image, QRectF(self.image.rect()))
        if self.layer is not None:
            painter.drawImage(0, 0, self.layer)
        painter.end()


Spread = tuple[float, float, float]
"""Lower quartile, median and upper quartile, ms."""


def interleaved(arms: dict[str, Arm]) -> dict[str, Spread]:
    """Time each arm in turn."""
    times: dict[str, list[float]] = {name: [] for name in arms}
    for turn in range(ROUNDS + 5):
        for name, arm in arms.items():
            start = time.perf_counter()
            arm(turn)
            if turn >= 5:
                times[name].append(1e3 * (time.perf_counter() - start))
    return {name: spread(values) for name, values in times.items()}


def spread(values: list[float]) -> Spread:
    low, middle, high = statistics.quantiles(values, n=4)
    return low, middle, high


def report(title: str, times: dict[str, Spread]) -> None:
    sys.stdout.write(f"{title}\n  {'ms':<34}{'quartile':>9}{'median':>9}{'quartile':>9}\n")
    for name, values in times.items():
        sys.stdout.write(f"  {name:<34}" + "".join(f"{v:9.3f}" for v in values) + "\n")


def verdict(what: str, value: float, goal: float, *, at_least: bool = False) -> None:
    met = value >= goal if at_least else value <= goal
    sign = ">=" if at_least else "<="
    said = "met" if met else "MISSED"
    sys.stdout.write(f"  {what:<34}{value:9.2f}  goal {sign} {goal:g}: {said}\n")


def show(widget: QWidget, width: int, height: int) -> None:
    widget.resize(width, height)
    widget.show()
    QApplication.processEvents()


def bench(width: int, height: int, view_width: int, view_height: int) -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (height // 8, width // 8, 3), dtype=np.uint8)
    rgb = np.asarray(cv2.resize(noise, (width, height)), np.uint8)
    pixels = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGRA), np.uint8)
    image = QImage(pixels.data, width, height, 4 * width, QImage.Format.Format_RGB32)
    data = make_overlays(width, height)

    def viewer_with(visibility: OverlayVisibility) -> FrameViewer:
        viewer = FrameViewer()
        show(viewer, view_width, view_height + HEADER_HEIGHT)
        viewer.set_image(rgb, KEYFRAME)
        viewer.set_frame(KEYFRAME)
        viewer.set_visibility(visibility)
        viewer.set_overlays(data)
        return viewer

    def with_(name: str) -> OverlayVisibility:
        return OverlayVisibility(
            *[name == field for field in ("masks", "boxes", "tracks")], *[False] * 5, tail=20
        )

    plain, ours = PlainImage(image), viewer_with(NOTHING)
    show(plain, view_width, view_height)
    graph = pg.GraphicsView()
    box = pg.ViewBox(invertY=True)
    item = pg.ImageItem(axisOrder="row-major")
    graph.setCentralItem(box)
    box.addItem(item)
    box.setAspectLocked(True)
    item.setImage(rgb, autoLevels=False, levels=(0, 255))
    show(graph, view_width, view_height)

    def pg_new(_: int) -> None:
        item.setImage(rgb, autoLevels=False, levels=(0, 255))
        graph.viewport().repaint()

    def ours_new(_: int) -> None:
        ours.set_picture(ArrayPicture(rgb), KEYFRAME)
        ours.repaint()

    layer = np.zeros((view_height, view_width, 4), np.uint8)
    layer[view_height // 8 : -view_height // 8, view_width // 8 : -view_width // 8] = 60
    layer_image = QImage(
        layer.data,
        view_width,
        view_height,
        4 * view_width,
        QImage.Format.Format_ARGB32_Premultiplied,
    )
    layered = PlainImage(image, layer_image)
    show(layered, view_width, view_height)
    masked = viewer_with(with_("masks"))
    everything = viewer_with(OverlayVisibility(tail=20))
    times = interleaved(
        {
            "drawImage": lambda _: plain.repaint(),
            "frame viewer": lambda _: ours.repaint(),
            "frame viewer, new picture": ours_new,
            "pyqtgraph ImageItem": lambda _: graph.viewport().repaint(),
            "pyqtgraph ImageItem, new picture": pg_new,
            "drawImage + cached layer": lambda _: layered.repaint(),
            "frame viewer + 12 masks": lambda _: masked.repaint(),
            "frame viewer, all overlays": lambda _: everything.repaint(),
        }
    )
    median = {name: value[0] for name, value in times.items()}
    report(f"{width}x{height} shown at {view_width}x{view_height}", times)
    mask_cost = median["frame viewer + 12 masks"] - median["frame viewer"]
    layer_cost = median["drawImage + cached layer"] - median["drawImage"]
    verdict("paint / drawImage", median["frame viewer"] / median["drawImage"], 1.5)
    faster = median["pyqtgraph ImageItem"] / median["frame viewer"]
    verdict("ImageItem / paint", faster, 2, at_least=True)
    faster = median["pyqtgraph ImageItem, new picture"] / median["frame viewer, new picture"]
    verdict("ImageItem / paint, new picture", faster, 2, at_least=True)
    # The goal is about the layer, not about the frame below it.
    verdict("12 masks / cached layer", mask_cost / layer_cost, 2)
    bench_layers(width, height, view_width, view_height)
    for widget in (plain, ours, graph, layered, masked, everything):
        widget.close()


def bench_layers(width: int, height: int, view_width: int, view_height: int) -> None:
    """Making the layers anew, as while playing (tails) and while zooming (masks)."""
    data = make_overlays(width, height)
    assert data.tracks is not None
    scale = view_width / width
    view = DeviceView(scale, 0.0, 0.0, (0, 0, view_width, view_height), 1.0)
    tails = TailCanvas(TailTable.of(data.tracks, data.step))
    target = QImage(view_width, view_height, QImage.Format.Format_RGB32)
    frame = np.zeros((view_height, view_width, 4), np.uint8)
    starts = np.flatnonzero(np.diff(data.tracks.candidate, prepend=-1))
    ends = [*starts[1:], len(data.tracks.candidate)]
    points = np.ascontiguousarray(data.tracks.points.transpose(1, 0, 2))

    def peer(turn: int) -> None:
        row = 25 + turn % 30
        canvas = frame.copy()
        window = (points[:, row - 19 : row + 1] * scale).astype(np.int32)
        for k, (start, end) in enumerate(zip(starts, ends, strict=True)):
            color = (*candidate_color(k), 255)
            cv2.polylines(canvas, list(window[start:end]), False, color, 1)
        painter = QPainter(target)
        painter.drawImage(
            0,
            0,
            QImage(
                canvas.data, view_width, view_height, 4 * view_width, QImage.Format.Format_RGB32
            ),
        )
        painter.end()

    def floor(_: int) -> None:
        painter = QPainter(target)
        painter.drawImage(
            0,
            0,
            QImage(frame.data, view_width, view_height, 4 * view_width, QImage.Format.Format_RGB32),
        )
        painter.end()

    def paint_tails(canvas: TailCanvas, at: int) -> None:
        made = canvas.tails(at, 20, view)
        assert made.layer is not None
        painter = QPainter(target)
        for x0, y0, x1, y1 in made.parts:
            painter.drawImage(x0, y0, made.layer.image, x0, y0, x1 - x0, y1 - y0)
        painter.end()

    times = interleaved(
        {
            "drawImage of the frame": floor,
            "frame + grouped cv2.polylines": peer,
            "tails with dots": lambda turn: paint_tails(tails, 5 * (25 + turn % 30)),
            "tails between tracked frames": lambda turn: paint_tails(tails, 126 + turn % 140),
            "12 masks, layer made anew": lambda _: mask_layer(data, view, 0.6, 0),
        }
    )
    report("  layers", times)
    peer_cost = times["frame + grouped cv2.polylines"][0] - times["drawImage of the frame"][0]
    own_cost = times["tails with dots"][0]
    verdict("tails / grouped polylines", own_cost / peer_cost, 1.5)
    bench_brush(data, width, height, view_width, view_height)


def bench_brush(
    data: OverlayData, width: int, height: int, view_width: int, view_height: int
) -> None:
    """An event of the brush with the paint that shows it, for small and for huge strokes."""
    times: dict[str, Spread] = {}
    for radius in (8.0, 64.0):
        viewer = FrameViewer()
        show(viewer, view_width, view_height + HEADER_HEIGHT)
        viewer.set_image(np.full((height, width, 3), 90, np.uint8), KEYFRAME)
        viewer.set_frame(KEYFRAME)
        viewer.set_overlays(data)
        viewer.set_selected(0)
        viewer.set_tool("paint")
        while viewer.brush_radius < radius:
            viewer.resize_brush(1)
        rng = np.random.default_rng(1)
        room = (view_width, view_height + HEADER_HEIGHT)
        places = rng.uniform((0, HEADER_HEIGHT), room, (ROUNDS, 2))
        taken = []
        viewer.repaint()
        for turn, (x, y) in enumerate(places):
            start = time.perf_counter()
            send_mouse(viewer, "press" if turn == 0 else "move", x, y)
            viewer.repaint()
            taken.append(1e3 * (time.perf_counter() - start))
        send_mouse(viewer, "release", *places[-1])
        times[f"brush of radius {viewer.brush_radius:g} px, event"] = spread(taken)
        late = sorted(taken)[round(0.95 * (len(taken) - 1))]
        verdict(f"brush of {viewer.brush_radius:g} px, 95 % of events, ms", late, 16)
        viewer.close()
    report("  brush", times)
    sys.stdout.write("\n")


def send_mouse(viewer: FrameViewer, kind: str, x: float, y: float) -> None:
    types = QMouseEvent.Type
    which = {
        "press": types.MouseButtonPress,
        "move": types.MouseMove,
        "release": types.MouseButtonRelease,
    }[kind]
    position, left = QPointF(x, y), Qt.MouseButton.LeftButton
    buttons = Qt.MouseButton.NoButton if kind == "release" else left
    button = Qt.MouseButton.NoButton if kind == "move" else left
    event = QMouseEvent(
        which, position, viewer.mapToGlobal(position), button, buttons,
        Qt.KeyboardModifier.NoModifier,
    )  # fmt: skip
    QApplication.sendEvent(viewer, event)


def main() -> None:
    app = QApplication.instance() or QApplication([])
    write(conditions("PySide6", "pyqtgraph", "opencv-python-headless", "numpy"))
    for sizes in ((640, 480, 640, 480), (1280, 720, 1280, 720), (640, 480, 960, 720)):
        bench(*sizes)
    del app


if __name__ == "__main__":
    main()
