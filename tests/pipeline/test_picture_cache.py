"""Pictures in memory: within the budget, the longest unused leave, freed memory goes back."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.model.picture import ArrayPicture
from pipeline.sources import memory, picture_cache
from pipeline.sources.picture_cache import PictureCache

SIDE = 100
BYTES = SIDE * SIDE * 3


def picture() -> ArrayPicture:
    return ArrayPicture(np.zeros((SIDE, SIDE, 3), np.uint8))


def test_the_longest_unused_leave_first() -> None:
    cache = PictureCache(3 * BYTES)
    for number in range(3):
        cache.put(number, picture())
    assert cache.get(0) is not None  # Used: 1 is now the oldest.
    cache.put(3, picture())
    assert [cache.get(n) is not None for n in range(4)] == [True, False, True, True]
    assert cache.held == 3 * BYTES


def test_a_picture_larger_than_the_budget_is_not_kept() -> None:
    cache = PictureCache(BYTES - 1)
    cache.put(0, picture())
    assert cache.get(0) is None
    assert cache.held == 0


def test_the_same_key_counts_once() -> None:
    cache = PictureCache(3 * BYTES)
    for _ in range(5):
        cache.put("a", picture())
    assert (len(cache), cache.held) == (1, BYTES)


def test_memory_is_given_back_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[int] = []
    monkeypatch.setattr(picture_cache, "give_back", lambda: given.append(len(cache)))
    cache = PictureCache(8 * BYTES)
    for number in range(8):
        cache.put(number, picture())
    assert given == [], "nothing has left"
    for number in range(8, 20):
        cache.put(number, picture())
    # Twelve have left; each time that more than a quarter of the budget, three pictures, did.
    assert given == [8, 8, 8, 8]


def test_giving_back_needs_no_gnu_allocator(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_library(_name: object) -> object:
        raise OSError("no such library")

    memory._trim.cache_clear()
    monkeypatch.setattr(memory.ctypes, "CDLL", no_library)
    memory.give_back()
    memory._trim.cache_clear()
