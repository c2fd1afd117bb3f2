"""Devices, precision, loaded models and running out of memory; imports torch when used.

The worker process keeps the models that it loaded last (`loaded`), because a person who tunes a
threshold runs the same model again and again.
"""

from __future__ import annotations

import gc
import logging
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

    `auto` takes CUDA, then Apple's MPS, then the CPU; bfloat16 on a CUDA device that has it,
    float32 elsewhere (our choice: half precision on a CPU is slower or missing).
    """
    import torch

    wanted = settings.device.strip().lower() or "auto"
    if wanted == "auto":
        mps = torch.backends.mps.is_available()
        wanted = "cuda" if torch.cuda.is_available() else "mps" if mps else "cpu"
    try:
        device = torch.device(wanted)
    except RuntimeError as error:
        raise DataError("no_device", f"there is no device “{wanted}”; try auto or cpu.") from error
    if device.type == "cuda":
        count = torch.cuda.device_count()
        if count <= (device.index or 0):
            raise DataError(
                "no_device", f"device “{wanted}” is not on this machine ({count} CUDA devices)."
            )
    elif device.type == "mps" and not torch.backends.mps.is_available():
        raise DataError("no_device", "this machine has no MPS device; choose auto or cpu.")
    elif device.type not in ("cpu", "mps"):
        raise DataError(
            "no_device", f"device “{wanted}” is not supported; choose cuda, mps or cpu."
        )
    precision = settings.precision
    if precision == "auto":
        good = device.type == "cuda" and torch.cuda.is_bf16_supported()
        precision = "bfloat16" if good else "float32"
    dtypes = {
        "float32": torch.float32,
        "bfloat16": torch.bfloat16,
        "float16": torch.float16,
    }
    if precision not in dtypes:
        raise DataError("no_device", f"there is no precision “{precision}”: {', '.join(dtypes)}.")
    return Placement(device, dtypes[precision])


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
    with memory_guard(f"loading {backend.name}"):
        try:
            model = build(placement)
        except (Cancelled, DataError, MemoryError):
            raise
        except Exception as error:
            if _is_out_of_memory(error):
                raise
            # Loading code of other projects raises anything on a wrong or broken file.
            where = backend.weights_path()
            text = next(iter(str(error).splitlines()), "") or type(error).__name__
            raise DataError(
                "bad_weights",
                f"{where.name} does not load as {backend.name}: {text[:300]}; fetch it again "
                f"(“demoscope models verify {backend.name}”) or choose other weights.",
            ) from error
    _MODELS[key] = model
    log.info("loaded %s (%s) on %s", backend.name, kind, placement.text)
    return model


def release_models() -> None:
    """Forget all loaded models and give their memory back."""
    _MODELS.clear()
    gc.collect()
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()


@contextmanager
def memory_guard(what: str, advice: str = "") -> Iterator[None]:
    """Turn running out of memory into DataError `out_of_memory` and give back what models hold.

    Args:
        what: What was being done, e.g. `tracking 900 points over 120 frames`.
        advice: What to lower, e.g. `max points, track fps`.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        message = str(error)
        release_models()
        lower = f"lower {advice}, or " if advice else ""
        device = "the GPU" if "CUDA" in message or "cuda" in message else "this machine"
        raise DataError(
            "out_of_memory",
            f"{device} ran out of memory while {what}; {lower}choose a smaller model, half "
            "precision (precision=bfloat16) or device=cpu.",
        ) from error


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError):
        return True
    name = type(error).__name__
    text = str(error).lower()
    return name == "OutOfMemoryError" or any(
        words in text
        for words in ("out of memory", "can't allocate memory", "not enough memory", "bad_alloc")
    )
