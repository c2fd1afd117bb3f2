"""Embedded detector: regions that look like one thing and like what the phrase says.

It needs no model. It knows colour words and rough shapes, not objects: for "the yellow bottle" it
looks for something yellow, whole and upright. Its recall comes from proposing every region that
stands out; telling which one was handled is left to the scores.
"""

from __future__ import annotations

import numpy as np

from pipeline.backends.backend import Progress
from pipeline.backends.detection.appearance import (
    CHROMATIC,
    SURFACE_DISTANCE,
    Picture,
    measure,
    preferred_shape,
)
from pipeline.backends.detection.bands import banded
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
from pipeline.backends.detection.wholes import (
    Judged,
    listed,
    wholes_preferred,
    without_doubles,
)
from pipeline.model.arrays import F32, U8, Bool

WORKING_SIDE = 360
"""Longest side of the working picture in pixels: felzenszwalb stays under 100 ms."""
CHANGED = 10.0
"""CIELAB difference from which a pixel changed between two frames."""
SURFACE_LEVELS = (7.0, 11.0, 16.0, 22.0, 29.0, 37.0)
"""CIELAB distances to the table at which connected regions are taken."""
LIGHTNESS = 0.7
"""Weight of lightness in colour differences across an outline: shading changes it most."""
BULK = 0.02
"""Share of the picture from which something that its border cuts off is bulk."""


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
        regions = _regions(picture, request, progress)
        scale = request.image.shape[1] / image.shape[1]
        height, width = request.image.shape[:2]
        judged: list[Judged] = []
        for number, region in enumerate(regions):
            if number % 20 == 0:
                progress(0.6 + 0.3 * number / len(regions), "judging regions")
            judged.append(Judged(region, measure(region, picture)))
        rows, columns = image.shape[:2]
        progress(0.9, "preferring whole things")
        judged = without_doubles(judged)
        progress(0.93, "preferring whole things")
        joined = [Judged(r, measure(r, picture), joined=True) for r in banded(judged, picture)]
        judged = without_doubles(judged + joined) if joined else judged
        progress(0.96, "preferring whole things")
        judged = wholes_preferred(judged, rows, columns, picture.has_color)
        chosen = listed(
            judged,
            rows * columns,
            request.limit,
            request.threshold,
            request.nms_iou,
            (request.min_area, request.max_area),
        )
        found = []
        for item in chosen:
            x0, y0, x1, y1 = (v * scale for v in item.region.box)
            box = (float(x0), float(y0), float(min(x1, width)), float(min(y1, height)))
            evidence = item.look.evidence(request.colors)
            found.append(Detection(box, item.look.score, item.region.source, evidence))
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
    a, b = lab[..., 1], lab[..., 2]
    hue = np.degrees(np.arctan2(b, a)) % 360.0
    hue[np.hypot(a, b) < CHROMATIC] = np.nan
    return Picture(
        lab=lab * np.array([LIGHTNESS, 1.0, 1.0], np.float32),
        hue=hue.astype(np.float32),
        match=match,
        surface=surface,
        bulk=_bulk(surface),
        vacated=cleaned(vacated, 1),
        has_color=bool(request.colors),
        shape=preferred_shape(request.phrase),
    )


def _bulk(surface: F32) -> Bool:
    """Pixels of large things that the picture's border cuts off."""
    import cv2

    _, labels, stats, _ = cv2.connectedComponentsWithStats(
        cleaned(surface > SURFACE_DISTANCE, 1).astype(np.uint8), connectivity=8
    )
    border = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    large = stats[:, cv2.CC_STAT_AREA] > BULK * surface.size
    bulky = large & np.isin(np.arange(len(stats)), border)
    bulky[0] = False
    return np.asarray(bulky[labels], dtype=np.bool_)


def _regions(picture: Picture, request: DetectionRequest, progress: Progress) -> list[Region]:
    height, width = picture.surface.shape
    total = height * width
    low, high = max(12, int(request.min_area * total * 0.5)), int(request.max_area * total)
    unweighted = picture.lab / np.array([LIGHTNESS, 1.0, 1.0], np.float32)
    lab: F32 = np.asarray(unweighted, dtype=np.float32)
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
        labels = segment_graph(lab, scale, max(12, low // 2))
        progress(0.38 + 0.15 * number, "segmenting")
        regions += merged_regions(labels, lab, low, high, lambda: progress(0.4, "merging segments"))
    return regions
