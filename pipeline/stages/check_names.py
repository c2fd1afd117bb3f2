"""Names: whether what a caption names is there, by a detector that reads phrases.

Nothing else that we hold knows names: masks, tracks and phases of a can are those of a bottle. A
detector that reads phrases is only asked for the names of the subtask, and it always gives its
best boxes, however poor: what it did not find surely says nothing, and neither does what it was
not asked for. So without such a detector, and for any other name, the answer is unknown and says
why; a caption whose noun is not the subtask's gives the finding `caption_other_noun`.
"""

from __future__ import annotations

from pipeline.backends.captioning.wording import same_head, thing
from pipeline.backends.language.vocabulary import head_noun, vocabulary
from pipeline.model.candidate import Proposal
from pipeline.model.checks import Constraint, ConstraintKind, Evidence, Outcome
from pipeline.model.problem import Problem, Severity
from pipeline.model.score import box_iou
from pipeline.stages.check_claims import DESTINATION, OBJECT, SOURCE, Claim
from pipeline.stages.check_scene import SAME, Scene, inside, softened


def check_presence(claim: Claim, scene: Scene) -> Constraint:
    """Test whether what is named is there.

    The one contradiction: the detector surely found the name at another place, and the object
    under another name, so that the caption gives the object the name of something else.
    """
    if claim.about == DESTINATION and vocabulary().is_kind("surfaces", claim.value):
        why = "Ground is no candidate, so nothing tests its name."
        return _said(claim, Outcome.UNKNOWN, why, scene)
    things: tuple[Proposal, ...] = scene.proposals.candidates
    if claim.about != SOURCE:
        things += scene.proposals.targets
    asked = [p for p in things if p.origin == "phrase"]
    if not asked:
        why = f"The detector {scene.proposals.backend} cannot read names: a wrong one is not seen"
        return _said(claim, Outcome.UNKNOWN, f"{why}{_but(claim, scene)}.", scene)
    named = [p for p in asked if same_name(p.label, claim.value)]
    if not named:
        labels = ", ".join(sorted({p.label for p in asked}))
        why = f"The detector was asked for {labels}, not for this."
        return _said(claim, Outcome.UNKNOWN, why, scene)
    least = scene.options.named
    sure = [p for p in named if p.score >= least]
    best = max(sure or named, key=lambda p: (p is scene.winner, p.score))
    if not sure:
        why = f"The best box for “{best.label}” has D = {best.score:.2f} (believed from {least:g})."
        return _said(claim, Outcome.UNKNOWN, why, scene, best)
    winner = scene.winner
    if claim.about == OBJECT and winner is not None and winner in asked and winner.score >= least:
        apart = not any(_on_object(p, winner) for p in sure)
        why = (
            f"“{best.label}” was found elsewhere, D = {best.score:.2f}; the object, candidate "
            f"{winner.id}, was found as “{winner.label}”, D = {winner.score:.2f}."
        )
        if apart:
            return softened(_said(claim, Outcome.FAIL, why, scene, best), scene)
    why = f"Found as “{best.label}” with D = {best.score:.2f} in frame {best.frame}."
    return _said(claim, Outcome.PASS, why, scene, best)


def same_name(name: str, caption: str) -> bool:
    """Whether a caption's noun is that of a name, a synonym of it, or more generic.

    By judging.json, and by the bare head noun where that table knows nothing of either.
    """
    if head_noun(name.lower()) == head_noun(caption.lower()):
        return True
    return same_head(thing(name), thing(caption))


def other_name(claim: Claim, scene: Scene) -> str:
    """What the subtask calls the thing, if that is another noun than the caption's; else empty."""
    subtask = scene.subtask
    if claim.kind is not ConstraintKind.PRESENT:
        return ""
    names = {
        OBJECT: subtask.object_name,
        DESTINATION: subtask.target_name,
        SOURCE: subtask.source_name,
    }
    name = names[claim.about]
    if same_name(name, claim.value) or same_name(claim.value, name):
        return ""
    return name


def name_problems(claims: tuple[Claim, ...], scene: Scene) -> tuple[Problem, ...]:
    """The finding `caption_other_noun`: text against text, no contradiction of the evidence."""
    found = [(head_noun(c.value), other_name(c, scene)) for c in claims]
    said = [f"“{noun}” for the subtask's “{name}”" for noun, name in found if name]
    if not said:
        return ()
    message = f"The caption says {' and '.join(said)}: one of them may be wrong."
    return (Problem("caption_other_noun", message, Severity.INFO),)


def _but(claim: Claim, scene: Scene) -> str:
    name = other_name(claim, scene)
    return f", and the subtask names “{name}”" if name else ""


def _on_object(proposal: Proposal, winner: Proposal) -> bool:
    inner, outer = inside(proposal.box, winner.box), inside(winner.box, proposal.box)
    return inner or outer or box_iou(proposal.box, winner.box) >= SAME


def _said(
    claim: Claim, outcome: Outcome, why: str, scene: Scene, best: Proposal | None = None
) -> Constraint:
    evidence = Evidence()
    if best is not None:
        ids = (best.id,) if best in scene.proposals.candidates else ()
        evidence = Evidence(best.frame, ids, () if ids else (best.box,))
    return Constraint(claim.kind, claim.text, claim.words, outcome, why, evidence)
