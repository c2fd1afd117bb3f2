"""The two robots: their arms, tool frames, grippers and where their models lie."""

from __future__ import annotations

import importlib.util
import math
from dataclasses import dataclass
from pathlib import Path

import mujoco  # type: ignore[import-untyped, import-not-found, unused-ignore]
import numpy as np

from tools.sample.surfaces import FloatArray


@dataclass(frozen=True)
class Arm:
    """An arm with a parallel gripper.

    Attributes:
        name: ``single``, ``left`` or ``right``.
        joints: Model names of the arm joints, base to wrist.
        channels: Names of these joints in the dataset, then of the gripper.
        fingers: Model names of the two finger joints (positive, negative direction).
        tool_body: Body that carries the tool frame.
        tool_offset: Grasp point in that body, metres.
        tool_axes: Columns closing, lateral, approach in that body, shape (3, 3).
        base_yaw: Heading of the arm's base about z, radians.
        pitch: How steeply the gripper points down, radians (pi/2: straight down).
        rest: Joint angles of the resting posture, radians.
        max_opening: Largest distance between the pads, metres.
        finger_zero: Finger joint value at which the pads touch, metres.
    """

    name: str
    joints: tuple[str, ...]
    channels: tuple[str, ...]
    fingers: tuple[str, str]
    tool_body: str
    tool_offset: tuple[float, float, float]
    tool_axes: tuple[tuple[float, float, float], ...]
    base_yaw: float
    pitch: float
    rest: tuple[float, ...]
    max_opening: float
    finger_zero: float

    def orientation(self, yaw: float) -> FloatArray:
        """Tool rotation for a heading.

        Args:
            yaw: Rotation of the gripper about z from the arm's own heading, radians.

        Returns:
            World rotation, columns closing, lateral, approach, shape (3, 3).
        """
        heading = self.base_yaw + yaw
        forward = np.array([math.cos(heading), math.sin(heading), 0.0])
        closing = np.array([-math.sin(heading), math.cos(heading), 0.0])
        approach = math.cos(self.pitch) * forward - math.sin(self.pitch) * np.array([0, 0, 1.0])
        return np.stack([closing, np.cross(approach, closing), approach], axis=1)


PANDA = Arm(
    name="single",
    joints=tuple(f"panda/joint{i}" for i in range(1, 8)),
    channels=(*(f"panda_joint{i}.pos" for i in range(1, 8)), "gripper.pos"),
    fingers=("panda/finger_joint1", "panda/finger_joint2"),
    tool_body="panda/right_gripper",
    tool_offset=(0.0, 0.0, 0.096),
    tool_axes=((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    base_yaw=0.0,
    pitch=math.pi / 2,
    rest=(0.0, -0.25, 0.0, -2.45, 0.0, 2.2, math.pi / 4),
    max_opening=0.08,
    finger_zero=0.0,
)


def _viperx(side: str, base_yaw: float) -> Arm:
    prefix = f"aloha/vx300s_{side}/"
    names = ("waist", "shoulder", "elbow", "forearm_roll", "wrist_angle", "wrist_rotate")
    return Arm(
        name=side,
        joints=tuple(prefix + name for name in names),
        channels=(*(f"{side}_{name}.pos" for name in names), f"{side}_gripper.pos"),
        fingers=(prefix + "left_finger", prefix + "right_finger"),
        tool_body=prefix + "gripper_link",
        tool_offset=(0.144, 0.0, 0.0),
        tool_axes=((0.0, 0.0, 1.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
        base_yaw=base_yaw,
        pitch=math.radians(62.0),
        rest=(0.0, -0.96, 1.16, 0.0, 0.6, 0.0),
        max_opening=0.069,
        finger_zero=0.0224,
    )


ALOHA = (_viperx("left", 0.0), _viperx("right", math.pi))

ROBOTS: dict[str, tuple[Arm, ...]] = {"panda": (PANDA,), "aloha": ALOHA}

CHANNELS: tuple[str, ...] = tuple(
    c for arms in ROBOTS.values() for arm in arms for c in arm.channels
)
"""Names of ``observation.state`` and ``action``: the channels of both robots in a row."""


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(f"package {name!r} is not installed; see requirements.txt")
    return Path(next(iter(spec.submodule_search_locations)))


def robot_model(robot: str) -> mujoco.MjSpec:
    """Loads a robot without its actuators, sensors, cameras and collision geoms.

    Args:
        robot: ``panda`` or ``aloha``.

    Returns:
        The model, to be attached to a scene.
    """
    if robot == "panda":
        assets = _package("robosuite") / "models" / "assets"
        model = mujoco.MjSpec.from_file(str(assets / "robots" / "panda" / "robot.xml"))
        gripper = mujoco.MjSpec.from_file(str(assets / "grippers" / "panda_gripper.xml"))
        for part in (model, gripper):
            for geom in list(part.geoms):
                if geom.group == 0:
                    part.delete(geom)
            _strip(part)
        model.attach(gripper, prefix="", frame=model.body("right_hand").add_frame())
        return model
    assets = _package("gym_aloha") / "assets"
    model = mujoco.MjSpec.from_file(str(assets / "bimanual_viperx_transfer_cube.xml"))
    for body in ("box", "table", "midair"):
        model.delete(model.body(body))
    for items in (model.lights, model.keys):
        for item in list(items):
            model.delete(item)
    for geom in model.geoms:
        geom.rgba = (0.13, 0.13, 0.14, 1.0)
        geom.contype = 0
        geom.conaffinity = 0
    _strip(model)
    return model


def _strip(model: mujoco.MjSpec) -> None:
    for items in (model.actuators, model.sensors, model.cameras, model.sites):
        for item in list(items):
            model.delete(item)
