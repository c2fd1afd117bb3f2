"""System libraries that Qt and its Chromium need: found missing, installed or named.

Runs with the standard library of any Python 3.8+, before there is an environment. On Debian and
its relatives as root it installs what is missing; elsewhere it says what is.

    python3 packaging/system_libraries.py [--tests] [--check]
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys

# Shared object -> Debian package. From `ldd` over PySide6's libraries, plug-ins and Chromium.
LIBRARIES = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libX11-xcb.so.1": "libx11-xcb1",
    "libXcomposite.so.1": "libxcomposite1",
    "libXdamage.so.1": "libxdamage1",
    "libXext.so.6": "libxext6",
    "libXfixes.so.3": "libxfixes3",
    "libXrandr.so.2": "libxrandr2",
    "libXrender.so.1": "libxrender1",
    "libXtst.so.6": "libxtst6",
    "libasound.so.2": "libasound2",
    "libdbus-1.so.3": "libdbus-1-3",
    "libdrm.so.2": "libdrm2",
    "libexpat.so.1": "libexpat1",
    "libfontconfig.so.1": "libfontconfig1",
    "libfreetype.so.6": "libfreetype6",
    "libgbm.so.1": "libgbm1",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libgssapi_krb5.so.2": "libgssapi-krb5-2",
    "libnspr4.so": "libnspr4",
    "libnss3.so": "libnss3",
    "libudev.so.1": "libudev1",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-dri3.so.0": "libxcb-dri3-0",
    "libxcb-glx.so.0": "libxcb-glx0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-shm.so.0": "libxcb-shm0",
    "libxcb-sync.so.1": "libxcb-sync1",
    "libxcb-xfixes.so.0": "libxcb-xfixes0",
    "libxcb-xinerama.so.0": "libxcb-xinerama0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libxkbfile.so.1": "libxkbfile1",
}
# Program -> package, for the tests that drive the embedded Rerun viewer.
TEST_PROGRAMS = {"Xvfb": "xvfb", "xdotool": "xdotool"}
FONT = ("/usr/share/fonts", "fonts-dejavu-core")
# Names that changed with Debian 13's 64-bit time.
RENAMED = {"libasound2": "libasound2t64", "libglib2.0-0": "libglib2.0-0t64"}


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
    if not packages:
        return 0
    if shutil.which("apt-get") is None or os.geteuid() != 0 or "--check" in sys.argv:
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
