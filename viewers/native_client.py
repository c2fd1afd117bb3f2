"""What we ask of Rerun's own viewer, over `rerun.experimental.ViewerClient`.

Every call blocks until the viewer has drawn, for 15 s at most (without end while its process is
stopped): for threads only. The API is experimental, and the SDK is pinned to 0.41; here is all
that depends on it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

TIMELINE = "frame"
"""Name of the timeline that the recordings use and the window follows."""
NOTHING = "nothing"
"""Entity that no recording has. Rerun 0.41 has no request that selects nothing; this one ends the
outlines in all views."""


class CallError(Exception):
    """The viewer refused, did not answer in time, or is gone."""


@dataclass(frozen=True, slots=True)
class NativeState:
    """What the viewer says about one recording.

    Attributes:
        frame: Time cursor on the timeline `frame`, None while it is on another one or not set.
        playing: True while the cursor moves by itself.
        arrived: True once the recording has the timeline `frame`.
        loading: True while the viewer still loads something.
    """

    frame: int | None
    playing: bool
    arrived: bool
    loading: bool


class NativeClient(Protocol):
    """The calls. All raise `CallError`."""

    def open(self, path: Path) -> str:
        """Open a recording and show it; returns its store id, empty if it is not known yet."""

    def close(self, store: str) -> None:
        """Close a recording."""

    def set_time(self, store: str, frame: int, playing: bool) -> None:
        """Move the time cursor and start or stop to play."""

    def select(self, entity: str, instance: int) -> None:
        """Select an entity or an instance of it (-1: all of it); without an entity, nothing."""

    def state(self, store: str) -> NativeState | None:
        """The recording's state, None if it is not open."""


class ViewerClientCalls:
    """`NativeClient` over a connection."""

    def __init__(self, url: str) -> None:
        """Connect.

        Args:
            url: `rerun+http://127.0.0.1:<port>/proxy`.

        Raises:
            CallError: Nobody listens there.
        """
        from rerun.experimental import ViewerClient

        with _converted():
            self._client = ViewerClient.connect(url)

    def open(self, path: Path) -> str:
        """See `NativeClient`."""
        with _converted():
            before = {recording.store_id for recording in self._client.get_state().recordings}
            stores = list(self._client.open(str(path)).store_ids)
            if not stores:  # still arriving after ten seconds
                recordings = self._client.get_state().recordings
                stores = [r.store_id for r in recordings if r.store_id not in before]
        return stores[0] if stores else ""

    def close(self, store: str) -> None:
        """See `NativeClient`."""
        with _converted():
            self._client.close(store_ids=[store])

    def set_time(self, store: str, frame: int, playing: bool) -> None:
        """See `NativeClient`."""
        with _converted():
            self._client.set_time(
                TIMELINE,
                sequence=frame,
                play_state="playing" if playing else "paused",
                recording=store,
            )

    def select(self, entity: str, instance: int) -> None:
        """See `NativeClient`."""
        part = f"[#{instance}]" if instance >= 0 else ""
        with _converted():
            self._client.open(f"recording://{entity.strip('/') or NOTHING}{part}")

    def state(self, store: str) -> NativeState | None:
        """See `NativeClient`."""
        with _converted():
            # `get_state` leaves out whether it plays.
            raw: dict[str, Any] = self._client._viewer_control("get_state", {})
            return state_of(raw, store)


@contextlib.contextmanager
def _converted() -> Iterator[None]:
    """Turn whatever the binding throws into `CallError`: ConnectionError, its own, and others."""
    try:
        yield
    except Exception as error:
        raise CallError(next(iter(str(error).splitlines()), repr(error))) from error


def state_of(raw: dict[str, Any], store: str) -> NativeState | None:
    """State of one recording in a GetStateResponse as JSON, None if it is not in there.

    Canonical protobuf JSON leaves out numbers that are 0.
    """
    for recording in raw.get("recordings", ()):
        if recording.get("store_id") != store:
            continue
        cursor = recording.get("current_time", {})
        here = cursor.get("timeline", {}).get("name") == TIMELINE and "time" in cursor
        return NativeState(
            frame=int(cursor["time"].get("time", 0)) if here else None,
            playing=recording.get("play_state") in ("PLAY_STATE_PLAYING", "PLAY_STATE_FOLLOWING"),
            arrived=any(
                line.get("timeline", {}).get("name") == TIMELINE
                for line in recording.get("timelines", ())
            ),
            loading=bool(raw.get("loading")),
        )
    return None
