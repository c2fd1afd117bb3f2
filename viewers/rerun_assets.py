"""The two files of Rerun's web viewer, taken out of the installed rerun-sdk once per version.

rerun-sdk carries the web viewer inside its own program (`rerun --serve-web`); there is no file to
read. A short-lived process of that program, bound to loopback, hands the files over (0.5 s); they
are kept in the user's cache. So the viewer always matches the SDK that writes the recordings, and
nothing is downloaded.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

FILES = ("re_viewer.js", "re_viewer_bg.wasm")
START_TIMEOUT_S = 60.0
"""How long the program may take until it answers (cold start of a 300 MB file on a slow disk)."""


class ViewerUnavailableError(Exception):
    """The web viewer cannot be had. Its text is one sentence for the user."""


@dataclass(frozen=True, slots=True)
class ViewerAssets:
    """Where the web viewer's files lie.

    Attributes:
        version: Version of rerun-sdk they belong to.
        script: `re_viewer.js`.
        module: `re_viewer_bg.wasm`.
    """

    version: str
    script: Path
    module: Path


def sdk_version() -> str:
    """Version of the installed rerun-sdk, read without importing it.

    Raises:
        ViewerUnavailableError: It is not installed.
    """
    import importlib.metadata

    try:
        return importlib.metadata.version("rerun-sdk")
    except importlib.metadata.PackageNotFoundError:
        raise ViewerUnavailableError(
            "The 3D viewer needs the package rerun-sdk, which is not installed."
        ) from None


def cache_directory(version: str) -> Path:
    """Folder in the user's cache that keeps the files of `version`."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("demoscope", appauthor=False)) / f"rerun-{version}"


def rerun_executable() -> Path | None:
    """The `rerun` program of rerun-sdk (or RERUN_CLI_PATH), None if it is missing."""
    override = os.environ.get("RERUN_CLI_PATH")
    if override:
        return Path(override) if Path(override).is_file() else None
    spec = importlib.util.find_spec("rerun_cli")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent
    names = ["rerun.exe"] if sys.platform == "win32" else ["rerun"]
    if sys.platform == "darwin":
        names.insert(0, "Rerun.app/Contents/MacOS/Rerun")
    return next((folder / name for name in names if (folder / name).is_file()), None)


def find_assets(folder: Path, version: str) -> ViewerAssets | None:
    """The files in `folder`, or None unless both are there and not empty."""
    script, module = (folder / name for name in FILES)
    if all(path.is_file() and path.stat().st_size > 0 for path in (script, module)):
        return ViewerAssets(version, script, module)
    return None


def viewer_assets(directory: Path | None = None) -> ViewerAssets:
    """Return the web viewer's files, extracting them if this version's are not cached yet.

    Blocks for about half a second on the first call per version, and up to a minute where the disk
    is slow: call it off the GUI thread.

    Args:
        directory: Folder to use instead of the user's cache.

    Raises:
        ViewerUnavailableError: No rerun-sdk, no program, no room, or the program did not answer.
    """
    version = sdk_version()
    folder = cache_directory(version) if directory is None else directory
    found = find_assets(folder, version)
    if found is not None:
        return found
    try:
        _extract(folder)
    except OSError as error:
        raise ViewerUnavailableError(
            f"The 3D viewer's files could not be prepared in {folder}: {error.strerror or error}."
        ) from error
    found = find_assets(folder, version)
    if found is None:
        raise ViewerUnavailableError(f"The 3D viewer's files in {folder} are not complete.")
    return found


def _extract(folder: Path) -> None:
    """Write FILES into `folder`, each in one step so that no half file is ever seen."""
    program = rerun_executable()
    if program is None:
        raise ViewerUnavailableError(
            "The 3D viewer's files are missing: rerun-sdk is installed without its `rerun` program."
        )
    folder.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="demoscope-rerun-") as home:
        web, data = _free_port(), _free_port()
        command = [
            *(str(program), "--serve-web", "--bind", "127.0.0.1"),
            *("--web-viewer-port", str(web), "--port", str(data)),
        ]
        # A home of its own: Rerun's usage statistics stay silent in a first session, and the
        # user's settings are not touched.
        homes = dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"), home)
        # Without a display no browser can be opened, whatever this version does by default.
        hidden = {"DISPLAY": "", "WAYLAND_DISPLAY": "", "BROWSER": "true"}
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **homes, **hidden},
        )
        try:
            for name in FILES:
                _write_whole(folder / name, _download(process, web, name))
        finally:
            process.kill()
            process.wait()
    log.info("web viewer extracted to %s in %.1f s", folder, time.monotonic() - started)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _download(process: subprocess.Popen[bytes], port: int, name: str) -> bytes:
    """GET one file from the program, waiting until it listens."""
    import http.client

    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_TIMEOUT_S)
        try:
            connection.request("GET", f"/{name}")
            response = connection.getresponse()
            content = response.read()
        except (ConnectionRefusedError, http.client.HTTPException) as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise ViewerUnavailableError(
                    f"The 3D viewer's files could not be prepared: the `rerun` program ended with "
                    f"code {process.poll()} before it answered."
                ) from error
            time.sleep(0.05)
            continue
        finally:
            connection.close()
        if response.status != http.client.OK or not content:
            raise ViewerUnavailableError(
                f"The 3D viewer's files could not be prepared: the `rerun` program answered "
                f"{response.status} for {name}."
            )
        return content


def _write_whole(path: Path, content: bytes) -> None:
    """Write beside `path`, then rename; a second process doing the same does no harm."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        # mkstemp makes private files; a cache shared by a group must stay readable.
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
