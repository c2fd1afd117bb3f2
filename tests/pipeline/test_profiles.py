"""Backends of several stages chosen at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from app.annotate_command import parse_settings
from pipeline.annotate import standard_graph
from pipeline.backends.registry import backend_names
from pipeline.model.problem import DataError
from pipeline.stages.profiles import PROFILES, missing, with_profile
from tests.pipeline.geometry_clip import HEIGHT, WIDTH, Clip, lifted


def test_every_backend_of_a_profile_exists() -> None:
    graph = standard_graph()
    for profile in PROFILES.values():
        for stage, (capability, backend) in profile.backends.items():
            assert graph.stage(stage).capability == capability
            assert backend in backend_names(capability)


def test_a_profile_changes_backends_and_nothing_else() -> None:
    options = standard_graph().default_options()
    options["proposals"] = replace(options["proposals"], max_candidates=7)
    chosen = with_profile(options, PROFILES["models"])
    assert chosen["proposals"] == replace(options["proposals"], backend="llmdet")
    assert chosen["phases"] is options["phases"]
    assert chosen["subtasks"] is options["subtasks"]
    assert with_profile(chosen, PROFILES["embedded"]) == options
    # Weights of one model are none of another.
    named = dict(options, masks=replace(options["masks"], weights="mine"))
    assert with_profile(named, PROFILES["models"])["masks"].weights == ""
    assert with_profile(named, PROFILES["embedded"])["masks"].weights == "mine"


def test_the_command_line_takes_a_profile_and_exceptions() -> None:
    graph = standard_graph()
    options = parse_settings(["masks.backend=grabcut"], graph, "models")
    assert options["proposals"].backend == "llmdet"
    assert options["masks"].backend == "grabcut"
    assert parse_settings([], graph) == graph.default_options()


def test_the_embedded_profile_lacks_nothing() -> None:
    assert missing(PROFILES["embedded"]) == {}


def test_what_models_lack_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    reasons = missing(PROFILES["models"])
    assert "demoscope models download llmdet" in reasons["llmdet"]
    assert {"llmdet", "sam2"} <= set(reasons)


def test_recorded_depth_goes_before_a_model() -> None:
    """A clip with depth is lifted with that, although the model has no weights."""
    clip = Clip()
    clip.metres = lambda frame: np.full((HEIGHT, WIDTH), 2.0, np.float32)
    clip.intrinsics = np.array([[70.0, 0, 40], [0, 70, 30], [0, 0, 1]])
    result = lifted(clip, backend="moge", weights="nowhere")
    assert result.backend == "recorded_depth"
    assert result.xyz[..., 2] == pytest.approx(2.0)
    with pytest.raises(DataError, match="nowhere"):
        lifted(clip, backend="moge", weights="nowhere", prefer_recorded=False)
    clip.metres = None
    with pytest.raises(DataError, match="nowhere"):
        lifted(clip, backend="moge", weights="nowhere")
