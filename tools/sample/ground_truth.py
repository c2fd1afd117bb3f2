"""What is true about the sample: boxes, masks, contacts, positions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tools.sample.frames import LabelMap, feature_key
from tools.sample.motion import FPS, Motion
from tools.sample.plan import Episode, Subtask
from tools.sample.things import COLOURS, shape


@dataclass(frozen=True)
class Moments:
    """Frames of a subtask that the ground truth looks at.

    Attributes:
        keyframe: Half way through the approach, before any contact.
        mid_hold: Half way through the contact that lifts the object.
        last: Last frame of the episode.
    """

    keyframe: int
    mid_hold: int
    last: int


def moments(subtask: Subtask, motion: Motion) -> Moments:
    """Finds the frames of a subtask.

    Args:
        subtask: The subtask.
        motion: What happened.

    Returns:
        Its frames, relative to the episode.
    """
    start = round(subtask.start * FPS)
    contact = motion.contacts[subtask.thing_id]
    touched = [a for a, _ in contact + motion.failed_contacts.get(subtask.thing_id, [])]
    first, last = contact[-1]
    return Moments((start + min(touched)) // 2, (first + last) // 2, len(motion.qpos) - 1)


@dataclass
class GroundTruth:
    """Rows and arrays of the ground truth of one or more episodes.

    Attributes:
        annotations: One row per subtask.
        objects: One row per object and keyframe.
        masks: Label maps by name, uint8 (h, w).
        positions: Trajectories by name, metres, float32 (t, 3).
    """

    annotations: list[dict[str, Any]]
    objects: list[dict[str, Any]]
    masks: dict[str, npt.NDArray[np.uint8]]
    positions: dict[str, npt.NDArray[np.float32]]

    def write(self, folder: Path) -> None:
        """Writes the four files.

        Args:
            folder: Created if missing.
        """
        folder.mkdir(parents=True, exist_ok=True)
        for name, rows in (("annotations", self.annotations), ("objects", self.objects)):
            lines = "".join(json.dumps(row) + "\n" for row in rows)
            (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")
        # savez types its keyword arguments as if one of them could be allow_pickle.
        masks: dict[str, Any] = dict(self.masks)
        positions: dict[str, Any] = dict(self.positions)
        np.savez_compressed(folder / "masks.npz", **masks)
        np.savez_compressed(folder / "positions.npz", **positions)

    def extend(self, other: GroundTruth) -> None:
        """Appends another episode's rows and arrays.

        Args:
            other: What to append.
        """
        self.annotations += other.annotations
        self.objects += other.objects
        self.masks |= other.masks
        self.positions |= other.positions


def _role(thing_id: str, episode: Episode) -> str:
    if any(s.thing_id == thing_id for s in episode.subtasks):
        return "manipulated"
    return "target" if any(s.target_id == thing_id for s in episode.subtasks) else "distractor"


def _rounded(values: npt.NDArray[np.float64]) -> list[float]:
    return [round(float(v), 5) for v in values]


def describe(episode: Episode, motion: Motion, maps: dict[int, LabelMap]) -> GroundTruth:
    """Collects an episode's ground truth.

    Args:
        episode: The plan.
        motion: What happened.
        maps: Label maps of the main camera by frame.

    Returns:
        Rows and arrays.
    """
    truth = GroundTruth([], [], {}, {})
    prefix = f"episode_{episode.index:06d}"
    camera = feature_key(episode.cameras[0].key)
    ids = [thing.thing_id for thing in episode.things]
    for number, subtask in enumerate(episode.subtasks):
        frames = moments(subtask, motion)
        thing, target = (ids.index(name) for name in (subtask.thing_id, subtask.target_id))
        at_key, at_end = maps[frames.keyframe], maps[frames.last]
        truth.annotations.append(
            {
                "episode_index": episode.index,
                "subtask_index": number,
                "robot": episode.robot,
                "arm": subtask.arm,
                "camera": camera,
                "object_id": subtask.thing_id,
                "object_name": episode.things[thing].name,
                "target_id": subtask.target_id,
                "target_name": episode.things[target].name,
                "instruction": subtask.instruction,
                "start_frame": round(subtask.start * FPS),
                "end_frame": round(subtask.end * FPS),
                "keyframe": frames.keyframe,
                "mid_hold_frame": frames.mid_hold,
                "last_frame": frames.last,
                "start_box": at_key.box(thing + 1),
                "hold_box": maps[frames.mid_hold].box(thing + 1),
                "target_box": at_end.box(target + 1),
                "object_end_box": at_end.box(thing + 1),
                "contact": motion.contacts[subtask.thing_id],
                "failed_contacts": motion.failed_contacts.get(subtask.thing_id, []),
                "position": f"{prefix}.{subtask.thing_id}",
                "note": episode.note,
            }
        )
        truth.masks[f"{prefix}.keyframe_{number}"] = at_key.labels
        truth.masks[f"{prefix}.mid_hold_{number}"] = maps[frames.mid_hold].labels
        for label, item in enumerate(episode.things, start=1):
            place = motion.positions[frames.keyframe, label - 1]
            moved = float(np.abs(motion.positions[:, label - 1] - place).max())
            truth.objects.append(
                {
                    "episode_index": episode.index,
                    "subtask_index": number,
                    "keyframe": frames.keyframe,
                    "camera": camera,
                    "object_id": item.thing_id,
                    "label": label,
                    "object_name": item.name,
                    "kind": item.kind,
                    "colour": item.colour,
                    "rgb": list(COLOURS[item.colour]),
                    "role": _role(item.thing_id, episode),
                    "moves": moved > 0.002,
                    "box": at_key.box(label),
                    "visible_pixels": int((at_key.labels == label).sum()),
                    "position": _rounded(place),
                    "grasp_width": round(shape(item).grasp_width, 5),
                }
            )
    truth.masks[f"{prefix}.last"] = maps[len(motion.qpos) - 1].labels
    for number, name in enumerate(ids):
        truth.positions[f"{prefix}.{name}"] = motion.positions[:, number].astype(np.float32)
    for number, track in enumerate(episode.tracks):
        tools = motion.tools[:, number].astype(np.float32)
        truth.positions[f"{prefix}.tool_{track.arm.name}"] = tools
    return truth
