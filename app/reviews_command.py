"""`demoscope reviews`: hand reviews to other people and programs, take theirs over, read them."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.terminal import note, say

if TYPE_CHECKING:
    from pipeline.review.events import Event
    from pipeline.review.merging import Conflict, MergeReport
    from pipeline.review.store import ReviewStore

_TOLD = 20
"""Broken lines and conflicts that are printed; --json has all that are known."""


def add_parser(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "reviews",
        help="export, import, merge and list what people said about a dataset",
        description="Reviews are events that are never changed. They lie beside the dataset, or "
        "in the team's database if DEMOSCOPE_REVIEW_DATABASE names one. What could not reach it "
        "waits on this machine, and goes there with every one of these commands: docs/reviews.md.",
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    one = actions.add_parser("export", help="write events as JSON lines, one event per line")
    _add_dataset(one)
    _add_filters(one)
    one.add_argument("--out", type=Path, metavar="FILE", help="default: standard output")
    one.add_argument("--force", action="store_true", help="replace a file that is there")

    one = actions.add_parser("import", help="take over events from files of JSON lines")
    _add_dataset(one)
    one.add_argument("files", nargs="+", type=Path, metavar="FILE", help="as export writes them")
    _add_merge(one)

    one = actions.add_parser("merge", help="take over the events of other people's stores")
    _add_dataset(one)
    one.add_argument(
        "others",
        nargs="+",
        type=Path,
        metavar="OTHER",
        help="a review.sqlite, its folder, a dataset it lies beside, or JSON lines",
    )
    _add_merge(one)

    one = actions.add_parser("log", help="list events, the newest last")
    _add_dataset(one)
    _add_filters(one)
    one.add_argument("--limit", type=_count, default=50, help="the newest N; 0: all (default: 50)")
    one.add_argument(
        "--conflicts",
        action="store_true",
        help="only captions on which people's newest verdicts differ",
    )
    one.add_argument("--json", action="store_true", help="machine-readable")


def _add_dataset(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", help="a dataset of any known format")


def _add_filters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--episode", type=int, help="only of this episode, -1: the whole dataset")
    parser.add_argument("--who", help="only of this person")
    parser.add_argument(
        "--since", type=_time, metavar="TIME", help="only from this time on (UTC), e.g. 2026-01-31"
    )


def _add_merge(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--any-dataset",
        action="store_true",
        help="take events of a dataset of another name, too: it is the same one",
    )
    parser.add_argument("--json", action="store_true", help="machine-readable")


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError("expected 0 or more")
    return number


def _time(text: str) -> str:
    """A day or a time of a day in UTC, as events write it: they compare as text."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected a day or a time such as 2026-01-31 or 2026-01-31T14:30, got “{text}”"
        ) from None
    if found.tzinfo is not None:
        found = found.astimezone(UTC).replace(tzinfo=None)
    return found.isoformat(timespec="milliseconds")


def reviews(options: argparse.Namespace) -> int:
    """Run the command; 0 on success, 1 if lines were passed over."""
    match options.action:
        case "export":
            return _export(options)
        case "log":
            return _log(options)
        case _:
            return _take_over(options)


def _root(options: argparse.Namespace) -> Path:
    # lazy: the command line starts without the pipeline
    from pipeline.sources.hub.dataset import open_anything

    return Path(open_anything(options.dataset).info.path)


def _export(options: argparse.Namespace) -> int:
    from pipeline.export.files import refuse_existing
    from pipeline.review.exchange import export_jsonl, export_lines
    from pipeline.review.saved import saved_reviews

    if options.out is not None:
        refuse_existing(options.out, force=options.force)
    with saved_reviews(_root(options)) as store:
        _tell_gone(store)
        events = _chosen(store, options)
    if options.out is None:
        for line in export_lines(events):
            say(line)
        return 0
    count = export_jsonl(events, options.out)
    note(f"{_events(count)} written to {options.out}")
    return 0


def _log(options: argparse.Namespace) -> int:
    from pipeline.review.exchange import export_lines
    from pipeline.review.saved import saved_reviews

    with saved_reviews(_root(options)) as store:
        _tell_gone(store)
        events = _chosen(store, options)
        conflicts = store.disagreements() if store is not None and options.conflicts else ()
    if options.conflicts:
        if not conflicts:
            note("nobody's newest verdict on a caption differs from another person's")
        for conflict in conflicts:
            say(json.dumps(_conflict(conflict)) if options.json else conflict.text)
        return 0
    if not events:
        chosen = any(v is not None for v in (options.episode, options.who, options.since))
        note("no event is what you asked for" if chosen else "nobody has said anything here yet")
    shown = events[-options.limit :] if options.limit else events
    if len(shown) < len(events):
        note(f"the newest {len(shown):,} of {len(events):,} events; --limit 0 lists all")
    if options.json:
        for line in export_lines(shown):
            say(line)
        return 0
    for event in shown:
        place = "dataset" if event.episode < 0 else f"episode {event.episode}"
        subtask = "" if event.subtask < 0 else f", subtask {event.subtask + 1}"
        say(f"{event.at[:19]}  {event.who:12} {place}{subtask}: {_what(event)}")
    return 0


def _tell_gone(store: ReviewStore | None) -> None:
    """Say what had waited on this machine for the team's database."""
    if store is not None and store.gone:
        note(store.gone)


def _chosen(store: ReviewStore | None, options: argparse.Namespace) -> list[Event]:
    """Events that the filters leave."""
    if store is None:
        return []
    return [
        e
        for e in store.events()
        if (options.episode is None or e.episode == options.episode)
        and (options.who is None or e.who == options.who)
        and (options.since is None or e.at >= options.since)
    ]


def _what(event: Event) -> str:
    """One clause."""
    if event.kind == "record":
        told = {k: v for k, v in (event.record or {}).items() if v != ""}
        return "record " + ", ".join(f"{k}={v}" for k, v in told.items())
    if event.kind != "edit":
        return f"{event.kind} of {event.refers_to[:8]} ({event.stage})"
    edit = event.edit
    return edit.title if edit is not None else f"{event.stage}: of a later version"


def _take_over(options: argparse.Namespace) -> int:
    from pipeline.review.exchange import import_jsonl, merge_store
    from pipeline.review.store import ReviewStore

    paths = options.files if options.action == "import" else options.others
    take = import_jsonl if options.action == "import" else merge_store
    store = ReviewStore.open(_root(options), offline=False)
    reports = []
    try:
        _tell_gone(store)
        for problem in store.problems:
            note(problem.message)
        for path in paths:
            report = take(store, path, any_dataset=options.any_dataset)
            reports.append((path, report))
            if not options.json:
                _tell(path, report)
    finally:
        store.close()
    if options.json:
        say(json.dumps([_report(p, r) for p, r in reports], indent=2, ensure_ascii=False))
    return 1 if any(r.broken_count or r.altered for _, r in reports) else 0


def _tell(path: Path, report: MergeReport) -> None:
    here = f"{report.known:,} {'was' if report.known == 1 else 'were'} here already"
    say(f"{path}: {_events(report.added)} added, {here}")
    for line in report.broken[:_TOLD]:
        note(f"  line {line.number} is passed over: {line.why}")
    if report.broken_count > _TOLD:
        note(f"  … {report.broken_count - _TOLD:,} more lines are passed over")
    for uuid in report.altered[:_TOLD]:
        note(f"  event {uuid} says something else there; ours stays")
    for conflict in report.conflicts:
        say(f"  judged differently: {conflict.text}")


def _events(count: int) -> str:
    return f"{count:,} event{'' if count == 1 else 's'}"


def _report(path: Path, report: MergeReport) -> dict[str, Any]:
    return {
        "file": str(path),
        "added": report.added,
        "known": report.known,
        "conflicts": [_conflict(c) for c in report.conflicts],
        "altered": list(report.altered),
        "broken": [{"line": b.number, "why": b.why} for b in report.broken],
        "broken_count": report.broken_count,
    }


def _conflict(conflict: Conflict) -> dict[str, Any]:
    return {
        "episode": conflict.episode,
        "subtask": conflict.subtask,
        "verdicts": [
            {"who": e.who, "at": e.at, "uuid": e.uuid} | json.loads(e.payload)
            for e in conflict.verdicts
        ],
    }
