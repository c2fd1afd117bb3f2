"""Everything in a recording that is no place: phases, series, findings and the note."""

from __future__ import annotations

import numpy as np

from pipeline.model.arrays import F32, I32
from pipeline.model.palette import PHASES, ROBOT, candidate_color
from pipeline.model.phases import PhaseName
from pipeline.model.problem import Severity
from viewers.rerun_boxes import middles, ordered
from viewers.rerun_inputs import entity_part
from viewers.rerun_scene import Scene

OPENING = (128, 138, 152)
"""Of an arm's opening: seen on light and on dark (the gripper's white is not)."""
LIMIT = ROBOT
NO_PHASE = "none"
"""State of an arm between phases."""
_LEVELS = {Severity.INFO: "INFO", Severity.WARNING: "WARN", Severity.ERROR: "ERROR"}


def log_phases(scene: Scene) -> None:
    """One lane per arm, in the colours of the timeline."""
    import rerun as rr

    if scene.inputs.phases is None:
        return
    names = [*PhaseName]
    values = [*(str(name) for name in names), NO_PHASE]
    labels = [*(name.replace("_", " ") for name in names), "–"]
    colors = [*((*PHASES[name], 255) for name in names), (*ROBOT, 60)]
    for arm in scene.inputs.phases.arms:
        entity = f"phases/{entity_part(arm.arm)}"
        fixed = rr.StateConfiguration(values=values, labels=labels, colors=colors)
        scene.fixed(entity, fixed)
        changes = {0: NO_PHASE}
        for phase in arm.phases:
            changes[phase.start] = str(phase.name)
            changes.setdefault(phase.end, NO_PHASE)
        frames = sorted(frame for frame in changes if frame < scene.inputs.demonstration.length)
        states = [changes[frame] for frame in frames]
        columns = rr.StateChange.columns(state=states)
        scene.recording.send_columns(entity, scene.index(frames), columns)


def log_signals(scene: Scene) -> None:
    """Gripper opening of each arm with its thresholds; the cues and the residual of candidates."""
    _log_grippers(scene)
    inputs, scores = scene.inputs, scene.inputs.scores
    if scores is not None:
        for row, terms in enumerate(scores.terms):
            for cue, frames, values in (
                ("motion", scores.frames[1:], scores.motion[row]),
                ("proximity", scores.frames, scores.proximity[row]),
                ("overlap", scores.frames, scores.overlap[row]),
            ):
                _log_cue(scene, cue, terms.candidate, frames, values)
    consistency = inputs.consistency
    if consistency is not None and consistency.rigid.size:
        for candidate in np.unique(consistency.candidate).tolist():
            residual = consistency.rigid[:, consistency.candidate == candidate]
            typical = middles(*ordered(residual[..., None], np.isfinite(residual)))[:, 0]
            _log_cue(scene, "residual", candidate, consistency.frames, typical)


def _log_grippers(scene: Scene) -> None:
    inputs = scene.inputs
    last = max(0, inputs.demonstration.length - 1)
    for arm in inputs.phases.arms if inputs.phases is not None else ():
        entity = f"signals/gripper/{entity_part(arm.arm)}"
        whole = range(len(arm.opening))
        _log_series(scene, f"{entity}/opening", whole, arm.opening, OPENING, f"opening {arm.arm}")
        for limit, value in (("close_below", arm.close_below), ("open_above", arm.open_above)):
            line = np.full(2, value, np.float32)
            label = f"{limit.replace('_', ' ')} {value:.2f}"
            _log_series(scene, f"{entity}/{limit}", (0, last), line, LIMIT, label, width=1.0)


def _log_cue(scene: Scene, cue: str, candidate: int, frames: I32, values: F32) -> None:
    """Log a candidate's line; a cue that nobody could measure is left out."""
    if not np.isfinite(values).any():
        return
    color = candidate_color(candidate)
    name = scene.inputs.name_of(candidate)
    width = 2.5 if candidate == scene.inputs.winner else 1.2
    _log_series(scene, f"signals/{cue}/{candidate}", frames, values, color, name, width=width)


def _log_series(
    scene: Scene,
    entity: str,
    frames: range | tuple[int, ...] | I32,
    values: F32,
    color: tuple[int, int, int],
    name: str,
    *,
    width: float = 1.5,
) -> None:
    """Log one line of a plot; unknown values (NaN) are gaps."""
    import rerun as rr

    if len(values) == 0:
        return
    fixed = rr.SeriesLines.from_fields(colors=[(*color, 255)], names=[name], widths=[width])
    scene.fixed(entity, fixed)
    columns = rr.Scalars.columns(scalars=values.astype(np.float64))
    scene.recording.send_columns(entity, scene.index(frames), columns)


def log_problems(scene: Scene) -> None:
    """Findings at their frames; those without a frame at the clip's start."""
    import rerun as rr

    start = scene.inputs.clip[0]
    last = max(0, scene.inputs.demonstration.length - 1)
    found = [(min(start if p.frame is None else p.frame, last), p) for p in scene.inputs.problems]
    if not found:
        return
    found.sort(key=lambda pair: pair[0])
    columns = rr.TextLog.columns(
        text=[f"{p.message} ({p.code})" for _, p in found],
        level=[_LEVELS[p.severity] for _, p in found],
    )
    scene.recording.send_columns("problems", scene.index(frame for frame, _ in found), columns)


def log_note(scene: Scene) -> None:
    """Say why there is no 3D view, if there is none."""
    import rerun as rr

    why = scene.inputs.why_no_geometry
    if why:
        scene.fixed("note", rr.TextDocument(why, media_type=rr.MediaType.TEXT))
