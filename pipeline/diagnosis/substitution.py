"""Which stage is at fault: the truth is put in stage by stage until the winner is right.

The rules, in the order in which they decide (`docs/diagnosis.md` says why):

1. A stage that failed is at fault. So is the recording that cannot be opened.
2. A true subtask that was not found: phases, if no interaction overlaps its contact, else subtasks.
3. Alone: one stage's output is replaced by the truth, everything else stays as published. The
   earliest stage whose truth alone makes the winner right is at fault.
4. Recall: no candidate matches the true box, and no truth before the proposals brings one: the
   proposals are at fault whatever comes later.
5. Together: truths are put in one after the other and stay in. The stage at which the winner turns
   right is at fault, together with those before it.
6. The true name where the instruction does not say it: no stage could have known it, the recording
   is at fault.
7. The winner is still wrong: the scores are at fault.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from pipeline.diagnosis import sentences
from pipeline.diagnosis.codes import DATA, suspect_of
from pipeline.diagnosis.cues import (
    Change,
    detector_alone,
    left_out,
    winner_after,
    winner_with_phases,
)
from pipeline.diagnosis.diagnosis import How, Step
from pipeline.diagnosis.trials import Attempt, Trials
from pipeline.diagnosis.true_edits import on_object
from pipeline.diagnosis.truths import EDITED, PHASES, PROPOSALS, SUBTASKS, Cue, Truths
from pipeline.engine.graph import StageFailed
from pipeline.model.edits import AddBox, Edit

SCORES = "scores"


@dataclass(frozen=True, slots=True)
class Fault:
    """What substitution found.

    Attributes:
        stage: Stage at fault.
        how: How it was found.
        together: Stages that had to be right, too.
        reason: Why, a clause.
    """

    stage: str
    how: How
    reason: str
    together: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Turned:
    """Where the winner turned right.

    Attributes:
        stage: Stage whose truth did it.
        before: Stages whose truth was in already.
        reason: Why, a clause.
    """

    stage: str
    before: tuple[str, ...]
    reason: str


@dataclass
class Substitution:
    """Finds the stage at fault for one wrong winner.

    Attributes:
        trials: Runs the episode again.
        base: The run that is diagnosed; its winner is wrong.
        truths: What is true about the subtask.
        steps: What was tried so far.
    """

    trials: Trials
    base: Attempt
    truths: Truths
    steps: list[Step] = field(default_factory=list)
    _tried: dict[str, Attempt] = field(default_factory=dict)
    """Runs with the truth of one stage."""

    def fault(self) -> Fault:
        """Try everything that is known.

        Raises:
            Cancelled: Between or within runs.
        """
        return self._alone() or self._together()

    # -- one stage at a time -----------------------------------------------------------------

    def _alone(self) -> Fault | None:
        fault = self._phases_alone()
        if fault is not None:
            return fault
        for stage in EDITED:
            edits = self.truths.edits(stage, self.base)
            if edits:
                after = self._rerun(stage, self.base.edits + edits, edits)
                if after is None:
                    continue
                if self._is_right(after):
                    reason = f"it is right with {self.truths.what(stage, edits)}"
                    if any(isinstance(e, AddBox) for e in edits):
                        reason = f"{self._recall()}; {reason}"
                    return self._turned(Turned(stage, (), reason))
                if after.subtask >= 0:
                    self._tried[stage] = after
        for cue in self.truths.cues(self.base):
            if self._rescored(cue, [cue.change], self.base):
                return Fault(cue.stage, How.SUBSTITUTION, f"it is right when {cue.what}")
        return None

    def _phases_alone(self) -> Fault | None:
        """The interaction alone: same candidates and tracks."""
        start = time.perf_counter()
        phases = self.truths.interaction(self.base)
        if not phases:
            return None
        winner = winner_with_phases(self.base.scored, phases)
        contact = self.truths.contact
        what = f"the true contact ({contact}) is the interaction, on the same tracks"
        if self._note(PHASES, what, winner, self._is_right(self.base, winner), start):
            return Fault(PHASES, How.SUBSTITUTION, f"it is right when {what}")
        return None

    # -- several stages at once ----------------------------------------------------------------

    def _together(self) -> Fault:
        """Cheap pairs first: what was put in alone, with the cues that need no new tracks."""
        for stage, now in ((None, self.base), *self._tried.items()):
            done = () if stage is None else (stage,)
            turned = self._cues_together(now, done)
            if turned is not None:
                missed = stage == PROPOSALS and self._misses(self.base)
                return self._missed(turned) if missed else self._turned(turned)
        return self._one_after_the_other()

    def _one_after_the_other(self) -> Fault:
        now, done = self.base, list[str]()
        missed = False
        for stage in EDITED:
            if now.subtask < 0:
                break
            if stage == PROPOSALS:
                missed = self._misses(now)
            edits = self.truths.edits(stage, now)
            if not edits:
                continue
            before = tuple(done)
            put_in = now.edits + edits
            after = self._rerun(stage, put_in, edits, before) if done else self._tried.get(stage)
            if after is None:
                continue
            now = after
            done.append(stage)
            turned: Turned | None = None
            if self._is_right(now):
                turned = Turned(stage, before, f"it is right with {self.truths.what(stage, edits)}")
            elif len(done) > 1:
                turned = self._cues_together(now, tuple(done))
            if turned is not None:
                return self._missed(turned) if missed else self._turned(turned)
        if missed:
            return self._missed(None)
        return self._unsaid(now, done) or self._scores()

    def _turned(self, turned: Turned) -> Fault:
        return Fault(turned.stage, How.SUBSTITUTION, turned.reason, turned.before)

    def _unsaid(self, now: Attempt, done: Sequence[str]) -> Fault | None:
        """The true name where the instruction does not say it: no stage could have known it."""
        if self.truths.is_said(self.base):
            return None
        starts: list[tuple[Attempt, tuple[str, ...]]] = [(self.base, ())]
        if done:
            starts.append((now, tuple(done)))
        for start, before in starts:
            edits = self.truths.name(start)
            if not edits:
                continue
            after = self._rerun(SUBTASKS, start.edits + edits, edits, before)
            if after is None or after.subtask < 0:
                continue
            reason = f"it is right with {self.truths.what(SUBTASKS, edits)}"
            turned: Turned | None = Turned(SUBTASKS, before, reason)
            if not self._is_right(after):
                turned = self._cues_together(after, (*before, SUBTASKS))
            if turned is not None:
                others = tuple(s for s in (*turned.before, turned.stage) if s != SUBTASKS)
                said = f"the instruction does not say {self.truths.known.object_name}"
                return Fault(DATA, How.SUBSTITUTION, f"{said}; {turned.reason}", others)
        return None

    def _cues_together(self, now: Attempt, done: tuple[str, ...]) -> Turned | None:
        """Cues one after the other on a run; those of the base alone were tried."""
        changes: list[Change] = []
        stages = list(done)
        for cue in self.truths.cues(now):
            changes.append(cue.change)
            before = tuple(dict.fromkeys(s for s in stages if s != cue.stage))
            stages.append(cue.stage)
            if not done and len(changes) == 1:
                continue
            if self._rescored(cue, changes, now, before):
                return Turned(cue.stage, before, f"it is right when {cue.what}")
        return None

    def _misses(self, attempt: Attempt) -> bool:
        return on_object(attempt.proposals, self.truths.box) < 0

    def _missed(self, turned: Turned | None) -> Fault:
        """No candidate is on the object, whatever is put right before."""
        reason = self._recall()
        if turned is None:
            return Fault(PROPOSALS, How.RECALL, f"{reason}, and its box alone would not win")
        reason = f"{reason}; {turned.reason}"
        if turned.stage == PROPOSALS:
            return Fault(PROPOSALS, How.SUBSTITUTION, reason, turned.before)
        others = tuple(s for s in (*turned.before, turned.stage) if s != PROPOSALS)
        return Fault(PROPOSALS, How.RECALL, reason, others)

    def _recall(self) -> str:
        best = sentences.best_candidate(self.base.proposals, self.truths.box)
        return f"no candidate is on the object ({best})"

    def _scores(self) -> Fault:
        scored = self.base.scored
        better = [name for name, w in left_out(scored).items() if self._is_right(self.base, w)]
        alone = self._is_right(self.base, detector_alone(scored))
        put_in = [s.stage for s in self.steps if s.right is not None]
        reason = sentences.still_wrong(list(dict.fromkeys(put_in)), better, alone=alone)
        if self.truths.known.contact:
            return Fault(SCORES, How.SUBSTITUTION, reason)
        suspect = suspect_of(self.base.codes)
        stage = suspect.stage if suspect is not None else SCORES
        return Fault(stage, How.CODES, f"{reason}; the true phases are not known")

    # -- trying ------------------------------------------------------------------------------

    def _rerun(
        self,
        stage: str,
        edits: tuple[Edit, ...],
        put_in: tuple[Edit, ...],
        together: tuple[str, ...] = (),
    ) -> Attempt | None:
        """Run with more edits and note how it went; None if it fails."""
        start = time.perf_counter()
        what = self.truths.what(stage, put_in)
        known = self.truths.known
        try:
            after = self.trials.attempt(edits, known, self.truths.episode.subtasks)
        except StageFailed as error:
            self._note(stage, f"{what}: {error}", -1, None, start, together)
            return None
        right = self._is_right(after)
        self._note(stage, what, after.winner, right, start, together)
        return after

    def _rescored(
        self, cue: Cue, changes: Sequence[Change], now: Attempt, together: tuple[str, ...] = ()
    ) -> bool:
        """Score again with changed terms and note whether the winner is right."""
        start = time.perf_counter()
        winner = winner_after(now.scored, changes)
        right = self._is_right(now, winner)
        return self._note(cue.stage, cue.what, winner, right, start, together)

    def _is_right(self, run: Attempt, candidate: int | None = None) -> bool:
        return run.is_right(self.truths.known, candidate)

    def _note(
        self,
        stage: str,
        what: str,
        winner: int,
        right: bool | None,
        start: float,
        together: tuple[str, ...] = (),
    ) -> bool:
        seconds = time.perf_counter() - start
        before = self.base.winner
        self.steps.append(Step(stage, what, before, winner, right, seconds, together))
        return bool(right)
