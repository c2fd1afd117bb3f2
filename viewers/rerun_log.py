"""Writes one episode and one subtask's results as a Rerun recording (.rrd).

A pure function of its inputs: nothing is listened on, sent, or shown. Whatever result is missing
is left out, and the blueprint follows what there is. Entities:

    camera/<name>/image, /robot, /gripper/{points,reference,sphere}, /target/{box,object_end}
    camera/<name>/candidates/<id>/{box,mask,points,track}
    world/candidates/<id>/{points,track}, world/gripper/{points,reference,sphere}
    world/depth_camera, world/depth_camera/depth (where depth was estimated)
    signals/gripper/<arm>/{opening,close_below,open_above}, signals/{motion,proximity}/<id>
    phases/<arm>, problems, note
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.model.arrays import F32, I32
from pipeline.model.palette import GRIPPER, PHASES, ROBOT, candidate_color
from pipeline.model.phases import PhaseName
from pipeline.model.problem import Severity
from viewers.rerun_candidates import log_candidates, log_target
from viewers.rerun_inputs import RerunInputs, entity_part
from viewers.rerun_robot import log_depth, log_pictures, log_robot
from viewers.rerun_scene import Scene

if TYPE_CHECKING:
    import rerun as rr

NO_PHASE = "none"
"""State of an arm between phases."""
_LEVELS = {Severity.INFO: "INFO", Severity.WARNING: "WARN", Severity.ERROR: "ERROR"}


def recording_bytes(inputs: RerunInputs) -> bytes:
    """Return the recording as the bytes of an .rrd file."""
    recording = _new_recording(inputs)
    memory = recording.memory_recording()
    _log(inputs, recording)
    data: bytes = memory.drain_as_bytes()
    return data


def write_recording(inputs: RerunInputs, path: Path) -> Path:
    """Write the recording to `path` in one step; an older file is replaced. Returns `path`."""
    data = recording_bytes(inputs)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        os.chmod(name, 0o644)  # mkstemp makes private files
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path


def _new_recording(inputs: RerunInputs) -> rr.RecordingStream:
    import rerun as rr

    # The viewer keeps the user's layout per application id; layouts with and without 3D, and of
    # different cameras, are not interchangeable.
    form = "3d" if inputs.has_geometry else "2d"
    return rr.RecordingStream(f"demoscope {form} {inputs.camera_model.short_name}")


def _log(inputs: RerunInputs, recording: rr.RecordingStream) -> None:
    from viewers.rerun_blueprint import blueprint

    name = f"episode {inputs.demonstration.ref.episode}"
    if inputs.subtask is not None:
        name += f", subtask {inputs.subtask.index + 1}"
    recording.send_recording_name(name)
    recording.send_blueprint(blueprint(inputs), make_active=True, make_default=True)
    scene = Scene(inputs, recording)
    log_pictures(scene)
    log_depth(scene)
    log_candidates(scene)
    log_robot(scene)
    log_target(scene)
    _log_phases(scene)
    _log_signals(scene)
    _log_problems(scene)
    _log_note(scene)
    recording.flush()


def _log_phases(scene: Scene) -> None:
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


def _log_signals(scene: Scene) -> None:
    """Gripper opening with its thresholds; motion and proximity of each candidate."""
    inputs = scene.inputs
    last = inputs.demonstration.length - 1
    for arm in inputs.phases.arms if inputs.phases is not None else ():
        entity = f"signals/gripper/{entity_part(arm.arm)}"
        whole = range(len(arm.opening))
        _log_series(scene, f"{entity}/opening", whole, arm.opening, GRIPPER, f"opening {arm.arm}")
        for limit, value in (("close_below", arm.close_below), ("open_above", arm.open_above)):
            line = np.full(2, value, np.float32)
            label = limit.replace("_", " ")
            _log_series(scene, f"{entity}/{limit}", (0, last), line, ROBOT, label, width=1.0)
    scores = inputs.scores
    if scores is None:
        return
    for row, terms in enumerate(scores.terms):
        color = candidate_color(terms.candidate)
        width = 2.5 if terms.candidate == scores.winner else 1.2
        for cue, frames, values in (
            ("motion", scores.frames[1:], scores.motion[row]),
            ("proximity", scores.frames, scores.proximity[row]),
        ):
            entity = f"signals/{cue}/{terms.candidate}"
            _log_series(
                scene, entity, frames, values, color, inputs.name_of(terms.candidate), width=width
            )


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
    scene.recording.send_columns(entity, scene.index(int(f) for f in frames), columns)


def _log_problems(scene: Scene) -> None:
    """Findings at their frames; those without a frame at the clip's start."""
    import rerun as rr

    start = scene.inputs.clip[0]
    found = [(start if p.frame is None else p.frame, p) for p in scene.inputs.problems]
    if not found:
        return
    found.sort(key=lambda pair: pair[0])
    columns = rr.TextLog.columns(
        text=[f"{p.message} ({p.code})" for _, p in found],
        level=[_LEVELS[p.severity] for _, p in found],
    )
    scene.recording.send_columns("problems", scene.index(frame for frame, _ in found), columns)


def _log_note(scene: Scene) -> None:
    """Say why there is no 3D view, if there is none."""
    import rerun as rr

    why = scene.inputs.why_no_geometry
    if why:
        scene.fixed("note", rr.TextDocument(why, media_type=rr.MediaType.TEXT))
