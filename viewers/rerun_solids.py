"""What a candidate has in space besides its points: a box, its mask's surface, doubtful points."""

from __future__ import annotations

import numpy as np

from pipeline.model.arrays import I32, Bool
from viewers.rerun_boxes import extents, log_boxes_3d
from viewers.rerun_clouds import Cloud, paint
from viewers.rerun_depth import MASK_POINTS, ClipDepth
from viewers.rerun_points import as_index
from viewers.rerun_scene import Scene, on_screen, one_mask

EDGE_POINTS = 16
"""Points on depth edges that a candidate shows per frame (our choice; more are thinned)."""
_EDGE_SIZE = 0.003
"""Half the side of the cube around such a point, as a share of its distance (our choice)."""


def log_solid(scene: Scene, cloud: Cloud, columns: I32) -> None:
    """Log the box around a candidate's seen points, and cubes around those on depth edges.

    Args:
        scene: Where to; has geometry and tracks.
        cloud: Its points in the world.
        columns: (n,) their columns in the tracks.
    """
    tracks = scene.inputs.tracks
    if tracks is None:
        return
    wins = cloud.candidate == scene.inputs.winner
    log_boxes_3d(
        scene,
        f"world/candidates/{cloud.candidate}/box",
        tracks.frames.tolist(),
        extents(*cloud.ordered),
        scene.inputs.name_of(cloud.candidate),
        paint(scene, cloud.candidate),
        2.0 if wins else 0.7,
        named=wins,
    )
    edge = _on_edge(scene, columns)
    if edge is not None:
        _log_edge_points(scene, cloud, edge & cloud.seen)


def log_mask_points(scene: Scene, depth: ClipDepth, candidate: int) -> None:
    """Log the pixels of a candidate's mask, lifted by the depth of the keyframe and thinned.

    They show what the mask holds in space: one that spills over onto the table is a sheet there.
    """
    import rerun as rr

    inputs, masks = scene.inputs, scene.inputs.masks
    if masks is None or candidate >= masks.count or not inputs.has_geometry:
        return
    index = depth.near(masks.keyframe, inputs.tracked_step)
    if index < 0:
        return
    points = depth.masked(one_mask(masks, candidate), index, MASK_POINTS)
    if not len(points):
        return
    entity = f"world/candidates/{candidate}/mask_points"
    fixed = rr.Points3D.from_fields(colors=[paint(scene, candidate)], radii=on_screen(0.9))
    scene.fixed(entity, fixed)
    columns = rr.Points3D.columns(positions=points)
    scene.rows(entity, [masks.keyframe], [len(points)], columns, inputs.after_keyframe)


def _on_edge(scene: Scene, columns: I32) -> Bool | None:
    """(F, n) bool, which points of a cloud lie on depth edges; None if nobody looked."""
    consistency, lifting = scene.inputs.consistency, scene.inputs.lifting
    for result in (consistency, lifting):
        if result is not None and result.on_edge.size:
            return np.asarray(result.on_edge[:, as_index(columns)], np.bool_)
    return None


def _log_edge_points(scene: Scene, cloud: Cloud, edge: Bool) -> None:
    """Log small cubes of wire around points: another shape, and the point stays to be seen."""
    import rerun as rr

    inputs, tracks = scene.inputs, scene.inputs.tracks
    if tracks is None or not edge.any():
        return
    # At most so many per frame, spread over the cloud: its points come in no order of place.
    shown = edge
    if edge.sum(axis=1).max() > EDGE_POINTS:
        rank = np.cumsum(edge, axis=1, dtype=np.int32)
        every = -(-rank[:, -1:] // EDGE_POINTS)
        shown = edge & (rank % np.maximum(every, 1) == 0)
    centers = cloud.points[shown]
    half = _EDGE_SIZE * _distance(inputs.camera_model.camera_to_world, cloud)
    entity = f"world/candidates/{cloud.candidate}/edge_points"
    fixed = rr.Boxes3D.from_fields(
        colors=[(*paint(scene, cloud.candidate)[:3], 255)],
        radii=on_screen(0.5),
        fill_mode=rr.components.FillMode.MajorWireframe,
        labels=["on a depth edge: its metres may be those of what is beside it"],
        show_labels=False,
    )
    scene.fixed(entity, fixed)
    columns = rr.Boxes3D.columns(
        centers=centers, half_sizes=np.full((len(centers), 3), half, np.float32)
    )
    scene.rows(entity, tracks.frames, shown.sum(axis=1), columns)


def _distance(pose: np.ndarray | None, cloud: Cloud) -> float:
    """Typical distance of a cloud from the camera, metres."""
    step = max(1, len(cloud.seen) // 8)  # Eight frames tell.
    seen = cloud.points[::step][cloud.seen[::step]]
    place = np.zeros(3) if pose is None else pose[:3, 3]
    return float(np.median(np.linalg.norm(seen - place, axis=1))) if len(seen) else 1.0
