"""What the window's start leaves for later: nobody waits for what is not on show yet."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtWidgets import QLabel, QWidget
from pytestqt.qtbot import QtBot

from app.main_window import MainWindow
from app.window_run import _collect_again, make_window
from tests.datasets import SAMPLE
from widgets.caption_tabs import CaptionTabs

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", "propagateSizeHints")
_LATER = (
    # of views that are made when they are first shown
    "app.caption_drafting",
    "app.caption_entries",
    "app.caption_request",
    "app.collage_window",
    "viewers.collage_viewer",
    "viewers.exchange_",
    "viewers.sent_",
    "widgets.caption_fields_form",
    "widgets.caption_history",
    "widgets.check_list",
    "widgets.completed_line",
    "widgets.critique_form",
    "widgets.disagreement_form",
    "widgets.primitives_panel",
    "widgets.recipe_choice",
    "widgets.token_view",
    # of stages that run in the worker
    "pipeline.backends.captioning",
    "pipeline.captioning",
    "pipeline.evaluation.caption_",
    "pipeline.review.critique",
    "pipeline.review.primitives",
    "pipeline.stages.caption_check",
    "pipeline.stages.caption_corrections",
    "pipeline.stages.caption_loop",
    "pipeline.stages.caption_material",
    "pipeline.stages.caption_offline",
    "pipeline.stages.caption_online",
    "pipeline.stages.check_claims",
    "pipeline.stages.check_places",
    "pipeline.stages.check_verbs",
    # of other programs
    "alembic",
    "cv2",
    "httpx",
    "importlib.metadata",
    "pandas",
    "pyarrow",
    "rerun",
    "scipy",
    "skimage",
    "sqlalchemy",
    "torch",
)
_ON_THE_WAY = ("importlib.metadata", "pyarrow")
"""What reading a dataset needs: pydantic imports the first."""
_AFTER_THE_FIRST_PICTURE = (
    *(name for name in _LATER if name not in _ON_THE_WAY),
    "pyarrow.compute",
    "pyarrow.dataset",
)
_MAKE = """
import os, sys
from pathlib import Path
from app.window_run import make_application, make_window
application = make_application()
window = make_window("dark", settings_file=Path(sys.argv[1]))
window.show()
def tell(*_):
    import linecache
    sys.stdout.write(" ".join(sys.modules) + "\\n" + " ".join(linecache.cache))
    sys.stdout.flush()
    os._exit(0)  # What was begun in the background is not of interest.
"""
_SHOWN = (
    _MAKE
    + """
from PySide6.QtCore import QTimer
QTimer.singleShot(0, tell)
application.exec()
"""
)
_PICTURE = (
    _MAKE
    + """
control = window.control
control.auto_run = False
control.loader.loaded.connect(tell)
control.open_dataset(sys.argv[2], 0)
application.exec()
"""
)
_TABS = {"saw", "checks", "words", "history", "tags", "again"}


@pytest.fixture
def window(qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MainWindow]:
    monkeypatch.setenv("DEMOSCOPE_CACHE_DIR", str(tmp_path / "cache"))
    made = make_window("dark", settings_file=tmp_path / "settings.ini")
    qtbot.addWidget(made)
    made.show()
    yield made
    made.close()


def _loaded(tmp_path: Path, program: str, *arguments: str) -> tuple[list[str], list[str]]:
    """Modules of a process when it ends itself, and files whose source it has read."""
    environment = os.environ | {"QT_QPA_PLATFORM": "offscreen"}
    for name in ("CONFIG", "DATA", "CACHE"):
        environment[f"DEMOSCOPE_{name}_DIR"] = str(tmp_path / name)
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "settings.ini"), *arguments],
        cwd=Path(__file__).resolve().parents[2],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "app.main_window" in done.stdout, done.stderr
    modules, sources = done.stdout.split("\n")
    return modules.split(), sources.split()


def test_the_start_loads_nothing_of_what_is_shown_later(tmp_path: Path) -> None:
    loaded, sources = _loaded(tmp_path, _SHOWN)
    assert [name for name in loaded if name.startswith(_LATER)] == []
    # PySide's own `__import__` would have read the source of every module.
    assert [path for path in sources if path.endswith("main_window.py")] == []


def test_the_first_picture_waits_for_no_library_that_it_does_not_need(tmp_path: Path) -> None:
    loaded, _ = _loaded(tmp_path, _PICTURE, str(SAMPLE))
    assert "av" in loaded
    assert [name for name in loaded if name.startswith(_AFTER_THE_FIRST_PICTURE)] == []


def test_unused_objects_are_looked_for_again_when_the_start_is_over() -> None:
    gc.disable()
    try:
        _collect_again()
        assert gc.isenabled()
        assert gc.get_freeze_count() > 0  # What the start made is never looked through again.
    finally:
        gc.unfreeze()
        gc.enable()


def test_views_of_a_caption_are_made_when_they_are_first_shown(window: MainWindow) -> None:
    tabs = window.panels.captions
    assert set(tabs.names) == {"caption", *_TABS}
    assert not any(tabs.is_made(name) for name in _TABS)
    window.caption_views.do_caption_words()
    assert {name for name in _TABS if tabs.is_made(name)} == {"words"}
    assert window.caption_views.words.isVisible()
    window.caption_views.do_model_saw()
    assert window.caption_views.collage.isVisible()
    assert not tabs.is_made("history")


def test_a_tab_is_made_once_and_tells_of_it(qtbot: QtBot) -> None:
    tabs = CaptionTabs()
    qtbot.addWidget(tabs)
    parents: list[QWidget] = []

    def make(parent: QWidget) -> QWidget:
        parents.append(parent)
        return QLabel("late", parent)

    tabs.add("caption", "Caption", QLabel("here"))
    tabs.add_later("history", "History", make, "all of it")
    tabs.show()
    told: list[str] = []
    tabs.tabMade.connect(told.append)
    assert (parents, tabs.is_made("caption"), tabs.is_made("history")) == ([], True, False)
    for name in ("history", "caption", "history"):
        tabs.show_tab(name)
    assert told == ["history"]
    assert len(parents) == 1
    made = tabs.content("history")
    assert made.isVisible()
    assert made.parentWidget() is parents[0]
    assert tabs.tabToolTip(1) == "all of it"
    tabs.set_title("history", "History: 3")
    assert tabs.tabText(1) == "History: 3"
    with pytest.raises(KeyError):
        tabs.content("nothing")
