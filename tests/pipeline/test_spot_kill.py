"""Kill -9 in the middle of a review, again and again: nothing is lost, the sample is the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.review.spot_check import SpotCheck
from pipeline.review.spot_plan import SpotPlan
from pipeline.review.spot_records import Verdict
from pipeline.review.spot_result import summarise
from pipeline.review.spot_sampling import draw
from tests.datasets import REPOSITORY
from tests.pipeline.spot_tables import table

pytestmark = pytest.mark.skipif(os.name != "posix", reason="kill -9 is of Unix")

ITEMS = 400
AHEAD = 100
"""Answers at most after those that are waited for, so that no kill comes too late."""
REVIEWER = """
import sys
from pathlib import Path
from pipeline.review.spot_check import SpotCheck
from pipeline.review.spot_records import Verdict

check = SpotCheck(Path(sys.argv[1]))
for _ in range(int(sys.argv[2])):
    item = check.next_item("ann")
    check.answer(item.number, list(Verdict)[item.number % 3], "ann", seconds=1.0)
    print(item.number, flush=True)
sys.stdin.read()
"""


def killed(journal: Path, after: int) -> list[int]:
    """Review in a process that is killed while it answers; what it said it had saved."""
    process = subprocess.Popen(
        [sys.executable, "-c", REVIEWER, str(journal), str(after + AHEAD)],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    said = [int(process.stdout.readline()) for _ in range(after)]
    process.send_signal(signal.SIGKILL)
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    return said + [int(line) for line in rest.splitlines() if line]


def test_a_review_goes_on_after_kill_9(tmp_path: Path) -> None:
    annotations = tmp_path / "annotations.jsonl"
    annotations.write_text("{}\n")
    whole, plan = table(1000), SpotPlan(size=ITEMS, bins=4, seed=5)
    begun = SpotCheck.begin(tmp_path, whole, annotations, plan, "ann")
    done = 0
    for after in (1, 7, 20):
        said = killed(begun.path, after)
        assert said == list(range(done, done + len(said)))  # it went on where it was killed
        again = SpotCheck(begun.path)
        assert again.items == begun.items
        saved = list(again.answers("ann"))
        done = len(saved)
        assert saved == list(range(done))
        assert said[-1] < done <= said[-1] + 2  # saved is said, but for the one under way
    for item in again.items[done:]:
        again.answer(item.number, list(Verdict)[item.number % 3], "ann", seconds=1.0)
    undisturbed = SpotCheck.begin(tmp_path, whole, annotations, plan, "ann")
    for item in undisturbed.items:
        undisturbed.answer(item.number, list(Verdict)[item.number % 3], "ann", seconds=1.0)
    assert undisturbed.items == begun.items
    rows = draw(whole, plan).rows
    assert [i.key[1:] for i in begun.items] == [
        (int(whole.episode[r]), int(whole.subtask[r])) for r in rows
    ]
    assert summarise(SpotCheck(begun.path)) == summarise(undisturbed)
