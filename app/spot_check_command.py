"""`demoscope spot-check`: a sample of annotations to judge by eye, and its report."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.terminal import note, say
from pipeline.model.problem import DataError

if TYPE_CHECKING:
    from pipeline.curation.data import CurationData
    from pipeline.model.demonstration import DatasetSource
    from pipeline.review.spot_check import SpotCheck
    from pipeline.review.spot_plan import SpotPlan
    from pipeline.review.spot_result import SpotResult

_CUTS = ("reliability", "task", "camera", "arm", "dataset", "reviewer", "none")
_ALLOCATIONS = ("proportional", "equal", "neyman")
_PATH = "a dataset (its newest run), a file of annotations or the folder of a run"


def add_parser(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "spot-check",
        help="sample annotations to judge by eye, and report the precision",
        description="Draws a reproducible stratified sample, says how far its review is, and "
        "writes the report. The review itself happens in the curation window. Definitions: "
        "docs/spot-check.md.",
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    _add_sample(actions.add_parser("sample", help="draw a sample and print its strata"))
    one = actions.add_parser("status", help="say how far the spot checks of a dataset are")
    _add_place(one, "what was sampled, or the journal of one spot check (.jsonl)")
    one.add_argument("--json", action="store_true", help="machine-readable")
    one = actions.add_parser("report", help="write the result of a spot check")
    _add_place(one, "what was sampled (its newest spot check), or the journal of one (.jsonl)")
    one.add_argument("--html", type=Path, metavar="FILE", help="one page with pictures")
    one.add_argument("--json", type=Path, metavar="FILE", help="the same for programs")


def _add_place(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("path", type=Path, help=what)
    parser.add_argument("--dataset", type=Path, help="root of the dataset, where pictures are")
    parser.add_argument("--folder", type=Path, help="folder of spot checks (default: beside it)")


def _add_sample(parser: argparse.ArgumentParser) -> None:
    _add_place(parser, _PATH)
    for option, what in (
        ("--dataset-name", "annotations of this dataset"),
        ("--task", "of this kind of action"),
        ("--camera", "of this camera key"),
        ("--arm", "of this arm"),
        ("--with-code", "with this warning"),
        ("--without-code", "without this warning"),
    ):
        parser.add_argument(
            option, action="append", default=[], metavar="VALUE", help=f"only {what}; repeatable"
        )
    parser.add_argument("--least", type=float, metavar="R", help="only with R at least this")
    parser.add_argument("--most", type=float, metavar="R", help="only with R below this")
    parser.add_argument("--threshold", type=float, metavar="R", help="kept from this R on")
    parser.add_argument("--keep", choices=["all", "kept", "dropped"], default="all")
    parser.add_argument(
        "--cut",
        action="append",
        choices=_CUTS,
        help="what strata are made by; repeatable (default: reliability)",
    )
    parser.add_argument("--bins", type=int, default=4, help="reliability bins (default: 4)")
    parser.add_argument("--allocation", choices=_ALLOCATIONS, default="proportional")
    parser.add_argument("--size", type=int, help="items to draw (default: 100)")
    parser.add_argument(
        "--half-width", type=float, metavar="SHARE", help="draw for this half-width, e.g. 0.05"
    )
    parser.add_argument(
        "--expected", type=float, default=0.9, help="expected precision, for planning"
    )
    parser.add_argument("--seed", type=int, default=0, help="same seed, same sample (default: 0)")
    parser.add_argument("--who", default="", help="name of the person (default: the account)")
    parser.add_argument("--dry-run", action="store_true", help="print the strata, write nothing")
    parser.add_argument("--json", action="store_true", help="machine-readable")


def spot_check(options: argparse.Namespace) -> int:
    """Run the command; 0 on success."""
    match options.action:
        case "sample":
            return _sample(options)
        case "status":
            return _status(options)
        case _:
            return _report(options)


def _sample(options: argparse.Namespace) -> int:
    # lazy: the command line starts without the pipeline
    from pipeline.model.authorship import account_name
    from pipeline.review.spot_check import SpotCheck
    from pipeline.review.spot_sampling import draw

    plan = _plan(options)
    data = _data(options)
    folder = options.folder or data.folder
    if options.dry_run:
        sample = draw(data.table, plan)
        strata, half_width, place = sample.strata, sample.half_width, None
        items = [(int(data.table.episode[r]), int(data.table.subtask[r])) for r in sample.rows]
    else:
        check = SpotCheck.begin(folder, data.table, data.path, plan, options.who or account_name())
        strata, place = check.strata, check.path
        half_width = check.header.half_width
        items = [(i.episode, i.subtask) for i in check.items]
    if options.json:
        found = {
            "session": None if place is None else str(place),
            "seed": plan.seed,
            "strata": [s.model_dump() for s in strata],
            "half_width_expected": half_width,
            "items": [list(i) for i in items],
        }
        say(json.dumps(found, indent=2, ensure_ascii=False))
        return 0
    say(f"population   {plan.population.text()}: {sum(s.population for s in strata):,} annotations")
    say(f"sample       {len(items):,}, seed {plan.seed}, ± {100 * half_width:.1f} points expected")
    say(f"  {'stratum':36} {'annotations':>12} {'drawn':>7}")
    for stratum in strata:
        say(f"  {stratum.name:36} {stratum.population:12,} {stratum.sampled:7,}")
    say("nothing is written" if place is None else f"session      {place}")
    return 0


def _status(options: argparse.Namespace) -> int:
    from pipeline.review.spot_json import report_data
    from pipeline.review.spot_result import summarise

    checks = _checks(options)
    if not checks:
        raise DataError(
            "no_spot_check",
            f"There is no spot check of {options.path} yet: draw one by `demoscope spot-check "
            "sample`, or in the curation window.",
        )
    if options.json:
        say(json.dumps([report_data(c) for c in checks], indent=2, ensure_ascii=False))
        return 0
    for check in checks:
        _say_status(check, summarise(check))
    return 0


def _say_status(check: SpotCheck, result: SpotResult) -> None:
    from pipeline.review.spot_report import percent, percents

    overall, counts = result.overall, result.counts
    say(f"{check.header.id}  {check.path}")
    say(f"  population  {check.plan.population.text()}")
    say(
        f"  answers     {counts.answered} of {len(check.items)}: {counts.right} right, "
        f"{counts.wrong} wrong, {counts.unsure} cannot tell"
        f" ({', '.join(check.reviewers) or 'nobody yet'})"
    )
    say(
        f"  precision   {percent(overall.precision)}, Clopper-Pearson {percents(overall.exact)}, "
        f"Wilson, continuity-corrected {percents(overall.wilson)}"
    )
    for stratum in result.strata:
        own = stratum.estimate
        say(
            f"    {stratum.name:32} {stratum.counts.judged:5}/{stratum.sampled:<5}"
            f" {percent(own.precision):>8}  {percents(own.exact)}"
        )
    say(f"  next        {result.stop.text()}")


def _report(options: argparse.Namespace) -> int:
    from pipeline.review.spot_json import write_json
    from pipeline.review.spot_report import write_page
    from pipeline.review.spot_result import summarise

    checks = _checks(options)
    if not checks:
        raise DataError("no_spot_check", f"There is no spot check of {options.path} yet.")
    check = checks[0]
    if options.html is None and options.json is None:
        _say_status(check, summarise(check))
        return 0
    if options.html is not None:
        write_page(check, options.html, _source(options))
        say(f"written: {options.html}")
    if options.json is not None:
        write_json(check, options.json)
        say(f"written: {options.json}")
    return 0


def _plan(options: argparse.Namespace) -> SpotPlan:
    from pydantic import ValidationError

    from pipeline.review.spot_plan import Cut, Keep, Population, SpotPlan

    cuts = options.cut or ["reliability"]
    try:
        return SpotPlan(
            population=Population(
                datasets=tuple(options.dataset_name),
                tasks=tuple(options.task),
                cameras=tuple(options.camera),
                arms=tuple(options.arm),
                with_codes=tuple(options.with_code),
                without_codes=tuple(options.without_code),
                least=options.least,
                most=options.most,
                keep=Keep(options.keep),
                threshold=options.threshold,
            ),
            cuts=tuple(Cut(c) for c in cuts if c != "none"),
            bins=options.bins,
            allocation=options.allocation,
            size=options.size,
            half_width=options.half_width,
            expected=options.expected,
            seed=options.seed,
        )
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][-1]).replace("_", "-")
        raise DataError("bad_plan", f"--{name}: {first['msg']}, got {first['input']!r}") from error


def _data(options: argparse.Namespace) -> CurationData:
    """Annotations of PATH: of a file, of a run's folder, or of a dataset's newest run."""
    from pipeline.annotations.reading import PARTS_NAME, TABLE_NAME
    from pipeline.curation.loading import load_curation

    path: Path = options.path.expanduser()
    run = (path / TABLE_NAME).is_file() or (path / PARTS_NAME).is_dir()
    if path.is_dir() and not run:
        data = load_curation(None, options.dataset or path)
    else:
        data = load_curation(path, options.dataset)
    for problem in data.problems:
        note(problem.message)
    return data


def _checks(options: argparse.Namespace) -> list[SpotCheck]:
    """The spot check of a journal, or all of a dataset, the newest first."""
    from pipeline.review.spot_check import SpotCheck, is_journal, spot_checks

    path: Path = options.path.expanduser()
    if is_journal(path):
        return [SpotCheck(path)]
    found = []
    for journal in spot_checks(options.folder or _data(options).folder):
        try:
            found.append(SpotCheck(journal))
        except DataError as error:
            note(str(error))
    return found


def _source(options: argparse.Namespace) -> DatasetSource | None:
    """The dataset with the pictures; None with a note where it cannot be opened."""
    from pipeline.review.spot_check import dataset_beside, is_journal
    from pipeline.sources.detect import open_dataset

    path: Path = options.path.expanduser()
    root = options.dataset
    if root is None:
        root = dataset_beside(path) if is_journal(path) else _data(options).dataset
    if root is None:
        note("the report has no pictures: name the dataset by --dataset")
        return None
    try:
        return open_dataset(str(root))
    except DataError as error:
        note(f"the report has no pictures: {error}")
        return None
