"""A short pipeline that writes down every stage it computes, and misbehaves where it is told to.

Told by environment variables, which worker processes inherit:
TOY_LOG: file that gets a line `episode stage pid` when a stage begins.
TOY_FAULTS: JSON, episode -> `die`, `hang`, `raise`, `die_once` (needs the log to tell).
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

from pipeline.engine.graph import Graph
from pipeline.model.demonstration import Demonstration
from pipeline.model.options import option
from pipeline.model.problem import Problem
from pipeline.model.subtask import SubtasksResult
from pipeline.stages.phases import PhasesStage
from pipeline.stages.stage import Scope, Stage
from pipeline.stages.subtasks import SubtasksStage
from tests.datasets import (
    FRONT,
    NAMES,
    V2_DATA,
    V2_VIDEO,
    info_json,
    picture,
    pq,
    table,
    write_video,
)

LOG, FAULTS = "TOY_LOG", "TOY_FAULTS"


def many_episodes(root: Path, lengths: list[int]) -> Path:
    """A LeRobot v2.1 dataset of short episodes; equal lengths share a video."""
    (root / "meta").mkdir(parents=True)
    (root / "meta/info.json").write_text(json.dumps(info_json("v2.1", len(lengths), 10, NAMES)))
    task = "Pick up the red cube."
    rows = [{"episode_index": i, "tasks": [task], "length": n} for i, n in enumerate(lengths)]
    (root / "meta/episodes.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    (root / "meta/tasks.jsonl").write_text(json.dumps({"task_index": 0, "task": task}) + "\n")
    videos: dict[int, Path] = {}
    for i, n in enumerate(lengths):
        path = root / V2_DATA.format(episode_chunk=0, episode_index=i)
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table(n, i, 10), path)
        video = root / V2_VIDEO.format(episode_chunk=0, episode_index=i, video_key=FRONT)
        video.parent.mkdir(parents=True, exist_ok=True)
        if n in videos:
            video.write_bytes(videos[n].read_bytes())
        else:
            write_video(video, [picture(f) for f in range(n)], 10)
            videos[n] = video
    return root


def begun(log: Path) -> list[tuple[int, str, int]]:
    """Lines of the log: episode, stage, process."""
    if not log.exists():
        return []
    rows = [line.split() for line in log.read_text().splitlines()]
    return [(int(episode), stage, int(pid)) for episode, stage, pid in rows]


def _begin(demonstration: Demonstration, stage: str) -> None:
    path = os.environ.get(LOG)
    if path:
        line = f"{demonstration.ref.episode} {stage} {os.getpid()}\n"
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(handle, line.encode())
        os.close(handle)


class LoggedPhases(PhasesStage):
    def run(self, demonstration, inputs, options, edits, context):
        _begin(demonstration, self.name)
        return super().run(demonstration, inputs, options, edits, context)


class LoggedSubtasks(SubtasksStage):
    def run(self, demonstration, inputs, options, edits, context):
        _begin(demonstration, self.name)
        return super().run(demonstration, inputs, options, edits, context)


@dataclass(frozen=True)
class ToilOptions:
    seconds: float = option(0.0, "how long it takes", low=0, high=100)
    factor: float = option(1.0, "multiplies", low=0, high=100)
    place: str = option("here", "decides nothing", keyed=False)


@dataclass(frozen=True)
class ToilResult:
    value: float
    problems: tuple[Problem, ...] = ()


class Toil(Stage[ToilOptions, ToilResult]):
    name, title, version, scope, inputs = "toil", "Toil", 1, Scope.SUBTASK, ("subtasks",)
    options_type, result_type = ToilOptions, ToilResult

    def run(self, demonstration, inputs, options, edits, context):
        _begin(demonstration, self.name)
        episode = demonstration.ref.episode
        match json.loads(os.environ.get(FAULTS, "{}")).get(str(episode)):
            case "die":
                os._exit(7)
            case "die_once":
                tries = [e for e in begun(Path(os.environ[LOG])) if e[:2] == (episode, self.name)]
                if len(tries) == 1:
                    os._exit(7)
            case "hang":
                while True:
                    time.sleep(1)
            case "raise":
                raise IndexError("too many")
        if options.seconds:
            time.sleep(options.seconds)
        context.progress(1.0, "done")
        code = f"made_{inputs.get(SubtasksResult).subtasks[0].instruction[:4]}"
        problems = (Problem(code.lower().replace(" ", "_"), "a finding"),)
        return ToilResult(options.factor * demonstration.length, problems)


def graph() -> Graph:
    return Graph((LoggedPhases(), LoggedSubtasks(), Toil()))
