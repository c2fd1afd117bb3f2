"""The health of a dataset: what is odd about its episodes beside each other."""

from __future__ import annotations

from collections import Counter

import numpy as np

from pipeline.health.codes import finding
from pipeline.health.gripper import direction_problems
from pipeline.health.options import HealthOptions
from pipeline.health.values import (
    EpisodeHealth,
    Exactness,
    GripperRange,
    gravest_first,
)
from pipeline.model.arrays import F64
from pipeline.model.demonstration import ClosedIs, DatasetInfo
from pipeline.model.problem import Problem


class DatasetHealth:
    """Collects the health of episodes, and compares them with each other.

    Attributes:
        problems: Findings about the dataset as a whole.
    """

    def __init__(self, info: DatasetInfo, options: HealthOptions | None = None) -> None:
        """Start empty.

        Args:
            info: The dataset.
            options: Thresholds; defaults if None.
        """
        self._options = options or HealthOptions()
        self._fps = info.fps
        self._directions = {g.arm: g.closed_is for g in info.grippers if g.origin == "guessed"}
        self._doubts = direction_problems(info.grippers)
        self._own: dict[int, tuple[Problem, ...]] = {}
        self._compared: dict[int, tuple[Problem, ...]] = {}
        self._frames: dict[int, int] = {}
        self._grippers: dict[int, tuple[GripperRange, ...]] = {}
        self._first_with: dict[str, int] = {}
        self._same_as: dict[int, int] = {}
        self._exactness: Counter[str] = Counter()

    @property
    def examined(self) -> int:
        """Number of episodes."""
        return len(self._own)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Findings about the dataset as a whole."""
        doubts = [p for arm, p in self._doubts.items() if self._shown_direction(arm, 1) is None]
        against = [
            finding(
                "gripper_direction_contradicts",
                f"{arm} gripper: {taken.value} is taken as closed, most episodes that show it "
                "behave as if the other end were",
            )
            for arm, taken in self._directions.items()
            if (shown := self._shown_direction(arm)) is not None and shown is not taken
        ]
        return (*doubts, *against)

    @property
    def exactness(self) -> dict[str, int]:
        """Episodes by the timing badge of their worst camera."""
        return {e.value: self._exactness[e.value] for e in Exactness if self._exactness[e.value]}

    def problems_of(self, episode: int) -> tuple[Problem, ...]:
        """Findings about an episode, alone and compared; empty if it was not examined."""
        return gravest_first((*self._own.get(episode, ()), *self._compared.get(episode, ())))

    def counts(self) -> dict[str, int]:
        """Episodes by code of a finding, the most frequent first."""
        counted: Counter[str] = Counter()
        for episode in self._own:
            counted.update({p.code for p in self.problems_of(episode)})
        return dict(counted.most_common())

    def add(self, health: EpisodeHealth) -> None:
        """Take over an episode; call `compare` when a few have come."""
        episode = health.episode
        self._own[episode] = health.problems
        timing = health.timing
        self._exactness[(timing.exactness if timing else Exactness.UNKNOWN).value] += 1
        if health.frames:
            self._frames[episode] = health.frames
        if health.grippers:
            self._grippers[episode] = health.grippers
        if health.content:
            first = self._first_with.setdefault(health.content, episode)
            if first != episode:
                self._same_as[episode] = first
                self._same_as.setdefault(first, episode)

    def compare(self) -> frozenset[int]:
        """Compare all episodes known by now.

        Returns:
            Episodes whose findings differ from what the last call left.
        """
        found: dict[int, list[Problem]] = {}
        for episode, other in self._same_as.items():
            text = f"state and action are those of episode {other}, value for value"
            found.setdefault(episode, []).append(finding("duplicate_episode", text))
        self._compare_lengths(found)
        self._compare_grippers(found)
        self._compare_directions(found)
        before, self._compared = self._compared, {e: tuple(p) for e, p in found.items()}
        touched = before.keys() | self._compared.keys()
        return frozenset(e for e in touched if before.get(e) != self._compared.get(e))

    def _compare_lengths(self, found: dict[int, list[Problem]]) -> None:
        if len(self._frames) < self._options.peers:
            return
        episodes = np.fromiter(self._frames.keys(), np.int64, len(self._frames))
        frames = np.fromiter(self._frames.values(), np.float64, len(self._frames))
        logs = np.log(frames)
        middle = float(np.median(logs))
        spread = max(float(np.median(np.abs(logs - middle))), 1e-9)
        z = 0.6745 * (logs - middle) / spread
        ratio = np.log(self._options.length_ratio)
        odd = (np.abs(z) > self._options.length_z) & (np.abs(logs - middle) > ratio)
        usual = np.exp(middle)
        for episode, own in zip(episodes[odd], frames[odd], strict=True):
            code = "very_short" if own < usual else "very_long"
            if any(p.code == code for p in self._own[int(episode)]):
                continue
            text = (
                f"{own / self._fps:.1f} s; the median of the dataset is {usual / self._fps:.1f} s"
            )
            found.setdefault(int(episode), []).append(finding(code, text))

    def _compare_grippers(self, found: dict[int, list[Problem]]) -> None:
        """Episodes none of whose grippers closes as far as it usually does."""
        closings: dict[int, list[float]] = {}
        for arm in {g.arm for ranges in self._grippers.values() for g in ranges}:
            for episode, share in self._closings(arm):
                closings.setdefault(episode, []).append(share)
        never = {e: max(s) for e, s in closings.items() if max(s) < self._options.closing_share}
        if len(never) > self._options.exception_share * len(closings):
            return  # Tasks without a grasp are usual here.
        for episode, share in never.items():
            text = f"the gripper closes by {max(0.0, share):.0%} of its usual way"
            found.setdefault(episode, []).append(finding("gripper_never_closes", text))

    def _closings(self, arm: str) -> list[tuple[int, float]]:
        """Share of the usual way from open to closed that each episode's gripper reaches."""
        entries = [(e, g) for e, gs in self._grippers.items() for g in gs if g.arm == arm and g.low]
        width = {len(g.low) for _, g in entries}
        if len(entries) < self._options.peers or len(width) != 1:
            return []
        low: F64 = np.array([g.low for _, g in entries])
        high: F64 = np.array([g.high for _, g in entries])
        closed_low = np.array([g.closed_is is ClosedIs.LOW for _, g in entries])[:, None]
        closed, opened = np.where(closed_low, low, high), np.where(closed_low, high, low)
        # The usual ends are medians: an arm that rests in most episodes has no usual way.
        usual_closed, usual_open = np.median(closed, axis=0), np.median(opened, axis=0)
        way = usual_closed - usual_open
        extent = np.maximum(np.ptp(np.concatenate((low, high)), axis=0), 1e-12)
        moving = np.abs(way) > 0.1 * extent
        if not moving.any():
            return []
        shares = ((closed - usual_open)[:, moving] / way[moving]).mean(axis=1)
        return [(e, float(s)) for (e, _), s in zip(entries, shares, strict=True)]

    def _shown_direction(self, arm: str, least: int = 2) -> ClosedIs | None:
        """The closed end that most episodes with evidence show, None if too few or divided."""
        shown = Counter(
            g.evidence for gs in self._grippers.values() for g in gs if g.arm == arm and g.evidence
        )
        total = shown.total()
        if total < least:
            return None
        side, count = shown.most_common(1)[0]
        return side if count > 0.7 * total else None

    def _compare_directions(self, found: dict[int, list[Problem]]) -> None:
        """Episodes that show another closed end than most others do."""
        for arm in self._directions:
            usual = self._shown_direction(arm)
            if usual is None:
                continue
            for episode, ranges in self._grippers.items():
                for entry in ranges:
                    if entry.arm == arm and entry.evidence not in (None, usual):
                        text = (
                            f"{arm} gripper: here {entry.evidence} looks closed, {usual} in most "
                            "other episodes"
                        )
                        item = finding("gripper_direction_contradicts", text)
                        found.setdefault(episode, []).append(item)
