"""Start of the whole program under Xvfb: `python -m tests.benchmarks start`.

Each start is a new process; times count from its spawn. The floors, a bare PySide6 window and one
with pyqtgraph's PlotWidget, are started in turn with it. All of them run from bytecode, as what was
installed does: the first start of each compiles it, whatever PYTHONDONTWRITEBYTECODE says here.
"""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.display import virtual_display
from tests.benchmarks.table import header, row, write
from tests.datasets import SAMPLE

ROUNDS = 7
PATIENCE = 60.0

_FLOOR = """
import os, sys, time
from PySide6.QtCore import QEvent, QObject, QTimer
from PySide6.QtWidgets import QApplication, QMainWindow
{imports}
class Watch(QObject):
    def eventFilter(self, watched, event):
        if event.type() is QEvent.Type.Paint:
            # After the transfer to the screen.
            QTimer.singleShot(0, self, tell)
        return False
def tell():
    sys.stderr.write(f"timing window {{time.time() - float(os.environ['DEMOSCOPE_TIMING'])}}\\n")
    sys.stderr.flush()
application = QApplication([])
watch = Watch()
application.installEventFilter(watch)
window = QMainWindow()
{contents}
window.resize(1920, 1080)
window.show()
application.exec()
"""
PROGRAMS = {
    "PySide6, empty window": ["-c", _FLOOR.format(imports="", contents="")],
    "PySide6 + pyqtgraph plot": [
        "-c",
        _FLOOR.format(
            imports="import pyqtgraph",
            contents="window.setCentralWidget(pyqtgraph.PlotWidget())",
        ),
    ],
    "demoscope open": ["-m", "app.main", "open", f"{SAMPLE}#0"],
}


def start(command: list[str], display: str, home: Path, last: str) -> dict[str, float]:
    """Start a program and end it when it has said `last`; the times it told, in seconds."""
    environment = os.environ | {
        "DISPLAY": display,
        "QT_QPA_PLATFORM": "xcb",
        "DEMOSCOPE_CONFIG_DIR": str(home / "config"),
        "DEMOSCOPE_DATA_DIR": str(home / "data"),
        "DEMOSCOPE_CACHE_DIR": str(home / "cache"),
        "PYTHONPYCACHEPREFIX": str(home / "bytecode"),
    }
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    environment["DEMOSCOPE_TIMING"] = repr(time.time())
    process = subprocess.Popen(
        [sys.executable, *command], env=environment, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    told: dict[str, float] = {}
    heard: list[str] = []
    with selectors.DefaultSelector() as selector:
        selector.register(process.stderr, selectors.EVENT_READ)
        while last not in told and selector.select(PATIENCE):
            line = process.stderr.readline()
            if not line:
                break
            heard.append(line)
            words = line.split()
            if words[:1] == ["timing"]:
                told.setdefault(words[1], float(words[2]))
    process.kill()
    process.wait()
    process.stderr.close()
    if last not in told:
        raise RuntimeError(f"no “{last}” from {command[:3]}: {''.join(heard)[-2000:]}")
    return told


def main() -> None:
    """Measure and print a table."""
    with virtual_display() as display, tempfile.TemporaryDirectory() as home:
        if not display:
            write("start: Xvfb is missing, nothing measured")
            return
        times: dict[str, list[dict[str, float]]] = {name: [] for name in PROGRAMS}
        for turn in range(ROUNDS + 1):
            for name, command in PROGRAMS.items():
                last = "first_frame" if name.startswith("demoscope") else "window"
                told = start(command, display, Path(home), last)
                if turn:  # The first start warms the disk cache and compiles.
                    times[name].append(told)
    header("Spawn of the process to the first paint, Xvfb 1920x1080", "PySide6", "pyqtgraph")
    for name, starts in times.items():
        goal = 1000.0 if name.startswith("demoscope") else None
        row(name, [t["window"] for t in starts], goal)
    own = times["demoscope open"]
    row("episode opened, from spawn", [t["episode"] for t in own])
    row("first frame painted, from spawn", [t["first_frame"] for t in own])
    row("episode opened to first frame painted", [t["first_frame"] - t["episode"] for t in own])
    row("window to first frame painted", [t["first_frame"] - t["window"] for t in own], 300.0)


if __name__ == "__main__":
    main()
