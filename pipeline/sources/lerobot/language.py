"""Words in LeRobot datasets beside the tasks: subtasks, language columns, other conventions.

Newer datasets carry `language_persistent` (rows of role, content, style and time, repeated in every
frame) and `language_events` (the same where they happen); `subtask_index` with
`meta/subtasks.parquet`; GR00T's `annotation.*` columns point into the tasks; converted ones keep
`language_instruction`. They speak only where an episode has no task.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.model.arrays import Array
from pipeline.model.problem import DataError
from pipeline.sources.lerobot.tables import TablePart, first_texts, parquet

log = logging.getLogger(__name__)

_NAMES = ("instruction", "language", "task", "annotation")
_PERSISTENT = "language_persistent"
# Wordings of the whole task; plans, memories and subtasks speak about a part of it.
_WHOLE = ("task", "task_aug", "instruction", None)


def instruction_of(
    columns: Mapping[str, Array],
    parts: Sequence[TablePart],
    tasks: Mapping[int, str],
    subtasks: Mapping[int, str],
) -> str:
    """Instruction of an episode whose metadata gives none.

    Args:
        columns: Numeric columns of the episode.
        parts: Its rows, for columns of text.
        tasks: Task texts by index.
        subtasks: Subtask texts by index.

    Returns:
        Empty if nothing says it.
    """
    task = tasks.get(_first(columns.get("task_index")), "")
    if task:
        return task
    try:
        with parquet(parts[0].path) as file:
            names = language_columns(file.schema_arrow.names)
        said = first_texts(parts[0], names)
    except DataError as error:
        log.info("language columns are not read: %s", error)
        said = {}
    for name in names_first(said):
        value = said[name]
        if isinstance(value, str) and value.strip():
            return value
        if isinstance(value, int) and name.startswith("annotation.") and tasks.get(value):
            return tasks[value]
    text = persistent_instruction(said.get(_PERSISTENT))
    return text or "; ".join(spoken_subtasks(columns.get("subtask_index"), subtasks))


def language_columns(names: Sequence[str]) -> list[str]:
    """Columns that may hold words."""
    return [
        n
        for n in names
        if n not in ("task_index", "subtask_index") and any(w in n.lower() for w in _NAMES)
    ]


def names_first(said: Mapping[str, Any]) -> list[str]:
    """Column names, instructions before tasks before the rest."""
    return sorted(said, key=lambda n: (next(i for i, w in enumerate(_NAMES) if w in n.lower()), n))


def persistent_instruction(rows: Any) -> str:
    """What a person asked for at the beginning, from a value of `language_persistent`."""
    if not isinstance(rows, list):
        return ""
    wanted = [
        row
        for row in rows
        if isinstance(row, dict)
        and isinstance(row.get("content"), str)
        and row["content"].strip()
        and (row.get("style") in _WHOLE or row.get("role") == "user")
    ]
    times = [_time(row) for row in wanted]
    return str(wanted[int(np.argmin(times))]["content"]) if wanted else ""


def spoken_subtasks(column: Array | None, subtasks: Mapping[int, str]) -> list[str]:
    """Texts of an episode's subtasks in the order in which they come, each once."""
    if column is None or not subtasks:
        return []
    numbers = [int(v) for v in column.reshape(-1) if np.isfinite(v) and abs(v) < 2**53]
    return [subtasks[i] for i in dict.fromkeys(numbers) if i in subtasks]


def _first(column: Array | None) -> int:
    first = np.nan if column is None or not column.size else float(column.reshape(-1)[0])
    return int(first) if np.isfinite(first) else -1


def _time(row: Mapping[str, Any]) -> float:
    value = row.get("timestamp")
    return float(value) if isinstance(value, int | float) else 0.0
