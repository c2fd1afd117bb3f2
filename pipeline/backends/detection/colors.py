"""How well the pixels of a picture fit a colour word, fast enough for every pixel.

The vocabulary and the colour difference are those of `pipeline.model.colors`; here they are
tabulated once per word on a grid of CIELAB.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

import numpy as np

from pipeline.model import colors
from pipeline.model.arrays import F32, U8

FITS = 5.0
"""Colour difference (CIEDE2000, k_L = 2) up to which a word fits fully *(our choice)*."""
FADES = 7.0
"""Standard deviation of the fit beyond that."""
RIVAL_POWER = 2
"""Power of best over rival by which a match sinks where another word of the vocabulary fits better:
neighbours in hue share colours, so it must not fall to nothing at once."""

SHADES = ((1.0, 1.0), (1.5, 0.94), (2.2, 0.82), (3.0, 0.7))
"""Brighter lights a pixel may lack, and what its fit is worth then: things stand in shadows, and a
word's prototypes show it in the light. Nothing is ever taken to be lit too brightly."""

_STEP = np.array([5.0, 6.0, 6.0], np.float32)
_LOW = np.array([0.0, -102.0, -102.0], np.float32)
_CELLS = (21, 35, 35)
_BLACK = np.array([16.0, 0.0, 0.0], np.float32)


def color_words(text: str) -> tuple[str, ...]:
    """Find the colour words of a phrase, canonical, in their order, each once."""
    found = (colors.canonical_color(w) for w in re.findall(r"[a-z]+", text.lower()))
    return tuple(dict.fromkeys(c for c in found if c is not None))


def to_lab(rgb: U8) -> F32:
    """Convert a picture (H, W, 3) sRGB uint8 to CIELAB float32 (D65, L 0..100)."""
    import cv2

    lab = cv2.cvtColor(rgb.astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB)
    return np.asarray(lab, dtype=np.float32)


@cache
def _grid() -> F32:
    """Colours of the table's cells, (21, 35, 35, 3) float32."""
    axes = [low + step * np.arange(n) for low, step, n in zip(_LOW, _STEP, _CELLS, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).astype(np.float32)


@cache
def _fit(word: str) -> F32:
    """Fit of each cell to a word of the vocabulary, 0..1, (21, 35, 35) float32."""
    fits = []
    for gain, worth in SHADES:
        # Light scales XYZ, thus L + 16, a and b by its cube root (outside of the darkest tones).
        root = np.float32(gain ** (1.0 / 3.0))
        lit = (_grid() + _BLACK) * root - _BLACK
        beyond = np.maximum(colors.color_distance(word, lit) - FITS, 0.0) / FADES
        fits.append(worth * np.exp(-0.5 * beyond**2))
    return np.asarray(np.max(fits, axis=0), dtype=np.float32)


def color_match(lab: F32, names: tuple[str, ...], tick: Callable[[], None]) -> F32:
    """Best fit of CIELAB colours to any of the named colours.

    Where another word of the vocabulary fits better, the match sinks by the ratio.

    Args:
        lab: (H, W, 3) float32.
        names: Words of the vocabulary; others count as no colour.
        tick: Called often while a table is made for the first time; may raise Cancelled.

    Returns:
        (H, W) float32, 0..1; zeros without a known name.
    """
    from scipy.ndimage import map_coordinates

    words = [w.name for w in colors.color_words()]
    wanted = [w for w in words if w in names]
    if not wanted:
        return np.zeros(lab.shape[:-1], np.float32)
    fits: dict[str, F32] = {}
    for word in words:
        tick()
        fits[word] = _fit(word)
    best = np.max([fits[w] for w in wanted], axis=0)
    rival = np.max([fits[w] for w in words], axis=0)
    table = best * np.clip(best / np.maximum(rival, 1e-6), 0.0, 1.0) ** RIVAL_POWER
    places = np.moveaxis((lab - _LOW) / _STEP, -1, 0)
    match = map_coordinates(table, places, order=1, mode="nearest")
    return np.asarray(match, dtype=np.float32)
