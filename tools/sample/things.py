"""The objects on the table: their shapes, where to grasp them, where things rest in them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from tools.sample.surfaces import FloatArray, IntArray, lathe

COLOURS: dict[str, tuple[float, float, float]] = {
    "red": (0.80, 0.09, 0.08),
    "blue": (0.08, 0.22, 0.75),
    "green": (0.10, 0.55, 0.16),
    "orange": (0.95, 0.42, 0.04),
    "yellow": (0.95, 0.78, 0.08),
    "purple": (0.45, 0.14, 0.58),
    "white": (0.93, 0.93, 0.90),
    "gray": (0.45, 0.46, 0.48),
    "black": (0.08, 0.08, 0.09),
    "teal": (0.05, 0.50, 0.52),
    "pink": (0.93, 0.50, 0.62),
    "brown": (0.45, 0.27, 0.13),
    "cream": (0.90, 0.84, 0.70),
}


@dataclass(frozen=True)
class Thing:
    """An object of an episode.

    Attributes:
        thing_id: Name unique within the episode, used as body name.
        kind: cube, can, mug, cup, bottle, cylinder, ball, carton, bowl, plate, tray or box.
        colour: A key of ``COLOURS``.
        size: Main width and height in metres.
        xy: Position on the table in metres, world frame.
        yaw: Rotation about z in radians.
    """

    thing_id: str
    kind: str
    colour: str
    size: tuple[float, float]
    xy: tuple[float, float]
    yaw: float = 0.0

    @property
    def name(self) -> str:
        """What a person would call it, e.g. ``red cube``."""
        return f"{self.colour} {self.kind}"


@dataclass(frozen=True)
class Shape:
    """Geometry of a thing, origin at the centre of its underside.

    Attributes:
        geoms: MJCF of its geoms.
        meshes: Vertices and faces by mesh name.
        grasp_width: Distance between the fingers that hold it, metres.
        grasp_height: Height of the grasp above the underside, metres.
        floor: Height of the surface on which things rest inside it, metres.
    """

    geoms: str
    meshes: dict[str, tuple[FloatArray, IntArray]]
    grasp_width: float
    grasp_height: float
    floor: float = 0.0


def _rgba(colour: str) -> str:
    red, green, blue = COLOURS[colour]
    return f"{red:.4g} {green:.4g} {blue:.4g} 1"


def _geom(kind: str, size: str, pos: str, colour: str, extra: str = "") -> str:
    return (
        f'<geom type="{kind}" size="{size}" pos="{pos}" rgba="{_rgba(colour)}" '
        f'material="glossy" {extra}/>'
    )


def _mesh(name: str, colour: str) -> str:
    return f'<geom type="mesh" mesh="{name}" rgba="{_rgba(colour)}" material="glossy"/>'


def _hollow(radius: float, base: float, height: float, wall: float) -> list[tuple[float, float]]:
    return [
        (0.0, 0.0),
        (base, 0.0),
        (radius, height),
        (radius - wall, height),
        (base - wall, 2 * wall),
        (0.0, 2 * wall),
    ]


def _handle(radius: float, height: float, colour: str) -> str:
    points = []
    for i in range(7):
        angle = math.pi * (i / 6 - 0.5)
        points.append(
            (radius - 0.002 + 0.022 * math.cos(angle), height * (0.5 + 0.3 * math.sin(angle)))
        )
    parts = []
    for (x0, z0), (x1, z1) in pairwise(points):
        ends = f"{x0:.4f} 0 {z0:.4f} {x1:.4f} 0 {z1:.4f}"
        parts.append(
            f'<geom type="capsule" size="0.0045" fromto="{ends}" rgba="{_rgba(colour)}" '
            'material="glossy"/>'
        )
    return "".join(parts)


def _walls(half: float, height: float, wall: float, floor: float, colour: str) -> str:
    middle = height / 2
    side = f"{half:.4f} {wall / 2:.4f} {middle:.4f}"
    end = f"{wall / 2:.4f} {half:.4f} {middle:.4f}"
    edge = half - wall / 2
    return (
        _geom("box", f"{half:.4f} {half:.4f} {floor / 2:.4f}", f"0 0 {floor / 2:.4f}", colour)
        + _geom("box", side, f"0 {edge:.4f} {middle:.4f}", colour)
        + _geom("box", side, f"0 {-edge:.4f} {middle:.4f}", colour)
        + _geom("box", end, f"{edge:.4f} 0 {middle:.4f}", colour)
        + _geom("box", end, f"{-edge:.4f} 0 {middle:.4f}", colour)
    )


def shape(thing: Thing) -> Shape:
    """Builds the geometry of a thing.

    Args:
        thing: What to build.

    Returns:
        Its geoms and how to hold it.

    Raises:
        ValueError: If the kind is unknown.
    """
    width, height = thing.size
    half = width / 2
    colour, mesh = thing.colour, f"{thing.thing_id}_mesh"
    if thing.kind in ("cube", "block"):
        geoms = _geom("box", f"{half} {half} {height / 2}", f"0 0 {height / 2}", colour)
        return Shape(geoms, {}, width, min(height * 0.5, 0.03))
    if thing.kind == "carton":
        geoms = _geom("box", f"{half} {half * 0.7} {height / 2}", f"0 0 {height / 2}", colour)
        geoms += _geom(
            "box",
            f"{half + 0.0008} {half * 0.7 + 0.0008} {height * 0.14}",
            f"0 0 {height * 0.55}",
            "cream",
        )
        return Shape(geoms, {}, width * 0.7, height - 0.03)
    if thing.kind in ("can", "cylinder"):
        geoms = _geom("cylinder", f"{half} {height / 2}", f"0 0 {height / 2}", colour)
        if thing.kind == "can":
            geoms += _geom("cylinder", f"{half * 0.93} 0.002", f"0 0 {height}", "gray")
            geoms += _geom(
                "cylinder", f"{half + 0.0006} {height * 0.1}", f"0 0 {height * 0.5}", "white"
            )
        return Shape(geoms, {}, width, height - 0.032)
    if thing.kind == "ball":
        return Shape(_geom("sphere", f"{half}", f"0 0 {half}", colour), {}, width, half)
    if thing.kind in ("mug", "cup"):
        base = half * (0.96 if thing.kind == "mug" else 0.78)
        geoms = _mesh(mesh, colour)
        if thing.kind == "mug":
            geoms += _handle(half, height, colour)
        hollow = lathe(_hollow(half, base, height, 0.003))
        grip = height - 0.028
        held = 2 * (base + (half - base) * grip / height)
        return Shape(geoms, {mesh: hollow}, held, grip, 0.006)
    if thing.kind == "bottle":
        neck = half * 0.5
        profile = [
            (0.0, 0.0),
            (half, 0.0),
            (half, height * 0.55),
            (half * 0.85, height * 0.66),
            (neck, height * 0.76),
            (neck, height * 0.88),
            (0.0, height * 0.88),
        ]
        geoms = _mesh(mesh, colour)
        geoms += _geom(
            "cylinder", f"{neck * 1.15} {height * 0.07}", f"0 0 {height * 0.93}", "white"
        )
        geoms += _geom(
            "cylinder", f"{half + 0.0005} {height * 0.12}", f"0 0 {height * 0.3}", "cream"
        )
        return Shape(geoms, {mesh: lathe(profile)}, neck * 2.3, height * 0.93)
    if thing.kind == "bowl":
        profile = [
            (0.0, 0.0),
            (half * 0.55, 0.0),
            (half * 0.82, height * 0.42),
            (half, height),
            (half - 0.004, height),
            (half * 0.79 - 0.002, height * 0.48),
            (half * 0.53, 0.007),
            (0.0, 0.007),
        ]
        return Shape(_mesh(mesh, colour), {mesh: lathe(profile)}, 0.0, 0.0, 0.007)
    if thing.kind == "plate":
        profile = [
            (0.0, 0.0),
            (half * 0.62, 0.0),
            (half, height),
            (half, height + 0.003),
            (half * 0.62, 0.006),
            (0.0, 0.006),
        ]
        return Shape(_mesh(mesh, colour), {mesh: lathe(profile)}, 0.0, 0.0, 0.006)
    if thing.kind == "tray":
        return Shape(_walls(half, height, 0.008, 0.006, colour), {}, 0.0, 0.0, 0.006)
    if thing.kind == "box":
        return Shape(_walls(half, height, 0.006, 0.005, colour), {}, 0.0, 0.0, 0.005)
    raise ValueError(f"unknown kind of thing: {thing.kind!r}")
