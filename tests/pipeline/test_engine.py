from __future__ import annotations

import dataclasses
import errno
import io
import queue
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from pipeline.engine import messages as say
from pipeline.engine.cache import ResultCache, pack, unpack
from pipeline.engine.codec import CodecError, decode, encode
from pipeline.engine.graph import Graph, Plan, Run, StageFailed
from pipeline.engine.worker_client import WorkerClient
from pipeline.model.edits import MoveBoundary
from pipeline.model.phases import Phase, PhaseName
from pipeline.model.problem import Cancelled, Problem, Severity
from pipeline.sources.detect import open_dataset
from tests.datasets import write_v2
from tests.pipeline.toy_stages import First, NextResult, Second, ToyOptions, ToyResult, toy_graph


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_v2(tmp_path_factory.mktemp("engine") / "d", (12,))


@pytest.fixture
def plan(dataset: Path) -> Plan:
    return Plan(open_dataset(dataset).open(0), toy_graph().default_options())


def run(plan: Plan, cache: ResultCache | None = None, **more) -> list:
    return list(Run(toy_graph(), plan, cache, lambda: None, **more).episode())


def with_options(plan: Plan, stage: str, **values) -> Plan:
    options = plan.options | {stage: ToyOptions(**values)}
    return dataclasses.replace(plan, options=options)


# -- codec ---------------------------------------------------------------------------------


def test_results_survive_the_codec() -> None:
    problem = Problem("x", "text – with signs", Severity.ERROR, 3)
    result = ToyResult(np.array([[1, np.nan]], np.float32), "n", (problem,))
    back = decode(encode(result), ToyResult)
    np.testing.assert_array_equal(back.values, result.values)
    assert back.values.dtype == np.float32
    assert back.problems == (problem,)
    assert back.problems[0].severity is Severity.ERROR
    phase = Phase(PhaseName.GRASP, "left", 1, 2, 0, 1, 2)
    assert decode(encode(phase), Phase) == phase


@pytest.mark.parametrize("data", [b"", b"PK", b"x" * 100])
def test_broken_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(CodecError):
        decode(data, ToyResult)


def test_other_types_and_pickles_are_refused() -> None:
    with pytest.raises(CodecError):
        decode(encode(Phase(PhaseName.GRASP, "a", 0, 1, 0, 0, 1)), ToyResult)
    member = io.BytesIO()
    np.save(member, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("json", '{"values": {"$array": 0}, "note": "", "problems": []}')
        archive.writestr("0.npy", member.getvalue())
    with pytest.raises(CodecError):
        decode(buffer.getvalue(), ToyResult)


# -- keys and cache ------------------------------------------------------------------------


def test_the_same_run_computes_nothing_twice(plan: Plan, tmp_path: Path) -> None:
    cache = ResultCache(tmp_path)
    assert [o.cached for o in run(plan, cache)] == [False, False]
    again = run(plan, cache)
    assert [o.cached for o in again] == [True, True]
    assert again[1].result.total == 6.0


def test_options_make_what_follows_stale_and_nothing_else(plan: Plan) -> None:
    graph = toy_graph()
    before = graph.keys(plan, 0)
    after = graph.keys(with_options(plan, "second", factor=2.0), 0)
    assert after["first"] == before["first"]
    assert after["second"] != before["second"]
    after = graph.keys(with_options(plan, "first", factor=2.0), 0)
    assert after["first"] != before["first"]
    assert after["second"] != before["second"]


def test_edits_and_versions_enter_the_key(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    class Edited(First):
        name = "phases"

    graph = Graph((Edited(),))
    plan = dataclasses.replace(plan, options={"phases": ToyOptions()})
    before = graph.keys(plan, 0)["phases"]
    edited = dataclasses.replace(plan, edits=(MoveBoundary(arm="arm", index=0, frame=3),))
    assert graph.keys(edited, 0)["phases"] != before
    monkeypatch.setattr(Edited, "version", 2)
    assert graph.keys(plan, 0)["phases"] != before


def test_broken_cache_file_is_computed_again(plan: Plan, tmp_path: Path) -> None:
    cache = ResultCache(tmp_path)
    run(plan, cache)
    for path in tmp_path.glob("*/*.result"):
        path.write_bytes(path.read_bytes()[:40])
    assert [o.cached for o in run(plan, cache)] == [False, False]


def test_full_disk_loses_no_result(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pipeline.model.whole_file.os.replace", full)
    outcomes = run(plan, ResultCache(tmp_path))
    assert outcomes[1].result.total == 6.0
    (problem,) = outcomes[0].problems
    assert problem.code == "cache_not_written"
    assert "No space left" in problem.message
    assert list(tmp_path.glob("*/*")) == []  # No half-written files either.


def test_trim_removes_what_was_used_longest_ago(tmp_path: Path) -> None:
    cache = ResultCache(tmp_path, limit_bytes=1500)
    for n, key in enumerate(("aa1", "bb2", "cc3")):
        cache.store_bytes(key, bytes(700))
        path = tmp_path / key[:2] / f"{key}.result"
        import os

        os.utime(path, (n, n))
    assert cache.load_bytes("aa1") is not None  # Used just now.
    assert cache.trim() == 700
    assert cache.load_bytes("bb2") is None
    assert cache.load_bytes("aa1") is not None


def used(cache: ResultCache, key: str, ago: float) -> None:
    """Keep a result that was used `ago` seconds before now."""
    import os

    cache.store_bytes(key, bytes(700))
    when = time.time() - ago
    os.utime(cache.folder / key[:2] / f"{key}.result", (when, when))


def test_trim_keeps_what_a_run_may_need(tmp_path: Path) -> None:
    cache = ResultCache(tmp_path, limit_bytes=0)
    for key, ago in (("aa1", 9000), ("bb2", 7000), ("cc3", 1000)):
        used(cache, key, ago)
    assert cache.trim(in_use_since=time.time() - 8000) == 700
    assert [cache.folder.joinpath(k[:2], f"{k}.result").exists() for k in ("aa1", "bb2")] == [
        False, True,
    ]  # fmt: skip
    assert cache.trim() == 700  # Only what was used within the hour is left.
    assert cache.trim() == 0
    assert cache.load_bytes("cc3") is not None


def test_trim_sweeps_what_killed_writers_left(tmp_path: Path) -> None:
    import os

    cache = ResultCache(tmp_path)
    used(cache, "aa1", 9e9)
    old, fresh = tmp_path / "aa" / "x.part", tmp_path / "aa" / "y.part"
    for path in (old, fresh):
        path.write_bytes(bytes(10))
    os.utime(old, (time.time() - 90_000,) * 2)
    assert cache.trim() == 10
    assert (old.exists(), fresh.exists()) == (False, True)
    assert cache.load_bytes("aa1") is not None


def test_trim_of_a_folder_that_is_not_there_is_nothing(tmp_path: Path) -> None:
    assert ResultCache(tmp_path / "none").trim() == 0


def test_pack_keeps_the_time() -> None:
    result, seconds = unpack(pack(NextResult(1.5, {"a": 2.0}), 0.25), NextResult)
    assert (result, seconds) == (NextResult(1.5, {"a": 2.0}), 0.25)


# -- graph ---------------------------------------------------------------------------------


def test_order_is_checked() -> None:
    with pytest.raises(ValueError, match="does not come before"):
        Graph((Second(), First()))


def test_downstream_and_needed() -> None:
    graph = toy_graph()
    assert graph.downstream("first") == ("first", "second")
    assert graph.needed("second") == ("first", "second")
    assert graph.needed("first") == ("first",)


def test_a_defect_is_a_sentence_with_details(plan: Plan) -> None:
    outcomes = []
    with pytest.raises(StageFailed, match="internal error: RuntimeError: a defect") as caught:
        outcomes.extend(
            Run(
                toy_graph(), with_options(plan, "second", behaviour="raise"), None, lambda: None
            ).episode()
        )
    assert caught.value.node == ("second", 0)
    assert "Traceback" in caught.value.details


def test_refused_input_keeps_its_code(plan: Plan) -> None:
    with pytest.raises(StageFailed, match="no good") as caught:
        run(with_options(plan, "first", behaviour="refuse"))
    assert caught.value.code == "no_good"


def test_cancelled_run_stops(plan: Plan) -> None:
    with pytest.raises(Cancelled):
        run(plan, is_cancelled=lambda: True)


# -- worker --------------------------------------------------------------------------------


class Ear:
    """Collects the client's events."""

    def __init__(self) -> None:
        self.queue: queue.Queue[say.Event] = queue.Queue()
        self.seen: list[say.Event] = []

    def until(self, *kinds: type, timeout: float = 30) -> say.Event:
        end = time.monotonic() + timeout
        while True:
            event = self.queue.get(timeout=max(0.01, end - time.monotonic()))
            self.seen.append(event)
            if isinstance(event, kinds):
                return event


@pytest.fixture
def ear() -> Ear:
    return Ear()


@pytest.fixture
def client(tmp_path: Path, ear: Ear):
    made = WorkerClient(
        "tests.pipeline.toy_stages:toy_graph",
        "pipeline.sources.detect:open_dataset",
        tmp_path / "cache",
        ear.queue.put,
    )
    yield made
    made.close()


def job(dataset: Path, **first) -> say.RunJob:
    options = {"first": first} if first else {}
    return say.RunJob(job=0, dataset=str(dataset), episode=0, options=options)


def test_worker_delivers_and_caches(client: WorkerClient, ear: Ear, dataset: Path) -> None:
    client.run(job(dataset))
    ear.until(say.Done)
    delivered = [e.outcome for e in ear.seen if isinstance(e, say.Delivered)]
    assert [o.stage for o in delivered] == ["first", "second"]
    assert delivered[1].result.total == 6.0
    ear.seen.clear()
    client.run(job(dataset))
    ear.until(say.Done)
    assert all(e.outcome.cached for e in ear.seen if isinstance(e, say.Delivered))


def test_worker_tidies_the_cache_beside_its_work(
    client: WorkerClient, ear: Ear, dataset: Path, tmp_path: Path
) -> None:
    import os

    stale = tmp_path / "cache" / "aa" / "x.part"
    stale.parent.mkdir(parents=True)
    stale.touch()
    os.utime(stale, (0, 0))
    client.run(job(dataset))
    ear.until(say.Done)
    end = time.monotonic() + 30
    while stale.exists() and time.monotonic() < end:
        # A second job gives it time; nothing tells when it is through.
        client.run(job(dataset))
        ear.until(say.Done)
    assert not stale.exists()


@pytest.mark.parametrize("behaviour", ["slow", "deaf"])
def test_cancel_within_200_ms(
    client: WorkerClient, ear: Ear, dataset: Path, behaviour: str
) -> None:
    client.run(job(dataset, behaviour=behaviour))
    ear.until(say.Started)
    start = time.monotonic()
    client.cancel()
    ear.until(say.Cancelled, timeout=5)
    # 150 ms of grace, then the process is killed; the rest is scheduling on a busy machine.
    assert time.monotonic() - start < 1.0
    client.run(job(dataset))  # A killed worker comes back by itself.
    ear.until(say.Done)


def test_a_job_behind_a_deaf_one_is_run(client: WorkerClient, ear: Ear, dataset: Path) -> None:
    old = client.run(job(dataset, behaviour="deaf"))
    ear.until(say.Started)
    client.cancel()
    new = client.run(job(dataset))
    done = ear.until(say.Done)
    assert done.job == new
    assert [e.job for e in ear.seen if isinstance(e, say.Cancelled)] in ([old], [])
    assert not any(isinstance(e, say.Died) for e in ear.seen)


def test_a_job_that_ends_while_it_is_killed_is_told_once(
    client: WorkerClient, ear: Ear, dataset: Path
) -> None:
    number = client.run(job(dataset, behaviour="deaf"))
    ear.until(say.Started)
    ours, process = client._connection, client._process
    assert ours is not None

    class Late:
        """The pipe of a worker that said that it stopped before it was dead."""

        said = iter([say.Cancelled(job=number).model_dump_json().encode()])

        def recv_bytes(self) -> bytes:
            try:
                return next(self.said)
            except StopIteration:
                raise EOFError from None

        def close(self) -> None:
            pass

    client._kill_if_still(number, process)
    ear.until(say.Cancelled)
    client._killed[process.pid] = number
    client._read(Late(), process)  # type: ignore[arg-type]
    told = [ear.queue.get_nowait() for _ in range(ear.queue.qsize())]
    assert [type(e) for e in told] == [say.Cancelled]


def test_death_is_told_and_survived(client: WorkerClient, ear: Ear, dataset: Path) -> None:
    number = client.run(job(dataset, behaviour="die"))
    died = ear.until(say.Died)
    assert died.job == number
    assert "exit code 7" in died.message
    assert not client.busy
    client.run(job(dataset))
    ear.until(say.Done)


def test_killed_worker_is_told(client: WorkerClient, ear: Ear, dataset: Path) -> None:
    import os
    import signal

    client.run(job(dataset, behaviour="slow"))
    ear.until(say.Started)
    os.kill(client.pid, signal.SIGKILL)
    assert "killed" in ear.until(say.Died).message


def test_failures_arrive_with_their_code(client: WorkerClient, ear: Ear, dataset: Path) -> None:
    client.run(job(dataset, behaviour="refuse"))
    failed = ear.until(say.Failed)
    assert (failed.stage, failed.code, failed.message) == (
        "first", "no_good", "this input is no good",
    )  # fmt: skip
    client.run(job(dataset, factor=1e9))
    assert "expected 0 to 100" in ear.until(say.Failed).message
    client.run(job(dataset / "nothing"))
    assert ear.until(say.Failed).code == "not_found"
