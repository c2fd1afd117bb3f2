"""`demoscope doctor`: what of Qt, WebEngine, Rerun, video, models and keys works here.

The 3D viewer is not only looked for but tried out (`app.viewer_check`), which takes seconds.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from app.settings import paths, sample_dataset


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report.

    Attributes:
        name: What was examined.
        ok: True if it works.
        text: What was found, or what to install.
        optional: True if the tool works without it.
        details: Names and values of what was measured.
    """

    name: str
    ok: bool
    text: str
    optional: bool = False
    details: tuple[tuple[str, Any], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "name": self.name,
            "ok": self.ok,
            "text": self.text,
            "optional": self.optional,
            "details": dict(self.details),
        }


def examine() -> list[Check]:
    """Run all checks; none touches the network. Takes seconds: the 3D viewer is tried out."""
    return [
        Check("python", True, f"{platform.python_version()} on {platform.platform()}"),
        _guarded("qt", _qt),
        _guarded("webengine", _webengine, optional=True),
        _guarded("rerun", _rerun, optional=True),
        _embedded_viewer(),
        _guarded("native viewer", _native_viewer, optional=True),
        _guarded("video", _video),
        _guarded("opencv", _opencv),
        _guarded("cache", _cache),
        *(
            _package(name, module, extra)
            for name, module, extra in (
                ("torch", "torch", "models"),
                ("transformers", "transformers", "models"),
                ("sam2", "sam2", "models"),
                ("google-genai", "google.genai", "captions"),
            )
        ),
        _guarded("models", _models, optional=True),
        _keys(),
    ]


def _guarded(name: str, work: Callable[[], str], *, optional: bool = False) -> Check:
    """Turn an exception of a check into its line."""
    try:
        return Check(name, True, work(), optional)
    except Exception as error:
        # Whatever a broken library throws is what this command is asked for.
        return Check(name, False, next(iter(str(error).splitlines()), repr(error)), optional)


def _qt() -> str:
    import PySide6
    from PySide6.QtWidgets import QApplication

    running = QApplication.instance()
    where = f", platform {running.platformName()}" if isinstance(running, QApplication) else ""
    return f"PySide6 {PySide6.__version__}{where}"


def _webengine() -> str:
    # Loading the library finds missing system libraries; no page is opened.
    from PySide6.QtWebEngineCore import qWebEngineChromiumVersion

    return f"Chromium {qWebEngineChromiumVersion()!s}, for the embedded Rerun viewer"


def _rerun() -> str:
    from viewers.rerun_assets import cache_directory

    found = version("rerun-sdk")
    if not found.startswith("0.41."):
        raise RuntimeError(f"rerun-sdk {found}: the embedded viewer needs 0.41")
    folder = cache_directory(found)
    state = "viewer files extracted" if folder.is_dir() else "viewer files not extracted yet"
    return f"rerun-sdk {found}, {state}"


def _embedded_viewer() -> Check:
    """The round trip with the real viewer: time, selection, picture."""
    from app.viewer_check import check_viewer

    try:
        found = check_viewer()
    except OSError as error:  # no process, no room
        reason = error.strerror or str(error)
        return Check("3D viewer", False, f"It could not be examined: {reason}.", optional=True)
    return Check("3D viewer", found.ok, found.text, True, tuple(found.as_dict().items()))


def _native_viewer() -> str:
    from app.viewer_check import check_native_viewer

    return check_native_viewer()


def _video() -> str:
    import av

    from pipeline.sources.detect import open_dataset

    source = open_dataset(sample_dataset())
    demonstration = source.open(source.info.episodes[0].index)
    reader = source.reader(demonstration)
    picture = reader.frame(demonstration.cameras[0].key, 0)
    reader.close()
    return f"PyAV {av.__version__} decodes AV1 ({picture.shape[1]}x{picture.shape[0]})"


def _opencv() -> str:
    import cv2

    return f"OpenCV {cv2.__version__}, {cv2.getNumThreads()} threads"


def _cache() -> str:
    folder = paths().cache
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass
    return f"{folder} is writable"


def _package(name: str, module: str, extra: str) -> Check:
    """A package of an extra; it is found, not imported (torch takes seconds)."""
    hint = f"not installed: pip install “demoscope[{extra}]”; the embedded backends work without"
    try:
        if importlib.util.find_spec(module) is None:
            return Check(name, False, hint, optional=True)
        return Check(name, True, version(name), optional=True)
    except (ImportError, ValueError, PackageNotFoundError):
        return Check(name, False, hint, optional=True)


def _models() -> str:
    """Which model backends can be used; nothing is loaded."""
    from pipeline.backends.catalogue import State, entries

    found = [e for e in entries().entries if e.card.kind != "embedded"]
    ready = [e.card.name for e in found if e.state is State.READY]
    if ready:
        return f"ready: {', '.join(ready)} (of {len(found)}; “demoscope models” lists them)"
    raise RuntimeError(
        f"none of {len(found)} model backends is ready; “demoscope models” says what they lack; "
        "the embedded ones work without"
    )


def _keys() -> Check:
    """Whether a key is set; its value is read by nobody here."""
    names = [n for n in ("GEMINI_API_KEY", "GOOGLE_API_KEY", "OPENAI_API_KEY") if os.environ.get(n)]
    if names:
        return Check("keys", True, f"{', '.join(names)} set in the environment", optional=True)
    return Check("keys", False, "no key in the environment; captions are drafted offline", True)
