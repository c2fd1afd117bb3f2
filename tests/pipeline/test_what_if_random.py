"""Flips of random clips with random options, put in force by the code of the scoring stage."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pipeline.evaluation.what_if import Kind, flips_of
from pipeline.evaluation.what_if_changes import BoundaryChange, Change
from pipeline.model.candidate import Box
from pipeline.model.options import describe
from pipeline.model.phases import PhaseName
from pipeline.scoring.formula import ScoresOptions
from pipeline.scoring.measurement import Clip, measure
from tests.pipeline.scored_clip import FPS, HEIGHT, WIDTH, SmallClip, phase


def random_clip(rng: np.random.Generator) -> Clip:
    count, frames = int(rng.integers(2, 9)), int(rng.integers(3, 25))
    length, solid = 3 * frames, bool(rng.integers(2))
    paths = [
        rng.uniform(20, 80, 2) + np.cumsum(rng.normal(0, rng.uniform(0, 4), (frames, 2)), axis=0)
        for _ in range(count)
    ]
    first, last = sorted(int(v) for v in rng.choice(np.arange(1, length), 2, replace=False))
    small = SmallClip(
        paths,
        np.round(rng.uniform(0, 1, count), 2).tolist(),
        frames=np.arange(0, length, 3, dtype=np.int32),
        gripper=paths[int(rng.integers(count))] + rng.normal(0, 6, 2),
        scale=float(rng.uniform(0.2, 3)) * (0.01 if solid else 1.0),
        robot_boxes=[random_box(rng) if rng.integers(3) else None for _ in range(frames)],
        depth=rng.uniform(0.7, 1.3, count).tolist() if solid else None,
        phases=(
            phase(PhaseName.GRASP, 0, first),
            phase(PhaseName.INTERACT, first, last),
            phase(PhaseName.RELEASE, last, length),
        ),
    )
    return Clip(small.subtask, small.proposals, small.tracks, small.lifting, small.robot, FPS)


def random_box(rng: np.random.Generator) -> Box:
    x, y = rng.uniform(0, 60, 2)
    width, height = rng.uniform(5, 40, 2)
    return float(x), float(y), float(x + width), float(y + height)


def random_options(rng: np.random.Generator) -> ScoresOptions:
    changed: dict[str, Any] = {}
    for info in describe(ScoresOptions):
        if info.type in (int, float) and rng.random() < 0.15:
            value = info.default * rng.uniform(0.3, 2.5) + (info.type is int)
            changed[info.name] = info.type(np.clip(value, info.low, info.high))
    return replace(ScoresOptions(), **changed)


@pytest.mark.parametrize("seed", range(8))
def test_flips_of_random_clips_keep_their_word(seed: int) -> None:
    rng = np.random.default_rng(seed)
    clip, options = random_clip(rng), random_options(rng)
    scores = measure(clip, HEIGHT, WIDTH, options)
    flips = flips_of(clip, HEIGHT, WIDTH, options, scores)
    assert flips.winner == scores.ranking[0]

    def winner(change: Change) -> int:
        if isinstance(change, BoundaryChange):
            moved = replace(clip, subtask=change.applied_to(clip.subtask))
            return measure(moved, HEIGHT, WIDTH, options).ranking[0]
        return measure(clip, HEIGHT, WIDTH, change.applied_to(options)).ranking[0]

    for candidate, found in flips.roads:
        for flip in found:
            assert winner(flip.change) == candidate, flip
            assert winner(flip.change.at(flip.short_value)) == candidate, flip
            if isinstance(flip.to_value, str) or isinstance(flip.from_value, str):
                continue
            less: float = flip.from_value + 0.99 * (flip.to_value - flip.from_value)
            if isinstance(flip.to_value, int):
                less = flip.to_value - (1 if flip.is_larger else -1)
            assert winner(flip.change.at(less)) != candidate, flip
    # Where the answer is said to be exact, nobody else may win anywhere.
    for trial in flips.trials:
        change = trial.change
        if trial.kind is not Kind.EXACT or trial.reason or isinstance(change, BoundaryChange):
            continue
        if change.info.choices:
            continue
        for value in rng.uniform(trial.low, trial.high, 3):
            exact = float(int(value)) if change.info.type is int else float(value)
            won = winner(change.at(exact))
            assert won == flips.winner or won in trial.winners, (change.name, exact)
