"""One process of Rerun's own viewer: started quietly, for this machine only, and ended with us.

`ViewerClient.spawn` would listen on every address, and the program by itself asks rerun.io for
examples and counts its use. So we start it: bound to loopback, with its statistics off, with a
proxy that leads nowhere, and with a folder of its own in place of the user's settings.
"""

from __future__ import annotations

import atexit
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from viewers.rerun_assets import rerun_executable

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
MEMORY_LIMIT = "4GB"
"""A recording of ours takes tens of megabytes; the program's own default is 75 % of the machine
(our choice)."""
SERVER_MEMORY_LIMIT = "64MiB"
"""Nothing is logged to its server; recordings are opened as files."""
START_TIMEOUT_S = 60.0
"""As for the web viewer's files: a cold start of a 300 MB program on a slow disk."""
LOOK_INTERVAL_S = 0.05
"""How often the starting program's output is looked at."""
PORT_ATTEMPTS = 3
"""Another program may take a free port between our asking for it and Rerun's taking it."""
NOWHERE = f"http://{HOST}:9"
"""A proxy that refuses: the program looks for examples on the internet even if it shows no welcome
screen. Port 9 is the discard service, so that even a listener there sends nothing on."""
LISTENS = "Listening for gRPC connections on"
PORT_TAKEN = ("Another viewer is already running", "already listening at this address")

_ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
_STAMP = re.compile(r"^\S*\d{4}-\d\d-\d\dT\S+\s+(?:ERROR|WARN|INFO)\s+[\w:]+:\s*")


class NativeViewerError(Exception):
    """Rerun's own viewer cannot be had, or ended. Its text is one sentence for the user."""


def quiet_environment(folder: Path) -> dict[str, str]:
    """Environment for the `rerun` program in which it reaches no other machine.

    Args:
        folder: What it takes for the user's settings, data and cache; private, and removed later.
    """
    own = {name: str(folder) for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME")}
    if sys.platform == "darwin":
        own["HOME"] = str(folder)  # there the settings follow HOME
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        own[name] = own[name.lower()] = NOWHERE
    own["NO_PROXY"] = own["no_proxy"] = f"{HOST},localhost"
    # Rerun counts no use in CI, whatever its settings say; nothing of the user's is changed.
    own["CI"] = "1"
    own["RUST_LOG"] = "info"  # the line that names the port must not be silenced
    environment = {**os.environ, **own}
    # Mesa's software renderer before 23 can draw to float textures but does not say so in core
    # profiles; the program then refuses to start. Other drivers do not read this.
    environment.setdefault("MESA_EXTENSION_OVERRIDE", "+GL_ARB_color_buffer_float")
    return environment


def why_no_display() -> str:
    """Say in one sentence why no window can be opened here; empty if one can."""
    if sys.platform.startswith("linux") and not any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    ):
        return (
            "Rerun's own viewer needs a display, and there is none "
            "(neither DISPLAY nor WAYLAND_DISPLAY is set)."
        )
    return ""


def why_ended(code: int, output: str) -> str:
    """One sentence about how the program ended; empty if the user closed its window.

    Args:
        code: Its exit code, negative for a signal.
        output: What it printed.
    """
    if code == 0:
        return ""
    text = _ESCAPE.sub("", output)
    if "No graphics adapter was found" in text:
        return (
            "Rerun's own viewer found no graphics driver; on Debian and Ubuntu, install "
            "mesa-vulkan-drivers."
        )
    lacking = re.search(r"lacking some abilities: ([^.]+)\.", text)
    if lacking or "Failed to get render context" in text:
        what = f" ({lacking[1]})" if lacking else ""
        return f"Rerun's own viewer cannot draw with this graphics driver{what}; a newer one may."
    missing = re.search(r"loading shared libraries: ([^:\s]+)", text)
    if missing:
        return f"Rerun's own viewer needs the system library {missing[1]}, which is missing."
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        return f"Rerun's own viewer was ended by {name}."
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    told = [line for line in lines if "panicked at" in line or "rror:" in line or "ERROR" in line]
    last = _STAMP.sub("", (told or lines or [""])[-1]).rstrip(".")[:200]
    return f"Rerun's own viewer ended with code {code}" + (f": {last}." if last else ".")


class RerunProgram:
    """A running `rerun`; all methods but `kill` block and belong into a thread.

    Attributes:
        folder: Private to this process and gone after `remove`; recordings may be put there.
        port: Where it listens on 127.0.0.1, 0 before `start`.
    """

    def __init__(self, options: Sequence[str] = ()) -> None:
        """Start nothing yet.

        Args:
            options: Further command line options, e.g. `--headless`.
        """
        self._options = tuple(options)
        self._scratch = tempfile.TemporaryDirectory(prefix="demoscope-rerun-")
        self.folder = Path(self._scratch.name)
        self.port = 0
        self._output = self.folder / "output.txt"
        self._process: subprocess.Popen[bytes] | None = None
        self._is_killed = False
        # A window that is left at once does not wait for the thread that removes it.
        atexit.register(self.remove)

    @property
    def url(self) -> str:
        """Where `ViewerClient` connects."""
        return f"rerun+http://{HOST}:{self.port}/proxy"

    @property
    def pid(self) -> int | None:
        """Process number, None before `start`."""
        return self._process.pid if self._process is not None else None

    @property
    def is_alive(self) -> bool:
        """True while it runs."""
        return self._process is not None and self._process.poll() is None

    def start(self, cancelled: Callable[[], bool]) -> None:
        """Start it and wait until it listens.

        Args:
            cancelled: Asked while waiting; True ends the wait.

        Raises:
            NativeViewerError: No program, no display, no port, or it ended.
        """
        executable = rerun_executable()
        if executable is None:
            raise NativeViewerError(
                "Rerun's own viewer is not installed (the `rerun` program of rerun-sdk)."
            )
        reason = "" if "--headless" in self._options else why_no_display()
        if reason:
            raise NativeViewerError(reason)
        for _ in range(PORT_ATTEMPTS):
            self.port = free_port()
            self._launch(executable)
            if self._listens(cancelled) or cancelled():
                return
        raise NativeViewerError(f"Rerun's own viewer found no free port on {HOST}; try once more.")

    def _launch(self, executable: Path) -> None:
        command = [
            *(str(executable), "--bind", HOST, "--port", str(self.port)),
            *("--hide-welcome-screen", "--memory-limit", MEMORY_LIMIT),
            *("--server-memory-limit", SERVER_MEMORY_LIMIT, *self._options),
        ]
        with self._output.open("wb") as output:
            try:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=quiet_environment(self.folder),
                    # On Windows it would open a console beside its window.
                    creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
                )
            except OSError as error:
                raise NativeViewerError(
                    f"Rerun's own viewer could not be started: {error.strerror or error}."
                ) from error
        if self._is_killed:  # while we were starting it
            self.kill()

    def _listens(self, cancelled: Callable[[], bool]) -> bool:
        """Wait until our own process names the port; False if another program has taken it."""
        assert self._process is not None  # noqa: S101 - `_launch` came before
        deadline = time.monotonic() + START_TIMEOUT_S
        while not cancelled():
            code = self._process.poll()  # before the output, which is then complete
            output = self._read_output()
            if any(sign in output for sign in PORT_TAKEN):
                self._end()
                return False
            if f"{LISTENS} {HOST}:{self.port}" in output and code is None:
                return True
            if code is not None:
                raise NativeViewerError(why_ended(code, output) or "Rerun's own viewer ended.")
            if time.monotonic() > deadline:
                raise NativeViewerError(
                    f"Rerun's own viewer did not start within {START_TIMEOUT_S:.0f} s."
                )
            try:
                self._process.wait(LOOK_INTERVAL_S)
            except subprocess.TimeoutExpired:
                continue
        return False

    def _read_output(self) -> str:
        return _ESCAPE.sub("", self._output.read_text(errors="replace"))

    def ending(self) -> str:
        """One sentence about how it ended; empty if its window was closed, or by `kill`."""
        if self._process is None or self._is_killed:
            return ""
        return why_ended(self._process.wait(), self._read_output())

    def kill(self) -> None:
        """End it at once, from any thread; may be repeated. It has nothing to save."""
        self._is_killed = True
        if self._process is not None and self._process.poll() is None:
            self._process.kill()

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def remove(self) -> None:
        """End it if it runs, and remove its folder."""
        self.kill()
        self._end()
        atexit.unregister(self.remove)
        self._scratch.cleanup()


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody uses now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
