"""`demoscope annotate --jobs N --out FOLDER`: a batch run, told on the terminal."""

from __future__ import annotations

import argparse
from contextlib import closing
from pathlib import Path
from typing import Any

from app.annotate_command import Annotating, annotating, none_present
from app.batch_progress import BatchProgress
from app.language_cost import LanguageCost
from app.prediction_file import prediction_file
from app.terminal import fail, note, say
from pipeline.batch.capacity import default_jobs
from pipeline.batch.folder import TABLE, default_folder, read_record
from pipeline.batch.run import BatchRequest, BatchRun
from pipeline.batch.run_record import RunRecord
from pipeline.engine.graph import Graph
from pipeline.engine.worker import options_from
from pipeline.model.demonstration import DatasetSource
from pipeline.model.problem import DataError
from pipeline.sources.hub.dataset import HubDataset

GRAPH = "pipeline.annotate:standard_graph"
"""What makes the stages in the processes; the same as in `annotate`."""


def annotate_batch(arguments: argparse.Namespace, source: DatasetSource, graph: Graph) -> int:
    """Run the command; 0 if every episode came through, 1 otherwise.

    Raises:
        DataError: The folder is in use or holds another run; the dataset cannot be used.
        ValueError: One sentence about the arguments.
        KeyboardInterrupt: By Ctrl+C; what was finished is kept and named.
    """
    folder = arguments.out or default_folder(Path(source.info.path))
    earlier = _earlier(arguments, folder)
    options, episodes = _resumed(arguments, earlier, graph)
    found = annotating(arguments, source, graph, options, episodes)
    if not found.episodes:
        return fail(none_present(source.info))
    capacity = default_jobs(found.options)
    request = BatchRequest(
        dataset=arguments.dataset if isinstance(source, HubDataset) else source.info.path,
        folder=folder,
        episodes=found.episodes,
        options=found.options,
        edits=found.edits,
        cache=None if found.cache is None else found.cache.folder,
        jobs=arguments.jobs or capacity.jobs,
        timeout=arguments.timeout,
        fresh=arguments.fresh,
        retry_failed=arguments.retry_failed,
        graph=GRAPH,
    )
    with BatchRun(request, source.info) as run:
        if run.folder.kept_as is not None:
            note(f"the earlier run is kept in {run.folder.kept_as}")
        if run.todo:
            how = "as --jobs says" if arguments.jobs else capacity.reason
            note(_beginning(run, len(found.episodes), min(request.jobs, len(run.todo)), how))
        else:
            note(f"{folder}: nothing is left to do")
        _work(run, found)
        return _end(arguments, run, found)


def _earlier(arguments: argparse.Namespace, folder: Path) -> RunRecord | None:
    """The run that is to be gone on with; None unless `--resume` asks for one."""
    if not arguments.resume:
        return None
    earlier = read_record(folder)
    if earlier is None:
        raise DataError("no_run", f"{folder}: there is no run to go on with; leave out --resume")
    return earlier


def _resumed(
    arguments: argparse.Namespace, earlier: RunRecord | None, graph: Graph
) -> tuple[dict[str, Any] | None, tuple[int, ...] | None]:
    """Options and episodes of the earlier run, where the arguments name none."""
    if earlier is None:
        return None, None
    named = (arguments.options, arguments.profile, arguments.camera)
    if arguments.set or any(value is not None for value in named):
        return None, earlier.episodes
    return options_from(graph, earlier.options), earlier.episodes


def _beginning(run: BatchRun, total: int, jobs: int, how: str) -> str:
    todo = len(run.todo)
    what = f"{todo} episode{'' if todo == 1 else 's'}"
    if todo < total:
        what = f"{todo} of {total} episodes, the others are done"
    processes = "1 process" if jobs == 1 else f"{jobs} processes"
    return f"{what}; {processes} ({how}); results in {run.folder.path}"


def _work(run: BatchRun, found: Annotating) -> None:
    """Compute what is missing, and show how far it is."""
    cost = LanguageCost(found.graph, found.options)
    if cost.asks:
        planned = cost.planned(found.source, run.todo, found.edits, found.cache)
        note(f"{cost.title}: will take {planned.text}")
    shown = BatchProgress()
    try:
        with closing(run.run(cost.questions)) as steps:
            for step in steps:
                if step.report is not None:
                    cost.add(step.report.usage)
                shown.show(step)
    except KeyboardInterrupt:
        shown.clear()
        note(
            f"{run.kept} of {len(set(found.episodes))} episodes are kept in {run.folder.path}; "
            "the same command goes on from there"
        )
        raise
    finally:  # what was spent is told after Ctrl+C, too
        shown.clear()
        if cost.asks:
            note(f"{cost.title}: took {cost.spent.text}")


def _end(arguments: argparse.Namespace, run: BatchRun, found: Annotating) -> int:
    """Export what was asked for, and sum up."""
    wanted = tuple(dict.fromkeys(found.episodes))
    failures = run.failures
    if arguments.predictions is not None:
        metadata = run.folder.record.table_metadata
        with prediction_file(arguments.predictions, metadata) as file:
            lines = 0
            for annotation in run.folder.annotations(wanted):
                file.add(annotation)
                lines += 1
        say(f"{arguments.predictions}: {lines} lines, {len(wanted)} episodes")
    if len(failures) == len(wanted):
        count = len(wanted)
        return fail("the episode failed" if count == 1 else f"all {count} episodes failed")
    say(f"{run.folder.path / TABLE}: {run.rows} annotations")
    if failures:
        return fail(
            f"{len(failures)} of {len(wanted)} episodes failed, the others are written; "
            "--retry-failed tries them again"
        )
    return 0
