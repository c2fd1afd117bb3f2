"""Diagnoses all subtasks of an episode, and episodes one after the other."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pipeline.diagnosis import sentences
from pipeline.diagnosis.codes import CODES, DATA, RUN, code_at, suspect_of
from pipeline.diagnosis.diagnosis import Diagnosis, How, Outcome
from pipeline.diagnosis.known import (
    Known,
    KnownEpisode,
    known_from_person,
    known_from_truth,
    known_from_verdicts,
    of_the_dataset,
)
from pipeline.diagnosis.substitution import Substitution
from pipeline.diagnosis.trials import Attempt, Trials, owners
from pipeline.diagnosis.truths import PHASES, SUBTASKS, Truths
from pipeline.engine.cache import ResultCache
from pipeline.engine.graph import Graph, StageFailed
from pipeline.evaluation.ground_truth import TrueSubtask
from pipeline.evaluation.matching import is_match
from pipeline.model.candidate import Box
from pipeline.model.demonstration import DatasetSource
from pipeline.model.edits import AddBox, ChooseCandidate, Edit, FixBox
from pipeline.model.phases import PhaseName, PhasesResult
from pipeline.model.problem import Cancelled, DataError
from pipeline.model.score import box_iou
from pipeline.model.subtask import Subtask
from pipeline.model.verdict import HumanVerdict

log = logging.getLogger(__name__)

Report = Callable[[float, str], None]
_SAME = 0.5
"""Least IoU of a box that a person judged with the winner's, to be about it."""


@dataclass(frozen=True)
class Knowledge:
    """What is known about a dataset. Ground truth counts where it knows an episode, else people.

    Attributes:
        truth: Ground truth, all episodes.
        edits: People's corrections in force, by episode.
        verdicts: What people said about boxes.
        masks_in: Root of the dataset whose ground truth has masks, None for none.
    """

    truth: tuple[TrueSubtask, ...] = ()
    edits: Mapping[int, tuple[Edit, ...]] = field(default_factory=dict)
    verdicts: tuple[HumanVerdict, ...] = ()
    masks_in: Path | None = None

    def knows(self, episode: int) -> bool:
        """Whether anything is known about an episode."""
        return (
            any(t.episode_index == episode for t in self.truth)
            or any(_answers(e) for e in self.edits.get(episode, ()))
            or any(v.episode == episode for v in self.verdicts)
        )


def _answers(edit: Edit) -> bool:
    return isinstance(edit, ChooseCandidate | AddBox | FixBox)


@dataclass(frozen=True)
class Setting:
    """What all episodes of a diagnosis share.

    Attributes:
        source: The dataset.
        graph: Stages.
        options: Stage name -> options instance, as the annotations were made; defaults where
            missing.
        cache: Where results are kept, None for nowhere.
        knowledge: What is known.
    """

    source: DatasetSource
    graph: Graph
    options: Mapping[str, Any]
    cache: ResultCache | None
    knowledge: Knowledge


def diagnose_episodes(
    setting: Setting,
    episodes: Sequence[int],
    report: Report = lambda share, what: None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> Iterator[tuple[int, tuple[Diagnosis, ...]]]:
    """Diagnose episodes one after the other; one that fails never stops the rest.

    Args:
        setting: What they share.
        episodes: Episode indices.
        report: Called with a share 0..1 of all episodes and a phrase.
        is_cancelled: Asked often.

    Yields:
        Episode index and a diagnosis per subtask.

    Raises:
        Cancelled: What was yielded before is complete.
    """
    for done, episode in enumerate(episodes):
        if is_cancelled():
            raise Cancelled

        def tell(share: float, what: str, done: int = done, episode: int = episode) -> None:
            report((done + share) / len(episodes), f"episode {episode}: {what}")

        tell(0.0, "opening")
        yield episode, diagnose_episode(setting, episode, tell, is_cancelled)
    report(1.0, f"{len(episodes)} episodes")


def diagnose_episode(
    setting: Setting,
    episode: int,
    report: Report = lambda share, what: None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> tuple[Diagnosis, ...]:
    """Diagnose all subtasks of an episode, found and missed ones.

    What people corrected is not part of what is diagnosed: the question is where the pipeline
    went wrong by itself.

    Args:
        setting: Dataset, options and knowledge.
        episode: Episode index.
        report: Called with a share 0..1 and a phrase.
        is_cancelled: Asked often.

    Returns:
        A diagnosis per found subtask, then one per true subtask that was missed; a single one if
        the episode failed.

    Raises:
        Cancelled: `is_cancelled` said so.
    """
    name = setting.source.info.name
    try:
        work = _Work(setting, episode, report, is_cancelled)
        return tuple(replace(d, dataset=name) for d in work.diagnoses())
    except Cancelled:
        raise
    except DataError as error:
        stage = CODES[error.code].stage if error.code in CODES else DATA
        return (_failed(episode, stage if stage != RUN else DATA, error.code, str(error), name),)
    except StageFailed as error:
        return (_failed(episode, error.node[0], error.code, str(error), name),)
    except Exception as error:
        # A defect of ours on one episode must not cost the others.
        log.exception("diagnosis of episode %d failed", episode)
        text = f"internal error: {type(error).__name__}: {error}"
        return (_failed(episode, RUN, "internal", text, name),)


def _failed(episode: int, stage: str, code: str, text: str, dataset: str) -> Diagnosis:
    sentence = sentences.of_fault(stage, f"failed: {text.rstrip('.')}", (), suspected=False)
    return Diagnosis(
        episode, -1, Outcome.WRONG, stage, How.FAILURE, (), sentence, code=code, dataset=dataset
    )


class _Work:
    """One episode."""

    def __init__(
        self,
        setting: Setting,
        episode: int,
        report: Report,
        is_cancelled: Callable[[], bool],
    ) -> None:
        self._episode = episode
        self._report = report
        self._share = 0.0
        demonstration = setting.source.open(episode)
        self._trials = Trials(
            setting.source,
            demonstration,
            setting.graph,
            setting.graph.default_options() | dict(setting.options),
            setting.cache,
            lambda what: report(self._share, what),
            is_cancelled,
        )
        edits = setting.knowledge.edits.get(episode, ())
        self._base = of_the_dataset(edits)
        self._known = self._knowledge(setting.knowledge, edits)

    def _knowledge(self, knowledge: Knowledge, edits: tuple[Edit, ...]) -> KnownEpisode:
        """Ground truth if there is any; else what people corrected, then what they said."""
        episode = self._episode
        if any(t.episode_index == episode for t in knowledge.truth):
            return known_from_truth(knowledge.truth, episode, knowledge.masks_in)
        person = KnownEpisode(())
        if any(_answers(e) for e in edits):
            subtasks = self._trials.subtasks(edits)
            person = known_from_person(edits, subtasks, self._chosen(edits, subtasks))
        told = known_from_verdicts(knowledge.verdicts, episode)
        corrected = {k.number for k in person.subtasks}
        more = tuple(k for k in told if k.number not in corrected)
        return replace(person, subtasks=person.subtasks + more)

    def _chosen(self, edits: tuple[Edit, ...], subtasks: Sequence[Subtask]) -> dict[int, Box]:
        """Boxes of the winners that a person chose, as they are stored."""
        return {
            e.subtask: e.box
            for e in edits
            if isinstance(e, ChooseCandidate) and 0 <= e.subtask < len(subtasks)
        }

    def diagnoses(self) -> Iterator[Diagnosis]:
        """Found subtasks by number, then missed ones."""
        subtasks = self._trials.subtasks(self._base)
        known = self._known.subtasks
        pairs = owners(subtasks, known)
        of_found = {index: number for number, index in pairs.items()}
        by_number = {k.number: k for k in known}
        for task in subtasks:
            self._share = task.index / max(len(subtasks), 1)
            try:
                attempt = self._trials.numbered(self._base, task.index)
            except StageFailed as error:
                failed = _failed(self._episode, error.node[0], error.code, str(error), "")
                yield replace(failed, subtask=task.index, task=task.action.value)
                continue
            true = by_number.get(of_found.get(task.index, -1))
            found = self._extra(attempt) if true is None else self._one(attempt, true)
            yield replace(found, task=task.action.value, box=attempt.box)
        for one in known:
            if one.number not in pairs:
                yield self._missed(one)

    def _one(self, attempt: Attempt, known: Known) -> Diagnosis:
        if known.box is None:
            return self._judged_wrong(attempt, known)
        if known.camera and known.camera != attempt.proposals.camera:
            text = f"the truth is of camera {known.camera}, the boxes of {attempt.proposals.camera}"
            return self._unknown(attempt, known.number, text)
        if attempt.is_right(known):
            return Diagnosis(
                self._episode, attempt.subtask, Outcome.RIGHT, None, None, (), "Right.",
                number=known.number,
            )  # fmt: skip
        work = Substitution(self._trials, attempt, Truths(known, self._known))
        fault = work.fault()
        suspected = fault.how is How.CODES
        return Diagnosis(
            self._episode,
            attempt.subtask,
            Outcome.WRONG,
            fault.stage,
            fault.how,
            tuple(work.steps),
            sentences.of_fault(fault.stage, fault.reason, fault.together, suspected=suspected),
            together=fault.together,
            code=code_at(fault.stage, attempt.codes),
            number=known.number,
        )

    def _judged_wrong(self, attempt: Attempt, known: Known) -> Diagnosis:
        """A person said that a box is wrong, but not which one is right."""
        same = (
            known.wrong is not None
            and attempt.box is not None
            and box_iou(known.wrong, attempt.box) >= _SAME
        )
        found = self._unknown(attempt, known.number, "a person said that it is wrong")
        return replace(found, outcome=Outcome.WRONG) if same else found

    def _unknown(self, attempt: Attempt, number: int, why: str = "") -> Diagnosis:
        """Only codes can be read."""
        suspect = suspect_of(attempt.codes)
        stage, code = (suspect.stage, suspect.code) if suspect else (None, "")
        parts = [f"{sentences.title_of(stage)} (suspected): {CODES[code].meaning}" if stage else ""]
        parts.append(why or ("" if stage else "No code is grave, and nobody knows the truth"))
        sentence = "; ".join(p for p in parts if p)
        return Diagnosis(
            self._episode,
            attempt.subtask,
            Outcome.UNKNOWN,
            stage,
            How.CODES if stage else None,
            (),
            f"{sentence[:1].upper()}{sentence[1:]}.",
            code=code,
            number=number,
        )

    def _extra(self, attempt: Attempt) -> Diagnosis:
        """A subtask that stands for no true one, or about which nobody knows anything."""
        if not self._known.complete:
            return self._unknown(attempt, -1)
        box = attempt.box
        boxes = [k.box for k in self._known.subtasks if k.box is not None]
        if any(is_match(box, b) for b in boxes):
            text = "The object is right, but another subtask stands for this grasp, too."
            return Diagnosis(self._episode, attempt.subtask, Outcome.RIGHT, None, None, (), text)
        cycles = _interactions(attempt.phases)
        stage = PHASES if cycles > len(self._known.subtasks) else SUBTASKS
        reason = (
            f"there are {len(self._known.subtasks)} true subtasks and this is one more "
            f"({cycles} interactions were found)"
        )
        return Diagnosis(
            self._episode,
            attempt.subtask,
            Outcome.WRONG,
            stage,
            How.RECALL,
            (),
            sentences.of_fault(stage, reason, (), suspected=False),
            code=code_at(stage, attempt.codes),
        )

    def _missed(self, known: Known) -> Diagnosis:
        """A true subtask without a found one."""
        outcomes = self._trials.run(self._base)
        attempt = Attempt(
            self._base, -1, outcomes, self._trials.demonstration, self._trials.options
        )
        held = [p for p in attempt.phases.merged if p.name is PhaseName.INTERACT]
        touched = any(p.start < b and p.end > a for p in held for a, b in known.contact)
        stage = SUBTASKS if touched else PHASES
        what = known.object_name or f"true subtask {known.number + 1}"
        reason = f"the subtask of the {what} was not found"
        reason += ", although an interaction overlaps its contact" if touched else ""
        return Diagnosis(
            self._episode,
            -1,
            Outcome.WRONG,
            stage,
            How.RECALL,
            (),
            sentences.of_fault(stage, reason, (), suspected=False),
            code=code_at(stage, attempt.codes),
            number=known.number,
        )


def _interactions(phases: PhasesResult) -> int:
    return sum(p.name is PhaseName.INTERACT for p in phases.merged)
