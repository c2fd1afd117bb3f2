"""Smooth paths and inverse kinematics."""

from __future__ import annotations

import mujoco  # type: ignore[import-untyped, import-not-found, unused-ignore]
import numpy as np

from tools.sample.arms import Arm
from tools.sample.surfaces import FloatArray


def interpolate(times: FloatArray, values: FloatArray, at: FloatArray) -> FloatArray:
    """Monotone cubic interpolation (Fritsch-Carlson), which never overshoots.

    Args:
        times: Rising knots in seconds, shape (k,).
        values: Values at the knots, shape (k, d).
        at: Query times in seconds, shape (t,).

    Returns:
        Interpolated values, shape (t, d).
    """
    step = np.diff(times)[:, None]
    slope = np.diff(values, axis=0) / step
    tangent = np.zeros_like(values)
    for i in range(1, len(times) - 1):
        before, after = slope[i - 1], slope[i]
        w0, w1 = 2 * step[i] + step[i - 1], step[i] + 2 * step[i - 1]
        same = before * after > 0
        safe_before, safe_after = np.where(same, before, 1.0), np.where(same, after, 1.0)
        tangent[i] = np.where(same, (w0 + w1) / (w0 / safe_before + w1 / safe_after), 0.0)
    k = np.clip(np.searchsorted(times, at, side="right") - 1, 0, len(times) - 2)
    h = step[k]
    u = np.clip((at[:, None] - times[k][:, None]) / h, 0.0, 1.0)
    return np.asarray(
        (1 + 2 * u) * (1 - u) ** 2 * values[k]
        + u * (1 - u) ** 2 * h * tangent[k]
        + u * u * (3 - 2 * u) * values[k + 1]
        + u * u * (u - 1) * h * tangent[k + 1]
    )


def tool_pose(data: mujoco.MjData, arm: Arm) -> tuple[FloatArray, FloatArray]:
    """Where the tool is.

    Args:
        data: State after ``mj_kinematics``.
        arm: The arm.

    Returns:
        Grasp point in metres, shape (3,), and axes closing, lateral, approach, shape (3, 3).
    """
    body = data.body(arm.tool_body)
    rotation = body.xmat.reshape(3, 3)
    position = body.xpos + rotation @ np.array(arm.tool_offset)
    return position.copy(), rotation @ np.array(arm.tool_axes)


def solve(
    model: mujoco.MjModel,
    data: mujoco.MjData,
    arm: Arm,
    position: FloatArray,
    rotation: FloatArray,
    iterations: int,
) -> float:
    """Moves the arm's joints in ``data`` so that the tool reaches a pose.

    Args:
        model: The model.
        data: Its state; only the arm's joints change.
        arm: The arm.
        position: Wanted tool position, metres.
        rotation: Wanted tool axes, shape (3, 3).
        iterations: Damped least squares steps.

    Returns:
        The remaining position error in metres.
    """
    joints = [model.joint(name) for name in arm.joints]
    dofs = np.array([int(j.dofadr[0]) for j in joints])
    adr = np.array([int(j.qposadr[0]) for j in joints])
    limits = np.array([j.range for j in joints])
    body = model.body(arm.tool_body).id
    jac_p, jac_r = np.zeros((3, model.nv)), np.zeros((3, model.nv))
    error = np.inf
    for _ in range(iterations):
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        here, axes = tool_pose(data, arm)
        turn = 0.5 * sum(np.cross(axes[:, i], rotation[:, i]) for i in range(3))
        gap = np.concatenate([position - here, turn])
        error = float(np.linalg.norm(position - here))
        if error < 1e-5 and float(np.linalg.norm(turn)) < 1e-4:
            break
        mujoco.mj_jac(model, data, jac_p, jac_r, here, body)
        jac = np.concatenate([jac_p[:, dofs], jac_r[:, dofs]])
        inverse = jac.T @ np.linalg.inv(jac @ jac.T + 1e-4 * np.eye(6))
        null = (np.eye(len(dofs)) - inverse @ jac) @ (np.array(arm.rest) - data.qpos[adr])
        step = inverse @ gap + 0.05 * null
        data.qpos[adr] = np.clip(
            data.qpos[adr] + np.clip(step, -0.2, 0.2), limits[:, 0], limits[:, 1]
        )
    return error
