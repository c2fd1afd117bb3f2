"""Batch runs in real processes: faults of one episode, of a process, of all of them."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.batch.run import BatchRequest, BatchRun, BatchStep
from pipeline.engine.cache import ResultCache
from pipeline.model.problem import DataError
from pipeline.sources.detect import open_dataset
from tests.pipeline.batch_toys import FAULTS, LOG, ToilOptions, begun, graph, many_episodes

OPENER = "pipeline.sources.detect:open_dataset"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return many_episodes(tmp_path_factory.mktemp("pool") / "d", [16, 18, 20, 22, 24, 26])


@pytest.fixture
def request_of(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(LOG, str(tmp_path / "log"))

    def make(faults: dict[str, str] | None = None, **more) -> BatchRequest:
        monkeypatch.setenv(FAULTS, json.dumps(faults or {}))
        made = BatchRequest(
            dataset=str(dataset),
            folder=tmp_path / "run",
            episodes=tuple(range(6)),
            options=graph().default_options(),
            cache=tmp_path / "cache",
            jobs=2,
            graph="tests.pipeline.batch_toys:graph",
            opener=OPENER,
        )
        return dataclasses.replace(made, **more)

    return make


def run_all(request: BatchRequest, **more) -> tuple[list[BatchStep], dict[int, str]]:
    """All steps, and the failures by episode."""
    with BatchRun(request, open_dataset(request.dataset).info) as run:
        steps = list(run.run(**more))
        assert run.rows is not None
        return steps, dict(run.failures)


def tries(tmp_path: Path, episode: int, stage: str = "toil") -> int:
    return sum(line[:2] == (episode, stage) for line in begun(tmp_path / "log"))


def test_one_bad_episode_of_each_kind_never_stops_the_rest(request_of, tmp_path: Path) -> None:
    faults = {"1": "raise", "2": "die", "3": "die_once", "4": "hang"}
    steps, failures = run_all(request_of(faults, timeout=1.0))
    assert sorted(failures) == [1, 2, 4]
    assert "IndexError: too many" in failures[1]
    assert failures[2] == "its process ended 2 times (exit code 7), in the stage subtasks"
    assert failures[4].startswith("it took more than 1 s and was stopped")
    assert [tries(tmp_path, e) for e in range(6)] == [1, 1, 2, 2, 1, 1]
    # A process that dies costs the stage at work, not what was finished before.
    assert [tries(tmp_path, e, "subtasks") for e in range(6)] == [1] * 6
    last = steps[-1]
    assert (last.finished, last.failed, last.total, last.eta) == (3, 3, 6, 0.0)
    assert read_episodes(tmp_path / "run") == [0, 3, 5]

    # The same run again does nothing; failed ones are tried again only if asked for.
    steps, again = run_all(request_of(faults))
    assert again == failures
    assert tries(tmp_path, 1) == 1
    _, again = run_all(request_of({}, retry_failed=True))
    assert again == {}
    assert [tries(tmp_path, e) for e in range(6)] == [1, 2, 3, 2, 2, 1]
    assert read_episodes(tmp_path / "run") == list(range(6))


def read_episodes(folder: Path) -> list[int]:
    import pyarrow.parquet as pq

    return pq.read_table(folder / "annotations.parquet")["episode_index"].to_pylist()


def test_all_processes_limit_their_threads_and_step_back(request_of, tmp_path: Path) -> None:
    """Seen from within a process."""
    request = request_of(graph="tests.pipeline.test_batch_pool:limits_graph")
    run_all(request)
    limits = json.loads((tmp_path / "log.limits").read_text())
    assert limits["OMP_NUM_THREADS"] == limits["OPENCV_FOR_THREADS_NUM"]
    expected = max(1, len(os.sched_getaffinity(0)) // 2) if hasattr(os, "sched_getaffinity") else 1
    assert int(limits["OMP_NUM_THREADS"]) == expected
    assert limits["loaded_before"] is False
    assert limits["nice"] >= os.nice(0)


def limits_graph():
    """Writes down what a worker process looks like when it makes the graph."""
    import sys

    if "OPENCV_FOR_THREADS_NUM" in os.environ:
        names = ("OMP_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")
        found = {name: os.environ[name] for name in names}
        found |= {"loaded_before": "cv2" in sys.modules, "nice": os.nice(0)}
        Path(os.environ[LOG] + ".limits").write_text(json.dumps(found))
    return graph()


def test_stop_keeps_what_is_finished(request_of, tmp_path: Path) -> None:
    options = graph().default_options() | {"toil": ToilOptions(seconds=0.2)}
    request = request_of(options=options)
    with BatchRun(request, open_dataset(request.dataset).info) as run:
        for step in run.run():
            if step.done == 2:
                run.stop()
        assert run.rows is None
        assert run.folder.record.state == "interrupted"
    assert step.done < 6
    kept = step.done
    with BatchRun(request, open_dataset(request.dataset).info) as run:
        assert len(run.todo) == 6 - kept
        steps = list(run.run())
        assert steps[0].done == kept
        assert steps[0].eta is not None  # from what the first session took
        assert run.folder.record.state == "complete"
    assert max(tries(tmp_path, e) for e in range(6)) <= 2


def test_stopping_before_the_start_starts_nothing(request_of) -> None:
    request = request_of()
    with BatchRun(request, open_dataset(request.dataset).info) as run:
        run.stop()
        assert [s.done for s in run.run()] == [0]
        assert run.rows is None


def test_processes_that_cannot_begin_are_one_sentence(request_of) -> None:
    for opener, sentence in (
        ("tests.pipeline.test_batch_pool:no_dataset", "gone: this is no dataset"),
        ("tests.pipeline.test_batch_pool:dies", "3 worker processes ended before they could begin"),
    ):
        request = request_of(opener=opener)
        with (
            BatchRun(request, open_dataset(request.dataset).info) as run,
            pytest.raises(DataError, match=sentence),
        ):
            list(run.run())


def no_dataset(path: str) -> None:
    raise DataError("not_a_dataset", "gone: this is no dataset")


def dies(path: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)


def test_equal_questions_are_asked_by_one_process_at_a_time(request_of, tmp_path: Path) -> None:
    """While one asks (the stage subtasks), no other episode with its question is begun."""
    asked = dict.fromkeys(range(6), "the same question")
    run_all(request_of(), questions=asked)
    stages = [stage for _, stage, _ in begun(tmp_path / "log")]
    for place, stage in enumerate(stages):
        if stage == "phases":
            before = stages[:place]
            assert before.count("phases") <= before.count("subtasks")


def test_a_finished_run_trims_the_cache_but_not_its_own_results(
    request_of, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "pipeline.batch.run.ResultCache", functools.partial(ResultCache, limit_bytes=0)
    )
    monkeypatch.setattr("pipeline.engine.cache.RECENTLY", 0.0)
    foreign = tmp_path / "cache" / "aa" / "aa1.result"
    foreign.parent.mkdir(parents=True)
    foreign.write_bytes(bytes(100))
    os.utime(foreign, (0, 0))
    run_all(request_of())
    assert not foreign.exists()
    kept = list((tmp_path / "cache").glob("*/*.result"))
    assert kept
    request = request_of(fresh=True)
    run_all(request)
    assert sorted((tmp_path / "cache").glob("*/*.result")) == sorted(kept)
    assert max(tries(tmp_path, e) for e in range(6)) == 1, "found again, not computed again"


def test_without_a_cache_finished_episodes_still_count(request_of, tmp_path: Path) -> None:
    run_all(request_of(cache=None))
    run_all(request_of(cache=None))
    assert [tries(tmp_path, e) for e in range(6)] == [1] * 6


@pytest.fixture(autouse=True)
def _no_process_is_left() -> Iterator[None]:
    yield
    import multiprocessing

    assert multiprocessing.active_children() == []
