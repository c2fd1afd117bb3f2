"""Recordings in memory: what they hold, and that no thread of theirs stays."""

from __future__ import annotations

import gc
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.rerun_scenes import scene
from viewers import rerun_streams
from viewers.rerun_log import recording_bytes
from viewers.rerun_streams import memory_stream

linux = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="native threads are counted in /proc"
)


def native_threads() -> int:
    """Threads of this process, Rerun's own among them."""
    return len(list(Path("/proc/self/task").iterdir()))


def settles(most: int) -> bool:
    """Whether there are no more threads than this; one that ends takes a moment to be gone."""
    end = time.monotonic() + 10
    while native_threads() > most and time.monotonic() < end:
        threading.Event().wait(0.02)
    return native_threads() <= most


def record(application: str = "threads") -> bytes:
    import rerun as rr
    import rerun.blueprint as rrb

    with memory_stream(application) as memory:
        memory.send_blueprint(rrb.Blueprint(rrb.Spatial3DView(origin="/")))
        memory.stream.log("a", rr.Scalars(1.0), static=True)
        return memory.take()


def blueprints(data: bytes, folder: Path) -> tuple[int, list[str]]:
    from rerun.chunk import RrdReader

    path = folder / "a.rrd"
    path.write_bytes(data)
    reader = RrdReader(str(path))
    return len(reader.blueprints()), [r.application_id for r in reader.recordings()]


@linux
def test_twenty_recordings_leave_no_thread() -> None:
    record()  # what Rerun starts once per process
    gc.collect()
    before = native_threads()
    for _ in range(20):
        assert record()
    assert settles(before)


@linux
def test_twenty_episodes_leave_no_thread() -> None:
    inputs = scene(length=20, candidates=1, points=4, pictures=2)
    recording_bytes(inputs)
    before = native_threads()
    for _ in range(20):
        recording_bytes(inputs)
    assert settles(before)


@linux
def test_a_failure_inside_leaves_no_thread() -> None:
    record()
    before = native_threads()
    for _ in range(5):
        with pytest.raises(KeyError), memory_stream("threads"):
            raise KeyError
    assert settles(before)


@linux
def test_recordings_made_side_by_side_leave_no_thread(tmp_path: Path) -> None:
    record()
    before = native_threads()
    found: list[bytes] = []
    workers = [
        threading.Thread(target=lambda i=i: found.append(record(f"side {i}"))) for i in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    record()
    assert settles(before)
    names = [blueprints(data, tmp_path) for data in found]
    assert sorted(names) == [(1, [f"side {i}"]) for i in range(4)]


def test_the_blueprint_is_in_the_recording(tmp_path: Path) -> None:
    assert blueprints(record(), tmp_path) == (1, ["threads"])


def test_a_rerun_without_the_parts_is_used_the_public_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rerun_streams, "_bindings", object)
    assert blueprints(record(), tmp_path) == (1, ["threads"])


def test_a_recording_can_be_taken_in_parts(tmp_path: Path) -> None:
    import rerun as rr
    from rerun.chunk import RrdReader

    with memory_stream("parts", "one") as memory:
        parts = []
        for entity in ("a", "b"):
            memory.stream.log(entity, rr.Scalars(1.0), static=True)
            parts.append(memory.take())
    for entity, data in zip(("/a", "/b"), parts, strict=True):
        path = tmp_path / "part.rrd"
        path.write_bytes(data)
        reader = RrdReader(str(path))
        assert [r.recording_id for r in reader.recordings()] == ["one"]
        entities = {chunk.entity_path for chunk in reader.store().stream()}
        assert {e for e in entities if "properties" not in e} == {entity}
