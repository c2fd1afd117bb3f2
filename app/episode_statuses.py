"""What stages, people and the examination say about episodes, kept apart and shown together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pipeline.model.problem import Problem
from widgets.episode_rows import NO_STATUS, EpisodeStatus
from widgets.episode_table import EpisodeTable


class EpisodeStatuses:
    """Statuses of the open dataset's episodes; each of the three sources changes its own part."""

    def __init__(self, table: EpisodeTable) -> None:
        """Start empty.

        Args:
            table: Shows them.
        """
        self._table = table
        self._known: dict[int, EpisodeStatus] = {}
        self._health: dict[int, tuple[Problem, ...]] = {}

    def reset(self) -> None:
        """Forget all: another dataset is on show, and the table has forgotten, too."""
        self._known.clear()
        self._health.clear()

    def set_results(self, episode: int, score: float | None, problems: tuple[Problem, ...]) -> None:
        """Take over what the stages found."""
        self._set(episode, replace(self._of(episode), score=score, problems=problems))

    def set_review(self, episode: int, verdict: str | None) -> None:
        """Take over what people said."""
        self._set(episode, replace(self._of(episode), reviewed=verdict))

    def set_health(self, found: Mapping[int, tuple[Problem, ...]]) -> None:
        """Take over what the examination found, by episode; nothing takes it back."""
        self._health.update(found)
        self._table.set_findings(found)

    def health(self, episode: int) -> tuple[Problem, ...]:
        """What the examination found about an episode."""
        return self._health.get(episode, ())

    def _of(self, episode: int) -> EpisodeStatus:
        return self._known.get(episode, NO_STATUS)

    def _set(self, episode: int, status: EpisodeStatus) -> None:
        if status != self._of(episode):
            self._known[episode] = status
            self._table.set_status(episode, status)
