"""Which frames to decode before they are asked for."""

from __future__ import annotations

from collections.abc import Iterator

AHEAD, BEHIND = 45, 7
"""Frames kept around the cursor: 1.5 s of play at 30 Hz, and the start of a turn back."""
_BLOCK = 15
"""Frames fetched in time order on the way back: decoders only run forwards."""
_SHARE = 0.8
"""Part of the budget that frames around the cursor may take; the rest is for what was seen."""


class Prefetch:
    """Frames to fetch around a cursor, most urgent first; then, if wanted, the whole clip.

    On the way forwards frames come in time order. On the way back they come in blocks, the
    nearest block first and each in time order, so that a group of pictures is decoded once and
    before its last frame is needed.
    """

    def __init__(self, frame: int, step: int, length: int, room: int, *, everything: bool) -> None:
        """Plan.

        Args:
            frame: The cursor.
            step: Direction of travel, 1 or -1.
            length: Frames of the episode.
            room: Frames that fit in memory; the window around the cursor is cut to it.
            everything: Go on until the whole clip was handed out.
        """
        self._length = length
        usable = max(1, int(room * _SHARE))
        self._behind = min(BEHIND, usable // 6)
        self._ahead = max(1, min(AHEAD, usable - self._behind))
        self._everything = everything
        self._handed = bytearray(length)
        self._handed[frame] = 1
        self._order = self._plan(frame, step)
        self._is_done = False

    @property
    def is_done(self) -> bool:
        """True after every frame was handed out."""
        return self._is_done

    def next(self) -> int | None:
        """Hand out the next frame, None at the end."""
        for frame in self._order:
            if not self._handed[frame]:
                self._handed[frame] = 1
                return frame
        self._is_done = True
        return None

    def covers(self, frame: int, step: int) -> bool:
        """True if this plan may go on for another cursor: its window was handed out already.

        Never unless the whole clip is fetched: frames handed out may have left memory since.
        """
        return self._everything and all(
            self._handed[f] for f in (frame, *self._window(frame, step))
        )

    def _window(self, frame: int, step: int) -> Iterator[int]:
        yield from self._travel(frame, step, self._ahead)
        first, end = (frame - self._behind, frame) if step > 0 else (frame + 1, frame + BEHIND + 1)
        yield from range(max(first, 0), min(end, self._length))

    def _plan(self, frame: int, step: int) -> Iterator[int]:
        yield from self._window(frame, step)
        if self._everything:
            yield from self._travel(frame, step, self._length)
            yield from range(self._length)

    def _travel(self, frame: int, step: int, count: int) -> Iterator[int]:
        """Up to `count` frames from the cursor on in the direction of travel."""
        if step > 0:
            yield from range(frame + 1, min(frame + 1 + count, self._length))
            return
        last = max(frame - count, 0)
        for end in range(frame, last, -_BLOCK):
            yield from range(max(end - _BLOCK, last), end)
