"""Finds backends by name: the embedded ones, the models, and what a lab installed.

A lab adds its own detector without a fork: it installs a package with an entry point in the group
`demoscope.backends.detection` (or `segmentation`, `tracking`, `geometry`, `robot`, `language`)
whose value is a class that can be made without arguments. If it has a method `configure`, it gets
`ModelSettings` before anything else is asked; if it has a method `identity`, its text enters the
keys of results.
"""

from __future__ import annotations

import importlib
import logging
import sys
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pipeline.backends.backend import ModelSettings
from pipeline.model.problem import DataError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

logger = logging.getLogger(__name__)

ENTRY_POINT_PREFIX = "demoscope.backends."

_HERE = "pipeline.backends."

EMBEDDED: dict[str, dict[str, str]] = {
    "detection": {"regions": _HERE + "detection.regions:RegionDetector"},
    "segmentation": {"grabcut": _HERE + "segmentation.grabcut:GrabCutSegmenter"},
    "tracking": {"lucas_kanade": _HERE + "tracking.lucas_kanade:LucasKanadeTracker"},
    "geometry": {"recorded_depth": _HERE + "geometry.recorded_depth:RecordedDepth"},
    "robot": {"proprioception_flow": _HERE + "robot.proprioception_flow:ProprioceptionFlow"},
    "language": {"rules": _HERE + "language.rules_backend:RulesBackend"},
}
"""Capability -> name -> `module:class`. These need nothing but the core dependencies."""

MODELS: dict[str, dict[str, str]] = {
    "detection": {"llmdet": _HERE + "detection.llmdet:LLMDetDetector"},
    "segmentation": {
        "sam2": _HERE + "segmentation.sam2_transformers:Sam2Transformers",
        "sam2_meta": _HERE + "segmentation.sam2_meta:Sam2Meta",
    },
    "tracking": {
        "cotracker": _HERE + "tracking.cotracker:CoTracker",
        "alltracker": _HERE + "tracking.alltracker:AllTracker",
        "sam2_video": _HERE + "tracking.sam2_video:Sam2Video",
        "hybrid": _HERE + "tracking.hybrid:HybridTracker",
    },
    "geometry": {
        "moge": _HERE + "geometry.moge:MoGe",
        "depth_anything": _HERE + "geometry.depth_anything:DepthAnything",
    },
    "robot": {
        "phrase_to_mask": _HERE + "robot.phrase_to_mask:PhraseToMask",
        "robotseg": _HERE + "robot.robotseg:RobotSeg",
    },
    "language": {
        "gemini": _HERE + "language.gemini:Gemini",
        "openai_compatible": _HERE + "language.openai_compatible:OpenAICompatible",
    },
}
"""The same for those that need an extra, weights or a server."""

CAPABILITIES = tuple(EMBEDDED)


@dataclass(frozen=True, slots=True)
class BackendCard:
    """What lists and menus say about a backend.

    Attributes:
        capability: E.g. `detection`.
        name: As chosen in options.
        title: For people.
        licence: Of code and weights.
        kind: `embedded`, `model` or `plug-in`.
        reason: Why it cannot be used now, empty if it can.
    """

    capability: str
    name: str
    title: str
    licence: str
    kind: str
    reason: str


def backend_names(capability: str) -> tuple[str, ...]:
    """List the backends of a capability: embedded ones, models, then installed ones by name."""
    ours = (*EMBEDDED.get(capability, {}), *MODELS.get(capability, {}))
    _installed.cache_clear()
    installed = set(_installed(capability, tuple(sys.path)))
    return ours + tuple(sorted(installed - set(ours)))


def embedded_of(capability: str) -> str:
    """The backend that needs nothing but the core dependencies."""
    return next(iter(EMBEDDED[capability]))


def make_backend(capability: str, name: str, settings: ModelSettings | None = None) -> Any:
    """Make a backend, usable or not; DataError `no_backend` if there is none or it breaks.

    An installed backend of the same name never hides one of ours.
    """
    try:
        backend = _factory(capability, name)()
        if hasattr(backend, "configure"):
            backend.configure(settings or ModelSettings())
    except DataError:
        raise
    except Exception as error:
        # A plug-in may break in any way; it is one row of a list, and the others go on.
        raise DataError(
            "no_backend",
            f"the {capability} backend “{name}” does not load: {type(error).__name__}: {error}.",
        ) from error
    return backend


def _factory(capability: str, name: str) -> Any:
    path = EMBEDDED.get(capability, {}).get(name) or MODELS.get(capability, {}).get(name)
    if path is not None:
        module, _, attribute = path.partition(":")
        return getattr(importlib.import_module(module), attribute)
    point = _installed(capability, tuple(sys.path)).get(name)
    if point is None:
        _installed.cache_clear()  # It may have been installed since.
        point = _installed(capability, tuple(sys.path)).get(name)
    if point is not None:
        return point.load()
    known = ", ".join(backend_names(capability)) or "none"
    raise DataError("no_backend", f"no {capability} backend “{name}”; there are: {known}.")


@lru_cache(maxsize=64)
def _installed(capability: str, _path: tuple[str, ...]) -> dict[str, EntryPoint]:
    """Entry points by name; remembered, because a search reads every installed distribution."""
    # lazy: the window's start does not need it
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group=ENTRY_POINT_PREFIX + capability)}


def load_backend(capability: str, name: str, settings: ModelSettings | None = None) -> Any:
    """Make a backend that can be used; DataError `no_backend` says why not."""
    backend = make_backend(capability, name, settings)
    try:
        reason = backend.available()
    except DataError as error:
        reason = str(error)
    except Exception as error:
        # As in `make_backend`.
        reason = f"{type(error).__name__}: {error}"
    if reason is not None:
        raise DataError("no_backend", f"the {capability} backend “{name}” cannot be used: {reason}")
    logger.debug("%s backend %s", capability, name)
    return backend


def identity_of(capability: str, name: str, settings: ModelSettings) -> str:
    """What of a backend enters the keys of results: its name, and what of weights it can tell."""
    if name in EMBEDDED.get(capability, {}):
        return name
    try:
        backend = make_backend(capability, name, settings)
        return str(backend.identity()) if hasattr(backend, "identity") else name
    except (DataError, OSError):
        return f"{name}:none"


def describe_backend(
    capability: str, name: str, settings: ModelSettings | None = None
) -> BackendCard:
    """Say what a backend is and whether it can be used; never raises."""
    kind = "plug-in"
    if name in EMBEDDED.get(capability, {}):
        kind = "embedded"
    elif name in MODELS.get(capability, {}):
        kind = "model"
    try:
        backend = make_backend(capability, name, settings)
        reason = str(backend.available() or "")
        title = str(getattr(backend, "title", "") or name)
        licence = str(getattr(backend, "licence", "") or "unknown")
    except DataError as error:
        return BackendCard(capability, name, name, "", kind, str(error))
    except Exception as error:
        # As in `make_backend`: a plug-in's defect is its own row.
        reason = f"{type(error).__name__}: {error}"
        return BackendCard(capability, name, name, "", kind, reason)
    return BackendCard(capability, name, title, licence, kind, reason)
