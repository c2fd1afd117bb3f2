"""Stories of captions and the figures of the people who check them."""

from __future__ import annotations

import pytest

from pipeline.model.caption import Verdict
from pipeline.model.caption_fields import CaptionField, CaptionFields
from pipeline.model.drafting import CaptionVersion
from pipeline.review.caption_story import stories, version_record
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
        told.review("eve", "ann", BLUE, agrees=agrees, errors=() if agrees else (OBJECT,))
        if then:
            told.judge("ann", Verdict.CORRECTED, BLUE, then)
        eve = figures_of_people(stories(told.events))[1]
        assert (eve.catches.right, eve.catches.false, eve.catches.missed) == catches

    def test_nobody_reviews_their_own_work(self) -> None:
        told = Telling()
        told.judge("ann", Verdict.ACCEPTED, BLUE)
        told.review("ann", "ann", BLUE, agrees=True)
        (ann,) = figures_of_people(stories(told.events))
        assert ann.reviewed == 0
