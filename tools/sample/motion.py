"""Moves the robot and the things through an episode by kinematics alone.

The tool follows smooth way points by damped least squares; the joints lag behind the command;
the fingers have a top speed and stop at the object; what is held moves rigidly with the tool,
falls when let go above its goal, and rests elsewhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import mujoco  # type: ignore[import-untyped, import-not-found, unused-ignore]
import numpy as np
import numpy.typing as npt

from tools.sample.plan import Episode, Grip, Track
from tools.sample.reach import interpolate, solve, tool_pose
from tools.sample.surfaces import FloatArray
from tools.sample.things import shape

FPS = 20
JOINT_LAG = 0.07
"""Time constant of the joints behind their command, seconds."""
FINGER_SPEED = 0.11
"""Top speed of the opening, metres a second."""
GRAVITY = 9.81


@dataclass
class Motion:
    """What happened in an episode of t frames, n things and c channels.

    Attributes:
        qpos: Joint positions of the model, shape (t, nq).
        state: Measured channels, radians and metres, shape (t, c).
        action: Commanded channels, radians and metres, shape (t, c).
        channels: Names of the channels.
        positions: Underside centres of the things, metres, shape (t, n, 3).
        rotations: Quaternions w x y z of the things, shape (t, n, 4).
        tools: Grasp points of the arms, metres, world frame, shape (t, arms, 3).
        contacts: Frame intervals, end exclusive, by thing: those that lead to a lift.
        failed_contacts: The same for closures that lead to nothing.
    """

    qpos: FloatArray
    state: FloatArray
    action: FloatArray
    channels: tuple[str, ...]
    positions: FloatArray
    rotations: FloatArray
    tools: FloatArray
    contacts: dict[str, list[tuple[int, int]]]
    failed_contacts: dict[str, list[tuple[int, int]]]


def _commands(
    model: mujoco.MjModel, data: mujoco.MjData, track: Track, times: FloatArray
) -> FloatArray:
    arm = track.arm
    knots = np.array([p.time for p in track.points])
    goals = np.array([[*p.position, p.yaw] for p in track.points])
    path = interpolate(knots, goals, times)
    adr = np.array([int(model.joint(name).qposadr[0]) for name in arm.joints])
    data.qpos[adr] = arm.rest
    out = np.zeros((len(times), len(adr)))
    worst = 0.0
    for t, goal in enumerate(path):
        error = solve(model, data, arm, goal[:3], arm.orientation(goal[3]), 200 if t == 0 else 25)
        worst = max(worst, error)
        out[t] = data.qpos[adr]
    if worst > 0.004:
        raise RuntimeError(f"{arm.name}: a way point is out of reach by {worst:.3f} m")
    return out


def _fingers(
    track: Track, widths: dict[str, float], count: int
) -> tuple[FloatArray, FloatArray, list[Grip | None]]:
    """Opening, its command, and the grip whose object the fingers touch, per frame."""
    opening = track.grips[0].opening
    openings, commands = np.zeros(count), np.zeros(count)
    touching: list[Grip | None] = []
    for t in range(count):
        grip = [g for g in track.grips if g.time <= t / FPS + 1e-9][-1]
        goal = max(grip.opening, widths.get(grip.thing_id, 0.0))
        opening += float(np.clip(goal - opening, -FINGER_SPEED / FPS, FINGER_SPEED / FPS))
        openings[t], commands[t] = opening, grip.opening
        held = bool(grip.thing_id) and opening <= widths[grip.thing_id] + 1e-9
        touching.append(grip if held else None)
    return openings, commands, touching


def _quaternion(matrix: FloatArray) -> FloatArray:
    out = np.zeros(4)
    mujoco.mju_mat2Quat(out, np.ascontiguousarray(matrix).ravel())
    return out


def _yaw_matrix(yaw: float) -> FloatArray:
    c, s = math.cos(yaw), math.sin(yaw)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])


def _intervals(touching: list[Grip | None], holds: bool) -> dict[str, list[tuple[int, int]]]:
    spans: dict[str, list[tuple[int, int]]] = {}
    previous: Grip | None = None
    for t, grip in enumerate([*touching, None]):
        if grip is not None and grip.holds == holds:
            if grip is not previous:
                spans.setdefault(grip.thing_id, []).append((t, t + 1))
            else:
                spans[grip.thing_id][-1] = (spans[grip.thing_id][-1][0], t + 1)
        previous = grip
    return spans


def simulate(model: mujoco.MjModel, episode: Episode, rng: np.random.Generator) -> Motion:
    """Plays an episode.

    Args:
        model: The compiled scene.
        episode: The plan.
        rng: Source of sensor noise.

    Returns:
        Joint positions, channels and the things' poses per frame.

    Raises:
        RuntimeError: If an arm cannot reach a way point.
    """
    count = round(episode.duration * FPS)
    times = np.arange(count) / FPS
    data = mujoco.MjData(model)
    qpos = np.tile(data.qpos, (count, 1))
    states, actions, touching = [], [], []
    widths = {thing.thing_id: shape(thing).grasp_width for thing in episode.things}
    for track in episode.tracks:
        arm = track.arm
        command = _commands(model, data, track, times)
        actual = command.copy()
        blend = 1.0 - math.exp(-1.0 / FPS / JOINT_LAG)
        for t in range(1, count):
            actual[t] = actual[t - 1] + blend * (command[t] - actual[t - 1])
        opening, opening_command, touch = _fingers(track, widths, count)
        qpos[:, [int(model.joint(n).qposadr[0]) for n in arm.joints]] = actual
        for finger, sign in zip(arm.fingers, (1.0, -1.0), strict=True):
            adr = int(model.joint(finger).qposadr[0])
            qpos[:, adr] = sign * (arm.finger_zero + opening / 2)
        noisy = actual + rng.normal(0.0, 0.0007, actual.shape)
        measured = opening + rng.normal(0.0, 0.00012, count)
        if episode.dead_gripper:
            measured = np.full(count, 0.0391)
        states += [noisy, measured[:, None]]
        actions += [command, opening_command[:, None]]
        touching.append(touch)
    positions, rotations, tools = _carry(model, episode, qpos, touching)
    contacts: dict[str, list[tuple[int, int]]] = {}
    failed: dict[str, list[tuple[int, int]]] = {}
    for touch in touching:
        contacts.update(_intervals(touch, True))
        failed.update(_intervals(touch, False))
    return Motion(
        qpos=qpos,
        state=np.asarray(np.concatenate(states, axis=1), dtype=np.float64).round(5),
        action=np.asarray(np.concatenate(actions, axis=1), dtype=np.float64).round(5),
        channels=tuple(c for track in episode.tracks for c in track.arm.channels),
        positions=positions,
        rotations=rotations,
        tools=tools,
        contacts=contacts,
        failed_contacts=failed,
    )


def _carry(
    model: mujoco.MjModel,
    episode: Episode,
    qpos: FloatArray,
    touching: list[list[Grip | None]],
) -> tuple[FloatArray, FloatArray, FloatArray]:
    data = mujoco.MjData(model)
    place: dict[str, FloatArray] = {}
    turn: dict[str, FloatArray] = {}
    fall: dict[str, float] = {}
    held: dict[str, tuple[FloatArray, FloatArray]] = {}
    floors: dict[str, float] = {thing.thing_id: 0.0 for thing in episode.things}
    inside = {thing.thing_id: shape(thing).floor for thing in episode.things}
    goals = {s.thing_id: s.target_id for s in episode.subtasks}
    for thing in episode.things:
        place[thing.thing_id] = np.array([*thing.xy, 0.0])
        turn[thing.thing_id] = _yaw_matrix(thing.yaw)
    positions: list[npt.NDArray[np.float64]] = []
    rotations: list[npt.NDArray[np.float64]] = []
    tools: list[list[FloatArray]] = []
    for t, joints in enumerate(qpos):
        data.qpos[:] = joints
        mujoco.mj_kinematics(model, data)
        tools.append([tool_pose(data, track.arm)[0] for track in episode.tracks])
        for track, touch in zip(episode.tracks, touching, strict=True):
            here, axes = tool_pose(data, track.arm)
            grip = touch[t]
            for push in episode.pushes:
                if push.start <= t / FPS <= push.end:
                    way = np.array([*push.direction, 0.0])
                    behind = float(way @ (here - place[push.thing_id])) + push.clearance
                    place[push.thing_id] = place[push.thing_id] + max(0.0, behind) * way
            if grip is None or not grip.holds:
                continue
            name = grip.thing_id
            if name not in held:
                held[name] = (axes.T @ (place[name] - here), axes.T @ turn[name])
            place[name], turn[name] = here + axes @ held[name][0], axes @ held[name][1]
            floors[name] = inside.get(goals[name], 0.0)
            fall[name] = 0.0
        busy = {g.thing_id for touch in touching if (g := touch[t]) is not None and g.holds}
        for name in set(held) - busy:
            yaw = math.atan2(turn[name][1, 0], turn[name][0, 0])
            turn[name] = _yaw_matrix(yaw)
            drop = fall[name] / FPS + 0.5 * GRAVITY / FPS**2
            fall[name] += GRAVITY / FPS
            place[name][2] = max(floors[name], place[name][2] - drop)
        names = [thing.thing_id for thing in episode.things]
        positions.append(np.array([place[name] for name in names]))
        rotations.append(np.array([_quaternion(turn[name]) for name in names]))
    return np.array(positions), np.array(rotations), np.array(tools)
