"""What lists of backends show: state, licence, weights, and where models would run.

Plug-ins are not ours and torch takes seconds to import, so the window makes a survey in a process
of its own (`app/model_work.py`); the command line makes it in place.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from pipeline.backends.backend import ModelBackend, ModelSettings, is_installed
from pipeline.backends.registry import (
    CAPABILITIES,
    BackendCard,
    backend_names,
    describe_backend,
    make_backend,
)
from pipeline.backends.weights import Weights, find_weights
from pipeline.model.problem import DataError

log = logging.getLogger(__name__)


class State(StrEnum):
    """Whether a backend can be used, and what it lacks."""

    READY = "ready"
    PACKAGE = "package missing"
    WEIGHTS = "weights missing"
    LICENCE = "licence not accepted"
    UNAVAILABLE = "not available"
    BROKEN = "does not work"


@dataclass(frozen=True, slots=True)
class WeightsPlace:
    """Weights that a backend wants, and where they are.

    Attributes:
        repo: Hub id.
        licence: Of the weights.
        megabytes: Size on the disk, or to expect.
        path: File or folder, empty if they are not on this machine.
    """

    repo: str
    licence: str
    megabytes: int
    path: str


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """One row of the list of backends.

    Attributes:
        card: Name, title, licence, kind, and why it cannot be used now.
        state: The same in two words.
        notice: What a person must know before the first use, empty if nothing.
        needs_consent: True if that is not accepted yet.
        weights: What can be fetched for it.
        runs_on_device: True if it runs where the options `device` and `precision` say.
    """

    card: BackendCard
    state: State
    notice: str = ""
    needs_consent: bool = False
    weights: tuple[WeightsPlace, ...] = ()
    runs_on_device: bool = False


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """A device of this machine, as `devices.Device`, with what `auto` precision means on it.

    Attributes:
        name: As in options: `cpu`, `cuda:0`, `mps`.
        text: For people, with its free memory.
        precision: What `auto` is there.
    """

    name: str
    text: str
    precision: str


@dataclass(frozen=True, slots=True)
class Survey:
    """All backends and devices of this machine at one moment.

    Attributes:
        entries: By capability, then as `backend_names`.
        devices: The one that `auto` takes comes first; empty without torch.
        complete: False while nobody has looked for devices.
    """

    entries: tuple[CatalogueEntry, ...]
    devices: tuple[DeviceInfo, ...] = ()
    complete: bool = False

    def of(self, capability: str) -> tuple[CatalogueEntry, ...]:
        """Backends of one capability."""
        return tuple(e for e in self.entries if e.card.capability == capability)

    def find(self, capability: str, name: str) -> CatalogueEntry | None:
        """One backend, None if there is none."""
        return next((e for e in self.of(capability) if e.card.name == name), None)

    def placement(self, device: str = "auto", precision: str = "auto") -> str:
        """Where a model with these options would run, e.g. `cuda:0, bfloat16`; empty: nowhere."""
        wanted = device.strip().lower() or "auto"
        if wanted == "cuda":
            wanted = "cuda:0"
        found = self.devices[:1] if wanted == "auto" else self.devices
        for info in found:
            if wanted in ("auto", info.name):
                chosen = info.precision if precision in ("", "auto") else precision
                return f"{info.name}, {chosen}"
        return ""


def survey() -> Survey:
    """Look at everything; takes seconds if torch is installed."""
    return replace(entries(), devices=devices_here(), complete=True)


def entries() -> Survey:
    """Look at the backends only: quick, unless a plug-in imports much."""
    return Survey(tuple(entry_of(c, name) for c in CAPABILITIES for name in backend_names(c)))


def entry_of(capability: str, name: str, settings: ModelSettings | None = None) -> CatalogueEntry:
    """Describe one backend; never raises."""
    card = describe_backend(capability, name, settings)
    if card.kind == "embedded":
        return CatalogueEntry(card, State.BROKEN if card.reason else State.READY)
    try:
        backend = make_backend(capability, name, settings)
        places = tuple(_place(w) for w in weights_of(backend, settings))
        consent = _needs_consent(backend)
        return CatalogueEntry(
            card,
            _state(backend, card, places, consent),
            str(getattr(backend, "notice", "")),
            consent,
            places,
            hasattr(backend, "configure") and capability != "language",
        )
    except Exception as error:
        # A plug-in's defect is its own row; the card says what it is.
        log.debug("%s backend %s: %s", capability, name, error)
        return CatalogueEntry(card, State.BROKEN)


def weights_of(backend: Any, settings: ModelSettings | None = None) -> tuple[Weights, ...]:
    """What can be fetched for a backend; named weights replace its own."""
    if not isinstance(backend, ModelBackend):
        return ()
    from pipeline.backends.weights import named_weights

    named = named_weights(backend.weights, settings.weights if settings else "")
    if named is not None:
        return (named, *backend.downloads()[1:])
    return backend.downloads()


def locate(text: str) -> tuple[str, str]:
    """Find a backend by its name, or by `capability/name`.

    Raises:
        DataError: `no_backend`: there is none, or several of that name.
    """
    wanted, _, name = text.rpartition("/")
    found = [
        (capability, known)
        for capability in CAPABILITIES
        for known in backend_names(capability)
        if known == name and wanted in ("", capability)
    ]
    if len(found) == 1:
        return found[0]
    if found:
        ways = " or ".join(f"{c}/{n}" for c, n in found)
        raise DataError("no_backend", f"there are several backends {text}; say {ways}.")
    known = ", ".join(n for c in CAPABILITIES for n in backend_names(c))
    raise DataError("no_backend", f"there is no backend {text}; there are: {known}.")


def devices_here() -> tuple[DeviceInfo, ...]:
    """Devices with what `auto` is on them; empty if torch is missing or broken."""
    if not is_installed("torch"):
        return ()
    try:
        from pipeline.backends.devices import list_devices, place

        return tuple(
            DeviceInfo(d.name, d.text, place(ModelSettings(device=d.name)).text.split(", ")[1])
            for d in list_devices()
        )
    except Exception:
        # A broken installation of torch raises anything; models then say so when they run.
        log.warning("torch does not work here", exc_info=True)
        return ()


def _place(weights: Weights) -> WeightsPlace:
    path = find_weights(weights, "")
    size = weights.megabytes
    if path is not None:
        files = [path] if path.is_file() else [path / name for name in weights.files]
        size = round(sum(f.stat().st_size for f in files) / 1e6)
    return WeightsPlace(weights.repo, weights.licence, size, str(path or ""))


def _needs_consent(backend: Any) -> bool:
    return isinstance(backend, ModelBackend) and backend.needs_consent()


def _state(
    backend: Any, card: BackendCard, places: tuple[WeightsPlace, ...], consent: bool
) -> State:
    if not card.reason:
        return State.READY
    if isinstance(backend, ModelBackend):
        if not all(map(is_installed, backend.packages)):
            return State.PACKAGE
        if any(not place.path for place in places) or "weights" in card.reason:
            return State.WEIGHTS
        if consent:
            return State.LICENCE
    backend.available()  # What raises instead of answering is broken.
    return State.UNAVAILABLE
