"""Embedded detector: regions that look like one thing and like what the phrase says.

It needs no model. It knows colour words and rough shapes, not objects: for "the yellow bottle" it
looks for something yellow, whole and upright. Its recall comes from proposing every region that
stands out; telling which one was handled is left to the scores.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pipeline.backends.backend import Progress
from pipeline.backends.detection.appearance import (
    SURFACE_DISTANCE,
    Appearance,
    Picture,
    measure,
    preferred_shape,
)
from pipeline.backends.detection.colors import color_match, to_lab
from pipeline.backends.detection.grouping import (
    Region,
    change_map,
    cleaned,
    components,
    merged_regions,
    segment_graph,
    surface_difference,
)
from pipeline.backends.detection.protocol import Detection, DetectionRequest
from pipeline.model.arrays import F32, U8, Bool
from pipeline.model.candidate import Box
from pipeline.model.score import box_iou

WORKING_SIDE = 360
"""Longest side of the working picture in pixels: felzenszwalb stays under 100 ms."""
CHANGED = 10.0
"""CIELAB difference from which a pixel changed between two frames."""
SURFACE_LEVELS = (7.0, 11.0, 16.0, 22.0, 29.0, 37.0)
"""CIELAB distances to the table at which connected regions are taken."""
PART_WEIGHT = 0.6
"""Factor on D of a region inside a more whole one."""
WHOLE_FILL = 0.75
"""The whole must have this much of the part's colour, else the part is the thing itself and the
rest is something else next to it."""
LARGE_FILL = 0.55
"""The same where the whole is more than three times as large: labels and lids differ more."""
MOTION_BONUS = 0.35
"""How much "at rest before and gone later" counts for being listed at all; never enters D."""


class RegionDetector:
    """Detector without a model; see the module's text."""

    name = "regions"
    licence = "MIT (part of Demoscope)"

    def available(self) -> str | None:
        """Always available."""
        return None

    def detect(self, request: DetectionRequest, progress: Progress) -> tuple[Detection, ...]:
        """Return boxes by falling score. See `DetectionRequest` for units."""
        image = _reduced(request.image)
        if image.std() < 2.0:
            return ()
        progress(0.0, "looking for regions")
        picture = _maps(image, request, progress)
        progress(0.2, "looking for regions")
        regions = _regions(image, picture, request, progress)
        scale = request.image.shape[1] / image.shape[1]
        height, width = request.image.shape[:2]
        measured: list[tuple[Region, Appearance]] = []
        for number, region in enumerate(regions):
            if number % 20 == 0:
                progress(0.6 + 0.4 * number / len(regions), "judging regions")
            measured.append((region, measure(region, picture)))
        chosen = _suppressed(_parts_lowered(measured), request, image.shape[0] * image.shape[1])
        found = []
        for region, look in chosen:
            x0, y0, x1, y1 = (v * scale for v in region.box)
            box = (float(x0), float(y0), float(min(x1, width)), float(min(y1, height)))
            found.append(Detection(box, look.score, region.source, look.evidence(request.colors)))
        return tuple(sorted(found, key=lambda d: -d.score))


def _reduced(image: U8) -> U8:
    import cv2

    height, width = image.shape[:2]
    share = WORKING_SIDE / max(height, width)
    if share >= 1.0:
        return image
    size = (max(1, round(width * share)), max(1, round(height * share)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _maps(image: U8, request: DetectionRequest, progress: Progress) -> Picture:
    import cv2

    lab = to_lab(np.asarray(cv2.bilateralFilter(image, 5, 20, 3), dtype=np.uint8))
    gradient = np.zeros(lab.shape[:2], np.float32)
    for channel in range(3):
        dx = cv2.Sobel(lab[..., channel], cv2.CV_32F, 1, 0, ksize=3)
        dy = cv2.Sobel(lab[..., channel], cv2.CV_32F, 0, 1, ksize=3)
        gradient = np.maximum(gradient, np.hypot(dx, dy))
    progress(0.02, "looking for regions")
    still = tuple(_reduced(f) for f in request.still)
    later = tuple(_reduced(f) for f in request.later)
    vacated: Bool = np.zeros(lab.shape[:2], np.bool_)
    if later:
        vacated = change_map(image, later) > CHANGED
        if still:
            vacated &= change_map(image, still) < CHANGED
    progress(0.05, "looking for regions")
    surface = surface_difference(lab, image)
    match: F32 = color_match(lab, request.colors, lambda: progress(0.05, "colour words"))
    return Picture(
        lab=lab,
        match=match,
        surface=surface,
        edges=np.clip(gradient / 60.0, 0.0, 1.0).astype(np.float32),
        vacated=cleaned(vacated, 1),
        has_color=bool(request.colors),
        shape=preferred_shape(request.phrase),
    )


def _regions(
    image: U8, picture: Picture, request: DetectionRequest, progress: Progress
) -> list[Region]:
    height, width = picture.surface.shape
    total = height * width
    low, high = max(12, int(request.min_area * total * 0.5)), int(request.max_area * total)
    regions: list[Region] = []
    for limit in SURFACE_LEVELS:
        for radius in (1, 2):
            mask = cleaned(picture.surface > limit, radius)
            regions += components(mask, "region", low, high)
    progress(0.25, "looking for regions")
    if picture.has_color:
        for limit in (0.25, 0.55):
            for radius in (1, 3):
                mask = cleaned(picture.match > limit, radius)
                regions += components(mask, "color", low, high)
    for radius in (1, 3):
        regions += components(cleaned(picture.vacated, radius), "motion", low, high)
    stood_out = cleaned(picture.vacated & (picture.surface > SURFACE_DISTANCE), 1)
    regions += components(stood_out, "motion", low, high)
    for number, scale in enumerate((40.0, 120.0)):
        progress(0.3 + 0.15 * number, "segmenting")
        labels = segment_graph(picture.lab, scale, max(12, low // 2))
        progress(0.38 + 0.15 * number, "segmenting")
        regions += merged_regions(
            labels, picture.lab, low, high, lambda: progress(0.4, "merging segments")
        )
    del image
    return regions


def _suppressed(
    measured: list[tuple[Region, Appearance]], request: DetectionRequest, total: int
) -> list[tuple[Region, Appearance]]:
    """Greedy non-maximum suppression, by confidence plus what else speaks for a thing."""

    def rank(item: tuple[Region, Appearance]) -> float:
        return item[1].score + 0.25 * item[1].object + MOTION_BONUS * item[1].vacated

    kept: list[tuple[Region, Appearance]] = []
    boxes: list[Box] = []
    for region, look in sorted(measured, key=rank, reverse=True):
        if len(kept) >= request.limit:
            break
        x0, y0, x1, y1 = region.box
        share = (x1 - x0) * (y1 - y0) / total
        if not request.min_area <= share <= request.max_area:
            continue
        if min(x1 - x0, y1 - y0) < 4 or look.score < request.threshold:
            continue
        box = (float(x0), float(y0), float(x1), float(y1))
        if all(box_iou(box, other) <= request.nms_iou for other in boxes):
            kept.append((region, look))
            boxes.append(box)
    return kept


def _parts_lowered(
    measured: list[tuple[Region, Appearance]],
) -> list[tuple[Region, Appearance]]:
    """Lower the confidence of what lies inside something more whole (a lid, a label)."""
    if not measured:
        return measured
    boxes = np.array([r.box for r, _ in measured], np.float64)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    fill = np.array([look.fill for _, look in measured])
    isolated = np.array([look.isolated for _, look in measured])
    solid = np.array([look.compact > 0.6 for _, look in measured])
    lowered = []
    for i, (region, look) in enumerate(measured):
        width = np.minimum(boxes[:, 2], boxes[i, 2]) - np.maximum(boxes[:, 0], boxes[i, 0])
        height = np.minimum(boxes[:, 3], boxes[i, 3]) - np.maximum(boxes[:, 1], boxes[i, 1])
        covered = np.clip(width, 0, None) * np.clip(height, 0, None) >= 0.9 * area[i]
        whole = (
            covered
            & solid
            & (area > 1.3 * area[i])
            & (area < 30.0 * area[i])
            & (isolated > look.isolated + np.where(area > 3.0 * area[i], -0.1, 0.05))
            & (fill >= np.where(area > 3.0 * area[i], LARGE_FILL, WHOLE_FILL) * look.fill)
        )
        factor = PART_WEIGHT if whole.any() else 1.0
        lowered.append((region, replace(look, score=look.score * factor)))
    return lowered
