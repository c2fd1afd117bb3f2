"""Two runs of the same subtask side by side: what moved, appeared, vanished, changed its rank.

Candidates have no identity across runs: another detector numbers its boxes anew. They are matched
by their boxes, the largest overlap first *(our choice)*.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from pipeline.model.arrays import F64
from pipeline.model.candidate import MasksResult, Proposal, ProposalsResult, TracksResult
from pipeline.model.score import ScoresResult, box_iou

SAME_CANDIDATE = 0.3
"""Least IoU of two boxes to be the same candidate (our choice: a tighter box around the same object
still has it, its neighbour rarely does)."""
SAME_BOX = 0.9
"""From this IoU on a box counts as unmoved (our choice: 1 or 2 pixels on a small object)."""


class Kind(StrEnum):
    """What became of a candidate."""

    SAME = "same"
    MOVED = "moved"
    APPEARED = "appeared"
    VANISHED = "vanished"


@dataclass(frozen=True, slots=True)
class RunView:
    """The results of one run that are compared, of one subtask.

    Attributes:
        proposals: Boxes; their ids name the candidates.
        masks: None if the run did not come that far, or belongs to other boxes.
        tracks: Likewise.
        scores: Likewise.
    """

    proposals: ProposalsResult
    masks: MasksResult | None = None
    tracks: TracksResult | None = None
    scores: ScoresResult | None = None

    @property
    def winner(self) -> int:
        """Winner's id, -1 without one."""
        return self.scores.winner if self.scores is not None else -1


@dataclass(frozen=True, slots=True)
class CandidateChange:
    """One candidate of either run.

    Attributes:
        kind: What became of it.
        before: Its id in the run before, -1 if it appeared.
        after: Its id now, -1 if it vanished.
        proposal: The candidate now; that of before if it vanished.
        iou: Of both boxes, 0..1; 0 if it is in one run only.
        mask_iou: Of both masks, 0..1; None unless both runs have it.
        track_gap: Median distance of the centres of both carried boxes over the frames that both
            runs tracked, pixels; None unless both runs have it.
        rank_before: Rank from 1, None without scores or if it appeared.
        rank_after: Likewise.
        score_before: R, None likewise.
        score_after: Likewise.
    """

    kind: Kind
    before: int
    after: int
    proposal: Proposal
    iou: float
    mask_iou: float | None
    track_gap: float | None
    rank_before: int | None
    rank_after: int | None
    score_before: float | None
    score_after: float | None

    @property
    def climbed(self) -> int:
        """Ranks won, negative if it fell; 0 unless it is ranked in both runs."""
        if self.rank_before is None or self.rank_after is None:
            return 0
        return self.rank_before - self.rank_after

    @property
    def gain(self) -> float | None:
        """R now minus R before, None unless it is scored in both runs."""
        if self.score_before is None or self.score_after is None:
            return None
        return self.score_after - self.score_before


@dataclass(frozen=True, slots=True)
class RunComparison:
    """What differs between two runs.

    Attributes:
        changes: Candidates of now by rank, then those that vanished by their rank before.
        winner_before: Winner's id before, -1 without one.
        winner_after: Winner's id now, -1 without one.
        winner_changed: The winner is another candidate.
        camera_changed: The runs look at different cameras: boxes cannot be compared.
        keyframe_before: Keyframe of the run before.
        keyframe_after: Keyframe now.
    """

    changes: tuple[CandidateChange, ...]
    winner_before: int
    winner_after: int
    winner_changed: bool
    camera_changed: bool
    keyframe_before: int
    keyframe_after: int

    def of_now(self, candidate: int) -> CandidateChange | None:
        """The change of a candidate of now."""
        return next((c for c in self.changes if c.after == candidate >= 0), None)

    @property
    def shared_ids(self) -> dict[int, int]:
        """Id before -> id under which both runs can be shown together.

        Matched candidates have their id of now; those that vanished follow after all of now.
        """
        ids = {c.before: c.after for c in self.changes if c.before >= 0 <= c.after}
        free = max((c.after for c in self.changes), default=-1) + 1
        gone = sorted(c.before for c in self.changes if c.after < 0)
        return ids | {before: free + i for i, before in enumerate(gone)}

    def count(self, kind: Kind) -> int:
        """How many candidates are of a kind."""
        return sum(c.kind is kind for c in self.changes)

    @property
    def sentence(self) -> str:
        """One line for people."""
        if self.camera_changed:
            return "The two runs look at different cameras; every candidate is another one."
        parts = [
            f"{self.count(kind)} {kind.value}"
            for kind in (Kind.MOVED, Kind.APPEARED, Kind.VANISHED)
            if self.count(kind)
        ]
        reranked = sum(c.climbed != 0 for c in self.changes)
        if reranked:
            parts.append(f"{reranked} changed rank")
        if self.keyframe_before != self.keyframe_after:
            parts.append(f"keyframe {self.keyframe_before} → {self.keyframe_after}")
        text = ", ".join(parts) or "the same candidates in the same order"
        if self.winner_before < 0 or self.winner_after < 0:
            return text
        if self.winner_changed:
            return f"{text}; another winner: #{self.winner_before} → #{self.winner_after}"
        return f"{text}; the same winner"


def compare_runs(before: RunView, after: RunView) -> RunComparison:
    """Match the candidates of two runs and say what became of each."""
    camera_changed = before.proposals.camera != after.proposals.camera
    old, new = before.proposals.candidates, after.proposals.candidates
    pairs = {} if camera_changed else match_boxes(old, new)
    ranks_old, ranks_new = _ranks(before.scores), _ranks(after.scores)
    mask_ious = _mask_ious(before, after, pairs)
    changes = []
    for proposal in new:
        a = pairs.get(proposal.id, -1)
        other = next((p for p in old if p.id == a), None)
        iou = box_iou(other.box, proposal.box) if other is not None else 0.0
        kind = Kind.APPEARED if other is None else Kind.SAME if iou >= SAME_BOX else Kind.MOVED
        changes.append(
            CandidateChange(
                kind=kind,
                before=a,
                after=proposal.id,
                proposal=proposal,
                iou=iou,
                mask_iou=mask_ious.get(proposal.id),
                track_gap=_track_gap(before.tracks, after.tracks, a, proposal.id),
                rank_before=ranks_old.get(a),
                rank_after=ranks_new.get(proposal.id),
                score_before=_score(before.scores, a),
                score_after=_score(after.scores, proposal.id),
            )
        )
    matched = set(pairs.values())
    gone = [
        CandidateChange(
            kind=Kind.VANISHED,
            before=p.id,
            after=-1,
            proposal=p,
            iou=0.0,
            mask_iou=None,
            track_gap=None,
            rank_before=ranks_old.get(p.id),
            rank_after=None,
            score_before=_score(before.scores, p.id),
            score_after=None,
        )
        for p in old
        if p.id not in matched
    ]
    last = len(old) + len(new)
    changes.sort(key=lambda c: (c.rank_after or last, c.after))
    gone.sort(key=lambda c: (c.rank_before or last, c.before))
    winner_changed = (
        before.winner >= 0 and after.winner >= 0 and pairs.get(after.winner, -1) != before.winner
    )
    return RunComparison(
        changes=(*changes, *gone),
        winner_before=before.winner,
        winner_after=after.winner,
        winner_changed=winner_changed,
        camera_changed=camera_changed,
        keyframe_before=before.proposals.keyframe,
        keyframe_after=after.proposals.keyframe,
    )


def renumbered(view: RunView, ids: Mapping[int, int]) -> RunView:
    """The same run with other candidate ids, so that colours and selection fit another run's.

    Args:
        view: A run; row k of its arrays belongs to candidate k.
        ids: Id -> new id, one for every candidate. New ids that no candidate has get empty rows.
    """
    size = max(ids.values(), default=-1) + 1
    old = np.array(sorted(ids), np.int64)
    new = np.array([ids[int(k)] for k in old], np.int64)
    proposals = replace(
        view.proposals,
        candidates=tuple(replace(p, id=ids[p.id]) for p in view.proposals.candidates),
    )
    masks, tracks, scores = view.masks, view.tracks, view.scores
    if masks is not None:
        packed = np.zeros((size, masks.packed.shape[1]), np.uint8)
        colors = np.full((size, 3), np.nan, np.float32)
        packed[new], colors[new] = masks.packed[old], masks.colors[old]
        rated, quality = masks.quality, None
        if rated is not None:
            quality = np.full(size, np.nan, np.float32)
            quality[new] = rated[old]
        masks = replace(masks, packed=packed, colors=colors, quality=quality)
    if tracks is not None:
        boxes = np.full((len(tracks.frames), size, 4), np.nan, np.float32)
        boxes[:, new] = tracks.boxes[:, old]
        appearance = tracks.appearance
        if appearance.size:
            appearance = np.full((len(tracks.frames), size), np.nan, np.float32)
            appearance[:, new] = tracks.appearance[:, old]
        table = np.full(max(int(old.max(initial=-1)) + 1, 1), -1, np.int32)
        table[old] = new
        candidate = table[tracks.candidate] if len(old) else tracks.candidate
        tracks = replace(
            tracks,
            boxes=boxes,
            candidate=candidate.astype(np.int32),
            appearance=appearance,
        )
    if scores is not None:
        terms = tuple(replace(t, candidate=ids[t.candidate]) for t in scores.terms)
        scores = replace(scores, terms=terms, winner=ids.get(scores.winner, -1))
    return RunView(proposals, masks, tracks, scores)


def match_boxes(old: tuple[Proposal, ...], new: tuple[Proposal, ...]) -> dict[int, int]:
    """Match candidates by their boxes, one to one, the largest overlap first; now -> before."""
    overlaps = [(box_iou(a.box, b.box), b.id, a.id) for a in old for b in new]
    pairs: dict[int, int] = {}
    for iou, now, then in sorted(overlaps, key=lambda o: (-o[0], o[1], o[2])):
        if iou >= SAME_CANDIDATE and now not in pairs and then not in pairs.values():
            pairs[now] = then
    return pairs


def _ranks(scores: ScoresResult | None) -> Mapping[int, int]:
    return {} if scores is None else {c: i for i, c in enumerate(scores.ranking, start=1)}


def _score(scores: ScoresResult | None, candidate: int) -> float | None:
    if scores is None or candidate < 0:
        return None
    return next((t.score for t in scores.terms if t.candidate == candidate), None)


def _mask_ious(before: RunView, after: RunView, pairs: Mapping[int, int]) -> dict[int, float]:
    """IoU of the masks of matched candidates, by id now; empty if they cannot be compared."""
    a, b = before.masks, after.masks
    if a is None or b is None or (a.height, a.width) != (b.height, b.width):
        return {}
    if before.proposals.keyframe != after.proposals.keyframe:
        return {}
    result = {}
    for now, then in pairs.items():
        if now < b.count and then < a.count:
            # Bits of padding are 0 in both.
            both = int(np.bitwise_count(a.packed[then] & b.packed[now]).sum())
            either = int(np.bitwise_count(a.packed[then] | b.packed[now]).sum())
            result[now] = both / either if either else 1.0
    return result


def _track_gap(
    before: TracksResult | None, after: TracksResult | None, then: int, now: int
) -> float | None:
    if before is None or after is None or then < 0:
        return None
    if then >= before.boxes.shape[1] or now >= after.boxes.shape[1]:
        return None
    _, a, b = np.intersect1d(before.frames, after.frames, return_indices=True)
    gap = _centres(before, a, then) - _centres(after, b, now)
    far = np.linalg.norm(gap, axis=1)
    far = far[np.isfinite(far)]
    return float(np.median(far)) if len(far) else None


def _centres(tracks: TracksResult, rows: object, candidate: int) -> F64:
    boxes = tracks.boxes[rows, candidate].astype(np.float64)  # type: ignore[index]
    centres: F64 = (boxes[:, :2] + boxes[:, 2:]) / 2
    return centres
