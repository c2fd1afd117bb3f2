"""Makes the picture of the 3D view: one candidate, a point of it selected, a wide 3D panel.

    python -m tools.rerun_picture DATASET EPISODE FRAME WIDTHxHEIGHT OUT

`demoscope screenshot` draws the window as it comes. Here it is used first: the panel is made wide
enough for Rerun to show its own time bar, a point is selected on both sides, and the eye comes
nearer. It needs a display; tools/screenshots.py brings one.
"""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from app.point_selection import points_here
from app.screenshot import all_arrived, shown_window, wait_until

if TYPE_CHECKING:
    from PIL import Image
    from PySide6.QtGui import QPixmap

    from app.main_window import MainWindow
    from pipeline.document import Session
    from pipeline.model.arrays import F64

COLOURS, RARE, APART = 256, 30, 8
"""Of the palette; pixels below which a colour is not kept as it is; and how many of 255 levels lie
between two that are (our choice)."""
RUN_MS, VIEWER_MS, DRAWN_MS = 300_000, 60_000, 3000
"""How long the pipeline and the viewer may take; and how long its last frames do (our choice)."""
PANEL, LOWER = 46, (23, 14)
"""Width of the 3D panel, and heights of timeline and candidates below it, in percent of the
window's; the rest of the height is the panel's (our choice)."""

NEARER = 0.65
"""How far away the eye is, as a share of how far away it comes (our choice)."""


def main(dataset: str, episode: int, frame: int, size: tuple[int, int], out: Path) -> int:
    """Draw the window and save it; 0, or 1 after one sentence."""
    with tempfile.TemporaryDirectory() as folder:
        # The user's own layout of the 3D views must not be in the picture.
        os.environ["DEMOSCOPE_DATA_DIR"] = folder
        with shown_window("dark", size, Path(folder)) as window:
            sentence = _use(window, dataset, episode, frame)
            if sentence:
                sys.stderr.write(f"{out}: {sentence}\n")
                return 1
            save_small(window.screen().grabWindow(window.winId()), out)
    return 0


def _use(window: MainWindow, dataset: str, episode: int, frame: int) -> str:
    """Open, arrange and select; a sentence if that fails."""
    from PySide6.QtCore import Qt
    from PySide6.QtWidgets import QDockWidget

    control, viewer = window.control, window.panels.rerun
    opened: list[bool] = []
    control.episodeOpened.connect(lambda: opened.append(True))
    control.auto_run = True
    control.open_dataset(dataset, episode)
    if not wait_until(lambda: bool(opened) and not control.jobs.busy, RUN_MS):
        return "the episode was not opened, or its stages are not done"
    docks = {dock.objectName(): dock for dock in window.findChildren(QDockWidget)}
    width, height = window.width() // 100, window.height() // 100
    window.resizeDocks([docks["dock-rerun"]], [PANEL * width], Qt.Orientation.Horizontal)
    lower = [docks["dock-timeline"], docks["dock-candidates"]]
    window.resizeDocks(lower, [share * height for share in LOWER], Qt.Orientation.Vertical)
    window.table.actions["isolate"].trigger()
    control.seek(frame, "picture")
    point, place = _middle_point(control.document.session)
    if point < 0:
        return f"no point of the selected candidate has a place in frame {frame}"
    control.document.select_point(point, "picture")
    wait_until(lambda: window.panels.frame.viewer.image_frame == frame, 5000)
    if not wait_until(lambda: viewer.is_settled, VIEWER_MS) or not all_arrived(viewer):
        return f"the 3D viewer is not ready: {viewer.message}"
    viewer.set_layout(_nearer(viewer.current_layout, place))
    if not wait_until(lambda: viewer.is_settled, VIEWER_MS):
        return "the 3D viewer did not take its layout"
    wait_until(lambda: False, DRAWN_MS)  # It is there before its last frame is drawn.
    return ""


def _middle_point(session: Session) -> tuple[int, F64]:
    """The point nearest to the middle of the selected candidate, and where it is in the world.

    Returns:
        Its column, -1 if there is none, and (3,) metres.
    """
    tracks, lifting = session.result("tracks"), session.result("lifting")
    demonstration, proposals = session.demonstration, session.result("proposals")
    if demonstration is None or tracks is None or lifting is None or not lifting.available:
        return -1, np.zeros(3)
    row = int(np.abs(lifting.frames - session.frame).argmin())
    columns = points_here(tracks, session.candidate, session.frame)
    xyz = lifting.xyz[row, columns].astype(float)
    columns, xyz = columns[~np.isnan(xyz[:, 2])], xyz[~np.isnan(xyz[:, 2])]
    if not columns.size:
        return -1, np.zeros(3)
    middle = np.linalg.norm(xyz - np.median(xyz, axis=0), axis=1).argmin()
    pose = demonstration.camera(proposals.camera).camera_to_world
    place = xyz[middle] if pose is None else pose[:3, :3] @ xyz[middle] + pose[:3, 3]
    return int(columns[middle]), place


def _nearer(layout: str, place: F64) -> str:
    """The layout with the eye nearer, and turned half way from the scene's middle to a place."""
    parts = json.loads(layout)
    for entity, part in parts.items():
        if entity.endswith("/EyeControls3D"):
            eye = part["EyeControls3D"]
            middle = np.array(eye["look_target"])
            target = (middle + place) / 2
            position = target + NEARER * (np.array(eye["position"]) - middle)
            eye |= {"look_target": target.tolist(), "position": position.tolist()}
    return json.dumps(parts)


def save_small(picture: QPixmap, out: Path) -> None:
    """Save with a palette: a third of the size, and flat surfaces stay flat."""
    from PIL import Image
    from PySide6.QtCore import QBuffer, QIODevice

    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    picture.save(buffer, "PNG")
    whole = Image.open(io.BytesIO(bytes(buffer.data().data()))).convert("RGB")
    few = whole.quantize(palette=_palette(whole), dither=Image.Dither.NONE)
    few.save(out, optimize=True)


def _palette(whole: Image.Image) -> Image.Image:
    """The commonest colours as they are, and for the rest what photographs need.

    Photographs alone would have nearly all of it, and rare colours that mean something would
    change.
    """
    from PIL import Image

    kept: list[tuple[int, ...]] = []
    for count, colour in sorted(whole.getcolors(1 << 24) or (), reverse=True):
        if count < RARE or len(kept) == COLOURS // 2 or not isinstance(colour, tuple):
            break
        if all(max(np.abs(np.subtract(colour, other))) > APART for other in kept):
            kept.append(colour)
    left = COLOURS - len(kept)
    others = whole.quantize(left, Image.Quantize.MEDIANCUT, kmeans=2).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette([*(part for colour in kept for part in colour), *others[: 3 * left]])
    return palette


if __name__ == "__main__":
    across, _, down = sys.argv[4].partition("x")
    raise SystemExit(
        main(
            sys.argv[1],
            int(sys.argv[2]),
            int(sys.argv[3]),
            (int(across), int(down)),
            Path(sys.argv[5]),
        )
    )
