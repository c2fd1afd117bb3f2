"""Annotations of whole datasets, column by column.

A million annotations with twelve candidates each fit into memory this way (about 0.8 GiB) and can
be scored again in one pass; as objects they would not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from pipeline.model.annotation import Annotation, CandidateRecord
from pipeline.model.arrays import F32, F64, I32, I64, Array, Bool, expect_shape
from pipeline.model.candidate import Box


@dataclass(frozen=True, slots=True)
class Texts:
    """A column of texts that repeat.

    Attributes:
        codes: (N,) int32, index into `values`.
        values: The different texts.
    """

    codes: I32
    values: tuple[str, ...]

    @classmethod
    def of(cls, texts: Sequence[str]) -> Texts:
        """Make a column; values in the order in which they first appear."""
        numbers: dict[str, int] = {}
        codes = [numbers.setdefault(t, len(numbers)) for t in texts]
        return cls(np.array(codes, np.int32), tuple(numbers))

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, row: int) -> str:
        return self.values[int(self.codes[row])]

    def rows(self, value: str) -> Bool:
        """(N,) bool, rows with this text."""
        code = self.values.index(value) if value in self.values else -1
        found: Bool = self.codes == code
        return found

    def take(self, rows: Array) -> Texts:
        """The rows chosen by a mask or by numbers."""
        return Texts(self.codes[rows], self.values)


@dataclass(frozen=True, slots=True)
class TextLists:
    """A column of short lists of texts that repeat (warning codes).

    Attributes:
        offsets: (N + 1,) int64; row i has codes[offsets[i]:offsets[i + 1]].
        codes: (M,) int32, index into `values`.
        values: The different texts.
    """

    offsets: I64
    codes: I32
    values: tuple[str, ...]

    @classmethod
    def of(cls, lists: Sequence[Sequence[str]]) -> TextLists:
        """Make a column."""
        flat = Texts.of([t for texts in lists for t in texts])
        return cls(_offsets([len(texts) for texts in lists]), flat.codes, flat.values)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> tuple[str, ...]:
        return tuple(self.values[c] for c in self.codes[self.offsets[row] : self.offsets[row + 1]])

    def rows(self, value: str) -> Bool:
        """(N,) bool, rows whose list has this text."""
        found = np.zeros(len(self), np.bool_)
        if value in self.values:
            places = np.flatnonzero(self.codes == self.values.index(value))
            found[np.searchsorted(self.offsets, places, side="right") - 1] = True
        return found

    def take(self, rows: Array) -> TextLists:
        """The rows chosen by a mask or by numbers."""
        places, offsets = _taken(self.offsets, rows)
        return TextLists(offsets, self.codes[places], self.values)


@dataclass(frozen=True, slots=True)
class CandidateColumns:
    """All candidates of all annotations, M in total; see `CandidateRecord` for units.

    Attributes:
        offsets: (N + 1,) int64; annotation i has rows offsets[i] to offsets[i + 1].
        id: (M,) int32, ascending within an annotation.
        box: (M, 4) float32.
        detector: (M,) float32.
        motion_in: (M,) float32.
        motion_out: (M,) float32.
        mean_motion: (M,) float32.
        path_length: (M,) float32.
        proximity: (M,) float32.
        overlap: (M,) float32.
        relief: (M,) float32.
        points: (M,) int32.
        label: M texts.
    """

    offsets: I64
    id: I32
    box: F32
    detector: F32
    motion_in: F32
    motion_out: F32
    mean_motion: F32
    path_length: F32
    proximity: F32
    overlap: F32
    relief: F32
    points: I32
    label: Texts

    def __post_init__(self) -> None:
        m = len(self.id)
        expect_shape("box", self.box, (m, 4))
        for name in (*MEASURED, "points"):
            expect_shape(name, getattr(self, name), (m,))
        if len(self.label) != m or (len(self.offsets) and self.offsets[-1] != m):
            raise ValueError(f"candidates: expected {m} labels and offsets up to {m}")

    @property
    def counts(self) -> I64:
        """(N,) int64, candidates of each annotation."""
        return np.diff(self.offsets)

    def rows_of(self, row: int) -> slice:
        """Rows of the candidates of one annotation."""
        return slice(int(self.offsets[row]), int(self.offsets[row + 1]))

    def take(self, rows: Array) -> CandidateColumns:
        """Candidates of the annotations chosen by a mask or by numbers."""
        places, offsets = _taken(self.offsets, rows)
        columns = {n: getattr(self, n)[places] for n in ("id", "box", "points", *MEASURED)}
        return CandidateColumns(offsets=offsets, label=self.label.take(places), **columns)


MEASURED = (
    "detector",
    "motion_in",
    "motion_out",
    "mean_motion",
    "path_length",
    "proximity",
    "overlap",
    "relief",
)
"""float32 columns of the candidates."""


@dataclass(frozen=True, slots=True)
class AnnotationTable:
    """N annotations; see `Annotation` for what each column means.

    Attributes:
        dataset: N texts.
        episode: (N,) int32.
        subtask: (N,) int32.
        arm: N texts.
        camera: N texts.
        task: N texts, kinds of action.
        instruction: N texts.
        object: N texts.
        caption: N texts.
        warnings: N lists of codes.
        score: (N,) float64, R of the winner, NaN if there is none.
        runner_up: (N,) float64, NaN if there is none.
        keyframe: (N,) int32, -1 if unknown.
        start_box: (N, 4) float32, NaN if there is none.
        target_box: (N, 4) float32, NaN if there is none.
        winner: (N,) int32, candidate id, -1 if there is none.
        by_person: (N,) bool, a person chose the winner.
        candidates: Their candidates; none at all in files of before schema 1.
    """

    dataset: Texts
    episode: I32
    subtask: I32
    arm: Texts
    camera: Texts
    task: Texts
    instruction: Texts
    object: Texts
    caption: Texts
    warnings: TextLists
    score: F64
    runner_up: F64
    keyframe: I32
    start_box: F32
    target_box: F32
    winner: I32
    by_person: Bool
    candidates: CandidateColumns

    def __post_init__(self) -> None:
        n = len(self.episode)
        for item in fields(self):
            value = getattr(self, item.name)
            count = len(value.offsets) - 1 if item.name == "candidates" else len(value)
            if count != n:
                raise ValueError(f"{item.name}: expected {n} rows, got {count}")

    def __len__(self) -> int:
        return len(self.episode)

    @classmethod
    def of(cls, annotations: Sequence[Annotation]) -> AnnotationTable:
        """Make a table of records."""
        records = [c for a in annotations for c in a.candidates]

        def texts(name: str) -> Texts:
            return Texts.of([getattr(a, name) for a in annotations])

        def numbers(name: str, missing: float) -> F64:
            values = [getattr(a, name) for a in annotations]
            return np.array([missing if v is None else v for v in values], np.float64)

        def boxes(found: Sequence[Box | None]) -> F32:
            unknown = (np.nan,) * 4
            return np.array([unknown if b is None else b for b in found], np.float32).reshape(-1, 4)

        columns = {n: np.array([getattr(r, n) for r in records], np.float32) for n in MEASURED}
        return cls(
            dataset=texts("dataset"),
            episode=numbers("episode_index", -1).astype(np.int32),
            subtask=numbers("subtask_index", -1).astype(np.int32),
            arm=texts("arm"),
            camera=texts("camera"),
            task=texts("task"),
            instruction=texts("instruction"),
            object=texts("object"),
            caption=texts("caption"),
            warnings=TextLists.of([a.warnings for a in annotations]),
            score=numbers("score", np.nan),
            runner_up=numbers("runner_up", np.nan),
            keyframe=numbers("keyframe", -1).astype(np.int32),
            start_box=boxes([a.start_box for a in annotations]),
            target_box=boxes([a.target_box for a in annotations]),
            winner=numbers("winner", -1).astype(np.int32),
            by_person=np.array([a.chosen_by == "person" for a in annotations], np.bool_),
            candidates=CandidateColumns(
                offsets=_offsets([len(a.candidates) for a in annotations]),
                id=np.array([r.id for r in records], np.int32),
                box=boxes([r.box for r in records]),
                points=np.array([r.points for r in records], np.int32),
                label=Texts.of([r.label for r in records]),
                **columns,
            ),
        )

    def take(self, rows: Array) -> AnnotationTable:
        """The rows chosen by a mask (N,) bool or by numbers, in that order."""
        parts: dict[str, Any] = {}
        for item in fields(self):
            value = getattr(self, item.name)
            parts[item.name] = value[rows] if isinstance(value, np.ndarray) else value.take(rows)
        return replace(self, **parts)

    def box(self, row: int) -> Box | None:
        """Start box of a row."""
        return _box(self.start_box[row])

    def records_of(self, row: int) -> Iterator[CandidateRecord]:
        """The candidates of a row as records."""
        columns = self.candidates
        for k in range(int(columns.offsets[row]), int(columns.offsets[row + 1])):
            x0, y0, x1, y1 = (float(v) for v in columns.box[k])
            yield CandidateRecord(
                id=int(columns.id[k]),
                box=(x0, y0, x1, y1),
                label=columns.label[k],
                points=int(columns.points[k]),
                **{name: float(getattr(columns, name)[k]) for name in MEASURED},
            )


def _box(values: F32) -> Box | None:
    if not np.isfinite(values).all():
        return None
    x0, y0, x1, y1 = (float(v) for v in values)
    return (x0, y0, x1, y1)


def _offsets(counts: Sequence[int]) -> I64:
    offsets = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    return offsets


def _taken(offsets: I64, rows: Array) -> tuple[I64, I64]:
    """Places of the items of the chosen rows, and their new offsets."""
    numbers = np.arange(len(offsets) - 1)[rows]
    counts = np.diff(offsets)[numbers]
    new = np.zeros(len(numbers) + 1, np.int64)
    np.cumsum(counts, out=new[1:])
    places = np.repeat(offsets[numbers] - new[:-1], counts) + np.arange(new[-1])
    return places, new
