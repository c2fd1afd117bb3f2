"""SAM 2 on pictures: random weights in real files, loaded by the real code, on the CPU."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
import torch

from pipeline.backends.backend import ModelSettings
from pipeline.backends.devices import release_models
from pipeline.backends.registry import load_backend, make_backend
from pipeline.backends.segmentation import sam2_segmenter
from pipeline.backends.segmentation.protocol import inscribed_ellipse
from pipeline.backends.segmentation.sam2_checkpoint import PUBLISHED, transformers_config
from pipeline.backends.segmentation.sam2_segmenter import EncodedPictures, clip_box
from pipeline.backends.segmentation.sam2_transformers import Sam2Transformers, TransformersPictures
from pipeline.model.arrays import U8
from pipeline.model.candidate import MasksResult, Proposal, ProposalsResult
from pipeline.model.problem import Cancelled, DataError
from pipeline.stages.backend_options import FALLBACK
from pipeline.stages.masks import MasksOptions, MasksStage
from tests.pipeline.rendered_scene import KEY, Scene, run
from tests.pipeline.tiny_sam2 import HEIGHT, WIDTH, iou, picture, quiet, random_model, write_folder

BOXES = ((24.0, 34.0, 56.0, 66.0), (80.0, 10.0, 140.0, 70.0), (0.0, 0.0, 160.0, 96.0))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("sam2") / "tiny")


@pytest.fixture(scope="module", autouse=True)
def _models() -> Iterator[None]:
    """Loaded models serve all tests, as in a worker."""
    yield
    release_models()


def segmenter(weights: Path, **settings: str) -> Sam2Transformers:
    made = load_backend("segmentation", "sam2", ModelSettings(str(weights), "cpu", **settings))
    assert isinstance(made, Sam2Transformers)
    return made


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry per picture that went through the encoder."""
    release_models()
    calls: list[int] = []
    encode = TransformersPictures.encode

    def counted(self: TransformersPictures, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        calls.append(len(pixels))
        return encode(self, pixels)

    monkeypatch.setattr(TransformersPictures, "encode", counted)
    return calls


def test_masks_have_the_size_of_the_picture_and_repeat(weights: Path) -> None:
    first = segmenter(weights).segment(picture(), BOXES, quiet)
    assert first.masks.shape == (3, HEIGHT, WIDTH)
    assert first.masks.dtype == np.bool_
    assert first.collapsed == ()
    assert first.quality is not None
    assert ((first.quality > 0) & (first.quality <= 1)).all()
    assert first.placement == "cpu, float32"
    release_models()
    again = segmenter(weights).segment(picture(), BOXES, quiet)
    assert (first.masks == again.masks).all()
    assert (first.quality == again.quality).all()


def test_coordinates_are_those_of_the_original_picture(weights: Path) -> None:
    """Against the bare model, with Pillow's and OpenCV's resizing instead of ours."""
    from PIL import Image
    from transformers import Sam2Model

    found = segmenter(weights).segment(picture(), BOXES, quiet)
    model = Sam2Model.from_pretrained(weights).eval()
    square = Image.fromarray(picture()).resize((128, 128), Image.Resampling.BILINEAR)
    pixels = (np.asarray(square, np.float32) / 255 - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    boxes = np.array(BOXES, np.float32) * (128 / WIDTH, 128 / HEIGHT, 128 / WIDTH, 128 / HEIGHT)
    with torch.inference_mode():
        bare = model(
            pixel_values=torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1)[None],
            input_boxes=torch.from_numpy(boxes.astype(np.float32))[None],
            multimask_output=False,
        )
    for mask, logits in zip(found.masks, bare.pred_masks[0, :, 0].numpy(), strict=True):
        assert 0.02 < mask.mean() < 0.98  # else the comparison would say nothing
        full = cv2.resize(logits, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
        assert iou(mask, full > 0) > 0.98


def test_boxes_in_chunks_give_the_same_masks(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = segmenter(weights).segment(picture(), BOXES, quiet)
    monkeypatch.setattr(sam2_segmenter, "BOXES_AT_ONCE", 1)
    shares: list[float] = []
    single = segmenter(weights).segment(picture(), BOXES, lambda share, _: shares.append(share))
    assert (together.masks == single.masks).all()
    assert shares == sorted(shares)
    assert len(shares) == 5  # loading, encoding, three chunks


def test_best_of_three_takes_the_mask_that_is_rated_best(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def three(
        self: Any, features: Any, points: torch.Tensor, labels: torch.Tensor, several: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Left half, top half, everything; the first box's best is the second one."""
        asked.append(several)
        logits = torch.full((len(points), 3, 32, 32), -9.0)
        logits[:, 0, :, :16] = logits[:, 1, :16] = logits[:, 2] = 9.0
        return logits, torch.tensor([[0.2, 0.9, 0.3], [0.8, 0.1, 0.7]])

    monkeypatch.setattr(TransformersPictures, "decode", three)
    scene, given = Scene(), proposals((50, 50, 90, 70), (100, 100, 150, 130))
    options = MasksOptions(backend="sam2", weights=str(weights), device="cpu", best_of_three=True)
    result = run(scene, MasksStage(), given, options=options)
    top, left = result.masks
    assert top[:119].all()
    assert not top[121:].any()
    assert left[:, :159].all()
    assert not left[:, 161:].any()
    assert result.quality == pytest.approx([0.9, 0.8])
    run(scene, MasksStage(), given, options=replace(options, best_of_three=False))
    assert asked == [True, False]


def test_three_masks_per_box_come_from_the_real_decoder(weights: Path) -> None:
    several = segmenter(weights)
    several.best_of_three = True
    best = several.segment(picture(), BOXES, quiet)
    assert best.quality is not None
    assert (best.quality > 0.99).all()  # planted: the second of three is sure of itself


def test_empty_and_degenerate_boxes_collapse(weights: Path) -> None:
    nothing = segmenter(weights).segment(picture(), (), quiet)
    assert nothing.masks.shape == (0, HEIGHT, WIDTH)
    nan = float("nan")
    boxes = (BOXES[0], (50, 50, 50, 60), (-30, -30, -5, -5), (nan, nan, nan, nan), (9, 9, 5, 5))
    found = segmenter(weights).segment(picture(), boxes, quiet)
    assert found.collapsed == (1, 2, 3, 4)
    assert not found.masks[1:].any()
    assert found.quality is not None
    assert np.isnan(found.quality).tolist() == [False, True, True, True, True]
    alone = segmenter(weights).segment(picture(), BOXES[:1], quiet)
    assert (found.masks[0] == alone.masks[0]).all()


def test_boxes_are_clipped_to_the_picture(weights: Path) -> None:
    assert clip_box((-5, -5, 30.5, 2000), HEIGHT, WIDTH) == (0, 0, 30.5, HEIGHT)
    outside = segmenter(weights).segment(picture(), ((-50, -50, 400, 400),), quiet)
    whole = segmenter(weights).segment(picture(), ((0, 0, WIDTH, HEIGHT),), quiet)
    assert (outside.masks == whole.masks).all()


def test_a_mask_of_nothing_becomes_the_ellipse(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(
        self: Any, features: Any, points: torch.Tensor, labels: Any, several: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.full((len(points), 1, 32, 32), -9.0), torch.ones(len(points), 1)

    monkeypatch.setattr(TransformersPictures, "decode", nothing)
    found = segmenter(weights).segment(picture(), BOXES[:1], quiet)
    assert found.collapsed == (0,)
    assert (found.masks[0] == inscribed_ellipse(BOXES[0], HEIGHT, WIDTH)).all()
    assert found.masks[0].sum() == pytest.approx(np.pi * 16 * 16, rel=0.05)


def test_a_moved_box_is_only_decoded(weights: Path, encoded: list[int]) -> None:
    """The cache outlives the backend object: each run of the stage makes its own."""
    options = MasksOptions(backend="sam2", weights=str(weights), device="cpu")
    scene = Scene()
    results = [
        run(scene, MasksStage(), proposals((50.0 + d, 50, 90, 70)), options=options)
        for d in (0, 3, 6)
    ]
    assert encoded == [1]
    assert all(isinstance(r, MasksResult) and r.backend == "sam2" for r in results)
    assert results[0].placement == "cpu, float32"
    assert results[0].quality is not None
    segmenter(weights).segment(picture(), BOXES, quiet)
    assert encoded == [1, 1]  # another picture
    segmenter(weights, precision="bfloat16").segment(picture(), BOXES, quiet)
    assert encoded == [1, 1, 1]  # other numbers


def test_one_changed_pixel_is_another_picture(weights: Path, encoded: list[int]) -> None:
    image = picture()
    segmenter(weights).segment(image, BOXES, quiet)
    image[0, 0, 0] ^= 1
    segmenter(weights).segment(image, BOXES, quiet)
    segmenter(weights).segment(np.asfortranarray(picture()), BOXES, quiet)
    assert len(encoded) == 2


def test_the_cache_is_bounded() -> None:
    cache = EncodedPictures(capacity=100)
    features = (torch.zeros(10),)  # 40 bytes
    for key in (b"a", b"b"):
        cache.put(key, features)
    assert cache.get(b"a") is not None  # now the younger one
    cache.put(b"c", features)
    assert cache.size == 80
    assert cache.get(b"b") is None
    assert cache.get(b"a") is not None
    cache.put(b"d", (torch.zeros(1000),))
    assert cache.size == 0


def proposals(*boxes: tuple[float, float, float, float]) -> dict[str, ProposalsResult]:
    found = tuple(Proposal(i, b, 12, 0.5, "", "region") for i, b in enumerate(boxes))
    return {"proposals": ProposalsResult(KEY, 12, found, (), "test")}


def test_clicks_segment_too(weights: Path, encoded: list[int]) -> None:
    one = segmenter(weights)
    on, beside = np.array([[40.0, 50.0]], np.float32), np.array([[120.0, 20.0]], np.float32)
    mask = one.segment_points(picture(), on, np.array([True]))
    assert mask.shape == (HEIGHT, WIDTH)
    two = one.segment_points(picture(), np.concatenate([on, beside]), np.array([True, False]))
    swapped = one.segment_points(picture(), np.concatenate([on, beside]), np.array([False, True]))
    assert not (two == swapped).all()
    assert len(encoded) == 1


def test_half_precision_is_near(weights: Path) -> None:
    exact = segmenter(weights).segment(picture(), BOXES, quiet)
    half = segmenter(weights, precision="bfloat16").segment(picture(), BOXES, quiet)
    assert half.placement == "cpu, bfloat16"
    assert not np.array_equal(exact.quality, half.quality)  # type: ignore[arg-type]
    assert all(iou(a, b) > 0.9 for a, b in zip(exact.masks, half.masks, strict=True))


def out_of_memory(*_: Any) -> Any:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def test_running_out_of_memory_says_what_to_lower(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = segmenter(weights).segment(picture(), BOXES, quiet)
    with monkeypatch.context() as patch:
        patch.setattr(TransformersPictures, "decode", out_of_memory)
        with pytest.raises(DataError, match="max_candidates") as raised:
            segmenter(weights).segment(picture(), BOXES, quiet)
    assert raised.value.code == "out_of_memory"
    assert "segmenting 3 boxes" in str(raised.value)
    after = segmenter(weights).segment(picture(), BOXES, quiet)
    assert (after.masks == before.masks).all()


def test_the_stage_falls_back_only_if_allowed(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TransformersPictures, "encode", out_of_memory)
    options = MasksOptions(backend="sam2", weights=str(weights), device="cpu")
    given = proposals(Scene().object_box(12))
    with pytest.raises(DataError, match="out of memory"):
        run(Scene(), MasksStage(), given, options=options)
    result = run(Scene(), MasksStage(), given, options=replace(options, allow_fallback=True))
    assert result.backend == "grabcut"
    assert [p.code for p in result.problems] == [FALLBACK]
    assert result.quality is None


@pytest.mark.parametrize("calls", [0, 1, 2])
def test_it_can_be_cancelled(weights: Path, calls: int) -> None:
    left = [calls]

    def cancelling(share: float, what: str) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Cancelled

    with pytest.raises(Cancelled):
        segmenter(weights).segment(picture(), BOXES, cancelling)


def test_without_weights_it_says_how_to_get_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "DEMOSCOPE_MODELS_DIR"):
        monkeypatch.setenv(variable, str(tmp_path))
    reason = make_backend("segmentation", "sam2").available()
    assert reason is not None
    assert "demoscope models download sam2" in reason
    assert "Apache-2.0" in reason
    with pytest.raises(DataError, match="not on this machine"):
        segmenter(tmp_path / "nowhere")
    # Where the Hub puts it, it is found.
    snapshot = tmp_path / "models--facebook--sam2.1-hiera-large" / "snapshots" / "main"
    snapshot.mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        (snapshot / name).write_bytes(b"")
    large = ModelSettings("facebook/sam2.1-hiera-large")
    assert make_backend("segmentation", "sam2", large).available() is None


def _cut(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:100_000])


def _without_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def _another_model(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", "hidden_size": 8}))


def _without_a_tensor(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    state = load_file(folder / "model.safetensors")
    del state["mask_decoder.iou_token.weight"]
    save_file(state, folder / "model.safetensors", {"format": "pt"})


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (_cut, "does not load as sam2"),
        (_without_config, "does not load as sam2"),
        (_another_model, "sam2"),
        (_without_a_tensor, "lack 1 tensors .*mask_decoder.iou_token.weight"),
    ],
)
@pytest.mark.filterwarnings("ignore")  # transformers' own remarks on the way to its error
def test_broken_weights_are_one_sentence(
    weights: Path, tmp_path: Path, harm: Any, words: str
) -> None:
    copy = Path(shutil.copytree(weights, tmp_path / "copy"))
    harm(copy)
    with pytest.raises(DataError, match=words) as raised:
        segmenter(copy).segment(picture(), BOXES, quiet)
    assert raised.value.code == "bad_weights"
    assert "\n" not in str(raised.value)


def test_other_weights_are_another_identity_and_other_masks(weights: Path, tmp_path: Path) -> None:
    other = write_folder(tmp_path / "other", random_model(seed=1))
    one, two = segmenter(weights), segmenter(other)
    assert one.identity() != two.identity()
    masks = [s.segment(picture(), BOXES, quiet).masks for s in (one, two)]
    assert not (masks[0] == masks[1]).all()


def test_a_model_can_be_used_from_another_thread(weights: Path) -> None:
    """Batch runs load in the thread that prepares the work."""
    one = segmenter(weights)
    thread = threading.Thread(target=one.load)
    thread.start()
    thread.join()
    assert one.segment(picture(), BOXES, quiet).masks.any()


@pytest.mark.parametrize(
    ("size", "millions"), [("tiny", 38.9), ("small", 46), ("base-plus", 80.8), ("large", 224.4)]
)
def test_published_sizes_have_the_published_numbers_of_parameters(
    size: str, millions: float
) -> None:
    """Against the table in the README of facebookresearch/sam2."""
    from transformers import Sam2VideoConfig, Sam2VideoModel

    with torch.device("meta"):
        model = Sam2VideoModel(Sam2VideoConfig(**transformers_config(PUBLISHED[size])))
    count = sum(p.numel() for p in model.parameters()) / 1e6
    assert count == pytest.approx(millions, abs=0.1)


def test_importing_the_backend_imports_no_torch() -> None:
    import subprocess
    import sys

    code = "import sys, pipeline.backends.segmentation.sam2_transformers as a, "
    code += "pipeline.backends.segmentation.sam2_meta as b, pipeline.backends.tracking.sam2_video; "
    code += "a.Sam2Transformers(), b.Sam2Meta(); print('torch' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.stdout.strip() == "False", answer.stderr


def test_pictures_may_be_read_only(weights: Path) -> None:
    image: U8 = picture()
    image.flags.writeable = False
    assert segmenter(weights).segment(image, BOXES, quiet).masks.any()
