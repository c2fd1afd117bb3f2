"""Made-up results of all stages, for tests of what Rerun is given."""

from __future__ import annotations

import dataclasses

import numpy as np

from pipeline.model.arrays import U8, pack_masks
from pipeline.model.candidate import MasksResult, Proposal, ProposalsResult, TracksResult
from pipeline.model.consistency import Consistency
from pipeline.model.demonstration import (
    Camera,
    ClosedIs,
    Demonstration,
    EpisodeRef,
    GripperChannels,
)
from pipeline.model.geometry import LiftingResult, RobotResult
from pipeline.model.phases import ArmPhases, Phase, PhaseName, PhasesResult
from pipeline.model.problem import Problem, Severity
from pipeline.model.score import ScoresResult, ScoreTerms, TargetResult
from pipeline.model.subtask import ActionType, Subtask
from viewers.rerun_inputs import CameraView, DepthPicture, RerunInputs

WIDTH, HEIGHT, FPS = 320, 240, 30.0
FOCAL = 300.0


def scene(
    *,
    length: int = 120,
    candidates: int = 3,
    points: int = 40,
    geometry: bool = True,
    pose: bool = False,
    pictures: int = 24,
    step: int = 5,
    arms: tuple[str, ...] = ("right",),
    side: bool = False,
    depth: bool = False,
) -> RerunInputs:
    """A gripper carries candidate 1 to the right; the others rest.

    Args:
        length: Frames of the episode.
        candidates: Number of candidates.
        points: Points of each.
        geometry: With 3D positions.
        pose: The camera's pose is known.
        pictures: Pictures of the camera.
        step: Every how many frames there are tracks.
        arms: Arms of the robot; the last one acts.
        side: There is a second camera.
        depth: There is recorded depth of a table with the candidates before it.
    """
    frames = np.arange(0, length, step, dtype=np.int32)
    f, k = len(frames), candidates
    intrinsics = np.array([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1.0]])
    pose_matrix = np.array([[0, 0, 1.0, -0.5], [-1, 0, 0, 0], [0, -1, 0, 0.3], [0, 0, 0, 1]])
    camera = Camera(
        "observation.images.cam_high",
        WIDTH,
        HEIGHT,
        "av1",
        "observation.depth.cam_high" if geometry else None,
        intrinsics if geometry else None,
        pose_matrix if pose else None,
    )
    aside = np.array([[0, -1.0, 0, 0.6], [-1, 0, 0, 0.4], [0, 0, -1, 1.2], [0, 0, 0, 1]])
    other = Camera(
        *("observation.images.cam_side", WIDTH, HEIGHT, "av1", None),
        *(intrinsics, aside if pose else None),
    )
    arm = arms[-1]
    start, end = 0, length
    closed, opened = length // 3, 3 * length // 4
    phases = (
        Phase(PhaseName.GRASP, arm, start, closed, 0, start, closed),
        Phase(PhaseName.INTERACT, arm, closed, opened, 0, closed, opened),
        Phase(PhaseName.RELEASE, arm, opened, end, 0, opened, end),
    )
    t = np.arange(length)
    opening = np.where((t >= closed) & (t < opened), 0.1, 0.95).astype(np.float32)
    demonstration = Demonstration(
        ref=EpisodeRef("dataset", 3),
        fingerprint="made up",
        fps=FPS,
        length=length,
        instruction="put the red cube in the bowl",
        robot_type="made up",
        cameras=(camera, other) if side else (camera,),
        timestamps=t / FPS,
        state=opening[:, None],
        state_names=("gripper",),
        action=np.zeros((length, 0), np.float32),
        action_names=(),
        grippers=tuple(
            GripperChannels(name, "state", (0,), ("gripper",), ClosedIs.LOW) for name in arms
        ),
        problems=(Problem("frame_dropped", "Frame 30 is a copy of frame 29.", frame=30),),
    )
    subtask = Subtask(
        *(0, arm, "put the red cube in the bowl", "put", "cube", ("red",), "bowl", "in"),
        *("", ActionType.PICK_AND_PLACE, phases, start, end),
    )
    rng = np.random.default_rng(4)
    home = np.stack(
        [np.linspace(-0.3, 0.3, k), 0.1 + 0.05 * (np.arange(k) % 2), np.full(k, 1.0)], axis=1
    )
    share = np.clip((frames - closed) / max(1, opened - closed), 0.0, 1.0)
    carried = np.zeros((f, k, 3))
    carried[:, 1 % k, 0] = 0.35 * share
    carried[:, 1 % k, 1] = -0.15 * np.sin(np.pi * share)
    cloud = rng.normal(0.0, 0.018, (k, points, 3))
    xyz = (home[None, :, None] + carried[:, :, None] + cloud[None]).reshape(f, k * points, 3)
    flat = project(xyz)
    visible = np.ones((f, k * points), bool)
    hidden = f // 2 if f > 5 else f
    visible[hidden : hidden + 1, :points] = False  # candidate 0 is hidden for a moment
    boxes = np.stack(
        [flat.reshape(f, k, points, 2).min(2), flat.reshape(f, k, points, 2).max(2)], axis=2
    ).reshape(f, k, 4)
    boxes[hidden : hidden + 1, 0] = np.nan
    middle = min(2, f - 1)
    key = min(int(frames[middle]) + 1, length - 1)
    proposals = ProposalsResult(
        camera.key,
        key,
        tuple(
            Proposal(i, tuple(boxes[middle, i].tolist()), key, 0.9 - 0.1 * i, "red cube", "color")
            for i in range(k)
        ),
        (),
        "regions",
    )
    masks = np.zeros((k, HEIGHT, WIDTH), bool)
    for i in range(k):
        x0, y0, x1, y1 = (int(v) for v in boxes[middle, i])
        masks[i, y0:y1, x0:x1] = True
    grip = home[1 % k] + carried[:, 1 % k] + np.array([0, -0.08, 0])
    reach = np.array([0.03, 0, 0])
    fingers = np.stack([grip - reach, grip + reach], axis=1)
    robot_masks = np.zeros((f, HEIGHT, WIDTH), bool)
    for row, (x, y) in enumerate(project(grip)):
        robot_masks[row, : int(y), int(x) - 12 : int(x) + 12] = True
    terms = tuple(
        ScoreTerms(
            *(i, 0.9 - 0.1 * i, 40.0 * (i == 1 % k), 1.0, 8.0, float(i == 1 % k)),
            *(0.8, float(i == 1 % k), 0.0, 0.0, 0.0, 0.75, 1.2 - 0.3 * (i != 1 % k), points),
        )
        for i in range(k)
    )
    motion = np.abs(rng.normal(2, 1, (k, f - 1))).astype(np.float32)
    motion[1 % k] += 40 * (np.diff(share) > 0)
    motion[0, 3:4] = np.nan
    proximity = np.clip(rng.normal(0.1, 0.05, (k, f)), 0, 1).astype(np.float32)
    proximity[1 % k] = 0.9
    form = "3d" if geometry else "2d"
    shown = np.linspace(0, max(0, length - 5), 6).astype(int) if side else ()
    views = (CameraView(other.key, tuple((int(i), _aside(int(i))) for i in shown)),)
    return RerunInputs(
        demonstration=demonstration,
        camera=camera.key,
        pictures=tuple(
            (int(i), _picture(project(grip[[int(i) // step]])[0]))
            for i in np.linspace(0, max(0, length - 5), pictures).astype(int) // step * step
        ),
        subtask=subtask,
        phases=PhasesResult(
            tuple(
                ArmPhases(
                    *(name, opening if name == arm else np.ones_like(opening), 0.0, 1.0, 0.45),
                    *(0.55, (), 8, False, 0.9, phases if name == arm else ()),
                )
                for name in arms
            ),
            arm,
            phases,
        ),
        proposals=proposals,
        masks=MasksResult(
            *(key, HEIGHT, WIDTH, pack_masks(masks), np.zeros((k, 3), np.float32), "boxes")
        ),
        tracks=TracksResult(
            *(frames, FPS / 5, flat.astype(np.float32), visible),
            np.repeat(np.arange(k, dtype=np.int32), points),
            np.ones(k * points, bool),
            boxes.astype(np.float32),
            "made up",
        ),
        lifting=LiftingResult(
            geometry,
            frames,
            xyz.astype(np.float32) if geometry else np.zeros((0, 0, 3), np.float32),
            intrinsics if geometry else None,
            "recorded" if geometry else "none",
            ()
            if geometry
            else (Problem("no_geometry", "The episode has no depth: scores use pixels."),),
        ),
        robot=RobotResult(
            *(frames, HEIGHT, WIDTH, pack_masks(robot_masks)),
            project(fingers).astype(np.float32),
            np.ones((f, 2), bool),
            project(grip).astype(np.float32),
            fingers.astype(np.float32) if geometry else np.zeros((f, 0, 3), np.float32),
            grip.astype(np.float32) if geometry else np.full((f, 3), np.nan, np.float32),
            np.full(f, 0.012 if geometry else 4.0, np.float32),
            geometry,
            "made up",
        ),
        scores=ScoresResult(
            *(terms, 1 % k, "score", frames, motion, proximity, proximity * 0),
            np.diff(share) > 0,
            np.full(f, 0.1 if geometry else 30.0, np.float32),
            form,
            (Problem("near_tie", "Candidates 1 and 0 are close.", Severity.INFO),),
        ),
        target=TargetResult(
            *((), np.zeros(0, np.float32), np.zeros(0, np.float32), -1),
            *((230.0, 120.0, 300.0, 190.0), (240.0, 130.0, 270.0, 160.0), "tracked"),
        ),
        views=views if side else (),
        depth=_depth(frames, flat.reshape(f, k, points, 2)) if depth else (),
    )


def with_consistency(inputs: RerunInputs) -> RerunInputs:
    """The same with residuals: 1 px times the candidate's id, and every tenth point on an edge."""
    tracks = inputs.tracks
    assert tracks is not None
    rigid = np.broadcast_to(tracks.candidate.astype(np.float32), tracks.visible.shape).copy()
    edge = np.zeros(tracks.visible.shape, bool)
    edge[:, ::10] = True
    zero = np.zeros_like(rigid)
    found = Consistency(tracks.frames, tracks.candidate, zero, rigid, edge)
    return dataclasses.replace(inputs, consistency=found)


def _depth(frames: np.ndarray, flat: np.ndarray) -> tuple[DepthPicture, ...]:
    """Recorded depth of 160x120 pixels: a wall at 1.4 m, each candidate a disc at 1 m before it."""
    y, x = np.mgrid[0:120, 0:160] * 2.0 + 1.0
    pictures = []
    for frame, clouds in zip(frames, flat, strict=True):
        metres = np.full((120, 160), 1.4, np.float32)
        for cloud in clouds:
            u, v = np.nanmean(cloud, axis=0)
            metres[(x - u) ** 2 + (y - v) ** 2 < 15.0**2] = 1.0
        metres[:3] = 0.0
        pictures.append((int(frame), metres))
    return tuple(pictures)


def _aside(frame: int) -> U8:
    return np.full((HEIGHT, WIDTH, 3), (40, 60, 80 + frame % 100), np.uint8)


def without(inputs: RerunInputs, *names: str) -> RerunInputs:
    """The same without some results."""
    return dataclasses.replace(inputs, **dict.fromkeys(names))


def project(xyz: np.ndarray) -> np.ndarray:
    """Pinhole projection, (..., 3) metres to (..., 2) pixels."""
    return xyz[..., :2] / xyz[..., 2:] * FOCAL + [WIDTH / 2, HEIGHT / 2]


def _picture(gripper: np.ndarray) -> U8:
    picture = np.full((HEIGHT, WIDTH, 3), (92, 84, 76), np.uint8)
    picture[150:] = (120, 104, 84)
    x, y = (int(v) for v in gripper)
    picture[:y, max(0, x - 12) : x + 12] = (60, 62, 70)
    picture[y : y + 40, max(0, x - 16) : x + 16] = (190, 50, 40)
    return picture
