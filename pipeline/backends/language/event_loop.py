"""Runs one coroutine in this thread so that the user can end it, or leave it, at any moment."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from pipeline.model.problem import Left

T = TypeVar("T")


class Rest(Generic[T]):
    """A coroutine that was left by those who waited for it and can still run to its end."""

    def __init__(self, loop: asyncio.AbstractEventLoop, task: asyncio.Future[T]) -> None:
        self._loop = loop
        self._task = task

    def run(self) -> T:
        """Run it to its end, once, in any thread.

        Raises:
            asyncio.CancelledError: It was ended.
            Exception: What it raised.
        """
        try:
            return self._loop.run_until_complete(self._task)
        finally:
            _close(self._loop)

    def end(self) -> None:
        """End it, from any thread; nothing happens if it is over."""
        with contextlib.suppress(RuntimeError):  # its loop is closed
            self._loop.call_soon_threadsafe(self._task.cancel)


def run_watched(
    work: Callable[[], Awaitable[T]],
    watch: Callable[[], None],
    take_over: Callable[[Rest[T]], bool] | None = None,
) -> T:
    """Run a coroutine in this thread; `watch` is called every 50 ms and ends it by raising.

    Neither the end of a cancelled run nor that of a failed one waits for anything: a look-up of a
    name that hangs in its thread is left behind.

    Args:
        work: Makes the coroutine.
        watch: Called every 50 ms.
        take_over: Gets what is left to do when `watch` raises Left, and sees to it that it runs
            on, in another thread; False ends it as any other exception does.

    Raises:
        Exception: What `work` or `watch` raised.
    """
    loop = asyncio.new_event_loop()
    task: asyncio.Future[T] | None = None
    is_taken = False

    async def watched() -> T:
        nonlocal task
        task = asyncio.ensure_future(work())
        while not task.done():
            watch()
            await asyncio.wait({task}, timeout=0.05)
        return task.result()

    try:
        return loop.run_until_complete(watched())
    except Left:
        is_taken = take_over is not None and task is not None and take_over(Rest(loop, task))
        raise
    finally:
        if not is_taken:
            _close(loop)


def _close(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel what is left in a loop, and close it."""
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.wait(left, timeout=0.1))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
