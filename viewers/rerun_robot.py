"""Robot, gripper and proximity sphere in a recording."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.model.arrays import F32, Bool
from pipeline.model.geometry import RobotResult
from pipeline.model.palette import GRIPPER, ROBOT
from viewers.rerun_depth import ClipDepth, log_robot_points
from viewers.rerun_inputs import camera_path
from viewers.rerun_scene import Scene, log_strips, on_screen, outlines

CIRCLE = np.stack([f(np.linspace(0.0, 2.0 * np.pi, 49)) for f in (np.cos, np.sin)], axis=1)
"""(49, 2), the unit circle, closed."""


def log_robot(scene: Scene) -> None:
    """Log the robot's outline, the gripper's points and reference, and the proximity sphere."""
    import rerun as rr

    inputs, robot = scene.inputs, scene.inputs.robot
    if robot is None or not inputs.has_camera:
        return
    camera = inputs.camera_model
    flat = camera_path(camera)
    scale = np.array([camera.width / robot.width, camera.height / robot.height])
    lines = [outlines(robot.mask(row), scale) for row in range(len(robot.packed))]
    log_strips(
        scene,
        f"{flat}/robot",
        robot.frames[: len(lines)],
        [len(strips) for strips in lines],
        [strip for strips in lines for strip in strips],
        (*ROBOT, 255),
        1.5,
    )
    if inputs.has_geometry:
        log_robot_points(scene, ClipDepth(inputs))
    _log_gripper(scene, robot, f"{flat}/gripper", robot.points, robot.reference, rr.Points2D)
    if inputs.has_geometry and robot.is_3d:
        points = inputs.world_points(robot.xyz)
        reference = inputs.world_points(robot.reference_xyz)
        _log_gripper(scene, robot, "world/gripper", points, reference, rr.Points3D)
    _log_sphere(scene)


def _log_gripper(
    scene: Scene,
    robot: RobotResult,
    entity: str,
    points: F32,
    reference: F32,
    archetype: Any,
) -> None:
    """Points and reference in pixels or, in the world, in metres."""
    for name, radius, alpha in (("points", 1.4, 160), ("reference", 4.0, 255)):
        size = on_screen(radius)
        fixed = archetype.from_fields(colors=[(*GRIPPER, alpha)], radii=size)
        scene.fixed(f"{entity}/{name}", fixed)
    known_points = np.isfinite(points).all(axis=2)
    seen: Bool = np.asarray(robot.visible[:, : points.shape[1]] & known_points, np.bool_)
    columns = archetype.columns(positions=points[seen])
    scene.rows(f"{entity}/points", robot.frames, seen.sum(axis=1), columns)
    known = np.isfinite(reference).all(axis=1)
    columns = archetype.columns(positions=reference[known])
    scene.rows(f"{entity}/reference", robot.frames, np.asarray(known, np.int32), columns)


def _log_sphere(scene: Scene) -> None:
    """The sphere of the proximity cue: an ellipsoid in the world, a circle in the picture."""
    import rerun as rr

    inputs, robot, scores = scene.inputs, scene.inputs.robot, scene.inputs.scores
    if robot is None or scores is None or len(scores.radius) != len(robot.frames):
        return
    radius = scores.radius.astype(np.float32)
    pixels = radius
    if scores.form == "3d" and inputs.intrinsics is not None:
        centers = inputs.world_points(robot.reference_xyz)
        known = np.isfinite(centers).all(axis=1) & np.isfinite(radius)
        if inputs.has_geometry:
            entity = "world/gripper/sphere"
            mode = rr.components.FillMode.MajorWireframe
            line = on_screen(0.6)
            fixed = rr.Ellipsoids3D.from_fields(
                colors=[(*GRIPPER, 140)], fill_mode=mode, line_radii=line
            )
            scene.fixed(entity, fixed)
            columns = rr.Ellipsoids3D.columns(
                centers=centers[known], half_sizes=np.repeat(radius[known, None], 3, axis=1)
            )
            scene.rows(entity, robot.frames, np.asarray(known, np.int32), columns)
        depth = robot.reference_xyz[:, 2]
        with np.errstate(divide="ignore", invalid="ignore"):
            pixels = (radius * float(inputs.intrinsics[0, 0]) / depth).astype(np.float32)
    known = np.isfinite(robot.reference).all(axis=1) & np.isfinite(pixels)
    circles = [
        (robot.reference[row] + pixels[row] * CIRCLE).astype(np.float32)
        for row in np.flatnonzero(known)
    ]
    entity = f"{camera_path(inputs.camera_model)}/gripper/sphere"
    lengths = np.asarray(known, np.int32)
    log_strips(scene, entity, robot.frames, lengths, circles, (*GRIPPER, 200), 1.5)
