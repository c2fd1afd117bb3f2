"""The process that opens harmed datasets: reads paths from standard input, answers with JSON."""

from __future__ import annotations

import json
import resource
import sys
import time
import traceback
from contextlib import closing
from typing import Any

MOST_BYTES = 3 << 30
"""Address space beyond what the libraries map at the start."""


def use(path: str) -> str:
    """Do what the window does with a dataset: list, open, look, examine. Returns what happened."""
    from pipeline.health.examination import examine_episode
    from pipeline.model.problem import DataError
    from pipeline.sources.detect import open_dataset

    said = []
    try:
        source = open_dataset(path)
        info = source.info
        listed = [e for e in info.episodes[:200] if e.problems]
        said += [p.code for p in (*info.problems, *(p for e in listed for p in e.problems))]
        present = [e for e in info.episodes[:200] if e.present][:2]
    except DataError as error:
        return f"{error.code}: {error}"
    for episode in present:
        try:
            examine_episode(source, episode)
            demonstration = source.open(episode.index)
            with closing(source.reader(demonstration)) as reader:
                said += [p.code for p in demonstration.problems]
                for camera in demonstration.cameras:
                    for frame in (0, demonstration.length // 2, demonstration.length - 1):
                        try:
                            reader.frame(camera.key, frame)
                            said += [n for n in [reader.picture(camera.key, frame).note] if n]
                            reader.depth(camera.key, frame)
                        except DataError as error:
                            said.append(f"{error.code}: {error}")
                    try:
                        reader.times(camera.key)
                    except DataError as error:
                        said.append(f"{error.code}: {error}")
        except DataError as error:
            said.append(f"{error.code}: {error}")
    return " | ".join(said) or "fine"


def peak_bytes() -> int:
    """Most resident memory so far. Not getrusage: that counts the parent's before exec, too."""
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith("VmHWM"))
    return int(line.split()[1]) << 10


def main() -> None:
    """Answer one line per line."""
    import av  # noqa: F401 - mapped before the limit is set
    import cv2
    import h5py  # noqa: F401
    import pyarrow.parquet  # noqa: F401

    cv2.setNumThreads(1)
    with open("/proc/self/statm") as file:
        mapped = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + MOST_BYTES, mapped + MOST_BYTES))
    for line in sys.stdin:
        start = time.perf_counter()
        answer: dict[str, Any] = {"failure": ""}
        try:
            answer["said"] = use(json.loads(line))
            if "\n" in answer["said"]:
                answer["failure"] = f"more than one line: {answer['said']}"
        except BaseException:
            answer["failure"] = traceback.format_exc()
        answer["seconds"] = time.perf_counter() - start
        answer["peak"] = peak_bytes()
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
