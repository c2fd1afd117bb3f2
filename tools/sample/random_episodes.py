"""Random pick-and-place demonstrations that no threshold was tuned on."""

from __future__ import annotations

import logging

import numpy as np

from tools.sample.arms import PANDA
from tools.sample.frames import render_labels
from tools.sample.ground_truth import moments
from tools.sample.motion import simulate
from tools.sample.plan import Episode, PickPlace, Subtask
from tools.sample.random_layout import Layout, between, pick, random_layout
from tools.sample.scene import HEIGHT, WIDTH, Camera, Look, build_scene
from tools.sample.views import BIRCH, HOME, OAK, WALNUT

log = logging.getLogger("tools.sample")

WOODS = (OAK, WALNUT, BIRCH, (0.42, 0.43, 0.45), (0.82, 0.81, 0.78), (0.30, 0.24, 0.20))
PICK_PHRASES = (
    "Pick up the {o} and put it {p} the {g}.",
    "Pick up the {o} and place it {p} the {g}",
    "Move the {o} {to} the {g}.",
    "put {o} {p} {g}",
    "Place the {o} {p} the {g}.",
    "Grab the {o} and put it {p} the {g}.",
    "Take the {o}, then set it down {p} the {g}.",
)
MIN_OBJECT_PIXELS, MIN_PIXELS, BORDER = 300, 150, 3


def _instruction(rng: np.random.Generator, layout: Layout) -> str:
    chosen, mark = layout.things[:2]
    alone = sum(t.kind == chosen.kind for t in layout.things) == 1
    named = chosen.kind if alone and rng.random() < 0.5 else chosen.name
    goal = mark.name if layout.free_place or rng.random() < 0.3 else mark.kind
    to = layout.relation if layout.free_place else "to"
    template = pick(rng, PICK_PHRASES)
    return template.format(o=named, p=layout.relation, to=to, g=goal)


def _camera(rng: np.random.Generator) -> Camera:
    fovy = between(rng, 38.0, 46.0, 1)
    target = (between(rng, 0.47, 0.53), between(rng, -0.02, 0.02), between(rng, 0.04, 0.08))
    if rng.random() < 0.7:
        x, y, z = between(rng, 1.10, 1.22), between(rng, -0.25, 0.25), between(rng, 0.54, 0.72)
    else:
        side = 1.0 if rng.random() < 0.5 else -1.0
        x, y, z = between(rng, 0.70, 0.90), side * between(rng, 0.72, 0.84), 0.58
    return Camera("front", (x, y, z), target, fovy)


def _look(rng: np.random.Generator) -> Look:
    wood = np.array(WOODS[int(rng.integers(len(WOODS)))]) + rng.uniform(-0.05, 0.05, 3)
    wall = rng.uniform(0.60, 0.85) + rng.uniform(-0.05, 0.05, 3)
    light = (between(rng, 0.2, 1.0), between(rng, -0.9, 0.9), between(rng, 1.4, 1.8))
    return Look(
        table=(float(wood[0]), float(wood[1]), float(wood[2])),
        wall=(float(wall[0]), float(wall[1]), float(wall[2])),
        light=light,
        brightness=between(rng, 0.45, 0.66),
        ambient=between(rng, 0.33, 0.43),
    )


def _propose(rng: np.random.Generator, index: int) -> Episode | None:
    camera = _camera(rng)
    layout = random_layout(rng, camera)
    if layout is None:
        return None
    chosen = layout.things[0]
    tallest = max(t.size[1] for t in layout.things[1:])
    duration = between(rng, 8.0, 10.0, 1)
    start, spare = between(rng, 0.1, 0.5, 2), between(rng, 0.1, 0.4, 2)
    shares = np.array([2.8, 3.6, 1.9]) * rng.uniform(0.88, 1.12, 3)
    approach, hold, retreat = shares / shares.sum() * (duration - start - spare)
    wide = PANDA.max_opening
    rest = None if rng.random() < 0.5 else between(rng, 0.01, wide - 0.01)
    turns = chosen.kind in ("cube", "block", "carton", "mug")
    work = PickPlace(
        PANDA,
        chosen,
        layout.goal,
        HOME,
        start=start,
        approach=float(approach),
        hold=float(hold),
        retreat=float(retreat),
        lift=max(0.13, tallest + 0.015) + between(rng, 0.0, 0.03),
        drop=layout.drop,
        yaw=chosen.yaw if turns else between(rng, -0.2, 0.2),
        goal_yaw=between(rng, -0.2, 0.2),
        rest_opening=rest,
    )
    task = _instruction(rng, layout)
    return Episode(
        index,
        "panda",
        task,
        duration,
        layout.things,
        (camera,),
        _look(rng),
        (work.track(),),
        (Subtask("single", chosen.thing_id, layout.target_id, task, 0.0, duration),),
        depth=index % 4 == 3,
        note="free place" if layout.free_place else "",
    )


def _flaw(episode: Episode, seed: int) -> str:
    """Why the scene is no fair question, or an empty string."""
    rng = np.random.default_rng([seed, episode.index])
    model = build_scene(episode.robot, episode.things, episode.cameras, episode.look, rng)
    try:
        motion = simulate(model, episode, rng)
    except RuntimeError as error:
        return str(error)
    subtask = episode.subtasks[0]
    if len(motion.contacts.get(subtask.thing_id, [])) != 1:
        return "the fingers do not close on the object exactly once"
    frames = moments(subtask, motion)
    maps = render_labels(model, episode, motion, [frames.keyframe, frames.mid_hold, frames.last])
    if maps[frames.mid_hold].box(1) is None:
        return "the object is not visible while it is held"
    for number, thing in enumerate(episode.things, 1):
        for frame in (frames.keyframe, frames.last):
            labels = maps[frame].labels
            least = MIN_OBJECT_PIXELS if number == 1 and frame == frames.keyframe else MIN_PIXELS
            if int((labels == number).sum()) < least:
                return f"{thing.name} is hardly visible in frame {frame}"
            x0, y0, x1, y1 = maps[frame].box(number) or [0, 0, 0, 0]
            inside = (
                x0 >= BORDER and y0 >= BORDER and x1 <= WIDTH - BORDER and y1 <= HEIGHT - BORDER
            )
            if not inside:
                return f"{thing.name} touches the picture's border"
    return ""


def random_episode(seed: int, index: int, attempts: int = 400) -> Episode:
    """Draws scenes until one is fair: apart, in reach, and visible where it matters.

    Args:
        seed: Of the whole dataset; the same seed and index give the same episode.
        index: Episode index.
        attempts: Draws at most.

    Returns:
        The plan; its first thing is the manipulated object.

    Raises:
        RuntimeError: If no draw is fair.
    """
    rng = np.random.default_rng([seed, index])
    for attempt in range(attempts):
        episode = _propose(rng, index)
        if episode is None:
            continue
        flaw = _flaw(episode, seed)
        if not flaw:
            log.info("episode %d: %s (draw %d)", index, episode.task, attempt + 1)
            return episode
        log.debug("episode %d, draw %d: %s", index, attempt + 1, flaw)
    raise RuntimeError(f"episode {index}: no fair scene in {attempts} draws")
