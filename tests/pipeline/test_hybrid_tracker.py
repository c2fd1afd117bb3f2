"""The hybrid tracker: point tracks that SAM 2's masks confirm or hide."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.backends import devices
from pipeline.backends.backend import ModelSettings
from pipeline.backends.registry import load_backend
from pipeline.backends.tracking import hybrid
from pipeline.backends.tracking.hybrid import HybridTracker, confirmed, ranked
from pipeline.backends.tracking.protocol import PointTracks, TrackingRequest
from pipeline.model.arrays import Bool, pack_masks
from pipeline.model.problem import Cancelled, DataError
from tests.pipeline.tiny_sam2 import write_folder
from tests.pipeline.tracker_clones import numbered, write_alltracker, write_cotracker

SIZE, COUNT = (160, 120), 12


@pytest.fixture(autouse=True)
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    torch.set_num_threads(1)
    names = ("DEMOSCOPE_CONFIG_DIR", "TORCH_HOME", "HF_HUB_CACHE", "DEMOSCOPE_MODELS_DIR")
    for name in names:
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    yield
    devices.release_models()


@pytest.fixture(scope="module")
def sam2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("sam2") / "tiny")


def square(x: float, y: float, half: int = 10) -> Bool:
    mask = np.zeros((SIZE[1], SIZE[0]), np.bool_)
    mask[int(y) - half : int(y) + half, int(x) - half : int(x) + half] = True
    return mask


def scene(starts: list[tuple[float, float]]) -> TrackingRequest:
    grid = np.stack(np.meshgrid(*[np.arange(-8, 9, 4)] * 2), axis=-1).reshape(-1, 2)
    frames = np.arange(COUNT, dtype=np.int32)
    return TrackingRequest(
        frame_at=numbered(SIZE),
        frames=frames,
        steps=frames,
        keyframe=0,
        points=np.concatenate([grid + np.array(s) for s in starts]).astype(np.float32),
        candidate=np.repeat(np.arange(len(starts)), len(grid)).astype(np.int32),
        masks=np.stack([square(*s) for s in starts]),
        interaction=(frames >= 4) & (frames < 9),
    )


def moved(request: TrackingRequest, shifts: Any) -> PointTracks:
    """Points that move by `shifts` (F, K, 2)."""
    points = request.points[None] + np.asarray(shifts, np.float32)[:, request.candidate]
    boxes = np.full((COUNT, len(request.masks), 4), np.nan, np.float32)
    return PointTracks(points.astype(np.float32), np.ones(points.shape[:2], np.bool_), boxes)


def quiet(share: float, what: str) -> None:
    assert 0 <= share <= 1


def test_the_handled_thing_ranks_first() -> None:
    request = scene([(30, 30), (80, 60), (120, 90)])
    shifts = np.zeros((COUNT, 3, 2))
    shifts[:, 0, 0] = 3.0 * np.arange(COUNT)  # always moves, like an arm
    shifts[4:9, 2, 0] = 2.0 * np.arange(5)  # only while held
    shifts[9:, 2, 0] = 8.0
    assert ranked(request, moved(request, shifts)).tolist() == [2, 0, 1]
    hidden = moved(request, shifts)
    hidden.visible[:, request.candidate == 2] = False
    assert ranked(request, hidden).tolist()[0] == 0


def test_points_outside_of_the_mask_are_hidden() -> None:
    request = scene([(40, 60), (110, 60)])
    shifts = np.zeros((COUNT, 2, 2))
    shifts[6:, 0, 0] = 40.0  # slipped onto something that moved on
    tracks = moved(request, shifts)
    packed = np.stack([pack_masks(square(40, 60)[None])] * COUNT)
    result = confirmed(request, tracks, np.array([0], np.int32), packed, "points")
    first = request.candidate == 0
    assert result.visible[:6].all()
    assert not result.visible[6:, first].any()
    assert result.visible[:, ~first].all()
    np.testing.assert_array_equal(result.points, tracks.points)
    np.testing.assert_allclose(result.boxes[:, 0], [[30, 50, 50, 70]] * COUNT)
    assert np.isnan(result.boxes[:, 1]).all()
    warning, info = result.problems
    assert (warning.code, warning.frame, warning.candidate) == ("trackers_disagree", 6, 0)
    assert info.code == "tracks_rechecked"
    assert f"{6 * 25} of {12 * 25}" in info.message
    assert tracks.visible.all()  # what came in stays


def test_a_doubtful_mask_proves_nothing() -> None:
    request = scene([(40, 60)])
    tracks = moved(request, np.zeros((COUNT, 1, 2)))
    for doubtful in (square(120, 60, 2), square(100, 60, 50), np.zeros_like(square(0, 0))):
        packed = np.stack([pack_masks(doubtful[None])] * COUNT)
        result = confirmed(request, tracks, np.array([0], np.int32), packed, "points")
        assert result.visible.all()
        assert np.isnan(result.boxes).all()
        assert [p.code for p in result.problems] == ["tracks_rechecked"]


def test_an_edge_drawn_differently_hides_nothing() -> None:
    request = scene([(40, 60)])
    packed = np.stack([pack_masks(square(42, 60, 8)[None])] * COUNT)
    tracks = moved(request, np.zeros((COUNT, 1, 2)))
    assert confirmed(request, tracks, np.array([0], np.int32), packed, "points").visible.all()


def test_only_the_best_are_rechecked(monkeypatch: pytest.MonkeyPatch, sam2: Path) -> None:
    request = scene([(20 + 15 * k, 60) for k in range(8)])
    shifts = np.zeros((COUNT, 8, 2))
    shifts[:, :, 1] = np.arange(COUNT)[:, None] * 0.3 * np.arange(8)
    made = HybridTracker()
    made.configure(ModelSettings(weights=f"lucas_kanade;{sam2}", device="cpu"))
    monkeypatch.setattr(made.points, "track", lambda request, progress: moved(request, shifts))
    asked: list[Any] = []

    def follow(backend, frame_at, frames, keyframe, masks, progress):
        asked.append((backend, frame_at is request.frame_at, keyframe, masks))
        return np.stack([pack_masks(masks)] * len(frames))

    monkeypatch.setattr(hybrid, "propagate_masks", follow)
    made.rechecked = 3
    made.track(request, quiet)
    ((backend, same, keyframe, masks),) = asked
    assert backend is made.sam2
    assert same
    assert keyframe == 0
    np.testing.assert_array_equal(masks, request.masks[[7, 6, 5]])


def test_end_to_end_with_both_models(tmp_path: Path, sam2: Path) -> None:
    """A random SAM 2 in real files and a stand-in AllTracker, by the real loading code."""
    clone = write_alltracker(tmp_path / "alltracker", (1.0, 0.0))
    settings = ModelSettings(weights=f"{clone};{sam2}", device="cpu")
    made = load_backend("tracking", "hybrid", settings)
    assert made.points.name == "alltracker"
    request = scene([(40, 60), (80, 40)])
    tracks = made.track(request, quiet)
    steps = np.arange(COUNT)[:, None, None] * np.array([1.0, 0.0])
    np.testing.assert_allclose(tracks.points, request.points[None] + steps, atol=5e-3)
    assert "tracks_rechecked" in [p.code for p in tracks.problems]
    again = made.track(request, quiet)
    np.testing.assert_array_equal(tracks.visible, again.visible)
    calls = [0]

    def cancel(share: float, what: str) -> None:
        calls[0] += 1
        if share > hybrid.POINTS_SHARE:
            raise Cancelled

    with pytest.raises(Cancelled):
        made.track(request, cancel)


def test_which_points_and_which_weights(tmp_path: Path, sam2: Path) -> None:
    def made(weights: str) -> HybridTracker:
        tracker = HybridTracker()
        tracker.configure(ModelSettings(weights=weights, device="cpu"))
        return tracker

    assert made(f";{sam2}").points.name == "lucas_kanade"  # nothing else is here
    assert made(f";{sam2}").available() is None
    co = write_cotracker(tmp_path / "co-tracker")
    al = write_alltracker(tmp_path / "alltracker")
    assert made(f"{co};{sam2}").points.name == "cotracker"
    assert made(f"{co / 'scaled_offline.pth'} ; {sam2}").points.name == "cotracker"
    assert made(f"{al};{sam2}").points.name == "alltracker"
    assert made(f"cotracker;{sam2}").points.name == "cotracker"
    assert made(f"{al};{sam2}").identity() != made(f"{co};{sam2}").identity()
    assert "lucas_kanade" in made(f";{sam2}").identity()
    # Each part says what it lacks, and the licence of the points still has to be accepted.
    assert "for SAM 2:" in str(made(str(al)).available())
    assert "for the points: its licence" in str(made(f"{co};{sam2}").available())
    assert "for the points:" in str(made(f"{tmp_path / 'nowhere'};{sam2}").available())
    with pytest.raises(DataError, match="for SAM 2"):
        load_backend("tracking", "hybrid", ModelSettings())
    assert len(made("").downloads()) >= 1
