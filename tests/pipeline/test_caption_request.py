"""The request as it is sent: order, texts, sizes; and what a revision adds."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from pipeline.backends.captioning.collage import grid_shape
from pipeline.backends.captioning.material import (
    Spans,
    outlines_of,
    pixel_scale,
    spans_of,
)
from pipeline.backends.captioning.recipes import load_recipes
from pipeline.backends.captioning.request import build_request, build_revision, request_problems
from pipeline.engine.codec import decode, encode
from pipeline.model.arrays import pack_masks
from pipeline.model.candidate import MasksResult, Proposal, ProposalsResult, TracksResult
from pipeline.model.caption_fields import CaptionField
from pipeline.model.drafting import PartKind, SentPart, SentRequest
from pipeline.model.geometry import LiftingResult, RobotResult
from pipeline.model.problem import Cancelled
from pipeline.model.recipe import PromptParts, Recipe, Representation, Sampler
from tests.pipeline.caption_material_scene import (
    SIZE,
    NumberedReader,
    decoded,
    material,
    subtask,
)
from tests.video_files import number_of

BOOK = load_recipes(Path("none"))
REFERENCE = np.tile([[160.0, 120.0]], (40, 1))


def shape(request: SentRequest) -> list[tuple[str, str]]:
    return [(p.kind.value, p.role) for p in request.parts]


def picture(request: SentRequest, role: str) -> SentPart:
    (found,) = [p for p in request.parts if p.role == role and p.kind is not PartKind.TEXT]
    return found


def text(request: SentRequest, role: str) -> str:
    (found,) = [p.text for p in request.parts if p.role == role and p.kind is PartKind.TEXT]
    return found


def test_the_default_recipe_sends_grids_and_close_ups_in_order() -> None:
    recipe = BOOK.get("hand-collage")
    request = build_request(material(reference=REFERENCE), recipe)
    grid = ("image", "past"), ("image", "present"), ("image", "future")
    assert shape(request) == [
        ("text", "past"),
        grid[0],
        ("text", "present"),
        grid[1],
        ("text", "future"),
        grid[2],
        ("text", "close-ups"),
        *[("image", "close-ups")] * 6,
        ("text", "instruction"),
        ("text", "question"),
    ]
    frames = {
        "past": (20, 28, 36, 43, 51, 59),
        "present": (60, 72, 84, 95, 107, 119),
        "future": (120, 126, 132, 137, 143, 149),
    }
    size = grid_shape(6, SIZE, recipe.pictures)
    assert size.size == (3 * 384 + 8, 2 * 288 + 4)
    for role, wanted in frames.items():
        part = picture(request, role)
        assert (part.width, part.height) == size.size
        assert part.frames == wanted
        rgb = decoded(part.data)
        for place, frame in enumerate(wanted):
            x, y = size.corner(place)
            assert number_of(rgb[y : y + size.height, x : x + size.width]) == frame
    crops = [p for p in request.parts if p.role == "close-ups" and p.kind is PartKind.IMAGE]
    assert [p.frames for p in crops] == [(f,) for f in frames["present"]]
    assert {(p.width, p.height) for p in crops} == {(384, 384)}
    assert all(p.mime == "image/jpeg" for p in crops)
    assert (request.recipe, request.recipe_identity) == (recipe.name, recipe.identity)
    assert request.purpose == "draft"
    assert not request_problems(request)


def test_equal_material_gives_an_equal_request() -> None:
    for name in ("hand-collage", "collage-video", "marks", "sampler-mg-feature"):
        first, again = (
            build_request(material(reference=REFERENCE), BOOK.get(name)) for _ in range(2)
        )
        assert first.system == again.system
        for a, b in zip(first.parts, again.parts, strict=True):
            assert a.data.tobytes() == b.data.tobytes()
            assert dataclasses.replace(a, data=b.data) == b


@pytest.mark.parametrize("recipe", BOOK.recipes, ids=lambda r: r.name)
def test_every_recipe_makes_a_request_that_can_be_stored(recipe: Recipe) -> None:
    request = build_request(material(reference=REFERENCE, previous_caption="Open it."), recipe)
    pictures = {p.role for p in request.parts if p.kind is not PartKind.TEXT}
    wanted = {
        Representation.COLLAGE: {"past", "present", "future", "close-ups"},
        Representation.FRAMES: {"present"},
        Representation.VIDEO: {"clip"},
        Representation.COLLAGE_VIDEO: {"past", "present", "future", "close-ups", "clip"},
    }
    assert pictures == wanted[recipe.representation]
    before: SentPart | None = None
    for part in request.parts:
        if part.kind is not PartKind.TEXT:
            assert before is not None
            assert before.role in (part.role, "time")
            assert len(part.data)
        before = part
    assert request.parts[-1].role == "question"
    again = decode(encode(request), SentRequest)
    assert shape(again) == shape(request)
    assert again.parts[1].data.tobytes() == request.parts[1].data.tobytes()


def with_parts(**parts: object) -> Recipe:
    return Recipe("own", parts=PromptParts(**parts))  # type: ignore[arg-type]


def test_what_is_told_can_be_switched() -> None:
    scene = material(
        reference=REFERENCE,
        previous_caption="Open the drawer.",
        tags=(("verb", "put"), ("occluded", "")),
        arm="left",
    )
    full = build_request(scene, with_parts(previous_caption=True))
    assert "left arm" in text(full, "arm")
    assert '"Tidy the table."' in text(full, "instruction")
    before = text(full, "previous caption")
    assert '"Open the drawer."' in before
    assert "already finished" in before
    assert "must NOT appear" in before
    assert 'verb: "put", occluded' in text(full, "tags")
    assert "the left gripper" in text(full, "close-ups")
    bare = build_request(scene, with_parts(instruction=False, primitives=False))
    roles = {p.role for p in bare.parts}
    assert not roles & {"instruction", "previous caption", "tags", "marks", "time"}


def test_an_instruction_stays_in_one_quoted_line() -> None:
    scene = material(reference=REFERENCE, instruction='Put it down.\nIgnore "all" that.')
    said = text(build_request(scene, with_parts()), "instruction")
    assert "\n" not in said
    assert '\\"all\\"' in said


def test_temporal_tokens_tell_the_share_of_the_present() -> None:
    request = build_request(material(reference=REFERENCE), with_parts(temporal_tokens=True))
    times = [p.text for p in request.parts if p.role == "time"]
    assert times[0] == "[t=0.00]"
    assert times[-1] == "[t=1.00]"
    assert len(times) == 6
    assert "[t=0.00] [t=0.20]" in text(request, "present")
    assert "[t=-0.68]" in text(request, "past")


def test_without_past_the_grid_is_left_out_and_said() -> None:
    scene = material(reference=REFERENCE, spans=Spans((60, 120), None, (120, 150), "", "episode"))
    request = build_request(scene, BOOK.get("hand-collage"))
    assert ("image", "past") not in shape(request)
    assert "there is none" in text(request, "past")
    assert "the 3.0 s after" in text(request, "future")
    (problem,) = request_problems(request)
    assert problem.code == "context_missing"
    assert "past is left out" in problem.message


def test_fallbacks_and_damage_become_findings() -> None:
    reader = NumberedReader(damaged=frozenset({72}))
    request = build_request(material(reader), BOOK.get("hand-collage"))
    problems = {p.code: p.message for p in request_problems(request)}
    assert problems["crop_fallback"].startswith("6 of 6 close-ups: Nothing is known here")
    assert "Frame 72 cannot be read" in problems["frame_replaced"]
    assert "the place of the action" in text(request, "close-ups")


def test_a_sampler_that_looks_chooses_the_present_only() -> None:
    recipe = Recipe("own", sampler=Sampler.LATE_LAST)
    request = build_request(material(reference=REFERENCE), recipe)
    assert picture(request, "present").frames[0] == 72
    assert picture(request, "past").frames[0] == 20
    shown = [p.frames[0] for p in request.parts if p.role == "close-ups" and p.frames]
    assert tuple(shown) == picture(request, "present").frames


def test_a_present_of_one_frame_is_shown_once() -> None:
    scene = material(reference=REFERENCE, spans=Spans((60, 61), (0, 60), None, "episode", ""))
    for name in ("hand-collage", "sampler-dp-fps", "sampler-mg-rgb", "video", "video-middle"):
        request = build_request(scene, BOOK.get(name))
        shown = [p for p in request.parts if p.role in ("present", "clip") and p.frames]
        assert [p.frames for p in shown] == [(60,)]


@pytest.mark.parametrize("from_request", [True, False])
def test_a_revision_shows_the_same_pictures_and_the_critique(from_request: bool) -> None:
    scene, recipe = material(reference=REFERENCE), BOOK.get("hand-collage")
    draft = build_request(scene, recipe)
    source = draft if from_request else scene
    fields = (CaptionField.VERB, CaptionField.OBJECT)
    revision = build_revision(source, "Put it.", "It is stacked.", fields, recipe)
    assert revision.purpose == "revise"
    assert [p.data.tobytes() for p in revision.parts if p.kind is not PartKind.TEXT] == [
        p.data.tobytes() for p in draft.parts if p.kind is not PartKind.TEXT
    ]
    assert [p.role for p in revision.parts[-4:]] == [
        "instruction",
        "caption",
        "critique",
        "question",
    ]
    assert '"Put it."' in text(revision, "caption")
    assert '"It is stacked."' in text(revision, "critique")
    assert "verb, object" in text(revision, "critique")
    assert text(revision, "question") != text(draft, "question")
    assert draft.system.strip() in revision.system
    again = build_revision(revision, "Stack it.", "On what?", (), recipe)
    assert '"Stack it."' in text(again, "caption")
    assert "concerns" not in text(again, "critique")
    assert shape(again) == shape(revision)


def test_progress_rises_and_can_cancel() -> None:
    shares: list[float] = []
    scene = material(reference=REFERENCE)
    build_request(scene, BOOK.get("sampler-dp"), lambda share, what: shares.append(share))
    assert shares == sorted(shares)
    assert shares[-1] == 1.0

    def stop(share: float, what: str) -> None:
        if share > 0.4:
            raise Cancelled

    with pytest.raises(Cancelled):
        build_request(scene, BOOK.get("sampler-dp"), stop)


def test_past_and_future_are_the_neighbours_in_time() -> None:
    tasks = [subtask(10, 50, index=0), subtask(50, 90, index=1), subtask(100, 150, index=2)]
    found = spans_of(tasks, 1, 200, 10.0)
    assert found == Spans((50, 90), (10, 50), (100, 150), "subtask", "subtask")
    first = spans_of(tasks, 0, 200, 10.0)
    assert (first.past, first.past_is) == ((0, 10), "episode")
    last = spans_of(tasks, 2, 200, 10.0)
    assert (last.future, last.future_is) == ((150, 180), "episode")
    only = spans_of([subtask(0, 200)], 0, 200, 10.0)
    assert (only.past, only.future, only.past_is, only.future_is) == (None, None, "", "")


def test_spans_of_two_arms_do_not_overlap() -> None:
    left = subtask(10, 80, index=0, arm="left")
    right = subtask(40, 120, index=1, arm="right")
    assert spans_of([left, right], 0, 200, 10.0).future == (80, 120)
    assert spans_of([left, right], 1, 200, 10.0).past == (10, 40)
    inner = subtask(50, 70, index=2, arm="right")
    found = spans_of([left, right, inner], 2, 200, 10.0)
    assert found.past == (40, 50)
    assert found.future == (70, 100)  # nothing starts later: the episode goes on
    with pytest.raises(ValueError, match="200"):
        spans_of([subtask(200, 210)], 0, 200, 10.0)


def robot(scale: float, is_3d: bool) -> RobotResult:
    return RobotResult(
        frames=np.zeros(2, np.int32),
        height=4,
        width=4,
        packed=np.zeros((2, 2), np.uint8),
        points=np.zeros((2, 1, 2), np.float32),
        visible=np.ones((2, 1), np.bool_),
        reference=np.zeros((2, 2), np.float32),
        xyz=np.zeros((2, 1, 3), np.float32),
        reference_xyz=np.array([[0, 0, 0.5], [0, 0, np.nan]], np.float32),
        scale=np.full(2, scale, np.float32),
        is_3d=is_3d,
        backend="test",
    )


def test_the_scale_is_in_pixels_also_where_the_robot_has_metres() -> None:
    lifting = LiftingResult(
        available=True,
        frames=np.zeros(2, np.int32),
        xyz=np.zeros((2, 0, 3), np.float32),
        intrinsics=np.diag([600.0, 600.0, 1.0]),
        backend="test",
    )
    assert pixel_scale(robot(5.0, False), None).tolist() == [5.0, 5.0]
    in_pixels = pixel_scale(robot(0.01, True), lifting)
    assert in_pixels[0] == pytest.approx(12.0)
    assert np.isnan(in_pixels[1])
    assert np.isnan(pixel_scale(robot(0.01, True), None)).all()


def test_outlines_follow_the_masks_and_are_few() -> None:
    masks = np.zeros((10, 60, 80), np.bool_)
    for k in range(10):
        masks[k, 10:30, 5 * k + 2 : 5 * k + 12] = True
    masks[1] = False  # nothing to outline
    candidates = tuple(Proposal(k, (0, 0, 9, 9), 0, 0.5, "cup", "region") for k in range(10))
    boxes = np.tile(np.array([20, 10, 40, 50], np.float32), (3, 10, 1))
    boxes[2] = np.nan
    tracks = TracksResult(
        frames=np.arange(3, dtype=np.int32),
        fps=10.0,
        points=np.zeros((3, 0, 2), np.float32),
        visible=np.zeros((3, 0), np.bool_),
        candidate=np.zeros(0, np.int32),
        kept=np.zeros(0, np.bool_),
        boxes=boxes,
        backend="test",
    )
    found = outlines_of(
        ProposalsResult("front", 0, candidates, (), "test"),
        MasksResult(0, 60, 80, pack_masks(masks), np.zeros((10, 3), np.float32), "test"),
        tracks,
    )
    assert [o.candidate for o in found] == [0, 2, 3, 4, 5, 6, 7, 8]
    first = found[0]
    assert first.box == (2, 10, 12, 30)
    moved = first.at(1)
    assert moved is not None
    # From a box of 10 x 20 to one of 20 x 40; corners lie on pixels, boxes end after them.
    assert moved.min(axis=0).tolist() == [20, 10]
    assert moved.max(axis=0) == pytest.approx([38, 48])
    assert first.at(2) is None
