"""Recordings in memory that leave nothing behind.

Rerun 0.41 starts two threads per `RecordingStream` (and two more in `send_blueprint`, which makes a
stream of its own) and keeps them for the life of the process, unless the stream is disconnected,
no reference to it is left, and orphaned recordings are then swept. A window that opens fifty
episodes would end with two hundred threads. All that needs Rerun's own binding for this is here.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import rerun as rr
    import rerun.blueprint as rrb

log = logging.getLogger(__name__)


class MemoryStream:
    """A recording that is written to memory. Made by `memory_stream`.

    Attributes:
        stream: Where to log. Keep no reference to it beyond the `with` block: its threads live as
            long as that (they end with the next recording that is finished).
    """

    def __init__(self, application: str, recording_id: str | None = None) -> None:
        import rerun as rr

        self._application = application
        self.stream: rr.RecordingStream = rr.RecordingStream(application, recording_id=recording_id)
        self._memory = self.stream.memory_recording()

    def send_blueprint(self, blueprint: rrb.Blueprint) -> None:
        """Make `blueprint` the recording's layout, active and default."""
        if not _send_blueprint(self.stream, self._application, blueprint):
            self.stream.send_blueprint(blueprint, make_active=True, make_default=True)

    def take(self) -> bytes:
        """Return what was logged since the last call, as an .rrd."""
        self.stream.flush()
        data: bytes = self._memory.drain_as_bytes()
        return data

    def _close(self) -> None:
        # Threads end only if all three happen: disconnected, no reference left, swept.
        self.stream.disconnect()
        del self._memory
        del self.stream


@contextlib.contextmanager
def memory_stream(application: str, recording_id: str | None = None) -> Iterator[MemoryStream]:
    """Open a recording in memory, and end its threads afterwards.

    Args:
        application: Application id; the viewer keeps layouts under it.
        recording_id: Id of a recording to add to; None makes a new one.

    Yields:
        The recording, usable inside of the `with` block only.
    """
    memory = MemoryStream(application, recording_id)
    try:
        yield memory
    finally:
        memory._close()
        _sweep()


def _send_blueprint(stream: rr.RecordingStream, application: str, blueprint: rrb.Blueprint) -> bool:
    """As `rerun.blueprint.api.create_in_memory_blueprint`, but its stream ends too.

    Returns:
        False if this Rerun has not the parts for it; nothing was sent then.
    """
    import rerun as rr

    bindings = _bindings()
    try:
        native = bindings.new_blueprint(
            application_id=application,
            make_default=False,
            make_thread_default=False,
            default_enabled=True,
        )
        inner = rr.RecordingStream._from_native(native)
        inner.set_time("blueprint", sequence=0)
        blueprint._log_to_stream(inner)
        memory: Any = inner.memory_recording()
        bindings.send_blueprint(memory.storage, True, True, recording=stream.to_native())
        inner.disconnect()
    except (AttributeError, TypeError) as error:
        log.debug("a blueprint is sent the public way, its threads stay: %s", error)
        return False
    return True


def _sweep() -> None:
    """End the threads of streams that nobody refers to any more."""
    try:
        _bindings().flush_and_cleanup_orphaned_recordings()
    except AttributeError as error:
        log.debug("threads of finished recordings stay: %s", error)


def _bindings() -> Any:
    """Rerun's native module, an empty object if it is elsewhere by now."""
    try:
        import rerun_bindings
    except ImportError:
        return object()
    return rerun_bindings
