"""Keys of results: equal key, equal result, on any machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pipeline.model.demonstration import Demonstration
from pipeline.model.edits import EDITS, Edit
from pipeline.model.options import keyed_values
from pipeline.stages.stage import Stage


def result_key(
    stage: Stage[Any, Any],
    demonstration: Demonstration,
    subtask: int,
    options: Any,
    edits: tuple[Edit, ...],
    inputs: Mapping[str, str],
) -> str:
    """Hash of stage, version, data, options, backend identity, edits and the keys of the inputs.

    Args:
        stage: The stage.
        demonstration: Its fingerprint and the channels in force enter the key.
        subtask: Index, -1 for the whole episode.
        options: Instance of the stage's options class.
        edits: Edits of this stage and subtask.
        inputs: Input stage name -> key.

    Returns:
        40 hexadecimal digits.
    """
    parts = {
        "stage": stage.name,
        "version": stage.version,
        "data": demonstration.fingerprint,
        "channels": [
            (g.arm, g.signal, g.indices, g.names, g.closed_is, g.combine, g.percentiles)
            for g in demonstration.grippers
        ],
        "subtask": subtask,
        "options": keyed_values(options),
        "identity": stage.identity(options),
        "edits": json.loads(EDITS.dump_json(edits)),
        "inputs": dict(inputs),
    }
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.blake2b(text.encode(), digest_size=20).hexdigest()
