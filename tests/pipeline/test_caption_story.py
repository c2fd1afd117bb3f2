"""Stories of captions and the figures of the people who check them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.model.caption import Verdict
from pipeline.model.caption_fields import CaptionField, CaptionFields
from pipeline.model.drafting import CaptionVersion, Exchange, Reply, SentRequest
from pipeline.model.edits import JudgeCaption, Rename, ReviewCaption
from pipeline.review.caption_story import stories, version_record
from pipeline.review.events import DATASET_WIDE
from pipeline.review.people import figures_of_people
from tests.pipeline.caption_events import Telling

BLUE, GREEN, TEAL = "Put the blue cup down.", "Put the green cup down.", "Put the teal cup down."
OBJECT, VERB, PLACE = CaptionField.OBJECT, CaptionField.VERB, CaptionField.DESTINATION


def refined() -> Telling:
    """Drafted, criticised, revised, the critique refined, revised again, accepted."""
    told = Telling()
    told.draft(BLUE)
    told.criticise("ann", BLUE, "The cup is green.", (OBJECT,))
    told.draft(GREEN, critique="c1")
    told.criticise("ann", BLUE, "The cup is teal.", (OBJECT,), uid="c2", refines="c1")
    told.draft(TEAL, critique="c2")
    told.judge("ann", Verdict.ACCEPTED, BLUE, TEAL)
    return told


def test_the_whole_loop_is_told() -> None:
    (story,) = stories(refined().events)
    assert [v.text for v in story.versions] == [BLUE, GREEN, TEAL]
    assert [v.critique for v in story.versions] == ["", "c1", "c2"]
    assert story.pre_caption == BLUE
    assert story.final == TEAL
    assert [c.edit.uid for c in story.critiques] == ["c1", "c2"]
    assert [c.edit.uid for c in story.last_critiques] == ["c2"]
    assert story.version_of(TEAL).model == "gemini-2.5-flash"
    assert story.version_of("Stack it.") is None


def test_a_version_that_two_recorded_is_one() -> None:
    told = Telling()
    told.draft(BLUE)
    told.draft(BLUE)
    told.draft(BLUE, critique="c1")
    told.draft(BLUE, subtask=1)
    first, second = stories(told.events)
    assert [v.critique for v in first.versions] == ["", "c1"]
    assert first.versions[0].at == told.events[0].at
    assert len(second.versions) == 1


def test_what_was_undone_is_not_told() -> None:
    told = refined()
    told.undo("ann", told.events[-1])
    (story,) = stories(told.events)
    assert story.verdict is None
    assert story.final == ""
    assert [v.text for v in story.versions] == [BLUE, GREEN, TEAL]


def test_the_newest_verdict_and_tags_hold() -> None:
    told = Telling()
    told.tag("ann", ("verb", "put"))
    told.tag("ann", ("verb", "stack"))
    told.judge("ann", Verdict.ACCEPTED, BLUE)
    told.judge("bob", Verdict.REJECTED, BLUE)
    (story,) = stories(told.events)
    assert story.tags == (("verb", "stack"),)
    assert not story.is_accepted
    assert story.final == ""
    assert [j.who for j in story.judgements] == ["ann", "bob"]


def test_episodes_are_apart_and_other_stages_are_left_out() -> None:
    told = Telling()
    told.draft(BLUE, episode=3)
    told.judge("ann", Verdict.ACCEPTED, GREEN, episode=1)
    assert [(s.episode, s.pre_caption) for s in stories(told.events)] == [(1, GREEN), (3, BLUE)]


def test_a_version_comes_back_as_it_was_recorded() -> None:
    version = CaptionVersion(GREEN, CaptionFields("put", "green cup"), "offline", critique="c9")
    record = version_record(version)
    assert record["text"] == GREEN
    assert all(isinstance(v, str) for v in record.values())
    asked = Exchange(SentRequest("", ()), Reply(GREEN, "gemini-2.5-pro", request_id="r7"))
    assert version_record(replace(version, exchange=asked))["request_id"] == "r7"


def test_the_caption_before_is_the_first_that_anybody_saw() -> None:
    told = Telling()
    told.draft(BLUE)
    told.criticise("ann", GREEN, "The cup is blue.")
    told.criticise("ann", TEAL, "The cup is blue.", uid="c2")
    assert stories(told.events)[0].pre_caption == GREEN
    told = Telling()
    told.judge("ann", Verdict.CORRECTED, "", GREEN)
    assert stories(told.events)[0].pre_caption == GREEN
    told.draft(BLUE)
    assert stories(told.events)[0].pre_caption == BLUE
    told = Telling()
    told.tag("ann", ("verb", "put"))
    assert stories(told.events)[0].pre_caption == ""


def test_edits_of_other_stages_and_of_later_versions_make_no_story() -> None:
    told = Telling()
    told.edit("ann", Rename(subtask=0, object_name="cup"))
    told._add("edit", "ann", 0, 0, '{"kind": "of a later version"}')
    told.judge("ann", Verdict.ACCEPTED, BLUE, episode=DATASET_WIDE)
    assert stories(told.events) == ()


def test_agreement_counts_only_for_a_verdict_in_force() -> None:
    told = Telling()
    told.judge("ann", Verdict.ACCEPTED, BLUE)
    assert not stories(told.events)[0].is_agreed
    told.review("eve", "ann", BLUE, agrees=True)
    assert stories(told.events)[0].is_agreed
    told.criticise("bob", BLUE, "The cup is green.")
    told.review("eve", "ann", BLUE, agrees=True)
    assert not stories(told.events)[0].is_agreed


@pytest.mark.parametrize("agrees", [True, False])
def test_a_review_of_another_caption_is_of_no_account(agrees: bool) -> None:
    # Eve's window showed an older verdict; the stores were merged afterwards.
    told = Telling()
    told.judge("ann", Verdict.ACCEPTED, BLUE)
    told.judge("ann", Verdict.CORRECTED, BLUE, GREEN)
    told.review("eve", "ann", BLUE, agrees=agrees)
    (story,) = stories(told.events)
    assert not story.is_agreed
    assert not story.is_disputed
    told.review("eve", "ann", GREEN, agrees=agrees)
    (story,) = stories(told.events)
    assert (story.is_agreed, story.is_disputed) == (agrees, not agrees)


def test_broken_records_are_passed_over() -> None:
    told = Telling()
    told._add("record", "ann", 0, 0, "{")
    told._add("record", "ann", 0, 0, '{"what": "caption_version", "text": 7}')
    told._add("record", "ann", 0, 0, '{"what": "something else"}')
    (story,) = stories(told.events)
    assert [v.text for v in story.versions] == [""]


class TestPeople:
    def test_an_annotator_is_scored_by_reviews(self) -> None:
        told = refined()
        told.review("eve", "ann", TEAL, agrees=False, errors=(PLACE,), false_alarms=())
        (ann, eve) = figures_of_people(stories(told.events))
        assert (ann.who, ann.judged, ann.reviewed, ann.agreed) == ("ann", 1, 1, 0)
        assert ann.accuracy == 0.0
        assert ann.critiques == 2
        assert (ann.flags.right, ann.flags.false, ann.flags.missed) == (1, 0, 1)
        assert ann.flags.precision == 1.0
        assert ann.flags.recall == 0.5
        assert (eve.who, eve.reviews, eve.judged) == ("eve", 1, 0)

    def test_false_alarms_cost_precision(self) -> None:
        told = Telling()
        told.criticise("ann", BLUE, "Verb and object are wrong.", (VERB, OBJECT))
        told.judge("ann", Verdict.ACCEPTED, BLUE, GREEN)
        told.review("eve", "ann", GREEN, agrees=True, false_alarms=(VERB,))
        ann = figures_of_people(stories(told.events))[0]
        assert ann.flags.precision == 0.5
        assert ann.accuracy == 1.0

    def test_what_nobody_reviewed_does_not_count(self) -> None:
        (ann,) = figures_of_people(stories(refined().events))
        assert ann.accuracy is None
        assert ann.flags.precision is None

    @pytest.mark.parametrize(
        ("agrees", "then", "catches"),
        [
            (False, GREEN, (1, 0, 0)),  # an objection, and the caption was changed
            (False, BLUE, (0, 1, 0)),  # an objection, and somebody kept the caption
            (True, GREEN, (0, 0, 1)),  # an error that the reviewer did not see
            (True, BLUE, (0, 0, 0)),
            (False, "", (0, 0, 0)),  # nobody has looked at it since
        ],
    )
    def test_a_reviewer_is_scored_by_what_becomes_of_it(
        self, agrees: bool, then: str, catches: tuple[int, int, int]
    ) -> None:
        told = Telling()
        told.judge("ann", Verdict.ACCEPTED, BLUE)
        told.review("eve", "ann", f"{BLUE} ", agrees=agrees, errors=() if agrees else (OBJECT,))
        if then:
            told.judge("ann", Verdict.CORRECTED, BLUE, then)
        eve = figures_of_people(stories(told.events))[1]
        assert (eve.catches.right, eve.catches.false, eve.catches.missed) == catches

    @pytest.mark.parametrize(
        ("agrees", "then", "catches"),
        [
            (False, Verdict.ACCEPTED, (1, 0, 0)),  # it was thrown away wrongly
            (False, Verdict.REJECTED, (0, 1, 0)),  # thrown away again
            (True, Verdict.ACCEPTED, (0, 0, 1)),
            (True, Verdict.REJECTED, (0, 0, 0)),
        ],
    )
    def test_so_is_one_who_looked_at_a_rejection(
        self, agrees: bool, then: Verdict, catches: tuple[int, int, int]
    ) -> None:
        told = Telling()
        told.judge("ann", Verdict.REJECTED, BLUE)
        told.review("eve", "ann", BLUE, agrees=agrees)
        told.judge("bob", then, BLUE)
        eve = figures_of_people(stories(told.events))[2]
        assert (eve.catches.right, eve.catches.false, eve.catches.missed) == catches

    def test_what_became_of_it_in_the_end_counts(self) -> None:
        told = Telling()
        told.judge("ann", Verdict.ACCEPTED, BLUE)
        told.review("eve", "ann", BLUE, agrees=False, errors=(OBJECT,))
        told.judge("ann", Verdict.ACCEPTED, BLUE)
        told.judge("bob", Verdict.REJECTED, BLUE)
        eve = figures_of_people(stories(told.events))[2]
        assert (eve.catches.right, eve.catches.false) == (1, 0)

    def test_the_verdict_that_was_reviewed_is_the_one_before_the_review(self) -> None:
        told = Telling()
        told.judge("ann", Verdict.REJECTED, BLUE)
        told.judge("ann", Verdict.ACCEPTED, BLUE)
        told.review("eve", "ann", BLUE, agrees=False, errors=(OBJECT,))
        told.judge("bob", Verdict.ACCEPTED, BLUE)
        eve = figures_of_people(stories(told.events))[2]
        assert (eve.catches.right, eve.catches.false) == (0, 1)

    def test_a_verdict_without_a_text_of_its_own_keeps_the_draft(self) -> None:
        told = Telling()
        told.judge("ann", Verdict.ACCEPTED, BLUE)
        told.review("eve", "ann", BLUE, agrees=False, errors=(OBJECT,))
        told.edit("bob", JudgeCaption(subtask=0, verdict=Verdict.ACCEPTED, draft=BLUE, text=""))
        eve = figures_of_people(stories(told.events))[2]
        assert (eve.catches.right, eve.catches.false) == (0, 1)

    def test_shares_of_several_captions(self) -> None:
        told = Telling()
        for episode, agrees in enumerate((True, True, True, False)):
            told.judge("ann", Verdict.ACCEPTED, BLUE, episode=episode)
            told.edit(
                "eve", ReviewCaption(subtask=0, of="ann", caption=BLUE, agrees=agrees), episode
            )
        ann, eve = figures_of_people(stories(told.events))
        assert (ann.judged, ann.reviewed, ann.agreed, ann.accuracy) == (4, 4, 3, 0.75)
        assert (eve.judged, eve.reviews, eve.accuracy) == (0, 4, None)

    def test_flags_are_the_annotators_own_and_from_before_the_review(self) -> None:
        told = Telling()
        told.criticise("bob", BLUE, "The verb is wrong.", (VERB,))
        told.judge("ann", Verdict.ACCEPTED, BLUE)
        told.review("eve", "ann", BLUE, agrees=False, errors=(VERB, OBJECT))
        told.criticise("ann", BLUE, "The object is wrong.", (OBJECT,), uid="c2")
        ann = figures_of_people(stories(told.events))[0]
        assert (ann.flags.right, ann.flags.false, ann.flags.missed) == (0, 0, 2)

    def test_critiques_count_without_a_verdict(self) -> None:
        told = Telling()
        told.criticise("ann", BLUE, "The cup is green.")
        (ann,) = figures_of_people(stories(told.events))
        assert (ann.critiques, ann.judged, ann.reviewed, ann.reviews) == (1, 0, 0, 0)

    def test_nobody_reviews_their_own_work(self) -> None:
        told = Telling()
        told.judge("ann", Verdict.ACCEPTED, BLUE)
        told.review("ann", "ann", BLUE, agrees=True)
        (ann,) = figures_of_people(stories(told.events))
        assert ann.reviewed == 0
