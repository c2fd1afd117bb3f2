"""What a region looks like, and how much of a confidence that is worth. *(our choice)*

The confidence D imitates an open-vocabulary detector's: it compares appearance with the phrase
and never uses motion. It is a weak imitation, as it knows colours and rough shapes but no objects.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from pipeline.backends.detection.grouping import Region
from pipeline.backends.detection.outline import outline_of
from pipeline.model.arrays import F32, Bool

SURFACE_DISTANCE = 9.0
"""CIELAB distance (lightness halved) up to which a pixel counts as the table."""
FULL_COLOR_SHARE = 0.6
"""Share of fitting pixels from which a region has the colour: labels and gloss take the rest."""
FULL_MATCH = 0.45
"""Fit to the colour word from which a pixel counts fully."""
FULL_CONTRAST = 22.0
"""CIELAB difference to its surroundings from which a region stands out entirely."""
CHROMATIC = 14.0
"""Chroma (CIELAB) from which a pixel has a hue."""
OWN_HUE = 35.0
"""Degrees of hue around a thing's main hue that are still its own."""
DEEP_NOTCH = 0.5
"""Depth of a notch in the outline, over the root of the area, from which it is several things."""
BULK_DOUBT = 0.5
"""Share of D that a gray region loses in something large that the border cuts off."""

TALL = frozenset({"bottle", "can", "cup", "carton", "cylinder", "glass", "vase", "jar", "spoon"})
SQUARE = frozenset({"cube", "block", "ball", "box", "mug", "apple", "orange", "dice", "lemon"})
FLAT = frozenset({"plate", "tray", "bowl", "dish", "pan", "towel", "cloth", "board", "basket"})


@dataclass(frozen=True, slots=True)
class Picture:
    """Maps of the working picture that all regions share, each (H, W).

    Attributes:
        lab: (H, W, 3) float32 CIELAB, lightness weighted by `LIGHTNESS`.
        hue: float32 degrees, NaN where a pixel has none.
        match: float32 0..1, fit to the colour words of the phrase; zeros without any.
        surface: float32, distance to the dominant surface.
        bulk: bool, in something large that the picture's border cuts off: mostly the robot.
        vacated: bool, at rest before and gone later.
        has_color: True if the phrase names a colour.
        shape: Preferred height over width, or None.
    """

    lab: F32
    hue: F32
    match: F32
    surface: F32
    bulk: Bool
    vacated: Bool
    has_color: bool
    shape: float | None


@dataclass(frozen=True, slots=True)
class Appearance:
    """Measurements of one region, all 0..1.

    Attributes:
        color: Share of fitting pixels over `FULL_COLOR_SHARE`, less where the colour goes on.
        fill: Mean fit of its pixels to the colour words.
        compact: Area over the convex hull's, less with a deep notch.
        contrast: Colour difference of the two sides of its outline.
        closed: Share of the outline with a clear edge.
        isolated: Share of the outline with the table outside: it is whole and not a part.
        raised: Share of its pixels that are not table.
        pure: Share of its coloured pixels that have its main hue.
        cut: Share of the outline on the picture's border.
        bulk: Share in something large that the border cuts off.
        shape: Fit of height over width to what the noun suggests, 0.5 if it suggests nothing.
        vacated: Share of pixels that were at rest before and are gone later.
        object: What these say together about being one whole thing.
        score: D.
    """

    color: float
    fill: float
    compact: float
    contrast: float
    closed: float
    isolated: float
    raised: float
    pure: float
    cut: float
    bulk: float
    shape: float
    vacated: float
    object: float
    score: float

    def evidence(self, colors: tuple[str, ...]) -> str:
        """Say what the confidence is made of."""
        parts = [f"{' / '.join(colors)} {self.color:.2f}"] if colors else ["no colour word"]
        parts += [f"compact {self.compact:.2f}", f"stands out {self.contrast:.2f}"]
        parts += [f"outlined {self.closed:.2f}", f"whole {self.isolated:.2f}"]
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
    height, width = picture.surface.shape
    x0, y0, x1, y1 = region.box
    here = np.s_[y0:y1, x0:x1]
    mask, area = region.mask, float(region.area)
    outline = outline_of(mask, x0, y0, picture.lab)
    around = picture.surface[outline.y, outline.x]
    isolated = float((around < SURFACE_DISTANCE).mean()) if len(around) else 0.0
    far = picture.surface[here][mask]
    raised = float((far > SURFACE_DISTANCE * 0.7).mean())
    color = fill = 0.0
    if picture.has_color:
        fill = float(np.minimum(picture.match[here][mask] / FULL_MATCH, 1.0).mean())
        color = min(1.0, fill / FULL_COLOR_SHARE)
        if len(around):  # a part of something that goes on in the same colour
            beyond = np.minimum(picture.match[outline.y, outline.x] / FULL_MATCH, 1.0)
            goes_on = float((beyond * (around > SURFACE_DISTANCE)).mean())
            color *= 1.0 - 0.7 * min(1.0, goes_on / max(fill, 1e-3))
    hue = picture.hue[here][mask]
    colored = hue[hue >= 0.0]
    pure = _purity(colored, area)
    compact = outline.solid * (1.0 - 0.4 * min(1.0, outline.notch / DEEP_NOTCH))
    contrast = min(1.0, outline.contrast / FULL_CONTRAST)
    shape = 0.5
    if picture.shape is not None:
        ratio = np.log((y1 - y0) / (x1 - x0) / picture.shape)
        shape = float(np.exp(-0.5 * (ratio / 0.6) ** 2))
    bulk = float(picture.bulk[here][mask].mean())
    share = area / float(height * width)
    wide = max(0.0, float(np.log10(share / 0.06)))
    tiny = max(0.0, float(np.log10(0.0025 / share)))
    sized = float(np.clip(1.0 - wide - 0.9 * tiny, 0.0, 1.0))
    cut = 1.0 - 0.8 * min(1.0, max(0.0, 2.5 * (outline.cut - 0.1)))
    thing = (
        (0.3 * compact**2 + 0.15 * contrast + 0.35 * outline.closed**2 + 0.2 * isolated)
        * (0.3 + 0.7 * raised)
        * (0.6 + 0.4 * pure)
        * cut
        * (0.4 + 0.6 * sized)
    )
    if picture.has_color:
        color *= 0.3 + 0.7 * raised
        score = 0.6 * color * (0.4 + 0.6 * thing) + 0.3 * thing + 0.1 * shape
        score *= (0.35 + 0.65 * color) * (0.5 + 0.5 * sized)
    else:
        score = (0.6 * thing + 0.25 * shape * thing) * (0.5 + 0.5 * sized)
    # Something gray in it is a piece of the robot, most of the time; what stands before the robot
    # has the table around it.
    gray = 1.0 - len(colored) / area
    score *= 1.0 - BULK_DOUBT * bulk * gray * min(1.0, max(0.0, (0.8 - isolated) / 0.5))
    return Appearance(
        color=color,
        fill=fill,
        compact=compact,
        contrast=contrast,
        closed=outline.closed,
        isolated=isolated,
        raised=raised,
        pure=pure,
        cut=outline.cut,
        bulk=bulk,
        shape=shape,
        vacated=float(picture.vacated[here][mask].mean()),
        object=thing,
        score=float(np.clip(score, 0.0, 1.0)),
    )


def _purity(hue: F32, area: float) -> float:
    """Share of coloured pixels near the main hue; 1 where hardly any pixel is coloured."""
    if len(hue) < 0.15 * area:
        return 1.0
    counts = np.bincount((hue / 10.0).astype(np.int64) % 36, minlength=36).astype(np.float64)
    reach = int(OWN_HUE // 10)
    circle = np.concatenate([counts[-reach:], counts, counts[:reach]])
    around = np.convolve(circle, np.ones(2 * reach + 1), "valid")
    return float(around.max() / max(1.0, counts.sum()))
