"""A robot mask grown from clicks and painted masks, without a model. *(our choice throughout)*

1. Clicks become a mask by GrabCut; what the embedded finder found in that frame is its first
   guess, or, where it found nothing, what has the colour of the clicked pixel.
2. The colours of all seeds against the rest of their frames make a colour model.
3. From its seed a mask is carried by dense flow (DIS) to the next frame and corrected there by
   colour. Each frame follows the seed that is nearest in time; where the mask is lost, what the
   embedded finder found counts.
"""

from __future__ import annotations

import numpy as np

from pipeline.backends.backend import Progress
from pipeline.backends.robot.color_cells import smoothed
from pipeline.backends.robot.protocol import RobotClick, RobotRequest
from pipeline.backends.robot.working_clip import WorkingClip
from pipeline.model.arrays import F32, I32, U8, Bool
from pipeline.model.problem import Problem, Severity

CLICK_RADIUS = 3
"""Pixels, at the working width, around a click that are surely what was clicked."""
ALIKE = 20.0
"""CIELAB difference under which a pixel may be what was clicked."""
REACH = 9
"""Pixels, at the working width, that a mask may grow beyond where the flow carries it."""
ROBOT_COLOR, KEPT_COLOR = 0.55, 0.25
"""Posterior from which a pixel near the mask joins, and from which one inside it stays."""
LOST = 0.15
"""Share of the seed's area under which a mask is lost."""


def grow(request: RobotRequest, clip: WorkingClip, found: Bool, progress: Progress) -> Bool:
    """Grow masks from what a person gave.

    Args:
        request: Its clicks and painted masks, at least one.
        clip: The frames of the request, at working size.
        found: (F, h, w) bool, what the embedded finder found.
        progress: Called per frame with a share of this step.

    Returns:
        (F, h, w) bool.
    """
    frames = sorted(
        {int(f) for f in request.frames}
        | {click.frame for click in request.clicks}
        | {painted.frame for painted in request.painted}
    )
    row = {int(frame): i for i, frame in enumerate(request.frames)}
    nearest = [int(np.abs(request.frames - frame).argmin()) for frame in frames]
    pictures = _pictures(request, clip, frames, row, progress)
    seeds: dict[int, Bool] = {}
    for painted in request.painted:
        seeds[frames.index(painted.frame)] = _resized(painted.mask, pictures.shape[1:3])
    scale = pictures.shape[2] / clip.size[1]
    for index in sorted({frames.index(click.frame) for click in request.clicks}):
        own = [c for c in request.clicks if c.frame == frames[index]]
        progress(0.2, "robot at the clicks")
        guess = seeds.get(index, found[nearest[index]])
        seeds[index] = mask_at_clicks(pictures[index], guess, own, scale)
    seeds = {index: mask for index, mask in seeds.items() if mask.any()}
    if not seeds:
        return found
    model = _color_model(pictures, seeds)
    masks = _carried(pictures, seeds, model, progress)
    result = found.copy()
    for index, frame in enumerate(frames):
        if frame in row and masks[index].any():
            result[row[frame]] = masks[index]
    return result


def grown_problem(request: RobotRequest) -> Problem:
    """Say what the masks come from."""
    parts = []
    if request.clicks:
        parts.append(f"{len(request.clicks)} click{'s' if len(request.clicks) > 1 else ''}")
    if request.painted:
        masks = len(request.painted)
        parts.append(f"{masks} painted mask{'s' if masks > 1 else ''}")
    return Problem(
        "robot_grown",
        f"The robot's masks were grown from {' and '.join(parts)} by colour and optical flow; they "
        "get worse away from those frames. phrase_to_mask (SAM 2) follows them better.",
        Severity.INFO,
    )


def mask_at_clicks(image: U8, guess: Bool, clicks: list[RobotClick], scale: float) -> Bool:
    """Mask of what was clicked in one frame.

    Args:
        image: (h, w, 3) uint8 RGB at working size.
        guess: (h, w) bool, may be empty.
        clicks: Of this frame, in pixels of the original.
        scale: Working size over original size.

    Returns:
        (h, w) bool; every part of it holds a click inside, if there is one, and none outside.
    """
    import cv2

    height, width = image.shape[:2]
    lab = cv2.cvtColor(cv2.blur(image, (3, 3)), cv2.COLOR_RGB2LAB).astype(np.float32)
    places = [
        (
            int(np.clip(round(c.x * scale), 0, width - 1)),
            int(np.clip(round(c.y * scale), 0, height - 1)),
            c.inside,
        )
        for c in clicks
    ]
    labels = np.full((height, width), cv2.GC_PR_BGD, np.uint8)
    likely = guess.copy()
    for x, y, inside in places:
        if inside and not guess[y, x]:
            likely |= _alike(lab, x, y)
    labels[likely] = cv2.GC_PR_FGD
    for x, y, inside in places:
        cv2.circle(labels, (x, y), CLICK_RADIUS, cv2.GC_FGD if inside else cv2.GC_BGD, -1)
    surely = labels.copy()
    one_sided = not np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).any()
    if not one_sided and np.isin(labels, (cv2.GC_BGD, cv2.GC_PR_BGD)).any():
        cv2.setRNGSeed(0)  # GrabCut clusters with k-means
        try:
            cv2.grabCut(
                image,
                labels,
                (0, 0, 1, 1),
                np.zeros((1, 65)),
                np.zeros((1, 65)),
                3,
                cv2.GC_INIT_WITH_MASK,
            )
        except cv2.error:
            labels = surely
    mask = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
    return _with_clicks(mask, places)


def _with_clicks(mask: Bool, places: list[tuple[int, int, bool]]) -> Bool:
    """Keep the parts that hold a click inside (all, if there is none) and none outside."""
    import cv2

    _, parts = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    wanted = {int(parts[y, x]) for x, y, inside in places if inside} - {0}
    barred = {int(parts[y, x]) for x, y, inside in places if not inside} - {0}
    kept = wanted or set(range(1, int(parts.max()) + 1)) - barred
    return np.isin(parts, list(kept))


def _alike(lab: F32, x: int, y: int) -> Bool:
    """Pixels (h, w) like the one at x, y and connected with it."""
    import cv2

    apart = lab - lab[y, x]
    near = np.einsum("...c,...c->...", apart, apart) < ALIKE**2
    _, parts = cv2.connectedComponents(near.astype(np.uint8), connectivity=4)
    return np.asarray(parts == parts[y, x])


def _pictures(
    request: RobotRequest,
    clip: WorkingClip,
    frames: list[int],
    row: dict[int, int],
    progress: Progress,
) -> U8:
    """The frames and those of the seeds between them, (S, h, w, 3) uint8 at working size."""
    import cv2

    size = (clip.rgb.shape[2], clip.rgb.shape[1])
    pictures = np.zeros((len(frames), size[1], size[0], 3), np.uint8)
    for index, frame in enumerate(frames):
        if frame in row:
            pictures[index] = clip.rgb[row[frame]]
        else:
            progress(0.1, "robot at the clicks")
            pictures[index] = cv2.resize(
                request.frame_at(frame), size, interpolation=cv2.INTER_AREA
            )
    return pictures


def _resized(mask: Bool, shape: tuple[int, ...]) -> Bool:
    import cv2

    scaled = cv2.resize(
        mask.astype(np.uint8), (shape[1], shape[0]), interpolation=cv2.INTER_NEAREST
    )
    return np.asarray(scaled > 0)


def _cells(image: U8) -> U8:
    import cv2

    lab = np.asarray(cv2.cvtColor(cv2.blur(image, (3, 3)), cv2.COLOR_RGB2LAB), np.uint8)
    return np.asarray(lab >> 4, np.uint8)


def _color_model(pictures: U8, seeds: dict[int, Bool]) -> F32:
    """Posterior of being robot per colour cell, (16, 16, 16) float32."""
    robot, rest = np.zeros((16, 16, 16)), np.zeros((16, 16, 16))
    for index, mask in seeds.items():
        cells = _cells(pictures[index])
        np.add.at(robot, tuple(cells[mask].T), 1.0)
        np.add.at(rest, tuple(cells[~mask].T), 1.0)
    likely = smoothed(robot / max(robot.sum(), 1e-9))
    unlikely = smoothed(rest / max(rest.sum(), 1e-9))
    return np.asarray(likely / np.maximum(likely + unlikely, 1e-7), dtype=np.float32)


def _carried(pictures: U8, seeds: dict[int, Bool], model: F32, progress: Progress) -> Bool:
    """Carry every seed to the frames that are nearest to it, (S, h, w) bool."""
    masks = np.zeros(pictures.shape[:3], np.bool_)
    at = np.array(sorted(seeds), np.int32)
    done = 0
    for seed in at:
        masks[seed] = seeds[int(seed)]
        for step in (1, -1):
            current = int(seed)
            area = max(int(masks[seed].sum()), 1)
            while 0 <= current + step < len(pictures) and _owner(at, current + step) == seed:
                done += 1
                progress(0.3 + 0.7 * min(done / len(pictures), 1.0), "robot carried by flow")
                after = current + step
                mask = _next_mask(pictures[current], pictures[after], masks[current], model)
                if mask.sum() < LOST * area:
                    break
                masks[after] = mask
                current = after
    return masks


def _owner(seeds: I32, index: int) -> int:
    """The seed that is nearest to an index."""
    return int(seeds[np.abs(seeds - index).argmin()])


def _next_mask(before: U8, after: U8, mask: Bool, model: F32) -> Bool:
    """Carry a mask (h, w) from one picture to another."""
    import cv2

    flow_of = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    gray = [cv2.cvtColor(p, cv2.COLOR_RGB2GRAY) for p in (after, before)]
    flow = flow_of.calc(gray[0], gray[1], np.zeros((*mask.shape, 2), np.float32))
    y, x = np.mgrid[0 : mask.shape[0], 0 : mask.shape[1]].astype(np.float32)
    carried = cv2.remap(
        mask.astype(np.uint8), x + flow[..., 0], y + flow[..., 1], cv2.INTER_NEAREST
    )
    cells = _cells(after)
    posterior = cv2.blur(model[cells[..., 0], cells[..., 1], cells[..., 2]], (3, 3))
    reach = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * REACH + 1, 2 * REACH + 1))
    near = cv2.dilate(carried, reach) > 0
    grown = (near & (posterior > ROBOT_COLOR)) | ((carried > 0) & (posterior > KEPT_COLOR))
    closed = cv2.morphologyEx(grown.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    count, parts, stats, _ = cv2.connectedComponentsWithStats(closed, connectivity=8)
    if count < 2:
        return np.zeros_like(mask)
    inside = np.bincount(parts[carried > 0], minlength=count)
    kept = (inside > 0) & (stats[:, cv2.CC_STAT_AREA] >= 0.05 * max(int(carried.sum()), 1))
    kept[0] = False
    return np.asarray(kept[parts])
