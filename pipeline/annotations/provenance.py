"""Where annotations come from: their dataset, and the options with which they were made."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.annotations.parquet import DATASET_KEY, OPTIONS_KEY
from pipeline.model.options import with_option
from pipeline.model.problem import Problem
from pipeline.scoring.formula import ScoresOptions

log = logging.getLogger(__name__)

RUN_NAME = "run.json"
SIDECAR = ".demoscope"
_SMALL = 1 << 24


def run_metadata(folder: Path) -> dict[str, str]:
    """What `run.json` of a batch run says, by the keys of Parquet; nothing if there is none."""
    file = folder / RUN_NAME
    try:
        if not file.is_file() or file.stat().st_size > _SMALL:
            return {}
        found = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        log.warning("%s cannot be read: %s", file, error)
        return {}
    if not isinstance(found, dict):
        return {}
    metadata = {}
    if isinstance(found.get(DATASET_KEY), str):
        metadata[DATASET_KEY] = found[DATASET_KEY]
    if isinstance(found.get(OPTIONS_KEY), dict):
        metadata[OPTIONS_KEY] = json.dumps(found[OPTIONS_KEY])
    return metadata


def read_stage_options(text: str | None) -> tuple[Mapping[str, Any], tuple[Problem, ...]]:
    """Options of all stages, unchecked, from the text in the metadata."""
    if text is None:
        return {}, ()
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        return {}, (_unread("they are no JSON object of stages"),)
    return found, ()


def scores_options(stages: Mapping[str, Any]) -> tuple[ScoresOptions, tuple[Problem, ...]]:
    """Options of the scores stage; what this version does not know keeps its default, told."""
    options = ScoresOptions()
    own = stages.get("scores", {})
    if not isinstance(own, Mapping):
        return options, (_unread("those of the scores are no JSON object"),)
    wrong: list[str] = []
    for name, value in own.items():
        try:
            options = with_option(options, name, _like(getattr(options, name, None), value))
        except (ValueError, TypeError) as error:
            wrong.append(str(error))
    return options, (_unread("; ".join(wrong)),) if wrong else ()


def _like(default: Any, value: Any) -> Any:
    """A JSON number as the type of an option; ValueError if it is of another kind."""
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if default is not None and type(value) is not type(default):
        raise ValueError(f"expected {type(default).__name__}, got {value!r}")
    return value


def _unread(why: str) -> Problem:
    return Problem(
        "options_not_read",
        f"Options of the scores with which this was made could not all be read ({why}); the "
        "published values stand for them.",
    )


def dataset_of(said: str | None, path: Path) -> Path | None:
    """Where the dataset lies: where the file says, else beside a folder named after it."""
    if said:
        try:
            found = Path(said)
            if found.is_absolute() and found.is_dir():
                return found
        except (OSError, ValueError):
            log.debug("the path of the dataset in %s is none", path)
    for folder in path.absolute().parents:
        if folder.name.endswith(SIDECAR) and len(folder.name) > len(SIDECAR):
            beside = folder.with_name(folder.name.removesuffix(SIDECAR))
            return beside if beside.is_dir() else None
    return None
