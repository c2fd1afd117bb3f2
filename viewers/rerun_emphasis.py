"""Lets entities of an open recording stand out: a few static values that replace the logged ones.

Selecting would outline one entity; a term is several, and the selection is the user's. A recording
can be added to while it is shown, and of a static component the newest value counts: so a small
.rrd of the same recording paints what is meant in the term's colour and thicker, and another one
puts it back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.model.palette import GRIPPER, ROBOT, TERMS
from viewers.rerun_scene import Rgba, candidate_paint, on_screen

if TYPE_CHECKING:
    import rerun as rr

THICKER = 2.6
"""Lines and points of what stands out, in multiples of their usual size (our choice)."""


@dataclass(frozen=True, slots=True)
class Emphasis:
    """A term of a candidate's score.

    Attributes:
        term: `motion`, `detector`, `proximity` or `overlap`.
        candidate: Candidate id.
        winner: Candidate id of the winner, which is drawn stronger than the others; -1 for none.
        camera: Entity of the camera, see `viewers.rerun_inputs.camera_path`.
        has_geometry: True if the recording has a 3D view.
    """

    term: str
    candidate: int
    winner: int
    camera: str
    has_geometry: bool

    @property
    def entities(self) -> tuple[str, ...]:
        """What stands out."""
        own = f"candidates/{self.candidate}"
        names = {
            "motion": (f"{own}/track", f"{own}/points"),
            "detector": (f"{own}/box",),
            "proximity": (f"{own}/points", "gripper/sphere"),
            "overlap": (f"{own}/points", "robot"),
        }[self.term]
        flat = tuple(f"{self.camera}/{name}" for name in names)
        solid = tuple(
            f"world/{n}" for n in names if self.has_geometry and not n.endswith(("box", "robot"))
        )
        plots = {
            "motion": (f"signals/motion/{self.candidate}",),
            "proximity": (f"signals/proximity/{self.candidate}",),
        }.get(self.term, ())
        return (*flat, *solid, *plots)

    @property
    def color(self) -> Rgba:
        """Colour of the term, lighter: it lies on dark pictures."""
        r, g, b = TERMS["robot overlap" if self.term == "overlap" else self.term]
        return ((r + 255) // 2, (g + 255) // 2, (b + 255) // 2, 255)


def emphasis_bytes(
    application: str, recording: str, before: Emphasis | None, now: Emphasis | None
) -> bytes:
    """Return an .rrd that ends an emphasis and begins another one.

    Args:
        application: Application id of the open recording.
        recording: Its recording id.
        before: What stands out now, or None.
        now: What shall, or None.
    """
    from viewers.rerun_streams import memory_stream

    with memory_stream(application, recording) as memory:
        if before is not None:
            for entity in before.entities:
                memory.stream.log(entity, _usual(entity, before), static=True)
        if now is not None:
            for entity in now.entities:
                memory.stream.log(entity, _strong(entity, now), static=True)
        return memory.take()


def _usual(entity: str, emphasis: Emphasis) -> rr.AsComponents:
    """As `viewers.rerun_candidates`, `rerun_robot` and `rerun_log` draw it."""
    wins = emphasis.candidate == emphasis.winner
    paint = candidate_paint(emphasis.candidate, emphasis.winner)
    kind = entity.rpartition("/")[2]
    if entity.startswith("signals/"):
        return _style(entity, (*paint[:3], 255), 2.5 if wins else 1.2)
    if kind == "points":
        return _style(entity, paint, 2.2 if wins else 1.4)
    if kind == "track":
        return _style(entity, paint, 2.0 if wins else 1.2)
    if kind == "box":
        return _style(entity, paint, 2.5 if wins else 1.2)
    if kind == "sphere":
        solid = entity.startswith("world/")
        return _style(entity, (*GRIPPER, 140 if solid else 200), 1.2 if solid else 1.5)
    return _style(entity, (*ROBOT, 255), 1.5)


def _strong(entity: str, emphasis: Emphasis) -> rr.AsComponents:
    return _style(entity, emphasis.color, 2.0 * THICKER)


def _style(entity: str, color: Rgba, size: float) -> rr.AsComponents:
    """Colour and size of an entity; nothing else of it is replaced.

    Args:
        entity: Entity path.
        color: RGBA.
        size: Radius of points, width of lines, in points of the screen.
    """
    import rerun as rr

    kind, solid = entity.rpartition("/")[2], entity.startswith("world/")
    if entity.startswith("signals/"):
        return rr.SeriesLines.from_fields(colors=[color], widths=[size])
    if kind == "points":
        points = rr.Points3D if solid else rr.Points2D
        return points.from_fields(colors=[color], radii=on_screen(size))
    if kind == "box":
        return rr.Boxes2D.from_fields(colors=[color], radii=on_screen(size / 2.0))
    if kind == "sphere" and solid:
        return rr.Ellipsoids3D.from_fields(colors=[color], line_radii=on_screen(size / 2.0))
    strips = rr.LineStrips3D if solid else rr.LineStrips2D
    return strips.from_fields(colors=[color], radii=on_screen(size / 2.0))
