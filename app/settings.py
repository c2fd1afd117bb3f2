"""Where things live, and how much memory they may take. Environment variables win."""

from __future__ import annotations

import configparser
import logging
import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from pipeline.model.problem import DataError

log = logging.getLogger(__name__)

APP = "demoscope"
PICTURE_BYTES = 512 << 20
"""Decoded pictures kept by the window unless set otherwise: 35 s of one camera at 640x480."""
PICTURE_VARIABLE = "DEMOSCOPE_PICTURE_MIB"
"""Environment variable with the memory for decoded pictures, MiB."""
_PICTURE_SETTING = "picture_mib"
_LEAST_MIB = 16
"""Less would not hold a few frames of one large camera."""


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


def picture_bytes(settings: Path | None = None) -> int:
    """Memory for decoded pictures, all cameras of the open episode together, bytes.

    DEMOSCOPE_PICTURE_MIB, else `picture_mib` of the settings file, else 512 MiB. What is no number
    is ignored; less than 16 MiB becomes 16.

    Args:
        settings: Settings file; None for the user's own.
    """
    wanted = os.environ.get(PICTURE_VARIABLE) or _setting(settings or paths().settings)
    if not wanted:
        return PICTURE_BYTES
    try:
        mib = float(wanted)
        return max(round(mib * (1 << 20)), _LEAST_MIB << 20)
    except (ValueError, OverflowError):
        log.warning("memory for pictures: expected MiB, got %r; 512 are used", wanted)
        return PICTURE_BYTES


def _setting(file: Path) -> str:
    """`picture_mib` of the file that the window writes through QSettings; empty without it."""
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read(file, encoding="utf-8")
    except (configparser.Error, OSError, UnicodeDecodeError) as error:
        log.warning("%s: %s", file, error)
        return ""
    return str(parser.get("General", _PICTURE_SETTING, fallback=""))
