"""An event as it is written to and read from files: every bound in one place."""

from __future__ import annotations

import json
import math
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipeline.model.edits import EDIT
from pipeline.review.events import Event, EventKind
from pipeline.review.ordering import MAX_CLOCK, MOST_AHEAD, next_clock

FORMAT = 1
"""Version of the lines, written on each of them."""
_MAX_INDEX = (1 << 31) - 1
_MAX_NAMES = 64
_MAX_TEXT = 200_000
_MAX_PAYLOAD = 4 << 20
"""Characters; a painted mask of the most runs takes 2.4 million."""
_MAX_DEPTH = 32
_MAX_INTEGER = (1 << 63) - 1
# No control characters: what is written is shown in terminals and windows.
_PLAIN = r"^[^\x00-\x1f\x7f-\x9f]*$"

Uuid = Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{1,64}$")]
Index = Annotated[int, Field(ge=-1, le=_MAX_INDEX)]
Name = Annotated[str, Field(max_length=255, pattern=_PLAIN)]


class EventLine(BaseModel):
    """One event. Attributes as those of `Event`; `payload` is the JSON object itself."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)
    demoscope_review: Literal[1]
    uuid: Uuid
    clock: int = Field(ge=1, le=MAX_CLOCK)
    at: str = Field(max_length=40)
    who: Name
    dataset: Name
    episode: Index
    subtask: Index
    kind: EventKind
    stage: str = Field(pattern=r"^[a-z0-9_]{1,64}$")
    refers_to: Uuid | Literal[""] = ""
    payload: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        try:
            when = datetime.fromisoformat(self.at)
        except ValueError:
            raise ValueError("at: no ISO 8601 time") from None
        if when.tzinfo is None:
            raise ValueError("at: has no offset of UTC")
        if self.clock > next_clock(0) + MOST_AHEAD:
            raise ValueError("clock: more than ten years ahead of this computer's")
        if self.payload is not None:
            _check_values(self.payload)
        if self.kind in ("undo", "redo"):
            if not self.refers_to or self.payload is not None:
                raise ValueError(f"{self.kind}: names one edit and has no payload")
        elif self.payload is None:
            raise ValueError(f"{self.kind}: has no payload")
        elif self.kind == "edit":
            _check_edit(self.payload)
        else:
            _check_record(self.payload)
        return self

    def event(self) -> Event:
        """The event, not written yet."""
        return Event(
            0,
            self.uuid,
            self.at,
            self.who,
            self.dataset,
            self.episode,
            self.kind,
            self.stage,
            self.subtask,
            ""
            if self.payload is None
            else json.dumps(self.payload, ensure_ascii=False, separators=(",", ":")),
            self.refers_to,
            self.clock,
        )

    @classmethod
    def checked(cls, event: Event) -> Event:
        """Hold an event of a foreign store to the same bounds; its text stays as it is.

        Raises:
            ValueError: It is out of bounds.
        """
        # A file may hold anything in any column, whatever it declares.
        if not isinstance(event.payload, str) or len(event.payload) > _MAX_PAYLOAD:
            raise ValueError(f"payload: no text of at most {_MAX_PAYLOAD} characters")
        try:
            payload = json.loads(event.payload) if event.payload else None
        except RecursionError:
            raise ValueError("payload: nested too deeply") from None
        cls.model_validate(
            {
                "demoscope_review": FORMAT,
                "uuid": event.uuid,
                "clock": event.clock,
                "at": event.at,
                "who": event.who,
                "dataset": event.dataset,
                "episode": event.episode,
                "subtask": event.subtask,
                "kind": event.kind,
                "stage": event.stage,
                "refers_to": event.refers_to,
                "payload": payload,
            }
        )
        return event


def _check_values(payload: dict[str, Any]) -> None:
    """Nothing that could not be written again, or that no reader counts with."""
    level: list[Any] = [payload]
    for _ in range(_MAX_DEPTH):
        names = (name for v in level if isinstance(v, dict) for name in v)
        if not all(_is_plain(v) for v in (*level, *names)):
            raise ValueError("payload: a number of no 64 bits, or half a character")
        level = [
            inner
            for v in level
            if isinstance(v, dict | list)
            for inner in (v.values() if isinstance(v, dict) else v)
        ]
        if not level:
            return
    raise ValueError("payload: nested too deeply")


def _is_plain(value: Any) -> bool:
    match value:
        case float():
            return math.isfinite(value)
        case int():
            return abs(value) <= _MAX_INTEGER
        case str():
            return value.isascii() or not any("\ud800" <= c <= "\udfff" for c in value)
        case _:
            return True


def _check_edit(payload: dict[str, Any]) -> None:
    """An edit that this version knows must be right; kinds of later versions are kept as is."""
    try:
        EDIT.validate_python(payload, strict=False)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        if first["type"] == "union_tag_invalid":
            return
        place = ".".join(str(p) for p in first["loc"])
        raise ValueError(f"edit {place}: {first['msg']}") from None


def _check_record(payload: dict[str, Any]) -> None:
    if len(payload) > _MAX_NAMES:
        raise ValueError(f"record: more than {_MAX_NAMES} values")
    for name, value in payload.items():
        if len(name) > 100:
            raise ValueError("record: a name is longer than 100 characters")
        if isinstance(value, str):
            if len(value) > _MAX_TEXT:
                raise ValueError(f"record {name}: longer than {_MAX_TEXT} characters")
        elif value is not None and not isinstance(value, int | float):
            raise ValueError(f"record {name}: no plain value")
        elif isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"record {name}: no finite number")
