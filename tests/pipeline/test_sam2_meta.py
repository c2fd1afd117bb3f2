"""Meta's package against transformers on the same numbers, written in the files of both."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("transformers")
pytest.importorskip("sam2", reason="Meta's package is not installed")
import torch

from pipeline.backends.backend import ModelSettings
from pipeline.backends.devices import Placement, release_models
from pipeline.backends.registry import load_backend, make_backend
from pipeline.backends.segmentation import sam2_checkpoint
from pipeline.backends.segmentation.sam2_checkpoint import (
    PUBLISHED,
    Architecture,
    architecture_of,
    package_config,
    read_meta,
)
from pipeline.backends.segmentation.sam2_meta import MetaModel, Sam2Meta
from pipeline.backends.segmentation.sam2_pictures import model_pixels, model_points
from pipeline.backends.segmentation.sam2_segmenter import PictureModel
from pipeline.backends.segmentation.sam2_transformers import (
    Sam2Transformers,
    TransformersPictures,
)
from pipeline.model.arrays import F32
from pipeline.model.problem import DataError
from tests.pipeline.tiny_sam2 import (
    ARCHITECTURE,
    HEIGHT,
    WIDTH,
    iou,
    picture,
    random_model,
    write_folder,
    write_meta,
)

BOXES = ((24.0, 34.0, 56.0, 66.0), (80.0, 10.0, 140.0, 70.0), (0.0, 0.0, 160.0, 96.0))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("sam2") / "tiny")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_meta(tmp_path_factory.mktemp("sam2") / "meta")


@pytest.fixture(scope="module", autouse=True)
def _models() -> Iterator[None]:
    """Loaded models serve all tests, as in a worker."""
    yield
    release_models()


def quiet(share: float, what: str) -> None:
    assert what


def meta(weights: Path) -> Sam2Meta:
    made = load_backend("segmentation", "sam2_meta", ModelSettings(str(weights), "cpu"))
    assert isinstance(made, Sam2Meta)
    return made


def logits(model: PictureModel, several: bool) -> tuple[F32, F32]:
    """Low-resolution logits and ratings of the three boxes."""
    device = torch.device("cpu")
    corners = np.array(BOXES, np.float32).reshape(-1, 2)
    points = model_points(corners, HEIGHT, WIDTH, model.size, device).reshape(-1, 2, 2)
    labels = torch.tensor([[2, 3]], dtype=torch.int32).expand(3, 2)
    with torch.inference_mode():
        features = model.encode(model_pixels(picture(), model.size, device))
        found, rated = model.decode(features, points, labels, several)
    return found.numpy(), rated.numpy()


@pytest.mark.parametrize("several", [False, True])
def test_both_packages_give_the_same_logits(folder: Path, checkpoint: Path, several: bool) -> None:
    place = Placement(torch.device("cpu"), torch.float32)
    ours, rated = logits(TransformersPictures(folder, place), several)
    theirs, rated_there = logits(MetaModel(checkpoint, place), several)
    assert ours.shape == theirs.shape == (3, 3 if several else 1, 32, 32)
    assert ours.std() > 0.1  # else they would be equal because they say nothing
    np.testing.assert_allclose(ours, theirs, atol=1e-3 * ours.std())
    np.testing.assert_allclose(rated, rated_there, atol=1e-4)


def test_both_backends_give_the_same_masks(folder: Path, checkpoint: Path) -> None:
    transformers = load_backend("segmentation", "sam2", ModelSettings(str(folder), "cpu"))
    one = transformers.segment(picture(), BOXES, quiet)
    two = meta(checkpoint).segment(picture(), BOXES, quiet)
    assert all(iou(a, b) > 0.99 for a, b in zip(one.masks, two.masks, strict=True))
    assert all(0.02 < mask.mean() < 0.98 for mask in one.masks)
    single = meta(checkpoint).segment(picture(), BOXES[1:2], quiet)  # another path in its decoder
    assert iou(single.masks[0], two.masks[1]) > 0.99


def test_transformers_reads_metas_checkpoint_without_metas_package(
    folder: Path, checkpoint: Path
) -> None:
    found = []
    for weights in (folder, checkpoint, checkpoint.parent):
        backend = load_backend("segmentation", "sam2", ModelSettings(str(weights), "cpu"))
        assert isinstance(backend, Sam2Transformers)
        found.append(backend.segment(picture(), BOXES, quiet).masks)
    assert (found[0] == found[1]).all()
    assert (found[0] == found[2]).all()


def test_clicks_are_the_same_in_both(folder: Path, checkpoint: Path) -> None:
    points = np.array([[40.0, 50.0], [120.0, 20.0]], np.float32)
    inside = np.array([True, False])
    transformers = load_backend("segmentation", "sam2", ModelSettings(str(folder), "cpu"))
    one = transformers.segment_points(picture(), points, inside)
    assert iou(one, meta(checkpoint).segment_points(picture(), points, inside)) > 0.99


@pytest.mark.parametrize("size", sam2_checkpoint.SIZES)
def test_our_sizes_are_those_of_metas_configurations(size: str) -> None:
    from hydra import compose

    official = {"tiny": "t", "small": "s", "base-plus": "b+", "large": "l"}[size]
    theirs = compose(config_name=f"configs/sam2.1/sam2.1_hiera_{official}.yaml").model
    name, overrides = package_config(PUBLISHED[size])
    ours = compose(config_name=name, overrides=overrides).model
    trunk = dict(theirs.image_encoder.trunk)
    # What a configuration leaves out is the default of the class.
    trunk.setdefault("stages", [2, 3, 16, 3])
    trunk.setdefault("global_att_blocks", [12, 16, 20])
    trunk.setdefault("window_spec", [8, 4, 14, 7])
    trunk.setdefault("window_pos_embed_bkg_spatial_size", [14, 14])
    assert dict(ours.image_encoder.trunk) == trunk
    assert ours.image_encoder.neck == theirs.image_encoder.neck
    assert ours.memory_attention == theirs.memory_attention
    assert ours.image_size == theirs.image_size
    assert ours.no_obj_embed_spatial


def test_the_first_release_has_its_own_configuration() -> None:
    from hydra import compose

    name, overrides = package_config(Architecture(version="2.0"))
    assert "no_obj_embed_spatial" not in compose(config_name=name, overrides=overrides).model


def test_sizes_are_read_from_the_tensors(checkpoint: Path) -> None:
    assert architecture_of(read_meta(checkpoint), checkpoint) == ARCHITECTURE


def test_unknown_sizes_need_a_config_beside(checkpoint: Path, tmp_path: Path) -> None:
    alone = Path(shutil.copy(checkpoint, tmp_path / "alone.pt"))
    for name in ("sam2_meta", "sam2"):
        backend = load_backend("segmentation", name, ModelSettings(str(alone), "cpu"))
        with pytest.raises(DataError, match=r"16 channels and \(1, 2, 2, 1\) blocks") as raised:
            backend.segment(picture(), BOXES, quiet)
        assert raised.value.code == "bad_weights"
        assert "config.json" in str(raised.value)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(DataError, match=r"config.json does not say"):
        meta(alone).segment(picture(), BOXES, quiet)


class _Harm:
    """What a pickle may hold; torch must refuse to run it."""

    ran = False

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return _harm, ()


def _harm() -> None:
    _Harm.ran = True


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    file = tmp_path / "evil.pt"
    torch.save({"model": _Harm()}, file)
    with pytest.raises(DataError, match="does not load as sam2_meta") as raised:
        meta(file).segment(picture(), BOXES, quiet)
    assert raised.value.code == "bad_weights"
    assert not _Harm.ran


@pytest.mark.parametrize("content", [{"model": {"weight": torch.ones(1)}}, [1], {"state": 1}])
def test_other_checkpoints_are_no_sam2(tmp_path: Path, content: Any) -> None:
    file = tmp_path / "other.pt"
    torch.save(content, file)
    with pytest.raises(DataError, match="no SAM 2 checkpoint"):
        meta(file).segment(picture(), BOXES, quiet)


def test_a_missing_tensor_is_named(checkpoint: Path, tmp_path: Path) -> None:
    state = read_meta(checkpoint)
    del state["sam_mask_decoder.iou_token.weight"]
    torch.save({"model": state}, tmp_path / "less.pt")
    shutil.copy(checkpoint.with_name("config.json"), tmp_path)
    with pytest.raises(DataError, match="does not load as sam2_meta") as raised:
        meta(tmp_path / "less.pt").segment(picture(), BOXES, quiet)
    assert raised.value.code == "bad_weights"


def test_metas_package_does_not_read_transformers_folders(folder: Path) -> None:
    with pytest.raises(DataError, match="choose the backend “sam2”"):
        meta(folder).segment(picture(), BOXES, quiet)


def test_a_hub_id_names_the_file_of_its_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEMOSCOPE_MODELS_DIR", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "none"))
    large = ModelSettings("facebook/sam2.1-hiera-large")
    assert make_backend("segmentation", "sam2_meta", large).available() is not None
    file = tmp_path / "facebook/sam2.1-hiera-large/sam2.1_hiera_large.pt"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"")
    backend = make_backend("segmentation", "sam2_meta", large)
    assert backend.available() is None
    assert backend.weights_path() == file
    assert [w.files for w in backend.downloads()] == [("sam2.1_hiera_large.pt",)]
    assert Sam2Meta.weights == Sam2Meta.published("small")  # the default stays


def test_it_is_one_model_for_pictures_and_clips(checkpoint: Path) -> None:
    from pipeline.backends.segmentation.sam2_propagation import video_model

    backend = meta(checkpoint)
    assert video_model(backend) is backend.model()


def test_the_model_is_as_large_as_it_says() -> None:
    count = sum(p.numel() for p in random_model().parameters())
    assert count < 13e6
