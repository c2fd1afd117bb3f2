"""Regions of a picture at several scales: the raw material of proposals without a model.

Three sources, all *(our choice)*: graph-based segments merged bottom-up (after selective search),
what differs from the dominant surface, and what has a named colour.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.model.arrays import F32, I32, U8, Bool

SHADOW_FLOOR = 6.0
"""Added to 0..255 values before ratios are taken, so that noise in the dark does not count."""
SHADOW_TINT = 60.0
"""CIELAB units per relative deviation of a channel: a shadow may be tinted by 0.15."""
DARKEST_SHADOW = 0.3

Tick = Callable[[], None]
"""Called between pieces of work of less than 100 ms; may raise Cancelled."""


@dataclass(frozen=True, slots=True)
class Region:
    """A connected set of pixels of the working picture.

    Attributes:
        x0: Left edge.
        y0: Upper edge.
        mask: (h, w) bool inside the box.
        source: `region`, `color`, `motion` or `arrival`.
    """

    x0: int
    y0: int
    mask: Bool
    source: str

    @property
    def area(self) -> int:
        """Pixels."""
        return int(self.mask.sum())

    @property
    def box(self) -> tuple[int, int, int, int]:
        """x0, y0, x1, y1, exclusive."""
        return (self.x0, self.y0, self.x0 + self.mask.shape[1], self.y0 + self.mask.shape[0])


def components(mask: Bool, source: str, min_area: int, max_area: int) -> list[Region]:
    """Split a mask (H, W) into its 8-connected components between two areas, by falling area."""
    import cv2

    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        mask.astype(np.uint8), connectivity=8
    )
    regions = []
    for i in range(1, count):
        x, y, w, h, area = (int(v) for v in stats[i])
        if min_area <= area <= max_area:
            regions.append(Region(x, y, _filled(labels[y : y + h, x : x + w] == i), source))
    return sorted(regions, key=lambda r: -r.area)


def _filled(mask: Bool) -> Bool:
    """Fill holes: a label on a bottle belongs to it."""
    from scipy.ndimage import binary_fill_holes

    return np.asarray(binary_fill_holes(mask), dtype=np.bool_)


def cleaned(mask: Bool, radius: int) -> Bool:
    """Open, then close a mask (H, W) with an ellipse of this radius in pixels."""
    import cv2

    if radius < 1:
        return mask
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    opened = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, kernel)
    return np.asarray(cv2.morphologyEx(opened, cv2.MORPH_CLOSE, kernel) > 0)


def surface_difference(lab: F32, rgb: U8) -> F32:
    """How far each pixel is from the dominant surface, (H, W) float32 in CIELAB units.

    The surface (the table) is a quadratic in x and y per channel, fitted robustly: pixels far
    from the fit leave it, four rounds. Lightness counts half. Pixels that are the surface,
    darkened alike in all channels, are its shadow and count as surface.
    """
    height, width = lab.shape[:2]
    y, x = np.mgrid[-1 : 1 : complex(height), -1 : 1 : complex(width)]
    basis = np.stack([np.ones_like(x), x, y, x * y, x * x, y * y], axis=-1).reshape(-1, 6)
    weight = np.array([0.5, 1.0, 1.0])
    values = (lab.reshape(-1, 3) * weight).astype(np.float64)
    far = np.linalg.norm(values - _mode(values), axis=1)
    near = far < 14.0
    inside = np.flatnonzero(near)
    for _ in range(4):
        if near.sum() < 200:
            break
        inside = np.flatnonzero(near)[:: max(1, int(near.sum()) // 6000)]
        fit = np.linalg.lstsq(basis[inside], values[inside], rcond=None)[0]
        far = np.linalg.norm(values - basis @ fit, axis=1)
        near = far < max(4.0, 2.5 * float(np.median(far[near])))
    if len(inside) >= 200:
        colors = rgb.reshape(-1, 3).astype(np.float64)
        table = basis @ np.linalg.lstsq(basis[inside], colors[inside], rcond=None)[0]
        ratio = (colors + SHADOW_FLOOR) / (np.clip(table, 0, 255) + SHADOW_FLOOR)
        mean = ratio.mean(axis=1)
        tint = SHADOW_TINT * np.abs(ratio / mean[:, None] - 1.0).max(axis=1)
        shaded = (mean > DARKEST_SHADOW) & (mean < 1.0)
        far = np.where(shaded, np.minimum(far, tint), far)
    return np.asarray(far.reshape(height, width), dtype=np.float32)


def _mode(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> F32:
    """Most frequent colour: centre of the fullest cell of a coarse histogram."""
    cells = np.floor(values / 6.0).astype(np.int64)
    keys = (cells[:, 0] * 1000 + cells[:, 1]) * 1000 + cells[:, 2]
    unique, counts = np.unique(keys, return_counts=True)
    chosen = keys == unique[int(counts.argmax())]
    return np.asarray(np.median(values[chosen], axis=0), dtype=np.float32)


def segment_graph(lab: F32, scale: float, min_size: int) -> I32:
    """Felzenszwalb segments of a picture in CIELAB, (H, W) int32 labels from 0."""
    from skimage.segmentation import felzenszwalb

    scaled = (lab / 100.0).astype(np.float64)
    labels = felzenszwalb(scaled, scale=scale, sigma=0.6, min_size=min_size, channel_axis=-1)
    return np.asarray(labels, dtype=np.int32)


def merged_regions(labels: I32, lab: F32, min_area: int, max_area: int, tick: Tick) -> list[Region]:
    """Merge neighbouring segments bottom-up and give every region on the way.

    The next pair is the one with the smallest difference of mean colour, weighted by size so that
    small parts join early (Uijlings et al. 2013, simplified; our choice).
    """
    height, width = labels.shape
    count = int(labels.max()) + 1
    flat = labels.ravel()
    area = np.bincount(flat, minlength=count).astype(np.float64)
    total = float(height * width)
    sums = np.stack(
        [np.bincount(flat, weights=lab[..., c].ravel(), minlength=count) for c in range(3)], axis=1
    )
    neighbours: dict[int, set[int]] = {i: set() for i in range(count)}
    for one, two in (
        (labels[:, :-1], labels[:, 1:]),
        (labels[:-1], labels[1:]),
    ):
        differ = one != two
        for a, b in np.unique(np.stack([one[differ], two[differ]], axis=1), axis=0):
            neighbours[int(a)].add(int(b))
            neighbours[int(b)].add(int(a))
    members: dict[int, list[int]] = {i: [i] for i in range(count)}
    mean = {i: sums[i] / area[i] for i in range(count)}
    size = {i: float(area[i]) for i in range(count)}

    def cost(i: int, j: int) -> float:
        difference = mean[i] - mean[j]
        far = float(np.sqrt(0.4 * difference[0] ** 2 + difference[1] ** 2 + difference[2] ** 2))
        return far * float(0.25 + (min(size[i], size[j]) / total) ** 0.25)

    heap = [(cost(i, j), i, j) for i in range(count) for j in neighbours[i] if i < j]
    heapq.heapify(heap)
    groups: list[list[int]] = [[i] for i in range(count) if min_area <= size[i] <= max_area]
    fresh, rounds = count, 0
    while heap:
        rounds += 1
        if rounds % 200 == 0:
            tick()
        _, i, j = heapq.heappop(heap)
        if i not in members or j not in members:
            continue
        k, fresh = fresh, fresh + 1
        size[k] = size[i] + size[j]
        mean[k] = (mean[i] * size[i] + mean[j] * size[j]) / size[k]
        members[k] = members.pop(i) + members.pop(j)
        neighbours[k] = (neighbours.pop(i) | neighbours.pop(j)) - {i, j}
        for n in neighbours[k]:
            neighbours[n] -= {i, j}
            neighbours[n].add(k)
            heapq.heappush(heap, (cost(k, n), k, n))
        if min_area <= size[k] <= max_area:
            groups.append(list(members[k]))
    boxes = _label_boxes(labels, count)
    regions = []
    for number, group in enumerate(groups):
        if number % 40 == 0:
            tick()
        x0, y0 = boxes[group, 0].min(), boxes[group, 1].min()
        x1, y1 = boxes[group, 2].max(), boxes[group, 3].max()
        lookup = np.zeros(count, np.bool_)
        lookup[group] = True
        mask = lookup[labels[y0:y1, x0:x1]]
        regions.append(Region(int(x0), int(y0), mask, "region"))
    return regions


def _label_boxes(labels: I32, count: int) -> I32:
    from scipy.ndimage import find_objects

    boxes = np.zeros((count, 4), np.int32)
    for i, found in enumerate(find_objects(labels + 1, max_label=count)):
        if found is not None:
            rows, columns = found
            boxes[i] = (columns.start, rows.start, columns.stop, rows.stop)
    return boxes


def change_map(image: U8, others: tuple[U8, ...]) -> F32:
    """Smallest CIELAB difference of `image` to the other pictures (H, W); infinite without any.

    The smallest one says how surely nothing else ever looked like this pixel of `image`.
    """
    import cv2

    if not others:
        return np.full(image.shape[:2], np.inf, np.float32)

    def soft(rgb: U8) -> F32:
        lab = np.asarray(cv2.cvtColor(rgb.astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB))
        lab = lab * np.array([0.6, 1.0, 1.0], np.float32)
        return np.asarray(cv2.GaussianBlur(lab, (5, 5), 0), dtype=np.float32)

    here = soft(image)
    apart = [np.linalg.norm(here - soft(other), axis=-1) for other in others]
    return np.asarray(np.min(apart, axis=0), dtype=np.float32)
