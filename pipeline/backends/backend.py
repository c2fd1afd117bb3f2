"""What a backend is: a class behind its capability's protocol, found by name.

`protocol.py` in the folder of each capability says what it is asked; `registry.py` finds it.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from pipeline.backends.licences import accepted
from pipeline.backends.weights import Weights, find_weights, fingerprint, missing_sentence
from pipeline.model.arrays import U8
from pipeline.model.problem import DataError

Progress = Callable[[float, str], None]
"""Called with a share 0..1 and a short phrase, at least every 100 ms; raises Cancelled."""

FrameAt = Callable[[int], U8]
"""Returns RGB (H, W, 3) uint8 of a frame of the episode."""


def part_of(progress: Progress, start: float, end: float) -> Progress:
    """Progress of a step, 0..1, as the part from `start` to `end` of the whole."""

    def report(share: float, what: str) -> None:
        progress(start + (end - start) * share, what)

    return report


class Backend(Protocol):
    """What all backends have in common.

    Attributes:
        name: As chosen in options and written into results.
        licence: Licence of the code or of the weights, for the window and for the exports.
    """

    name: str
    licence: str

    def available(self) -> str | None:
        """Return None if it can be used, else one sentence that says why not."""
        ...


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """How a model is to be loaded.

    Attributes:
        weights: A file, a folder or a Hub id; empty for the backend's own.
        device: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`.
        precision: `auto`, `float32`, `bfloat16` or `float16`.
    """

    weights: str = ""
    device: str = "auto"
    precision: str = "auto"


class ModelBackend:
    """Base of the backends that load weights. Importing such a module never imports torch.

    Attributes:
        name: As chosen in options and written into results.
        title: For people, e.g. `LLMDet (Swin-T)`.
        licence: Of code and weights; the strictest one first.
        notice: What a person must know and accept before the first use, empty if nothing. One
            sentence; `available` says it until it is accepted.
        packages: Modules that must be importable.
        extra: Extra of this project that brings them, or a sentence that says how to get them.
        weights: What to fetch if the settings name nothing; None if the user must name it.
        settings: How to load.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    licence: ClassVar[str]
    notice: ClassVar[str] = ""
    packages: ClassVar[tuple[str, ...]] = ("torch",)
    extra: ClassVar[str] = "models"
    weights: ClassVar[Weights | None] = None

    def __init__(self) -> None:
        self.settings = ModelSettings()

    def configure(self, settings: ModelSettings) -> None:
        """Take the user's settings; called once, before `available`."""
        self.settings = settings

    def available(self) -> str | None:
        """Return None if packages, weights and the user's consent are here, else one sentence."""
        for module in self.packages:
            if not is_installed(module):
                how = f"pip install “demoscope[{self.extra}]”"
                if " " in self.extra:
                    how = self.extra
                return f"the package {module} is not installed; {how}."
        if find_weights(self.weights, self.settings.weights) is None:
            return missing_sentence(self.name, self.weights, self.settings.weights)
        if self.needs_consent():
            return (
                f"its licence has to be accepted first ({self.licence}): "
                f"“demoscope models accept {self.name}”, or Models in the menu Run."
            )
        return None

    def needs_consent(self) -> bool:
        """True if there is a notice that the user has not accepted yet."""
        return bool(self.notice) and not accepted(self.name, self.licence)

    def downloads(self) -> tuple[Weights, ...]:
        """What can be fetched for it; a backend that stands on others names theirs too."""
        return (self.weights,) if self.weights is not None else ()

    def load(self) -> None:
        """Load the weights as for use: `demoscope models verify` does it.

        Here their files are only read as what they are (safetensors, tensors of torch); backends
        replace it by the call of `devices.loaded` that they use. Raises DataError.
        """
        # lazy: imports torch
        from pipeline.backends.weights_files import read_through

        read_through(self.name, self.weights_path())

    def weights_path(self) -> Path:
        """File or folder of the weights. Raises DataError `no_weights`."""
        found = find_weights(self.weights, self.settings.weights)
        if found is None:
            sentence = missing_sentence(self.name, self.weights, self.settings.weights)
            raise DataError("no_weights", sentence)
        return found

    def identity(self) -> str:
        """Name and content of the weights; enters the keys of results. Cheap (< 1 ms)."""
        found = find_weights(self.weights, self.settings.weights)
        return f"{self.name}:{fingerprint(found) if found is not None else 'none'}"


def is_installed(module: str) -> bool:
    """True if a module (`torch`, `google.genai`) can be found; nothing of it is run but parents."""
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError, AttributeError):
        return False
