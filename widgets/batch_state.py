"""What may be done about a batch run now, and why not, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.batch.outlook import Outlook

_NO_DATASET = "Open a dataset first"
_BUSY = "A run is at work: wait for it, or cancel it first"


@dataclass(frozen=True, slots=True)
class BatchState:
    """What the buttons of a batch run depend on.

    Attributes:
        has_dataset: Whether a dataset is open.
        running: Whether our run is at work.
        outlook: What is in the folder, None if nobody looked yet.
        retry_failed: Whether failed episodes are to be tried again.
    """

    has_dataset: bool
    running: bool
    outlook: Outlook | None
    retry_failed: bool

    @property
    def continues(self) -> bool:
        """Whether a start would continue an earlier run."""
        return self.outlook is not None and self.outlook.begun

    @property
    def _blocked(self) -> str:
        if not self.has_dataset:
            return _NO_DATASET
        if self.running:
            return _BUSY
        if self.outlook is not None and self.outlook.in_use:
            return "Another run is at work in this folder: wait for it, or choose another"
        return ""

    @property
    def no_start(self) -> str:
        """Why no run can start; empty if one can."""
        found = self.outlook
        if self._blocked or found is None:
            return self._blocked
        if found.difference:
            return f"In this folder {found.difference}; begin anew, or choose another"
        if found.wanted == 0:
            return "None of these episodes is on disk"
        if found.finished + len(found.failed) < found.wanted:
            return ""
        if found.failed:
            return (
                ""
                if self.retry_failed
                else "Only failed episodes are left: tick “Try failed episodes again”"
            )
        return "All episodes are through; begin anew, or choose others"

    @property
    def no_fresh(self) -> str:
        """Why nothing can be begun anew; empty if it can."""
        if self._blocked:
            return self._blocked
        if self.continues or (self.outlook is not None and self.outlook.difference):
            return ""
        return "There is no earlier run in this folder: Start begins one"

    @property
    def no_cancel(self) -> str:
        """Why nothing can be cancelled; empty if it can."""
        return "" if self.running else "Nothing is running"

    @property
    def text(self) -> str:
        """What is in the folder."""
        found = self.outlook
        if found is None:
            return ""
        if self.running or found.in_use:
            return "A run is at work in this folder."
        if found.difference:
            return f"A run in this folder would not continue what is there: {found.difference}."
        if not found.begun:
            return f"Nothing is there yet: {found.wanted:,} episodes are to be annotated."
        failed = f", {len(found.failed):,} failed" if found.failed else ""
        left = found.wanted - found.finished - len(found.failed)
        rest = f"{left:,} left" if left else "none left"
        return f"{found.finished:,} of {found.wanted:,} episodes are through{failed}; {rest}."
