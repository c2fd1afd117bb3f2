"""The truth of each stage, as corrections or as changed cues, for one subtask."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.diagnosis.cues import (
    Change,
    moves_along,
    off_robot,
    phases_between,
    the_rest_rests,
    the_robot_is_robot,
)
from pipeline.diagnosis.known import Known, KnownEpisode
from pipeline.diagnosis.trials import Attempt
from pipeline.diagnosis.true_edits import (
    alike,
    arm_of,
    box_edit,
    mask_edit,
    name_edit,
    on_object,
    phase_edits,
    true_phases,
    words,
)
from pipeline.model.candidate import Box
from pipeline.model.edits import EPISODE_SCOPE, AddBox, Edit
from pipeline.model.phases import Phase, PhaseName

PHASES, SUBTASKS, PROPOSALS, MASKS = "phases", "subtasks", "proposals", "masks"
TRACKS, ROBOT = "tracks", "robot"
EDITED = (PHASES, SUBTASKS, PROPOSALS, MASKS, ROBOT)
"""Stages whose truth goes in as a correction, in pipeline order."""


@dataclass(frozen=True)
class Cue:
    """The truth of a stage that needs no new tracks.

    Attributes:
        stage: Whose truth.
        what: What goes in, a phrase that follows “it is right when”.
        change: What becomes of the measured terms.
    """

    stage: str
    what: str
    change: Change


@dataclass(frozen=True)
class Truths:
    """What is true about one subtask, ready to be put in.

    Attributes:
        known: About the subtask; its box is known.
        episode: About the episode.
    """

    known: Known
    episode: KnownEpisode

    @property
    def box(self) -> Box:
        """The object before contact. Raises ValueError if nobody knows."""
        if self.known.box is None:
            raise ValueError("a winner cannot be wrong where nobody knows the box")
        return self.known.box

    @property
    def contact(self) -> str:
        """Frames of contact, for people."""
        return ", ".join(f"{a} to {b}" for a, b in self.known.contact)

    def edits(self, stage: str, now: Attempt) -> tuple[Edit, ...]:
        """The truth of a stage as corrections to a run.

        Args:
            stage: One of `EDITED`.
            now: The run; what goes in depends on its phases and candidates.

        Returns:
            None if nothing is known about the stage or all is as it should be.
        """
        if now.subtask < 0:
            return ()
        if stage == PHASES:
            return self._phases(now)
        if stage == SUBTASKS:
            return self.name(now) if self.is_said(now) else ()
        if stage == ROBOT:
            return self._corrected(ROBOT, now.subtask)
        if stage == PROPOSALS:
            edit: Edit | None = box_edit(self.known, now.proposals, now.subtask)
        else:
            edit = mask_edit(self.known, now.proposals, now.masks, now.subtask)
        return () if edit is None else (edit,)

    def _phases(self, now: Attempt) -> tuple[Edit, ...]:
        if not self.episode.complete:
            return tuple(e for e in self.episode.corrections if e.stage == PHASES)
        return phase_edits(now.phases, self.episode, now.demonstration, now.options[PHASES])

    def _corrected(self, stage: str, subtask: int) -> tuple[Edit, ...]:
        """What a person corrected in a stage, for the subtask as a run numbers it."""
        own = (self.known.number, EPISODE_SCOPE)
        found = (e for e in self.episode.corrections if e.stage == stage and e.subtask in own)
        return tuple(
            e if e.subtask == EPISODE_SCOPE else e.model_copy(update={"subtask": subtask})
            for e in found
        )

    def name(self, now: Attempt) -> tuple[Edit, ...]:
        """The true name, none if it is the one that was found or is not known."""
        edit = name_edit(self.known, now.task) if now.subtask >= 0 else None
        return () if edit is None else (edit,)

    def is_said(self, now: Attempt) -> bool:
        """Whether the instruction has a word of the true name that the name found lacks."""
        missing = words(self.known.object_name) - words(now.task.object_name)
        said = words(now.demonstration.instruction.replace(".", " ").replace(",", " "))
        return not missing or bool(missing & said)

    def interaction(self, now: Attempt) -> tuple[Phase, ...]:
        """True phases of the subtask; none if they are not known or its interaction is true."""
        if not (self.episode.complete and self.known.contact):
            return ()
        arm = arm_of(self.known, [a.arm for a in now.phases.arms], now.phases.active_arm)
        contact = [s for k in self.episode.subtasks if k.arm == self.known.arm for s in k.contact]
        phases = true_phases(sorted(contact), arm, now.demonstration, now.options[PHASES])
        start, end = min(a for a, _ in self.known.contact), max(b for _, b in self.known.contact)
        own = phases_between(phases, start, end)
        held = tuple((p.start, p.end) for p in own if p.name is PhaseName.INTERACT)
        return own if held and not alike(now.task.interaction, held) else ()

    def cues(self, now: Attempt) -> Iterator[Cue]:
        """Truths that need no new tracks, in pipeline order; none if no candidate is right."""
        scored, box = now.scored, self.box
        candidate = on_object(now.proposals, box)
        if candidate < 0:
            return
        if self.known.path:
            change = moves_along(self.known.path, scored, candidate)
            yield Cue(TRACKS, "its tracks follow its true path", change)
        winner = scored.scores.of(now.winner)
        if self.known.contact:
            moved = f"tracks of #{winner.candidate}: {winner.motion_in:.0f} px/s"
            what = f"what nobody holds stands still ({moved})"
            yield Cue(TRACKS, what, the_rest_rests(scored, box))
        if scored.scores.of(candidate).overlap > 0:
            yield Cue(ROBOT, "nothing of it is taken for the robot", off_robot(candidate))
        if self.known.contact:
            seen = f"#{winner.candidate}: {winner.overlap:.0%} were seen as robot"
            what = f"what moves without being held is the robot ({seen})"
            yield Cue(ROBOT, what, the_robot_is_robot(scored, box))

    def what(self, stage: str, edits: Sequence[Edit]) -> str:
        """What corrections put in, a phrase that follows “it is right with”."""
        if stage == PHASES:
            return f"the true phases (contact in frames {self.contact})"
        if stage == SUBTASKS:
            return f"the true name, {self.known.object_name}"
        if stage == PROPOSALS:
            drawn = any(isinstance(e, AddBox) for e in edits)
            return "the true box added" if drawn else "the true box in place of its candidate's"
        return "the true mask" if stage == MASKS else "the robot as a person marked it"
