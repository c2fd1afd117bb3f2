"""Whether the 3D viewers work on this machine: for `demoscope doctor` and the Help menu.

The embedded viewer is tried out for real: a process of its own opens a small recording, sets the
time and reads it back, selects an entity, and looks for a colour in the picture. Without a display
that happens in a private one (Xvfb), if that is installed.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import logging
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

log = logging.getLogger(__name__)

TIMEOUT_S = 60.0
"""The whole check; it takes 3 s with a graphics card, 10 s in software (our choice)."""
STEP_S = 15.0
"""A step after the viewer is there."""
GRACE_S = 2.0
"""For the process to end by itself after its answer."""
RERUN = "0.41"
"""The version of Rerun whose messages we speak."""
LOOPBACK = frozenset({"127.0.0.1", "::1"})
NO_DISPLAY = (
    "There is no display (neither DISPLAY nor WAYLAND_DISPLAY is set): start from a desktop "
    "session; to examine the viewer without one, install xvfb."
)
NO_RERUN = 'rerun-sdk is not installed: pip install "rerun-sdk==0.41.*".'
NO_PROGRAM = (
    "rerun-sdk is installed without its `rerun` program: "
    'pip install --force-reinstall "rerun-sdk==0.41.*".'
)
NO_WEBENGINE = "QtWebEngine is not installed: pip install PySide6 (not PySide6-Essentials alone)."
_HEADLESS = frozenset({"offscreen", "minimal", "vnc"})  # Qt's platforms without OpenGL
_SOFTWARE = ("SwiftShader", "llvmpipe", "Microsoft Basic Render")


@dataclass(frozen=True, slots=True)
class ViewerCheck:
    """What was found out about the embedded viewer.

    Attributes:
        problem: One sentence about what does not work and what to install; empty if all does.
        frame_ms: Milliseconds from setting the time until the viewer said that it is there.
        picture: True if the recording's picture was drawn.
        selection: True if a selected entity was outlined.
        renderer: Short name of what draws.
        full_renderer: What WebGL calls it.
        software: True if the processor draws.
        addresses: Addresses that its processes listen on, None where that cannot be seen.
        screen: Where it was shown: `display`, or `private` for a private Xvfb.
        seconds: Duration of the check.
    """

    problem: str = ""
    frame_ms: float | None = None
    picture: bool = False
    selection: bool = False
    renderer: str = ""
    full_renderer: str = ""
    software: bool = False
    addresses: tuple[str, ...] | None = None
    screen: str = "display"
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """True if nothing is wrong."""
        return not self.problem

    @property
    def text(self) -> str:
        """One line for the user."""
        if self.problem:
            return self.problem
        how = f"in software ({self.renderer})" if self.software else f"by {self.renderer}"
        line = (
            f"time set and read back in {self.frame_ms or 0:.0f} ms, selection, picture; drawn "
            f"{how if self.renderer else 'by an unknown renderer'}"
        )
        if self.addresses is not None:
            line += "; listens on 127.0.0.1 only"
        if self.screen == "private":
            line += "; examined in a private Xvfb, since no display is set"
        return line

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def check_viewer(timeout: float = TIMEOUT_S) -> ViewerCheck:
    """Try the embedded viewer out. Blocks for seconds; never raises for what it finds.

    Args:
        timeout: Seconds after which the check is stopped.
    """
    problem = _why_pointless()
    if problem:
        return ViewerCheck(problem=problem)
    with contextlib.ExitStack() as stack:
        environment: dict[str, str | None] = {}
        screen = "display"
        if os.environ.get("QT_QPA_PLATFORM", "").partition(":")[0] in _HEADLESS:
            environment["QT_QPA_PLATFORM"] = None
        if _needs_display():
            display = stack.enter_context(private_display())
            if not display:
                return ViewerCheck(problem=NO_DISPLAY)
            screen = "private"
            environment |= {
                "DISPLAY": display,
                "QT_QPA_PLATFORM": "xcb",
                "DEMOSCOPE_SOFTWARE_GL": "1",  # Xvfb has no graphics card, whatever else has
            }
        found = judged(_in_process(timeout, environment))
        return replace(found, screen=screen)


def judged(found: ViewerCheck) -> ViewerCheck:
    """The same, with the problem that the measurements show, if any."""
    if found.problem:
        return found
    if not found.selection:
        return replace(found, problem="The 3D viewer does not show what is selected.")
    outside = [a for a in found.addresses or () if a not in LOOPBACK]
    if outside:
        return replace(
            found,
            problem=f"The 3D viewer listens on {', '.join(outside)}: other machines reach it.",
        )
    return found


def _why_pointless() -> str:
    """Say in one sentence why there is nothing to try out; empty if there is."""
    import importlib.util

    from viewers.rerun_assets import ViewerUnavailableError, rerun_executable, sdk_version

    try:
        version = sdk_version()
    except ViewerUnavailableError:
        return NO_RERUN
    if not version.startswith(f"{RERUN}."):
        return (
            f"rerun-sdk {version} is installed, the embedded viewer needs {RERUN}: "
            f'pip install "rerun-sdk=={RERUN}.*".'
        )
    if rerun_executable() is None:
        return NO_PROGRAM
    if importlib.util.find_spec("PySide6.QtWebEngineCore") is None:
        return NO_WEBENGINE
    return ""


def _needs_display() -> bool:
    return sys.platform.startswith("linux") and not any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )


@contextlib.contextmanager
def private_display() -> Iterator[str]:
    """A display of our own for as long as the block runs.

    Yields:
        Its name, e.g. `:3`; empty if Xvfb is not installed or does not start.
    """
    program = shutil.which("Xvfb")
    if program is None:
        yield ""
        return
    ours, theirs = os.pipe()
    # -terminate: it ends with its last client, should we not get to end it.
    options = ["-displayfd", str(theirs), "-screen", "0", "800x600x24"]
    server = subprocess.Popen(
        [program, *options, "-nolisten", "tcp", "-terminate"],
        pass_fds=(theirs,),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs)
    try:
        with os.fdopen(ours) as numbers:
            number = numbers.readline().strip()  # empty if it ended
        yield f":{number}" if number else ""
    finally:
        server.terminate()
        try:
            server.wait(2.0)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _in_process(timeout: float, environment: dict[str, str | None]) -> ViewerCheck:
    """Run `app.viewer_round_trip` and end whatever is left of it."""
    from app import viewer_round_trip

    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    with tempfile.TemporaryDirectory(prefix="demoscope-check-") as folder:
        output = Path(folder) / "output.txt"
        output.touch()
        process = context.Process(
            target=viewer_round_trip.main,
            args=(theirs, str(output), environment),
            name="demoscope-viewer-check",
            daemon=True,
        )
        process.start()
        theirs.close()
        try:
            found = _received(ours, timeout)
            if isinstance(found, str):
                return ViewerCheck(problem=found)
            if found is None:
                process.join(GRACE_S)
                text = output.read_text(errors="replace")
                log.debug("the examination of the 3D viewer printed %.4000s", text)
                found = ViewerCheck(problem=why_ended(process.exitcode or 0, text))
            # Chromium's processes are cleared away by the one that started them, if it may.
            process.join(GRACE_S)
            return replace(found, problem=with_package(found.problem))
        finally:
            _end(process.pid)
            process.kill()
            process.join()
            ours.close()


def _received(connection: Connection, timeout: float) -> ViewerCheck | str | None:
    """What the process sends, None if it ended without, a sentence if the time is over."""
    try:
        if not connection.poll(timeout):
            return f"The examination did not end within {timeout:.0f} s and was stopped."
        found = connection.recv()
    except (EOFError, OSError):
        return None
    return found if isinstance(found, ViewerCheck) else None


def _end(pid: int | None) -> None:
    """End a process and those it started, which are a group of their own."""
    if pid is None or not hasattr(os, "killpg"):
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def why_ended(code: int, output: str) -> str:
    """One sentence about how the examination's process ended without a result.

    Args:
        code: Exit code, negative for a signal.
        output: What Qt and Chromium printed.
    """
    if "could not connect to display" in output:
        name = os.environ.get("DISPLAY", "")
        return f"The display {name} cannot be opened: it is not there, or not this user's."
    library = re.search(r"(lib[\w.+-]+\.so[.\d]*): cannot open shared object", output)
    if library:
        return f"The system library {library[1]} is missing."
    if "no Qt platform plugin could be initialized" in output or "platform plugin" in output:
        named = re.search(r"lib(?:xcb-)?cursor0|xcb-cursor0", output)
        missing = missing_libraries()
        if missing:
            return f"The system library {missing[0]} is missing."
        if named:
            return "The system library libxcb-cursor.so.0 is missing."
        return "Qt cannot open a window on this display; QT_DEBUG_PLUGINS=1 says more."
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        return f"The 3D viewer's process was ended by {name}; a newer graphics driver may help."
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    last = f": {lines[-1][:200].rstrip('.')}" if lines else ""
    return f"The examination ended with code {code}{last}."


def with_package(problem: str) -> str:
    """The sentence, with the package to install where it names a system library that we know."""
    library = re.search(r"(lib[\w.+-]+\.so[.\d]*)", problem)
    if library is None:
        return problem
    packages = _system_libraries()
    package = packages.get(library[1])
    if package is None:
        return f"The 3D viewer needs the system library {library[1]}, which is missing."
    return (
        f"The 3D viewer needs the system library {library[1]}; on Debian and Ubuntu: "
        f"apt install {package}."
    )


def missing_libraries() -> list[str]:
    """Shared objects that Qt and its Chromium need and this machine lacks (Linux)."""
    missing = []
    for name in _system_libraries() if sys.platform.startswith("linux") else ():
        try:
            ctypes.CDLL(name)
        except OSError:
            missing.append(name)
    return missing


def _system_libraries() -> dict[str, str]:
    """Shared object -> Debian package."""
    import resources

    table = Path(resources.__file__).parent / "system_libraries.json"
    known = json.loads(table.read_text(encoding="utf-8"))
    return dict(known["libraries"])


def readable_renderer(full: str) -> str:
    """Short name of a renderer, e.g. of `ANGLE (NVIDIA, NVIDIA RTX A4000 …, OpenGL 4.5)`."""
    for name in _SOFTWARE:
        if name in full:
            return name
    inner = re.fullmatch(r"ANGLE \((.*)\)", full)
    parts = (inner[1] if inner else full).split(", ")
    return (parts[1] if inner and len(parts) > 1 else parts[0])[:60].strip()


def check_native_viewer() -> str:
    """Say what of Rerun's own viewer is here.

    Raises:
        RuntimeError: It cannot be used; its text says why.
    """
    from viewers.native_program import quiet_environment, why_no_display
    from viewers.rerun_assets import ViewerUnavailableError, rerun_executable, sdk_version

    try:
        sdk_version()
    except ViewerUnavailableError:
        raise RuntimeError(NO_RERUN) from None
    program = rerun_executable()
    if program is None:
        raise RuntimeError(NO_PROGRAM)
    with tempfile.TemporaryDirectory(prefix="demoscope-rerun-") as folder:
        try:
            done = subprocess.run(
                [str(program), "--version"],
                env=quiet_environment(Path(folder)),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=STEP_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise RuntimeError(f"The `rerun` program does not start: {error}.") from error
    words = done.stdout.split()
    found = next((w for w in words if re.fullmatch(r"\d+\.\d+\.\d+\S*", w)), "")
    if done.returncode or not found:
        raise RuntimeError(f"The `rerun` program does not start (code {done.returncode}).")
    if not found.startswith(f"{RERUN}."):
        raise RuntimeError(f"The `rerun` program is version {found}; {RERUN} is needed.")
    reason = why_no_display()
    if reason:
        raise RuntimeError(f"`rerun` {found} is installed. {reason}")
    return f"`rerun` {found}, in a window of its own that follows the cursor"


def main() -> int:
    """Print the check as one line of JSON: `python -m app.viewer_check`."""
    found = check_viewer()
    sys.stdout.write(json.dumps({"ok": found.ok, "text": found.text, **found.as_dict()}) + "\n")
    return 0 if found.ok else 1


if __name__ == "__main__":
    # The process unpickles its result as app.viewer_check, not as __main__.
    from app import viewer_check

    raise SystemExit(viewer_check.main())
