"""Frames decoded beside the GUI thread: order, prefetching, failures, threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from app.frame_loader import FrameLoader, FrameSet
from app.prefetch import AHEAD, BEHIND, Prefetch
from pipeline.model.arrays import F32, U8
from pipeline.model.demonstration import CACHE_BYTES, Demonstration, EpisodeRef
from pipeline.model.picture import ArrayPicture, Picture, PictureTimes
from pipeline.model.problem import DataError
from pipeline.sources.detect import open_dataset
from pipeline.sources.picture_cache import PictureCache
from tests.datasets import SAMPLE

LENGTH = 400
SIDE = 16
BYTES = SIDE * SIDE * 3
TOP, WRIST = "top", "wrist"


def demonstration(episode: int = 0, length: int = LENGTH) -> Demonstration:
    nothing = np.zeros((length, 0), np.float32)
    return Demonstration(
        EpisodeRef("somewhere", episode),
        "fingerprint",
        30.0,
        length,
        "",
        "",
        (),
        np.arange(length) / 30.0,
        nothing,
        (),
        nothing,
        (),
        (),
    )


class Reader:
    """Decodes by painting the frame number; holds where told, fails where told."""

    def __init__(self, cache_bytes: int) -> None:
        self.cache = PictureCache(cache_bytes)
        self.decoded: list[tuple[str, int]] = []
        self.errors: dict[str, Exception] = {}
        self.gate = threading.Event()
        self.gate.set()
        self.started = threading.Event()
        self.closed = False
        self.threads: set[int] = set()

    def picture(self, camera: str, index: int) -> Picture:
        self.threads.add(threading.get_ident())
        known = self.cached(camera, index)
        if known is not None:
            return known
        self.started.set()
        assert self.gate.wait(10)
        self.decoded.append((camera, index))
        if camera in self.errors:
            raise self.errors[camera]
        picture = ArrayPicture(np.full((SIDE, SIDE, 3), index % 256, np.uint8))
        self.cache.put((camera, index), picture)
        return picture

    def cached(self, camera: str, index: int) -> Picture | None:
        return self.cache.get((camera, index))

    def frame(self, camera: str, index: int) -> U8:
        raise NotImplementedError

    def depth(self, camera: str, index: int) -> F32 | None:
        return None

    def times(self, camera: str) -> PictureTimes | None:
        return None

    def close(self) -> None:
        self.closed = True


class Source:
    """Hands out readers and remembers them."""

    def __init__(self, prepare: Callable[[Reader], None] = lambda _: None) -> None:
        self.readers: list[Reader] = []
        self.prepare = prepare

    def reader(self, _: Demonstration, cache_bytes: int = CACHE_BYTES) -> Reader:
        made = Reader(cache_bytes)
        self.prepare(made)
        self.readers.append(made)
        return made


@pytest.fixture
def loader() -> Iterator[FrameLoader]:
    made = FrameLoader(cache_bytes=1000 * BYTES)
    yield made
    made.close()
    assert not [t for t in threading.enumerate() if t.name == "frame-loader"]


def ask(qtbot: QtBot, loader: FrameLoader, cameras: tuple[str, ...], frame: int) -> FrameSet:
    with qtbot.waitSignal(loader.loaded, timeout=5000) as blocker:
        loader.request(cameras, frame)
    loaded = blocker.args[0]
    assert isinstance(loaded, FrameSet)
    return loaded


def level(loaded: FrameSet, place: int = 0) -> int:
    picture = loaded.cameras[place].picture
    assert picture is not None
    return int(picture.rgb()[0, 0, 0])


def settle(qtbot: QtBot, reader: Reader, count: int) -> None:
    """Wait until so many pictures were decoded, and that no more are."""
    qtbot.waitUntil(lambda: len(reader.decoded) >= count, timeout=5000)
    qtbot.wait(30)
    assert len(reader.decoded) == count


def test_a_miss_is_decoded_in_the_thread_and_a_hit_answered_at_once(
    qtbot: QtBot, loader: FrameLoader
) -> None:
    source = Source()
    loader.open(source, demonstration())  # type: ignore[arg-type]
    loaded = ask(qtbot, loader, (TOP,), 7)
    assert (loaded.episode, loaded.frame, level(loaded)) == (0, 7, 7)
    reader = source.readers[0]
    qtbot.waitUntil(lambda: reader.cached(TOP, 8) is not None, timeout=5000)
    told: list[FrameSet] = []
    loader.loaded.connect(told.append)
    loader.request((TOP,), 8)
    assert [level(each) for each in told] == [8]  # Before the event loop ran.
    assert threading.get_ident() not in reader.threads


def test_short_clips_are_fetched_whole(qtbot: QtBot, loader: FrameLoader) -> None:
    source = Source()
    loader.open(source, demonstration())  # type: ignore[arg-type]
    ask(qtbot, loader, (TOP, WRIST), 100)
    settle(qtbot, source.readers[0], 2 * LENGTH)
    order = [frame for camera, frame in source.readers[0].decoded if camera == TOP]
    assert order[: 1 + AHEAD] == list(range(100, 101 + AHEAD))


def test_of_long_clips_only_the_surroundings(qtbot: QtBot) -> None:
    loader = FrameLoader(cache_bytes=100 * BYTES)
    source = Source()
    loader.open(source, demonstration())  # type: ignore[arg-type]
    ask(qtbot, loader, (TOP,), 100)
    reader = source.readers[0]
    settle(qtbot, reader, 1 + AHEAD + BEHIND)
    ask(qtbot, loader, (TOP,), 99)  # Backwards from now on.
    settle(qtbot, reader, 1 + AHEAD + BEHIND + AHEAD - BEHIND + 1)
    assert reader.cached(TOP, 99 - AHEAD) is not None
    assert reader.cache.held <= 100 * BYTES
    loader.close()


def test_the_latest_request_wins(qtbot: QtBot, loader: FrameLoader) -> None:
    source = Source(lambda reader: reader.gate.clear())
    loader.open(source, demonstration())  # type: ignore[arg-type]
    told: list[FrameSet] = []
    loader.loaded.connect(told.append)
    loader.request((TOP,), 10)
    qtbot.waitUntil(lambda: bool(source.readers), timeout=5000)
    reader = source.readers[0]
    assert reader.started.wait(5)
    for frame in (200, 250, 300):
        loader.request((TOP,), frame)
    reader.gate.set()
    qtbot.waitUntil(lambda: bool(told) and told[-1].frame == 300, timeout=5000)
    assert [each.frame for each in told] == [10, 300]
    decoded = [frame for _, frame in reader.decoded]
    assert decoded[:2] == [10, 300]  # Neither those in between nor neighbours of 10.


def test_a_failing_camera_holds_nothing_up(qtbot: QtBot, loader: FrameLoader) -> None:
    def prepare(reader: Reader) -> None:
        reader.errors[WRIST] = DataError("bad_video", "wrist.mp4: holds no frames")

    source = Source(prepare)
    loader.open(source, demonstration())  # type: ignore[arg-type]
    loaded = ask(qtbot, loader, (TOP, WRIST), 5)
    assert level(loaded) == 5
    assert loaded.cameras[1].picture is None
    assert loaded.cameras[1].message == "wrist.mp4: holds no frames"
    settle(qtbot, source.readers[0], LENGTH + 1)  # The broken one is not fetched ahead.


@pytest.mark.parametrize("error", [ValueError("odd"), MemoryError(), ZeroDivisionError("x")])
def test_the_thread_survives_defects_of_readers(
    qtbot: QtBot, loader: FrameLoader, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    def prepare(reader: Reader) -> None:
        if not source.readers:
            reader.errors[TOP] = error

    source = Source(prepare)
    loader.open(source, demonstration(0))  # type: ignore[arg-type]
    loaded = ask(qtbot, loader, (TOP,), 5)
    assert type(error).__name__ in loaded.cameras[0].message
    assert type(error).__name__ in caplog.text
    loader.open(source, demonstration(1))  # type: ignore[arg-type]
    assert level(ask(qtbot, loader, (TOP,), 6)) == 6


def test_a_source_without_reader_says_why(qtbot: QtBot, loader: FrameLoader) -> None:
    def fail(_: Reader) -> None:
        raise DataError("bad_video", "the disk is gone")

    loader.open(Source(fail), demonstration())  # type: ignore[arg-type]
    loaded = ask(qtbot, loader, (TOP, WRIST), 5)
    assert [each.message for each in loaded.cameras] == ["the disk is gone"] * 2


def test_another_episode_closes_the_reader_and_drops_late_frames(
    qtbot: QtBot, loader: FrameLoader
) -> None:
    source = Source(lambda reader: reader.gate.clear())
    loader.open(source, demonstration(0))  # type: ignore[arg-type]
    told: list[FrameSet] = []
    loader.loaded.connect(told.append)
    loader.request((TOP,), 3)
    qtbot.waitUntil(lambda: bool(source.readers), timeout=5000)
    assert source.readers[0].started.wait(5)
    loader.open(source, demonstration(1))  # type: ignore[arg-type]
    loader.request((TOP,), 4)
    source.readers[0].gate.set()
    qtbot.waitUntil(lambda: len(source.readers) == 2, timeout=5000)
    assert source.readers[0].closed
    source.readers[1].gate.set()
    qtbot.waitUntil(lambda: bool(told), timeout=5000)
    assert [(each.episode, each.frame) for each in told] == [(1, 4)]
    loader.close()
    assert source.readers[1].closed


def test_real_video_of_two_cameras(qtbot: QtBot, loader: FrameLoader) -> None:
    source = open_dataset(str(SAMPLE))
    present = [e.index for e in source.info.episodes if e.present]
    opened = source.open(present[0])
    cameras = tuple(camera.key for camera in opened.cameras)
    loader.open(source, opened)
    loaded = ask(qtbot, loader, cameras, 3)
    assert [each.camera for each in loaded.cameras] == list(cameras)
    for each, camera in zip(loaded.cameras, opened.cameras, strict=True):
        assert each.picture is not None
        assert each.picture.size == (camera.width, camera.height)


def test_way_back_goes_in_blocks_that_rise() -> None:
    plan = Prefetch(100, -1, LENGTH, 1000, everything=False)
    order = list(iter(plan.next, None))
    assert order[:15] == list(range(85, 100))
    assert order[15:30] == list(range(70, 85))
    assert order[AHEAD:] == list(range(101, 101 + BEHIND))
    assert plan.is_done


@pytest.mark.parametrize("step", [1, -1])
def test_everything_is_handed_out_once(step: int) -> None:
    plan = Prefetch(100, step, LENGTH, 1000, everything=True)
    assert not plan.covers(100, step)
    order = list(iter(plan.next, None))
    assert sorted([*order, 100]) == list(range(LENGTH))
    assert plan.covers(3, -step)


def test_window_is_cut_to_the_memory() -> None:
    plan = Prefetch(100, 1, LENGTH, 10, everything=False)
    assert len(list(iter(plan.next, None))) == 8
    assert Prefetch(0, 1, 1, 0, everything=True).next() is None
