"""Builds the MuJoCo scene of an episode: robot, table, things, lights, cameras."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import mujoco  # type: ignore[import-untyped, import-not-found, unused-ignore]
import numpy as np

from tools.sample.arms import robot_model
from tools.sample.surfaces import FloatArray, plaster, wood
from tools.sample.things import Thing, shape

WIDTH, HEIGHT = 640, 480


@dataclass(frozen=True)
class Camera:
    """A fixed camera.

    Attributes:
        key: Last part of the feature name, e.g. ``front``.
        position: World position, metres.
        target: World point in the image centre, metres.
        fovy: Vertical field of view, degrees.
    """

    key: str
    position: tuple[float, float, float]
    target: tuple[float, float, float]
    fovy: float = 42.0

    def rotation(self) -> FloatArray:
        """World rotation with OpenCV axes: columns right, down, forward, shape (3, 3)."""
        forward = np.array(self.target) - np.array(self.position)
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, np.array([0.0, 0.0, 1.0]))
        right /= np.linalg.norm(right)
        return np.stack([right, np.cross(forward, right), forward], axis=1)

    def intrinsics(self) -> FloatArray:
        """Pinhole matrix in pixels, shape (3, 3); pixel centres at integers."""
        focal = HEIGHT / 2 / math.tan(math.radians(self.fovy) / 2)
        centre_x, centre_y = (WIDTH - 1) / 2, (HEIGHT - 1) / 2
        return np.array([[focal, 0, centre_x], [0, focal, centre_y], [0, 0, 1]], dtype=np.float64)

    def camera_to_world(self) -> FloatArray:
        """Pose with OpenCV axes, metres, shape (4, 4)."""
        pose = np.eye(4)
        pose[:3, :3] = self.rotation()
        pose[:3, 3] = self.position
        return pose


@dataclass(frozen=True)
class Look:
    """How an episode's room looks.

    Attributes:
        table: Mean colour of the wood, 0 to 1.
        wall: Colour of wall and floor, 0 to 1.
        light: Position of the key light, metres.
        brightness: Diffuse strength of the key light.
        ambient: Ambient strength.
    """

    table: tuple[float, float, float] = (0.72, 0.52, 0.34)
    wall: tuple[float, float, float] = (0.80, 0.80, 0.77)
    light: tuple[float, float, float] = (0.9, -0.7, 1.6)
    brightness: float = 0.55
    ambient: float = 0.38


def _numbers(values: FloatArray | tuple[float, ...]) -> str:
    return " ".join(f"{float(v):.6g}" for v in np.asarray(values).ravel())


def _camera(camera: Camera) -> str:
    rotation = camera.rotation()
    axes = np.concatenate([rotation[:, 0], -rotation[:, 1]])
    return (
        f'<camera name="{camera.key}" pos="{_numbers(camera.position)}" '
        f'xyaxes="{_numbers(axes)}" fovy="{camera.fovy}"/>'
    )


def _table(robot: str) -> str:
    x, half = (0.45, "0.75 0.85 0.02") if robot == "panda" else (0.0, "0.85 0.6 0.02")
    return f'<geom type="box" size="{half}" pos="{x} 0 -0.02" material="wood"/>'


def build_scene(
    robot: str,
    things: tuple[Thing, ...],
    cameras: tuple[Camera, ...],
    look: Look,
    rng: np.random.Generator,
) -> mujoco.MjModel:
    """Compiles the scene.

    Args:
        robot: ``panda`` or ``aloha``.
        things: Objects; each becomes a mocap body named by its id.
        cameras: Fixed cameras.
        look: Colours and lights.
        rng: Source of randomness for the textures.

    Returns:
        The compiled model; the things' bodies are moved through ``mocap_pos``.
    """
    meshes, bodies = [], []
    for thing in things:
        geometry = shape(thing)
        for name, (vertices, faces) in geometry.meshes.items():
            meshes.append(
                f'<mesh name="{name}" inertia="shell" vertex="{_numbers(vertices)}" '
                f'face="{" ".join(str(int(i)) for i in faces.ravel())}"/>'
            )
        bodies.append(
            f'<body name="{thing.thing_id}" mocap="true" pos="{thing.xy[0]} {thing.xy[1]} 0">'
            f"{geometry.geoms}</body>"
        )
    direction = -np.array(look.light) + np.array([0.4 if robot == "panda" else 0.0, 0.0, 0.0])
    bright = look.brightness
    xml = f"""
<mujoco>
  <compiler angle="radian"/>
  <visual>
    <global offwidth="{WIDTH}" offheight="{HEIGHT}"/>
    <map znear="0.02" zfar="20" shadowclip="0.85"/>
    <quality shadowsize="4096" offsamples="4"/>
    <headlight ambient="{_numbers((look.ambient,) * 3)}" diffuse="0.22 0.22 0.22"
               specular="0.05 0.05 0.05"/>
  </visual>
  <statistic extent="1" center="0.4 0 0.1"/>
  <default><geom contype="0" conaffinity="0" mass="0"/></default>
  <asset>
    <texture name="wood" type="2d" file="wood.png"/>
    <texture name="wall" type="2d" file="wall.png"/>
    <material name="wood" texture="wood" texrepeat="2 2" specular="0.15" shininess="0.2"/>
    <material name="wall" texture="wall" texrepeat="3 3" specular="0"/>
    <material name="glossy" specular="0.25" shininess="0.35"/>
    {"".join(meshes)}
  </asset>
  <worldbody>
    <light type="directional" pos="{_numbers(look.light)}" dir="{_numbers(direction)}"
           diffuse="{bright} {bright} {bright * 0.96:.3f}" specular="0.2 0.2 0.2"/>
    <geom type="box" size="4 4 0.05" pos="0 0 -0.8" material="wall"/>
    <geom type="box" size="0.05 4 2" pos="-1.6 0 1" material="wall"/>
    <geom type="box" size="4 0.05 2" pos="0 2.2 1" material="wall"/>
    <geom type="box" size="4 0.05 2" pos="0 -2.2 1" material="wall"/>
    {_table(robot)}
    {"".join(bodies)}
    {"".join(_camera(camera) for camera in cameras)}
  </worldbody>
</mujoco>"""
    assets = {"wood.png": wood(rng, look.table), "wall.png": plaster(rng, look.wall)}
    spec = mujoco.MjSpec.from_string(xml, assets=assets)
    base = (0.0, 0.0, 0.0) if robot == "panda" else (0.0, -0.5, 0.0)
    frame = spec.worldbody.add_frame(pos=base)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spec.attach(robot_model(robot), prefix=f"{robot}/", frame=frame)
        return spec.compile()
