"""Which licences the user accepted: some models may not be used for everything.

Acceptance is a line in `licences.json` of the configuration folder: who accepted on a machine has
accepted for the window, the command line and the workers alike.
"""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

from pipeline.model.authorship import utc_now
from pipeline.model.problem import DataError
from pipeline.model.whole_file import write_whole

log = logging.getLogger(__name__)

FILE = "licences.json"
_CONFIG_DIR = "DEMOSCOPE_CONFIG_DIR"
_APP = "demoscope"


def licences_file() -> Path:
    """Where acceptances are kept (override: DEMOSCOPE_CONFIG_DIR)."""
    given = os.environ.get(_CONFIG_DIR)
    if given:
        return Path(given).expanduser() / FILE
    # lazy: tests and containers name their folder
    import platformdirs

    return Path(platformdirs.user_config_dir(_APP)) / FILE


def accepted(name: str, licence: str = "") -> bool:
    """Say whether the user accepted the licence of a backend or of weights.

    Args:
        name: Of the backend, or the Hub id of weights.
        licence: If given: what was accepted must have been this one; a model that changes its
            licence asks again.
    """
    entry = _read().get(name)
    return entry is not None and (not licence or entry.get("licence", "") in ("", licence))


def accept(name: str, licence: str = "") -> None:
    """Record that the user accepts a licence. Raises DataError `not_saved`."""
    file = licences_file()
    entries = _read() | {name: {"licence": licence, "at": utc_now("seconds")}}
    try:
        write_whole(file, json.dumps(entries, indent=2, ensure_ascii=False).encode())
    except OSError as error:
        raise DataError(
            "not_saved", f"{file} could not be written: {error.strerror or error}."
        ) from error


def _read() -> dict[str, dict[str, str]]:
    """Acceptances by name; an unreadable file accepts nothing."""
    file = licences_file()
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        log.warning("%s cannot be read, so no licence counts as accepted: %s", file, error)
        return {}
    if not isinstance(values, dict):
        log.warning("%s: expected an object, so no licence counts as accepted", file)
        return {}
    return {str(n): v for n, v in values.items() if isinstance(v, dict)}
