"""Cameras of a recording: pinhole, pose and pictures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from pipeline.model.arrays import F64, U8, Array
from pipeline.model.demonstration import Camera
from pipeline.model.palette import ROBOT
from viewers.rerun_inputs import Picture, RerunInputs, camera_path
from viewers.rerun_scene import Scene

JPEG_QUALITY = 85
FRUSTUM = 0.08
"""From a camera to its picture in space, as a share of how far the scene goes (our choice: a sign
of where it looks, that hides nothing)."""


def log_cameras(scene: Scene) -> None:
    """Log all cameras: pinhole and pose as far as known.

    In space, pictures hang before their camera, small. Where there is no depth to show the scene,
    that of the results' camera hangs behind all 3D points instead.
    """
    import rerun as rr

    inputs = scene.inputs
    if inputs.has_geometry:
        # Robot frames point z up by convention; without a pose the camera's axes are the world's.
        known = inputs.camera_model.camera_to_world is not None
        up = rr.ViewCoordinates.RIGHT_HAND_Z_UP if known else rr.ViewCoordinates.RDF
        scene.fixed("/", up)
    if inputs.has_camera:
        far = backdrop(inputs)
        plane = FRUSTUM * far if inputs.has_depth else far
        _log_camera(scene, inputs.camera_model, inputs.intrinsics, plane)
    for view in inputs.views:
        camera = inputs.demonstration.camera(view.camera)
        _log_camera(scene, camera, camera.intrinsics, FRUSTUM * backdrop(inputs))


def log_pictures(scene: Scene) -> None:
    """Log the pictures of all cameras as JPEGs."""
    inputs = scene.inputs
    if inputs.has_camera:
        _log_pictures(scene, inputs.camera_model, inputs.pictures)
    for view in inputs.views:
        _log_pictures(scene, inputs.demonstration.camera(view.camera), view.pictures)


def _log_camera(scene: Scene, camera: Camera, intrinsics: F64 | None, distance: float) -> None:
    import rerun as rr

    if intrinsics is None:
        return
    entity = camera_path(camera)
    pinhole = rr.Pinhole(
        image_from_camera=intrinsics,
        resolution=[camera.width, camera.height],
        camera_xyz=rr.ViewCoordinates.RDF,
        image_plane_distance=distance,
        color=(*ROBOT, 90),
    )
    scene.fixed(entity, pinhole)
    pose = camera.camera_to_world
    if pose is not None:
        scene.fixed(entity, rr.Transform3D(translation=pose[:3, 3], mat3x3=pose[:3, :3]))


def _log_pictures(scene: Scene, camera: Camera, pictures: Sequence[Picture]) -> None:
    import rerun as rr

    if not pictures:
        return
    ordered = sorted(pictures, key=lambda picture: picture[0])
    blobs = encode_jpegs([picture for _, picture in ordered])
    entity = f"{camera_path(camera)}/image"
    scene.fixed(entity, rr.EncodedImage.from_fields(media_type="image/jpeg"))
    index = scene.index(frame for frame, _ in ordered)
    scene.recording.send_columns(entity, index, rr.EncodedImage.columns(blob=blobs))


def encode_jpegs(pictures: Sequence[bytes | U8]) -> list[bytes]:
    """Encode what is not yet a JPEG, on all cores."""
    if all(isinstance(picture, bytes) for picture in pictures):
        return [picture for picture in pictures if isinstance(picture, bytes)]
    # OpenCV lets go of the interpreter while it encodes.
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        return list(pool.map(lambda p: p if isinstance(p, bytes) else encode_jpeg(p), pictures))


def encode_jpeg(picture: U8) -> bytes:
    """Encode RGB (H, W, 3) uint8. QtWebEngine decodes JPEG everywhere, H.264 nowhere."""
    import cv2

    settings = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    done, data = cv2.imencode(".jpg", np.ascontiguousarray(picture[..., ::-1]), settings)
    if not done:
        raise ValueError(f"picture: expected RGB (H, W, 3) uint8, got {picture.shape}")
    return data.tobytes()


def decode_jpeg(data: bytes, share: float) -> U8 | None:
    """Decode to RGB at about `share` of its size, at least; None if it is broken.

    JPEG can be decoded at 1/2, 1/4 or 1/8 for a fraction of the time.
    """
    import cv2

    flags = {8: cv2.IMREAD_REDUCED_COLOR_8, 4: cv2.IMREAD_REDUCED_COLOR_4}
    flags |= {2: cv2.IMREAD_REDUCED_COLOR_2}
    fit = next((flag for factor, flag in flags.items() if share <= 1.0 / factor), cv2.IMREAD_COLOR)
    try:
        found = cv2.imdecode(np.frombuffer(data, np.uint8), fit)
    except cv2.error:  # an empty buffer
        return None
    return None if found is None else np.asarray(found[..., ::-1], np.uint8)


def backdrop(inputs: RerunInputs) -> float:
    """Distance in metres at which the picture hangs behind the points and the depth."""
    lifting = inputs.lifting
    if lifting is None or not lifting.available or not lifting.xyz.size:
        return 1.0
    # A few thousand pixels of a clip say how far it goes; sorting them all takes long.
    samples: list[Array] = [lifting.xyz[..., 2].reshape(-1), lifting.depth.reshape(-1)]
    samples += [depth.reshape(-1) for _, depth in inputs.depth[:: max(1, len(inputs.depth) // 8)]]
    far = []
    for values in samples:
        few = values[:: max(1, values.size // 2000)].astype(np.float32)
        known = few[np.isfinite(few) & (few > 0)]
        if known.size:
            far.append(float(np.percentile(known, 98)))
    return max(far) * 1.15 if far else 1.0
