"""A process for looking at backends, fetching and verifying weights; it may be killed at any time.

Plug-ins may crash and torch takes seconds to import: neither is the window's affair. Messages are
tuples: `("survey", Survey)`, `("progress", share, what)`, then `("done", text)` or
`("failed", sentence)`.
"""

from __future__ import annotations

import logging
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.model.problem import DataError

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

log = logging.getLogger(__name__)

_EVERY = 0.05  # seconds


@dataclass(frozen=True, slots=True)
class Order:
    """What the process is to do.

    Attributes:
        task: `survey`, `entries` (a survey without devices), `fetch` or `verify`.
        capability: E.g. `detection`; empty for a survey.
        name: Of the backend.
        weights: Others than its own: a Hub id or a path.
    """

    task: str
    capability: str = ""
    name: str = ""
    weights: str = ""


def main(connection: Connection, order: Order) -> None:
    """Entry point of the process."""
    import signal

    # Ctrl+C in the terminal is for the window.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "nice"):
        os.nice(5)
    try:
        end = ("done", _work(connection, order))
    except DataError as error:
        end = ("failed", str(error))
    except Exception as error:
        # The last resort: a defect of ours or of a plug-in is a sentence too.
        log.info("%s failed", order, exc_info=True)
        end = ("failed", f"internal error: {type(error).__name__}: {error}")
    with connection, suppress(OSError):  # Nobody listens if the window is gone.
        connection.send(end)


def _work(connection: Connection, order: Order) -> str:
    last = 0.0

    def tell(share: float, what: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _EVERY:
            last = now
            connection.send(("progress", share, what))

    if order.task in ("survey", "entries"):
        _survey(connection, devices=order.task == "survey")
        return ""
    from pipeline.backends.backend import ModelSettings
    from pipeline.backends.maintenance import fetch, verify

    if order.task == "fetch":
        fetch(order.capability, order.name, order.weights, tell, lambda: False)
        return f"{order.name}: fetched, all checksums right."
    settings = ModelSettings(weights=order.weights)
    found = verify(order.capability, order.name, settings, tell, lambda: False)
    if not found.ok:
        raise DataError("bad_weights", f"{order.name}: {found.sentence}")
    return f"{order.name}: {found.sentence}"


def _survey(connection: Connection, *, devices: bool) -> None:
    from dataclasses import replace

    from pipeline.backends.catalogue import devices_here, entries

    found = entries()
    # First what is quick: devices need torch.
    connection.send(("survey", found))
    if devices:
        connection.send(("survey", replace(found, devices=devices_here(), complete=True)))
