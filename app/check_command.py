"""`demoscope check`: examine a dataset and fail if something is wrong, for people and CI."""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.arguments import named_episode, parse_episodes, split_path
from app.dataset_report import health_dict
from app.settings import paths
from app.terminal import progress, say
from pipeline.health.codes import HEALTH_CODES
from pipeline.health.dataset import DatasetHealth
from pipeline.health.options import HealthOptions
from pipeline.health.scan import HealthScan, ScanSettings
from pipeline.health.values import EpisodeHealth, gravest_first, plain
from pipeline.model.demonstration import DatasetInfo, EpisodeInfo
from pipeline.model.problem import DataError, Problem, Severity
from pipeline.sources.detect import open_dataset
from pipeline.sources.hub.dataset import local_place

_MOST_JOBS = 4
_SECONDS, _DEEP_SECONDS = 30.0, 120.0
"""Time for one episode; nobody waits at a window, and disks of clusters are slow."""
_NOT_DOWNLOADED = frozenset({"missing_data", "missing_video", "lfs_pointer"})
_ORDER = list(Severity)


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What a check found.

    Attributes:
        info: The dataset.
        episodes: Those that were asked for and are at least partly on disk.
        health: Examinations by episode index.
        together: The examined episodes compared with each other.
        fail_on: Level that fails, None for never.
    """

    info: DatasetInfo
    episodes: Sequence[EpisodeInfo]
    health: dict[int, EpisodeHealth]
    together: DatasetHealth
    fail_on: Severity | None

    def findings(self, episode: EpisodeInfo) -> tuple[Problem, ...]:
        """All findings about an episode, the gravest first."""
        return gravest_first((*episode.problems, *self.together.problems_of(episode.index)))

    @property
    def of_dataset(self) -> tuple[Problem, ...]:
        """Findings about the dataset as a whole, the gravest first."""
        return gravest_first((*self.info.problems, *self.together.problems))

    @property
    def failed(self) -> bool:
        """True if something at least as grave as `fail_on` was found."""
        if self.fail_on is None:
            return False
        level = _ORDER.index(self.fail_on)
        return any(_ORDER.index(p.severity) >= level for p in self._all())

    def _all(self) -> list[Problem]:
        return [*self.of_dataset, *(p for e in self.episodes for p in self.findings(e))]

    def summary(self) -> list[tuple[str, Severity, int]]:
        """Code, severity and number of findings, the gravest first."""
        counted = Counter((p.code, p.severity) for p in self._all())
        rows = [(code, severity, n) for (code, severity), n in counted.items()]
        return sorted(rows, key=lambda r: (-_ORDER.index(r[1]), -r[2], r[0]))

    def as_dict(self) -> dict[str, Any]:
        """Make the JSON object of `check --json`; the shape is part of our interface."""
        return {
            "dataset": self.info.path,
            "format": self.info.format,
            "version": self.info.version,
            "examined": self.together.examined,
            "fail_on": "never" if self.fail_on is None else self.fail_on.value,
            "failed": self.failed,
            "summary": [
                {"code": c, "severity": s.value, "findings": n} for c, s, n in self.summary()
            ],
            "timing": self.together.exactness,
            "problems": [plain(p) for p in self.of_dataset],
            "episodes": [
                {"index": e.index, "name": e.name, "problems": [plain(p) for p in self.findings(e)]}
                | {"health": health_dict(self.health[e.index]) if e.index in self.health else None}
                for e in self.episodes
            ],
        }

    def lines(self) -> list[str]:
        """Make the text for people."""
        info = self.info
        lines = [f"{info.path}  ({info.format} {info.version})".rstrip()]
        lines += [_line(p) for p in self.of_dataset]
        found = 0
        for episode in self.episodes:
            problems = self.findings(episode)
            found += bool(problems)
            if problems:
                name = f"  {episode.name}" if episode.name else ""
                lines += ["", f"episode {episode.index}{name}  {episode.instruction}".rstrip()]
                lines += [_line(p) for p in problems]
        timing = ", ".join(f"{name} {n}" for name, n in self.together.exactness.items())
        lines += ["", f"{self.together.examined} episodes examined, {found} with findings"]
        if timing:
            lines.append(f"pictures against the table: {timing} (episodes)")
        for code, severity, count in self.summary():
            known = HEALTH_CODES.get(code)
            meaning = f"  {known.meaning}" if known else ""
            lines.append(f"  {count:6}  {severity.value:7}  {code}{meaning}")
        return lines


def _line(problem: Problem) -> str:
    frame = "" if problem.frame is None else f" [frame {problem.frame}]"
    return f"  {problem.severity.value:7}  {problem.code}: {problem.message}{frame}"


def check_dataset(options: argparse.Namespace) -> int:
    """Run the command.

    Returns:
        1 if something at least as grave as `--fail-on` was found, else 0.

    Raises:
        DataError: The dataset cannot be opened.
        ValueError: `--episodes` names none of its episodes.
    """
    place, episode = split_path(options.dataset)
    place = local_place(place, progress)
    info = open_dataset(place).info
    episode = named_episode(place) if episode is None else episode
    wanted: list[int] | None = None
    if options.episodes:
        wanted = parse_episodes(options.episodes, [e.index for e in info.episodes])
    elif episode is not None:
        wanted = [episode]
    chosen = frozenset(wanted) if wanted is not None else None
    episodes = [e for e in info.episodes if (_here(e) if chosen is None else e.index in chosen)]
    if chosen is not None and not episodes:
        raise DataError("no_such_episode", f"{info.name} has no episode {min(chosen)}")
    settings = ScanSettings(
        options=HealthOptions(deep=options.deep),
        jobs=min(options.jobs or min(os.cpu_count() or 1, _MOST_JOBS), max(1, len(episodes))),
        timeout=_DEEP_SECONDS if options.deep else _SECONDS,
        episodes=None if wanted is None else tuple(wanted),
        cache=None if options.no_cache else paths().cache / "health",
    )
    report = _examine(info, episodes, settings, _level(options.fail_on))
    if options.json:
        say(json.dumps(report.as_dict(), indent=2, ensure_ascii=False))
    else:
        say("\n".join(report.lines()))
    return 1 if report.failed else 0


def _examine(
    info: DatasetInfo,
    episodes: Sequence[EpisodeInfo],
    settings: ScanSettings,
    fail_on: Severity | None,
) -> CheckReport:
    together = DatasetHealth(info, settings.options)
    health: dict[int, EpisodeHealth] = {}
    if any(e.present for e in episodes):
        scan = HealthScan(info.path, settings)
        try:
            for step in scan.run():
                for entry in step.episodes:
                    together.add(entry)
                    health[entry.episode] = entry
                share = step.done / max(step.total, 1)
                progress(share, f"health {step.done:,}/{step.total:,}")
        finally:
            scan.stop()
            progress(1.0, "")
    together.compare()
    return CheckReport(info, episodes, health, together, fail_on)


def _level(text: str) -> Severity | None:
    return None if text == "never" else Severity("warning" if text == "warn" else text)


def _here(episode: EpisodeInfo) -> bool:
    """False for an episode of which nothing was downloaded: a partial copy is no defect."""
    codes = {p.code for p in episode.problems}
    return episode.present or "missing_data" not in codes or not codes <= _NOT_DOWNLOADED
