"""A real model from the Hub to its first boxes, the network forbidden after the download."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import numpy as np
import pytest

from app.cli import run
from pipeline.backends import catalogue, devices
from pipeline.backends.backend import ModelSettings
from pipeline.backends.detection.llmdet import LLMDetDetector
from pipeline.backends.detection.protocol import DetectionRequest
from pipeline.backends.registry import load_backend
from pipeline.model.problem import DataError
from tests.hub_server import serve
from tests.pipeline.tiny_llmdet import save_tiny_llmdet

pytest.importorskip("huggingface_hub")
torch = pytest.importorskip("torch")
pytest.importorskip("transformers")


def test_a_model_is_fetched_verified_and_runs_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert LLMDetDetector.weights is not None
    repo = LLMDetDetector.weights.repo
    torch.set_num_threads(1)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("DEMOSCOPE_MODELS_DIR", raising=False)
    monkeypatch.setattr(catalogue, "devices_here", lambda: ())
    with serve({}, models={repo: save_tiny_llmdet(tmp_path / "hub")}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        with pytest.raises(DataError, match="demoscope models download llmdet"):
            load_backend("detection", "llmdet")
        assert hub.requests == [], "stages never fetch anything"
        assert run(["models", "download", "llmdet"]) == 0

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    capsys.readouterr()
    assert run(["models", "verify", "llmdet", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert {f["state"] for f in found["files"]} == {"ok"}
    assert len(found["files"]) == len(LLMDetDetector.weights.files)
    detector = load_backend("detection", "llmdet", ModelSettings(device="cpu"))
    assert detector.identity() != "llmdet:none"
    image = np.random.default_rng(0).integers(0, 255, (120, 160, 3)).astype(np.uint8)
    request = DetectionRequest(image, "red block", ("red",), (), (), 5, 0.0, 0.8, 0.0, 1.0, least=3)
    assert detector.detect(request, lambda *_: None)
    devices.release_models()
