"""Time of each stage on a 20 s clip (640x480, 30 fps): `python -m tests.benchmarks stages`.

One process, embedded backends, no cache. The clip is the sample's first episode, once slowed down
to one pick in 20 s, once to and fro at full speed with several picks. Scoring is also timed alone,
as when the user moves one of its options.
"""

from __future__ import annotations

import time
from typing import Any

from pipeline.annotate import annotate_episode, standard_graph
from pipeline.model.edits import EPISODE_SCOPE
from pipeline.sources.detect import open_dataset
from pipeline.stages.stage import StageContext, StageInputs
from tests.benchmarks.retimed import Retimed
from tests.benchmarks.table import header, row, write
from tests.datasets import SAMPLE

GOAL, SCORING_GOAL = 60.0, 50.0  # s, ms


def scoring(source: Retimed, outcomes: dict[int, dict[str, Any]]) -> list[float]:
    """Seconds of the scores stage alone, ten times for each subtask."""
    graph = standard_graph()
    stage = graph.stage("scores")
    demonstration = source.open(0)
    reader = source.reader(demonstration)
    context = StageContext(reader, lambda share, what: None, lambda: False)
    times = []
    for subtask, own in outcomes.items():
        if subtask == EPISODE_SCOPE or "scores" not in own:
            continue
        known = outcomes[EPISODE_SCOPE] | own
        inputs = StageInputs({n: known[n].result for n in stage.inputs if n in known}, subtask)
        for _ in range(10):
            start = time.perf_counter()
            stage.run(demonstration, inputs, stage.options_type(), (), context)
            times.append(time.perf_counter() - start)
    reader.close()
    return times


def main() -> None:
    """Measure and print a table for each clip."""
    graph = standard_graph()
    packages = ("numpy", "opencv-python-headless", "scikit-image", "av")
    for title, back in (("one pick, slowed", False), ("several picks, to and fro", True)):
        source = Retimed(open_dataset(SAMPLE), back=back)
        start = time.perf_counter()
        done = annotate_episode(source, 0, graph=graph)
        total = time.perf_counter() - start
        header(f"600 frames, 640x480, 30 fps: {title}", *packages)
        for stage in graph.stages:
            found = [own[stage.name].seconds for own in done.outcomes.values() if stage.name in own]
            row(stage.name, found)
        row("scores alone, again", scoring(source, done.outcomes), SCORING_GOAL)
        verdict = "met" if total <= GOAL else "MISSED"
        write(f"  all stages {total:.1f} s  goal {GOAL:g}: {verdict}")
        if done.failure is not None:
            write(f"  FAILED: {done.failure}")


if __name__ == "__main__":
    main()
