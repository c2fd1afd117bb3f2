"""Runs one coroutine in this thread so that the user can end it at any moment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


def run_watched(work: Callable[[], Awaitable[T]], watch: Callable[[], None]) -> T:
    """Run a coroutine in this thread; `watch` is called every 50 ms and ends it by raising.

    Neither the end of a cancelled run nor that of a failed one waits for anything: a look-up of a
    name that hangs in its thread is left behind.

    Raises:
        Exception: What `work` or `watch` raised.
    """
    loop = asyncio.new_event_loop()

    async def watched() -> T:
        task = asyncio.ensure_future(work())
        try:
            while not task.done():
                watch()
                await asyncio.wait({task}, timeout=0.05)
            return task.result()
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task}, timeout=0.1)

    try:
        return loop.run_until_complete(watched())
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left, timeout=0.1))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
