"""Progress from inside a forward pass: on a CPU one of them takes many seconds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pipeline.backends.backend import Progress

if TYPE_CHECKING:
    import torch


@contextmanager
def reporting(model: torch.nn.Module, progress: Progress, what: str) -> Iterator[None]:
    """Report before each layer of each stack of layers (`ModuleList`) while a model runs.

    Args:
        model: What is about to run, once.
        progress: Gets a rising share 0..1; raising Cancelled in it ends the pass.
        what: Short phrase for people.
    """
    import torch

    lists = [m for m in model.modules() if isinstance(m, torch.nn.ModuleList)]
    layers = list({id(layer): layer for layers in lists for layer in layers}.values())
    begun: set[int] = set()

    def tick(layer: torch.nn.Module, _: Any) -> None:
        begun.add(id(layer))
        progress(len(begun) / len(layers), what)

    handles = [layer.register_forward_pre_hook(tick) for layer in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
