"""`demoscope diagnose`: which stage failed first, over a dataset."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.arguments import parse_episodes
from app.terminal import note, progress, say

if TYPE_CHECKING:
    from pipeline.annotations.judgements import Judgements
    from pipeline.annotations.table import AnnotationTable
    from pipeline.diagnosis.diagnosis import Diagnosis
    from pipeline.diagnosis.episode import Setting
    from pipeline.diagnosis.pareto import Failures, Pareto
    from pipeline.model.annotation import Annotation
    from pipeline.model.demonstration import DatasetSource

_OTHERWISE = 0.5
"""Least IoU of the box in the file with the one that is diagnosed, to be the same choice."""


def add_parser(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "diagnose",
        help="which stage failed first, by stage and code",
        description="Finds the stage at fault for every wrong annotation, by putting the truth in "
        "stage by stage, and counts stages and codes. Without ground truth or corrections, codes "
        "say which stage is suspected.",
    )
    parser.add_argument("dataset", help="a dataset of any known format")
    parser.add_argument(
        "--annotations",
        type=Path,
        metavar="FILE",
        help="annotations of it; default: its newest batch run, else it is annotated now",
    )
    parser.add_argument(
        "--truth", type=Path, metavar="FILE.jsonl", help="default: what lies beside the dataset"
    )
    parser.add_argument("--episodes", help="e.g. 0,2-5; default: all that are annotated")
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--substitute",
        action="store_true",
        help="find faults where the truth is known (default); takes about 10 s per stage tried",
    )
    how.add_argument("--codes-only", action="store_true", help="only read codes; computes nothing")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="STAGE.OPTION=VALUE",
        help="the option with which the annotations were made, may be repeated",
    )
    parser.add_argument(
        "--by", choices=["all", "dataset", "task"], default="all", help="one count for each"
    )
    parser.add_argument("--json", action="store_true", help="machine-readable")
    parser.add_argument("--no-cache", action="store_true", help="compute everything again")


def diagnose(arguments: argparse.Namespace) -> int:
    """Run the command; 0 on success, whatever it finds."""
    # lazy: `demoscope --help` must not load the pipeline
    from pipeline.diagnosis.pareto import By, Grouping, Suspicions, paretos

    work = _Work(arguments)
    table, judgements = work.annotations()
    found = () if arguments.codes_only else work.diagnoses(table, judgements)
    failures = Suspicions.of(table, judgements).failures(found)
    grouping = Grouping(arguments.by)
    counts = {by: paretos(failures, by, grouping) for by in By}
    if arguments.json:
        say(json.dumps(_plain(work, table, failures, counts, found), indent=2))
        return 0
    for by, groups in counts.items():
        for group in groups:
            say(_table(group, by.value))
            say("")
    wrong = [p for p in range(len(failures)) if failures.certainty[p] < 2]
    for place in wrong:
        say(f"{_where(failures, place)}: {failures.sentence(place)}")
    say(_summary(table, judgements, failures, found))
    return 0


class _Work:
    """What the arguments name."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        from pipeline.sources.hub.dataset import open_anything

        self._arguments = arguments
        self.source: DatasetSource = open_anything(arguments.dataset, progress)
        self.info = self.source.info
        self.root = Path(self.info.path)
        self.path: Path | None = None
        self._options: dict[str, dict[str, Any]] = {}
        self._asked: tuple[int, ...] = ()
        self._verdicts: tuple[Any, ...] = ()
        self._episodes: list[int] | None = None
        if arguments.episodes is not None:
            known = [e.index for e in self.info.episodes]
            self._episodes = parse_episodes(arguments.episodes, known)

    def annotations(self) -> tuple[AnnotationTable, Judgements]:
        """Annotations with what is known about them: a file's, the newest run's, or made now."""
        from app.diagnosis_task import options_of, run_of
        from pipeline.curation.loading import load_curation, newest_run
        from pipeline.model.problem import DataError

        path = self._arguments.annotations
        if path is None and not self._arguments.set:
            try:
                path = newest_run(self.root)
            except DataError as error:
                if error.code != "no_annotations":
                    raise
        if path is None:
            return self._made_now()
        data = load_curation(path, self.root, truth=self._arguments.truth)
        for problem in data.problems:
            note(problem.message)
        record = run_of(data.path)
        self._options = {s: dict(v) for s, v in options_of(data).items()}
        if record is not None:
            self._asked = record.episodes
        self.path = data.path
        self._verdicts = data.verdicts
        rows = self._rows(data.table)
        return data.table.take(rows), data.both.take(rows)

    def _rows(self, table: AnnotationTable) -> Any:
        import numpy as np

        if self._episodes is None:
            return np.ones(len(table), np.bool_)
        return np.isin(table.episode, self._episodes)

    def _made_now(self) -> tuple[AnnotationTable, Judgements]:
        """Annotate here; what is in the cache takes no time."""
        from pipeline.annotate import annotate_episode
        from pipeline.annotations.table import AnnotationTable
        from pipeline.evaluation.judging import judge_by_truth
        from pipeline.model.problem import DataError
        from pipeline.sources.hub.dataset import HubDataset

        if isinstance(self.source, HubDataset) and self._episodes is None:
            raise ValueError("a dataset of the Hub: say which --episodes to fetch and diagnose")
        wanted = self._episodes
        if wanted is None:
            wanted = [e.index for e in self.info.episodes if e.present]
        self._asked = tuple(wanted)
        setting = self._setting(wanted)
        records: list[Annotation] = []
        for number, episode in enumerate(wanted, 1):
            progress(number / (len(wanted) + 1), f"annotating episode {episode}")
            try:
                done = annotate_episode(
                    self.source,
                    episode,
                    graph=setting.graph,
                    options=dict(setting.options),
                    cache=setting.cache,
                )
            except DataError as error:
                note(f"episode {episode}: {error}")
                continue
            records += done.annotations
        progress(1.0, "")
        table = AnnotationTable.of(records)
        return table, judge_by_truth(table, setting.knowledge.truth)

    def _setting(self, episodes: list[int]) -> Setting:
        from app.annotate_command import parse_settings
        from app.settings import paths
        from pipeline.annotate import standard_graph
        from pipeline.diagnosis.task import DiagnosisTask, setting_of
        from pipeline.engine.options_file import values_of

        chosen = parse_settings(self._arguments.set, standard_graph(), "", self._options)
        truth = self._arguments.truth
        task = DiagnosisTask(
            dataset=self.info.path,
            episodes=tuple(episodes),
            options=values_of(chosen),
            truth=None if truth is None else str(truth),
            cache=None if self._arguments.no_cache else str(paths().results),
            verdicts=self._verdicts,
        )
        return setting_of(task, self.source)

    def diagnoses(self, table: AnnotationTable, judgements: Judgements) -> tuple[Diagnosis, ...]:
        """Put the truth in where something is wrong or missing."""
        from pipeline.diagnosis.episode import diagnose_episodes
        from pipeline.diagnosis.task import worth_diagnosing

        everything = self._setting(sorted({*table.episode.tolist(), *self._asked}))
        truth = everything.knowledge.truth
        wanted = worth_diagnosing(table, judgements, truth, self._asked)
        # People's corrections show what was wrong before them.
        wanted = tuple(sorted({*wanted, *everything.knowledge.edits}))
        if self._episodes is not None:
            wanted = tuple(e for e in wanted if e in self._episodes)
        on_disk = {e.index for e in self.info.episodes if e.present}
        wanted = tuple(e for e in wanted if e in on_disk)
        found: list[Diagnosis] = []
        for _, diagnoses in diagnose_episodes(everything, wanted, progress):
            found += diagnoses
        progress(1.0, "")
        self._compare(table, [d for d in found if d.episode not in everything.knowledge.edits])
        return tuple(found)

    def _compare(self, table: AnnotationTable, found: list[Diagnosis]) -> None:
        """Say so where the file's choice is not the one that was diagnosed."""
        from pipeline.model.score import box_iou

        if self.path is None:
            return
        boxes = {(d.episode, d.subtask): d.box for d in found if d.subtask >= 0}
        other = 0
        for row in range(len(table)):
            box = table.box(row)
            now = boxes.get((int(table.episode[row]), int(table.subtask[row])), box)
            same = (box is None) == (now is None) and (
                box is None or now is None or box_iou(box, now) >= _OTHERWISE
            )
            other += not same and not bool(table.by_person[row])
        if other:
            note(
                f"{other} annotations of {self.path} were made with other options (or another "
                "version) than those diagnosed: name them by --set"
            )


def _where(failures: Failures, place: int) -> str:
    subtask = int(failures.subtask[place])
    episode = f"episode {failures.episode[place]}"
    return episode if subtask < 0 else f"{episode} subtask {subtask + 1}"


def _table(group: Pareto, what: str) -> str:
    wide = max(12, *(len(b.label) for b in group.bars))
    title = what if group.name == "all" else f"{what} ({group.name})"
    lines = [
        f"{title:{wide}} {'total':>6} {'fault':>6} {'suspect':>8} {'unjudged':>9} {'share':>7}"
    ]
    for bar in group.bars:
        fault, suspect, unjudged = bar.counts
        lines.append(
            f"{bar.label:{wide}} {bar.total:6} {fault:6} {suspect:8} {unjudged:9} "
            f"{bar.cumulative:7.0%}"
        )
    return "\n".join(lines)


def _summary(
    table: AnnotationTable,
    judgements: Judgements,
    failures: Failures,
    found: tuple[Diagnosis, ...],
) -> str:
    certainty = failures.certainty
    wrong, faults = int((certainty < 2).sum()), int((certainty == 0).sum())
    known = int((judgements.known != 0).sum())
    seconds = sum(d.seconds for d in found)
    text = (
        f"{len(table)} annotations, {known} judged, {wrong} wrong, {faults} with a stage at fault"
    )
    return f"{text} ({seconds:.1f} s)" if found else text


def _plain(
    work: _Work,
    table: AnnotationTable,
    failures: Failures,
    counts: dict[Any, tuple[Pareto, ...]],
    found: tuple[Diagnosis, ...],
) -> dict[str, Any]:
    names = ("fault", "suspect", "unjudged")
    return {
        "dataset": work.info.name,
        "annotations": None if work.path is None else str(work.path),
        "count": len(table),
        "paretos": [
            {
                "by": by.value,
                "group": group.name,
                "total": group.total,
                "bars": [
                    {
                        "label": bar.label,
                        **dict(zip(names, bar.counts, strict=True)),
                        "cumulative": bar.cumulative,
                        "annotations": [
                            [int(failures.episode[p]), int(failures.subtask[p])] for p in bar.places
                        ],
                    }
                    for bar in group.bars
                ],
            }
            for by, groups in counts.items()
            for group in groups
        ],
        "failures": [
            {
                "episode": int(failures.episode[p]),
                "subtask": int(failures.subtask[p]),
                "stage": failures.stage[p],
                "code": failures.code[p],
                "certainty": names[int(failures.certainty[p])],
                "sentence": failures.sentence(p),
            }
            for p in range(len(failures))
        ],
        "diagnoses": [d.as_dict() for d in found],
    }
