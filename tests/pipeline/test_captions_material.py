"""What a request is made from, and what it takes before its pictures are there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.backends.captioning.captioner import captioner
from pipeline.backends.captioning.material import spans_of
from pipeline.captioning.outlook import expected_usage
from pipeline.captioning.record import CaptionRecorder
from pipeline.model.caption import CaptionResult
from pipeline.model.caption_fields import CaptionFields
from pipeline.model.drafting import CaptionVersion, Exchange, Reply, SentRequest
from pipeline.model.edits import TagCaption
from pipeline.model.phases import Phase, PhaseName
from pipeline.model.problem import DataError
from pipeline.review.caption_story import stories
from pipeline.review.store import ReviewStore
from pipeline.stages.caption_material import caption_material, tags_of, with_own_context
from pipeline.stages.caption_online import OnlineDrafter
from pipeline.stages.captions import CaptionsOptions
from pipeline.stages.stage import StageInputs
from tests.pipeline.caption_scene import (
    CAMERA,
    FRAMES,
    HEIGHT,
    LENGTH,
    WIDTH,
    NoFrames,
    SomeFrames,
    demonstration_of,
    results_of,
    subtask_of,
)

TEXT = "put the red cube in the bowl"


def _inputs(*subtasks, subtask: int = 0) -> StageInputs:
    return StageInputs(results_of(*(subtasks or (subtask_of(TEXT),))), subtask)


def test_material_holds_what_the_stages_found() -> None:
    tags = (("verb", "stack"),)
    found = caption_material(demonstration_of(TEXT), _inputs(), NoFrames(), tags=tags)
    assert found.camera.key == CAMERA
    assert found.spans.present == (20, 40)
    assert np.array_equal(found.frames, FRAMES)
    assert found.reference.shape == (len(FRAMES), 2)
    assert found.mask_box is not None
    assert found.mask_box[-1].tolist() == [50, 10, 60, 20]
    assert found.start_box == (10.0, 10.0, 20.0, 20.0)
    assert (found.instruction, found.tags, found.outlines) == (TEXT, tags, ())
    assert (found.fps, found.length, found.previous_caption) == (10.0, LENGTH, "")
    marked = caption_material(demonstration_of(TEXT), _inputs(), NoFrames(), marks=True)
    assert [o.candidate for o in marked.outlines] == [3, 7]


def test_without_a_winner_there_is_no_box() -> None:
    inputs = _inputs()
    results = dict(inputs.results)
    results["scores"] = replace(results["scores"], winner=-1)
    found = caption_material(demonstration_of(TEXT), StageInputs(results, 0), NoFrames())
    assert (found.mask_box, found.start_box) == (None, None)


def test_the_caption_before_is_the_sentence_of_the_subtask_that_began_before() -> None:
    late, early, first = (
        subtask_of(TEXT, 0, 20, 40), subtask_of("open the box", 1, 10, 30), subtask_of("x", 2, 0, 9)
    )  # fmt: skip
    found = caption_material(demonstration_of(TEXT), _inputs(late, early, first), NoFrames())
    assert found.previous_caption == "open the box"
    again = _inputs(late, early, first, subtask=2)
    assert caption_material(demonstration_of(TEXT), again, NoFrames()).previous_caption == ""


def test_what_cannot_be_shown_is_one_sentence() -> None:
    other = replace(demonstration_of(TEXT), cameras=())
    with pytest.raises(DataError, match="camera"):
        caption_material(other, _inputs(), NoFrames())
    with pytest.raises(DataError, match="Subtask 1 covers no frame"):
        caption_material(demonstration_of(TEXT), _inputs(subtask_of(TEXT, 0, 90, 95)), NoFrames())


def _phased(start: int, closure: int, opening: int, end: int):
    spans = ((start, closure), (closure, opening), (opening, end))
    names = (PhaseName.GRASP, PhaseName.INTERACT, PhaseName.RELEASE)
    phases = tuple(
        Phase(name=n, arm="right", start=a, end=b, measured_start=a, measured_end=b, cycle=0)
        for n, (a, b) in zip(names, spans, strict=True)
    )
    return replace(subtask_of(TEXT, 0, start, end), phases=phases)


def test_the_own_approach_and_retreat_stand_in_for_past_and_future() -> None:
    whole = _phased(0, 30, 45, 60)
    found = with_own_context(spans_of((whole,), 0, 60, 10.0), whole, 10.0)
    assert (found.past, found.present, found.future) == ((0, 20), (20, 50), (50, 60))
    assert (found.past_is, found.future_is) == ("episode", "episode")
    middle = _phased(20, 40, 45, 50)
    spans = spans_of((middle,), 0, 60, 10.0)
    assert with_own_context(spans, middle, 10.0) == spans  # the episode has something to show
    quick = _phased(0, 5, 58, 60)  # too short an approach and retreat
    spans = spans_of((quick,), 0, 60, 10.0)
    assert with_own_context(spans, quick, 10.0) == spans
    unknown = subtask_of(TEXT, 0, 0, 60)
    spans = spans_of((unknown,), 0, 60, 10.0)
    assert with_own_context(spans, unknown, 10.0) == spans


def test_the_newest_tagging_counts() -> None:
    edits = (
        TagCaption(subtask=0, tags=(("verb", "put"),)),
        TagCaption(subtask=1, tags=(("verb", "pour"),)),
    )
    assert tags_of(edits, 0) == (("verb", "put"),)
    assert tags_of(edits, 2) == ()


@pytest.mark.parametrize("recipe", ["hand-collage", "frames", "hand-collage-pro"])
@pytest.mark.parametrize("model", ["gemini-2.5-flash", "qwen"])
def test_the_outlook_is_near_the_estimate(recipe: str, model: str, tmp_path: Path) -> None:
    """What `annotate` tells before any picture is there, beside what the real request takes."""
    options = CaptionsOptions(backend="gemini", recipe=recipe, model=model)
    material = caption_material(demonstration_of(TEXT), _inputs(), SomeFrames())
    drafter = OnlineDrafter(options, material, "f", captioner("gemini"))
    request = drafter.request(lambda share, what: None)
    real = drafter.captioner.estimate(request, drafter.settings)
    told = expected_usage(options, (WIDTH, HEIGHT))
    assert told.tokens_out == real.tokens_out
    assert 0.8 * real.tokens_in <= told.tokens_in <= 1.25 * real.tokens_in


def _written(text: str, critique: str = "", model: str = "m") -> CaptionVersion:
    exchange = Exchange(SentRequest("s", ()), Reply(text, model)) if model else None
    fields = CaptionFields("put", "cube")
    return CaptionVersion(text, fields, "gemini", model, "r-1", critique, exchange=exchange)


def _result(*versions: CaptionVersion) -> CaptionResult:
    last = versions[-1]
    return CaptionResult(last.text, last.text, last.fields, (), None, "m", versions=versions)


def test_what_models_wrote_is_recorded_once(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    store = ReviewStore.open(tmp_path / "data", who="ann")
    recorder = CaptionRecorder(store)
    assert len(recorder.record(0, 1, _result(_written("One.")))) == 1
    assert recorder.record(0, 1, _result(_written("One."))) == ()
    assert recorder.record(0, 0, _result(_written("Offline.", model=""))) == ()
    again = CaptionRecorder(store)  # another run of the command
    two = _result(_written("One."), _written("Two.", "c1"))
    assert [e.record["text"] for e in again.record(0, 1, two) if e.record] == ["Two."]
    (story,) = stories(store.events())
    assert [(v.text, v.critique, v.model) for v in story.versions] == [
        ("One.", "", "m"), ("Two.", "c1", "m"),
    ]  # fmt: skip
    store.close()
