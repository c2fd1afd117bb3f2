"""Renders the sample dataset.

Run from the repository's root with the packages of ``tools/sample/requirements.txt``::

    MUJOCO_GL=osmesa python -m tools.sample.render --out resources/sample
    python -m tools.sample.render --out resources/sample --check
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import os
import shutil
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault("MUJOCO_GL", "osmesa")

from tools.sample import lerobot_writer as writer
from tools.sample.check import check_dataset
from tools.sample.episodes import all_episodes
from tools.sample.frames import decode_depth, feature_key, render_labels, render_streams
from tools.sample.ground_truth import GroundTruth, describe, moments
from tools.sample.motion import FPS, Motion, simulate
from tools.sample.plan import Episode
from tools.sample.scene import build_scene
from tools.sample.video import encode_colour, encode_depth_video

SEED = 20240611
EPISODES_PER_FILE = 4
"""Episodes in each file of the main camera; the other cameras have one file."""

log = logging.getLogger("tools.sample")


@dataclass
class Recording:
    """A rendered episode.

    Attributes:
        episode: The plan.
        motion: What happened.
        files: Raw frames by feature key.
        truth: Its ground truth.
    """

    episode: Episode
    motion: Motion
    files: dict[str, Path]
    truth: GroundTruth


def record(episode: Episode, folder: Path, seed: int = SEED) -> Recording:
    """Simulates and renders one episode.

    Args:
        episode: The plan.
        folder: Where raw frames go.
        seed: Of textures and noise.

    Returns:
        The recording.
    """
    looks, signals, pixels = (np.random.default_rng([seed, episode.index, k]) for k in range(3))
    model = build_scene(episode.robot, episode.things, episode.cameras, episode.look, looks)
    motion = simulate(model, episode, signals)
    files = render_streams(model, episode, motion, folder, pixels)
    wanted = [moments(s, motion) for s in episode.subtasks]
    frames = [f for m in wanted for f in (m.keyframe, m.mid_hold, m.last)]
    truth = describe(episode, motion, render_labels(model, episode, motion, frames))
    return Recording(episode, motion, files, truth)


def _clip(path: Path, key: str, file_index: int, start: float) -> writer.Clip:
    frames = np.load(path, mmap_mode="r")
    sample = frames[::10]
    values = sample / 255.0 if frames.ndim == 4 else decode_depth(sample)[..., None]
    axes = (0, 1, 2)
    return writer.Clip(
        key=key,
        file_index=file_index,
        start=start,
        end=start + len(frames) / FPS,
        mean=values.mean(axes),
        std=values.std(axes),
        low=values.min(axes),
        high=values.max(axes),
    )


def _encode(key: str, path: Path, files: list[Path]) -> None:
    frames = (np.asarray(frame) for file in files for frame in np.load(file, mmap_mode="r"))
    if key.endswith("_depth"):
        encode_depth_video(path, frames)
    else:
        encode_colour(path, frames)


def write_videos(recordings: list[Recording], out: Path) -> dict[tuple[int, str], writer.Clip]:
    """Encodes all cameras, several episodes per file.

    Args:
        recordings: By episode index.
        out: Root of the dataset.

    Returns:
        Where each episode lies, by episode index and feature key.
    """
    groups: dict[tuple[str, int], list[Recording]] = {}
    for recording in recordings:
        for key in recording.files:
            main = key == feature_key("front")
            group = recording.episode.index // EPISODES_PER_FILE if main else 0
            groups.setdefault((key, group), []).append(recording)
    clips: dict[tuple[int, str], writer.Clip] = {}
    for (key, group), members in groups.items():
        path = out / writer.VIDEO_PATH.format(video_key=key, chunk_index=0, file_index=group)
        began = time.perf_counter()
        _encode(key, path, [m.files[key] for m in members])
        start = 0.0
        for member in members:
            clip = _clip(member.files[key], key, group, start)
            clips[member.episode.index, key], start = clip, clip.end
        size = path.stat().st_size / 1e6
        log.info("%s: %.2f MB in %.0f s", path, size, time.perf_counter() - began)
    return clips


def _episode_row(
    recording: Recording, columns: dict[str, Any], clips: dict[str, writer.Clip]
) -> dict[str, Any]:
    index, length = recording.episode.index, len(recording.motion.state)
    row: dict[str, Any] = {
        "episode_index": index,
        "tasks": [recording.episode.task],
        "length": length,
        "data/chunk_index": 0,
        "data/file_index": 0,
        "dataset_from_index": int(columns["index"][0]),
        "dataset_to_index": int(columns["index"][0]) + length,
    }
    stats: dict[str, dict[str, Any]] = writer.table_stats(columns)
    for key, clip in sorted(clips.items()):
        row |= {
            f"videos/{key}/chunk_index": 0,
            f"videos/{key}/file_index": clip.file_index,
            f"videos/{key}/from_timestamp": clip.start,
            f"videos/{key}/to_timestamp": clip.end,
        }
        stats[key] = writer.clip_stats([clip])
    for feature, values in stats.items():
        row |= {f"stats/{feature}/{name}": value for name, value in values.items()}
    row |= {"meta/episodes/chunk_index": 0, "meta/episodes/file_index": 0}
    row["robot_type"] = recording.episode.robot
    return row


def write_dataset(recordings: list[Recording], out: Path) -> None:
    """Writes the whole dataset.

    Args:
        recordings: By episode index.
        out: Root of the dataset; its generated folders are replaced.
    """
    for name in ("meta", "data", "videos", "ground_truth"):
        shutil.rmtree(out / name, ignore_errors=True)
    clips = write_videos(recordings, out)
    tasks = list(dict.fromkeys(r.episode.task for r in recordings))
    keys = sorted({key for _, key in clips})
    columns, rows, first = [], [], 0
    cameras: dict[str, dict[str, Any]] = {}
    truth = GroundTruth([], [], {}, {})
    for recording in recordings:
        episode = recording.episode
        task = tasks.index(episode.task)
        columns.append(writer.episode_columns(episode, recording.motion, first, task))
        first += len(recording.motion.state)
        own = {key: clip for (index, key), clip in clips.items() if index == episode.index}
        rows.append(_episode_row(recording, columns[-1], own))
        truth.extend(recording.truth)
        described = {}
        for camera in episode.cameras:
            entry = {
                "width": 640,
                "height": 480,
                "intrinsics": np.round(camera.intrinsics(), 6).tolist(),
                "camera_to_world": np.round(camera.camera_to_world(), 8).tolist(),
            }
            for depth in (False, True):
                if feature_key(camera.key, depth) in recording.files:
                    described[feature_key(camera.key, depth)] = entry
        cameras[str(episode.index)] = described
    writer.write_data(out / writer.DATA_PATH.format(chunk_index=0, file_index=0), columns)
    writer.write_episodes(out / writer.EPISODES_FILE, rows, keys)
    writer.write_tasks(out / "meta" / "tasks.parquet", tasks)
    writer.write_info(out / "meta" / "info.json", keys, len(rows), first, len(tasks))
    merged = {n: np.concatenate([c[n] for c in columns]) for n in columns[0]}
    stats: dict[str, Any] = writer.table_stats(merged)
    for key in keys:
        stats[key] = writer.clip_stats([c for (_, k), c in clips.items() if k == key])
    meta = out / "meta"
    (meta / "stats.json").write_text(json.dumps(stats, indent=1) + "\n", encoding="utf-8")
    (meta / "cameras.json").write_text(json.dumps(cameras, indent=1) + "\n", encoding="utf-8")
    truth.write(out / "ground_truth")


def main() -> None:
    """Entry point of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--out", type=Path, required=True, help="root of the dataset")
    parser.add_argument("--check", action="store_true", help="only re-read what is there")
    parser.add_argument("--episodes", type=int, nargs="*", help="only these (for a quick look)")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if not options.check:
        began = time.perf_counter()
        chosen = [e for e in all_episodes() if not options.episodes or e.index in options.episodes]
        spawn = multiprocessing.get_context("spawn")
        with (
            tempfile.TemporaryDirectory(prefix="demoscope_sample_") as folder,
            ProcessPoolExecutor(options.jobs, mp_context=spawn) as pool,
        ):
            recordings = list(pool.map(record, chosen, [Path(folder)] * len(chosen)))
            log.info("rendered in %.0f s", time.perf_counter() - began)
            write_dataset(recordings, options.out)
        log.info("written in %.0f s", time.perf_counter() - began)
    problems = check_dataset(options.out)
    for problem in problems:
        log.error("%s", problem)
    raise SystemExit(1 if problems else 0)


if __name__ == "__main__":
    main()
