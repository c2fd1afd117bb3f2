"""Whether results that somebody else wrote fit each other, so that no view meets the impossible.

The model classes check their own shapes. What they cannot know is what lies between two of them:
a winner that is no candidate, tracks of a frame that the episode lacks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from pipeline.model.arrays import Array, expect_shape
from pipeline.model.candidate import MasksResult, Proposal, ProposalsResult, TracksResult
from pipeline.model.caption import CaptionResult
from pipeline.model.checks import ChecksResult
from pipeline.model.demonstration import Camera, Demonstration
from pipeline.model.geometry import LiftingResult, RobotResult
from pipeline.model.phases import Phase, PhasesResult
from pipeline.model.problem import Problem
from pipeline.model.score import ScoresResult, TargetResult
from pipeline.model.subtask import SubtasksResult

if TYPE_CHECKING:
    from pipeline.engine.cache import StageOutcome

T = TypeVar("T")
MOST_FRAMES = 10_000_000
"""Of an episode (our choice: 90 hours at 30 Hz)."""
LARGEST_SIDE = 16_384
"""Of a camera's picture, pixels."""
MOST_PIXELS = 1 << 26
"""Of a camera's picture."""
MOST_TEXT = 100_000
"""Characters of a name or a sentence."""


class Implausible(ValueError):  # noqa: N818 - what is said of the results
    """Results that cannot be of one episode. Its text is one phrase."""


def check_demonstration(demonstration: Demonstration) -> None:
    """Raise Implausible unless an episode can be shown."""
    d = demonstration
    _that(0 < d.length <= MOST_FRAMES, f"an episode of {d.length} frames")
    _that(math.isfinite(d.fps) and 0 < d.fps <= 100_000, f"an episode of {d.fps} frames per second")
    _that(0 <= d.ref.episode < 1 << 31, f"episode {d.ref.episode}")
    _that(bool(np.isfinite(d.timestamps).all()), "time stamps that are no numbers")
    _that(len(d.cameras) <= 64 and len(d.grippers) <= 64, "too many cameras or grippers")
    keys = [c.key for c in d.cameras]
    _that(len(set(keys)) == len(keys), "two cameras of one name")
    for camera in d.cameras:
        _check_camera(camera)
    for gripper in d.grippers:
        signal = {"state": d.state, "action": d.action}.get(gripper.signal)
        inside = signal is not None and all(0 <= i < signal.shape[1] for i in gripper.indices)
        _that(inside and len(gripper.names) == len(gripper.indices), "a gripper without a signal")
    _texts((d.fingerprint, d.instruction, d.robot_type, *keys, *d.state_names, *d.action_names))
    _check_problems(d.problems)


def check_results(
    demonstration: Demonstration, subtask: int, outcomes: Iterable[StageOutcome]
) -> None:
    """Raise Implausible unless results fit the episode and each other.

    Args:
        demonstration: Checked already.
        subtask: The one they belong to.
        outcomes: At most one per stage, each behind those it was made of.
    """
    results = []
    for outcome in outcomes:
        results.append(outcome.result)
        _check_problems((*outcome.problems, *getattr(outcome.result, "problems", ())))

    def of(kind: type[T]) -> T | None:
        return next((r for r in results if isinstance(r, kind)), None)

    try:
        _check_language(demonstration, subtask, of(PhasesResult), of(SubtasksResult))
        _check_candidates(
            demonstration, of(ProposalsResult), of(MasksResult), of(TracksResult), of(RobotResult)
        )
        _check_scores(of(ProposalsResult), of(TracksResult), of(LiftingResult), of(ScoresResult))
        _check_target(of(TargetResult))
    except Implausible:
        raise
    except (ValueError, IndexError, TypeError) as error:
        raise Implausible(str(error)) from error
    caption = of(CaptionResult)
    if caption is not None:
        _texts((caption.text, caption.draft))
    checks = of(ChecksResult)
    if checks is not None:
        _check_caption_checks(demonstration, checks)


def _check_caption_checks(demonstration: Demonstration, checks: ChecksResult) -> None:
    _texts((checks.text, *(t for c in checks.constraints for t in (c.claim, c.words, c.why))))
    for constraint in checks.constraints:
        looked = constraint.evidence
        inside = all(-1 <= at <= demonstration.length for at in (looked.frame, *looked.span))
        _that(inside, "evidence outside of the episode")
        _small(looked.candidates)
        finite = all(math.isfinite(v) for box in looked.boxes for v in box)
        _that(finite, "a box of evidence that is no box")


def _check_camera(camera: Camera) -> None:
    fits = 0 < camera.width <= LARGEST_SIDE and 0 < camera.height <= LARGEST_SIDE
    _that(fits and camera.width * camera.height <= MOST_PIXELS, "a camera of impossible size")
    for name, size in (("intrinsics", 3), ("camera_to_world", 4)):
        matrix = getattr(camera, name)
        if matrix is not None:
            _that(matrix.shape == (size, size), f"{name} of shape {matrix.shape}")
            _that(bool(np.isfinite(matrix).all()), f"{name} that are no numbers")


def _check_problems(problems: tuple[Problem, ...]) -> None:
    _texts(text for p in problems for text in (p.code, p.message))
    _small(p.frame for p in problems if p.frame is not None)


def _check_language(
    demonstration: Demonstration,
    subtask: int,
    phases: PhasesResult | None,
    subtasks: SubtasksResult | None,
) -> None:
    length = demonstration.length
    for arm in phases.arms if phases is not None else ():
        expect_shape("opening", arm.opening, (length,))
        for closure in (*arm.closures, *arm.second_opinion):
            _that(0 <= closure.start <= closure.end <= length, "a closure outside of the episode")
            _small(at for span in closure.reopenings for at in span)
        for repair in arm.repairs:
            _small((repair.start, repair.end))
        _check_phases((*arm.phases, *arm.found), length)
    if phases is not None:
        _check_phases(phases.merged, length)
    if subtasks is None:
        return
    _that(0 <= subtask < len(subtasks.subtasks), f"subtask {subtask}")
    for number, task in enumerate(subtasks.subtasks):
        _that(task.index == number, "subtasks in disorder")
        _that(0 <= task.start < task.end <= length, "a subtask outside of the episode")
        _check_phases(task.phases, length)


def _check_phases(phases: tuple[Phase, ...], length: int) -> None:
    for phase in phases:
        _that(0 <= phase.start <= phase.end <= length, "a phase outside of the episode")


def _check_candidates(
    demonstration: Demonstration,
    proposals: ProposalsResult | None,
    masks: MasksResult | None,
    tracks: TracksResult | None,
    robot: RobotResult | None,
) -> None:
    if proposals is None:
        return
    length, count = demonstration.length, len(proposals.candidates)
    _that(proposals.camera in [c.key for c in demonstration.cameras], "boxes of no camera")
    _that(0 <= proposals.keyframe < length, "a keyframe outside of the episode")
    _that([p.id for p in proposals.candidates] == list(range(count)), "candidates in disorder")
    _check_boxes((*proposals.candidates, *proposals.targets, *proposals.robot, *proposals.again))
    if masks is not None:
        _small((masks.keyframe,))
        _check_packed(masks.packed, masks.height, masks.width)
        expect_shape("packed", masks.packed, (count, None))
        expect_shape("colors", masks.colors, (count, 3))
    if tracks is not None:
        _check_frames(tracks.frames, length)
        _that(len(tracks.frames) > 0, "tracks of no frame")
        expect_shape("boxes", tracks.boxes, (len(tracks.frames), count, 4))
        inside = (tracks.candidate >= 0) & (tracks.candidate < count)
        _that(bool(inside.all()), "points of no candidate")
        _that(math.isfinite(tracks.fps), "tracks of no rate")
    if robot is not None:
        _check_frames(robot.frames, length)
        same = tracks is None or np.array_equal(robot.frames, tracks.frames)
        _that(same, "a robot of other frames than the tracks'")
        _check_packed(robot.packed, robot.height, robot.width)
        frames, points = len(robot.frames), robot.points.shape[1]
        expect_shape("packed", robot.packed, (frames, None))
        expect_shape("visible", robot.visible, (frames, points))
        expect_shape("xyz", robot.xyz, (frames, None, 3))
        _that(robot.xyz.shape[1] in (0, points), f"xyz of shape {robot.xyz.shape}")
        expect_shape("reference_xyz", robot.reference_xyz, (frames, 3))


def _check_scores(
    proposals: ProposalsResult | None,
    tracks: TracksResult | None,
    lifting: LiftingResult | None,
    scores: ScoresResult | None,
) -> None:
    if tracks is not None and lifting is not None and lifting.available:
        same = np.array_equal(lifting.frames, tracks.frames)
        _that(same, "3D points of other frames than the tracks'")
        expect_shape("xyz", lifting.xyz, (*tracks.visible.shape, 3))
        if lifting.intrinsics is not None:
            expect_shape("intrinsics", lifting.intrinsics, (3, 3))
    if proposals is None or scores is None:
        return
    known = {p.id for p in proposals.candidates}
    scored = [t.candidate for t in scores.terms]
    _that(set(scored) <= known and len(set(scored)) == len(scored), "scores of no candidate")
    _that(scores.winner in (-1, *scored), "a winner that is no candidate")
    steps = max(len(scores.frames) - 1, 0)
    expect_shape("interaction", scores.interaction, (steps,))
    expect_shape("radius", scores.radius, (len(scores.frames),))
    if tracks is not None:
        same = np.array_equal(scores.frames, tracks.frames)
        _that(same, "scores of other frames than the tracks'")


def _check_target(target: TargetResult | None) -> None:
    if target is None:
        return
    count = len(target.candidates)
    _check_boxes(target.candidates)
    expect_shape("support", target.support, (count,))
    expect_shape("density", target.density, (count,))
    _that(-1 <= target.winner < count, "a target that is no candidate")
    for box in (target.box, target.object_end_box):
        _that(box is None or all(map(math.isfinite, box)), "a box that is none")


def _check_boxes(proposals: tuple[Proposal, ...]) -> None:
    for proposal in proposals:
        _that(all(map(math.isfinite, proposal.box)), "a box that is none")
    _texts(text for p in proposals for text in (p.label, p.origin, p.evidence))


def _check_frames(frames: Array, length: int) -> None:
    _that(frames.ndim == 1, f"frames of shape {frames.shape}")
    if len(frames):
        inside = frames[0] >= 0 and frames[-1] < length and bool((np.diff(frames) > 0).all())
        _that(bool(inside), "frames outside of the episode, or in disorder")


def _check_packed(packed: Array, height: int, width: int) -> None:
    sizes = 0 < height <= LARGEST_SIDE and 0 < width <= LARGEST_SIDE
    _that(sizes and height * width <= MOST_PIXELS, "masks of impossible size")
    expect_shape("packed", packed, (None, (height * width + 7) // 8))


def _small(numbers: Iterable[int]) -> None:
    """Frames that are only drawn or gone to: any that a screen can take."""
    for number in numbers:
        _that(abs(number) <= MOST_FRAMES, f"frame {number}")


def _texts(texts: Iterable[str]) -> None:
    for text in texts:
        _that(len(text) <= MOST_TEXT, f"a text of {len(text)} characters")


def _that(true: bool, otherwise: str) -> None:
    if not true:
        raise Implausible(otherwise)
