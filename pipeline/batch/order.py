"""Which episode is next: long ones first, and equal questions one after the other."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence

_STEPS = 2
"""Steps of length per doubling: episodes within one step keep the dataset's order, so that a
worker meets neighbours, which share files and what is known about them."""


def long_first(episodes: Sequence[int], frames: Mapping[int, int]) -> tuple[int, ...]:
    """Order episodes by falling length, in coarse steps; the last ones to run are then short.

    Args:
        episodes: Episode indices.
        frames: Length of each, where known; unknown ones count as the longest.
    """

    def step(episode: int) -> float:
        length = frames.get(episode, 0)
        return -math.floor(_STEPS * math.log2(length)) if length > 0 else -math.inf

    return tuple(sorted(episodes, key=step))


class EpisodeQueue:
    """Episodes to be handed out.

    Episodes that would ask a language model the same question wait for the first of them: its
    answer is kept, and the others cost nothing.
    """

    def __init__(self, episodes: Iterable[int], questions: Mapping[int, str] | None = None) -> None:
        """Take the episodes in the order in which they are to run.

        Args:
            episodes: Episode indices.
            questions: Key of the question that an episode asks, where it asks one.
        """
        self._waiting = deque(episodes)
        self._questions = dict(questions or {})
        self._asking: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def waiting(self) -> tuple[int, ...]:
        """Episodes not handed out yet, in order."""
        return tuple(self._waiting)

    def next(self) -> int | None:
        """Take an episode; None if there is none, or all wait for an answer."""
        for place, episode in enumerate(self._waiting):
            question = self._questions.get(episode)
            if question is None or question not in self._asking:
                del self._waiting[place]
                if question is not None:
                    self._asking[question] = episode
                return episode
        return None

    def answered(self, episode: int) -> None:
        """The episode has its answer, or is over without one."""
        question = self._questions.get(episode)
        if question is not None and self._asking.get(question) == episode:
            del self._asking[question]

    def put_back(self, episode: int) -> None:
        """Try an episode again after all others: what broke one process must not break more."""
        self.answered(episode)
        self._waiting.append(episode)
