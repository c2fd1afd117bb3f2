"""Writes one episode and one subtask's results as a Rerun recording (.rrd).

A pure function of its inputs: nothing is listened on, sent, or shown. Whatever result is missing
is left out, and the blueprint follows what there is. Entities (docs/rerun.md says what they are):

    camera/<name>, camera/<name>/image                       all cameras of the episode
    camera/<name>/{robot,gripper/*,target/*}                 in the results' camera
    camera/<name>/candidates/<id>/{box,mask,points,track}
    world/candidates/<id>/{points,track,box,mask_points,edge_points}
    world/depth, world/robot/points, world/gripper/*, world/target/*
    signals/gripper/<arm>/{opening,close_below,open_above}
    signals/{motion,proximity,overlap,residual}/<id>
    phases/<arm>, problems, note
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from viewers.rerun_blueprint import blueprint, situation
from viewers.rerun_cameras import log_cameras, log_pictures
from viewers.rerun_candidates import log_candidate, log_target
from viewers.rerun_depth import ClipDepth, log_depth
from viewers.rerun_inputs import RerunInputs
from viewers.rerun_robot import log_robot
from viewers.rerun_scene import Scene
from viewers.rerun_signals import log_note, log_phases, log_problems, log_signals
from viewers.rerun_streams import MemoryStream, memory_stream

if TYPE_CHECKING:
    import rerun as rr

Progress = Callable[[float, str], None]


def application_id(inputs: RerunInputs) -> str:
    """Id under which the viewer keeps layouts: those of another situation do not fit."""
    return f"demoscope {situation(inputs)}"


def recording_bytes(
    inputs: RerunInputs,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> bytes:
    """Return the recording as the bytes of an .rrd file.

    Args:
        inputs: What is logged.
        progress: Called with the share that is done, 0..1, and what is next.
        cancelled: Asked often; True ends the work.

    Raises:
        Cancelled: `cancelled` said so.
    """
    with memory_stream(application_id(inputs)) as memory:
        _log(inputs, memory, progress, cancelled)
        return memory.take()


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


def _log(
    inputs: RerunInputs,
    memory: MemoryStream,
    progress: Progress | None,
    cancelled: Callable[[], bool] | None,
) -> None:
    name = f"episode {inputs.demonstration.ref.episode}"
    if inputs.subtask is not None:
        name += f", subtask {inputs.subtask.index + 1}"
    memory.stream.send_recording_name(name)
    memory.send_blueprint(blueprint(inputs))
    scene = Scene(inputs, memory.stream, cancelled)
    # The viewer shows what has arrived: what is small and says most comes first.
    parts: list[tuple[str, Callable[[Scene], None]]] = [("signals", _log_small)]
    parts.append(("pictures", log_pictures))
    for candidate in range(inputs.candidate_count):
        parts.append((f"candidate {candidate}", partial(log_candidate, candidate=candidate)))
    parts += [("robot", log_robot), ("depth", _log_depth)]

    # One after the other: two threads save a fifth of the time and take it from the window's own.
    for number, (what, part) in enumerate(parts):
        scene.check()
        if progress is not None:
            progress(number / len(parts), what)
        part(scene)
    if inputs.session:
        _log_session(memory.stream, inputs.session)


def _log_depth(scene: Scene) -> None:
    if scene.inputs.has_geometry:
        log_depth(scene, ClipDepth(scene.inputs))


def _log_small(scene: Scene) -> None:
    for part in (log_cameras, log_target, log_phases, log_signals, log_problems, log_note):
        part(scene)


def _log_session(stream: rr.RecordingStream, session: bytes) -> None:
    from viewers.rerun_session_entity import log_session

    log_session(stream, session)
