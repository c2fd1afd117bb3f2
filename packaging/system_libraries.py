"""System libraries that Qt and its Chromium need: found missing, installed or named.

Runs with the standard library of any Python 3.8+, before there is an environment. On Debian and
its relatives as root it installs what is missing; elsewhere it says what is.

    python3 packaging/system_libraries.py [--tests] [--check]
"""

from __future__ import annotations

import ctypes
import glob
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

TABLE = Path(__file__).resolve().parents[1] / "resources" / "system_libraries.json"
"""Shared object -> Debian package; `demoscope doctor` reads it too. From `ldd` over PySide6's
libraries, plug-ins and Chromium."""
_KNOWN = json.loads(TABLE.read_text(encoding="utf-8"))
LIBRARIES: dict = _KNOWN["libraries"]
# Program -> package, for the tests that drive the embedded Rerun viewer.
TEST_PROGRAMS = {"Xvfb": "xvfb", "xdotool": "xdotool"}
# A server that the tests start themselves, to share reviews. It is nobody's path on Debian, and
# tests skip with a reason without it: installed where we may, never asked for.
DATABASE = ("initdb", "/usr/lib/postgresql/*/bin/initdb", "postgresql")
FONT = ("/usr/share/fonts", "fonts-dejavu-core")
# Names that changed with Debian 13's 64-bit time.
RENAMED: dict = _KNOWN["renamed"]


def missing(tests: bool) -> list[str]:
    """Debian packages whose library or program is not there."""
    packages = []
    for name, package in LIBRARIES.items():
        try:
            ctypes.CDLL(name)
        except OSError:
            packages.append(package)
    if tests:
        packages += [p for program, p in TEST_PROGRAMS.items() if shutil.which(program) is None]
    folder, package = FONT
    if not any(f.endswith((".ttf", ".otf")) for _, _, files in os.walk(folder) for f in files):
        packages.append(package)
    return packages


def welcome() -> list[str]:
    """Debian packages that tests can do without."""
    program, places, package = DATABASE
    there = shutil.which(program) is not None or glob.glob(places)
    return [] if there else [package]


def has_venv() -> bool:
    """False on Debian systems whose Python lacks ensurepip."""
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        return False
    return True


def install(packages: list[str]) -> int:
    """Install by apt; returns its exit code."""
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    subprocess.run(["apt-get", "update", "-q"], env=environment, check=False, stdout=sys.stderr)
    known = []
    for package in packages:
        shown = subprocess.run(
            ["apt-cache", "show", RENAMED.get(package, package)],
            check=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        renamed = package in RENAMED and shown.returncode == 0
        known.append(RENAMED[package] if renamed else package)
    command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *known]
    return subprocess.run(command, env=environment, check=False, stdout=sys.stderr).returncode


def main() -> int:
    """Check, and install where we may."""
    if not sys.platform.startswith("linux"):
        return 0  # The wheels bring everything on macOS and Windows.
    tests = "--tests" in sys.argv
    packages = missing(tests)
    if not has_venv():
        packages.append(f"python3.{sys.version_info.minor}-venv")
    may_install = (
        shutil.which("apt-get") is not None and os.geteuid() == 0 and "--check" not in sys.argv
    )
    if tests and may_install:
        extra = welcome()
        if extra and install(extra):
            sys.stderr.write("Not installed, its tests are skipped: " + " ".join(extra) + "\n")
    if not packages:
        return 0
    if not may_install:
        sys.stderr.write(
            "Missing system packages (Debian names): " + " ".join(packages) + "\n"
            "Install them, for example: sudo apt-get install " + " ".join(packages) + "\n"
        )
        # The window may still work without some of them: say so, go on for the demo.
        return 1 if tests or not has_venv() else 0
    sys.stderr.write("Installing system packages: " + " ".join(packages) + "\n")
    return install(packages)


if __name__ == "__main__":
    raise SystemExit(main())
