"""What a batch would ask a language model, told before it begins."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.backends.language.protocol import LanguageRequest
from pipeline.backends.registry import embedded_of, make_backend
from pipeline.model.usage import NO_USAGE, PlannedUsage
from pipeline.stages.subtask_options import SubtasksOptions


def asks_a_server(options: SubtasksOptions) -> bool:
    """Whether the chosen backend may cost anything."""
    return options.backend != embedded_of("language")


def planned_usage(
    requests: Iterable[LanguageRequest | None], options: SubtasksOptions
) -> PlannedUsage:
    """Estimate what these questions take; nothing is sent.

    Args:
        requests: One per episode (`request_of`); None where the episode could not be looked at. A
            plug-in that cannot tell its costs leaves all of them unknown.
        options: Of the stage.

    Raises:
        DataError: `no_backend`, or `no_address` and the like if the options are incomplete.
    """
    backend = make_backend("language", options.backend)
    settings = options.language
    seen: set[str] = set()
    total = NO_USAGE
    kept = shared = unknown = 0
    for request in requests:
        if request is None or not hasattr(backend, "pending"):
            unknown += 1
            continue
        if not request.instruction.strip():
            continue
        key = backend.pending(request, settings)
        if key is None:
            kept += 1
        elif key in seen:
            shared += 1
        else:
            seen.add(key)
            total += backend.estimate(request, settings)
    return PlannedUsage(total.requests, total.tokens_in, total.tokens_out, kept, shared, unknown)
