"""Time from Cancel to its answer while a stage computes: `python -m tests.benchmarks cancel`.

The worker process works on the sample without a cache; each of the slow stages is cancelled at
several moments after it began. A job that does not stop by itself within the grace time is ended
with its process: the table says how often.
"""

from __future__ import annotations

import dataclasses
import queue
import time

from app.jobs import GRAPH, OPENER
from pipeline.annotate import standard_graph
from pipeline.engine import messages as say
from pipeline.engine.worker_client import WorkerClient
from tests.benchmarks.table import header, row, write
from tests.datasets import SAMPLE

STAGES = ("proposals", "tracks", "robot")
DELAYS = (0.02, 0.15, 0.4, 0.8)
GOAL = 200.0  # ms


def main() -> None:
    """Measure and print a table."""
    events: queue.Queue[say.Event] = queue.Queue()
    client = WorkerClient(GRAPH, OPENER, None, events.put)
    options = {k: dataclasses.asdict(v) for k, v in standard_graph().default_options().items()}
    header("Cancel to “cancelled”, sample episode 0", "numpy", "opencv-python-headless")
    try:
        for stage in STAGES:
            times, killed, missed = [], 0, 0
            for delay in DELAYS:
                job = client.run(
                    say.RunJob(job=0, dataset=str(SAMPLE), episode=0, options=options, up_to=stage)
                )
                pid = client.pid
                if not _wait(events, job, stage, delay):
                    missed += 1
                    continue
                start = time.perf_counter()
                client.cancel()
                while not isinstance(event := events.get(timeout=30), say.Cancelled):
                    if isinstance(event, say.Done | say.Failed | say.Died):
                        break
                times.append(time.perf_counter() - start)
                killed += client.pid != pid
            row(stage, times, GOAL)
            write(f"    process ended {killed} of {len(times)} times; was done before: {missed}")
    finally:
        client.close()


def _wait(events: queue.Queue[say.Event], job: int, stage: str, delay: float) -> bool:
    """Wait until a stage has computed for `delay` seconds; False if the job ended before."""
    due = float("inf")
    while (left := due - time.perf_counter()) > 0:
        try:
            event = events.get(timeout=min(left, 120.0))
        except queue.Empty:
            continue
        if isinstance(event, say.Ready) or event.job != job:
            continue
        if isinstance(event, say.Started) and event.stage == stage:
            due = time.perf_counter() + delay
        elif isinstance(event, say.Done | say.Failed | say.Died):
            return False
    return True


if __name__ == "__main__":
    main()
