"""A made-up subtask with results of all stages, as a session and as an export."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pipeline.annotate import standard_graph
from pipeline.document import Session
from pipeline.engine.cache import StageOutcome
from pipeline.export.session_bundle import pack_session
from pipeline.model.caption import CaptionFields, CaptionResult, Verdict
from pipeline.model.checks import ChecksResult, Constraint, ConstraintKind, Evidence, Outcome
from pipeline.model.demonstration import DatasetInfo, EpisodeInfo, EpisodeRef
from pipeline.model.edits import JudgeCaption, Rename
from pipeline.model.options import with_option
from pipeline.model.subtask import SubtasksResult
from pipeline.stages.stage import Scope
from tests.rerun_scenes import scene
from viewers.rerun_inputs import RerunInputs
from viewers.rerun_log import recording_bytes

GRAPH = standard_graph()
CAPTION = "Put the red cube in the bowl."
FOLDER = "/home/somebody/data/kitchen"
EDITS = (
    Rename(subtask=0, object_name="red cube", target_name="bowl"),
    JudgeCaption(subtask=0, verdict=Verdict.ACCEPTED, draft=CAPTION, text=CAPTION),
)


def inputs(subtasks: int = 1, **more: Any) -> RerunInputs:
    """Results of all stages but the captions and their checks; the dataset lies in `FOLDER`.

    Args:
        subtasks: Number of subtasks; the results are those of the first.
        **more: As `scene` takes.
    """
    made = scene(**more)
    demonstration = dataclasses.replace(
        made.demonstration, ref=EpisodeRef(FOLDER, 3), files=(f"{FOLDER}/meta/info.json",)
    )
    assert made.subtask is not None
    tasks = tuple(dataclasses.replace(made.subtask, index=i) for i in range(subtasks))
    known = SubtasksResult(tasks, "rules")
    return dataclasses.replace(made, demonstration=demonstration, subtasks=known)


def session(made: RerunInputs | None = None) -> Session:
    """The same as the window would have it, with an option changed and two corrections."""
    made = made or inputs()
    caption = CaptionResult(
        *(CAPTION, CAPTION, CaptionFields("put", "red cube", "in", "bowl")),
        *((("verb", "the instruction says so"),), Verdict.ACCEPTED, "offline"),
    )
    claim = ("the object is red", "red", Outcome.PASS, "The mask is red.", Evidence(3, (0,)))
    checks = ChecksResult(CAPTION, (Constraint(ConstraintKind.COLOR, *claim),))
    written = {"captions": caption, "checks": checks}
    results = {}
    for number, stage in enumerate(GRAPH.stages):
        result = written[stage.name] if stage.name in written else getattr(made, stage.name)
        subtask = -1 if stage.scope is Scope.EPISODE else 0
        key = f"{number:040x}"
        results[(stage.name, subtask)] = StageOutcome(stage.name, subtask, key, result, 1.5)
    options = GRAPH.default_options()
    options["phases"] = with_option(options["phases"], "closure_threshold", 0.37)
    demonstration = made.demonstration
    return Session(
        dataset=DatasetInfo(
            *(FOLDER, "lerobot", "v2.1", "made up", demonstration.fps, "made up"),
            cameras=tuple(c.key for c in demonstration.cameras),
            grippers=demonstration.grippers,
            episodes=(EpisodeInfo(3, demonstration.length, demonstration.instruction, True),),
        ),
        demonstration=demonstration,
        camera=made.camera,
        options=MappingProxyType(options),
        edits=EDITS,
        results=MappingProxyType(results),
    )


def write_export(folder: Path, **more: Any) -> Path:
    """Write it as a recording that carries its session."""
    made = inputs(**more)
    data = pack_session(session(made), GRAPH)
    path = folder / "kitchen-episode-000003-subtask-1.rrd"
    path.write_bytes(recording_bytes(dataclasses.replace(made, session=data)))
    return path
