"""What went wrong or looks doubtful, with a code that people filter by."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How much a problem matters."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding about a dataset, an episode or a stage's result.

    Attributes:
        code: Stable snake_case identifier, e.g. `flat_gripper`, `missing_video`, `near_tie`.
        message: One sentence for people: what was expected, what was found, what to do.
        severity: `error` means that the thing cannot be used.
        frame: Frame of the episode that it concerns, if any.
        candidate: Candidate that it concerns, if one.
    """

    code: str
    message: str
    severity: Severity = Severity.WARNING
    frame: int | None = None
    candidate: int | None = None


class DataError(Exception):
    """Input that cannot be used. Its text is one clear sentence for the user.

    Attributes:
        code: The problem code, e.g. `not_a_dataset`.
    """

    def __init__(self, code: str, message: str) -> None:
        # Libraries break their messages into lines; what they say is part of our one sentence.
        super().__init__(" ".join(message.splitlines()))
        self.code = code

    def as_problem(self) -> Problem:
        """Give the same finding as a listed problem."""
        return Problem(self.code, str(self), Severity.ERROR)


class Cancelled(Exception):  # noqa: N818 - it is no error
    """The user cancelled the work."""


class Left(Cancelled):
    """The user went on to something else: what was paid for may still be finished and kept."""
