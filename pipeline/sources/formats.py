"""The formats that can be opened, each known by what it looks like."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

from pipeline.model.demonstration import DatasetSource


@dataclass(frozen=True, slots=True)
class Recognition:
    """A path was recognised as a dataset.

    Attributes:
        root: Folder or file that is the dataset; opening it again gives the same.
        reason: What was seen, one phrase; becomes `DatasetInfo.reason`.
        episode: Episode that the given path is part of, if it names one.
    """

    root: Path
    reason: str
    episode: int | None = None


class FormatModule(Protocol):
    """What a module of a format offers."""

    def recognise(self, path: Path) -> Recognition | None:
        """Say whether `path` itself (not its parents) is a dataset or a part of one.

        Called for every dropped path and its parents: looks at names first and opens a file only
        if its name or its first bytes fit. Raises nothing.
        """
        ...

    def open_recognised(self, found: Recognition) -> DatasetSource:
        """Open what was recognised. Raises DataError with one sentence."""
        ...


@dataclass(frozen=True, slots=True)
class Format:
    """One format.

    Attributes:
        name: Short name, as in `DatasetInfo.format`.
        looks_like: What people should look for, a phrase.
        folder: Package beside this module whose `dataset` reads it.
        reach: Levels above a given path at which such a dataset may still be what was meant. With
            0 only the path itself may be one, and it is asked last: any folder may happen to hold
            a video, and a video inside a dataset means the dataset.
    """

    name: str
    looks_like: str
    folder: str
    reach: int = 5

    def load(self) -> FormatModule:
        """Import the module, when a path may be a dataset of this format."""
        name = f"pipeline.sources.{self.folder}.dataset"
        return cast(FormatModule, importlib.import_module(name))


FORMATS: tuple[Format, ...] = (
    # In the order in which they are asked: those that are told by a name of their own first.
    Format("lerobot", "LeRobot: a folder with meta/info.json", "lerobot"),
    Format("rlds", "RLDS/TFDS: features.json beside .tfrecord files", "rlds"),
    Format("droid", "DROID: metadata_*.json beside trajectory.h5", "droid"),
    Format(
        "agibot",
        "AgiBot World: task_info and proprio_stats, or aligned_joints.h5",
        "agibot",
    ),
    Format("robomimic", "robomimic, LIBERO: HDF5 with data/demo_0", "robomimic", reach=1),
    Format("aloha", "ALOHA/ACT: HDF5 with observations/qpos", "aloha", reach=1),
    Format("video", "a video with a CSV, Parquet or NPZ signal beside it", "recordings", reach=0),
)
