"""Clips behind reviewed captions: run or take the stages, and keep where each caption belongs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.annotate import annotate_episode
from pipeline.engine.cache import ResultCache
from pipeline.engine.graph import Graph
from pipeline.export.caption_samples import Clip, ClipVideo
from pipeline.model.demonstration import DatasetSource, Demonstration
from pipeline.model.edits import Edit
from pipeline.model.problem import DataError
from pipeline.model.subtask import Subtask


@dataclass
class Clips:
    """What was found.

    Attributes:
        found: (episode, subtask) -> clip.
        reasons: Episode -> why it, or part of it, is missing.
    """

    found: dict[tuple[int, int], Clip] = field(default_factory=dict)
    reasons: dict[int, str] = field(default_factory=dict)


def clips_of(
    source: DatasetSource,
    wanted: Iterable[tuple[int, int]],
    *,
    graph: Graph,
    options: dict[str, Any],
    edits: Mapping[int, tuple[Edit, ...]],
    cache: ResultCache | None,
    told: Callable[[int, int], None] = lambda done, count: None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> Clips:
    """Find the clips of captions; an episode that cannot be read is a reason, not the end.

    Args:
        source: The dataset.
        wanted: (episode, subtask) pairs.
        graph: Stages.
        options: Of all stages.
        edits: Corrections in force, by episode.
        cache: Where results are kept.
        told: Called with the number of episodes done, and of all.
        is_cancelled: Asked often.

    Raises:
        Cancelled: `is_cancelled` said so.
    """
    by_episode: dict[int, list[int]] = {}
    for episode, subtask in wanted:
        by_episode.setdefault(episode, []).append(subtask)
    clips = Clips()
    for done, (episode, subtasks) in enumerate(sorted(by_episode.items())):
        told(done, len(by_episode))
        try:
            run = annotate_episode(
                source,
                episode,
                graph=graph,
                options=options,
                edits=edits.get(episode, ()),
                cache=cache,
                is_cancelled=is_cancelled,
            )
        except DataError as error:
            clips.reasons[episode] = str(error)
            continue
        rows = {a.subtask_index: a for a in run.annotations}
        outcome = run.outcomes[-1].get("subtasks")
        tasks = outcome.result.subtasks if outcome is not None else ()
        for subtask in subtasks:
            if subtask not in rows or subtask >= len(tasks):
                gone = f"subtask {subtask + 1} is not there any more"
                failed = str(run.failure) if run.failure is not None else ""
                clips.reasons.setdefault(episode, failed or gone)
                continue
            row = rows[subtask]
            clips.found[episode, subtask] = clip_of(
                run.demonstration, tasks[subtask], row.camera, row.score
            )
    told(len(by_episode), len(by_episode))
    return clips


def clip_of(
    demonstration: Demonstration, task: Subtask, camera: str, reliability: float | None
) -> Clip:
    """The clip of a subtask.

    Args:
        demonstration: The episode.
        task: The subtask.
        camera: Camera of its boxes, empty if there is none.
        reliability: R, or None.
    """
    root = Path(demonstration.ref.dataset)
    return Clip(
        dataset=root.name,
        episode=demonstration.ref.episode,
        subtask=task.index,
        camera=camera,
        files=tuple(_relative(Path(f), root) for f in demonstration.files),
        start=task.start,
        end=task.end,
        fps=demonstration.fps,
        instruction=demonstration.instruction,
        arm=task.arm,
        reliability=None if reliability is None else round(float(reliability), 6),
        videos=tuple(_videos(demonstration, task, camera, root)),
    )


def _videos(
    demonstration: Demonstration, task: Subtask, camera: str, root: Path
) -> Iterator[ClipVideo]:
    """Where the clip lies in the file of each camera, that of `camera` first."""
    frames = demonstration.timestamps[task.start : task.end]
    if not len(frames):
        return
    for one in sorted(demonstration.cameras, key=lambda c: c.key != camera):
        if one.video:
            yield ClipVideo(
                camera=one.key,
                file=_relative(Path(one.video), root),
                start_s=round(one.video_start + float(frames[0]), 6),
                end_s=round(one.video_start + float(frames[-1]) + 1 / demonstration.fps, 6),
            )


def _relative(file: Path, root: Path) -> str:
    """Path within the dataset; of a file elsewhere only its name, since places are private."""
    try:
        return file.relative_to(root).as_posix()
    except ValueError:
        return file.name
