"""The session inside of a recording: one static blob that Demoscope can open again.

Stock Rerun shows it as an entity without a picture and otherwise leaves it alone. What is in the
blob is the affair of `pipeline/export/session_bundle.py`; here are its place and its guards.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.model.problem import DataError

if TYPE_CHECKING:
    import rerun as rr
    from rerun.chunk import Chunk, RrdReader

log = logging.getLogger(__name__)

SESSION_ENTITY = "demoscope/session"
"""Static entity that carries the session."""
MEDIA_TYPE = "application/x-demoscope-session"
LARGEST_SESSION = 256 << 20
"""Bytes; a longer blob is refused (an hour with many candidates has some tens of MiB)."""
_KIND, _DATA = "demoscope_media_type", "demoscope_session"
"""Components. Names of our own: Rerun keeps one type per name in a process."""
_MAGIC = b"RRF2"
_FOOTER = b"RRF2FOOT"
_END = 12
"""Bytes from the footer's mark to the end of a whole file."""


def log_session(stream: rr.RecordingStream, data: bytes) -> None:
    """Put a session into a recording.

    Args:
        stream: The recording.
        data: What `pipeline.export.session_bundle.pack_session` returned.

    Raises:
        ValueError: It is longer than `read_session` would take.
    """
    if len(data) > LARGEST_SESSION:
        raise ValueError(f"session: expected at most {LARGEST_SESSION} bytes, got {len(data)}")
    import pyarrow as pa
    import rerun as rr

    # One binary value: a uint8 array would become a list of numbers, one row each.
    values = {_KIND: MEDIA_TYPE, _DATA: pa.array([data], pa.binary())}
    stream.log(SESSION_ENTITY, rr.AnyValues(**values), static=True)


def read_session(path: Path) -> bytes | None:
    """Read the session of a recording.

    Args:
        path: An .rrd file, not trusted.

    Returns:
        The bytes as they were logged; None if it is a recording without a session.

    Raises:
        DataError: `recording_not_read`: no recording, or a damaged one; `session_not_read`: the
            session is larger than allowed or of another type. One sentence.
    """
    for chunk in chunks_of(path, f"/{SESSION_ENTITY}"):
        batch = chunk.to_record_batch()
        if not {_KIND, _DATA} <= set(batch.schema.names) or not batch.num_rows:
            continue
        if batch[_KIND][-1].as_py() != [MEDIA_TYPE]:
            continue
        values = batch[_DATA][-1].values
        kind = str(values.type) if values is not None else "nothing"
        if values is None or len(values) != 1 or kind != "binary":
            raise DataError("session_not_read", f"{path.name}: its session is {kind}, not bytes")
        buffer = values[0].as_buffer()
        if buffer is None or buffer.size > LARGEST_SESSION:
            size = 0 if buffer is None else buffer.size
            raise DataError("session_not_read", f"{path.name}: its session has {size} bytes")
        return bytes(buffer.to_pybytes())
    return None


def application_of(path: Path) -> str:
    """Application id of a recording: which program wrote it. Raises DataError as `read_session`."""
    for entry in _guarded(path, lambda: _reader(path).recordings()):
        return str(entry.application_id)
    return ""


def chunks_of(path: Path, entity: str) -> Iterator[Chunk]:
    """Read the chunks of one entity, and nothing else of the file.

    Args:
        path: An .rrd file, not trusted.
        entity: Its path, with a leading slash.

    Raises:
        DataError: `recording_not_read`, one sentence.
    """
    stream = _guarded(path, lambda: iter(_reader(path).store().stream().filter(content=entity)))
    while True:
        try:
            chunk = _guarded(path, lambda: next(stream))
        except StopIteration:
            return
        yield chunk


def _reader(path: Path) -> RrdReader:
    with path.open("rb") as file:
        begin = file.read(len(_MAGIC))
        size = file.seek(0, 2)
        file.seek(max(0, size - _END))
        end = file.read()
    if begin != _MAGIC:
        raise DataError("recording_not_read", f"{path.name} is no Rerun recording")
    if not end.startswith(_FOOTER):
        # Rerun would read it as one of before 0.25, with a warning, and stop in the middle.
        raise DataError("recording_not_read", f"{path.name} is cut short: its last part is missing")
    # lazy: half a second
    from rerun.chunk import RrdReader

    return RrdReader(str(path))


def _guarded(path: Path, read: Any) -> Any:
    """Call `read`; whatever Rerun makes of a damaged file is one sentence."""
    try:
        return read()
    except (DataError, StopIteration):
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError("recording_not_read", f"{path.name}: {reason}") from error
    except Exception as error:
        log.info("%s", path, exc_info=True)
        reason = str(error).rsplit(f"{path}: ", 1)[-1]
        raise DataError("recording_not_read", f"{path.name} is damaged: {reason}") from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # Rust's, which is no Exception
            raise
        raise DataError("recording_not_read", f"{path.name} is damaged: {error}") from error
