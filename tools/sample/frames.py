"""Renders colour, depth and instance masks of a simulated episode."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import mujoco  # type: ignore[import-untyped, import-not-found, unused-ignore]
import numpy as np
import numpy.typing as npt

from tools.sample.motion import Motion
from tools.sample.plan import Episode
from tools.sample.scene import HEIGHT, WIDTH

IMAGE_NOISE = 1.3
"""Standard deviation of the pixel noise, grey levels."""
ROBOT_LABEL = 255
"""Value of the robot in the label maps."""

DEPTH_MIN, DEPTH_MAX, DEPTH_SHIFT, DEPTH_CODES = 0.01, 10.0, 3.5, 4095
"""LeRobot's defaults of its logarithmic 12-bit depth code (metres, metres, metres, codes)."""


def encode_depth(depth: npt.NDArray[np.float32]) -> npt.NDArray[np.uint16]:
    """Turns metres into LeRobot's logarithmic 12-bit codes.

    Args:
        depth: Depth along the optical axis, metres.

    Returns:
        Codes 0 to 4095 of the same shape.
    """
    low, high = np.log(DEPTH_MIN + DEPTH_SHIFT), np.log(DEPTH_MAX + DEPTH_SHIFT)
    share = (np.log(depth.astype(np.float64) + DEPTH_SHIFT) - low) / (high - low)
    return np.asarray(np.rint(share * DEPTH_CODES).clip(0, DEPTH_CODES), dtype=np.uint16)


def decode_depth(codes: npt.NDArray[np.uint16]) -> npt.NDArray[np.float32]:
    """Inverse of ``encode_depth``.

    Args:
        codes: Codes 0 to 4095.

    Returns:
        Metres along the optical axis.
    """
    low, high = np.log(DEPTH_MIN + DEPTH_SHIFT), np.log(DEPTH_MAX + DEPTH_SHIFT)
    share = codes.astype(np.float64) / DEPTH_CODES
    metres = np.exp(share * (high - low) + low) - DEPTH_SHIFT
    return np.asarray(np.clip(metres, DEPTH_MIN, DEPTH_MAX), dtype=np.float32)


@dataclass(frozen=True)
class LabelMap:
    """Which object each pixel of the main camera shows.

    Attributes:
        frame: Frame of the episode.
        labels: 0 room, 1.. things in the episode's order, 255 robot, shape (h, w).
    """

    frame: int
    labels: npt.NDArray[np.uint8]

    def box(self, label: int) -> list[int] | None:
        """Box around a label's visible pixels.

        Args:
            label: Value in the map.

        Returns:
            x0, y0, x1, y1 in pixels, ends exclusive; ``None`` if nothing is visible.
        """
        ys, xs = np.nonzero(self.labels == label)
        if not len(xs):
            return None
        return [int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1]


def _pose(model: mujoco.MjModel, data: mujoco.MjData, motion: Motion, frame: int) -> None:
    data.qpos[:] = motion.qpos[frame]
    data.mocap_pos[:] = motion.positions[frame]
    data.mocap_quat[:] = motion.rotations[frame]
    mujoco.mj_kinematics(model, data)
    mujoco.mj_comPos(model, data)
    mujoco.mj_camlight(model, data)


def feature_key(camera: str, depth: bool = False) -> str:
    """Name of a camera's feature.

    Args:
        camera: Key of the camera.
        depth: Whether its depth is meant.

    Returns:
        E.g. ``observation.images.front_depth``.
    """
    return f"observation.images.{camera}{'_depth' if depth else ''}"


def render_streams(
    model: mujoco.MjModel,
    episode: Episode,
    motion: Motion,
    folder: Path,
    rng: np.random.Generator,
) -> dict[str, Path]:
    """Renders all frames of all cameras into raw arrays.

    Args:
        model: The compiled scene.
        episode: The plan.
        motion: What happened.
        folder: Where the ``.npy`` files go.
        rng: Source of pixel noise.

    Returns:
        File by feature key: uint8 (t, h, w, 3), or depth codes uint16 (t, h, w).
    """
    count = len(motion.qpos)
    data = mujoco.MjData(model)
    renderer = mujoco.Renderer(model, HEIGHT, WIDTH)
    files: dict[str, Path] = {}
    pool = rng.normal(0.0, IMAGE_NOISE, (9, HEIGHT, WIDTH, 3)).astype(np.float32)
    for camera in episode.cameras:
        key = feature_key(camera.key)
        files[key] = folder / f"{episode.index}.{key}.npy"
        out = np.lib.format.open_memmap(
            files[key], mode="w+", dtype=np.uint8, shape=(count, HEIGHT, WIDTH, 3)
        )
        for t in range(count):
            _pose(model, data, motion, t)
            renderer.update_scene(data, camera.key)
            shift = tuple(int(v) for v in rng.integers(0, HEIGHT, 2))
            noise = np.roll(pool[int(rng.integers(len(pool)))], shift, axis=(0, 1))
            image = renderer.render().astype(np.float32) + noise
            out[t] = np.clip(np.rint(image), 0, 255).astype(np.uint8)
        out.flush()
    renderer.close()
    if episode.depth:
        files |= _render_depth(model, episode, motion, folder)
    return files


def _exact_renderer(model: mujoco.MjModel) -> mujoco.Renderer:
    model.vis.quality.offsamples = 0
    model.vis.quality.shadowsize = 0
    return mujoco.Renderer(model, HEIGHT, WIDTH)


def _render_depth(
    model: mujoco.MjModel, episode: Episode, motion: Motion, folder: Path
) -> dict[str, Path]:
    camera = episode.cameras[0].key
    key = feature_key(camera, depth=True)
    path = folder / f"{episode.index}.{key}.npy"
    count = len(motion.qpos)
    out = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint16, shape=(count, HEIGHT, WIDTH))
    data = mujoco.MjData(model)
    renderer = _exact_renderer(model)
    renderer.enable_depth_rendering()
    for t in range(count):
        _pose(model, data, motion, t)
        renderer.update_scene(data, camera)
        out[t] = encode_depth(renderer.render())
    out.flush()
    renderer.close()
    return {key: path}


def render_labels(
    model: mujoco.MjModel, episode: Episode, motion: Motion, frames: list[int]
) -> dict[int, LabelMap]:
    """Renders instance masks of the main camera.

    Args:
        model: The compiled scene.
        episode: The plan.
        motion: What happened.
        frames: Frames of the episode.

    Returns:
        A label map per frame.
    """
    data = mujoco.MjData(model)
    label_of_body = np.zeros(model.nbody, dtype=np.uint8)
    label_of_body[1:] = ROBOT_LABEL
    for number, thing in enumerate(episode.things):
        label_of_body[model.body(thing.thing_id).id] = number + 1
    renderer = _exact_renderer(model)
    renderer.enable_segmentation_rendering()
    maps: dict[int, LabelMap] = {}
    for frame in sorted(set(frames)):
        _pose(model, data, motion, frame)
        renderer.update_scene(data, episode.cameras[0].key)
        found = renderer.render()
        is_geom = found[:, :, 1] == int(mujoco.mjtObj.mjOBJ_GEOM)
        bodies = model.geom_bodyid[np.where(is_geom, found[:, :, 0], 0)]
        labels = np.where(is_geom, label_of_body[bodies], 0).astype(np.uint8)
        maps[frame] = LabelMap(frame, labels)
    renderer.close()
    return maps
