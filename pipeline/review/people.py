"""How good annotators and reviewers are, from the stories of captions. Pure.

Annotators are scored by accuracy, reviewers by errors they catch; precision and recall count for
both (spec, captions, Roles). What counts as right is defined here (our choice, as the source gives
no formula):

- a judged caption is right if the newest reviewer agrees with it; captions that nobody reviewed do
  not count;
- of an annotator's flagged fields (critiques and fields changed by a correction) those are false
  alarms that a reviewer names so; errors that a reviewer found and the annotator did not flag are
  missed;
- a reviewer's objection is confirmed if the caption was changed afterwards (its text, or whether it
  is thrown away) and refuted if somebody kept it as it was; an agreement is a miss if the caption
  was changed afterwards. What nobody has looked at since counts for nothing yet.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.model.caption import Verdict
from pipeline.review.caption_story import CaptionStory, Judgement, Review


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts and what follows from them; None where there is nothing to divide by.

    Attributes:
        right: Found and true.
        false: Found and not true.
        missed: True and not found.
    """

    right: int = 0
    false: int = 0
    missed: int = 0

    def __add__(self, other: Tally) -> Tally:
        """Both together."""
        return Tally(self.right + other.right, self.false + other.false, self.missed + other.missed)

    @property
    def precision(self) -> float | None:
        """Share of what was found that is true."""
        found = self.right + self.false
        return self.right / found if found else None

    @property
    def recall(self) -> float | None:
        """Share of what is true that was found."""
        true = self.right + self.missed
        return self.right / true if true else None


@dataclass(frozen=True, slots=True)
class PersonFigures:
    """One person's work.

    Attributes:
        who: Name.
        judged: Captions whose newest verdict is theirs.
        reviewed: Of those, captions that a reviewer looked at.
        agreed: Of those, captions that the newest reviewer agrees with.
        flags: Fields they flagged as annotator, against what reviewers said.
        critiques: Critiques they wrote.
        reviews: Reviews they wrote.
        catches: Their objections as reviewer, against what became of the captions.
    """

    who: str
    judged: int
    reviewed: int
    agreed: int
    flags: Tally
    critiques: int
    reviews: int
    catches: Tally

    @property
    def accuracy(self) -> float | None:
        """Share of their reviewed captions that hold; None if none was reviewed."""
        return self.agreed / self.reviewed if self.reviewed else None


@dataclass(slots=True)
class _Counts:
    judged: int = 0
    reviewed: int = 0
    agreed: int = 0
    flags: Tally = Tally()
    critiques: int = 0
    reviews: int = 0
    catches: Tally = Tally()


def figures_of_people(stories: Iterable[CaptionStory]) -> tuple[PersonFigures, ...]:
    """Figures of everybody who judged, criticised or reviewed, by name."""
    counts: dict[str, _Counts] = defaultdict(_Counts)
    for story in stories:
        for critique in story.critiques:
            counts[critique.who].critiques += 1
        for review in story.reviews:
            of = counts[review.who]
            of.reviews += 1
            of.catches += _catch(story, review)
        if story.verdict is not None:
            _annotator(story, story.verdict, counts)
    return tuple(
        PersonFigures(
            who,
            c.judged,
            c.reviewed,
            c.agreed,
            c.flags,
            c.critiques,
            c.reviews,
            c.catches,
        )
        for who, c in sorted(counts.items())
    )


def _annotator(story: CaptionStory, verdict: Judgement, counts: dict[str, _Counts]) -> None:
    """Count a caption for whoever judged it, before a reviewer's objection changed it."""
    counts[verdict.who].judged += 1
    # The newest review of each person's work counts, also where somebody mended it afterwards.
    newest: dict[str, Review] = {}
    for review in story.reviews:
        if review.edit.of and review.edit.of != review.who:
            newest[review.edit.of] = review
    for annotator, review in newest.items():
        of = counts[annotator]
        of.reviewed += 1
        of.agreed += review.edit.agrees
        flagged = {
            f
            for c in story.critiques
            if c.who == annotator and c.order < review.order
            for f in (*c.edit.fields, *(name for name, _ in c.edit.corrections))
        }
        false = flagged & set(review.edit.false_alarms)
        missed = set(review.edit.errors) - flagged
        of.flags += Tally(len(flagged - false), len(false), len(missed))


def _catch(story: CaptionStory, review: Review) -> Tally:
    """What became of a caption after a review: confirmed, refuted, missed or not known yet."""
    later = [j for j in story.judgements if j.order > review.order]
    if not later:
        return Tally()
    earlier = [j for j in story.judgements if j.order < review.order]
    was_out = bool(earlier) and earlier[-1].edit.verdict is Verdict.REJECTED
    last = later[-1].edit
    is_out = last.verdict is Verdict.REJECTED
    # As everywhere: without a text of its own the draft was judged.
    text = last.text.strip() or last.draft.strip()
    text_changed = text != review.edit.caption.strip()
    changed = is_out != was_out or (not is_out and text_changed)
    if review.edit.agrees:
        return Tally(missed=1) if changed else Tally()
    return Tally(right=1) if changed else Tally(false=1)
