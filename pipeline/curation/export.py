"""Writes what a threshold keeps and what it drops, and the options that reproduce it."""

from __future__ import annotations

import csv
import json
import logging
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from pydantic_core import to_json

from pipeline.annotations.phase_lists import read_phases
from pipeline.curation.data import CurationData
from pipeline.curation.operating_points import OperatingPoint
from pipeline.curation.rescored_lines import rescored_lines
from pipeline.evaluation.rescoring import Rescored, ScoreWeights
from pipeline.model.annotation import PhaseRecord
from pipeline.model.arrays import Array, Bool
from pipeline.model.problem import Cancelled, DataError

log = logging.getLogger(__name__)

KEPT_LINES, DROPPED_LINES = "kept.jsonl", "dropped.jsonl"
KEPT_LIST, DROPPED_LIST = "kept.csv", "dropped.csv"
EPISODES = "kept_episodes.txt"
OPTIONS = "options.json"
FILES = (KEPT_LINES, DROPPED_LINES, KEPT_LIST, DROPPED_LIST, EPISODES, OPTIONS)
COLUMNS = ("dataset", "episode_index", "subtask_index", "score", "reason")
"""Columns of the lists."""
_ROWS_BETWEEN_NEWS = 1000


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written.

    Attributes:
        folder: Where.
        kept: Annotations kept.
        dropped: Annotations dropped.
        episodes: Episodes all of whose annotations are kept.
    """

    folder: Path
    kept: int
    dropped: int
    episodes: int


def export_kept(
    folder: Path,
    data: CurationData,
    rescored: Rescored,
    threshold: float,
    weights: ScoreWeights,
    point: OperatingPoint | None = None,
    *,
    replace: bool = False,
    progress: Callable[[float], None] = lambda share: None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> Exported:
    """Write the annotations with R >= threshold and the others, all files or none.

    - `kept.jsonl`, `dropped.jsonl`: prediction lines with the winners, scores and terms of these
      weights, readable by everything that reads those of `demoscope annotate`;
    - `kept.csv`, `dropped.csv`: dataset, episode, subtask, score and why;
    - `kept_episodes.txt`: episodes all of whose annotations are kept, as the list that LeRobot
      takes for `--dataset.episodes`; a line per dataset, with its name, if there are several;
    - `options.json`: options of all stages as far as the annotations say them, with these weights
      and this threshold, for `demoscope annotate --options`.

    Args:
        folder: Where they go; it is made. It must be empty, or hold an earlier export if `replace`.
        data: Annotations.
        rescored: Winners and scores with these weights; copied at once.
        threshold: Annotations with a lower score, or without one, are dropped.
        weights: Weights of the score.
        point: The operating point, if it has a name.
        replace: Take the place of an earlier export.
        progress: Told the share that is done, 0..1.
        is_cancelled: Asked often.

    Raises:
        DataError: One sentence; nothing is left behind and nothing was replaced.
        Cancelled: `is_cancelled` said so; likewise.
    """
    winners, scores = rescored.winner.copy(), rescored.score.copy()
    folder = folder.expanduser().absolute()
    _check_place(folder, data, replace)
    with np.errstate(invalid="ignore"):
        kept = scores >= np.float32(threshold)
    try:
        with _replacing(folder) as working:
            _write_lines(
                working, data, winners, scores, kept, threshold, weights, progress, is_cancelled
            )
            episodes = _write_episodes(working / EPISODES, data, kept)
            _write_options(working / OPTIONS, data, kept, threshold, weights, point)
    except OSError as error:
        raise DataError(
            "export_not_written",
            f"The export to {folder} could not be written: {error.strerror or error}.",
        ) from error
    count = int(kept.sum())
    return Exported(folder, count, len(kept) - count, episodes)


def _check_place(folder: Path, data: CurationData, replace: bool) -> None:
    if data.dataset is not None:
        root = data.dataset.expanduser().resolve()
        if folder.resolve() == root or root in folder.resolve().parents:
            raise DataError(
                "export_in_dataset",
                f"{folder} is inside the dataset {root}, which is never written to: choose another "
                "folder.",
            )
    if not os.path.lexists(folder):
        return
    try:
        names = sorted(p.name for p in folder.iterdir())
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError("export_not_written", f"{folder}: expected a folder: {reason}.") from error
    foreign = [name for name in names if name not in FILES]
    if foreign:
        raise DataError(
            "export_exists",
            f"{folder} holds {foreign[0]}, which is no part of an export: choose an empty folder.",
        )
    if names and not replace:
        raise DataError(
            "export_exists", f"{folder} holds an export already: replace it or choose another one."
        )


@contextmanager
def _replacing(folder: Path) -> Iterator[Path]:
    """A folder that takes the place of `folder` when everything in it is on the disk."""
    token = uuid.uuid4().hex[:12]
    working = folder.with_name(f".{folder.name}.{token}.part")
    before = folder.with_name(f".{folder.name}.{token}.before")
    folder.parent.mkdir(parents=True, exist_ok=True)
    working.mkdir()
    try:
        yield working
        for path in working.iterdir():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        if os.path.lexists(folder):
            folder.rename(before)
        try:
            working.rename(folder)
        except OSError:
            if os.path.lexists(before):
                before.rename(folder)
            raise
    finally:
        shutil.rmtree(working, ignore_errors=True)
    shutil.rmtree(before, ignore_errors=True)


def _write_lines(
    folder: Path,
    data: CurationData,
    winners: Array,
    scores: Array,
    kept: Bool,
    threshold: float,
    weights: ScoreWeights,
    progress: Callable[[float], None],
    is_cancelled: Callable[[], bool],
) -> None:
    """The prediction lines and the lists, in the order of the table."""
    options = weights.applied_to(data.options)
    reasons = _Reasons(data, winners, scores, kept, threshold)
    with ExitStack() as stack:

        def text(name: str) -> TextIO:
            return stack.enter_context((folder / name).open("w", encoding="utf-8", newline=""))

        lines = {True: text(KEPT_LINES), False: text(DROPPED_LINES)}
        lists = {True: csv.writer(text(KEPT_LIST)), False: csv.writer(text(DROPPED_LIST))}
        for writer in lists.values():
            writer.writerow(COLUMNS)
        phases = _phases(data)
        for row, line in enumerate(rescored_lines(data.table, winners, scores, options)):
            if row % _ROWS_BETWEEN_NEWS == 0:
                if is_cancelled():
                    raise Cancelled
                progress(row / len(kept))
            side = bool(kept[row])
            line["phases"] = [p.model_dump() for p in next(phases)]
            lines[side].write(to_json(line).decode() + "\n")
            score = "" if line["score"] is None else f"{line['score']:.6f}"
            place = (line["dataset"], line["episode_index"], line["subtask_index"])
            lists[side].writerow((*place, score, reasons.of(row)))
    progress(1.0)


def _phases(data: CurationData) -> Iterator[tuple[PhaseRecord, ...]]:
    """Phases of every row; none where the file is not there any more."""
    if data.lines is None or not data.path.exists():
        return iter([()] * len(data.table))
    return read_phases(data.path, data.lines, data.table.episode, data.table.subtask)


class _Reasons:
    """Why each annotation is kept or dropped, in a few words."""

    def __init__(
        self, data: CurationData, winners: Array, scores: Array, kept: Bool, threshold: float
    ) -> None:
        self._scores, self._kept, self._threshold = scores, kept, threshold
        self._by_person = data.table.by_person
        self._truth, self._people = data.truth.of(winners), data.people.of(winners)

    def of(self, row: int) -> str:
        """The words about one row."""
        if not np.isfinite(self._scores[row]):
            words = "no score"
        elif self._kept[row]:
            words = f"score at least {self._threshold:g}"
        else:
            words = f"score below {self._threshold:g}"
        if self._by_person[row]:
            words += "; box chosen by a person"
        for name, (right, known) in (("ground truth", self._truth), ("people", self._people)):
            if known[row]:
                words += f"; {'right' if right[row] else 'wrong'} by {name}"
        return words


def _write_episodes(path: Path, data: CurationData, kept: Bool) -> int:
    """Episodes all of whose annotations are kept."""
    table, lines, total = data.table, [], 0
    there = np.unique(table.dataset.codes).tolist()  # a part of a table knows names without rows
    for code in there:
        own, name = table.dataset.codes == code, table.dataset.values[code]
        episodes, place = np.unique(table.episode[own], return_inverse=True)
        dropped = np.bincount(place, ~kept[own], minlength=len(episodes))
        whole = episodes[dropped == 0].tolist()
        total += len(whole)
        lines.append(json.dumps(whole) if len(there) == 1 else f"{name}: {whole}")
    path.write_text("\n".join(lines or ["[]"]) + "\n", encoding="utf-8")
    return total


def _write_options(
    path: Path,
    data: CurationData,
    kept: Bool,
    threshold: float,
    weights: ScoreWeights,
    point: OperatingPoint | None,
) -> None:
    from pipeline.engine.options_file import write_options

    options, left_out = _all_options(data, weights)
    words = [f"Keeps {int(kept.sum())} of {len(kept)} annotations of {data.path.name}."]
    if point is not None:
        about = f"{point.name}: {point.reason}" if point.reason else point.name
        words.insert(0, about if about.endswith((".", "!", "?")) else f"{about}.")
    words += [left_out] if left_out else []
    write_options(path, options, threshold=float(threshold), note=" ".join(words))


def _all_options(data: CurationData, weights: ScoreWeights) -> tuple[dict[str, Any], str]:
    """Options instances of all stages as the annotations say, and a sentence if that fails."""
    scores = weights.applied_to(data.options)
    if not data.stage_options:
        told = "The annotations do not say with which options the other stages ran."
        return {"scores": scores}, told
    from pipeline.annotate import standard_graph
    from pipeline.engine.options_file import options_of_values

    try:
        found = options_of_values(data.stage_options, standard_graph())
    except ValueError as error:
        log.warning("options of %s: %s", data.path, error)
        return {"scores": scores}, f"Options of the other stages could not be read ({error})."
    return found | {"scores": scores}, ""
