"""CoTracker3 by its real loading code (torch.hub, local clone, checkpoint file).

Its licence forbids to ship it, so the clone is a stand-in with the same entry points; see
`tracker_clones`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.backends import devices, licences
from pipeline.backends.backend import ModelSettings
from pipeline.backends.registry import load_backend
from pipeline.backends.tracking import cotracker
from pipeline.backends.tracking.cotracker import CoTracker, passes
from pipeline.model.problem import Cancelled, DataError
from tests.pipeline.tracker_clones import numbered, request_of, save_cotracker, write_cotracker

SIZE = (96, 72)
POINTS = [(20.0, 20.0), (30.0, 20.0), (20.0, 32.0), (30.0, 32.0), (25.0, 26.0)]


@pytest.fixture(autouse=True)
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    torch.set_num_threads(1)
    for name in ("DEMOSCOPE_CONFIG_DIR", "TORCH_HOME", "HF_HUB_CACHE", "DEMOSCOPE_MODELS_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    yield
    devices.release_models()


def tracker(clone: Path | str) -> CoTracker:
    made = CoTracker()
    made.configure(ModelSettings(weights=str(clone), device="cpu"))
    return made


def expected(frames: list[int], keyframe: int, shift: tuple[float, float] = (2.0, 1.0)):
    steps = np.array(frames)[:, None, None] - keyframe
    return np.array(POINTS)[None] + steps * np.array(shift)


def quiet(share: float, what: str) -> None:
    pass


def test_points_come_back_in_pixels_of_the_picture(tmp_path: Path) -> None:
    frames = list(range(0, 20, 2))
    request = request_of(numbered(SIZE), frames, 9, POINTS, SIZE)
    model = tracker(write_cotracker(tmp_path / "co-tracker"))
    tracks = model.track(request, quiet)
    assert tracks.points.dtype == np.float32
    assert tracks.visible.dtype == np.bool_
    np.testing.assert_allclose(tracks.points, expected(frames, 9), atol=1e-3)
    assert tracks.visible.all()
    # The keyframe is looked at though it is not reported, and both directions are one call.
    assert model._predictor().calls == [(11, 5, True)]
    moved = request.masks[0].nonzero()
    box = np.array([moved[1].min(), moved[0].min(), moved[1].max() + 1, moved[0].max() + 1])
    steps = (np.array(frames) - 9)[:, None] * np.array([2, 1, 2, 1])
    np.testing.assert_allclose(tracks.boxes[:, 0], box + steps, atol=1e-2)


def test_points_outside_or_unseen_are_invisible(tmp_path: Path) -> None:
    frames = list(range(0, 60, 3))
    request = request_of(numbered(SIZE, hidden=(6, 9)), frames, 0, POINTS, SIZE)
    tracks = tracker(write_cotracker(tmp_path / "co-tracker", (3.0, 0.0))).track(request, quiet)
    truth = expected(frames, 0, (3.0, 0.0))
    inside = truth[..., 0] <= SIZE[0] - 1
    hidden = np.isin(frames, (6, 9))[:, None]
    np.testing.assert_array_equal(tracks.visible, inside & ~hidden)
    assert np.isnan(tracks.boxes[-1]).all()


def test_long_clips_are_chained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cotracker, "FRAMES_PER_PASS", 12)
    monkeypatch.setattr(cotracker, "OVERLAP", 4)
    monkeypatch.setattr(cotracker, "POINT_FRAMES", 24)
    monkeypatch.setattr(cotracker, "FEWEST_POINTS", 2)
    frames = list(range(40))
    request = request_of(numbered(SIZE, hidden=(25, 26)), frames, 20, POINTS, SIZE)
    model = tracker(write_cotracker(tmp_path / "co-tracker", (0.5, 0.25)))
    tracks = model.track(request, quiet)
    np.testing.assert_allclose(tracks.points, expected(frames, 20, (0.5, 0.25)), atol=5e-3)
    np.testing.assert_array_equal(tracks.visible.all(axis=1), ~np.isin(frames, (25, 26)))
    calls = model._predictor().calls
    assert {n for _, n, _ in calls} == {1, 2}
    assert max(t for t, _, _ in calls) == 12


def test_points_that_nobody_saw_at_the_seam_are_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cotracker, "FRAMES_PER_PASS", 12)
    monkeypatch.setattr(cotracker, "OVERLAP", 3)
    frames = list(range(20))
    hidden = (9, 10, 11)
    request = request_of(numbered(SIZE, hidden=hidden), frames, 0, POINTS, SIZE)
    tracks = tracker(write_cotracker(tmp_path / "co-tracker")).track(request, quiet)
    assert tracks.visible[:9].all()
    assert not tracks.visible[9:].any()


@pytest.mark.parametrize(("count", "keyframe"), [(1, 0), (12, 0), (40, 0), (40, 39), (41, 17)])
def test_passes_cover_every_frame_once(count: int, keyframe: int) -> None:
    spans = list(passes(count, keyframe, 12, 4))
    assert spans[0].start <= keyframe < spans[0].stop
    assert all(s.stop - s.start <= 12 for s in spans)
    done = set(range(spans[0].start, spans[0].stop))
    for span in spans[1:]:
        new = set(range(span.start, span.stop)) - done
        assert new
        assert len(set(range(span.start, span.stop)) & done) >= 4
        done |= new
    assert done == set(range(count))
    assert sorted(row for s in spans for row in s.new) == list(range(count))


def test_nothing_to_track(tmp_path: Path) -> None:
    model = tracker(write_cotracker(tmp_path / "co-tracker"))
    none = model.track(request_of(numbered(SIZE), [0, 2], 0, [], SIZE), quiet)
    assert none.points.shape == (2, 0, 2)
    assert none.boxes.shape == (2, 1, 4)
    single = model.track(request_of(numbered(SIZE), [3], 3, POINTS, SIZE), quiet)
    np.testing.assert_allclose(single.points[0], POINTS, atol=1e-3)


def test_importing_the_clone_leaves_no_trace(tmp_path: Path) -> None:
    torch.manual_seed(7)
    state, path = torch.random.get_rng_state(), list(sys.path)
    other = type(sys)("cotracker")
    sys.modules["cotracker"] = other
    try:
        model = tracker(write_cotracker(tmp_path / "co-tracker"))
        model.load()
        assert sys.modules["cotracker"] is other
    finally:
        del sys.modules["cotracker"]
    assert not [n for n in sys.modules if n.startswith("cotracker.")]
    assert sys.path == path
    assert torch.equal(torch.random.get_rng_state(), state)


def test_the_licence_comes_first(tmp_path: Path) -> None:
    settings = ModelSettings(weights=str(write_cotracker(tmp_path / "co-tracker")))
    with pytest.raises(DataError, match=r"licence.*CC-BY-NC.*models accept cotracker"):
        load_backend("tracking", "cotracker", settings)
    licences.accept("cotracker", CoTracker.licence)
    assert load_backend("tracking", "cotracker", settings).available() is None


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    assert "git clone https://github.com/facebookresearch/co-tracker" in str(
        CoTracker().available()
    )
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "“" + str(empty) + "” holds no clone" in str(tracker(empty).available())
    clone = write_cotracker(tmp_path / "co-tracker")
    (clone / "scaled_offline.pth").unlink()
    reason = str(tracker(clone).available())
    assert "weights are not on this machine" in reason
    assert "models download cotracker" in reason
    assert tracker(clone).identity() == "cotracker:none"
    with pytest.raises(DataError, match="not on this machine"):
        tracker(tmp_path / "nowhere.pth").load()


def test_code_and_checkpoint_are_found_in_the_caches(tmp_path: Path) -> None:
    hub = tmp_path / "torch_home" / "hub"
    write_cotracker(hub / "facebookresearch_co-tracker_main")
    (hub / "checkpoints").mkdir()
    found = hub / "facebookresearch_co-tracker_main" / "scaled_offline.pth"
    found.rename(hub / "checkpoints" / "scaled_offline.pth")
    licences.accept("cotracker")
    made = CoTracker()
    assert made.available() is None
    assert made.checkpoint == hub / "checkpoints" / "scaled_offline.pth"
    # The Hub's cache: refs/main names the snapshot.
    made.checkpoint.unlink()
    cached = tmp_path / "hf_hub_cache" / "models--facebook--cotracker3"
    (cached / "refs").mkdir(parents=True)
    (cached / "refs" / "main").write_text("abc")
    (cached / "snapshots" / "abc").mkdir(parents=True)
    save_cotracker(cached / "snapshots" / "abc" / "scaled_offline.pth", (2.0, 1.0))
    made = CoTracker()
    assert made.available() is None
    made.load()
    # A checkpoint by its own path, with the code from the cache; and beside its clone.
    beside = tmp_path / "mine.pth"
    save_cotracker(beside, (1.0, 1.0))
    other = tracker(beside)
    assert other.available() is None
    assert other.identity() != made.identity()


def test_a_wrong_or_unsafe_checkpoint_is_refused(tmp_path: Path) -> None:
    clone = write_cotracker(tmp_path / "co-tracker")
    torch.save({"model": {"other": torch.zeros(1)}}, clone / "scaled_offline.pth")
    with pytest.raises(DataError, match="does not load as cotracker") as caught:
        tracker(clone).load()
    assert caught.value.code == "bad_weights"
    torch.save({"shift": Path("code")}, clone / "scaled_offline.pth")  # a pickled object
    with pytest.raises(DataError, match="does not load as cotracker"):
        tracker(clone).load()


def test_broken_code_is_told_from_broken_weights(tmp_path: Path) -> None:
    clone = write_cotracker(tmp_path / "co-tracker")
    (clone / "cotracker" / "helpers.py").write_text("import no_such_package\n")
    with pytest.raises(DataError, match="no_such_package") as caught:
        tracker(clone).load()
    assert caught.value.code == "bad_code"
    assert not [n for n in sys.modules if n.partition(".")[0] == "cotracker"]


def test_cancel_and_out_of_memory(tmp_path: Path) -> None:
    model = tracker(write_cotracker(tmp_path / "co-tracker"))
    request = request_of(numbered(SIZE), list(range(12)), 4, POINTS, SIZE)
    calls = [0]

    def cancel(share: float, what: str) -> None:
        calls[0] += 1
        if calls[0] > 5:
            raise Cancelled

    with pytest.raises(Cancelled):
        model.track(request, cancel)

    def starve(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA out of memory. Tried to allocate 9 GiB")

    model._predictor().forward = starve
    with pytest.raises(DataError, match=r"tracking 5 points over 12 frames; lower max points"):
        model.track(request, quiet)


def test_half_precision_stays_close(tmp_path: Path) -> None:
    model = tracker(write_cotracker(tmp_path / "co-tracker"))
    assert model.settings.precision == "float32"  # `auto`
    settings = ModelSettings(weights=str(tmp_path / "co-tracker"), precision="bfloat16")
    model.configure(settings)
    request = request_of(numbered(SIZE), [0, 3, 6], 0, POINTS, SIZE)
    tracks = model.track(request, quiet)
    np.testing.assert_allclose(tracks.points, expected([0, 3, 6], 0), atol=0.5)
