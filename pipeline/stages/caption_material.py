"""From the results of the earlier stages to what a caption recipe draws from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pipeline.model.candidate import Box, MasksResult, ProposalsResult, TracksResult
from pipeline.model.demonstration import Camera, Demonstration, FrameReader
from pipeline.model.edits import Edit, TagCaption
from pipeline.model.geometry import LiftingResult, RobotResult
from pipeline.model.problem import DataError
from pipeline.model.score import ScoresResult
from pipeline.model.subtask import Subtask, SubtasksResult
from pipeline.stages.stage import StageInputs

if TYPE_CHECKING:
    from pipeline.backends.captioning.material import CaptionMaterial, Spans

APPROACH_SECONDS = 1.0
"""Of the approach, that stay part of the present where the rest is shown as the past."""
RELEASE_SECONDS = 0.5
"""Of the release, the same."""


def tags_of(edits: tuple[Edit, ...], subtask: int) -> tuple[tuple[str, str], ...]:
    """Primitives that a person tagged; the newest tagging counts."""
    given = [e.tags for e in edits if isinstance(e, TagCaption) and e.subtask == subtask]
    return given[-1] if given else ()


@dataclass(frozen=True, slots=True)
class _Winner:
    """The chosen object among the candidates."""

    row: int
    box: Box


def caption_material(
    demonstration: Demonstration,
    inputs: StageInputs,
    reader: FrameReader,
    *,
    tags: tuple[tuple[str, str], ...] = (),
    marks: bool = False,
) -> CaptionMaterial:
    """Collect what a request for one subtask is made from; nothing is decoded.

    The pictures are those of the camera that the earlier stages worked on. The caption before is
    the sentence of the subtask before, as stage 1b wrote it: no stage reads a result of another
    subtask, so its caption, which a person may have corrected, is not known here.

    Args:
        demonstration: The episode.
        inputs: Results of subtasks, proposals, masks, tracks, lifting, robot and scores.
        reader: Frames of the episode.
        tags: What a person tagged.
        marks: Whether the outlines of the candidates are needed; they cost a contour each.

    Raises:
        DataError: `no_camera` if the results' camera is not part of the episode, `empty_subtask` if
            the subtask covers no frame.
    """
    # lazy: only a recipe needs them
    from pipeline.backends.captioning.material import (
        CaptionMaterial,
        outlines_of,
        pixel_scale,
        spans_of,
    )

    subtasks = inputs.get(SubtasksResult).subtasks
    proposals, masks = inputs.get(ProposalsResult), inputs.get(MasksResult)
    tracks, robot = inputs.get(TracksResult), inputs.get(RobotResult)
    try:
        spans = spans_of(subtasks, inputs.subtask, demonstration.length, demonstration.fps)
    except ValueError as error:
        raise DataError(
            "empty_subtask",
            f"Subtask {inputs.subtask + 1} covers no frame of the episode ({error}): check its "
            "phases.",
        ) from error
    spans = with_own_context(spans, subtasks[inputs.subtask], demonstration.fps)
    winner = _winner(proposals, inputs.get(ScoresResult), tracks)
    return CaptionMaterial(
        reader=reader,
        camera=_camera(demonstration, proposals.camera),
        fps=demonstration.fps,
        length=demonstration.length,
        spans=spans,
        frames=robot.frames,
        reference=robot.reference,
        scale=pixel_scale(robot, inputs.get(LiftingResult)),
        mask_box=None if winner is None else tracks.boxes[:, winner.row],
        start_box=None if winner is None else winner.box,
        outlines=outlines_of(proposals, masks, tracks) if marks else (),
        instruction=demonstration.instruction,
        previous_caption=_previous(inputs),
        tags=tags,
        subtask=subtasks[inputs.subtask],
    )


def with_own_context(spans: Spans, subtask: Subtask, fps: float) -> Spans:
    """Show approach and retreat as past and future where the episode has nothing else to show.

    A clip runs from the start of the approach to the end of the release. Where the episode begins
    with it, half of what a model would get as the present is often the way to the object. The
    approach up to a second before the closure is then the past, what follows half a second after
    the opening the future: both tell the direction of the action and how the scene was left
    *(our choice)*.

    Args:
        spans: Of the subtask.
        subtask: Its record; without a closed span everything stays as it is.
        fps: Frames per second of the episode.
    """
    held = subtask.interaction
    if not held:
        return spans
    (start, end), past, future = spans.present, spans.past, spans.future
    past_is, future_is = spans.past_is, spans.future_is
    closure = min(s for s, _ in held) - round(APPROACH_SECONDS * fps)
    opening = max(e for _, e in held) + round(RELEASE_SECONDS * fps)
    if past is None and start < closure < end:
        past, past_is, start = (start, closure), "episode", closure
    if future is None and start < opening < end:
        future, future_is, end = (opening, end), "episode", opening
    return replace(
        spans, present=(start, end), past=past, future=future, past_is=past_is, future_is=future_is
    )


def _camera(demonstration: Demonstration, key: str) -> Camera:
    try:
        return demonstration.camera(key)
    except KeyError as error:
        raise DataError(
            "no_camera", f"The camera {key} of the proposals is not part of the episode."
        ) from error


def _winner(
    proposals: ProposalsResult, scores: ScoresResult, tracks: TracksResult
) -> _Winner | None:
    for row, candidate in enumerate(proposals.candidates[: tracks.boxes.shape[1]]):
        if candidate.id == scores.winner:
            return _Winner(row, candidate.box)
    return None


def _previous(inputs: StageInputs) -> str:
    """Sentence of the subtask that began last before this one, whichever arm did it."""
    subtasks = inputs.get(SubtasksResult).subtasks
    own = subtasks[inputs.subtask]
    before = [s for s in subtasks if s.index != own.index and s.start < own.start]
    return max(before, key=lambda s: (s.start, s.end)).instruction if before else ""
