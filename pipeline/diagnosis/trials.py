"""Runs one episode again with other inputs, up to the scores; what was computed once is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.annotate import problems_of
from pipeline.diagnosis.cues import ScoredClip
from pipeline.diagnosis.known import Known
from pipeline.engine.cache import ResultCache, ResultMemory, StageOutcome
from pipeline.engine.graph import Graph, NodeId, Plan, Run, SilentObserver
from pipeline.evaluation.matching import is_match
from pipeline.model.candidate import Box, MasksResult, ProposalsResult, TracksResult
from pipeline.model.demonstration import DatasetSource, Demonstration
from pipeline.model.edits import Edit
from pipeline.model.geometry import LiftingResult, RobotResult
from pipeline.model.phases import PhasesResult
from pipeline.model.score import ScoresResult
from pipeline.model.subtask import Subtask, SubtasksResult
from pipeline.scoring.measurement import Clip

_LAST = "scores"
"""Later stages do not choose the object; captions may even cost money."""
_KEPT = 16
"""Results kept as objects: those of the run before, with which most of the next is shared."""


@dataclass(frozen=True)
class Attempt:
    """One run of one subtask.

    Attributes:
        edits: What was put in.
        subtask: The subtask as this run numbers it, -1 if there is no such subtask in it.
        outcomes: By stage name, up to the scores.
        demonstration: The episode.
        options: Stage name -> options instance.
    """

    edits: tuple[Edit, ...]
    subtask: int
    outcomes: Mapping[str, StageOutcome]
    demonstration: Demonstration
    options: Mapping[str, Any]

    def of(self, kind: type[Any]) -> Any:
        """Result of this type; LookupError if there is none."""
        for outcome in self.outcomes.values():
            if isinstance(outcome.result, kind):
                return outcome.result
        raise LookupError(f"no result of type {kind.__name__}")

    @property
    def phases(self) -> PhasesResult:
        """Result of the phases stage."""
        found: PhasesResult = self.of(PhasesResult)
        return found

    @property
    def proposals(self) -> ProposalsResult:
        """Result of the proposals stage."""
        found: ProposalsResult = self.of(ProposalsResult)
        return found

    @property
    def masks(self) -> MasksResult:
        """Result of the masks stage."""
        found: MasksResult = self.of(MasksResult)
        return found

    @property
    def task(self) -> Subtask:
        """The subtask."""
        found: SubtasksResult = self.of(SubtasksResult)
        return found.subtasks[self.subtask]

    @property
    def scored(self) -> ScoredClip:
        """The clip with its scores."""
        scores: ScoresResult = self.of(ScoresResult)
        clip = Clip(
            subtask=self.task,
            proposals=self.proposals,
            tracks=self.of(TracksResult),
            lifting=self.of(LiftingResult),
            robot=self.of(RobotResult),
            fps=self.demonstration.fps,
        )
        return ScoredClip(clip, self.masks.height, self.masks.width, self.options[_LAST], scores)

    @property
    def winner(self) -> int:
        """Candidate with the best R, -1 if there is none."""
        return self.scored.winner if self.subtask >= 0 else -1

    @property
    def box(self) -> Box | None:
        """Its box."""
        return self.scored.box(self.winner) if self.subtask >= 0 else None

    @property
    def codes(self) -> tuple[str, ...]:
        """Codes of the recording and of all stages that ran."""
        found = dict.fromkeys(p.code for p in self.demonstration.problems)
        for outcome in self.outcomes.values():
            found |= dict.fromkeys(p.code for p in problems_of(outcome))
        return tuple(found)

    def is_right(self, known: Known, candidate: int | None = None) -> bool:
        """Whether the winner (or another candidate) is the object (SPARC table 5)."""
        box = self.box if candidate is None else self.scored.box(candidate)
        return known.box is not None and is_match(box, known.box)


class _Watcher(SilentObserver):
    """Passes progress on."""

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report

    def progressed(self, node: NodeId, share: float, what: str) -> None:
        self._report(f"{node[0]} {share:.0%}")


@dataclass
class Trials:
    """One episode, run as often as wanted.

    Attributes:
        source: The dataset.
        demonstration: The episode.
        graph: Stages.
        options: Stage name -> options instance, one for every stage.
        cache: Where results are kept, None for nowhere.
        report: Told what is being computed.
        is_cancelled: Asked often.
    """

    source: DatasetSource
    demonstration: Demonstration
    graph: Graph
    options: dict[str, Any]
    cache: ResultCache | None
    report: Callable[[str], None]
    is_cancelled: Callable[[], bool]
    _memory: ResultMemory = field(default_factory=lambda: ResultMemory(_KEPT))

    def run(self, edits: tuple[Edit, ...], subtask: int | None = None) -> dict[str, StageOutcome]:
        """Stages of the episode, and of one subtask if one is named.

        Raises:
            StageFailed: A stage failed.
            Cancelled: `is_cancelled` said so.
        """
        run = Run(
            self.graph,
            Plan(self.demonstration, self.options, edits),
            self.cache,
            lambda: self.source.reader(self.demonstration),
            _Watcher(self.report),
            self.is_cancelled,
            self._memory,
        )
        last = "subtasks" if subtask is None else _LAST
        return {o.stage: o for o in run.episode(last, subtask)}

    def subtasks(self, edits: tuple[Edit, ...]) -> tuple[Subtask, ...]:
        """The subtasks that come out of these edits. Raises as `run` does."""
        result: SubtasksResult = self.run(edits)["subtasks"].result
        return result.subtasks

    def attempt(
        self, edits: tuple[Edit, ...], known: Known, everything: Sequence[Known]
    ) -> Attempt:
        """Run the subtask that stands for a true one. Raises as `run` does.

        Args:
            edits: What to put in.
            known: The true subtask.
            everything: All true subtasks of the episode.
        """
        subtask = owners(self.subtasks(edits), everything).get(known.number, -1)
        return self.numbered(edits, subtask)

    def numbered(self, edits: tuple[Edit, ...], subtask: int) -> Attempt:
        """Run a subtask by its number; -1 runs none. Raises as `run` does."""
        outcomes = self.run(edits, subtask if subtask >= 0 else None)
        return Attempt(edits, subtask, outcomes, self.demonstration, self.options)


def owners(subtasks: Sequence[Subtask], known: Sequence[Known]) -> dict[int, int]:
    """The found subtask that stands for each true one, each at most once.

    Pairs of the same arm (where both are known to be left or right), most frames of contact
    inside the clip first. A true subtask without contact is there at its keyframe at least, so
    a single one always has a partner.

    Args:
        subtasks: Found.
        known: True; those that name their subtask get it.

    Returns:
        Number of the true subtask -> index of the found one; missed ones are left out.
    """
    pairs: dict[int, int] = {k.number: k.subtask for k in known if 0 <= k.subtask < len(subtasks)}
    ranked = sorted(
        (
            (-_shared(k, task), abs(k.number - task.index), k.number, task.index)
            for k in known
            if k.number not in pairs
            for task in subtasks
            if _may_be(k, task)
        ),
    )
    for _, _, number, index in ranked:
        if number not in pairs and index not in pairs.values():
            pairs[number] = index
    return pairs


def _may_be(known: Known, task: Subtask) -> bool:
    sides = ("left", "right")
    if known.arm in sides and task.arm in sides and known.arm != task.arm:
        return False
    return not known.contact or _shared(known, task) > 0


def _shared(known: Known, task: Subtask) -> int:
    """Frames of contact inside the clip."""
    return sum(max(0, min(task.end, b) - max(task.start, a)) for a, b in known.contact)
