"""Which options of the score can be swept, what that costs, and over which values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from pipeline.evaluation.features import FEATURE_OPTIONS, WEIGHT_OPTIONS
from pipeline.model.options import OptionInfo, describe
from pipeline.scoring.formula import ScoresOptions

Value = float | int | str
COUNT = 21
"""Values of a sweep, beside the current and the published one."""
MAP_COUNT = 11
_FAR = 3.0
_OCTAVES = 3.0
_WIDE = 20.0


class Cost(StrEnum):
    """What has to be done again for another value."""

    WEIGHT = "weight"
    FEATURE = "feature"
    MEASUREMENT = "measurement"


MEASUREMENT_OPTIONS = (
    "sphere_radius_scale",
    "object_size_mix",
    "radius_cap",
    "proximity_frames",
    "smoothing_window",
    "overlap_approach_frames",
    "overlap_share",
    "depth_relief_low",
    "depth_relief_high",
)
"""Options that shape what is measured: they need the tracks of each clip, from the cache."""
SWEPT = (*WEIGHT_OPTIONS, *FEATURE_OPTIONS, *MEASUREMENT_OPTIONS)
"""All of `ScoresOptions` but the margins of the warnings, which do not change who wins."""


def cost_of(name: str) -> Cost:
    """What another value of an option costs.

    Raises:
        ValueError: It cannot be swept.
    """
    if name in WEIGHT_OPTIONS:
        return Cost.WEIGHT
    if name in FEATURE_OPTIONS:
        return Cost.FEATURE
    if name in MEASUREMENT_OPTIONS:
        return Cost.MEASUREMENT
    raise ValueError(f"{name}: expected one of {', '.join(SWEPT)}")


def info_of(name: str) -> OptionInfo:
    """What an option is; ValueError if it cannot be swept."""
    cost_of(name)
    return next(i for i in describe(ScoresOptions) if i.name == name)


@dataclass(frozen=True, slots=True)
class Grid:
    """Values of one option.

    Attributes:
        info: The option.
        values: Ascending; choices in their order.
        current: Place of the value in force.
        published: Place of the default.
        is_log: The values grow by factors.
    """

    info: OptionInfo
    values: tuple[Value, ...]
    current: int
    published: int
    is_log: bool = False


def grid_of(name: str, options: ScoresOptions, count: int = COUNT) -> Grid:
    """Values around the one in force, within the documented range (our choice).

    Shares (ranges that end at 1 or below) take their whole range. Other ranges that begin at 0 go
    from there to three times the value; ranges over more than a factor of 20 go by factors from an
    eighth to eight times the value.

    Args:
        name: Option.
        options: Options in force.
        count: Values, beside the one in force and the published one.
    """
    info = info_of(name)
    current: Value = getattr(options, name)
    if info.choices:
        places = {choice: k for k, choice in enumerate(info.choices)}
        return Grid(info, info.choices, places[str(current)], places[info.default])
    low, high = float(info.low or 0.0), float(info.high or 1.0)
    now, published = float(current), float(info.default)
    is_log = low > 0 and high / low >= _WIDE
    if is_log:
        factor = 2.0**_OCTAVES
        ends = max(low, min(now, published) / factor), min(high, max(now, published) * factor)
        points = np.geomspace(*ends, count)
    else:
        most = high if high <= 1.0 else min(high, _FAR * max(now, published))
        points = np.linspace(low, most if most > low else high, count)
    found = {_short(float(p), info) for p in points} | {current, info.default}
    values = tuple(sorted(v for v in found if not isinstance(v, str)))
    return Grid(info, values, values.index(current), values.index(info.default), is_log)


def _short(value: float, info: OptionInfo) -> Value:
    """Few digits, within the range."""
    if info.type is int:
        return round(value)
    rounded = float(f"{value:.4g}")
    low, high = info.low, info.high
    return min(max(rounded, low if low is not None else rounded), rounded if high is None else high)
