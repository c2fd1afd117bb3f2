"""The limit of requests per minute that processes share."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.backends.captioning.rate_limit import RateLimit

ROOT = Path(__file__).resolve().parents[2]


class Time:
    """A clock that only waiting moves."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds

    def enter(self, limit: RateLimit) -> float:
        """When a request is let through, seconds after the start."""
        told: list[float] = []
        asyncio.run(limit.enter(self.sleep, told.append))
        assert all(t > 0 for t in told)
        return self.now - 1_000_000.0


def test_any_sixty_seconds_hold_no_more(tmp_path: Path) -> None:
    time = Time()
    limit = RateLimit("s", 3, tmp_path, time)
    entered = []
    for k in range(12):
        time.now += 7.0 * (k % 2)
        entered.append(time.enter(limit))
    assert all(b - a >= 60.0 for a, b in zip(entered, entered[3:], strict=False))
    assert entered[-1] < 4 * 60.0 + 7.0  # and none waits longer than it must


def test_without_a_limit_only_refusals_slow(tmp_path: Path) -> None:
    time = Time()
    limit, other = RateLimit("s", 0, tmp_path, time), RateLimit("s", 0, tmp_path, time)
    assert [time.enter(limit) for _ in range(50)] == [0.0] * 50
    other.pause(12.0)
    other.pause(5.0)  # the longer one holds
    assert time.enter(limit) == 12.0
    assert time.enter(RateLimit("another server", 0, tmp_path, time)) == 12.0  # no wait of its own


def test_processes_share_it(tmp_path: Path) -> None:
    code = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from pipeline.backends.captioning.rate_limit import RateLimit\n"
        "class Full(Exception): pass\n"
        "async def never(seconds): raise Full\n"
        "limit = RateLimit('s', 25, Path(sys.argv[1]))\n"
        "count = 0\n"
        "try:\n"
        "    while True:\n"
        "        asyncio.run(limit.enter(never, lambda s: None)); count += 1\n"
        "except Full: print(count)\n"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, cwd=ROOT
        )
        for _ in range(3)
    ]
    counts = [int(p.communicate(timeout=60)[0]) for p in running]
    assert sum(counts) == 25


@pytest.mark.parametrize(
    "broken", [b"", b"{", b"[1]", b'{"sent": "x", "not_before": 0}', b"\0" * 99]
)
def test_a_broken_file_is_an_empty_one(tmp_path: Path, broken: bytes) -> None:
    time = Time()
    limit = RateLimit("s", 1, tmp_path, time)
    limit.path.parent.mkdir(parents=True, exist_ok=True)
    limit.path.write_bytes(broken)
    assert time.enter(limit) == 0.0
    assert time.enter(limit) == pytest.approx(60.0)


def test_a_folder_that_is_not_there_yet_is_made_and_the_wait_is_told(tmp_path: Path) -> None:
    time = Time()
    limit = RateLimit("s", 2, tmp_path / "captions" / "limits", time)
    assert [time.enter(limit), time.enter(limit)] == [0.0, 0.0]
    assert limit.path.is_file()  # what other processes read
    told: list[float] = []
    asyncio.run(limit.enter(time.sleep, told.append))
    assert told == pytest.approx([60.0 - 5.0 * k for k in range(12)])


def test_a_clock_that_was_set_back_locks_nobody_out(tmp_path: Path) -> None:
    time = Time()
    limit = RateLimit("s", 1, tmp_path, time)
    time.enter(limit)
    time.now -= 86_400.0
    before = time.now
    time.enter(limit)
    assert time.now == before
    limit.pause(30.0)
    time.now -= 86_400.0
    before = time.now
    time.enter(limit)
    assert time.now == before


@pytest.mark.parametrize("until", ["1e300", "Infinity", "NaN"])
def test_a_pause_that_nobody_can_ask_for_is_none(tmp_path: Path, until: str) -> None:
    time = Time()
    limit = RateLimit("s", 0, tmp_path, time)
    limit.path.write_text(f'{{"sent": [], "not_before": {until}}}')
    assert time.enter(limit) == 0.0
    limit.pause(3600.0)
    assert time.enter(limit) == 3600.0


def test_where_nothing_can_be_written_the_process_keeps_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    time = Time()
    limit = RateLimit("s", 1, tmp_path / "file", time)
    time.enter(limit)
    assert time.enter(RateLimit("s", 1, tmp_path / "file", time)) == pytest.approx(60.0)
