"""Depth under the mouse: read beside the GUI thread, the newest request wins."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from app.depth_loader import DepthLoader, DepthMap
from pipeline.model.demonstration import Demonstration
from pipeline.model.problem import DataError
from tests.pipeline.rendered_scene import KEY, Scene


@dataclass
class Source:
    """A dataset whose reader can be held up and can fail."""

    gate: threading.Event = field(default_factory=threading.Event)
    failure: Exception | None = None
    scene: Scene = field(default_factory=lambda: Scene(with_depth=True))
    read: list[int] = field(default_factory=list)

    def reader(self, demonstration: Demonstration, cache_bytes: int = 0) -> Any:
        return self

    def depth(self, camera: str, index: int) -> Any:
        self.read.append(index)
        self.gate.wait(5)
        if self.failure is not None:
            raise self.failure
        return self.scene.depth(camera, index)

    def close(self) -> None:
        self.scene.close()


def with_depth(scene: Scene) -> Demonstration:
    demonstration = scene.demonstration
    (camera,) = demonstration.cameras
    return replace(demonstration, cameras=(replace(camera, depth_key="depth"),))


@pytest.fixture
def source() -> Source:
    made = Source()
    made.gate.set()
    return made


@pytest.fixture
def loader(source: Source) -> Iterator[DepthLoader]:
    made = DepthLoader()
    made.open(source, with_depth(source.scene))  # type: ignore[arg-type]
    yield made
    source.gate.set()
    made.close()


def test_depth_arrives_and_is_kept(qtbot: QtBot, loader: DepthLoader, source: Source) -> None:
    with qtbot.waitSignal(loader.loaded) as told:
        assert loader.depth(KEY, 3) is None
        assert loader.depth(KEY, 3) is None  # asked once, however often the mouse moves
    (depth,) = told.args
    assert loader.depth(KEY, 3) is depth
    assert source.read == [3]
    x0, y0, _, _ = source.scene.object_box(3)
    assert depth.at(int(x0) + 5, int(y0) + 20, (320, 240)) == pytest.approx(0.95)


def test_only_the_newest_request_is_answered(
    qtbot: QtBot, loader: DepthLoader, source: Source
) -> None:
    source.gate.clear()
    told: list[int] = []
    loader.loaded.connect(lambda depth: told.append(depth.frame))
    loader.depth(KEY, 1)
    qtbot.waitUntil(lambda: source.read == [1])
    for frame in (2, 3, 4):
        loader.depth(KEY, frame)
    source.gate.set()
    qtbot.waitUntil(lambda: told == [4])
    assert source.read == [1, 4]


def test_another_episode_drops_the_old_answer(
    qtbot: QtBot, loader: DepthLoader, source: Source
) -> None:
    source.gate.clear()
    loader.depth(KEY, 1)
    qtbot.waitUntil(lambda: source.read == [1])
    loader.open(source, with_depth(source.scene))  # type: ignore[arg-type]
    with qtbot.assertNotEmitted(loader.loaded, wait=100):
        source.gate.set()
    assert loader.depth(KEY, 1) is None


@pytest.mark.parametrize("failure", [DataError("gone", "no file"), ValueError("defect")])
def test_what_cannot_be_read_is_unknown(
    qtbot: QtBot, loader: DepthLoader, source: Source, failure: Exception
) -> None:
    source.failure = failure
    with qtbot.waitSignal(loader.loaded) as told:
        loader.depth(KEY, 1)
    assert told.args[0].at(5, 5, (320, 240)) is None


def test_without_recorded_depth_nothing_is_read(source: Source) -> None:
    loader = DepthLoader()
    loader.open(source, Scene().demonstration)  # type: ignore[arg-type]
    assert not loader.has_depth(KEY)
    assert loader.depth(KEY, 0) is None
    loader.open(None, None)
    assert not loader.has_depth(KEY)
    loader.close()
    assert source.read == []


def test_depth_of_another_size_and_unknown_pixels() -> None:
    metres = np.array([[0.5, 0.0], [1.5, 2.5]], np.float32)
    depth = DepthMap(KEY, 0, metres)
    assert depth.at(3, 3, (4, 4)) == 2.5
    assert depth.at(1, 3, (4, 4)) == 1.5
    assert depth.at(3, 0, (4, 4)) is None
    assert depth.at(9, 0, (4, 4)) is None
    assert DepthMap(KEY, 0, None).at(0, 0, (4, 4)) is None
