"""Where things live: settings, caches, results. Environment variables win."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from pipeline.model.problem import DataError

APP = "demoscope"


@dataclass(frozen=True, slots=True)
class Paths:
    """Folders of this user.

    Attributes:
        config: Settings file `settings.ini` (override: DEMOSCOPE_CONFIG_DIR).
        data: Review stores of read-only datasets (DEMOSCOPE_DATA_DIR).
        cache: Results of stages, Rerun's viewer files (DEMOSCOPE_CACHE_DIR).
        logs: Log files.
        sample: The sample dataset that ships with Demoscope.
    """

    config: Path
    data: Path
    cache: Path
    logs: Path
    sample: Path

    @property
    def results(self) -> Path:
        """Cached stage results."""
        return self.cache / "results"

    @property
    def settings(self) -> Path:
        """Settings file."""
        return self.config / "settings.ini"


def paths() -> Paths:
    """Folders in force now."""
    import resources

    def place(variable: str, default: str) -> Path:
        return Path(os.environ.get(variable) or default).expanduser()

    return Paths(
        config=place("DEMOSCOPE_CONFIG_DIR", platformdirs.user_config_dir(APP)),
        data=place("DEMOSCOPE_DATA_DIR", platformdirs.user_data_dir(APP)),
        cache=place("DEMOSCOPE_CACHE_DIR", platformdirs.user_cache_dir(APP)),
        logs=Path(platformdirs.user_log_dir(APP)),
        sample=Path(resources.__file__).parent / "sample",
    )


def sample_dataset() -> Path:
    """Root of the sample dataset; DataError if this installation lacks it."""
    root = paths().sample
    if not (root / "meta" / "info.json").is_file():
        raise DataError("no_sample", f"{root}: the sample dataset is not installed")
    return root
