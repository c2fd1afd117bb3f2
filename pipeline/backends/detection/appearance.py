"""What a region looks like, and how much of a confidence that is worth. *(our choice)*

The confidence D imitates an open-vocabulary detector's: it compares appearance with the phrase
and never uses motion. It is a weak imitation, as it knows colours and rough shapes but no objects.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from pipeline.backends.detection.grouping import Region
from pipeline.model.arrays import F32, Bool

SURFACE_DISTANCE = 9.0
"""CIELAB distance (lightness halved) up to which a pixel counts as the table."""
FULL_COLOR_SHARE = 0.6
"""Share of fitting pixels from which a region has the colour: labels and gloss take the rest."""
FULL_MATCH = 0.35
"""Fit to the colour word from which a pixel counts fully."""
FULL_CONTRAST = 22.0
"""CIELAB difference to its surroundings from which a region stands out entirely."""

TALL = frozenset({"bottle", "can", "cup", "carton", "cylinder", "glass", "vase", "jar", "spoon"})
SQUARE = frozenset({"cube", "block", "ball", "box", "mug", "apple", "orange", "dice", "lemon"})
FLAT = frozenset({"plate", "tray", "bowl", "dish", "pan", "towel", "cloth", "board", "basket"})


@dataclass(frozen=True, slots=True)
class Picture:
    """Maps of the working picture that all regions share, each (H, W).

    Attributes:
        lab: (H, W, 3) float32 CIELAB.
        match: float32 0..1, fit to the colour words of the phrase; zeros without any.
        surface: float32, distance to the dominant surface.
        edges: float32 0..1, strength of the colour gradient.
        vacated: bool, at rest before and gone later.
        has_color: True if the phrase names a colour.
        shape: Preferred height over width, or None.
    """

    lab: F32
    match: F32
    surface: F32
    edges: F32
    vacated: Bool
    has_color: bool
    shape: float | None


@dataclass(frozen=True, slots=True)
class Appearance:
    """Measurements of one region, all 0..1.

    Attributes:
        color: Share of fitting pixels over `FULL_COLOR_SHARE`.
        fill: Mean fit of its pixels to the colour words.
        compact: Solidity (area over convex hull).
        contrast: Colour difference to the ring around it.
        outline: Edge strength along its outline.
        isolated: Share of the ring that is table, i.e. it is whole and not a part.
        cut: Share of the outline on the picture's border.
        shape: Fit of height over width to what the noun suggests, 0.5 if it suggests nothing.
        vacated: Share of pixels that were at rest before and are gone later.
        object: What these say together about being one whole thing.
        score: D.
    """

    color: float
    fill: float
    compact: float
    contrast: float
    outline: float
    isolated: float
    cut: float
    shape: float
    vacated: float
    object: float
    score: float

    def evidence(self, colors: tuple[str, ...]) -> str:
        """Say what the confidence is made of."""
        parts = [f"{' / '.join(colors)} {self.color:.2f}"] if colors else ["no colour word"]
        parts += [f"compact {self.compact:.2f}", f"stands out {self.contrast:.2f}"]
        parts.append(f"whole {self.isolated:.2f}")
        if self.shape != 0.5:
            parts.append(f"shape {self.shape:.2f}")
        return ", ".join(parts)


def preferred_shape(phrase: str) -> float | None:
    """Height over width that the nouns of a phrase suggest, None if they suggest nothing."""
    words = set(re.findall(r"[a-z]+", phrase.lower()))
    if words & FLAT:
        return 0.45
    if words & TALL:
        return 1.7
    return 1.0 if words & SQUARE else None


def measure(region: Region, picture: Picture) -> Appearance:
    """Measure a region."""
    import cv2

    height, width = picture.surface.shape
    x0, y0, x1, y1 = region.box
    pad = 6
    u0, v0, u1, v1 = max(0, x0 - pad), max(0, y0 - pad), min(width, x1 + pad), min(height, y1 + pad)
    inside = np.zeros((v1 - v0, u1 - u0), np.uint8)
    inside[y0 - v0 : y1 - v0, x0 - u0 : x1 - u0] = region.mask
    small = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    near = cv2.dilate(inside, small)
    gap = cv2.dilate(near, small)
    ring = (cv2.dilate(gap, small, iterations=3) > 0) & (gap == 0)
    rim = (near > 0) & (cv2.erode(inside, small) == 0)
    mask = inside > 0
    area = float(mask.sum())
    lab = picture.lab[v0:v1, u0:u1]
    color = fill = 0.0
    if picture.has_color:
        fit = np.clip(picture.match[v0:v1, u0:u1] / FULL_MATCH, 0.0, 1.0)
        fill = float(fit[mask].mean())
        color = min(1.0, fill / FULL_COLOR_SHARE)
        if ring.any():  # a part of something that goes on in the same colour
            continues = float(fit[ring].mean()) / max(fill, 1e-3)
            color *= 1.0 - 0.7 * min(1.0, continues)
    contours, _ = cv2.findContours(inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    hull = sum(cv2.contourArea(cv2.convexHull(c)) for c in contours)
    compact = min(1.0, area / max(hull, area * 0.5, 1.0))
    contrast = isolated = 0.0
    if ring.any():
        apart = np.abs(np.median(lab[mask], axis=0) - np.median(lab[ring], axis=0))
        contrast = min(
            1.0, float(np.hypot(0.7 * apart[0], np.hypot(apart[1], apart[2]))) / FULL_CONTRAST
        )
        isolated = float((picture.surface[v0:v1, u0:u1][ring] < SURFACE_DISTANCE).mean())
    outline = float(picture.edges[v0:v1, u0:u1][rim].mean()) if rim.any() else 0.0
    border = (
        (region.mask[0].sum() if y0 == 0 else 0)
        + (region.mask[-1].sum() if y1 == height else 0)
        + (region.mask[:, 0].sum() if x0 == 0 else 0)
        + (region.mask[:, -1].sum() if x1 == width else 0)
    )
    cut = min(1.0, float(border) / max(1.0, 2.0 * (x1 - x0 + y1 - y0)))
    shape = 0.5
    if picture.shape is not None:
        ratio = np.log((y1 - y0) / (x1 - x0) / picture.shape)
        shape = float(np.exp(-0.5 * (ratio / 0.6) ** 2))
    vacated = float(picture.vacated[v0:v1, u0:u1][mask].mean())
    share_of_picture = area / float(height * width)
    wide = max(0.0, float(np.log10(share_of_picture / 0.06)))
    tiny = max(0.0, float(np.log10(0.0025 / share_of_picture)))
    sized = float(np.clip(1.0 - wide - 0.9 * tiny, 0.0, 1.0))
    apart = 0.3 + 0.7 * float(
        np.clip(picture.surface[v0:v1, u0:u1][mask].mean() / SURFACE_DISTANCE, 0.0, 1.0)
    )
    thing = apart * (
        (0.3 * compact**2 + 0.25 * contrast + 0.25 * isolated + 0.2 * outline)
        * (1.0 - 0.8 * min(1.0, max(0.0, 2.5 * (cut - 0.1))))
        * (0.4 + 0.6 * sized)
    )
    if picture.has_color:
        score = 0.6 * color * (0.4 + 0.6 * thing) + 0.3 * thing + 0.1 * shape
        score *= (0.35 + 0.65 * color) * (0.5 + 0.5 * sized)
    else:
        score = (0.6 * thing + 0.25 * shape * thing) * (0.5 + 0.5 * sized)
    return Appearance(
        color,
        fill,
        compact,
        contrast,
        outline,
        isolated,
        cut,
        shape,
        vacated,
        thing,
        float(np.clip(score, 0.0, 1.0)),
    )
