"""The health of an episode: what is wrong or odd about it, seen by itself.

Each rule is a small pure function in one of the modules beside this one; its thresholds are
`HealthOptions`, its codes `HEALTH_CODES`. `DatasetHealth` compares episodes with each other.
"""

from __future__ import annotations

import logging
from contextlib import closing

from pipeline.health.codes import finding
from pipeline.health.gripper import gripper_problems, gripper_range
from pipeline.health.options import HealthOptions
from pipeline.health.pictures import decoded_problems
from pipeline.health.signals import constant_problems, content_hash, jump_problems
from pipeline.health.text import instruction_problems
from pipeline.health.times import (
    camera_timing,
    picture_problems,
    real_rate,
    timestamp_problems,
)
from pipeline.health.values import (
    CameraTiming,
    EpisodeHealth,
    Exactness,
    gravest_first,
)
from pipeline.model.demonstration import (
    DatasetInfo,
    DatasetSource,
    Demonstration,
    EpisodeInfo,
)
from pipeline.model.problem import DataError, Problem

log = logging.getLogger(__name__)

RULES_VERSION = 1
"""Rises when a rule changes, so that kept results are examined again."""
_CACHE_BYTES = 32 << 20


def examine_episode(
    source: DatasetSource, episode: EpisodeInfo, options: HealthOptions | None = None
) -> EpisodeHealth:
    """Examine one episode. Decodes nothing unless `options.deep`.

    Args:
        source: The dataset.
        episode: One of its present episodes.
        options: Thresholds; defaults if None.

    Returns:
        What was found; an episode that cannot be read, or that makes a rule fail, says so in its
        problems. Never raises.
    """
    try:
        opened = source.open(episode.index)
    except DataError as error:
        return EpisodeHealth(episode.index, _beyond(episode, (error.as_problem(),)))
    except Exception as error:
        return _failed(episode, error)
    return examine_opened(source, episode, opened, options)


def examine_opened(
    source: DatasetSource,
    episode: EpisodeInfo,
    opened: Demonstration,
    options: HealthOptions | None = None,
) -> EpisodeHealth:
    """Examine an episode that is open already; see `examine_episode`."""
    try:
        return _examine(source, episode, opened, options or HealthOptions())
    except DataError as error:
        return EpisodeHealth(episode.index, _beyond(episode, (error.as_problem(),)))
    except Exception as error:
        return _failed(episode, error)


def _failed(episode: EpisodeInfo, error: Exception) -> EpisodeHealth:
    """A defect of ours: one episode must not end the examination of the others."""
    log.info("examining episode %d failed", episode.index, exc_info=error)
    text = f"examining it failed: {type(error).__name__}: {' '.join(str(error).split())}"
    return EpisodeHealth(episode.index, (finding("scan_crashed", text),))


def _examine(
    source: DatasetSource, episode: EpisodeInfo, opened: Demonstration, options: HealthOptions
) -> EpisodeHealth:
    info = source.info
    timestamps = opened.timestamps
    problems = [*opened.problems]
    known = {p.code for p in (*episode.problems, *problems)}
    problems += timestamp_problems(timestamps, opened.fps, options)
    problems += constant_problems(
        opened.state,
        opened.state_names,
        opened.action,
        opened.action_names,
        frozenset(n for g in opened.grippers for n in g.names),
    )
    problems += jump_problems(opened.state, opened.state_names, options)
    problems += gripper_problems(opened, options)
    problems += [
        p for p in instruction_problems(opened.instruction, options) if p.code not in known
    ]
    if episode.length and episode.length != opened.length and "length_differs" not in known:
        text = f"the metadata says {episode.length} frames, the table has {opened.length}"
        problems.append(finding("length_differs", text))
    if opened.length < options.shortest_seconds * opened.fps:
        text = f"{opened.size_of_text}: too short for a whole motion"
        problems.append(finding("very_short", text))
    problems += _missing_cameras(info, episode, opened)
    timings, from_pictures = _pictures(source, opened, options)
    if "video_shorter" in known:  # The source has said so already, in its words.
        from_pictures = [p for p in from_pictures if p.code != "video_shorter"]
    return EpisodeHealth(
        episode=episode.index,
        problems=_beyond(episode, (*problems, *from_pictures)),
        timings=timings,
        content=content_hash(opened.state, opened.action),
        frames=opened.length,
        real_fps=real_rate(timestamps),
        grippers=tuple(gripper_range(opened, g) for g in opened.grippers),
        files=opened.files,
    )


def _beyond(episode: EpisodeInfo, problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
    """Findings that the metadata did not show already."""
    known = {(p.code, p.message) for p in episode.problems}
    return gravest_first(p for p in problems if (p.code, p.message) not in known)


def _missing_cameras(
    info: DatasetInfo, episode: EpisodeInfo, opened: Demonstration
) -> list[Problem]:
    """Cameras that the dataset declares and the episode lacks without the source saying why."""
    said = " ".join(p.message for p in (*episode.problems, *opened.problems))
    have = {c.key for c in opened.cameras}
    lacking = [k for k in info.cameras if k not in have and k.rsplit(".", 1)[-1] not in said]
    short = ", ".join(k.removeprefix("observation.images.") for k in lacking)
    return [finding("camera_missing", f"without {short}")] if lacking else []


def _pictures(
    source: DatasetSource, opened: Demonstration, options: HealthOptions
) -> tuple[tuple[CameraTiming, ...], list[Problem]]:
    """Times of every camera's pictures, and what is wrong with them."""
    timings: list[CameraTiming] = []
    problems: list[Problem] = []
    with closing(source.reader(opened, _CACHE_BYTES)) as reader:
        for camera in opened.cameras:
            try:
                times = reader.times(camera.key)
            except DataError as error:
                problems.append(finding("video_unreadable", f"{camera.short_name}: {error}"))
                continue
            if times is None:
                timings.append(CameraTiming(camera.key, Exactness.UNKNOWN))
            else:
                timing = camera_timing(camera.key, opened.timestamps, opened.fps, times, options)
                timings.append(timing)
                problems += picture_problems(timing, opened.timestamps, times, options)
            if options.deep:
                problems += decoded_problems(opened, reader, camera.key, times, options)
    return tuple(timings), problems
