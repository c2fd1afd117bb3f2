"""What the model backends cost on a clip of 640x480: `python -m tests.benchmarks models`.

Default sizes, random weights: time and memory are those of the real models, results mean nothing.
The clip is the sample's first episode slowed down to 20 s; `DEMOSCOPE_BENCH_SECONDS` shortens it
(a CPU takes seconds for each picture), `DEMOSCOPE_BENCH_DEVICE` names the device, and
`DEMOSCOPE_BENCH_TRACKER` (`cotracker=FOLDER`, `alltracker=FOLDER`) a point tracker's clone.
"""

from __future__ import annotations

import logging
import os
import resource
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.annotate import annotate_episode, standard_graph
from pipeline.backends.detection.llmdet import LLMDetDetector
from pipeline.backends.weights import MODELS_FOLDER
from pipeline.engine.cache import StageOutcome
from pipeline.engine.graph import NodeId
from pipeline.sources.detect import open_dataset
from tests.benchmarks import model_stack
from tests.benchmarks.retimed import FPS, LENGTH, Retimed
from tests.benchmarks.table import conditions, write
from tests.datasets import SAMPLE

log = logging.getLogger(__name__)
_MIB = 1 << 20


def gpu_peak() -> float | None:
    """MiB that tensors took on the GPU since the last call, None without one."""
    import torch

    if not torch.cuda.is_available():
        return None
    peak = torch.cuda.max_memory_allocated() / _MIB
    torch.cuda.reset_peak_memory_stats()
    return peak


def process_peak() -> float:
    """MiB of the process at its largest so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Meter:
    """Notes time and memory of each stage."""

    def started(self, node: NodeId) -> None:
        """A stage begins."""
        gpu_peak()

    def progressed(self, node: NodeId, share: float, what: str) -> None:
        """Of no interest."""

    def finished(self, outcome: StageOutcome, data: bytes | None) -> None:
        """Write its row."""
        peak = gpu_peak()
        gpu = "" if peak is None else f"{peak:10.0f} MiB on the GPU"
        backend = getattr(outcome.result, "backend", "")
        name = f"{outcome.stage} ({backend})" if backend else outcome.stage
        write(f"  {name:44}{outcome.seconds:9.2f} s{gpu}  process up to {process_peak():.0f} MiB")


def options_of(
    graph: Any, folder: Path, device: str, tracker: str, geometry: str
) -> dict[str, Any]:
    """Options with every backend a model, its weights in `folder`."""
    sam2 = model_stack.write_sam2(folder / "sam2")
    # The robot's backend takes LLMDet's own weights from here.
    os.environ[MODELS_FOLDER] = str(folder)
    chosen = {
        "proposals": ("llmdet", model_stack.write_llmdet(folder / LLMDetDetector.weights.repo)),
        "masks": ("sam2", sam2),
        "tracks": ("sam2_video", sam2),
        "lifting": (
            (geometry, model_stack.write_moge(folder / "moge"))
            if geometry == "moge"
            else (geometry, model_stack.write_depth_anything(folder / "depth"))
        ),
        "robot": ("phrase_to_mask", sam2),
    }
    if tracker:
        name, _, clone = tracker.partition("=")
        chosen["tracks"] = (name, Path(clone))
    options = graph.default_options()
    for stage, (backend, weights) in chosen.items():
        options[stage] = replace(
            options[stage], backend=backend, weights=str(weights), device=device
        )
    return options  # type: ignore[no-any-return]


def main() -> None:
    """Run the whole pipeline on models, once for each geometry."""
    device = os.environ.get("DEMOSCOPE_BENCH_DEVICE", "auto")
    seconds = float(os.environ.get("DEMOSCOPE_BENCH_SECONDS", LENGTH / FPS))
    tracker = os.environ.get("DEMOSCOPE_BENCH_TRACKER", "")
    # As many tracked frames as a clip of `seconds` has; the option allows no rate below 1.
    rate = max(6.0 * seconds * FPS / LENGTH, 1.0)
    graph = standard_graph()
    for geometry in ("moge", "depth_anything"):
        source = Retimed(open_dataset(SAMPLE), back=False)
        with tempfile.TemporaryDirectory() as folder:
            options = options_of(graph, Path(folder), device, tracker, geometry)
            options["tracks"] = replace(options["tracks"], track_fps=rate)
            frames = round(rate * LENGTH / FPS)
            write(f"{frames} tracked frames, random weights, device {device}, {geometry}")
            write(conditions("torch", "transformers"))
            done = annotate_episode(source, 0, graph=graph, options=options, observer=Meter())
            if done.failure is not None:
                write(f"  FAILED: {done.failure}")


if __name__ == "__main__":
    main()
