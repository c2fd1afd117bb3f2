"""Backends of other people: found, listed, configured, run, and what happens if they fail."""

from __future__ import annotations

import dataclasses
import json
import queue
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.cli import run as command
from pipeline.backends import catalogue, registry
from pipeline.backends.backend import ModelSettings
from pipeline.backends.catalogue import State, entry_of, locate
from pipeline.engine import messages as say
from pipeline.engine.cache import ResultCache, ResultMemory
from pipeline.engine.graph import Plan, Run, StageFailed
from pipeline.engine.worker_client import WorkerClient
from pipeline.model.problem import DataError
from pipeline.sources.detect import open_dataset
from pipeline.stages.backend_options import FALLBACK
from pipeline.stages.proposals import ProposalsStage
from tests.datasets import write_v2
from tests.pipeline.backend_stages import FoundOptions, backend_graph
from tests.pipeline.rendered_scene import Scene, run
from tests.plugins import example_of_the_docs, install

FAILING = """
import os
import signal
from pathlib import Path

import numpy as np

CALLS = Path(__file__).with_name("calls")


class Base:
    licence = "MIT"

    def available(self):
        return None

    def detect(self, request, progress):
        with CALLS.open("a") as stream:
            stream.write("x")
        self.fail()


class Raising(Base):
    name = "raising"

    def fail(self):
        raise ArithmeticError("the third eye\\nis blind")


class GpuFull(Base):
    name = "gpu_full"

    def fail(self):
        import torch

        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")


class CpuFull(Base):
    name = "cpu_full"

    def fail(self):
        import torch

        torch.empty(1 << 46, dtype=torch.uint8)


class ArrayFull(Base):
    name = "array_full"

    def fail(self):
        np.empty(1 << 46, np.uint8)


class Killed(Base):
    name = "killed"

    def fail(self):
        os.kill(os.getpid(), signal.SIGKILL)


class NoStart(Base):
    name = "no_start"

    def __init__(self):
        raise KeyError("no key")


class NoAnswer(Base):
    name = "no_answer"

    def available(self):
        raise OSError("the disk is gone")


class Lacking(Base):
    name = "lacking"

    def available(self):
        return "it needs a camera that is not here."


class Regions(Base):
    name = "regions"
"""


@pytest.fixture(autouse=True)
def _no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists need not import torch here."""
    monkeypatch.setattr(catalogue, "devices_here", lambda: ())


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "bright_things", raising=False)
    point = "detection bright_things BrightThings"
    monkeypatch.syspath_prepend(
        str(install(tmp_path / "site", "bright_things", example_of_the_docs(), point))
    )


@pytest.fixture
def failing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    names = {
        "raising": "Raising",
        "gpu_full": "GpuFull",
        "cpu_full": "CpuFull",
        "array_full": "ArrayFull",
        "killed": "Killed",
        "no_start": "NoStart",
        "no_answer": "NoAnswer",
        "lacking": "Lacking",
        "regions": "Regions",
        "no_class": "Nothing",
    }
    points = [f"detection {name} {value}" for name, value in names.items()]
    site = install(tmp_path / "site", "failing_things", FAILING, *points)
    install(site, "broken_things", "import what_nobody_has\n", "detection no_module X")
    monkeypatch.delitem(sys.modules, "failing_things", raising=False)
    monkeypatch.syspath_prepend(str(site))
    return site / "calls"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_v2(tmp_path_factory.mktemp("plugins") / "d", (12,))


# -- found and listed ----------------------------------------------------------------------------


def test_the_example_of_the_docs_is_short_and_complete() -> None:
    lines = [line for line in example_of_the_docs().splitlines() if line.strip()]
    assert len(lines) <= 35


def test_an_installed_detector_is_listed_configured_and_runs(
    example: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert registry.backend_names("detection")[-1] == "bright_things"
    assert "bright_things" not in registry.backend_names("tracking")
    card = registry.describe_backend("detection", "bright_things")
    assert (card.title, card.kind, card.licence) == ("Bright things", "plug-in", "MIT")
    assert card.reason == ""
    assert locate("bright_things") == ("detection", "bright_things")
    assert command(["models", "--json"]) == 0
    listed = {b["name"]: b for b in json.loads(capsys.readouterr().out)["backends"]}
    assert listed["bright_things"]["state"] == "ready"

    scene, stage = Scene(), ProposalsStage()
    inputs = {"subtasks": scene.subtasks()}
    result = run(scene, stage, inputs, options=stage.options_type(backend="bright_things"))
    assert result.backend == "bright_things"
    assert result.candidates
    assert all("of its box" in c.evidence for c in result.candidates)
    strict = stage.options_type(backend="bright_things", weights="99")
    assert not run(scene, stage, inputs, options=strict).candidates, "it got the user's settings"


def test_what_a_plugin_says_of_itself_enters_the_keys(example: None) -> None:
    stage = ProposalsStage()
    options = stage.options_type(backend="bright_things", weights="3")
    assert stage.identity(options) == "bright_things 1, sigma 3.0"


def test_each_broken_plugin_is_one_row_with_its_reason(
    failing: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reasons = {
        "no_module": "No module named 'what_nobody_has'",
        "no_class": "has no attribute 'Nothing'",
        "no_start": "KeyError: 'no key'",
        "no_answer": "OSError: the disk is gone",
        "lacking": "it needs a camera that is not here.",
    }
    for name, reason in reasons.items():
        entry = entry_of("detection", name)
        assert reason in entry.card.reason, name
        assert entry.card.kind == "plug-in"
        assert entry.state is (State.UNAVAILABLE if name == "lacking" else State.BROKEN)
        with pytest.raises(DataError):
            registry.load_backend("detection", name, ModelSettings())
    assert entry_of("detection", "raising").state is State.READY
    assert command(["models"]) == 0
    said = capsys.readouterr().out
    assert all(reason in said for reason in reasons.values())


def test_a_plugin_never_replaces_one_of_ours(failing: Path) -> None:
    assert registry.backend_names("detection").count("regions") == 1
    card = registry.describe_backend("detection", "regions")
    assert card.kind == "embedded"
    assert type(registry.load_backend("detection", "regions")).__module__.startswith("pipeline.")


# -- failing at run time -------------------------------------------------------------------------


def outcomes(dataset: Path, cache: ResultCache, **options: object) -> list:
    plan = Plan(open_dataset(dataset).open(0), backend_graph().default_options())
    chosen = plan.options | {"found": FoundOptions(**options)}  # type: ignore[arg-type]
    plan = dataclasses.replace(plan, options=chosen)
    memory = ResultMemory()
    return list(Run(backend_graph(), plan, cache, lambda: None, memory=memory).episode())


def test_a_failing_backend_stops_its_stage_with_a_sentence(
    failing: Path, dataset: Path, tmp_path: Path
) -> None:
    with pytest.raises(StageFailed) as error:
        outcomes(dataset, ResultCache(tmp_path / "cache"), backend="raising")
    assert error.value.code == "backend_failed"
    assert "“raising” failed (ArithmeticError: the third eye)" in str(error.value)
    assert "\n" not in str(error.value)


def test_the_fallback_runs_only_if_allowed_says_so_and_is_not_kept(
    failing: Path, dataset: Path, tmp_path: Path
) -> None:
    cache = ResultCache(tmp_path / "cache")
    for run_number in (1, 2):
        first, found = outcomes(dataset, cache, backend="raising", allow_fallback=True)
        assert found.result.backend == "regions"
        (problem,) = found.result.problems
        assert problem.code == FALLBACK
        assert problem.message.startswith("regions ran instead of raising: ")
        assert not found.cached
        assert first.cached == (run_number == 2)
        assert len(failing.read_text()) == run_number, "the chosen one is tried again"


def test_a_missing_backend_falls_back_only_if_allowed(dataset: Path, tmp_path: Path) -> None:
    cache = ResultCache(tmp_path / "cache")
    with pytest.raises(StageFailed, match="no detection backend “nobody_has_it”") as error:
        outcomes(dataset, cache, backend="nobody_has_it")
    assert error.value.code == "no_backend"
    found = outcomes(dataset, cache, backend="nobody_has_it", allow_fallback=True)[-1]
    assert found.result.backend == "regions"


# -- in the worker process -----------------------------------------------------------------------


class Ear:
    """Events of the worker until its job ended."""

    def __init__(self) -> None:
        self.queue: queue.Queue[say.Event] = queue.Queue()

    def until_end(self) -> list[say.Event]:
        heard: list[say.Event] = []
        while not heard or not isinstance(
            heard[-1], say.Done | say.Failed | say.Cancelled | say.Died
        ):
            heard.append(self.queue.get(timeout=60))
        return heard


@pytest.fixture
def ear() -> Ear:
    return Ear()


@pytest.fixture
def client(failing: Path, tmp_path: Path, ear: Ear) -> Iterator[WorkerClient]:
    made = WorkerClient(
        "tests.pipeline.backend_stages:backend_graph",
        "pipeline.sources.detect:open_dataset",
        tmp_path / "cache",
        ear.queue.put,
    )
    yield made
    made.close()


def job(dataset: Path, backend: str) -> say.RunJob:
    options = {"found": dataclasses.asdict(FoundOptions(backend=backend))}
    return say.RunJob(job=0, dataset=str(dataset), episode=0, options=options)


def test_running_out_of_memory_loses_nothing(client: WorkerClient, dataset: Path, ear: Ear) -> None:
    pid = None
    for backend, where in (
        ("gpu_full", "the GPU"),
        ("cpu_full", "this machine"),
        ("array_full", "this machine"),
    ):
        client.run(job(dataset, backend))
        heard = ear.until_end()
        failed = heard[-1]
        assert isinstance(failed, say.Failed)
        assert (failed.stage, failed.code) == ("found", "out_of_memory")
        assert failed.message.startswith(f"{where} ran out of memory while the detection backend")
        assert "choose a smaller model" in failed.message
        (first,) = (e.outcome for e in heard if isinstance(e, say.Delivered))
        assert first.stage == "first"
        assert pid in (None, client.pid), "the process lives on"
        pid = client.pid
    client.run(job(dataset, "regions"))
    assert isinstance(ear.until_end()[-1], say.Done)
    assert client.pid == pid


def test_a_killed_worker_is_explained_and_the_next_run_works(
    client: WorkerClient, dataset: Path, ear: Ear
) -> None:
    client.run(job(dataset, "killed"))
    heard = ear.until_end()
    died = heard[-1]
    assert isinstance(died, say.Died)
    assert "most likely because memory ran out" in died.message
    assert "lower the stage's sizes" in died.message
    assert [e.outcome.stage for e in heard if isinstance(e, say.Delivered)] == ["first"]
    client.run(job(dataset, "regions"))
    heard = ear.until_end()
    assert isinstance(heard[-1], say.Done)
    first = next(e.outcome for e in heard if isinstance(e, say.Delivered))
    assert first.cached, "earlier results stay"
