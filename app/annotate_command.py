"""`demoscope annotate`: all stages on many episodes, one prediction line per subtask."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any, TextIO

from app.cli import fail, note, parse_episodes, say
from app.settings import paths
from pipeline.annotate import annotate_episode, standard_graph
from pipeline.engine.cache import ResultCache, StageOutcome
from pipeline.engine.graph import Graph, NodeId, SilentObserver
from pipeline.engine.worker import options_from
from pipeline.model.demonstration import DatasetInfo
from pipeline.model.edits import Edit
from pipeline.model.options import describe
from pipeline.model.problem import DataError
from pipeline.review.store import ReviewStore
from pipeline.sources.detect import open_dataset


class _Line(SilentObserver):
    """Shows the stage in progress on one line of a terminal."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._tty = sys.stderr.isatty()
        self.computed = 0

    def progressed(self, node: NodeId, share: float, what: str) -> None:
        if self._tty:
            text = f"{self._prefix}: {node[0]} {share:4.0%} {what}"
            sys.stderr.write(f"\r{text[:100]:100}")
            sys.stderr.flush()

    def finished(self, outcome: StageOutcome, data: bytes) -> None:
        if not outcome.cached:
            self.computed += 1
            for problem in outcome.problems:
                note(f"{self._prefix}: {outcome.stage}: {problem.message}")

    def clear(self) -> None:
        if self._tty:
            sys.stderr.write("\r" + " " * 100 + "\r")


def parse_settings(pairs: list[str], graph: Graph) -> dict[str, Any]:
    """Read `--set stage.option=value`; ValueError with one sentence."""
    values: dict[str, dict[str, Any]] = {}
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
            raise ValueError(f"--set: stage {stage} has no option {option}: {', '.join(infos)}")
        values.setdefault(stage, {})[option] = infos[option].parse(text)
    return options_from(graph, values)


def annotate(arguments: argparse.Namespace) -> int:
    """Run the command; 0 if every episode came through, 1 otherwise."""
    source = open_dataset(arguments.dataset)
    info = source.info
    graph = standard_graph()
    settings = list(arguments.set)
    if arguments.camera:
        settings.append(f"proposals.camera={_camera_key(arguments.camera, info)}")
    options = parse_settings(settings, graph)
    indices = [e.index for e in info.episodes]
    if arguments.episodes:
        wanted = parse_episodes(arguments.episodes, indices)
    else:
        wanted = [e.index for e in info.episodes if e.present]
    if not wanted:
        return fail(f"{info.name}: no episode is on disk")
    cache = None if arguments.no_cache else ResultCache(paths().results)
    store = None if arguments.no_edits else _store(info)
    failed = 0
    out = arguments.predictions
    stream: TextIO = out.open("w", encoding="utf-8") if out else sys.stdout
    try:
        for number, episode in enumerate(wanted, 1):
            prefix = f"episode {episode} ({number}/{len(wanted)})"
            edits: tuple[Edit, ...] = store.edits(episode) if store else ()
            line = _Line(prefix)
            start = time.perf_counter()
            try:
                done = annotate_episode(
                    source,
                    episode,
                    graph=graph,
                    options=options,
                    edits=edits,
                    cache=cache,
                    observer=line,
                )
            except DataError as error:
                line.clear()
                note(f"{prefix}: {error}")
                failed += 1
                continue
            line.clear()
            for annotation in done.annotations:
                stream.write(annotation.model_dump_json() + "\n")
            stream.flush()
            seconds = time.perf_counter() - start
            if done.failure is not None:
                note(f"{prefix}: {done.failure}")
                failed += 1
            else:
                captions = "; ".join(a.caption for a in done.annotations)
                note(f"{prefix}: {captions} ({seconds:.1f} s, {line.computed} stages computed)")
    finally:
        if out:
            stream.close()
        if store is not None:
            store.close()
    if failed:
        return fail(f"{failed} of {len(wanted)} episodes failed, the others are written")
    if out:
        say(f"{out}: {len(wanted)} episodes")
    return 0


def _camera_key(text: str, info: DatasetInfo) -> str:
    """Accept the full key or its last part."""
    for key in info.cameras:
        if text in (key, key.removeprefix("observation.images.")):
            return key
    raise ValueError(f"--camera: no camera {text}; there are: {', '.join(info.cameras)}")


def _store(info: DatasetInfo) -> ReviewStore | None:
    """Corrections made so far, or None with a note when they cannot be read."""
    try:
        return ReviewStore.open(info.path)
    except DataError as error:
        note(f"human corrections are not used: {error}")
        return None
