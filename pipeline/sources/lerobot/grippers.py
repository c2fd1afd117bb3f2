"""Gripper channels of a LeRobot dataset: guessed by name, turned the right way by an episode."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, islice

import numpy as np

from pipeline.model.demonstration import Demonstration, EpisodeRef, GripperChannels
from pipeline.model.problem import DataError
from pipeline.sources.gripper_channels import guess_channels, infer_directions
from pipeline.sources.lerobot.metadata import Feature, Info
from pipeline.sources.lerobot.tables import EpisodeTable, stack

log = logging.getLogger(__name__)

_MOST_COLUMNS = 4096
_TRIED = 12
"""Most episodes that are read to see which end is closed; mostly one is enough."""


def find_grippers(
    info: Info, present: Iterable[int], read: Callable[[int], EpisodeTable]
) -> tuple[GripperChannels, ...]:
    """Guess which channels are grippers.

    Args:
        info: For features and robot type.
        present: Indices of episodes that can be read, in order.
        read: Reads the numbers of an episode; may raise DataError.
    """
    tables = _readable(present, read)
    first = next(tables, None)
    if first is None:
        return infer_directions(_guess(info, *_declared(info.features)), ())
    channels = _guess(info, first[1].stacked("observation.", info.features)[1],
                      first[1].stacked("action", info.features)[1])  # fmt: skip
    return infer_directions(channels, (_signals(info, e, t) for e, t in chain((first,), tables)))


def _readable(
    present: Iterable[int], read: Callable[[int], EpisodeTable]
) -> Iterator[tuple[int, EpisodeTable]]:
    """The first episodes with their tables, read when asked for; unreadable ones are left out."""
    for episode in islice(present, _TRIED):
        try:
            yield episode, read(episode)
        except DataError as error:
            log.info("gripper direction: %s", error)


def _guess(
    info: Info, state: tuple[str, ...], action: tuple[str, ...]
) -> tuple[GripperChannels, ...]:
    return guess_channels(state, action, info.robot_type or "")


def _declared(features: Mapping[str, Feature]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of state and action columns as info.json has them."""
    tables = {k: f for k, f in features.items() if f.is_numeric}
    sizes = {k: int(np.prod(f.shape)) if f.shape else 1 for k, f in tables.items()}
    blank = {k: np.zeros((1, min(max(n, 0), _MOST_COLUMNS))) for k, n in sizes.items()}
    return stack(blank, 1, "observation.", features)[1], stack(blank, 1, "action", features)[1]


def _signals(info: Info, episode: int, table: EpisodeTable) -> Demonstration:
    """As much of a demonstration as is needed to see the gripper move."""
    state, state_names = table.stacked("observation.", info.features)
    action, action_names = table.stacked("action", info.features)
    return Demonstration(
        EpisodeRef("", episode), "", info.fps, table.length, "", "", (),
        np.arange(table.length) / info.fps, state, state_names, action, action_names, (),
    )  # fmt: skip
