"""A virtual display for benchmarks that need a real window system."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def virtual_display(size: str = "1920x1080") -> Iterator[str]:
    """Run Xvfb on a free display and give its name; empty where Xvfb is missing."""
    program = shutil.which("Xvfb")
    if program is None:
        yield ""
        return
    read, write = os.pipe()
    # Xvfb chooses a free number and writes it into the pipe when it is ready.
    server = subprocess.Popen(
        [program, "-displayfd", str(write), "-screen", "0", f"{size}x24", "-nolisten", "tcp"],
        pass_fds=[write],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    try:
        with os.fdopen(read) as pipe:
            number = pipe.readline().strip()
        yield f":{number}" if number else ""
    finally:
        server.terminate()
        server.wait()
