"""`demoscope evaluate`: how right predictions are, and what their scores are worth."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.terminal import note, progress, say
from pipeline.model.problem import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.annotations.table import AnnotationTable
    from pipeline.evaluation.evaluation import EvaluationSettings
    from pipeline.evaluation.ground_truth import TrueSubtask
    from pipeline.evaluation.pairing import Pairing
    from pipeline.evaluation.sweeps import ClipLoader, Result
    from pipeline.model.arrays import I64
    from pipeline.scoring.formula import ScoresOptions

_REFUSED = frozenset(
    {"line_skipped", "box_not_usable", "candidate_skipped", "annotated_again", "part_skipped"}
    | {"winner_not_found", "no_annotations"}
)
"""Findings about predictions that would silently change the figures."""

_MOST = 100_000


def _share(text: str) -> float:
    """A number above 0, at most 1; argparse tells what it should have been."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"expected a number above 0, at most 1, got “{text}”")
    return value


def _count(text: str) -> int:
    """A whole number; argparse tells what it should have been."""
    if not (text.isdecimal() and int(text) <= _MOST):
        raise argparse.ArgumentTypeError(f"expected a whole number up to {_MOST}, got “{text}”")
    return int(text)


def add_parser(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "evaluate",
        help="how right predictions are, and what their scores are worth",
        description="Accuracy, Cov@90, Cov@95, AURC, E-AURC, mean IoU and IoU >= 0.5 of "
        "predictions and of simpler rules on the same candidates, with intervals. Every true "
        "subtask counts: one that was not predicted is wrong and has no score. Definitions: "
        "docs/evaluation.md.",
    )
    parser.add_argument(
        "predictions",
        type=Path,
        help="FILE.jsonl or .parquet of `demoscope annotate`, the folder of a run, or a dataset "
        "(its newest run)",
    )
    parser.add_argument(
        "ground_truth",
        type=Path,
        nargs="?",
        help="FILE.jsonl with a line per true subtask, or a dataset with "
        "ground_truth/annotations.jsonl; default: the dataset of the predictions",
    )
    parser.add_argument("--json", action="store_true", help="machine-readable")
    parser.add_argument(
        "--iou", type=_share, default=None, help="a box is right from this IoU (default: 0.4)"
    )
    parser.add_argument(
        "--by",
        action="append",
        default=[],
        metavar="COLUMN",
        help="dataset, task, arm, camera or another column of texts; may be repeated (default: "
        "those of the four with several values)",
    )
    parser.add_argument(
        "--precision",
        type=_share,
        action="append",
        default=[],
        metavar="P",
        help="also tell the threshold that keeps most at this precision; may be repeated",
    )
    parser.add_argument(
        "--match",
        choices=["index", "time"],
        default="index",
        help="pair predictions with the truth by subtask_index, or by arm and overlap in time "
        "(default: index)",
    )
    parser.add_argument(
        "--bootstrap",
        type=_count,
        default=1000,
        metavar="N",
        help="resamples behind the intervals, 0 for none (default: 1000)",
    )
    parser.add_argument("--seed", type=_count, default=0, help="of the resamples (default: 0)")
    parser.add_argument(
        "--resample",
        choices=["episode", "subtask"],
        default="episode",
        help="what is drawn: whole episodes, as subtasks of one are not independent, or single "
        "subtasks (default: episode)",
    )
    parser.add_argument(
        "--curve", type=Path, metavar="FILE.csv", help="write the risk-coverage curve here"
    )
    parser.add_argument(
        "--sweep",
        metavar="scores.OPTION[,scores.OPTION]",
        help="how the figures change with an option of the score, or with two; “scores” alone: "
        "with each of them",
    )
    parser.add_argument(
        "--annotate",
        action="store_true",
        help="PREDICTIONS is a dataset: run all stages now on the episodes with ground truth, "
        "without human corrections (results are kept and found again)",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="STAGE.OPTION=VALUE",
        help="with --annotate: change an option, may be repeated",
    )
    parser.set_defaults()


def evaluate(options: argparse.Namespace) -> int:
    """Run the command; 0 on success.

    Raises:
        DataError: One sentence: something cannot be read, or does not fit.
    """
    from pipeline.evaluation.evaluation import evaluate as evaluated
    from pipeline.evaluation.pairing import pair_by_index, pair_by_time
    from pipeline.evaluation.report import as_json, curve_csv, text

    if options.set and not options.annotate:
        raise DataError("no_such_option", "--set needs --annotate: predictions are made already")
    if options.annotate:
        truth = _truth(options.ground_truth or options.predictions)
        predicted = _annotated(options.predictions, truth, options.set)
    else:
        predicted = _read(options.predictions, options.match == "time")
        truth = _truth(options.ground_truth or predicted.dataset)
    table, scores = predicted.table, predicted.scores
    _compare_names(table, options.ground_truth)
    if options.match == "time":
        pairing = pair_by_time(table, truth, predicted.spans)
    else:
        pairing = pair_by_index(table, truth)
    found = evaluated(table, pairing, scores, _settings(options))
    plain = as_json(found) if options.json else {}
    words = "" if options.json else text(found, options.by)
    if options.sweep is not None:
        from pipeline.evaluation.sweep_json import sweep_json
        from pipeline.evaluation.sweep_text import sweep_lines

        swept = _swept(options.sweep, predicted, pairing, options)
        if options.json:
            plain["sweep"] = sweep_json(swept)
        else:
            words += "\n\n" + sweep_lines(swept)
    if options.curve is not None:
        options.curve.write_text(curve_csv(found), encoding="utf-8")
    say(json.dumps(plain, indent=2) if options.json else words)
    return 0


def _swept(
    wanted: str, predicted: _Predictions, pairing: Pairing, options: argparse.Namespace
) -> Result:
    """Sweep over the subtasks that were predicted."""
    from pipeline.evaluation.figures import judge_pairing
    from pipeline.evaluation.sweeps import SweepData, SweepRequest, run_sweep

    names = []
    for part in wanted.split(","):
        stage, dot, name = part.strip().partition(".")
        if stage != "scores" or (dot and not name):
            raise ValueError(f"--sweep: expected scores.OPTION, got “{part.strip()}”")
        names += [name] if name else []
    own, judgements = judge_pairing(predicted.table, pairing, _settings(options).match)
    request = SweepRequest(tuple(names))
    if options.precision:
        request = SweepRequest(tuple(names), precision=options.precision[0])
    clips = _clips(own, predicted, names, options.ground_truth)
    try:
        return run_sweep(
            request,
            SweepData(own, judgements, predicted.scores, clips),
            progress=lambda share, what: progress(min(share, 0.999), f"sweep: {what}"),
            resamples=options.bootstrap,
        )
    finally:
        progress(1.0, "")


def _clips(
    table: AnnotationTable, predicted: _Predictions, names: list[str], truth: Path | None
) -> ClipLoader | None:
    """Cached tracks for options of the measurement; None if none is swept or nobody knows where.

    Raises:
        DataError: Such an option was named and the dataset or the options cannot be read.
    """
    from app.settings import paths
    from pipeline.curation.clips import cached_clips
    from pipeline.evaluation.sweep_options import MEASUREMENT_OPTIONS

    named = [name for name in names if name in MEASUREMENT_OPTIONS]
    dataset = predicted.dataset
    if dataset is None and truth is not None and truth.is_dir():
        dataset = truth
    if named and dataset is None:
        raise DataError(
            "no_clips",
            f"{named[0]} shapes what is measured, so its sweep needs the dataset's cached tracks, "
            "and these predictions do not say where the dataset is: name its folder as ground "
            "truth.",
        )
    if dataset is None or (names and not named):
        return None
    try:
        return cached_clips(table, dataset, predicted.stage_options, paths().results)
    except DataError as error:
        if named:
            raise
        note(str(error))
        return None


def _settings(options: argparse.Namespace) -> EvaluationSettings:
    from pipeline.evaluation.evaluation import EvaluationSettings
    from pipeline.evaluation.intervals_of_curves import Bootstrap
    from pipeline.evaluation.matching import PUBLISHED, MatchOptions

    return EvaluationSettings(
        match=PUBLISHED if options.iou is None else MatchOptions(iou_match=options.iou),
        bootstrap=Bootstrap(options.bootstrap, options.seed),
        by_episode=options.resample == "episode",
        precisions=tuple(options.precision),
        columns=tuple(options.by),
    )


def _compare_names(table: AnnotationTable, truth: Path | None) -> None:
    """Tell if predictions of one dataset are measured by the ground truth of another."""
    if truth is None or not truth.is_dir() or not len(table):
        return
    name, ours = truth.resolve().name, {n for n in table.dataset.values if n}
    if ours and name not in ours:
        note(f"The predictions are of {', '.join(sorted(ours))}, the ground truth is of {name}.")


def _truth(path: Path | None) -> tuple[TrueSubtask, ...]:
    from pipeline.evaluation.truth_file import read_truth

    if path is None:
        raise DataError(
            "ground_truth_missing",
            "The predictions do not say of which dataset they are: name the ground truth, too.",
        )
    return read_truth(path / "ground_truth" / "annotations.jsonl" if path.is_dir() else path)


@dataclass(frozen=True)
class _Predictions:
    """What is measured.

    Attributes:
        table: One row per prediction.
        scores: Options of the score with which they were made.
        spans: (N, 2) int64, frames [start, end) of each; (0, 2) where nobody asks.
        dataset: Root of their dataset, None if nobody knows.
        stage_options: Stage name -> option name -> value, as they were made, as far as known.
    """

    table: AnnotationTable
    scores: ScoresOptions
    spans: I64
    dataset: Path | None
    stage_options: Mapping[str, Any]


def _read(path: Path, timed: bool) -> _Predictions:
    """Predictions of a file; when they happen only if `timed`."""
    from pipeline.annotations.reading import PARTS_NAME, TABLE_NAME, read_annotations
    from pipeline.annotations.spans import subtask_spans
    from pipeline.curation.loading import newest_run

    dataset = None
    if path.is_dir() and path.name != PARTS_NAME:
        ours = (path / TABLE_NAME).is_file() or (path / PARTS_NAME).is_dir()
        if not ours:
            dataset, path = path, newest_run(path)
    read = read_annotations(path)
    for problem in read.problems:
        if problem.code in _REFUSED:
            about = "" if str(path) in problem.message else f"{path}: "
            raise DataError(problem.code, f"{about}{problem.message}")
        note(problem.message)
    for name in ("start_box", "target_box"):
        boxes = getattr(read.table, name)
        flat = (boxes[:, 2] <= boxes[:, 0]) | (boxes[:, 3] <= boxes[:, 1])
        if flat.any():
            line = int(read.lines[flat.argmax()])
            raise DataError(
                "box_not_usable", f"{path}, line {line}: {name} has no area, x1 <= x0 or y1 <= y0."
            )
    spans = subtask_spans(read) if timed else read.lines[:0].reshape(0, 2)
    return _Predictions(
        read.table, read.options, spans, dataset or read.dataset, read.stage_options
    )


def _annotated(dataset: Path, truth: tuple[TrueSubtask, ...], pairs: list[str]) -> _Predictions:
    """Run the stages on the episodes with ground truth; one that fails is told and has none."""
    import numpy as np

    from app.annotate_command import parse_settings
    from app.settings import paths
    from pipeline.annotate import annotate_episode, standard_graph
    from pipeline.annotations.table import AnnotationTable
    from pipeline.engine.cache import ResultCache
    from pipeline.engine.options_file import values_of
    from pipeline.model.annotation import Annotation
    from pipeline.scoring.formula import ScoresOptions
    from pipeline.sources.detect import open_dataset

    graph = standard_graph()
    options = parse_settings(pairs, graph)
    source, cache = open_dataset(dataset), ResultCache(paths().results)
    known = {e.index for e in source.info.episodes}
    wanted = sorted({t.episode_index for t in truth} & known)
    if not wanted:
        raise DataError(
            "no_common_episode",
            f"{source.info.name} has none of the episodes that the ground truth is about.",
        )
    annotations: list[Annotation] = []
    for number, episode in enumerate(wanted):
        progress(number / len(wanted), f"episode {episode} ({number + 1}/{len(wanted)})")
        try:
            done = annotate_episode(source, episode, graph=graph, options=options, cache=cache)
        except DataError as error:
            note(f"episode {episode}: {str(error).removeprefix(f'episode {episode}: ')}")
            continue
        if done.failure is not None:
            note(f"episode {episode}: {done.failure}")
        annotations += done.annotations
    progress(1.0, "")
    spans = [
        (min((p.start for p in a.phases), default=0), max((p.end for p in a.phases), default=0))
        for a in annotations
    ]
    scores = options.get("scores", ScoresOptions())
    return _Predictions(
        AnnotationTable.of(annotations),
        scores,
        np.array(spans, np.int64).reshape(-1, 2),
        dataset,
        values_of(options),
    )
