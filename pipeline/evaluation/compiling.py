"""How loops are compiled by Numba: at import, with one signature each, kept where that is possible.

Import this and modules of compiled loops only when something is computed: Numba loads slowly.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, cast

from numba import njit, types

log = logging.getLogger(__name__)

_CallableT = TypeVar("_CallableT", bound=Callable[..., Any])


def reads(kind: Any, dimensions: int = 1) -> Any:
    """An array that is only read; arrays that could be written fit too."""
    return types.Array(kind, dimensions, "C", readonly=True)


def writes(kind: Any, dimensions: int = 1) -> Any:
    """An array that is written."""
    return types.Array(kind, dimensions, "C")


def compiled(*signatures: Any, sums: bool = False) -> Callable[[_CallableT], _CallableT]:
    """Compile now, and keep it for the next start where some cache folder can be written.

    Numba keeps it beside this file, else in the user's cache folder; `NUMBA_CACHE_DIR` overrides
    both. Where none can be written (a frozen bundle on a locked-down machine), it is compiled at
    each start, which takes seconds.

    Args:
        signatures: Types of results and arguments.
        sums: Sums may be reordered, so that they are vectorised.
    """
    fastmath = {"contract", "reassoc"} if sums else {"contract"}
    compile_now: Any = partial(
        njit, list(signatures), nogil=True, fastmath=fastmath, error_model="numpy"
    )

    def decorate(function: _CallableT) -> _CallableT:
        try:
            made = compile_now(cache=True)(function)
        except (RuntimeError, OSError) as error:
            log.info("compiled loops cannot be kept: %s", error)
            made = compile_now()(function)
        return cast(_CallableT, made)

    return decorate
