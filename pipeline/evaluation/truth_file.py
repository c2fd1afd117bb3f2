"""Ground truth read strictly: what does not fit is an error, as figures would silently change."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline.evaluation.ground_truth import TrueSubtask
from pipeline.model.problem import DataError

LARGEST = 2**31 - 1
"""Largest episode or subtask."""
_BOXES = ("start_box", "target_box")


def read_truth(path: Path) -> tuple[TrueSubtask, ...]:
    """Read a file of ground truth, a line per subtask: see docs/evaluation.md.

    Args:
        path: JSON Lines; empty lines do not count.

    Returns:
        At least one line, in the order of the file. Lines without a start box are among them.

    Raises:
        DataError: One sentence that names the line.
    """
    found: list[TrueSubtask] = []
    seen: dict[tuple[str, int, int], int] = {}
    for number, line in _lines(path):
        true = _parsed(path, number, line)
        key = (true.dataset, true.episode_index, true.subtask_index)
        if key in seen:
            raise _refused(
                path,
                number,
                f"episode {key[1]}, subtask {key[2]} was already described in line {seen[key]}",
            )
        seen[key] = number
        found.append(true)
    if not found:
        raise DataError("ground_truth_empty", f"{path}: there is no ground truth in it.")
    return tuple(found)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, line
    except FileNotFoundError as error:
        raise DataError("ground_truth_missing", f"{path}: there is no such file.") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError("ground_truth_not_readable", f"{path} cannot be read: {reason}.") from error


def _parsed(path: Path, number: int, line: str) -> TrueSubtask:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _refused(path, number, "it is no JSON object") from error
    if not isinstance(values, dict):
        raise _refused(path, number, "it is no JSON object")
    said = {
        # half a surrogate pair is valid JSON, and cannot be printed
        name: value.encode(errors="replace").decode() if isinstance(value, str) else value
        for name, value in values.items()
        if value is not None
    }
    for name in ("episode_index", "subtask_index"):
        value = said.get(name, 0)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LARGEST:
            raise _refused(path, number, f"{name} is no number from 0: {_short(value)}")
    for name in _BOXES:
        if name in said:
            said[name] = _box(path, number, name, said[name])
    try:
        return TrueSubtask.model_validate(said)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise _refused(path, number, f"{where}: {first['msg'].lower()}") from error


def _box(path: Path, number: int, name: str, value: Any) -> tuple[float, ...]:
    numbers = value if isinstance(value, list) and len(value) == 4 else []
    if not numbers or any(isinstance(v, bool) or not isinstance(v, int | float) for v in numbers):
        raise _refused(path, number, f"{name} is not four numbers x0, y0, x1, y1: {_short(value)}")
    try:
        x0, y0, x1, y1 = (float(v) for v in numbers)
    except OverflowError:
        x0 = y0 = x1 = y1 = math.inf
    if not all(math.isfinite(v) for v in (x0, y0, x1, y1)):
        raise _refused(path, number, f"{name} is not finite: {_short(value)}")
    if x1 <= x0 or y1 <= y0:
        raise _refused(path, number, f"{name} has no area, x1 <= x0 or y1 <= y0: {_short(value)}")
    return (x0, y0, x1, y1)


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _refused(path: Path, number: int, why: str) -> DataError:
    return DataError("ground_truth_not_valid", f"{path}, line {number}: {why}.")
