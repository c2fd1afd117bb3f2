"""What only a process of its own can show: imports, start, outputs that end early."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.datasets import REPOSITORY, write_v2

BLOCKER = """
import importlib, pkgutil, sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("PySide6", "shiboken6", "pyqtgraph", "rerun"):
            raise ImportError("blocked: " + name)
sys.meta_path.insert(0, Blocker())
import pipeline
names = [m.name for m in pkgutil.walk_packages(pipeline.__path__, "pipeline.")]
for name in names:
    importlib.import_module(name)
print(len(names))
"""


def python(*arguments: str, cwd: Path = REPOSITORY, **environment: str):
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_every_module_of_the_pipeline_imports_without_qt() -> None:
    ran = python("-c", BLOCKER)
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) > 40


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["annotate", "--help"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom app.main import main\n"
        f"try:\n    code = main({arguments!r})\n"
        "except SystemExit as end:\n    code = end.code\n"
        "heavy = {'PySide6', 'pyqtgraph', 'rerun', 'numpy', 'cv2', 'scipy', 'pyarrow', 'av'}\n"
        "print('LOADED', code, sorted(heavy & set(sys.modules)))\n"
    )
    ran = python("-c", code)
    assert ran.stdout.splitlines()[-1] == "LOADED 0 []", ran.stderr


def test_annotate_and_info_need_no_qt(tmp_path: Path) -> None:
    root = write_v2(tmp_path / "d", (16,))
    code = (
        "import sys\nfrom app.main import main\n"
        f"codes = [main(['info', {str(root)!r}]), main(['annotate', {str(root)!r}])]\n"
        "print('LOADED', codes, 'PySide6' in sys.modules)\n"
    )
    ran = python("-c", code)
    assert ran.stdout.splitlines()[-1] == "LOADED [0, 0] False", ran.stderr


def test_another_pipeline_package_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "pipeline"
    other.mkdir()
    (other / "__init__.py").write_text("")
    code = (
        f"import sys\nsys.path[:0] = [{str(tmp_path)!r}, {str(REPOSITORY)!r}]\n"
        "from app.main import main\nmain(['paths'])\n"
    )
    ran = python("-c", code, cwd=tmp_path)
    assert ran.returncode == 1
    assert f"another package named “pipeline” ({other})" in ran.stderr
    assert len(ran.stderr.splitlines()) == 1
    assert ran.stdout == ""


def test_open_without_a_display_ends_at_once() -> None:
    ran = python("-m", "app.main", "open", DISPLAY="", WAYLAND_DISPLAY="", QT_QPA_PLATFORM="")
    if sys.platform != "linux":
        pytest.skip("other systems always have a display")
    assert ran.returncode == 1
    assert ran.stderr.startswith("demoscope: there is no display")
    assert len(ran.stderr.splitlines()) == 1


def test_an_internal_error_of_a_stage_shows_no_traceback(tmp_path: Path) -> None:
    root = write_v2(tmp_path / "d", (16,))
    code = (
        "from app.main import main\n"
        "from pipeline.stages.phases import PhasesStage\n"
        "def broken(*_): raise IndexError('too many')\n"
        "PhasesStage.run = broken\n"
        f"raise SystemExit(main(['annotate', {str(root)!r}, '--no-cache']))\n"
    )
    ran = python("-c", code)
    assert ran.returncode == 1
    assert "Traceback" not in ran.stderr
    first, last = ran.stderr.splitlines()
    assert "IndexError: too many" in first
    assert last == "demoscope: the episode failed"


def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path) -> None:
    root = write_v2(tmp_path / "d", (16, 16))
    reading, writing = os.pipe()
    os.close(reading)
    ran = subprocess.run(
        [sys.executable, "-m", "app.main", "annotate", str(root)],
        cwd=REPOSITORY,
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    os.close(writing)
    assert ran.returncode == 1
    assert "Broken" not in ran.stderr
    assert "Traceback" not in ran.stderr
