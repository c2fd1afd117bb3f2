"""The candidates of a subtask as a table: one row each, one column per term of R."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from html import escape
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from pipeline.evaluation.comparison import CandidateChange, Kind, RunComparison
from pipeline.model.candidate import Proposal, ProposalsResult
from pipeline.model.score import ScoresResult, ScoreTerms
from widgets.contribution_bar import BarScale

Index = QModelIndex | QPersistentModelIndex
SORT_ROLE = Qt.ItemDataRole.UserRole
ROW_ROLE = Qt.ItemDataRole.UserRole + 1


class Column(IntEnum):
    """Columns from left to right."""

    RANK = 0
    NAME = 1
    DETECTOR = 2
    MOTION = 3
    PROXIMITY = 4
    OVERLAP = 5
    SCORE = 6
    WAS = 7
    GAIN = 8
    SAME = 9


@dataclass(frozen=True, slots=True)
class CandidateRow:
    """One candidate.

    Attributes:
        rank: From 1, by falling R; by falling D before scoring.
        proposal: The box.
        terms: Terms of R, None before scoring.
        wins: It is the winner.
        by_person: A person chose the winner.
        true: It matches the human box.
        change: What became of it since the run before, None unless runs are compared.
    """

    rank: int
    proposal: Proposal
    terms: ScoreTerms | None
    wins: bool
    by_person: bool
    true: bool
    change: CandidateChange | None = None

    @property
    def gone(self) -> bool:
        """It is in the run before only."""
        return self.change is not None and self.change.kind is Kind.VANISHED


COMPARED = (Column.WAS, Column.GAIN, Column.SAME)
"""Columns that are shown while runs are compared."""

_HEADERS = {
    Column.RANK: ("#", "Rank", "By falling R; before scoring by falling D.", "", ""),
    Column.NAME: (
        "candidate",
        "Candidate",
        "A box that may hold the object: phrase it was grounded to and where it came from. "
        "★ winner, ✓ matches the human box.",
        "",
        "SPARC 3.2",
    ),
    Column.DETECTOR: (
        "D",
        "D, detector confidence",
        "How well the box fits the object phrase, 0..1, no unit.",
        "mean of the label's token probabilities",
        "SPARC 3.2",
    ),
    Column.MOTION: (
        "A",
        "A, phase-aware motion",
        "High if it moves during the interaction and rests otherwise. m_in, m_out in px/s; "
        "A itself has no natural unit.",
        "A = m_in^0.6 / (m_out + 1)^0.2",
        "SPARC 3.3; exponents and floor are options of the scores stage",
    ),
    Column.PROXIMITY: (
        "P",
        "P, proximity to the gripper",
        "Mean share of its visible points inside the sphere around the gripper, 0..1.",
        "P = mean over frames of (points inside / points visible)",
        "SPARC 3.3",
    ),
    Column.OVERLAP: (
        "o",
        "o, overlap with the robot",
        "Share of its points on the robot mask, 0..1; the strongest frames dominate.",
        "Π = 1.45·(max(0, o − 0.3)/0.7)²·(1 − 0.85·relief), + 0.20 if o ≥ 0.98",
        "SPARC 3.3",
    ),
    Column.SCORE: (
        "R",
        "R, reliability",
        "Sum of the cues, no unit; the highest wins. Bars: what each cue adds; left of the line "
        "what robot overlap takes away.",
        "R = 0.5·Ã + w_D·D + 0.3·P̃ − Π,  w_D = 0.75 − 0.15·P̃",
        "SPARC 3.3; weights are options of the scores stage",
    ),
    Column.WAS: (
        "was",
        "Rank in the run before",
        "▲ it climbed, ▼ it fell, “new” it was not there. Rows below without a rank vanished.",
        "",
        "candidates of both runs are matched by their boxes, IoU ≥ 0.3",
    ),
    Column.GAIN: (
        "ΔR",
        "Change of R",
        "R now minus R in the run before, no unit. R is relative to the candidates of its run.",
        "",
        "",
    ),
    Column.SAME: (
        "IoU",
        "Overlap with its box before",
        "Intersection over union of both boxes, 0..1; from 0.9 on it counts as unmoved. The tool "
        "tip has masks and tracks.",
        "",
        "",
    ),
}


def header_tip(column: Column) -> str:
    """Definition, unit, formula and source of a column, as rich text."""
    _, title, meaning, formula, source = _HEADERS[column]
    text = f"<qt><b>{escape(title)}</b><br>{escape(meaning)}"
    if formula:
        text += f"<br><code>{escape(formula)}</code>"
    if source:
        text += f"<br><i>{escape(source)}</i>"
    return text + "</qt>"


class CandidateModel(QAbstractTableModel):
    """Rows by rank; sorting is the proxy's."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.rows: tuple[CandidateRow, ...] = ()
        self.scale = BarScale(0.0, 1.0)

    def set_rows(
        self,
        proposals: ProposalsResult | None,
        scores: ScoresResult | None,
        true: frozenset[int],
        comparison: RunComparison | None = None,
    ) -> None:
        """Replace all rows; those that vanished since the run before come last."""
        self.beginResetModel()
        found = proposals.candidates if proposals else ()
        terms = {t.candidate: t for t in scores.terms} if scores else {}
        places = {c: i for i, c in enumerate(scores.ranking)} if scores else {}
        order = sorted(found, key=lambda p: (places.get(p.id, len(places)), -p.score, p.id))
        self.rows = tuple(
            CandidateRow(
                rank=i + 1,
                proposal=p,
                terms=terms.get(p.id),
                wins=scores is not None and p.id == scores.winner,
                by_person=scores is not None and scores.chosen_by == "person",
                true=p.id in true,
                change=comparison.of_now(p.id) if comparison is not None else None,
            )
            for i, p in enumerate(order)
        )
        self.rows += _gone_rows(comparison, len(self.rows))
        self.scale = BarScale.over(tuple(terms.values()))
        self.endResetModel()

    def row_of(self, candidate: int) -> int:
        """Row of a candidate, -1 if there is none."""
        hits = (i for i, row in enumerate(self.rows) if row.proposal.id == candidate)
        return next(hits, -1)

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        """Candidates."""
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        """Terms."""
        return 0 if parent.isValid() else len(Column)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Short names; the tool tip has definition, unit, formula and source."""
        if orientation is not Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return _HEADERS[Column(section)][0]
        if role == Qt.ItemDataRole.ToolTipRole:
            return header_tip(Column(section))
        if role == Qt.ItemDataRole.TextAlignmentRole:
            left = section in (Column.RANK, Column.NAME, Column.SCORE, Column.WAS)
            side = Qt.AlignmentFlag.AlignLeft if left else Qt.AlignmentFlag.AlignRight
            return side | Qt.AlignmentFlag.AlignVCenter
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Texts, sort keys, tool tips and the row itself."""
        if not index.isValid() or index.row() >= len(self.rows):
            return None
        row, column = self.rows[index.row()], Column(index.column())
        if role == ROW_ROLE:
            return row
        if role == SORT_ROLE:
            return _sort_key(row, column)
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            return _text(row, column)
        if role == Qt.ItemDataRole.ToolTipRole:
            return _tip(row, column)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            side = (
                Qt.AlignmentFlag.AlignLeft if column is Column.NAME else Qt.AlignmentFlag.AlignRight
            )
            return side | Qt.AlignmentFlag.AlignVCenter
        return None


def _gone_rows(comparison: RunComparison | None, ranked: int) -> tuple[CandidateRow, ...]:
    if comparison is None:
        return ()
    ids = comparison.shared_ids
    gone = [c for c in comparison.changes if c.kind is Kind.VANISHED]
    return tuple(
        CandidateRow(
            rank=ranked + i + 1,
            proposal=replace(c.proposal, id=ids[c.before], origin="gone"),
            terms=None,
            wins=False,
            by_person=False,
            true=False,
            change=c,
        )
        for i, c in enumerate(gone)
    )


def _number(row: CandidateRow, column: Column) -> float | None:
    if column in COMPARED:
        return _compared(row.change, column)
    if column is Column.DETECTOR:
        return row.proposal.score if row.terms is None else row.terms.detector
    if row.terms is None:
        return None
    return {
        Column.MOTION: row.terms.motion,
        Column.PROXIMITY: row.terms.proximity,
        Column.OVERLAP: row.terms.overlap,
        Column.SCORE: row.terms.score,
    }[column]


def _compared(change: CandidateChange | None, column: Column) -> float | None:
    if change is None:
        return None
    if column is Column.WAS:
        return None if change.rank_before is None else float(change.rank_before)
    if column is Column.GAIN:
        return change.gain
    return change.iou if change.before >= 0 <= change.after else None


def _was(change: CandidateChange) -> str:
    if change.kind is Kind.APPEARED:
        return "new"
    rank = "–" if change.rank_before is None else str(change.rank_before)
    mark = " ▲" if change.climbed > 0 else " ▼" if change.climbed < 0 else ""
    return rank + mark


def _text(row: CandidateRow, column: Column) -> str:
    if column is Column.WAS and row.change is not None:
        return _was(row.change)
    if column is Column.GAIN:
        value = _number(row, column)
        return "–" if value is None else f"{value:+.3f}".replace("-", "−")
    if column is Column.RANK:
        return "–" if row.gone else str(row.rank)
    if column is Column.NAME:
        marks = ("★ " if row.wins else "") + ("✓ " if row.true else "")
        return f"{marks}{row.proposal.label or 'unnamed'} · {row.proposal.origin}"
    value = _number(row, column)
    if value is None:
        return "–"
    return f"{value:.3f}" if column is Column.SCORE else f"{value:.2f}"


def _sort_key(row: CandidateRow, column: Column) -> float | str:
    if column is Column.RANK:
        return float(row.rank)
    if column is Column.NAME:
        return f"{row.proposal.label.casefold()}\0{row.proposal.id:04d}"
    value = _number(row, column)
    return float("-inf") if value is None else value


def _change_tip(change: CandidateChange) -> str:
    if change.kind is Kind.APPEARED:
        return "Appeared: no candidate of the run before overlaps it enough (IoU ≥ 0.3)."
    was = "not scored" if change.score_before is None else f"R = {change.score_before:.4f}"
    rank = "" if change.rank_before is None else f", rank {change.rank_before}"
    lines = [f"Before: candidate #{change.before}{rank}, {was}."]
    if change.kind is Kind.VANISHED:
        return f"Vanished: no candidate of now overlaps it enough (IoU ≥ 0.3).\n{lines[0]}"
    moved = "its box moved" if change.kind is Kind.MOVED else "the same box"
    lines.append(f"IoU of the boxes {change.iou:.3f}: {moved}.")
    if change.mask_iou is not None:
        lines.append(f"IoU of the masks {change.mask_iou:.3f}.")
    if change.track_gap is not None:
        lines.append(f"Tracks: centres {change.track_gap:.1f} px apart (median over the clip).")
    return "\n".join(lines)


def _tip(row: CandidateRow, column: Column) -> str:
    if row.change is not None and (column in COMPARED or row.gone):
        return _change_tip(row.change)
    if column is Column.RANK:
        key = f" Key {row.rank} selects it." if row.rank <= 9 else ""
        return f"Rank {row.rank}, candidate #{row.proposal.id}.{key}"
    if column is Column.NAME:
        lines = [
            f"candidate #{row.proposal.id}, found in frame {row.proposal.frame}",
            f"origin: {row.proposal.origin}",
            row.proposal.evidence,
        ]
        if row.wins:
            lines.append("★ winner, chosen by " + ("a person" if row.by_person else "score"))
        if row.true:
            lines.append("✓ matches the human box (IoU ≥ 0.4, or IoU ≥ 0.1 and 80 % inside)")
        return "\n".join(line for line in lines if line)
    terms = row.terms
    if terms is None:
        if column is Column.DETECTOR:
            return f"D = {row.proposal.score:.4f}"
        return "Not scored yet. Run the scores stage."
    if column is Column.DETECTOR:
        return f"D = {terms.detector:.4f}, weight w_D = {terms.detector_weight:.4f}"
    if column is Column.MOTION:
        return (
            f"A = {terms.motion:.4f}, normalised Ã = {terms.motion_normalised:.4f}\n"
            f"m_in = {terms.motion_in:.2f} px/s, m_out = {terms.motion_out:.2f} px/s, "
            f"{terms.points} points"
        )
    if column is Column.PROXIMITY:
        return f"P = {terms.proximity:.4f}, normalised P̃ = {terms.proximity_normalised:.4f}"
    if column is Column.OVERLAP:
        return (
            f"o = {terms.overlap:.4f}, relief {terms.relief:.3f}, penalty Π = {terms.penalty:.4f}"
        )
    parts = "\n".join(f"{name} {value:+.4f}" for name, value in terms.contributions)
    return f"R = {terms.score:.4f}\n{parts}"
