"""Shows the health of the open dataset in the episode table and in the status bar."""

from __future__ import annotations

import time
from collections import Counter
from itertools import islice

from PySide6.QtCore import QObject, QTimer, Signal

from app.episode_statuses import EpisodeStatuses
from app.health_scan import HealthNews
from app.status_line import StatusLine
from pipeline.model.problem import Problem, Severity

_SLICE = 0.004
"""Seconds of the GUI thread that are taken at a time."""
_LEAST, _MOST = 16, 1024
"""Episodes that are taken over at a time."""
_NAMES = {Severity.ERROR: ("error", "errors"), Severity.WARNING: ("warning", "warnings")}


class HealthView(QObject):
    """Takes over results a few milliseconds at a time, however many come at once.

    Signals:
        changed: Episodes whose findings are new, a frozenset; empty for those of the dataset.
    """

    changed = Signal(object)

    def __init__(self, statuses: EpisodeStatuses, line: StatusLine, parent: QObject) -> None:
        super().__init__(parent)
        self._statuses = statuses
        self._line = line
        self._waiting: dict[int, tuple[Problem, ...]] = {}
        self._chunk = _LEAST
        self._gravest: Counter[Severity] = Counter()
        self._by_episode: dict[int, Severity] = {}
        self._news = HealthNews(0, 0)
        self.of_dataset: tuple[Problem, ...] = ()
        self._turn = QTimer(self)
        self._turn.timeout.connect(self._take_some)

    @property
    def settled(self) -> bool:
        """True if all results that came are on show."""
        return not self._waiting

    def reset(self) -> None:
        """Forget the dataset."""
        self._turn.stop()
        self._waiting.clear()
        self._gravest.clear()
        self._by_episode.clear()
        self.of_dataset = ()
        self._line.show_health("", "")

    def show(self, news: HealthNews) -> None:
        """Take over a batch."""
        self._waiting.update(news.problems)
        self._news = news
        if self._waiting and not self._turn.isActive():
            self._turn.start(0)
        if news.of_dataset != self.of_dataset:
            self.of_dataset = news.of_dataset
            self.changed.emit(frozenset())
        self._say()

    def findings(self, episode: int) -> tuple[Problem, ...]:
        """What the examination says about an episode and about the dataset."""
        own = self._waiting.get(episode, self._statuses.health(episode))
        return (*own, *self.of_dataset)

    def _count(self, episode: int, problems: tuple[Problem, ...]) -> None:
        before = self._by_episode.pop(episode, None)
        if before is not None:
            self._gravest[before] -= 1
        if problems:
            self._by_episode[episode] = problems[0].severity
            self._gravest[problems[0].severity] += 1

    def _take_some(self) -> None:
        began = time.perf_counter()
        some = dict(islice(self._waiting.items(), self._chunk))
        for episode, problems in some.items():
            del self._waiting[episode]
            self._count(episode, problems)
        self._statuses.set_health(some)
        self.changed.emit(frozenset(some))
        # As many at a time as fit into a slice: a table that sorts takes longer.
        too_long = time.perf_counter() - began > _SLICE
        self._chunk = max(_LEAST, self._chunk // 2) if too_long else min(_MOST, self._chunk * 2)
        if not self._waiting:
            self._turn.stop()
            self._say()

    def _say(self) -> None:
        """Show in the status bar how far it is, and what was found once all is on show."""
        news = self._news
        tips = [
            "Examination of the dataset in the background: episodes examined of those on disk, "
            "then episodes whose gravest finding is an error or a warning. The filter line finds "
            "them by reason:code."
        ]
        tips += [f"{p.code}: {p.message}" for p in self.of_dataset]
        if news.failure:
            self._line.show_health("health stopped", "\n".join((news.failure, *tips)))
            return
        if not news.ended or self._waiting:
            text = f"health {news.done:,}/{news.total:,}"
            self._line.show_health(text, "\n".join(tips))
            return
        counts = [
            f"{self._gravest[severity]:,} {names[self._gravest[severity] != 1]}"
            for severity, names in _NAMES.items()
            if self._gravest[severity]
        ]
        self._line.show_health(f"health {', '.join(counts) or 'ok'}", "\n".join(tips))
