"""A spot check: a sample of annotations, and what people say about each, kept in a journal.

`<folder>/spot_checks/<id>.jsonl`: the first line holds the plan, the strata and the sampled items
as they were; then a line per answer, undo or extension. It is only ever added to, each line is on
the disk before the next item is shown, and several people may answer in one file.
"""

from __future__ import annotations

import copy
import functools
import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter, ValidationError

from pipeline.annotations.table import AnnotationTable
from pipeline.model.authorship import utc_now
from pipeline.model.candidate import Box
from pipeline.model.problem import DataError
from pipeline.model.verdict import HumanVerdict, VerdictSource
from pipeline.review.journal import Journal
from pipeline.review.location import APP
from pipeline.review.spot_plan import SpotPlan
from pipeline.review.spot_records import (
    VERSION,
    Answer,
    Extension,
    Header,
    SpotItem,
    Undo,
    Verdict,
    identify,
    items_of,
)
from pipeline.review.spot_sampling import Sample, draw

log = logging.getLogger(__name__)

FOLDER = "spot_checks"


_FIRST = b'{"kind":"spot_check"'
_EVENT: TypeAdapter[Answer | Undo | Extension] = TypeAdapter(Answer | Undo | Extension)


class SpotCheck:
    """One spot check; every change is on the disk when the method returns.

    Attributes:
        header: How it was drawn.
        strata: Strata with what was drawn of them up to now.
        items: Sampled items in the order of review.
    """

    def __init__(self, path: Path) -> None:
        """Read a journal.

        Raises:
            DataError: `no_spot_check`, `bad_spot_check`.
        """
        self._journal = Journal(path)
        entries = self._journal.entries()
        if not entries:
            raise DataError("no_spot_check", f"{path}: there is no spot check in this file")
        try:
            self.header = Header.model_validate(entries[0])
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(p) for p in first["loc"])
            raise DataError(
                "bad_spot_check",
                f"{path}: the first line is no spot check of version {VERSION}: "
                f"{where}: {first['msg']}",
            ) from error
        if self.header.version > VERSION:
            raise DataError(
                "bad_spot_check",
                f"{path}: written by a newer Demoscope (version {self.header.version})",
            )
        self.strata = self.header.strata
        self.items: tuple[SpotItem, ...] = self.header.items
        self._answers: dict[str, dict[int, Answer]] = {}
        for number, entry in enumerate(entries[1:], 2):
            try:
                self._apply(_EVENT.validate_python(entry))
            except ValidationError:
                log.warning("%s line %d is no event of a spot check", path, number)

    @classmethod
    def begin(
        cls, folder: Path, table: AnnotationTable, annotations: Path, plan: SpotPlan, who: str
    ) -> SpotCheck:
        """Draw a sample and write it down.

        Args:
            folder: Where operating points, spot checks and exports of the dataset go.
            table: Annotations.
            annotations: The file or folder that they were read from.
            plan: What to draw.
            who: Name of the person.

        Raises:
            DataError: The plan draws nothing (see `draw`), or the file cannot be written.
        """
        sample = draw(table, plan)
        at = utc_now()
        base = f"{at[:19].replace('-', '').replace(':', '').replace('T', '-')}-seed{plan.seed}"
        path, count = folder / FOLDER / f"{base}.jsonl", 1
        while path.exists():
            count += 1
            path = folder / FOLDER / f"{base}-{count}.jsonl"
        datasets = sorted({table.dataset[int(r)] for r in sample.rows})
        header = Header(
            id=path.stem,
            who=who,
            at=at,
            dataset=", ".join(d for d in datasets if d),
            file=identify(annotations, len(table)),
            plan=plan,
            strata=sample.strata,
            half_width=sample.half_width,
            items=items_of(table, sample, 0),
        )
        try:
            Journal(path).append(header.model_dump(mode="json"))
        except OSError as error:
            raise DataError("not_writable", f"{path}: {error.strerror or error}") from error
        return cls(path)

    @property
    def path(self) -> Path:
        """The journal."""
        return self._journal.path

    @property
    def plan(self) -> SpotPlan:
        """What was drawn and when to stop."""
        return self.header.plan

    @property
    def reviewers(self) -> tuple[str, ...]:
        """Names of all who answered, in the order of their first answer in force."""
        return tuple(who for who, own in self._answers.items() if own)

    def snapshot(self) -> SpotCheck:
        """The spot check as it is now, to be read in another thread; no answers go there."""
        found = copy.copy(self)
        found._answers = {who: dict(own) for who, own in self._answers.items()}
        return found

    def answers(self, who: str) -> Mapping[int, Answer]:
        """Answers of one person in force, by item, in the order in which they were given."""
        return dict(self._answers.get(who, {}))

    def verdict(self, number: int, who: str | None = None) -> Verdict | None:
        """What was said about an item: by one person, or by most; a tie is “could not tell”."""
        said = [
            own[number].verdict
            for name, own in self._answers.items()
            if number in own and who in (None, name)
        ]
        if not said:
            return None
        right, wrong = said.count(Verdict.RIGHT), said.count(Verdict.WRONG)
        if right == wrong:
            return Verdict.UNSURE
        return Verdict.RIGHT if right > wrong else Verdict.WRONG

    def next_item(self, who: str) -> SpotItem | None:
        """The first item that this person has not answered; None at the end."""
        own = self._answers.get(who, {})
        return next((i for i in self.items if i.number not in own), None)

    def answer(
        self,
        number: int,
        verdict: Verdict,
        who: str,
        *,
        seconds: float = 0.0,
        true_box: Box | None = None,
        reason: str = "",
    ) -> Answer:
        """Record an answer; an earlier one of the same person to the same item is replaced.

        Raises:
            DataError: `no_such_item`, `not_writable`.
        """
        if not 0 <= number < len(self.items):
            raise DataError("no_such_item", f"the sample has no item {number}")
        given = Answer(
            number=number,
            verdict=verdict,
            who=who,
            at=utc_now(),
            seconds=round(seconds, 2),
            true_box=true_box,
            reason=reason,
        )
        self._record(given)
        return given

    def undo(self, who: str) -> SpotItem | None:
        """Take the person's last answer back; returns its item, None if there is none.

        Raises:
            DataError: `not_writable`.
        """
        own = self._answers.get(who)
        if not own:
            return None
        number = next(reversed(own))
        self._record(Undo(number=number, who=who, at=utc_now()))
        return self.items[number]

    def extend(self, table: AnnotationTable, annotations: Path, size: int, who: str) -> int:
        """Draw more of the same population, up to `size` items; returns how many were added.

        Raises:
            DataError: `annotations_changed`: the file is not the one that was sampled.
        """
        if identify(annotations, len(table)).sha256 != self.header.file.sha256:
            raise DataError(
                "annotations_changed",
                f"{annotations.name} changed since the sample was drawn: begin a new spot check",
            )
        sample = draw(table, self.plan.model_copy(update={"size": size}))
        have = {item.key for item in self.items}
        new = [
            i
            for i, row in enumerate(sample.rows)
            if (table.dataset[int(row)], int(table.episode[row]), int(table.subtask[row]))
            not in have
        ]
        if not new:
            return 0
        more = Sample(sample.strata, sample.rows[new], sample.stratum[new], sample.half_width)
        items = items_of(table, more, len(self.items))
        drawn = np.bincount([i.stratum for i in (*self.items, *items)], minlength=len(self.strata))
        strata = tuple(
            s.model_copy(update={"sampled": int(n)})
            for s, n in zip(self.strata, drawn, strict=True)
        )
        self._record(Extension(who=who, at=utc_now(), strata=strata, items=items))
        return len(items)

    def changed(self, table: AnnotationTable) -> tuple[SpotItem, ...]:
        """Items whose annotation is gone from a table or has another box or frame there."""
        rows = {
            (table.dataset[int(i)], int(table.episode[i]), int(table.subtask[i])): int(i)
            for i in np.flatnonzero(np.isin(table.episode, [item.episode for item in self.items]))
        }
        found = []
        for item in self.items:
            row = rows.get(item.key)
            same = (
                row is not None
                and int(table.keyframe[row]) == item.frame
                and np.allclose(table.start_box[row], item.box, atol=0.01)
            )
            if not same:
                found.append(item)
        return tuple(found)

    def verdicts(self) -> tuple[HumanVerdict, ...]:
        """All answers in force as verdicts, by person."""
        return tuple(
            HumanVerdict(
                episode=self.items[a.number].episode,
                subtask=self.items[a.number].subtask,
                right=None if a.verdict is Verdict.UNSURE else a.verdict is Verdict.RIGHT,
                box=self.items[a.number].box,
                true_box=a.true_box,
                source=VerdictSource.SPOT_CHECK,
                who=a.who,
                at=a.at,
                dataset=self.items[a.number].dataset,
                reason=a.reason,
            )
            for own in self._answers.values()
            for a in own.values()
        )

    def _record(self, event: Answer | Undo | Extension) -> None:
        try:
            self._journal.append(event.model_dump(mode="json"))
        except OSError as error:
            raise DataError("not_writable", f"{self.path}: {error.strerror or error}") from error
        self._apply(event)

    def _apply(self, event: Answer | Undo | Extension) -> None:
        match event:
            case Answer() if event.number < len(self.items):
                own = self._answers.setdefault(event.who, {})
                own.pop(event.number, None)
                own[event.number] = event
            case Undo():
                self._answers.get(event.who, {}).pop(event.number, None)
            case Extension():
                numbers = range(len(self.items), len(self.items) + len(event.items))
                self.items += tuple(
                    i.model_copy(update={"number": n})
                    for n, i in zip(numbers, event.items, strict=True)
                )
                self.strata = event.strata
            case _:
                log.warning("%s: an answer to an item that is not there", self.path)


def spot_checks(folder: Path) -> tuple[Path, ...]:
    """Journals of the spot checks in a folder, the newest first."""
    return tuple(sorted((folder / FOLDER).glob("*.jsonl"), reverse=True))


def is_journal(path: Path) -> bool:
    """Whether a file is the journal of a spot check: by its first line."""
    try:
        with path.open("rb") as file:
            return file.read(len(_FIRST)) == _FIRST
    except OSError:
        return False


def dataset_beside(journal: Path) -> Path | None:
    """The dataset whose folder `<dataset>.demoscope` a journal lies in, None if there is none."""
    for folder in journal.absolute().parents:
        if folder.suffix == f".{APP}":
            dataset = folder.with_suffix("")
            return dataset if dataset.exists() else None
    return None


def spot_check_verdicts(folder: Path) -> tuple[HumanVerdict, ...]:
    """What people said in all spot checks of a folder, the oldest first; broken ones are skipped.

    Args:
        folder: Where operating points, spot checks and exports of the dataset go.
    """
    found: list[HumanVerdict] = []
    for path in reversed(spot_checks(folder)):
        try:
            written = path.stat()
            found += _verdicts(path, written.st_mtime_ns, written.st_size)
        except (DataError, OSError) as error:
            log.warning("a spot check is left out: %s", error)
    return tuple(sorted(found, key=lambda v: v.at))


@functools.lru_cache(maxsize=64)
def _verdicts(path: Path, _written: int, _size: int) -> tuple[HumanVerdict, ...]:
    """Verdicts of a journal. After an answer only its own is read again: 10 ms, not 10 ms each."""
    return SpotCheck(path).verdicts()
