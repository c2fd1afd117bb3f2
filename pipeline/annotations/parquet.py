"""Annotations as Parquet: the schema, writing, and merging the parts of a long run.

Every column, its unit and what readers may rely on are told in docs/annotations.md.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.model.annotation import Annotation
from pipeline.model.problem import DataError
from pipeline.model.score import ScoreTerms

SCHEMA_VERSION = 1
"""Grows when a column changes its meaning, type or name, or goes; a new column does not count."""
PREFIX = "demoscope."
"""Begins every key of ours in the file's metadata."""
VERSION_KEY = "schema_version"
DATASET_KEY = "dataset"
"""Metadata: absolute path of the dataset when it was annotated."""
OPTIONS_KEY = "options"
"""Metadata: JSON object, stage name -> option name -> value, at least of the stage `scores`."""
TERM_NAMES = tuple(f.name for f in fields(ScoreTerms) if f.name not in ("candidate", "score"))
"""Fields of the column `terms`."""
ROWS_PER_GROUP = 16_384
"""Rows of a row group: about 10 MiB with a dozen candidates each (our choice)."""


@cache
def schema() -> Any:
    """The `pyarrow.Schema` of version `SCHEMA_VERSION`.

    Boxes and measured terms are float32, as in `AnnotationTable`; R is float64.
    """
    import pyarrow as pa

    box = pa.list_(pa.float32())
    phase = [
        ("name", pa.string()),
        ("arm", pa.string()),
        ("start", pa.int32()),
        ("end", pa.int32()),
    ]
    candidate = [
        ("id", pa.int32()),
        ("box", box),
        ("label", pa.string()),
        ("detector", pa.float32()),
        ("motion_in", pa.float32()),
        ("motion_out", pa.float32()),
        ("mean_motion", pa.float32()),
        ("path_length", pa.float32()),
        ("proximity", pa.float32()),
        ("overlap", pa.float32()),
        ("relief", pa.float32()),
        ("points", pa.int32()),
    ]
    return pa.schema(
        [
            pa.field("dataset", pa.string(), nullable=False),
            pa.field("episode_index", pa.int32(), nullable=False),
            pa.field("subtask_index", pa.int32(), nullable=False),
            pa.field("arm", pa.string(), nullable=False),
            pa.field("camera", pa.string(), nullable=False),
            pa.field("task", pa.string(), nullable=False),
            pa.field("instruction", pa.string(), nullable=False),
            pa.field("object", pa.string(), nullable=False),
            pa.field("start_box", box),
            pa.field("target_box", box),
            pa.field("keyframe", pa.int32(), nullable=False),
            pa.field("score", pa.float64()),
            pa.field("runner_up", pa.float64()),
            pa.field("winner", pa.int32(), nullable=False),
            pa.field("chosen_by", pa.string(), nullable=False),
            pa.field("caption", pa.string(), nullable=False),
            pa.field("checks_passed", pa.int32(), nullable=False),
            pa.field("checks_failed", pa.int32(), nullable=False),
            pa.field("checks_unknown", pa.int32(), nullable=False),
            pa.field("contradicted", pa.list_(pa.string()), nullable=False),
            pa.field("warnings", pa.list_(pa.string()), nullable=False),
            pa.field("phases", pa.list_(pa.struct(phase)), nullable=False),
            pa.field("terms", pa.struct([(name, pa.float64()) for name in TERM_NAMES])),
            pa.field("candidates", pa.list_(pa.struct(candidate)), nullable=False),
        ]
    )


def write_table(path: Path, records: Sequence[Annotation], metadata: Mapping[str, str]) -> None:
    """Write annotations into one file, which is there whole or not at all.

    Args:
        path: The file; its folder is made. What was there is replaced.
        records: Annotations, in the order of the rows.
        metadata: Text by key, kept in the file under `demoscope.<key>`; `DATASET_KEY` and
            `OPTIONS_KEY` are what `read_annotations` looks for.

    Raises:
        DataError: `annotations_not_written`, one sentence.
    """
    import pyarrow as pa

    rows = [_row(record) for record in records]
    wanted = schema().with_metadata(_metadata(metadata))
    with _replacing(path, wanted) as writer:
        try:
            table = pa.Table.from_pylist(rows, wanted)
        except (pa.ArrowInvalid, OverflowError) as error:
            raise DataError("annotations_not_written", f"{path}: {error}.") from error
        writer.write_table(table, row_group_size=ROWS_PER_GROUP)


def merge_parts(parts: Sequence[Path], target: Path, metadata: Mapping[str, str]) -> int:
    """Put the rows of many files into one, some row groups at a time.

    Args:
        parts: Files of `write_table`, in the order in which their rows shall stand. Their
            metadata are not kept.
        target: The file; it is there whole or not at all.
        metadata: As in `write_table`.

    Returns:
        Number of rows.

    Raises:
        DataError: `annotations_not_written`, or `annotations_not_readable` with the name of a
            part that is damaged or of another schema.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    wanted = schema().with_metadata(_metadata(metadata))
    count, waiting = 0, []
    with _replacing(target, wanted) as writer:
        for part in parts:
            try:
                with pq.ParquetFile(part, pre_buffer=False) as file:
                    if not file.schema_arrow.equals(schema()):
                        raise DataError(
                            "annotations_not_readable",
                            f"{part}: its columns are not those of schema {SCHEMA_VERSION}.",
                        )
                    for batch in file.iter_batches(batch_size=ROWS_PER_GROUP):
                        waiting.append(batch)
                        count += batch.num_rows
                        if sum(b.num_rows for b in waiting) >= ROWS_PER_GROUP:
                            _write(writer, waiting, wanted)
            except (pa.ArrowException, OSError, ValueError) as error:
                # a full disk is told by the target, everything else by the part
                if isinstance(error, OSError) and error.errno is not None and part.exists():
                    raise
                raise DataError("annotations_not_readable", f"{part}: {error}.") from error
        if waiting:
            _write(writer, waiting, wanted)
    return count


def _write(writer: Any, waiting: list[Any], wanted: Any) -> None:
    import pyarrow as pa

    table = pa.Table.from_batches(waiting).replace_schema_metadata(wanted.metadata)
    writer.write_table(table, row_group_size=ROWS_PER_GROUP)
    waiting.clear()


def file_metadata(found: Mapping[bytes, bytes] | None) -> dict[str, str]:
    """Our keys of a file's metadata, without their prefix."""
    texts = {
        k.decode(errors="replace"): v.decode(errors="replace") for k, v in (found or {}).items()
    }
    return {k.removeprefix(PREFIX): v for k, v in texts.items() if k.startswith(PREFIX)}


def _metadata(given: Mapping[str, str]) -> dict[str, str]:
    return {PREFIX + k: v for k, v in {VERSION_KEY: str(SCHEMA_VERSION), **given}.items()}


def _row(record: Annotation) -> dict[str, Any]:
    row = record.model_dump()
    row["terms"] = {name: record.terms.get(name) for name in TERM_NAMES} if record.terms else None
    return row


@contextmanager
def _replacing(path: Path, wanted: Any) -> Iterator[Any]:
    """A Parquet writer whose file takes the place of `path` when everything went well."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    # Not `mkstemp`, whose files only their owner may read: these are for the whole group.
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as file:
            with pq.ParquetWriter(file, wanted, compression="zstd") as writer:
                yield writer
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except (OSError, pa.ArrowException) as error:
        raise DataError(
            "annotations_not_written", f"{path} cannot be written: {_reason(error)}."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make a rename inside `folder` survive a power cut, where the system can (not Windows)."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).rstrip(".")
