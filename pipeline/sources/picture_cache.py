"""Decoded pictures within a budget of bytes, the longest unused leave first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable

from pipeline.model.picture import Picture
from pipeline.sources.memory import give_back


class PictureCache:
    """Shared by the cameras of a reader. Thread-safe: the window looks while a thread decodes."""

    def __init__(self, budget: int) -> None:
        """Start empty.

        Args:
            budget: Bytes that all pictures together may hold.
        """
        self.budget = budget
        self._lock = threading.Lock()
        self._pictures: OrderedDict[Hashable, Picture] = OrderedDict()
        self._held = 0
        self._left = 0  # Bytes that left since memory was last given back.

    @property
    def held(self) -> int:
        """Bytes held now, never more than the budget."""
        return self._held

    def __len__(self) -> int:
        return len(self._pictures)

    def get(self, key: Hashable) -> Picture | None:
        """Return a picture and count it as used, or None."""
        with self._lock:
            picture = self._pictures.get(key)
            if picture is not None:
                self._pictures.move_to_end(key)
            return picture

    def put(self, key: Hashable, picture: Picture) -> None:
        """Keep a picture; one that is larger than the whole budget is not kept."""
        size = picture.nbytes
        with self._lock:
            old = self._pictures.pop(key, None)
            if old is not None:
                self._held -= old.nbytes
            if size > self.budget:
                return
            self._pictures[key] = picture
            self._held += size
            while self._held > self.budget:
                _, left = self._pictures.popitem(last=False)
                self._held -= left.nbytes
                self._left += left.nbytes
            much = self._left > self.budget // 4
            if much:
                self._left = 0
        if much:
            give_back()

    def clear(self) -> None:
        """Forget all pictures."""
        with self._lock:
            self._pictures.clear()
            self._held = 0
