"""The whole window, and a copy of the sample dataset beside which corrections may be written."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from app.main_window import MainWindow
from app.window_run import make_window
from tests.datasets import SAMPLE


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy beside which corrections may be written (read-only data has its own test)."""
    root = tmp_path_factory.mktemp("window") / "sample"
    shutil.copytree(SAMPLE, root)
    return root


@pytest.fixture
def window(qtbot: QtBot, tmp_path: Path) -> Iterator[MainWindow]:
    """The window as a user gets it, dark, at 1280x800."""
    made = make_window("dark", settings_file=tmp_path / "settings.ini")
    made.resize(1280, 800)
    made.arrange()
    qtbot.addWidget(made)
    made.show()
    yield made
    made.close()
