"""The proposals by LLMDet with tiny random weights, through the graph and its cache."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from pipeline.backends import devices, registry
from pipeline.backends.detection.protocol import Detection, DetectionRequest
from pipeline.engine.cache import ResultCache, StageOutcome
from pipeline.engine.graph import Graph, Plan, Run, StageFailed
from pipeline.model.edits import Edit
from pipeline.model.subtask import SubtasksResult
from pipeline.stages.backend_options import FALLBACK
from pipeline.stages.proposal_search import ROBOT_PHRASES
from pipeline.stages.proposals import ProposalsOptions, ProposalsStage
from pipeline.stages.stage import Scope, Stage
from tests.pipeline.rendered_scene import HEIGHT, WIDTH, Scene
from tests.pipeline.tiny_llmdet import save_tiny_llmdet

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")


class Known(Stage[Any, SubtasksResult]):
    """Subtasks that are known beforehand."""

    name: ClassVar[str] = "subtasks"
    title: ClassVar[str] = "Subtasks"
    version: ClassVar[int] = 1
    scope: ClassVar[Scope] = Scope.EPISODE
    inputs: ClassVar[tuple[str, ...]] = ()
    options_type: ClassVar[type] = ProposalsOptions
    result_type: ClassVar[type] = SubtasksResult

    def run(self, *_: Any) -> SubtasksResult:
        return Scene().subtasks()


class Simple:
    """Stands in for the embedded detector: as quick as a test should be."""

    name = "simple"
    licence = "MIT"

    def available(self) -> None:
        return None

    def detect(self, request: DetectionRequest, progress: Any) -> tuple[Detection, ...]:
        return (Detection((30.0, 30.0, 60.0, 60.0), 0.4, "region", "simple"),)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    torch.set_num_threads(1)
    yield save_tiny_llmdet(tmp_path_factory.mktemp("llmdet"))
    devices.release_models()


@pytest.fixture(autouse=True)
def _nothing_else_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.delenv("DEMOSCOPE_MODELS_DIR", raising=False)
    monkeypatch.setitem(registry.EMBEDDED, "detection", {"simple": f"{__name__}:Simple"})


def compute(cache: Path, edits: tuple[Edit, ...] = (), **options: Any) -> StageOutcome:
    """Run the two stages; the outcome of the proposals."""
    scene = Scene()
    graph = Graph((Known(), ProposalsStage()))
    chosen = ProposalsOptions(**{"backend": "llmdet", "device": "cpu", **options})
    plan = Plan(scene.demonstration, graph.default_options() | {"proposals": chosen}, edits)
    *_, last = Run(graph, plan, ResultCache(cache), lambda: scene).episode()
    assert last.stage == "proposals"
    return last


def test_a_whole_subtask(weights: Path, tmp_path: Path) -> None:
    """Random weights find nothing in particular; what is true of any weights is asserted."""
    outcome = compute(tmp_path, weights=str(weights), robot_threshold=0.0)
    result = outcome.result
    assert (result.backend, result.placement) == ("llmdet", "cpu, float32")
    assert 5 <= len(result.candidates) <= 20
    assert {p.label for p in result.candidates} == {"red block"}
    assert result.robot
    assert {p.label for p in result.robot} <= set(ROBOT_PHRASES)
    assert {p.frame for p in result.targets} <= {0, 59}
    assert {p.label for p in result.targets} == {"plate"}
    for p in (*result.candidates, *result.targets, *result.robot, *result.again):
        assert 0 <= p.box[0] < p.box[2] <= WIDTH
        assert 0 <= p.box[1] < p.box[3] <= HEIGHT
        assert p.evidence.startswith("“")

    devices.release_models()
    again = compute(tmp_path, weights=str(weights), robot_threshold=0.0)
    assert again.cached
    assert again.result == result
    assert not devices._MODELS  # nothing was loaded for it


def test_the_content_of_the_weights_decides_the_key(weights: Path, tmp_path: Path) -> None:
    first = compute(tmp_path, weights=str(weights))
    copy = Path(shutil.copytree(weights, tmp_path / "copy"))
    assert compute(tmp_path, weights=str(copy)).cached
    other = save_tiny_llmdet(tmp_path / "other", bias=1.0)
    changed = compute(tmp_path, weights=str(other))
    assert not changed.cached
    assert changed.key != first.key
    assert min(p.score for p in changed.result.candidates) > 0.3


def test_without_weights_it_fails_with_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StageFailed) as caught:
        compute(tmp_path)
    assert caught.value.code == "no_backend"
    assert "demoscope models download llmdet" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_fallback_says_so_and_is_tried_again(weights: Path, tmp_path: Path) -> None:
    cache, broken = tmp_path / "cache", Path(shutil.copytree(weights, tmp_path / "broken"))
    (broken / "vocab.txt").unlink()
    with pytest.raises(StageFailed) as caught:
        compute(cache, weights=str(broken))
    assert caught.value.code == "bad_weights"
    fallen = compute(cache, weights=str(broken), allow_fallback=True)
    assert (fallen.result.backend, fallen.result.placement) == ("simple", "")
    (problem,) = fallen.result.problems
    assert problem.code == FALLBACK
    assert problem.message.startswith("simple ran instead of llmdet: broken does not load")
    assert not compute(cache, weights=str(broken), allow_fallback=True).cached

    shutil.copy(weights / "vocab.txt", broken / "vocab.txt")
    assert compute(cache, weights=str(broken), allow_fallback=True).result.backend == "llmdet"
