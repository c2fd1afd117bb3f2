"""LLMDet on tiny random weights, loaded by the code that loads the real ones."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.backends import devices
from pipeline.backends.backend import ModelSettings
from pipeline.backends.detection.llmdet import MOST_FURTHER, LLMDetDetector
from pipeline.backends.detection.protocol import Detection, DetectionRequest
from pipeline.backends.registry import describe_backend, load_backend
from pipeline.backends.weights import MODELS_FOLDER
from pipeline.model.problem import Cancelled, DataError
from tests.pipeline.tiny_llmdet import save_tiny_llmdet

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

ROBOT = ("robot arm", "robot gripper")
WIDTH, HEIGHT = 240, 170


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    torch.set_num_threads(1)
    yield save_tiny_llmdet(tmp_path_factory.mktemp("llmdet"))
    devices.release_models()


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test may reach the network, nor find weights of this machine."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.delenv(MODELS_FOLDER, raising=False)


def picture(seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 255, (HEIGHT // 10, WIDTH // 10, 3))
    return np.repeat(np.repeat(small, 10, 0), 10, 1).astype(np.uint8)


def detector(weights: Path | str, precision: str = "float32") -> LLMDetDetector:
    made = load_backend("detection", "llmdet", ModelSettings(str(weights), "cpu", precision))
    assert isinstance(made, LLMDetDetector)
    return made


def request(phrase: str = "red block", **changes: Any) -> DetectionRequest:
    values: dict[str, Any] = {
        "image": picture(),
        "phrase": phrase,
        "colors": (),
        "still": (),
        "later": (),
        "limit": 25,
        "threshold": 0.0,
        "nms_iou": 0.7,
        "min_area": 0.0,
        "max_area": 1.0,
        "least": 5,
    }
    return DetectionRequest(**{**values, **changes})


def silent(share: float, what: str) -> None:
    assert 0.0 <= share <= 1.0
    assert what


def own(found: tuple[Detection, ...]) -> list[Detection]:
    return [d for d in found if not d.is_further]


def fails(work: Callable[[], object]) -> DataError:
    with pytest.raises(DataError) as caught:
        work()
    assert "\n" not in str(caught.value)
    return caught.value


def test_scores_and_boxes_are_those_of_the_model(weights: Path) -> None:
    """Against the library's model called by hand, with the phrases' tokens counted by hand."""
    from PIL import Image
    from transformers import AutoModelForZeroShotObjectDetection, AutoProcessor

    model = AutoModelForZeroShotObjectDetection.from_pretrained(weights).eval()
    inputs = AutoProcessor.from_pretrained(weights, backend="pil")(
        images=Image.fromarray(picture()),
        text="red blocks. robot arm. robot gripper.",
        return_tensors="pt",
    )
    #      [CLS] red block ##s  .  robot arm  .  robot gripper  .  [SEP]
    known = [101, 200, 202, 206, 1012, 203, 204, 1012, 203, 205, 1012, 102]
    assert inputs["input_ids"][0].tolist() == known
    with torch.no_grad():
        output = model(**inputs)
    probabilities = output.logits[0].sigmoid()
    means = [probabilities[:, a:b].mean(1).numpy() for a, b in ((1, 4), (5, 7), (8, 10))]
    centre, half = output.pred_boxes[0, :, :2].numpy(), output.pred_boxes[0, :, 2:].numpy() / 2
    corners = np.clip(np.concatenate([centre - half, centre + half], 1), 0, 1)
    corners *= (WIDTH, HEIGHT, WIDTH, HEIGHT)

    asked = request("Red blocks.", nms_iou=1.0, further=ROBOT, further_threshold=0.0)
    found = detector(weights).detect(asked, silent)
    best = np.argsort(-means[0], kind="stable")[:25]
    assert [d.score for d in own(found)] == pytest.approx(means[0][best], abs=1e-5)
    assert np.array([d.box for d in own(found)]) == pytest.approx(corners[best], abs=1e-2)
    first = own(found)[0]
    assert first.evidence.startswith(f"“red blocks” {first.score:.2f}: red ")
    assert "blocks 0." in first.evidence
    assert {d.origin for d in found} == {"phrase"}
    stacked = np.stack(means)
    for number, name in enumerate(ROBOT, 1):
        mine = np.flatnonzero(stacked.argmax(0) == number)
        ranked = np.sort(stacked[number, mine])[::-1][:MOST_FURTHER]
        boxes = [d for d in found if d.label == name]
        assert all(d.is_further for d in boxes)
        assert [d.score for d in boxes] == pytest.approx(ranked, abs=1e-5)


def test_all_heads_of_the_file_are_loaded(weights: Path) -> None:
    """The published checkpoints have one head per layer; sharing them would be silently wrong."""
    from safetensors.torch import load_file

    model = devices.loaded(detector(weights), "grounding", detector(weights)._build).model
    stored = load_file(weights / "model.safetensors")
    for number in (0, 1):
        name = f"bbox_embed.{number}.layers.0.weight"
        assert torch.equal(model.get_parameter(name), stored[name])
    first, second = (model.get_parameter(f"bbox_embed.{n}.layers.0.weight") for n in (0, 1))
    assert not torch.equal(first, second)
    assert not model.training


def test_it_is_deterministic_and_loads_once(weights: Path) -> None:
    one = detector(weights)
    again = one.detect(request(further=ROBOT), silent)
    kept = len(devices._MODELS)
    assert detector(weights).detect(request(further=ROBOT), silent) == again
    assert len(devices._MODELS) == kept
    assert one.placement == "cpu, float32"


def test_half_precision_moves_no_box(weights: Path) -> None:
    """Positions in bfloat16 would be multiples of up to a pixel here.

    Random weights rank the model's queries at random, so that some are others in half precision;
    the boxes of the same ones must agree.
    """
    asked = request(nms_iou=1.0, limit=40)
    full = detector(weights).detect(asked, silent)
    half = detector(weights, "bfloat16").detect(asked, silent)
    assert [d.score for d in half] != [d.score for d in full]
    boxes = np.array([d.box for d in full])
    apart = np.abs(boxes[None] - np.array([d.box for d in half])[:, None]).max(axis=2)
    same = np.argwhere(apart < 0.1)
    assert len(same) >= 12
    for i, k in same:
        assert half[i].score == pytest.approx(full[k].score, abs=0.003)


def test_threshold_least_and_limit(tmp_path: Path) -> None:
    weights = save_tiny_llmdet(tmp_path, bias=-30.0)  # every probability is about zero
    found = detector(weights).detect(request(threshold=0.05, further=ROBOT), silent)
    assert len(found) == 5
    assert all(d.is_below and "under the threshold 0.05" in d.evidence for d in found)
    assert detector(weights).detect(request(threshold=0.05, least=0), silent) == ()
    assert len(detector(weights).detect(request(threshold=0.05, limit=2), silent)) == 2
    devices.release_models()
    sure = save_tiny_llmdet(tmp_path / "sure", bias=30.0)  # and here about one
    many = detector(sure).detect(request(threshold=0.9, limit=25, nms_iou=0.9), silent)
    assert len(many) == 25
    assert not any(d.is_below for d in many)
    assert min(d.score for d in many) > 0.99


def test_boxes_keep_to_sizes_overlaps_and_the_picture(weights: Path) -> None:
    from pipeline.model.score import box_area, box_iou

    limits = {"min_area": 0.004, "max_area": 0.2, "nms_iou": 0.3}
    found = detector(weights).detect(request(**limits), silent)
    assert found
    shares = [box_area(d.box) / (WIDTH * HEIGHT) for d in found]
    assert 0.004 <= min(shares) <= max(shares) <= 0.2
    assert all(box_iou(a.box, b.box) <= 0.3 for i, a in enumerate(found) for b in found[i + 1 :])
    for x0, y0, x1, y1 in (d.box for d in found):
        assert 0 <= x0 < x1 <= WIDTH
        assert 0 <= y0 < y1 <= HEIGHT
    scores = [d.score for d in found]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize(
    ("phrase", "why"),
    [
        ("", "the instruction names no object"),
        ("...?!", "the instruction names no object"),
        ("kırmızı küp", "no word of “kırmızı küp” is known to the model"),
    ],
)
def test_without_a_phrase_it_asks_for_an_object_and_says_so(
    weights: Path, phrase: str, why: str
) -> None:
    found = detector(weights).detect(request(phrase, further=ROBOT), silent)
    assert {d.label for d in own(found)} == {"object"}
    assert all(why in d.evidence for d in own(found))
    plain = detector(weights).detect(request("object", further=ROBOT), silent)
    assert [d.score for d in own(found)] == [d.score for d in own(plain)]
    assert {d.label for d in own(plain)} == {""}


def test_odd_phrases_are_the_plain_ones(weights: Path) -> None:
    plain = detector(weights).detect(request("red block"), silent)
    for odd in ("Red. Block?", "[red] <block>!", "red\n\tblock…"):
        assert [d.score for d in detector(weights).detect(request(odd), silent)] == [
            d.score for d in plain
        ]
    long = detector(weights).detect(request("red block " * 80, further=ROBOT), silent)
    assert own(long)


def test_phrases_may_repeat(weights: Path) -> None:
    """The robot as the object, and one further phrase twice."""
    asked = request("robot arm", further=("robot arm", "robot arm", "robot gripper"))
    found = detector(weights).detect(asked, silent)
    once = detector(weights).detect(request("robot arm", further=ROBOT), silent)
    assert found == once


def test_the_files_that_it_names_are_enough(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = LLMDetDetector.weights
    assert named is not None
    monkeypatch.setenv(MODELS_FOLDER, str(tmp_path))
    folder = tmp_path / named.repo
    folder.mkdir(parents=True)
    for name in named.files:
        reason = describe_backend("detection", "llmdet").reason
        assert "demoscope models download llmdet" in reason
        assert "Apache-2.0" in reason
        shutil.copy(weights / name, folder / name)
    assert describe_backend("detection", "llmdet").reason == ""
    found = load_backend("detection", "llmdet").detect(request(), silent)
    assert found == detector(weights).detect(request(), silent)


def test_another_hub_id_is_found_in_the_cache(weights: Path, tmp_path: Path) -> None:
    cached = tmp_path / "hub/models--iSEE-Laboratory--llmdet_base"
    shutil.copytree(weights, cached / "snapshots/abc")
    (cached / "refs").mkdir()
    (cached / "refs/main").write_text("abc")
    assert detector("iSEE-Laboratory/llmdet_base").detect(request(), silent)
    error = fails(lambda: detector("iSEE-Laboratory/llmdet_large"))
    assert error.code == "no_backend"
    assert "iSEE-Laboratory/llmdet_large" in str(error)


def test_a_folder_of_save_pretrained_works_too(weights: Path, tmp_path: Path) -> None:
    from transformers import AutoProcessor

    folder = tmp_path / "own"
    folder.mkdir()
    for name in ("config.json", "model.safetensors"):
        shutil.copy(weights / name, folder / name)
    AutoProcessor.from_pretrained(weights).save_pretrained(folder)
    assert not (folder / "vocab.txt").exists()
    same = detector(folder).detect(request(), silent)
    assert same == detector(weights).detect(request(), silent)


def cut(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:20_000])


def drop_tensors(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    values = load_file(folder / "model.safetensors")
    kept = {k: v for k, v in values.items() if not k.startswith("model.encoder.")}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})


def other_model(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "vit"}))


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (cut, "does not load as llmdet"),
        (drop_tensors, "weights are missing, the first is model.encoder."),
        (lambda f: (f / "vocab.txt").unlink(), "its tokenizer is not the one"),
        (lambda f: (f / "preprocessor_config.json").unlink(), "does not load as llmdet"),
        (lambda f: (f / "config.json").write_text("{"), "does not load as llmdet"),
        (other_model, "does not load as llmdet"),
    ],
)
def test_broken_weights_are_one_sentence(
    weights: Path, tmp_path: Path, break_it: Callable[[Path], None], says: str
) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(weights, folder)
    break_it(folder)
    error = fails(lambda: detector(folder).detect(request(), silent))
    assert error.code == "bad_weights"
    assert says in str(error)
    assert fails(detector(folder).load).code == "bad_weights"


def test_a_file_instead_of_a_folder_is_named(weights: Path) -> None:
    error = fails(lambda: detector(weights / "model.safetensors").detect(request(), silent))
    assert error.code == "no_weights"
    assert "the folder that holds config.json" in str(error)


def test_out_of_memory_is_a_sentence_and_the_next_run_works(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import MMGroundingDinoForObjectDetection

    before = detector(weights).detect(request(), silent)

    def full(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 3.00 GiB.\nGPU 0 has")

    with monkeypatch.context() as patch:
        patch.setattr(MMGroundingDinoForObjectDetection, "forward", full)
        error = fails(lambda: detector(weights).detect(request(), silent))
    assert error.code == "out_of_memory"
    assert "“red block.”" in str(error)
    assert f"{WIDTH}x{HEIGHT}" in str(error)
    assert "smaller model" in str(error)
    assert not devices._MODELS
    assert detector(weights).detect(request(), silent) == before


def test_no_numbers_are_said(tmp_path: Path) -> None:
    weights = save_tiny_llmdet(tmp_path, bias=float("nan"))
    error = fails(lambda: detector(weights).detect(request(), silent))
    assert error.code == "bad_output"
    assert "cpu, float32" in str(error)
    devices.release_models()


@pytest.mark.parametrize("at", [0.0, 0.3, 0.5, 0.9])
def test_it_can_be_cancelled_and_used_again(weights: Path, at: float) -> None:
    """Also in the middle of the forward pass, which takes many seconds on a CPU."""
    before = detector(weights).detect(request(), silent)
    shares: list[float] = []

    def stop(share: float, what: str) -> None:
        shares.append(share)
        if share >= at:
            raise Cancelled

    with pytest.raises(Cancelled):
        detector(weights).detect(request(), stop)
    assert shares == sorted(shares)
    assert shares[-1] < at + 0.1
    assert detector(weights).detect(request(), silent) == before


def test_progress_comes_from_every_stack_of_layers(weights: Path) -> None:
    shares: list[float] = []
    made = detector(weights)
    made.detect(request(), lambda share, what: shares.append(share))
    assert shares == sorted(shares)
    inside = {s for s in shares if 0.3 < s < 0.9}
    assert len(inside) >= 12  # picture, text, encoder, decoder
    model = devices.loaded(made, "grounding", made._build).model
    assert not any(m._forward_pre_hooks for m in model.modules())


def test_what_the_lists_say() -> None:
    card = describe_backend("detection", "llmdet")
    assert (card.title, card.licence, card.kind) == ("LLMDet", "Apache-2.0", "model")
