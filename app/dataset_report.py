"""`demoscope info`: what a dataset holds, for people and machines."""

from __future__ import annotations

import json
from typing import Any

from app.cli import say
from pipeline.model.demonstration import DatasetInfo, DatasetSource, EpisodeInfo
from pipeline.model.problem import DataError, Problem
from pipeline.sources.detect import open_dataset

_OPEN_AT_MOST = 200
"""Present episodes that are opened to find problems of their content."""


def report(path: str, *, as_json: bool) -> int:
    """Print the report. Raises DataError."""
    source = open_dataset(path)
    data = describe(source)
    if as_json:
        say(json.dumps(data, indent=2, ensure_ascii=False))
        return 0
    info = source.info
    say(f"{info.path}")
    say(f"  format    {info.format} {info.version} ({info.reason})")
    say(f"  robot     {info.robot_type or 'not said'}, {info.fps:g} fps")
    say(f"  cameras   {', '.join(info.cameras) or 'none'}")
    for gripper in info.grippers:
        names = ", ".join(gripper.names)
        say(f"  gripper   {gripper.arm}: {gripper.signal} {names}; closed is {gripper.closed_is}")
        say(f"            ({gripper.reason})")
    if not info.grippers:
        say("  gripper   none found")
    present = [e for e in data["episodes"] if e["present"]]
    say(f"  episodes  {len(present)} of {len(data['episodes'])} on disk")
    for problem in info.problems:
        say(f"  {problem.severity.value:9} {problem.code}: {problem.message}")
    for episode in present:
        say(f"    {episode['index']:6}  {episode['length']:6} frames  {episode['instruction']}")
        for entry in episode["problems"]:
            say(f"            {entry['code']}: {entry['message']}")
    return 0


def describe(source: DatasetSource) -> dict[str, Any]:
    """Make the JSON object of `info --json`; the shape is part of our interface."""
    info = source.info
    left = _OPEN_AT_MOST
    episodes = []
    for episode in info.episodes:
        problems = episode.problems
        if episode.present and left > 0:
            left -= 1
            problems = _with_content(source, episode)
        episodes.append(
            {
                "index": episode.index,
                "length": episode.length,
                "instruction": episode.instruction,
                "present": episode.present,
                "problems": [{"code": p.code, "message": p.message} for p in problems],
            }
        )
    return _header(info) | {"episodes": episodes}


def _with_content(source: DatasetSource, episode: EpisodeInfo) -> tuple[Problem, ...]:
    """Problems of the metadata and of the content, each once."""
    try:
        found = source.open(episode.index).problems
    except DataError as error:
        found = (error.as_problem(),)
    unique = {(p.code, p.message): p for p in (*episode.problems, *found)}
    return tuple(unique.values())


def _header(info: DatasetInfo) -> dict[str, Any]:
    return {
        "format": info.format,
        "version": info.version,
        "fps": info.fps,
        "robot_type": info.robot_type,
        "cameras": list(info.cameras),
        "gripper": {
            g.arm: {
                "channels": list(g.names),
                "signal": g.signal,
                "closed_is": g.closed_is.value,
                "reason": g.reason,
            }
            for g in info.grippers
        },
        "problems": [{"code": p.code, "message": p.message} for p in info.problems],
    }
