"""Small pictures of episodes, made in the background."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtGui import QImage
from pytestqt.qtbot import QtBot

from app.thumbnails import Thumbnails
from pipeline.sources.detect import open_dataset
from tests.datasets import V2_VIDEO, write_v2


@pytest.fixture
def thumbnails() -> Iterator[Thumbnails]:
    made = Thumbnails()
    yield made
    made.close()


def test_pictures_come_in_the_order_asked_for(
    qtbot: QtBot, tmp_path: Path, thumbnails: Thumbnails
) -> None:
    source = open_dataset(write_v2(tmp_path / "d", (6, 6, 6)))
    next((tmp_path / "d").glob("videos/*/*/episode_000001.mp4")).unlink()
    got: list[tuple[int, QImage | None]] = []
    thumbnails.made.connect(lambda episode, image: got.append((episode, image)))
    thumbnails.want(source, [2, 1, 0])
    qtbot.waitUntil(lambda: len(got) == 3)
    assert [episode for episode, _ in got] == [2, 1, 0]
    first, missing, last = (image for _, image in got)
    assert missing is None
    assert first is not None
    assert last is not None
    # The blue of the builder's pictures tells the episode.
    assert abs(first.pixelColor(30, 20).blue() - 80) < 6
    assert abs(last.pixelColor(30, 20).blue() - 0) < 6


def test_a_broken_video_stops_nothing(qtbot: QtBot, tmp_path: Path, thumbnails: Thumbnails) -> None:
    root = write_v2(tmp_path / "d", (6, 6))
    path = next(root.glob("videos/*/*/episode_000000.mp4"))
    assert path.name in V2_VIDEO.format(episode_chunk=0, episode_index=0, video_key="k")
    path.write_bytes(b"\0" * 5000)
    got: list[tuple[int, QImage | None]] = []
    thumbnails.made.connect(lambda episode, image: got.append((episode, image)))
    thumbnails.want(open_dataset(root), [0, 1])
    qtbot.waitUntil(lambda: len(got) == 2)
    assert got[0] == (0, None)
    assert got[1][1] is not None


def test_what_is_left_is_not_delivered(
    qtbot: QtBot, tmp_path: Path, thumbnails: Thumbnails
) -> None:
    source = open_dataset(write_v2(tmp_path / "d", (6, 6)))
    other = open_dataset(tmp_path / "d")
    got: list[int] = []
    thumbnails.made.connect(lambda episode, _: got.append(episode))
    thumbnails.want(source, [0, 1])
    thumbnails.want(other, [1])
    qtbot.waitUntil(lambda: got == [1])
    thumbnails.want(None, [])
    with qtbot.assertNotEmitted(thumbnails.made, wait=100):
        thumbnails.want(None, [0])


def test_nothing_is_decoded_while_frames_are_shown(
    qtbot: QtBot, tmp_path: Path, thumbnails: Thumbnails
) -> None:
    source = open_dataset(write_v2(tmp_path / "d", (6,)))
    thumbnails.hold()
    with qtbot.assertNotEmitted(thumbnails.made, wait=100):
        thumbnails.want(source, [0])
    with qtbot.waitSignal(thumbnails.made):
        pass
