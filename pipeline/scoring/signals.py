"""Signals behind the score, per candidate and frame (SPARC B.1.3), pure NumPy.

K candidates, N points, F tracked frames. Unknown values are NaN.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.model.arrays import F32, F64, I32, U8, Array, Bool

_FEW = 1e-9


def known_points(points: F32) -> Bool:
    """(F, N) bool, True where all D coordinates of (F, N, D) points are finite.

    A sum is not finite if one of its terms is not; much quicker than `all` over a short axis.
    """
    total = points[..., 0] + points[..., 1]
    if points.shape[2] == 3:
        total = total + points[..., 2]
    known: Bool = np.isfinite(total)
    return known


def group_median(values: Array, groups: Sequence[Array]) -> F64:
    """Median over the columns of each group, NaN ignored.

    Args:
        values: (R, N) float.
        groups: K index arrays into the columns.

    Returns:
        (R, K) float64, NaN where a group has no finite value.
    """
    out = np.full((len(values), len(groups)), np.nan)
    for k, members in enumerate(groups):
        if not len(members) or not len(values):
            continue
        # NaN sorts last, so the median is the middle of the first `count`.
        part = np.sort(values[:, members], axis=1)
        count = np.isfinite(part).sum(axis=1)
        rows = np.arange(len(part))
        low = part[rows, np.maximum((count - 1) // 2, 0)]
        high = part[rows, np.minimum(count // 2, part.shape[1] - 1)]
        out[:, k] = np.where(count > 0, (low + high) / 2, np.nan)
    return out


def group_share(inside: Bool, counted: Bool, groups: Sequence[Array]) -> F32:
    """Share of the counted points that are inside, per candidate and frame.

    Args:
        inside: (F, N) bool.
        counted: (F, N) bool, points that are visible (and known).
        groups: K index arrays of the points of each candidate.

    Returns:
        (K, F) float32, NaN where no point counts.
    """
    share = np.full((len(groups), len(inside)), np.nan, np.float32)
    hits = inside & counted
    for k, members in enumerate(groups):
        if len(members):
            total = counted[:, members].sum(axis=1)
            hit = hits[:, members].sum(axis=1)
            np.divide(hit, total, out=share[k], where=total > 0, casting="unsafe")
    return share


def smooth(curve: F64, window: int) -> F64:
    """Centred moving mean over `window` transitions along axis 0; NaN is left out and kept."""
    if window <= 1 or not len(curve):
        return curve
    known = np.isfinite(curve)
    total = np.zeros_like(curve)
    count = np.zeros_like(curve)
    filled = np.where(known, curve, 0.0)
    # A window wider than the curve holds all of it.
    before, after = min((window - 1) // 2, len(curve) - 1), min(window // 2, len(curve) - 1)
    for shift in range(-before, after + 1):
        source = slice(max(shift, 0), len(curve) + min(shift, 0))
        target = slice(max(-shift, 0), len(curve) + min(-shift, 0))
        total[target] += filled[source]
        count[target] += known[source]
    return np.where(known, total / np.maximum(count, 1), np.nan)


def speeds(points: F32, visible: Bool, seconds: F64, groups: Sequence[Array]) -> F64:
    """Median displacement of the points visible in both frames, px/s, before smoothing.

    Args:
        points: (F, N, 2) float32, pixels.
        visible: (F, N) bool.
        seconds: (F - 1,) float64, time between tracked frames.
        groups: K index arrays of the points of each candidate.

    Returns:
        (F - 1, K) float64.
    """
    step = np.diff(points, axis=0)
    length = np.sqrt(step[..., 0] ** 2 + step[..., 1] ** 2)
    length[~(visible[:-1] & visible[1:])] = np.nan
    speed: F64 = group_median(length, groups) / np.maximum(seconds, _FEW)[:, None]
    return speed


def motion_curves(
    points: F32, visible: Bool, seconds: F64, groups: Sequence[Array], window: int
) -> F32:
    """m_i(t): `speeds`, smoothed.

    Args:
        points: (F, N, 2) float32, pixels.
        visible: (F, N) bool.
        seconds: (F - 1,) float64, time between tracked frames.
        groups: K index arrays of the points of each candidate.
        window: Length of the moving mean, transitions.

    Returns:
        (K, F - 1) float32.
    """
    return smooth(speeds(points, visible, seconds, groups), window).T.astype(np.float32)


def interaction_transitions(frames: I32, spans: Sequence[tuple[int, int]]) -> Bool:
    """Transitions whose middle lies in an interaction span [start, end) (our choice).

    Args:
        frames: (F,) int32, tracked frames.
        spans: Interaction spans in frames of the episode.

    Returns:
        (F - 1,) bool.
    """
    middle = (frames[:-1].astype(np.float64) + frames[1:]) / 2
    inside = np.zeros(len(middle), np.bool_)
    for start, end in spans:
        inside |= (middle >= start) & (middle < end)
    return inside


def mean_known(curves: Array, rows: Bool) -> F64:
    """Mean of the finite values of each curve over `rows`; 0 where there is none.

    Args:
        curves: (K, R) float.
        rows: (R,) bool.
    """
    part = curves[:, rows].astype(np.float64)
    known = np.isfinite(part)
    mean: F64 = np.where(known, part, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    return mean


def sphere_radius(
    gripper_scale: F32,
    object_size: float | F64,
    radius_scale: float,
    mix: float,
    cap: float,
    *,
    drifts: bool = False,
) -> F32:
    """Radius of the proximity sphere per frame (our reading of SPARC 3.3).

    The paper says: "estimated from the local 3D gripper geometry and the extent of candidate
    boxes", with a radius scale of 8, its formula is lost. Ours is

        radius = min(cap, (1 - mix) * radius_scale * gripper_scale + mix * object_size),

    so that large objects, whose far points are away from the fingers, get a larger sphere. The cap
    keeps the 2D circle from covering the whole picture when the gripper is close to the camera.

    Args:
        gripper_scale: (F,) float32, metres or pixels; unknown frames take the median of the
            others, unless the unit drifts.
        object_size: Typical radius of the candidates in the same unit, one for all frames or
            (F,) float64; 0 if unknown (then it is not mixed in).
        radius_scale: 8 in the paper.
        mix: Share of the object's size.
        cap: Largest radius in the same unit.
        drifts: True if the unit of one frame is not that of another: nothing is then taken over
            from other frames.

    Returns:
        (F,) float32, NaN if the scale is unknown: in all frames, or in this one if it drifts.
    """
    known = np.isfinite(gripper_scale)
    if not known.any():
        return np.full(len(gripper_scale), np.nan, np.float32)
    missing = np.nan if drifts else np.median(gripper_scale[known])
    scale = np.where(known, gripper_scale, missing)
    share: float | F64
    if isinstance(object_size, float):
        share = mix if object_size > 0 else 0.0
    else:
        share = np.where(object_size > 0, mix, 0.0)
    radius = (1.0 - share) * radius_scale * scale + share * object_size
    return np.minimum(radius, cap).astype(np.float32)


def proximity_curves(
    points: F32, visible: Bool, reference: F32, radius: F32, groups: Sequence[Array]
) -> F32:
    """Share of a candidate's visible points inside the gripper sphere (circle in 2D).

    Args:
        points: (F, N, D) float32, metres (D = 3) or pixels (D = 2).
        visible: (F, N) bool.
        reference: (F, D) float32, gripper reference.
        radius: (F,) float32.
        groups: K index arrays of the points of each candidate.

    Returns:
        (K, F) float32, NaN where the reference, the radius or all points are unknown.
    """
    return share_within(squared_distances(points, reference), visible, radius, groups)


def squared_distances(points: F32, reference: F32) -> F32:
    """(F, N) squared distance of (F, N, D) points to the (F, D) gripper reference."""
    offset = points - reference[:, None, :]
    distance: F32 = np.einsum("fnd,fnd->fn", offset, offset)
    return distance


def share_within(distance: F32, visible: Bool, radius: F32, groups: Sequence[Array]) -> F32:
    """Share of a candidate's visible points within a radius.

    Args:
        distance: (F, N) float32, squared distances; NaN where unknown.
        visible: (F, N) bool.
        radius: (F,) float32.
        groups: K index arrays of the points of each candidate.

    Returns:
        (K, F) float32, NaN where the radius or all points are unknown.
    """
    return group_share(*points_within(distance, visible, radius), groups)


def points_within(distance: F32, visible: Bool, radius: F32) -> tuple[Bool, Bool]:
    """Which points are within a radius, and which count, both (F, N) bool; see `share_within`."""
    counted: Bool = visible & np.isfinite(distance) & np.isfinite(radius)[:, None]
    inside = np.zeros_like(counted)
    limit = np.broadcast_to((radius**2)[:, None], distance.shape)
    np.less_equal(distance, limit, out=inside, where=counted)
    return inside, counted


def overlap_curves(
    points: F32, visible: Bool, packed: U8, height: int, width: int, groups: Sequence[Array]
) -> F32:
    """Share of a candidate's visible points on the robot mask, read from the packed bits.

    Points outside of the picture do not count.

    Args:
        points: (F, N, 2) float32, pixels.
        visible: (F, N) bool.
        packed: (F, ceil(H * W / 8)) uint8, robot masks.
        height: H.
        width: W.
        groups: K index arrays of the points of each candidate.

    Returns:
        (K, F) float32, NaN where no point counts.
    """
    return group_share(*points_on_mask(points, visible, packed, height, width), groups)


def points_on_mask(
    points: F32, visible: Bool, packed: U8, height: int, width: int
) -> tuple[Bool, Bool]:
    """Which points lie on a packed mask, and which count, both (F, N) bool; see above."""
    x, y = points[..., 0], points[..., 1]
    # Comparisons with NaN are False.
    counted: Bool = visible & (x >= 0) & (y >= 0) & (x < width) & (y < height)
    column = np.where(counted, x, 0).astype(np.int32)
    line = np.where(counted, y, 0).astype(np.int32)
    index = line * np.int32(width) + column
    rows = np.arange(len(points))[:, None]
    bit = (packed[rows, index >> 3] >> (7 - (index & 7)).astype(np.uint8)) & 1
    return bit.astype(np.bool_), counted


def strongest_mean(curves: F32, rows: Sequence[int], share: float) -> F64:
    """Aggregate overlap over keyframes so that the strongest ones dominate (our reading).

    Args:
        curves: (K, F) float32.
        rows: Keyframes as rows of F, each once.
        share: The mean is over this share of the known keyframes, at least one, rounded up.

    Returns:
        (K,) float64, 0 where nothing is known.
    """
    out = np.zeros(len(curves))
    for k, curve in enumerate(curves[:, list(rows)]):
        known = np.sort(curve[np.isfinite(curve)])[::-1]
        if len(known):
            out[k] = known[: strongest_count(len(known), share)].mean()
    return out


def strongest_count(known: int, share: float) -> int:
    """How many of `known` > 0 keyframes `strongest_mean` takes."""
    return max(1, int(np.ceil(share * known - _FEW)))


def depth_gaps(xyz: F32, visible: Bool, reference: F32, groups: Sequence[Array]) -> F64:
    """Median over frames of |depth of the gripper reference - median depth of the candidate|.

    Args:
        xyz: (F, N, 3) float32 metres.
        visible: (F, N) bool.
        reference: (F, 3) float32 metres.
        groups: K index arrays of the points of each candidate.

    Returns:
        (K,) float64 metres, NaN where unknown.
    """
    depth = np.where(visible, xyz[..., 2], np.nan)
    gap = np.abs(group_median(depth, groups) - reference[:, 2:3].astype(np.float64))
    everything = [np.arange(len(gap))]
    return np.array([group_median(column[None], everything)[0, 0] for column in gap.T])
