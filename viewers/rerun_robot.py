"""Camera pictures, robot, gripper and proximity sphere in a recording."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.model.arrays import F32, U8, Bool
from pipeline.model.geometry import RobotResult
from pipeline.model.palette import GRIPPER, ROBOT
from viewers.rerun_inputs import RerunInputs, camera_path
from viewers.rerun_scene import Scene, log_strips, on_screen, outlines

JPEG_QUALITY = 85
CIRCLE = np.stack([f(np.linspace(0.0, 2.0 * np.pi, 49)) for f in (np.cos, np.sin)], axis=1)
"""(49, 2), the unit circle, closed."""


DEPTH_CAMERA = "world/depth_camera"
"""In the world, so that the view of the camera's picture does not contain it."""


def log_pictures(scene: Scene) -> None:
    """Log the camera (pinhole and pose as far as known) and its pictures as JPEGs."""
    import rerun as rr

    inputs = scene.inputs
    camera, entity = inputs.camera_model, camera_path(inputs.camera_model)
    if inputs.intrinsics is not None:
        pinhole = rr.Pinhole(
            image_from_camera=inputs.intrinsics,
            resolution=[camera.width, camera.height],
            camera_xyz=rr.ViewCoordinates.RDF,
            image_plane_distance=_backdrop(inputs),
            color=(*ROBOT, 90),
        )
        scene.fixed(entity, pinhole)
        pose = camera.camera_to_world
        if pose is not None:
            moved = rr.Transform3D(translation=pose[:3, 3], mat3x3=pose[:3, :3])
            scene.fixed(entity, moved)
    if inputs.has_geometry:
        # Robot frames point z up by convention; without a pose the camera's axes are the world's.
        known = camera.camera_to_world is not None
        up = rr.ViewCoordinates.RIGHT_HAND_Z_UP if known else rr.ViewCoordinates.RDF
        scene.fixed("/", up)
    if inputs.pictures:
        pictures = sorted(inputs.pictures, key=lambda picture: picture[0])
        blobs = [p if isinstance(p, bytes) else encode_jpeg(p) for _, p in pictures]
        scene.fixed(f"{entity}/image", rr.EncodedImage.from_fields(media_type="image/jpeg"))
        scene.recording.send_columns(
            f"{entity}/image",
            scene.index(frame for frame, _ in pictures),
            rr.EncodedImage.columns(blob=blobs),
        )


def log_depth(scene: Scene) -> None:
    """Log the estimated depth of each tracked frame as a cloud before the camera.

    Kept pictures are smaller than the camera's: they have a pinhole of their own, of their size.
    Recorded depth is not here, the points lifted with it are.
    """
    import rerun as rr

    inputs, lifting = scene.inputs, scene.inputs.lifting
    intrinsics = inputs.intrinsics
    if lifting is None or not inputs.has_geometry or intrinsics is None or not lifting.depth.size:
        return
    camera = inputs.camera_model
    height, width = lifting.depth.shape[1:]
    share = np.diag([width / camera.width, height / camera.height, 1.0])
    # Pixels are numbered at their centres, which lie half a pixel from the edge in both pictures.
    half = np.array([[0.0, 0.0, 0.5], [0.0, 0.0, 0.5], [0.0, 0.0, 0.0]])
    pinhole = rr.Pinhole(
        image_from_camera=share @ (intrinsics + half) - half,
        resolution=[width, height],
        camera_xyz=rr.ViewCoordinates.RDF,
        image_plane_distance=1e-3,  # Too small to see: the camera's own frame is drawn already.
    )
    scene.fixed(DEPTH_CAMERA, pinhole)
    pose = camera.camera_to_world
    if pose is not None:
        moved = rr.Transform3D(translation=pose[:3, 3], mat3x3=pose[:3, :3])
        scene.fixed(DEPTH_CAMERA, moved)
    # One range for the clip, else the shades flicker; only the darker half, so that candidates keep
    # the only colours and the white gripper is seen before it.
    fixed = rr.DepthImage.from_fields(
        meter=1.0,
        colormap=rr.components.Colormap.Grayscale,
        depth_range=[0.0, 2.0 * _backdrop(inputs)],
    )
    scene.fixed(f"{DEPTH_CAMERA}/depth", fixed)
    layout = rr.components.ImageFormat(
        width=width, height=height, channel_datatype=rr.encodings.ChannelDatatype.F16
    )
    count = len(lifting.depth)
    columns = rr.DepthImage.columns(
        buffer=[np.frombuffer(picture.tobytes(), np.uint8) for picture in lifting.depth],
        format=[layout] * count,
    )
    scene.rows(f"{DEPTH_CAMERA}/depth", lifting.frames, np.ones(count, np.int32), columns)


def _backdrop(inputs: RerunInputs) -> float:
    """Distance in metres at which the picture hangs behind the points and the estimated depth."""
    lifting = inputs.lifting
    if lifting is None or not lifting.available or not lifting.xyz.size:
        return 1.0
    points = lifting.xyz[..., 2]
    # A thousand pixels of a clip say how far it goes; sorting them all takes long.
    depth = lifting.depth.reshape(-1)[:: max(1, lifting.depth.size // 1000)].astype(np.float32)
    far = [
        float(np.percentile(known, 98))
        for known in (points[np.isfinite(points)], depth[depth > 0])
        if known.size
    ]
    return max(far) * 1.15 if far else 1.0


def encode_jpeg(picture: U8) -> bytes:
    """Encode RGB (H, W, 3) uint8. QtWebEngine decodes JPEG everywhere, H.264 nowhere."""
    import cv2

    settings = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    done, data = cv2.imencode(".jpg", np.ascontiguousarray(picture[..., ::-1]), settings)
    if not done:
        raise ValueError(f"picture: expected RGB (H, W, 3) uint8, got {picture.shape}")
    return data.tobytes()


def log_robot(scene: Scene) -> None:
    """Log the robot's outline, the gripper's points and reference, and the proximity sphere."""
    import rerun as rr

    inputs, robot = scene.inputs, scene.inputs.robot
    if robot is None:
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
