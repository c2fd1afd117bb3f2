"""Everything that is known about the annotations of a dataset, from where it lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from pipeline.annotations.reading import (
    PARTS_NAME,
    TABLE_NAME,
    ReadAnnotations,
    parts_of,
    read_annotations,
)
from pipeline.annotations.table import AnnotationTable
from pipeline.curation.data import CurationData
from pipeline.evaluation.ground_truth import TrueSubtask, read_ground_truth
from pipeline.evaluation.judging import judge_by_people, judge_by_truth
from pipeline.evaluation.matching import PUBLISHED, MatchOptions
from pipeline.evaluation.truth_file import read_truth
from pipeline.model.candidate import Box
from pipeline.model.problem import DataError, Problem
from pipeline.model.verdict import HumanVerdict
from pipeline.review.location import choose_place
from pipeline.review.saved import saved_reviews
from pipeline.review.spot_check import spot_check_verdicts
from pipeline.review.verdicts import human_verdicts

ANNOTATIONS_FOLDER = "annotations"
CURATION_FOLDER = "curation"


def load_curation(
    path: Path | None,
    dataset: Path | None,
    *,
    truth: Path | None = None,
    match: MatchOptions = PUBLISHED,
) -> CurationData:
    """Read annotations and what ground truth and people say about them. Changes no file.

    Args:
        path: File of annotations or folder of a batch run; None: the newest run of `dataset`.
        dataset: Root of the dataset; None: where the annotations say it is.
        truth: File of ground truth; None: what lies beside the dataset.
        match: When a box is right.

    Raises:
        DataError: One sentence: there are no annotations, or they or the ground truth cannot be
            read. Reviews that cannot be read are among the problems instead.
    """
    if path is None:
        if dataset is None:
            raise DataError("no_annotations", "Name a file of annotations or a dataset.")
        path = newest_run(dataset)
    read = read_annotations(path)
    root = dataset if dataset is not None else read.dataset
    lines = _truth(root, truth)
    data = CurationData(
        table=read.table,
        path=read.path,
        dataset=root,
        folder=curation_folder(root, path),
        truth=judge_by_truth(read.table, lines, match),
        people=judge_by_people(read.table, (), match),
        options=read.options,
        problems=(*read.problems, *_foreign(read, root)),
        lines=read.lines,
        stage_options=read.stage_options,
        truth_path=truth,
    )
    return with_people(data, match)


def with_people(data: CurationData, match: MatchOptions = PUBLISHED) -> CurationData:
    """The same data with what people have said until now; cheap enough after every answer."""
    verdicts, problems = people_verdicts(data)
    return replace(
        data,
        people=judge_by_people(data.table, verdicts, match),
        verdicts=verdicts,
        problems=(*(p for p in data.problems if p.code not in _OF_PEOPLE), *problems),
    )


_OF_PEOPLE = frozenset({"reviews_not_read", "spot_checks_not_read"})


def people_verdicts(data: CurationData) -> tuple[tuple[HumanVerdict, ...], tuple[Problem, ...]]:
    """All verdicts: from the review store of the dataset and from spot checks in the folder."""
    found: list[HumanVerdict] = []
    problems: list[Problem] = []
    if data.dataset is not None:
        several = len(data.table.dataset.values) > 1
        name = data.dataset.name if several else ""
        try:
            with saved_reviews(data.dataset) as store:
                if store is not None:
                    found += human_verdicts(store, BoxLookup(data.table, name), name)
        except DataError as error:
            problems.append(Problem("reviews_not_read", str(error)))
    try:
        found += spot_check_verdicts(data.folder)
    except (DataError, OSError) as error:
        problems.append(Problem("spot_checks_not_read", str(error)))
    return tuple(found), tuple(problems)


def newest_run(dataset: Path) -> Path:
    """Folder of the newest batch run of a dataset.

    Raises:
        DataError: `no_annotations`, with what to do.
    """
    folder = choose_place(dataset.expanduser().absolute()).path.parent / ANNOTATIONS_FOLDER
    runs = [(t, f) for f in _folders(folder) if (t := _written(f)) is not None]
    if not runs:
        raise DataError(
            "no_annotations",
            f"There are no annotations of {dataset} in {folder}: run `demoscope annotate "
            f"{dataset} --jobs 2` first, or name a file of annotations.",
        )
    return max(runs, key=lambda run: run[0])[1]


def curation_folder(dataset: Path | None, path: Path) -> Path:
    """Where operating points, spot checks and exports go: beside the dataset, else the file."""
    if dataset is not None:
        return choose_place(dataset.expanduser().absolute()).path.parent / CURATION_FOLDER
    path = path.absolute()
    return path / CURATION_FOLDER if path.is_dir() else path.with_name(f"{path.name}.demoscope")


class BoxLookup:
    """Start box of the annotation of (episode, subtask)."""

    def __init__(self, table: AnnotationTable, dataset: str = "") -> None:
        """Look up boxes of a table.

        Args:
            table: Annotations.
            dataset: Only those of this dataset; empty: all.
        """
        self._table = table
        keys = table.episode.astype(np.int64) << 32 | table.subtask
        rows = table.dataset.rows(dataset) if dataset else np.ones(len(table), np.bool_)
        chosen = np.flatnonzero(rows)
        self._rows = chosen[np.argsort(keys[chosen], kind="stable")]
        self._keys = keys[self._rows]

    def __call__(self, episode: int, subtask: int) -> Box | None:
        """The box, None if there is no such annotation or it has none."""
        row = self.row(episode, subtask)
        return None if row is None else self._table.box(row)

    def row(self, episode: int, subtask: int) -> int | None:
        """Row of the annotation, None if there is none."""
        if not (0 <= episode < 1 << 31 and 0 <= subtask < 1 << 31):
            return None
        key = (episode << 32) + subtask
        place = int(np.searchsorted(self._keys, key))
        if place == len(self._keys) or self._keys[place] != key:
            return None
        return int(self._rows[place])


def _folders(folder: Path) -> Sequence[Path]:
    try:
        return [folder, *(p for p in folder.iterdir() if p.is_dir() and p.name != PARTS_NAME)]
    except OSError:
        return []


def _written(folder: Path) -> float | None:
    """When the newest results of a run were written, None if it has none."""
    files = [p for p in (folder / TABLE_NAME,) if p.is_file()] or parts_of(folder / PARTS_NAME)
    try:
        return max((p.stat().st_mtime for p in files), default=None)
    except OSError:
        return None


def _truth(dataset: Path | None, path: Path | None) -> tuple[TrueSubtask, ...]:
    if path is not None:
        # Strictly, as every command reads it: what is left out would silently change figures.
        return read_truth(path)
    try:
        return read_ground_truth(dataset) if dataset is not None else ()
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(
            "no_ground_truth", f"{dataset}: its ground truth cannot be read: {reason}."
        ) from error


def _foreign(read: ReadAnnotations, dataset: Path | None) -> tuple[Problem, ...]:
    """Told if the annotations say that they are of another dataset."""
    names = {name for name in read.table.dataset.values if name}
    if dataset is None or not names or dataset.name in names:
        return ()
    told = ", ".join(sorted(names)[:3])
    return (
        Problem(
            "another_dataset",
            f"The annotations say they are of {told}; they are shown with {dataset.name}.",
        ),
    )
