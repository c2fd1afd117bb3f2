"""Measures the pipeline against a dataset's ground truth: what is right, and how one would know.

    python tools/accuracy.py DATASET... [--truth FILE] [--set STAGE.OPTION=VALUE] [--cache DIR]
                             [--episodes 0 3 ...] [--json FILE] [--compare FILE]

For people who change the pipeline: every subtask with what was decided about it, when the object
was held, and all datasets in one table. ``demoscope evaluate`` is for everybody else; both measure
with `pipeline.evaluation`. Options are the defaults but for ``--set``. A subtask that the pipeline
did not find counts as wrong and without a score. ``tools/sample/held_out.py`` renders datasets that
no threshold was tuned on. Before and after a change: ``--json before.json`` there,
``--compare before.json`` here.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.annotate import EpisodeAnnotations, annotate_episode, standard_graph
from pipeline.annotations.table import AnnotationTable
from pipeline.engine.cache import ResultCache
from pipeline.evaluation.baselines import ALONE, LADDER, BaselineOptions, Cues
from pipeline.evaluation.dataset_figures import DatasetFigures, as_plain, comparison, read_earlier
from pipeline.evaluation.figures import (
    DETECTOR,
    FULL,
    GOOD_IOU,
    MethodFigures,
    Outcome,
    method_figures,
)
from pipeline.evaluation.ground_truth import (
    TrueSubtask,
    matching_truth,
    read_ground_truth,
    read_lines,
)
from pipeline.evaluation.intervals_of_curves import Bootstrap
from pipeline.evaluation.matching import is_match
from pipeline.evaluation.report import method_table
from pipeline.model.annotation import Annotation
from pipeline.model.candidate import Box
from pipeline.model.phases import PhaseName
from pipeline.model.score import box_iou
from pipeline.scoring.formula import ScoresOptions
from pipeline.sources.detect import open_dataset

MOTION = "motion only"
Span = tuple[int, int]
"""First frame, one past the last."""


@dataclass(frozen=True)
class Guess:
    """What a method chose for a subtask.

    Attributes:
        box: The object before contact, pixels; None if it abstains.
        score: How sure it is; None without one.
    """

    box: Box | None = None
    score: float | None = None


@dataclass(frozen=True)
class Row:
    """One true subtask and what was found of it.

    Attributes:
        episode: Episode index.
        true: What really happened.
        guesses: By method; empty if the subtask was not found.
        best_iou: Largest IoU of any candidate with the true box, 0 without candidates.
        target: Box of the destination.
        interact: Spans of the held object, the forward offset applied.
        measured: The same before the offset.
        warnings: Codes of the findings.
        instruction: What the subtask should do.
        caption: What the pipeline says about it.
    """

    episode: int
    true: TrueSubtask
    guesses: Mapping[str, Guess] = field(default_factory=dict)
    best_iou: float = 0.0
    target: Box | None = None
    interact: tuple[Span, ...] = ()
    measured: tuple[Span, ...] = ()
    warnings: tuple[str, ...] = ()
    instruction: str = ""
    caption: str = ""

    def guess(self, method: str) -> Guess:
        """What a method chose; nothing if the subtask was not found."""
        return self.guesses.get(method, Guess())

    def correct(self, method: str) -> bool:
        """Whether a method's box counts as correct (SPARC table 5)."""
        true = self.true.start_box
        return true is not None and is_match(self.guess(method).box, true)

    def iou(self, method: str = FULL) -> float:
        """IoU of a method's box with the true one, 0 without."""
        box, true = self.guess(method).box, self.true.start_box
        return 0.0 if box is None or true is None else box_iou(box, true)


@dataclass(frozen=True)
class Figures:
    """Everything that is measured.

    Attributes:
        subtasks: Number of true subtasks.
        methods: The table.
        recall: Share of subtasks with a candidate on the object (IoU 0.5).
        target_accuracy: Share of correct destinations, of those that have a true box.
        interact_iou: Mean temporal IoU of `interact`, forward offset applied, with true contact.
        measured_iou: The same before the offset.
    """

    subtasks: int
    methods: tuple[MethodFigures, ...]
    recall: float
    target_accuracy: float
    interact_iou: float
    measured_iou: float

    def of(self, method: str) -> MethodFigures:
        """The line of a method; KeyError if there is none."""
        return {line.method: line for line in self.methods}[method]


def temporal_iou(found: Sequence[Span], true: Sequence[Span]) -> float:
    """IoU of two sets of frames given as spans [first, last); 0 if both are empty."""
    a = {frame for first, last in found for frame in range(first, last)}
    b = {frame for first, last in true for frame in range(first, last)}
    return len(a & b) / len(a | b) if a | b else 0.0


def _guesses(annotation: Annotation, options: ScoresOptions) -> dict[str, Guess]:
    """What every method chose among the candidates of one annotation."""
    columns = AnnotationTable.of([annotation]).candidates
    cues = Cues.of_candidates(columns, options)
    boxes = {c.id: c.box for c in annotation.candidates}
    found = {}
    for name, rule in (*ALONE, *LADDER[:-1]):
        choice = cues.choice(rule(cues, BaselineOptions.of(options)))
        found[name] = Guess(boxes.get(choice.candidate), choice.score)
    return found | {FULL: Guess(annotation.start_box, annotation.score)}


def _row(
    done: EpisodeAnnotations, annotation: Annotation, true: TrueSubtask, options: ScoresOptions
) -> Row:
    task = done.outcomes[-1]["subtasks"].result.subtasks[annotation.subtask_index]
    held = [p for p in task.phases if p.name is PhaseName.INTERACT]
    start = true.start_box
    ious = [] if start is None else [box_iou(c.box, start) for c in annotation.candidates]
    return Row(
        episode=annotation.episode_index,
        true=true,
        guesses=_guesses(annotation, options),
        best_iou=max(ious, default=0.0),
        target=annotation.target_box,
        interact=task.interaction,
        measured=tuple((p.measured_start, p.measured_end) for p in held),
        warnings=annotation.warnings,
        instruction=annotation.instruction,
        caption=annotation.caption,
    )


def measured_rows(
    dataset: Path,
    cache: ResultCache | None = None,
    episodes: Sequence[int] = (),
    truth_file: Path | None = None,
    options: dict[str, Any] | None = None,
) -> list[Row]:
    """Runs the pipeline and lays its results beside the ground truth.

    Args:
        dataset: A dataset, with ``ground_truth/annotations.jsonl`` unless `truth_file` is given.
        cache: Where results are kept.
        episodes: Only these; all that have ground truth if empty.
        truth_file: Ground truth that lies elsewhere.
        options: Stage name -> options instance; defaults where missing.

    Returns:
        A row per true subtask with a start box.

    Raises:
        DataError, StageFailed: The dataset cannot be opened, or a stage failed.
    """
    source, graph = open_dataset(dataset), standard_graph()
    lines = read_lines(truth_file) if truth_file else read_ground_truth(dataset)
    truth = tuple(t for t in lines if t.start_box is not None)
    scores = (options or {}).get("scores", ScoresOptions())
    rows: list[Row] = []
    for index in sorted({t.episode_index for t in truth}):
        if episodes and index not in episodes:
            continue
        done = annotate_episode(source, index, graph=graph, options=options, cache=cache)
        if done.failure is not None:
            raise done.failure
        taken: dict[int, Row] = {}
        for annotation in done.annotations:
            task = done.outcomes[-1]["subtasks"].result.subtasks[annotation.subtask_index]
            true = matching_truth(truth, index, task.arm, task.start, task.end)
            if true is not None and true.subtask_index not in taken:
                taken[true.subtask_index] = _row(done, annotation, true, scores)
        own = (t for t in truth if t.episode_index == index)
        rows += [taken.get(t.subtask_index, Row(index, t)) for t in own]
    return rows


def _outcome(rows: Sequence[Row], method: str) -> Outcome:
    guesses = [r.guess(method) for r in rows]
    none = (np.nan,) * 4
    return Outcome.of_boxes(
        method,
        np.array([g.box or none for g in guesses], np.float64).reshape(-1, 4),
        np.array([r.true.start_box or none for r in rows], np.float64).reshape(-1, 4),
        np.array([np.nan if g.score is None else g.score for g in guesses], np.float64),
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else float("nan")


def figures_of(rows: Sequence[Row]) -> Figures:
    """Computes the table and the figures below it."""
    found = dict.fromkeys(name for row in rows for name in row.guesses) or (FULL,)
    lines = [method_figures(_outcome(rows, m), settings=Bootstrap(0)) for m in found]
    targets = [is_match(r.target, r.true.target_box) for r in rows if r.true.target_box is not None]
    touched = [r for r in rows if r.true.contact]
    return Figures(
        subtasks=len(rows),
        methods=tuple(lines),
        recall=_mean([r.best_iou >= GOOD_IOU for r in rows]),
        target_accuracy=_mean(targets),
        interact_iou=_mean([temporal_iou(r.interact, r.true.contact) for r in touched]),
        measured_iou=_mean([temporal_iou(r.measured, r.true.contact) for r in touched]),
    )


def report(rows: Sequence[Row], figures: Figures) -> str:
    """Rows, table and the figures below it as text."""
    lines = []
    for row in rows:
        score = row.guess(FULL).score
        known = row.true.target_box
        at = "no target" if known is None else "ok" if is_match(row.target, known) else "WRONG"
        lines.append(
            f"{row.episode:3} {row.true.object_name:15} {'ok   ' if row.correct(FULL) else 'WRONG'}"
            f" IoU {row.iou():.2f} best candidate {row.best_iou:.2f}"
            f" R {'  -  ' if score is None else f'{score:5.2f}'} target {at:9}"
            f" t-IoU {temporal_iou(row.measured, row.true.contact):.2f}"
            f" | {row.instruction} -> {row.caption}"
        )
    lines += ["", *method_table(figures.methods)]
    lines.append(
        f"recall of the candidates at IoU {GOOD_IOU}: {figures.recall:.3f}; target accuracy: "
        f"{figures.target_accuracy:.3f}\ntemporal IoU of interact with contact: measured "
        f"{figures.measured_iou:.3f}, with the forward offset {figures.interact_iou:.3f}"
    )
    return "\n".join(lines)


def as_json(rows: Sequence[Row], figures: Figures) -> dict[str, Any]:
    """The same for programs: ``figures`` and ``rows``."""
    plain = [
        asdict(r) | {"true": r.true.model_dump(), "iou": r.iou(), "correct": r.correct(FULL)}
        for r in rows
    ]
    return {"figures": asdict(figures), "rows": plain}


def summary_of(rows: Sequence[Row], figures: Figures) -> DatasetFigures:
    """What is compared between runs."""
    full = figures.of(FULL)
    alone = [m for m in figures.methods if m.method == DETECTOR]
    return DatasetFigures(
        subtasks=figures.subtasks,
        recall=figures.recall,
        best_iou=_mean([r.best_iou for r in rows]),
        accuracy=full.accuracy,
        mean_iou=full.matches.mean_iou,
        share_iou_50=full.matches.share_iou_50,
        detector_accuracy=alone[0].accuracy if alone else 0.0,
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("datasets", type=Path, nargs="+", metavar="DATASET")
    parser.add_argument("--cache", type=Path, help="keep stage results here")
    parser.add_argument("--json", type=Path, help="write rows and figures here")
    parser.add_argument("--compare", type=Path, help="what --json wrote earlier, shown beside")
    parser.add_argument("--episodes", type=int, nargs="*", default=[], help="only these")
    parser.add_argument(
        "--truth",
        type=Path,
        action="append",
        default=[],
        metavar="FILE.jsonl",
        help="ground truth of the dataset whose folder has the file's name; repeatable",
    )
    parser.add_argument("--set", action="append", default=[], metavar="STAGE.OPTION=VALUE")
    return parser.parse_args()


def main() -> int:
    """Entry point of the command line; 1 without ground truth or with wrong arguments."""
    from app.annotate_command import parse_settings

    arguments = _arguments()
    cache = ResultCache(arguments.cache) if arguments.cache else None
    try:
        settings = parse_settings(arguments.set, standard_graph())
        earlier = read_earlier(arguments.compare) if arguments.compare else None
    except (OSError, ValueError) as error:
        print(error)
        return 1
    truths = {path.stem: path for path in arguments.truth}
    summary: dict[str, DatasetFigures] = {}
    details: dict[str, Any] = {}
    for dataset in arguments.datasets:
        name = dataset.resolve().name
        rows = measured_rows(dataset, cache, arguments.episodes, truths.get(name), settings)
        if not rows:
            print(f"{dataset}: no ground truth for these episodes")
            return 1
        figures = figures_of(rows)
        print(f"== {name}\n{report(rows, figures)}\n")
        summary[name], details[name] = summary_of(rows, figures), as_json(rows, figures)
    print(comparison(summary, earlier))
    if arguments.json:
        text = json.dumps({"summary": as_plain(summary), "datasets": details}, indent=1)
        arguments.json.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
