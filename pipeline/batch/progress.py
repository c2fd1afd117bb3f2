"""How long a batch still takes, by the frames of its episodes."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

_RECENT = 24
"""Episodes from which the rates are taken: enough to average, few enough to follow a change."""
_UNKNOWN_FRAMES = 300
"""Length of an episode if nothing at all is known (10 s at 30 fps)."""


class Eta:
    """Estimates the time that is left.

    An episode that was found in the cache takes next to nothing, so that one mean of both kinds
    would jump. Rates are kept apart; how many of the remaining episodes are of which kind is
    taken from the latest ones.
    """

    def __init__(self, episodes: Sequence[int], frames: Mapping[int, int], jobs: int) -> None:
        """Nothing is known yet.

        Args:
            episodes: Those that are still to come.
            frames: Length of each episode, where known.
            jobs: Episodes that run side by side.
        """
        known = [n for n in frames.values() if n > 0]
        self._frames = frames
        self._usual = sum(known) / len(known) if known else _UNKNOWN_FRAMES
        self._jobs = max(jobs, 1)
        self._open = len(episodes)
        self._open_frames = sum(self.frames_of(e) for e in episodes)
        self._computed: deque[tuple[float, float]] = deque(maxlen=_RECENT)
        self._found: deque[tuple[float, float]] = deque(maxlen=_RECENT)
        self._kinds: deque[tuple[float, bool]] = deque(maxlen=_RECENT)

    def frames_of(self, episode: int) -> float:
        """Length of an episode; where unknown, the mean of the others."""
        return float(self._frames.get(episode, 0) or self._usual)

    def learn(self, frames: int, seconds: float) -> None:
        """An episode of an earlier session took so long to compute."""
        self._computed.append((float(frames), seconds))
        self._kinds.append((float(frames), True))

    def add(self, episode: int, seconds: float, computed: bool) -> None:
        """An episode is through.

        Args:
            episode: Index.
            seconds: Time that it took.
            computed: False if all its results were in the cache.
        """
        frames = self.frames_of(episode)
        self._open -= 1
        self._open_frames -= frames
        (self._computed if computed else self._found).append((frames, seconds))
        self._kinds.append((frames, computed))

    def left(self, at_work: Mapping[int, float] | None = None) -> float | None:
        """Seconds until all are through; None if nothing is known yet.

        Takes no longer for many episodes than for few.

        Args:
            at_work: Episodes that are being computed -> seconds since they began.
        """
        if self._open <= 0:
            return 0.0
        if not self._kinds:
            return None
        total = sum(frames for frames, _ in self._kinds)
        share = sum(frames for frames, computed in self._kinds if computed) / total
        rate = share * _rate(self._computed) + (1 - share) * _rate(self._found)
        busy = at_work or {}
        spent = [min(seconds, self.frames_of(e) * rate) for e, seconds in busy.items()]
        rest = [self.frames_of(e) * rate - s for e, s in zip(busy, spent, strict=True)]
        work = max(self._open_frames * rate - sum(spent), 0.0)
        # The last episode runs alone, however many processes there are.
        return max(work / min(self._jobs, self._open), *rest, 0.0)


def _rate(episodes: deque[tuple[float, float]]) -> float:
    """Seconds per frame."""
    frames = sum(f for f, _ in episodes)
    return sum(s for _, s in episodes) / frames if frames else 0.0


def duration_text(seconds: float) -> str:
    """For people, rounded as an estimate: `40 s`, `12 min`, `3 h 20 min`."""
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, rest = divmod(round(minutes, -1), 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"
