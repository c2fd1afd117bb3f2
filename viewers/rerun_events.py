"""What the page says, one line of JSON each, checked before anything is done with it. No Qt.

The page runs 43 MB of somebody else's code over data somebody recorded. So what it says has known
types and sizes here, or it is dropped.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from dataclasses import dataclass
from typing import Any

LONGEST_LINE = 64 * 2**20
"""Characters; a screenshot of a large screen is the longest thing the page says."""
LONGEST_TEXT = 4096
"""Characters of a name or a sentence; more is cut off."""
MOST_ITEMS = 64
"""Of a selection; a rectangle drawn in a view may select thousands."""
LARGEST_INSTANCE = 2**31 - 1


@dataclass(frozen=True, slots=True)
class PageEvent:
    """One thing the page or the viewer said; what does not belong to its kind is empty.

    Attributes:
        kind: `time_update`, `timeline_change`, `play`, `pause`, `selection_change` and
            `recording_open` of the viewer; `ready`, `failed`, `answer`, `refused`, `drawn`,
            `touched` and `memory` of the page.
        time: Of a timeline; fractional while playing. NaN if it said none.
        timeline: Name of a timeline, if it said one.
        application: Application id of the recording meant.
        recording: Recording id of the recording meant.
        entities: Selected entities: path with a leading slash, instance or -1.
        has_items: True if anything is selected, also a view or a container.
        number: Number of the request.
        data: The viewer's answer to it.
        seconds: Until the viewer rested after it.
        size: Bytes of memory that the viewer has taken.
        message: A sentence.
    """

    kind: str
    time: float = math.nan
    timeline: str = ""
    application: str = ""
    recording: str = ""
    entities: tuple[tuple[str, int], ...] = ()
    has_items: bool = False
    number: int = 0
    data: bytes = b""
    seconds: float = 0.0
    size: int = 0
    message: str = ""

    @property
    def store(self) -> str:
        """Id of the recording in requests. Ids join with colons; the application's own escape."""
        escaped = self.application.replace("\\", "\\\\").replace(":", "\\:")
        return f"Recording:{escaped}:{self.recording}"


def parse_event(line: str) -> PageEvent:
    """Read a line of the page.

    Raises:
        ValueError: It is too long, no JSON object, or names no kind.
    """
    if not isinstance(line, str) or len(line) > LONGEST_LINE:
        raise ValueError("too long")
    try:
        event = json.loads(line)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(event, dict) or not isinstance(event.get("type"), str):
        raise ValueError("expected an object with a type")
    items = event.get("items")
    items = items[:MOST_ITEMS] if isinstance(items, list) else []
    return PageEvent(
        kind=event["type"][:LONGEST_TEXT],
        time=_number(event.get("time"), math.nan),
        timeline=_text(event.get("timeline")),
        application=_text(event.get("application_id")),
        recording=_text(event.get("recording_id")),
        entities=tuple(found for item in items if (found := _entity(item)) is not None),
        has_items=bool(items),
        number=int(_number(event.get("number"), 0.0)),
        data=_bytes(event.get("data")),
        seconds=max(0.0, _number(event.get("ms"), 0.0)) / 1000.0,
        size=max(0, int(_number(event.get("bytes"), 0.0))),
        message=_text(event.get("message")),
    )


def _entity(item: Any) -> tuple[str, int] | None:
    if not isinstance(item, dict) or item.get("type") != "entity":
        return None
    path = item.get("entity_path")
    if not isinstance(path, str) or not path.strip("/") or len(path) > LONGEST_TEXT:
        return None
    instance = item.get("instance_id")
    if not isinstance(instance, int) or not 0 <= instance <= LARGEST_INSTANCE:
        instance = -1  # also true and false, which are the integers 1 and 0 in Python
    return "/" + path.strip("/"), -1 if isinstance(instance, bool) else instance


def _number(value: Any, otherwise: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return otherwise
    # False for NaN, too. `math.isfinite` would raise for an integer beyond all floats.
    return float(value) if abs(value) < 2**53 else otherwise


def _text(value: Any) -> str:
    return value[:LONGEST_TEXT] if isinstance(value, str) else ""


def _bytes(value: Any) -> bytes:
    if not isinstance(value, str):
        return b""
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return b""
