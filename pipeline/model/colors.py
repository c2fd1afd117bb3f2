"""Colour words: which word a measured colour deserves, and how far it is from a given word.

Distances are CIEDE2000 with k_L = 2 *(our choice)*: in a robot's workspace lightness is what
shadows and exposure change, so it counts half; hue and chroma are what people mean by a name.
Each word has several prototypes (lit, shaded, faded), and the nearest one counts.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from pipeline.model.arrays import F32, F64, U8

LIGHTNESS_TOLERANCE = 2.0
"""k_L of CIEDE2000: 2 instead of 1, as shading is no change of colour."""

_SRGB_TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
_WHITE_D65 = np.array([0.95047, 1.0, 1.08883])


@dataclass(frozen=True, slots=True)
class ColorWord:
    """A colour word and what it looks like.

    Attributes:
        name: The word captions use, e.g. `gray`.
        synonyms: Words that mean a shade of it or spell it otherwise, e.g. `grey`, `silver`.
        lab: (P, 3) float64 prototypes in CIELAB, D65, L 0..100.
    """

    name: str
    synonyms: tuple[str, ...]
    lab: F64


@cache
def color_words() -> tuple[ColorWord, ...]:
    """Read the colour vocabulary (resources/vocabulary/colors.json), once."""
    text = (resources.files("resources") / "vocabulary" / "colors.json").read_text("utf-8")
    entries: list[dict[str, Any]] = json.loads(text)["colors"]
    return tuple(
        ColorWord(e["name"], tuple(e["synonyms"]), np.array(e["lab"], dtype=np.float64))
        for e in entries
    )


@cache
def _names_by_word() -> dict[str, str]:
    names: dict[str, str] = {}
    for entry in color_words():
        for word in (entry.name, *entry.synonyms):
            names[word] = entry.name
    return names


def is_color_word(word: str) -> bool:
    """Whether `word` is a colour word of the vocabulary (any spelling, any case)."""
    return word.lower() in _names_by_word()


def canonical_color(word: str) -> str | None:
    """Return the vocabulary's name for a colour word (`grey` -> `gray`), None if it is none."""
    return _names_by_word().get(word.lower())


def rgb_to_lab(rgb: U8) -> F32:
    """Convert sRGB to CIELAB without OpenCV.

    Args:
        rgb: (..., 3) uint8.

    Returns:
        (..., 3) float32, D65, L 0..100.
    """
    share = np.asarray(rgb, dtype=np.float64) / 255.0
    linear = np.where(share > 0.04045, ((share + 0.055) / 1.055) ** 2.4, share / 12.92)
    xyz = (linear @ _SRGB_TO_XYZ.T) / _WHITE_D65
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1).astype(np.float32)


def delta_e(first: ArrayLike, second: ArrayLike, *, k_l: float = LIGHTNESS_TOLERANCE) -> F64:
    """CIEDE2000 colour difference (Sharma, Wu and Dalal 2005), broadcast over leading axes.

    Args:
        first: (..., 3) CIELAB.
        second: (..., 3) CIELAB.
        k_l: Tolerance for lightness; 1 gives the standard formula.

    Returns:
        (...) float64; 1 is about the smallest difference that people see.
    """
    one, two = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    l1, a1, b1 = one[..., 0], one[..., 1], one[..., 2]
    l2, a2, b2 = two[..., 0], two[..., 1], two[..., 2]
    c7 = ((np.hypot(a1, b1) + np.hypot(a2, b2)) / 2) ** 7
    gain = 1 + 0.5 * (1 - np.sqrt(c7 / (c7 + 25.0**7)))
    a1, a2 = a1 * gain, a2 * gain
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = np.degrees(np.arctan2(b1, a1)) % 360, np.degrees(np.arctan2(b2, a2)) % 360
    gray = c1 * c2 == 0  # hue has no meaning there
    far = np.abs(h2 - h1) > 180  # the short way round
    turn = np.where(gray, 0.0, h2 - h1 - np.where(far, 360.0 * np.sign(h2 - h1), 0.0))
    hue_step = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn) / 2)
    hue = np.where(gray, h1 + h2, ((h1 + h2 + np.where(far, 360.0, 0.0)) / 2) % 360)
    light, chroma = (l1 + l2) / 2, (c1 + c2) / 2
    t = (
        1
        - 0.17 * np.cos(np.radians(hue - 30))
        + 0.24 * np.cos(np.radians(2 * hue))
        + 0.32 * np.cos(np.radians(3 * hue + 6))
        - 0.20 * np.cos(np.radians(4 * hue - 63))
    )
    s_l = 1 + 0.015 * (light - 50) ** 2 / np.sqrt(20 + (light - 50) ** 2)
    s_c, s_h = 1 + 0.045 * chroma, 1 + 0.015 * chroma * t
    rotation = -2 * np.sqrt(chroma**7 / (chroma**7 + 25.0**7))
    rotation = rotation * np.sin(np.radians(60 * np.exp(-(((hue - 275) / 25) ** 2))))
    d_l, d_c, d_h = (l2 - l1) / (k_l * s_l), (c2 - c1) / s_c, hue_step / s_h
    result: F64 = np.sqrt(np.maximum(d_l**2 + d_c**2 + d_h**2 + rotation * d_c * d_h, 0.0))
    return result


def color_distance(name: str, lab: ArrayLike) -> F64:
    """How far measured colours are from a colour word.

    Args:
        name: Colour word of the vocabulary, any spelling (`grey`, `violet`).
        lab: (..., 3) CIELAB, D65, L 0..100: one colour or a whole picture.

    Returns:
        (...) float64, CIEDE2000 (k_L = 2) to the word's nearest prototype; infinite where the
        colour is not finite. Under 10 the word fits, over 20 it hardly does *(our reading)*.

    Raises:
        KeyError: `name` is no colour word of the vocabulary.
    """
    canonical = canonical_color(name)
    if canonical is None:
        raise KeyError(name)
    colors = np.asarray(lab, dtype=np.float64)
    finite = np.asarray(np.isfinite(colors).all(axis=-1))
    colors = np.where(finite[..., None], colors, 0.0)
    prototypes = next(w.lab for w in color_words() if w.name == canonical)
    nearest = np.full(colors.shape[:-1], np.inf)
    for prototype in prototypes:  # one at a time: a whole picture would not fit the cache
        np.minimum(nearest, delta_e(colors, prototype), out=nearest)
    return np.where(finite, nearest, np.inf)


def name_color(lab: ArrayLike) -> tuple[str, float]:
    """Name one measured colour.

    Args:
        lab: (3,) CIELAB, D65, L 0..100.

    Returns:
        The nearest word of the vocabulary and its distance (see `color_distance`); the word is
        empty and the distance infinite if the colour is not finite (an empty mask).
    """
    color = np.asarray(lab, dtype=np.float64)
    if color.shape != (3,):
        raise ValueError(f"lab: expected shape (3), got {color.shape}")
    if not np.isfinite(color).all():
        return "", float("inf")
    distances = [(float(color_distance(w.name, color)), w.name) for w in color_words()]
    distance, name = min(distances)
    return name, distance
