"""Synthetic results of a size that occurs, for benchmarks of the frame viewer."""

from __future__ import annotations

import numpy as np

from pipeline.model.arrays import pack_masks
from pipeline.model.candidate import MasksResult, Proposal, ProposalsResult, TracksResult
from viewers.overlays import OverlayData

KEYFRAME = 60


def make_overlays(
    width: int, height: int, candidates: int = 12, points: int = 500, frames: int = 60
) -> OverlayData:
    """Wavy ellipses as masks, random walks that start inside them as tracks, always visible."""
    rng = np.random.default_rng(7)
    y, x = np.mgrid[:height, :width]
    masks, proposals = [], []
    for k in range(candidates):
        # Things on a table: apart from each other, on a loose grid of four columns.
        grid = np.array([k % 4 + 0.6, k // 4 % 3 + 0.6]) + rng.uniform(-0.1, 0.1, 2)
        cx, cy = grid * (width, height) / (4.2, 3.2)
        rx, ry = rng.uniform(0.03, 0.06, 2) * (width, height)
        wave = 1 + 0.1 * np.sin(6 * np.arctan2(y - cy, x - cx))
        mask = ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 < wave**2
        rows, columns = np.nonzero(mask)
        box = tuple(
            float(v) for v in (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        )
        masks.append(mask)
        proposals.append(Proposal(k, box, KEYFRAME, 0.5, f"thing {k}", "region"))  # type: ignore[arg-type]
    owner = np.sort(np.arange(points, dtype=np.int32) % candidates)
    inside = [rng.permutation(np.argwhere(mask)[:, ::-1]) for mask in masks]
    start = np.array([inside[k][i] for i, k in enumerate(owner)], np.float64)
    walk = start + np.cumsum(rng.normal(0, 2, (frames, points, 2)), axis=0)
    tracks = TracksResult(
        np.arange(frames, dtype=np.int32) * 5,
        6.0,
        walk.astype(np.float32),
        np.ones((frames, points), np.bool_),
        owner,
        np.ones(points, np.bool_),
        np.tile(np.array([p.box for p in proposals], np.float32), (frames, 1, 1)),
        "synthetic",
    )
    return OverlayData(
        ProposalsResult("camera", KEYFRAME, tuple(proposals), (), "synthetic"),
        MasksResult(
            KEYFRAME,
            height,
            width,
            pack_masks(np.array(masks)),
            np.zeros((candidates, 3), np.float32),
            "synthetic",
        ),
        tracks,
    )
