"""Are annotations made like those that the window makes now?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.curation.data import CurationData


def differing_options(data: CurationData, options: Mapping[str, Any]) -> tuple[str, ...]:
    """Options with which annotations were made otherwise, e.g. `scores.motion_weight 0.4, not 0.5`.

    Args:
        data: Annotations; what their file does not say counts as equal.
        options: Stage name -> options instance, in force now.
    """
    found = []
    for stage, values in data.stage_options.items():
        now = options.get(stage)
        if now is None or not isinstance(values, Mapping):
            continue
        for name, then in values.items():
            if hasattr(now, name) and getattr(now, name) != then:
                found.append(f"{stage}.{name} {then}, not {getattr(now, name)}")
    return tuple(found)
