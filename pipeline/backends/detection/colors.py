"""Colour words: the vocabulary, and how well a colour fits a word."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

from pipeline.model.arrays import F32, U8

_SOFT_LIGHTNESS = 8.0
_SOFT_CHROMA = 6.0
_RATIO_SLACK = 1.5  # a rival word may fit this much better before the match sinks


@dataclass(frozen=True, slots=True)
class ColorName:
    """A colour word as a soft range in CIELAB.

    Attributes:
        name: Canonical word.
        synonyms: Other words for it.
        hue: Hue angle in degrees, None for white, gray and black.
        hue_tolerance: Standard deviation of the hue in degrees.
        chroma: Smallest and largest chroma.
        lightness: Smallest and largest lightness, 0..100.
        swatch: sRGB for pictures, 0..255.
    """

    name: str
    synonyms: tuple[str, ...]
    hue: float | None
    hue_tolerance: float
    chroma: tuple[float, float]
    lightness: tuple[float, float]
    swatch: tuple[int, int, int]


@cache
def color_vocabulary() -> tuple[ColorName, ...]:
    """Read `resources/vocabulary/color_ranges.json` once."""
    text = files("resources").joinpath("vocabulary/color_ranges.json").read_text(encoding="utf-8")
    return tuple(
        ColorName(
            name=str(row["name"]),
            synonyms=tuple(row["synonyms"]),
            hue=None if row["hue"] is None else float(row["hue"]),
            hue_tolerance=float(row["hue_tolerance"]),
            chroma=(float(row["chroma"][0]), float(row["chroma"][1])),
            lightness=(float(row["lightness"][0]), float(row["lightness"][1])),
            swatch=(int(row["swatch"][0]), int(row["swatch"][1]), int(row["swatch"][2])),
        )
        for row in json.loads(text)["colors"]
    )


@cache
def _canonical() -> dict[str, str]:
    return {w: c.name for c in color_vocabulary() for w in (c.name, *c.synonyms)}


def canonical_color(word: str) -> str | None:
    """Give the vocabulary's name of a colour word, e.g. `grey` -> `gray`; None if unknown."""
    return _canonical().get(word.lower())


def color_words(text: str) -> tuple[str, ...]:
    """Find the colour words of a phrase, canonical, in their order, each once."""
    found = (canonical_color(w) for w in re.findall(r"[a-z]+", text.lower()))
    return tuple(dict.fromkeys(c for c in found if c is not None))


def to_lab(rgb: U8) -> F32:
    """Convert sRGB (..., 3) uint8 with two leading axes to CIELAB float32 (D65)."""
    import cv2

    lab = cv2.cvtColor(rgb.astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB)
    return np.asarray(lab, dtype=np.float32)


def _trapezoid(x: F32, low: float, high: float, soft: float) -> F32:
    return np.clip(np.minimum((x - low) / soft, (high - x) / soft) + 1.0, 0.0, 1.0).astype(
        np.float32
    )


def membership(lab: F32, color: ColorName) -> F32:
    """How well CIELAB colours (..., 3) fit a colour word, 0..1, shape (...). *(our choice)*."""
    light, a, b = lab[..., 0], lab[..., 1], lab[..., 2]
    chroma = np.hypot(a, b)
    fit = _trapezoid(light, *color.lightness, _SOFT_LIGHTNESS) * _trapezoid(
        chroma, *color.chroma, _SOFT_CHROMA
    )
    if color.hue is not None:
        hue = np.degrees(np.arctan2(b, a))
        apart = np.abs((hue - color.hue + 180.0) % 360.0 - 180.0)
        fit = fit * np.exp(-0.5 * (apart / color.hue_tolerance) ** 2)
    return fit.astype(np.float32)


def color_match(lab: F32, names: tuple[str, ...]) -> F32:
    """Best membership of CIELAB colours (..., 3) in any of the named colours, 0..1.

    Where another word of the vocabulary fits better, the match sinks by the ratio, so that
    neighbours in hue (yellow, orange) stay apart. Unknown names count as no colour.
    """
    wanted = [c for c in color_vocabulary() if c.name in names]
    if not wanted:
        return np.zeros(lab.shape[:-1], np.float32)
    every = {c.name: membership(lab, c) for c in color_vocabulary()}
    best = np.max([every[c.name] for c in wanted], axis=0)
    rival = np.max([v for n, v in every.items()], axis=0)
    ratio = best / np.maximum(rival, 1e-6)
    return (best * np.clip(_RATIO_SLACK * ratio, 0.0, 1.0)).astype(np.float32)


def name_of(lab: F32) -> str:
    """Name one CIELAB colour (3,), e.g. `red`; the word with the largest membership."""
    scores = [(float(membership(lab, c)), c.name) for c in color_vocabulary()]
    best = max(scores)
    if best[0] > 0.05:
        return best[1]
    chroma = float(np.hypot(lab[1], lab[2]))
    if chroma < 12:
        return "white" if lab[0] > 72 else "black" if lab[0] < 24 else "gray"
    hue = float(np.degrees(np.arctan2(lab[2], lab[1])))
    hues = [(abs((hue - c.hue + 180) % 360 - 180), c.name) for c in color_vocabulary() if c.hue]
    return min(hues)[1]
