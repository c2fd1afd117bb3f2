"""Recipes all the way: from frames to what the server decodes, and back to a caption."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.backends.captioning.collage import grid_shape
from pipeline.backends.captioning.recipes import DEFAULT_RECIPE, load_recipes
from pipeline.backends.captioning.request import build_request
from pipeline.backends.captioning.written import caption_schema
from pipeline.backends.language.endpoint import Server
from pipeline.backends.language.gemini_server import GeminiServer
from pipeline.backends.language.openai_server import OpenAIServer
from pipeline.model.drafting import PartKind
from pipeline.model.recipe import Recipe
from tests.language_server import LanguageServer, caption_answer
from tests.pipeline.caption_asking import CaptionAsked
from tests.pipeline.caption_material_scene import SIZE, decoded, material
from tests.video_files import number_of

KINDS = (GeminiServer, OpenAIServer)
REFERENCE = np.stack([np.linspace(60, 260, 40), np.linspace(80, 160, 40)], axis=1)


def _recipe(name: str) -> Recipe:
    return load_recipes(Path("no user recipes")).get(name)


@pytest.mark.parametrize("kind", KINDS, ids=lambda c: c.name)
def test_the_default_recipe(kind: type[Server], server: LanguageServer, tmp_path: Path) -> None:
    """Grids of 6 frames of past, present and future, then 6 close-ups, at the stated sizes."""
    server.answer = caption_answer()
    ask = CaptionAsked(kind(), server, tmp_path)
    recipe = _recipe(DEFAULT_RECIPE)
    options = recipe.pictures
    request = build_request(material(reference=REFERENCE), recipe)
    caption, reply = ask(request, caption_schema(mini_cot=recipe.parts.mini_cot))
    seen = server.requests[0].parts
    assert [p.data for p in seen] == [p.data.tobytes() for p in request.parts]
    assert [p.text for p in seen] == [p.text for p in request.parts]
    pictures = [decoded(np.frombuffer(p.data, np.uint8)) for p in seen if p.kind == "image"]
    shape = grid_shape(6, SIZE, options)
    assert shape.width == options.cell_width
    grids, close_ups = pictures[:3], pictures[3:]
    for grid, (first, end) in zip(grids, ((20, 60), (60, 120), (120, 150)), strict=True):
        assert grid.shape[1::-1] == shape.size
        frames = []
        for place in range(6):
            x, y = shape.corner(place)
            frames.append(number_of(grid[y : y + shape.height, x : x + shape.width]))
        assert frames == sorted(set(frames))
        assert first <= frames[0]
        assert frames[-1] < end
    assert [c.shape for c in close_ups] == [(options.crop_side, options.crop_side, 3)] * 6
    assert [p.kind for p in seen][-1] == "text"  # the question comes last
    assert (caption.verb, caption.object) == ("put", "red cube")
    assert "".join(t.token for t in reply.tokens) == reply.text
    assert len(reply.tokens[0].alternatives) == recipe.logprobs
    assert ask(request, caption_schema(mini_cot=False))[1].cached


@pytest.mark.parametrize("name", [r.name for r in load_recipes(Path("no user recipes")).recipes])
def test_every_recipe_is_understood_by_both_servers(
    name: str, server: LanguageServer, tmp_path: Path
) -> None:
    server.answer = caption_answer(previous="It comes.", next="It goes.", reasoning="It is put.")
    recipe = _recipe(name)
    request = build_request(material(reference=REFERENCE), recipe)
    schema = caption_schema(mini_cot=recipe.parts.mini_cot)
    for kind in KINDS:
        ask = CaptionAsked(kind(), server, tmp_path)
        caption, reply = ask(request, schema, reasoning=recipe.reasoning, logprobs=recipe.logprobs)
        assert caption.caption == "Put the red cube in the bowl."
        assert (reply.requests, reply.dropped) == (1, ())
        seen = server.requests[-1].parts
        assert [(p.kind, p.data) for p in seen] == [
            (p.kind.value, p.data.tobytes()) for p in request.parts
        ]
        assert [p.fps for p in seen if p.kind == "video"] in ([], [recipe.pictures.clip_fps], [0.0])
    clips = sum(p.kind is PartKind.VIDEO for p in request.parts)
    assert clips == ("video" in recipe.representation)
