"""Renders random demonstrations for an honest figure: nothing was tuned on them.

Run from the repository's root with the packages of ``tools/sample/requirements.txt``::

    MUJOCO_GL=osmesa python -m tools.sample.held_out --out /tmp/held_out --count 12 --seed 7

The dataset has the layout of the sample, ground truth included, and is not part of the
repository. ``tools/accuracy.py`` measures the pipeline on it.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("MUJOCO_GL", "osmesa")

from tools.sample.check import check_dataset
from tools.sample.random_episodes import random_episode
from tools.sample.render import Recording, record, write_dataset

log = logging.getLogger("tools.sample")


def _name_free_place(recording: Recording) -> None:
    """The target of “next to” is where the object comes to rest, not what it stands beside."""
    if recording.episode.note != "free place":
        return
    for row in recording.truth.annotations:
        row["target_box"] = row["object_end_box"]
        row["target_name"] = f"place beside the {row['target_name']}"


def render_held_out(out: Path, count: int, seed: int, pool: int = 1) -> None:
    """Plans and renders a dataset.

    Args:
        out: Root of the dataset; its generated folders are replaced.
        count: Number of episodes.
        seed: The same seed gives the same dataset.
        pool: Processes that render.
    """
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    episodes = [random_episode(seed, index) for index in range(count)]
    spawn = multiprocessing.get_context("spawn")
    with (
        tempfile.TemporaryDirectory(prefix="demoscope_held_out_") as folder,
        ProcessPoolExecutor(pool, mp_context=spawn) as workers,
    ):
        folders, seeds = [Path(folder)] * count, [seed] * count
        recordings = list(workers.map(record, episodes, folders, seeds))
        for recording in recordings:
            _name_free_place(recording)
        write_dataset(recordings, out)


def main() -> None:
    """Entry point of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--out", type=Path, required=True, help="root of the dataset")
    parser.add_argument("--count", type=int, default=12, help="episodes")
    parser.add_argument("--seed", type=int, default=7, help="what is drawn")
    parser.add_argument("--jobs", type=int, default=1, help="processes that render")
    parser.add_argument("--plan", action="store_true", help="only print what would be rendered")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if options.plan:
        for index in range(options.count):
            episode = random_episode(options.seed, index)
            log.info("%s", json.dumps([t.name for t in episode.things]))
        return
    began = time.perf_counter()
    render_held_out(options.out, options.count, options.seed, options.jobs)
    log.info("written in %.0f s", time.perf_counter() - began)
    problems = check_dataset(options.out, max_bytes=None)
    for problem in problems:
        log.error("%s", problem)
    raise SystemExit(1 if problems else 0)


if __name__ == "__main__":
    main()
