"""Candidates and target in a recording."""

from __future__ import annotations

import numpy as np

from pipeline.model.arrays import F32, Bool
from pipeline.model.candidate import Box, TracksResult
from pipeline.model.palette import TARGET, candidate_color
from viewers.rerun_inputs import camera_path
from viewers.rerun_scene import Rgba, Scene, log_boxes, log_strips, on_screen, outlines

TAIL_S = 2.0
"""Length of the tails in seconds (our choice: long enough to see a reach)."""
TAILS = 8
"""Points of the winner that get a tail of their own."""
FAINT = 150
"""Opacity 0..255 of candidates that did not win."""


def log_candidates(scene: Scene) -> None:
    """Log boxes, outlines, points and tails of all candidates, in the palette's colours."""
    for candidate in range(scene.inputs.candidate_count):
        _log_boxes(scene, candidate)
        _log_outline(scene, candidate)
        _log_points(scene, candidate)


def _paint(scene: Scene, candidate: int) -> Rgba:
    plain = scene.inputs.winner in (-1, candidate)
    return (*candidate_color(candidate), 255 if plain else FAINT)


def _log_boxes(scene: Scene, candidate: int) -> None:
    """The proposal at the keyframe, and the box as its points carry it along."""
    inputs = scene.inputs
    boxes: dict[int, Box] = {}
    if inputs.tracks is not None and candidate < inputs.tracks.boxes.shape[1]:
        for frame, box in zip(inputs.tracks.frames, inputs.tracks.boxes[:, candidate], strict=True):
            # A lost candidate is an empty row, not a box that stands still.
            boxes[int(frame)] = tuple(float(v) for v in box)  # type: ignore[assignment]
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
        _paint(scene, candidate),
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
    strips = outlines(masks.masks[candidate], scale)
    entity = f"{camera_path(camera)}/candidates/{candidate}/mask"
    log_strips(
        scene, entity, [masks.keyframe], [len(strips)], strips, _paint(scene, candidate), 1.5
    )


def _log_points(scene: Scene, candidate: int) -> None:
    """Visible points and tails, in the picture and, with geometry, in the world."""
    inputs, tracks = scene.inputs, scene.inputs.tracks
    if tracks is None:
        return
    chosen = (tracks.candidate == candidate) & tracks.kept
    if not chosen.any():
        chosen = tracks.candidate == candidate
    if not chosen.any():
        return
    flat = f"{camera_path(inputs.camera_model)}/candidates/{candidate}"
    _log_cloud(scene, tracks, flat, candidate, tracks.points[:, chosen], tracks.visible[:, chosen])
    lifting = inputs.lifting
    if lifting is not None and inputs.has_geometry:
        xyz = inputs.world_points(lifting.xyz[:, chosen])
        solid = f"world/candidates/{candidate}"
        # Where metres differ from frame to frame, a tail is a way that nothing went.
        tails = not lifting.scale_drifts
        _log_cloud(scene, tracks, solid, candidate, xyz, tracks.visible[:, chosen], tails)


def _log_cloud(
    scene: Scene,
    tracks: TracksResult,
    entity: str,
    candidate: int,
    points: F32,
    visible: Bool,
    with_tails: bool = True,
) -> None:
    """Log points (F, n, 2 or 3) where they are visible and known, and their tails."""
    import rerun as rr

    wins = candidate == scene.inputs.winner
    color = _paint(scene, candidate)
    seen: Bool = np.asarray(visible & np.isfinite(points).all(axis=2), np.bool_)
    archetype = rr.Points2D if points.shape[2] == 2 else rr.Points3D
    radius = on_screen(2.2 if wins else 1.4)
    scene.fixed(f"{entity}/points", archetype.from_fields(colors=[color], radii=radius))
    scene.rows(
        f"{entity}/points",
        tracks.frames,
        seen.sum(axis=1),
        archetype.columns(positions=points[seen]),
    )
    if not with_tails:
        return
    paths = [_centre(points, seen)]
    if wins:
        best = np.argsort(-seen.sum(axis=0), kind="stable")[:TAILS]
        paths += [np.where(seen[:, [i]], points[:, i], np.nan) for i in best]
    lengths, strips = _tails(paths, max(2, round(TAIL_S * tracks.fps)))
    log_strips(
        scene, f"{entity}/track", tracks.frames, lengths, strips, color, 2.0 if wins else 1.2
    )


def _centre(points: F32, seen: Bool) -> F32:
    """(F, d) median of the seen points, NaN where none is seen."""
    centre = np.full((len(points), points.shape[2]), np.nan, np.float32)
    for row in np.flatnonzero(seen.any(axis=1)):
        centre[row] = np.median(points[row, seen[row]], axis=0)
    return centre


def _tails(paths: list[F32], length: int) -> tuple[list[int], list[F32]]:
    """Cut the last `length` steps of each path at each frame; gaps end a tail."""
    lengths: list[int] = []
    strips: list[F32] = []
    known = [np.asarray(np.isfinite(path).all(axis=1)) for path in paths]
    for row in range(len(paths[0])):
        count = 0
        for path, there in zip(paths, known, strict=True):
            first = max(0, row - length)
            gaps = np.flatnonzero(~there[first : row + 1])
            if gaps.size:
                first += int(gaps[-1]) + 1
            if row - first >= 1:
                strips.append(path[first : row + 1])
                count += 1
        lengths.append(count)
    return lengths, strips


def log_target(scene: Scene) -> None:
    """Log the target's box over the clip and the object's box at its end."""
    inputs, target = scene.inputs, scene.inputs.target
    if target is None:
        return
    flat = camera_path(inputs.camera_model)
    start, end = inputs.clip
    if target.box is not None:
        color = (*TARGET, 255)
        log_boxes(scene, f"{flat}/target/box", {start: target.box}, "target", color, 2.0, end)
    if target.object_end_box is not None:
        last = {max(start, end - 1): target.object_end_box}
        color = (*candidate_color(max(inputs.winner, 0)), 255)
        log_boxes(scene, f"{flat}/target/object_end", last, "object at end", color, 1.5, end)
