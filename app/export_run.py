"""What `demoscope export` does."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.annotate_command import Annotating, annotating, none_present
from app.arguments import split_path
from app.export_formats import FORMATS
from app.export_work import Destination, EpisodeExport, ExportWork
from app.terminal import fail, note, progress, say
from pipeline.annotate import standard_graph
from pipeline.engine.options_file import values_of
from pipeline.model.edits import EDITS
from pipeline.sources.hub.dataset import open_anything


def run_export(arguments: argparse.Namespace) -> int:
    """Run the command; 0 if everything was written, 1 otherwise."""
    form = FORMATS[arguments.format]
    place, episode = split_path(arguments.dataset)
    if episode is not None:
        if arguments.episodes is not None:
            raise ValueError(f"{arguments.dataset} names an episode already: leave --episodes out")
        arguments.episodes = str(episode)
    source = open_anything(place, progress)
    graph = standard_graph()
    found = annotating(arguments, source, graph)
    if not found.episodes:
        return fail(none_present(source.info))
    subtasks = None if arguments.subtasks is None else parse_subtasks(arguments.subtasks)
    destination = _destination(arguments.out, form.suffix, force=arguments.force)
    one = destination.file
    if one is not None and (len(found.episodes) > 1 or (subtasks and len(subtasks) > 1)):
        raise ValueError(f"--out {one} is one file: name one episode and one subtask, or a folder")
    if one is not None and subtasks is None:
        subtasks = (0,)
    begun = time.time()
    work = ExportWork(
        *(source, graph, found.options, found.cache, form, destination),
        subtasks=subtasks,
        every_frame=arguments.every_frame,
    )
    reports = []
    jobs = min(arguments.jobs, len(found.episodes))
    running = _here(work, found) if jobs == 1 else _beside(work, found, place, jobs)
    for number, report in enumerate(running, 1):
        reports.append(report)
        _tell(report, number, len(found.episodes), as_json=arguments.json)
    if found.cache is not None:
        found.cache.trim(in_use_since=begun)
    return _conclude(reports, as_json=arguments.json)


def parse_subtasks(text: str) -> tuple[int, ...]:
    """Read `1,3-4`, counted from 1, as indices from 0; ValueError with one sentence."""
    wanted: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        numbers = [n for n in (first, last if dash else first) if n.isdecimal() and len(n) < 5]
        low, high = (int(numbers[0]), int(numbers[1])) if len(numbers) == 2 else (0, 0)
        if not 1 <= low <= high:
            raise ValueError(
                f"--subtasks: expected numbers from 1 and ranges such as 1,3-4, got “{text}”"
            )
        wanted.extend(n - 1 for n in range(low, high + 1) if n - 1 not in wanted)
    return tuple(wanted)


def _destination(out: Path, suffix: str, *, force: bool) -> Destination:
    out = out.expanduser()
    if out.suffix.lower() == suffix and not out.is_dir():
        return Destination(out.parent, out, force)
    if out.exists() and not out.is_dir():
        raise ValueError(f"--out {out} is a file: name a folder, or a file that ends with {suffix}")
    return Destination(out, None, force)


def _here(work: ExportWork, found: Annotating) -> Iterator[EpisodeExport]:
    """One episode after the other, in this process."""
    for number, episode in enumerate(found.episodes, 1):
        prefix = f"episode {episode} ({number}/{len(found.episodes)})"

        def told(share: float, what: str, prefix: str = prefix) -> None:
            progress(0.0, f"{prefix}: {share:4.0%} {what}"[:100])

        report = work.export(episode, found.edits.get(episode, ()), told)
        progress(1.0, "")
        yield report


def _beside(work: ExportWork, found: Annotating, place: str, jobs: int) -> Iterator[EpisodeExport]:
    """Several episodes at a time."""
    # lazy: starts processes
    from app.export_processes import ExportTask, export_side_by_side

    one, cache = work.destination.file, work.cache
    tasks = [
        ExportTask(
            dataset=place,
            episode=episode,
            edits=EDITS.dump_json(found.edits.get(episode, ())),
            options=values_of(found.options),
            cache=None if cache is None else str(cache.folder),
            format=work.format.name,
            folder=str(work.destination.folder),
            file=None if one is None else str(one),
            force=work.destination.force,
            subtasks=work.subtasks,
            every_frame=work.every_frame,
        )
        for episode in found.episodes
    ]
    progress(0.0, f"0 of {len(tasks)} episodes")
    for done, report in enumerate(export_side_by_side(tasks, jobs), 1):
        progress(1.0, "")
        yield report
        progress(0.0 if done < len(tasks) else 1.0, f"{done} of {len(tasks)} episodes")


def _tell(report: EpisodeExport, number: int, count: int, *, as_json: bool) -> None:
    """Say what became of an episode: paths to standard output, everything else beside it."""
    prefix = f"episode {report.episode} ({number}/{count})"
    # The only one is told at the end.
    for text in (*report.notes, *(report.reasons if count > 1 or report.files else ())):
        note(f"{prefix}: {text}")
    if report.files:
        size = sum(f.size for f in report.files) / (1 << 20)
        files = "1 file" if len(report.files) == 1 else f"{len(report.files)} files"
        computed = f"{report.computed} stages computed"
        note(f"{prefix}: {files}, {size:.1f} MiB ({report.seconds:.1f} s, {computed})")
    if not as_json:
        for file in report.files:
            say(file.path)


def _conclude(reports: list[EpisodeExport], *, as_json: bool) -> int:
    failed = [r for r in reports if r.reasons]
    if as_json:
        say(json.dumps([_plain(r) for r in sorted(reports, key=lambda r: r.episode)], indent=2))
    if not failed:
        return 0
    listed = ", ".join(str(r.episode) for r in sorted(failed, key=lambda r: r.episode)[:8])
    more = f" and {len(failed) - 8} more" if len(failed) > 8 else ""
    if len(reports) == 1 and not failed[0].files:
        return fail(f"episode {listed} was not exported: {'; '.join(failed[0].reasons)}")
    were = "was" if len(failed) == 1 else "were"
    count = f"{len(failed)} of {len(reports)} episodes"
    return fail(f"{count} {were} not exported completely: {listed}{more}")


def _plain(report: EpisodeExport) -> dict[str, Any]:
    return {
        "episode": report.episode,
        "files": [{"subtask": f.subtask, "path": f.path, "bytes": f.size} for f in report.files],
        "problems": list(report.reasons),
        "notes": list(report.notes),
        "stages_computed": report.computed,
        "seconds": round(report.seconds, 3),
    }
