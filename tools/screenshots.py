"""Makes the pictures of README and docs with `demoscope screenshot`, under Xvfb without a display.

    python tools/screenshots.py [DATASET]

The curation window is drawn on DATASET, with ground truth beside it; the sample dataset has nothing
wrong to show. That in the README is `tools.sample.held_out --count 60 --seed 101`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EPISODE, FRAME, SIZE = 3, 96, "1760x1040"
SIZE_3D = "1600x1000"


def main() -> int:
    """Make the pictures in docs/."""
    screen = None
    environment = dict(os.environ)
    if not environment.get("DISPLAY"):
        if shutil.which("Xvfb") is None:
            sys.stderr.write("no display and no Xvfb\n")
            return 1
        read, write = os.pipe()
        command = ["Xvfb", "-displayfd", str(write), "-screen", "0", f"{SIZE}x24"]
        screen = subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL)
        os.close(write)
        with os.fdopen(read) as answer:
            environment["DISPLAY"] = f":{answer.readline().strip()}"
        environment["QT_QPA_PLATFORM"] = "xcb"
    try:
        pictures = (
            ("dark", "window-dark", ()),
            ("light", "window-light", ()),
            ("dark", "compare-dark", ("--compare", "proposals.detector_threshold=0.15")),
        )
        failed = max(_picture(*picture, environment) for picture in pictures)
        failed = max(failed, _rerun(environment))
        failed = max(failed, _captions(environment))
        if len(sys.argv) > 1:
            failed = max(failed, _curation(sys.argv[1], environment))
        return failed
    finally:
        if screen is not None:
            screen.kill()
            screen.wait()


def _picture(theme: str, name: str, more: tuple[str, ...], environment: dict[str, str]) -> int:
    command = [
        *(sys.executable, "-m", "app.main", "screenshot", "resources/sample"),
        *("--episode", str(EPISODE), "--frame", str(FRAME), "--size", SIZE, "--theme", theme),
        *("--with-3d", "--out", f"docs/{name}.png", *more),
    ]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def _rerun(environment: dict[str, str]) -> int:
    """The 3D view with a selected point, in a wide panel."""
    command = [
        *(sys.executable, "-m", "tools.rerun_picture", "resources/sample"),
        *(str(EPISODE), str(FRAME), SIZE_3D, "docs/rerun-dark.png"),
    ]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def _captions(environment: dict[str, str]) -> int:
    """Caption review and what a model sees; it needs no display."""
    command = [
        *(sys.executable, "-m", "tools.caption_pictures", "resources/sample"),
        *(str(EPISODE), SIZE_3D, "docs"),
    ]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def _curation(dataset: str, environment: dict[str, str]) -> int:
    """The curation window on annotations made now; it needs no display."""
    with tempfile.TemporaryDirectory() as folder:
        annotations = f"{folder}/annotations.parquet"
        program = [sys.executable, "-m", "app.main"]
        annotate = [*program, "annotate", dataset, "--no-edits", "--predictions", annotations]
        draw = [
            *(*program, "curate", annotations, "--dataset", dataset, "--target", "0.9"),
            *("--size", SIZE, "--theme", "dark", "--out", "docs/curation-dark.png"),
        ]
        for command in (annotate, draw):
            code = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
            if code:
                return code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
