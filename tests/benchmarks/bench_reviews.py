"""The review store: `python -m tests.benchmarks reviews`.

Opening and reading happen while the window opens a dataset, so they must load no library; the
first correction must not wait for one. Each start is a new process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from pipeline.model.edits import Rename
from pipeline.review.location import DATABASE_VARIABLE
from pipeline.review.store import ReviewStore
from tests.benchmarks.table import header, row, write

ROUNDS = 7
EVENTS = 1000

_PROGRAM = """
import json, sys, threading, time
from pathlib import Path
from pipeline.model.edits import Rename
from pipeline.review.store import ReviewStore
times, begin = {}, time.perf_counter()
def lap(name):
    global begin
    times[name] = time.perf_counter() - begin
    begin = time.perf_counter()
store = ReviewStore.open(sys.argv[1]); lap("open")
store.edits(0); store.reviewed(); lap("read")
if sys.argv[2] == "prepared":
    # a thread that stands for the window: how long is it kept from its next turn?
    done, slots = threading.Event(), []
    def prepare():
        store.prepare(); done.set()
    lap("x"); threading.Thread(target=prepare).start()
    while not done.is_set():
        before = time.perf_counter(); time.sleep(0.001)
        slots.append(time.perf_counter() - before - 0.001)
    lap("prepare in a thread"); times["longest slot meanwhile"] = max(slots)
store.append(0, Rename(subtask=0, object_name="cup")); lap("first write")
for i in range(20):
    store.append(0, Rename(subtask=0, object_name=str(i)))
lap("20 writes"); times["one more write"] = times.pop("20 writes") / 20
store.close()
print(json.dumps(times))
"""


def _measure(dataset: Path, how: str) -> dict[str, float]:
    command = [sys.executable, "-c", _PROGRAM, str(dataset), how]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _table(title: str, make: object, hows: tuple[str, ...]) -> None:
    header(title, "SQLAlchemy", "alembic")
    for how in hows:
        starts = [_measure(make(number), how) for number in range(ROUNDS)]  # type: ignore[operator]
        for name in starts[0]:
            if name != "x":
                row(f"{name} ({how})", [s[name] for s in starts])


def main() -> None:
    """Measure and print tables."""
    os.environ.pop(DATABASE_VARIABLE, None)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        os.environ["DEMOSCOPE_DATA_DIR"] = str(root / "user")
        known = root / "known" / "bottles"
        known.mkdir(parents=True)
        store = ReviewStore.open(known)
        for number in range(EVENTS):
            store.append(number % 20, Rename(subtask=number % 3, object_name="cup"))
        store.close()

        def new(number: int) -> Path:
            place = Path(tempfile.mkdtemp(dir=root)) / f"bottles{number}"
            place.mkdir()
            return place

        hows = ("at once", "prepared")
        _table(f"A store of {EVENTS:,} events, in a new process", lambda _: known, hows)
        _table("A dataset nobody reviewed yet", new, hows)
        _team(new)


def _team(new: object) -> None:
    from tests.postgres_server import PASSWORD, postgres_server, why_not

    if why_not():
        write(f"team: {why_not()}, nothing measured")
        return
    with postgres_server() as server:
        os.environ["PGPASSWORD"] = PASSWORD
        os.environ[DATABASE_VARIABLE] = server.create("reviews")
        _table("A team's database on this machine", new, ("at once",))


if __name__ == "__main__":
    main()
