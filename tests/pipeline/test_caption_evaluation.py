"""Recipes measured on a dataset: offline, against a local server, resumed, cancelled, reported."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.annotate import annotate_episode, standard_graph
from pipeline.captioning.evaluate import (
    EvaluationRequest,
    RecipeEvaluation,
    evaluate_recipes,
    evaluation_json,
    evaluation_outlook,
    evaluation_text,
    write_report,
)
from pipeline.captioning.evaluation_report import evaluation_page
from pipeline.captioning.references import read_references, stored_references
from pipeline.engine.cache import ResultCache
from pipeline.evaluation.caption_figures import (
    JudgedCaption,
    adjusted,
    compare,
    recipe_figures,
)
from pipeline.evaluation.caption_rubric import Failure, FieldJudgement
from pipeline.model.caption import Verdict
from pipeline.model.caption_fields import CaptionField
from pipeline.model.edits import CritiqueCaption, JudgeCaption, ReviewCaption, TagCaption
from pipeline.model.problem import Cancelled, DataError
from pipeline.review.store import ReviewStore
from pipeline.sources.detect import open_dataset
from tests.datasets import SAMPLE
from tests.language_server import LanguageServer, Refuse, Request, Say
from tests.pipeline.language_asking import KEY

RIGHT = {
    0: "Put the red cube in the bowl.",
    1: "Stack the blue cube on top of the plate.",
}


def references_file(folder: Path, captions: dict[int, str]) -> Path:
    path = folder / "references.jsonl"
    lines = [
        json.dumps({"episode_index": e, "subtask_index": 0, "caption": c, "more": 1})
        for e, c in captions.items()
    ]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


@pytest.fixture(scope="module", autouse=True)
def _stages(_own_folders: Path) -> None:
    """The stages before the captions, once for the whole session."""
    source, graph = open_dataset(SAMPLE), standard_graph()
    cache = ResultCache(_own_folders / "cache" / "results")
    for episode in RIGHT:
        annotate_episode(source, episode, graph=graph, cache=cache)


@pytest.fixture
def references(tmp_path: Path) -> Path:
    return references_file(tmp_path, RIGHT)


def drawn(request: Request) -> int:
    """Pictures of a question."""
    return json.dumps(request.body).count("inlineData")


@pytest.fixture
def gemini(
    server: LanguageServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> LanguageServer:
    """Right captions for those who show close-ups, wrong ones else; a judge that compares words."""
    monkeypatch.setenv("DEMOSCOPE_CACHE_DIR", str(tmp_path / "cache"))

    def answer(request: Request) -> str:
        if request.system.startswith("You grade"):
            asked = json.loads(request.turns[0])
            same = asked["reference"] == asked["caption"]
            return json.dumps({"reason": "?", "verb": same, "object": True, "destination": same})
        caption = RIGHT[0] if drawn(request) > 1 else "Open the drawer."
        return json.dumps({"verb": "put", "object": "red cube", "caption": caption})

    server.answer = answer
    return server


def asked(
    gemini: LanguageServer, references: Path, *recipes: str, **more: Any
) -> EvaluationRequest:
    values: dict[str, Any] = {"episodes": (0,), "base_url": gemini.url, "model": "gemini-2.5-flash"}
    return EvaluationRequest(SAMPLE, recipes, references, **(values | more))


def test_the_offline_drafter_by_the_offline_judge(references: Path, results_cache: Path) -> None:
    request = EvaluationRequest(SAMPLE, ("offline",), references)
    outlook = evaluation_outlook(request, results=results_cache)
    assert (outlook.items, outlook.requests, outlook.cost) == (2, 0, 0.0)
    assert outlook.text == "2 subtasks with a reference; no requests"
    priced = replace(outlook, requests=1, tokens_in=10, tokens_out=2, cost=0.0042)
    assert priced.text.endswith("10 tokens in, 2 out, about $0.0042")
    shares: list[float] = []
    found = evaluate_recipes(
        request, results=results_cache, progress=lambda share, _: shares.append(share)
    )
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    (figures,) = found.figures
    assert (figures.count, figures.acceptable) == (2, 1)
    assert found.comparisons == ()
    wrong = [r for r in found.rows if not r.right]
    assert [(r.episode, r.judgement.failure) for r in wrong] == [(1, Failure.WRONG_VERB)]
    assert wrong[0].verb == "stack"
    assert found.same_as_reference == (1,)
    assert found.spent == "no requests"
    assert any("favour" in note for note in found.notes)
    assert any("few" in note for note in found.notes)


def test_recipes_are_measured_against_a_server(
    gemini: LanguageServer, references: Path, results_cache: Path
) -> None:
    request = asked(
        gemini,
        references,
        "frames",
        "hand-collage",
        "offline",
        judge="gemini",
        judge_base_url=gemini.url,
        judge_model="gemini-2.5-pro",
    )
    evaluate_recipes(
        EvaluationRequest(SAMPLE, ("offline",), references, (0,)), results=results_cache
    )
    before = evaluation_outlook(request, results=results_cache)
    assert not gemini.requests, "an estimate sends nothing"
    assert before.requests == 5  # two drafts, two verdicts on them, one on the offline caption
    assert before.tokens_in > 1000
    assert before.cost is not None
    assert before.cost > 0.0
    found = evaluate_recipes(request, results=results_cache)
    rates = {f.recipe: f.rate for f in found.figures}
    assert rates == {"frames": 0.0, "hand-collage": 1.0, "offline": 1.0}
    assert [c.second for c in found.comparisons] == ["hand-collage", "offline"]
    assert found.comparisons[0].overall.improvements == 1
    assert found.judge == "gemini, gemini-2.5-pro"
    assert "hand-collage-" in found.identities[1]
    assert "2 requests" in found.spent
    graded = [r for r in gemini.requests if r.system.startswith("You grade")]
    assert all(drawn(r) == 0 for r in graded)
    for request_ in graded:
        text = json.dumps(request_.body)
        assert "hand-collage" not in text
        assert "flash" not in text
        assert request_.option["temperature"] == 0.0
    sent = len(gemini.requests)
    again = evaluate_recipes(request, results=results_cache)
    assert len(gemini.requests) == sent, "all answers are kept"
    assert again.figures == found.figures
    assert evaluation_outlook(request, results=results_cache).requests == 0
    assert KEY not in json.dumps(evaluation_json(found))


def test_what_people_said_is_not_told_to_the_drafter(
    gemini: LanguageServer, tmp_path: Path, results_cache: Path
) -> None:
    folder = tmp_path / "sample"
    shutil.copytree(SAMPLE, folder)
    store = ReviewStore.open(folder, who="me")
    corrected = "Stack the violet teapot on top of the wardrobe."
    store.append(
        0, TagCaption(subtask=0, tags=(("object", "violet teapot"), ("destination", "wardrobe")))
    )
    store.append(
        0,
        CritiqueCaption(
            subtask=0,
            uid="1",
            about="x",
            fields=(CaptionField.OBJECT,),
            text="It is a violet teapot.",
        ),
    )
    store.append(0, JudgeCaption(subtask=0, verdict=Verdict.CORRECTED, draft="x", text=corrected))
    store.append(1, JudgeCaption(subtask=0, verdict=Verdict.REJECTED, draft="x", text=""))
    store.close()
    own = stored_references(folder)
    assert own.captions == {(0, 0): corrected}
    assert own.origin == "review store: 0 accepted, 1 corrected"
    assert "1 left out: rejected" in own.notes[0]
    request = EvaluationRequest(
        folder, ("hand-collage@gemini-2.5-pro",), base_url=gemini.url, judge="offline"
    )
    found = evaluate_recipes(request, results=results_cache)
    assert [(r.episode, r.reference) for r in found.rows] == [(0, corrected)]
    text = json.dumps([r.body for r in gemini.requests])
    assert len(gemini.requests) == 1
    assert "gemini-2.5-pro" in gemini.requests[0].path
    for word in ("teapot", "wardrobe"):
        assert word not in text.lower()


def test_captions_in_doubt_are_no_references(tmp_path: Path) -> None:
    store = ReviewStore.open(tmp_path / "data", who="me")
    for episode in range(5):
        text = f"Put cup {episode} on the tray."
        edit = JudgeCaption(subtask=0, verdict=Verdict.ACCEPTED, draft=text, text="")
        store.append(episode, edit)
    store.append(1, CritiqueCaption(subtask=0, uid="a", about="x", text="Wrong cup."))
    for episode, agrees, caption in (
        (2, False, "Put cup 2 on the tray."),
        (3, True, "Put cup 3 on the tray."),
        (4, False, "What it was before."),
    ):
        store.append(episode, ReviewCaption(subtask=0, of="you", caption=caption, agrees=agrees))
    store.close()
    before = sorted(p.name for p in tmp_path.rglob("*"))
    found = stored_references(tmp_path / "data")
    assert sorted(p.name for p in tmp_path.rglob("*")) == before
    assert [episode for episode, _ in found.captions] == [0, 3, 4]
    assert found.origin == "review store: 3 accepted, 0 corrected"
    assert found.notes == (
        "1 left out: criticised after the verdict, which is open again.",
        "1 left out: wrong to a reviewer.",
    )


def test_measuring_leaves_damaged_reviews_where_they_are(tmp_path: Path) -> None:
    store = ReviewStore.open(tmp_path / "data", who="me")
    store.append(0, JudgeCaption(subtask=0, verdict=Verdict.ACCEPTED, draft="x", text="x"))
    place = store.location
    store.close()
    place.write_bytes(b"no database" * 999)
    with pytest.raises(DataError, match="damaged"):
        stored_references(tmp_path / "data")
    assert place.read_bytes() == b"no database" * 999


def test_an_answer_that_cannot_be_used_is_the_recipes_fault(
    gemini: LanguageServer, references: Path, results_cache: Path
) -> None:
    gemini.script.append(Say("", reason="BLOCK:SAFETY"))
    found = evaluate_recipes(asked(gemini, references, "frames"), results=results_cache)
    (row,) = found.rows
    assert row.judgement.failure is Failure.EGREGIOUS
    assert row.error
    assert found.figures[0].errors == 1
    assert any("not written" in note for note in found.notes)


def test_a_server_that_cannot_be_asked_stops_it_and_it_goes_on_later(
    gemini: LanguageServer, references: Path, results_cache: Path
) -> None:
    request = asked(gemini, references, "hand-collage", "frames", episodes=(0, 1), jobs=1)
    gemini.script.extend([lambda _: None, lambda _: None, Refuse(403, "no more for you")])
    with pytest.raises(DataError, match="episode 1, subtask 1, hand-collage"):
        evaluate_recipes(request, results=results_cache)
    assert len(gemini.requests) == 3
    found = evaluate_recipes(request, results=results_cache)
    assert len(gemini.requests) == 5, "what was answered is not asked again"
    assert len(found.rows) == 4


@pytest.mark.parametrize("after", [0, 3])
def test_cancelling(
    gemini: LanguageServer, references: Path, results_cache: Path, after: int
) -> None:
    calls = 0

    def is_cancelled() -> bool:
        nonlocal calls
        calls += 1
        return calls > after

    request = asked(gemini, references, "hand-collage", "frames", episodes=None)
    with pytest.raises(Cancelled):
        evaluate_recipes(request, results=results_cache, is_cancelled=is_cancelled)
    assert not gemini.requests


@pytest.mark.parametrize(
    ("recipes", "code"),
    [
        ((), "bad_evaluation"),
        (("",), "bad_evaluation"),
        (("a", "a"), "bad_evaluation"),
        (("no-such",), "no_recipe"),
        (("no-such@model",), "no_recipe"),
    ],
)
def test_recipes_that_cannot_be_measured(
    recipes: tuple[str, ...], code: str, references: Path
) -> None:
    with pytest.raises(DataError) as raised:
        evaluate_recipes(EvaluationRequest(SAMPLE, recipes, references))
    assert raised.value.code == code


def test_a_recipe_needs_a_server(references: Path) -> None:
    request = EvaluationRequest(SAMPLE, ("frames",), references, backend="offline")
    with pytest.raises(DataError, match="is for models"):
        evaluate_recipes(request)


def test_nothing_to_measure_on(tmp_path: Path, results_cache: Path) -> None:
    far = references_file(tmp_path, {99: "Open the box."})
    with pytest.raises(DataError, match="no caption with a reference"):
        evaluate_recipes(EvaluationRequest(SAMPLE, ("offline",), far), results=results_cache)
    lines = [{"episode_index": 0, "subtask_index": s, "caption": RIGHT[0]} for s in (0, 5)]
    far.write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = evaluate_recipes(EvaluationRequest(SAMPLE, ("offline",), far), results=results_cache)
    assert len(found.rows) == 1
    assert "Episode 0 has no subtask 6 any more; it is left out." in found.notes
    with pytest.raises(DataError) as raised:
        evaluate_recipes(
            EvaluationRequest(SAMPLE, ("offline",), far, options={"captions": {"nothing": 1}})
        )
    assert raised.value.code == "bad_options"


def test_a_sentence_may_hold_other_ends_of_lines(tmp_path: Path) -> None:
    path = tmp_path / "good.jsonl"
    path.write_text('{"episode_index": 0, "caption": "Put it\u2028down."}\r\n', "utf-8", newline="")
    assert read_references(path).captions == {(0, 0): "Put it down."}


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        "7",
        "",
        '{"caption": "x"}',
        '{"episode_index": -1, "caption": "x"}',
        '{"episode_index": true, "caption": "x"}',
        '{"episode_index": 0, "caption": 7}',
        '{"episode_index": ' + "9" * 5000 + "}",
        '{"episode_index": 0, "subtask_index": "a", "caption": "x"}',
    ],
)
def test_files_that_are_no_references(tmp_path: Path, line: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(line)
    with pytest.raises(DataError) as raised:
        read_references(path)
    assert raised.value.code == "bad_references"
    assert str(path) in str(raised.value)


def test_files_with_gaps(tmp_path: Path) -> None:
    path = tmp_path / "some.jsonl"
    path.write_text(
        '\n{"episode_index": 3, "caption": " Open  the box. "}\n'
        '{"episode_index": 4, "caption": null}\n{"episode_index": 5}\n'
    )
    found = read_references(path)
    assert found.captions == {(3, 0): "Open the box."}
    assert "2 lines" in found.notes[0]
    path.write_text('{"episode_index": 3, "caption": "a"}\n' * 2)
    with pytest.raises(DataError, match="line 2"):
        read_references(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_references(tmp_path / "absent")


def example(evil: str = "") -> RecipeEvaluation:
    """Two recipes on eight captions."""
    rows = []
    for recipe in ("hand-collage", "frames"):
        for k in range(8):
            right = k % 2 == 0 or (recipe == "hand-collage" and k < 6)
            fields = FieldJudgement(right or k == 3, right, True, k == 7 and not right, "why")
            rows.append(
                JudgedCaption(
                    recipe, k, 0, "put" if k < 5 else "pour", f"Put it{evil}.", "Put.", fields, 0.5
                )
            )
    own = [[r for r in rows if r.recipe == n] for n in ("hand-collage", "frames")]
    return RecipeEvaluation(
        request=EvaluationRequest(Path("data"), ("hand-collage", "frames")),
        dataset=f"kitchen{evil}",
        judge="offline",
        references="file a.jsonl",
        identities=("gemini, hand-collage-1-aaaa", "gemini, frames-1-bbbb"),
        figures=tuple(map(recipe_figures, own)),
        comparisons=adjusted([compare(*own)]),
        rows=tuple(rows),
        same_as_reference=(0, 0),
        spent="no requests",
        notes=("Few.",),
    )


def test_the_text_has_the_figures() -> None:
    text = evaluation_text(example())
    assert "hand-collage      7 of 8  87.5 %" in text
    assert (
        "frames improves 0 and worsens 3 of 8 captions against hand-collage: -37.5 points" in text
    )
    assert "which chance may explain (p 0.250)" in text
    assert "pour" in text


def test_the_json_is_json_and_complete() -> None:
    found = json.loads(json.dumps(evaluation_json(example()), allow_nan=False))
    assert [r["acceptable_rate"] for r in found["recipes"]] == [0.875, 0.5]
    assert len(found["captions"]) == 16
    assert {c["rubric"] for c in found["captions"]} == {
        "acceptable",
        "not_acceptable",
        "egregious",
    }
    (comparison,) = found["comparisons"]
    assert comparison["overall"]["regressions"] == 3
    assert comparison["difference"] == -0.375
    assert comparison["interval"]["low"] < -0.375 < comparison["interval"]["high"]


def test_the_page_needs_nothing_else_and_trusts_nobody(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    write_report(example('<script>alert("1")</script>'), path)
    page = path.read_text("utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    for outside in ("http://", "https://", "src=", "@import", "url("):
        assert outside not in page
    assert "default-src 'none'" in page
    assert page.count("<svg") == 2 + 2 + 2
    assert "$" not in page.replace("$0", "")
    assert "frames against hand-collage" in page


def test_a_recipe_that_is_always_right_has_a_page() -> None:
    rows = tuple(
        JudgedCaption("a", k, 0, "put", "x", "x", FieldJudgement(True, True, True), 1.0)
        for k in range(3)
    )
    found = RecipeEvaluation(
        EvaluationRequest(Path("d"), ("a",)),
        "d",
        "offline",
        "file",
        ("a",),
        (recipe_figures(rows),),
        (),
        rows,
        (3,),
    )
    assert "None." in evaluation_page(found)
    assert "nan" not in evaluation_text(found)
    json.dumps(evaluation_json(found), allow_nan=False)
