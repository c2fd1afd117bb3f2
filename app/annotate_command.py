"""`demoscope annotate`: all stages on many episodes, one prediction line per subtask.

In this process, one episode after the other; or, with `--jobs` or `--out`, as a batch run
(`app/batch_annotation.py`) in processes of its own, which can be continued after a kill.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass
from typing import Any

from app.arguments import parse_episodes
from app.language_cost import LanguageCost
from app.prediction_file import prediction_file
from app.settings import paths
from app.terminal import fail, note, progress, say
from pipeline.annotate import standard_graph
from pipeline.batch.episode_work import EpisodeWork
from pipeline.batch.report import EpisodeReport
from pipeline.engine.cache import ResultCache
from pipeline.engine.graph import Graph, NodeId, SilentObserver
from pipeline.engine.options_file import read_options_file, values_of
from pipeline.engine.worker import options_from
from pipeline.model.demonstration import DatasetInfo, DatasetSource
from pipeline.model.edits import Edit
from pipeline.model.options import describe
from pipeline.model.problem import DataError
from pipeline.review.saved import saved_edits
from pipeline.sources.hub.dataset import HubDataset, open_anything
from pipeline.stages.profiles import PROFILES


@dataclass(frozen=True)
class Annotating:
    """What the arguments of the command come to.

    Attributes:
        source: The dataset.
        graph: Stages.
        options: Stage name -> options instance, one for every stage.
        episodes: Episode indices, in the order of the user.
        edits: Human corrections in force, by episode.
        cache: Where results are kept, None for nowhere.
    """

    source: DatasetSource
    graph: Graph
    options: dict[str, Any]
    episodes: tuple[int, ...]
    edits: dict[int, tuple[Edit, ...]]
    cache: ResultCache | None


class _Line(SilentObserver):
    """Shows the stage in progress on one line of a terminal."""

    def __init__(self, prefix: str) -> None:
        """Show one episode.

        Args:
            prefix: Names the episode.
        """
        self._prefix = prefix
        self._tty = sys.stderr.isatty()

    def progressed(self, node: NodeId, share: float, what: str) -> None:
        if self._tty:
            text = f"{self._prefix}: {node[0]} {share:4.0%} {what}"
            sys.stderr.write(f"\r{text[:100]:100}")
            sys.stderr.flush()

    def clear(self) -> None:
        """Empty the terminal's line."""
        if self._tty:
            sys.stderr.write("\r" + " " * 100 + "\r")


def parse_settings(
    pairs: list[str],
    graph: Graph,
    profile: str = "",
    given: dict[str, dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """Read `--set stage.option=value` on top of a profile; ValueError with one sentence.

    Args:
        pairs: `stage.option=value`, the last one of an option counts.
        graph: Stages.
        profile: Name of a profile, empty for none.
        given: Values of an options file, under both.
    """
    values = {stage: dict(chosen) for stage, chosen in (given or {}).items()}
    if profile:
        for stage, (_, backend) in PROFILES[profile].backends.items():
            chosen = values.setdefault(stage, {})
            if chosen.get("backend") != backend:
                chosen.pop("weights", None)  # they are of another backend
            chosen["backend"] = backend
    for pair in pairs:
        name, equals, text = pair.partition("=")
        stage, dot, option = name.partition(".")
        if not (equals and dot):
            raise ValueError(f"--set: expected STAGE.OPTION=VALUE, got “{pair}”")
        names = [s.name for s in graph.stages]
        if stage not in names:
            raise ValueError(f"--set: no stage {stage}; there are: {', '.join(names)}")
        infos = {i.name: i for i in describe(graph.stage(stage).options_type)}
        if option not in infos:
            raise ValueError(
                f"--set: stage {stage} has no option {option}; there are: {', '.join(infos)}"
            )
        try:
            values.setdefault(stage, {})[option] = infos[option].parse(text)
        except ValueError as error:
            raise ValueError(f"--set: stage {stage}: {error}") from error
    return options_from(graph, values)


def annotate(arguments: argparse.Namespace) -> int:
    """Run the command; 0 if every episode came through, 1 otherwise."""
    source = open_anything(arguments.dataset, progress)
    graph = standard_graph()
    if is_batch(arguments):
        # lazy: needs pyarrow and what starts processes
        from app.batch_annotation import annotate_batch

        return annotate_batch(arguments, source, graph)
    found = annotating(arguments, source, graph)
    if not found.episodes:
        return fail(none_present(source.info))
    return _annotate_here(arguments, found)


def is_batch(arguments: argparse.Namespace) -> bool:
    """Whether the arguments ask for a batch run."""
    asked = (arguments.resume, arguments.fresh, arguments.retry_failed)
    given = (arguments.jobs, arguments.out, arguments.timeout)
    return any(asked) or any(value is not None for value in given)


def annotating(
    arguments: argparse.Namespace,
    source: DatasetSource,
    graph: Graph,
    options: dict[str, Any] | None = None,
    episodes: tuple[int, ...] | None = None,
) -> Annotating:
    """Read the arguments.

    Args:
        arguments: Of the command.
        source: The dataset.
        graph: Stages.
        options: Instead of those that the arguments name.
        episodes: If the arguments name none; None for all that are present.

    Raises:
        ValueError: One sentence.
        DataError: The options file cannot be used.
    """
    info = source.info
    if arguments.episodes is not None:
        wanted = tuple(parse_episodes(arguments.episodes, [e.index for e in info.episodes]))
    elif episodes is not None:
        wanted = episodes
    elif isinstance(source, HubDataset):
        raise ValueError("a dataset of the Hub: say which --episodes to fetch and annotate")
    else:
        wanted = tuple(e.index for e in info.episodes if e.present)
    return Annotating(
        source=source,
        graph=graph,
        options=options if options is not None else stage_options(arguments, info, graph),
        episodes=wanted,
        edits={} if arguments.no_edits else _edits(info, wanted),
        cache=None if arguments.no_cache else ResultCache(paths().results),
    )


def none_present(info: DatasetInfo) -> str:
    """What is said of a dataset without any episode to annotate."""
    return f"{info.name}: none of its {len(info.episodes)} episodes is on disk"


def _annotate_here(arguments: argparse.Namespace, found: Annotating) -> int:
    """One episode after the other, in this process."""
    wanted, begun = found.episodes, time.time()
    cost = LanguageCost(found.graph, found.options)
    work = EpisodeWork(found.source, found.graph, found.options, found.cache)
    said: set[str] = set()
    failed = lines = 0
    if cost.asks:
        planned = cost.planned(found.source, wanted, found.edits, found.cache)
        note(f"{cost.title}: will take {planned.text}")
    metadata = {
        "dataset": found.source.info.path,
        "options": json.dumps(values_of(found.options), sort_keys=True),
    }
    with prediction_file(arguments.predictions, metadata) as file:
        try:
            for number, episode in enumerate(wanted, 1):
                prefix = f"episode {episode} ({number}/{len(wanted)})"
                line = _Line(prefix)
                report = work.annotate(episode, found.edits.get(episode, ()), line)
                line.clear()
                cost.add(report.usage)
                tell(prefix, report, said)
                for annotation in report.annotations:
                    file.add(annotation)
                lines += len(report.annotations)
                failed += not report.finished
        finally:  # what was spent is told after Ctrl+C, too
            if cost.asks:
                note(f"{cost.title}: took {cost.spent.text}")
    if found.cache is not None:
        found.cache.trim(in_use_since=begun)
    if failed == len(wanted):
        return fail("the episode failed" if failed == 1 else f"all {failed} episodes failed")
    if failed:
        return fail(f"{failed} of {len(wanted)} episodes failed, the others are written")
    if arguments.predictions is not None:
        say(f"{arguments.predictions}: {lines} lines, {len(wanted)} episodes")
    return 0


def tell(prefix: str, report: EpisodeReport, said: set[str]) -> None:
    """Say what became of an episode.

    Args:
        prefix: Names the episode.
        report: What became of it.
        said: Problems about the run that were told already; a full disk would be told at every
            stage.
    """
    for key, message in report.notes:
        if key not in said:
            said.add(key)
            note(f"{prefix}: {message}")
    if not report.finished:
        note(f"{prefix}: {report.reason}")
        return
    captions = "; ".join(a.caption for a in report.annotations)
    computed = f"{report.stages_computed} stages computed"
    note(f"{prefix}: {captions} ({report.seconds:.1f} s, {computed})")


def stage_options(arguments: argparse.Namespace, info: DatasetInfo, graph: Graph) -> dict[str, Any]:
    """Options of all stages: options file, then profile, then single settings.

    Raises:
        ValueError: One sentence.
        DataError: The options file cannot be used.
    """
    settings = list(arguments.set)
    if arguments.camera is not None:
        settings.append(f"proposals.camera={_camera_key(arguments.camera, info)}")
    given = {}
    if arguments.options is not None:
        given = read_options_file(arguments.options, graph).given
    return parse_settings(settings, graph, arguments.profile or "", given)


def _camera_key(text: str, info: DatasetInfo) -> str:
    """Accept the full key or its last part."""
    for key in info.cameras:
        if text in (key, key.removeprefix("observation.images.")):
            return key
    raise ValueError(f"--camera: no camera {text}; there are: {', '.join(info.cameras)}")


def _edits(info: DatasetInfo, episodes: tuple[int, ...]) -> dict[int, tuple[Edit, ...]]:
    """Corrections by episode; empty, with a note, when they cannot be read."""
    try:
        return saved_edits(info.path, episodes)
    except DataError as error:
        note(f"human corrections are not used: {error}")
        return {}
