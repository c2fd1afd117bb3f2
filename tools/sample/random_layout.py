"""Where random things stand on the table: apart, with room for the hand."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tools.sample.arms import PANDA
from tools.sample.scene import Camera
from tools.sample.things import COLOURS, Thing, shape

SIZES: dict[str, tuple[float, float, float, float]] = {
    "cube": (0.040, 0.055, 0.0, 0.0),
    "block": (0.040, 0.050, 0.052, 0.065),
    "can": (0.054, 0.064, 0.085, 0.11),
    "cup": (0.062, 0.070, 0.075, 0.09),
    "mug": (0.070, 0.076, 0.08, 0.09),
    "bottle": (0.056, 0.066, 0.14, 0.18),
    "cylinder": (0.042, 0.055, 0.05, 0.08),
    "ball": (0.045, 0.060, 0.0, 0.0),
    "carton": (0.064, 0.080, 0.10, 0.16),
}
"""Least and largest width and height of what can be held, metres; height 0: as wide as high."""
RECEPTACLES: dict[str, tuple[float, float, float, float]] = {
    "bowl": (0.14, 0.17, 0.045, 0.06),
    "plate": (0.17, 0.21, 0.014, 0.018),
    "tray": (0.18, 0.22, 0.018, 0.026),
    "box": (0.15, 0.18, 0.05, 0.07),
}
FITS_BOWL = ("cube", "ball", "cylinder", "can", "block")
LANDMARKS = ("can", "bottle", "carton", "cylinder", "block")
"""Kinds that free places are named after."""
HAND_REACH, HAND_HEIGHT, FINGER_REACH = 0.105, 0.09, 0.07
"""Room the hand needs beside its axis, its height above the pads, room of the open fingers: m."""


@dataclass(frozen=True)
class Layout:
    """What stands on the table and where the first of it goes.

    Attributes:
        things: The manipulated object, then the destination or what it is named after, then others.
        goal: Where the object's underside should come to rest, metres.
        drop: Height above the goal at which it is let go, metres.
        target_id: Destination, or what a free place is named after.
        relation: Preposition before the destination.
        free_place: Whether it ends on the bare table.
    """

    things: tuple[Thing, ...]
    goal: tuple[float, float, float]
    drop: float
    target_id: str
    relation: str
    free_place: bool


def pick(rng: np.random.Generator, items: tuple[str, ...] | list[str]) -> str:
    """Draws one of the items."""
    return str(items[int(rng.integers(len(items)))])


def between(rng: np.random.Generator, low: float, high: float, digits: int = 4) -> float:
    """Draws evenly between two bounds, rounded."""
    return round(float(rng.uniform(low, high)), digits)


def _radius(thing: Thing) -> float:
    width = thing.size[0]
    if thing.kind in ("cube", "block", "tray", "box"):
        return width / math.sqrt(2)
    return {"carton": width * 0.61, "mug": width / 2 + 0.024}.get(thing.kind, width / 2)


def _thing(rng: np.random.Generator, kind: str, colour: str, xy: tuple[float, float]) -> Thing:
    low, high, short, tall = (SIZES | RECEPTACLES)[kind]
    width = between(rng, low, high)
    height = between(rng, short, tall) if tall else width
    return Thing(f"{colour}_{kind}", kind, colour, (width, height), xy, between(rng, -0.7, 0.7))


def _place(
    rng: np.random.Generator, kind: str, colour: str, others: list[Thing], spots: list[_Spot]
) -> Thing | None:
    """A thing at a free place on the table; None if none was found."""
    for _ in range(60):
        xy = (between(rng, 0.34, 0.70), between(rng, -0.31, 0.31))
        thing = _thing(rng, kind, colour, xy)
        if all(math.dist(xy, o.xy) > _radius(thing) + _radius(o) + 0.015 for o in others) and all(
            spot.allows(thing) for spot in spots
        ):
            return thing
    return None


@dataclass(frozen=True)
class _Spot:
    """A place at which the gripper works: the grasp or the goal."""

    xy: tuple[float, float]
    grasp_height: float

    def allows(self, thing: Thing) -> bool:
        tall = thing.size[1] > self.grasp_height + HAND_HEIGHT
        room = HAND_REACH if tall else FINGER_REACH
        return math.dist(self.xy, thing.xy) > room + _radius(thing)


def _neighbours(rng: np.random.Generator, chosen: Thing) -> list[tuple[str, str]]:
    """Kind and colour of 1-2 twins (or 1-2 objects of the same colour) and 3-5 other objects."""
    kinds, colours = list(SIZES), list(COLOURS)
    wanted: list[tuple[str, str]] = []
    twins = rng.random() < 0.6
    for _ in range(int(rng.integers(1, 3))):
        if twins:
            wanted.append((chosen.kind, pick(rng, [c for c in colours if c != chosen.colour])))
        else:
            wanted.append((pick(rng, [k for k in kinds if k != chosen.kind]), chosen.colour))
    others = [k for k in kinds if k != chosen.kind]
    for _ in range(int(rng.integers(3, 6))):
        wanted.append((pick(rng, others), pick(rng, colours)))
    unique = dict.fromkeys(wanted)
    unique.pop((chosen.kind, chosen.colour), None)
    return list(unique)


def random_layout(rng: np.random.Generator, camera: Camera) -> Layout | None:
    """Draws a table.

    Args:
        rng: Source of randomness.
        camera: Whose left "to the left of" means.

    Returns:
        The table; None if this draw does not fit.
    """
    kind = pick(rng, list(SIZES))
    side = 1.0 if rng.random() < 0.5 else -1.0
    at = (between(rng, 0.42, 0.64), side * between(rng, 0.03, 0.22))
    chosen = _thing(rng, kind, pick(rng, list(COLOURS)), at)
    geometry = shape(chosen)
    if geometry.grasp_width > PANDA.max_opening - 0.006:
        return None
    goal_xy = (between(rng, 0.45, 0.60), -side * between(rng, 0.10, 0.22))
    spots = [_Spot(chosen.xy, geometry.grasp_height), _Spot(goal_xy, geometry.grasp_height)]
    things = [chosen]
    if rng.random() < 0.2:
        relation = pick(rng, ["next to", "to the left of"])
        right = camera.rotation()[:2, 0] / np.linalg.norm(camera.rotation()[:2, 0])
        mark = _thing(rng, pick(rng, LANDMARKS), pick(rng, list(COLOURS)), goal_xy)
        away = FINGER_REACH + _radius(mark) + between(rng, 0.04, 0.06)
        mark_xy = np.array(goal_xy) + right * away
        mark = _thing(rng, mark.kind, mark.colour, (float(mark_xy[0]), float(mark_xy[1])))
        if mark.name == chosen.name or mark.kind == kind:
            return None
        free, drop, floor = True, 0.003, 0.0
        if not all(spot.allows(mark) for spot in spots):
            return None
        things.append(mark)
        # Keeps the free place free.
        things.append(Thing("", "ball", "red", (0.08, 0.08), goal_xy))
    else:
        fitting = [k for k in RECEPTACLES if k != "bowl" or kind in FITS_BOWL]
        mark = _thing(rng, pick(rng, fitting), pick(rng, list(COLOURS)), goal_xy)
        relation = {"bowl": "in", "box": "in", "plate": "on", "tray": "on"}[mark.kind]
        drop = {"bowl": 0.045, "box": 0.006}.get(mark.kind, 0.003)
        free, floor = False, shape(mark).floor
        if math.dist(mark.xy, chosen.xy) < FINGER_REACH + _radius(mark) + 0.01:
            return None
        things.append(mark)
    for other_kind, colour in _neighbours(rng, chosen):
        if (other_kind, colour) == (mark.kind, mark.colour):
            continue
        if other_kind == mark.kind:
            continue
        placed = _place(rng, other_kind, colour, things, spots)
        if placed is None:
            return None
        things.append(placed)
    kept = tuple(t for t in things if t.thing_id)
    return Layout(kept, (*goal_xy, floor), drop, mark.thing_id, relation, free)
