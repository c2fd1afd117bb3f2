"""Kill -9 at any moment: what was reported is there, and at most one step more."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipeline.model.edits import in_force
from pipeline.review.events import replay
from pipeline.review.location import DATABASE_VARIABLE, outbox_place, sidecar
from pipeline.review.store import ReviewStore

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")

Worker = subprocess.Popen[str]
Step = tuple[str, int, int]


@pytest.fixture(scope="module")
def file_worker() -> Iterator[Worker]:
    with _started() as worker:
        yield worker


@pytest.fixture(scope="module")
def outbox_worker() -> Iterator[Worker]:
    """Its team's database cannot be reached."""
    pytest.importorskip("psycopg")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(DATABASE_VARIABLE, "postgresql://ada:x@127.0.0.1:1/reviews")
        with _started() as worker:
            yield worker


@contextlib.contextmanager
def _started() -> Iterator[Worker]:
    command = [sys.executable, "-m", "tests.pipeline.review_killed"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdin is not None
        assert _read(process) == "ready"
        yield process
        process.stdin.close()
        process.wait(30)


def _read(worker: Worker) -> str:
    assert worker.stdout is not None
    return worker.stdout.readline().strip()


WHAT = st.sampled_from(["rename", "undo", "redo", "record", "judge", "channels", "reopen"])
STEPS = st.lists(st.tuples(WHAT, st.integers(0, 2), st.integers(1, 5000)), min_size=1, max_size=12)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(STEPS, st.integers(0, 12), st.integers(0, 4000))
@example([("rename", 0, 1)] * 3, 0, 0)  # before anything is there
@example([("rename", 0, 1), ("undo", 0, 1), ("redo", 0, 1), ("record", 0, 9)], 4, 0)
def test_a_store_that_is_killed_holds_what_was_reported(
    tmp_path: Path, file_worker: Worker, steps: list[Step], reports: int, microseconds: int
) -> None:
    dataset = tmp_path / "bottles"
    shutil.rmtree(sidecar(dataset).parent, ignore_errors=True)
    _killed(file_worker, dataset, steps, reports, microseconds)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(STEPS, st.integers(0, 12), st.integers(0, 4000))
@example([("rename", 0, 1)] * 3, 0, 0)
@example([("rename", 0, 1), ("undo", 0, 1), ("reopen", 0, 1), ("redo", 0, 9)], 4, 0)
def test_what_waits_for_a_database_outlives_a_kill(
    tmp_path: Path, outbox_worker: Worker, steps: list[Step], reports: int, microseconds: int
) -> None:
    dataset = tmp_path / "bottles"
    file = outbox_place("bottles").path
    for suffix in ("", "-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)
    _killed(outbox_worker, dataset, steps, reports, microseconds)
    assert not sidecar(dataset).exists()


def _killed(
    worker: Worker, dataset: Path, steps: list[Step], reports: int, microseconds: int
) -> None:
    """Let a worker do the steps, kill it after some reports, and look at what is there."""
    dataset.mkdir(exist_ok=True)
    assert worker.stdin is not None
    worker.stdin.write(json.dumps({"dataset": str(dataset), "steps": steps}) + "\n")
    worker.stdin.flush()
    told: list[str] = []
    child, over = 0, False
    while not over and (not child or sum(t.startswith("did") for t in told) < reports):
        line = _read(worker)
        if line.startswith("child"):
            child = int(line.split()[1])
        elif line == "over":
            over = True
        else:
            told.append(line)
    if not over:
        # into the middle of a step: the moment is what hypothesis varies
        until = time.perf_counter_ns() + 1000 * microseconds
        while time.perf_counter_ns() < until:
            pass
        with contextlib.suppress(ProcessLookupError):  # it was quicker
            os.kill(child, signal.SIGKILL)
        while (line := _read(worker)) != "over":
            told.append(line)
    reported = [t.split()[1] for t in told if t.startswith("did") and t != "did none"]

    store = ReviewStore.open(dataset, who="ada")
    events = store.events()
    assert store.problems == ()
    assert [e.uuid for e in events][: len(reported)] == reported
    assert len(events) <= len(reported) + ("done" not in told)
    for episode in range(3):
        mine = [e for e in events if e.episode in (-1, episode)]
        applied = (e.edit for e in replay(mine).applied)
        assert store.edits(episode) == in_force(tuple(e for e in applied if e is not None))
    # and it goes on
    store.record(0, 0, {"text": "after"})
    assert len(store.events()) == len(events) + 1
    store.close()
