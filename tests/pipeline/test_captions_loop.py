"""Draft, critique, revision, verdict: the loop of the stage, offline and with a model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.backends.captioning.recipes import load_recipes
from pipeline.engine.codec import decode, encode
from pipeline.engine.keys import result_key
from pipeline.model.caption import CaptionResult, Verdict
from pipeline.model.caption_fields import CaptionField
from pipeline.model.drafting import PartKind, SentRequest
from pipeline.model.edits import JudgeCaption, TagCaption
from pipeline.model.problem import Cancelled, DataError
from pipeline.model.recipe import Reasoning
from pipeline.stages.caption_online import is_large, recipe_of
from pipeline.stages.captions import CaptionsOptions, CaptionsStage, critiques_of
from tests.pipeline.caption_scene import (
    ScriptedCaptioner,
    SomeFrames,
    critique,
    demonstration_of,
    run_captions,
    subtask_of,
)

TEXT = "put the red cube in the bowl"
DRAFT = "Put the red cube in the bowl."
GEMINI = CaptionsOptions(backend="gemini")
ANSWER = {
    "verb": "put", "object": "red block", "relation": "in", "destination": "white bowl",
    "caption": "Put the red block in the white bowl.",
}  # fmt: skip
STACKED = ANSWER | {
    "verb": "stack", "relation": "on top of", "caption": "Stack the red block on top of the bowl."
}  # fmt: skip


@pytest.fixture(autouse=True)
def no_recipes_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEMOSCOPE_CONFIG_DIR", str(tmp_path / "config"))
    return tmp_path / "config" / "recipes"


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> ScriptedCaptioner:
    scripted = ScriptedCaptioner()
    monkeypatch.setattr(
        "pipeline.backends.captioning.captioner.captioner", lambda name, store=None: scripted
    )
    return scripted


def _judged(verdict: Verdict, draft: str, text: str) -> JudgeCaption:
    return JudgeCaption(subtask=0, verdict=verdict, draft=draft, text=text)


def codes(result: CaptionResult) -> list[str]:
    return [p.code for p in result.problems]


# -- offline ---------------------------------------------------------------------------------------


def test_corrections_make_the_next_version_offline() -> None:
    first = critique("c1", DRAFT, "The object is green.", corrections={"object_name": "green"})
    result = run_captions(TEXT, first)
    assert [v.text for v in result.versions] == [DRAFT, "Put the green cube in the bowl."]
    assert result.text == result.draft == "Put the green cube in the bowl."
    assert result.fields.object_name == "green cube"
    assert [v.critique for v in result.versions] == ["", "c1"]
    assert dict(result.evidence)["object"] == "critique"
    assert "color" not in dict(result.evidence)
    assert result.drafter == "offline"
    assert decode(encode(result), CaptionResult) == result


def test_the_text_of_a_critique_is_understood_or_said_not_to_be() -> None:
    result = run_captions(TEXT, critique("c1", DRAFT, "wrong destination: drawer"))
    assert result.text == "Put the red cube in the drawer."
    assert "wrong destination: drawer" in dict(result.evidence)["destination"]
    result = run_captions(TEXT, critique("c1", DRAFT, "this is wrong"))
    assert result.text == DRAFT
    assert codes(result) == ["critique_not_understood"]
    assert "this is wrong" in result.problems[0].message
    assert len(result.versions) == 2


def test_what_the_sentence_has_no_place_for_is_said() -> None:
    result = run_captions(TEXT, critique("c1", DRAFT, corrections={"source": "the shelf"}))
    assert (result.text, result.fields.source) == (DRAFT, "shelf")
    assert codes(result) == ["revision_unsaid"]
    result = run_captions(TEXT, critique("c1", DRAFT, corrections={"arm": "left"}))
    assert (result.text, result.fields.arm, codes(result)) == (DRAFT, "left", [])


def test_critiques_are_answered_one_after_the_other() -> None:
    green = critique("c1", DRAFT, corrections={"object_name": "green"})
    stack = critique("c2", "Put the green cube in the bowl.", "should be stack")
    result = run_captions(TEXT, green, stack)
    assert [v.text for v in result.versions] == [
        DRAFT, "Put the green cube in the bowl.", "Stack the green cube in the bowl.",
    ]  # fmt: skip


def test_a_refined_critique_takes_the_place_of_the_one_before() -> None:
    green = critique("c1", DRAFT, corrections={"object_name": "green"})
    stack = critique("c2", "Put the green cube in the bowl.", "should be stack")
    blue = critique("c3", DRAFT, corrections={"object_name": "blue"}, refines="c1")
    darker = critique("c4", DRAFT, corrections={"object_name": "black"}, refines="c3")
    assert [c.uid for c in critiques_of((green, stack, blue), 0)] == ["c3", "c2"]
    assert [c.uid for c in critiques_of((green, stack, blue, darker), 0)] == ["c4", "c2"]
    assert [c.uid for c in critiques_of((stack, blue), 0)] == ["c2", "c3"]  # c1 was undone
    assert critiques_of((green,), 1) == ()
    result = run_captions(TEXT, green, stack, blue, darker)
    assert result.text == "Stack the black cube in the bowl."
    assert [v.critique for v in result.versions] == ["", "c4", "c2"]


def test_a_critique_about_another_text_says_so() -> None:
    old = critique("c1", "Put the ball in the bowl.", corrections={"object_name": "green"})
    result = run_captions(TEXT, old)
    assert result.text == "Put the green cube in the bowl."
    assert codes(result) == ["critique_of_other_text"]
    assert "Put the ball" in result.problems[0].message


def test_a_critique_of_a_corrected_caption_changes_the_person_s_words() -> None:
    mine = "Stack the ruby cube on top of the box."
    corrected = _judged(Verdict.CORRECTED, DRAFT, mine)
    result = run_captions(TEXT, corrected, critique("c1", mine, "wrong destination: drawer"))
    assert result.text == "Stack the ruby cube on top of the drawer."
    assert result.verdict is None  # it was criticised after the verdict
    assert codes(result) == ["caption_draft_changed"]


def test_a_verdict_stands_until_somebody_criticises() -> None:
    green = critique("c1", DRAFT, corrections={"object_name": "green"})
    revised = "Put the green cube in the bowl."
    accepted = _judged(Verdict.ACCEPTED, DRAFT, DRAFT)
    reopened = run_captions(TEXT, accepted, green)
    assert (reopened.text, reopened.verdict) == (revised, None)
    assert codes(reopened) == ["caption_draft_changed"]
    accepted = _judged(Verdict.ACCEPTED, revised, revised)
    result = run_captions(TEXT, green, accepted)
    assert (result.text, result.verdict) == (revised, Verdict.ACCEPTED)
    assert codes(result) == []
    earlier = run_captions(TEXT, green, _judged(Verdict.ACCEPTED, DRAFT, DRAFT))
    assert (earlier.text, earlier.verdict) == (DRAFT, Verdict.ACCEPTED)
    assert codes(earlier) == ["caption_draft_changed"]


def test_tags_decide_the_draft() -> None:
    tags = TagCaption(subtask=0, tags=(("verb", "stack"), ("relation", "on top of")))
    other = TagCaption(subtask=1, tags=(("verb", "pour"),))
    result = run_captions(TEXT, tags, other)
    assert result.text == "Stack the red cube on top of the bowl."
    evidence = dict(result.evidence)
    assert evidence["verb"] == evidence["relation"] == "tagged by a person"
    assert evidence["destination"].startswith("from the instruction")


# -- with a model ----------------------------------------------------------------------------------


def test_a_model_drafts_what_the_recipe_shows(model: ScriptedCaptioner) -> None:
    model.script.append(ANSWER)
    reader = SomeFrames()
    result = run_captions(TEXT, options=GEMINI, reader=reader)
    ((request, _, settings),) = model.asked
    pictures = [p.role for p in request.parts if p.kind is PartKind.IMAGE]
    assert pictures == ["past", "present", "future", *["close-ups"] * 6]
    assert settings.model == ""
    assert settings.reasoning is Reasoning.OFF
    (version,) = result.versions
    assert version.exchange is not None
    assert version.exchange.request is request
    assert (version.drafter, version.model) == ("gemini", "gemini-x")
    assert version.recipe == load_recipes().get("hand-collage").identity
    assert result.text == ANSWER["caption"]
    assert result.fields.destination == "white bowl"
    assert result.drafter == "gemini-x"
    assert "9 pictures" in dict(result.evidence)["verb"]
    back = decode(encode(result), CaptionResult)
    kept = back.versions[0].exchange
    assert kept is not None
    for one, two in zip(kept.request.parts, request.parts, strict=True):
        assert np.array_equal(one.data, two.data)
        assert one.text == two.text


def test_a_revision_shows_the_same_pictures_and_the_critique(model: ScriptedCaptioner) -> None:
    model.script.extend([ANSWER, STACKED])
    reader = SomeFrames()
    said = critique(
        "c1", ANSWER["caption"], "It lies on another block.", fields=(CaptionField.VERB,),
        corrections={"verb": "stack"},
    )  # fmt: skip
    result = run_captions(TEXT, said, options=GEMINI, reader=reader)
    draft, revision = (asked[0] for asked in model.asked)
    images = [[p for p in r.parts if p.kind is PartKind.IMAGE] for r in (draft, revision)]
    assert all(a is b for a, b in zip(*images, strict=True))
    assert revision.purpose == "revise"
    told = "\n".join(p.text for p in revision.parts)
    assert ANSWER["caption"] in told
    assert "It lies on another block." in told
    assert "verb is “stack”" in told
    assert result.text == STACKED["caption"]
    assert [v.critique for v in result.versions] == ["", "c1"]
    asked = len(reader.asked)

    model.script.extend([ANSWER, STACKED])
    accepted = _judged(Verdict.ACCEPTED, STACKED["caption"], STACKED["caption"])
    again = run_captions(TEXT, said, accepted, options=GEMINI, reader=reader)
    assert again.verdict is Verdict.ACCEPTED
    assert len(reader.asked) == asked  # a verdict decodes no picture again


def test_words_outside_the_vocabulary_are_a_finding(model: ScriptedCaptioner) -> None:
    model.script.append(ANSWER | {"verb": "juggle", "caption": "Juggle the red block."})
    result = run_captions(TEXT, options=GEMINI, reader=SomeFrames())
    assert result.text == "Juggle the red block."
    assert "caption_outside_vocabulary" in codes(result)


def test_options_that_the_server_drops_are_said(model: ScriptedCaptioner) -> None:
    model.script.append(ANSWER)
    model.dropped = ("logprobs",)
    result = run_captions(TEXT, options=GEMINI, reader=SomeFrames())
    assert "option_dropped" in codes(result)


def test_a_failed_question_is_an_error_or_the_offline_caption(model: ScriptedCaptioner) -> None:
    model.script.append(DataError("server_busy", "Gemini is busy."))
    with pytest.raises(DataError, match="Gemini is busy"):
        run_captions(TEXT, options=GEMINI, reader=SomeFrames())
    model.script.append(DataError("server_busy", "Gemini is busy."))
    allowed = CaptionsOptions(backend="gemini", allow_fallback=True)
    stack = critique("c1", DRAFT, "should be stack")
    result = run_captions(TEXT, stack, options=allowed, reader=SomeFrames())
    assert result.text == "Stack the red cube in the bowl."
    assert codes(result)[0] == "backend_fallback"
    assert "Gemini is busy" in result.problems[0].message
    assert len(model.asked) == 2  # the revision did not try again

    model.script.extend([ANSWER, DataError("timeout", "No answer.")])
    said = critique("c1", ANSWER["caption"], "should be stack")
    result = run_captions(TEXT, said, options=allowed, reader=SomeFrames())
    assert [v.drafter for v in result.versions] == ["gemini", "offline"]
    assert result.text == "Stack the red block in the white bowl."


def test_cancel_goes_through(model: ScriptedCaptioner) -> None:
    model.script.append(ANSWER)

    def cancel(share: float, what: str) -> None:
        if what == "asking":
            raise Cancelled

    allowed = CaptionsOptions(backend="gemini", allow_fallback=True)
    with pytest.raises(Cancelled):
        run_captions(TEXT, options=allowed, reader=SomeFrames(), report=cancel)


def test_the_sentence_of_the_subtask_before_is_the_caption_before(
    model: ScriptedCaptioner,
) -> None:
    model.script.append(ANSWER)
    subtasks = (subtask_of(TEXT, 0, 20, 40), subtask_of("open the drawer", 1, 2, 18))
    options = CaptionsOptions(backend="gemini", recipe="sequential-context")
    run_captions(TEXT, options=options, reader=SomeFrames(), subtasks=subtasks)
    told = "\n".join(p.text for p in model.asked[0][0].parts)
    assert "open the drawer" in told


# -- options and keys ------------------------------------------------------------------------------


def test_options_win_over_the_recipe(model: ScriptedCaptioner) -> None:
    model.script.append(ANSWER)
    options = CaptionsOptions(
        backend="gemini", model="m", temperature=0.5, reasoning="high", draw=3, attempts=2,
        requests_per_minute=7,
    )  # fmt: skip
    run_captions(TEXT, options=options, reader=SomeFrames())
    settings = model.asked[0][2]
    assert (settings.model, settings.temperature, settings.draw) == ("m", 0.5, 3)
    assert (settings.attempts, settings.requests_per_minute) == (2, 7)
    assert settings.reasoning is Reasoning.HIGH
    wrong = CaptionsOptions(backend="gemini", temperature=-0.5)
    with pytest.raises(DataError, match="-1 for the recipe"):
        run_captions(TEXT, options=wrong, reader=SomeFrames())


def test_a_recipe_that_does_not_exist_names_those_that_do() -> None:
    options = CaptionsOptions(backend="gemini", recipe="nonsense")
    with pytest.raises(DataError, match="hand-collage"):
        run_captions(TEXT, options=options)


@pytest.mark.parametrize(
    ("name", "large"),
    [
        ("gemini-2.5-pro", True),
        ("gemini-3-flash-preview", False),
        ("Qwen2.5-VL-72B-Instruct", True),
        ("qwen2.5-vl-7b", False),
        ("prometheus", False),
        ("", False),
    ],
)
def test_the_recipe_follows_the_size_of_the_model(name: str, large: bool) -> None:
    assert is_large(name) is large
    chosen = recipe_of(CaptionsOptions(backend="gemini", model=name)).name
    assert chosen == ("hand-collage-pro" if large else "hand-collage")


def _key(options: CaptionsOptions) -> str:
    return result_key(CaptionsStage(), demonstration_of(TEXT), 0, options, (), {})


def test_a_changed_recipe_makes_results_stale(no_recipes_of_the_user: Path) -> None:
    def write(cell: int) -> None:
        no_recipes_of_the_user.mkdir(parents=True, exist_ok=True)
        text = f"[pictures]\ncell_width = {cell}\n"
        (no_recipes_of_the_user / "mine.toml").write_text(text)

    mine = CaptionsOptions(backend="gemini", recipe="mine")
    missing = _key(mine)  # is told when it runs, not while keys are made
    write(320)
    before, default = _key(mine), _key(GEMINI)
    assert before != missing
    write(256)
    assert _key(mine) != before
    assert _key(GEMINI) == default
    assert _key(CaptionsOptions(backend="gemini", timeout_s=9.0)) == default
    assert _key(CaptionsOptions(backend="gemini", draw=1)) != default


def test_offline_needs_no_recipe_no_frame_and_no_opencv(
    no_recipes_of_the_user: Path, loaded_by: Callable[[str], set[str]]
) -> None:
    loaded = loaded_by(
        "from tests.pipeline.caption_scene import run_captions\n"
        f"assert run_captions({TEXT!r}).text == {DRAFT!r}"
    )
    assert not loaded & {"cv2", "av", "google.genai", "httpx2", "sqlalchemy"}


@pytest.fixture
def loaded_by() -> Callable[[str], set[str]]:
    """Modules that a new interpreter has loaded after running some lines."""
    import subprocess
    import sys

    def run(code: str) -> set[str]:
        code += "\nimport sys; print('\\n'.join(sys.modules))"
        done: Any = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        return set(done.stdout.split())

    return run


def test_a_request_is_a_value(model: ScriptedCaptioner) -> None:
    """Equal material makes an equal request, so that a kept answer is found in another process."""
    from pipeline.stages import caption_online

    requests: list[SentRequest] = []
    for _ in range(2):
        caption_online._REMEMBERED.clear()
        model.script.append(ANSWER)
        run_captions(TEXT, options=GEMINI, reader=SomeFrames())
        requests.append(model.asked[-1][0])
    assert requests[0] is not requests[1]
    assert encode(requests[0]) == encode(requests[1])
