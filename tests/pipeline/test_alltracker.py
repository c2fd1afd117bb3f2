"""AllTracker by its real loading code, from a stand-in clone; see `tracker_clones`.

It is no package and needs torchvision, which is not among our dependencies. That the walk here
equals `Net.forward_sliding` of the real code was checked by hand (difference below 1e-5 px).
"""

from __future__ import annotations

import sys
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.backends import devices
from pipeline.backends.backend import ModelSettings
from pipeline.backends.tracking.alltracker import AllTracker, cuda_means
from pipeline.backends.tracking.crop import Crop, cropped, uncropped
from pipeline.model.problem import Cancelled, DataError
from pipeline.stages.tracks import TracksOptions, TracksStage
from tests.pipeline.rendered_scene import Scene, run
from tests.pipeline.tracker_clones import numbered, request_of, square_results, write_alltracker

SIZE = (90, 70)
POINTS = [(20.0, 20.0), (30.5, 20.0), (20.0, 32.25), (30.0, 32.0), (25.0, 26.0)]


@pytest.fixture(autouse=True)
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    torch.set_num_threads(1)
    for name in ("TORCH_HOME", "HF_HUB_CACHE", "DEMOSCOPE_MODELS_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    yield
    devices.release_models()


def tracker(clone: Path | str) -> AllTracker:
    made = AllTracker()
    made.configure(ModelSettings(weights=str(clone), device="cpu"))
    return made


def quiet(share: float, what: str) -> None:
    pass


@pytest.mark.parametrize(
    ("count", "keyframe", "windows"),
    [
        (12, 0, [16]),
        (12, 11, [16]),
        (2, 0, [1]),
        (30, 13, [16, 16, 16]),
        (50, 20, [16, 16, 16, 16, 16]),
        (1, 0, []),
    ],
)
def test_both_directions_over_all_windows(
    tmp_path: Path, count: int, keyframe: int, windows: list[int]
) -> None:
    shift = (0.6, -0.2)
    model = tracker(write_alltracker(tmp_path / "alltracker", shift))
    frames = list(range(count))
    tracks = model.track(request_of(numbered(SIZE), frames, keyframe, POINTS, SIZE), quiet)
    truth = np.array(POINTS)[None] + (np.array(frames) - keyframe)[:, None, None] * np.array(shift)
    np.testing.assert_allclose(tracks.points, truth, atol=2e-3)
    assert tracks.visible.all()
    assert model._net().windows == windows


def test_hidden_frames_and_points_outside(tmp_path: Path) -> None:
    frames = list(range(0, 40, 2))
    model = tracker(write_alltracker(tmp_path / "alltracker", (2.0, 0.0)))
    request = request_of(numbered(SIZE, hidden=(8, 10)), frames, 0, POINTS, SIZE)
    tracks = model.track(request, quiet)
    truth = np.array(POINTS)[None, :, 0] + 2.0 * np.array(frames)[:, None]
    hidden = np.isin(frames, (8, 10))[:, None]
    np.testing.assert_array_equal(tracks.visible, (truth <= SIZE[0] - 1) & ~hidden)


def test_frames_between_and_a_keyframe_apart(tmp_path: Path) -> None:
    frames = [0, 5, 10, 15]
    model = tracker(write_alltracker(tmp_path / "alltracker"))
    tracks = model.track(request_of(numbered(SIZE), frames, 7, POINTS, SIZE), quiet)
    truth = np.array(POINTS)[None] + (np.array(frames) - 7)[:, None, None] * np.array([2.0, 1.0])
    np.testing.assert_allclose(tracks.points, truth, atol=2e-3)


def test_a_crop_changes_no_coordinate(tmp_path: Path) -> None:
    frames = list(range(10))
    model = tracker(write_alltracker(tmp_path / "alltracker", (1.0, 0.5)))
    request = request_of(numbered(SIZE), frames, 4, POINTS, SIZE)
    whole = model.track(request, quiet)
    crop = Crop(9, 7, 77, 66)
    part = uncropped(model.track(cropped(request, crop), quiet), crop)
    np.testing.assert_allclose(part.points, whole.points, atol=2e-3)
    np.testing.assert_allclose(part.boxes, whole.boxes, atol=2e-2)
    np.testing.assert_array_equal(part.visible, whole.visible)


def test_importing_the_clone_leaves_no_trace(tmp_path: Path) -> None:
    """Even where a package of the same name lies on the path, as `utils` often does."""
    trap = tmp_path / "trap"
    (trap / "utils").mkdir(parents=True)
    (trap / "utils" / "__init__.py").write_text("raise RuntimeError('the wrong utils')\n")
    model = tracker(write_alltracker(tmp_path / "alltracker"))
    mine = types.ModuleType("nets")
    sys.path.insert(0, str(trap))
    sys.modules["nets"] = mine
    path = list(sys.path)
    try:
        model.load()
        assert sys.modules["nets"] is mine
        assert "utils" not in sys.modules
        assert not [n for n in sys.modules if n.startswith(("nets.", "utils."))]
        assert sys.path == path
    finally:
        sys.path.remove(str(trap))
        del sys.modules["nets"]


def test_cuda_is_redirected_only_inside() -> None:
    before = torch.Tensor.cuda
    with cuda_means(torch.device("cpu")):
        assert torch.ones(2).cuda().device.type == "cpu"
        assert torch.Tensor.cuda is before
    if not torch.cuda.is_available():
        with pytest.raises((RuntimeError, AssertionError)):
            torch.ones(2).cuda()


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    assert "git clone https://github.com/aharley/alltracker" in str(AllTracker().available())
    clone = write_alltracker(tmp_path / "alltracker")
    assert tracker(clone).available() is None
    assert tracker(tmp_path).available() is None  # the folder around it
    assert tracker(clone / "alltracker.pth").available() is None
    (clone / "nets" / "blocks.py").write_text("from no_such_thing_ops.misc import Permute\n")
    assert tracker(clone).available() is None  # not one of those it is known to need
    (clone / "alltracker.pth").unlink()
    assert "models download alltracker" in str(tracker(clone).available())


def test_packages_of_the_real_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.backends.tracking import checkout

    clone = write_alltracker(tmp_path / "alltracker")
    (clone / "nets" / "blocks.py").write_text("import einops\nfrom torchvision.ops import misc\n")
    monkeypatch.setattr(checkout, "is_installed", lambda module: module != "torchvision")
    assert "imports the package torchvision" in str(tracker(clone).available())


def test_a_wrong_checkpoint_is_refused(tmp_path: Path) -> None:
    clone = write_alltracker(tmp_path / "alltracker")
    (clone / "alltracker.pth").write_bytes(b"not a checkpoint")
    with pytest.raises(DataError, match="does not load as alltracker") as caught:
        tracker(clone).load()
    assert caught.value.code == "bad_weights"


def test_cancel_and_out_of_memory(tmp_path: Path) -> None:
    model = tracker(write_alltracker(tmp_path / "alltracker"))
    request = request_of(numbered(SIZE), list(range(40)), 20, POINTS, SIZE)
    told: list[float] = []

    def cancel(share: float, what: str) -> None:
        told.append(share)
        if len(told) > 4:
            raise Cancelled

    with pytest.raises(Cancelled):
        model.track(request, cancel)
    assert all(0 <= share <= 1 for share in told)

    def starve(*_: object, **__: object) -> None:
        raise MemoryError

    model._net().get_fmaps = starve
    with pytest.raises(DataError, match="tracking 5 points, 90x70; lower the crop"):
        model.track(request, quiet)


def test_the_stage_runs_it_and_falls_back_only_if_allowed(tmp_path: Path) -> None:
    scene = Scene(length=10)
    results = square_results(scene, keyframe=9)
    clone = write_alltracker(tmp_path / "alltracker")
    options = TracksOptions(backend="alltracker", weights=str(clone), device="cpu", crop="on")
    tracks = run(scene, TracksStage(), results, options=options)
    assert tracks.backend == "alltracker"
    assert np.isfinite(tracks.points).all()
    assert tracks.frames[-1] == 9
    x, y = tracks.points[-1].round().astype(int).T
    assert results["masks"].masks[tracks.candidate, y, x].all()
    assert tracks.crop is not None
    (clone / "alltracker.pth").unlink()
    with pytest.raises(DataError, match="cannot be used: its weights"):
        run(scene, TracksStage(), results, options=options)
    allowed = replace(options, allow_fallback=True)
    fallen = run(scene, TracksStage(), results, options=allowed)
    assert fallen.backend == "lucas_kanade"
    assert fallen.problems[0].code == "backend_fallback"
