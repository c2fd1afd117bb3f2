"""Operating points: thresholds with a name, what they were expected to give, and who chose them."""

from __future__ import annotations

import logging
import math
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from pipeline.evaluation.rescoring import ScoreWeights
from pipeline.model.authorship import account_name, utc_now
from pipeline.model.problem import DataError
from pipeline.review.journal import Journal

log = logging.getLogger(__name__)

FILE_NAME = "operating_points.jsonl"
_SAVED, _RETIRED = "saved", "retired"


class Basis(StrEnum):
    """Whose word the expected precision rests on."""

    TRUTH = "truth"
    PEOPLE = "people"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """A threshold that somebody chose.

    Attributes:
        name: What they call it.
        threshold: Annotations with R >= this are kept.
        weights: Weights of the score.
        target: Precision that was asked for, None if the threshold was.
        kept: Annotations kept when it was saved.
        total: Annotations then.
        precision: Expected share of right boxes among the kept, None if nobody knew.
        low: Lower end of its interval, or None.
        high: Upper end, or None.
        basis: Whose word that rests on.
        reason: Why this point; may be empty.
        who: Name; the account's if empty when it is saved.
        at: UTC, ISO 8601; now if empty when it is saved.
        uuid: Unique on all machines; made when it is saved.
    """

    name: str
    threshold: float
    weights: ScoreWeights
    target: float | None
    kept: int
    total: int
    precision: float | None
    low: float | None
    high: float | None
    basis: Basis
    reason: str = ""
    who: str = ""
    at: str = ""
    uuid: str = ""


@dataclass(frozen=True, slots=True)
class Retirement:
    """Somebody took a point out of use; it stays in the file.

    Attributes:
        point: uuid of the point.
        who: Name.
        at: UTC, ISO 8601.
        reason: Why; may be empty.
    """

    point: str
    who: str
    at: str
    reason: str = ""


class OperatingPoints:
    """The operating points of a dataset, an append-only file. Nothing in it is ever changed."""

    def __init__(self, folder: Path) -> None:
        """Use the points of a folder (`CurationData.folder`), which need not exist.

        Args:
            folder: Where the file lies; it is made by the first point.
        """
        self._journal = Journal(folder / FILE_NAME)

    @property
    def path(self) -> Path:
        """The file."""
        return self._journal.path

    def save(self, point: OperatingPoint) -> OperatingPoint:
        """Add a point; it is on the disk when this returns.

        Args:
            point: The point. What it leaves open of who, when and uuid is filled in.

        Returns:
            The point as it was saved.

        Raises:
            ValueError: The name is empty or a number is none.
            DataError: `operating_points_not_saved`, one sentence.
        """
        if not point.name.strip():
            raise ValueError("an operating point needs a name")
        numbers = (point.threshold, *asdict(point.weights).values())
        if not all(math.isfinite(v) for v in numbers):
            raise ValueError("threshold and weights: expected finite numbers")
        saved = replace(
            point,
            precision=_known(point.precision),
            low=_known(point.low),
            high=_known(point.high),
            who=point.who or account_name(),
            at=point.at or utc_now(),
            uuid=uuid.uuid4().hex,
        )
        self._append({"event": _SAVED, **asdict(saved)})
        return saved

    def retire(self, point: OperatingPoint, reason: str = "", who: str = "") -> Retirement:
        """Take a point out of use; it stays in the history.

        Raises:
            DataError: `operating_points_not_saved`, one sentence.
        """
        done = Retirement(point.uuid, who or account_name(), utc_now(), reason)
        self._append({"event": _RETIRED, **asdict(done)})
        return done

    def in_force(self) -> tuple[OperatingPoint, ...]:
        """Points that nobody retired, oldest first.

        Raises:
            DataError: `operating_points_not_read`, one sentence.
        """
        events = self.history()
        gone = {e.point for e in events if isinstance(e, Retirement)}
        return tuple(e for e in events if isinstance(e, OperatingPoint) and e.uuid not in gone)

    def history(self) -> tuple[OperatingPoint | Retirement, ...]:
        """Everything that happened, oldest first; lines that this version cannot read left out.

        Raises:
            DataError: `operating_points_not_read`, one sentence.
        """
        try:
            entries = self._journal.entries()
        except OSError as error:
            raise DataError(
                "operating_points_not_read",
                f"{self.path} cannot be read: {error.strerror or error}.",
            ) from error
        found = []
        for number, entry in enumerate(entries, 1):
            try:
                found.append(_event(entry))
            except (KeyError, TypeError, ValueError) as error:
                log.warning("%s: entry %d is left out: %r", self.path, number, error)
        return tuple(found)

    def _append(self, entry: dict[str, Any]) -> None:
        try:
            self._journal.append(entry)
        except OSError as error:
            raise DataError(
                "operating_points_not_saved",
                f"The operating point cannot be saved in {self.path}: {error.strerror or error}.",
            ) from error


def _event(entry: Mapping[str, Any]) -> OperatingPoint | Retirement:
    """Read an entry; fields that this version does not know are ignored."""
    if entry["event"] == _RETIRED:
        return Retirement(
            point=_text(entry["point"]),
            who=_text(entry["who"]),
            at=_text(entry["at"]),
            reason=_text(entry.get("reason", "")),
        )
    if entry["event"] != _SAVED:
        raise ValueError(f"unknown event {entry['event']!r}")
    weights = entry["weights"]
    return OperatingPoint(
        name=_text(entry["name"]),
        threshold=_number(entry["threshold"]),
        weights=ScoreWeights(**{f.name: _number(weights[f.name]) for f in fields(ScoreWeights)}),
        target=_optional(entry.get("target")),
        kept=_count(entry["kept"]),
        total=_count(entry["total"]),
        precision=_optional(entry.get("precision")),
        low=_optional(entry.get("low")),
        high=_optional(entry.get("high")),
        basis=Basis(entry["basis"]),
        reason=_text(entry.get("reason", "")),
        who=_text(entry["who"]),
        at=_text(entry["at"]),
        uuid=_text(entry["uuid"]),
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected a text, got {type(value).__name__}")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"expected a number, got {type(value).__name__}")
    try:
        number = float(value)
    except OverflowError as error:
        raise ValueError("expected a smaller number") from error
    if not math.isfinite(number):
        raise ValueError("expected a finite number")
    return number


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"expected a count, got {type(value).__name__}")
    return value


def _optional(value: Any) -> float | None:
    return None if value is None else _number(value)


def _known(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None
