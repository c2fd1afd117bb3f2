"""Where the object ended up (SPARC B.1.3, "Final target selection")."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.model.arrays import F32
from pipeline.model.candidate import Box, Proposal, ProposalsResult, TracksResult
from pipeline.model.demonstration import Demonstration
from pipeline.model.edits import Edit
from pipeline.model.options import option
from pipeline.model.problem import Problem, Severity
from pipeline.model.score import ScoresResult, TargetResult, as_box, box_area
from pipeline.model.subtask import ActionType, Subtask, SubtasksResult
from pipeline.stages.stage import Scope, Stage, StageContext, StageInputs


@dataclass(frozen=True)
class TargetOptions:
    """Options of the target choice; the fields say themselves what they are."""

    min_area_share: float = option(
        0.5,
        "Target boxes with less than this share of the object's start box are not ranked.",
        low=0.0,
        high=10.0,
        source="SPARC B.1.3",
    )
    min_final_visible: float = option(
        0.2,
        "The final points are those of the last frame in which at least this share of the "
        "winner's points is visible.",
        low=0.0,
        high=1.0,
    )


class TargetStage(Stage[TargetOptions, TargetResult]):
    """Ranks target boxes by how densely the object's final points fill them."""

    name = "target"
    title = "Target"
    version = 1
    scope = Scope.SUBTASK
    inputs = ("subtasks", "proposals", "masks", "tracks", "scores")
    options_type = TargetOptions
    result_type = TargetResult

    def run(
        self,
        demonstration: Demonstration,
        inputs: StageInputs,
        options: TargetOptions,
        edits: tuple[Edit, ...],
        context: StageContext,
    ) -> TargetResult:
        """Choose the target of the subtask's winner."""
        context.progress(0.0, "finding the target")
        result = find_target(
            inputs.get(SubtasksResult).subtasks[inputs.subtask],
            inputs.get(ProposalsResult),
            inputs.get(TracksResult),
            inputs.get(ScoresResult).winner,
            options,
        )
        context.progress(1.0, "target found")
        return result


def final_points(tracks: TracksResult, candidate: int, min_visible: float) -> F32:
    """Points of the candidate in the last frame in which enough of them are visible.

    Args:
        tracks: Tracks of all candidates.
        candidate: Candidate id.
        min_visible: Smallest share of its kept points, 0..1; at least one point.

    Returns:
        (n, 2) float32 pixels; (0, 2) if it is never visible enough.
    """
    own = np.flatnonzero((tracks.candidate == candidate) & tracks.kept)
    seen = tracks.visible[:, own] & np.isfinite(tracks.points[:, own]).all(axis=2)
    rows = np.flatnonzero(seen.sum(axis=1) >= max(1.0, min_visible * len(own)))
    if not len(rows):
        return np.zeros((0, 2), np.float32)
    row = rows[-1]
    final: F32 = tracks.points[row, own[seen[row]]]
    return final


def share_inside(points: F32, box: Box) -> float:
    """Share of the points in the box (right and lower edge exclusive); 0 without points."""
    if not len(points):
        return 0.0
    x, y = points[:, 0], points[:, 1]
    inside = (x >= box[0]) & (x < box[2]) & (y >= box[1]) & (y < box[3])
    return float(inside.mean())


def object_end_box(tracks: TracksResult, candidate: int) -> Box | None:
    """The candidate's carried box in the last frame in which it has one."""
    if not 0 <= candidate < tracks.boxes.shape[1]:
        return None
    boxes = tracks.boxes[:, candidate]
    rows = np.flatnonzero(np.isfinite(boxes).all(axis=1))
    return as_box(boxes[rows[-1]]) if len(rows) else None


def find_target(
    subtask: Subtask,
    proposals: ProposalsResult,
    tracks: TracksResult,
    winner: int,
    options: TargetOptions,
) -> TargetResult:
    """Choose the target box.

    In this order: a box that a person drew; the box with the highest share / sqrt(area) of the
    winner's final visible points (the paper's formula is lost, this is our reading); the best
    detected box; for tools the acted-on object among the candidates; the object's own end box.
    Boxes smaller than half of the winner's start box are not ranked, drawn ones always are.

    Args:
        subtask: The subtask.
        proposals: Candidates and target proposals.
        tracks: Tracks of the candidates.
        winner: Candidate id of the chosen object, -1 if none.
        options: Options.
    """
    considered = list(proposals.targets)
    start = next((p for p in proposals.candidates if p.id == winner), None)
    end_box = object_end_box(tracks, winner)
    least = options.min_area_share * box_area(start.box) if start is not None else 0.0
    ranked = [t.origin == "user" or box_area(t.box) >= max(least, 1e-9) for t in considered]
    points = final_points(tracks, winner, options.min_final_visible)
    support = [share_inside(points, t.box) for t in considered]
    problems: list[Problem] = []
    chosen, method = _rank(considered, ranked, support)
    if chosen < 0 and subtask.action is ActionType.TOOL:
        acted_on = _acted_on(subtask, proposals, winner)
        if acted_on is not None:
            considered.append(acted_on)
            ranked.append(True)
            support.append(share_inside(points, acted_on.box))
            chosen, method = len(considered) - 1, "detected"
            problems.append(
                Problem(
                    "target_acted_on",
                    f"No target box; the tool acts on “{acted_on.label}”, which counts as target.",
                    Severity.INFO,
                )
            )
    density = [
        s / float(np.sqrt(box_area(t.box))) if ok and box_area(t.box) > 0 else np.nan
        for s, t, ok in zip(support, considered, ranked, strict=True)
    ]
    box = considered[chosen].box if chosen >= 0 else end_box
    if chosen < 0:
        method = "none" if end_box is None else "object_end"
    problems += _doubts(method, support, chosen)
    return TargetResult(
        candidates=tuple(considered),
        support=np.array(support, np.float32),
        density=np.array(density, np.float32),
        winner=chosen,
        box=box,
        object_end_box=end_box,
        method=method,
        problems=tuple(problems),
    )


def _rank(targets: list[Proposal], ranked: list[bool], support: list[float]) -> tuple[int, str]:
    """Index and method of the best target; (-1, "") if none may be ranked."""
    drawn = [i for i, t in enumerate(targets) if t.origin == "user"]
    if drawn:
        return drawn[-1], "tracked" if support[drawn[-1]] > 0 else "detected"
    open_ = [i for i, ok in enumerate(ranked) if ok]
    if not open_:
        return -1, ""

    def by_density(i: int) -> tuple[float, float, int]:
        return (support[i] / float(np.sqrt(box_area(targets[i].box))), targets[i].score, -i)

    best = max(open_, key=by_density)
    if support[best] > 0:
        return best, "tracked"
    return max(open_, key=lambda i: (targets[i].score, -i)), "detected"


def _acted_on(subtask: Subtask, proposals: ProposalsResult, winner: int) -> Proposal | None:
    """Best candidate other than the tool whose label is the target phrase."""
    phrase = subtask.target_name.strip().lower()
    if not phrase:
        return None
    others = [
        p
        for p in proposals.candidates
        if p.id != winner and p.label and p.label.strip().lower() == phrase
    ]
    return max(others, key=lambda p: (p.score, -p.id), default=None)


def _doubts(method: str, support: list[float], chosen: int) -> list[Problem]:
    if method == "none":
        return [Problem("no_target", "No target box, and the object was lost before the end.")]
    if method == "object_end":
        return [
            Problem(
                "target_from_object",
                "No usable target box; the object's own last position counts as target.",
                Severity.INFO,
            )
        ]
    if method == "detected" and support[chosen] == 0:
        return [
            Problem(
                "target_unsupported",
                "The object does not end inside any target box; the best detected one was taken.",
            )
        ]
    return []
