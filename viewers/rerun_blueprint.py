"""The layout of a recording: large enough to read in a panel of 500 x 400 pixels.

One per situation. 3D leads where there is any, the picture of the results' camera is a tab behind
it; other cameras are a column beside them. Plots are tabs below; those of several arms stand side
by side, so that both are seen at once.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from viewers.rerun_inputs import TIMELINE, CameraView, RerunInputs, camera_path, entity_part

if TYPE_CHECKING:
    import rerun.blueprint as rrb

BESIDE = 3
"""Other cameras that are shown beside the main view (our choice: more would be stamps)."""
NEARER = 0.65
"""Distance of the eye from the points, as a share of the camera's (our choice: they fill the view).
"""
STEEP = 0.95
"""Cosine between the line of sight and the vertical from which on there is no level."""


def situation(inputs: RerunInputs) -> str:
    """Short key of the layout's kind: `3d` or `2d`, the cameras with pictures, the arms.

    Layouts of the same situation fit each other; the user's is kept under this key.
    """
    parts = ["3d" if inputs.has_geometry else "2d"]
    shown = [*([inputs.camera] if inputs.pictures else []), *(v.camera for v in _beside(inputs))]
    parts += [inputs.demonstration.camera(key).short_name for key in shown]
    parts += inputs.arms
    return "-".join(re.sub(r"[^A-Za-z0-9_.]", "_", part) for part in parts)


def blueprint(inputs: RerunInputs) -> rrb.Blueprint:
    """Return the layout that fits what there is."""
    import rerun.blueprint as rrb

    main, below = _main(inputs), _plots(inputs)
    layout = main or below or rrb.Tabs(_note())
    if main is not None and below is not None:
        layout = rrb.Vertical(main, below, row_shares=[3.0, 1.6])
    return rrb.Blueprint(
        layout,
        rrb.TimePanel(
            timeline=TIMELINE,
            state="collapsed",
            fps=inputs.demonstration.fps,
            play_state="paused",
        ),
        rrb.SelectionPanel(state="hidden"),
        rrb.BlueprintPanel(state="hidden"),
        rrb.TopPanel(state="hidden"),
        auto_views=False,
        auto_layout=False,
    )


def _main(inputs: RerunInputs) -> rrb.Container | None:
    """3D and the picture as tabs, other cameras beside them; None where there is neither."""
    import rerun.blueprint as rrb

    tabs: list[rrb.View] = []
    if inputs.has_geometry:
        tabs.append(_world_view(inputs))
    # With tracks, there is something to see on the picture's plane even without the picture.
    if inputs.has_camera and (inputs.pictures or inputs.proposals is not None):
        tabs.append(_camera_view(inputs, inputs.camera, "/**"))
    if not inputs.has_geometry:
        tabs.append(_note())
    others = [_camera_view(inputs, view.camera, "/image") for view in _beside(inputs)]
    if not others:
        return rrb.Tabs(*tabs, active_tab=0) if len(tabs) > 1 or inputs.has_geometry else None
    column = rrb.Vertical(*others)
    return rrb.Horizontal(rrb.Tabs(*tabs, active_tab=0), column, column_shares=[2.2, 1.0])


def _beside(inputs: RerunInputs) -> tuple[CameraView, ...]:
    return tuple(view for view in inputs.views if view.pictures)[:BESIDE]


def _note() -> rrb.View:
    import rerun.blueprint as rrb

    return rrb.TextDocumentView(origin="/note", name="Why no 3D")


def _camera_view(inputs: RerunInputs, key: str, below: str) -> rrb.Spatial2DView:
    """The whole picture of a camera, and what is drawn on it."""
    import rerun.blueprint as rrb

    camera = inputs.demonstration.camera(key)
    flat = camera_path(camera)
    bounds = rrb.VisualBounds2D(x_range=[0, camera.width], y_range=[0, camera.height])
    return rrb.Spatial2DView(
        origin=flat, contents=f"+ /{flat}{below}", name=camera.short_name, visual_bounds=bounds
    )


def _world_view(inputs: RerunInputs) -> rrb.Spatial3DView:
    """3D: the points before the camera's picture, seen from beside the camera."""
    import rerun.blueprint as rrb

    flat = camera_path(inputs.camera_model)
    # Not the 2D points and boxes: they would be drawn a second time, on the picture.
    contents = [f"+ /{flat}", f"+ /{flat}/image", "+ /world/**"]
    if inputs.camera_model.camera_to_world is not None:
        for view in _beside(inputs):
            camera = inputs.demonstration.camera(view.camera)
            # Without a pose it would hang in the world's origin, where it is not.
            if camera.camera_to_world is not None and camera.intrinsics is not None:
                # The frustum alone: its picture would hang in the way, and is shown beside.
                contents.append(f"+ /{camera_path(camera)}")
    return rrb.Spatial3DView(
        origin="/",
        contents=contents,
        name="3D",
        line_grid=rrb.LineGrid3D(visible=False),
        eye_controls=_eye(inputs),
    )


def _eye(inputs: RerunInputs) -> rrb.EyeControls3D:
    import rerun.blueprint as rrb

    pose = inputs.camera_model.camera_to_world
    pose = np.eye(4) if pose is None else pose
    right, down, forward, place = (pose[:3, i] for i in range(4))
    centre = place + forward
    if inputs.lifting is not None and inputs.lifting.xyz.size:
        # A few thousand points say where the middle is; all of them take long.
        flat = inputs.lifting.xyz.reshape(-1, 3)
        xyz = inputs.world_points(flat[:: max(1, len(flat) // 4000)])
        xyz = xyz[np.isfinite(xyz).all(axis=1)]
        if len(xyz):
            centre = np.median(xyz, axis=0)
    reach = float(np.linalg.norm(centre - place))
    eye = centre + NEARER * reach * (0.45 * right - 0.45 * down - 0.8 * forward)
    # Tables are level where the world is known, unless one looks straight down at them.
    look = (centre - eye) / max(float(np.linalg.norm(centre - eye)), 1e-6)
    level = inputs.camera_model.camera_to_world is not None and abs(look[2]) < STEEP
    up = np.array([0.0, 0.0, 1.0]) if level else -down
    return rrb.EyeControls3D(
        kind=rrb.Eye3DKind.Orbital, position=eye, look_target=centre, eye_up=up
    )


def _plots(inputs: RerunInputs) -> rrb.Container | None:
    """Tabs below the main view."""
    import rerun.blueprint as rrb

    parts: list[rrb.View | rrb.Container] = []
    # The legend would hide half of a small plot; colours and names are those of the candidates.
    legend = rrb.PlotLegend(visible=False)

    def plot(name: str, origin: str) -> rrb.View:
        return rrb.TimeSeriesView(origin=origin, name=name, plot_legend=legend)

    arms = [plot(f"Gripper {arm}", f"/signals/gripper/{entity_part(arm)}") for arm in inputs.arms]
    several = len(arms) > 1
    if several:
        parts.append(rrb.Horizontal(*arms, name="Grippers"))
    if inputs.scores is not None:
        parts.append(plot("Motion, px/s", "/signals/motion"))
        parts.append(plot("Proximity", "/signals/proximity"))
        parts.append(plot("Overlap", "/signals/overlap"))
    if inputs.consistency is not None:
        parts.append(plot("Residual, px", "/signals/residual"))
    if arms and not several:
        parts += arms
    if arms:
        parts.append(rrb.StateTimelineView(origin="/phases", name="Phases"))
    if inputs.problems:
        parts.append(rrb.TextLogView(origin="/problems", name="Problems"))
    return rrb.Tabs(*parts, active_tab=0) if parts else None
