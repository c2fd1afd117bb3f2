"""What drafting a caption takes, about, before any picture is decoded."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from pipeline.backends.captioning.captioner import captioner
from pipeline.backends.captioning.prompt_text import caption_prompts
from pipeline.model.drafting import PartKind, SentPart, SentRequest
from pipeline.model.recipe import PictureOptions, Recipe, Representation
from pipeline.model.usage import Usage
from pipeline.stages.caption_online import recipe_of, settings_of
from pipeline.stages.caption_options import CaptionsOptions

_TOLD = "x" * 600
"""As long as the texts between the pictures and the instruction usually are."""
_SECONDS = 8.0
"""Of a clip, as subtasks usually last; only a recipe that shows a video needs it."""
_NO_DATA = np.zeros(0, np.uint8)


def expected_usage(options: CaptionsOptions, size: tuple[int, int] = (640, 480)) -> Usage:
    """Tokens of one draft, all its pictures counted as if the recipe could show each of them.

    Args:
        options: Of the stage; a server is asked.
        size: Width and height of the camera's pictures, pixels.

    Raises:
        DataError: `no_recipe`, `no_backend`, `bad_options`.
    """
    recipe = recipe_of(options)
    settings = settings_of(options, recipe)
    return captioner(options.backend).estimate(expected_request(recipe, size), settings)


def expected_request(recipe: Recipe, size: tuple[int, int]) -> SentRequest:
    """A request of a recipe as large as the real one, without pictures."""
    parts = (*_pictures(recipe, size), SentPart(PartKind.TEXT, "question", _TOLD, _NO_DATA))
    return SentRequest(caption_prompts().system(recipe.parts), parts, recipe.name)


def _pictures(recipe: Recipe, size: tuple[int, int]) -> Iterator[SentPart]:
    show, pictures = recipe.representation, recipe.pictures
    collage = show in (Representation.COLLAGE, Representation.COLLAGE_VIDEO)
    if show is not Representation.VIDEO:
        for role in ("past", "present", "future") if collage else ("present",):
            yield _grid(role, pictures, size)
    if collage:
        for _ in range(pictures.frames):
            side = pictures.crop_side
            yield SentPart(
                PartKind.IMAGE, "close-ups", "", _NO_DATA, "image/jpeg", side, side, (0,)
            )
    if show in (Representation.VIDEO, Representation.COLLAGE_VIDEO):
        frames = max(1, round(_SECONDS * pictures.clip_share * pictures.clip_fps))
        scale = pictures.clip_side / max(size)
        yield SentPart(
            PartKind.VIDEO, "clip", "", _NO_DATA, "video/mp4", round(scale * size[0]),
            round(scale * size[1]), tuple(range(frames)),
        )  # fmt: skip


def _grid(role: str, pictures: PictureOptions, size: tuple[int, int]) -> SentPart:
    rows = math.ceil(pictures.frames / pictures.columns)
    height = rows * round(pictures.cell_width * size[1] / size[0])
    width = pictures.columns * pictures.cell_width
    return SentPart(PartKind.IMAGE, role, "", _NO_DATA, "image/jpeg", width, height, (0,))
