"""Annotations from a file or from the folder of a batch run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.annotations.columns import LONGEST_LIST, Columns, subset
from pipeline.annotations.findings import Findings
from pipeline.annotations.jsonl import read_blocks
from pipeline.annotations.parquet import (
    DATASET_KEY,
    OPTIONS_KEY,
    SCHEMA_VERSION,
    VERSION_KEY,
    file_metadata,
)
from pipeline.annotations.provenance import (
    dataset_of,
    read_stage_options,
    run_metadata,
    scores_options,
)
from pipeline.annotations.table import AnnotationTable
from pipeline.model.arrays import I64
from pipeline.model.problem import DataError, Problem
from pipeline.scoring.formula import ScoresOptions

TABLE_NAME = "annotations.parquet"
"""Results of a batch run, in its folder."""
PARTS_NAME = "parts"
"""Folder of what an unfinished run has found so far, in its folder."""
MOST_ROWS = 20_000_000
"""Most annotations of one file (our choice: what fits into memory, and far above any dataset)."""
_BATCH = 16_384
_MOST_RESERVED = 50_000_000
"""Candidates for which memory is set aside because the file says that it holds them."""
_MAGIC = b"PAR1"


@dataclass(frozen=True, slots=True)
class ReadAnnotations:
    """What a file of annotations holds.

    Attributes:
        table: One row per subtask, in the order of the file.
        options: Options of the scores stage with which they were made; the published defaults if
            the file does not say.
        dataset: Root of the dataset, None if the file does not say or it is not there any more.
        problems: What did not fit; at most one per kind.
        path: The file that was read; of an unfinished run the folder of its parts.
        lines: (N,) int64, where each row stands: number of the line in a text file from 1, of the
            row in a Parquet file from 1. Ascending. Over all parts for an unfinished run.
        stage_options: Values of the options of all stages with which they were made, stage name ->
            option name -> value, as the file says and unchecked; empty if it does not say.
    """

    table: AnnotationTable
    options: ScoresOptions
    dataset: Path | None
    problems: tuple[Problem, ...]
    path: Path
    lines: I64
    stage_options: Mapping[str, Any] = field(default_factory=dict)


def read_annotations(path: Path) -> ReadAnnotations:
    """Read annotations of any origin.

    Takes prediction lines (`demoscope annotate`; also a published table of annotations: only
    `episode_index` is needed, unknown keys are ignored), Parquet with columns of these names, or
    the folder of a batch run, finished or not.

    Lines that do not fit are skipped and told. Of several annotations of one subtask the last
    counts. Boxes that are no boxes are none; measured terms that are not finite count as 0, as
    where the pipeline could not measure.

    Args:
        path: A file or a folder.

    Raises:
        DataError: One sentence: it cannot be read, or nothing in it fits.
    """
    try:
        files, problems = _files(path)
        is_table = is_parquet(files[0])
        findings = Findings("row" if is_table else "line")
        columns = Columns(findings)
        folder = files[0].parent
        metadata = run_metadata(folder.parent if folder.name == PARTS_NAME else folder)
        if is_table:
            seen = 0
            for file in files:
                seen, own = _read_parquet(file, seen, columns, findings, skip=len(files) > 1)
                metadata = metadata | own
        else:
            for table, lines in read_blocks(files[0], findings):
                columns.add(table, lines)
                _check_count(files[0], columns.count)
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError("annotations_not_readable", f"{path} cannot be read: {reason}.") from error
    except DataError as error:
        raise DataError(error.code, _about(path, str(error))) from error
    if not columns.count and findings.skipped_count:
        first = findings.problems[0].message.rstrip(".")
        raise DataError(
            "no_annotations",
            f"{path}: nothing in it is an annotation as `demoscope annotate` writes it ({first}).",
        )
    table, lines = columns.finish()
    stages, wrong_form = read_stage_options(metadata.get(OPTIONS_KEY))
    options, wrong = scores_options(stages)
    if not len(table):
        problems += (Problem("no_annotations", f"{path} holds no annotations."),)
    at = files[0] if len(files) == 1 else files[0].parent
    return ReadAnnotations(
        table=table,
        options=options,
        dataset=dataset_of(metadata.get(DATASET_KEY), at),
        problems=(*problems, *wrong_form, *wrong, *findings.problems),
        path=at,
        lines=lines,
        stage_options=stages,
    )


def _about(path: Path, message: str) -> str:
    return message if str(path) in message else f"{path}: {message}"


def parts_of(folder: Path) -> list[Path]:
    """Files of an unfinished run, in the order of their names."""
    return sorted(p for p in folder.glob("*.parquet") if not p.name.startswith("."))


def _files(path: Path) -> tuple[list[Path], tuple[Problem, ...]]:
    if not path.is_dir():
        if not path.is_file():
            raise DataError("annotations_not_found", f"{path}: there is no such file or folder.")
        return [path], ()
    table = path / TABLE_NAME
    if table.is_file():
        return [table], _gone_on(table, parts_of(path / PARTS_NAME))
    parts = parts_of(path / PARTS_NAME) or (parts_of(path) if path.name == PARTS_NAME else [])
    if not parts:
        raise DataError(
            "annotations_not_found",
            f"{path}: expected the folder of a batch run with {TABLE_NAME} or {PARTS_NAME}/, found "
            "neither; choose a file of annotations or annotate the dataset first.",
        )
    told = Problem(
        "run_unfinished",
        f"The run in {path} is not finished: this is what its {len(parts)} parts hold so far.",
    )
    return parts, (told,)


def _gone_on(table: Path, parts: list[Path]) -> tuple[Problem, ...]:
    """Told if a run has found more since it put its parts together."""
    written = table.stat().st_mtime_ns
    newer = sum(p.stat().st_mtime_ns > written for p in parts)
    if not newer:
        return ()
    return (
        Problem(
            "run_unfinished",
            f"The run in {table.parent} has gone on: {newer} of its parts are newer than "
            f"{TABLE_NAME} and not in it yet; let it finish.",
        ),
    )


def is_parquet(path: Path) -> bool:
    """Whether a file begins like Parquet, whatever its name."""
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def _check_count(path: Path, count: int) -> None:
    if count > MOST_ROWS:
        raise DataError(
            "annotations_too_many",
            f"{path}: more than {MOST_ROWS:,} annotations; give the parts of the dataset one by "
            "one.",
        )


def _read_parquet(
    path: Path, seen: int, columns: Columns, findings: Findings, skip: bool
) -> tuple[int, dict[str, str]]:
    """Read one file; a damaged part of several is left out and told."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        labels = _label_columns(pq.read_metadata(path))
        # pre_buffer would keep all compressed bytes of the file in memory
        with pq.ParquetFile(path, read_dictionary=labels, pre_buffer=False) as file:
            _check_count(path, seen + file.metadata.num_rows)
            if not skip:
                columns.reserve(file.metadata.num_rows, _candidate_count(path, file.metadata))
            names = subset(file.schema_arrow.names)
            if "episode_index" not in names:
                raise DataError(
                    "no_annotations",
                    f"{path}: expected a column episode_index, found "
                    f"{', '.join(file.schema_arrow.names[:12]) or 'no column'}.",
                )
            metadata = file_metadata(file.schema_arrow.metadata)
            _check_version(path, metadata.get(VERSION_KEY), findings)
            for batch in _ahead(file.iter_batches(batch_size=_BATCH, columns=names)):
                lines = np.arange(seen + 1, seen + 1 + batch.num_rows, dtype=np.int64)
                columns.add(batch, lines)
                seen += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None and not skip:
            raise
        why = f"{path} is damaged or no Parquet file: {str(error).rstrip('.')}."
        if not skip:
            raise DataError("annotations_not_readable", why) from error
        findings.add(Problem("part_skipped", why))
        return seen, {}
    return seen, metadata


def _ahead(batches: Iterator[Any]) -> Iterator[Any]:
    """The same, with the next one read while this one is used."""
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(next, batches, None)
        while (batch := waiting.result()) is not None:
            waiting = pool.submit(next, batches, None)
            yield batch


def _label_columns(metadata: Any) -> list[str]:
    """Columns with the texts of candidates: few texts, millions of times."""
    paths = [metadata.schema.column(k).path for k in range(metadata.num_columns)]
    return [p for p in paths if p.startswith("candidates.") and p.endswith(".label")]


def _candidate_count(path: Path, metadata: Any) -> int:
    """How many candidates a file holds at most, by what it says.

    Raises:
        DataError: So many that it would not fit into memory: compressed, they need no space.
    """
    paths = [metadata.schema.column(k).path for k in range(metadata.num_columns)]
    place = next(
        (k for k, p in enumerate(paths) if p.startswith("candidates.") and p.endswith(".id")), None
    )
    if place is None:
        return 0
    groups = range(metadata.num_row_groups)
    said: int = sum(metadata.row_group(g).column(place).num_values for g in groups)
    # an annotation without candidates counts as one value
    if said > (metadata.num_rows + 1) * LONGEST_LIST:
        raise DataError(
            "annotations_too_many", f"{path}: more than {LONGEST_LIST} candidates per annotation."
        )
    return max(0, min(said, _MOST_RESERVED))


def _check_version(path: Path, version: str | None, findings: Findings) -> None:
    if version is None or version == str(SCHEMA_VERSION):
        return
    if version.isdecimal() and len(version) < 10 and int(version) > SCHEMA_VERSION:
        raise DataError(
            "annotations_newer",
            f"{path} was written by a newer Demoscope (schema {version}, this one reads "
            f"{SCHEMA_VERSION}): update Demoscope.",
        )
    findings.add(Problem("schema_unknown", f"{path}: schema version “{version[:20]}” is unknown."))
