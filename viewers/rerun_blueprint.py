"""The layout of a recording: large enough to read in a panel of 500 x 400 pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from viewers.rerun_inputs import TIMELINE, RerunInputs, camera_path

if TYPE_CHECKING:
    import rerun.blueprint as rrb


def blueprint(inputs: RerunInputs) -> rrb.Blueprint:
    """Return the layout that fits what there is.

    With geometry the 3D view leads and the picture is a tab behind it; without, the picture leads
    and a text says why. Signals, phases and problems are tabs below, as far as they exist.
    """
    import rerun.blueprint as rrb

    flat = camera_path(inputs.camera_model)
    picture = rrb.Spatial2DView(
        origin=flat,
        contents=f"+ /{flat}/**",
        name="Camera",
        visual_bounds=_bounds(inputs),
    )
    main: rrb.Container
    if inputs.has_geometry:
        main = rrb.Tabs(_world_view(inputs), picture, active_tab=0)
    else:
        note = rrb.TextDocumentView(origin="/note", name="Why no 3D")
        main = rrb.Tabs(picture, note, active_tab=0)
    below = _plots(inputs)
    layout = main if below is None else rrb.Vertical(main, below, row_shares=[3.0, 1.6])
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


def _bounds(inputs: RerunInputs) -> rrb.VisualBounds2D:
    """The whole picture with a margin for labels of boxes at its edge."""
    import rerun.blueprint as rrb

    camera = inputs.camera_model
    return rrb.VisualBounds2D(x_range=[0, camera.width], y_range=[0, camera.height])


def _world_view(inputs: RerunInputs) -> rrb.Spatial3DView:
    """3D: the points before the camera's picture, seen from beside the camera."""
    import rerun.blueprint as rrb

    flat = camera_path(inputs.camera_model)
    return rrb.Spatial3DView(
        origin="/",
        # Not the 2D points and boxes: they would be drawn a second time, on the picture.
        contents=[f"+ /{flat}", f"+ /{flat}/image", "+ /world/**"],
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
        xyz = inputs.world_points(inputs.lifting.xyz).reshape(-1, 3)
        xyz = xyz[np.isfinite(xyz).all(axis=1)]
        if len(xyz):
            centre = np.median(xyz, axis=0)
    reach = float(np.linalg.norm(centre - place))
    eye = place + reach * (0.4 * right - 0.3 * down + 0.1 * forward)
    return rrb.EyeControls3D(
        kind=rrb.Eye3DKind.Orbital, position=eye, look_target=centre, eye_up=-down
    )


def _plots(inputs: RerunInputs) -> rrb.Container | None:
    """Tabs below the main view."""
    import rerun.blueprint as rrb

    views: list[rrb.View] = []
    # The legend would hide half of a small plot; colours and names are those of the candidates.
    legend = rrb.PlotLegend(visible=False)

    def plot(name: str, origin: str) -> None:
        views.append(rrb.TimeSeriesView(origin=origin, name=name, plot_legend=legend))

    if inputs.scores is not None:
        plot("Motion, px/s", "/signals/motion")
        plot("Proximity", "/signals/proximity")
    if inputs.phases is not None:
        plot("Gripper", "/signals/gripper")
        views.append(rrb.StateTimelineView(origin="/phases", name="Phases"))
    if inputs.problems:
        views.append(rrb.TextLogView(origin="/problems", name="Problems"))
    return rrb.Tabs(*views, active_tab=0) if views else None
