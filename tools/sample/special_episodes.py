"""Episodes 4 to 7: two arms, a nudged neighbour, and two flawed demonstrations."""

from __future__ import annotations

from tools.sample.arms import ALOHA, PANDA
from tools.sample.plan import Episode, Grip, PickPlace, Push, Subtask, WayPoint
from tools.sample.scene import Camera, Look
from tools.sample.things import Thing
from tools.sample.views import BIRCH, HOME, OAK, WALNUT, front, left, side


def episode_4() -> Episode:
    """Two arms, one after the other and partly at once."""
    things = (
        Thing("red_block", "block", "red", (0.042, 0.055), (0.17, 0.08)),
        Thing("blue_block", "block", "blue", (0.042, 0.055), (-0.18, 0.06)),
        Thing("tray", "tray", "cream", (0.21, 0.02), (0.0, -0.10)),
        Thing("yellow_block", "block", "yellow", (0.042, 0.055), (-0.05, 0.13), 0.5),
        Thing("cup", "cup", "teal", (0.066, 0.08), (0.06, 0.20)),
    )
    right, left = ALOHA[1], ALOHA[0]
    first = PickPlace(
        right,
        things[0],
        (0.05, -0.10, 0.006),
        (0.27, 0.0, 0.26),
        start=0.2,
        approach=2.6,
        hold=3.2,
        retreat=1.7,
        yaw=-0.15,
        goal_yaw=0.15,
        lift=0.10,
    )
    second = PickPlace(
        left,
        things[1],
        (-0.05, -0.10, 0.006),
        (-0.27, 0.0, 0.26),
        start=4.6,
        approach=2.6,
        hold=3.0,
        retreat=1.6,
        yaw=0.12,
        goal_yaw=-0.15,
        lift=0.10,
    )
    task = (
        "Pick up the red block with the right arm and the blue block with the left arm, "
        "and put them on the tray."
    )
    cameras = (
        Camera("front", (0.0, -0.74, 0.60), (0.0, 0.03, 0.06), 42.0),
        Camera("side", (0.46, -0.52, 0.72), (0.0, 0.02, 0.03), 40.0),
    )
    subtasks = (
        Subtask(
            "right",
            "red_block",
            "tray",
            "Pick up the red block with the right arm and put it on the tray.",
            0.0,
            7.7,
        ),
        Subtask(
            "left",
            "blue_block",
            "tray",
            "Pick up the blue block with the left arm and put it on the tray.",
            4.6,
            12.0,
        ),
    )
    return Episode(
        4,
        "aloha",
        task,
        12.0,
        things,
        cameras,
        Look(table=BIRCH, wall=(0.76, 0.78, 0.80), light=(0.5, -0.6, 1.7)),
        (second.track(), first.track()),
        subtasks,
        note="two arms, two subtasks, two cameras",
    )


def episode_5() -> Episode:
    """Clutter, a nudged neighbour, two cameras, depth."""
    things = (
        Thing("orange_bottle", "bottle", "orange", (0.062, 0.15), (0.53, -0.16)),
        Thing("box", "box", "brown", (0.17, 0.07), (0.52, 0.17), 0.15),
        Thing("white_mug", "mug", "white", (0.076, 0.085), (0.65, 0.03), -0.3),
        Thing("purple_carton", "carton", "purple", (0.066, 0.165), (0.53, -0.09), 0.0),
        Thing("red_can", "can", "red", (0.058, 0.10), (0.39, -0.06)),
        Thing("teal_cylinder", "cylinder", "teal", (0.05, 0.06), (0.36, 0.27)),
    )
    pick = PickPlace(
        PANDA,
        things[0],
        (0.52, 0.17, 0.005),
        HOME,
        hold=3.9,
        lift=0.20,
        drop=0.006,
        approach=3.0,
        extra_points=(
            WayPoint(0.0, HOME),
            WayPoint(0.2, HOME),
            WayPoint(1.8, (0.53, -0.182, 0.27)),
            WayPoint(2.35, (0.53, -0.182, 0.14)),
            WayPoint(2.75, (0.53, -0.143, 0.14)),
        ),
    )
    task = "Pick up the orange bottle and put it in the box."
    return Episode(
        5,
        "panda",
        task,
        9.4,
        things,
        (Camera("front", (1.16, -0.20, 0.60), (0.50, 0.0, 0.11), 46.0), side()),
        Look(table=WALNUT, wall=(0.80, 0.82, 0.84), light=(0.9, 0.6, 1.4), brightness=0.62),
        (pick.track(),),
        (Subtask("single", "orange_bottle", "box", task, 0.0, 9.4),),
        pushes=(Push("purple_carton", (0.0, 1.0), 0.078, 2.2, 3.2),),
        depth=True,
        note="clutter, a nudged neighbour, two cameras, depth",
    )


def episode_6() -> Episode:
    """Flawed: the gripper's encoder is stuck."""
    things = (
        Thing("green_cube", "cube", "green", (0.048, 0.048), (0.48, -0.14), 0.3),
        Thing("yellow_cube", "cube", "yellow", (0.048, 0.048), (0.59, -0.18), 0.1),
        Thing("bowl", "bowl", "gray", (0.15, 0.052), (0.54, 0.13)),
        Thing("blue_can", "can", "blue", (0.058, 0.10), (0.39, 0.20)),
    )
    pick = PickPlace(
        PANDA,
        things[0],
        (0.54, 0.13, 0.007),
        HOME,
        yaw=0.3,
        goal_yaw=0.1,
        drop=0.045,
        lift=0.17,
        hold=3.5,
    )
    task = "Put the green cube in the bowl."
    return Episode(
        6,
        "panda",
        task,
        8.8,
        things,
        (left(38.0),),
        Look(table=OAK, wall=(0.74, 0.76, 0.70), light=(0.8, 0.9, 1.6), ambient=0.42),
        (pick.track(),),
        (Subtask("single", "green_cube", "bowl", task, 0.0, 8.8),),
        dead_gripper=True,
        note="flawed: the gripper's encoder is stuck at 0.0391 m",
    )


def episode_7() -> Episode:
    """Flawed: a first grasp slips."""
    things = (
        Thing("orange_cube", "cube", "orange", (0.05, 0.06), (0.54, -0.13), 0.1),
        Thing("pink_cube", "cube", "pink", (0.05, 0.06), (0.63, -0.04), -0.4),
        Thing("plate", "plate", "teal", (0.19, 0.016), (0.50, 0.16)),
        Thing("mug", "mug", "yellow", (0.074, 0.085), (0.40, -0.03), -1.9),
    )
    high = (0.54, -0.13, 0.058)
    above = (0.54, -0.13, 0.16)
    first = 2.8
    pick = PickPlace(
        PANDA,
        things[0],
        (0.50, 0.16, 0.006),
        HOME,
        start=0.2,
        approach=4.7,
        hold=3.6,
        yaw=0.1,
        goal_yaw=0.0,
        extra_points=(
            WayPoint(0.0, HOME, 0.03),
            WayPoint(0.2, HOME, 0.03),
            WayPoint(first - 0.9, above, 0.1),
            WayPoint(first - 0.1, high, 0.1),
            WayPoint(first + 0.65, high, 0.1),
            WayPoint(first + 1.2, (0.535, -0.127, 0.12), 0.1),
        ),
        extra_grips=(
            Grip(first, 0.0, "orange_cube"),
            Grip(first + 0.45, PANDA.max_opening - 0.001),
        ),
    )
    task = "Pick up the orange cube and put it on the plate."
    return Episode(
        7,
        "panda",
        task,
        10.8,
        things,
        (front(1.15, 0.0, 0.64),),
        Look(table=BIRCH, wall=(0.82, 0.78, 0.74), light=(0.6, -0.9, 1.5)),
        (pick.track(),),
        (Subtask("single", "orange_cube", "plate", task, 0.0, 10.8),),
        note="flawed: a first grasp closes too high and slips, the second one succeeds",
    )
