"""Recordings that carry a session: real .rrd files, good, foreign and damaged ones."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from app.rrd_source import is_export, open_export
from pipeline.model.problem import DataError
from tests.export_scenes import GRAPH, session, write_export
from tests.rerun_scenes import scene
from viewers import rerun_session_entity as entity
from viewers.rerun_log import write_recording
from viewers.rerun_streams import memory_stream

CAMERA = "observation.images.cam_high"


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_export(tmp_path_factory.mktemp("export"))


def recording(path: Path, **values: object) -> Path:
    """A small recording whose session entity has other values."""
    import rerun as rr

    with memory_stream("somebody else") as memory:
        memory.stream.log("a/point", rr.Points3D([[0, 0, 0]]))
        if values:
            memory.stream.log(entity.SESSION_ENTITY, rr.AnyValues(**values), static=True)
        path.write_bytes(memory.take())
    return path


def refused(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        open_export(str(path))
    text = str(caught.value)
    assert path.name in text
    assert "\n" not in text
    assert str(path.parent) not in text
    return text


def test_stock_rerun_takes_it(export: Path) -> None:
    program = Path(sys.executable).with_name("rerun")
    done = subprocess.run([program, "rrd", "verify", export], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "verified without error" in done.stdout + done.stderr


def test_it_has_its_layout_and_its_session(export: Path) -> None:
    from rerun.chunk import RrdReader

    reader = RrdReader(str(export))
    assert len(reader.recordings()) == len(reader.blueprints()) == 1
    assert entity.application_of(export).startswith("demoscope ")
    chunks = list(entity.chunks_of(export, f"/{entity.SESSION_ENTITY}"))
    assert len(chunks) == 1
    assert chunks[0].is_static


def test_bytes_come_back_as_they_were(tmp_path: Path) -> None:
    for data in (b"", b"\0\1\2", np.random.default_rng(0).bytes(3_000_000)):
        path = tmp_path / "any.rrd"
        with memory_stream("any") as memory:
            entity.log_session(memory.stream, data)
            path.write_bytes(memory.take())
        assert entity.read_session(path) == data


def test_an_export_is_a_dataset_of_one_episode(export: Path) -> None:
    assert is_export(str(export))
    source = open_export(str(export))
    info = source.info
    assert (info.path, info.name, info.format) == (str(export), export.name, "rrd")
    assert [e.index for e in info.episodes] == [3]
    assert info.episodes[0].present
    assert "kitchen" in info.reason
    assert source.read_only == "an export is read-only: open the dataset kitchen to correct it"
    demonstration = source.open(3)
    assert demonstration.ref.dataset == str(export)
    was = session().demonstration
    assert was is not None
    assert np.array_equal(demonstration.state, was.state)
    assert [o.stage for o in source.recorded.outcomes] == [s.name for s in GRAPH.stages]
    with pytest.raises(DataError, match="holds episode 3 only, not 4"):
        source.open(4)
    assert source.recording() == export.read_bytes()


def test_pictures_are_the_recorded_ones_and_the_nearest_earlier_between(export: Path) -> None:
    source = open_export(str(export))
    demonstration = source.open(3)
    reader = source.reader(demonstration)
    logged = dict(scene().pictures)
    assert reader.cached(CAMERA, 0) is None
    for frame in (0, 55, 115):
        picture = reader.picture(CAMERA, frame)
        assert picture.note == ""
        difference = picture.rgb().astype(int) - logged[frame].astype(int)
        assert np.abs(difference).mean() < 3.0
    for frame, shown in ((1, 0), (57, 55), (119, 115)):
        picture = reader.picture(CAMERA, frame)
        assert picture.note == f"The export has no picture of frame {frame}: this is frame {shown}."
        assert np.array_equal(picture.rgb(), reader.frame(CAMERA, shown))
        cached = reader.cached(CAMERA, frame)
        assert cached is not None
        assert cached.note == picture.note
    assert reader.depth(CAMERA, 0) is None
    assert reader.times(CAMERA) is None
    reader.close()
    assert reader.cached(CAMERA, 0) is None


def test_a_recording_without_a_session_is_named(tmp_path: Path) -> None:
    ours = write_recording(scene(length=30, pictures=2), tmp_path / "looked-at.rrd")
    assert entity.read_session(ours) is None
    assert "without a Demoscope session" in refused(ours)
    other = recording(tmp_path / "other.rrd")
    assert refused(other).startswith("other.rrd is a Rerun recording of “somebody else”")


@pytest.mark.parametrize(
    ("media_type", "data"),
    [
        (entity.MEDIA_TYPE, b"nothing of ours"),
        (entity.MEDIA_TYPE, [1.0, 2.0]),
        (entity.MEDIA_TYPE, "text"),
        (entity.MEDIA_TYPE, None),
        ("text/plain", b"DMSB"),
        (None, b"DMSB"),
        (5, b"DMSB"),
    ],
)
def test_other_values_in_its_place_are_refused(
    tmp_path: Path, media_type: object, data: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow as pa
    from rerun import any_batch_value

    # Rerun remembers the types that we use; another program would have its own.
    fresh = type(any_batch_value.ANY_VALUE_TYPE_REGISTRY)()
    monkeypatch.setattr(any_batch_value, "ANY_VALUE_TYPE_REGISTRY", fresh)
    typed: dict[str, object] = {}
    if media_type is not None:
        typed["demoscope_media_type"] = media_type
    if data is not None:
        blob = isinstance(data, bytes)
        typed["demoscope_session"] = pa.array([data], pa.binary()) if blob else data
    refused(recording(tmp_path / "foreign.rrd", **typed))


def test_too_large_a_session_is_refused(export: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entity, "LARGEST_SESSION", 1000)
    assert "bytes" in refused(export)


@pytest.mark.parametrize("keep", [0, 3, 4, 100, 5000, -4, -12, -500, -4000])
def test_one_that_is_cut_short_is_refused(export: Path, tmp_path: Path, keep: int) -> None:
    path = tmp_path / "cut.rrd"
    path.write_bytes(export.read_bytes()[:keep])
    assert "cut short" in refused(path) or "no Rerun recording" in refused(path)


def test_damaged_ones_are_read_or_refused(export: Path, tmp_path: Path) -> None:
    data = export.read_bytes()
    rng = np.random.default_rng(7)
    path = tmp_path / "damaged.rrd"
    for _ in range(25):
        broken = bytearray(data)
        start = int(rng.integers(0, len(data) - 64))
        broken[start : start + 32] = rng.bytes(32)
        path.write_bytes(broken)
        with contextlib.suppress(DataError):
            source = open_export(str(path))
            source.reader(source.open(3)).frame(CAMERA, 50)


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        open_export(str(tmp_path / "none.rrd"))
    folder = tmp_path / "folder.rrd"
    folder.mkdir()
    assert not is_export(str(folder))
