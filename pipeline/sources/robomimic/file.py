"""What one robomimic or LIBERO file says about its demonstrations, without reading their arrays."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.model.problem import DataError, Problem, Severity
from pipeline.sources.assembly import MOST_FRAMES, natural
from pipeline.sources.hdf5 import access as hdf5
from pipeline.sources.hdf5.pictures import is_depth, is_pixels, size_of
from pipeline.sources.robomimic.words import (
    instruction_of,
    json_object,
    own_instruction,
    short_text,
)

DEFAULT_FPS = 20.0
"""Control frequency of robosuite and LIBERO."""
_WIDEST_SIGNAL = 128
# Follow from others of the same group, or are of no use to any stage.
_DERIVED = re.compile(r"(_cos|_sin|proprio[-_]state|_vel|_qvel|_acc|_vel_lin|_vel_ang)$")
_OBJECT = re.compile(r"(^|_)objects?([-_]|$)")


@dataclass(frozen=True, slots=True)
class ObservationLayout:
    """What a group `obs` holds, by the names of its datasets.

    Attributes:
        cameras: Names of colour pictures.
        depths: Depth by the name of the camera that it belongs to.
        signals: Names of the robot's own measurements.
        unused: Names that are not used, with why.
    """

    cameras: tuple[str, ...] = ()
    depths: dict[str, str] = field(default_factory=dict)
    signals: tuple[str, ...] = ()
    unused: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Demo:
    """One demonstration of a file.

    Attributes:
        name: Its group below `data`.
        length: Frames, by the shape of its actions; 0 if unknown.
        layout: What it observes.
        instruction: Its own, empty if it has none.
        simulated: True if it holds states of a simulator.
        problems: Findings that need no array.
    """

    name: str
    length: int
    layout: ObservationLayout
    instruction: str = ""
    simulated: bool = False
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class TaskFile:
    """One file.

    Attributes:
        path: Where it is.
        demos: Its demonstrations in natural order.
        libero: True if LIBERO wrote it (or a re-rendering of LIBERO).
        robosuite: True if the robosuite simulator recorded it: its conventions hold.
        robot: Name of the robot, may be empty.
        environment: Name of the environment, may be empty.
        version: Of the environment, may be empty.
        fps: Frames per second.
        fps_said: True if the file says so.
        instruction: Of all its demonstrations; may be empty.
        instruction_from: Where the instruction was found.
        instruction_said: False if it was made of a name.
        upside_down: True if pictures are stored bottom row first.
        orientation: Why, a phrase; empty if there is nothing to say.
        filters: Filter keys below `mask` with their number of demonstrations.
        problem: Why the file cannot be used, None if it can.
    """

    path: Path
    demos: tuple[Demo, ...] = ()
    libero: bool = False
    robosuite: bool = False
    robot: str = ""
    environment: str = ""
    version: str = ""
    fps: float = DEFAULT_FPS
    fps_said: bool = False
    instruction: str = ""
    instruction_from: str = ""
    instruction_said: bool = False
    upside_down: bool = False
    orientation: str = ""
    filters: tuple[tuple[str, int], ...] = ()
    problem: Problem | None = None

    @property
    def task(self) -> str:
        """Name of the task, from the file's name."""
        return self.path.stem.removesuffix("_demo")


def looks_like(path: Path) -> bool:
    """True if an HDF5 file holds demonstrations below `data`. Raises DataError if it is broken."""
    with hdf5.open_file(path) as file:
        data = hdf5.child(file, "data")
        names = sorted(hdf5.keys(data), key=lambda n: (not n.startswith("demo"), n))
        for name in names[:3]:
            demo = hdf5.child(data, name)
            if {"actions", "obs", "states"} & set(hdf5.keys(demo)):
                return True
    return False


def read_file(path: Path) -> TaskFile:
    """List the demonstrations of a file; a broken file comes back with its `problem`."""
    try:
        with hdf5.open_file(path) as file:
            return _read(path, file)
    except DataError as error:
        return TaskFile(path, problem=error.as_problem())


def _read(path: Path, file: Any) -> TaskFile:
    data = hdf5.child(file, "data")
    demos = _demos(data)
    if not demos:
        raise DataError("no_episodes", f"{path}: no demonstrations below “data”")
    settings = json_object(hdf5.attribute(data, "env_args"))
    inner = settings.get("env_kwargs")
    kwargs: dict[str, Any] = inner if isinstance(inner, dict) else {}
    layouts = [d.layout for d in demos]
    cameras = {c for layout in layouts for c in layout.cameras}
    signals = {s for layout in layouts for s in layout.signals}
    environment = hdf5.text(hdf5.attribute(data, "env_name")) or short_text(
        settings.get("env_name")
    )
    libero = (
        hdf5.attribute(data, "bddl_file_name") is not None
        or environment.startswith("Libero")
        # Real robots are recorded under the same names, but have no simulator state.
        or ({"ee_states", "gripper_states"} <= signals and any(d.simulated for d in demos))
    )
    frequency = kwargs.get("control_freq")
    fps = float(frequency) if isinstance(frequency, int | float) else 0.0
    fps_said = math.isfinite(fps) and 0.1 <= fps <= 1000
    instruction, source, said = instruction_of(path, data, settings, environment)
    upside_down, orientation = _orientation(data, libero, bool(cameras))
    robots = kwargs.get("robots")
    return TaskFile(
        path=path,
        demos=demos,
        libero=libero,
        robosuite=libero
        or settings.get("type") == 1
        or any(s.startswith(("robot0_", "robot1_")) for s in signals),
        robot=short_text(robots[0] if isinstance(robots, list) and robots else robots)
        or ("Panda" if libero else ""),
        environment=environment,
        version=short_text(settings.get("env_version")),
        fps=fps if fps_said else DEFAULT_FPS,
        fps_said=fps_said,
        instruction=instruction,
        instruction_from=source,
        instruction_said=said,
        upside_down=upside_down,
        orientation=orientation,
        filters=_filters(file),
    )


# -- demonstrations ----------------------------------------------------------------------------


def _demos(data: Any) -> tuple[Demo, ...]:
    known: dict[frozenset[str], ObservationLayout] = {}
    found = []
    for name in sorted(hdf5.keys(data), key=natural):
        try:
            demo = _demo(data, name, known)
        except DataError as error:
            demo = Demo(name, 0, ObservationLayout(), problems=(error.as_problem(),))
        if demo is not None:
            found.append(demo)
    return tuple(found)


def _demo(data: Any, name: str, known: dict[frozenset[str], ObservationLayout]) -> Demo | None:
    group = hdf5.child(data, name)
    members = hdf5.keys(group)
    if not {"actions", "obs", "states"} & set(members):
        return None
    problems = []
    obs = hdf5.child(group, "obs") if "obs" in members else None
    names = frozenset(hdf5.keys(obs))
    if names not in known:
        known[names] = layout_of(obs)
    layout = known[names]
    length = 0
    for part in ("actions", *(f"obs/{n}" for n in layout.signals[:1] + layout.cameras[:1])):
        try:
            length = _rows(hdf5.child(group, part))
        except DataError as error:
            problems.append(Problem(error.code, str(error)))
        if length:
            break
    if "actions" not in members:
        problems.append(Problem("no_actions", f"{name} has no actions"))
    if not length:
        problems.append(Problem("missing_data", f"{name} holds no frames", Severity.ERROR))
    elif length > MOST_FRAMES:
        text = f"{name}: {length} frames, more than can be open"
        problems.append(Problem("too_long", text, Severity.ERROR))
    own = own_instruction(group)
    return Demo(name, length, layout, own, "states" in members, tuple(problems))


def layout_of(obs: Any) -> ObservationLayout:
    """Tell what the datasets of a group `obs` are, by their names and shapes. Reads no array."""
    cameras, depths, signals, unused = [], [], [], []
    for name in sorted(hdf5.keys(obs), key=natural):
        try:
            node = hdf5.child(obs, name)
        except DataError as error:
            unused.append((name, str(error)))
            continue
        shape = getattr(node, "shape", None)
        if is_pixels(node) and max(size_of(node, name)) > 1:
            cameras.append(name)
        elif "depth" in name and is_depth(node):
            depths.append(name)
        elif shape is None or node.dtype.kind not in "biuf" or not 1 <= len(shape) <= 2:
            unused.append((name, "no picture and no signal"))
        elif _OBJECT.search(name):
            unused.append((name, "the simulator's knowledge of the objects"))
        elif _DERIVED.search(name) or (len(shape) == 2 and shape[1] > _WIDEST_SIGNAL):
            unused.append((name, "velocities and derived values, no stage needs them"))
        else:
            signals.append(name)
    if "ee_states" in signals:
        for twice in ("ee_pos", "ee_ori"):
            if twice in signals:
                signals.remove(twice)
                unused.append((twice, "contained in ee_states"))
    pairs = {}
    for depth in depths:
        own = [c for c in cameras if _stem(c) == _stem(depth)]
        if own:
            pairs[own[0]] = depth
        else:
            unused.append((depth, "no colour camera of that name"))
    return ObservationLayout(tuple(cameras), pairs, tuple(signals), tuple(unused))


def _stem(name: str) -> str:
    return re.sub(r"_?(image|rgb|depth|color|colour)$", "", name)


def _rows(node: Any) -> int:
    shape = getattr(node, "shape", None)
    return int(shape[0]) if shape else 0


def _filters(file: Any) -> tuple[tuple[str, int], ...]:
    try:
        mask = hdf5.child(file, "mask")
        return tuple((name, _rows(hdf5.child(mask, name))) for name in hdf5.keys(mask)[:50])
    except DataError:
        return ()


# -- metadata ----------------------------------------------------------------------------------


def _orientation(data: Any, libero: bool, pictures: bool) -> tuple[bool, str]:
    """Whether pictures are stored upside down, and why.

    robosuite renders as OpenGL does unless its macro IMAGE_CONVENTION says otherwise. LIBERO
    stores what it gets and notes the macro; robomimic turns pictures over before it stores them.
    """
    if not pictures:
        return False, ""
    convention = hdf5.text(hdf5.attribute(data, "macros_image_convention")).strip().lower()
    if convention == "opengl":
        return True, "pictures are stored upside down (opengl) and turned over on reading"
    if convention:
        return False, f"pictures are upright ({convention[:40]})"
    if libero:
        return True, (
            "no macros_image_convention: pictures are taken as upside down, as LIBERO renders "
            "them, and turned over on reading"
        )
    return False, ""
