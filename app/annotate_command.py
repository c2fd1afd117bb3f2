"""`demoscope annotate`: all stages on many episodes, one prediction line per subtask."""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Sequence
from typing import Any

from app.arguments import parse_episodes
from app.language_cost import LanguageCost
from app.prediction_file import PredictionFile
from app.saved_reviews import saved_reviews
from app.settings import paths
from app.terminal import fail, note, progress, say
from pipeline.annotate import EpisodeAnnotations, annotate_episode, standard_graph
from pipeline.engine.cache import ResultCache, StageOutcome
from pipeline.engine.graph import Graph, NodeId, SilentObserver
from pipeline.engine.worker import options_from
from pipeline.model.annotation import Annotation
from pipeline.model.demonstration import DatasetInfo, DatasetSource
from pipeline.model.edits import EPISODE_SCOPE, Edit
from pipeline.model.options import describe
from pipeline.model.problem import Cancelled, DataError, Severity
from pipeline.sources.hub.dataset import HubDataset, open_anything
from pipeline.stages.backend_options import FALLBACK
from pipeline.stages.profiles import PROFILES

log = logging.getLogger(__name__)

_SAID_OF_RESULTS = frozenset({FALLBACK, "option_dropped", "cache_not_written"})
"""Problems of results that are about the run, not about the episode: said once per stage."""


class _Line(SilentObserver):
    """Shows the stage in progress on one line of a terminal.

    Attributes:
        computed: Stages computed in this episode (not found in the cache).
    """

    def __init__(self, prefix: str, said: set[str]) -> None:
        """Show one episode.

        Args:
            prefix: Names the episode.
            said: Codes of problems already told; a full disk would be told at every stage.
        """
        self._prefix = prefix
        self._said = said
        self._tty = sys.stderr.isatty()
        self.computed = 0

    def progressed(self, node: NodeId, share: float, what: str) -> None:
        if self._tty:
            text = f"{self._prefix}: {node[0]} {share:4.0%} {what}"
            sys.stderr.write(f"\r{text[:100]:100}")
            sys.stderr.flush()

    def finished(self, outcome: StageOutcome, data: bytes | None) -> None:
        if outcome.cached:
            return
        self.computed += 1
        for problem in outcome.problems:
            self._once(problem.code, problem.message)
        for problem in getattr(outcome.result, "problems", ()):
            if problem.code in _SAID_OF_RESULTS:
                self._once(f"{outcome.stage}:{problem.code}", problem.message)

    def _once(self, key: str, message: str) -> None:
        if key not in self._said:
            self._said.add(key)
            self.clear()
            note(f"{self._prefix}: {message}")

    def clear(self) -> None:
        """Empty the terminal's line."""
        if self._tty:
            sys.stderr.write("\r" + " " * 100 + "\r")


def parse_settings(pairs: list[str], graph: Graph, profile: str = "") -> dict[str, Any]:
    """Read `--set stage.option=value` on top of a profile; ValueError with one sentence."""
    values: dict[str, dict[str, Any]] = {}
    if profile:
        chosen = PROFILES[profile].backends
        values = {stage: {"backend": backend} for stage, (_, backend) in chosen.items()}
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
    if isinstance(source, HubDataset) and arguments.episodes is None:
        raise ValueError("a dataset of the Hub: say which --episodes to fetch and annotate")
    info = source.info
    graph = standard_graph()
    settings = list(arguments.set)
    if arguments.camera is not None:
        settings.append(f"proposals.camera={_camera_key(arguments.camera, info)}")
    options = parse_settings(settings, graph, arguments.profile or "")
    if arguments.episodes is not None:
        wanted = parse_episodes(arguments.episodes, [e.index for e in info.episodes])
    else:
        wanted = [e.index for e in info.episodes if e.present]
    if not wanted:
        return fail(f"{info.name}: none of its {len(info.episodes)} episodes is on disk")
    edits = {} if arguments.no_edits else _edits(info, wanted)
    cache = None if arguments.no_cache else ResultCache(paths().results)
    cost = LanguageCost(graph, options)
    work = _Work(source, graph, options, cache, edits, cost)
    failed = lines = 0
    if cost.asks:
        note(f"{cost.title}: will take {cost.planned(source, wanted, edits, cache).text}")
    with PredictionFile(arguments.predictions) as file:
        try:
            for number, episode in enumerate(wanted, 1):
                found, ok = work.episode(episode, f"episode {episode} ({number}/{len(wanted)})")
                for annotation in found:
                    file.write(annotation.model_dump_json())
                lines += len(found)
                failed += not ok
        finally:  # what was spent is told after Ctrl+C, too
            if cost.asks:
                note(f"{cost.title}: took {cost.spent.text}")
    if failed == len(wanted):
        return fail("the episode failed" if failed == 1 else f"all {failed} episodes failed")
    if failed:
        return fail(f"{failed} of {len(wanted)} episodes failed, the others are written")
    if arguments.predictions is not None:
        say(f"{arguments.predictions}: {lines} lines, {len(wanted)} episodes")
    return 0


class _Work:
    """What all episodes of one run share."""

    def __init__(
        self,
        source: DatasetSource,
        graph: Graph,
        options: dict[str, Any],
        cache: ResultCache | None,
        edits: dict[int, tuple[Edit, ...]],
        cost: LanguageCost,
    ) -> None:
        self._source = source
        self._graph = graph
        self._options = options
        self._cache = cache
        self._edits = edits
        self._cost = cost
        self._said: set[str] = set()

    def episode(self, episode: int, prefix: str) -> tuple[Sequence[Annotation], bool]:
        """Annotate one episode; whatever is wrong with it is said and stays its own problem.

        Args:
            episode: Episode index.
            prefix: Names it in what is said.

        Returns:
            Its records, and False if it or a part of it failed.
        """
        line = _Line(prefix, self._said)
        start = time.perf_counter()
        try:
            done = annotate_episode(
                self._source,
                episode,
                graph=self._graph,
                options=self._options,
                edits=self._edits.get(episode, ()),
                cache=self._cache,
                observer=line,
            )
        except Cancelled:
            raise
        except DataError as error:
            line.clear()
            note(f"{prefix}: {str(error).removeprefix(f'episode {episode}: ')}")
            return (), False
        except Exception as error:
            # A defect of ours on one episode must not cost the others.
            line.clear()
            log.info("episode %d", episode, exc_info=True)
            note(f"{prefix}: internal error: {type(error).__name__}: {error}")
            return (), False
        line.clear()
        self._cost.count(done)
        if done.failure is not None:
            note(f"{prefix}: {_why(done)}")
            return _marked(done), False
        seconds = time.perf_counter() - start
        captions = "; ".join(a.caption for a in done.annotations)
        note(f"{prefix}: {captions} ({seconds:.1f} s, {line.computed} stages computed)")
        return done.annotations, True


def _why(done: EpisodeAnnotations) -> str:
    """The failure, and what is wrong with the videos if none of them can be read."""
    text = str(done.failure)
    if not done.demonstration.cameras:
        reasons = [p.message for p in done.demonstration.problems if p.severity is Severity.ERROR]
        text = "; ".join([text.rstrip("."), *reasons])
    return text


def _marked(done: EpisodeAnnotations) -> list[Annotation]:
    """The records of an episode with a failed stage, its code in the warnings they concern."""
    failure = done.failure
    if failure is None:
        return list(done.annotations)
    return [
        a.model_copy(update={"warnings": (*a.warnings, failure.code)})
        if failure.node[1] in (EPISODE_SCOPE, a.subtask_index)
        else a
        for a in done.annotations
    ]


def _camera_key(text: str, info: DatasetInfo) -> str:
    """Accept the full key or its last part."""
    for key in info.cameras:
        if text in (key, key.removeprefix("observation.images.")):
            return key
    raise ValueError(f"--camera: no camera {text}; there are: {', '.join(info.cameras)}")


def _edits(info: DatasetInfo, episodes: list[int]) -> dict[int, tuple[Edit, ...]]:
    """Corrections by episode; empty, with a note, when they cannot be read."""
    try:
        with saved_reviews(info.path) as store:
            return {} if store is None else {e: store.edits(e) for e in episodes}
    except DataError as error:
        note(f"human corrections are not used: {error}")
        return {}
