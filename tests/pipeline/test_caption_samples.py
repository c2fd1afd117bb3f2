"""Training samples from the stories of captions."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import pytest

from pipeline.export.caption_samples import FORMATS, PERFECT, Clip, Filters, samples
from pipeline.model.caption import Verdict
from pipeline.model.caption_fields import CaptionField
from pipeline.model.problem import DataError
from pipeline.review.caption_story import stories
from tests.pipeline.caption_events import Telling

BLUE, GREEN = "Put the blue cup down.", "Put the green cup down."
CLIP = Clip(
    "cubes", 0, 0, "front", ("data/0.parquet",), 10, 70, 30.0, "put the cup down", "right", 0.8
)
OBJECT = CaptionField.OBJECT


def revised() -> Telling:
    told = Telling()
    told.draft(BLUE)
    told.criticise("ann", BLUE, "The cup is not blue.", (OBJECT,), ((OBJECT, "green cup"),))
    told.draft(GREEN, critique="c1")
    told.judge("ann", Verdict.ACCEPTED, BLUE, GREEN)
    told.review("eve", "ann", GREEN, agrees=True)
    return told


def made(told: Telling, form: str, filters: Filters | None = None) -> list[dict]:
    clips = {(0, 0): CLIP}
    rows = list(samples(stories(told.events), clips, form, filters or Filters()))
    assert json.loads(json.dumps(rows)) == rows
    return rows


def test_captions_carry_clip_and_provenance() -> None:
    (row,) = made(revised(), "captions")
    assert row["caption"] == GREEN
    assert row["clip"] == {
        "dataset": "cubes",
        "episode_index": 0,
        "subtask_index": 0,
        "camera": "front",
        "files": ["data/0.parquet"],
        "start_frame": 10,
        "end_frame": 70,
        "start_s": 0.333,
        "end_s": 2.333,
        "fps": 30.0,
        "instruction": "put the cup down",
        "arm": "right",
        "reliability": 0.8,
        "videos": [],
    }
    assert (row["schema"], row["kind"], row["verdict"]) == (1, "caption", "accepted")
    assert row["provenance"] == {
        "judged_by": "ann",
        "judged_at": "2026-03-01T00:00:04.000+00:00",
        "reviewed_by": "eve",
        "reviewer_agrees": True,
        "drafter": "gemini",
        "model": "gemini-2.5-flash",
        "recipe": "hand-collage-1-aa",
        "final_by": "drafter",
        "critiques": 1,
    }


def test_preferences_need_a_difference() -> None:
    (row,) = made(revised(), "preferences")
    assert (row["rejected"], row["chosen"]) == (BLUE, GREEN)
    same = Telling()
    same.judge("ann", Verdict.ACCEPTED, BLUE)
    assert made(same, "preferences") == []


def test_critiques_say_what_to_do() -> None:
    (row,) = made(revised(), "critiques")
    assert row["pre_caption"] == BLUE
    assert row["critique"] == "The cup is not blue. The object should be “green cup”."
    assert row["final_caption"] == GREEN
    assert row["pre_caption_score"] == 4
    assert (row["kind"], row["caption_type"], row["fields"]) == (
        "critique",
        "subtask",
        ["object_name"],
    )
    assert (row["critic"], row["critique_at"]) == ("ann", "2026-03-01T00:00:02.000+00:00")


@pytest.mark.parametrize(
    ("field", "name"),
    [
        (CaptionField.VERB, "verb"),
        (CaptionField.RELATION, "relation"),
        (CaptionField.DESTINATION, "destination"),
        (CaptionField.SOURCE, "source"),
        (CaptionField.ARM, "arm"),
    ],
)
def test_corrections_become_words(field: CaptionField, name: str) -> None:
    told = Telling()
    told.criticise("ann", BLUE, "", (field, OBJECT), ((field, "right"), (OBJECT, "green cup")))
    told.judge("ann", Verdict.ACCEPTED, BLUE, GREEN)
    (row,) = made(told, "critiques")
    wanted = f"The {name} should be “right”; object should be “green cup”."
    assert (row["critique"], row["pre_caption_score"]) == (wanted, 3)


def test_a_correction_counts_as_said_only_in_whole_words() -> None:
    told = Telling()
    told.criticise("ann", BLUE, "It is in the cupboard.", (OBJECT,), ((OBJECT, "cup"),))
    told.judge("ann", Verdict.ACCEPTED, BLUE, GREEN)
    wanted = "It is in the cupboard. The object should be “cup”."
    assert made(told, "critiques")[0]["critique"] == wanted


def test_scores_fall_by_field_but_never_below_one() -> None:
    told = Telling()
    told.criticise("ann", BLUE, "All of it is wrong.", tuple(CaptionField))
    told.judge("ann", Verdict.ACCEPTED, BLUE, GREEN)
    assert made(told, "critiques")[0]["pre_caption_score"] == 1
    told.judge("ann", Verdict.REJECTED, BLUE)
    (row,) = made(told, "critiques", Filters(accepted_only=False))
    assert (row["pre_caption_score"], row["final_caption"]) == (1, "")


def test_a_perfect_caption_has_the_fixed_critique() -> None:
    told = Telling()
    told.draft(BLUE)
    told.judge("ann", Verdict.ACCEPTED, BLUE)
    (row,) = made(told, "critiques")
    assert row["critique"] == PERFECT
    assert row["pre_caption_score"] == 5
    assert row["pre_caption"] == row["final_caption"] == BLUE
    assert (row["critic"], row["critique_at"]) == ("ann", "2026-03-01T00:00:02.000+00:00")
    assert (row["caption_type"], row["fields"]) == ("subtask", [])


def test_a_critique_of_what_was_accepted_after_all_is_taken_back() -> None:
    told = Telling()
    told.criticise("bob", BLUE, "The cup is green.", (OBJECT,))
    told.draft(GREEN, critique="c1")
    told.criticise("bob", GREEN, "It was blue.", (OBJECT,), uid="c2")
    told.judge("ann", Verdict.ACCEPTED, BLUE)
    assert [r["pre_caption"] for r in made(told, "critiques")] == [GREEN]
    alone = Telling()
    alone.criticise("bob", BLUE, "The cup is green.", (OBJECT,))
    alone.judge("ann", Verdict.ACCEPTED, BLUE)
    (row,) = made(alone, "critiques")
    assert (row["critique"], row["critic"]) == (PERFECT, "ann")


def test_below_five_two_alignment_samples_are_made() -> None:
    rows = made(revised(), "yes-no")
    assert [(r["caption"], r["answer"]) for r in rows] == [(GREEN, "yes"), (BLUE, "no")]
    assert [r["question"] for r in rows] == [
        f"Does this caption describe the clip: “{text}”?" for text in (GREEN, BLUE)
    ]
    told = Telling()
    told.judge("ann", Verdict.ACCEPTED, BLUE)
    assert [(r["caption"], r["answer"]) for r in made(told, "yes-no")] == [(BLUE, "yes")]


def test_only_accepted_data_unless_asked() -> None:
    told = Telling()
    told.draft(BLUE)
    told.judge("ann", Verdict.REJECTED, BLUE)
    for form in FORMATS:
        assert made(told, form) == []
    everything = Filters(accepted_only=False)
    assert [r["answer"] for r in made(told, "yes-no", everything)] == ["no"]
    assert made(told, "captions", everything)[0]["verdict"] == "rejected"
    assert made(told, "preferences", everything) == []


def test_a_caption_that_was_criticised_after_its_verdict_is_open_again() -> None:
    told = revised()
    told.criticise("eve", GREEN, "It is turquoise.", (OBJECT,))
    for form in FORMATS:
        assert made(told, form) == []
    everything = Filters(accepted_only=False)
    assert made(told, "captions", everything)[0]["verdict"] == "draft"
    assert made(told, "preferences", everything) == []
    assert "yes" not in [r["answer"] for r in made(told, "yes-no", everything)]
    assert {r["pre_caption_score"] for r in made(told, "critiques", everything)} == {4}


def test_agreement_with_an_older_verdict_does_not_count() -> None:
    told = revised()
    told.judge("ann", Verdict.CORRECTED, GREEN, "Put the turquoise cup down.")
    assert made(told, "captions", Filters(agreed_only=True)) == []
    told.review("eve", "ann", "Put the turquoise cup down.", agrees=True)
    assert made(told, "captions", Filters(agreed_only=True))


def test_a_correction_by_hand_is_the_persons() -> None:
    told = Telling()
    told.draft(BLUE)
    told.judge("ann", Verdict.CORRECTED, BLUE, GREEN)
    (row,) = made(told, "captions")
    assert row["provenance"]["final_by"] == "person"


@pytest.mark.parametrize(
    ("filters", "taken"),
    [
        (Filters(least_reliability=0.8), True),
        (Filters(least_reliability=0.81), False),
        (Filters(people=("ann",)), True),
        (Filters(people=("bob",)), False),
        (Filters(since=date(2026, 3, 1), until=date(2026, 3, 1)), True),
        (Filters(since=date(2026, 3, 2)), False),
        (Filters(until=date(2026, 2, 28)), False),
        (Filters(recipes=("hand-collage",)), True),
        (Filters(recipes=("hand-collage-1-aa",)), True),
        (Filters(recipes=("hand",)), False),
        (Filters(recipes=("video",)), False),
        (Filters(agreed_only=True), True),
    ],
)
def test_filters(filters: Filters, taken: bool) -> None:
    assert bool(made(revised(), "captions", filters)) is taken


def test_the_day_of_a_verdict_is_that_of_utc() -> None:
    told = revised()
    judged = next(e for e in told.events if "judge_caption" in e.payload)
    late = replace(judged, at="2026-03-01T22:30:00-05:00")
    told.events[told.events.index(judged)] = late
    second = date(2026, 3, 2)
    assert made(told, "captions", Filters(since=second, until=second))
    assert made(told, "captions", Filters(until=date(2026, 3, 1))) == []


def test_what_nobody_judged_has_neither_person_nor_day() -> None:
    told = Telling()
    told.draft(BLUE)
    (row,) = made(told, "captions", Filters(accepted_only=False, recipes=("hand-collage",)))
    assert (row["verdict"], row["provenance"]["judged_by"]) == ("draft", "")
    assert row["provenance"]["judged_at"] == row["provenance"]["reviewed_by"] == ""
    assert row["provenance"]["reviewer_agrees"] is None
    for filters in (
        Filters(accepted_only=False, people=("ann",)),
        Filters(accepted_only=False, since=date(2026, 3, 1)),
        Filters(accepted_only=False, until=date(2026, 3, 1)),
        Filters(accepted_only=False, recipes=("video",)),
    ):
        assert made(told, "captions", filters) == []


def test_without_reliability_a_limit_leaves_it_out() -> None:
    told = revised()
    clip = Clip("cubes", 0, 0, "", (), 0, 5, 30.0, "")
    rows = samples(stories(told.events), {(0, 0): clip}, "captions", Filters(least_reliability=0.0))
    assert list(rows) == []


def test_captions_without_a_clip_are_passed_over_and_formats_are_known() -> None:
    told = stories(revised().events)
    assert list(samples(told, {}, "captions", Filters())) == []
    with pytest.raises(DataError, match="preferences"):
        list(samples(told, {}, "csv", Filters()))
