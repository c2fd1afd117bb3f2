"""The truth as corrections: what a person would do by hand to put one stage's output right.

Ground truth goes in the way a person's correction does, so that what is tried is exactly what the
window would compute after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from pipeline.diagnosis.known import Known, KnownEpisode, Span
from pipeline.evaluation.matching import is_match
from pipeline.model.candidate import Box, MasksResult, ProposalsResult
from pipeline.model.demonstration import Demonstration
from pipeline.model.edits import (
    AddBox,
    Edit,
    FixBox,
    MergePhases,
    MoveBoundary,
    NamePhase,
    PaintMask,
    Rename,
    SplitPhase,
)
from pipeline.model.mask_runs import runs_of
from pipeline.model.phases import ArmPhases, Closure, Phase, PhaseName, PhasesResult
from pipeline.model.score import box_iou
from pipeline.model.subtask import Subtask
from pipeline.stages.phase_layout import Layout, lay_out, offset_forward
from pipeline.stages.phase_machine import INTERACT
from pipeline.stages.phase_options import PhasesOptions

SAME_BOX = 0.9
"""A candidate's box with at least this IoU is the true one: putting it in would change nothing."""

SAME_SPAN = 0.9
"""An interaction with at least this temporal IoU is the true one."""


def arm_of(known: Known, arms: Sequence[str], active: str) -> str:
    """The pipeline's name of the arm that acts: its own word, the only arm, or the active one."""
    if known.arm in arms:
        return known.arm
    return arms[0] if len(arms) == 1 else active


def contact_by_arm(known: KnownEpisode, arms: Sequence[str], active: str) -> dict[str, list[Span]]:
    """Spans of contact of each arm, by time; arms that hold nothing have none."""
    spans: dict[str, list[Span]] = {arm: [] for arm in arms}
    for one in known.subtasks:
        arm = arm_of(one, arms, active)
        if arm in spans:
            spans[arm] += one.contact
    return {arm: sorted(found) for arm, found in spans.items()}


def true_phases(
    contact: Sequence[Span], arm: str, demonstration: Demonstration, options: PhasesOptions
) -> list[Phase]:
    """Phases that the stage would make if it found exactly these closures.

    Only what is found is replaced: how open spans are shared and the forward offset stay as
    published, so that right closures change nothing.

    Args:
        contact: Spans of contact, by time.
        arm: Which arm.
        demonstration: The episode.
        options: Options of the phases stage.
    """
    closures = [Closure(a, b, INTERACT) for a, b in contact if b > a]
    layout = Layout(
        release=max(round(options.release_seconds * demonstration.fps), 1),
        approach=options.approach_frames,
    )
    phases, _ = lay_out(closures, demonstration.length, arm, layout)
    return offset_forward(phases, options.phase_start_offset)


def phase_edits(
    found: PhasesResult,
    known: KnownEpisode,
    demonstration: Demonstration,
    options: PhasesOptions,
) -> tuple[Edit, ...]:
    """Edits that turn the phases that were found into the true ones; none if they are alike.

    An arm that holds nothing loses its interactions, if all of the episode's subtasks are known.
    """
    arms = [a.arm for a in found.arms]
    spans = contact_by_arm(known, arms, found.active_arm)
    edits: list[Edit] = []
    for arm in found.arms:
        contact = spans[arm.arm]
        if contact:
            edits += _remade(arm, true_phases(contact, arm.arm, demonstration, options))
        elif known.complete and any(p.name is PhaseName.INTERACT for p in arm.phases):
            # Approach only: a cycle without an interaction is no subtask.
            whole = arm.phases[0]
            end = arm.phases[-1].end
            still = Phase(PhaseName.GRASP, arm.arm, whole.start, end, 0, whole.start, end)
            edits += _remade(arm, [still])
    return tuple(edits)


def _remade(arm: ArmPhases, wanted: Sequence[Phase]) -> list[Edit]:
    """Join all phases of an arm to one, then cut it where the true phases begin."""
    now = arm.phases
    wanted = [p for p in wanted if now and p.start < now[-1].end]
    if not now or not wanted or alike(_held(now), _held(wanted)):
        return []
    name = arm.arm
    edits: list[Edit] = []
    held = PhaseName.INTERACT
    before = now[0].name
    for this, following in pairwise(now):
        edits.append(
            MergePhases(arm=name, frame=this.end, first=before, second=following.name, name=held)
        )
        before = held
    if before is not held:
        edits.append(NamePhase(arm=name, frame=now[0].start, was=before, name=held))
    for k, phase in enumerate(wanted[1:], 1):
        last = k == len(wanted) - 1
        edits.append(
            SplitPhase(
                arm=name,
                frame=phase.start,
                was=held,
                before=wanted[k - 1].name,
                after=phase.name if last else held,
            )
        )
    if len(wanted) == 1 and wanted[0].name is not held:
        edits.append(NamePhase(arm=name, frame=now[0].start, was=held, name=wanted[0].name))
    if wanted[0].start != now[0].start:
        edits.append(MoveBoundary(arm=name, index=-1, frame=wanted[0].start))
    return edits


def alike(found: Sequence[Span], true: Sequence[Span]) -> bool:
    """Whether interactions are as many as the true ones and each fits its own."""
    pairs = zip(sorted(found), sorted(true), strict=False)
    return len(found) == len(true) and all(_temporal_iou(a, b) >= SAME_SPAN for a, b in pairs)


def _temporal_iou(a: Span, b: Span) -> float:
    shared = min(a[1], b[1]) - max(a[0], b[0])
    return shared / (max(a[1], b[1]) - min(a[0], b[0])) if shared > 0 else 0.0


def _held(phases: Sequence[Phase]) -> list[Span]:
    return [(p.start, p.end) for p in phases if p.name is PhaseName.INTERACT]


def name_edit(known: Known, task: Subtask) -> Rename | None:
    """The true name of the object; None if it is unknown or the name found says the same."""
    if not known.object_name or words(known.object_name) == words(task.object_name):
        return None
    return Rename(subtask=task.index, object_name=known.object_name, target_name=task.target_name)


def words(text: str) -> frozenset[str]:
    """Words of a name, without articles and whatever their order."""
    return frozenset(text.lower().replace("-", " ").split()) - {"a", "an", "the"}


def on_object(proposals: ProposalsResult, box: Box) -> int:
    """Candidate id of the box that fits the true one best, -1 if none matches (SPARC table 5)."""
    fitting = [p for p in proposals.candidates if is_match(p.box, box)]
    best = max(fitting, key=lambda p: (box_iou(p.box, box), -p.id), default=None)
    return -1 if best is None else best.id


def box_of(proposals: ProposalsResult, candidate: int) -> Box:
    """Box of a candidate; KeyError if there is none."""
    for proposal in proposals.candidates:
        if proposal.id == candidate:
            return proposal.box
    raise KeyError(candidate)


def box_edit(known: Known, proposals: ProposalsResult, subtask: int) -> AddBox | FixBox | None:
    """The true box: in place of the candidate that fits best, which keeps its D, or added.

    Returns:
        None if a candidate has it already, if it is unknown, or if the keyframe is not before
        contact, where the object may be elsewhere.
    """
    held = known.held_from
    if known.box is None or (held is not None and proposals.keyframe >= held):
        return None
    candidate = on_object(proposals, known.box)
    if candidate < 0:
        return AddBox(subtask=subtask, box=known.box)
    old = box_of(proposals, candidate)
    if box_iou(old, known.box) >= SAME_BOX:
        return None
    return FixBox(subtask=subtask, old_box=old, box=known.box)


def mask_edit(
    known: Known, proposals: ProposalsResult, masks: MasksResult, subtask: int
) -> PaintMask | None:
    """The true mask for the candidate on the object; None if there is no such mask or candidate."""
    held = known.held_from
    if known.mask is None or known.box is None:
        return None
    if held is not None and proposals.keyframe >= held:
        return None
    candidate = on_object(proposals, known.box)
    if candidate < 0 or known.mask.shape != (masks.height, masks.width):
        return None
    return PaintMask(
        subtask=subtask,
        box=box_of(proposals, candidate),
        candidate=candidate,
        height=masks.height,
        width=masks.width,
        runs=runs_of(known.mask),
    )
