"""Options that every stage with a backend has, and running one with an honest fallback."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from pipeline.backends.backend import ModelSettings
from pipeline.backends.devices import memory_guard
from pipeline.backends.registry import embedded_of, load_backend
from pipeline.model.options import option
from pipeline.model.problem import Cancelled, DataError, Problem

log = logging.getLogger(__name__)
T = TypeVar("T")

FALLBACK = "backend_fallback"
"""Code of the problem that a result carries if another backend than the chosen one made it. Such
results are not cached: the chosen backend may work the next time."""


@dataclass(frozen=True)
class BackendOptions:
    """First options of a stage with a backend; the stage overrides the default of `backend`."""

    backend: str = option("", "Who does the work.")
    weights: str = option(
        "",
        "Weights of the model: a file, a folder or a Hub id. Empty: the backend's own. Their "
        "content decides whether results are computed again, not this text.",
        keyed=False,
    )
    device: str = option(
        "auto",
        "Where the model runs: auto (CUDA, then MPS, then CPU), cpu, cuda, cuda:1, mps. Results "
        "count as equal on all of them.",
        keyed=False,
    )
    precision: str = option(
        "auto",
        "Of the model's numbers; auto is bfloat16 on a CUDA device that has it, else float32.",
        choices=("auto", "float32", "bfloat16", "float16"),
    )
    allow_fallback: bool = option(
        False,
        "If the backend cannot be used or fails, run the embedded one instead; the result says so.",
        keyed=False,
    )

    @property
    def settings(self) -> ModelSettings:
        """What the backend needs to load."""
        return ModelSettings(self.weights, self.device, self.precision)


def with_backend(
    capability: str, options: BackendOptions, work: Callable[[Any], T]
) -> tuple[T, str, tuple[Problem, ...]]:
    """Run `work` with the chosen backend, or with the embedded one if the user allows it.

    Args:
        capability: E.g. `detection`.
        options: Of the stage.
        work: Gets the backend and uses it; called a second time for the fallback.

    Returns:
        What `work` returned, the name of the backend that made it, and problems.

    Raises:
        DataError: `no_backend`, `no_weights`, `out_of_memory`, ...; `backend_failed` if the model
            itself raised.
        Cancelled: By the user; never falls back.
    """
    embedded = embedded_of(capability)
    try:
        return _run(capability, options, work), options.backend, ()
    except DataError as error:
        if not options.allow_fallback or options.backend == embedded:
            raise
        reason = str(error)
    log.warning("%s: %s; running %s", capability, reason, embedded)
    message = f"{embedded} ran instead of {options.backend}: {reason}"
    result = work(load_backend(capability, embedded))
    return result, embedded, (Problem(FALLBACK, message),)


def _run(capability: str, options: BackendOptions, work: Callable[[Any], T]) -> T:
    backend = load_backend(capability, options.backend, options.settings)
    if options.backend == embedded_of(capability):
        return work(backend)
    try:
        # Models guard themselves and say what to lower; a plug-in may not.
        with memory_guard(f"the {capability} backend “{options.backend}” ran"):
            return work(backend)
    except (Cancelled, DataError):
        raise
    except Exception as error:
        # Models and plug-ins are not ours: whatever they raise becomes one sentence with a cause.
        log.exception("%s backend %s failed", capability, options.backend)
        text = next(iter(str(error).splitlines()), "")[:300]
        raise DataError(
            "backend_failed",
            f"the {capability} backend “{options.backend}” failed ({type(error).__name__}: {text});"
            " choose another backend or allow the fallback.",
        ) from error
