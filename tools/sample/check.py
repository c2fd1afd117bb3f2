"""Re-reads a written dataset the way a reader would, and says what is wrong with it."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from tools.sample.frames import decode_depth
from tools.sample.video import decode

MAX_BYTES = 25_000_000
log = logging.getLogger("tools.sample")


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _box_inside(box: list[int] | None, width: int, height: int) -> bool:
    if box is None:
        return False
    x0, y0, x1, y1 = box
    return 0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height


def _check_videos(root: Path, info: dict[str, Any], row: dict[str, Any]) -> list[str]:
    problems = []
    for key, feature in info["features"].items():
        if feature["dtype"] != "video" or row.get(f"videos/{key}/file_index") is None:
            continue
        path = root / info["video_path"].format(
            video_key=key,
            chunk_index=row[f"videos/{key}/chunk_index"],
            file_index=row[f"videos/{key}/file_index"],
        )
        start, end = row[f"videos/{key}/from_timestamp"], row[f"videos/{key}/to_timestamp"]
        depth = feature["info"]["is_depth_map"]
        frames = list(decode(path, start, end, "gray12le" if depth else "rgb24"))
        name = f"episode {row['episode_index']} {key}"
        if len(frames) != row["length"]:
            problems.append(f"{name}: {len(frames)} frames instead of {row['length']}")
        drift = max(abs(time - i / info["fps"]) for i, (time, _) in enumerate(frames))
        if drift > 1e-3:
            problems.append(f"{name}: frame times are off by {drift:.4f} s")
        if depth:
            metres = decode_depth(frames[0][1].astype(np.uint16))
            if not 0.3 < float(np.median(metres)) < 3.0:
                problems.append(f"{name}: implausible median depth {np.median(metres):.2f} m")
    return problems


def _check_truth(root: Path, lengths: dict[int, int]) -> list[str]:
    problems = []
    folder = root / "ground_truth"
    annotations, objects = _lines(folder / "annotations.jsonl"), _lines(folder / "objects.jsonl")
    with np.load(folder / "masks.npz") as masks, np.load(folder / "positions.npz") as positions:
        for row in annotations:
            name = f"episode {row['episode_index']} subtask {row['subtask_index']}"
            for field in ("start_box", "hold_box", "target_box", "object_end_box"):
                if not _box_inside(row[field], 640, 480):
                    problems.append(f"{name}: bad {field} {row[field]}")
            length = lengths[row["episode_index"]]
            if len(positions[row["position"]]) != length:
                problems.append(f"{name}: wrong number of positions")
            spans = row["contact"] + row["failed_contacts"]
            if not row["contact"] or any(not 0 <= a < b <= length for a, b in spans):
                problems.append(f"{name}: bad contacts {spans}")
            if row["keyframe"] >= min(a for a, _ in spans):
                problems.append(f"{name}: the keyframe is not before contact")
            for box, field in ((row["start_box"], "start"), (row["target_box"], "target")):
                x0, y0, x1, y1 = box
                log.info("%s: %s box %d x %d px", name, field, x1 - x0, y1 - y0)
        for row in objects:
            labels = masks[f"episode_{row['episode_index']:06d}.keyframe_{row['subtask_index']}"]
            seen = int((labels == row["label"]).sum())
            name = f"episode {row['episode_index']} {row['object_id']}"
            if seen != row["visible_pixels"] or seen < 100:
                problems.append(f"{name}: {seen} visible pixels at the keyframe")
    return problems


def check_dataset(root: Path, max_bytes: int | None = MAX_BYTES) -> list[str]:
    """Reads every table, every frame and the ground truth.

    Args:
        root: Root of the dataset.
        max_bytes: Largest allowed size; ``None``: any.

    Returns:
        What is wrong, in words; empty if all is well.
    """
    info = json.loads((root / "meta" / "info.json").read_text(encoding="utf-8"))
    cameras = json.loads((root / "meta" / "cameras.json").read_text(encoding="utf-8"))
    episodes = pq.read_table(root / "meta" / "episodes").to_pylist()
    data = pq.read_table(root / info["data_path"].format(chunk_index=0, file_index=0))
    problems = []
    if data.num_rows != info["total_frames"]:
        problems.append(f"{data.num_rows} rows instead of {info['total_frames']}")
    index = data["episode_index"].to_numpy()
    state = np.array(data["observation.state"].to_pylist(), dtype=np.float32)
    names = info["features"]["observation.state"]["names"]
    for row in episodes:
        number = row["episode_index"]
        rows = slice(row["dataset_from_index"], row["dataset_to_index"])
        if not (index[rows] == number).all() or len(index[rows]) != row["length"]:
            problems.append(f"episode {number}: wrong rows in the data file")
        missing = np.isnan(state[rows]).any(axis=0) != np.isnan(state[rows]).all(axis=0)
        if missing.any():
            problems.append(f"episode {number}: channels with gaps")
        present = [n for n, gone in zip(names, np.isnan(state[rows][0]), strict=True) if not gone]
        own = [k for k in info["features"] if row.get(f"videos/{k}/file_index") is not None]
        if set(own) != set(cameras[str(number)]):
            problems.append(f"episode {number}: cameras.json does not match its videos")
        log.info(
            "episode %d: %d frames, %d channels, %s",
            number,
            row["length"],
            len(present),
            [k.rsplit(".", 1)[-1] for k in own],
        )
        problems += _check_videos(root, info, row)
    problems += _check_truth(root, {r["episode_index"]: r["length"] for r in episodes})
    size = sum(p.stat().st_size for p in root.rglob("*") if p.is_file())
    log.info("total %.2f MB", size / 1e6)
    if max_bytes is not None and size > max_bytes:
        problems.append(f"the dataset has {size} bytes, more than {max_bytes}")
    return problems
