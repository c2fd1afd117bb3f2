"""Candidates and target in a recording."""

from __future__ import annotations

import numpy as np

from pipeline.model.candidate import Box
from pipeline.model.palette import TARGET, candidate_color
from viewers.rerun_boxes import log_boxes_3d
from viewers.rerun_clouds import Cloud, log_cloud, paint
from viewers.rerun_depth import ClipDepth
from viewers.rerun_inputs import camera_path
from viewers.rerun_points import as_index, cloud_columns, cloud_seen
from viewers.rerun_scene import Scene, log_boxes, log_strips, one_mask, outlines
from viewers.rerun_solids import log_mask_points, log_solid


def log_candidate(scene: Scene, candidate: int) -> None:
    """Log boxes, outline, points and tails of a candidate, in the palette's colours."""
    if not scene.inputs.has_camera:
        return
    _log_boxes(scene, candidate)
    _log_outline(scene, candidate)
    _log_points(scene, candidate)
    log_mask_points(scene, ClipDepth(scene.inputs), candidate)


def _log_boxes(scene: Scene, candidate: int) -> None:
    """The proposal at the keyframe, and the box as its points carry it along."""
    inputs = scene.inputs
    boxes: dict[int, Box] = {}
    if inputs.tracks is not None and candidate < inputs.tracks.boxes.shape[1]:
        # A lost candidate is an empty row, not a box that stands still.
        carried = inputs.tracks.boxes[:, candidate].tolist()
        boxes = dict(zip(inputs.tracks.frames.tolist(), carried, strict=True))
    if inputs.proposals is not None:
        for proposal in inputs.proposals.candidates:
            if proposal.id == candidate:
                boxes[proposal.frame] = proposal.box
    wins = candidate == inputs.winner
    log_boxes(
        scene,
        f"{camera_path(inputs.camera_model)}/candidates/{candidate}/box",
        boxes,
        inputs.name_of(candidate),
        paint(scene, candidate),
        2.5 if wins else 1.2,
        named=wins,  # labels of all would hide small objects
    )


def _log_outline(scene: Scene, candidate: int) -> None:
    """The mask at the keyframe, as outlines."""
    masks = scene.inputs.masks
    if masks is None or candidate >= masks.count:
        return
    camera = scene.inputs.camera_model
    scale = np.array([camera.width / masks.width, camera.height / masks.height])
    strips = outlines(one_mask(masks, candidate), scale)
    entity = f"{camera_path(camera)}/candidates/{candidate}/mask"
    color, until = paint(scene, candidate), scene.inputs.after_keyframe
    log_strips(scene, entity, [masks.keyframe], [len(strips)], strips, color, 1.5, until)


def _log_points(scene: Scene, candidate: int) -> None:
    """Points and tails in the picture and, with geometry, all there is in the world."""
    inputs, tracks = scene.inputs, scene.inputs.tracks
    if tracks is None:
        return
    columns = cloud_columns(tracks, candidate)
    if not columns.size:
        return
    flat = f"{camera_path(inputs.camera_model)}/candidates/{candidate}"
    own = as_index(columns)
    log_cloud(scene, flat, Cloud(candidate, tracks.points[:, own], cloud_seen(tracks, columns)))
    lifting = inputs.lifting
    if lifting is not None and inputs.has_geometry:
        seen = cloud_seen(tracks, columns, lifting=lifting)
        cloud = Cloud(candidate, inputs.world_points(lifting.xyz[:, own]), seen)
        # Where metres differ from frame to frame, a tail is a way that nothing went.
        log_cloud(scene, f"world/candidates/{candidate}", cloud, not lifting.scale_drifts)
        log_solid(scene, cloud, columns)


def log_target(scene: Scene) -> None:
    """Log the target's box over the clip and the object's box at its end, also in space."""
    inputs, target = scene.inputs, scene.inputs.target
    if target is None or not inputs.has_camera:
        return
    flat = camera_path(inputs.camera_model)
    start, end = inputs.clip
    last = max(start, end - 1)
    # The target was found at a frame of its own; where nothing moves it, it was there all along.
    seen = target.candidates[target.winner].frame if target.winner >= 0 else start
    mine = (*candidate_color(max(inputs.winner, 0)), 255)
    for name, label, box, color, width, frame, found in (
        ("box", "target", target.box, (*TARGET, 255), 2.0, start, seen),
        ("object_end", "object at end", target.object_end_box, mine, 1.5, last, last),
    ):
        if box is None or not np.isfinite(box).all():
            continue
        log_boxes(scene, f"{flat}/target/{name}", {frame: box}, label, color, width, end)
        if inputs.has_geometry:
            corners = ClipDepth(inputs).boxed(box, found, inputs.tracked_step)[None]
            entity = f"world/target/{name}"
            log_boxes_3d(scene, entity, [frame], corners, label, color, width, end)
