"""Half precision for models whose coordinates have to stay exact."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def automatic_precision(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[Any]:
    """Autocast to `dtype`; nothing for float32.

    Matrix products and convolutions run in half precision, sums of coordinates in float32.
    """
    import torch

    if dtype == torch.float32:
        return nullcontext()
    context: AbstractContextManager[Any] = torch.autocast(device.type, dtype=dtype)
    return context
