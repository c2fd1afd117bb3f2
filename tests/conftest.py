"""Keeps tests away from the user's folders, and lets them share computed results."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes is a matter of the machine.
settings.register_profile("shared machines", deadline=None)
settings.load_profile("shared machines")

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")


@pytest.fixture(scope="session", autouse=True)
def _own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Caches are shared by the whole run: results are keyed, so sharing them is safe."""
    root = tmp_path_factory.mktemp("demoscope")
    patch = pytest.MonkeyPatch()
    for name in ("CONFIG", "DATA", "CACHE"):
        patch.setenv(f"DEMOSCOPE_{name}_DIR", str(root / name.lower()))
    # A tester's team must not find toys among its reviews.
    for name in ("DATABASE", "DATASET"):
        patch.delenv(f"DEMOSCOPE_REVIEW_{name}", raising=False)
    yield root
    patch.undo()


@pytest.fixture
def results_cache(_own_folders: Path) -> Path:
    """Folder of stage results that all tests share."""
    return _own_folders / "cache" / "results"
