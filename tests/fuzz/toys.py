"""One small valid dataset of every format, to be harmed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests import agibot_files, droid_files, hdf5_files, tfrecord_files
from tests.datasets import picture, signals, write_v2, write_v3, write_video


def _with_signal(root: Path) -> Path:
    root.mkdir(parents=True)
    write_video(root / "lift.mp4", [picture(f) for f in range(20)], 10, "libx264", gop=5)
    state, _ = signals(20)
    rows = [",".join(f"{v:.5f}" for v in (i / 10, *row)) for i, row in enumerate(state)]
    header = ",".join(["timestamp", *(f"c{i}" for i in range(state.shape[1] - 1)), "gripper"])
    (root / "lift.csv").write_text("\n".join([header, *rows]) + "\n")
    return root


TOYS: dict[str, Callable[[Path], Path]] = {
    "lerobot_v2": lambda root: write_v2(root, (12, 12)),
    "lerobot_v3": lambda root: write_v3(root, (12, 12)),
    "robomimic": lambda root: hdf5_files.write_robomimic(root / "demo.hdf5", (12, 10)),
    "libero": lambda root: hdf5_files.write_libero(root / "PICK_demo.hdf5", (12, 10)),
    "aloha": lambda root: hdf5_files.write_aloha(root / "sim_lift", (12, 10)),
    "aloha_jpeg": lambda root: hdf5_files.write_aloha(root / "lift", (12,), compress=True),
    "rlds": tfrecord_files.write_toy,
    "droid": lambda root: droid_files.write_release(root),
    "agibot_alpha": lambda root: agibot_files.write_alpha(root, rows=12),
    "agibot_jobs": lambda root: agibot_files.write_job_episode(root / "job" / "a2d", rows=12),
    "video_csv": _with_signal,
}
"""Name -> writes it below a folder and returns the path that people would open."""
