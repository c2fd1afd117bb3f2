"""Kill -9 during a run of 200 episodes, and resume: nothing is computed twice, nothing is lost.

The real command line in processes of its own. What was computed is told by a log that every stage
writes when it begins; what was stored, by the cache.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq
import pytest

from pipeline.engine.graph import Plan
from pipeline.sources.detect import open_dataset
from tests.datasets import REPOSITORY
from tests.pipeline.batch_toys import FAULTS, LOG, ToilOptions, begun, graph, many_episodes
from tests.process_watch import alive, wait_until

EPISODES = 200
LENGTHS = [16 + 2 * (i % 4) for i in range(EPISODES)]

pytestmark = pytest.mark.skipif(os.name != "posix", reason="kill -9 is of Unix")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return many_episodes(tmp_path_factory.mktemp("batch") / "d", LENGTHS)


@pytest.fixture(scope="module")
def undisturbed(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Batch:
    """A run that nobody disturbs."""
    batch = Batch(dataset, tmp_path_factory.mktemp("undisturbed"))
    process = batch.start()
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return batch


class Kept(NamedTuple):
    """What a run has kept: results (episode, stage), episodes; and how long the log was."""

    stored: set[tuple[int, str]]
    finished: set[int]
    position: int


class Batch:
    """A command that can be started again and again."""

    def __init__(self, dataset: Path, root: Path) -> None:
        self.dataset, self.root = dataset, root
        self.out, self.log = root / "out", root / "log"
        self.cache = root / "cache"
        self.faults: dict[str, str] = {}
        source = open_dataset(dataset)
        stages, self.paths = graph(), {}
        options = stages.default_options() | {"toil": ToilOptions()}
        for episode in range(EPISODES):
            for stage, key in stages.keys(Plan(source.open(episode), options), 0).items():
                path = self.cache / "results" / key[:2] / f"{key}.result"
                self.paths[episode, stage] = path

    def start(self, *more: str) -> subprocess.Popen[str]:
        words = ["annotate", str(self.dataset), "--out", str(self.out), "--jobs", "2", *more]
        return subprocess.Popen(
            [sys.executable, "-m", "tests.pipeline.batch_driver", *words],
            cwd=REPOSITORY,
            env=os.environ
            | {
                "DEMOSCOPE_CACHE_DIR": str(self.cache),
                LOG: str(self.log),
                FAULTS: json.dumps(self.faults),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def journal(self) -> list[dict]:
        path = self.out / "journal.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        found = []
        for line in lines:
            try:
                found.append(json.loads(line))
            except ValueError:
                continue  # cut short by the kill
        return found

    def kept(self) -> Kept:
        """What is kept now. What is begun behind the position of the log must not be in it."""
        stored = {node for node, path in self.paths.items() if path.exists()}
        finished = {line["episode"] for line in self.journal()}
        return Kept(stored, finished, len(begun(self.log)))

    def table(self):
        return pq.read_table(self.out / "annotations.parquet")

    def check_complete(self, undisturbed: Batch) -> None:
        """Every episode is there once, and all is as if nobody had disturbed."""
        lines = self.journal()
        assert sorted(line["episode"] for line in lines) == list(range(EPISODES))
        assert {line["state"] for line in lines} == {"finished"}
        assert json.loads((self.out / "run.json").read_text())["state"] == "complete"
        assert self.table().equals(undisturbed.table())
        assert self.table()["episode_index"].to_pylist() == list(range(EPISODES))
        assert not list(self.out.rglob("*.part"))


def test_killed_at_random_moments(dataset: Path, undisturbed: Batch, tmp_path: Path) -> None:
    """The batch, a worker and all of them together, each at a moment that chance chooses."""
    batch = Batch(dataset, tmp_path)
    chance = random.Random(20)  # noqa: S311 - no secret
    victims = ["batch", "group", "worker", "batch", "worker", "group"]
    chance.shuffle(victims)
    kept: list[Kept] = []
    process = None
    for victim in victims:
        process = process or batch.start()
        moment = len(begun(batch.log)) + chance.randrange(1, 90)
        wait_until(lambda moment=moment: len(begun(batch.log)) >= moment)
        log = begun(batch.log)
        if victim == "worker":
            kept.append(batch.kept())
            os.kill(log[-1][2], signal.SIGKILL)
            continue  # the batch goes on by itself
        if victim == "batch":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        process = None
        # The workers end by themselves, at once.
        wait_until(lambda log=log: not any(alive(pid) for _, _, pid in log), 5)
        kept.append(batch.kept())
        assert kept[-1].finished
    process = process or batch.start()
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    log = begun(batch.log)
    for earlier in kept:
        later = {line[:2] for line in log[earlier.position :]}
        assert not later & earlier.stored, "computed although it was stored"
        assert not {episode for episode, _ in later} & earlier.finished
    # Besides the few that were at work at a kill, nothing was begun a second time.
    assert 3 * EPISODES <= len(log) <= 3 * EPISODES + 2 * len(victims)
    batch.check_complete(undisturbed)

    process = batch.start()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "nothing is left to do" in err
    assert begun(batch.log) == log


def test_undisturbed_computes_each_stage_once(undisturbed: Batch) -> None:
    nodes = [line[:2] for line in begun(undisturbed.log)]
    assert len(nodes) == len(set(nodes)) == 3 * EPISODES
    assert len({pid for _, _, pid in begun(undisturbed.log)}) == 2  # both had work
    undisturbed.check_complete(undisturbed)
