"""Measures what the 3D residuals and the depth edges find, against rendered ground truth.

    python tools/consistency.py DATASET... [--cache DIR] [--episodes 0 3 ...]

For datasets of ``tools/sample`` (label masks and object positions beside them); episodes without
depth are left out. Makes the table of docs/consistency.md. The truth that it uses is exact: the
camera stands still, so a point on something that nobody moves belongs where it was at the keyframe.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.annotate import annotate_episode, standard_graph
from pipeline.engine.cache import ResultCache
from pipeline.evaluation.ground_truth import TrueSubtask, matching_truth, read_ground_truth
from pipeline.evaluation.matching import is_match
from pipeline.model.arrays import F32, I64, U8, Array, Bool
from pipeline.scoring.consistency import WORTH_A_LOOK, measure_consistency, summary
from pipeline.sources.detect import open_dataset

OFF = 5.0
"""Pixels from which a track counts as lost."""
SLIPPED = (0.5, 3.0)
"""Pixels that a track is off when it slipped but still means its point."""
WRONG_DEPTH = 0.01
"""Metres from which the depth of such a point counts as wrong."""
ROBOT = 255
"""Label of the robot in the masks."""


@dataclass
class Found:
    """What was found in all clips; lists of arrays or of numbers.

    Attributes:
        error: Pixels that points of resting things are off.
        rigid: Their residuals, pixels.
        depth_error: Metres that their depth differs from the keyframe's.
        on_edge: Whether they lie on a depth edge in this frame or at the keyframe.
        things: Per candidate that rests: worst median error and worst median residual.
        held: Per clip: share of the object's seen points that are off it in mid-hold, and their
            median residual.
        winners: Per clip: whether the winner is right, and its median residual while held.
        edge_shares: Per candidate: share of its points on edges.
    """

    error: list[Array] = field(default_factory=list)
    rigid: list[Array] = field(default_factory=list)
    depth_error: list[Array] = field(default_factory=list)
    on_edge: list[Array] = field(default_factory=list)
    things: list[tuple[float, float]] = field(default_factory=list)
    held: list[tuple[float, float]] = field(default_factory=list)
    winners: list[tuple[bool, float]] = field(default_factory=list)
    edge_shares: list[float] = field(default_factory=list)


def measure_dataset(path: Path, cache: ResultCache | None, episodes: list[int] | None) -> Found:
    """Run the pipeline where there is depth, and compare with the truth."""
    source = open_dataset(path)
    truth = read_ground_truth(path)
    masks = np.load(path / "ground_truth" / "masks.npz")
    lines = (path / "ground_truth" / "objects.jsonl").read_text(encoding="utf-8").splitlines()
    objects = [json.loads(line) for line in lines]
    found, graph = Found(), standard_graph()
    for episode in episodes or sorted({t.episode_index for t in truth}):
        if not any(c.depth_key for c in source.open(episode).cameras):
            continue
        ran = annotate_episode(source, episode, graph=graph, cache=cache)
        for subtask, outcomes in ran.outcomes.items():
            results = {name: outcome.result for name, outcome in outcomes.items()}
            if "scores" not in results or not results["lifting"].available:
                continue
            task = ran.outcomes[-1]["subtasks"].result.subtasks[subtask]
            true = matching_truth(truth, episode, task.arm, task.start, task.end)
            if true is None:
                continue
            pose = ran.demonstration.camera(results["proposals"].camera).camera_to_world
            key = f"episode_{episode:06d}"
            here = [
                o
                for o in objects
                if (o["episode_index"], o["subtask_index"]) == (episode, true.subtask_index)
            ]
            before = masks[f"{key}.keyframe_{true.subtask_index}"]
            during = masks[f"{key}.mid_hold_{true.subtask_index}"]
            _add_clip(found, results, true, here, before, during, pose)
        print(f"{path.name} {episode}", file=sys.stderr, flush=True)
    return found


def _add_clip(
    found: Found,
    results: dict[str, Any],
    true: TrueSubtask,
    objects: list[dict[str, Any]],
    before: U8,
    during: U8,
    pose: Any,
) -> None:
    tracks, lifting, proposals = results["tracks"], results["lifting"], results["proposals"]
    residuals = measure_consistency(tracks, lifting, proposals.keyframe, pose)
    if residuals is None:
        return
    row, middle = tracks.nearest(true.keyframe), tracks.nearest(true.mid_hold_frame)
    label = _labels(before, tracks.points[row])
    seen = tracks.visible & np.isfinite(tracks.points).all(axis=2)
    moving = [o["label"] for o in objects if o["moves"]]
    rests = seen[row] & ~np.isin(label, [*moving, ROBOT])
    error = np.linalg.norm(tracks.points - tracks.points[row], axis=2)
    depth = np.abs(lifting.xyz[..., 2] - lifting.xyz[row, :, 2])
    use = seen & rests & np.isfinite(residuals.rigid) & np.isfinite(depth)
    use[row] = False
    found.error.append(error[use])
    found.rigid.append(residuals.rigid[use])
    found.depth_error.append(depth[use])
    found.on_edge.append((lifting.on_edge | lifting.on_edge[row])[use])
    held = np.zeros(len(tracks.frames), np.bool_)
    for first, last in true.contact:
        held |= (tracks.frames >= first) & (tracks.frames < last)
    winner = results["scores"].winner
    for proposal in proposals.candidates:
        short = summary(residuals, proposal.id)
        own = tracks.candidate == proposal.id
        if np.isfinite(short.edge_share).any():
            found.edge_shares.append(float(np.nanmean(short.edge_share)))
        if proposal.id == winner and true.start_box is not None and held.any():
            right = is_match(proposal.box, true.start_box)
            found.winners.append((right, float(np.nanmedian(short.median[held]))))
        if (own & rests).sum() < max(6, 0.8 * (own & seen[row]).sum()):
            continue
        errors = np.where(seen & own & rests, error, np.nan)
        rows = np.isfinite(short.median) & np.isfinite(errors).any(axis=1)
        if rows.any():
            worst = np.nanmax(np.nanmedian(errors[rows], axis=1))
            found.things.append((float(worst), float(np.nanmax(short.median[rows]))))
    name = [o["label"] for o in objects if o["role"] == "manipulated"]
    own = seen[row] & np.isin(label, name) & seen[middle] & np.isfinite(residuals.rigid[middle])
    if own.sum() >= 8:
        off = ~np.isin(_labels(during, tracks.points[middle]), name)
        share, median = off[own].mean(), np.median(residuals.rigid[middle, own])
        found.held.append((float(share), float(median)))


def _labels(mask: U8, points: F32) -> U8:
    """Labels (N,) of the pixels under points; those outside take the nearest."""
    places: I64 = np.nan_to_num(np.round(points)).astype(np.int64)
    height, width = mask.shape
    labels: U8 = mask[places[:, 1].clip(0, height - 1), places[:, 0].clip(0, width - 1)]
    return labels


def area_under_curve(positive: Bool, score: Array) -> float:
    """Chance that a positive has the higher score (ROC), ties by their order."""
    rank = np.empty(len(score))
    rank[np.argsort(score, kind="stable")] = np.arange(1, len(score) + 1)
    ones = int(positive.sum())
    zeros = len(score) - ones
    return float((rank[positive].sum() - ones * (ones + 1) / 2) / max(ones * zeros, 1))


def report(found: Found) -> str:
    """Lines of the table in docs/consistency.md."""
    error, rigid = np.concatenate(found.error), np.concatenate(found.rigid)
    lost, flagged = error > OFF, rigid > WORTH_A_LOOK
    things = np.array(found.things)
    bad, told = things[:, 0] > OFF, things[:, 1] > WORTH_A_LOOK
    slip = (error > SLIPPED[0]) & (error < SLIPPED[1])
    wrong = np.concatenate(found.depth_error)[slip] > WRONG_DEPTH
    edge = np.concatenate(found.on_edge)[slip]
    held = np.array(found.held)
    right = [median for good, median in found.winners if good]
    other = [median for good, median in found.winners if not good]
    shares = np.array(found.edge_shares)
    return "\n".join(
        (
            f"clips {len(found.winners)}, points x frames on resting things {len(error)}",
            f"lost tracks (> {OFF:g} px): {lost.mean():.1%}; "
            f"AUC {area_under_curve(lost, rigid):.3f}",
            f"points above {WORTH_A_LOOK:g} px: {flagged.mean():.1%}, of these lost "
            f"{lost[flagged].mean():.1%}, of the others {lost[~flagged].mean():.1%}",
            f"resting candidates {len(things)}, most tracks lost at some time {bad.sum()}; told "
            f"{told.sum()}, of these lost {bad[told].mean():.1%}; found {told[bad].mean():.1%}",
            f"on edges: candidates' median share {np.median(shares):.1%}, above 50 % "
            f"{(shares > 0.5).mean():.1%}",
            f"slipped {SLIPPED[0]:g} to {SLIPPED[1]:g} px: depth off by 1 cm on edges "
            f"{wrong[edge].mean():.1%}, elsewhere {wrong[~edge].mean():.2%}; of all that are off "
            f"{edge[wrong].mean():.1%} lie on edges ({edge.mean():.1%} of all do)",
            f"held objects {len(held)}: points off the object in mid-hold {held[:, 0].mean():.1%}, "
            f"correlation with the residual {np.corrcoef(held.T)[0, 1]:.2f}",
            f"winners while held: right {len(right)}, median {np.median(right):.1f} px; wrong "
            f"{len(other)}: {', '.join(f'{m:.1f}' for m in sorted(other))} px",
        )
    )


def main() -> int:
    """Measure datasets and print one report for all of them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("datasets", nargs="+", type=Path)
    parser.add_argument("--cache", type=Path, help="folder of results to use and to fill")
    parser.add_argument("--episodes", nargs="*", type=int)
    arguments = parser.parse_args()
    cache = ResultCache(arguments.cache) if arguments.cache else None
    total = Found()
    for dataset in arguments.datasets:
        found = measure_dataset(dataset, cache, arguments.episodes)
        for name in vars(total):
            getattr(total, name).extend(getattr(found, name))
    if not total.winners:
        print("no episode with depth and ground truth")
        return 1
    print(report(total))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
