"""Directions of grippers from several episodes, and what no longer ends in a guess."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from pipeline.model.demonstration import ClosedIs, Demonstration, EpisodeRef
from pipeline.sources.gripper_channels import guess_channels, infer_directions, with_directions

NAMES = ("gripper", "left_gripper", "right_gripper")
LENGTH = 100


def held(closed_is: ClosedIs) -> tuple[np.ndarray, np.ndarray]:
    """State and command of a gripper that an object stops at 0.4 of its way."""
    way = np.ones(LENGTH, np.float32)
    way[30:70], command = 0.4, way.copy()
    command[30:70] = 0.0
    return (way, command) if closed_is is ClosedIs.LOW else (1 - way, 1 - command)


def episode(**arms: ClosedIs) -> Demonstration:
    """An episode that has only some arms; the others are NaN."""
    state = np.full((LENGTH, 3), np.nan, np.float32)
    action = state.copy()
    for column, name in enumerate(("arm", "left", "right")):
        if name in arms:
            state[:, column], action[:, column] = held(arms[name])
    return Demonstration(
        EpisodeRef("d", 0), "", 30.0, LENGTH, "", "", (), np.arange(LENGTH) / 30, state, NAMES,
        action, NAMES, (),
    )  # fmt: skip


def test_each_arm_is_judged_by_an_episode_that_has_it() -> None:
    single, both = episode(arm=ClosedIs.HIGH), episode(left=ClosedIs.LOW, right=ClosedIs.HIGH)
    found = infer_directions(guess_channels(NAMES, ()), (single, both))
    assert {g.arm: g.closed_is for g in found} == {
        "arm": ClosedIs.HIGH,
        "left": ClosedIs.LOW,
        "right": ClosedIs.HIGH,
    }
    assert all("the command stays" in g.reason for g in found)


def test_an_arm_that_no_episode_has_says_so() -> None:
    found = infer_directions(guess_channels(NAMES, ()), (episode(arm=ClosedIs.LOW),))
    reasons = {g.arm: g.reason for g in found}
    assert "the command stays" in reasons["arm"]
    assert reasons["left"].endswith("no episode to infer from")


def test_no_more_episodes_are_read_than_needed() -> None:
    read = []

    def episodes() -> Iterator[Demonstration]:
        for i in range(100):
            read.append(i)
            yield episode(arm=ClosedIs.LOW, left=ClosedIs.LOW, right=ClosedIs.LOW)

    infer_directions(guess_channels(NAMES, ()), episodes())
    assert read == [0]
    read.clear()
    infer_directions((), episodes())
    assert read == []


def test_weak_evidence_gives_way_to_strong() -> None:
    strong = episode(arm=ClosedIs.HIGH)
    # Begins high, without commands: taken as open, although it is closed.
    weak = replace(
        strong, action=np.zeros((LENGTH, 0), np.float32), action_names=(), state=1 - strong.state
    )
    channels = tuple(g for g in guess_channels(NAMES, ()) if g.arm == "arm")
    assert infer_directions(channels, (weak,))[0].closed_is is ClosedIs.LOW
    assert infer_directions(channels, (weak, strong))[0].closed_is is ClosedIs.HIGH


def test_a_preset_stays_but_what_speaks_against_it_is_said() -> None:
    channels = guess_channels(NAMES[:1], (), "so101")
    assert channels[0].origin == "preset"
    agrees = with_directions(channels, episode(arm=ClosedIs.LOW))
    assert agrees == channels
    against = with_directions(channels, episode(arm=ClosedIs.HIGH))[0]
    assert against.closed_is is ClosedIs.LOW
    assert "as if high were closed" in against.reason
