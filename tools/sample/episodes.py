"""The eight demonstrations of the sample dataset."""

from __future__ import annotations

from tools.sample.arms import PANDA
from tools.sample.plan import Episode, PickPlace, Subtask
from tools.sample.scene import Look
from tools.sample.special_episodes import episode_4, episode_5, episode_6, episode_7
from tools.sample.things import Thing
from tools.sample.views import BIRCH, HOME, OAK, WALNUT, front, left, side


def _episode_0() -> Episode:
    things = (
        Thing("red_cube", "cube", "red", (0.046, 0.046), (0.52, -0.17), 0.20),
        Thing("blue_cube", "cube", "blue", (0.046, 0.046), (0.61, -0.06), -0.35),
        Thing("bowl", "bowl", "white", (0.15, 0.052), (0.50, 0.17)),
        Thing("can", "can", "green", (0.058, 0.10), (0.40, 0.05)),
        Thing("mug", "mug", "teal", (0.074, 0.085), (0.66, 0.22), 0.9),
    )
    pick = PickPlace(
        PANDA, things[0], (0.50, 0.17, 0.007), HOME, yaw=0.20, goal_yaw=0.05, drop=0.045, lift=0.17
    )
    task = "Pick up the red cube and put it in the bowl."
    return Episode(
        0,
        "panda",
        task,
        9.0,
        things,
        (front(),),
        Look(table=OAK),
        (pick.track(),),
        (Subtask("single", "red_cube", "bowl", task, 0.0, 9.0),),
        note="twins: a red and a blue cube",
    )


def _episode_1() -> Episode:
    things = (
        Thing("blue_cube", "cube", "blue", (0.044, 0.044), (0.55, 0.15), -0.15),
        Thing("green_cube", "cube", "green", (0.044, 0.044), (0.62, 0.06), 0.4),
        Thing("red_cube", "cube", "red", (0.044, 0.044), (0.46, 0.24), 0.7),
        Thing("plate", "plate", "cream", (0.19, 0.016), (0.53, -0.16)),
        Thing("bottle", "bottle", "purple", (0.06, 0.17), (0.39, -0.06)),
    )
    pick = PickPlace(
        PANDA,
        things[0],
        (0.53, -0.16, 0.006),
        HOME,
        yaw=-0.15,
        hold=3.5,
        lift=0.13,
        rest_opening=0.058,
    )
    task = "Put the blue cube on the plate."
    return Episode(
        1,
        "panda",
        task,
        8.8,
        things,
        (front(1.14, -0.12, 0.60),),
        Look(table=BIRCH, wall=(0.72, 0.78, 0.80), light=(0.7, 0.8, 1.5)),
        (pick.track(),),
        (Subtask("single", "blue_cube", "plate", task, 0.0, 8.8),),
        note="twins: three cubes; the gripper rests half open before and after the work",
    )


def _episode_2() -> Episode:
    things = (
        Thing("yellow_can", "can", "yellow", (0.056, 0.098), (0.47, -0.15)),
        Thing("tray", "tray", "gray", (0.20, 0.022), (0.55, 0.16), 0.1),
        Thing("red_mug", "mug", "red", (0.076, 0.082), (0.63, -0.15), -0.8),
        Thing("green_carton", "carton", "green", (0.07, 0.12), (0.38, 0.06), 0.5),
        Thing("ball", "ball", "orange", (0.05, 0.05), (0.66, 0.01)),
    )
    pick = PickPlace(PANDA, things[0], (0.55, 0.16, 0.006), HOME, yaw=0.1, hold=3.8, lift=0.16)
    task = "Move the yellow can to the tray."
    return Episode(
        2,
        "panda",
        task,
        9.2,
        things,
        (left(), side()),
        Look(table=WALNUT, wall=(0.83, 0.80, 0.72), brightness=0.65, light=(0.2, -0.9, 1.6)),
        (pick.track(),),
        (Subtask("single", "yellow_can", "tray", task, 0.0, 9.2),),
        note="clutter, two cameras",
    )


def _episode_3() -> Episode:
    things = (
        Thing("green_cup", "cup", "green", (0.066, 0.08), (0.50, 0.17)),
        Thing("orange_cup", "cup", "orange", (0.066, 0.08), (0.60, 0.09)),
        Thing("plate", "plate", "white", (0.20, 0.016), (0.54, -0.15)),
        Thing("cylinder", "cylinder", "purple", (0.05, 0.06), (0.41, -0.02)),
        Thing("carton", "carton", "brown", (0.07, 0.11), (0.40, 0.27), -0.4),
    )
    pick = PickPlace(PANDA, things[0], (0.54, -0.15, 0.006), HOME, yaw=-0.1, hold=3.6, lift=0.15)
    task = "Pick up the green cup and place it on the plate."
    return Episode(
        3,
        "panda",
        task,
        8.8,
        things,
        (front(1.18, 0.16, 0.62),),
        Look(table=OAK, wall=(0.78, 0.74, 0.70), light=(1.0, 0.4, 1.5), brightness=0.5),
        (pick.track(),),
        (Subtask("single", "green_cup", "plate", task, 0.0, 8.8),),
        depth=True,
        note="twins: a green and an orange cup; depth",
    )


def all_episodes() -> tuple[Episode, ...]:
    """The episodes by index."""
    return (
        _episode_0(),
        _episode_1(),
        _episode_2(),
        _episode_3(),
        episode_4(),
        episode_5(),
        episode_6(),
        episode_7(),
    )
