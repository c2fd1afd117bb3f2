"""Depth of a recording: a cloud in the picture's colours, and what masks and boxes mean in 3D.

The cloud is `Points3D` and not Rerun's `DepthImage`, which the viewer can only shade by distance:
in the picture's colours one sees what a point lies on. Its size is bounded, frames and points.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pipeline.model.arrays import F32, I32, I64, U8, Bool
from pipeline.model.candidate import Box
from pipeline.model.demonstration import Camera
from pipeline.model.palette import ROBOT
from viewers.rerun_boxes import extents, ordered
from viewers.rerun_cameras import decode_jpeg
from viewers.rerun_inputs import RerunInputs, cloud_frames, cloud_step
from viewers.rerun_scene import Scene, on_screen

CLOUD = "world/depth"
ROBOT_POINTS = 800
"""Points of the robot per frame (our choice)."""
MASK_POINTS = 600
"""Points of a candidate's mask (our choice)."""
_CHUNK = 16
"""Frames per chunk: the viewer keeps and looks up chunks whole."""
CLOSING = 0.55
"""Radius of a point of the cloud as a share of the distance to the next one (our choice)."""
_DIM = 0.72
"""The cloud is darker than the picture, so that candidates stand out before it."""


@dataclass(frozen=True)
class ClipDepth:
    """Depth pictures of a clip, recorded or estimated, with the camera that they belong to.

    Attributes:
        inputs: What is logged; must have geometry.
    """

    inputs: RerunInputs

    @cached_property
    def frames(self) -> I32:
        """(D,) int32, frames with depth, ascending."""
        if self.inputs.depth:
            return np.asarray([frame for frame, _ in self._recorded], np.int32)
        lifting = self.inputs.lifting
        some = lifting is not None and len(lifting.depth) > 0
        return lifting.frames if some and lifting is not None else np.zeros(0, np.int32)

    @cached_property
    def _recorded(self) -> list[tuple[int, F32]]:
        return sorted(self.inputs.depth, key=lambda picture: picture[0])

    @property
    def camera(self) -> Camera:
        """The camera that all of them are of."""
        return self.inputs.camera_model

    def metres(self, index: int) -> F32:
        """(h, w) float32 at `frames[index]`, 0 = unknown."""
        if self.inputs.depth:
            return self._recorded[index][1]
        lifting = self.inputs.lifting
        estimated = None if lifting is None else lifting.estimated_depth(index)
        return np.zeros((0, 0), np.float32) if estimated is None else estimated

    def near(self, frame: int, most: int) -> int:
        """Index of the nearest frame with depth, -1 if it is more than `most` frames away."""
        if not len(self.frames):
            return -1
        away = np.abs(self.frames.astype(np.int64) - frame)
        best = int(away.argmin())
        return best if away[best] <= most else -1

    def pixels(self, shape: tuple[int, ...]) -> tuple[I64, I64]:
        """Rows and columns of the camera's picture that a depth picture's were picked at.

        Args:
            shape: (h, w) of the depth picture; as `pipeline.backends.geometry.lifting.reduced`.
        """
        sizes = zip(shape, (self.camera.height, self.camera.width), strict=True)
        rows, columns = (
            ((np.arange(small) + 0.5) * large / small).astype(np.int64) for small, large in sizes
        )
        return rows, columns

    def points(self, metres: F32, chosen: Bool, most: int) -> F32:
        """Lift chosen pixels of a depth picture, (n, 3) float32 metres of the world.

        Args:
            metres: (h, w) depth picture.
            chosen: (h, w) bool.
            most: If there are more with known depth, every n-th is taken.
        """
        known = chosen & np.isfinite(metres) & (metres > 0)
        rows, columns = np.nonzero(known)
        if len(rows) > most:
            take = np.linspace(0, len(rows) - 1, most).astype(np.int64)
            rows, columns = rows[take], columns[take]
        return self.lift(metres, rows, columns)

    def lift(self, metres: F32, rows: I64, columns: I64) -> F32:
        """Lift pixels (row, column) of a depth picture, (n, 3) float32 metres of the world."""
        k = self.inputs.intrinsics
        if k is None:
            return np.zeros((0, 3), np.float32)
        large_rows, large_columns = self.pixels(metres.shape)
        z = metres[rows, columns]
        x = (large_columns[columns].astype(np.float32) - np.float32(k[0, 2])) / np.float32(k[0, 0])
        y = (large_rows[rows].astype(np.float32) - np.float32(k[1, 2])) / np.float32(k[1, 1])
        points: F32 = np.stack([x * z, y * z, z], axis=1).astype(np.float32, copy=False)
        return self.inputs.world_points(points)

    def masked(self, mask: Bool, index: int, most: int) -> F32:
        """Lift the pixels of a mask of the whole picture, (n, 3) float32 metres of the world."""
        metres = self.metres(index)
        rows, columns = self.pixels(metres.shape)
        # Masks may have another size than the camera's picture, too.
        rows = rows * mask.shape[0] // self.camera.height
        columns = columns * mask.shape[1] // self.camera.width
        return self.points(metres, mask[np.ix_(rows, columns)], most)

    def boxed(self, box: Box, frame: int, most: int) -> F32:
        """Robust extent (2, 3) of what a box of the picture holds, metres of the world.

        What shows in the corners of the box counts, unless it is far behind (`extents`). NaN where
        there is no depth within `most` frames.
        """
        nothing = np.full((2, 3), np.nan, np.float32)
        index = self.near(frame, most)
        if index < 0:
            return nothing
        metres = self.metres(index)
        rows, columns = self.pixels(metres.shape)
        x0, y0, x1, y1 = box
        inside = np.outer((rows >= y0) & (rows < y1), (columns >= x0) & (columns < x1))
        points = self.points(metres, inside, 4000)
        if not len(points):
            return nothing
        found: F32 = extents(*ordered(points[None], np.ones((1, len(points)), np.bool_)))[0]
        return found


def log_depth(scene: Scene, depth: ClipDepth) -> None:
    """Log the depth of each tracked frame as points in the colours of the picture."""
    import rerun as rr

    inputs = scene.inputs
    every, most = cloud_frames(len(depth.frames))
    chosen = np.arange(0, len(depth.frames), every)
    if not len(chosen):
        return
    pictures = dict(inputs.pictures)
    frames: list[int] = []
    clouds: list[F32] = []
    colors: list[U8] = []
    radii: list[F32] = []
    for index in chosen:
        scene.check()
        metres = depth.metres(int(index))
        rows, columns = _grid(metres.shape, most)
        picked = metres[np.ix_(rows, columns)]
        frame = int(depth.frames[index])
        known = np.isfinite(picked) & (picked > 0)
        r, c = np.nonzero(known & ~_covered(inputs, frame, picked.shape))
        frames.append(frame)
        radii.append(_radii(inputs, picked[r, c], rows))
        clouds.append(depth.lift(metres, rows[r], columns[c]))
        colors.append(_colors(pictures.get(frame), metres.shape, rows[r], columns[c]))
    step = int(np.median(np.diff(frames))) if len(frames) > 1 else 1
    for start in range(0, len(frames), _CHUNK):
        part = slice(start, start + _CHUNK)
        ends = start + _CHUNK >= len(frames)
        columns_3d = rr.Points3D.columns(
            positions=np.concatenate(clouds[part]),
            colors=_packed(np.concatenate(colors[part])),
            radii=np.concatenate(radii[part]),
        )
        lengths = [len(cloud) for cloud in clouds[part]]
        until = frames[-1] + step if ends else inputs.demonstration.length
        scene.rows(CLOUD, frames[part], lengths, columns_3d, until)


def log_robot_points(scene: Scene, depth: ClipDepth) -> None:
    """Log the surface of the robot: pixels of its mask, lifted, thinned."""
    import rerun as rr

    robot = scene.inputs.robot
    if robot is None or not len(robot.packed):
        return
    row_of = {int(frame): row for row, frame in enumerate(robot.frames[: len(robot.packed)])}
    frames, clouds = [], []
    for index in range(0, len(depth.frames), cloud_frames(len(depth.frames))[0]):
        frame = int(depth.frames[index])
        if frame in row_of:
            scene.check()
            frames.append(frame)
            clouds.append(depth.masked(robot.mask(row_of[frame]), index, ROBOT_POINTS))
    if not clouds:
        return
    entity = "world/robot/points"
    scene.fixed(entity, rr.Points3D.from_fields(colors=[(*ROBOT, 255)], radii=on_screen(1.6)))
    columns = rr.Points3D.columns(positions=np.concatenate(clouds))
    scene.rows(entity, frames, [len(cloud) for cloud in clouds], columns)


def _grid(shape: tuple[int, ...], most: int) -> tuple[I64, I64]:
    """Rows and columns of an even grid of at most `most` pixels; not every n-th makes stripes."""
    step = cloud_step(shape[0], shape[1], most)
    rows, columns = (np.arange(step // 2, size, step, dtype=np.int64) for size in shape)
    return rows, columns


def _colors(picture: bytes | U8 | None, shape: tuple[int, ...], rows: I64, columns: I64) -> U8:
    """(n, 3) uint8, the picture's colours at pixels of a depth picture; grey where it is missing.

    Args:
        picture: JPEG, RGB, or None.
        shape: (h, w) of the depth picture.
        rows: (n,) rows of it.
        columns: (n,) columns of it.
    """
    if isinstance(picture, bytes):
        picture = decode_jpeg(picture, 0.25)
    if picture is None:
        return np.full((len(rows), 3), ROBOT, np.uint8)
    at = [
        ((index + 0.5) * large / small).astype(np.int64)
        for index, large, small in zip((rows, columns), picture.shape, shape, strict=False)
    ]
    found: U8 = picture[at[0], at[1]]
    return found


def _packed(rgb: U8) -> NDArray[np.uint32]:
    """(n,) uint32 0xRRGGBBAA, dimmed."""
    channels = np.full((len(rgb), 4), 255, np.uint8)
    channels[:, :3] = rgb.astype(np.float32) * _DIM
    return channels.view(">u4")[:, 0].astype(np.uint32)


def _covered(inputs: RerunInputs, frame: int, shape: tuple[int, ...]) -> Bool:
    """Pixels of the cloud's grid (h, w) at which a candidate's point is seen.

    They are left out: a point of the cloud would lie over the very point that it was lifted with.
    """
    covered = np.zeros(shape, np.bool_)
    tracks, camera = inputs.tracks, inputs.camera_model
    row = -1 if tracks is None else int(np.searchsorted(tracks.frames, frame))
    if tracks is None or row >= len(tracks.frames) or tracks.frames[row] != frame:
        return covered
    points = tracks.points[row, tracks.visible[row]]
    points = points[np.isfinite(points).all(axis=1)] + 0.5
    x, y = points[:, 0] * shape[1] / camera.width, points[:, 1] * shape[0] / camera.height
    inside = (x >= 0) & (y >= 0) & (x < shape[1]) & (y < shape[0])
    covered[y[inside].astype(np.int64), x[inside].astype(np.int64)] = True
    return covered


def _radii(inputs: RerunInputs, metres: F32, rows: I64) -> F32:
    """(n,) radii in metres at which neighbours just close, in steps of 5 cm of distance."""
    k = inputs.intrinsics
    focal = 1.0 if k is None else float(k[0, 0])
    step = inputs.camera_model.height / max(1, len(rows))
    # In steps, few values: they compress to next to nothing.
    return np.asarray(np.ceil(metres / 0.05) * (0.05 * CLOSING * step / focal), np.float32)
