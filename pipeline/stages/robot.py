"""Stage 2e: where the robot and its gripper are in the picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypeVar, cast

import numpy as np

from pipeline.backends.backend import part_of
from pipeline.backends.devices import placement_of
from pipeline.backends.geometry.lifting import lift, local_depth, to_reduced
from pipeline.backends.robot.protocol import (
    RobotFinder,
    RobotRegion,
    RobotRequest,
)
from pipeline.model.arrays import F32, I32, U8, Array, Bool
from pipeline.model.candidate import ProposalsResult, TracksResult
from pipeline.model.demonstration import Demonstration
from pipeline.model.edits import Edit
from pipeline.model.geometry import LiftingResult, RobotResult
from pipeline.model.options import option
from pipeline.model.phases import PhaseName
from pipeline.model.subtask import Subtask, SubtasksResult
from pipeline.stages.backend_options import BackendOptions, with_backend
from pipeline.stages.motion_channels import (
    finger_columns,
    motion_in_force,
    of_arm,
    other_arms,
)
from pipeline.stages.phase_signal import fill_gaps
from pipeline.stages.robot_edits import clicks_in, painted_in, with_painted
from pipeline.stages.stage import Scope, Stage, StageContext, StageInputs

ArrayT = TypeVar("ArrayT", bound=Array)

LEAD_SECONDS = 4.0
"""How far before the clip the robot's looks are learnt."""


@dataclass(frozen=True)
class RobotOptions(BackendOptions):
    """Options of the robot."""

    backend: str = option(
        "proprioception_flow",
        "How the robot is found. `proprioception_flow` needs no model: what moves before anything "
        "is held, in step with the joints. `phrase_to_mask` finds it by name (LLMDet, SAM 2), "
        "`robotseg` is the paper's model; its weights must be fetched by hand.",
        source="SPARC 3.2 uses RobotSeg",
        capability="robot",
    )
    grow_painted: bool = option(
        True,
        "Grow the robot's masks of the other frames from a painted or imported one. Off: it "
        "replaces that of its own frame and no other.",
    )


class RobotStage(Stage[RobotOptions, RobotResult]):
    """Finds the active arm's mask and the gripper reference per tracked frame."""

    name: ClassVar[str] = "robot"
    title: ClassVar[str] = "Robot"
    version: ClassVar[int] = 3
    scope: ClassVar[Scope] = Scope.SUBTASK
    inputs: ClassVar[tuple[str, ...]] = ("subtasks", "proposals", "tracks", "lifting")
    options_type: ClassVar[type] = RobotOptions
    result_type: ClassVar[type] = RobotResult
    capability: ClassVar[str] = "robot"

    def run(
        self,
        demonstration: Demonstration,
        inputs: StageInputs,
        options: RobotOptions,
        edits: tuple[Edit, ...],
        context: StageContext,
    ) -> RobotResult:
        """Find the robot. Raises DataError (`no_backend`, `out_of_memory`, ...) or Cancelled.

        Clicks and painted masks of a person go to the backend; a painted mask then is that of its
        frame, whatever the backend made of it.
        """
        subtask = inputs.get(SubtasksResult).subtasks[inputs.subtask]
        proposals = inputs.get(ProposalsResult)
        key = proposals.camera
        camera = demonstration.camera(key)
        tracks, lifting = inputs.get(TracksResult), inputs.get(LiftingResult)
        context.progress(0.0, "looking for the robot")

        def frame_at(index: int) -> U8:
            return context.reader.frame(key, index)

        subtasks = inputs.get(SubtasksResult).subtasks
        lead = lead_frames(subtasks, inputs.subtask, tracks.frames, demonstration.fps)
        frames = np.concatenate([lead, tracks.frames]).astype(np.int32)
        own, rival, grip = joint_speeds(demonstration, subtask.arm, frames, edits)
        approach, interaction = _periods(subtask, frames)
        size = (camera.width, camera.height)
        clicks, bad_clicks = clicks_in(edits, frames, size)
        painted, bad_masks = painted_in(edits, frames, size)
        request = RobotRequest(
            frame_at=frame_at,
            frames=frames,
            lead=len(lead),
            approach=approach,
            interaction=interaction,
            speed=own,
            other_speed=rival,
            grip_speed=grip,
            points=_padded(tracks.points, len(lead), np.nan),
            visible=_padded(tracks.visible, len(lead), False),
            candidate=tracks.candidate,
            boxes=_padded(tracks.boxes, len(lead), np.nan),
            arm=subtask.arm,
            detections=proposals.robot,
            clicks=clicks,
            painted=painted if options.grow_painted else (),
        )

        def find(finder: RobotFinder) -> tuple[RobotRegion, str]:
            return finder.find(request, part_of(context.progress, 0.0, 0.85)), placement_of(finder)

        found, backend, fallen = with_backend(self.capability, options, find)
        region, placement = found
        region, moved = with_painted(region, painted, tracks.frames)
        reference, chosen = gripper_reference(region)
        xyz, reference_xyz, scale, is_3d = _lifted(region, reference, chosen, lifting, key, context)
        context.progress(1.0, "robot done")
        return RobotResult(
            frames=tracks.frames,
            height=region.height,
            width=region.width,
            packed=region.packed,
            points=region.points,
            visible=region.visible,
            reference=reference,
            xyz=xyz,
            reference_xyz=reference_xyz,
            scale=scale,
            is_3d=is_3d,
            backend=backend,
            problems=(*fallen, *region.problems, *bad_clicks, *bad_masks, *moved),
            placement=placement,
        )


def gripper_reference(region: RobotRegion) -> tuple[F32, I32]:
    """Per frame the visible gripper point nearest to the image centre (SPARC B.3).

    Returns:
        (F, 2) float32 pixels, NaN where none is visible, and (F,) int32 indices, -1 there.
    """
    frames = len(region.points)
    reference = np.full((frames, 2), np.nan, np.float32)
    chosen = np.full(frames, -1, np.int32)
    centre = np.array([region.width / 2, region.height / 2], np.float32)
    for i in range(frames):
        if region.visible[i].any():
            apart = np.linalg.norm(region.points[i] - centre, axis=1)
            apart[~region.visible[i]] = np.inf
            chosen[i] = int(apart.argmin())
            reference[i] = region.points[i, chosen[i]]
    return reference, chosen


def joint_speeds(
    demonstration: Demonstration, arm: str, frames: I32, edits: tuple[Edit, ...] = ()
) -> tuple[F32, F32, F32]:
    """Speeds of the active arm, of the other arms and of the active gripper between frames.

    Which channels say so is chosen by `motion_channels`, or by a person. Speeds are divided by the
    95th percentile of all arms' common speed over the episode, so 1 is fast.

    Returns:
        Three (F,) float32; all empty if there is no usable channel.
    """
    own = motion_in_force(demonstration, arm, edits)
    empty = np.zeros(0, np.float32)
    if not own.indices or len(frames) == 0:
        return empty, empty, empty
    values = demonstration.state if own.signal == "state" else demonstration.action
    values = _without_gaps(values, own.indices)
    joints, rest = list(own.indices), other_arms(demonstration, own, edits)
    names = demonstration.state_names if own.signal == "state" else demonstration.action_names
    known = np.flatnonzero(np.isfinite(values).all(axis=0)).tolist()
    grip = sorted(finger_columns(demonstration, own.signal).intersection(known))
    grip = of_arm(grip, names, arm)
    unit = _percentile(_speed(values, joints + rest, demonstration.fps))
    return (
        _between(_speed(values, joints, demonstration.fps) / unit, frames),
        _between(_speed(values, rest, demonstration.fps) / unit, frames),
        _between(_normalised(_speed(values, grip, demonstration.fps)), frames),
    )


def _without_gaps(values: F32, columns: tuple[int, ...]) -> F32:
    """Fill gaps in channels that a person chose; guessed ones have none."""
    chosen = values[:, list(columns)].astype(np.float64)
    filled, gaps = fill_gaps(chosen)
    if not gaps.any():
        return values
    result = values.copy()
    result[:, list(columns)] = filled
    return result


def _speed(values: F32, columns: list[int], fps: float) -> F32:
    """Norm of the rate of change of some columns, (T,) float32."""
    if not columns or len(values) < 2:
        return np.zeros(len(values), np.float32)
    rate = np.diff(values[:, columns].astype(np.float64), axis=0) * fps
    speed = np.linalg.norm(rate, axis=1)
    return np.concatenate([speed[:1], speed]).astype(np.float32)


def _percentile(speed: F32) -> float:
    return max(float(np.percentile(speed, 95)), 1e-6) if len(speed) else 1.0


def _normalised(speed: F32) -> F32:
    return (speed / _percentile(speed)).astype(np.float32)


def _between(speed: F32, frames: I32) -> F32:
    """Mean speed between each frame and the one before, 0..1, (F,) float32."""
    result = np.zeros(len(frames), np.float32)
    for i, frame in enumerate(frames):
        start = int(frames[i - 1]) + 1 if i else int(frame)
        result[i] = float(speed[start : int(frame) + 1].mean()) if len(speed) else 0.0
    return np.clip(result, 0.0, 1.0)


def lead_frames(subtasks: tuple[Subtask, ...], index: int, frames: I32, fps: float) -> I32:
    """Frames before a clip in which the robot is seen empty-handed, (L,) int32 ascending.

    At the clip's rate, `LEAD_SECONDS` back, but not into an interaction of an earlier subtask
    *(our choice)*: a clip may begin when the hand already pushes the object.
    """
    if len(frames) < 2:
        return np.zeros(0, np.int32)
    start = int(frames[0])
    held = [e for s in subtasks[:index] for _, e in s.interaction if e <= start]
    first = max([0, start - round(LEAD_SECONDS * fps), *held])
    if any(b < start < e for s in subtasks[:index] for b, e in s.interaction):
        return np.zeros(0, np.int32)
    step = max(1, round(float(np.median(np.diff(frames)))))
    return np.arange(start - step, first - 1, -step, dtype=np.int32)[::-1]


def _padded(values: ArrayT, lead: int, fill: float) -> ArrayT:
    """Prepend `lead` rows of `fill`."""
    before = np.full((lead, *values.shape[1:]), fill, values.dtype)
    return cast("ArrayT", np.concatenate([before, values]))


def _periods(subtask: Subtask, frames: I32) -> tuple[Bool, Bool]:
    """Which frames lie before the first interaction, and which in one; two (F,) bool.

    The approach ends where the closure was measured, before the forward offset of the phases.
    """
    interaction = np.zeros(len(frames), np.bool_)
    for start, end in subtask.interaction:
        interaction |= (frames >= start) & (frames < end)
    held = [p for p in subtask.phases if p.name is PhaseName.INTERACT]
    first = min((min(p.start, p.measured_start) for p in held), default=subtask.start)
    return np.asarray(frames < min(first, subtask.end)), interaction


def _lifted(
    region: RobotRegion,
    reference: F32,
    chosen: I32,
    lifting: LiftingResult,
    camera: str,
    context: StageContext,
) -> tuple[F32, F32, F32, bool]:
    """Lift the gripper's points by the depth that the tracks were lifted by.

    The scale is in metres then, else in pixels; it is that of its own frame, like the points.
    """
    frames, points = region.visible.shape
    nothing = np.full((frames, 3), np.nan, np.float32)
    if not lifting.available or lifting.intrinsics is None:
        return np.zeros((frames, 0, 3), np.float32), nothing, region.scale, False
    xyz = np.full((frames, points, 3), np.nan, np.float32)
    scale = np.full(frames, np.nan, np.float32)
    for i, frame in enumerate(lifting.frames):
        context.progress(0.85 + 0.15 * i / frames, "gripper in 3D")
        if chosen[i] < 0:
            continue
        depth, places = lifting.estimated_depth(i), region.points[i]
        if depth is None:
            depth = context.reader.depth(camera, int(frame))
        else:
            shape = (depth.shape[0], depth.shape[1])
            places = to_reduced(places, shape, region.height, region.width)
        if depth is None:
            continue
        z = local_depth(depth, places)
        xyz[i] = lift(region.points[i], z, lifting.intrinsics)
        nothing[i] = xyz[i, chosen[i]]
        if not np.isfinite(nothing[i]).all() and np.isfinite(z).any():
            middle = np.where(np.isfinite(z), z, np.nanmedian(z)).astype(np.float32)
            nothing[i] = lift(reference[i : i + 1], middle[chosen[i]][None], lifting.intrinsics)[0]
        scale[i] = region.scale[i] * float(nothing[i, 2]) / float(lifting.intrinsics[0, 0])
    return xyz, nothing, scale, True
