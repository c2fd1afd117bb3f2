"""Devices, precision, loaded models and running out of memory; imports torch when used.

The worker process keeps the models that it loaded last (`loaded`), because a person who tunes a
threshold runs the same model again and again.
"""

from __future__ import annotations

import gc
import logging
import sys
import traceback
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from pipeline.backends.backend import ModelBackend, ModelSettings
from pipeline.model.problem import Cancelled, DataError

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)
T = TypeVar("T")

PRECISIONS = ("auto", "float32", "bfloat16", "float16")
OUT_OF_MEMORY = "out_of_memory"
"""Code of the problem."""
KEPT_MODELS = 4
"""How many loaded models stay in memory (our choice: detector, segmenter, tracker, depth)."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where and how a model runs.

    Attributes:
        device: torch device.
        dtype: torch dtype of the weights.
    """

    device: torch.device
    dtype: torch.dtype

    @property
    def text(self) -> str:
        """For people: `cuda:0, bfloat16`."""
        return f"{self.device}, {str(self.dtype).removeprefix('torch.')}"


def place(settings: ModelSettings) -> Placement:
    """Choose device and precision. Raises DataError `no_device`.

    `auto` takes CUDA, then Apple's MPS, then the CPU; bfloat16 on a CUDA device that computes in
    it, float32 elsewhere (our choice: half precision on a CPU is slower or missing).
    """
    import torch

    wanted = settings.device.strip().lower() or "auto"
    if wanted == "auto":
        mps = torch.backends.mps.is_available()
        wanted = "cuda" if torch.cuda.is_available() else "mps" if mps else "cpu"
    try:
        device = torch.device(wanted)
    except (RuntimeError, ValueError) as error:
        raise DataError(
            "no_device", f"there is no device “{wanted}”; choose auto, cpu, cuda, cuda:1 or mps."
        ) from error
    if device.type == "cpu":
        device = torch.device("cpu")
    elif device.type == "cuda":
        count = torch.cuda.device_count()
        if not torch.cuda.is_available() or count <= (device.index or 0):
            raise DataError(
                "no_device",
                f"device “{wanted}” is not on this machine ({count} CUDA devices); choose auto or "
                "cpu.",
            )
        # cuda and cuda:0 must not load a model twice.
        device = torch.device("cuda", device.index or 0)
    elif device.type == "mps":
        if not torch.backends.mps.is_available():
            raise DataError("no_device", "this machine has no MPS device; choose auto or cpu.")
    else:
        raise DataError(
            "no_device", f"device “{wanted}” is not supported; choose cuda, mps or cpu."
        )
    return Placement(device, _dtype(settings.precision, device))


def _dtype(precision: str, device: torch.device) -> torch.dtype:
    import torch

    dtypes = {
        "float32": torch.float32,
        "bfloat16": torch.bfloat16,
        "float16": torch.float16,
    }
    precision = precision.strip().lower() or "auto"
    if precision == "auto":
        # Older devices emulate it, slower than float32.
        good = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        precision = "bfloat16" if good else "float32"
    if precision not in dtypes:
        raise DataError(
            "no_device", f"there is no precision “{precision}”; choose auto, {', '.join(dtypes)}."
        )
    return dtypes[precision]


@dataclass(frozen=True, slots=True)
class Device:
    """A device of this machine.

    Attributes:
        name: As in options: `cpu`, `cuda:0`, `mps`.
        title: What it is, e.g. `NVIDIA RTX A6000`.
        free: Free memory, bytes; 0 if unknown.
        total: Memory, bytes; 0 if unknown.
    """

    name: str
    title: str
    free: int = 0
    total: int = 0

    @property
    def text(self) -> str:
        """For people: `cuda:0: NVIDIA RTX A6000, 46.1 of 47.5 GiB free`."""
        memory = f", {self.free / 2**30:.1f} of {self.total / 2**30:.1f} GiB free"
        return f"{self.name}: {self.title}{memory if self.total else ''}"


def placement_of(backend: object) -> str:
    """Device and precision that a backend ran with, e.g. `cuda:0, bfloat16`; ask it afterwards.

    What it says itself (`placement`), else what its settings mean; empty for embedded backends and
    for those that run elsewhere (a server).
    """
    said = str(getattr(backend, "placement", ""))
    if said or not isinstance(backend, ModelBackend) or "torch" not in backend.packages:
        return said
    return place(backend.settings).text


def list_devices() -> tuple[Device, ...]:
    """List the devices that models can run on, the one that `auto` takes first.

    Asking a CUDA device for its free memory opens it (some 300 MB of its memory): call this in a
    process that ends, not in one that stays.
    """
    import torch

    found = []
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        try:
            free, total = torch.cuda.mem_get_info(index)
        except RuntimeError:
            free, total = 0, 0  # A device that others hold exclusively is a device all the same.
        found.append(Device(f"cuda:{index}", torch.cuda.get_device_name(index), free, total))
    if torch.backends.mps.is_available():
        found.append(Device("mps", "Apple GPU"))
    cores = torch.get_num_threads()
    return (*found, Device("cpu", f"{cores} core{'s' if cores != 1 else ''}"))


_MODELS: OrderedDict[tuple[str, ...], Any] = OrderedDict()


def loaded(backend: ModelBackend, kind: str, build: Callable[[Placement], T]) -> T:
    """Return the loaded model of a backend, building it once per weights, device and precision.

    Args:
        backend: Its settings and the identity of its weights name the model.
        kind: Tells several models of one backend apart, e.g. `image` and `video`; equal for two
            backends that can share a model of the same weights.
        build: Makes the model on its device, in its dtype, in evaluation mode.

    Raises:
        DataError: `out_of_memory`, or `bad_weights` if the file does not hold such a model.
    """
    placement = place(backend.settings)
    identity = backend.identity().split(":", 1)[-1]
    key = (kind, identity, str(placement.device), str(placement.dtype))
    if key in _MODELS:
        _MODELS.move_to_end(key)
        return _MODELS[key]  # type: ignore[no-any-return]
    while len(_MODELS) >= KEPT_MODELS:
        _MODELS.popitem(last=False)
    try:
        model = _build(backend, placement, build)
    except DataError as error:
        if error.code != OUT_OF_MEMORY:
            raise
        others = bool(_MODELS)
        release_models()
        if not others:
            raise
        # Without the other models it may fit.
        model = _build(backend, placement, build)
    _MODELS[key] = model
    log.info("loaded %s (%s) on %s", backend.name, kind, placement.text)
    return model


def _build(backend: ModelBackend, placement: Placement, build: Callable[[Placement], T]) -> T:
    with memory_guard(f"loading {backend.name}", release=False):
        try:
            return build(placement)
        except (Cancelled, DataError, MemoryError):
            raise
        except Exception as error:
            if is_out_of_memory(error):
                raise
            # Loading code of other projects raises anything on a wrong or broken file.
            where = backend.weights_path()
            text = next(iter(str(error).splitlines()), "") or type(error).__name__
            raise DataError(
                "bad_weights",
                f"{where.name} does not load as {backend.name}: {text[:300]}; fetch it again "
                f"(“demoscope models download {backend.name}”) or choose other weights.",
            ) from error


def release_models() -> None:
    """Forget all loaded models and give their memory back."""
    _MODELS.clear()
    gc.collect()
    # Not imported for it: there may be no memory for that, or no torch.
    torch = sys.modules.get("torch")
    if torch is None:
        return
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    elif torch.backends.mps.is_available():
        torch.mps.empty_cache()


@contextmanager
def memory_guard(what: str, advice: str = "", *, release: bool = True) -> Iterator[None]:
    """Turn running out of memory into DataError `out_of_memory` and give back what models hold.

    Args:
        what: What was being done, e.g. `tracking 900 points over 120 frames`.
        advice: What to lower, e.g. `max points, track fps`.
        release: Whether loaded models are forgotten.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, DataError | Cancelled) or not is_out_of_memory(error):
            raise
        # The frames that failed hold their tensors as long as the exception lives.
        traceback.clear_frames(error.__traceback__)
        if release:
            release_models()
        raise DataError(OUT_OF_MEMORY, out_of_memory_sentence(error, what, advice)) from error


def out_of_memory_sentence(error: BaseException, what: str, advice: str = "") -> str:
    """Say in one sentence whose memory ran out while what, and what to lower."""
    text = str(error).lower()
    ways = [f"lower {advice}"] if advice else []
    by_torch = type(error).__name__ == "OutOfMemoryError"  # Only devices raise it.
    if by_torch or any(word in text for word in _GPU_WORDS):
        ways += ["choose a smaller model", "half precision (precision=bfloat16)", "device=cpu"]
        where = "the GPU"
    else:
        ways += ["choose a smaller model", "close other programs"]
        where = "this machine"
    return f"{where} ran out of memory while {what}; {', '.join(ways[:-1])} or {ways[-1]}."


def is_out_of_memory(error: BaseException) -> bool:
    """True for what Python, NumPy, OpenCV, torch and CUDA raise when memory runs out."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    text = str(error).lower()
    return any(words in text for words in _OUT_OF_MEMORY_WORDS)


_GPU_WORDS = ("cuda", "cublas", "cudnn", "hip ", "mps")
_OUT_OF_MEMORY_WORDS = (
    "out of memory",  # CUDA, MPS, HIP, the error codes of drivers
    "can't allocate memory",  # torch's allocator of the CPU
    "cannot allocate memory",  # the system
    "not enough memory",  # torch on Windows
    "insufficient memory",  # OpenCV
    "bad_alloc",  # C++
    "alloc_failed",  # cuBLAS and cuDNN
)
