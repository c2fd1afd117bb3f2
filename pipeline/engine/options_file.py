"""Options of all stages as a file: JSON that another run, or another person, can use again.

    {"demoscope_options": 1, "stages": {"scores": {"alpha": 0.5, ...}, ...},
     "threshold": 0.61, "note": "kept 412 of 500"}

All values are written, not only those that differ from the defaults: a default that changes later
changes nothing in what the file means. A file may leave stages and options out; they are defaults.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.engine.graph import Graph
from pipeline.model.options import OptionInfo, describe, with_option
from pipeline.model.problem import DataError
from pipeline.model.whole_file import write_whole

VERSION = 1
_MARK = "demoscope_options"
_FIELDS = (_MARK, "stages", "threshold", "note")


@dataclass(frozen=True)
class OptionsFile:
    """What a file says.

    Attributes:
        options: Stage name -> options instance, every stage of the graph.
        given: Stage name -> option name -> value, only what stands in the file.
        threshold: R from which annotations are kept, or None.
        note: Why these, in somebody's words; may be empty.
    """

    options: dict[str, Any]
    given: dict[str, dict[str, Any]]
    threshold: float | None
    note: str


def values_of(options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Plain values of all options: stage name -> option name -> value.

    Args:
        options: Stage name -> options instance.
    """
    return {stage: dataclasses.asdict(chosen) for stage, chosen in options.items()}


def changed_values(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Options that differ from their defaults, e.g. `scores.penalty_scale 0.5`.

    Args:
        options: Stage name -> options instance.
    """
    return tuple(
        f"{stage}.{info.name} {getattr(chosen, info.name)}"
        for stage, chosen in options.items()
        for info in describe(chosen)
        if getattr(chosen, info.name) != info.default
    )


def write_options(
    path: Path,
    options: Mapping[str, Any],
    *,
    threshold: float | None = None,
    note: str = "",
) -> None:
    """Write a file, whole or not at all; its folder is made.

    Args:
        path: The file.
        options: Stage name -> options instance. Stages that are missing are defaults to a reader.
        threshold: R from which annotations are kept, or None.
        note: Why these.

    Raises:
        OSError: It cannot be written; what was there stays.
        ValueError: The threshold is no finite number.
    """
    if threshold is not None and not math.isfinite(threshold):
        raise ValueError(f"threshold: expected a number, got {threshold}")
    content = {
        _MARK: VERSION,
        "stages": values_of(options),
        "threshold": threshold,
        "note": note,
    }
    text = json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    write_whole(path, text.encode())


def read_options(path: Path, graph: Graph) -> dict[str, Any]:
    """Options of every stage: those of the file, defaults where it says nothing.

    Args:
        path: The file.
        graph: Stages.

    Returns:
        Stage name -> options instance.

    Raises:
        DataError: One sentence, as `read_options_file`.
    """
    return read_options_file(path, graph).options


def read_options_file(path: Path, graph: Graph) -> OptionsFile:
    """Read and check a file.

    Raises:
        DataError: One sentence that names the file: it cannot be read, is no options file, is of a
            later version, or names a stage or option that does not exist or a value that is not
            allowed.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise DataError("bad_options_file", f"{path}: cannot be read ({reason})") from error
    try:
        return options_file_from(_object(text), graph)
    except ValueError as error:
        raise DataError("bad_options_file", f"{path}: {error}") from error


def _object(text: str) -> dict[str, Any]:
    try:
        content = json.loads(text, parse_constant=_no_number)
    except RecursionError as error:
        raise ValueError("expected an options file, got JSON too deep to read") from error
    except json.JSONDecodeError as error:
        what = f"{error.msg}, line {error.lineno}"
        raise ValueError(f"expected an options file, this is no JSON ({what})") from error
    if not isinstance(content, dict):
        raise ValueError("expected an options file, got JSON that is no object")
    return content


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number")


def options_file_from(content: Mapping[str, Any], graph: Graph) -> OptionsFile:
    """Check the content of a file (also where it stands inside another one).

    Args:
        content: JSON object.
        graph: Stages.

    Raises:
        ValueError: One sentence that does not name the file.
    """
    version = content.get(_MARK)
    if version is None:
        raise ValueError(f"expected an options file, it has no “{_MARK}”")
    if version != VERSION or isinstance(version, bool):
        raise ValueError(f"expected options of version {VERSION}, got version {version}")
    for name in content:
        if name not in _FIELDS:
            raise ValueError(f"no field “{name}” is known; there are: {', '.join(_FIELDS)}")
    stages = content.get("stages", {})
    threshold, note = content.get("threshold"), content.get("note", "")
    if not isinstance(stages, dict):
        raise ValueError(f"stages: expected an object, got {_kind(stages)}")
    if not isinstance(note, str):
        raise ValueError(f"note: expected a text, got {_kind(note)}")
    if threshold is not None:
        threshold = _number("threshold", threshold)
    options, given = _checked(stages, graph)
    return OptionsFile(options, given, threshold, note)


def options_of_values(stages: Mapping[str, Any], graph: Graph) -> dict[str, Any]:
    """Options of every stage from plain values as JSON has them; defaults where they say nothing.

    Args:
        stages: Stage name -> option name -> value.
        graph: Stages.

    Raises:
        ValueError: One sentence: an unknown stage or option, or a value that is not allowed.
    """
    return _checked(stages, graph)[0]


def _checked(
    stages: Mapping[str, Any], graph: Graph
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Options of every stage, and what was given with its type."""
    options = graph.default_options()
    given: dict[str, dict[str, Any]] = {}
    for stage, values in stages.items():
        if stage not in options:
            raise ValueError(f"no stage {stage}; there are: {', '.join(options)}")
        if not isinstance(values, dict):
            raise ValueError(f"stage {stage}: expected an object, got {_kind(values)}")
        infos = {i.name: i for i in describe(options[stage])}
        given[stage] = {}
        for name, value in values.items():
            try:
                checked = _typed(infos[name], value) if name in infos else value
                options[stage] = with_option(options[stage], name, checked)
            except ValueError as error:
                raise ValueError(f"stage {stage}: {error}") from error
            given[stage][name] = checked
    return options, given


def _typed(info: OptionInfo, value: Any) -> Any:
    """The value as the option's type; JSON writes 1.0 and 1 alike, nothing else is converted."""
    if info.type is float:
        return _number(info.name, value)
    if type(value) is not info.type:
        raise ValueError(f"{info.name}: expected {info.type.__name__}, got {_kind(value)}")
    return value


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name}: expected float, got {_kind(value)}")
    try:
        number = float(value)
    except OverflowError as error:
        raise ValueError(f"{name}: expected float, got a number too large for one") from error
    if not math.isfinite(number):
        raise ValueError(f"{name}: expected float, got {value}")
    return number


def _kind(value: Any) -> str:
    """A value in words, short."""
    names = {dict: "an object", list: "a list", type(None): "null"}
    return names.get(type(value)) or json.dumps(value, ensure_ascii=False)[:60]
