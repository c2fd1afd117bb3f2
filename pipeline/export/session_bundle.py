"""What an export carries so that the window can open it again: results, not only their picture.

    4 bytes   "DMSB"
    2 bytes   version of this layout, little endian
    1 byte    length of the next
    n bytes   the Demoscope that wrote it, ASCII
    the rest  an archive of `pipeline.engine.codec` (.npz: deflated JSON and arrays, no pickle);
              each stage's result is such an archive of its own inside

Whoever reads one trusts nothing in it: see `pipeline.export.untrusted` and `session_checks`.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np

from pipeline.document import Session
from pipeline.engine.cache import StageOutcome
from pipeline.engine.codec import CodecError, encode
from pipeline.engine.graph import Graph
from pipeline.engine.options_file import options_of_values, values_of
from pipeline.export.names import dataset_name
from pipeline.export.session_checks import Implausible, check_demonstration, check_results
from pipeline.export.untrusted import decode_untrusted, unpacked_size
from pipeline.model.arrays import U8
from pipeline.model.demonstration import Demonstration, EpisodeRef
from pipeline.model.edits import EDITS, EPISODE_SCOPE, Edit
from pipeline.model.problem import DataError, Problem
from pipeline.stages.stage import Scope

SCHEMA = 1
"""Raised when a session of before cannot be read any more, or an older Demoscope would misread a
new one."""
LARGEST = 1 << 30
"""Bytes that a session may unpack to, all results together."""
_MAGIC = b"DMSB"
_NAME = re.compile(r"[^/\\\x00-\x1f\x7f]{1,200}")
_KEY = re.compile(r"[0-9a-zA-Z]{1,64}")
_WORD = re.compile(r"[\w.:+ -]{0,100}")


@dataclass(frozen=True, slots=True)
class RecordedSession:
    """One subtask as it was when it was exported.

    Attributes:
        dataset: Name of the dataset (no path).
        format: Its format, e.g. `lerobot`.
        version: The format's version as declared, may be empty.
        demonstration: The episode; `ref.dataset` is the name, `files` is empty.
        subtask: Which one.
        options: Stage name -> options instance, one for every stage.
        edits: Corrections in force.
        outcomes: Results of the episode and of the subtask, in the order of the stages.
        made_by: Demoscope that wrote it.
        unknown: Options that this Demoscope lacks or does not allow, `stage.option=value`; their
            defaults are in `options`.
    """

    dataset: str
    format: str
    version: str
    demonstration: Demonstration
    subtask: int
    options: Mapping[str, Any]
    edits: tuple[Edit, ...]
    outcomes: tuple[StageOutcome, ...]
    made_by: str
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True)
class _StoredOutcome:
    """A `StageOutcome` whose result is an archive of its own: its class depends on the stage."""

    stage: str
    subtask: int
    key: str
    seconds: float
    problems: tuple[Problem, ...]
    result: U8


@dataclass(frozen=True)
class _Stored:
    """The archive's tree; `options` and `edits` are JSON, checked by those who know them."""

    dataset: str
    format: str
    version: str
    demonstration: Demonstration
    subtask: int
    options: str
    edits: str
    outcomes: tuple[_StoredOutcome, ...]


def pack_session(session: Session, graph: Graph) -> bytes:
    """Pack the selected subtask of a session, as far as there are results that belong together.

    No path of this machine is in it: neither the dataset's nor that of weights.

    Args:
        session: What is on show, or what a command computed.
        graph: Stages.

    Raises:
        ValueError: No dataset or no episode is open.
    """
    info, demonstration = session.dataset, session.demonstration
    if info is None or demonstration is None:
        raise ValueError("no episode is open")
    name = dataset_name(info)
    outcomes: list[_StoredOutcome] = []
    for stage in graph.stages:
        outcome = session.outcome(stage.name)
        whole = set(stage.inputs) <= {o.stage for o in outcomes}
        if outcome is None or not whole or not session.fits(stage.name):
            continue
        result = np.frombuffer(encode(outcome.result), np.uint8)
        outcomes.append(
            _StoredOutcome(
                *(outcome.stage, outcome.subtask, outcome.key, outcome.seconds),
                *(outcome.problems, result),
            )
        )
    stored = _Stored(
        dataset=name,
        format=info.format,
        version=info.version,
        demonstration=_given_away(demonstration, name),
        subtask=session.subtask,
        options=json.dumps(_without_paths(values_of(session.options))),
        edits=EDITS.dump_json(session.edits).decode(),
        outcomes=tuple(outcomes),
    )
    made_by = software_version().encode("ascii", "replace")[:255]
    head = _MAGIC + SCHEMA.to_bytes(2, "little") + bytes([len(made_by)]) + made_by
    return head + encode(stored)


def unpack_session(data: bytes, graph: Graph) -> RecordedSession:
    """Undo `pack_session`; the bytes may come from anywhere.

    Args:
        data: Bytes, not trusted.
        graph: Stages.

    Raises:
        DataError: `session_newer` or `session_not_read`, one phrase to put behind a file's name.
    """
    made_by, body = _envelope(data)
    try:
        stored = decode_untrusted(body, _Stored, LARGEST)
        check_demonstration(stored.demonstration)
        _expect(_NAME, stored.dataset, "name of the dataset")
        for text in (stored.format, stored.version):
            _expect(_WORD, text, "format")
        outcomes = _outcomes(stored, graph)
        check_results(stored.demonstration, stored.subtask, outcomes)
        options, unknown = _options(stored.options, graph)
        edits = EDITS.validate_json(stored.edits)
    except (CodecError, Implausible, ValueError, RecursionError) as error:
        raise DataError(
            "session_not_read",
            f"its session, written by Demoscope {made_by}, cannot be read by this one, "
            f"{software_version()}: {_first_line(error)}",
        ) from error
    return RecordedSession(
        dataset=stored.dataset,
        format=stored.format,
        version=stored.version,
        demonstration=stored.demonstration,
        subtask=stored.subtask,
        options=options,
        edits=edits,
        outcomes=outcomes,
        made_by=made_by,
        unknown=unknown,
    )


def software_version() -> str:
    """Version of this Demoscope, `unknown` if it is not installed as a package."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("demoscope")
    except PackageNotFoundError:
        return "unknown"


def _envelope(data: bytes) -> tuple[str, bytes]:
    """Who wrote it, and the archive."""
    if data[:4] != _MAGIC or len(data) < 7 or len(data) < 7 + data[6]:
        raise DataError("session_not_read", "its session is none of Demoscope's")
    made_by = data[7 : 7 + data[6]].decode("ascii", "replace")
    if not _WORD.fullmatch(made_by):
        made_by = "unknown"
    schema = int.from_bytes(data[4:6], "little")
    if schema > SCHEMA:
        raise DataError(
            "session_newer",
            f"it was exported by a newer Demoscope, {made_by} (session version {schema}; this one, "
            f"{software_version()}, reads up to {SCHEMA})",
        )
    return made_by, data[7 + data[6] :]


def _outcomes(stored: _Stored, graph: Graph) -> tuple[StageOutcome, ...]:
    """Decode the results; each of a known stage, once, with all that it was made of."""
    stages = {s.name: s for s in graph.stages}
    left = LARGEST
    found: dict[str, StageOutcome] = {}
    for each in stored.outcomes:
        stage = stages.get(each.stage)
        if stage is None or each.stage in found or not set(stage.inputs) <= set(found):
            raise Implausible(f"a result of the stage “{each.stage[:40]}” that belongs to nothing")
        episode = stage.scope is Scope.EPISODE
        if each.subtask != (EPISODE_SCOPE if episode else stored.subtask):
            raise Implausible(f"{stage.name}: a result of subtask {each.subtask}")
        _expect(_KEY, each.key, "key")
        if each.result.ndim != 1:
            raise Implausible(f"{stage.name}: a result of shape {each.result.shape}")
        packed = each.result.tobytes()
        result: Any = decode_untrusted(packed, stage.result_type, left)
        left -= unpacked_size(packed)
        found[each.stage] = StageOutcome(
            *(each.stage, each.subtask, each.key, result, each.seconds),
            cached=True,
            problems=each.problems,
        )
    return tuple(found.values())


def _options(text: str, graph: Graph) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Options of every stage; what this Demoscope lacks is told, not refused."""
    values = json.loads(text)
    if not isinstance(values, dict):
        raise Implausible("options that are no object")
    options, unknown = graph.default_options(), []
    for stage, pairs in values.items():
        for name, value in (pairs if isinstance(pairs, dict) else {}).items():
            try:
                checked = options_of_values({stage: {name: value}}, graph)[stage]
            except ValueError:
                unknown.append(f"{stage}.{name}={value}"[:120])
                continue
            chosen = {name: getattr(checked, name)}
            options[stage] = dataclasses.replace(options[stage], **chosen)
    return options, tuple(unknown)


def _given_away(demonstration: Demonstration, name: str) -> Demonstration:
    """The episode without the folder it lies in, also where its problems name files."""
    root = demonstration.ref.dataset
    problems = tuple(
        dataclasses.replace(p, message=p.message.replace(root, name))
        for p in demonstration.problems
    )
    ref = EpisodeRef(name, demonstration.ref.episode)
    return dataclasses.replace(demonstration, ref=ref, problems=problems, files=())


def _without_paths(values: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Absolute paths (weights of a model) become their last part: a file is given away."""

    def last_part(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        for kind in (PurePosixPath, PureWindowsPath):
            if kind(value).is_absolute() or value.startswith(("~", "file:")):
                return kind(value).name
        return value

    return {s: {n: last_part(v) for n, v in pairs.items()} for s, pairs in values.items()}


def _expect(pattern: re.Pattern[str], text: str, what: str) -> None:
    if not pattern.fullmatch(text):
        raise Implausible(f"a {what} that is none: {text[:40]!r}")


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0][:200] if lines else type(error).__name__
