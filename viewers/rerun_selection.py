"""Selection, both ways: an entity, or one instance of it."""

from __future__ import annotations

import logging

from PySide6.QtCore import QObject, Signal

from viewers.rerun_events import LARGEST_INSTANCE, LONGEST_TEXT, PageEvent
from viewers.rerun_protocol import selection_request
from viewers.rerun_requests import Requests

log = logging.getLogger(__name__)

Selected = tuple[str, int]
"""Entity path with a leading slash, and instance or -1; ("", -1) is nothing."""
NOTHING: Selected = ("", -1)


class SelectionLink(QObject):
    """What is selected in the recording that is shown.

    One order at a time is under way, and of those that wait the newest wins. The viewer's own
    event of an order comes before its answer, so what differs from the order under way is the
    user's doing.

    Signals:
        entitySelected: (entity, instance) The user selected this; ("", -1) when they ended it.
    """

    entitySelected = Signal(str, int)

    def __init__(self, parent: QObject, requests: Requests) -> None:
        super().__init__(parent)
        self._requests = requests
        self._wanted = NOTHING
        self._known = NOTHING
        self._under_way: Selected | None = None
        self._seen: Selected | None = None
        self._is_active = False
        self._generation = 0

    @property
    def selected(self) -> Selected:
        """What is selected, or will be."""
        return self._wanted

    @property
    def is_settled(self) -> bool:
        """True if the viewer has selected what is wanted."""
        return self._under_way is None and self._known == self._wanted

    def set_selection(self, entity: str, instance: int = -1) -> None:
        """Select an entity, one instance of it, or with "" nothing. Emits nothing.

        An entity that the recording lacks is selected without effect on any view.
        """
        if not entity.strip("/"):
            self._wanted = NOTHING
        elif len(entity) < LONGEST_TEXT and -1 <= instance <= LARGEST_INSTANCE:
            self._wanted = ("/" + entity.strip("/"), instance)
        else:
            log.warning("not selected in the 3D view: %.100s, instance %d", entity, instance)
            return
        self._send()

    def open(self) -> None:
        """A recording is shown, with nothing selected yet."""
        self.close()
        self._is_active = True
        self._send()

    def close(self) -> None:
        """No recording is shown; what is wanted is kept for the next one."""
        self._generation += 1
        self._is_active = False
        self._known = NOTHING
        self._under_way = None

    def take(self, event: PageEvent) -> None:
        """Take a `selection_change` of the viewer."""
        if not self._is_active:
            return
        found = event.entities[0] if event.entities else NOTHING
        self._seen = self._known = found
        if found in (self._under_way, self._wanted):
            return
        if not event.entities and event.has_items:
            # A view or a container: nothing of the episode. The window's selection stays as it is.
            self._wanted = found
            return
        self._wanted = found
        self.entitySelected.emit(*found)

    def _send(self) -> None:
        if not self._is_active or self._under_way is not None or self._known == self._wanted:
            return
        generation = self._generation
        target = self._under_way = self._wanted
        self._seen = None

        def answered(_: bytes) -> None:
            if generation != self._generation:
                return
            self._under_way = None
            # No event means that it was selected before; a later one was the user's.
            self._known = target if self._seen is None else self._seen
            if self._wanted == target:
                self._wanted = self._known  # whatever came of it, not again and again
            self._send()

        def refused(reason: str) -> None:
            log.info("not selected in the 3D view: %.300s", reason)
            answered(b"")

        if target == NOTHING:
            self._requests.ask(b"", answered, refused, kind="deselect")
        else:
            self._requests.ask(selection_request(*target), answered, refused)
