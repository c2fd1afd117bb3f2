"""Reading annotations of a whole dataset: `python -m tests.benchmarks annotations`.

Makes Parquet and prediction lines with 12 candidates each, and measures reading them into a table
in processes of their own (time, peak memory beside what the table itself needs), judging all
candidates by ground truth, and merging parts. Another count:
`python -m tests.benchmarks.bench_annotations 1000000`. Files are in the cache of the operating
system, as they were just written.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.annotations.parquet import ROWS_PER_GROUP, TERM_NAMES, merge_parts, schema
from tests.benchmarks.table import header, row, write

COUNT = 100_000
CANDIDATES = 12
LINES = 50_000
REPEATS = 3


def batch(start: int, count: int, rng: np.random.Generator) -> pa.RecordBatch:
    """Annotations with random numbers, which compress no better than measured ones."""
    many = count * CANDIDATES
    corner = rng.uniform(0, 400, (many, 2))
    boxes = np.hstack([corner, corner + rng.uniform(5, 200, (many, 2))]).astype(np.float32)
    winner = rng.integers(0, CANDIDATES, count).astype(np.int32)
    won = boxes.reshape(count, CANDIDATES, 4)[np.arange(count), winner]
    number = np.arange(start, start + count)

    def lists(values: Any, width: int) -> Any:
        return pa.ListArray.from_arrays(np.arange(0, len(values) + 1, width, np.int32), values)

    kinds = schema().field("candidates").type.value_type
    fields: dict[str, Any] = {f.name: pa.array(rng.random(many, np.float32)) for f in kinds}
    fields["id"] = np.tile(np.arange(CANDIDATES, dtype=np.int32), count)
    fields["box"] = lists(boxes.ravel(), 4)
    fields["label"] = pa.array(rng.choice(["red cube", "green ball", "bottle"], many))
    fields["points"] = rng.integers(0, 60, many, np.int32)
    candidates = pa.StructArray.from_arrays(
        [pa.array(fields[f.name], f.type) for f in kinds], fields=list(kinds)
    )
    phase = [{"name": "grasp", "arm": "arm", "start": 0, "end": 84}]
    columns: dict[str, Any] = {
        "episode_index": number // 2,
        "subtask_index": number % 2,
        "task": rng.choice(["pick_and_place", "open_close"], count),
        "instruction": [f"Put {n % 977} there" for n in number],
        "caption": [f"Put {n % 977} there." for n in number],
        "start_box": lists(won.ravel(), 4),
        "target_box": lists(won.ravel(), 4),
        "keyframe": rng.integers(0, 90, count),
        "score": rng.random(count),
        "runner_up": rng.random(count),
        "winner": winner,
        "warnings": [["near_tie"] if n % 3 == 0 else [] for n in number],
        "phases": [phase] * count,
        "terms": pa.StructArray.from_arrays(
            [pa.array(rng.random(count)) for _ in TERM_NAMES], names=list(TERM_NAMES)
        ),
        "candidates": lists(candidates, CANDIDATES),
    }
    texts = {"dataset": "toys", "arm": "arm", "camera": "front", "object": "", "chosen_by": "score"}
    columns |= {name: [text] * count for name, text in texts.items()}
    return pa.record_batch(
        [pa.array(columns[f.name]).cast(f.type) for f in schema()], schema=schema()
    )


def make(folder: Path, count: int) -> tuple[Path, Path, list[Path]]:
    """One Parquet, prediction lines of the first rows, and the same Parquet in parts."""
    rng = np.random.default_rng(0)
    whole, lines, parts = folder / "all.parquet", folder / "lines.jsonl", []
    with pq.ParquetWriter(whole, schema(), compression="zstd") as writer, lines.open("w") as text:
        for start in range(0, count, ROWS_PER_GROUP):
            made = batch(start, min(ROWS_PER_GROUP, count - start), rng)
            writer.write_batch(made)
            parts.append(folder / f"{start:09d}.parquet")
            pq.write_table(pa.Table.from_batches([made]), parts[-1], compression="zstd")
            if start < LINES:
                text.writelines(json.dumps(r) + "\n" for r in made.to_pylist())
    return whole, lines, parts


def measured(path: Path) -> None:
    """Read a file and print seconds, rows and memory as JSON."""
    from pipeline.annotations.reading import read_annotations
    from pipeline.evaluation.ground_truth import TrueSubtask
    from pipeline.evaluation.judging import judge_by_truth

    before = _peak()
    start = time.perf_counter()
    table = read_annotations(path).table
    seconds, peak = time.perf_counter() - start, _peak() - before
    truth = [
        TrueSubtask(episode_index=e, subtask_index=s, start_box=tuple(b))
        for e, s, b in zip(
            table.episode.tolist(), table.subtask.tolist(), table.start_box.tolist(), strict=True
        )
    ]
    start = time.perf_counter()
    judge_by_truth(table, truth)
    judged = time.perf_counter() - start
    found = {"read": seconds, "judged": judged, "rows": len(table), "peak": peak}
    sys.stdout.write(json.dumps(found) + "\n")


def _peak() -> float:
    """Peak memory of this process, MiB; getrusage would tell that of its parent, too."""
    status = Path("/proc/self/status").read_text("ascii")
    line = next(x for x in status.splitlines() if x.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def main(count: int) -> None:
    """Make the files and print the table."""
    header("annotations", "pyarrow", "numpy")
    with tempfile.TemporaryDirectory() as name:
        whole, lines, parts = make(Path(name), count)
        for path in (whole, lines):
            command = [sys.executable, "-m", "tests.benchmarks.bench_annotations", str(path)]
            found = [
                json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
                for _ in range(REPEATS)
            ]
            about = f"{path.suffix[1:]}, {found[0]['rows']:,} x {CANDIDATES}"
            row(f"read {about}", [f["read"] for f in found])
            row(f"judge {about}", [f["judged"] for f in found])
            size = path.stat().st_size / 2**20
            write(f"  file {size:.0f} MiB, peak {max(f['peak'] for f in found):.0f} MiB")
        times = []
        for _ in range(REPEATS):
            start = time.perf_counter()
            merge_parts(parts, Path(name) / "merged.parquet", {})
            times.append(time.perf_counter() - start)
        row(f"merge {len(parts)} parts", times)


if __name__ == "__main__":
    given = sys.argv[1] if len(sys.argv) > 1 else str(COUNT)
    if given.isdecimal():
        main(int(given))
    else:
        measured(Path(given))
