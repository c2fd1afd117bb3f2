"""What a demonstration is made of: way points, gripper commands, pushes, subtasks."""

from __future__ import annotations

from dataclasses import dataclass

from tools.sample.arms import Arm
from tools.sample.scene import Camera, Look
from tools.sample.things import Thing, shape


@dataclass(frozen=True)
class WayPoint:
    """Where the tool should be.

    Attributes:
        time: Seconds from the start of the episode.
        position: Tool position in metres, world frame.
        yaw: Rotation of the gripper about z, radians.
    """

    time: float
    position: tuple[float, float, float]
    yaw: float = 0.0


@dataclass(frozen=True)
class Grip:
    """A gripper command.

    Attributes:
        time: Seconds from the start of the episode.
        opening: Commanded distance between the pads, metres.
        thing_id: The object between the fingers, if any.
        holds: Whether the object follows the tool from the first contact on.
    """

    time: float
    opening: float
    thing_id: str = ""
    holds: bool = False


@dataclass(frozen=True)
class Push:
    """The hand slides an object along while it is in the way.

    Attributes:
        thing_id: The object that gives way.
        direction: Unit vector on the table.
        clearance: Distance kept from the tool point along the direction, metres.
        start: First moment, seconds.
        end: Last moment, seconds.
    """

    thing_id: str
    direction: tuple[float, float]
    clearance: float
    start: float
    end: float


@dataclass(frozen=True)
class Subtask:
    """One interaction with one object.

    Attributes:
        arm: Name of the arm.
        thing_id: What is moved.
        target_id: Where it ends.
        instruction: In words.
        start: When the approach begins, seconds.
        end: When the retreat is over, seconds.
    """

    arm: str
    thing_id: str
    target_id: str
    instruction: str
    start: float
    end: float


@dataclass(frozen=True)
class Track:
    """What one arm does.

    Attributes:
        arm: The arm.
        points: Way points by rising time.
        grips: Gripper commands by rising time.
    """

    arm: Arm
    points: tuple[WayPoint, ...]
    grips: tuple[Grip, ...]


@dataclass(frozen=True)
class Episode:
    """Everything that defines an episode.

    Attributes:
        index: Episode index.
        robot: ``panda`` or ``aloha``.
        task: The instruction.
        duration: Seconds.
        things: Objects on the table.
        cameras: The first is the main camera.
        look: Colours and lights.
        tracks: One per arm.
        subtasks: By rising start.
        pushes: Objects nudged by the hand.
        depth: Whether the main camera records depth.
        dead_gripper: Whether the gripper's encoder is stuck.
        note: What is special, in words.
    """

    index: int
    robot: str
    task: str
    duration: float
    things: tuple[Thing, ...]
    cameras: tuple[Camera, ...]
    look: Look
    tracks: tuple[Track, ...]
    subtasks: tuple[Subtask, ...]
    pushes: tuple[Push, ...] = ()
    depth: bool = False
    dead_gripper: bool = False
    note: str = ""


@dataclass
class PickPlace:
    """Writes the way points and grips of a pick and place.

    Attributes:
        arm: The arm.
        thing: What is picked up.
        goal: Where its underside should come to rest, metres.
        home: Tool position before and after, metres.
        start: Start of the approach, seconds.
        approach: Seconds from the start until the fingers begin to close.
        hold: Seconds from the close command to the open command.
        retreat: Seconds from the open command until the arm is home.
        lift: Height of the transport above the grasp, metres.
        drop: Height above the goal at which the object is let go, metres.
        yaw: Gripper rotation at the grasp, radians.
        goal_yaw: Gripper rotation at the goal, radians.
        rest_opening: Opening before and after, metres.
        extra_points: Way points that replace the approach, up to the descent.
        extra_grips: Gripper commands before the grasp.
    """

    arm: Arm
    thing: Thing
    goal: tuple[float, float, float]
    home: tuple[float, float, float]
    start: float = 0.2
    approach: float = 2.8
    hold: float = 3.7
    retreat: float = 1.9
    lift: float = 0.15
    drop: float = 0.003
    yaw: float = 0.0
    goal_yaw: float = 0.0
    rest_opening: float | None = None
    extra_points: tuple[WayPoint, ...] = ()
    extra_grips: tuple[Grip, ...] = ()

    def track(self) -> Track:
        """Way points and grips in order of time."""
        x, y = self.thing.xy
        geometry = shape(self.thing)
        low = (x, y, geometry.grasp_height)
        close = self.start + self.approach
        release = close + self.hold
        end = release + self.retreat
        above = (low[0], low[1], low[2] + 0.13)
        gx, gy, gz = self.goal
        over = (gx, gy, gz + low[2] + self.lift)
        put = (gx, gy, gz + low[2] + self.drop)
        transport = self.hold - 1.0
        points = [WayPoint(0.0, self.home, self.yaw * 0.3)] if not self.extra_points else []
        points += list(self.extra_points)
        if not self.extra_points:
            if self.start > 0:
                points.append(WayPoint(self.start, self.home, self.yaw * 0.3))
            points.append(WayPoint(close - 1.0, above, self.yaw))
        points += [
            WayPoint(close - 0.1, low, self.yaw),
            WayPoint(close + 0.5, low, self.yaw),
            WayPoint(
                close + 0.5 + transport * 0.30, (low[0], low[1], low[2] + self.lift), self.yaw
            ),
            WayPoint(close + 0.5 + transport * 0.74, over, self.goal_yaw),
            WayPoint(release - 0.12, put, self.goal_yaw),
            WayPoint(release + 0.45, put, self.goal_yaw),
            WayPoint(release + 0.95, (put[0], put[1], put[2] + 0.12), self.goal_yaw),
            WayPoint(end, self.home, 0.0),
        ]
        wide = self.arm.max_opening - 0.001
        rest = wide if self.rest_opening is None else self.rest_opening
        grips = [Grip(0.0, rest), *self.extra_grips]
        if self.rest_opening is not None:
            grips.append(Grip(close - 1.6, wide))
        grips.append(Grip(close, 0.0, self.thing.thing_id, holds=True))
        grips.append(Grip(release, wide))
        if self.rest_opening is not None:
            grips.append(Grip(release + 1.2, rest))
        return Track(self.arm, tuple(points), tuple(grips))
