"""Orders to Rerun's viewer and its answers, as bytes. Imports neither Rerun nor Qt.

Rerun 0.41 takes `rerun.viewer_control.v1alpha1.ViewerControlRequest` and answers each one in its
next drawn frame with a `ViewerControlResponse`. The few messages that are needed are written out
here; a protobuf library would be a dependency for nothing else. The interface is experimental:
`rerun-sdk` is pinned, and `demoscope doctor` makes the round trip.

Whatever comes back is taken as untrusted: of the wrong type or too large, it is a `ProtocolError`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

TIMELINE = "frame"
"""Name of the timeline that the recordings use and the window follows."""
RESET_LAYOUT = "recording.reset_blueprint_to_default"
"""Command of the viewer: the layout that came with the recording."""
_PAUSED, _PLAYING = 1, 2  # PlayState
_FULL, _PARTIAL = 1, 2  # BlueprintUpdateMode
_CLOSE, _LOGS, _STATE, _OPEN, _SCREENSHOT, _TIME, _SCHEMA = 1, 2, 3, 4, 5, 6, 7
_COMMAND, _GET_BLUEPRINT, _SET_BLUEPRINT = 11, 12, 14


class ProtocolError(ValueError):
    """An answer that is not what Rerun 0.41 answers."""


@dataclass(frozen=True, slots=True)
class ViewerReport:
    """What the viewer says it shows.

    Attributes:
        frame: Frame its time cursor is at; -1 if no recording is open.
        playing: True while it plays.
        timeline: Timeline the cursor is on.
        views: Names of the views of its layout.
        loading: What is still loading, e.g. a URL's name; empty once everything arrived.
        recordings: Ids of the open recordings.
    """

    frame: int
    playing: bool
    timeline: str
    views: tuple[str, ...]
    loading: tuple[str, ...]
    recordings: tuple[str, ...]


# -- orders


def time_request(frame: int, *, playing: bool) -> bytes:
    """Go to a frame, and pause or play from there."""
    timeline = _message(2, _text(1, TIMELINE))
    play_state = _number(5, _PLAYING if playing else _PAUSED)
    return _message(_TIME, timeline + _message(3, _number(1, frame)) + play_state)


def selection_request(entity: str, instance: int = -1) -> bytes:
    """Select an entity or, with `instance` 0 or more, one instance of it.

    An entity that the recording lacks is selected all the same, without effect on any view.

    Args:
        entity: Entity path, its parts escaped (`viewers.rerun_inputs.entity_part`).
        instance: Instance, -1 for the whole entity.

    Raises:
        ValueError: The entity is empty; there is no request that selects nothing.
    """
    path = entity.strip("/")
    if not path:
        raise ValueError("entity: expected a path such as world/candidates/1/points, got nothing")
    suffix = f"[#{instance}]" if instance >= 0 else ""
    return _message(_OPEN, _text(1, f"recording://{path}{suffix}"))


def open_request(url: str) -> bytes:
    """Load a recording and show it."""
    return _message(_OPEN, _text(1, url))


def close_request(*, store: str = "", url: str = "") -> bytes:
    """Close a recording by its id, or what was loaded or is loading from a URL."""
    which = _message(3, _text(1, store)) if store else _message(4, _text(1, url))
    return _message(_CLOSE, which)


def state_request() -> bytes:
    """Ask for what `report_of` reads."""
    return _message(_STATE, b"")


def logs_request(after: int) -> bytes:
    """Ask for the viewer's log entries after sequence number `after`."""
    return _message(_LOGS, _number(1, after))


def entities_request() -> bytes:
    """Ask for the entity paths of the open recording, without components."""
    return _message(_SCHEMA, _number(5, 0) + _number(6, 0))


def blueprint_request() -> bytes:
    """Ask for the layout of the open recording."""
    return _message(_GET_BLUEPRINT, _message(2, b""))


def set_blueprint_request(text: str, *, partial: bool) -> bytes:
    """Replace the layout by this JSON, or if `partial` only the fields it names."""
    mode = _number(5, _PARTIAL if partial else _FULL)
    return _message(_SET_BLUEPRINT, _text(2, text) + mode + _message(3, b""))


def screenshot_request(longest_side: int = 0) -> bytes:
    """Ask for a PNG of the viewer, scaled down to `longest_side` pixels if that is not 0."""
    return _message(_SCREENSHOT, _number(3, longest_side) if longest_side else b"")


def command_request(command: str) -> bytes:
    """Run a command of the viewer's palette."""
    return _message(_COMMAND, _text(1, command))


# -- answers


def frame_of(answer: bytes) -> int:
    """Frame that an answered `time_request` led to.

    Raises:
        ProtocolError: Not an answer to that.
    """
    time = _bytes(_part(answer, _TIME), 4)
    return _signed(_int(time, 1))


def blueprint_of(answer: bytes) -> str:
    """The layout as JSON. Raises ProtocolError if there is none."""
    return _str(_part(answer, _GET_BLUEPRINT), 2)


def picture_of(answer: bytes) -> bytes:
    """The screenshot as PNG. Raises ProtocolError if it is none."""
    png = _bytes(_part(answer, _SCREENSHOT), 1)
    if not png.startswith(b"\x89PNG"):
        raise ProtocolError("the screenshot is not a PNG")
    return png


def entities_of(answer: bytes) -> tuple[str, ...]:
    """Entity paths of the recording, each with a leading slash."""
    schema = _part(answer, _SCHEMA)
    return tuple(_str(value, 1) for value in _repeated(schema, 2))


def errors_of(answer: bytes) -> tuple[str, ...]:
    """Messages of level ERROR in the viewer's log."""
    entries = _repeated(_part(answer, _LOGS), 2)
    return tuple(_str(entry, 4) for entry in entries if _str(entry, 2) == "ERROR")


def last_log_of(answer: bytes) -> int:
    """Sequence number of the newest log entry, 0 if there is none."""
    return max((_int(entry, 1) for entry in _repeated(_part(answer, _LOGS), 2)), default=0)


def report_of(answer: bytes) -> ViewerReport:
    """What the viewer shows.

    Raises:
        ProtocolError: Not an answer to `state_request`.
    """
    state = _part(answer, _STATE)
    active, recordings = _str(state, 2), list(_repeated(state, 3))
    shown = next((r for r in recordings if active and _str(r, 1) == active), b"")
    cursor = _bytes(shown, 3)
    has_time = any(number == 3 for number, _ in fields(cursor))
    return ViewerReport(
        frame=_signed(_int(_bytes(cursor, 3), 1)) if has_time else -1,
        playing=_int(shown, 5) == _PLAYING,
        timeline=_str(_bytes(cursor, 1), 1),
        views=tuple(_str(view, 3) for view in _repeated(state, 5)),
        loading=tuple(_str(source, 1) for source in _repeated(state, 7)),
        recordings=tuple(_str(recording, 1) for recording in recordings),
    )


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Split a protobuf message into field numbers and values.

    Raises:
        ProtocolError: It is cut off, or has a wire type that these messages do not use.
    """
    at = 0
    while at < len(data):
        key, at = _read_varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = _read_varint(data, at)
            yield key >> 3, value
            continue
        if kind == 2:
            size, at = _read_varint(data, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ProtocolError(f"wire type {kind} of protobuf is not known")
        if at + size > len(data):
            raise ProtocolError("an answer of the viewer is cut off")
        yield key >> 3, data[at : at + size]
        at += size


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value & (2**64 - 1), at
    raise ProtocolError("an answer of the viewer is cut off")


def _part(answer: bytes, number: int) -> bytes:
    """The one field of a response that says what it answers."""
    for found, value in fields(answer):
        if found == number and isinstance(value, bytes):
            return value
    raise ProtocolError(f"expected an answer of kind {number}")


def _repeated(data: bytes, number: int) -> Iterable[bytes]:
    return (v for found, v in fields(data) if found == number and isinstance(v, bytes))


def _bytes(data: bytes, number: int) -> bytes:
    return next(iter(_repeated(data, number)), b"")


def _str(data: bytes, number: int) -> str:
    try:
        return _bytes(data, number).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ProtocolError("text of the viewer is not UTF-8") from error


def _int(data: bytes, number: int) -> int:
    values = (v for found, v in fields(data) if found == number and isinstance(v, int))
    return next(values, 0)


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value


def _varint(value: int) -> bytes:
    value &= 2**64 - 1  # negative int64: two's complement
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    found.append(value)
    return bytes(found)


def _message(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _text(number: int, value: str) -> bytes:
    return _message(number, value.encode("utf-8"))


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)
