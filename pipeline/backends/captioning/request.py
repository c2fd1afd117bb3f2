"""The request, exactly as it is sent: pictures in order, each after a text that says what it is.

Order: past, present and future grids, close-ups, clip (what of them the recipe wants), then what
is told (arm, instruction, previous caption, tags), then the question. Equal material and recipe
give equal bytes, so a kept reply is found again.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from pipeline.backends.backend import Progress, part_of
from pipeline.backends.captioning.clip import clip_part, middle
from pipeline.backends.captioning.collage import grid_part
from pipeline.backends.captioning.features import frame_features
from pipeline.backends.captioning.hand_crop import Follows, close_up_parts
from pipeline.backends.captioning.material import CaptionMaterial, Span
from pipeline.backends.captioning.prompt_text import (
    caption_prompts,
    context_texts,
    fill,
    revision_texts,
)
from pipeline.backends.captioning.samplers import needs_features, sample
from pipeline.model.caption_fields import CaptionField
from pipeline.model.drafting import PartKind, SentPart, SentRequest
from pipeline.model.problem import Problem, Severity
from pipeline.model.recipe import Recipe, Representation, Sampler

_NO_DATA = np.zeros(0, np.uint8)
_ANSWERED = ("caption", "critique", "question")
"""Roles of texts that a revision replaces."""


def _silent(share: float, what: str) -> None:
    """Nobody watches."""


def text_part(role: str, text: str, note: str = "") -> SentPart:
    """A text of a request."""
    return SentPart(PartKind.TEXT, role, text, _NO_DATA, note=note)


def build_request(
    material: CaptionMaterial, recipe: Recipe, progress: Progress = _silent
) -> SentRequest:
    """Make the request that drafts the caption of a subtask.

    Args:
        material: Of the subtask.
        recipe: What is shown and told.
        progress: Called before every frame; may raise Cancelled.

    Raises:
        DataError: Frames cannot be read, or a clip cannot be written (see `clip_part`).
        Cancelled: As `progress` raised it.
    """
    prompts = caption_prompts()
    parts = list(_pictures(material, recipe, progress))
    parts += [text_part(role, text) for role, text in context_texts(material, recipe.parts)]
    parts.append(text_part("question", prompts.draft["question"]))
    progress(1.0, "request made")
    return SentRequest(
        system=prompts.system(recipe.parts),
        parts=tuple(parts),
        recipe=recipe.name,
        recipe_identity=recipe.identity,
        purpose="draft",
    )


def build_revision(
    source: CaptionMaterial | SentRequest,
    pre_caption: str,
    critique: str,
    fields: tuple[CaptionField, ...],
    recipe: Recipe,
    progress: Progress = _silent,
) -> SentRequest:
    """Make the request that revises a caption: the same pictures, the caption and the critique.

    Args:
        source: Of the subtask; or an earlier request about it, whose pictures are sent again.
        pre_caption: The caption that is criticised.
        critique: What is wrong and what to do.
        fields: Parts of the caption that it concerns; may be empty.
        recipe: What is shown and told.
        progress: As in `build_request`.

    Raises:
        DataError: As `build_request`.
        Cancelled: As `progress` raised it.
    """
    request = source if isinstance(source, SentRequest) else build_request(source, recipe, progress)
    parts = [p for p in request.parts if p.kind is not PartKind.TEXT or p.role not in _ANSWERED]
    parts += [text_part(role, text) for role, text in revision_texts(pre_caption, critique, fields)]
    return SentRequest(
        system=caption_prompts().revision_system(recipe.parts),
        parts=tuple(parts),
        recipe=recipe.name,
        recipe_identity=recipe.identity,
        purpose="revise",
    )


def present_frames(
    material: CaptionMaterial, recipe: Recipe, progress: Progress = _silent
) -> tuple[int, ...]:
    """Frames of the present that a recipe shows. Raises DataError or Cancelled."""
    span, count = material.spans.present, recipe.pictures.frames
    features = None
    if needs_features(recipe.sampler):
        features = frame_features(material, span, count, progress)
    return sample(recipe.sampler, span, count, features, material.fps)


def request_problems(request: SentRequest) -> tuple[Problem, ...]:
    """What a person should know about how a request was made, from the notes of its parts.

    Codes: `crop_fallback` (close-ups that do not follow the gripper), `context_missing` (a grid is
    left out), `frame_replaced` (a damaged frame).
    """
    problems = []
    fallbacks = {f.note for f in Follows if f.note}
    lost = [p for p in request.parts if any(note in p.note for note in fallbacks)]
    if lost:
        whole = sum(p.role == "close-ups" and p.kind is PartKind.IMAGE for p in request.parts)
        note = next(note for note in fallbacks if note in lost[0].note)
        frames = f"{len(lost)} of {whole} close-ups"
        problems.append(Problem("crop_fallback", f"{frames}: {note}", Severity.INFO))
    for part in request.parts:
        rest = part.note
        for note in fallbacks:
            rest = rest.replace(note, "").strip()
        if not rest:
            continue
        code = "context_missing" if part.kind is PartKind.TEXT else "frame_replaced"
        problem = Problem(code, rest, Severity.INFO)
        if problem not in problems:
            problems.append(problem)
    return tuple(problems)


def _pictures(material: CaptionMaterial, recipe: Recipe, progress: Progress) -> Iterable[SentPart]:
    show = recipe.representation
    collage = show in (Representation.COLLAGE, Representation.COLLAGE_VIDEO)
    steps = _Steps(progress, 6)
    if show is not Representation.VIDEO:
        frames = present_frames(material, recipe, steps.next())
        if collage:
            yield from _context(material, recipe, "past", steps.next())
        yield text_part("present", _about_grid(material, recipe, "present", frames))
        yield grid_part(material, "present", frames, recipe.pictures, recipe.parts, steps.next())
        if collage:
            yield from _context(material, recipe, "future", steps.next())
            yield from _close_ups(material, recipe, frames, steps.next())
    if show in (Representation.VIDEO, Representation.COLLAGE_VIDEO):
        yield text_part("clip", _about_clip(material, recipe))
        yield clip_part(material, recipe.pictures, steps.next())
    yield from _about_marks(recipe)


class _Steps:
    """Shares the progress among the pictures."""

    def __init__(self, progress: Progress, count: int) -> None:
        self._progress, self._count, self._step = progress, count, 0

    def next(self) -> Progress:
        """Progress of the next picture."""
        start = min(self._step, self._count - 1) / self._count
        self._step += 1
        return part_of(self._progress, start, start + 1 / self._count)


def _context(
    material: CaptionMaterial, recipe: Recipe, role: str, progress: Progress
) -> Iterable[SentPart]:
    """The grid of the past or the future, or a text that there is none."""
    span = material.spans.past if role == "past" else material.spans.future
    texts = caption_prompts().pictures
    if span is None:
        where = "starts" if role == "past" else "ends"
        note = f"The grid of the {role} is left out: the episode {where} with this subtask."
        yield text_part(role, texts[f"{role}_missing"], note)
        return
    frames = sample(Sampler.UNIFORM, span, recipe.pictures.frames)
    yield text_part(role, _about_grid(material, recipe, role, frames))
    yield grid_part(material, role, frames, recipe.pictures, recipe.parts, progress)


def _about_grid(
    material: CaptionMaterial, recipe: Recipe, role: str, frames: tuple[int, ...]
) -> str:
    texts, spans = caption_prompts().pictures, material.spans
    what = ""
    if role != "present":
        kind = spans.past_is if role == "past" else spans.future_is
        span = (spans.past if role == "past" else spans.future) or spans.present
        side = "before" if role == "past" else "after"
        seconds = f"{(span[1] - span[0]) / material.fps:.1f}"
        name = f"subtask_{side}" if kind == "subtask" else f"episode_{side}"
        what = fill(texts[name], seconds=seconds)
    layout = texts["grid"] if len(frames) > 1 else texts["one"]
    said = fill(texts[role], count=str(len(frames)), what=what, layout=layout)
    return said + (_times(spans.present, frames) if recipe.parts.temporal_tokens else "")


def _times(present: Span, frames: tuple[int, ...]) -> str:
    """The temporal tokens of a grid; the past is below 0 and the future above 1."""
    marks = " ".join(_token(present, frame) for frame in frames)
    return fill(caption_prompts().pictures["times"], times=marks)


def _token(present: Span, frame: int) -> str:
    """`[t=0.33]`: 0 is the first frame of the present, 1 its last one."""
    return f"[t={(frame - present[0]) / max(1, present[1] - 1 - present[0]):.2f}]"


def _close_ups(
    material: CaptionMaterial, recipe: Recipe, frames: tuple[int, ...], progress: Progress
) -> Iterable[SentPart]:
    texts = caption_prompts().pictures
    parts = close_up_parts(material, frames, recipe.pictures, recipe.parts, progress)
    hand = fill(texts["hand_of"], arm=material.arm) if material.arm else texts["hand"]
    if all(part.note.startswith(_LOST) for part in parts):
        hand = texts["hand_lost"]
    yield text_part("close-ups", fill(texts["close_ups"], count=str(len(parts)), hand=hand))
    for part in parts:
        if recipe.parts.temporal_tokens:
            yield text_part("time", _token(material.spans.present, part.frames[0]))
        yield part


_LOST = tuple(follows.note for follows in Follows if follows.note)


def _about_clip(material: CaptionMaterial, recipe: Recipe) -> str:
    texts = caption_prompts().pictures
    trimmed = ""
    present = material.spans.present
    shown = middle(present, recipe.pictures.clip_share)
    if shown != present:
        share = round(100 * (shown[1] - shown[0]) / (present[1] - present[0]))
        trimmed = fill(texts["clip_trimmed"], share=str(share))
    return fill(texts["clip"], trimmed=trimmed)


def _about_marks(recipe: Recipe) -> Iterable[SentPart]:
    if recipe.representation is Representation.VIDEO:
        return
    if recipe.parts.marks:
        yield text_part("marks", caption_prompts().pictures["marks"])
    if recipe.parts.hand_trace:
        yield text_part("marks", caption_prompts().pictures["hand_trace"])
